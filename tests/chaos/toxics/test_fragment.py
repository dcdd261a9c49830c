"""Fragment splits messages as a sender may."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavetank.chaos.toxics.fragment import Fragment
from wavetank.wire.frames import encode_frame

from .streams import MASK, Stream, masked, payloads, read, text


@settings(deadline=None, database=None)
@given(st.binary(max_size=400), st.integers(1, 20), st.sampled_from([None, MASK]))
def test_fragments_make_the_same_message(
    payload: bytes, count: int, mask: bytes | None
) -> None:
    """As many as asked for, of nearly the same size, legal, masked as before."""
    stream = Stream(Fragment(fragments=count))
    gone = stream.send(encode_frame(0x2, payload, mask=mask))
    seen = read(gone, expect_mask=mask is not None)
    assert all(frame.violations == () for frame in seen)
    assert b"".join(frame.payload for frame in seen) == payload
    assert [frame.opcode for frame in seen] == [0x2] + [0x0] * (count - 1)
    assert [frame.fin for frame in seen] == [False] * (count - 1) + [True]
    assert {frame.mask for frame in seen} == {mask}
    sizes = [len(frame.payload) for frame in seen]
    assert max(sizes) - min(sizes) <= 1


def test_fragments_may_end_inside_a_character() -> None:
    """A receiver has to put UTF-8 together over frames (RFC 6455 5.6)."""
    assert payloads(Stream(Fragment(fragments=2)).send(text("ü"))) == [
        b"\xc3",
        b"\xbc",
    ]


def test_reserved_bits_stand_on_the_first_fragment_alone() -> None:
    """RSV1 marks a compressed message there, and nowhere else (RFC 7692 6.1)."""
    stream = Stream(Fragment(fragments=3))
    seen = read(stream.send(text("abc", rsv1=True, rsv3=True)))
    assert [(frame.rsv1, frame.rsv3) for frame in seen] == [
        (True, True),
        (False, False),
        (False, False),
    ]


@pytest.mark.parametrize("opcode", [0x8, 0x9, 0xA, 0xB])
def test_control_frames_are_never_split(opcode: int) -> None:
    """RFC 6455 5.4 forbids it, for those that are not defined yet too."""
    frame = masked(opcode, b"\x03\xe8ab")
    assert Stream(Fragment(fragments=2)).send(frame) == frame


def test_fragments_of_a_fragment_fit_its_message() -> None:
    """A first, a middle and a last one are split, and the message stays one."""
    stream = Stream(Fragment(fragments=2))
    gone = stream.send(text("ab", fin=False))
    gone += stream.send(masked(0x0, b"cd", fin=False) + masked(0x0, b"ef"))
    seen = read(gone)
    assert all(frame.violations == () for frame in seen)
    assert [frame.payload for frame in seen] == [b"a", b"b", b"c", b"d", b"e", b"f"]
    assert [frame.fin for frame in seen] == [False] * 5 + [True]
