"""Takes the descriptors from a process and its children, and gives them back.

It refuses to know why, and what they do without.
"""

import contextlib
import os
from collections.abc import Collection, Iterator

import psutil

from wavetank.errors import LocalError

__all__ = ["DescriptorLimits", "NotPermitted", "limit_for"]

_LOOKS = 2
"""How often a process is looked at: one may open or fork while it is being limited."""


class NotPermitted(LocalError):
    """This machine does not let the lab do that to the target's process."""


def limit_for(numbers: Collection[int], spare: int) -> int:
    """Return the limit under which a process can open so many more, and no other.

    A limit is held against the number of a new descriptor, not against how many
    there are: numbers that are free below it can still be had.

    Args:
        numbers: Of the descriptors that are open.
        spare: How many more may be opened.
    """
    limit, left = 0, spare
    while left or limit in numbers:
        left -= limit not in numbers
        limit += 1
    return limit


class DescriptorLimits:
    """Soft limits of a process and its children (prlimit(2), RLIMIT_NOFILE).

    What is open stays open. The hard limits stay, so that the way back needs no
    rights.

    subtle: poll(2) fails where it is given more descriptors than the limit. Who
    polls so and has left low numbers free is hit by more than it would be by itself.
    """

    def __init__(self) -> None:
        # What each process had of its own, and what it has now.
        self._own: dict[psutil.Process, tuple[int, int]] = {}
        self._lowered: dict[psutil.Process, int] = {}

    def check(self, pid: int) -> None:
        """Look whether the limits of a process and its children can be set.

        Raises:
            NotPermitted: If not; nothing is changed.
        """
        if not hasattr(psutil, "RLIMIT_NOFILE"):
            raise NotPermitted(
                "descriptors can be taken from a running process on Linux only, by "
                "prlimit(2); leave no_descriptors out here"
            )
        for process in _family(pid):
            try:
                with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
                    process.rlimit(psutil.RLIMIT_NOFILE)
                    _numbers(process)
            except (psutil.AccessDenied, PermissionError):
                raise _of_another_user(process) from None

    def lower(self, pid: int, *, spare: int = 0) -> bool:
        """Let a process and its children open so many more each, and no others.

        Args:
            pid: Of the process on top.
            spare: How many.

        Returns:
            Whether there was a process to limit.

        Raises:
            NotPermitted: If one belongs to another user; `restore` what was done.
        """
        family = []
        for _ in range(_LOOKS):
            family = _family(pid)
            for process in family:
                try:
                    with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
                        self._lower(process, spare)
                except (psutil.AccessDenied, PermissionError):
                    raise _of_another_user(process) from None
        return bool(family)

    def _lower(self, process: psutil.Process, spare: int) -> None:
        soft, hard = process.rlimit(psutil.RLIMIT_NOFILE)
        if process not in self._own:
            self._own[process] = self._inherited(process, soft) or (soft, hard)
        own, _ = self._own[process]
        limit = limit_for(_numbers(process), spare)
        if own != psutil.RLIM_INFINITY:
            limit = min(limit, own)
        process.rlimit(psutil.RLIMIT_NOFILE, (limit, hard))
        self._lowered[process] = limit

    def restore(self) -> None:
        """Give each process what it had, and its new children too; idempotent.

        Raises:
            NotPermitted: If one belongs to another user by now; the others have theirs.
        """
        born = [
            child
            for process in self._own
            for child in _below(process)
            if child not in self._own
        ]
        for child in born:
            with contextlib.suppress(psutil.Error):
                soft, hard = child.rlimit(psutil.RLIMIT_NOFILE)
                self._own[child] = self._inherited(child, soft) or (soft, hard)
        kept: psutil.Process | None = None
        for process, limits in self._own.items():
            try:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.rlimit(psutil.RLIMIT_NOFILE, limits)
            except psutil.AccessDenied:
                kept = process
        self._own.clear()
        self._lowered.clear()
        if kept is not None:
            raise _of_another_user(kept)

    def _inherited(self, child: psutil.Process, soft: int) -> tuple[int, int] | None:
        """Return what a child would have had of its parent; None if that is no less."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for parent in child.parents():
                if self._lowered.get(parent) == soft:
                    return self._own[parent]
        return None

    def __repr__(self) -> str:
        """Show how many processes are limited."""
        return f"<DescriptorLimits of {len(self._own)} processes>"


def _of_another_user(process: psutil.Process) -> NotPermitted:
    return NotPermitted(
        f"process {process.pid} of the target belongs to another user, so its "
        "descriptors cannot be limited; have it run as the user of the lab"
    )


def _family(pid: int) -> list[psutil.Process]:
    """Return a process and all below it that run; nothing once it has ended.

    Who has ended and was not waited for has no descriptors, and nobody may look.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        if _runs(process):
            return [process, *filter(_runs, _below(process))]
    return []


def _runs(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def _below(process: psutil.Process) -> Iterator[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        yield from process.children(recursive=True)


def _numbers(process: psutil.Process) -> set[int]:
    """Return the numbers of the descriptors that a process has open."""
    return set(map(int, os.listdir(f"/proc/{process.pid}/fd")))
