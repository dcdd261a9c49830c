"""A loop over readiness and due times: one thread, no tasks.

It refuses to know what is ready, and what is due. It is not asyncio's because a load
has nothing to wait for but sockets and its schedule: benchmarks/load.py measures what
a task, a future and a transport for each message would cost.
"""

import contextlib
import ctypes
import select
import time
from collections.abc import Callable

__all__ = ["Handler", "Loop"]

Handler = Callable[[int], None]
"""Called with the events of a descriptor."""

_MILLISECOND = 0.001
_LARGEST_FOR_SELECT = 1023
_PR_SET_TIMERSLACK = 29
_SLACK = 1000
"""Nanoseconds by which the system may be late; it takes 50,000 where nobody asks."""


class Loop:
    """Calls whoever's descriptor is ready.

    Attributes:
        now: The monotonic clock, in seconds, as it was read last.
        longest_turn: Seconds that the longest turn took since this was set to 0:
            so long did everything else wait.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Handler] = {}
        self._gone: set[int] = set()
        self.now = time.monotonic()
        self.longest_turn = 0.0
        # subtle: epoll waits whole milliseconds, select on the epoll's own descriptor
        # microseconds; messages are due at microseconds.
        self._is_fine = self._epoll.fileno() <= _LARGEST_FOR_SELECT
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, _SLACK, 0, 0, 0)

    def add(self, descriptor: int, handler: Handler, *, writing: bool = False) -> None:
        """Call a handler when a descriptor can be read (or written).

        Raises:
            OSError: If the system watches no more, or never one of that kind.
        """
        self._epoll.register(descriptor, _events(writing=writing))
        self._handlers[descriptor] = handler

    def change(self, descriptor: int, handler: Handler, *, writing: bool) -> None:
        """Call another handler, for writing too or no longer."""
        self._handlers[descriptor] = handler
        self._epoll.modify(descriptor, _events(writing=writing))

    def mute(self, descriptor: int, handler: Handler) -> None:
        """Call another handler, once the other side has ended it."""
        self._handlers[descriptor] = handler
        self._epoll.modify(descriptor, select.EPOLLRDHUP)

    def remove(self, descriptor: int) -> None:
        """Forget a descriptor, before it is closed."""
        del self._handlers[descriptor]
        self._epoll.unregister(descriptor)
        self._gone.add(descriptor)

    def turn(self, until: float) -> None:
        """Handle what is ready; wait for it until this moment at most."""
        began = self.now
        now = time.monotonic()
        self.longest_turn = max(self.longest_turn, now - began)
        ready = self._wait(until - now)
        self.now = time.monotonic()
        handlers, gone = self._handlers, self._gone
        gone.clear()
        for descriptor, events in ready:
            # subtle: an earlier one of this turn may have ended this one, and then its
            # descriptor may be somebody else's, of whom these events say nothing.
            if descriptor not in gone:
                handlers[descriptor](events)

    def _wait(self, seconds: float) -> list[tuple[int, int]]:
        if seconds <= 0:
            return self._epoll.poll(0)
        if not self._is_fine:
            return self._epoll.poll(seconds)
        if seconds > _MILLISECOND:
            whole = int(seconds / _MILLISECOND) * _MILLISECOND
            # subtle: poll rounds up, so that a hair less than n ms becomes n ms.
            ready = self._epoll.poll(whole - _MILLISECOND / 2)
            if ready or seconds - whole <= 0:
                return ready
            seconds -= whole
        select.select([self._epoll], [], [], seconds)
        return self._epoll.poll(0)

    def close(self) -> None:
        """Close its own descriptor."""
        self._epoll.close()

    def __repr__(self) -> str:
        """Show how many descriptors it watches."""
        return f"<Loop {len(self._handlers)} descriptors>"


def _events(*, writing: bool) -> int:
    return select.EPOLLIN | select.EPOLLOUT if writing else select.EPOLLIN
