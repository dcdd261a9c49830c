"""What subscribers get, checked byte by byte at the price of a comparison.

It refuses to know sockets, and what it is that serves.

All subscribers of a topic should get the same bytes. The first one to get a
publication has it read, number and content; for everybody else its bytes are compared
with those that were read. That is stricter than counting numbers, and quick enough
not to be what is measured. Whoever gets other bytes is read publication by publication.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

__all__ = ["Arrivals", "Expected", "Meaning", "Problems", "Unit"]


class Meaning(Enum):
    """What a message of a server is to a subscriber."""

    EVENT = "event"
    READY = "ready"
    ANSWER = "answer"
    REFUSED = "refused"
    ASKED = "asked"
    """The server wants a sign of life."""
    CLOSED = "closed"
    DAMAGED = "damaged"
    OTHER = "other"


class Unit(NamedTuple):
    """One message.

    Attributes:
        meaning: What it is.
        number: Of the publication or command that it is about.
        text: Its payload.
        end: Where it ends in the bytes that it was cut from.
    """

    meaning: Meaning
    number: int
    text: bytes
    end: int


Cut = Callable[[bytes, int], Unit | None]
"""Cuts the message that begins at a place; None while it is not complete."""


class Problems:
    """What went wrong, counted over all subscribers.

    Attributes:
        skipped: Publications that were jumped over.
        repeated: Publications that came again, or after a later one.
        damaged: Messages with other bytes than were published.
        refused: Errors that the server answered with.
        closed: Connections that the server ended.
        first: The first problem, in words.
    """

    def __init__(self) -> None:
        self.skipped = self.repeated = self.damaged = self.refused = self.closed = 0
        self.first = ""

    def note(self, what: str, count: int, words: str) -> None:
        """Count a problem."""
        setattr(self, what, getattr(self, what) + count)
        self.first = self.first or f"{what}: {words[:200]}"

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self.first)


class Expected:
    """What all subscribers should get, as the first of them got it.

    Args:
        is_whole: Tells whether a message holds the publication of that number as it
            was published.
        problems: Where to count what goes wrong.

    Attributes:
        data: The bytes that are kept.
        base: Where they begin, in bytes since the first publication.
        ends: Where each publication ends; the first has number 1.
        came: Bytes of publications that came, over all subscribers.
    """

    def __init__(
        self, is_whole: Callable[[bytes, int], bool], problems: Problems
    ) -> None:
        self.is_whole = is_whole
        self.problems = problems
        self.data = bytearray()
        self.base = 0
        self.ends = array("Q")
        self.came = 0

    @property
    def end(self) -> int:
        """Where the bytes end that are known."""
        return self.base + len(self.data)

    def add(self, unit: bytes) -> None:
        """Take the next publication, as it came."""
        self.data += unit
        self.ends.append(self.end)

    def holds(self, number: int, data: bytes) -> bool:
        """Tell whether a known publication has these bytes."""
        begun, end = self.start_of(number), self.ends[number - 1]
        place = begun - self.base
        return end - begun == len(data) and self.data.startswith(data, place)

    def number_at(self, place: int) -> int:
        """Return the number of the last publication that ends up to a place."""
        return bisect_right(self.ends, place)

    def start_of(self, number: int) -> int:
        """Return where a publication begins."""
        return self.ends[number - 2] if number > 1 else 0

    def trim(self, place: int) -> None:
        """Forget the publications that end up to a place."""
        number = self.number_at(place)
        if number and self.ends[number - 1] > self.base:
            del self.data[: self.ends[number - 1] - self.base]
            self.base = self.ends[number - 1]


class Arrivals:
    """What one subscriber gets.

    Args:
        expected: What it should get.
        cut: Cuts messages out of bytes.
        hear: Called with each message that is no publication.

    Attributes:
        place: Up to where it has got what was expected, in bytes. It must not be
            behind what ``Expected`` keeps.
    """

    __slots__ = ("_cut", "_expected", "_hear", "_last", "_rest", "place")

    def __init__(
        self, expected: Expected, cut: Cut, hear: Callable[[Unit], object]
    ) -> None:
        self._expected = expected
        self._cut = cut
        self._hear = hear
        self._rest = b""
        self._last = 0
        """Number of the last publication, since it got other bytes than expected."""
        self.place = 0

    def feed(self, chunk: bytes) -> None:
        """Take bytes as they came."""
        expected = self._expected
        if self._rest:
            chunk = self._rest + chunk
            self._rest = b""
        if not self._last and expected.data.startswith(
            chunk, self.place - expected.base
        ):
            self.place += len(chunk)
            expected.came += len(chunk)
        else:
            self._read(chunk)

    @property
    def count(self) -> int:
        """How many publications it has, those included that were jumped over."""
        return self._last or self._expected.number_at(self.place)

    @property
    def is_alone(self) -> bool:
        """Whether it got other bytes than the others, and is not compared any more."""
        return self._last > 0

    def _read(self, chunk: bytes) -> None:
        """Take bytes that hold something new, or something else."""
        if not self._last:
            chunk = self._go_along(chunk)
        start = 0
        while (unit := self._cut(chunk, start)) is not None:
            if unit.meaning is Meaning.EVENT:
                self._take(unit, chunk[start : unit.end])
            else:
                self._hear(unit)
            start = unit.end
        self._rest = chunk[start:]

    def _go_along(self, chunk: bytes) -> bytes:
        """Go along what is known; return what is left, from the start of a message."""
        expected = self._expected
        known = bytes(expected.data[self.place - expected.base :])
        if known and chunk.startswith(known):
            self._advance(len(known))
            return chunk[len(known) :]
        begun = expected.start_of(self.count + 1)
        head = bytes(expected.data[begun - expected.base : self.place - expected.base])
        self._advance(-len(head))
        return head + chunk

    def _advance(self, size: int) -> None:
        self.place += size
        self._expected.came += size

    def _take(self, unit: Unit, data: bytes) -> None:
        """Take one publication."""
        expected, number = self._expected, self.count + 1
        if self._last or unit.number != number:
            self._take_alone(unit, data)
        elif number <= len(expected.ends):
            if expected.holds(number, data):
                self._advance(len(data))
            else:
                self._take_alone(unit, data)
        elif expected.is_whole(unit.text, number):
            expected.add(data)
            self._advance(len(data))
        else:
            self._take_alone(unit, data)

    def _take_alone(self, unit: Unit, data: bytes) -> None:
        """Take a publication that is not what the others got; count from now on."""
        expected, number = self._expected, self.count + 1
        problems = expected.problems
        words = f"{unit.number} came where {number} was due"
        if not expected.is_whole(unit.text, unit.number):
            problems.note("damaged", 1, f"{unit.number}: {unit.text!r}")
        if unit.number > number:
            problems.note("skipped", unit.number - number, words)
        elif unit.number < number:
            problems.note("repeated", 1, words)
        expected.came += len(data)
        self._last = max(unit.number, number - 1, 1)
