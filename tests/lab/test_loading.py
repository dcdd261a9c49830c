"""Loads on the target of a check: addressed, written down, and judged."""

import asyncio
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from wavetank.dialects import SHIPPED, Bare, Dialect, Echo, Hub, Template
from wavetank.errors import LocalError, UsageError
from wavetank.evidence import (
    FigureMeasured,
    Finding,
    GeneratorSampled,
    Histogram,
    HistogramTaken,
    LoadSampled,
    Noted,
    Record,
    Sampled,
    Verdict,
)
from wavetank.lab import loading
from wavetank.lab.load_plans import flow
from wavetank.lab.loading import Load, address_of, drive
from wavetank.lab.notebook import Notebook
from wavetank.lab.plan import Plan
from wavetank.lab.target import Target
from wavetank.load.exchange import Address, Generator, Operation, Tally
from wavetank.load.plan import LoadPlan, Stage
from wavetank.load.result import LoadResult, Moment
from wavetank.wrecks import SoundServer

pytestmark = pytest.mark.anyio

URL = "ws://127.0.0.1:9/"
DESCRIBED = {
    "capabilities": ["echo"],
    "send": {"authenticate": '{"login": {token}}'},
}


@pytest.fixture
def notebook(records: list[Record]) -> Notebook:
    """The notebook of a check."""
    return Notebook(suite="load", check="toy", record=records.append, now=lambda: 0.0)


def plan(dialect: Dialect, *, seconds: float = 0.2) -> LoadPlan:
    """Return a short load."""
    stage = Stage(seconds=seconds, level=100.0)
    return flow(Plan(suites=(), seed=1), dialect, stage, name="x")


# Addresses


def test_an_address_has_everything_that_a_connection_needs() -> None:
    """Headers, subprotocols, origin, and whom to trust."""
    target = Target(
        url="wss://x/",
        dialect=Hub(),
        headers=(("A", "b"),),
        subprotocols=("s",),
        origin="http://o",
        ca="/ca.pem",
    )
    assert address_of(target) == Address(
        url="wss://x/",
        headers=(("A", "b"),),
        subprotocols=("s",),
        origin="http://o",
        ca="/ca.pem",
        dialect="hub",
    )


def test_an_address_that_trusts_anybody_names_nobody() -> None:
    """One of the two says it all."""
    target = Target(url=URL, dialect=Bare(), ca="/ca.pem", insecure=True)
    assert address_of(target).ca == ""
    assert address_of(target).insecure


class Known(Template):
    """A described dialect that knows its table."""

    table: Mapping[str, object] = DESCRIBED


@pytest.mark.parametrize(
    ("dialect", "token"),
    [
        (Hub(), ""),  # in the headers already
        (Echo(), ""),  # there is no such message
        (Known.parse(DESCRIBED, "x", name="mine"), "secret"),
    ],
)
def test_a_token_goes_where_a_message_presents_it(dialect: Dialect, token: str) -> None:
    """And nowhere else: the headers have it in any case."""
    address = address_of(Target(url=URL, dialect=dialect, token="secret"))
    assert address.token == token
    assert address.description == ({} if dialect.name in SHIPPED else DESCRIBED)


def test_a_dialect_that_cannot_be_handed_on_is_refused() -> None:
    """A worker that spoke otherwise would measure nonsense."""

    class Own(Bare):
        name = "own"

    with pytest.raises(LocalError, match="own cannot be handed"):
        address_of(Target(url=URL, dialect=Own()))


# Driving


def encoded(*times: float) -> str:
    """Return an encoded histogram."""
    histogram = Histogram()
    for time in times:
        histogram.record(time)
    return histogram.encode()


def tally(count: int, *, lost: int = 0) -> Tally:
    """Return the tally of some requests."""
    return Tally(
        scenario="x",
        operation=Operation.REQUEST,
        intended=count + lost,
        sent=count + lost,
        received=count,
        lost=lost,
        response=encoded(*[0.01] * count),
        service=encoded(*[0.005] * count),
    )


Fake = Callable[..., Awaitable[LoadResult]]


