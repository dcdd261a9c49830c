"""Plays the suites that break things on every wreck, and writes who was caught by what.

    .venv/bin/python tools/kill_matrix.py [--only NAME ...] [--jobs N]

It refuses to know what a check looks for: each row is a run of `wavetank run`.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wavetank.evidence import Verdict
from wavetank.lab.catalogue import catalogue
from wavetank.report.blocks import (
    Block,
    Cell,
    Code,
    Counts,
    Excerpt,
    Heading,
    Items,
    Paragraph,
    Table,
)
from wavetank.report.markdown import blocks_markdown
from wavetank.report.quantities import count
from wavetank.wrecks import SOUND, WRECKS

__all__ = [
    "DURABLE",
    "LIVELY",
    "LONG_PATIENCE",
    "ON_ITS_DISK",
    "PAGE",
    "PATIENCE",
    "ROWS",
    "Came",
    "Row",
    "columns",
    "main",
]

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference" / "kill-matrix.md"
COMMAND = ".venv/bin/python tools/kill_matrix.py"
WAVETANK = (sys.executable, "-m", "wavetank")

LETTERS = {
    "fault_tolerance": "F",
    "self_healing": "H",
    "message_flow": "M",
    "edge_cases": "E",
    "full_cycle": "C",
}
"""The suites of the matrix, and with what the names of their columns begin."""

LIVELY = ("--ping-interval", "1", "--pong-timeout", "5")
"""Seconds after which the servers notice that a peer is gone."""
PATIENCE = ("--patience", "4")
"""Seconds for connections that stall; sound and wreck let go of them before that."""
UNHURRIED = ("--patience", "45")
"""The dialect gives a target 40 s to find a peer that is gone."""
LONG_PATIENCE = {"half-open-kept": UNHURRIED}
DURABLE = {"acknowledges-before-writing"}
"""Wrecks that are wrong about a log on disk; the others begin anew at each start."""
ON_ITS_DISK = {SOUND, "acknowledges-unwritten", "writes-no-more"}
"""Servers whose log is where the lab says, so that it may fill that disk."""

LOOKS = 4
"""How often a check is played at most that matters and of which nothing is known."""
MINUTES = 15.0
"""A run that takes longer is given up."""
_ENDING = 30.0

_HUB = "hub"
_OURS = ("WAVETANK_", "RUN_", "WEBSOCKET_")
_MARKS = {
    Verdict.PASS: ".",
    Verdict.FAIL: "F",
    Verdict.UNKNOWN: "?",
    Verdict.SKIP: "s",
    None: "-",
}
_LEGEND = (
    "F: the check fails. A point: it passes. ?: it could not be judged. s: skipped. "
    "-: not played, because the server was gone. Bold: it has to fail here. "
    '"own": it had to, and did not.'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A server of the matrix.

    Attributes:
        name: Of the wreck, or of a server that is whole.
        own: The check that has to fail on it; "" where none may.
        about: What is broken, or what the server is.
    """

    name: str
    own: str = ""
    about: str

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.own

    def options(self, folder: Path) -> list[str]:
        """Return how it is started and tested, as words of `wavetank run`.

        Args:
            folder: An empty one, for what the server keeps.
        """
        if self.name == _HUB:
            return [*UNHURRIED]
        usual = UNHURRIED if self.is_sound else PATIENCE
        data = ["--data", str(folder)] if self.name in DURABLE else []
        data = ["--data", "{data}/log"] if self.name in ON_ITS_DISK else data
        server = (
            f"{{python}} -m wavetank wreck {self.name} --port {{port}} "
            "--tls-port {tls_port} --cert {cert} --key {key} "
        )
        serve = server + shlex.join([*LIVELY, *data])
        patience = LONG_PATIENCE.get(self.name, usual)
        return [*patience, "--dialect", "hub", "--serve", serve]


