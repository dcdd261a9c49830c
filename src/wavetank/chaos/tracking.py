"""Where the frames of one stream are, told by what goes in, comes out, and between.

It refuses to know toxics but by what each makes of what it gets.

A frame is known by being the same object at both ends of a chain. What is cut into
pieces, or put together, on the way is followed by counting bytes, in order.
"""

import hashlib
import itertools
import operator
from collections.abc import Callable, Iterable
from typing import Final

from wavetank.chaos.fates import Crossing, Fate
from wavetank.chaos.reframing import payload_of
from wavetank.chaos.toxic import Bytes, Direction, Frame, Item, Timed, data_of
from wavetank.chaos.toxics import TYPES

__all__ = ["KEEPERS", "Note", "Tracker"]

KEEPERS: Final = frozenset(
    {"bandwidth", "delay", "duplicate", "merge", "reorder", "slicer"}
)
"""Types of toxics that keep items, and let them go later of their own accord."""

_IN_ORDER: Final = frozenset(
    {name for name, each in TYPES.items() if not each.frames} | {"merge"}
)
"""Types that let nothing overtake; those of bytes stand behind all that do."""

_GONE: Final = -1
"""No object's identity: that of a frame which is gone may be another's tomorrow."""
_ORDER: Final = operator.attrgetter("order")
_DIGEST: Final = 8


class Note:
    """What is known so far of one frame."""

    __slots__ = (
        "_came",
        "_digest",
        "_first",
        "_size",
        "_start",
        "by",
        "fate",
        "left_at",
        "number",
        "order",
        "parts",
    )

    def __init__(
        self, number: int, frame: Frame, came_at: float | None, keep: int
    ) -> None:
        payload = payload_of(frame)
        self._first = frame.data[0]
        self._size = len(payload)
        self._digest = hashlib.blake2b(payload, digest_size=_DIGEST).hexdigest()
        self._start = payload[:keep]
        self._came = came_at
        self.number = number
        self.order = 0
        """Its place among those that leave as bytes; 0 while frames may overtake it."""
        self.left_at: float | None = None
        self.fate = Fate.HELD if came_at is not None else Fate.ADDED
        self.by = ""
        self.parts = 0

    @property
    def is_settled(self) -> bool:
        """Whether nothing more becomes of it: no part of it is in the chain."""
        return not self.parts

    @property
    def size(self) -> int:
        """Bytes of its payload."""
        return self._size

    def suffer(self, fate: Fate, by: str) -> None:
        """Note what a toxic did; the first one that harms it is named."""
        if self.fate is Fate.HELD:
            self.fate, self.by = fate, by

    def leave(self, now: float) -> None:
        """Note that it was written, or the last part of it so far."""
        self.left_at = now
        if self.fate is Fate.HELD:
            self.fate, self.by = Fate.PASSED, ""

    def crossing(self, link: int, direction: Direction) -> Crossing:
        """Return it as a value."""
        return Crossing(
            link=link,
            direction=direction,
            number=self.number,
            opcode=self._first & 0x0F,
            fin=self._first >= 0x80,
            size=self._size,
            came_at=self._came,
            left_at=self.left_at,
            fate=self.fate,
            by=self.by,
            digest=self._digest,
            start=self._start,
        )


