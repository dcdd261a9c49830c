"""Delay makes chosen frames late, and holds up what follows or does not."""

import pytest

from wavetank.chaos.toxic import NEVER
from wavetank.chaos.toxics.delay import Delay

from .streams import Stream, masked, payloads, text


def test_delayed_frame_holds_up_what_follows() -> None:
    """It goes on later; the chain lets nothing overtake it."""
    stream = Stream(Delay(delay=500, overtake=False))
    assert stream.send(text("late"), now=1.0) == text("late")
    assert stream.let_by(text("next"), now=1.1) == text("next")
    assert stream.times == [1.5, 1.1]
    assert stream.toxic.wakes_at == NEVER


def test_delayed_frame_is_overtaken_when_told_so() -> None:
    """Others go by until it is due."""
    stream = Stream(Delay(delay=500, overtake=True))
    assert stream.send(text("late"), now=1.0) == b""
    assert stream.let_by(text("next"), now=1.1) == text("next")
    assert stream.toxic.wakes_at == 1.5
    assert stream.wake() == text("late")
    assert stream.times == [1.1, 1.5]


@pytest.mark.parametrize(
    "frame", [text("part", fin=False), masked(0x0, b"part"), masked(0x8)]
)
def test_fragment_and_close_frame_are_not_overtaken(frame: bytes) -> None:
    """They hold up what follows, or a rule would be broken."""
    stream = Stream(Delay(delay=500, overtake=True))
    assert stream.send(frame, now=1.0) == frame
    assert stream.times == [1.5]


def test_delayed_message_does_not_come_between_fragments() -> None:
    """A message that is due in the middle of another one waits for its end."""
    stream = Stream(Delay(delay=100, overtake=True))
    gone = stream.send(text("late"))
    gone += stream.let_by(text("a", fin=False), now=0.05)
    gone += stream.let_by(masked(0x0, b"b"), now=0.2)
    gone += stream.wake()
    assert payloads(gone) == [b"a", b"b", b"late"]


def test_delayed_frame_is_not_lost_when_the_toxic_is_taken_out() -> None:
    """What is kept goes on at once."""
    stream = Stream(Delay(delay=100, overtake=True))
    stream.send(text("late"))
    assert stream.heal(now=0.01) == text("late")
    assert stream.times == [0.01]


def test_delayed_frame_comes_before_the_end() -> None:
    """The end of the stream overtakes nothing."""
    stream = Stream(Delay(delay=100, overtake=True))
    stream.send(text("late"))
    assert stream.end() == text("late")
    assert len(stream.ends) == 1
