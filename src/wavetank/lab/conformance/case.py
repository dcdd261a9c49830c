"""Cases of conformance as values: what is sent, and what may come back.

They refuse to know sockets, targets, and how a verdict is found.
"""

import enum
from collections.abc import Iterable, Sequence

import msgspec

from wavetank.wire import Opcode

__all__ = [
    "BROKEN",
    "LEAST_LIMIT",
    "NOT_UTF8",
    "Binary",
    "Case",
    "Chopped",
    "End",
    "Frame",
    "HalfClose",
    "Heard",
    "Level",
    "Need",
    "Outcome",
    "Pause",
    "Pong",
    "Raw",
    "Reset",
    "Step",
    "Text",
    "binary",
    "close",
    "continuation",
    "frames_of",
    "ping",
    "pong",
    "split",
    "text",
]


class Level(enum.StrEnum):
    """How much a rule binds (RFC 2119)."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"


class Need(enum.StrEnum):
    """What a target has to be able to do for a case to say anything."""

    ECHO = "echo"
    """A text comes back, by an echo or by publishing to itself."""
    BINARY = "binary echo"
    """A binary message comes back."""
    DEFLATE = "deflate"
    """It agrees to permessage-deflate as the case offers it."""
    TAKEOVER = "context takeover"
    """It reads a compressed message that points back into the one before."""
    PLAIN = "plain"
    """It listens without TLS: TCP itself is played with."""


# What is sent.


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """A frame, legal or not.

    Attributes:
        opcode: 0 to 15.
        payload: As it is before masking.
        fin: Whether it ends its message.
        rsv: The three reserved bits as a number: 4 is RSV1, 2 RSV2, 1 RSV3.
        mask: Masking key of 4 bytes; None is a random one.
        is_masked: Whether it is masked at all.
        form: Length written in 7, 16 or 64 bits; None is the shortest.
        declared: Length that the header says, where the payload has another.
    """

    opcode: int
    payload: bytes = b""
    fin: bool = True
    rsv: int = 0
    mask: bytes | None = None
    is_masked: bool = True
    form: int | None = None
    declared: int | None = None


class Raw(msgspec.Struct, frozen=True):
    """Bytes as they are, behind the opening handshake."""

    data: bytes


class Chopped(msgspec.Struct, frozen=True):
    """Frames whose bytes go out in pieces, each a write of its own.

    Attributes:
        frames: What is sent.
        size: Bytes of a piece.
    """

    frames: tuple[Frame, ...]
    size: int = 1


class Pause(msgspec.Struct, frozen=True):
    """Time for the target to react; it is over at once where the connection ends.

    Attributes:
        seconds: At most.
    """

    seconds: float = 0.5


class HalfClose(msgspec.Struct, frozen=True):
    """FIN: nothing more is sent, and reading goes on."""


class Reset(msgspec.Struct, frozen=True):
    """RST: the connection is gone at once."""


Step = Frame | Raw | Chopped | Pause | HalfClose | Reset


# What comes back.


class Text(msgspec.Struct, frozen=True, tag=True):
    """A text message."""

    data: bytes


class Binary(msgspec.Struct, frozen=True, tag=True):
    """A binary message."""

    data: bytes


class Pong(msgspec.Struct, frozen=True, tag=True):
    """A pong."""

    data: bytes


Heard = Text | Binary | Pong


class End(enum.StrEnum):
    """What becomes of the connection behind the last step."""

    OPEN = "open"
    """It goes on: a closing handshake that we begin with 1000 is answered, and TCP
    ended by the server."""
    CLOSED = "closed"
    """The close frame among the steps is answered, and TCP ended by the server."""
    FAILED = "failed"
    """The target fails it (RFC 6455 7.1.7): a close frame, if any, then TCP ends."""


BROKEN = frozenset({1002})
"""Close codes for broken rules of the protocol."""

NOT_UTF8 = frozenset({1007})
"""Close codes for text that is none."""

LEAST_LIMIT = 4096
"""Bytes of a message that any target takes; a limit below is none of its own but a
fault (RFC 6455 10.4 lets everybody have limits, and names none)."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which a case may end well.

    Attributes:
        heard: Messages and pongs, in their order; close frames are not among them.
        end: What becomes of the connection.
        codes: Close codes of the target that fit. None: behind our close frame its
            own code, and where the target fails the connection any at all.
        before: Index of the step that is next, at the latest, when the end comes:
            with 3 it has come while step 2 was done; None: any, or none.
        after: Index of the step that is next, at the earliest, when the end comes:
            with 3 it has not come before step 2 was done.
        note: What it should have done instead; then it is a PASS with that note.
    """

    heard: tuple[Heard, ...] = ()
    end: End = End.OPEN
    codes: frozenset[int] | None = None
    before: int | None = None
    after: int = 0
    note: str = ""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One row.

    Attributes:
        id: Such as ``3.2`` (where Autobahn has the case, its number) or ``M.4``.
        title: What is sent and what has to happen, as one sentence.
        clause: The rule, such as ``RFC 6455 5.2``.
        level: How much it binds.
        steps: What is sent behind the opening handshake.
        outcomes: Whatever may come of it; the first is the best.
        needs: Without these it says nothing.
        extensions: Offered in the opening handshake, as its header has it.
    """

    id: str
    title: str
    clause: str
    level: Level = Level.MUST
    steps: tuple[Step, ...]
    outcomes: tuple[Outcome, ...]
    needs: frozenset[Need] = frozenset()
    extensions: str = ""


