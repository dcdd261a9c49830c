"""What clients are tested with: groups of cases, most of them those of servers.

They refuse to know how a client is started, and who judges.
"""

import enum
from collections.abc import Iterable
from typing import Final

import msgspec

from wavetank.lab.conformance import (
    answers,
    close_matrix,
    closing,
    deflate_rules,
    fragments,
    framing,
    lengths,
    masking,
    offers,
    reserved,
    sequences,
    transport,
    unicode,
)
from wavetank.lab.conformance.case import (
    Binary,
    Case,
    End,
    HalfClose,
    Heard,
    Need,
    Outcome,
    Pong,
    Raw,
    Text,
    binary,
    ping,
    text,
)
from wavetank.lab.conformance.framing import in_one_write
from wavetank.lab.conformance.mirrored import mirrored
from wavetank.lab.conformance.worklist import Row
from wavetank.wire import encode_frame

__all__ = ["ECHOES", "GROUPS", "PROBE", "Group", "Sum", "echoes_of"]

_WORD: Final = b"wavetank"

(PROBE,) = mirrored(
    [
        Case(
            id="probe",
            title="A ping is answered, and a text and a binary message come back.",
            clause="RFC 6455 5",
            steps=(ping(_WORD), text(_WORD), binary(_WORD)),
            outcomes=(Outcome(heard=(Pong(_WORD), Text(_WORD), Binary(_WORD))),),
        )
    ]
)
"""What a client is first met with: is it there, and does it echo?"""

ECHOES: Final = frozenset({Need.ECHO, Need.BINARY})

_ECHOED: Final = {Text(_WORD): Need.ECHO, Binary(_WORD): Need.BINARY}


def echoes_of(heard: Iterable[Heard]) -> frozenset[Need]:
    """Return what came back of the probe.

    Nothing does where other messages come, too: nobody could tell them from echoes.
    """
    messages = {each for each in heard if not isinstance(each, Pong)}
    if not messages <= _ECHOED.keys():
        return frozenset()
    return frozenset(_ECHOED[each] for each in messages)


class Sum(enum.StrEnum):
    """What is judged over all connections of a run, beside the cases of a group."""

    NOTHING = ""
    REQUESTS = "requests"
    MASKS = "masks"


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A group of cases.

    Attributes:
        title: What it proves, as one sentence.
        rows: Its cases.
        sum: What is judged beside them.
    """

    title: str
    rows: tuple[Row, ...]
    sum: Sum = Sum.NOTHING


_HUNDRED = tuple(f"text {number}" for number in range(100))

_MASKED = (
    Case(
        id="K.117",
        title="A hundred texts come back, each with a mask of its own.",
        clause="RFC 6455 5.3",
        steps=(in_one_write(*map(text, _HUNDRED)),),
        outcomes=(Outcome(heard=tuple(Text(each.encode()) for each in _HUNDRED)),),
        needs=frozenset({Need.ECHO}),
    ),
)
"""Frames enough to judge their masks."""

_CUT = (
    Case(
        id="K.118",
        title="FIN in the middle of a header: the target ends TCP too.",
        clause="RFC 6455 7.1.4",
        steps=(Raw(encode_frame(1, b"Hello")[:1]), HalfClose()),
        outcomes=(Outcome(end=End.FAILED),),
    ),
)


def _group(title: str, *tables: Iterable[Case], more: tuple[Row, ...] = ()) -> Group:
    """Return a group of the cases that servers are tested with."""
    rows = tuple(case for table in tables for case in mirrored(table))
    return Group(title=title, rows=(*rows, *more))


GROUPS: Final[dict[str, Group]] = {
    "framing": _group(
        "Messages of every size come back, however their bytes come", framing.MESSAGES
    ),
    "pings": _group(
        "Pings are answered with their payload, and pongs with nothing", framing.PINGS
    ),
    "reserved": _group("Reserved bits and opcodes fail the connection", reserved.CASES),
    "fragments": _group(
        "Messages come whole out of their fragments, and broken orders fail",
        fragments.CASES,
    ),
    "unicode": _group(
        "Text is UTF-8, and what is not fails the connection with 1007",
        unicode.CASES,
        sequences.CASES,
    ),
    "closing": _group(
        "A close frame is answered with its code, and a bad one fails the connection",
        closing.CASES,
    ),
    "close_matrix": _group(
        "Close frames with every code, reason and form, and what stands around them",
        close_matrix.CASES,
    ),
    "masking": msgspec.structs.replace(
        _group(
            "Frames with a mask fail the connection; its own have masks that nobody "
            "can guess",
            masking.CASES,
            _MASKED,
        ),
        sum=Sum.MASKS,
    ),
    "lengths": _group(
        "Lengths are read in each of their forms, and what nobody can mean is refused",
        lengths.CASES,
    ),
    "transport": _group(
        "Frames are read however TCP cuts them, and where it ends in the middle",
        transport.CASES,
        more=_CUT,
    ),
    "deflate": _group(
        "Compressed messages are read as RFC 7692 has them, and RSV1 only as agreed",
        deflate_rules.CASES,
    ),
    "negotiation": Group(
        title="Only what was offered is agreed to, and only with legal parameters",
        rows=offers.OPENINGS,
    ),
    "handshake": Group(
        title="Its opening handshake is right, and a wrong answer does not open",
        rows=answers.OPENINGS,
        sum=Sum.REQUESTS,
    ),
}
"""In the order in which they are played. Answers that do not open come last: a client
that gives up at the first of them has been tested with everything else."""
