"""The coordinator: one load of many workers, whatever becomes of one of them."""

import asyncio
import os
import sys
from collections.abc import Iterable
from typing import Any

import psutil
import pytest

from wavetank.clock import VirtualClock
from wavetank.errors import RemoteError
from wavetank.load.engine import coordinator as coordinating
from wavetank.load.engine.coordinator import (
    Coordinator,
    cores,
    run_load,
)
from wavetank.load.exchange import (
    Address,
    Begin,
    Broken,
    Drain,
    Drained,
    End,
    Ended,
    Generator,
    Job,
    Opened,
    Quit,
    Share,
    ToWorker,
)
from wavetank.load.plan import LoadPlan, Scenario, ScenarioKind, Stage
from wavetank.load.result import LoadResult, Moment

from .scripted import END, Answer, Answers, ScriptedWorker, second, sound

DEADLINE = 20.0
"""Seconds after which a test gives up; nothing is measured against it."""

ADDRESS = Address(url="ws://127.0.0.1:9/", dialect="echo")
PLAN = LoadPlan(
    scenarios=(
        Scenario(
            name="s",
            kind=ScenarioKind.REQUEST,
            users=4,
            stages=(Stage(seconds=2.0, level=1.0),),
        ),
    ),
    workers=2,
)


def instead(word: type[ToWorker], *answers: Answer) -> Answers:
    """Return a worker's answers, but for those to one word."""

    def answer(message: ToWorker) -> Iterable[Answer]:
        return answers if isinstance(message, word) else sound(message)

    return answer


async def lead(*workers: ScriptedWorker, **options: Any) -> LoadResult:
    """Lead workers through the plan."""
    async with asyncio.timeout(DEADLINE):
        return await Coordinator(PLAN, workers, **options).run(ADDRESS, "00000000")


class HurryingClock(VirtualClock):
    """A clock on which, once told to, hours pass between two looks."""

    is_hurrying = False

    def now(self) -> float:
        """Look, and maybe let hours pass."""
        if self.is_hurrying:
            self.advance(3600.0)
        return super().now()


