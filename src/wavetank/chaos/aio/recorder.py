"""Writes what the wire logs of proxies note to a file, as it comes to be known.

It refuses to know when: whoever has it written does.
"""

import asyncio
from typing import Final, Protocol

import msgspec

from wavetank.chaos.aio.wirelog import WireLog
from wavetank.chaos.fates import Crossing, encode_crossing

__all__ = ["Recorder", "Sink"]

_AT_ONCE: Final = 256
"""Lines that are written before others have their turn."""


class Sink(Protocol):
    """A file without a buffer: what was written is not lost with the process."""

    def write(self, data: "bytes | memoryview", /) -> int | None:
        """Write bytes, or the first of them; return how many."""
        ...


class Recorder:
    """A line of JSON for each frame that goes through one of several proxies.

    Args:
        file: Where they are written.

    Attributes:
        failure: Why it could not be written; None while it could. Nothing is written
            behind a failure, and whatever goes by goes on.
    """

    def __init__(self, file: Sink) -> None:
        self.failure: OSError | None = None
        self._file = file
        self._logs: dict[WireLog, bytes] = {}
        self._leaving: set[WireLog] = set()
        self._turn = asyncio.Lock()

    def __repr__(self) -> str:
        """Show whose frames it writes, and whether it still can."""
        state = "" if self.failure is None else f", {self.failure}"
        return f"<Recorder of {len(self._logs)} proxies{state}>"

    def follow(self, name: str) -> WireLog:
        """Return a log for a proxy; its frames are written under this name."""
        log = WireLog(follows=True)
        self._logs[log] = b'{"proxy":' + msgspec.json.encode(name) + b","
        return log

    def leave(self, log: WireLog | None) -> None:
        """Know that a proxy is closed; what is left of its log is still written."""
        if log in self._logs:
            self._leaving.add(log)

    async def write(self) -> None:
        """Write all frames of which nothing more becomes; others have their turns."""
        async with self._turn:
            leaving, self._leaving = self._leaving, set()
            for log, start in list(self._logs.items()):
                taken = log.take_settled()
                for at in range(0, len(taken), _AT_ONCE):
                    self._write(start, taken[at : at + _AT_ONCE])
                    await asyncio.sleep(0)
            for log in leaving:
                del self._logs[log]

    def _write(self, start: bytes, crossings: list[Crossing]) -> None:
        if self.failure is not None:
            return
        lines = [start + encode_crossing(each)[1:] + b"\n" for each in crossings]
        left = memoryview(b"".join(lines))
        try:
            while left:
                left = left[self._file.write(left) or 0 :]
        except OSError as error:
            self.failure = error
