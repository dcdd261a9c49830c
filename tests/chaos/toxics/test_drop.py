"""Drop lets chosen frames not arrive."""

from wavetank.chaos.toxics.drop import Drop

from .streams import MASK, Stream, masked, text


def test_dropped_frame_does_not_arrive() -> None:
    """Nothing of it goes on, and what follows is whole."""
    stream = Stream(Drop())
    assert stream.send(text("gone")) == b""
    assert stream.let_by(text("here")) == text("here")
    assert stream.send(masked(0x9, mask=MASK)) == b""
    assert stream.heal() == b""


def test_dropping_lets_the_end_by() -> None:
    """The end of a stream is no frame."""
    stream = Stream(Drop())
    stream.end()
    assert len(stream.ends) == 1
