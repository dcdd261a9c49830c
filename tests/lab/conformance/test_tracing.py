"""A trace: what went over the wire, line by line, and no more lines than one reads."""

import pytest

from wavetank.lab.conformance.tracing import Tracing, annotate
from wavetank.wire import Frame, Opcode, encode_frame

MASK = b"\x00\x00\x00\x00"
HELLO = encode_frame(Opcode.TEXT, b"Hello", mask=MASK)


@pytest.mark.parametrize(
    ("frame", "line"),
    [
        (
            Frame(Opcode.TEXT, b"Hello"),
            "TEXT FIN length 5: 48 65 6c 6c 6f",
        ),
        (
            Frame(Opcode.BINARY, b"\xff", fin=False, rsv1=True, mask=MASK),
            "BINARY RSV1 MASK length 1: ff",
        ),
        (
            Frame(Opcode.CLOSE, rsv2=True, rsv3=True),
            "CLOSE FIN RSV2 RSV3 length 0: nothing",
        ),
        # Nothing is set.
        (Frame(Opcode.CONTINUATION, fin=False), "CONTINUATION length 0: nothing"),
        # Opcodes without a name.
        (Frame(0x3), "opcode 0x3 FIN length 0: nothing"),
        (Frame(0xF), "opcode 0xf FIN length 0: nothing"),
        # Longer than it had to be.
        (
            Frame(Opcode.PING, b"a", length_form=16),
            "PING FIN length 1 in 16 bits: 61",
        ),
        # Shown as far as one reads.
        (
            Frame(Opcode.PONG, b"\x00" * 32),
            f"PONG FIN length 32: {'00 ' * 31}00",
        ),
        (
            Frame(Opcode.PONG, b"\x00" * 33),
            f"PONG FIN length 33: {'00 ' * 31}00 ...",
        ),
        # Not kept.
        (
            Frame(Opcode.TEXT, length_form=64, announced=2**40),
            "TEXT FIN length 1099511627776 in 64 bits: nothing",
        ),
    ],
)
def test_a_frame_is_one_line(frame: Frame, line: str) -> None:
    """Opcode, bits, length and the beginning of the payload."""
    assert annotate(frame) == line


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (HELLO, ["TEXT FIN MASK length 5: 48 65 6c 6c 6f"]),
        (
            encode_frame(Opcode.PING, mask=MASK) * 2,
            ["PING FIN MASK length 0: nothing"] * 2,
        ),
        # Unmasked is told as it is.
        (encode_frame(Opcode.PING), ["PING FIN length 0: nothing"]),
        # The fragment is whole, though its message is not.
        (
            encode_frame(Opcode.TEXT, b"a", fin=False, mask=MASK),
            ["TEXT MASK length 1: 61"],
        ),
        (
            encode_frame(Opcode.CONTINUATION, b"a", fin=False, mask=MASK),
            ["CONTINUATION MASK length 1: 61"],
        ),
        # Less than a frame.
        (b"\x81", ["81 (no whole frame)"]),
        (HELLO[:5], ["81 85 00 00 00 (no whole frame)"]),
        (HELLO[:6], ["81 85 00 00 00 00 (no whole frame)"]),
        (HELLO[:-1], ["81 85 00 00 00 00 48 65 6c 6c (no whole frame)"]),
        (b"", ["nothing (no whole frame)"]),
        # A frame, and the beginning of the next one.
        (
            encode_frame(Opcode.PING, mask=MASK) + b"\x8a",
            [
                "PING FIN MASK length 0: nothing",
                "89 80 00 00 00 00 8a (no whole frame)",
            ],
        ),
    ],
)
def test_what_is_sent_is_told_frame_by_frame(data: bytes, lines: list[str]) -> None:
    """Frames are annotated, and bytes that are no whole frame stay bytes."""
    tracing = Tracing()
    tracing.sent(data)
    assert tracing.lines() == tuple(f"> {line}" for line in lines)


def test_a_trace_keeps_the_order_of_things() -> None:
    """Sent, received and noted stand as they came, each with its sign."""
    tracing = Tracing()
    tracing.sent(HELLO)
    tracing.received(Frame(Opcode.CLOSE, b"\x03\xea"))
    tracing.note("TCP ended: fin")
    assert tracing.lines() == (
        "> TEXT FIN MASK length 5: 48 65 6c 6c 6f",
        "< CLOSE FIN length 2: 03 ea",
        "= TCP ended: fin",
    )


def test_a_trace_is_bounded_and_says_how_much_is_missing() -> None:
    """Thirty lines of the beginning are kept, and thirty of the end."""
    tracing = Tracing()
    assert tracing.lines() == ()
    for number in range(60):
        tracing.note(str(number))
    assert tracing.lines() == tuple(f"= {number}" for number in range(60))
    assert repr(tracing) == "<Tracing 60 lines, 0 dropped>"
    tracing.note("one more")
    tracing.received(Frame(Opcode.PING))
    lines = tracing.lines()
    assert lines[29:32] == ("= 29", "= 2 lines left out", "= 32")
    assert lines[-1].startswith("< PING")
    assert repr(tracing) == "<Tracing 60 lines, 2 dropped>"
