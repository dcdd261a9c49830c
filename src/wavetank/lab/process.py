"""A target's process: started, watched, ended, with everything it started.

It refuses to know WebSocket: that it runs does not mean that it is ready.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Mapping, Sequence

import psutil

from wavetank.errors import TargetError
from wavetank.lab.guard import GUARD

__all__ = ["TargetProcess"]

_LINES_KEPT = 60
_LINE_LENGTH = 2000
_GONE_WITHIN = 5.0


class TargetProcess:
    """One command and its children, in a session of their own.

    A session of its own keeps Ctrl-C from reaching the target behind our back,
    and lets us end it with all its children.

    Args:
        command: Program and arguments.
        environ: The whole environment of the process.
    """

    def __init__(self, command: Sequence[str], *, environ: Mapping[str, str]) -> None:
        self.command = tuple(command)
        self.environ = dict(environ)
        self.ended_by_lab = False
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: deque[tuple[int, str]] = deque(maxlen=_LINES_KEPT)
        self._printed = 0
        self._reader: threading.Thread | None = None
        self._family: dict[int, psutil.Process] = {}
        self._is_suspended = False

    def start(self) -> None:
        """Start the command; again, where it has ended.

        Raises:
            TargetError: If there is no such program or it may not be run.
        """
        self.ended_by_lab = False
        try:
            self._process = subprocess.Popen(
                self.command,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise TargetError(
                f"cannot start `{shlex.join(self.command)}`: {why}; "
                "is the program installed and its name spelled right?"
            ) from None
        GUARD.watch(self.pid)
        self._reader = threading.Thread(
            target=self._read, args=(self._process,), daemon=True, name="target output"
        )
        self._reader.start()

    @property
    def pid(self) -> int:
        """Process id, 0 before the first start."""
        return self._process.pid if self._process else 0

    @property
    def status(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""
        return self._process.poll() if self._process else None

    @property
    def is_alive(self) -> bool:
        """Whether the process itself still runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def is_stopped(self) -> bool:
        """Whether the process itself is stopped, as by SIGSTOP."""
        with contextlib.suppress(psutil.Error):
            return psutil.Process(self.pid).status() == psutil.STATUS_STOPPED
        return False

    def ends_within(self, seconds: float) -> bool:
        """Wait at most so long for its end; return whether it has ended."""
        if self._process is None:
            return False
        try:
            self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    @property
    def printed(self) -> int:
        """How many lines it has printed so far, in all its lives."""
        return self._printed

    def output(self, *, since: int = 0) -> list[str]:
        """The last lines that it printed, oldest first.

        Once it ended, what it printed last is waited for.

        Args:
            since: Leave out so many, counted from its first: what it had `printed`.
        """
        if not self.is_alive and self._reader is not None:
            self._reader.join(timeout=1.0)
        return [line for number, line in list(self._lines) if number > since]

    def stop(self, *, grace: float = 5.0) -> None:
        """End it politely: SIGTERM, then SIGKILL for whoever is left; idempotent.

        Args:
            grace: Seconds between the two.
        """
        self._end(signal.SIGTERM, grace)

    def kill(self) -> None:
        """End it at once, as a crash of the machine would."""
        self._end(signal.SIGKILL, 5.0)

    def suspend(self) -> None:
        """Stop it with all its children (SIGSTOP); nothing of them runs."""
        self._is_suspended = True
        self._signal(signal.SIGSTOP)
        # One may have been started while the others were being stopped.
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on with all its children (SIGCONT); nothing if it does."""
        if self._is_suspended:
            self._is_suspended = False
            self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to the session and to the whole family."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        self.remember_family()
        # A process may change its user, as sudo does.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        for child in list(self._family.values()):
            with contextlib.suppress(psutil.Error):
                child.send_signal(number)

    def remember_family(self) -> None:
        """Note the children there are, so that they can be ended with it.

        A child that moved to a session of its own is found only while its parent
        lives: once that was waited for, its number may be somebody else's.
        """
        if not self.is_alive:
            return
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self.pid).children(recursive=True):
                self._family[child.pid] = child

    def _end(self, number: signal.Signals, grace: float) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            self.ended_by_lab = True
            self.resume()
            self.remember_family()
            # A stopped process sees SIGTERM only once it goes on.
            for each in (number, signal.SIGCONT):
                # A process may change its user, as sudo does.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    process.send_signal(each)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=grace)
        self._sweep(process)
        if self._reader is not None:
            self._reader.join(timeout=2.0)

    def _sweep(self, process: subprocess.Popen[bytes]) -> None:
        """Kill what is left of the session and of the family."""
        # Once it was waited for, its number may be given to a process that is not ours:
        # but not while anybody is left in the group that is called after it.
        if process.poll() is None or not psutil.pid_exists(process.pid):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        # A copy: another thread may be noting new ones.
        for child in list(self._family.values()):
            with contextlib.suppress(psutil.Error):
                child.kill()
        self._family.clear()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_GONE_WITHIN)
            GUARD.forget(process.pid)

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        """Read the output until its end, in bounded lines."""
        assert process.stdout is not None
        with process.stdout as stream:
            while line := stream.readline(_LINE_LENGTH):
                text = line.decode("utf-8", "replace").rstrip("\r\n")
                self._printed += 1
                self._lines.append((self._printed, text))

    def __repr__(self) -> str:
        """Show the command and how it is."""
        state = "running" if self.is_alive else f"status {self.status}"
        return f"<TargetProcess {shlex.join(self.command)!r} {state}>"
