"""The cycle's hub: a process on a port that stays the same over its lives.

It refuses to know what is said to it.
"""

import asyncio
from pathlib import Path

from wavetank.demo.aio.process import Child
from wavetank.errors import TargetError

__all__ = ["OwnHub"]

_READY = 60.0
"""Seconds until it has to listen."""
_ATTEMPTS = 10
_PAUSE = 0.5
"""Seconds between two attempts to get its port back."""


class OwnHub:
    """``wavetank hub``, started again with its log where it dies.

    Args:
        folder: An empty folder for its log and its log lines.
        is_durable: Whether its log is on disk.

    Attributes:
        url: Where it listens; "" before its first start.
        lives: How often it was started.
        child: Its process.
    """

    def __init__(self, folder: Path, *, is_durable: bool) -> None:
        self._lines = folder / "hub.log"
        self._data = ("--data", str(folder / "data")) if is_durable else ()
        self._port = 0
        self.url = ""
        self.lives = 0
        self.child = Child(())

    async def start(self) -> None:
        """Start it and wait until it listens.

        Raises:
            TargetError: If it does not; with its last lines.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                await self._start()
            except TargetError:
                # Only a port that it had before comes back by itself.
                if not self._port or attempt == _ATTEMPTS:
                    raise
                await asyncio.sleep(_PAUSE)
            else:
                self.lives += 1
                return

    async def _start(self) -> None:
        place = ("--host", "127.0.0.1", "--port", str(self._port), "--http-port", "off")
        self.child = Child(("hub", *place, *self._data), is_tied=True)
        with self._lines.open("ab") as errors:
            await self.child.start(errors.fileno())
        ready = b""
        try:
            async with asyncio.timeout(_READY):
                ready = await anext(self.child.lines(), b"")
        except TimeoutError:
            pass
        url = next((word for word in ready.split() if word.startswith(b"ws://")), b"")
        if not url:
            await self.child.end(0.0)
            last = self._lines.read_text(errors="replace").splitlines()[-5:]
            words = "; ".join(("the hub did not start", *last))
            raise TargetError(words, output=last)
        self.url = url.decode()
        self._port = int(self.url.rpartition(":")[2].partition("/")[0])

    def __repr__(self) -> str:
        """Show where it listens and how often it was started."""
        return f"<OwnHub {self.url} life {self.lives}>"
