"""Events are plain values in the order of time."""

from typing import get_args

from wavetank.lab.checkers import history
from wavetank.lab.checkers.history import Event, Fate


def test_every_event_says_first_when_it_was() -> None:
    """Whoever merges histories can sort them by their first field."""
    assert all(kind._fields[0] == "at" for kind in get_args(Event))


def test_every_kind_of_event_is_one_of_them() -> None:
    """None is forgotten in the union, which checkers are held against."""
    kinds = {
        one
        for one in vars(history).values()
        if isinstance(one, type) and issubclass(one, tuple)
    }
    assert kinds == set(get_args(Event))


def test_an_unknown_fate_says_nothing() -> None:
    """It is false, so that it is never shown."""
    assert not Fate.UNKNOWN
    assert all(fate for fate in Fate if fate is not Fate.UNKNOWN)