class Tracker:
    """Follows the frames of one stream through its chain.

    Args:
        notify: Is handed each new note, in order of coming.
        type_of: The type of the toxic of a name; None where it is not known.
        keep: Bytes of a payload to remember.
    """

    def __init__(
        self,
        notify: Callable[[Note], None],
        type_of: Callable[[str], str | None],
        *,
        keep: int,
    ) -> None:
        self._notify = notify
        self._type_of = type_of
        self._keep = keep
        self._number = 0
        # The frame is kept with its note: no other object may get its identity.
        self._inside: dict[int, tuple[Frame, Note]] = {}
        # What may leave as bytes: identity of the frame, and bytes to come.
        self._pieces: dict[Note, tuple[int, int]] = {}
        self._orders = itertools.count(1)

    def __repr__(self) -> str:
        return f"<Tracker {self._number} came, {len(self._inside)} inside>"

    def enter(self, item: Item, now: float) -> None:
        """Take note of what goes into the chain."""
        if isinstance(item, Frame):
            self._number += 1
            self._add(item, Note(self._number, item, now, self._keep))

    def watch(self, name: str, item: Item, let_go: Iterable[Timed]) -> None:
        """Take note of what a toxic makes of an item."""
        out = [each for _, each in let_go if isinstance(each, Frame | Bytes)]
        known = self._inside.get(id(item))
        if known is not None and self._type_of(name) in _IN_ORDER:
            self._put_in_order(known[1])
        if any(each is item for each in out):
            if known is not None:
                self._join(known[1])  # whole again behind one that kept it
            self._add_all(name, out)
        elif known is not None:
            self._follow(name, known, out)
        elif not out and isinstance(item, Bytes) and not self._is_keeper(name):
            self._lose(name)

    def leave(self, item: Item, now: float) -> None:
        """Take note of what comes out of the chain."""
        note = self._let_go(id(item))
        if note is not None:
            note.leave(now)
            self._join(note)
        elif isinstance(item, Frame):
            self._leave_new(item, now)
        else:
            self._leave_bytes(len(data_of(item)), now)

    def end(self) -> None:
        """Forget what is inside: it never leaves."""
        for note in (*(note for _, note in self._inside.values()), *self._pieces):
            note.parts = 0
        self._inside.clear()
        self._pieces.clear()

    # What of each note is inside

    def _hold(self, frame: Frame, note: Note) -> None:
        """Wait for a frame that is a note's, or a part of it."""
        self._let_go(id(frame))
        self._inside[id(frame)] = frame, note
        note.parts += 1

    def _let_go(self, key: int) -> Note | None:
        """Wait for a frame no more; return whose it was."""
        _, note = self._inside.pop(key, (None, None))
        if note is not None:
            note.parts -= 1
        return note

    def _cut(self, note: Note, key: int, size: int) -> None:
        """Wait for so many bytes of a note."""
        self._join(note)
        self._pieces[note] = key, size
        note.parts += 1

    def _put_in_order(self, note: Note) -> None:
        """Note that nothing behind it will overtake it any more."""
        note.order = note.order or next(self._orders)

    def _join(self, note: Note) -> int:
        """Wait for bytes of a note no more; return which frame they are of."""
        key, _ = self._pieces.pop(note, (0, 0))
        note.parts -= 1 if key else 0
        return key

    # What becomes of it

    def _is_keeper(self, name: str) -> bool:
        return self._type_of(name) in KEEPERS

    def _add(self, frame: Frame, note: Note) -> None:
        self._hold(frame, note)
        self._notify(note)

    def _add_all(self, name: str, out: list[Frame | Bytes]) -> None:
        """Note frames that a toxic made beside one that it let by."""
        for each in out:
            is_new = isinstance(each, Frame) and id(each) not in self._inside
            if is_new and isinstance(each, Frame) and not self._pieces:
                note = Note(0, each, None, self._keep)
                note.by = name
                self._add(each, note)

    def _follow(
        self, name: str, known: tuple[Frame, Note], out: list[Frame | Bytes]
    ) -> None:
        """Note what became of a frame that did not come out as it went in."""
        frame, note = known
        if self._is_keeper(name):
            # It comes out by itself later, or as bytes, or in another frame.
            note.by = note.by or name
            self._cut(note, id(frame), len(frame.data))
            return
        self._let_go(id(frame))
        made = [each for each in out if id(each) not in self._inside]
        data = b"".join(each.data for each in made if isinstance(each, Bytes))
        if not made:
            note.suffer(Fate.DROPPED, name)
        elif data != frame.data:
            note.suffer(Fate.CHANGED, name)
        for each in made:
            if isinstance(each, Frame):
                self._hold(each, note)
        if data:
            self._put_in_order(note)
            self._cut(note, _GONE, len(data))

    def _lose(self, name: str) -> None:
        """Note that bytes are missing: of which of those in pieces is not known."""
        for note in list(self._pieces):
            note.suffer(Fate.DROPPED, name)
            self._forget(note)

    def _leave_new(self, frame: Frame, now: float) -> None:
        """Note a frame that nobody saw being made: of parts, or sent again."""
        parts: list[Note] = []
        size = 0
        for note in self._pieces:
            if size + note.size > frame.size:
                break
            size += note.size
            parts.append(note)
        if len(parts) > 1 and size == frame.size:
            for note in parts:
                note.suffer(Fate.CHANGED, note.by)
                note.leave(now)
                self._forget(note)
        else:
            note = Note(0, frame, None, self._keep)
            note.leave(now)
            self._notify(note)

    def _leave_bytes(self, count: int, now: float) -> None:
        cut = sorted((note for note in self._pieces if note.order), key=_ORDER)
        for note in cut:
            key, left = self._pieces[note]
            if count < left:
                self._pieces[note] = key, left - count
                return
            count -= left
            note.leave(now)
            self._forget(note)

    def _forget(self, note: Note) -> None:
        """Wait for no more bytes of a frame."""
        self._let_go(self._join(note))
