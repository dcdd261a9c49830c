"""What the proxy costs in the path of an echo, beside a blind forwarder.

It refuses to know what a toxic costs: there are none.

    python benchmarks/proxy.py [--rounds N] [--seconds S] [--pin HOW] [--json FILE]
"""

import argparse
import asyncio
import contextlib
import json
import math
import os
import select
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import psutil
import uvloop
from machine import describe_machine
from processes import ended_by_sigterm, spawned

from wavetank.chaos.aio import Proxy
from wavetank.wire import encode_frame, encode_request, encode_response

SIZE = 128
READY = 15.0
"""Seconds until a part has to listen."""
SILENCE = 10.0
"""Seconds after which somebody who does not answer has failed."""
MOST_ROUNDS = 100
MOST_SECONDS = 60.0
MOST_CONNECTIONS = 1000

PROXIES = ("forwarder", "bytes", "frames")
"""The forwarder comes first: the others are compared with it."""
WANTED = {"bytes": (0.95, 15.0), "frames": (0.65, 20.0)}
"""Times as many as the forwarder, at least; added p50 in us, at most."""

PINS = {
    "apart": "throughput: proxy alone on a processor; latency: client alone on one",
    "together": "throughput: proxy alone on a processor; latency: all on one",
    "none": "not pinned",
}
"""Who has which processor. What wakes somebody on another one takes longer than all
else here: together, latency is what the parts compute."""

UPGRADE = (("Connection", "Upgrade"), ("Upgrade", "websocket"))
REQUEST = encode_request("GET", "/", [("Host", "here"), *UPGRADE])
RESPONSE = encode_response(101, UPGRADE)
FRAME = encode_frame(1, b"x" * SIZE, mask=b"mask")

Row = dict[str, float]


class Failed(Exception):
    """A part did not do what it is there for; the text says what."""


# The parts: each is a process of its own.


class Forward(asyncio.Protocol):
    """Half of a connection, and the least that a proxy can do on uvloop."""

    def __init__(self, port: int, peer: "Forward | None" = None) -> None:
        self.port = port
        self.peer = peer
        self.transport: asyncio.Transport | None = None
        self.early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect the other half, or let out what came before it was connected."""
        self.transport = cast(asyncio.Transport, transport)
        if self.peer is None:
            peer = self.peer = Forward(self.port, self)
            loop = asyncio.get_running_loop()
            opening = loop.create_connection(lambda: peer, "127.0.0.1", self.port)
            self.opening = loop.create_task(opening)
        else:
            self.transport.write(self.peer.early)

    def data_received(self, data: bytes) -> None:
        """Forward."""
        transport = self.peer.transport  # type: ignore[union-attr]
        if transport is not None:
            transport.write(data)
        else:
            self.early += data

    def connection_lost(self, exc: Exception | None) -> None:
        """End the other half."""
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.close()


async def forward(part: str, port: int) -> None:
    """Be one of the proxies until killed; print the port."""
    if part == "forwarder":
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Forward(port), "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Event().wait()
    async with Proxy(("127.0.0.1", port), mode=part) as proxy:
        print(proxy.port, flush=True)
        await asyncio.Event().wait()


def echo() -> None:
    """Send every byte back behind a handshake, until killed; print the port."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=MOST_CONNECTIONS)
    print(listening.getsockname()[1], flush=True)
    poll = select.epoll()
    poll.register(listening, select.EPOLLIN)
    guests: dict[int, socket.socket] = {}
    while True:
        for number, _ in poll.poll():
            if number not in guests:
                guest, _ = listening.accept()
                guest.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                guests[guest.fileno()] = guest
                poll.register(guest, select.EPOLLIN)
            elif data := _received(guests[number]):
                is_request = data.startswith(b"GET")
                guests[number].sendall(RESPONSE if is_request else data)
            else:
                poll.unregister(number)
                guests.pop(number).close()


def _received(guest: socket.socket) -> bytes:
    try:
        return guest.recv(65536)
    except OSError:
        return b""


# What is measured: a client that waits for each answer before it asks again.


