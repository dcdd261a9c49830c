"""Processes that end with whoever started them.

They refuse to know what runs in them.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

__all__ = ["ended_by_sigterm", "spawned"]

ENDING = 5.0
"""Seconds that a process has to end; then it is killed."""


@contextlib.contextmanager
def spawned(
    command: Sequence[str], **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process; end it, and whatever it started, at the end.

    Args:
        command: What to start.
        options: For ``subprocess.Popen``.
    """
    with contextlib.ExitStack() as stack:
        with _undisturbed():
            # It leads a group of its own: Ctrl-C in a terminal is for us alone.
            process = subprocess.Popen(command, start_new_session=True, **options)
            stack.callback(_end, process)
        yield process


def _end(process: subprocess.Popen[bytes]) -> None:
    with _undisturbed():
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(ENDING)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Put off SIGINT and SIGTERM: between two steps they would leave a process behind.

    A mask would not do: processes inherit it.
    """
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for late in came:
            signal.raise_signal(late)


@contextlib.contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """End on SIGTERM as on Ctrl-C, so that processes end, too."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
