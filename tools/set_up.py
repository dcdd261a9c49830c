"""Makes or mends a clone's `.venv` from a lock file, for `./wavetank` and `./check`.

It refuses to know Wavetank: it runs before anything is installed, and so on the
standard library alone.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from pip_wheel import NotFoundError, obtain_pip

__all__ = ["Clone", "Runner", "SetUpError", "make_ready"]

LOCKS = {"runtime": "requirements.lock", "dev": "requirements-dev.lock"}
"""Which lock file each kind of set-up installs; dev holds runtime's packages too."""

ENSURE_PIP = "import ensurepip; ensurepip.bootstrap()"
"""How Python puts its own pip into an environment, where it brings one."""

_LAST_LINES = 15
_UNFINISHED = "unfinished\n"

# Answers that would send packages elsewhere, or ask somebody who is not there.
_PIP_OVERRIDES = {
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "PIP_REQUIRE_HASHES": "0",
    "PIP_USER": "0",
}
_PIP_REMOVED = frozenset({"PIP_PREFIX", "PIP_ROOT", "PIP_TARGET", "PIP_DRY_RUN"})


class SetUpError(Exception):
    """`.venv` could not be made; the text says what happened and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clone:
    """A clone and what of its `.venv` matters here.

    Attributes:
        root: The folder, with all links resolved.
        kind: ``runtime`` or ``dev``.
    """

    root: Path
    kind: str

    @property
    def venv(self) -> Path:
        """The environment."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.venv / "bin" / "python"

    @property
    def lock(self) -> Path:
        """The lock file to install."""
        return self.root / LOCKS[self.kind]

    @property
    def kinds(self) -> list[str]:
        """The kinds that are ready once this one is."""
        return ["runtime"] if self.kind == "runtime" else ["runtime", "dev"]

    def stamp(self, kind: str) -> Path:
        """Return the file that says what was installed."""
        return self.venv / f"{kind}.stamp"

    def stamp_text(self, kind: str) -> bytes:
        """Return what a stamp holds; `tools/venv.sh` compares it byte for byte."""
        parts = [self.root / LOCKS[kind], self.root / "pyproject.toml"]
        return os.fsencode(f"{self.root}\n") + b"".join(
            part.read_bytes() for part in parts
        )

    def is_ready(self, kind: str) -> bool:
        """Tell whether a stamp is as the clone wants it."""
        stamp = self.stamp(kind)
        return (
            os.access(self.python, os.X_OK)
            and stamp.is_file()
            and stamp.read_bytes() == self.stamp_text(kind)
        )

    def was_moved(self) -> bool:
        """Tell whether `.venv` was made elsewhere: its scripts point there."""
        here = os.fsencode(f"{self.root}\n")
        return any(
            not stamp.read_bytes().startswith(here)
            for stamp in self.venv.glob("*.stamp")
        )


def make_ready(
    clone: Clone, environ: Mapping[str, str], say: Callable[[str], None]
) -> None:
    """Make or mend `.venv`, once, however many ask at the same time.

    Args:
        clone: Whose.
        environ: The caller's environment; pip's own variables are respected.
        say: Takes one line of progress.

    Raises:
        SetUpError: If it cannot be done; the next call starts anew.
    """
    with _lock(clone.root / ".venv.lock", say) as lock:
        if clone.is_ready(clone.kind):
            return
        run = Runner(clone, environ, lock)
        was_cut = bool(lock.read())
        _write(lock, _UNFINISHED)
        if was_cut or clone.was_moved() or not run.is_sound():
            shutil.rmtree(clone.venv, ignore_errors=True)
        try:
            _install(clone, run, say)
        except SetUpError:
            # Not cut: what pip could not install it has not begun to install.
            _write(lock, "")
            raise
        _write(lock, "")
    say("ready")


def _install(clone: Clone, run: "Runner", say: Callable[[str], None]) -> None:
    # What is read now is what gets the stamp, whatever is pulled meanwhile.
    texts = {kind: clone.stamp_text(kind) for kind in clone.kinds}
    for kind in clone.kinds:
        if not clone.is_ready(kind):
            clone.stamp(kind).unlink(missing_ok=True)
    if not clone.python.exists():
        version = ".".join(map(str, sys.version_info[:3]))
        say(f"setting up .venv with Python {version}, once; it may take a minute")
        run.make_venv()
    if not run.has_pip():
        run.give_pip()
    say(f"installing what {clone.lock.name} names")
    run.pip("--require-hashes", "-r", str(clone.lock))
    run.pip("--no-deps", "--no-build-isolation", "-e", str(clone.root))
    for kind, text in texts.items():
        clone.stamp(kind).write_bytes(text)


