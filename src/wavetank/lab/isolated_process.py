"""A target's process in a network of its own, and with its data on a small disk.

It refuses to know who connects to it, and why.

Its parent is a warden, which leaves this machine's network and mounts the disk, and
which ends all that comes from the target. While the link is down the target's own TCP
gets no answer. While the disk is full, the target alone cannot write.
"""

import asyncio
import contextlib
import errno
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from wavetank.errors import LocalError, TargetError
from wavetank.lab.process import TargetProcess
from wavetank.lab.warden import MOST

__all__ = ["ANSWERS_WITHIN", "DISK", "WARDEN", "IsolatedProcess"]

DISK = 32 * 2**20
"""Bytes of the small disk; they are memory."""
WARDEN = (sys.executable, "-P", "-m", "wavetank.lab.warden")
"""What starts a warden."""
ANSWERS_WITHIN = 20.0
"""Seconds that it has for an answer."""

_ENDS_WITHIN = 10.0
_STEP = 0.02


class IsolatedProcess(TargetProcess):
    """A target's process whose network and disk are its own.

    It is ended and started again as any other; its data stay until it is closed.

    Args:
        command: Program and arguments.
        environ: The whole environment of the process.
        room: A folder of nobody else; the small disk is mounted over it.
        size: Bytes of the disk.

    Attributes:
        has_lost_warden: Whether the warden is gone, and the data with it. The target is
            not to blame for that.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environ: Mapping[str, str],
        room: Path,
        size: int = DISK,
    ) -> None:
        super().__init__(command, environ=environ)
        self._warden = [*WARDEN, str(room), str(size), *command]
        self._control: socket.socket | None = None
        self._lock = threading.Lock()
        self._told: Mapping[str, Any] = {"pid": 0, "status": None}
        self._lives = 0
        self._network: int | None = None
        self.has_lost_warden = False

    # Its life

    def start(self) -> None:
        """Start the command; again, where it has ended.

        Raises:
            TargetError: If there is no such program or it may not be run.
            LocalError: If this machine does not permit it to be isolated, or its disk
                is gone.
        """
        if self.has_lost_warden:
            raise LocalError("the target's warden is gone, and its disk with it")
        self.ended_by_lab = False
        if self._control is None:
            self._begin()
        answer = self._ask("start")
        if "why" in answer:
            raise TargetError(
                f"cannot start `{shlex.join(self.command)}`: {answer['why']}; "
                "is the program installed and its name spelled right?"
            )

    def _begin(self) -> None:
        """Start the warden."""
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(ANSWERS_WITHIN)
        with theirs:
            try:
                self._process = subprocess.Popen(
                    self._warden,
                    env=self.environ,
                    stdin=theirs.fileno(),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                self._hang_up()
                raise LocalError(f"a target cannot be isolated here: {error}") from None
        self._reader = threading.Thread(
            target=self._read, args=(self._process,), daemon=True, name="target output"
        )
        self._reader.start()
        try:
            why = self._receive()["why"]
        except (OSError, LocalError) as error:
            self._hang_up()
            why = " ".join(self.output()) or f"its warden does not begin: {error}"
        if why:
            self._hang_up()
            raise LocalError(f"a target cannot be isolated here: {why}")
        # Held open: while it is, no other network is given its number.
        with contextlib.suppress(OSError):  # it has ended already
            self._network = os.open(f"/proc/{self._process.pid}/ns/net", os.O_RDONLY)

    def close(self) -> None:
        """End everything, and forget the data; idempotent."""
        process = self._process
        if process is None:
            return
        self.ended_by_lab = True
        self.remember_family()
        with self._lock:
            self._hang_up()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_ENDS_WITHIN)
        process.kill()
        for child in self._family.values():
            with contextlib.suppress(psutil.Error):
                child.kill()
        self._family.clear()
        process.wait()
        if self._network is not None:
            if self.has_lost_warden:
                _kill_all_in(self._network)
            os.close(self._network)
            self._network = None
        if self._reader is not None:
            self._reader.join(timeout=2.0)

    def _hang_up(self) -> None:
        """Ask no more: the warden ends all that it has started."""
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._told["status"] is None and self._told["pid"]:
            self._told = {**self._told, "status": -int(signal.SIGKILL)}

    def stop(self, *, grace: float = 5.0) -> None:
        """End the target politely: SIGTERM, then SIGKILL for whoever is left.

        Args:
            grace: Seconds between the two.
        """
        life = self._lives
        if self.is_alive:
            self.ended_by_lab = True
            self.resume()
            ends = time.monotonic() + grace
            with contextlib.suppress(LocalError):  # then it has been told as dead
                # A stopped process sees SIGTERM only once it goes on.
                for number in (signal.SIGTERM, signal.SIGCONT):
                    self._ask("signal", life=life, number=int(number))
            while self._lives == life and self.is_alive and time.monotonic() < ends:
                time.sleep(_STEP)
        self._end_life(life)

    def kill(self) -> None:
        """End the target at once, as a crash of the machine would; its disk stays."""
        life = self._lives
        if self.is_alive:
            self.ended_by_lab = True
        self._end_life(life)

    def _end_life(self, life: int) -> None:
        """Kill all that is left of one life; a later one is somebody else's to end."""
        if self._control is not None:
            with contextlib.suppress(LocalError):  # then it has been told as dead
                self._ask("kill", life=life)

    # What it is doing

    @property
    def pid(self) -> int:
        """Process id of the target, not of its warden; 0 before the first start."""
        return int(self._told["pid"])

    @property
    def status(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""
        if self._told["status"] is None and self._control is not None:
            with contextlib.suppress(LocalError):  # then it has been told as dead
                self._ask("status")
        status: int | None = self._told["status"]
        return status

    @property
    def is_alive(self) -> bool:
        """Whether the target itself still runs."""
        return self.pid != 0 and self.status is None

    def ends_within(self, seconds: float) -> bool:
        """Wait at most so long for its end; return whether it has ended."""
        ends = time.monotonic() + seconds
        while self.is_alive and time.monotonic() < ends:
            time.sleep(_STEP)
        return self.pid != 0 and not self.is_alive

    def remember_family(self) -> None:
        """Note all that the warden has started, which is the target's.

        Only a process of our own is asked for that, never a number that was told: its
        process may be over, and the number somebody else's.
        """
        process = self._process
        if process is None or process.poll() is not None:
            return
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(process.pid).children(recursive=True):
                self._family[child.pid] = child

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to the target and its family, not to the warden."""
        self.remember_family()
        for child in list(self._family.values()):
            with contextlib.suppress(psutil.Error):
                child.send_signal(number)

    # What can be done to it

    def set_link(self, *, up: bool) -> None:
        """Have nothing go to or from the target, or let it.

        Raises:
            LocalError: If it cannot be done.
        """
        _must(self._ask("link", up=up))

    def fill(self) -> int:
        """Take all the room on its disk, and keep it; return how many bytes that is.

        Raises:
            LocalError: If it cannot be done.
        """
        return int(_must(self._ask("fill"))["bytes"])

    def free(self) -> None:
        """Give the room back.

        Raises:
            LocalError: If it cannot be done.
        """
        _must(self._ask("free"))

    async def dial(self, host: str, port: int) -> socket.socket:
        """Connect to an address in the target's network; a `chaos.aio.link.Dial`.

        Raises:
            OSError: If there is no connection; also where its warden is gone.
        """
        dialled = self._open_socket()
        try:
            await asyncio.get_running_loop().sock_connect(dialled, (host, port))
        except BaseException:
            dialled.close()
            raise
        return dialled

    def _open_socket(self) -> socket.socket:
        """Return a TCP socket of the target's network, which does not block."""
        descriptors: list[int] = []
        try:
            _must(self._ask("socket", descriptors=descriptors))
        except LocalError as error:
            raise ConnectionRefusedError(errno.ECONNREFUSED, str(error)) from None
        if not descriptors:
            # The kernel leaves out what finds no room.
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        opened = socket.socket(fileno=descriptors[0])
        opened.setblocking(False)
        return opened

    def _ask(
        self,
        do: str,
        *,
        life: int | None = None,
        descriptors: list[int] | None = None,
        **words: object,
    ) -> Mapping[str, Any]:
        """Ask the warden, and return its answer.

        Args:
            do: What it is to do.
            life: The life of the target that this is for; nothing is done to a later
                one. None for whichever there is.
            descriptors: Takes those that come with the answer.
            words: The rest of the question.

        Raises:
            LocalError: If there is no warden, or it does not answer.
        """
        with self._lock:
            if life not in {None, self._lives}:
                return self._told
            if self._control is None:
                raise LocalError("the target's warden is not there")
            try:
                self._control.send(json.dumps({"do": do, **words}).encode())
                answer = self._receive(descriptors)
            except (OSError, LocalError) as error:
                # Its answer, should it come yet, would be taken for the next one.
                self._hang_up()
                # The target ends with it, and has not ended by itself.
                self.has_lost_warden = self.ended_by_lab = True
                raise LocalError(f"the target's warden is gone: {error}") from None
            # Here: told later, it could take the place of what was told since.
            if "pid" in answer:
                self._told = answer
                self._lives += do == "start"
            return answer

    def _receive(self, descriptors: list[int] | None = None) -> Mapping[str, Any]:
        assert self._control is not None
        data, came, _, _ = socket.recv_fds(
            self._control, MOST, 1, socket.MSG_CMSG_CLOEXEC
        )
        if descriptors is not None:
            descriptors.extend(came)
        if not data:
            raise LocalError("it has ended")
        answer: Mapping[str, Any] = json.loads(data)
        return answer


def _kill_all_in(network: int) -> None:
    """Kill all processes of a network namespace, unless it is our own.

    Args:
        network: A descriptor of the namespace.
    """
    theirs, ours = os.fstat(network), os.stat("/proc/self/ns/net")
    if os.path.samestat(theirs, ours):
        return
    for pid in psutil.pids():
        with contextlib.suppress(psutil.Error, OSError):
            # First the process, which is known by more than its number from then on.
            process = psutil.Process(pid)
            if os.path.samestat(os.stat(f"/proc/{pid}/ns/net"), theirs):
                process.kill()


def _must(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    if "why" in answer:
        raise LocalError(f"the target's warden cannot do it: {answer['why']}")
    return answer
