"""The position file."""

import errno
import os
import socket
from pathlib import Path
from typing import Any

import pytest

import wavetank.client.aio.positions as module
from wavetank.client.aio.positions import PositionFile, set_aside
from wavetank.errors import TargetError, UsageError
from wavetank.protocol import Position

PLACES = {"a": {"a": Position("e", 3, "0000000a")}}


@pytest.fixture
def file(tmp_path: Path, quick: dict[str, Any]) -> PositionFile:
    """Give a file that is not there yet."""
    return PositionFile(tmp_path / "places.json", quick["logger"])


def test_positions_are_there_at_the_next_start(file: PositionFile) -> None:
    """Saved, replaced and loaded; none is an empty one."""
    assert file.load() == {}
    file.save({})
    file.save(PLACES)
    assert file.load() == PLACES
    assert repr(file).startswith("<PositionFile ")


def test_positions_leave_nothing_else_behind(
    file: PositionFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that fails leaves the old file, whole, and no rest of the new one."""
    file.save(PLACES)

    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(module.os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        file.save({})
    assert file.load() == PLACES
    assert [path.name for path in tmp_path.iterdir()] == ["places.json"]


def test_positions_that_cannot_be_read_are_kept_aside_and_told(
    file: PositionFile, tmp_path: Path, lines: Any
) -> None:
    """Nothing is thrown away, not even twice."""
    path = tmp_path / "places.json"
    for number in (1, 2):
        path.write_bytes(b"damaged")
        assert file.load() == {}
        assert file.is_lost
        file.save(PLACES)
        assert (tmp_path / f"places.json.broken-{number}").read_bytes() == b"damaged"
        assert file.load() == PLACES
    assert "not a position file" in lines.of("positions_lost")["reason"]
    line = lines.of("positions_kept_aside")
    assert line["kept_as"].endswith("places.json.broken-1")
    file.save({})
    assert len(list(tmp_path.iterdir())) == 3


def test_positions_that_cannot_be_read_stay_until_there_are_new_ones(
    file: PositionFile, tmp_path: Path, quick: dict[str, Any]
) -> None:
    """A start in vain must not hide from the next one that something was lost."""
    path = tmp_path / "places.json"
    path.write_bytes(b"damaged")
    for _ in range(2):
        again = PositionFile(path, quick["logger"])
        assert again.load() == {}
        assert again.is_lost
    path.unlink()
    again.save(PLACES)
    assert file.load() == PLACES
    assert not file.is_lost


def test_positions_in_an_empty_file_are_new_ones(
    file: PositionFile, tmp_path: Path, lines: Any
) -> None:
    """As `mktemp` makes it: nothing was lost."""
    (tmp_path / "places.json").touch()
    assert file.load() == {}
    assert not file.is_lost
    file.save(PLACES)
    assert [path.name for path in tmp_path.iterdir()] == ["places.json"]
    assert lines.names == []


def test_positions_of_any_size_are_not_read(
    file: PositionFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded, whatever somebody calls a position file."""
    monkeypatch.setattr(module, "_MOST_BYTES", 10)
    (tmp_path / "places.json").write_bytes(b" " * 1000)
    assert file.load() == {}
    assert file.is_lost


def test_positions_need_a_folder(tmp_path: Path, quick: dict[str, Any]) -> None:
    """A mistyped path is told at the start, not at the first write."""
    (tmp_path / "file").touch()
    for folder in ("nowhere", "file"):
        file = PositionFile(tmp_path / folder / "x", quick["logger"])
        with pytest.raises(UsageError, match="there is no folder"):
            file.take()


def test_positions_that_may_not_be_read_are_told(
    file: PositionFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Empty ones in their place would be a lie."""

    def fail(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(module.os, "open", fail)
    with pytest.raises(UsageError, match=r"places\.json: Permission denied"):
        file.load()


@pytest.mark.parametrize("kind", ["folder", "pipe", "socket"])
@pytest.mark.parametrize("is_linked", [False, True])
def test_positions_are_a_regular_file(
    tmp_path: Path, quick: dict[str, Any], kind: str, is_linked: bool
) -> None:
    """A pipe would never end, a device be moved away; all stays as it is."""
    path = tmp_path / "it"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    if is_linked:
        (tmp_path / "link").symlink_to("it")
        path = tmp_path / "link"
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UsageError, match=f"{path.name} is no regular file"):
        PositionFile(path, quick["logger"]).take()
    assert sorted(tmp_path.iterdir()) == before


def test_positions_that_become_a_pipe_are_not_waited_for(
    file: PositionFile, tmp_path: Path
) -> None:
    """Between looking and opening there is a moment."""
    file.take()
    os.mkfifo(tmp_path / "places.json")
    with pytest.raises(UsageError, match="is no regular file"):
        file.load()
    file.release()


def test_positions_follow_a_link(tmp_path: Path, quick: dict[str, Any]) -> None:
    """What it leads to is written, whether it is there or not, and the link stays."""
    (tmp_path / "disk").mkdir()
    link = tmp_path / "link"
    link.symlink_to("disk/places.json")
    for places in ({}, PLACES):
        file = PositionFile(link, quick["logger"])
        file.take()
        file.load()
        file.save(places)
        file.release()
        assert link.is_symlink()
    assert PositionFile(tmp_path / "disk" / "places.json", quick["logger"]).load()
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["places.json"]
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    with pytest.raises(UsageError, match="symbolic links"):
        PositionFile(loop, quick["logger"]).take()


def test_positions_belong_to_one_subscriber(
    file: PositionFile, tmp_path: Path, quick: dict[str, Any]
) -> None:
    """Under any name: a second one would write over what the first has saved."""
    (tmp_path / "link").symlink_to("places.json")
    file.release()
    file.take()
    file.save(PLACES)
    for name in ("places.json", "link"):
        words = f"{name}: process {os.getpid()} has it; end that one, or choose"
        with pytest.raises(TargetError, match=words):
            PositionFile(tmp_path / name, quick["logger"]).take()
    file.release()
    (tmp_path / "link").unlink()
    assert [path.name for path in tmp_path.iterdir()] == ["places.json"]
    other = PositionFile(tmp_path / "places.json", quick["logger"])
    other.take()
    assert other.load() == PLACES
    other.release()


def test_files_set_aside_never_replace_another(tmp_path: Path) -> None:
    """Each gets a number of its own."""
    path = tmp_path / "x"
    for number in (1, 2):
        path.touch()
        assert set_aside(path) == tmp_path / f"x.broken-{number}"
