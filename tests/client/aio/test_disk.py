"""Disk: a lock for files of one process, and the disk's errors in plain words."""

import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import wavetank.client.aio.disk as module
from wavetank.client.aio.disk import Lock, disk_error
from wavetank.errors import TargetError, UsageError, WavetankError


@pytest.mark.parametrize(
    ("number", "kind", "advice"),
    [
        (errno.ENOSPC, TargetError, "; make room"),
        (errno.EDQUOT, TargetError, "; make room"),
        (errno.EIO, TargetError, "; look after the disk"),
        (errno.EAGAIN, TargetError, "; end that one"),
        (errno.EACCES, UsageError, ""),
    ],
)
def test_disk_error_is_no_mistake_of_the_user_where_the_disk_is_to_blame(
    number: int, kind: type[WavetankError], advice: str
) -> None:
    """What was typed may be right at another time."""
    error = disk_error("spool: out", OSError(number, "the words"))
    assert type(error) is kind
    assert str(error).startswith(f"spool: out: the words{advice}")


def test_disk_error_takes_what_has_no_number() -> None:
    """Some errors are words only."""
    assert str(disk_error("x", OSError("odd"))) == "x: odd"


def test_lock_has_one_owner_at_a_time(tmp_path: Path) -> None:
    """The second one is told who has it, and changes nothing of that."""
    path = tmp_path / "lock"
    first, second = Lock(path), Lock(path)
    first.take()
    first.take()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for _ in range(2):
        with pytest.raises(BlockingIOError, match=f"process {os.getpid()} has it"):
            second.take()
    assert repr(first) == f"<Lock {path} ours>"
    first.release()
    first.release()
    second.take()
    second.release()
    assert not path.exists()


def test_lock_does_not_know_an_owner_who_has_not_signed_yet(tmp_path: Path) -> None:
    """Between locking and writing there is a moment."""
    path = tmp_path / "lock"
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError, match="another process has it"):
            Lock(path).take()


def test_lock_is_free_after_a_kill(tmp_path: Path) -> None:
    """The file is left, and the kernel knows that nobody has it."""
    path = tmp_path / "lock"
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from wavetank.client.aio.disk import Lock\n"
        "Lock(Path(sys.argv[1])).take()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", script, str(path)]
    done = subprocess.run(command, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() != f"{os.getpid()}\n"
    lock = Lock(path)
    lock.take()
    assert path.read_text() == f"{os.getpid()}\n"
    lock.release()


def test_lock_is_taken_again_when_its_owner_removes_the_file_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock on a file without a name would keep nobody out."""
    path = tmp_path / "lock"
    old = Lock(path)
    old.take()
    real = fcntl.flock
    left = [old]

    def flock(file: int, how: int) -> None:
        # The file is open by now, and goes away before it can be locked.
        for lock in left:
            lock.release()
        left.clear()
        real(file, how)

    monkeypatch.setattr(module.fcntl, "flock", flock)
    new = Lock(path)
    new.take()
    assert path.exists()
    with pytest.raises(BlockingIOError):
        Lock(path).take()
    new.release()


def test_lock_removes_no_file_of_somebody_else(tmp_path: Path) -> None:
    """Such as one that was made after ours was deleted by hand."""
    path = tmp_path / "lock"
    first, second = Lock(path), Lock(path)
    first.take()
    path.unlink()
    second.take()
    first.release()
    assert path.exists()
    second.release()


def test_lock_is_let_go_where_its_folder_is_gone(tmp_path: Path) -> None:
    """The end of a program must not fail because of that."""
    folder = tmp_path / "folder"
    folder.mkdir()
    lock = Lock(folder / "lock")
    lock.take()
    (folder / "lock").unlink()
    folder.rmdir()
    lock.release()
    folder.touch()
    lock = Lock(folder / "lock")
    with pytest.raises(NotADirectoryError):
        lock.take()


def test_lock_follows_no_link_and_leaves_no_file_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's link would have our number written over what it leads to."""
    path = tmp_path / "lock"
    (tmp_path / "precious").write_text("precious")
    path.symlink_to("precious")
    with pytest.raises(OSError, match="symbolic links"):
        Lock(path).take()
    assert (tmp_path / "precious").read_text() == "precious"
    path.unlink()

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    open_before = len(os.listdir("/dev/fd"))
    with monkeypatch.context() as patch:
        patch.setattr(module.os, "pwrite", fail)
        with pytest.raises(OSError, match="No space left"):
            Lock(path).take()
    assert len(os.listdir("/dev/fd")) == open_before
