"""Frames are made anew, and stay what they were but for what was asked."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavetank.chaos.framing import measure
from wavetank.chaos.reframing import (
    fresh_mask,
    is_compressed,
    is_control,
    is_fragment,
    make_frame,
    payload_of,
    refill,
)
from wavetank.chaos.toxic import Frame
from wavetank.wire.frames import encode_frame

MASK = b"\x37\xfa\x21\x3d"


def frame_of(data: bytes) -> Frame:
    """Return a frame from its bytes."""
    return Frame(data, measure(data, 0)[0])


@settings(deadline=None, database=None)
@given(
    st.integers(0, 255),
    st.binary(max_size=300) | st.just(bytes(70_000)),
    st.none() | st.binary(min_size=4, max_size=4),
)
def test_frame_is_made_of_its_parts(
    first: int, payload: bytes, mask: bytes | None
) -> None:
    """First byte, payload and mask are found again in the bytes."""
    frame = make_frame(first, payload, mask)
    assert measure(frame.data, 0) == (frame.head, len(frame.data))
    assert frame.data[0] == first
    assert payload_of(frame) == payload
    assert frame.mask == mask


@pytest.mark.parametrize("mask", [None, MASK])
def test_frame_is_made_as_the_codec_writes_it(mask: bytes | None) -> None:
    """The bytes are those of the frame codec."""
    expected = encode_frame(0x1, b"Hello", fin=False, rsv1=True, mask=mask)
    assert make_frame(0x41, b"Hello", mask).data == expected


@pytest.mark.parametrize("mask", [None, MASK])
def test_refilled_frame_keeps_bits_and_key(mask: bytes | None) -> None:
    """Another payload changes the length, and nothing else of the header."""
    frame = frame_of(encode_frame(0x2, b"Hello", rsv1=True, mask=mask))
    expected = encode_frame(0x2, b"Goodbye", rsv1=True, mask=mask)
    assert refill(frame, b"Goodbye").data == expected


def test_further_frame_is_masked_if_its_stream_is() -> None:
    """A client's stream gets a key from the dice, a server's none."""
    dice = random.Random(1)
    masked = frame_of(encode_frame(0x1, b"a", mask=MASK))
    assert fresh_mask(masked, dice) == random.Random(1).randbytes(4)
    assert fresh_mask(frame_of(encode_frame(0x1, b"a")), dice) is None


@pytest.mark.parametrize(
    ("first", "control", "fragment", "compressed"),
    [
        (0x81, False, False, False),
        (0x82, False, False, False),
        (0x01, False, True, False),
        (0x00, False, True, False),
        (0x80, False, True, False),
        (0xC1, False, False, True),
        (0x41, False, True, True),
        (0x89, True, False, False),
        (0x88, True, False, False),
        (0x8F, True, False, False),
        (0x09, True, False, False),
    ],
)
def test_frame_is_told_apart_by_its_first_byte(
    first: int, control: bool, fragment: bool, compressed: bool
) -> None:
    """Control frames, parts of messages and compressed ones are told apart."""
    frame = make_frame(first, b"", None)
    assert is_control(frame) is control
    assert is_fragment(frame) is fragment
    assert is_compressed(frame) is compressed
