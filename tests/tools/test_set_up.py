"""Set-up makes `.venv` once, mends it when it has to, and leaves nothing half done."""

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

import set_up
from pip_wheel import NotFoundError
from set_up import Clone, SetUpError, make_ready

TOOLS = Path(set_up.__file__).parent
UNFINISHED = "unfinished\n"

# A build backend in the tree itself: nothing is fetched to install such a clone.
BACKEND = """
import zipfile

NAME = "tank-1-py3-none-any.whl"

def build_editable(directory, config_settings=None, metadata_directory=None):
    files = {
        "tank-1.dist-info/METADATA": "Metadata-Version: 2.1\\nName: tank\\n"
        "Version: 1\\n",
        "tank-1.dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n"
        "Tag: py3-none-any\\n",
        "tank.pth": "",
    }
    names = "".join(f"{name},,\\n" for name in files)
    files["tank-1.dist-info/RECORD"] = names + "tank-1.dist-info/RECORD,,\\n"
    with zipfile.ZipFile(f"{directory}/{NAME}", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return NAME
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
ENVIRON = {
    "PATH": os.environ["PATH"],
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_NO_INDEX": "1",
    "PIP_TARGET": "/nowhere",
    "PIP_USER": "1",
}


def a_clone(root: Path) -> Clone:
    """Write a clone that needs nothing from anywhere."""
    root.mkdir()
    (root / "requirements.lock").write_text("# nothing\n")
    (root / "requirements-dev.lock").write_text("# nothing\n# more\n")
    (root / "pyproject.toml").write_text(PROJECT)
    (root / "backend.py").write_text(BACKEND)
    return Clone(root=root, kind="runtime")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Give a clone that was set up; it takes seconds, so it is made once."""
    clone = a_clone(tmp_path_factory.mktemp("made").resolve() / "clone")
    make_ready(clone, ENVIRON, print)
    return clone


@pytest.fixture
def lines() -> list[str]:
    """Give a list for what set-up says."""
    return []


def test_a_first_call_installs_the_clone_and_its_packages(made: Clone) -> None:
    """After it, `.venv` has an interpreter, the clone, a stamp, and no open work."""
    assert made.is_ready("runtime")
    ended = subprocess.run(
        [made.python, "-I", "-c", "import importlib.metadata as m; m.version('tank')"],
        check=False,
    )
    assert ended.returncode == 0
    assert (made.root / ".venv.lock").read_text() == ""


def test_a_second_call_finds_nothing_to_do(made: Clone, lines: list[str]) -> None:
    """A stamp that is as the clone wants it ends set-up at once."""
    make_ready(made, {}, lines.append)
    assert lines == []


def test_the_stamp_is_what_the_shell_compares(made: Clone) -> None:
    """The folder's line, the lock file and pyproject.toml, byte for byte."""
    parts = ("requirements.lock", "pyproject.toml")
    text = b"".join((made.root / part).read_bytes() for part in parts)
    assert (made.venv / "runtime.stamp").read_bytes() == (
        f"{made.root}\n".encode() + text
    )


def test_what_was_pulled_is_installed(made: Clone, lines: list[str]) -> None:
    """A changed lock file is installed into the `.venv` that stands."""
    (made.venv / "kept").touch()
    (made.root / "requirements.lock").write_text("# nothing new\n")
    make_ready(Clone(root=made.root, kind="dev"), ENVIRON, lines.append)
    assert lines == ["installing what requirements-dev.lock names", "ready"]
    assert made.is_ready("runtime")
    assert made.is_ready("dev")
    assert (made.venv / "kept").exists()


def test_what_pip_says_is_told_when_it_fails(made: Clone, lines: list[str]) -> None:
    """The end of pip's words, the command and what to do are told; the next call works.

    A set-up that failed was not cut, and so `.venv` is not thrown away.
    """
    (made.venv / "kept").touch()
    lock = made.root / "requirements.lock"
    before = lock.read_text()
    lock.write_text(f"no-such-package==1 --hash=sha256:{'0' * 64}\n")
    try:
        with pytest.raises(SetUpError) as caught:
            make_ready(made, ENVIRON, lines.append)
    finally:
        lock.write_text(before)
    text = str(caught.value)
    assert "No matching distribution found for no-such-package==1" in text
    assert "set-up failed with status 1" in text
    assert text.endswith(
        "Is pip's index in reach (`pip config list`)? Then call again."
    )
    make_ready(made, ENVIRON, lines.append)
    assert made.is_ready("runtime")
    assert (made.venv / "kept").exists()


class Played(set_up.Runner):
    """A runner that plays its part instead of starting interpreters."""

    sound = True

    def is_sound(self) -> bool:
        """Say what the test says."""
        return self.sound

    def has_pip(self) -> bool:
        """Have it."""
        return True

    def make_venv(self) -> None:
        """Make what `is_ready` looks at."""
        python = self._clone.python
        python.parent.mkdir(parents=True)
        python.touch(mode=0o755)

    def pip(self, *arguments: str) -> None:
        """Install nothing."""


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """Give a clone whose set-up is played, once done, with a file to see it again."""
    monkeypatch.setattr(set_up, "Runner", Played)
    clone = a_clone(tmp_path / "clone")
    make_ready(clone, {}, print)
    (clone.venv / "old").touch()
    return clone