@pytest.fixture
def carried_out(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Put a load of two seconds in the place of workers; return how it was called."""
    calls: list[dict[str, Any]] = []

    async def run_load(
        plan: LoadPlan,
        address: Address,
        *,
        see: Callable[[Moment], None],
        **options: Any,
    ) -> LoadResult:
        calls.append({"plan": plan, "address": address, **options})
        for number in range(2):
            see(
                Moment(
                    number=number,
                    tallies=[tally(10)],
                    generators={0: Generator(cpu=0.1)},
                )
            )
        return LoadResult(
            plan=plan,
            seconds=2.0,
            tallies=[tally(20, lost=1), Tally(scenario="x", operation=Operation.PING)],
            measured=[tally(20)],
            window=2.0,
            opened=1,
        )

    monkeypatch.setattr(loading, "run_load", run_load)
    return calls


async def test_a_load_is_written_down_second_by_second(
    carried_out: list[dict[str, Any]], notebook: Notebook, records: list[Record]
) -> None:
    """Then the drain, figures and histograms; and each second is shown."""
    seen: list[int] = []
    target = Target(url=URL, dialect=Echo())
    load = await drive(
        target, notebook, plan(Echo()), see=lambda moment: seen.append(moment.number)
    )
    assert load.result.seconds == 2.0
    assert seen == [0, 1]
    loads = [record for record in records if isinstance(record, LoadSampled)]
    assert [record.since for record in loads] == [0.0, 1.0, 2.0]
    assert loads[-1].counts == {"intended": 1, "sent": 1, "lost": 1}
    assert sum(isinstance(record, GeneratorSampled) for record in records) == 2
    figures = {
        record.name: record.value
        for record in records
        if isinstance(record, FigureMeasured)
    }
    assert figures == {"x request rate": 10.0}
    taken = [record.name for record in records if isinstance(record, HistogramTaken)]
    assert taken == ["x request response time", "x request service time"]


async def test_a_load_is_judged(
    carried_out: list[dict[str, Any]], notebook: Notebook
) -> None:
    """What was lost is a finding."""
    await drive(Target(url=URL, dialect=Echo()), notebook, plan(Echo()))
    failed = [one for one in notebook.findings if one.verdict is Verdict.FAIL]
    assert [one.title for one in failed] == ["nothing is lost"]


async def test_a_load_has_a_name_of_its_own_and_can_be_stopped(
    carried_out: list[dict[str, Any]], notebook: Notebook
) -> None:
    """No two runs are taken for each other."""
    stop = asyncio.Event()
    target = Target(url=URL, dialect=Echo())
    for _ in range(2):
        await drive(target, notebook, plan(Echo()), stop=stop)
    first, second = carried_out
    assert len({first["run"], second["run"]}) == 2
    assert all(len(call["run"]) == 8 and call["run"].isalnum() for call in carried_out)
    assert first["stop"] is stop


async def test_a_load_can_be_made_by_a_cluster(
    carried_out: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    notebook: Notebook,
    records: list[Record],
) -> None:
    """And how well its clocks are known is told."""

    async def run_on_cluster(plan: LoadPlan, _: Address, **options: Any) -> LoadResult:
        assert options["cluster"] == "tcp://10.0.0.1:8786"
        clocks = {"tcp://10.0.0.1:4000": 0.001, "tcp://10.0.0.2:4000": 0.002}
        return LoadResult(plan=plan, seconds=1.0, clock_errors=clocks)

    monkeypatch.setattr(loading, "run_on_cluster", run_on_cluster)
    target = Target(url=URL, dialect=Echo())
    await drive(target, notebook, plan(Echo()), cluster="tcp://10.0.0.1:8786")
    assert not carried_out
    notes = [record.text for record in records if isinstance(record, Noted)]
    assert notes == [
        "toy: the load came from 2 workers of the cluster; a time from one to another "
        "may be wrong by 3.0 ms"
    ]


async def test_the_figures_of_a_load_are_served_meanwhile(
    monkeypatch: pytest.MonkeyPatch, notebook: Notebook, records: list[Record]
) -> None:
    """Where, is told; and only as long as it goes on."""
    pages: list[str] = []

    async def run_load(
        plan: LoadPlan, address: Address, *, see: Callable[[Moment], None], **_: Any
    ) -> LoadResult:
        see(Moment(number=0, tallies=[tally(10)], generators={}))
        (note,) = [record for record in records if isinstance(record, Noted)]
        url = note.text.rpartition(" ")[2]

        def read() -> str:
            with urllib.request.urlopen(url) as page:
                return page.read().decode()

        pages.append(await asyncio.to_thread(read))
        return LoadResult(plan=plan, seconds=1.0)

    monkeypatch.setattr(loading, "run_load", run_load)
    target = Target(url=URL, dialect=Echo())
    await drive(target, notebook, plan(Echo()), prometheus_port=0)
    assert "wavetank_load_received_total" in pages[0]


async def test_a_port_that_is_taken_is_told_before_anything_is_started(
    carried_out: list[dict[str, Any]],
    sounding: Callable[..., Awaitable[SoundServer]],
    notebook: Notebook,
) -> None:
    """A user's mistake is none of the target's."""
    taken = (await sounding()).port
    target = Target(url=URL, dialect=Echo())
    with pytest.raises(UsageError, match="taken"):
        await drive(target, notebook, plan(Echo()), prometheus_port=taken)
    assert not carried_out


class Process:
    """A target's process that has ended by itself."""

    ended_by_lab = False
    is_alive = False
    pid = 2**22 + 1  # no process has this number


async def test_a_target_that_died_meanwhile_is_known_to_be_gone(
    carried_out: list[dict[str, Any]], notebook: Notebook
) -> None:
    """Its latency is UNKNOWN; that it died, the run says."""
    target = Target(url=URL, dialect=Echo(), process=Process())  # type: ignore[arg-type]  # what of it is looked at
    load = await drive(target, notebook, plan(Echo()))
    assert load.result.target_gone
    assert any(
        one.verdict is Verdict.UNKNOWN and "was gone" in one.seen
        for one in notebook.findings
    )


async def test_a_load_without_a_second_is_written_down_all_the_same(
    monkeypatch: pytest.MonkeyPatch, notebook: Notebook, records: list[Record]
) -> None:
    """Nothing opened, and that took its time."""

    async def run_load(plan: LoadPlan, *_: Any, **__: Any) -> LoadResult:
        failed = Tally(scenario="x", operation=Operation.CONNECT, sent=1, failed=1)
        return LoadResult(plan=plan, seconds=0.0, tallies=[failed], failed=1)

    monkeypatch.setattr(loading, "run_load", run_load)
    load = await drive(Target(url=URL, dialect=Echo()), notebook, plan(Echo()))
    (record,) = [one for one in records if isinstance(one, LoadSampled)]
    assert record.counts == {"sent": 1, "failed": 1}
    assert load.arrivals == 0
    assert notebook.verdict is Verdict.FAIL


# A second look

STILL = Generator(cpu=0.1, lag=0.9)


def standing_still(
    monkeypatch: pytest.MonkeyPatch, **facts: Any
) -> list[dict[str, Any]]:
    """Let the worker of each load stand still; return how it was asked for."""
    calls: list[dict[str, Any]] = []

    async def run_load(plan: LoadPlan, *_: Any, **__: Any) -> LoadResult:
        calls.append({"name": plan.scenarios[0].name})
        facts.setdefault("seconds", 2.0)
        tallies = [tally(20)]
        return LoadResult(
            plan=plan,
            tallies=tallies,
            measured=tallies,
            window=2.0,
            generators={0: STILL},
            **facts,
        )

    monkeypatch.setattr(loading, "run_load", run_load)
    return calls


async def test_a_load_whose_generator_stood_still_is_put_once_more(
    monkeypatch: pytest.MonkeyPatch, notebook: Notebook
) -> None:
    """Under another name: the seconds of both are in the journal."""
    calls = standing_still(monkeypatch)
    target = Target(url=URL, dialect=Echo())
    await drive(target, notebook, plan(Echo()))
    notebook.findings[:] = [Finding(verdict=Verdict.UNKNOWN, title="p99 < 100ms")]
    assert notebook.may_look_again()
    notebook.look_again()
    await drive(target, notebook, plan(Echo()))
    assert calls == [{"name": "x"}, {"name": "x, look 2"}]
    assert not notebook.may_look_again()


@pytest.mark.parametrize("facts", [{"seconds": 61.0}, {"interrupted": True}])
async def test_a_long_load_and_one_that_was_cut_short_are_not_put_once_more(
    monkeypatch: pytest.MonkeyPatch, notebook: Notebook, facts: dict[str, Any]
) -> None:
    """An hour is not spent twice unasked, and who interrupts wants an end."""
    standing_still(monkeypatch, **facts)
    await drive(Target(url=URL, dialect=Echo()), notebook, plan(Echo()))
    notebook.findings[:] = [Finding(verdict=Verdict.UNKNOWN, title="p99 < 100ms")]
    assert not notebook.may_look_again()


# What a load is asked for


def test_a_load_knows_what_the_target_used() -> None:
    """From the first sample to the last; from the middle on, it was flowing."""
    samples = tuple(
        Sampled(
            at=at, who="target", cpu=at, rss=5, descriptors=5, processes=1, threads=1
        )
        for at in (1.0, 2.0, 3.0, 5.0)
    )
    result = LoadResult(plan=plan(Echo()), seconds=1.0, tallies=[tally(7)])
    load = Load(result=result, samples=samples)
    assert load.growth("cpu") == 4.0
    assert load.flowing == (samples[1], samples[3])
    assert load.arrivals == 7
    nothing = Load(result=result)
    assert nothing.growth("cpu") is None
    assert nothing.flowing == (None, None)


# For real


@pytest.mark.parametrize("dialect", [Echo(), Hub(), Bare()], ids=lambda one: one.name)
async def test_a_real_load_loses_nothing_on_a_sound_server(
    sound: str, notebook: Notebook, dialect: Dialect
) -> None:
    """Requests, publications and pings are sent by real workers, and all come back."""
    base = sound.rpartition("/")[0]
    target = Target(
        url=base + ("/ws" if isinstance(dialect, Hub) else "/echo"),
        dialect=dialect,
        subprotocols=dialect.endpoint.subprotocols,
    )
    async with asyncio.timeout(60):
        load = await drive(target, notebook, plan(dialect))
    assert load.arrivals == 20
    assert Verdict.FAIL not in {one.verdict for one in notebook.findings}
