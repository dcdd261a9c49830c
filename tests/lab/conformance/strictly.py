"""What the tests of the tables share: a case's bytes, and an echo that is strict."""

from wavetank.lab.conformance.case import Binary, Case, Heard, Pong, Text, frames_of
from wavetank.wire import (
    Control,
    Message,
    MessageLimits,
    MessageReader,
    Opcode,
    encode_frame,
)

MASK = b"\x01\x02\x03\x04"
NO_LIMITS = MessageLimits(message_bytes=None, fragments=None)


def wire(case: Case) -> bytes:
    """Return what its steps put on the wire."""
    return b"".join(
        encode_frame(
            frame.opcode,
            frame.payload,
            fin=frame.fin,
            rsv1=bool(frame.rsv & 4),
            rsv2=bool(frame.rsv & 2),
            rsv3=bool(frame.rsv & 1),
            mask=MASK,
        )
        for frame in frames_of(case.steps)
    )


def plain(case: Case) -> list[tuple[int, int, bool, bytes]]:
    """Return opcode, reserved bits, FIN and payload of each frame."""
    return [
        (one.opcode, one.rsv, one.fin, one.payload) for one in frames_of(case.steps)
    ]


def heard(case: Case) -> tuple[tuple[Heard, ...], tuple[int, str] | None]:
    """Return what an echo that forgives nothing answers, and how it fails."""
    reader, answers = MessageReader(expect_mask=True, limits=NO_LIMITS), []
    for event in reader.feed(wire(case)):
        if isinstance(event, Message):
            kind = Text if event.opcode is Opcode.TEXT else Binary
            answers.append(kind(event.data))
        elif isinstance(event, Control) and event.opcode is Opcode.PING:
            answers.append(Pong(event.payload))
    broken = reader.violation
    return tuple(answers), broken and (broken.code, broken.clause)
