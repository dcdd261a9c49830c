"""Ctrl-C and SIGTERM, as a fact to look at and not an exception in the middle.

It refuses to know what is interrupted.

Raised as an exception, an interruption can strike between any two steps of an
event loop, where it is lost or leaves half a connection behind. So the first one is
noted, the check that runs is cancelled, and whoever drives the run looks at
``happened`` between two steps. One that comes a second later is raised: the user
does not want to wait any more.
"""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from wavetank.clock import Clock, SystemClock

__all__ = ["INTERRUPTION", "Interruption"]

_PATIENCE = 1.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """Whether the user, or the system, wants this process to end.

    Args:
        clock: Tells a second interruption from the echo of the first.

    Attributes:
        happened: Whether it was interrupted since `catch`.
        is_watched: Whether somebody looks at that; else a signal is raised at once.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.happened = False
        self.is_watched = False
        self._clock = clock or SystemClock()
        self._happened_at = 0.0
        self._cancel: Callable[[], object] | None = None
        self._before: dict[int, Any] = {}

    def catch(self) -> bool:
        """Note signals from here on; only the main thread can, and only once.

        Returns:
            Whether it does so from now on; then somebody has to `release` them.
        """
        if threading.current_thread() is not threading.main_thread() or self._before:
            return False
        self.happened = False
        for number in _SIGNALS:
            # Under nohup SIGHUP is ignored, and stays so.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._heard)
        return True

    def release(self) -> None:
        """Leave signals to whoever had them before, and forget; idempotent."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
        self.is_watched = self.happened = False

    @contextlib.contextmanager
    def ignored(self) -> Iterator[None]:
        """Let no signal cut a piece of work that is bounded in time, and short."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, signal.SIG_IGN) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def cancels_this_task(self) -> Iterator[None]:
        """Cancel the current task when it happens."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None, "a task is running"
        self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)
        try:
            if self.happened:
                task.cancel()
            yield
        finally:
            self._cancel = None

    def check(self) -> None:
        """Raise where it happened.

        Raises:
            KeyboardInterrupt: If it did.
        """
        if self.happened:
            raise KeyboardInterrupt

    def _heard(self, number: int, frame: FrameType | None) -> None:
        now = self._clock.now()
        is_first = not self.happened
        if is_first:
            self.happened = True
            self._happened_at = now
            if self._cancel is not None:
                self._cancel()
        is_late = not is_first and now - self._happened_at >= _PATIENCE
        if is_late or not self.is_watched:
            raise KeyboardInterrupt

    def __repr__(self) -> str:
        """Show whether it happened."""
        return f"<Interruption {'happened' if self.happened else 'not yet'}>"


INTERRUPTION = Interruption()
"""The one of this process: signals are the process's own."""