ROWS = {
    row.name: row
    for row in (
        Row(name=_HUB, about="the hub, as a run without a target starts it"),
        Row(name=SOUND, about="the server that the wrecks are made of"),
        *(
            Row(name=name, own=wreck.check, about=wreck.fault)
            for name, wreck in WRECKS.items()
        ),
    )
}
"""In the order of the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What came of a row.

    Attributes:
        row: Which.
        verdicts: Of the checks that were played.
        said: What the run said where it left nothing to read.
    """

    row: Row
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    said: str = ""

    def problems(self) -> Iterator[str]:
        """Yield what is wrong: nobody saw a fault, or somebody saw one too many."""
        name, own = self.row.name, self.row.own
        if self.said:
            yield f"{name}: {self.said}"
        for check in _counted(self.row):
            verdict = self.verdicts.get(check)
            word = verdict.value if verdict else "not played"
            if own and verdict is not Verdict.FAIL:
                yield f"{check} did not fail on {name}, its own wreck: {word}"
            if not own and verdict not in {Verdict.PASS, Verdict.SKIP}:
                yield f"{check} did not pass on {name}, which is whole: {word}"


def columns() -> dict[str, str]:
    """Return the short name of each column, by check."""
    checks = catalogue()
    return {
        f"{suite}.{check}": f"{letter}{number}"
        for suite, letter in LETTERS.items()
        for number, check in enumerate(checks[suite], 1)
    }


def _counted(row: Row) -> list[str]:
    """Return the checks whose verdict on a row is known beforehand."""
    return [check for check in columns() if row.is_sound or check == row.own]


# Playing.


async def play(row: Row, folder: Path, seed: int) -> Came:
    """Play the suites on a server; again what matters and was not known.

    Args:
        row: The server.
        folder: For all that it and its runs leave; nothing lies there yet.
        seed: Of all dice.
    """
    selected: Sequence[str] = [*LETTERS]
    verdicts: dict[str, Verdict] = {}
    for look in range(LOOKS):
        place = folder / f"{look}"
        place.mkdir(parents=True)
        options = ["--seed", str(seed), "--output", "results"]
        options += row.options(place / "data")
        said = await _run([*WAVETANK, "run", *selected, *options], place)
        found = list(place.glob("results/*/test_summary.json"))
        if not found:
            return Came(row=row, verdicts=verdicts, said=said or "it said nothing")
        verdicts |= _read(json.loads(found[0].read_text(encoding="utf-8")))
        counted = _counted(row)
        selected = [one for one in counted if verdicts.get(one) is Verdict.UNKNOWN]
        if not selected:
            break
    return Came(row=row, verdicts=verdicts)


def _read(summary: Mapping[str, Any]) -> dict[str, Verdict]:
    return {
        f"{suite}.{name}": Verdict(check["verdict"])
        for suite, one in summary["suites"].items()
        for name, check in one["checks"].items()
    }


async def _run(command: Sequence[str], folder: Path) -> str:
    """Run a command to its end, and return what it said last.

    It is in a session of its own: on Ctrl-C it hears of us alone, and once.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=_environ(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(MINUTES * 60):
            printed, _ = await process.communicate()
    except TimeoutError:
        return f"it took more than {MINUTES:g} minutes"
    finally:
        await _end(process)
    return printed.decode(errors="replace").strip().rpartition("\n")[2]


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask it to end, so that it ends the server that it has started, too."""
    if process.returncode is not None:
        return
    process.terminate()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_ENDING):
            # Whoever waits for room in a pipe does not end.
            await process.communicate()
    if process.returncode is None:
        process.kill()
        await process.wait()


def _environ() -> dict[str, str]:
    """Return the environment without settings of ours."""
    every = os.environ.items()
    return {name: text for name, text in every if not name.startswith(_OURS)}


async def play_all(
    rows: Iterable[Row], folder: Path, *, jobs: int, seed: int
) -> list[Came]:
    """Play several servers, some at the same time; a signal ends all of them.

    Args:
        rows: The servers.
        folder: For all that they leave.
        jobs: How many at the same time.
        seed: Of all dice.
    """
    free = asyncio.Semaphore(jobs)
    began = time.monotonic()

    async def one(row: Row) -> Came:
        async with free:
            came = await play(row, folder / row.name, seed)
        word = "; ".join(came.problems()) or "as it has to be"
        print(f"{time.monotonic() - began:6.0f} s  {row.name}: {word}", file=sys.stderr)
        return came

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(row)) for row in rows]
    return [task.result() for task in tasks]


