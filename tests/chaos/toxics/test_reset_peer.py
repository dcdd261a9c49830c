"""Reset: when the connection breaks."""

import pytest

from wavetank.chaos.toxic import NEVER, Bytes, End, Frame, How, Item, Open
from wavetank.chaos.toxics.reset_peer import ResetPeer


@pytest.mark.parametrize("item", [Open(), End()])
def test_reset_peer_lets_the_opening_and_the_end_by(item: Item) -> None:
    """Neither has bytes."""
    assert ResetPeer(timeout=0, bytes=0).receive(item, 1.0) == [(1.0, item)]


def test_reset_peer_breaks_at_once_when_bytes_come() -> None:
    """Without a timeout the first bytes are the last, and do not arrive."""
    toxic = ResetPeer(timeout=0, bytes=0)
    assert toxic.wakes_at == NEVER
    assert toxic.receive(Bytes(b"x"), 1.0) == [(1.0, End(How.RST))]


def test_reset_peer_swallows_until_it_breaks() -> None:
    """As in Toxiproxy, the time runs from the first bytes; none of them arrive."""
    toxic = ResetPeer(timeout=500, bytes=0)
    assert toxic.receive(Bytes(b"x"), 1.0) == []
    assert toxic.receive(Frame(b"\x89\x00", 2), 1.2) == []
    assert toxic.wakes_at == 1.5
    assert toxic.wake(1.5) == [(1.5, End(How.RST))]
    assert toxic.wakes_at == NEVER


def test_reset_peer_breaks_at_a_byte() -> None:
    """What comes before goes by."""
    toxic = ResetPeer(timeout=0, bytes=5)
    assert toxic.receive(Bytes(b"abc"), 0.0) == [(0.0, Bytes(b"abc"))]
    assert toxic.receive(Bytes(b"def"), 1.0) == [
        (1.0, Bytes(b"de")),
        (1.0, End(How.RST)),
    ]


def test_reset_peer_breaks_when_it_is_taken_out_too_late() -> None:
    """Bytes are missing, so the stream cannot go on; without that it can."""
    toxic = ResetPeer(timeout=500, bytes=0)
    assert toxic.heal(0.5) == []
    toxic.receive(Bytes(b"x"), 1.0)
    assert toxic.heal(1.1) == [(1.1, End(How.RST))]


def test_reset_peer_counts_on_when_it_is_changed() -> None:
    """Bytes and time that went by count for the newer one too."""
    older, newer = ResetPeer(timeout=500, bytes=3), ResetPeer(timeout=2000, bytes=3)
    older.receive(Bytes(b"ab"), 0.0)
    newer.take_over(older)
    assert newer.wakes_at == NEVER
    assert newer.receive(Bytes(b"cd"), 1.0) == [(1.0, Bytes(b"c"))]
    older, newer = newer, ResetPeer(timeout=100, bytes=3)
    newer.take_over(older)
    assert newer.wakes_at == pytest.approx(1.1)
