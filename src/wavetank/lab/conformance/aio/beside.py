"""Beside: work that goes on in a thread and a loop of its own, beside the checks.

It refuses to know what the work is.

The loop of the checks stands still between two of them, and ends with each; whatever
measures seconds beside them needs another.
"""

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from wavetank.lab.interruption import INTERRUPTION

__all__ = ["Beside"]

T = TypeVar("T")

_STEP = 0.05
_STOPS_WITHIN = 5.0

Work = Callable[[Callable[[], None]], Coroutine[Any, Any, T]]


class Beside(Generic[T]):
    """One piece of work in a thread of its own; a context that begins and ends it.

    Args:
        work: What is done; it is handed a function to call as soon as whatever else
            there is to do may begin.
        ready_within: Seconds for that; then it begins all the same.
    """

    def __init__(self, work: Work[T], *, ready_within: float) -> None:
        self._work = work
        self._ready_within = ready_within
        self._is_ready = threading.Event()
        self._done: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._cancel: Callable[[], object] = lambda: None
        self._is_stopped = False
        # Whoever will not wait for its end any more (a second Ctrl-C) need not.
        self._thread = threading.Thread(target=self._run, name="beside", daemon=True)

    def __enter__(self) -> Self:
        """Begin, and wait until it is ready, or over, or interrupted."""
        self._thread.start()
        until = time.monotonic() + self._ready_within
        while time.monotonic() < until and not INTERRUPTION.happened:
            if self._is_ready.wait(_STEP):
                break
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    def stop(self) -> None:
        """Cancel the work, if it is not over, and wait for its thread; idempotent."""
        self._is_stopped = True
        self._cancel()
        self._thread.join(_STOPS_WITHIN)

    async def result(self) -> T:
        """Wait for the end of the work, and return what it returned.

        Raises:
            Exception: What the work raised; that of `concurrent.futures` for
                something cancelled, where it was stopped.
        """
        loop, is_over = asyncio.get_running_loop(), asyncio.Event()

        def tell(_: object) -> None:
            # The loop is closed where nobody waits any more.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(is_over.set)

        self._done.add_done_callback(tell)
        await is_over.wait()
        return self._done.result()

    def _run(self) -> None:
        try:
            self._done.set_result(asyncio.run(self._cancellable()))
        except asyncio.CancelledError:
            self._done.cancel()
        except BaseException as error:  # noqa: BLE001 - it is whoever waits that fails
            self._done.set_exception(error)
        finally:
            self._is_ready.set()

    async def _cancellable(self) -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None, "a task is running"

        def cancel() -> None:
            # The loop is closed where the work is over.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(task.cancel)

        self._cancel = cancel
        if self._is_stopped:
            cancel()
        return await self._work(self._is_ready.set)

    def __repr__(self) -> str:
        """Show whether it is ready, and whether it is over."""
        ready = "ready" if self._is_ready.is_set() else "not ready"
        return f"<Beside {'over' if self._done.done() else ready}>"
