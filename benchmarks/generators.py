"""The generators of a comparison: which there are, and how each is started.

They refuse to know what they are measured against.
"""

import importlib.metadata
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from processes import spawned

__all__ = ["ECHO", "FANOUT", "Failed", "Generator", "Task", "generate"]

PEERS = Path(__file__).resolve().parent / "peers"
STARTING = 60.0
"""Seconds that a generator may take beside those in which it works."""

Row = dict[str, Any]


class Failed(Exception):
    """A generator did not do its part; the text says why."""


class Task(NamedTuple):
    """What a generator has to do.

    Attributes:
        port: Of the server.
        connections: How many.
        size: Of a message, in bytes.
        warm: Seconds before those that are measured.
        seconds: That are measured.
    """

    port: int
    connections: int
    size: int
    warm: float
    seconds: float

    @property
    def words(self) -> list[str]:
        """The task as arguments."""
        return [str(value) for value in self]


class Generator(NamedTuple):
    """Something that sends messages, and counts what comes back.

    Attributes:
        name: How it is called.
        command: How it is started. The words of a task stand behind it, or in the
            variable ``STINT``.
        needs: A package, or a program behind ``$``; "" for nothing but ourselves.
        read: What it printed -> its figures.
    """

    name: str
    command: Sequence[str]
    needs: str = ""
    read: Callable[[str], Row] = json.loads

    @property
    def version(self) -> str | None:
        """Its version; None where it is missing."""
        if self.needs.startswith("$"):
            return shutil.which(self.needs[1:])
        try:
            return importlib.metadata.version(self.needs or "wavetank")
        except importlib.metadata.PackageNotFoundError:
            return None


def _read_k6(said: str) -> Row:
    """Read the line that our script has k6 log; its CPU is taken from outside."""
    found = re.search(r"WAVETANK per_s=([0-9.]+)", said)
    if not found:
        raise ValueError("it did not say what it measured")
    return {"per_s": float(found[1])}


def _ours(name: str, mode: str, *options: str) -> Generator:
    script = str(PEERS / "load_wavetank.py")
    return Generator(name, (sys.executable, script, *options, mode))


def _peer(name: str) -> Generator:
    script = str(PEERS / f"echo_{name}.py")
    return Generator(name, (sys.executable, script), needs=name)


ABOVE = 2_000_000
"""Messages/s that no generator here can send: it sends as many as it can."""

_LOCUST = ("locust", "--headless", "--only-summary", "--loglevel", "ERROR")
_K6 = ("k6", "run", "--quiet", "--log-format", "raw", str(PEERS / "echo_k6.js"))


def _closed(in_flight: int, *options: str) -> Generator:
    name = f"closed-{in_flight}{'-frames' if options else ''}"
    return _ours(name, "echo", "--in-flight", str(in_flight), *options)


ECHO = {
    each.name: each
    for each in (
        _ours("open", "echo", "--rate", str(ABOVE), "--in-flight", "64"),
        _closed(1),
        _closed(4),
        _closed(16),
        _closed(16, "--frame-by-frame"),
        _peer("picows"),
        _peer("websockets"),
        Generator("k6", _K6, needs="$k6", read=_read_k6),
        Generator(
            "locust",
            (*_LOCUST, "-f", str(PEERS / "echo_locust.py")),
            needs="$locust",
        ),
    )
}
"""Against an echo, by name. The first ones are ours: open, closed with so many
unanswered messages on each connection, and the same without comparing streams."""


def _fan_out(rate: int, *options: str) -> Generator:
    name = "frames" if options else "streams"
    return _ours(name, "fanout", "--rate", str(rate), *options)


FANOUT: Mapping[int, tuple[Generator, ...]] = {
    connections: (_fan_out(rate), _fan_out(rate, "--frame-by-frame"))
    for connections, rate in ((100, 10_000), (1000, 2000))
}
"""Against the hub, by the number of subscribers."""


def generate(generator: Generator, task: Task, core: int | None) -> Row:
    """Let a generator do a task, and return its figures.

    Args:
        generator: Which.
        task: What it has to do.
        core: The processor that it gets; None: all.

    Raises:
        Failed: If there are none.
    """
    command = [*generator.command, *task.words]
    environ = {**os.environ, "STINT": " ".join(task.words)}
    if generator.needs.startswith("$"):
        command = list(generator.command)
    if generator.name == "locust":
        each = str(task.connections)
        command += ["--users", each, "--spawn-rate", each]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    within = STARTING + task.warm + task.seconds
    with spawned(
        command,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
    ) as process:
        try:
            said, errors = process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            raise Failed(f"nothing after {within:g} s") from None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return _row(generator, _text(said), _text(errors)) | {
        "whole_cpu_s": after.ru_utime
        - before.ru_utime
        + after.ru_stime
        - before.ru_stime
    }


def _text(printed: bytes) -> str:
    return printed.decode(errors="replace").strip()


def _row(generator: Generator, said: str, errors: str) -> Row:
    try:
        last = said.splitlines()[-1] if said else ""
        is_json = generator.read is json.loads
        row = generator.read(last if is_json else f"{said}\n{errors}")
    except ValueError:
        words = (errors or said or "it said nothing").splitlines()[-1]
        raise Failed(words[:200]) from None
    if "per_s" not in row:
        raise Failed(row.get("problem") or "it received nothing")
    return row