def test_a_system_without_affinity_has_its_processors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only some systems tell which of them a process may use."""
    assert coordinating.cores() >= 1
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert coordinating.cores() == 7
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert coordinating.cores() == 1


@pytest.mark.anyio
async def test_coordinator_hears_what_was_said_while_it_stood_still() -> None:
    """Who is suspended wakes up behind a deadline: all may have been said before it.

    It once took the workers of a load that had gone well for lost.
    """
    clock = HurryingClock()

    def hurrying(message: ToWorker) -> Iterable[Answer]:
        clock.is_hurrying = isinstance(message, Begin | Drain)
        return sound(message)

    result = await lead(ScriptedWorker(hurrying), clock=clock)
    assert result.lost_workers == {}
    assert result.complete


# All goes well


@pytest.mark.anyio
async def test_coordinator_leads_all_workers_from_the_job_to_the_end() -> None:
    """Each hears the same words at the same time, but for its share."""
    workers = [ScriptedWorker(sound) for _ in range(2)]
    tasks = asyncio.all_tasks()
    seen: list[Moment] = []
    clock = VirtualClock(now=100.0)
    result = await lead(*workers, see=seen.append, clock=clock)
    for index, worker in enumerate(workers):
        job, begin, drain, leave = worker.heard
        assert job == Job(
            run="00000000",
            plan=PLAN,
            share=Share(index=index, count=2),
            address=ADDRESS,
        )
        assert begin == Begin(at=100.2)
        assert drain == Drain(published={"s": {0: 2}}, within=PLAN.drain)
        assert leave == Quit()
        assert worker.stops == [coordinating._LEAVING]
    assert [(each.number, each.tallies[0].sent) for each in seen] == [(0, 2), (1, 2)]
    assert result.complete
    assert not result.interrupted
    assert (result.opened, result.seconds) == (4, 2.0)
    assert result.tallies[0].sent == 4
    assert result.lost_workers == {}
    assert asyncio.all_tasks() == tasks


@pytest.mark.anyio
async def test_coordinator_begins_later_where_the_word_takes_longer() -> None:
    """Workers far away have to hear of the start before it comes."""
    worker = ScriptedWorker(sound)
    await lead(worker, clock=VirtualClock(now=100.0), notice=2.5)
    assert Begin(at=102.5) in worker.heard


@pytest.mark.anyio
async def test_coordinator_adds_what_workers_complain_of() -> None:
    """A warning of a worker that did its part is told, too."""
    quiet, loud = ScriptedWorker(sound), ScriptedWorker(sound, problems=["a warning"])
    result = await lead(quiet, loud)
    assert result.problems == ["worker 1: a warning"]
    assert result.complete


@pytest.mark.anyio
async def test_coordinator_hands_on_what_the_target_refused() -> None:
    """Receivers on another worker have to know it before they count losses."""
    ended = Ended(published={"s": {1: 5}}, refused={"s": {1: 3}}, at=2.0)
    workers = (ScriptedWorker(instead(Begin, ended)), ScriptedWorker(sound))
    await lead(*workers)
    (drain,) = (each for each in workers[1].heard if isinstance(each, Drain))
    assert drain.published == {"s": {0: 2, 1: 5}}
    assert drain.refused == {"s": {1: 3}}


# A worker fails


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (instead(Job, RemoteError("it ended with status 1")), "it ended with status 1"),
        (instead(Job, END), "it ended before its time"),
        (instead(Begin, second(0), END), "it ended before its time"),
        (instead(Begin, b"Traceback\n"), "JSON is malformed"),
        (instead(Begin, b'{"says":"hello"}\n'), "Invalid value 'hello'"),
        (instead(Begin, b"\xff\x00\n"), "JSON is malformed"),
        (instead(Begin, Broken(reason="out of memory")), "out of memory"),
        (instead(Begin, Opened(users=1)), "it said 'opened' when it was running"),
        (instead(Drain, second(1)), "it sent second 1 behind second 1"),
    ],
)
async def test_coordinator_goes_on_without_a_worker_that_fails(
    answers: Answers, reason: str
) -> None:
    """The reason is a finding, the result is not complete, the others finish."""
    bad, good = ScriptedWorker(answers), ScriptedWorker(sound)
    result = await lead(bad, good)
    assert reason in result.lost_workers[0]
    assert list(result.lost_workers) == [0]
    assert not result.complete
    assert 0.0 in bad.stops
    assert isinstance(good.heard[-1], Quit)
    assert not any(isinstance(each, Quit) for each in bad.heard)
    assert result.tallies[0].sent >= 2


@pytest.mark.anyio
async def test_coordinator_says_with_a_lost_worker_what_it_complained_of_last() -> None:
    """The last line of a traceback says most."""
    gone = instead(Job, RemoteError("it ended with status 1"))
    bad = ScriptedWorker(gone, problems=["Traceback", "MemoryError"])
    result = await lead(bad, ScriptedWorker(sound))
    assert result.lost_workers == {0: "it ended with status 1; MemoryError"}
    assert result.problems == ["worker 0: Traceback", "worker 0: MemoryError"]


@pytest.mark.anyio
async def test_coordinator_goes_on_without_a_worker_that_cannot_be_started() -> None:
    """It is told nothing."""
    bad = ScriptedWorker(sound, refusal="no such program")
    result = await lead(bad, ScriptedWorker(sound))
    assert result.lost_workers == {0: "no such program"}
    assert bad.heard == []
    assert result.tallies[0].sent == 2


@pytest.mark.anyio
async def test_coordinator_returns_what_there_is_when_all_workers_are_lost() -> None:
    """The load ends with its last worker."""
    dying = instead(Begin, second(0), RemoteError("it was ended by SIGKILL"))
    result = await lead(ScriptedWorker(dying), ScriptedWorker(dying))
    assert list(result.lost_workers) == [0, 1]
    assert result.tallies[0].sent == 2
    assert result.seconds < PLAN.seconds
    assert not result.complete


@pytest.mark.anyio
async def test_coordinator_ends_a_worker_whose_histogram_is_damaged() -> None:
    """It would go on loading the target, and nobody could say how much."""
    damaged = second(0)
    damaged.tallies[0].response = "damaged"
    bad = ScriptedWorker(instead(Begin, damaged))
    result = await lead(bad, ScriptedWorker(sound))
    assert "its second 0 cannot be read" in result.lost_workers[0]
    assert bad.stops[0] == 0.0


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("word", "reason"),
    [
        (Job, "it had not opened within 50 s"),
        (Begin, "it had not ended within 12.2 s"),
        (Drain, "it had not drained within 15 s"),
    ],
)
async def test_coordinator_waits_for_no_worker_for_ever(
    word: type[ToWorker], reason: str
) -> None:
    """Each wait is bounded by the plan and some slack."""
    clock = HurryingClock()

    def silent(message: ToWorker) -> Iterable[Answer]:
        clock.is_hurrying = isinstance(message, word)
        return [] if clock.is_hurrying else sound(message)

    result = await lead(ScriptedWorker(silent), clock=clock)
    assert result.lost_workers == {0: reason}
    assert not result.complete


@pytest.mark.anyio
async def test_coordinator_forgives_a_worker_that_leaves_when_it_has_drained() -> None:
    """All that it had to say, it said."""
    hasty = instead(Drain, Drained(tallies=[], generator=Generator()), END)
    slow = ScriptedWorker(sound)
    result = await lead(ScriptedWorker(hasty), slow)
    assert result.complete


@pytest.mark.anyio
async def test_coordinator_shows_a_second_without_the_worker_that_is_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The late one is waited for, but the others' second is not withheld for it."""
    monkeypatch.setattr("wavetank.load.muster.PATIENCE", 0.0)
    release = asyncio.Event()
    late = ScriptedWorker(instead(Begin))
    seen: list[Moment] = []

    def see(moment: Moment) -> None:
        seen.append(moment)
        release.set()

    async def catch_up() -> None:
        await release.wait()
        late._said.put_nowait(second(0, sent=5))
        late._said.put_nowait(Ended(published={}, at=2.0))

    early = ScriptedWorker(sound)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(catch_up())
        result = await lead(early, late, see=see)
    assert list(seen[0].generators) == [0]
    assert result.complete
    assert result.tallies[0].sent == 7


