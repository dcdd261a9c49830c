"""The guard: a process that ends what a lab has started, where the lab is killed.

It refuses to know what that is, and imports nothing of the house. Whoever gets SIGKILL
can end nobody: not a target that listens on a port, nor one that it has stopped.
"""

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable

import psutil

__all__ = ["GUARD", "Guard", "end_all", "keep"]

_ENDS_WITHIN = 5.0
_SAME = 2.0
"""Seconds by which two readings of when a process began may differ: a clock is set."""


class Guard:
    """Tells a process of its own which sessions to end once nobody is there to do it.

    It is started when there is something to guard.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    @property
    def pid(self) -> int:
        """Of its process; 0 where there is none."""
        return self._process.pid if self._process else 0

    def watch(self, pid: int) -> None:
        """Have a session ended, with all below its first process, when we are gone.

        Args:
            pid: Of the first process, which lives or was not waited for.
        """
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                _close_pipe(self._process)
                self._process = _start()
            # Whoever is gone by now needs no guard.
            with contextlib.suppress(psutil.Error):
                self._tell(f"+{pid} {psutil.Process(pid).create_time()}")

    def forget(self, pid: int) -> None:
        """Hear that a session is over."""
        with self._lock:
            self._tell(f"-{pid}")

    def close(self) -> None:
        """End it, and what it still watches; idempotent."""
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return
        _close_pipe(process)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_ENDS_WITHIN)

    def _tell(self, word: str) -> None:
        if self._process is None:
            return
        assert self._process.stdin is not None
        # Somebody may have killed it: then the next one has another.
        with contextlib.suppress(OSError):
            self._process.stdin.write(f"{word}\n".encode())

    def __repr__(self) -> str:
        """Show its process."""
        return f"<Guard {self.pid or 'asleep'}>"


def _close_pipe(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None:
        assert process.stdin is not None
        process.stdin.close()


def _start() -> subprocess.Popen[bytes] | None:
    # A session of its own: neither Ctrl-C nor the end of a terminal reaches it.
    with contextlib.suppress(OSError):
        return subprocess.Popen(
            [sys.executable, "-I", __file__],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    return None


GUARD = Guard()
"""Of this process."""
# Before any run is made: at the exit runs come first, and end their targets politely.
atexit.register(GUARD.close)


# What its process does.


def keep(words: Iterable[str]) -> list[psutil.Process]:
    """Return the processes that are still watched when nobody says anything more.

    Args:
        words: ``+PID BEGAN`` and ``-PID``, as they come; the time in seconds since
            1970: a number is used again.
    """
    kept: dict[int, psutil.Process] = {}
    for word in words:
        pid, *began = word[1:].split()
        kept.pop(int(pid), None)
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(int(pid))
            if began and abs(process.create_time() - float(began[0])) < _SAME:
                kept[process.pid] = process
    return list(kept.values())


def end_all(processes: Iterable[psutil.Process]) -> None:
    """End processes at once, with their sessions and all that is below them."""
    for process in processes:
        with contextlib.suppress(psutil.Error, OSError):
            if not process.is_running():
                continue
            below = process.children(recursive=True)
            os.killpg(process.pid, signal.SIGKILL)
            for child in below:
                with contextlib.suppress(psutil.Error):
                    child.kill()


def main() -> None:
    """Listen until there is nobody any more, then end what is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    end_all(keep(sys.stdin))


if __name__ == "__main__":
    main()
