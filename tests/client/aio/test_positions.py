"""The position file."""

from pathlib import Path
from typing import Any

import pytest

import wavetank.client.aio.positions as module
from wavetank.client.aio.positions import PositionFile, set_aside
from wavetank.errors import UsageError
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
        assert (tmp_path / f"places.json.broken-{number}").read_bytes() == b"damaged"
    assert not path.exists()
    line = lines.of("positions_lost")
    assert line["kept_as"].endswith("places.json.broken-1")
    assert "not a position file" in line["reason"]


def test_positions_of_any_size_are_not_read(
    file: PositionFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded, whatever somebody calls a position file."""
    monkeypatch.setattr(module, "_MOST_BYTES", 10)
    (tmp_path / "places.json").write_bytes(b" " * 1000)
    assert file.load() == {}


def test_positions_need_a_folder(tmp_path: Path, quick: dict[str, Any]) -> None:
    """A mistyped path is told at the start, not at the first write."""
    file = PositionFile(tmp_path / "nowhere" / "x", quick["logger"])
    with pytest.raises(UsageError, match="there is no folder"):
        file.load()
    with pytest.raises(UsageError, match="positions: "):
        PositionFile(tmp_path, quick["logger"]).load()


def test_files_set_aside_never_replace_another(tmp_path: Path) -> None:
    """Each gets a number of its own."""
    path = tmp_path / "x"
    for number in (1, 2):
        path.touch()
        assert set_aside(path) == tmp_path / f"x.broken-{number}"
