"""The cases that are left of a run, in their order, and which of them are out.

It refuses to know who plays them, and what came of them.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

from wavetank.lab.conformance.case import Case
from wavetank.lab.conformance.openings import Opening

__all__ = ["Row", "Worklist"]

Row = Case | Opening

_MOST_VAIN: Final = 40
"""Second looks that showed no more; then the client is like that, and not slow."""


class Worklist:
    """Cases that wait, that are out, and that are done.

    Args:
        rows: In the order in which they are played.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self._waiting = deque(rows)
        self._out: dict[str, Row] = {}
        self._looked_twice: set[str] = set()
        self._vain = 0
        self._numbers: tuple[Row, ...] = tuple(self._waiting)

    @property
    def is_done(self) -> bool:
        """Whether no case waits or is out."""
        return not self._waiting and not self._out

    @property
    def waiting(self) -> int:
        """How many cases wait."""
        return len(self._waiting)

    def take(self) -> Row | None:
        """Send the next case out; None where none waits."""
        return self._send(self._waiting.popleft()) if self._waiting else None

    def count(self) -> int:
        """Number what waits from 1 on, for whoever asks by number; return how many.

        A client that was started again goes on where it stopped, and does not play
        all of it anew.
        """
        self._numbers = tuple(self._waiting)
        return len(self._numbers)

    def named(self, number: int, name: str = "") -> Row | None:
        """Return a case by its number, or by its id; None where there is none."""
        if name:
            return next((row for row in self._numbers if row.id == name), None)
        return self._numbers[number - 1] if 0 < number <= len(self._numbers) else None

    def take_named(self, number: int, name: str = "") -> Row | None:
        """Send a certain case out; None where it does not wait."""
        row = self.named(number, name)
        if row is None or row not in self._waiting:
            return None
        self._waiting.remove(row)
        return self._send(row)

    def leave_out(self, row: Row) -> None:
        """Take a case that waits from the list."""
        self._waiting.remove(row)

    def done(self, row: Row) -> None:
        """Take note that a case is over."""
        del self._out[row.id]

    def again(self, row: Row) -> bool:
        """Put a case that is out behind all others, for a second look.

        Returns:
            Whether it gets one: not twice, and not where too many were in vain.
        """
        if row.id in self._looked_twice:
            self._vain += 1
            return False
        if self._vain >= _MOST_VAIN:
            return False
        self._looked_twice.add(row.id)
        self.put_back(row)
        return True

    def give_up(self) -> tuple[Row, ...]:
        """Leave out second looks that would be in vain, too; return their cases."""
        if self._vain < _MOST_VAIN:
            return ()
        left = tuple(row for row in self._waiting if row.id in self._looked_twice)
        for row in left:
            self.leave_out(row)
        return left

    def put_back(self, row: Row) -> None:
        """Let a case that is out wait again, behind all others."""
        del self._out[row.id]
        self._waiting.append(row)

    def rows(self) -> tuple[Row, ...]:
        """Return the cases that wait, in their order."""
        return tuple(self._waiting)

    def _send(self, row: Row) -> Row:
        self._out[row.id] = row
        return row

    def __repr__(self) -> str:
        """Show how many wait, and how many are out."""
        return f"<Worklist {len(self._waiting)} waiting, {len(self._out)} out>"
