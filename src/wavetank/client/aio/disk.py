"""Disk: a lock for files of one process, and the disk's errors in plain words.

It refuses to know what stands in a file.
"""

import contextlib
import errno
import fcntl
import os
from pathlib import Path

from wavetank.errors import TargetError, UsageError

__all__ = ["Lock", "disk_error"]

_ROOM = "make room, or choose another place"
_ADVICE = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EIO: "look after the disk, or choose another place",
    errno.EAGAIN: "end that one, or choose another place",
}
"""What to do where the command line is right, and the disk does not take it now."""


def disk_error(place: str, error: OSError) -> TargetError | UsageError:
    """Return what to raise because of a file that cannot be used.

    Args:
        place: What and where it is.
        error: Why it cannot be used.
    """
    words = f"{place}: {error.strerror or error}"
    advice = _ADVICE.get(error.errno or 0)
    return UsageError(words) if advice is None else TargetError(f"{words}; {advice}")


class Lock:
    """A file that one owner at a time has; the kernel frees it when a process dies.

    Args:
        path: Of the file. It is there while somebody has it, or was killed with it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def take(self) -> None:
        """Make it ours.

        Raises:
            BlockingIOError: If somebody else has it; its words say who.
            OSError: If there can be no such file.
        """
        while self._file is None:
            self._file = self._try()

    def _try(self) -> int | None:
        """Return the locked file; None if its owner has just removed it."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        file = os.open(self._path, flags, 0o600)
        try:
            self._lock(file)
            if self._is_there(file):
                os.ftruncate(file, 0)
                os.pwrite(file, b"%d\n" % os.getpid(), 0)
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)
        return None

    def _lock(self, file: int) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(file, 32, 0).decode("ascii", "replace").strip()
            words = f"process {owner} has it" if owner else "another process has it"
            raise BlockingIOError(error.errno, words) from None

    def _is_there(self, file: int) -> bool:
        try:
            there = self._path.stat(follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(os.fstat(file), there)

    def release(self) -> None:
        """Let others have it."""
        if self._file is None:
            return
        # While it is locked: whoever opens it from here on sees that it is gone.
        with contextlib.suppress(OSError):
            if self._is_there(self._file):
                self._path.unlink()
        os.close(self._file)
        self._file = None

    def __repr__(self) -> str:
        """Show where it is, and whether it is ours."""
        return f"<Lock {self._path} {'ours' if self._file is not None else ''}>"
