"""A load from many machines: distant workers, their clocks, and who is lost."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.metadata import PackageNotFoundError
from typing import Any

import psutil
import pytest
from distributed import LocalCluster

from wavetank.clock import SystemClock
from wavetank.errors import RemoteError, UsageError
from wavetank.load.engine import carrier
from wavetank.load.engine import cluster as module
from wavetank.load.engine.carrier import Taken
from wavetank.load.engine.cluster import DistantWorker, run_on_cluster, survey
from wavetank.load.exchange import Address, Begin, Quit, decode_to_worker, encode
from wavetank.load.offsets import Offset
from wavetank.load.plan import LoadPlan, Scenario, ScenarioKind, Stage
from wavetank.load.result import LoadResult, Moment

DEADLINE = 60.0
"""Seconds after which a test gives up; nothing is measured against it."""

ENDED = Taken([], "", [])
LOCAL = "ws://127.0.0.1:9/"


# A distant worker


class Machine:
    """Answers as a carrier far away does, as a test tells it to.

    Args:
        answers: To the questions for lines; behind them, none.
        silent: Functions that nobody answers.

    Attributes:
        asked: Name and arguments of what was asked, questions for lines apart.
    """

    def __init__(self, *answers: Taken, silent: tuple[str, ...] = ()) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self._answers = list(answers)
        self._silent = silent

    async def __call__(
        self, function: Callable[..., Any], *args: Any, within: float = 0.0
    ) -> Any:
        """Answer."""
        name = function.__name__
        if name in self._silent:
            raise RemoteError("the line is cut")
        if name == "take":
            if self._answers:
                return self._answers.pop(0)
            raise RemoteError("there is no more")
        self.asked.append((name, *args))
        return ["bye"] if name == "end" else None


@contextlib.asynccontextmanager
async def distant(machine: Machine) -> AsyncIterator[DistantWorker]:
    """Start a worker at a place whose clock is 1000 s ahead."""
    offset = Offset(seconds=1000.0, error=0.001)
    worker = DistantWorker(machine, ticket="t/0", offset=offset, where="tcp://x:1")
    async with asyncio.timeout(DEADLINE):
        try:
            yield worker
        finally:
            await worker.stop(grace=0.0)


async def lines_of(worker: DistantWorker) -> list[bytes]:
    """Hear it to its end."""
    return [line async for line in worker.lines()]


@pytest.mark.anyio
async def test_distant_worker_is_told_and_heard_like_any_other() -> None:
    """Its carrier is asked until it has ended, and told to forget it."""
    machine = Machine(Taken([b"1\n", b"2\n"], None, []), Taken([b"3\n"], "", ["hm"]))
    async with distant(machine) as worker:
        assert repr(worker) == "<DistantWorker t/0 at tcp://x:1, not there>"
        await worker.start()
        assert repr(worker).endswith("there>")
        await worker.send(encode(Quit()))
        assert await lines_of(worker) == [b"1\n", b"2\n", b"3\n"]
        assert worker.problems == ["hm"]
        await worker.stop(grace=DEADLINE)
        assert worker.problems == ["bye"]
    assert machine.asked == [
        ("begin", "t/0"),
        ("tell", "t/0", encode(Quit())),
        ("end", "t/0", DEADLINE),
    ]


@pytest.mark.anyio
async def test_distant_worker_begins_by_its_own_clock() -> None:
    """The agreed start is a moment on ours; there, it has another number."""
    machine = Machine()
    async with distant(machine) as worker:
        await worker.start()
        await worker.send(encode(Begin(at=5.0)))
        await worker.stop(grace=DEADLINE)
    _, (_, _, line), _ = machine.asked
    assert decode_to_worker(line) == Begin(at=1005.0)


@pytest.mark.anyio
async def test_distant_worker_that_ends_badly_says_where() -> None:
    """Which of twenty machines it was is what one wants to know."""
    machine = Machine(Taken([], "it was ended by SIGKILL", ["out of memory"]))
    async with distant(machine) as worker:
        await worker.start()
        with pytest.raises(RemoteError, match=r"^at tcp://x:1: it was ended by SIGK"):
            await lines_of(worker)
        assert worker.problems == ["out of memory"]
        assert not worker.is_gone
    assert machine.asked[-1] == ("end", "t/0", 0.0)


@pytest.mark.anyio
async def test_distant_worker_whose_machine_is_gone_is_not_waited_for() -> None:
    """Its carrier ends it there, if there is still one; the others go on here."""
    machine = Machine(silent=("take", "tell"))
    async with distant(machine) as worker:
        await worker.start()
        await worker.send(encode(Quit()))
        with pytest.raises(RemoteError, match=r"^at tcp://x:1: the line is cut$"):
            await lines_of(worker)
        assert worker.is_gone
        assert repr(worker).endswith("gone>")
        await worker.stop(grace=DEADLINE)
    assert machine.asked == [("begin", "t/0")]


@pytest.mark.anyio
async def test_distant_worker_that_cannot_be_told_to_end_is_let_go() -> None:
    """There is nobody left whom that could help."""
    async with distant(Machine(ENDED, silent=("end",))) as worker:
        await worker.start()
        await worker.stop(grace=0.0)
        assert worker.is_gone
        assert worker.problems == []


@pytest.mark.anyio
async def test_distant_worker_that_does_not_take_a_word_is_ended_in_time() -> None:
    """What it was not told by then, it does not need to know."""

    class Deaf(Machine):
        async def __call__(
            self, function: Callable[..., Any], *args: Any, within: float = 0.0
        ) -> Any:
            if function is carrier.tell:
                await asyncio.Event().wait()
            return await super().__call__(function, *args, within=within)

    machine = Deaf()
    async with distant(machine) as worker:
        await worker.start()
        await worker.send(encode(Quit()))
        await worker.stop(grace=0.01)
    assert machine.asked == [("begin", "t/0"), ("end", "t/0", 0.01)]


@pytest.mark.anyio
async def test_distant_worker_that_cannot_be_started_says_where() -> None:
    """And there is nothing to stop."""
    machine = Machine(silent=("begin",))
    async with distant(machine) as worker:
        with pytest.raises(RemoteError, match="at tcp://x:1: the line is cut"):
            await worker.start()
    assert machine.asked == []


@pytest.mark.anyio
async def test_clock_of_a_machine_that_is_gone_in_the_end_has_its_first_error() -> None:
    """What is known of it is what was measured."""
    begin = Offset(seconds=5.0, error=0.25)
    machine = Machine(silent=("read_clock",))
    assert await module._error_until_now(machine, begin) == 0.25


@pytest.mark.anyio
async def test_machine_that_goes_before_its_clock_is_read_is_told() -> None:
    """No load has begun then, so there is nothing to go on with."""
    with pytest.raises(UsageError, match="tcp://s:1: a machine is gone: the line"):
        await module._offsets("tcp://s:1", {"x": Machine(silent=("read_clock",))})


# A cluster


CLUSTER = {
    "processes": True,
    "n_workers": 2,
    "threads_per_worker": 1,
    "dashboard_address": "127.0.0.1:0",
    "host": "127.0.0.1",
    "silence_logs": 60,
}


@pytest.fixture(scope="module")
def local() -> Iterator[LocalCluster]:
    """Two processes of dask on this machine."""
    with LocalCluster(**CLUSTER) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    """The URL of the built-in echo, in a process of its own."""
    command = [sys.executable, "-m", "wavetank.load.engine.echo", "0"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        yield f"ws://127.0.0.1:{int(process.stdout.readline())}/"
        assert process.stdin is not None
        process.stdin.close()


def plan(*, seconds: float = 1.0, workers: int = 0) -> LoadPlan:
    """Return a small load."""
    scenario = Scenario(
        name="s",
        kind=ScenarioKind.REQUEST,
        users=4,
        stages=(Stage(seconds=seconds, level=100.0),),
    )
    return LoadPlan(scenarios=(scenario,), workers=workers)


async def load(
    scheduler: str, url: str, load_plan: LoadPlan, **options: Any
) -> LoadResult:
    """Carry out a load."""
    address = Address(url=url, dialect="echo")
    async with asyncio.timeout(DEADLINE):
        return await run_on_cluster(
            load_plan, address, cluster=scheduler, run="00000000", **options
        )


def load_workers() -> list[psutil.Process]:
    """Return the workers of a load that were started from here, wherever they are."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "wavetank.load.engine.worker" in process.cmdline():
                found.append(process)
    return found


