"""The final phase: all is healed, everybody is back, and nothing more is to come.

It refuses to know messages. What did not come is lost only once it is finished.
"""

from collections.abc import Iterable

__all__ = ["FinalPhase"]

_MOST_NAMES = 5


class FinalPhase:
    """How far the final phase is.

    Attributes:
        doubts: Why it is not finished, in words; empty where it is.
    """

    __slots__ = ("_faults", "_is_back", "_was_hurt", "doubts")

    def __init__(self) -> None:
        # Names of the faults that are on; a dictionary keeps their order.
        self._faults: dict[str, None] = {}
        self._was_hurt = False
        self._is_back = False
        self.doubts: list[str] = []
        self.go_on()

    def go_on(self) -> None:
        """Note that something is published: what was drained is not any more."""
        self.doubts = ["nobody has waited until everything was delivered"]

    def begin_fault(self, name: str) -> None:
        """Note that something is broken."""
        self._faults[name] = None
        self._was_hurt = True
        self._is_back = False
        self.go_on()

    def heal_fault(self, name: str) -> None:
        """Note that a fault is over."""
        self._faults.pop(name, None)

    def heal(self) -> None:
        """Note that every fault is over."""
        self._faults.clear()

    def reconnect(self) -> None:
        """Note that everybody who should be connected is."""
        self._is_back = True

    def drain(self, away: Iterable[str], *, finished: bool) -> None:
        """Note that the wait for what is still to come is over.

        Args:
            away: Subscribers that are owed something and not connected.
            finished: Whether nothing more is to come.
        """
        doubts = []
        if self._faults:
            doubts.append(f"still broken: {_names(self._faults)}")
        names = list(away)
        if names:
            doubts.append(f"not connected again: {_names(names)}")
        elif self._was_hurt and not self._is_back:
            doubts.append("nobody has made sure that all are connected again")
        if not finished:
            doubts.append("messages were still coming when the time was over")
        self.doubts = doubts

    @property
    def is_finished(self) -> bool:
        """Whether what has not come will not come."""
        return not self.doubts

    def __repr__(self) -> str:
        """Show what it lacks."""
        return f"<FinalPhase {'; '.join(self.doubts) or 'finished'}>"


def _names(names: Iterable[str]) -> str:
    known = list(names)
    rest = len(known) - _MOST_NAMES
    more = [f"and {rest} more"] if rest > 0 else []
    return ", ".join([*known[:_MOST_NAMES], *more])
