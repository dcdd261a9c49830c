"""The muster: who is how far, who is lost, and what came of it all."""

import math

import pytest

from wavetank.evidence import Histogram
from wavetank.load.exchange import (
    Broken,
    Drained,
    Ended,
    FromWorker,
    Generator,
    Opened,
    Operation,
    Second,
    Tally,
)
from wavetank.load.muster import PATIENCE, Muster, Phase
from wavetank.load.plan import LoadPlan, Scenario, ScenarioKind, Stage


def plan_of(kind: ScenarioKind = ScenarioKind.REQUEST) -> LoadPlan:
    """Return a plan of two seconds."""
    stages = (Stage(seconds=2.0, level=10.0),)
    return LoadPlan(scenarios=(Scenario(name="s", kind=kind, users=4, stages=stages),))


def second(number: int, *, response: str = "", **generator: object) -> Second:
    """Return a second in which one message was sent."""
    tally = Tally(
        scenario="s", operation=Operation.REQUEST, sent=1, received=1, response=response
    )
    return Second(
        number=number,
        tallies=[tally],
        generator=Generator(**generator),  # type: ignore[arg-type]
    )


def times(count: int = 1, *, digits: int = 3) -> str:
    """Return an encoded histogram."""
    histogram = Histogram(digits=digits)
    histogram.record(0.01, count)
    return histogram.encode()


def ended(**published: dict[int, int]) -> Ended:
    """Return the word that all is sent."""
    return Ended(published=published, at=2.0)


def drained(*, complete: bool = True) -> Drained:
    """Return the last word."""
    return Drained(tallies=[], generator=Generator(), complete=complete)


def running(workers: int = 2, kind: ScenarioKind = ScenarioKind.REQUEST) -> Muster:
    """Return a muster whose workers have begun."""
    muster = Muster(plan_of(kind), range(workers))
    for worker in range(workers):
        muster.hear(worker, Opened(users=2), 0.0)
    muster.begin()
    return muster


def test_muster_follows_a_load_from_its_start_to_its_end() -> None:
    """All that the workers say ends in one result."""
    muster = Muster(plan_of(), range(2))
    assert muster.awaited(Phase.OPENED) == [0, 1]
    muster.hear(0, Opened(users=2), 0.0)
    assert muster.awaited(Phase.OPENED) == [1]
    muster.hear(1, Opened(users=1, failed=1, reasons={"refused": 1}), 0.0)
    assert muster.may_begin
    muster.begin()
    assert repr(muster) == "<Muster {0: 'RUNNING', 1: 'RUNNING'}>"
    for worker in (0, 1):
        muster.hear(worker, second(0, response=times()), 1.0)
    (moment,) = muster.take(1.0)
    assert (moment.number, moment.tallies[0].sent) == (0, 2)
    muster.hear(0, ended(s={0: 10}), 2.0)
    muster.hear(1, Ended(published={"s": {1: 11}}, refused={"s": {1: 2}}, at=1.9), 2.0)
    assert muster.awaited(Phase.ENDED) == []
    assert muster.published == {"s": {0: 10, 1: 11}}
    assert muster.refused == {"s": {1: 2}}
    assert muster.ended_at == 2.0
    muster.hear(0, drained(), 3.0)
    muster.hear(1, drained(), 3.0)
    assert muster.awaited(Phase.DRAINED) == []
    result = muster.result(interrupted=False)
    assert result.complete
    assert (result.opened, result.failed, result.reasons) == (3, 1, {"refused": 1})
    assert result.tallies[0].received == 2
    assert result.target_gone == ""


def test_muster_takes_seconds_of_the_drain_too() -> None:
    """A worker may speak of its last seconds while it drains, and behind that."""
    muster = running(1)
    muster.hear(0, ended(), 2.0)
    muster.hear(0, second(2), 3.0)
    muster.hear(0, drained(), 3.0)
    muster.hear(0, second(3), 4.0)
    assert [moment.number for moment in muster.take(4.0)] == [2, 3]
    assert muster.result(interrupted=False).complete


def test_muster_waits_for_a_late_second_and_says_until_when() -> None:
    """The shell learns when it has to look again."""
    muster = running()
    assert muster.due_at == math.inf
    muster.hear(0, second(0), 1.0)
    assert muster.take(1.0) == []
    assert muster.due_at == 1.0 + PATIENCE
    (moment,) = muster.take(1.0 + PATIENCE)
    assert list(moment.generators) == [0]


@pytest.mark.parametrize(
    "said",
    [second(0), ended(), drained(), Opened(users=1)],
    ids=lambda each: repr(each)[:6],
)
def test_muster_refuses_what_is_out_of_place(said: FromWorker) -> None:
    """Each word has its place; anywhere else the worker is broken."""
    muster = Muster(plan_of(), range(1))
    muster.hear(0, Opened(users=1), 0.0)
    word = type(said).__name__.lower()
    with pytest.raises(ValueError, match=f"it said '{word}' when it was opened"):
        muster.hear(0, said, 0.0)


