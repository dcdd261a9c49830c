"""Packet loss: which pieces are missing."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.chaos.toxic import Bytes, End, Item, Open, data_of
from wavetank.chaos.toxics.packet_loss import PacketLoss


def loss(loss_rate: float, correlation: float = 0.0, size: int = 0) -> PacketLoss:
    """Return a toxic with dice of a known seed."""
    return PacketLoss(
        loss_rate=loss_rate,
        correlation=correlation,
        size=size,
        rng=random.Random("loss"),
    )


def fates(toxic: PacketLoss, count: int = 20_000) -> list[bool]:
    """Return for many pieces whether each arrived."""
    return [bool(toxic.receive(Bytes(b"x"), 0.0)) for _ in range(count)]


def test_packet_loss_drops_as_many_as_it_was_told() -> None:
    """One in four pieces is missing, more or less."""
    assert sum(fates(loss(0.25))) == pytest.approx(15_000, rel=0.03)


def test_packet_loss_comes_in_bursts_when_it_is_correlated() -> None:
    """Behind a lost piece the next is lost with both probabilities added."""
    seen = fates(loss(0.1, 0.6))
    behind_lost = [
        not after for before, after in itertools.pairwise(seen) if not before
    ]
    assert sum(behind_lost) / len(behind_lost) == pytest.approx(0.7, abs=0.05)


def test_packet_loss_loses_all_or_nothing_at_its_bounds() -> None:
    """Probabilities above one are one."""
    assert not any(fates(loss(1.0, 1.0), 100))
    assert all(fates(loss(0.0), 100))


@pytest.mark.parametrize("item", [Open(), End()])
def test_packet_loss_spares_the_opening_and_the_end(item: Item) -> None:
    """Only bytes are lost."""
    assert loss(1.0).receive(item, 1.0) == [(1.0, item)]


@given(st.lists(st.integers(1, 40), max_size=60), st.integers(1, 9))
def test_packet_loss_of_a_size_does_not_depend_on_how_tcp_cuts(
    sizes: list[int], size: int
) -> None:
    """The same bytes are missing, wherever the stream was cut on its way."""
    whole = bytes(place % 256 for place in range(sum(sizes)))
    toxic, left, at = loss(0.4, 0.2, size), b"", 0
    for length in sizes:
        for _, item in toxic.receive(Bytes(whole[at : at + length]), 0.0):
            left += data_of(item)
        at += length
    assert left == b"".join(
        data_of(item) for _, item in loss(0.4, 0.2, size).receive(Bytes(whole), 0.0)
    )


def test_packet_loss_goes_on_in_its_piece_when_it_is_changed() -> None:
    """What is lost stays lost to the end of the piece."""
    older, newer = loss(1.0, 0.0, 8), loss(0.0, 0.0, 8)
    assert older.receive(Bytes(b"12345"), 0.0) == []
    newer.take_over(older)
    assert newer.receive(Bytes(b"678next"), 0.0) == [(0.0, Bytes(b"next"))]