def _until_a_signal(work: Coroutine[Any, Any, list[Came]]) -> list[Came] | None:
    """Run until the end, and return what came; None after a signal."""

    async def run() -> list[Came]:
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        return await work

    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        return None


# The page.


def page(every: Sequence[Came], *, chosen: Sequence[str] = ()) -> str:
    """Return the page as Markdown.

    Args:
        every: What came of each row.
        chosen: Which rows were asked for, where not all were.
    """
    return blocks_markdown([*_intro(chosen), *_result(every), *_tables(every)])


def _intro(chosen: Sequence[str]) -> Iterator[Block]:
    only = f" --only {' '.join(chosen)}" if chosen else ""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    yield Heading("The kill matrix", level=1)
    yield Paragraph(
        "A wreck is a server that is broken in just one way, and each check has one of "
        "its own: on it the check has to fail. On a server that nothing is wrong with, "
        "none may. This page is made by one command, which plays the suites that break "
        "things on every one of them:"
    )
    yield Excerpt((f"{COMMAND}{only}",))
    yield Paragraph(
        f"It ran on {platform.system()}, {platform.machine()}, {python}. A wreck that "
        "is made for a check of another suite may fail checks of these, or none."
    )


def _result(every: Sequence[Came]) -> Iterator[Block]:
    yield Heading("What came of it")
    problems = [problem for came in every for problem in came.problems()]
    if problems:
        yield Items(tuple(problems))
        return
    own = sum(bool(_counted(came.row)) and not came.row.is_sound for came in every)
    sound = sum(came.row.is_sound for came in every)
    yield Paragraph(
        f"Each check failed on its own wrecks ({count(own, 'wreck')}), and none on a "
        f"server that is whole ({count(sound, 'server')})."
    )


def _tables(every: Sequence[Came]) -> Iterator[Block]:
    yield Heading("The checks")
    titles = catalogue()
    rows: list[tuple[Cell, ...]] = []
    for check, column in columns().items():
        suite, _, name = check.partition(".")
        rows.append((column, Code(check), titles[suite][name].title))
    yield Table(head=("Column", "Check", "What it proves"), rows=tuple(rows))
    parts = {
        "Servers that are whole": [one for one in every if one.row.is_sound],
        "Wrecks of these suites": [one for one in every if _is_own(one.row)],
        "Wrecks of other suites": [
            one for one in every if not one.row.is_sound and not _is_own(one.row)
        ],
    }
    for title, part in parts.items():
        if part:
            yield Heading(title)
            yield Paragraph(_LEGEND)
            yield _matrix(part)


def _is_own(row: Row) -> bool:
    return row.own in columns()


def _matrix(part: Sequence[Came]) -> Table:
    checks = columns()
    return Table(
        head=("Server", *checks.values(), "What is broken"),
        rows=tuple(
            (
                Code(came.row.name),
                *(_cell(came, check) for check in checks),
                came.row.about,
            )
            for came in part
        ),
    )


def _cell(came: Came, check: str) -> Cell:
    verdict = came.verdicts.get(check)
    mark = _MARKS[verdict]
    if check != came.row.own:
        return mark
    return Counts(((verdict, mark),)) if verdict is Verdict.FAIL else f"{mark} own"


def main(arguments: Sequence[str] | None = None) -> int:
    """Play, and write the page; return 1 where a check was too blind or too keen."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=ROWS, default=[], metavar="NAME")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=1, help="of all dice")
    parser.add_argument("--output", type=Path, default=PAGE, help="the page")
    parser.add_argument("--results", type=Path, help="keep the results folders here")
    typed = parser.parse_args(arguments)
    if typed.jobs < 1:
        parser.error("--jobs: at least one at a time")
    rows = [row for row in ROWS.values() if not typed.only or row.name in typed.only]
    with contextlib.ExitStack() as stack:
        folder = typed.results or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="wavetank-kills-"))
        )
        work = play_all(rows, folder.absolute(), jobs=typed.jobs, seed=typed.seed)
        every = _until_a_signal(work)
    if every is None:
        return 130
    typed.output.write_text(page(every, chosen=typed.only), encoding="utf-8")
    problems = [problem for came in every for problem in came.problems()]
    print("\n".join(problems) or "each check saw what it has to see")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
