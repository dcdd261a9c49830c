"""Corrupt changes one part of a frame, and nothing else of it."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavetank.chaos.toxics.corrupt import PARTS, Corrupt
from wavetank.wire.frames import encode_frame

from .streams import MASK, Stream, masked, payloads, read, reasons, text


def corrupting(part: str, bits: int = 1, seed: int = 1) -> Stream:
    """Return a stream in which that part is corrupted."""
    return Stream(Corrupt(part=part, bits=bits, rng=random.Random(seed)))


def bits_between(one: bytes, other: bytes) -> int:
    """Return in how many bits two payloads of one size differ."""
    assert len(one) == len(other)
    return sum((a ^ b).bit_count() for a, b in zip(one, other, strict=True))


@settings(deadline=None, database=None)
@given(
    st.binary(min_size=1, max_size=300),
    st.sampled_from([None, MASK]),
    st.integers(1, 9),
    st.integers(0, 99),
)
def test_payload_differs_in_as_many_bits(
    payload: bytes, mask: bytes | None, bits: int, seed: int
) -> None:
    """The frame stays legal: header, length and mask are those of the sender."""
    sent = encode_frame(0x2, payload, mask=mask)
    gone = corrupting("payload", bits, seed).send(sent)
    (frame,) = read(gone, expect_mask=mask is not None)
    assert frame.violations == ()
    assert frame.mask == mask
    assert bits_between(payload, frame.payload) == min(bits, len(payload) * 8)
    assert gone == corrupting("payload", bits, seed).send(sent)


@pytest.mark.parametrize("part", ["payload", "utf8"])
def test_frame_without_payload_goes_by(part: str) -> None:
    """There is nothing in it to corrupt."""
    assert corrupting(part).send(text("")) == text("")


@pytest.mark.parametrize("mask", [None, MASK])
def test_text_is_no_utf8_any_more(mask: bytes | None) -> None:
    """One byte is one that UTF-8 never has; the mask is right."""
    (seen,) = payloads(corrupting("utf8").send(text("Grüße", mask=mask)))
    sent = "Grüße".encode()
    assert seen.count(0xFF) == 1
    assert len(seen) == len(sent)
    changed = [place for place, byte in enumerate(seen) if byte != sent[place]]
    assert len(changed) == 1


def test_close_reason_is_no_utf8_any_more() -> None:
    """The code before it stays."""
    for seed in range(20):
        gone = corrupting("utf8", seed=seed).send(masked(0x8, b"\x03\xe8bye"))
        (seen,) = payloads(gone)
        assert seen[:2] == b"\x03\xe8"
        assert seen[2:].count(0xFF) == 1


@pytest.mark.parametrize(
    "frame",
    [
        masked(0x2, b"binary"),
        masked(0x9, b"ping"),
        masked(0x3, b"reserved"),
        masked(0x0, b"text or not"),
        masked(0x8, b"\x03\xe8"),
        text("compressed", rsv1=True),
    ],
)
def test_what_is_no_utf8_goes_by(frame: bytes) -> None:
    """Only text in plain sight has UTF-8."""
    assert corrupting("utf8").send(frame) == frame


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ("rsv1", "RSV1 set without a meaning"),
        ("rsv2", "RSV2 set without a meaning"),
        ("rsv3", "RSV3 set without a meaning"),
        ("mask", "frame is not masked"),
    ],
)
def test_receiver_sees_a_corrupted_header(part: str, reason: str) -> None:
    """The rule is broken, the payload is there, and the next frame is whole."""
    gone = corrupting(part).send(text("a")) + text("b")
    assert reasons(gone) == [reason]
    assert [frame.payload for frame in read(gone)] == [b"a", b"b"]


def test_unmasked_frame_is_masked() -> None:
    """A server's frame arrives masked, which no server may do (RFC 6455 5.1)."""
    gone = corrupting("mask").send(text("a", mask=None))
    assert reasons(gone, expect_mask=False) == ["frame is masked"]
    assert read(gone)[0].payload == b"a"


@pytest.mark.parametrize("is_whole", [True, False])
def test_last_frame_of_a_message_is_another_one(is_whole: bool) -> None:
    """FIN is turned around, and nothing else."""
    gone = corrupting("fin").send(text("a", fin=is_whole))
    assert gone == text("a", fin=not is_whole)


@pytest.mark.parametrize(("opcode", "least"), [(0x1, 3), (0x0, 3), (0x9, 11)])
def test_opcode_is_a_reserved_one_of_its_sort(opcode: int, least: int) -> None:
    """Data stays data, control stays control; all reserved ones come up."""
    seen = set()
    for seed in range(60):
        (frame,) = read(corrupting("opcode", seed=seed).send(masked(opcode, b"a")))
        assert frame.payload == b"a"
        seen.add(frame.opcode)
    assert seen == set(range(least, least + 5))


@pytest.mark.parametrize("size", [0, 5, 125, 126, 0xFFFF, 0x10000])
@pytest.mark.parametrize("mask", [None, MASK])
def test_another_length_is_announced(size: int, mask: bytes | None) -> None:
    """It has the form of the true one, and all else of the frame is there."""
    sent = encode_frame(0x2, bytes(size), mask=mask)
    for seed in range(10):
        gone = corrupting("length", seed=seed).send(sent)
        head = {0: 2, 5: 2, 125: 2, 126: 4, 0xFFFF: 4, 0x10000: 10}[size]
        assert gone[0] == sent[0]
        assert gone[1] & 0x80 == sent[1] & 0x80
        assert gone[head:] == sent[head:]
        assert gone[1:head] != sent[1:head]


def test_what_is_behind_a_wrong_length_is_no_frame_for_other_toxics() -> None:
    """It is handed on as bytes: its borders are not where it says."""
    stream = corrupting("length")
    stream.send(text("a"))
    assert [type(item).__name__ for _, item in stream.sent] == ["Bytes"]


def test_unchosen_frames_go_by() -> None:
    """Only what was chosen is corrupted."""
    for part in PARTS:
        assert corrupting(part).let_by(text("a")) == text("a")
