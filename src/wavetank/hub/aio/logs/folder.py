"""A log's folder: whose it is, and in which boot of the machine.

It refuses to know what stands in it.
"""

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

from wavetank.errors import TargetError, UsageError

__all__ = ["Folder", "read_boot_id"]

_DISK_IS_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def read_boot_id(file: Path = _BOOT_ID, *, platform: str = sys.platform) -> str:
    """Return a name of this boot of the machine; "" where none can be had.

    Args:
        file: Where Linux says it.
        platform: As ``sys.platform``.
    """
    try:
        if platform == "darwin":
            command = ["sysctl", "-n", "kern.bootsessionuuid"]
            text = subprocess.run(
                command, capture_output=True, check=True, text=True, timeout=5.0
            ).stdout
        else:
            text = file.read_text(encoding="ascii")
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return text.strip()


class Folder:
    """A folder that one hub at a time may use.

    Args:
        path: Is made where it is missing, for this user alone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    @property
    def file(self) -> Path:
        """Where the log is."""
        return self.path / "log.db"

    def take(self) -> None:
        """Make the folder ours, until ``release`` or the end of this process.

        Raises:
            TargetError: If another hub has it, or the disk is full.
            UsageError: If it cannot be made, or written to.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._useless(error) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(lock, 0)
            os.pwrite(lock, b"%d\n" % os.getpid(), 0)
            # SQLite would make it readable to all.
            os.close(os.open(self.file, os.O_RDWR | os.O_CREAT, 0o600))
            self._sync()
        except BlockingIOError:
            owner = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
            os.close(lock)
            words = f"the log in {self.path} belongs to another hub (process {owner})"
            raise TargetError(words) from None
        except OSError as error:
            os.close(lock)
            raise self._useless(error) from None
        self._lock = lock

    def _useless(self, error: OSError) -> TargetError | UsageError:
        reason = error.strerror or error
        words = f"--data: {self.path} cannot be written to: {reason}"
        # What was typed is right then.
        kind = TargetError if error.errno in _DISK_IS_FULL else UsageError
        return kind(words)

    def _sync(self) -> None:
        """See to it that the names of new files outlive a power loss."""
        place = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(place)
        finally:
            os.close(place)

    def release(self) -> None:
        """Let others use it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __repr__(self) -> str:
        """Show where it is, and whether it is ours."""
        return f"<Folder {self.path} {'ours' if self._lock is not None else ''}>"
