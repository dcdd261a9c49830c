"""Seconds of several workers, put together by their number.

It refuses to know what is counted in them, and how the workers are reached.
"""

import math
from collections.abc import Iterable, Iterator

import msgspec

from wavetank.load.exchange import Second
from wavetank.load.totals import Times

__all__ = ["Moments"]


class Moments:
    """Matches what the workers say of the same second.

    A second is whole once each worker that is still in the load has spoken of it, or
    of a later one. It is waited for, but not for ever: a second that comes too late
    is added to the next one, so that nothing that was counted is left out.

    Args:
        workers: Who is in the load.
        patience: Longest wait, in seconds, from the first word about a second.
    """

    def __init__(self, workers: Iterable[int], *, patience: float) -> None:
        self._patience = patience
        self._last = dict.fromkeys(workers, -1)
        self._awaited = set(self._last)
        self._waiting: dict[int, dict[int, Second]] = {}
        self._due: dict[int, float] = {}
        self._next = 0

    def add(self, worker: int, second: Second, now: float) -> None:
        """Add what a worker said of a second.

        Raises:
            ValueError: If the worker spoke of that second or a later one before.
        """
        last = self._last[worker]
        if second.number <= last:
            raise ValueError(f"it sent second {second.number} behind second {last}")
        self._last[worker] = second.number
        number = max(second.number, self._next)
        self._due.setdefault(number, now + self._patience)
        seconds = self._waiting.setdefault(number, {})
        earlier = seconds.get(worker)
        seconds[worker] = second if earlier is None else _join(earlier, second, number)

    def leave(self, worker: int) -> None:
        """Wait no longer for a worker; what it said, and may yet say, counts."""
        self._awaited.discard(worker)

    @property
    def due_at(self) -> float:
        """When the first second is waited for no longer; infinity for none."""
        return min(self._due.values(), default=math.inf)

    def take(self, now: float) -> Iterator[tuple[int, dict[int, Second]]]:
        """Yield the seconds that are whole or overdue: number, worker -> second."""
        for number in sorted(self._waiting):
            is_whole = all(self._last[worker] >= number for worker in self._awaited)
            if not is_whole and now < self._due[number]:
                return
            self._next = number + 1
            del self._due[number]
            yield number, self._waiting.pop(number)

    def __repr__(self) -> str:
        """Show who is awaited, and which seconds wait."""
        return f"<Moments of {sorted(self._awaited)}: {sorted(self._waiting)} wait>"


def _join(earlier: Second, later: Second, number: int) -> Second:
    """Return two seconds of one worker as one, which has a number of its own."""
    before, after = earlier.generator, later.generator
    lateness = Times(before.lateness)
    lateness.add(after.lateness)
    return Second(
        number=later.number,
        tallies=[*earlier.tallies, *later.tallies],
        generator=msgspec.structs.replace(
            after,
            cpu=max(before.cpu, after.cpu),
            waited=max(before.waited, after.waited),
            lag=max(before.lag, after.lag),
            lateness=lateness.encode(),
        ),
        # The second that it is added to is as long as it is.
        took=later.took if later.number == number else 1.0,
    )
