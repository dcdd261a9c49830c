"""Streams are split into frames, and hostile ones are refused."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.errors import RemoteError
from wavetank.load.splitting import (
    Piece,
    join_fragment,
    join_frames,
    split_frame,
)
from wavetank.wire import Opcode, encode_frame

MASK = b"mask"
LARGEST = 64 * 1024 * 1024

FRAMES = st.lists(
    st.tuples(
        st.sampled_from([Opcode.CONTINUATION, Opcode.TEXT, Opcode.BINARY]),
        st.sampled_from([0, 125, 126]) | st.integers(0, 300),
    )
    | st.tuples(st.sampled_from([Opcode.PING, Opcode.PONG]), st.integers(0, 125)),
    max_size=6,
)
"""Opcodes, and lengths of payloads."""


def split(data: bytes) -> tuple[list[Piece], int]:
    """Return all frames of a stream, and how many bytes they take."""
    pieces = []
    at = 0
    while (piece := split_frame(data, at)) is not None:
        pieces.append(piece)
        at = piece.end
    return pieces, at


@given(FRAMES, st.integers(0, 400))
def test_stream_is_split_where_the_frames_end(
    kinds: list[tuple[int, int]], cut: int
) -> None:
    """Each whole frame is found with its payload; the beginning of one is not."""
    frames = [encode_frame(opcode, bytes(length)) for opcode, length in kinds]
    ends = list(accumulate(map(len, frames)))
    stream = b"".join(frames)[: -cut or None]
    whole = sum(end <= len(stream) for end in ends)
    pieces, used = split(stream)
    assert used == ([0, *ends])[whole]
    assert [piece.end for piece in pieces] == ends[:whole]
    assert [(piece.first & 0x0F, piece.end - piece.start) for piece in pieces] == (
        kinds[:whole]
    )


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536])
def test_frame_is_split_with_its_last_byte_and_not_before(length: int) -> None:
    """Each form of the length is understood, and waited for."""
    frame = encode_frame(Opcode.BINARY, bytes(length))
    head = len(frame) - length
    for cut in (*range(min(head + 1, len(frame))), len(frame) - 1):
        assert split_frame(frame[:cut], 0) is None
    assert split_frame(b"??" + frame, 2) == Piece(0x82, 2 + head, 2 + len(frame))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (encode_frame(Opcode.TEXT, b"1", mask=MASK), "masked"),
        (b"\x81\xff" + bytes(8), "masked"),
        (encode_frame(Opcode.TEXT, rsv1=True), "0xc1"),
        (encode_frame(Opcode.TEXT, rsv2=True), "0xa1"),
        (encode_frame(Opcode.BINARY, rsv3=True), "0x92"),
        # Opcodes that nobody has defined, and a control frame in fragments.
        (encode_frame(0x3), "0x83"),
        (encode_frame(0xB), "0x8b"),
        (encode_frame(Opcode.PING, fin=False), "0x09"),
        (encode_frame(Opcode.PING, bytes(126)), "control frame of 126 bytes"),
        (b"\x88\x7f" + b"\xff" * 8, "control frame"),
        # Refused by what it announces: nothing of it is waited for.
        (b"\x82\x7f" + (LARGEST + 1).to_bytes(8, "big"), "at most 67108864"),
        (b"\x82\x7f" + b"\xff" * 8, "at most 67108864"),
    ],
)
def test_what_no_server_may_send_is_refused(data: bytes, problem: str) -> None:
    """The first bytes are enough to know."""
    with pytest.raises(RemoteError, match=problem):
        split_frame(data, 0)


def test_largest_frame_is_waited_for() -> None:
    """The bound is the last length that is taken."""
    assert split_frame(b"\x82\x7f" + LARGEST.to_bytes(8, "big"), 0) is None


@given(st.binary(max_size=40), st.integers(0, 40))
def test_split_frame_raises_nothing_but_remote_errors(data: bytes, at: int) -> None:
    """Hostile bytes are a frame, the beginning of one, or the other side's mistake."""
    try:
        piece = split_frame(data, at)
    except RemoteError:
        return
    assert piece is None or at < piece.start <= piece.end <= len(data)


# Joining


@given(st.binary(), st.binary())
def test_join_frames_hands_out_what_is_kept_and_what_came(
    kept: bytes, data: bytes
) -> None:
    """While a frame's beginning is short, it is handed out each time."""
    rest = bytearray(kept)
    assert join_frames(rest, data) == kept + data
    assert not rest


@pytest.mark.parametrize("step", [1000, 5000, 70_000])
def test_long_frame_is_handed_out_once_when_it_is_whole(step: int) -> None:
    """A long frame in pieces is copied once: more than its beginning stays kept."""
    frame = encode_frame(Opcode.TEXT, bytes(50_000)) + b"more"
    rest = bytearray()
    handed = []
    for at in range(0, len(frame), step):
        data = join_frames(rest, frame[at : at + step])
        handed.append(len(data))
        if split_frame(data, 0) is None:
            rest += data
    assert handed[-1] == len(frame)
    assert sum(length for length in handed[:-1] if length > 6000) == 0
    assert not rest


def test_join_frames_refuses_a_long_rest_that_is_no_frame() -> None:
    """What cannot be a frame is not kept until it is one."""
    with pytest.raises(RemoteError):
        join_frames(bytearray(b"\xff" * 5000), b"1")


def test_join_fragment_returns_the_message_with_its_last_fragment() -> None:
    """Three fragments are one message; then the next one begins."""
    fragments = bytearray()
    assert join_fragment(fragments, 0x01, b"one ") is None
    assert join_fragment(fragments, 0x00, b"two ") is None
    assert join_fragment(fragments, 0x80, b"three") == b"one two three"
    assert not fragments
    assert join_fragment(fragments, 0x02, b"") is None
    assert join_fragment(fragments, 0x80, b"again") == b"again"


def test_join_fragment_drops_a_message_that_another_one_interrupts() -> None:
    """What is never whole is no message."""
    fragments = bytearray()
    join_fragment(fragments, 0x01, b"never")
    assert join_fragment(fragments, 0x01, b"whole ") is None
    assert join_fragment(fragments, 0x80, b"one") == b"whole one"


def test_fragments_that_never_end_are_refused_at_the_bound() -> None:
    """No more is held than of one frame."""
    fragments = bytearray()
    piece = bytes(LARGEST // 4)
    join_fragment(fragments, 0x01, piece)
    for _ in range(3):
        join_fragment(fragments, 0x00, piece)
    with pytest.raises(RemoteError, match="more than 67108864 bytes"):
        join_fragment(fragments, 0x00, b"1")
