"""A log's folder: whose it is, and in which boot of the machine."""

import errno
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

import wavetank.hub.aio.logs.folder as module
from wavetank.errors import TargetError, UsageError
from wavetank.hub.aio.logs.folder import Folder, read_boot_id


def test_boot_id_is_read_where_linux_has_it(tmp_path: Path) -> None:
    """Without the newline."""
    file = tmp_path / "boot_id"
    file.write_text("3f1c-aa\n")
    assert read_boot_id(file, platform="linux") == "3f1c-aa"


def test_boot_id_is_nothing_where_there_is_none(tmp_path: Path) -> None:
    """Then nobody can tell one boot from another."""
    assert read_boot_id(tmp_path / "boot_id", platform="linux") == ""


def test_boot_id_is_asked_of_a_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its kernel names the session."""

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        assert command == ["sysctl", "-n", "kern.bootsessionuuid"]
        return subprocess.CompletedProcess(command, 0, stdout="9B2E\n")

    monkeypatch.setattr(subprocess, "run", run)
    assert read_boot_id(platform="darwin") == "9B2E"


@pytest.mark.parametrize(
    "error", [FileNotFoundError("sysctl"), subprocess.TimeoutExpired("sysctl", 5.0)]
)
def test_boot_id_is_nothing_where_a_mac_does_not_say_it(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A hub starts all the same."""

    def run(*args: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(subprocess, "run", run)
    assert read_boot_id(platform="darwin") == ""


def test_folder_is_made_for_its_user_alone(tmp_path: Path) -> None:
    """The folder, and the file before SQLite makes it readable to all."""
    folder = Folder(tmp_path / "a" / "data")
    folder.take()
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.file.stat().st_mode) == 0o600
    assert repr(folder) == f"<Folder {folder.path} ours>"
    folder.release()
    folder.release()


def test_folder_belongs_to_one_hub_at_a_time(tmp_path: Path) -> None:
    """The second one is told who has it."""
    first, second = Folder(tmp_path), Folder(tmp_path)
    first.take()
    words = rf"belongs to another hub \(process {os.getpid()}\)"
    with pytest.raises(TargetError, match=words):
        second.take()
    first.release()
    second.take()
    second.release()


def test_folder_cannot_be_made_under_a_file(tmp_path: Path) -> None:
    """That is a mistake of whoever typed it."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="cannot be written to: Not a directory"):
        Folder(tmp_path / "file" / "data").take()


def test_folder_is_of_no_use_where_the_file_cannot_be_written(tmp_path: Path) -> None:
    """And it is free again for others afterwards."""
    (tmp_path / "log.db").mkdir()
    with pytest.raises(UsageError, match="cannot be written to: Is a directory"):
        Folder(tmp_path).take()
    (tmp_path / "log.db").rmdir()
    folder = Folder(tmp_path)
    folder.take()
    folder.release()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("call", ["open", "pwrite", "fsync"])
def test_folder_on_a_full_disk_is_no_mistake_of_whoever_typed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    """The same command line will do once there is room."""

    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    words = f"cannot be written to: {os.strerror(number)}"
    folder = Folder(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(module.os, call, fail)
        with pytest.raises(TargetError, match=words):
            folder.take()
    folder.take()
    folder.release()
