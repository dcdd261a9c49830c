"""Time-outs as values: connections that stall, and what may become of each.

They refuse to know clocks and sockets: seconds come in as they were measured.

No clause of RFC 6455 or RFC 9112 demands a time-out: a server MAY keep a stalled
connection for ever. So the seconds are told, and a note where there was no end. A
FAIL is what breaks a MUST, and what harms others: a healthy connection that is
ended, and somebody who is not served because of a stranger.
"""

import enum

import msgspec

from wavetank.evidence import Verdict
from wavetank.lab.conformance.case import Level
from wavetank.lab.conformance.judge import Judgement
from wavetank.wire import Opcode, describe_close, encode_close, encode_frame

__all__ = [
    "NEWCOMERS",
    "PATIENCE",
    "RESIDENT",
    "STALLS",
    "Place",
    "Seen",
    "Service",
    "Stall",
    "Wish",
    "judge_service",
    "judge_stall",
    "opening_parts",
    "reason_to_skip_stall",
]

PATIENCE = 45.0
"""Seconds that a connection is watched at most: longer than the times which servers
commonly have, such as a ping after 20 s and its pong within another 20 s."""

_AT_ONCE = 5.0
"""Seconds for what has to come without any waiting."""


class Place(enum.StrEnum):
    """Where a connection stalls."""

    OPENING = "opening"
    """In the opening handshake."""
    TLS = "tls"
    """In the TLS handshake."""
    OPEN = "open"
    """Behind the 101 and the dialect's first words."""


class Wish(enum.StrEnum):
    """What should become of a connection."""

    ENDED = "ended"
    """The target ends it in time."""
    KEPT = "kept"
    """It stays open."""
    SERVED = "served"
    """It is answered all the while."""


class Stall(msgspec.Struct, frozen=True, kw_only=True):
    """One row.

    Attributes:
        id: Such as ``T.4``.
        title: What is sent and what has to happen, as one sentence.
        name: The connection in a few words.
        clause: The rule.
        level: How much it binds.
        place: Where it stalls.
        wish: What should become of it.
        held: In an opening handshake: the request goes out up to where these bytes
            stand last; None is nothing of it, b"" all.
        sent: In the other places: bytes that are sent at once.
        drip: Bytes behind these, each a write of its own, evenly over the time;
            there are more of them than the time lets through.
        is_dripped: Likewise what ``held`` has held back of the request.
        pings: Whether we send pings all the while.
        answers: Whether pings of the target are answered.
        half_closes: Whether FIN follows what was sent.
        closes: Whether the target is made to send a close frame.
        within: Seconds for the wish.
    """

    id: str
    title: str
    name: str
    clause: str
    level: Level = Level.MAY
    place: Place = Place.OPEN
    wish: Wish = Wish.ENDED
    held: bytes | None = None
    sent: bytes = b""
    drip: bytes = b""
    is_dripped: bool = False
    pings: bool = False
    answers: bool = False
    half_closes: bool = False
    closes: bool = False
    within: float = PATIENCE


class Seen(msgspec.Struct, kw_only=True):
    """What became of one connection.

    Attributes:
        status: Of an answer of HTTP; None where none came.
        has_closed: Whether a close frame came.
        code: Its code; None where it had none.
        closed_after: Seconds from the stall to the close frame.
        pings: How many pings came.
        ending: How the target ended TCP, ``fin`` or ``reset``; "" if it did not.
        after: Seconds from the stall to that end, or to ours.
        ended_at: Time of the target's end, on the clock of whoever watched.
        obstacle: Why nothing can be said about the target; "" if something can.
    """

    status: int | None = None
    has_closed: bool = False
    code: int | None = None
    closed_after: float = 0.0
    pings: int = 0
    ending: str = ""
    after: float = 0.0
    ended_at: float = 0.0
    obstacle: str = ""

    @property
    def seconds(self) -> float | None:
        """Seconds until the target began to end it; None where it did not."""
        if self.has_closed:
            return self.closed_after
        return self.after if self.ending else None


class Service(msgspec.Struct, kw_only=True):
    """How others were served all the while.

    Attributes:
        rounds: How often they were.
        slowest: Seconds of the longest wait among these.
        failure: In which way they were not; "" if they always were.
        code: With which close code, where the target ended the connection with one.
        obstacle: Why nothing can be said about the target; "" if something can.
    """

    rounds: int = 0
    slowest: float = 0.0
    failure: str = ""
    code: int | None = None
    obstacle: str = ""


# The rows.

_TEXT = encode_frame(Opcode.TEXT, b"x" * 125, mask=b"mask")
_FRAGMENT = encode_frame(Opcode.TEXT, b"Hel", fin=False, mask=b"mask")
_RESERVED = encode_frame(3, mask=b"mask")
_CLOSE = encode_frame(Opcode.CLOSE, encode_close(1000), mask=b"mask")
_CLIENT_HELLO = bytes.fromhex("1603010200010001fc0303")
"""The first bytes of a record with a ClientHello (RFC 8446 5.1 and 4.1.2)."""


