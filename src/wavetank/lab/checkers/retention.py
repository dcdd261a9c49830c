"""Retention: which publications are kept, and which go when.

It refuses to know what becomes of those that go.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from wavetank.lab.checkers.publications import BITS, OPEN, STATE, Chunk, Ledger
from wavetank.lab.checkers.streams import Stream

__all__ = ["Retention"]

Full: TypeAlias = tuple[Ledger, Chunk]

_LOOKS: Final = 8
"""Chunks that are looked at each time another one is full."""

_STATES: Final = bytes(byte & STATE for byte in range(256))


class Retention:
    """The full chunks of all topics.

    A chunk is whole once every publication of it has been answered, and everybody who
    is owed one has got it. Whole ones are kept for a while, because what comes twice
    comes soon after; the others wait until they are whole.

    Args:
        recent: Publications of whole chunks that are kept.
        most: Publications of other full chunks that are kept.
        streams: Number of a topic -> all who ever subscribed to it.
    """

    def __init__(
        self, *, recent: int, most: int, streams: Mapping[int, Sequence[Stream]]
    ) -> None:
        self._recent = recent >> BITS
        self._most = most >> BITS
        self._streams = streams
        self._waiting: list[Full] = []
        self._next = 0
        self._whole: deque[Full] = deque()

    def add(self, ledger: Ledger, chunk: Chunk) -> list[tuple[Full, bool]]:
        """Take a chunk that is full now.

        Returns:
            Chunks that are to go, and whether each of them is whole.
        """
        self._look()
        self._waiting.append((ledger, chunk))
        going: list[tuple[Full, bool]] = []
        while len(self._whole) > self._recent:
            oldest = self._whole.popleft()
            if self._is_whole(oldest):
                going.append((oldest, True))
            else:  # somebody has asked for it since
                self._waiting.append(oldest)
        while len(self._waiting) > self._most + 1:
            going.append((self._waiting.pop(0), False))
        return going

    def _look(self) -> None:
        """Look at some that wait, going round; those that are whole wait no more."""
        for _ in range(min(_LOOKS, len(self._waiting))):
            if self._next >= len(self._waiting):
                self._next = 0
            full = self._waiting[self._next]
            if not self._is_whole(full):
                self._next += 1
                continue
            del self._waiting[self._next]
            self._whole.append(full)
            ledger, chunk = full
            for stream in self._streams.get(ledger.number, ()):
                stream.fold(chunk)

    def _is_whole(self, full: Full) -> bool:
        ledger, chunk = full
        if OPEN in chunk.status.translate(_STATES):
            return False
        last = max(chunk.positions)
        return all(
            stream.is_whole(chunk, last)
            for stream in self._streams.get(ledger.number, ())
        )

    def __repr__(self) -> str:
        """Show how many chunks wait, and how many are whole."""
        return f"<Retention {len(self._waiting)} wait, {len(self._whole)} whole>"
