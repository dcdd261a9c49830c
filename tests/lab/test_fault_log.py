"""What is broken on purpose, and what was."""

import itertools

import pytest

from wavetank.errors import LocalError
from wavetank.evidence import FaultBegan, FaultHealed, Record
from wavetank.lab.checkers import history
from wavetank.lab.fault_log import FaultLog, Spell


@pytest.fixture
def log(records: list[Record]) -> FaultLog:
    """A log whose clock goes on by a second each time."""
    seconds = itertools.count(1)
    return FaultLog(
        suite="s",
        check="c",
        record=records.append,
        now=lambda: float(next(seconds)),
    )


def test_a_fault_is_recorded_and_told_when_it_begins_and_when_it_is_healed(
    log: FaultLog, records: list[Record]
) -> None:
    """With how bad it is, and by a name of its own."""
    told: list[history.Event] = []
    log.watchers.append(told.append)
    name = log.begin("latency", "all links", seed=7, attributes={"latency": 5.0})
    assert log.on == ["latency"]
    assert repr(log) == "<FaultLog 1 faults, on: latency>"
    log.heal(name)
    assert log.on == []
    assert repr(log) == "<FaultLog 1 faults, on: ->"
    assert log.spells == [Spell("latency", "latency", 1.0, 2.0)]
    assert records == [
        FaultBegan(
            at=1.0,
            suite="s",
            check="c",
            name="latency",
            what="latency",
            where="all links",
            seed=7,
            attributes={"latency": 5.0},
        ),
        FaultHealed(at=2.0, suite="s", check="c", name="latency"),
    ]
    assert told == [
        history.FaultBegins(1.0, "latency"),
        history.FaultHeals(2.0, "latency"),
    ]


def test_faults_of_one_kind_are_numbered_from_the_second(log: FaultLog) -> None:
    """A name is given once, and never again."""
    first = log.begin("cut", "all links")
    log.heal(first)
    own = log.begin("other", "all links", name="cut-2")
    assert [first, own, log.begin("cut", "all links")] == ["cut", "cut-2", "cut-3"]


def test_only_what_is_on_can_be_healed(log: FaultLog) -> None:
    """Neither what never began nor what is over."""
    name = log.begin("cut", "all links")
    log.heal(name)
    for wrong in (name, "kill"):
        with pytest.raises(LocalError, match=wrong):
            log.heal(wrong)


def test_a_kind_of_fault_that_hit_nothing_each_time_was_in_vain(log: FaultLog) -> None:
    """Once is enough to count; the others are not to blame."""
    for what, is_hit in (("cut", False), ("stall", False), ("stall", True)):
        name = log.begin(what, "all links")
        if not is_hit:
            log.miss(name)
        log.heal(name)
    assert log.in_vain == ["cut"]


def test_a_fault_that_another_one_left_nothing_to_was_not_in_vain(
    log: FaultLog,
) -> None:
    """What is offline has no links to be cut."""
    log.begin("offline", "the proxy")
    name = log.begin("cut", "all links")
    log.miss(name)
    log.heal(name)
    assert log.in_vain == []


def test_a_fault_has_hit_something_unless_it_is_known_better(log: FaultLog) -> None:
    """Whether another one was on meanwhile does not matter here."""
    hit, missed = log.begin("cut", "all links"), log.begin("cut", "all links")
    log.miss(missed)
    assert log.has_hit(hit)
    assert not log.has_hit(missed)