class Crowd:
    """Connections, each with one frame under way."""

    def __init__(self, port: int, count: int) -> None:
        self._poll = select.epoll()
        self._ends: dict[int, socket.socket] = {}
        for _ in range(count):
            end = socket.create_connection(("127.0.0.1", port), SILENCE)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.sendall(REQUEST)
            _expect(end, len(RESPONSE), RESPONSE)
            self._ends[end.fileno()] = end
            self._poll.register(end, select.EPOLLIN)

    def close(self) -> None:
        """End all of them."""
        for end in self._ends.values():
            end.close()
        self._poll.close()

    def run(self, seconds: float) -> tuple[int, list[int]]:
        """Ask and wait; return how many answers came, and how long each took in ns."""
        clock = time.perf_counter_ns
        asked = dict.fromkeys(self._ends, 0)
        taken: list[int] = []
        until = clock() + int(seconds * 1e9)
        for number, end in self._ends.items():
            asked[number] = clock()
            end.sendall(FRAME)
        waiting = len(asked)
        while waiting:
            ready = self._poll.poll(SILENCE)
            if not ready:
                raise Failed(f"{waiting} answers never came")
            for number, _ in ready:
                end = self._ends[number]
                _expect(end, len(FRAME), FRAME)
                now = clock()
                taken.append(now - asked[number])
                if now < until:
                    asked[number] = now
                    end.sendall(FRAME)
                else:
                    waiting -= 1
        return len(taken), taken


def _expect(end: socket.socket, size: int, wanted: bytes) -> None:
    came = end.recv(size)
    while came and len(came) < size:
        came += end.recv(size - len(came))
    if came != wanted:
        raise Failed(f"{len(came)} bytes came back that were not sent")


class Part(NamedTuple):
    """A process that listens."""

    port: int
    pid: int

    def pin(self, core: int | None) -> None:
        """Give it one processor."""
        if core is not None:
            os.sched_setaffinity(self.pid, {core})

    def cpu(self) -> float:
        """Return the seconds of processor time that it has used."""
        times = psutil.Process(self.pid).cpu_times()
        return times.user + times.system


@contextlib.contextmanager
def started(part: str, port: int = 0) -> Iterator[Part]:
    """Start a part, and end it.

    Raises:
        Failed: If it does not listen.
    """
    command = [sys.executable, __file__, "--part", part, "--port", str(port)]
    with spawned(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], READY)
        said = process.stdout.readline().decode().strip() if ready else ""
        if not said.isdigit():
            raise Failed(f"{part} does not listen")
        yield Part(int(said), process.pid)
        process.stdout.close()


def measure(target: Part, count: int, seconds: float) -> Row:
    """Let a crowd ask for a while, after a warm-up of a fifth of it."""
    crowd = Crowd(target.port, count)
    try:
        crowd.run(seconds / 5)
        cpu, began = target.cpu(), time.perf_counter()
        came, taken = crowd.run(seconds)
        used, lasted = target.cpu() - cpu, time.perf_counter() - began
    finally:
        crowd.close()
    row = {
        "per_s": came / lasted,
        "cpu": used / lasted,
        "p50_us": statistics.median(taken) / 1000,
    }
    if used:
        row["per_cpu_s"] = came / used
    return row


def play(echo: Part, parts: dict[str, Part], options: argparse.Namespace) -> Row:
    """Measure all parts in turn, many connections first, then a single one.

    Where there are two processors, they have them as `PINS` says.
    """
    ours, theirs = options.cores or (None, None)
    row: Row = {}
    if ours is not None:
        os.sched_setaffinity(0, {ours})
    echo.pin(ours)
    for name, part in parts.items():
        part.pin(theirs)
        many = measure(part, options.connections, options.seconds)
        row.update({f"{name}.{key}": value for key, value in many.items()})
    echo.pin(theirs)
    if theirs is not None and options.pin == "together":
        os.sched_setaffinity(0, {theirs})
    for name, part in {"direct": echo, **parts}.items():
        single = measure(part, 1, options.seconds)
        row[f"{name}.single_p50_us"] = single["p50_us"]
    return row


# What the rounds come to.


def summarize(rounds: Sequence[Row]) -> dict[str, Row]:
    """Return medians over the rounds of what is compared within each."""
    rows = {}
    for name in PROXIES:
        rows[name] = {
            "per_s": _median(rounds, lambda row, n=name: row[f"{n}.per_s"]),
            "cpu": _median(rounds, lambda row, n=name: row[f"{n}.cpu"]),
            "added_p50_us": _median(
                rounds,
                lambda row, n=name: (
                    row[f"{n}.single_p50_us"] - row["direct.single_p50_us"]
                ),
            ),
        }
        for key in ("per_s", "per_cpu_s"):
            ratios = [
                row[f"{name}.{key}"] / row[f"forwarder.{key}"]
                for row in rounds
                if f"{name}.{key}" in row and f"forwarder.{key}" in row
            ]
            if ratios:
                rows[name][f"{key}_ratio"] = statistics.median(ratios)
        added = [
            (row[f"{name}.single_p50_us"] - row["direct.single_p50_us"])
            / (row["forwarder.single_p50_us"] - row["direct.single_p50_us"])
            for row in rounds
            if row["forwarder.single_p50_us"] > row["direct.single_p50_us"]
        ]
        if added:
            rows[name]["added_p50_ratio"] = statistics.median(added)
    return rows


