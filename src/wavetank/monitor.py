"""Resources of a process and of everything that it started.

It refuses to know why they are measured, and never ends a process.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TypeVar

import psutil

from wavetank.evidence.records import Sampled

__all__ = ["ProcessTree"]

T = TypeVar("T")

# Zombies and processes that just ended, and those that belong to somebody else.
_UNREADABLE = (psutil.NoSuchProcess, psutil.AccessDenied)


class ProcessTree:
    """A process and its descendants, as long as the process lives.

    A descendant whose parent ended is no longer found. Memory that processes
    share is counted for each of them.

    Args:
        pid: Of the process on top. Should the system give the number to another
            process later, the tree is gone.
        without: Processes below it that are somebody else's, with all that they
            started: the lab starts the target, and is not the target.
    """

    def __init__(self, pid: int, *, without: Collection[int] = ()) -> None:
        self.pid = pid
        self._without = frozenset(without)
        self._top = _process(pid)
        self._cpu: dict[psutil.Process, float] = {}
        self._cpu_of_ended = 0.0

    def leave_out(self, pid: int) -> None:
        """Count a process below it as somebody else's from now on, with its own."""
        self._without |= {pid}

    def sample(self, at: float, who: str) -> Sampled | None:
        """Measure once.

        Processor time of descendants that ended counts as it was last seen, so
        the sum never goes back.

        Args:
            at: Seconds since the run started, passed on.
            who: ``target`` or ``lab``, passed on.

        Returns:
            What the tree uses, or None once the process on top is gone.
        """
        processes = self._living()
        if not processes:
            return None
        self._note_cpu(processes)
        return Sampled(
            at=at,
            who=who,
            cpu=self._cpu_of_ended + sum(self._cpu.values()),
            rss=sum(_read(processes, lambda each: each.memory_info().rss)),
            descriptors=sum(_read(processes, lambda each: each.num_fds())),
            processes=len(processes),
            threads=sum(_read(processes, lambda each: each.num_threads())),
        )

    def __repr__(self) -> str:
        """Show which process and how many were seen with it."""
        return f"<ProcessTree {self.pid}: {len(self._cpu)} processes>"

    def _living(self) -> list[psutil.Process]:
        """Return the tree, the top first; nothing once the top is gone."""
        if self._top is None:
            return []
        try:
            if self._top.status() == psutil.STATUS_ZOMBIE:
                return []
            below = self._top.children(recursive=True)
            return [self._top, *self._own(below)]
        except psutil.NoSuchProcess:
            return []

    def _own(self, below: list[psutil.Process]) -> list[psutil.Process]:
        """Return the processes below that are in nobody else's tree."""
        # Children come before their own children.
        others = set(self._without)
        own = []
        for process, parent in zip(below, map(_parent, below), strict=True):
            if process.pid in others or parent in others:
                others.add(process.pid)
            else:
                own.append(process)
        return own

    def _note_cpu(self, processes: list[psutil.Process]) -> None:
        """Keep each process's last reading, and of ended ones their sum alone."""
        for ended in self._cpu.keys() - set(processes):
            self._cpu_of_ended += self._cpu.pop(ended)
        for process in processes:
            readings = list(_read([process], _cpu_seconds))
            # A process that just became unreadable keeps what it had.
            self._cpu[process] = max([self._cpu.get(process, 0.0), *readings])


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def _parent(process: psutil.Process) -> int:
    try:
        return int(process.ppid())
    except psutil.NoSuchProcess:
        return 0


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _read(
    processes: Iterable[psutil.Process], figure: Callable[[psutil.Process], T]
) -> Iterator[T]:
    """Yield a figure of each process that still is there and may be read."""
    for process in processes:
        try:
            yield figure(process)
        except _UNREADABLE:
            continue