# The target is not there


@pytest.mark.anyio
async def test_coordinator_does_not_begin_when_no_connection_could_be_opened() -> None:
    """There is nothing to load; the result says why."""
    refused = instead(Job, Opened(users=0, failed=2, reasons={"refused": 2}))
    worker = ScriptedWorker(refused)
    result = await lead(worker)
    assert [type(each) for each in worker.heard] == [Job, Quit]
    assert result.target_gone == "none of its connections could be opened"
    assert result.reasons == {"refused": 2}
    assert result.seconds == 0.0
    assert not result.complete
    assert not result.interrupted


# It is told to stop


@pytest.mark.anyio
async def test_coordinator_ends_drains_and_reports_when_it_is_told_to_stop() -> None:
    """Ctrl-C is no reason to lose what was measured."""
    stop = asyncio.Event()
    busy = instead(Begin, second(0))
    workers = [ScriptedWorker(busy), ScriptedWorker(busy)]
    result = await lead(*workers, see=lambda _: stop.set(), stop=stop)
    for worker in workers:
        words = [type(each) for each in worker.heard]
        assert words == [Job, Begin, End, Drain, Quit]
    assert result.interrupted
    assert result.complete
    assert result.seconds == 0.5
    assert result.tallies[0].sent == 2


@pytest.mark.anyio
async def test_coordinator_does_not_begin_when_it_is_told_to_stop_before() -> None:
    """Nobody waits for connections that are not wanted any more."""
    stop = asyncio.Event()

    def never_opens(message: ToWorker) -> Iterable[Answer]:
        if isinstance(message, Job):
            stop.set()
        return []

    worker = ScriptedWorker(never_opens)
    result = await lead(worker, stop=stop)
    assert [type(each) for each in worker.heard] == [Job, Quit]
    assert result.interrupted
    assert result.seconds == 0.0


