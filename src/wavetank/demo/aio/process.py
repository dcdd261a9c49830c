"""One process of the cycle: its start, its lines, its end.

It refuses to know what it does.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence

from wavetank.errors import TargetError

__all__ = ["Child"]

_LONGEST_LINE = 16 * 1024 * 1024
_PR_SET_PDEATHSIG = 1


def _ends_with_us() -> Callable[[], None] | None:
    """Return what ties a process to our life, called in it before it begins.

    A hub serves whoever connects, read or not, so that a closed pipe does not end
    it; and whoever was killed cannot end anybody. Linux does it for us (prctl(2)),
    and Python has no other way to ask for it. Elsewhere such a hub goes on.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    ours = os.getpid()

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != ours:
            # We were gone before that.
            os._exit(0)

    return tie


class Child:
    """A ``wavetank`` command in a process of its own.

    It is in a session of its own too, so that Ctrl-C reaches whoever started it
    alone, who then ends it in order.

    Args:
        words: What stands behind ``wavetank``.
        is_tied: Whether the system has to end it when we are killed. Who prints what
            goes on notices by itself that nobody reads it.
    """

    def __init__(self, words: Sequence[str], *, is_tied: bool = False) -> None:
        self._words = tuple(words)
        self._is_tied = is_tied
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
                preexec_fn=_ends_with_us() if self._is_tied else None,
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
