"""`./wavetank` and `./check`: what a shell can tell before any Python runs."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

SHOW = '#!/bin/sh\nfor word; do printf "[%s]" "$word"; done\necho " in $(pwd)"\n'
"""Stands in for an interpreter: prints what it was called with, and where."""

Call = Callable[..., "subprocess.CompletedProcess[str]"]


def executable(file: Path, text: str) -> None:
    """Write a program."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Give a clone with a `.venv` that is as it should be; its Python shows calls.

    Its name has a blank, and its set-up is a program that leaves word of being called.
    """
    clone = tmp_path.resolve() / "a clone"
    (clone / "tools").mkdir(parents=True)
    for name in ("wavetank", "check", "tools/venv.sh"):
        shutil.copy(ROOT / name, clone / name)
    for name in ("requirements.lock", "requirements-dev.lock", "pyproject.toml"):
        (clone / name).write_text(f"# {name}\n")
    (clone / "tools" / "set_up.py").write_text(
        "import sys\nprint('set-up of', *sys.argv[1:], file=sys.stderr)\n"
    )
    executable(clone / ".venv" / "bin" / "python", SHOW)
    for kind, lock in (("runtime", ""), ("dev", "-dev")):
        parts = [f"requirements{lock}.lock", "pyproject.toml"]
        text = "".join((clone / part).read_text() for part in parts)
        (clone / ".venv" / f"{kind}.stamp").write_text(f"{clone}\n{text}")
    return clone


@pytest.fixture
def call(tmp_path: Path) -> Call:
    """Give a function that calls a program from elsewhere, with a bare environment."""
    elsewhere = tmp_path.resolve() / "elsewhere"
    elsewhere.mkdir()

    def run(*words: str | Path, **environ: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            words,
            cwd=elsewhere,
            env={"PATH": os.environ["PATH"]} | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_wavetank_hands_everything_on_to_the_package(clone: Path, call: Call) -> None:
    """Arguments keep their blanks, and the caller's folder stays where it is."""
    ended = call(clone / "wavetank", "run", "two words", "", CDPATH="/:/tmp")
    assert ended.stdout.startswith("[-P][-m][wavetank][run][two words][] in ")
    assert ended.stdout.endswith("/elsewhere\n")
    assert ended.stderr == ""


def test_check_works_in_the_clone_from_anywhere(clone: Path, call: Call) -> None:
    """Its steps name files of the clone."""
    ended = call(clone / "check", "style")
    assert ended.stdout == f"[tools/checks.py][style] in {clone}\n"
    assert ended.stderr == ""


def test_wavetank_finds_its_clone_through_links(
    clone: Path, call: Call, tmp_path: Path
) -> None:
    """A link to a link, absolute or relative, in a folder of its own, is enough."""
    links = tmp_path / "bin"
    links.mkdir()
    (links / "first").symlink_to(clone / "wavetank")
    (links / "tank").symlink_to("first")
    assert call(links / "tank", "x").stdout.startswith("[-P][-m][wavetank][x]")
    path = f"{links}:{os.environ['PATH']}"
    ended = call("sh", "-c", "tank y", PATH=path)
    assert ended.stdout.startswith("[-P][-m][wavetank][y]")


@pytest.mark.parametrize(
    "change",
    [
        lambda clone: (clone / "requirements.lock").write_text("# pulled\n"),
        lambda clone: (clone / "pyproject.toml").write_text("# pulled\n"),
        lambda clone: (clone / ".venv" / "runtime.stamp").unlink(),
        lambda clone: (clone / ".venv" / "bin" / "python").rename(clone / "kept"),
    ],
)
def test_wavetank_sets_up_what_is_not_as_it_should_be(
    clone: Path, call: Call, change: Callable[[Path], object]
) -> None:
    """A pulled change, a missing stamp or a lost interpreter call set-up, once each."""
    change(clone)
    ended = call(clone / "wavetank", WAVETANK_PYTHON=sys.executable)
    assert ended.stderr.splitlines()[0] == f"set-up of {clone} runtime"


def test_check_sets_up_its_own_tools(clone: Path, call: Call) -> None:
    """What `./wavetank` needs is there; the tools beside it may not be."""
    (clone / ".venv" / "dev.stamp").unlink()
    ended = call(clone / "check", WAVETANK_PYTHON=sys.executable)
    assert ended.stderr == f"set-up of {clone} dev\n"
    assert ended.returncode == 0


def test_wavetank_says_nothing_more_when_set_up_fails(clone: Path, call: Call) -> None:
    """Set-up has said what to do; its exit code stands, and nothing is started."""
    (clone / ".venv" / "runtime.stamp").unlink()
    (clone / "tools" / "set_up.py").write_text("raise SystemExit(7)")
    ended = call(clone / "wavetank", WAVETANK_PYTHON=sys.executable)
    assert ended.returncode == 7
    assert (ended.stdout, ended.stderr) == ("", "")


def pythons(folder: Path, **versions: str) -> str:
    """Write interpreters that give a version, and a path that has them alone."""
    folder.mkdir()
    for name, version in versions.items():
        text = (
            f'#!/bin/sh\ncase $1 in -c) echo {version};; *) echo "by {name}";; esac\n'
        )
        executable(folder / name.replace("_", "."), text)
    for tool in ("sh", "dirname", "readlink", "cat", "cmp"):
        found = shutil.which(tool)
        assert found
        (folder / tool).symlink_to(found)
    return str(folder)


@pytest.mark.parametrize(
    ("versions", "chosen"),
    [
        ({"python3": "3.11"}, "python3"),
        ({"python3": "3.10", "python3_12": "3.12"}, "python3_12"),
        ({"python3": "2.7", "python3_11": "3.11", "python3_13": "3.13"}, "python3_13"),
    ],
)
def test_the_first_python_that_is_new_enough_sets_up(
    clone: Path, call: Call, tmp_path: Path, versions: dict[str, str], chosen: str
) -> None:
    """An old `python3` is passed over where a newer one has its version as a name."""
    (clone / ".venv" / "runtime.stamp").unlink()
    path = pythons(tmp_path / "bin", **versions)
    assert f"by {chosen}\n" in call(clone / "wavetank", PATH=path).stdout


@pytest.mark.parametrize(
    ("versions", "named", "words"),
    [
        (
            {"python3": "3.10"},
            "",
            "Python 3.11 or newer (python3 is 3.10); install one",
        ),
        ({"python3": "3.9", "python3_11": "3.8"}, "", "is 3.9, python3.11 is 3.8)"),
        ({}, "", "(none was found)"),
        ({"python3": "3.12"}, "/no/such", "(none was found)"),
        ({"python3": "3.12", "old": "3.10"}, "old", "(old is 3.10)"),
    ],
)
def test_an_old_python_is_refused_in_one_sentence(
    clone: Path,
    call: Call,
    tmp_path: Path,
    versions: dict[str, str],
    named: str,
    words: str,
) -> None:
    """What was found and what to do are told; the one that is named is the only one."""
    (clone / ".venv" / "runtime.stamp").unlink()
    path = pythons(tmp_path / "bin", **versions)
    ended = call(clone / "wavetank", PATH=path, WAVETANK_PYTHON=named)
    assert ended.returncode == 1
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("wavetank: needs Python 3.11 or newer (")
    assert words in line
