"""A setback: publications that are refused again and again, and when to say so.

It refuses to know clocks, and what is done about it.
"""

__all__ = ["Setback"]

TOLD_AFTER = 2.0
"""Seconds of refusals that need no word: a disk may be slow for a moment."""


class Setback:
    """Tells when refusals have gone on for some time, once until they end.

    Args:
        told_after: Seconds without any acknowledgement.
    """

    __slots__ = ("_is_told", "_since", "_told_after")

    def __init__(self, told_after: float = TOLD_AFTER) -> None:
        self._told_after = told_after
        self._since: float | None = None
        self._is_told = False

    def refused(self, now: float) -> float | None:
        """Note that one has to be sent again.

        Returns:
            Seconds that this goes on, where it is time to say so; else None.
        """
        if self._since is None:
            self._since = now
        seconds = now - self._since
        if self._is_told or seconds < self._told_after:
            return None
        self._is_told = True
        return seconds

    def ended(self, now: float) -> float | None:
        """Note that one was acknowledged.

        Returns:
            Seconds that it went on, where it was told; else None.
        """
        since, self._since = self._since, None
        was_told, self._is_told = self._is_told, False
        return now - since if was_told and since is not None else None

    def __repr__(self) -> str:
        """Show since when it goes on."""
        return f"<Setback since {self._since}>"
