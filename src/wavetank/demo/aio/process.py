"""One process of the cycle: its start, its lines, its end.

It refuses to know what it does.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Sequence

from wavetank.errors import TargetError

__all__ = ["Child"]

_LONGEST_LINE = 16 * 1024 * 1024


class Child:
    """A ``wavetank`` command in a process of its own.

    It is in a session of its own too, so that Ctrl-C reaches whoever started it
    alone, who then ends it in order.

    Args:
        words: What stands behind ``wavetank``.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._words = tuple(words)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, errors: int | None = None) -> None:
        """Start it.

        Args:
            errors: File descriptor of its stderr; None is ours.

        Raises:
            TargetError: If that is not possible.
        """
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "wavetank", *self._words),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                limit=_LONGEST_LINE,
            )
        except OSError as error:
            raise TargetError(f"cannot start Python: {error.strerror}") from None

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The process; there has to be one."""
        if self._process is None:
            raise TargetError("it was never started")
        return self._process

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield what it prints, line by line, until its end."""
        stdout = self.process.stdout
        while stdout is not None and (line := await stdout.readline()):
            yield line

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it is there."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def wait(self) -> int:
        """Wait for its end; return its exit code, negative for a signal."""
        return await self.process.wait()

    async def end(self, patience: float) -> None:
        """End it, by SIGKILL where SIGTERM does not do within this time."""
        if self._process is None:
            return
        self.send(signal.SIGTERM)
        try:
            async with asyncio.timeout(patience):
                await self.wait()
        except TimeoutError:
            pass
        finally:
            self.send(signal.SIGKILL)
        await self.wait()

    def __repr__(self) -> str:
        """Show what it was started with."""
        return f"<Child {' '.join(self._words)}>"
