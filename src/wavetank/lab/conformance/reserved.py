"""Cases of what RFC 6455 keeps for later: reserved bits and reserved opcodes.

It refuses to know extensions, runners and what a later RFC makes of them.
"""

from wavetank.lab.conformance.case import (
    Case,
    Chopped,
    Frame,
    Need,
    Step,
    Text,
    binary,
    ping,
    text,
)
from wavetank.lab.conformance.framing import failed, in_one_write
from wavetank.wire import Opcode

__all__ = ["CASES"]

_GREETING = b"Hello, world!"


def _refused(number: str, subject: str, frame: Frame) -> Case:
    """Return a case of one bad frame."""
    return Case(
        id=number,
        title=f"{subject} fails the connection.",
        clause="RFC 6455 5.2",
        steps=(frame,),
        outcomes=failed(),
    )


def _refused_later(number: str, subject: str, steps: tuple[Step, ...]) -> Case:
    """Return a case of a bad frame behind a good message, and before a ping."""
    return Case(
        id=number,
        title=f"{subject} fails the connection: the text before it comes back, the "
        "ping behind it gets no pong.",
        clause="RFC 6455 5.2",
        steps=steps,
        outcomes=failed(Text(_GREETING)),
        needs=frozenset({Need.ECHO}),
    )


def _around(bad: Frame) -> tuple[Frame, ...]:
    """Return a bad frame between a good message and a ping."""
    return (text(_GREETING), bad, ping())


def _opcodes(group: str, what: str, first: int) -> tuple[Case, ...]:
    """Return the cases of the five reserved opcodes that begin with this one."""
    third = Frame(opcode=first + 2)
    fourth, fifth = (Frame(opcode=first + n, payload=_GREETING) for n in (3, 4))
    return (
        _refused(
            f"{group}.1",
            f"A frame with the reserved {what} {first}, without payload,",
            Frame(opcode=first),
        ),
        _refused(
            f"{group}.2",
            f"A frame with the reserved {what} {first + 1} and a payload",
            Frame(opcode=first + 1, payload=b"reserved opcode payload"),
        ),
        _refused_later(
            f"{group}.3",
            f"A frame with the reserved {what} {first + 2}, without payload,",
            (in_one_write(*_around(third)),),
        ),
        _refused_later(
            f"{group}.4",
            f"A frame with the reserved {what} {first + 3} and a payload",
            (in_one_write(*_around(fourth)),),
        ),
        _refused_later(
            f"{group}.5",
            f"A frame with the reserved {what} {first + 4}, sent byte by byte,",
            (Chopped(_around(fifth)),),
        ),
    )


CASES: tuple[Case, ...] = (
    _refused("3.1", "A text frame with RSV3", text(_GREETING, rsv=1)),
    _refused_later(
        "3.2",
        "A text frame with RSV2",
        (in_one_write(*_around(text(_GREETING, rsv=2))),),
    ),
    _refused_later(
        "3.3",
        "A text frame with RSV2 and RSV3, in a write of its own,",
        _around(text(_GREETING, rsv=3)),
    ),
    _refused_later(
        "3.4",
        "A text frame with RSV1, sent byte by byte,",
        (Chopped(_around(text(_GREETING, rsv=4))),),
    ),
    _refused(
        "3.5",
        "A binary frame with RSV1 and RSV3",
        binary(bytes.fromhex("00fffefdfcfb00ff"), rsv=5),
    ),
    # Its description there says ping, but this is what it has always sent.
    _refused("3.6", "A binary frame with RSV1 and RSV2", binary(_GREETING, rsv=6)),
    _refused(
        "3.7",
        "A close frame with RSV1, RSV2 and RSV3",
        Frame(opcode=Opcode.CLOSE, rsv=7),
    ),
    *_opcodes("4.1", "opcode", 3),
    *_opcodes("4.2", "control opcode", 11),
)
