"""Puts a load on the target of a check, and writes down what came of it.

It refuses to know how a load is carried out: `load.engine` does that.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

import msgspec

from wavetank.dialects import SHIPPED, Authenticate, Dialect, Hub
from wavetank.errors import LocalError
from wavetank.evidence import Histogram, Sampled
from wavetank.lab.checkers import arrived, growth, judge_load
from wavetank.lab.load_records import LoadRecords
from wavetank.lab.notebook import Notebook
from wavetank.lab.target import Target
from wavetank.lab.usage import watched
from wavetank.load.doubts import find_doubts
from wavetank.load.engine.cluster import run_on_cluster
from wavetank.load.engine.coordinator import run_load
from wavetank.load.exchange import Address
from wavetank.load.plan import LoadPlan
from wavetank.load.result import LoadResult, Moment

__all__ = ["Described", "Load", "address_of", "drive", "put"]

See = Callable[[Moment], None]

LONGEST_AGAIN = 60.0
"""Seconds of a load that may be put on a target a second time, unasked."""


@runtime_checkable
class Described(Protocol):
    """A dialect that knows the table that it was read from."""

    table: Mapping[str, object]


def address_of(target: Target) -> Address:
    """Return how workers reach and address a target.

    Raises:
        LocalError: If its dialect cannot be handed to another process.
    """
    dialect = target.dialect
    description: dict[str, object] = {}
    if dialect.name not in SHIPPED:
        if not isinstance(dialect, Described):
            raise LocalError(f"the dialect {dialect.name} cannot be handed to workers")
        description = dict(dialect.table)
    return Address(
        url=target.url,
        headers=target.headers,
        subprotocols=tuple(target.subprotocols),
        origin=target.origin,
        token=target.token if _takes_tokens(dialect) else "",
        ca="" if target.insecure else target.ca,
        insecure=target.insecure,
        dialect=dialect.name,
        description=description,
    )


def _takes_tokens(dialect: Dialect) -> bool:
    """Tell whether a token is presented by a message, and not by a header alone."""
    if isinstance(dialect, Hub):
        return False  # it has the token from the headers already
    try:
        dialect.encode(Authenticate(id=1, token="token"))
    except LocalError:
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A load that was put on a target.

    Attributes:
        result: What it came to.
        samples: What the target used meanwhile, oldest first; none where the lab
            did not start it.
    """

    result: LoadResult
    samples: tuple[Sampled, ...] = ()

    @property
    def arrivals(self) -> int:
        """How many messages came back, or reached a receiver."""
        return arrived(self.result)

    @property
    def flowing(self) -> tuple[Sampled | None, Sampled | None]:
        """The sample in the middle of the load, and the last one."""
        if not self.samples:
            return None, None
        return self.samples[len(self.samples) // 2 - 1], self.samples[-1]

    def growth(self, field: str) -> float | None:
        """Return how much more there was in the end than at the start."""
        if not self.samples:
            return None
        return growth(self.samples[0], self.samples[-1], field)


async def drive(
    target: Target,
    notebook: Notebook,
    plan: LoadPlan,
    *,
    see: See | None = None,
    prometheus_port: int | None = None,
    stop: asyncio.Event | None = None,
    cluster: str | None = None,
) -> Load:
    """Put a load on a target, write it down, and judge it.

    Args:
        target: Whom.
        notebook: Gets the seconds, figures, histograms and findings.
        plan: The load.
        see: Is handed each second as it is over.
        prometheus_port: Port on which the figures are served meanwhile; None is none.
        stop: Once it is set, sending ends; what is under way is waited for.
        cluster: Address of the cluster that makes the load; None is this machine.

    Raises:
        UsageError: If the port is taken, or the cluster cannot do it; nothing was
            started then.
    """
    load = await put(
        target,
        notebook,
        plan,
        see=see,
        prometheus_port=prometheus_port,
        stop=stop,
        cluster=cluster,
    )
    judge(notebook, load)
    return load


def judge(notebook: Notebook, load: Load) -> None:
    """Note the figures of a load, and what it came to."""
    if clocks := load.result.clock_errors:
        error = load.result.clock_error * 1000
        notebook.note(
            f"the load came from {len(clocks)} workers of the cluster; a time from one "
            f"to another may be wrong by {error:.1f} ms"
        )
    note_figures(notebook, load.result)
    notebook.add(*judge_load(load.result, load.samples))
    _blame(notebook, load.result)


def _blame(notebook: Notebook, result: LoadResult) -> None:
    """Note that the generator's machine was busy, where a second look may be had."""
    passing = [doubt for doubt in find_doubts(result) if doubt.is_passing]
    if passing and not result.interrupted and result.seconds <= LONGEST_AGAIN:
        notebook.blame(passing[0].what)


def _numbered(plan: LoadPlan, look: int) -> LoadPlan:
    """Return a plan whose names tell a second look from the first.

    The seconds of both are in the journal, and are not to be added up.
    """
    if look == 1:
        return plan
    scenarios = tuple(
        msgspec.structs.replace(each, name=f"{each.name}, look {look}")
        for each in plan.scenarios
    )
    return msgspec.structs.replace(plan, scenarios=scenarios)


async def put(
    target: Target,
    notebook: Notebook,
    plan: LoadPlan,
    *,
    see: See | None = None,
    prometheus_port: int | None = None,
    stop: asyncio.Event | None = None,
    cluster: str | None = None,
) -> Load:
    """Put a load on a target and write its seconds down; arguments as for `drive`."""
    address, run = address_of(target), secrets.token_hex(4)
    plan = _numbered(plan, notebook.looks)
    writer = _Writer(notebook, plan, see)
    async with (
        _exported(notebook, writer, run, prometheus_port),
        watched(target) as usage,
    ):
        work = run_load if cluster is None else partial(run_on_cluster, cluster=cluster)
        result = await work(plan, address, run=run, see=writer.see, stop=stop)
    if _is_gone(target):
        why = "the target's process ended by itself"
        result = msgspec.structs.replace(result, target_gone=why)
    writer.finish(result)
    return Load(result=result, samples=tuple(usage.samples))


class _Writer:
    """Hands each second of a load to everybody who wants it, and times the edges."""

    def __init__(self, notebook: Notebook, plan: LoadPlan, see: See | None) -> None:
        self._now = asyncio.get_running_loop().time
        self._records = LoadRecords(notebook, plan)
        self._began = self._last = self._now()
        self._opening: float | None = None
        self.viewers: list[See] = [] if see is None else [see]

    def see(self, moment: Moment) -> None:
        """Write it down first: it is evidence, whatever a viewer makes of it."""
        self._last = self._now()
        if self._opening is None:
            # The first word of a load comes when its first second is over.
            self._opening = max(self._last - self._began - 1.0, 0.0)
        self._records.add(moment)
        for show in self.viewers:
            show(moment)

    def finish(self, result: LoadResult) -> None:
        """Write down what no second had."""
        now = self._now()
        opening = now - self._began if self._opening is None else self._opening
        self._records.finish(result, opening=opening, drain=now - self._last)


@contextlib.asynccontextmanager
async def _exported(
    notebook: Notebook, writer: _Writer, run: str, port: int | None
) -> AsyncIterator[None]:
    """Serve the figures of a load meanwhile, and say where; unless port is None."""
    if port is None:
        yield
        return
    # Here: few loads are exported, and prometheus_client takes its time.
    from wavetank.load.engine.prometheus import Figures, serve_figures

    figures = Figures(run)
    writer.viewers.append(figures.see)
    async with serve_figures(figures, port) as got:
        notebook.note(f"live figures at http://127.0.0.1:{got}/metrics")
        yield


def _is_gone(target: Target) -> bool:
    process = target.process
    return process is not None and not process.ended_by_lab and not process.is_alive


def note_figures(notebook: Notebook, result: LoadResult) -> None:
    """Note the rates of a load, and its times as histograms."""
    for tally in result.measured:
        name = f"{tally.scenario} {tally.operation}"
        if result.window and tally.received:
            rate = tally.received / result.window
            notebook.figure(f"{name} rate", rate, "messages/s")
    for tally in result.tallies:
        for kind, text in (("response", tally.response), ("service", tally.service)):
            if text:
                name = f"{tally.scenario} {tally.operation} {kind} time"
                notebook.latencies(name, Histogram.decode(text))
