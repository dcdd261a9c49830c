"""The proxy's wire log: each frame, when it came, when it left, and its fate.

It refuses to know what a loss means: see ``fates``.
"""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from wavetank.chaos.fates import Crossing, encode_crossing
from wavetank.chaos.toxic import Direction
from wavetank.chaos.tracking import Note

__all__ = ["WireLog"]

MOST: Final = 100_000
KEEP: Final = 128


class WireLog:
    """Notes of frames, of all links of a proxy, in the order in which they came.

    Memory is bounded: the oldest notes go, and are counted. Frames above the proxy's
    ``max_frame``, and what is no frame, are not noted.

    Args:
        most: How many notes to keep.
        keep: How many of a payload's first bytes to keep with each.
        follows: Whether somebody takes each frame by ``take_settled``, often enough
            for memory: until then, it is kept beside the ``most``.

    Attributes:
        keep: As above.
        dropped: Notes that are gone.
    """

    def __init__(
        self, *, most: int = MOST, keep: int = KEEP, follows: bool = False
    ) -> None:
        self.keep = keep
        self.dropped = 0
        self._notes: deque[tuple[int, Direction, Note]] = deque(maxlen=most)
        self._unsettled: list[tuple[int, Direction, Note]] | None = (
            [] if follows else None
        )

    @property
    def is_complete(self) -> bool:
        """Whether nothing was dropped."""
        return not self.dropped

    def add(self, link: int, direction: Direction, note: Note) -> None:
        """Take a note; what becomes of it later is seen in it."""
        self.dropped += len(self._notes) == self._notes.maxlen
        self._notes.append((link, direction, note))
        if self._unsettled is not None:
            self._unsettled.append((link, direction, note))

    def take_settled(self) -> list[Crossing]:
        """Return those of which nothing more becomes, each once, in order of coming.

        All are, once their link is over.
        """
        taken = self._unsettled
        if taken is None:
            return []
        self._unsettled = [each for each in taken if not each[2].is_settled]
        return [
            note.crossing(link, direction)
            for link, direction, note in taken
            if note.is_settled
        ]

    def __len__(self) -> int:
        return len(self._notes)

    def __iter__(self) -> Iterator[Crossing]:
        """Yield every frame as it stands now; those that come meanwhile are not in."""
        for link, direction, note in tuple(self._notes):
            yield note.crossing(link, direction)

    def write(self, path: Path) -> int:
        """Write it as lines of JSON; return how many.

        Raises:
            OSError: If it cannot be written.
        """
        count = 0
        with path.open("wb") as file:
            for crossing in self:
                file.write(encode_crossing(crossing) + b"\n")
                count += 1
        return count

    def __repr__(self) -> str:
        """Show how many notes there are, and how many are gone."""
        return f"<WireLog {len(self)} frames, {self.dropped} dropped>"