@pytest.mark.anyio
async def test_survey_finds_every_place(local: LocalCluster) -> None:
    """All of one machine, so that the machine's own target can be meant."""
    places = await survey(local.scheduler_address, target=LOCAL)
    assert [place.address for place in places] == sorted(
        worker.worker_address for worker in local.workers.values()
    )
    assert {place.threads for place in places} == {1}
    assert {place.wavetank for place in places} == {module._version()}


@pytest.mark.anyio
async def test_load_is_made_by_all_places_together(
    local: LocalCluster, echo: str
) -> None:
    """Each has its share, the histograms become one, and nothing is left there."""
    seen: list[Moment] = []
    scheduler = local.scheduler_address
    result = await load(scheduler, echo, plan(), see=seen.append)
    requests = next(one for one in result.tallies if one.operation == "request")
    assert (requests.sent, requests.received) == (100, 100)
    assert [set(moment.generators) for moment in seen] == [{0, 1}]
    assert result.lost_workers == {}
    assert result.problems == []
    # These share a clock, so what is not known of it is all round trip.
    assert len(result.clock_errors) == 2
    assert 0 < result.clock_error < DEADLINE
    assert load_workers() == []


@pytest.mark.anyio
async def test_load_takes_as_many_workers_as_its_plan_says(
    local: LocalCluster, echo: str
) -> None:
    """One alone has no clock to disagree with."""
    result = await load(local.scheduler_address, echo, plan(workers=1))
    assert set(result.generators) == {0}
    assert result.clock_error == 0.0


