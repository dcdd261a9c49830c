"""How everybody came through each fault."""

from wavetank.evidence import Change
from wavetank.lab.fault_log import Spell
from wavetank.lab.recovering import Measured, Recoveries


def test_a_recovery_is_measured_from_changes_arrivals_and_replays() -> None:
    """From the begin until it was noticed, from the heal until all are back."""
    recoveries = Recoveries()
    recoveries.change(Change(11.0, "f", False))
    recoveries.heal("kill", 12.0, {("f", "t"): 7, ("f", "u"): 3})
    recoveries.change(Change(13.0, "f", True))
    recoveries.replay(13.0)
    recoveries.replay(13.05, 2)
    recoveries.replay(14.0)
    recoveries.arrive("f", "t", 6, 13.0)
    recoveries.arrive("f", "u", 9, 13.5)
    assert repr(recoveries) == "<Recoveries 2 changes, 1 open>"
    recoveries.arrive("f", "t", 7, 14.5)
    recoveries.arrive("f", "t", 8, 15.0)
    assert recoveries.measured([Spell("kill", "kill", 10.0, 12.0)]) == [
        Measured("kill", detect=1.0, reconnect=1.0, catch_up=2.5, replayed=4)
    ]


def test_what_comes_after_the_next_fault_is_that_one_s() -> None:
    """And of a fault that is still on nothing is known."""
    recoveries = Recoveries()
    recoveries.change(Change(21.0, "f", False))
    recoveries.replay(22.0)
    spells = [
        Spell("cut", "cut", 10.0, 10.0),
        Spell("kill", "kill", 20.0, 21.5),
        Spell("stall", "stall", 30.0),
    ]
    assert recoveries.measured(spells) == [
        Measured("cut", None, None, None, 0),
        Measured("kill", 1.0, None, None, 1),
    ]


def test_nothing_is_caught_up_where_nobody_was_behind() -> None:
    """There is nothing to measure, which is not 0."""
    recoveries = Recoveries()
    recoveries.heal("cut", 12.0, {})
    recoveries.arrive("f", "t", 7, 13.0)
    assert recoveries.measured([Spell("cut", "cut", 10.0, 12.0)])[0].catch_up is None
