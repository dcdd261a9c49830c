"""Cases of framing: payloads in every form of length, pings and pongs.

It refuses to know reserved bits, fragments and runners.
"""

from collections.abc import Callable
from itertools import combinations

from wavetank.lab.conformance.case import (
    BROKEN,
    Binary,
    Case,
    Chopped,
    End,
    Frame,
    Heard,
    Need,
    Outcome,
    Pong,
    Step,
    Text,
    binary,
    close,
    ping,
    pong,
    text,
)

__all__ = ["CASES", "MESSAGES", "PINGS", "failed", "in_one_write"]


def in_one_write(*frames: Frame) -> Chopped:
    """Return frames whose bytes go out together: a piece longer than all of them."""
    return Chopped(frames, size=2**20)


def failed(*heard: Heard) -> tuple[Outcome, ...]:
    """Return what may come of a bad frame: what came before it is answered, or not."""
    best = Outcome(heard=heard, end=End.FAILED, codes=BROKEN)
    if not heard:
        return (best,)
    note = "it should answer the message before the bad frame"
    return (best, Outcome(end=End.FAILED, codes=BROKEN, note=note))


def _echoed(
    group: str,
    build: Callable[[bytes], Frame],
    heard: type[Text | Binary],
    *,
    byte: bytes,
    need: Need,
) -> tuple[Case, ...]:
    """Return the cases of one kind of message: each length, the last in pieces."""
    kind = heard.__name__.lower()

    def case(number: int, subject: str, size: int, pieces: int | None = None) -> Case:
        frame = build(byte * size)
        return Case(
            id=f"{group}.{number}",
            title=f"{subject} comes back.",
            clause="RFC 6455 6.2" if pieces else "RFC 6455 5.2",
            steps=(Chopped((frame,), size=pieces) if pieces else frame,),
            outcomes=(Outcome(heard=(heard(frame.payload),)),),
            needs=frozenset({need}),
        )

    # Around the first lengths that need 16 bits, and 64 (RFC 6455 5.2).
    sizes = (125, 126, 127, 128, 65_535, 65_536)
    return (
        case(1, f"An empty {kind} message", 0),
        *(
            case(number, f"A {kind} message of {size} bytes", size)
            for number, size in enumerate(sizes, 2)
        ),
        case(8, f"A {kind} message of 65536 bytes in pieces of 997", 65_536, 997),
    )


def _answered(
    number: str, title: str, steps: tuple[Step, ...], payload: bytes, *, clause: str
) -> Case:
    """Return a case that one pong answers."""
    return Case(
        id=number,
        title=title,
        clause=clause,
        steps=steps,
        outcomes=(Outcome(heard=(Pong(payload),)),),
    )


def _unanswered(number: str, title: str, payload: bytes) -> Case:
    """Return a case of a pong that nobody asked for; a close frame follows it."""
    return Case(
        id=number,
        title=title,
        clause="RFC 6455 5.5.3",
        steps=(pong(payload), close(1000)),
        outcomes=(Outcome(end=End.CLOSED),),
    )


def _ten_pings(
    number: str, title: str, send: Callable[[tuple[Frame, ...]], Chopped]
) -> Case:
    """Return a case of ten pings: the last one has to be answered, others may be.

    RFC 6455 5.5.3 lets an endpoint that is behind answer the latest ping alone,
    and how far it is behind is its own affair.
    """
    payloads = [b"payload-%d" % place for place in range(10)]
    *earlier, last = map(Pong, payloads)
    return Case(
        id=number,
        title=title,
        clause="RFC 6455 5.5.3",
        steps=(send(tuple(map(ping, payloads))),),
        outcomes=tuple(
            Outcome(heard=(*answered, last))
            for count in range(len(earlier), -1, -1)
            for answered in combinations(earlier, count)
        ),
    )


MESSAGES: tuple[Case, ...] = (
    *_echoed("1.1", text, Text, byte=b"*", need=Need.ECHO),
    *_echoed("1.2", binary, Binary, byte=b"\xfe", need=Need.BINARY),
)

PINGS: tuple[Case, ...] = (
    _answered(
        "2.1",
        "A ping without payload gets a pong without payload.",
        (ping(),),
        b"",
        clause="RFC 6455 5.5.2",
    ),
    _answered(
        "2.2",
        "A ping with a text gets a pong with that text.",
        (ping(b"Hello, world!"),),
        b"Hello, world!",
        clause="RFC 6455 5.5.3",
    ),
    _answered(
        "2.3",
        "A ping with bytes that are not UTF-8 gets a pong with those bytes.",
        (ping(bytes.fromhex("00fffefdfcfb00ff")),),
        bytes.fromhex("00fffefdfcfb00ff"),
        clause="RFC 6455 5.5.3",
    ),
    _answered(
        "2.4",
        "A ping of 125 bytes gets a pong with those bytes.",
        (ping(b"\xfe" * 125),),
        b"\xfe" * 125,
        clause="RFC 6455 5.5.3",
    ),
    Case(
        id="2.5",
        title="A ping of 126 bytes fails the connection.",
        clause="RFC 6455 5.5",
        steps=(ping(b"\xfe" * 126),),
        outcomes=failed(),
    ),
    _answered(
        "2.6",
        "A ping of 125 bytes, sent byte by byte, gets a pong with those bytes.",
        (Chopped((ping(b"\xfe" * 125),)),),
        b"\xfe" * 125,
        clause="RFC 6455 6.2",
    ),
    _unanswered("2.7", "A pong without payload gets no answer.", b""),
    _unanswered(
        "2.8", "A pong with a payload gets no answer.", b"unsolicited pong payload"
    ),
    _answered(
        "2.9",
        "A pong gets no answer, and the ping behind it gets its pong.",
        (in_one_write(pong(b"unsolicited pong payload"), ping(b"ping payload")),),
        b"ping payload",
        clause="RFC 6455 5.5.3",
    ),
    _ten_pings(
        "2.10",
        "Of ten pings in one write the last gets its pong, and each other one may.",
        lambda frames: in_one_write(*frames),
    ),
    _ten_pings(
        "2.11",
        "Of ten pings sent byte by byte the last gets its pong, and each other one "
        "may.",
        Chopped,
    ),
)

CASES = (*MESSAGES, *PINGS)
