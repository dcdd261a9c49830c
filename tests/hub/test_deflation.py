"""Deflated frames: each one is compressed once for all who share a window."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.hub.deflation import (
    SMALLEST,
    DeflatedFrames,
    deflate_frame,
    shared_window,
)
from wavetank.wire import Frame, FrameReader, Inflater, Opcode, encode_frame


def frame_of(text: bytes) -> bytes:
    """Return the plain frame of a message."""
    return encode_frame(Opcode.TEXT, text)


def read(frame: bytes) -> Frame:
    """Return the only frame in these bytes."""
    (only,) = FrameReader(expect_mask=False, max_payload=None, rsv1=True).feed(frame)
    return only


def inflate(payload: bytes, window: int) -> bytes:
    """Return what a client with that window reads."""
    inflated = Inflater(None, window_bits=window, context_takeover=False)
    text = inflated.inflate(payload)
    assert isinstance(text, bytes)
    return text


@given(
    st.integers(9, 15),
    st.sampled_from([SMALLEST, 300, 70_000]),
    st.binary(min_size=1, max_size=50),
)
def test_client_inflates_a_frame_to_the_same_message(
    window: int, size: int, pattern: bytes
) -> None:
    """Whatever its window and the form of the frame's length."""
    text = (pattern * size)[:size]
    frame = read(deflate_frame(frame_of(text), window))
    assert frame.opcode == Opcode.TEXT
    assert (inflate(frame.payload, window) if frame.rsv1 else frame.payload) == text


@pytest.mark.parametrize("window", range(9, 16))
def test_frame_of_a_repetitive_message_shrinks(window: int) -> None:
    """And says by RSV1 that it is compressed."""
    plain = frame_of(b"wavetank " * 100)
    deflated = deflate_frame(plain, window)
    assert len(deflated) < len(plain) / 5
    assert read(deflated).rsv1


def test_frame_of_few_bytes_goes_as_it_is() -> None:
    """It would hardly shrink."""
    plain = frame_of(b"a" * (SMALLEST - 5))
    assert deflate_frame(plain, 15) is plain
    assert DeflatedFrames(15, 1).frame(1, plain) is plain


def test_frame_that_would_grow_goes_as_it_is() -> None:
    """Each message says by itself whether it is compressed."""
    plain = frame_of(random.Random(1).randbytes(500))
    assert deflate_frame(plain, 15) is plain


def test_frames_are_deflated_once() -> None:
    """Whoever comes later gets the same bytes."""
    frames = DeflatedFrames(15, 1)
    plain = frame_of(b"a" * 500)
    first = frames.frame(1, plain)
    assert frames.frame(1, plain) is first
    assert len(frames) == 1
    assert repr(frames) == "<DeflatedFrames 1 in 15 bits>"


def test_frames_go_with_their_entries() -> None:
    """Also where they were made out of order, and where none was made."""
    frames = DeflatedFrames(15, 3)
    frames.drop(4)
    for seq in (9, 6, 8):
        frames.frame(seq, frame_of(b"%d" % seq * 500))
    frames.drop(7)
    assert len(frames) == 2
    frames.drop(7)
    assert len(frames) == 2
    frames.drop(20)
    assert len(frames) == 0


@pytest.mark.parametrize(
    ("asked", "shared"),
    [(15, 15), (14, 12), (13, 12), (12, 12), (11, 9), (10, 9), (9, 9)],
)
def test_window_is_one_of_three_and_never_above_what_was_agreed(
    asked: int, shared: int
) -> None:
    """Seven windows would be seven times the work and the memory."""
    assert shared_window(asked) == shared