@pytest.mark.anyio
async def test_load_that_is_cancelled_leaves_nothing_there(
    local: LocalCluster, echo: str
) -> None:
    """Whoever wanted it has gone; Ctrl-C twice is such a case."""
    is_under_way = asyncio.Event()
    working = asyncio.create_task(
        load(
            local.scheduler_address,
            echo,
            plan(seconds=DEADLINE),
            see=lambda moment: is_under_way.set(),
        )
    )
    async with asyncio.timeout(DEADLINE):
        await is_under_way.wait()
        assert len(load_workers()) == 2
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
    assert load_workers() == []


@pytest.mark.anyio
@pytest.mark.long
async def test_load_goes_on_without_a_place_that_is_killed(echo: str) -> None:
    """It is lost with its worker, and is told with its address."""
    with LocalCluster(**CLUSTER) as cluster:
        killed = cluster.workers[0]

        def see(moment: Moment) -> None:
            if moment.number == 0:
                os.kill(killed.pid, signal.SIGKILL)

        where = killed.worker_address
        result = await load(cluster.scheduler_address, echo, plan(seconds=3), see=see)
        assert [why.split(": ")[0] for why in result.lost_workers.values()] == [
            f"at {where}"
        ]
        assert set(result.clock_errors) >= {where}
        requests = next(one for one in result.tallies if one.operation == "request")
        assert 150 <= requests.received < 300
        assert load_workers() == []


# What speaks against it


async def refusals(scheduler: str, target: str = LOCAL) -> list[str]:
    """Return why no load can be made there."""
    with pytest.raises(UsageError) as caught:
        async with asyncio.timeout(DEADLINE):
            await survey(scheduler, target=target)
    return list(caught.value.problems)


@pytest.mark.anyio
async def test_extra_that_is_not_installed_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the line that installs it."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    (problem,) = await refusals("tcp://127.0.0.1:1")
    assert problem.endswith("pip install 'wavetank[distributed]'")


@pytest.mark.anyio
async def test_address_at_which_nobody_answers_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where somebody takes the connection and is no scheduler."""
    monkeypatch.setattr(module, "_CONNECT_WITHIN", 0.2)
    monkeypatch.setattr(module, "_CLOSE_WITHIN", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        (problem,) = await refusals(address)
    assert problem.startswith(f"--cluster {address}: no scheduler of a dask cluster")
    (problem,) = await refusals(address)
    assert problem.startswith(f"--cluster {address}: no scheduler of a dask cluster")


@pytest.mark.anyio
async def test_address_that_needs_certificates_is_told() -> None:
    """They come from dask's own configuration."""
    (problem,) = await refusals("tls://127.0.0.1:1")
    assert "TLS" in problem


