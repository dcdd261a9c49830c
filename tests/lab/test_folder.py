"""The results folder: made for one run alone."""

from pathlib import Path

import pytest

from wavetank.errors import UsageError
from wavetank.lab import folder
from wavetank.lab.folder import make_folder

WALL = 1_790_000_000.0


@pytest.mark.parametrize(
    ("suites", "name"),
    [
        (["core"], "core"),
        (["basics", "core"], "basics-core"),
        (["basics", "connectivity", "core"], "all"),
    ],
)
def test_a_folder_is_called_after_its_suites_and_its_second(
    tmp_path: Path, suites: list[str], name: str
) -> None:
    """`<suite>_YYYYMMDD_HHMMSS`, in the user's own time."""
    made = make_folder(tmp_path, suites, wall=WALL)
    assert made.parent == tmp_path
    assert made.is_dir()
    stem, day, time = made.name.rsplit("_", 2)
    assert stem == name
    assert (len(day), len(time)) == (8, 6)
    assert (day + time).isdigit()


def test_two_runs_in_one_second_get_two_folders(tmp_path: Path) -> None:
    """The second has a suffix; neither writes into the other's."""
    first, second, third = (make_folder(tmp_path, ["a"], wall=WALL) for _ in range(3))
    assert second.name == f"{first.name}_2"
    assert third.name == f"{first.name}_3"


def test_a_folder_of_results_is_made_where_it_is_missing(tmp_path: Path) -> None:
    """With all that is above it."""
    assert make_folder(tmp_path / "a" / "b", ["c"], wall=WALL).is_dir()


def test_a_file_in_its_place_is_told(tmp_path: Path) -> None:
    """A file of the name of `--output`, or of one above it."""
    file = tmp_path / "results"
    file.write_text("")
    with pytest.raises(UsageError, match="there is a file of that name"):
        make_folder(file, ["a"], wall=WALL)
    with pytest.raises(UsageError, match=r"Not a directory; choose another folder"):
        make_folder(file / "deeper", ["a"], wall=WALL)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """The name of `--output` and the system's reason."""
    with pytest.raises(UsageError, match=r"^--output .*: File name too long"):
        make_folder(tmp_path / ("x" * 300), ["a"], wall=WALL)


def test_a_second_with_too_many_runs_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no search without end."""
    monkeypatch.setattr(folder, "_MOST_TWINS", 3)
    for _ in range(2):
        make_folder(tmp_path, ["a"], wall=WALL)
    with pytest.raises(UsageError, match="runs in one second; try again"):
        make_folder(tmp_path, ["a"], wall=WALL)
