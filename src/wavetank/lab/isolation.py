"""An isolated target: in a network of its own, and with its data on a small disk.

It refuses to know what a check makes of that.

The target's process has a warden, which leaves this machine's network; a proxy on this
machine leads there. While the link is down the target's own TCP gets no answer. No
proxy can bring that about, for it acknowledges whatever comes to it. While the disk is
full, the target alone cannot write.

    async with isolated(plan, target) as isolation:
        peers = Peers(isolation.target, ...)
        isolation.set_link(up=False)
"""

import asyncio
import contextlib
import dataclasses
import errno
import functools
import json
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from wavetank.chaos import Proxy
from wavetank.errors import LocalError, TargetError
from wavetank.lab.plan import Plan, Source
from wavetank.lab.process import TargetProcess
from wavetank.lab.target import Target, environment
from wavetank.lab.warden import DATA, MOST
from wavetank.net import ThrowAwayAuthority

__all__ = [
    "DISK",
    "IsolatedProcess",
    "Isolation",
    "isolated",
    "keeps_data",
    "why_not",
]

DISK = 32 * 2**20
"""Bytes of the small disk; they are memory."""

_HOST = "127.0.0.1"
_PORT, _TLS_PORT, _HTTP_PORT = 9000, 9001, 9002
"""Nobody else is in that network."""
_WARDEN = (sys.executable, "-P", "-m", "wavetank.lab.warden")
_ANSWERS_WITHIN = 20.0
_ENDS_WITHIN = 10.0
_STEP = 0.02


