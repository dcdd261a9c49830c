"""How much the hub carries, beside other servers on the same machine.

It refuses to know how a client works: each measurement is a process of its own.

    python benchmarks/hub.py [--quick] [--json FILE] [--servers NAME ...]
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from contenders import CONTENDERS, Contender, NotStarted, Running, started
from machine import describe_machine
from processes import ended_by_sigterm, spawned

CROWD = Path(__file__).resolve().parent / "crowd.py"
MOST_CONNECTIONS = 10_000
MOST_SECONDS = 60.0
MOST_ROUNDS = 100
BUSY = 0.9
"""Of a processor: with more than that a process has no time left."""


class Workload(NamedTuple):
    """What is asked of a server.

    Attributes:
        name: How it is called.
        mode: Of the crowd.
        connections: How many: subscribers, publishers, or just connections.
        size: Of a publication's payload, in bytes.
        window: Publications on their way; of each publisher, where there are many.
    """

    name: str
    mode: str
    connections: int
    size: int = 128
    window: int = 64


WORKLOADS = {
    each.name: each
    for each in (
        Workload("idle", "idle", 2000),
        Workload("fanout", "fanout", 1000),
        Workload("fanout-100", "fanout", 100),
        Workload("fanout-1KiB", "fanout", 1000, size=1024),
        Workload("fanout-single", "fanout", 1000, window=1),
        Workload("publish", "publish", 100, window=16),
        Workload("publish-single", "publish", 1, window=1),
    )
}
QUICK = ("idle", "fanout", "publish")

UNITS = {"idle": "opened/s", "fanout": "delivered/s", "publish": "acknowledged/s"}

Row = dict[str, Any]
Rounds = dict[str, dict[str, list[Row]]]
"""By workload and contender: what each round brought."""


def measure(
    workload: Workload,
    contender: Contender,
    running: Running,
    options: argparse.Namespace,
) -> Row:
    """Let a crowd measure one server."""
    command = [
        *(sys.executable, str(CROWD), workload.mode),
        *("--port", str(running.port), "--pid", str(running.pid)),
        *("--dialect", contender.dialect),
        *("--connections", str(_connections(workload, options))),
        *("--size", str(workload.size), "--window", str(workload.window)),
        *("--warm", str(options.warm), "--seconds", str(options.seconds)),
    ]
    if options.cores:
        command += ["--core", str(options.cores[1])]
    longest = 60 + options.warm + options.seconds
    try:
        with spawned(command, stdout=subprocess.PIPE) as process:
            said, _ = process.communicate(timeout=longest)
        row: Row = json.loads(said)
    except subprocess.TimeoutExpired:
        return {"failed": f"nothing after {longest:g} s"}
    except ValueError:
        return {"failed": f"the client ended with {process.returncode}"}
    if "failed" not in row:
        row["client_bound"] = row["client_cpu"] >= BUSY > row["server_cpu"]
        if row["server_cpu"]:
            row["per_server_cpu_s"] = row["per_s"] / row["server_cpu"]
    return row


def can(contender: Contender, workload: Workload) -> bool:
    """Tell whether a server knows what is asked; only the hub acknowledges."""
    return workload.mode != "publish" or contender.dialect == "hub"


def run_all(options: argparse.Namespace, found: Sequence[Contender]) -> Rounds:
    """Measure everything, round by round; each round begins with another server."""
    workloads = [WORKLOADS[name] for name in options.workloads]
    # What a connection takes can only be seen while the server is fresh.
    workloads.sort(key=lambda each: each.mode != "idle")
    rounds: Rounds = {
        each.name: {one.name: [] for one in found if can(one, each)}
        for each in workloads
    }
    server_core = options.cores[0] if options.cores else None
    for turn in range(options.rounds):
        first = turn % len(found)
        for contender in (*found[first:], *found[:first]):
            asked = [each for each in workloads if can(contender, each)]
            try:
                with started(contender, server_core) as running:
                    about = f"{contender.name}, process {running.pid}"
                    _tell(f"round {turn + 1} of {options.rounds}: {about}")
                    for each in asked:
                        row = measure(each, contender, running, options)
                        rounds[each.name][contender.name].append(row)
            except NotStarted as error:
                for each in asked:
                    rounds[each.name][contender.name].append({"failed": str(error)})
    return rounds


def _tell(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


# What the rounds come to.


def summarize(rounds: Rounds, against: str) -> dict[str, Row]:
    """Return medians, and ratios to one server, by workload and contender."""
    return {
        workload: {
            name: _summarize(rows, rows_of.get(against, ()))
            for name, rows in rows_of.items()
        }
        for workload, rows_of in rounds.items()
    }


def _summarize(rows: Sequence[Row], others: Sequence[Row]) -> Row:
    said = [row.get("failed") or _trouble(row) for row in rows]
    summary: Row = {"problems": [words for words in said if words]}
    good = [row for row in rows if "failed" not in row]
    if not good:
        return summary
    for name, value in good[0].items():
        if isinstance(value, float):
            summary[name] = statistics.median(row.get(name, 0.0) for row in good)
    summary["client_bound"] = sum(row["client_bound"] for row in good) * 2 > len(good)
    if others:
        summary["ratios"] = _compare(rows, others, "per_s")
        summary["ratios_by_cpu"] = _compare(rows, others, "per_server_cpu_s")
    return summary


def _compare(rows: Sequence[Row], others: Sequence[Row], name: str) -> list[float]:
    """Return least, median and most of the ratios to another server, by round."""
    ratios = [
        row[name] / other[name]
        for row, other in zip(rows, others, strict=True)
        if row.get(name) and other.get(name)
    ]
    return [min(ratios), statistics.median(ratios), max(ratios)] if ratios else []


def _trouble(row: Row) -> str:
    """Say in words what was not sound in a run."""
    if row["is_sound"]:
        return ""
    return f"{row['lost']} lost; {row['first'] or 'the rest may only be late'}"


def noise_of(rounds: Rounds) -> float:
    """Return what others took of all processors while it was measured, as a share."""
    taken = [
        row["others_cpu"]
        for rows_of in rounds.values()
        for rows in rows_of.values()
        for row in rows
        if "failed" not in row
    ]
    return statistics.fmean(taken) / (os.cpu_count() or 1) if taken else 0.0


def show(result: dict[str, Any]) -> str:
    """Return the result as small tables."""
    against = result["against"]
    lines = []
    for name, rows in result["workloads"].items():
        workload = result["asked"][name]
        about = ", ".join(f"{key} {value}" for key, value in workload.items())
        unit = UNITS[workload["mode"]]
        lines += [
            f"{name}: {about}",
            f"  {'':<11}{unit:>15}{'x ' + against:>14}{'least-most':>15}"
            f"{'by cpu':>8}{'cpu':>6}{'client':>8}",
        ]
        lines += [f"  {who:<11}{_cells(row)}" for who, row in rows.items()]
    for who, why in result["skipped"].items():
        lines.append(f"skipped {who}: {why}")
    where = "each on its own processor" if result["cores"] else "not pinned"
    lines.append(
        f"noise: others took {result['noise']:.0%} of the processors; "
        f"server and client {where}; {result['rounds_run']} rounds, medians"
    )
    return "\n".join(lines)


def _cells(row: Row) -> str:
    if "per_s" not in row:
        return f"  failed: {row['problems'][0]}"
    least, middle, most = row.get("ratios") or (None, None, None)
    text = f"{row['per_s']:>15,.0f}"
    text += f"{middle:>14.2f}{f'{least:.2f}-{most:.2f}':>15}" if middle else " " * 29
    by_cpu = row.get("ratios_by_cpu")
    text += f"{by_cpu[1]:>8.2f}" if by_cpu else " " * 8
    text += f"{row['server_cpu']:>6.2f}{row['client_cpu']:>8.2f}"
    notes = []
    if "kib_per_connection" in row:
        notes.append(f"{row['kib_per_connection']:.1f} KiB a connection")
    if "p50_us" in row:
        notes.append(f"p50 {row['p50_us']:,.0f} us, p99 {row['p99_us']:,.0f} us")
    if row["client_bound"]:
        notes.append("client bound")
    notes += row["problems"][:1]
    return f"{text}  {'; '.join(notes)}".rstrip()


# What was asked for.


def find_all(names: Sequence[str]) -> tuple[list[Contender], dict[str, str], Row]:
    """Return the servers that are here, why others are not, and their versions."""
    found, skipped, versions = [], {}, {}
    for name in names:
        version = CONTENDERS[name].find()
        if version is None:
            skipped[name] = CONTENDERS[name].missing
        else:
            found.append(CONTENDERS[name])
            versions[name] = version
    return found, skipped, versions


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything that was asked for."""
    found, skipped, versions = find_all(options.servers)
    if not found:
        raise SystemExit(f"nothing to measure: {skipped}")
    names = [each.name for each in found]
    wanted = options.against
    against = wanted if wanted in names else names[0]
    rounds = run_all(options, found)
    return {
        "machine": describe_machine(["uvloop"]),
        "versions": versions,
        "skipped": skipped,
        "against": against,
        "cores": options.cores,
        "seconds": options.seconds,
        "rounds_run": options.rounds,
        "noise": noise_of(rounds),
        "asked": {name: _asked(WORKLOADS[name], options) for name in options.workloads},
        "workloads": summarize(rounds, against),
        "rounds": rounds,
    }


