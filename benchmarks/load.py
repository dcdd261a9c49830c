"""How many messages our engine sends and receives on one core, beside other generators.

It refuses to know how a generator works: each measurement is a process of its own.

    python benchmarks/load.py [--workloads echo fanout] [--rounds N] [--json FILE]
"""

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from contenders import CONTENDERS, NotStarted, started
from generators import ECHO, FANOUT, Failed, Generator, Task, generate
from machine import describe_machine
from processes import ended_by_sigterm, spawned

MOST_SECONDS = 60.0
MOST_ROUNDS = 100
LOOK = 0.25
"""Seconds between two looks at the server's processor time."""
BUSY = 0.95
"""Of a processor: a server with more than that has no time left."""
CONNECTIONS = 100
SIZE = 128
AGAINST = {"echo": "picows", "fanout": "frames"}
SERVER = (sys.executable, "-m", "wavetank.load.engine.echo")

Row = dict[str, Any]


class Server(NamedTuple):
    """A server that listens; process 0 was not started from here."""

    port: int
    pid: int


class Contest(NamedTuple):
    """Generators that are compared: each has to do the same with the same server.

    Attributes:
        name: How it is called.
        workload: ``echo`` or ``fanout``.
        connections: How many.
        generators: Who takes part.
    """

    name: str
    workload: str
    connections: int
    generators: tuple[Generator, ...]


# Servers.


@contextlib.contextmanager
def _serving(contest: Contest, options: argparse.Namespace) -> Iterator[Server]:
    """Start a fresh server for one round, and end it."""
    core = options.cores[0] if options.cores else None
    if contest.workload == "fanout":
        with started(CONTENDERS["hub"], core) as running:
            yield Server(*running)
    elif options.echo_port:
        yield Server(options.echo_port, 0)
    else:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with spawned(SERVER, **pipes) as process:
            if core is not None:
                os.sched_setaffinity(process.pid, {core})
            assert process.stdout is not None, "it is a pipe"
            yield Server(int(process.stdout.readline()), process.pid)


class _Watch:
    """Looks at a server while something is measured.

    Attributes:
        busiest: Largest share of a processor that it used over a second.
    """

    def __init__(self, pid: int) -> None:
        self.busiest = 0.0
        self._process = psutil.Process(pid) if pid else None
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "_Watch":
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look no longer."""
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        looks: list[tuple[float, float]] = []
        while self._process is not None and not self._is_over.wait(LOOK):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = self._process.cpu_times()
                looks.append((time.perf_counter(), times.user + times.system))
            if len(looks) > round(1 / LOOK):
                (then, before), (now, after) = looks.pop(0), looks[-1]
                self.busiest = max(self.busiest, (after - before) / (now - then))


# Rounds.


def contests(options: argparse.Namespace) -> tuple[list[Contest], dict[str, str]]:
    """Return what is compared, and why some do not take part."""
    found, skipped = [], {}
    chosen = options.generators or list(ECHO)
    here = []
    for generator in (ECHO[name] for name in chosen):
        if "echo" in options.workloads and generator.version is None:
            skipped[generator.name] = f"{generator.needs.strip('$')} is not installed"
        else:
            here.append(generator)
    if "echo" in options.workloads:
        found.append(Contest("echo", "echo", CONNECTIONS, tuple(here)))
    if "fanout" in options.workloads:
        found += [
            Contest(f"fanout-{count}", "fanout", count, generators)
            for count, generators in FANOUT.items()
        ]
    return found, skipped


def play(contest: Contest, turn: int, options: argparse.Namespace) -> dict[str, Row]:
    """Play one round; each begins with another generator.

    Returns:
        Figures by generator.
    """
    first = turn % len(contest.generators)
    order = (*contest.generators[first:], *contest.generators[:first])
    core = options.cores[1] if options.cores else None
    rows: dict[str, Row] = {}
    for generator in order:
        # A server that one of them has overrun is not what the next one gets.
        try:
            with _serving(contest, options) as server, _Watch(server.pid) as watch:
                task = Task(
                    port=server.port,
                    connections=contest.connections,
                    size=SIZE,
                    warm=options.warm,
                    seconds=options.seconds,
                )
                row = generate(generator, task, core)
        except (Failed, NotStarted) as error:
            rows[generator.name] = {"failed": str(error)}
            continue
        row["server_cpu"] = watch.busiest
        # Where a generator cannot tell what it used, it was all in that time.
        whole = row["whole_cpu_s"] / (options.warm + options.seconds)
        row.setdefault("cpu", min(1.0, whole))
        row["per_cpu_s"] = row["per_s"] / row["cpu"]
        rows[generator.name] = row
    return rows


# What the rounds come to.


def summarize(rounds: Sequence[dict[str, Row]], against: str) -> dict[str, Row]:
    """Return medians, and ratios to one generator, by generator."""
    names = dict.fromkeys(name for rows in rounds for name in rows)
    return {name: _summarize(name, rounds, against) for name in names}


def _summarize(name: str, rounds: Sequence[dict[str, Row]], against: str) -> Row:
    rows = [each[name] for each in rounds if name in each]
    good = [row for row in rows if "failed" not in row]
    troubles = [_trouble(row) for row in rows]
    summary: Row = {"problems": [words for words in troubles if words]}
    if not good:
        return summary
    for key, value in good[0].items():
        if isinstance(value, int | float):
            summary[key] = statistics.median(row.get(key, 0.0) for row in good)
    for key in ("per_s", "per_cpu_s"):
        ratios = [
            each[name][key] / each[against][key]
            for each in rounds
            if key in each.get(name, {}) and key in each.get(against, {})
        ]
        if ratios:
            summary[f"{key}_ratio"] = statistics.median(ratios)
            summary[f"{key}_ratios"] = [min(ratios), max(ratios)]
    return summary


def _trouble(row: Row) -> str:
    """Say in words what was not sound in a run."""
    if "failed" in row:
        return f"failed: {row['failed']}"
    if row.get("wrong"):
        return f"{row['wrong']:,} not what was sent; {row['problem']}".strip("; ")
    if row.get("lost"):
        return f"{row['lost']:,} never came; {row['problem']}".strip("; ")
    return str(row.get("problem", ""))


def show(name: str, rows: dict[str, Row], against: str) -> str:
    """Return a contest's figures as a small table."""
    lines = [
        f"{name}  {'messages/s':>13}{'x ' + against:>12}{'least-most':>13}"
        f"{'cpu':>6}{'per cpu s':>12}{'x ' + against:>12}{'server':>8}"
    ]
    lines += [f"  {who:<18}{_cells(row)}" for who, row in rows.items()]
    return "\n".join(lines)


