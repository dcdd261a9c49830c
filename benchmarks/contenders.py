"""The servers of a comparison: which there are, how each is started and ended.

They refuse to know what is measured.
"""

import contextlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from processes import spawned

__all__ = ["CONTENDERS", "Contender", "NotStarted", "Running", "started"]

PEERS = Path(__file__).resolve().parent / "peers"
READY = 15.0
"""Seconds until a server has to listen."""
_URL = re.compile(r"ws://127\.0\.0\.1:(\d+)")
_FINDS_WS = "console.log(require('ws/package.json').version)"


class NotStarted(Exception):
    """A server could not be started; the text says why."""


class Contender(NamedTuple):
    """A server.

    Attributes:
        name: How it is called.
        command: How it is started; ``{work}`` is an empty folder. It listens on a
            free port of this machine, and prints its URL.
        dialect: How to speak with it.
        version: A command that prints its version and fails if it is missing, or the
            names of its packages.
    """

    name: str
    command: Sequence[str]
    dialect: str
    version: str | Sequence[str]

    def find(self) -> str | None:
        """Return its version, or None where it is missing."""
        if isinstance(self.version, str):
            try:
                return " + ".join(
                    f"{name} {importlib.metadata.version(name)}"
                    for name in self.version.split()
                )
            except importlib.metadata.PackageNotFoundError:
                return None
        if shutil.which(self.version[0]) is None:
            return None
        asked = subprocess.run(
            self.version, capture_output=True, text=True, check=False, timeout=READY
        )
        return asked.stdout.strip() if asked.returncode == 0 else None

    @property
    def missing(self) -> str:
        """What to say where it is missing."""
        if self.name == "ws":
            return "needs node, and its package ws in NODE_PATH"
        what = self.version if isinstance(self.version, str) else self.version[0]
        return f"{what} is not installed"


def _peer(name: str, packages: str = "") -> Contender:
    command = (sys.executable, str(PEERS / f"broadcast_{name}.py"))
    return Contender(name, command, "raw", packages or name)


_HUB = (sys.executable, "-m", "wavetank", "hub", "--port", "0", "--http-port", "off")

CONTENDERS = {
    each.name: each
    for each in (
        Contender("hub", _HUB, "hub", "wavetank"),
        Contender("hub-log", (*_HUB, "--data", "{work}/data"), "hub", "wavetank"),
        _peer("websockets"),
        _peer("aiohttp"),
        _peer("starlette", "starlette uvicorn"),
        Contender(
            "ws",
            ("node", str(PEERS / "broadcast_ws.js")),
            "raw",
            ("node", "-e", _FINDS_WS),
        ),
        Contender(
            "nats",
            ("nats-server", "-c", str(PEERS / "nats.conf")),
            "nats",
            ("nats-server", "--version"),
        ),
    )
}


class Running(NamedTuple):
    """A server that listens."""

    port: int
    pid: int


@contextlib.contextmanager
def started(contender: Contender, core: int | None) -> Iterator[Running]:
    """Start a server, and end it and whatever it started.

    Args:
        contender: Which.
        core: The processor that it gets; None: all.

    Raises:
        NotStarted: If it does not listen in time.
    """
    with tempfile.TemporaryDirectory(prefix="wavetank-benchmark-") as work:
        output = Path(work, "output")
        command = [word.replace("{work}", work) for word in contender.command]
        with (
            output.open("wb") as file,
            spawned(
                command,
                cwd=work,
                env=_environ(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            if core is not None:
                os.sched_setaffinity(process.pid, {core})
            yield Running(_wait_for_port(process, output), process.pid)


def _environ() -> dict[str, str]:
    """Return the environment without settings that would change the hub."""
    ours = ("WAVETANK_", "LOG_LEVEL")
    return {key: text for key, text in os.environ.items() if not key.startswith(ours)}


def _wait_for_port(process: subprocess.Popen[bytes], output: Path) -> int:
    until = time.monotonic() + READY
    while time.monotonic() < until:
        has_ended = process.poll() is not None
        said = output.read_text(encoding="utf-8", errors="replace")
        found = _URL.search(said)
        if found:
            return int(found[1])
        if has_ended:
            break
        time.sleep(0.02)
    last = (said.strip().splitlines() or ["it said nothing"])[-1]
    raise NotStarted(f"it did not get ready: {last[:200]}")