def _opening(number: int, title: str, name: str, held: bytes | None) -> Stall:
    return Stall(
        id=f"T.{number}",
        title=f"{title}: the connection is ended in time.",
        name=name,
        clause="RFC 9112 9.5",
        place=Place.OPENING,
        held=held,
    )


_OPENING = (
    _opening(1, "Nothing follows TCP", "a connection without a request", None),
    _opening(
        2,
        "An opening handshake stalls in its request line",
        "half a request line",
        b" HTTP/1.1",
    ),
    _opening(
        3,
        "An opening handshake stalls in a header field",
        "half a header field",
        b"WebSocket-Key",
    ),
    _opening(
        4,
        "An opening handshake stalls before its last line end",
        "an opening handshake without its end",
        b"\r\n",
    ),
    msgspec.structs.replace(
        _opening(
            5,
            "An opening handshake comes byte by byte and has no end",
            "a dripping opening handshake",
            b"GET ",
        ),
        is_dripped=True,
    ),
    Stall(
        id="T.6",
        title="A TLS handshake stalls: the connection is ended in time.",
        name="half a TLS handshake",
        clause="CWE-400",
        place=Place.TLS,
        sent=_CLIENT_HELLO,
    ),
)

_OPEN = (
    Stall(
        id="T.7",
        title="A frame stalls in its header: the connection is ended in time.",
        name="half a frame header",
        clause="RFC 6455 7.3",
        sent=_TEXT[:1],
    ),
    Stall(
        id="T.8",
        title="A frame stalls in its payload: the connection is ended in time.",
        name="half a payload",
        clause="RFC 6455 7.3",
        sent=_TEXT[:60],
    ),
    Stall(
        id="T.9",
        title="A payload comes byte by byte and has no end: the connection is ended "
        "in time.",
        name="a dripping payload",
        clause="RFC 6455 7.3",
        sent=_TEXT[:6],
        drip=_TEXT[6:],
    ),
    Stall(
        id="T.10",
        title="A message stalls before its last fragment, with pings in between: the "
        "connection is ended in time.",
        name="half a message among pings",
        clause="RFC 6455 7.3",
        sent=_FRAGMENT,
        pings=True,
        answers=True,
    ),
    Stall(
        id="T.11",
        title="An idle connection that answers pings stays open.",
        name="an idle connection that answers pings",
        clause="RFC 6455 5.5.2",
        level=Level.SHOULD,
        wish=Wish.KEPT,
        answers=True,
    ),
    Stall(
        id="T.12",
        title="An idle connection that answers no ping is ended in time.",
        name="an idle connection that answers no ping",
        clause="RFC 6455 5.5.2",
    ),
    Stall(
        id="T.13",
        title="The target's close frame is not answered: it ends TCP in time.",
        name="a connection on which its close frame is not answered",
        clause="RFC 6455 7.1.1",
        level=Level.SHOULD,
        sent=_RESERVED,
        closes=True,
    ),
    Stall(
        id="T.14",
        title="Our close frame is answered and we keep TCP open: the target ends it "
        "at once.",
        name="a connection behind both close frames",
        clause="RFC 6455 5.5.1",
        level=Level.MUST,
        sent=_CLOSE,
        closes=True,
        within=_AT_ONCE,
    ),
    Stall(
        id="T.15",
        title="FIN in the middle of an opening handshake: the target ends TCP too.",
        name="a half-closed opening handshake",
        clause="RFC 9112 9.5",
        level=Level.SHOULD,
        place=Place.OPENING,
        held=b"WebSocket-Key",
        half_closes=True,
    ),
    Stall(
        id="T.16",
        title="FIN on an idle connection: the target ends TCP too.",
        name="a half-closed connection",
        clause="RFC 6455 7.1.4",
        level=Level.SHOULD,
        half_closes=True,
    ),
)

STALLS: tuple[Stall, ...] = (*_OPENING, *_OPEN)
"""All that stall, side by side."""

RESIDENT = Stall(
    id="T.17",
    title="While others stall, an open connection is served.",
    name="the slowest answer to an open connection",
    clause="CWE-400",
    level=Level.SHOULD,
    wish=Wish.SERVED,
    answers=True,
)
"""Who is there before the others stall."""

NEWCOMERS = Stall(
    id="T.18",
    title="While others stall, a new connection is opened and served.",
    name="the slowest answer to a newcomer",
    clause="CWE-400",
    level=Level.SHOULD,
    wish=Wish.SERVED,
)
"""Who comes while the others stall."""


def opening_parts(stall: Stall, request: bytes) -> tuple[bytes, bytes]:
    """Return what is sent of an opening handshake: at once, and byte by byte."""
    if stall.held is None:
        return b"", b""
    at = request.rfind(stall.held) if stall.held else len(request)
    return request[:at], request[at:] if stall.is_dripped else b""


def reason_to_skip_stall(stall: Stall, *, is_tls: bool, has_tls: bool) -> str:
    """Say why a row says nothing about a target; "" if it does.

    Args:
        stall: The row.
        is_tls: Whether the target is reached over TLS.
        has_tls: Whether it has a listener with TLS at all.
    """
    if stall.place is Place.TLS and not has_tls:
        return "the target has no TLS"
    if stall.half_closes and is_tls:
        return "TLS cannot be closed half"
    return ""