@contextmanager
def _lock(path: Path, say: Callable[[str], None]) -> Iterator[TextIO]:
    """Hold a file's lock; the system lets go of it however its holders end.

    The file holds a word while work is under way, so whoever gets the lock sees
    whether its last holder came to the end.
    """
    with path.open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another call that is setting up .venv")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        yield file


def _write(lock: TextIO, text: str) -> None:
    lock.seek(0)
    lock.truncate()
    lock.write(text)
    lock.flush()


class Runner:
    """Runs the interpreters; each of them holds the lock as long as it lives.

    Args:
        clone: For whom.
        environ: The caller's environment.
        lock: The file whose lock is held.
    """

    def __init__(self, clone: Clone, environ: Mapping[str, str], lock: TextIO) -> None:
        self._clone = clone
        self._environ = {
            name: value for name, value in environ.items() if name not in _PIP_REMOVED
        } | _PIP_OVERRIDES
        self._lock = lock

    def is_sound(self) -> bool:
        """Tell whether `.venv`'s interpreter starts, and is the one it was made for."""
        packages = self._packages()
        return packages is not None and packages.is_dir()

    def has_pip(self) -> bool:
        """Tell whether `.venv` has pip."""
        return self._works("import pip")

    def make_venv(self) -> None:
        """Make `.venv` without pip: not every Python can put it there itself."""
        # The versioned name: when the system goes to another Python, the link ends
        # nowhere and `.venv` is made anew, instead of finding no packages.
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        python = Path(sys.base_exec_prefix, "bin", f"python{version}")
        if not os.access(python, os.X_OK):
            python = Path(sys.executable)
        self._run([python, "-I", "-m", "venv", "--without-pip", self._clone.venv])

    def give_pip(self) -> None:
        """Put pip into `.venv`: Python's own, or a pinned one from the index."""
        if self._works(ENSURE_PIP):
            return
        try:
            wheel = obtain_pip(self._environ)
        except NotFoundError as error:
            raise SetUpError(
                f"this Python comes without pip, and none was found:\n{error}\n"
                "Install it (on Debian and Ubuntu: the package python3-venv), or set "
                "pip's index to one in reach."
            ) from None
        packages = self._packages()
        assert packages, "an interpreter that was just made or looked at starts"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(packages)

    def pip(self, *arguments: str) -> None:
        """Install something."""
        self._run(
            [self._clone.python, "-I", "-m", "pip", "install", *arguments],
            advice="Is pip's index in reach (`pip config list`)? Then call again.",
        )

    def _packages(self) -> Path | None:
        """Return where `.venv`'s interpreter, if it is new enough, finds packages."""
        told = self._told(
            "import sys, sysconfig; sys.version_info < (3, 11) and sys.exit(1);"
            "print(sysconfig.get_path('purelib'))"
        )
        return Path(told.splitlines()[-1]) if told else None

    def _works(self, code: str) -> bool:
        return self._told(code) is not None

    def _told(self, code: str) -> str | None:
        """Return what a line of Python prints in `.venv`, or None where it fails."""
        try:
            ended = self._ended([self._clone.python, "-I", "-c", code])
        except OSError:
            return None
        return None if ended.returncode else ended.stdout

    def _run(self, command: Sequence[str | Path], *, advice: str = "") -> None:
        ended = self._ended(command)
        if ended.returncode:
            last = ended.stdout.splitlines()[-_LAST_LINES:]
            words = " ".join(map(str, command))
            failed = f"set-up failed with status {ended.returncode}: {words}"
            raise SetUpError(
                "\n".join([*last, failed, advice or "Mend that and call again."])
            )

    def _ended(
        self, command: Sequence[str | Path]
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            # Ours may be killed while it works; the next call has to wait for it.
            pass_fds=[self._lock.fileno()],
        )


def main(arguments: Sequence[str]) -> int:
    """Set up ``arguments``: the clone's folder and ``runtime`` or ``dev``."""
    root, kind = arguments

    def say(text: str) -> None:
        for line in text.splitlines():
            print(f"wavetank: {line}", file=sys.stderr, flush=True)

    try:
        make_ready(Clone(root=Path(root), kind=kind), os.environ, say)
    except (SetUpError, OSError) as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; the next call starts anew")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
