"""Reorder shuffles messages, and keeps each of them whole."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavetank.chaos.frame_toxic import MOST_BYTES, MOST_FRAMES
from wavetank.chaos.toxic import NEVER
from wavetank.chaos.toxics.reorder import Reorder

from .streams import Stream, masked, payloads, text


def shuffling(window: int = 2, seed: int = 1) -> Stream:
    """Return a stream whose messages are shuffled, a pause being 100 ms."""
    return Stream(Reorder(window=window, pause=100, rng=random.Random(seed)))


def numbered(count: int) -> bytes:
    """Return messages with numbers."""
    return b"".join(text(str(number)) for number in range(count))


def test_two_messages_change_places() -> None:
    """A window of two always swaps them, whatever the dice say."""
    for seed in range(10):
        stream = shuffling(seed=seed)
        assert stream.send(text("a")) == b""
        assert stream.toxic.wakes_at == 0.1
        assert payloads(stream.send(text("b"))) == [b"b", b"a"]
        assert stream.toxic.wakes_at == NEVER
        assert stream.heal() == b""


def test_window_holds_messages_that_nobody_chose() -> None:
    """A chosen message is overtaken by what follows it."""
    stream = shuffling()
    assert stream.let_by(text("first")) == text("first")
    assert stream.send(text("chosen")) == b""
    assert payloads(stream.let_by(text("next"))) == [b"next", b"chosen"]


@settings(deadline=None, database=None)
@given(st.integers(2, 9), st.integers(0, 1000))
def test_shuffled_window_holds_all_messages_in_another_order(
    window: int, seed: int
) -> None:
    """None is lost or doubled, and the order is never the old one."""
    seen = payloads(shuffling(window, seed).send(numbered(window)))
    assert sorted(seen) == [str(number).encode() for number in range(window)]
    assert seen != sorted(seen)
    assert seen == payloads(shuffling(window, seed).send(numbered(window)))


def test_window_is_closed_after_a_pause() -> None:
    """Nobody waits for messages that never come."""
    stream = shuffling(window=9)
    stream.send(numbered(3))
    gone = payloads(stream.wake())
    assert sorted(gone) == [b"0", b"1", b"2"]
    assert gone != sorted(gone)
    assert stream.times == [0.1] * 3
    stream.send(text("alone"), now=1.0)
    assert stream.wake() == text("alone")


def test_fragments_of_a_message_stay_together() -> None:
    """Messages change places, frames do not (RFC 6455 5.4)."""
    stream = shuffling()
    gone = stream.send(text("a", fin=False))
    gone += stream.send(masked(0x0, b"b", fin=False) + masked(0x0, b"c"))
    gone += stream.send(text("x", fin=False) + masked(0x0, b"y"))
    assert payloads(gone) == [b"x", b"y", b"a", b"b", b"c"]


def test_window_opens_where_a_message_begins() -> None:
    """A continuation goes by where the begin of its message has."""
    stream = shuffling()
    gone = stream.let_by(text("a", fin=False))
    gone += stream.send(masked(0x0, b"b"))
    gone += stream.send(text("x") + text("y"))
    assert payloads(gone) == [b"a", b"b", b"y", b"x"]


def test_window_that_is_closed_inside_a_message_ends_with_it() -> None:
    """Its other fragments follow behind all."""
    stream = shuffling(window=3)
    stream.send(text("a") + text("b") + text("c", fin=False))
    gone = stream.wake()
    gone += stream.send(masked(0x0, b"d"))
    assert payloads(gone) == [b"b", b"a", b"c", b"d"]


def test_control_frames_overtake_the_window() -> None:
    """A ping in it goes by at once, chosen or not."""
    stream = shuffling()
    stream.send(text("a"))
    assert stream.send(masked(0x9)) == masked(0x9)
    assert stream.let_by(masked(0xA)) == masked(0xA)


def test_close_frame_overtakes_nothing() -> None:
    """Behind it no message may come."""
    stream = shuffling(window=3)
    stream.send(text("a") + text("b"))
    assert payloads(stream.send(masked(0x8))) == [b"b", b"a", b""]


def test_end_overtakes_nothing() -> None:
    """Behind it no message would come."""
    stream = shuffling(window=3)
    stream.send(text("a") + text("b"))
    assert payloads(stream.end()) == [b"b", b"a"]
    assert len(stream.ends) == 1


@pytest.mark.parametrize(
    ("message", "count"),
    [(text("a" * 100_000), MOST_BYTES // 100_000 + 1), (text(""), MOST_FRAMES)],
)
def test_window_is_closed_when_it_is_too_large(message: bytes, count: int) -> None:
    """What is kept is bounded in bytes and in frames."""
    stream = shuffling(window=10_000)
    for _ in range(count - 1):
        assert stream.send(message) == b""
    assert len(stream.send(message)) == len(message) * count