@functools.cache
def why_not() -> str:
    """Return why no target can be isolated on this machine; "" where one can."""
    if sys.platform != "linux":
        return "only Linux has network and mount namespaces"
    with tempfile.TemporaryDirectory(prefix="wavetank-") as room:
        try:
            tried = subprocess.run(
                [*_WARDEN, room, str(2**20)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_ANSWERS_WITHIN,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return f"a process in namespaces of its own does not start: {error}"
    if tried.returncode == 0:
        return ""
    said = tried.stdout.strip() or f"the trial ended with status {tried.returncode}"
    return said.splitlines()[-1]


def keeps_data(plan: Plan) -> bool:
    """Tell whether the target can be told where to keep its data."""
    return plan.source is Source.EMBEDDED or "{data}" in plan.serve


class IsolatedProcess(TargetProcess):
    """A target's process whose network and disk are its own.

    It is ended and started again as any other; its data stay until it is closed.

    Args:
        command: Program and arguments.
        environ: The whole environment of the process.
        room: A folder of nobody else; the small disk is mounted over it.
        size: Bytes of the disk.
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
        self._warden = [*_WARDEN, str(room), str(size), *command]
        self._control: socket.socket | None = None
        self._lock = threading.Lock()
        self._told: Mapping[str, Any] = {"pid": 0, "status": None}

    # Its life

    def start(self) -> None:
        """Start the command; again, where it has ended.

        Raises:
            TargetError: If there is no such program or it may not be run.
            LocalError: If this machine does not permit it to be isolated.
        """
        self.ended_by_lab = False
        if self._control is None:
            self._begin()
        answer = self._ask("start")
        if "why" in answer:
            raise TargetError(
                f"cannot start `{shlex.join(self.command)}`: {answer['why']}; "
                "is the program installed and its name spelled right?"
            )
        self._told = answer

    def _begin(self) -> None:
        """Start the warden."""
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(_ANSWERS_WITHIN)
        with theirs:
            self._process = subprocess.Popen(
                self._warden,
                env=self.environ,
                stdin=theirs.fileno(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
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
        if not self.is_alive:
            return
        self.ended_by_lab = True
        self.resume()
        self._ask("signal", number=int(signal.SIGTERM))
        self.ends_within(grace)
        self._told = self._ask("kill")

    def kill(self) -> None:
        """End the target at once, as a crash of the machine would; its disk stays."""
        if self.is_alive:
            self.ended_by_lab = True
            self._told = self._ask("kill")

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
                self._told = self._ask("status")
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
        opened = socket.socket(fileno=descriptors[0])
        opened.setblocking(False)
        return opened

    def _ask(
        self, do: str, *, descriptors: list[int] | None = None, **words: object
    ) -> Mapping[str, Any]:
        """Ask the warden, and return its answer.

        Raises:
            LocalError: If there is no warden, or it does not answer.
        """
        with self._lock:
            if self._control is None:
                raise LocalError("the target's warden is not there")
            try:
                self._control.send(json.dumps({"do": do, **words}).encode())
                return self._receive(descriptors)
            except (OSError, LocalError) as error:
                # Its answer, should it come yet, would be taken for the next one.
                self._hang_up()
                raise LocalError(f"the target's warden is gone: {error}") from None

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


def _must(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    if "why" in answer:
        raise LocalError(f"the target's warden cannot do it: {answer['why']}")
    return answer


class Isolation:
    """An isolated target, and the door to it.

    Args:
        target: What peers connect to; its process is the isolated one.
        process: That process.
        door: The proxy that leads into its network.
    """

    def __init__(self, target: Target, process: IsolatedProcess, door: Proxy) -> None:
        self.target = target
        self.process = process
        self._door = door

    @property
    def connections(self) -> int:
        """How many connections lead to the target."""
        return sum(link.is_connected for link in self._door.links.values())

    def __repr__(self) -> str:
        """Show the process and the door."""
        return f"<Isolation {self.process!r} behind {self._door!r}>"


@contextlib.asynccontextmanager
async def isolated(plan: Plan, like: Target) -> AsyncIterator[Isolation]:
    """Have another target of a plan, isolated; it is not started yet.

    Args:
        plan: What is started, and how.
        like: The target that the plan has brought about: how it speaks, and its path.

    Raises:
        LocalError: If this machine does not permit it (`why_not`).
    """
    async with contextlib.AsyncExitStack() as stack:
        scratch = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="wavetank-"))
        )
        words = {"host": _HOST, "port": str(_PORT), "python": sys.executable}
        words["data"] = str(scratch / "disk" / DATA)
        if plan.wants_tls:
            words |= {"tls_port": str(_TLS_PORT)} | _certificate(stack, scratch)
        bare = dataclasses.replace(plan, coverage=False)
        command = bare.command(words, http_port=_HTTP_PORT)
        if plan.source is Source.EMBEDDED:
            command += ["--data", words["data"]]
        (scratch / "disk").mkdir()
        ports = dict.fromkeys(("PORT", "WEBSOCKET_PORT"), str(_PORT))
        process = IsolatedProcess(
            command, environ={**environment(plan), **ports}, room=scratch / "disk"
        )
        stack.push_async_callback(asyncio.to_thread, process.close)

        port = _TLS_PORT if plan.is_tls_only else _PORT
        door = Proxy((_HOST, port), mode="bytes", dial=process.dial)
        await stack.enter_async_context(door)
        target = dataclasses.replace(
            like,
            url=_leads_to(like.url, door.port),
            tls_url="",
            ca=plan.ca or words.get("ca", ""),
            process=process,
        )
        yield Isolation(target, process, door)


def _certificate(stack: contextlib.AsyncExitStack, scratch: Path) -> dict[str, str]:
    authority = ThrowAwayAuthority(directory=scratch)
    stack.callback(authority.close)
    credentials = authority.certificate()
    return {
        "cert": str(credentials.certificate),
        "key": str(credentials.key),
        "ca": str(authority.ca),
    }


def _leads_to(url: str, port: int) -> str:
    """Return a URL with another port."""
    parts = urllib.parse.urlsplit(url)
    host = f"{parts.hostname}:{port}"
    return urllib.parse.urlunsplit((parts.scheme, host, *parts[2:]))