def _asked(workload: Workload, options: argparse.Namespace) -> Row:
    asked = workload._asdict()
    del asked["name"]
    asked["connections"] = _connections(workload, options)
    if workload.mode == "idle":
        del asked["size"], asked["window"]
    return asked


def _connections(workload: Workload, options: argparse.Namespace) -> int:
    most: int = options.connections
    return min(workload.connections, most)


def is_sound(result: dict[str, Any]) -> bool:
    """Tell whether nothing was lost anywhere, and everything could be measured."""
    rows = [row for rows in result["workloads"].values() for row in rows.values()]
    return not any(row["problems"] for row in rows)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--json", type=Path, metavar="FILE", help="write it there, too")
    add("--quick", action="store_true", help="less than half a minute; says little")
    add("--servers", nargs="+", choices=CONTENDERS, default=[*CONTENDERS])
    add("--workloads", nargs="+", choices=WORKLOADS)
    add("--against", choices=CONTENDERS, default="websockets", help="ratios to it")
    add("--rounds", type=int, help="interleaved rounds (5)")
    add("--seconds", type=float, help="that are measured (1.5)")
    add("--warm", type=float, help="seconds before them (0.5)")
    add("--connections", type=int, help="at most so many")
    options = parser.parse_args(argv)
    usual: tuple[object, ...] = (5, 1.5, 0.5, MOST_CONNECTIONS, WORKLOADS)
    if options.quick:
        usual = (1, 0.4, 0.2, 200, QUICK)
    names = ("rounds", "seconds", "warm", "connections", "workloads")
    for name, value in zip(names, usual, strict=True):
        if getattr(options, name) is None:
            setattr(options, name, value)
    if not 0 < options.connections <= MOST_CONNECTIONS:
        parser.error(f"--connections: 1 to {MOST_CONNECTIONS}")
    if not 0 < options.seconds <= MOST_SECONDS or not 0 <= options.warm <= MOST_SECONDS:
        parser.error(f"--seconds, --warm: at most {MOST_SECONDS:g}")
    if not 0 < options.rounds <= MOST_ROUNDS:
        parser.error(f"--rounds: 1 to {MOST_ROUNDS}")
    options.cores = _choose_cores()
    return options


def _choose_cores() -> list[int] | None:
    """Return a processor for servers and one for clients; None if that cannot be."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    ours = sorted(os.sched_getaffinity(0))
    return ours[:2] if len(ours) > 1 else None


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the arguments, measure, print, write."""
    options = _parse(argv)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with ended_by_sigterm():
            result = run(options)
    except KeyboardInterrupt:
        _tell("interrupted: all servers are ended")
        return 130
    print(show(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 0 if is_sound(result) else 1


if __name__ == "__main__":
    sys.exit(main())