def _median(rounds: Sequence[Row], of: Any) -> float:
    return statistics.median(of(row) for row in rounds)


def show(rows: dict[str, Row], options: argparse.Namespace) -> str:
    """Return the figures as a small table."""
    lines = [
        f"{'':<11}{'echoes/s':>10}{'x forwarder':>13}{'by cpu':>8}{'wanted':>8}"
        f"{'cpu':>6}{'added p50':>11}{'wanted':>8}{'x forwarder':>13}"
    ]
    for name, row in rows.items():
        ratio, added = WANTED.get(name, (None, None))
        by_cpu = row.get("per_cpu_s_ratio")
        lines.append(
            f"{name:<11}{row['per_s']:>10,.0f}{row['per_s_ratio']:>13.2f}"
            f"{f'{by_cpu:.2f}' if by_cpu else '-':>8}"
            f"{f'{ratio:.2f}' if ratio else '':>8}{row['cpu']:>6.2f}"
            f"{row['added_p50_us']:>8.1f} us{f'{added:.0f} us' if added else '':>8}"
            f"{row.get('added_p50_ratio', math.nan):>13.2f}"
        )
    lines += [
        f"{options.connections} connections, {SIZE} bytes; "
        f"{options.rounds} rounds, medians",
        PINS[options.pin if options.cores else "none"],
    ]
    return "\n".join(lines)


# What was asked for.


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--rounds", type=int, default=7, help="interleaved rounds (7)")
    add("--seconds", type=float, default=1.0, help="that are measured (1)")
    add("--connections", type=int, default=100, help="side by side (100)")
    add("--pin", choices=tuple(PINS), default="apart", help="processors (apart)")
    add("--json", type=Path, metavar="FILE", help="write it there, too")
    add("--part", choices=("echo", *PROXIES), help=argparse.SUPPRESS)
    add("--port", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if not 0 < options.seconds <= MOST_SECONDS:
        parser.error(f"--seconds: up to {MOST_SECONDS:g}")
    if not 0 < options.rounds <= MOST_ROUNDS:
        parser.error(f"--rounds: 1 to {MOST_ROUNDS}")
    if not 0 < options.connections <= MOST_CONNECTIONS:
        parser.error(f"--connections: 1 to {MOST_CONNECTIONS}")
    options.cores = None
    if options.pin != "none" and hasattr(os, "sched_getaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        options.cores = allowed[:2] if len(allowed) > 1 else None
    return options


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure, and print it."""
    with contextlib.ExitStack() as stack:
        echoing = stack.enter_context(started("echo"))
        parts = {
            name: stack.enter_context(started(name, echoing.port)) for name in PROXIES
        }
        rounds = []
        for turn in range(options.rounds):
            print(f"round {turn + 1} of {options.rounds}", file=sys.stderr, flush=True)
            first = turn % len(parts)
            order = (*PROXIES[first:], *PROXIES[:first])
            rounds.append(play(echoing, {name: parts[name] for name in order}, options))
    rows = summarize(rounds)
    print(show(rows, options), flush=True)
    return {
        "machine": describe_machine(["uvloop"]),
        "cores": options.cores,
        "pin": options.pin,
        "seconds": options.seconds,
        "connections": options.connections,
        "wanted": WANTED,
        "rows": rows,
        "rounds": rounds,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the arguments, measure, print, write."""
    options = _parse(argv)
    if options.part == "echo":
        with contextlib.suppress(KeyboardInterrupt):
            echo()
        return 0
    if options.part:
        with contextlib.suppress(KeyboardInterrupt):
            uvloop.run(forward(options.part, options.port))
        return 0
    try:
        with ended_by_sigterm():
            result = run(options)
    except KeyboardInterrupt:
        print("interrupted: all processes are ended", file=sys.stderr)
        return 130
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
