"""A load from its order to its end: target, seconds, report, exit code.

It refuses to know how an order was typed.
"""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from wavetank.cli.live import Live
from wavetank.cli.machine import limits_of_machine
from wavetank.cli.progress import Progress, Screen
from wavetank.cli.run import conclude
from wavetank.errors import TargetError, UsageError
from wavetank.evidence import CheckStarted, Noted, Record
from wavetank.lab.interruption import INTERRUPTION
from wavetank.lab.load_plans import way_of
from wavetank.lab.loading import drive
from wavetank.lab.notebook import Notebook
from wavetank.lab.plan import Plan, Source
from wavetank.lab.prepare import open_run
from wavetank.lab.run import Run
from wavetank.lab.searching import Tell, find
from wavetank.lab.target import Target
from wavetank.load.composing import Defaults
from wavetank.load.needs import (
    Limits,
    cautions,
    missing,
    most_users,
    needs_of,
    problems,
)
from wavetank.load.percentiles import percentile_table
from wavetank.load.picture import title_of
from wavetank.load.plan import LoadPlan, ScenarioKind
from wavetank.load.reading import read_plan
from wavetank.load.result import LoadResult, Moment
from wavetank.load.search import Outcome, Trial
from wavetank.report.escaping import visible
from wavetank.settings import Settings

__all__ = ["Order", "perform"]

_CHECK = "plan"
_GUESSES = (ScenarioKind.REQUEST, ScenarioKind.PUBLISH, ScenarioKind.PING)
"""What a target is found to be able to do (`way_of`), most often first."""
_MOST_RATE = 1e7
"""Messages/s up to which is searched: no machine sends so many."""
_SETTLE = 0.5
"""Seconds that a target has to be gone: it loses its connections a moment before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What was asked for.

    Attributes:
        plan: The run around the load.
        settings: Options of the load.
        output: Folder of all results.
        files: Name -> text of the plan file and of recorded payloads.
        defaults: What holds where nobody says it.
        is_latency: Whether all percentiles are shown at the end.
        seats: Workers that the cluster has room for; 0 where it was not asked.
    """

    plan: Plan
    settings: Settings
    output: Path
    files: Mapping[str, str]
    defaults: Defaults
    is_latency: bool = False
    seats: int = 0

    @property
    def serves(self) -> bool:
        """Whether the target is started from here."""
        return self.plan.source is not Source.URL

    def load_plan(self, kind: ScenarioKind | None = None) -> LoadPlan:
        """Return the plan of the load.

        Args:
            kind: What the target can do; by default as far as it is known now. Where
                nothing is known, the plan is one that makes sense for some target.

        Raises:
            UsageError: With every mistake at once.
        """
        if kind is not None:
            return self._load_plan(kind)
        if self.plan.dialect is not None:
            return self._load_plan(way_of(self.plan.dialect.capabilities))
        first, *others = _GUESSES
        try:
            return self._load_plan(first)
        except UsageError:
            for guess in others:
                with contextlib.suppress(UsageError):
                    return self._load_plan(guess)
            raise

    def _load_plan(self, kind: ScenarioKind) -> LoadPlan:
        return read_plan(
            self.settings,
            kind=kind,
            defaults=self.defaults,
            seed=self.plan.seed,
            files=self.files,
        )

    @property
    def by_users(self) -> bool:
        """Whether a search makes users more, and not the rate higher."""
        return bool(self.settings["find_by"] == "users")

    def limits(self) -> Limits:
        """Return what this machine gives, or as much as is known of the cluster."""
        limits = limits_of_machine(serves=self.serves)
        if self.settings["cluster"] is None:
            return limits
        return Limits(cores=self.seats or limits.cores)


def perform(order: Order) -> int:
    """Put a load on a target, report, and return the exit code.

    Raises:
        UsageError: If the target cannot do what was asked for; nothing is left then.
    """
    console = Screen(highlight=False)
    progress = Progress(console)
    result = None
    watch = _watching(progress, console)
    run = open_run(order.plan, output=order.output, watch=watch)
    INTERRUPTION.is_watched = True
    try:
        with progress:
            target = _start(run)
        if target is not None:
            result = _load(run, order, target, console)
        run.finish(interrupted=INTERRUPTION.happened)
    except KeyboardInterrupt:  # the second Ctrl-C: no time for more
        pass
    except UsageError:
        run.finish()
        shutil.rmtree(run.folder)
        raise
    finally:
        run.finish(interrupted=True)
    if order.is_latency and result is not None:
        console.print()
        console.print(percentile_table(result.tallies), soft_wrap=True)
    return conclude(run, console)


