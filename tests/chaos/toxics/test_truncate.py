"""Truncate cuts a payload, or the stream inside a frame."""

import pytest

from wavetank.chaos.toxic import How
from wavetank.chaos.toxics.truncate import ENDS, Truncate

from .streams import Stream, masked, payloads, text


@pytest.mark.parametrize(
    ("keep", "left"), [(0, b""), (3, b"hel"), (5, b"hello"), (9, b"hello")]
)
@pytest.mark.parametrize("settings", [{}, {"mask": None}])
def test_payload_is_cut_and_the_stream_goes_on(
    keep: int, left: bytes, settings: dict[str, object]
) -> None:
    """The header says the new length, so the next frame is whole."""
    stream = Stream(Truncate(keep=keep, then="go_on"))
    gone = stream.send(text("hello", **settings))
    gone += stream.let_by(text("next", **settings))
    assert payloads(gone) == [left, b"next"]


def test_long_frame_gets_a_short_header() -> None:
    """The form of the length fits what is left."""
    stream = Stream(Truncate(keep=2, then="go_on"))
    assert stream.send(masked(0x2, bytes(70_000))) == masked(0x2, bytes(2))


@pytest.mark.parametrize("how", [How.FIN, How.CLOSE, How.RST])
def test_stream_ends_inside_the_frame(how: How) -> None:
    """The header promises more than comes, and nothing follows."""
    stream = Stream(Truncate(keep=3, then=how.value))
    frame = text("hello")
    assert stream.let_by(text("first")) == text("first")
    assert stream.send(frame) == frame[:9]
    assert stream.ends == [how]
    assert stream.send(frame) == b""
    assert stream.let_by(frame) == b""
    assert stream.end() == b""
    assert stream.ends == [how]


@pytest.mark.parametrize("frame", [text("hello"), text(""), text("", mask=None)])
def test_stream_never_ends_at_the_end_of_the_frame(frame: bytes) -> None:
    """At least its last byte is missing, if only of the header."""
    stream = Stream(Truncate(keep=100, then="fin"))
    assert stream.send(frame) == frame[:-1]


def test_ends_are_those_of_a_stream() -> None:
    """Each word that may be said is understood."""
    for then in ENDS:
        assert Stream(Truncate(keep=0, then=then)).send(text("a")) != text("a")