@pytest.mark.parametrize("number", [-1, 1000])
def test_muster_refuses_seconds_that_the_plan_has_not(number: int) -> None:
    """Memory is bounded by the plan, whatever a worker sends."""
    muster = running(1)
    with pytest.raises(ValueError, match=f"it sent second {number} of 67"):
        muster.hear(0, second(number), 1.0)


def test_muster_passes_on_why_a_worker_says_it_is_broken() -> None:
    """A worker knows best why it cannot go on."""
    muster = Muster(plan_of(), range(1))
    with pytest.raises(ValueError, match="no memory"):
        muster.hear(0, Broken(reason="no memory"), 0.0)


def test_muster_goes_on_without_a_lost_worker_and_is_not_complete() -> None:
    """What it said before counts; what it says later does not."""
    muster = running()
    muster.hear(0, second(0), 1.0)
    muster.lose(1, "it was ended by SIGKILL")
    muster.lose(1, "again")
    assert muster.present == [0]
    assert len(muster.take(1.0)) == 1
    muster.hear(1, ended(), 2.0)
    muster.hear(0, ended(), 2.0)
    muster.hear(0, drained(), 2.0)
    muster.problem(1, "Traceback")
    result = muster.result(interrupted=True)
    assert result.lost_workers == {1: "it was ended by SIGKILL"}
    assert result.problems == ["worker 1: Traceback"]
    assert result.interrupted
    assert not result.complete


@pytest.mark.parametrize("field", ["response", "lateness"])
def test_muster_loses_who_sends_a_damaged_histogram(field: str) -> None:
    """The second of the others is kept."""
    muster = running()
    muster.hear(0, second(0, response=times()), 1.0)
    damaged = {field: "damaged"}
    muster.hear(1, second(0, **damaged), 1.0)  # type: ignore[arg-type]
    (moment,) = muster.take(1.0)
    assert list(moment.generators) == [0]
    assert muster.present == [0]
    result = muster.result(interrupted=False)
    assert [tally.sent for tally in result.tallies] == [1]
    (reason,) = result.lost_workers.values()
    assert reason.startswith("its second 0 cannot be read: ")


def test_muster_loses_all_whose_histograms_do_not_fit_together() -> None:
    """Where nobody can be told to be right, nobody is."""
    muster = running()
    muster.hear(0, second(0, response=times()), 1.0)
    muster.hear(1, second(0, response=times(digits=2)), 1.0)
    assert muster.take(1.0) == []
    assert muster.present == []


@pytest.mark.parametrize(
    ("said", "may_begin"),
    [
        ([], False),
        ([Opened(users=1, failed=3)], True),
        ([Opened(users=0, failed=3), Opened(users=1)], True),
        ([Opened(users=0, failed=3), Opened(users=0)], False),
        # Nothing was to be opened: connections come and go later.
        ([Opened(users=0)], True),
    ],
)
def test_muster_begins_only_with_connections_where_some_were_asked_for(
    said: list[Opened], *, may_begin: bool
) -> None:
    """A load of a target that lets nobody in is no load."""
    muster = Muster(plan_of(), range(2))
    for worker, opened in enumerate(said):
        muster.hear(worker, opened, 0.0)
    assert muster.may_begin == may_begin


def test_muster_says_that_the_target_is_gone_when_nothing_could_be_opened() -> None:
    """No connection at all is the target's doing, not a slow answer."""
    muster = Muster(plan_of(), range(1))
    muster.hear(0, Opened(users=0, failed=4), 0.0)
    muster.ended_early(0.0)
    result = muster.result(interrupted=False)
    assert result.target_gone == "none of its connections could be opened"
    assert result.seconds == 0.0
    assert not result.complete


@pytest.mark.parametrize(
    ("kind", "still_open", "gone"),
    [
        (
            ScenarioKind.REQUEST,
            0,
            "it ended all connections, 4 of them, before the end of the load",
        ),
        (ScenarioKind.REQUEST, 1, ""),
        (ScenarioKind.CHURN, 0, ""),
        (ScenarioKind.STORM, 0, ""),
    ],
)
def test_muster_says_that_the_target_is_gone_when_it_ended_all_connections(
    kind: ScenarioKind, still_open: int, gone: str
) -> None:
    """Unless connections come and go by the plan."""
    muster = running(2, kind)
    muster.hear(0, second(0, open=0, lost_connections=2), 1.0)
    muster.hear(1, second(0, open=still_open, lost_connections=2), 1.0)
    assert len(muster.take(1.0)) == 1
    assert muster.result(interrupted=False).target_gone == gone


def test_muster_says_nothing_of_the_target_when_nothing_was_lost() -> None:
    """All connections closed by ourselves is no loss."""
    muster = running(1)
    muster.hear(0, second(0, open=0), 1.0)
    assert muster.result(interrupted=False).target_gone == ""
