"""What a user of a request scenario is owed: answers, verified, counted and timed.

It refuses to know sockets and schedules. An echo's answers are known to the byte
before they come. So a read is one comparison of bytes, however many answers are in
it; a user that gets anything else is read frame by frame from then on, by the marks.
benchmarks/load.py measures how much that makes.
"""

from bisect import bisect_left
from collections import deque
from typing import NamedTuple

from wavetank.load.marks import find_mark
from wavetank.load.meter import Meter
from wavetank.load.splitting import WHOLE, join_fragment, join_frames, split_frame

__all__ = ["Owed", "Replies"]


class Owed(NamedTuple):
    """A request without an answer.

    Attributes:
        number: Which of the user's requests, from 1 on.
        intended: When it should have been sent, in microseconds since the start.
        sent: When it was.
        frame: Bytes of the frame that answers it, where they are known; else of its
            payload alone.
    """

    number: int
    intended: int
    sent: int
    frame: bytes


class Replies:
    """Requests of one user that are under way, on one connection.

    Who answers in another order than it was asked is followed by the marks. A message
    without a mark, as long as the answer that is due next of an echo, is that one,
    damaged. Whatever else is of no request of this user is foreign.

    Args:
        meter: Where they are counted.
        run: Of the marks.
        publisher: Of the marks: which user this is.
        is_exact: Whether the target sends each payload back as it came, byte for
            byte and nothing around it.
        is_verbatim: Whether it changes no byte of the payload, whatever is around it.

    Attributes:
        under_way: How many have no answer.
    """

    __slots__ = (
        "_expected",
        "_fragments",
        "_highest",
        "_is_echo",
        "_is_exact",
        "_is_verbatim",
        "_last",
        "_matched",
        "_meter",
        "_owed",
        "_publisher",
        "_rest",
        "_run",
    )

    def __init__(
        self,
        meter: Meter,
        *,
        run: str,
        publisher: int,
        is_exact: bool,
        is_verbatim: bool,
    ) -> None:
        self._meter = meter
        self._run = run.encode()
        self._publisher = publisher
        self._is_echo = self._is_exact = is_exact
        self._is_verbatim = is_verbatim
        self._owed: deque[Owed] = deque()
        # The answers to come as one stream; of its first frame so much has come.
        self._expected = bytearray()
        self._matched = 0
        # The beginning of a frame that is not, or not known to be, an answer.
        self._rest = bytearray()
        self._fragments = bytearray()
        self._last = 0
        # Of those that were answered frame by frame: all before them came in order.
        self._highest = 0

    @property
    def under_way(self) -> int:
        """How many requests have no answer."""
        return len(self._owed)

    def owe(self, owed: Owed) -> None:
        """Expect the answer to a request that is being sent."""
        self._owed.append(owed)
        self._last = owed.number
        if self._is_exact:
            self._expected += owed.frame

    def receive(self, data: bytes, now: int) -> list[tuple[int, bytes]]:
        """Take bytes in.

        Args:
            data: As they came.
            now: When, in microseconds since the start.

        Returns:
            Control frames that were among them: opcode and payload.

        Raises:
            RemoteError: If they are no frames.
        """
        self._meter.tally.bytes_received += len(data)
        if self._is_exact and not self._rest:
            if self._expected.startswith(data):
                self._advance(len(data), now)
                return []
            self._step_back()
        return self._read(data, now)

    def _advance(self, length: int, now: int) -> None:
        """Take answers off that came as they had to, so many bytes of them."""
        del self._expected[:length]
        self._matched += length
        owed = self._owed
        answered = []
        while owed and self._matched >= len(owed[0].frame):
            one = owed.popleft()
            self._matched -= len(one.frame)
            answered.append(one)
        meter = self._meter
        meter.tally.received += len(answered)
        if len(answered) == 1:
            one = answered[0]
            behind, took = now - one.intended, now - one.sent
            meter.response[behind] = meter.response.get(behind, 0) + 1
            meter.service[took] = meter.service.get(took, 0) + 1
        elif answered:
            meter.response.update([now - one.intended for one in answered])
            meter.service.update([now - one.sent for one in answered])

    def _step_back(self) -> None:
        """Expect the first answer whole again, though a part of it came."""
        if self._matched:
            begun = self._owed[0].frame[: self._matched]
            self._expected[:0] = begun
            self._rest += begun
            self._matched = 0

    # Frame by frame

    def _read(self, data: bytes, now: int) -> list[tuple[int, bytes]]:
        data = join_frames(self._rest, data)
        controls = []
        at = 0
        while (piece := split_frame(data, at)) is not None:
            if piece.first & 0x08:
                controls.append((piece.first & 0x0F, data[piece.start : piece.end]))
            elif self._is_exact and self._expected.startswith(data[at : piece.end]):
                self._advance(piece.end - at, now)
            else:
                self._is_exact = False
                self._expected.clear()
                self._take_data(piece.first, data[piece.start : piece.end], now)
            at = piece.end
        rest = data[at:]
        if self._is_exact and self._expected.startswith(rest):
            self._advance(len(rest), now)
        else:
            self._rest += rest
        return controls

    def _take_data(self, first: int, payload: bytes, now: int) -> None:
        if first in WHOLE:
            self._take(payload, now)
            return
        message = join_fragment(self._fragments, first, payload)
        if message is not None:
            self._take(message, now)

    def _take(self, message: bytes, now: int) -> None:
        mark = find_mark(message)
        tally = self._meter.tally
        if mark is None:
            self._take_unmarked(message, now)
        elif (mark.run, mark.publisher) != (self._run, self._publisher):
            tally.foreign += 1
        elif (owed := self._find(mark.number)) is not None:
            self._answer(owed, now, is_right=self._is_right(message, owed))
        elif 0 < mark.number <= self._last:
            tally.duplicated += 1
        else:
            tally.corrupted += 1

    def _take_unmarked(self, message: bytes, now: int) -> None:
        """Take a push of the target, or an echo that is damaged at its mark."""
        owed = self._owed
        if self._is_echo and owed and len(message) == len(_payload(owed[0].frame)):
            self._answer(owed.popleft(), now, is_right=False)
        else:
            self._meter.tally.foreign += 1

    def _answer(self, owed: Owed, now: int, *, is_right: bool) -> None:
        meter = self._meter
        meter.tally.received += 1
        meter.tally.corrupted += not is_right
        meter.tally.reordered += owed.number < self._highest
        self._highest = max(self._highest, owed.number)
        behind, took = now - owed.intended, now - owed.sent
        meter.response[behind] = meter.response.get(behind, 0) + 1
        meter.service[took] = meter.service.get(took, 0) + 1

    def _is_right(self, message: bytes, owed: Owed) -> bool:
        """Tell whether an answer carries what was sent."""
        if self._is_echo:
            return message == _payload(owed.frame)
        return not self._is_verbatim or owed.frame in message

    def _find(self, number: int) -> Owed | None:
        """Return the request of a number, and owe it no longer."""
        owed = self._owed
        if owed and owed[0].number == number:
            return owed.popleft()
        place = bisect_left(owed, number, key=_number)
        if place == len(owed) or owed[place].number != number:
            return None
        one = owed[place]
        del owed[place]
        return one

    def give_up(self) -> int:
        """Return how many are without an answer, and owe nothing any more."""
        self._step_back()
        left = len(self._owed)
        self._owed.clear()
        self._expected.clear()
        return left


def _number(owed: Owed) -> int:
    return owed.number


def _payload(frame: bytes) -> bytes:
    piece = split_frame(frame, 0)
    assert piece is not None, "a frame that we made ourselves is whole"
    return frame[piece.start :]
