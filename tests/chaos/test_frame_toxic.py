"""What toxics of frames start from lets everything by, and ends a stream once."""

import pytest

from wavetank.chaos.frame_toxic import FrameToxic, at_once, ends_all
from wavetank.chaos.toxic import (
    NEVER,
    Bytes,
    End,
    Frame,
    Head,
    How,
    Item,
    Open,
)

TEXT, CLOSE = Frame(b"\x81\x00", 2), Frame(b"\x88\x00", 2)


@pytest.mark.parametrize(
    "item", [Open(), Head(b"GET"), Bytes(b"x"), TEXT, CLOSE, End(How.RST)]
)
def test_frame_toxic_lets_by_what_it_does_not_hurt(item: Item) -> None:
    """Chosen or not, an item goes on at once, and nothing is kept."""
    toxic = FrameToxic()
    assert toxic.receive(item, 3.0) == [(3.0, item)]
    assert toxic.pass_by(item, 3.0) == [(3.0, item)]
    assert toxic.wakes_at == NEVER
    assert toxic.heal(3.0) == []


def test_frame_toxic_swallows_what_comes_behind_the_end() -> None:
    """A stream ends once: neither a frame nor its own end follows."""
    toxic = FrameToxic()
    assert toxic.finish(How.RST, 2.0) == [(2.0, End(How.RST))]
    for item in (TEXT, Bytes(b"x"), End()):
        assert toxic.receive(item, 3.0) == []
        assert toxic.pass_by(item, 3.0) == []


def test_items_go_on_at_once() -> None:
    """All of them have the same time."""
    assert at_once([TEXT, CLOSE], 1.5) == [(1.5, TEXT), (1.5, CLOSE)]


@pytest.mark.parametrize(
    ("item", "is_end"),
    [(CLOSE, True), (End(), True), (TEXT, False), (Bytes(b"\x88"), False)],
)
def test_close_frame_and_end_are_the_last(item: Item, is_end: bool) -> None:
    """No data frame may come behind them."""
    assert ends_all(item) is is_end
