"""What a server and its client have done between two moments.

They refuse to know what was measured.
"""

import time
from typing import NamedTuple

import psutil

__all__ = ["Mark", "memory_of"]


class Mark(NamedTuple):
    """A moment: what was counted, and what processors had done until then."""

    done: int
    at: float
    server: float
    client: float
    busy: float

    @classmethod
    def now(cls, done: int, server: psutil.Process | None) -> "Mark":
        """Look at the clock and at the processes."""
        return cls(
            done=done,
            at=time.perf_counter(),
            server=_work_of(server),
            client=time.process_time(),
            busy=_work_of_all(),
        )

    def since(self, before: "Mark") -> dict[str, float]:
        """Return what has happened since another moment, for each second."""
        seconds = self.at - before.at
        server = self.server - before.server
        client = self.client - before.client
        busy = self.busy - before.busy
        done = self.done - before.done
        return {
            "seconds": seconds,
            "per_s": done / seconds,
            "server_cpu": server / seconds,
            "client_cpu": client / seconds,
            "others_cpu": max(0.0, busy - server - client) / seconds,
        }


def _tree(server: psutil.Process | None) -> list[psutil.Process]:
    return [] if server is None else [server, *server.children(recursive=True)]


def _work_of(server: psutil.Process | None) -> float:
    """Return the seconds that processors have worked for a process and its children."""
    times = [process.cpu_times() for process in _tree(server)]
    return sum(each.user + each.system for each in times)


def _work_of_all() -> float:
    """Return the seconds that all processors together were not idle."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    # Guests are counted in `user` and `nice` already, on Linux.
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    return float(sum(times) - idle - guests)


def memory_of(server: psutil.Process | None) -> int:
    return sum(process.memory_info().rss for process in _tree(server))
