"""Readers: whether anybody reads what a process prints.

They refuse to know what is printed, and what follows when nobody does.
"""

import asyncio
import contextlib
import io
import os
import stat
from collections.abc import Callable, Iterator
from typing import BinaryIO

__all__ = ["watched"]


@contextlib.contextmanager
def watched(out: BinaryIO, leave: Callable[[], None]) -> Iterator[None]:
    """Tell when the other end of a pipe is closed, also while nothing is written.

    Whoever started this process may be killed, and takes its end of the pipe along.
    A file or a terminal has no such end.

    Args:
        out: Where it prints.
        leave: Called once, when nobody reads it any more.
    """
    descriptor = _pipe(out)
    if descriptor is None:
        yield
        return
    loop = asyncio.get_running_loop()

    def note() -> None:
        loop.remove_reader(descriptor)
        leave()

    # A writing end is never readable; but an error counts as that, too.
    loop.add_reader(descriptor, note)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)


def _pipe(out: BinaryIO) -> int | None:
    """Return the descriptor of a pipe; None for whatever else it is."""
    try:
        descriptor = out.fileno()
        return descriptor if stat.S_ISFIFO(os.fstat(descriptor).st_mode) else None
    except (OSError, io.UnsupportedOperation):
        return None
