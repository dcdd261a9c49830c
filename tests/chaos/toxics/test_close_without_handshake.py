"""Close without handshake ends a stream, and no close frame says so."""

import pytest

from wavetank.chaos.toxic import How
from wavetank.chaos.toxics.close_without_handshake import ENDS, CloseWithoutHandshake

from .streams import Stream, masked, text


@pytest.mark.parametrize("how", ENDS)
def test_stream_ends_instead_of_a_close_frame(how: str) -> None:
    """The close frame does not arrive, and neither does what follows it."""
    stream = Stream(CloseWithoutHandshake(how=how, frames=0))
    assert stream.send(text("a") * 3) == text("a") * 3
    assert stream.send(masked(0x8) + text("b")) == b""
    stream.end()
    assert stream.ends == [How(how)]


def test_stream_ends_behind_a_number_of_frames() -> None:
    """The last of them still arrives; only chosen ones count."""
    stream = Stream(CloseWithoutHandshake(how="rst", frames=2))
    assert stream.send(text("a")) == text("a")
    assert stream.let_by(text("x")) == text("x")
    assert stream.send(text("b") + text("c")) == text("b")
    assert stream.ends == [How.RST]


def test_close_frame_ends_the_stream_before_the_number_is_reached() -> None:
    """No handshake gets through while frames are counted."""
    stream = Stream(CloseWithoutHandshake(how="fin", frames=9))
    assert stream.send(masked(0x8)) == b""
    assert stream.ends == [How.FIN]


def test_unchosen_close_frame_goes_by() -> None:
    """Only what was chosen is hurt."""
    stream = Stream(CloseWithoutHandshake(how="fin", frames=0))
    assert stream.let_by(masked(0x8)) == masked(0x8)
    assert stream.ends == []
