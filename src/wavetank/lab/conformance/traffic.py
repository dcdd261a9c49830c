"""Traffic: legal frames that have a target send something of every kind.

It refuses to judge the answers: other tables do that, and the audit what they are
made of.
"""

import hashlib
from collections.abc import Sequence

from wavetank.lab.conformance.case import (
    Binary,
    Case,
    End,
    Heard,
    Need,
    Outcome,
    Pong,
    Step,
    Text,
    binary,
    close,
    continuation,
    ping,
    split,
    text,
)

__all__ = ["TRAFFIC"]

_NOISE = b"".join(
    hashlib.sha256(bytes((number,))).hexdigest().encode() for number in range(32)
)
"""2048 characters that hardly repeat themselves."""

_TWICE = _NOISE + _NOISE
"""Whoever deflates it points back over 2048 bytes, where the window lets it."""

_SPLIT = split("κόσμε".encode(), (3,))
"""A text that is cut within a character."""

_OFFERS = (
    "permessage-deflate",
    "permessage-deflate; server_no_context_takeover",
    "permessage-deflate; server_max_window_bits=9",
)


def _echo(
    number: int, steps: Sequence[Step], *heard: Heard, need: Need = Need.ECHO
) -> Case:
    """Return a case of legal frames that come back, and a closing handshake."""
    return Case(
        id=f"traffic {number}",
        title="Legal frames come back.",
        clause="RFC 6455 6.2",
        steps=tuple(steps),
        outcomes=(Outcome(heard=heard),),
        needs=frozenset({need} if isinstance(heard[0], Text | Binary) else ()),
    )


def _deflated(number: int, offer: str) -> Case:
    """Return a case of messages that can be made much smaller, three of them alike."""
    return Case(
        id=f"traffic {number}",
        title="Messages come back where compression is offered.",
        clause="RFC 7692 7",
        steps=(text(_TWICE), text(_TWICE), text("Ĝis!"), text(_TWICE)),
        outcomes=(
            Outcome(
                heard=(Text(_TWICE), Text(_TWICE), Text("Ĝis!".encode()), Text(_TWICE))
            ),
        ),
        needs=frozenset({Need.ECHO, Need.DEFLATE}),
        extensions=offer,
    )


def _closing(number: int, step: Step) -> Case:
    """Return a case of a close frame that is answered."""
    return Case(
        id=f"traffic {number}",
        title="A close frame is answered.",
        clause="RFC 6455 5.5.1",
        steps=(step,),
        outcomes=(Outcome(end=End.CLOSED),),
    )


TRAFFIC: tuple[Case, ...] = (
    _echo(1, (text(), text("κόσμε")), Text(b""), Text("κόσμε".encode())),
    # Each length in another form (RFC 6455 5.2).
    _echo(2, (text("a" * 125), text("b" * 126)), Text(b"a" * 125), Text(b"b" * 126)),
    _echo(3, (text("c" * 65_536),), Text(b"c" * 65_536)),
    _echo(
        4,
        (text(_SPLIT[0], fin=False), ping(b"?"), continuation(_SPLIT[1])),
        Pong(b"?"),
        Text(b"".join(_SPLIT)),
    ),
    _echo(5, (binary(b"\x00\xff"),), Binary(b"\x00\xff"), need=Need.BINARY),
    _echo(6, (ping(), ping(b"p" * 125)), Pong(b""), Pong(b"p" * 125)),
    _closing(7, close()),
    _closing(8, close(1000, "ĝis")),
    _closing(9, close(4000)),
    # An event that brings it back needs 64 bits, where payloads end at 64 KiB.
    _echo(10, (text("d" * 65_480),), Text(b"d" * 65_480)),
    *(_deflated(number, offer) for number, offer in enumerate(_OFFERS, 11)),
)
"""One connection each."""