def test_a_cut_set_up_starts_anew(played: Clone, lines: list[str]) -> None:
    """Where the last one did not come to its end, nobody knows what stands."""
    (played.root / ".venv.lock").write_text(UNFINISHED)
    (played.venv / "runtime.stamp").unlink()
    make_ready(played, {}, lines.append)
    assert not (played.venv / "old").exists()
    assert played.is_ready("runtime")
    assert lines[0].startswith("setting up .venv with Python 3.")


def test_a_set_up_that_is_cut_leaves_word_of_it(
    played: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the middle leaves no stamp, and a word for the next call."""

    def interrupt(self: Played, *arguments: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Played, "pip", interrupt)
    (played.root / "requirements.lock").write_text("# new\n")
    with pytest.raises(KeyboardInterrupt):
        make_ready(played, {}, print)
    assert not (played.venv / "runtime.stamp").exists()
    assert (played.root / ".venv.lock").read_text() == UNFINISHED


def test_a_moved_clone_starts_anew(played: Clone) -> None:
    """The scripts of a `.venv` name the place where it was made."""
    moved = Clone(root=played.root.rename(played.root.parent / "moved"), kind="runtime")
    assert moved.was_moved()
    make_ready(moved, {}, print)
    assert not (moved.venv / "old").exists()
    assert not moved.was_moved()


def test_a_venv_whose_python_is_gone_starts_anew(
    played: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interpreter that does not start, or is another one now, is of no use."""
    monkeypatch.setattr(Played, "sound", False)
    played.python.unlink()
    make_ready(played, {}, print)
    assert not (played.venv / "old").exists()


def test_a_cut_dev_set_up_spares_what_still_holds(
    played: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tools are added beside the packages that are there: their stamp stays."""

    def fail(self: Played, *arguments: str) -> None:
        raise SetUpError("no index")

    monkeypatch.setattr(Played, "pip", fail)
    with pytest.raises(SetUpError):
        make_ready(Clone(root=played.root, kind="dev"), {}, print)
    assert played.is_ready("runtime")


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Callable[[Mapping[str, str]], set_up.Runner]]:
    """Give a function that makes a runner of a clone whose `.venv` has no pip."""
    clone = a_clone(tmp_path / "clone")
    with (tmp_path / "lock").open("w") as lock:
        yield lambda environ: set_up.Runner(clone, environ, lock)


def test_a_python_that_does_not_start_is_not_sound(
    runner: Callable[[Mapping[str, str]], set_up.Runner],
) -> None:
    """There may be none, or one for which no packages were installed."""
    run = runner({})
    assert not run.is_sound()
    run.make_venv()
    assert run.is_sound()
    assert not run.has_pip()


def test_pip_comes_from_the_index_where_python_brings_none(
    runner: Callable[[Mapping[str, str]], set_up.Runner],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Debian's Python without python3-venv has no ensurepip."""
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("pip/__init__.py", "")
    asked: list[Mapping[str, str]] = []
    monkeypatch.setattr(set_up, "obtain_pip", lambda told: asked.append(told) or wheel)
    run = runner({"PIP_INDEX_URL": "https://a"})
    run.make_venv()
    monkeypatch.setattr(set_up, "ENSURE_PIP", "import no_such_module")
    run.give_pip()
    assert run.has_pip()
    assert asked[0]["PIP_INDEX_URL"] == "https://a"


def test_no_pip_anywhere_is_told_with_what_to_do(
    runner: Callable[[Mapping[str, str]], set_up.Runner],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each place is told, and which package brings pip."""

    def nowhere(environ: Mapping[str, str]) -> io.BytesIO:
        raise NotFoundError("https://a: refused")

    monkeypatch.setattr(set_up, "obtain_pip", nowhere)
    monkeypatch.setattr(set_up, "ENSURE_PIP", "import no_such_module")
    run = runner({})
    run.make_venv()
    with pytest.raises(SetUpError, match=r"https://a: refused\n.*python3-venv"):
        run.give_pip()


@pytest.mark.long
def test_two_calls_at_once_set_up_once(tmp_path: Path) -> None:
    """One works, the other waits for it, and both come to a good end."""
    clone = a_clone(tmp_path.resolve() / "clone")
    command = [sys.executable, "-E", "-s", str(TOOLS / "set_up.py"), str(clone.root)]
    calls = [
        subprocess.Popen(
            [*command, "runtime"],
            env=ENVIRON,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(2)
    ]
    said = [call.communicate()[1] for call in calls]
    assert [call.returncode for call in calls] == [0, 0]
    together = "".join(said)
    assert together.count("setting up .venv") - together.count("waiting for") == 1
    assert together.count("wavetank: ready") == 1
    assert clone.is_ready("runtime")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (None, 0, ""),
        (SetUpError("no index\nInstall it."), 1, "no index\nwavetank: Install it."),
        (PermissionError("denied"), 1, "denied"),
        (KeyboardInterrupt(), 130, "interrupted; the next call starts anew"),
    ],
)
def test_main_says_in_plain_lines_how_it_went(
    error: BaseException | None,
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No traceback reaches the user; every line names who speaks."""

    def play(clone: Clone, environ: Mapping[str, str], say: object) -> None:
        assert clone == Clone(root=Path("/clone"), kind="dev")
        if error:
            raise error

    monkeypatch.setattr(set_up, "make_ready", play)
    assert set_up.main(["/clone", "dev"]) == code
    assert capsys.readouterr().err == (f"wavetank: {words}\n" if words else "")
