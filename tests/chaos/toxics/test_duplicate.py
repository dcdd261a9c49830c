"""Duplicate sends chosen frames again, at once or later."""

import pytest

from wavetank.chaos.toxic import NEVER
from wavetank.chaos.toxics.duplicate import Duplicate

from .streams import Stream, masked, payloads, text


def test_copies_follow_at_once() -> None:
    """Each is the same, byte for byte."""
    stream = Stream(Duplicate(copies=2, delay=0))
    assert stream.send(text("a"), now=1.0) == text("a") * 3
    assert stream.let_by(text("b"), now=1.0) == text("b")
    assert stream.times == [1.0] * 4
    assert stream.toxic.wakes_at == NEVER


def test_copies_follow_later() -> None:
    """The frame goes by, others follow it, and then its copies come."""
    stream = Stream(Duplicate(copies=2, delay=500))
    assert stream.send(text("a"), now=1.0) == text("a")
    assert stream.let_by(text("b"), now=1.2) == text("b")
    assert stream.wake() == text("a") * 2
    assert stream.times == [1.0, 1.2, 1.5, 1.5]


@pytest.mark.parametrize("frame", [text("part", fin=False), masked(0x8)])
def test_copy_of_a_fragment_or_close_frame_follows_at_once(frame: bytes) -> None:
    """Later it would mean something else."""
    stream = Stream(Duplicate(copies=1, delay=500))
    assert stream.send(frame) == frame * 2


def test_late_copy_waits_for_the_end_of_a_fragmented_message() -> None:
    """A copy breaks no other message."""
    stream = Stream(Duplicate(copies=1, delay=100))
    gone = stream.send(text("a"))
    gone += stream.let_by(text("x", fin=False), now=0.05)
    gone += stream.let_by(masked(0x0, b"y"), now=0.3)
    gone += stream.wake()
    assert payloads(gone) == [b"a", b"x", b"y", b"a"]


def test_late_copies_come_before_the_end() -> None:
    """The end of the stream does not swallow them."""
    stream = Stream(Duplicate(copies=1, delay=100))
    stream.send(text("a"))
    assert stream.end() == text("a")


def test_late_copies_come_when_the_toxic_is_taken_out() -> None:
    """They are there at once, and nothing is kept."""
    stream = Stream(Duplicate(copies=1, delay=100))
    stream.send(text("a"))
    assert stream.heal() == text("a")
    assert stream.toxic.wakes_at == NEVER


def test_late_copies_break_nothing_when_the_toxic_is_taken_out() -> None:
    """In the middle of a message they are left out: nobody misses a copy."""
    stream = Stream(Duplicate(copies=1, delay=100))
    stream.send(text("a"))
    stream.send(masked(0x9))
    stream.let_by(text("x", fin=False))
    assert stream.heal() == masked(0x9)
    assert stream.heal() == b""
    assert stream.toxic.wakes_at == NEVER