def _cells(row: Row) -> str:
    if "per_s" not in row:
        return row["problems"][0]
    text = f"{row['per_s']:>9,.0f}"
    if "per_s_ratio" in row:
        least, most = row["per_s_ratios"]
        text += f"{row['per_s_ratio']:>11.2f}{f'{least:.2f}-{most:.2f}':>13}"
    else:
        text += " " * 24
    text += f"{row['cpu']:>7.2f}{row['per_cpu_s']:>12,.0f}"
    ratio = row.get("per_cpu_s_ratio")
    text += f"{ratio:>11.2f}" if ratio else " " * 11
    text += f"{row['server_cpu']:>9.2f}"
    notes = ["server bound"] if row["server_cpu"] >= BUSY > row["cpu"] else []
    notes += ["could not keep up"] if row.get("is_behind") else []
    notes += row["problems"][:1]
    return f"{text}  {'; '.join(notes)}".rstrip()


# What was asked for.


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--workloads", nargs="+", choices=AGAINST, default=list(AGAINST))
    add("--generators", nargs="+", choices=ECHO, help="of echo; all that are here")
    add("--rounds", type=int, default=5, help="interleaved rounds (5)")
    add("--seconds", type=float, default=2.0, help="that are measured (2)")
    add("--warm", type=float, default=1.0, help="seconds before them (1)")
    add("--echo-port", type=int, help="an echo that runs there, in place of our own")
    add("--json", type=Path, metavar="FILE", help="write it there, too")
    options = parser.parse_args(argv)
    if (
        not 1 <= options.seconds <= MOST_SECONDS
        or not 0 <= options.warm <= MOST_SECONDS
    ):
        parser.error(f"--seconds: 1 to {MOST_SECONDS:g}; --warm: 0 to {MOST_SECONDS:g}")
    if not 0 < options.rounds <= MOST_ROUNDS:
        parser.error(f"--rounds: 1 to {MOST_ROUNDS}")
    options.cores = _choose_cores()
    return options


def _choose_cores() -> list[int] | None:
    """Return a processor for servers and one for generators; None if there is none."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    ours = sorted(os.sched_getaffinity(0))
    return ours[:2] if len(ours) > 1 else None


def run(options: argparse.Namespace) -> Row:
    """Measure everything that was asked for, and print it as it comes."""
    found, skipped = contests(options)
    measured: dict[str, Row] = {}
    for contest in found:
        rounds = []
        for turn in range(options.rounds):
            said = f"{contest.name}: round {turn + 1} of {options.rounds}"
            print(said, file=sys.stderr, flush=True)
            rounds.append(play(contest, turn, options))
        against = AGAINST[contest.workload]
        rows = summarize(rounds, against)
        measured[contest.name] = {"against": against, "rows": rows, "rounds": rounds}
        print(show(contest.name, rows, against), flush=True)
    for who, why in skipped.items():
        print(f"skipped {who}: {why}")
    where = "each on its own processor" if options.cores else "not pinned"
    print(f"server and generator {where}; {options.rounds} rounds, medians")
    return {
        "machine": describe_machine(["picows", "websockets", "uvloop"]),
        "cores": options.cores,
        "seconds": options.seconds,
        "skipped": skipped,
        "contests": measured,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the arguments, measure, print, write."""
    options = _parse(argv)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with ended_by_sigterm():
            result = run(options)
    except KeyboardInterrupt:
        print("interrupted: all processes are ended", file=sys.stderr)
        return 130
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    rows = [
        row for each in result["contests"].values() for row in each["rows"].values()
    ]
    return int(any(row["problems"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
