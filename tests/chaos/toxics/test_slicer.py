"""Slicer: where it cuts, and when the pieces leave."""

import random

from hypothesis import given
from hypothesis import strategies as st

from wavetank.chaos.toxic import NEVER, Bytes, End, Frame, Open, Timed, data_of
from wavetank.chaos.toxics.slicer import Slicer


def slicer(average: int, variation: int = 0, delay: float = 0) -> Slicer:
    """Return a toxic with dice of a known seed."""
    return Slicer(
        average_size=average,
        size_variation=variation,
        delay=delay,
        rng=random.Random("slicer"),
    )


def datas(timed: list[Timed]) -> list[bytes]:
    """Return the bytes of items."""
    return [data_of(item) for _, item in timed]


def test_slicer_cuts_into_pieces_of_a_size() -> None:
    """The last one is what is left."""
    assert datas(slicer(3).receive(Bytes(b"abcdefgh"), 0.0)) == [b"abc", b"def", b"gh"]


def test_slicer_lets_a_small_frame_stay_a_frame() -> None:
    """What is not cut stays what it is."""
    frame = Frame(b"\x89\x00", 2)
    assert slicer(9).receive(frame, 1.0) == [(1.0, frame)]


def test_slicer_pauses_behind_each_piece() -> None:
    """Pieces leave some microseconds one after the other, the end behind the last."""
    toxic = slicer(2, delay=500_000)
    assert toxic.receive(Open(), 1.0) == [(1.0, Open())]
    assert toxic.receive(Bytes(b"abcd"), 1.0) == [(1.0, Bytes(b"ab"))]
    assert toxic.receive(End(), 1.1) == []
    assert (toxic.wakes_at, toxic.kept) == (1.5, 2)
    assert toxic.wake(1.5) == [(1.5, Bytes(b"cd"))]
    assert toxic.wake(2.0) == [(2.0, End())]
    assert (toxic.wakes_at, toxic.kept) == (NEVER, 0)


def test_slicer_gives_back_the_rest_when_it_is_taken_out() -> None:
    """What waits goes on as it came."""
    toxic = slicer(1, delay=1e6)
    toxic.receive(Bytes(b"abc"), 0.0)
    toxic.receive(Bytes(b"de"), 0.0)
    assert datas(toxic.heal(0.5)) == [b"bc", b"de"]
    assert toxic.kept == 0


def test_slicer_cuts_the_rest_in_the_new_way_when_it_is_changed() -> None:
    """What waits is handed over, and when it is due."""
    older, newer = slicer(1, delay=1e6), slicer(3, delay=1e6)
    older.receive(Bytes(b"abcdef"), 0.0)
    newer.take_over(older)
    assert newer.wakes_at == 1.0
    assert datas(newer.wake(1.0)) == [b"bcd"]


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=30),
    st.integers(1, 9),
    st.integers(0, 9),
)
def test_slicer_cuts_at_the_same_places_wherever_tcp_did(
    sizes: list[int], average: int, variation: int
) -> None:
    """Its own borders depend on the dice alone; none is missing, no byte is."""
    whole = bytes(place % 251 for place in range(sum(sizes)))
    toxic, at, borders, seen = slicer(average, variation), 0, set(), b""
    for size in sizes:
        for piece in datas(toxic.receive(Bytes(whole[at : at + size]), 0.0)):
            assert 1 <= len(piece) <= average + variation
            seen += piece
            borders.add(len(seen))
        at += size
    assert seen == whole
    place = 0
    for piece in datas(slicer(average, variation).receive(Bytes(whole), 0.0)):
        place += len(piece)
        assert place in borders
