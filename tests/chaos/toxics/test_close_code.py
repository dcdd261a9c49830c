"""Close code forges close frames."""

import random

import pytest

from wavetank.chaos.toxic import How
from wavetank.chaos.toxics.close_code import CloseCode

from .streams import MASK, Stream, masked, payloads, read, text

BYE = b"\x03\xe8bye"


def forging(code: int = 1011, reason: str = "", frames: int = 0) -> Stream:
    """Return a stream with forged close frames."""
    toxic = CloseCode(code=code, reason=reason, frames=frames, rng=random.Random(1))
    return Stream(toxic)


@pytest.mark.parametrize("mask", [None, MASK])
@pytest.mark.parametrize(
    ("code", "reason", "payload"),
    [
        (1011, "", b"\x03\xf3bye"),
        (1011, "no", b"\x03\xf3no"),
        (1006, "", b"\x03\xeebye"),
        (65535, "", b"\xff\xffbye"),
        (0, "no", b""),
    ],
)
def test_passing_close_frame_says_something_else(
    mask: bytes | None, code: int, reason: str, payload: bytes
) -> None:
    """Code, legal or not, and reason are forged, key and order stay."""
    gone = forging(code, reason).send(masked(0x8, BYE, mask=mask))
    assert gone == masked(0x8, payload, mask=mask)


def test_empty_close_frame_gets_a_code() -> None:
    """One without a code gets one."""
    assert forging().send(masked(0x8)) == masked(0x8, b"\x03\xf3")


def test_other_frames_go_by() -> None:
    """Forging touches nothing but close frames."""
    stream = forging()
    assert stream.send(text("a") + masked(0x9)) == text("a") + masked(0x9)
    assert stream.let_by(masked(0x8, BYE)) == masked(0x8, BYE)


def test_reason_fits_into_a_control_frame() -> None:
    """It is cut to 123 bytes, at a character."""
    (seen,) = payloads(forging(reason="ü" * 70).send(masked(0x8)))
    assert seen[2:].decode() == "ü" * 61


def test_close_frame_is_injected_behind_a_frame() -> None:
    """It is masked as the stream is, and nothing follows it but the end."""
    stream = forging(code=1013, reason="later", frames=2)
    assert stream.send(text("a")) == text("a")
    assert stream.let_by(text("x")) == text("x")
    gone = stream.send(text("b"))
    (first, second) = read(gone)
    assert gone.startswith(text("b"))
    assert (first.violations, second.violations) == ((), ())
    assert second.payload == b"\x03\xf5later"
    assert second.mask == random.Random(1).randbytes(4)
    assert stream.send(text("c")) == b""
    assert stream.let_by(masked(0x8, BYE)) == b""
    stream.end(How.RST)
    assert stream.ends == [How.RST]


def test_injected_close_frame_of_a_server_is_not_masked() -> None:
    """It looks like one that the server sent."""
    stream = forging(frames=1)
    frame = text("a", mask=None)
    assert stream.send(frame) == frame + masked(0x8, b"\x03\xf3", mask=None)


def test_changed_toxic_remembers_that_the_stream_is_closed() -> None:
    """What was closed stays closed, whatever is asked for now."""
    old = forging(frames=1)
    old.send(text("a"))
    for frames in (0, 5):
        new = forging(frames=frames)
        assert isinstance(new.toxic, CloseCode)
        assert isinstance(old.toxic, CloseCode)
        new.toxic.take_over(old.toxic)
        assert new.send(text("b") + masked(0x8)) == b""


def test_changed_toxic_forges_on() -> None:
    """Where nothing was closed, it does what is asked for now."""
    new, old = forging(code=1001), forging(frames=5)
    assert isinstance(new.toxic, CloseCode)
    assert isinstance(old.toxic, CloseCode)
    new.toxic.take_over(old.toxic)
    assert new.send(masked(0x8)) == masked(0x8, b"\x03\xe9")