@pytest.mark.anyio
async def test_coordinator_drains_to_the_end_when_it_is_told_to_stop_then() -> None:
    """What is left takes seconds at most, and decides what is lost for certain."""
    stop = asyncio.Event()

    def stopping(message: ToWorker) -> Iterable[Answer]:
        if isinstance(message, Drain):
            stop.set()
        return sound(message)

    result = await lead(ScriptedWorker(stopping), stop=stop)
    assert result.interrupted
    assert result.complete
    assert result.seconds == 2.0


@pytest.mark.anyio
async def test_coordinator_leaves_nothing_when_it_is_cancelled() -> None:
    """Workers are ended at once, and no task stays."""
    begun = asyncio.Event()

    def hanging(message: ToWorker) -> Iterable[Answer]:
        if isinstance(message, Begin):
            begun.set()
            return []
        return sound(message)

    worker = ScriptedWorker(hanging)
    coordinator = Coordinator(PLAN, [worker])
    tasks = asyncio.all_tasks()
    task = asyncio.create_task(coordinator.run(ADDRESS, "00000000"))
    await begun.wait()
    assert repr(coordinator).startswith("<Coordinator of 1 workers: <Muster")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert worker.stops == [0.0]
    assert asyncio.all_tasks() == tasks


@pytest.mark.anyio
async def test_coordinator_leaves_nothing_when_its_own_side_fails() -> None:
    """A view that breaks ends the load, and its reason comes through."""

    def see(moment: Moment) -> None:
        raise ZeroDivisionError

    worker = ScriptedWorker(sound)
    with pytest.raises(ZeroDivisionError):
        await lead(worker, see=see)
    assert worker.stops == [0.0]


@pytest.mark.anyio
async def test_coordinator_hides_no_mistake_of_its_own() -> None:
    """Whatever a worker's handle raises beside what it may is not swallowed."""
    worker = ScriptedWorker(sound)

    async def stop(*, grace: float) -> None:
        raise ZeroDivisionError

    worker.stop = stop  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        await lead(worker)


# Worker processes

FAITHFUL = """
import sys
from wavetank.load.exchange import *
says = {
    Job: [Opened(users=2)],
    Begin: [Ended(published={}, at=2.0)],
    Drain: [Drained(tallies=[], generator=Generator())],
}
for line in sys.stdin.buffer:
    message = decode_to_worker(line)
    for answer in says.get(type(message), []):
        sys.stdout.buffer.write(encode(answer))
        sys.stdout.flush()
    if type(message) is Quit:
        break
"""


def children() -> set[psutil.Process]:
    """Return the processes of this one; those of earlier modules may still be there."""
    return set(psutil.Process(os.getpid()).children())


@pytest.mark.anyio
async def test_run_load_starts_processes_and_leaves_none() -> None:
    """Real processes speak the same lines."""
    before = children()
    command = (sys.executable, "-c", FAITHFUL)
    result = await run_load(PLAN, ADDRESS, run="00000000", command=command)
    assert result.complete, result
    assert result.opened == 4
    assert children() <= before


@pytest.mark.anyio
async def test_run_load_reports_workers_that_die() -> None:
    """No worker at all is a result, and it is no good one."""
    before = children()
    command = (sys.executable, "-c", "import no_such_module")
    result = await run_load(PLAN, ADDRESS, run="00000000", command=command)
    why = "ModuleNotFoundError: No module named 'no_such_module'"
    assert result.lost_workers == dict.fromkeys(
        (0, 1), f"it ended with status 1; {why}"
    )
    assert children() <= before


def test_cores_are_those_that_this_process_may_use() -> None:
    """Not those that the machine has."""
    assert cores() == len(os.sched_getaffinity(0))
