"""The reach of faults of links: whether there was anything that they have broken.

It refuses to know what they do to one.
"""

from collections.abc import Collection

from wavetank.chaos import Proxy

__all__ = ["Reach"]


class Reach:
    """Notes which faults are on in a proxy, and whether they have broken anything.

    A fault of toxics has where they have hurt something; any other one, where there
    was a link.

    Args:
        proxy: The proxy.
    """

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        # Name of each fault that had no link when it began -> links that had come by
        # then; None where it is for none that come later.
        self._without: dict[str, int | None] = {}
        # Name of each fault whose toxics were taken out -> what they have hurt.
        self._hurt: dict[str, int] = {}

    def begin(self, name: str, links: Collection[int] | None) -> None:
        """Note that a fault begins.

        Args:
            name: Its name.
            links: Numbers of the links that it is for; None for all.
        """
        there = self._proxy.links
        if not (there if links is None else set(links) & set(there)):
            self._without[name] = self._opened() if links is None else None

    def take_out(self, name: str, *toxics: str) -> None:
        """Take the toxics of a fault out of the proxy, and note what they have done."""
        self._hurt[name] = sum(self._proxy.remove(toxic)["hurt"] for toxic in toxics)

    def end(self, name: str) -> bool:
        """Forget a fault; return whether it has broken anything."""
        if name in self._hurt:
            self._without.pop(name, None)
            return self._hurt.pop(name) > 0
        if name not in self._without:
            return True
        before = self._without.pop(name)
        return before is not None and self._opened() > before

    def _opened(self) -> int:
        return self._proxy.statistics()["opened"]

    def __repr__(self) -> str:
        """Show which faults had no link when they began."""
        return f"<Reach without links: {', '.join(self._without) or '-'}>"
