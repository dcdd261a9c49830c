"""The reach of faults of links: whether there was any link that they could break.

It refuses to know what they do to one.
"""

from collections.abc import Collection

from wavetank.chaos import Proxy

__all__ = ["Reach"]


class Reach:
    """Notes which faults are on in a proxy, and whether they had a link to break.

    Args:
        proxy: The proxy.
    """

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        # Name of each fault that had no link when it began -> links that had come by
        # then; None where it is for none that come later.
        self._without: dict[str, int | None] = {}

    def begin(self, name: str, links: Collection[int] | None) -> None:
        """Note that a fault begins.

        Args:
            name: Its name.
            links: Numbers of the links that it is for; None for all.
        """
        there = self._proxy.links
        if not (there if links is None else set(links) & set(there)):
            self._without[name] = self._opened() if links is None else None

    def end(self, name: str) -> bool:
        """Forget a fault; return whether there was a link that it could break."""
        if name not in self._without:
            return True
        before = self._without.pop(name)
        return before is not None and self._opened() > before

    def _opened(self) -> int:
        return self._proxy.statistics()["opened"]

    def __repr__(self) -> str:
        """Show which faults had no link when they began."""
        return f"<Reach without links: {', '.join(self._without) or '-'}>"
