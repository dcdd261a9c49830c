"""How long conformance takes on an echo of websockets, and whether it says the same.

It refuses to know the cases: what is timed are runs of `wavetank conform`.

    python benchmarks/conformance.py [--rounds N] [--json FILE] [--workloads NAME ...]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from machine import describe_machine
from processes import ended_by_sigterm, spawned

from wavetank.cli.results import read_summary
from wavetank.lab.catalogue import catalogue
from wavetank.report.cases import case_rows

SERVER = "tests/end_to_end/servers/echo_websockets.py"
ROOT = Path(__file__).resolve().parent.parent
MOST_ROUNDS = 100
MOST_SECONDS = 1800.0
"""A run that takes longer is given up."""

APART = ("timeouts",)
"""Groups that mostly wait: they are of no workload."""

VOLUME = ("performance", "compression", "parameters")
"""Groups of many or large messages."""

SHOWN = 20


class Workload(NamedTuple):
    """What is timed: groups of cases, and more options."""

    groups: tuple[str, ...]
    options: tuple[str, ...] = ()


class Round(NamedTuple):
    """One run.

    Attributes:
        seconds: From the first record of its journal to the last.
        wall: Seconds of the whole process, with its start and its reports.
        verdicts: What each case came to, by group and case.
    """

    seconds: float
    wall: float
    verdicts: Mapping[str, str]


def workloads() -> dict[str, Workload]:
    """Return what can be timed; groups that are not there yet are left out."""
    groups = [name for name in catalogue()["conformance"] if name not in APART]
    core = tuple(name for name in groups if name not in VOLUME)
    volume = tuple(name for name in groups if name in VOLUME)
    known = {
        "core": Workload(core),
        "everything": Workload(tuple(groups)),
        "exhaustive": Workload(volume[1:], ("--exhaustive",)),
    }
    return {name: each for name, each in known.items() if each.groups}


def play(workload: Workload) -> Round:
    """Make one run, and return what it came to.

    Raises:
        SystemExit: If it left no results.
    """
    with tempfile.TemporaryDirectory(prefix="wavetank-benchmark-") as work:
        serve = f"{{python}} {SERVER} {{port}}"
        command = [sys.executable, "-m", "wavetank", "conform", *workload.groups]
        command += ["--serve", serve, "--dialect", "echo", "--output", work]
        command += workload.options
        begun = time.perf_counter()
        with spawned(
            command,
            cwd=ROOT,
            env=_environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        ) as process:
            status = process.wait(MOST_SECONDS)
        wall = time.perf_counter() - begun
        folders = list(Path(work).iterdir())
        if not folders:
            raise SystemExit(f"wavetank conform ended with {status} and no results")
        summary = read_summary(folders[0])
        verdicts = {
            f"{row.group} {row.id or row.title}": row.came.value
            for row in case_rows(summary)
        }
        return Round(summary.duration, wall, verdicts)


def _environ() -> dict[str, str]:
    """Return the environment without settings that would change the runs."""
    ours = ("WAVETANK_", "LOG_LEVEL")
    return {key: text for key, text in os.environ.items() if not key.startswith(ours)}


def differences(rounds: Sequence[Round]) -> dict[str, list[str]]:
    """Return the cases that did not always come to the same, and to what."""
    cases = dict.fromkeys(case for each in rounds for case in each.verdicts)
    said = {
        case: [each.verdicts.get(case, "not played") for each in rounds]
        for case in cases
    }
    return {case: words for case, words in said.items() if len({*words}) > 1}


def measure(workload: Workload, rounds: int) -> dict[str, Any]:
    """Make several runs, and return the figures."""
    made = [play(workload) for _ in range(rounds)]
    return {
        "groups": workload.groups,
        "options": workload.options,
        "cases": len(made[0].verdicts),
        "came": Counter(made[0].verdicts.values()),
        "seconds": [each.seconds for each in made],
        "wall_seconds": [each.wall for each in made],
        "median_s": statistics.median(each.seconds for each in made),
        "median_wall_s": statistics.median(each.wall for each in made),
        "differences": differences(made),
    }


def show(name: str, measured: Mapping[str, Any]) -> str:
    """Return the figures of a workload in words."""
    came = ", ".join(f"{number} {word}" for word, number in measured["came"].items())
    seconds = measured["seconds"]
    lines = [
        f"{name:<12} {measured['cases']:>4} cases  "
        f"median {measured['median_s']:.2f} s, "
        f"{min(seconds):.2f} to {max(seconds):.2f} s; "
        f"whole process {measured['median_wall_s']:.2f} s  ({came})"
    ]
    found = measured["differences"]
    if not found:
        lines.append(f"{'':<12} {len(seconds)} runs, the same verdicts in all of them")
    for case, words in [*found.items()][:SHOWN]:
        told = ", ".join(f"{n} x {word}" for word, n in Counter(words).items())
        lines.append(f"{'':<12} {case}: {told}")
    if len(found) > SHOWN:
        lines.append(f"{'':<12} and {len(found) - SHOWN} more cases differ")
    return "\n".join(lines)


def _parsed(argv: Sequence[str] | None, known: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write it there, too")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each workload")
    parser.add_argument(
        "--workloads",
        nargs="+",
        choices=known,
        default=[name for name in known if name != "exhaustive"],
        help="core, everything (all groups but those that mostly wait), exhaustive "
        "(1,000 messages in each case of compression)",
    )
    parser.add_argument("--groups", nargs="+", help="these groups instead")
    typed = parser.parse_args(argv)
    if not 1 <= typed.rounds <= MOST_ROUNDS:
        parser.error(f"--rounds: 1 to {MOST_ROUNDS}")
    return typed


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write; return 1 where two runs did not say the same."""
    known = workloads()
    typed = _parsed(argv, list(known))
    chosen = {name: known[name] for name in typed.workloads}
    if typed.groups:
        chosen = {"chosen": Workload(tuple(typed.groups))}
    measured: dict[str, dict[str, Any]] = {}
    with ended_by_sigterm():
        for name, workload in chosen.items():
            measured[name] = measure(workload, typed.rounds)
            print(show(name, measured[name]), flush=True)
    result = {
        "machine": describe_machine(["wavetank", "websockets", "uvloop"]),
        "rounds": typed.rounds,
        "workloads": measured,
    }
    if typed.json:
        typed.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return int(any(each["differences"] for each in measured.values()))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