def _watching(progress: Progress, console: Console) -> Callable[[Record], None]:
    """Return what shows records, notes too: where the live figures are, say."""

    def saw(record: Record) -> None:
        progress.saw(record)
        if isinstance(record, Noted):
            text = record.text.removeprefix(f"{_CHECK}: ")
            console.print(f"note     {visible(text)}", markup=False, soft_wrap=True)

    return saw


def _start(run: Run) -> Target | None:
    """Start the target; None where it never became ready, which the journal says."""
    with contextlib.suppress(TargetError):
        run.start([f"{run.plan.suites[0]}.{_CHECK}"])
    return run.target


def _load(
    run: Run, order: Order, target: Target, console: Console
) -> LoadResult | None:
    """Put the load on the target, and write down what it came to."""
    load = _fitting(order, target)
    suite = run.plan.suites[0]
    notebook = run.notebook(suite, _CHECK)
    limits = order.limits()
    for sentence in cautions(needs_of(load, cores=limits.cores), limits):
        notebook.note(sentence)
    run.record(
        CheckStarted(at=run.now(), suite=suite, check=_CHECK, title=title_of(load))
    )
    if order.settings["find"] is None:
        with Live(console, load.seconds) as live:
            work = _drive(order, target, notebook, load, see=live.saw)
            result = asyncio.run(work)
    else:
        asyncio.run(_find(order, target, notebook, load, tell=_teller(order, console)))
        result = None
    has_lost = result is None or result.lost_connections > 0
    run.target_is_gone(settle=_SETTLE if has_lost else 0.0)
    run.finish_check(notebook)
    return result


def _fitting(order: Order, target: Target) -> LoadPlan:
    """Return the plan, now that it is known what the target can do.

    Raises:
        UsageError: If it cannot do that, or this machine cannot.
    """
    dialect = target.dialect
    load = order.load_plan(way_of(dialect.capabilities))
    limits = order.limits()
    found = [
        *missing(load, dialect.capabilities, dialect.name),
        *problems(needs_of(load, cores=limits.cores), limits),
    ]
    if found:
        raise UsageError(found)
    return load


async def _drive(
    order: Order,
    target: Target,
    notebook: Notebook,
    load: LoadPlan,
    *,
    see: Callable[[Moment], None],
) -> LoadResult:
    port = order.settings["prometheus"]
    async with _stop_when_interrupted() as stop:
        done = await drive(
            target,
            notebook,
            load,
            see=see,
            prometheus_port=port,
            stop=stop,
            cluster=order.settings["cluster"],
        )
    return done.result


async def _find(
    order: Order, target: Target, notebook: Notebook, load: LoadPlan, *, tell: Tell
) -> None:
    by_users = order.by_users
    most = most_users(order.limits()) if by_users else _MOST_RATE
    async with _stop_when_interrupted() as stop:
        await find(
            target,
            notebook,
            load,
            order.settings["find"],
            by_users=by_users,
            most=most,
            tell=tell,
            stop=stop,
            cluster=order.settings["cluster"],
        )


def _teller(order: Order, console: Console) -> Tell:
    """Return what shows each trial of a search."""
    unit = "users" if order.by_users else "messages/s"

    def tell(trial: Trial, outcome: Outcome) -> None:
        console.print(f"trial    {trial.level:,.0f} {unit}: {outcome}", soft_wrap=True)

    return tell


@contextlib.asynccontextmanager
async def _stop_when_interrupted() -> AsyncIterator[asyncio.Event]:
    """Hand out an event that is set by Ctrl-C."""
    stop = asyncio.Event()

    async def wait() -> None:
        try:
            with INTERRUPTION.cancels_this_task():
                await asyncio.Event().wait()
        finally:
            stop.set()

    waiting = asyncio.create_task(wait())
    try:
        yield stop
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