# What came of them.

_HALF_OPENED = "it must not open before the request is complete"
_GRACEFUL = "it should end TCP by FIN and not by RST (RFC 9112 9.5)"
_NO_FRAME = "it should send a close frame before it ends the connection (7.1.7)"
_ENDS_USED = "it ends a connection that is in use"
_WILLING = frozenset({1000, 1001, 1008, 1012, 1013})
"""Codes of a server that ends a connection because it wants to (RFC 6455 7.3), and
not because it takes its peer for dead; so do those from 3000 on."""


def judge_stall(stall: Stall, seen: Seen) -> Judgement:
    """Judge what became of a connection that stalled, or was idle."""
    verdict, note = _judge(stall, seen)
    said = seen.obstacle if verdict is Verdict.UNKNOWN else _said(stall, seen)
    if verdict is Verdict.UNKNOWN and not said:
        said = "it did not send the close frame that it was to send"
    return Judgement(verdict=verdict, expected=_expected(stall), seen=said, note=note)


def judge_service(service: Service) -> Judgement:
    """Judge how others were served while some stalled."""
    expected = "an answer every time"
    if service.obstacle:
        return Judgement(
            verdict=Verdict.UNKNOWN, expected=expected, seen=service.obstacle
        )
    seen = f"served {service.rounds} times, after {service.slowest:.2f} s at most"
    if service.failure:
        seen = f"{seen}, and then {service.failure}"
    is_harmed = bool(service.failure) and not _is_willing(service.code)
    return Judgement(
        verdict=Verdict.FAIL if is_harmed else Verdict.PASS,
        expected=expected,
        seen=seen,
        note=_ENDS_USED if service.failure and not is_harmed else "",
    )


def _judge(stall: Stall, seen: Seen) -> tuple[Verdict, str]:
    if seen.obstacle:
        return Verdict.UNKNOWN, ""
    if stall.place is Place.OPENING and seen.status == 101:
        return Verdict.FAIL, _HALF_OPENED
    if stall.wish is Wish.KEPT:
        return _judge_kept(seen)
    if seen.ending:
        return Verdict.PASS, _note(stall, seen)
    return _judge_unended(stall, seen)


def _judge_unended(stall: Stall, seen: Seen) -> tuple[Verdict, str]:
    """Judge a connection that should have been ended, and was not."""
    if stall.level is Level.MUST:
        return Verdict.FAIL, ""
    if stall.closes and not seen.has_closed:
        # Another case tells that it did not; this one is about what follows.
        return Verdict.UNKNOWN, ""
    if seen.has_closed and not stall.closes:
        # It has begun to end it, and waits for an answer to its close frame.
        return Verdict.PASS, ""
    return Verdict.PASS, f"it keeps {stall.name} for more than {stall.within:g} s"


def _judge_kept(seen: Seen) -> tuple[Verdict, str]:
    """Judge a connection that was idle and alive.

    RFC 6455 7.3 lets a server close it whenever desired; but who asks whether it is
    alive, is told so, and takes it for dead, has harmed it.
    """
    seconds = seen.seconds
    if seconds is None:
        return Verdict.PASS, ""
    if seen.pings and not _is_willing(seen.code):
        return Verdict.FAIL, ""
    return Verdict.PASS, f"it ends an idle connection after {seconds:.1f} s"


def _is_willing(code: int | None) -> bool:
    return code is not None and (code in _WILLING or code >= 3000)


def _note(stall: Stall, seen: Seen) -> str:
    """Say what should be better about an end that came in time."""
    if stall.place is Place.OPENING:
        # What drips is still on its way when the other side has closed.
        is_rude = seen.ending == "reset" and not stall.is_dripped
        return _GRACEFUL if is_rude else ""
    # Who has heard our FIN has nobody left to tell.
    must_tell = stall.place is Place.OPEN and not stall.half_closes
    return _NO_FRAME if must_tell and not seen.has_closed else ""


def _expected(stall: Stall) -> str:
    if stall.wish is Wish.KEPT:
        return "no end"
    return f"an end within {stall.within:g} s"


def _said(stall: Stall, seen: Seen) -> str:
    parts = []
    if seen.status is not None:
        parts.append(f"answered with {seen.status}")
    if stall.place is Place.OPEN and (seen.pings or stall.wish is Wish.KEPT):
        plural = "" if seen.pings == 1 else "s"
        parts.append(f"{seen.pings} ping{plural} came")
    if seen.has_closed:
        words = _code_words(seen.code)
        parts.append(f"its close frame {words} after {seen.closed_after:.1f} s")
    if seen.ending:
        parts.append(f"TCP ended by {seen.ending.upper()} after {seen.after:.1f} s")
    else:
        parts.append(f"TCP open after {seen.after:.1f} s")
    return ", ".join(parts)


def _code_words(code: int | None) -> str:
    if code is None:
        return "without a code"
    return f"with {code} ({describe_close(code).name})"
