"""Merge makes one frame of fragments, or one write of frames."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavetank.chaos.frame_toxic import MOST_BYTES
from wavetank.chaos.toxic import NEVER
from wavetank.chaos.toxics.fragment import Fragment
from wavetank.chaos.toxics.merge import Merge
from wavetank.wire.frames import encode_frame

from .streams import MASK, Stream, masked, payloads, read, text

OTHER = b"\x01\x02\x03\x04"


def merging(what: str = "fragments", window: int = 16) -> Stream:
    """Return a stream whose frames are merged, a pause being 1 s."""
    return Stream(Merge(what=what, window=window, pause=1000))


# Fragments


def test_fragments_become_one_frame() -> None:
    """It has the opcode and the key of the first, and ends the message."""
    stream = merging()
    assert stream.send(text("Hel", fin=False)) == b""
    assert stream.toxic.wakes_at == 1.0
    assert stream.send(masked(0x0, b"l", fin=False, mask=OTHER)) == b""
    assert stream.send(masked(0x0, b"o", mask=OTHER)) == text("Hello")
    assert stream.toxic.wakes_at == NEVER


@settings(deadline=None, database=None)
@given(
    st.binary(max_size=400),
    st.integers(1, 16),
    st.sampled_from([None, MASK]),
    st.booleans(),
)
def test_merging_undoes_fragmenting(
    payload: bytes, count: int, mask: bytes | None, is_compressed: bool
) -> None:
    """What was split comes out as it was sent, bit for bit."""
    frame = encode_frame(0x1, payload, mask=mask, rsv1=is_compressed)
    assert merging().send(Stream(Fragment(fragments=count)).send(frame)) == frame


def test_whole_messages_go_by() -> None:
    """There is nothing to merge."""
    stream = merging()
    assert stream.send(text("a") + masked(0x9)) == text("a") + masked(0x9)
    assert stream.toxic.wakes_at == NEVER


def test_control_frames_overtake_what_is_kept() -> None:
    """They may stand between fragments; chosen or not, they go by."""
    stream = merging()
    gone = stream.send(text("a", fin=False) + masked(0x9, b"1"))
    gone += stream.let_by(masked(0xA, b"2"))
    gone += stream.send(masked(0x0, b"b"))
    assert payloads(gone) == [b"1", b"2", b"ab"]


@pytest.mark.parametrize("is_chosen", [True, False])
def test_close_frame_does_not_overtake_what_is_kept(is_chosen: bool) -> None:
    """Behind it nothing may come."""
    stream = merging()
    gone = stream.send(text("a", fin=False) + masked(0x0, b"b", fin=False))
    gone += stream.send(masked(0x8), is_chosen=is_chosen)
    assert payloads(gone) == [b"ab", b""]


def test_end_does_not_overtake_what_is_kept() -> None:
    """A message that is not complete arrives as far as it was sent."""
    stream = merging()
    stream.send(text("a", fin=False))
    assert stream.end() == text("a", fin=False)


def test_unchosen_fragments_stay_in_their_place() -> None:
    """Chosen ones before and behind them are merged among themselves."""
    stream = merging()
    gone = stream.send(text("a", fin=False) + masked(0x0, b"b", fin=False))
    gone += stream.let_by(masked(0x0, b"c", fin=False))
    gone += stream.send(masked(0x0, b"d", fin=False) + masked(0x0, b"e"))
    assert payloads(gone) == [b"ab", b"c", b"de"]


def test_pause_lets_go_of_what_is_there() -> None:
    """A message that never ends is not kept for ever."""
    stream = merging()
    gone = stream.send(text("a", fin=False) + masked(0x0, b"b", fin=False))
    gone += stream.wake()
    gone += stream.send(masked(0x0, b"c"))
    seen = read(gone)
    assert all(frame.violations == () for frame in seen)
    assert [(frame.payload, frame.fin) for frame in seen] == [
        (b"ab", False),
        (b"c", True),
    ]


def test_window_bounds_what_becomes_one() -> None:
    """A message of more fragments becomes fewer of them."""
    stream = merging(window=2)
    gone = stream.send(text("a", fin=False))
    for letter in (b"b", b"c", b"d"):
        gone += stream.send(masked(0x0, letter, fin=False))
    gone += stream.send(masked(0x0, b"e"))
    assert payloads(gone) == [b"ab", b"cd", b"e"]


def test_bytes_that_are_kept_are_bounded() -> None:
    """Large fragments are let go before their message has ended."""
    stream = merging(window=1000)
    stream.send(masked(0x2, bytes(MOST_BYTES // 2), fin=False))
    assert stream.send(masked(0x0, bytes(MOST_BYTES // 2), fin=False)) != b""
    assert stream.toxic.wakes_at == NEVER


def test_message_that_another_one_breaks_off_is_let_go() -> None:
    """A sender that breaks the rules is not put right."""
    stream = merging()
    gone = stream.send(text("a", fin=False) + text("b"))
    assert gone == text("a", fin=False) + text("b")


# Writes


def test_frames_arrive_in_one_piece() -> None:
    """Several frames are one write, control frames too, in order."""
    stream = merging("writes", window=3)
    many = [text("a"), masked(0x9), text("b")]
    assert stream.send(many[0] + many[1]) == b""
    assert stream.send(many[2]) == b"".join(many)
    assert len(stream.sent) == 1


def test_pause_lets_go_of_few_frames() -> None:
    """They go on in one piece; one alone stays a frame."""
    stream = merging("writes")
    stream.send(text("a") + text("b"))
    assert stream.wake() == text("a") + text("b")
    stream.send(text("c"), now=5.0)
    assert stream.wake() == text("c")
    assert stream.times == [1.0, 6.0]
    assert [type(item).__name__ for _, item in stream.sent] == ["Bytes", "Frame"]


@pytest.mark.parametrize("frame", [text("b"), masked(0x9), masked(0x8)])
def test_unchosen_frames_do_not_overtake_a_write(frame: bytes) -> None:
    """What is kept goes before them."""
    stream = merging("writes")
    stream.send(text("a"))
    assert stream.let_by(frame) == text("a") + frame