# Frames that nearly every case is made of.


def text(payload: str | bytes = b"", *, fin: bool = True, rsv: int = 0) -> Frame:
    """Return a frame that begins a text message."""
    data = payload.encode() if isinstance(payload, str) else payload
    return Frame(opcode=Opcode.TEXT, payload=data, fin=fin, rsv=rsv)


def binary(payload: bytes = b"", *, fin: bool = True, rsv: int = 0) -> Frame:
    """Return a frame that begins a binary message."""
    return Frame(opcode=Opcode.BINARY, payload=payload, fin=fin, rsv=rsv)


def continuation(
    payload: str | bytes = b"", *, fin: bool = True, rsv: int = 0
) -> Frame:
    """Return a frame that goes on with a message."""
    data = payload.encode() if isinstance(payload, str) else payload
    return Frame(opcode=Opcode.CONTINUATION, payload=data, fin=fin, rsv=rsv)


def ping(payload: bytes = b"", *, fin: bool = True, rsv: int = 0) -> Frame:
    """Return a ping."""
    return Frame(opcode=Opcode.PING, payload=payload, fin=fin, rsv=rsv)


def pong(payload: bytes = b"", *, fin: bool = True, rsv: int = 0) -> Frame:
    """Return a pong."""
    return Frame(opcode=Opcode.PONG, payload=payload, fin=fin, rsv=rsv)


def close(
    code: int | None = None, reason: str | bytes = b"", *, body: bytes | None = None
) -> Frame:
    """Return a close frame.

    Args:
        code: 0 to 65535; None leaves the body empty.
        reason: Behind the code.
        body: The whole body, where it is none of the usual kind.
    """
    data = reason.encode() if isinstance(reason, str) else reason
    usual = b"" if code is None else code.to_bytes(2, "big") + data
    payload = usual if body is None else body
    return Frame(opcode=Opcode.CLOSE, payload=payload)


def split(payload: bytes, sizes: Iterable[int]) -> tuple[bytes, ...]:
    """Cut a payload into parts of these sizes; the rest is the last part."""
    parts, start = [], 0
    for size in sizes:
        parts.append(payload[start : start + size])
        start += size
    return (*parts, payload[start:])


def frames_of(steps: Sequence[Step]) -> list[Frame]:
    """Return all frames of some steps, in their order."""
    frames: list[Frame] = []
    for step in steps:
        if isinstance(step, Chopped):
            frames += step.frames
        elif isinstance(step, Frame):
            frames.append(step)
    return frames
