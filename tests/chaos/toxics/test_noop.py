"""Noop: what comes goes."""

import pytest

from wavetank.chaos.toxic import NEVER, Bytes, End, Frame, Head, Item, Open
from wavetank.chaos.toxics.noop import Noop


@pytest.mark.parametrize(
    "item", [Open(), Bytes(b"x"), Head(b"GET"), Frame(b"\x81\x00", 2), End()]
)
def test_noop_lets_everything_by_at_once(item: Item) -> None:
    """Nothing happens to any item."""
    assert Noop().receive(item, 3.0) == [(3.0, item)]


def test_noop_keeps_nothing_and_never_wakes() -> None:
    """There is nothing to wait for and nothing to give back."""
    noop = Noop()
    assert noop.wakes_at == NEVER
    assert noop.wake(1.0) == noop.heal(1.0) == []
    assert noop.wakes_at == NEVER