class Scheduler:
    """Answers as dask's client does, as a test tells it to."""

    def __init__(self, *addresses: str, **packages: Any) -> None:
        self._addresses = addresses
        self._packages = {"python": module._python(), "wavetank": module._version()}
        self._packages |= packages
        self.error: Exception | None = None

    def __await__(self) -> Any:
        """Be there."""
        return asyncio.sleep(0).__await__()

    async def close(self, timeout: float) -> None:
        """Leave."""

    async def nthreads(self) -> dict[str, int]:
        """Return how much each does at once, of those who say so."""
        if self.error is not None:
            raise self.error
        return {}

    async def get_versions(self, *, packages: list[str]) -> dict[str, Any]:
        """Return what is installed where."""
        said = {"packages": self._packages}
        return {"workers": dict.fromkeys(self._addresses, said)}

    async def run(
        self, function: Callable[..., Any], *args: Any, workers: list[str]
    ) -> dict[str, Any]:
        """Call a function there, which is here."""
        if self.error is not None:
            raise self.error
        answer = function(*args)
        return {workers[0]: await answer if asyncio.iscoroutine(answer) else answer}


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[[Scheduler], None]:
    """Let such a scheduler answer, wherever it is asked for."""

    def answer(scheduler: Scheduler) -> None:
        class Distributed:
            @staticmethod
            def Client(*_: Any, **__: Any) -> Scheduler:
                return scheduler

        monkeypatch.setitem(sys.modules, "distributed", Distributed)  # type: ignore

    return answer


@pytest.mark.anyio
async def test_scheduler_that_goes_away_meanwhile_is_told(
    answering: Callable[[Scheduler], None],
) -> None:
    """It was there a moment ago, which helps nobody."""
    scheduler = Scheduler()
    scheduler.error = OSError("closed")
    answering(scheduler)
    (problem,) = await refusals("tcp://10.0.0.1:8786")
    assert "no scheduler of a dask cluster answers there (closed)" in problem


@pytest.mark.anyio
async def test_everything_that_speaks_against_a_cluster_is_told_at_once(
    answering: Callable[[Scheduler], None],
) -> None:
    """Versions, and a target that is on another machine each time."""
    answering(Scheduler("tcp://10.0.0.1:4000", python="3.9.1.final.0", wavetank=None))
    found = await refusals("tcp://10.0.0.1:8786")
    assert len(found) == 3
    assert all(one.startswith("--cluster tcp://10.0.0.1:8786: ") for one in found)
    assert f"{LOCAL}: means each machine of the cluster itself" in found[2]


@pytest.mark.anyio
async def test_cluster_without_workers_is_told(
    answering: Callable[[Scheduler], None],
) -> None:
    """The target's address is no trouble then."""
    answering(Scheduler())
    (problem,) = await refusals("tcp://10.0.0.1:8786")
    assert "the cluster has no worker" in problem


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError("closed"), "it cannot be reached: closed"),
        (RemoteError("out of pids"), "out of pids"),
        (TimeoutError(), "it has not answered for 10 s"),
    ],
)
async def test_machine_that_cannot_be_asked_says_why(
    error: Exception, sentence: str
) -> None:
    """Whatever dask makes of it, it is one family here."""
    scheduler = Scheduler()
    scheduler.error = error
    with pytest.raises(RemoteError, match=sentence):
        await module._asking(scheduler, "x")(carrier.read_clock)


@pytest.mark.anyio
async def test_clock_that_is_read_here_has_hardly_an_offset() -> None:
    """It is the same one, so the truth is known."""
    offset = await module._offset(module._asking(Scheduler(), "x"))
    assert abs(offset.seconds) <= offset.error
    assert offset.error < SystemClock().now()


def test_version_is_known_without_an_installation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A tree of sources has the number, too."""

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    installed = module._version()
    monkeypatch.setattr("importlib.metadata.version", missing)
    assert module._version() == installed
