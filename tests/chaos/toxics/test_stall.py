"""Stall: everything waits, whatever it is."""

import pytest

from wavetank.chaos.toxic import NEVER, Bytes, End, How, Item, Open
from wavetank.chaos.toxics.stall import Stall


@pytest.mark.parametrize("item", [Open(), Bytes(b"x"), End(), End(How.RST)])
def test_stall_holds_everything_for_ever(item: Item) -> None:
    """A partition hides the opening and the end as it hides bytes."""
    assert Stall().receive(item, 1.0) == [(NEVER, item)]


def test_stall_wakes_nobody_and_goes_on_when_it_is_changed() -> None:
    """It has nothing to do by itself, and nothing to hand over."""
    newer = Stall()
    newer.take_over(Stall())
    assert newer.wakes_at == NEVER
