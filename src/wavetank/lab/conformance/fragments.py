"""Cases of fragments: messages in many frames, and control frames between them.

It refuses to know UTF-8, runners and how messages are put together again.
"""

from collections.abc import Callable, Iterator

from wavetank.lab.conformance.case import (
    Case,
    Chopped,
    Frame,
    Heard,
    Need,
    Outcome,
    Pause,
    Pong,
    Step,
    Text,
    continuation,
    ping,
    pong,
    split,
    text,
)
from wavetank.lab.conformance.framing import failed, in_one_write

__all__ = ["CASES", "in_fragments"]


def in_fragments(*payloads: str | bytes) -> tuple[Frame, ...]:
    """Return a text in as many frames as there are payloads, two or more."""
    first, *middle, last = payloads
    return (
        text(first, fin=False),
        *(continuation(payload, fin=False) for payload in middle),
        continuation(last),
    )


def _case(
    number: str, title: str, steps: tuple[Step, ...], outcomes: tuple[Outcome, ...]
) -> Case:
    """Return a case; it needs an echo where a text is among what is heard."""
    is_echoed = any(isinstance(heard, Text) for heard in outcomes[0].heard)
    return Case(
        id=number,
        title=title,
        clause="RFC 6455 5.4",
        steps=steps,
        outcomes=outcomes,
        needs=frozenset({Need.ECHO} if is_echoed else ()),
    )


def _answered(number: str, title: str, steps: tuple[Step, ...], *heard: Heard) -> Case:
    """Return a case of legal frames."""
    return _case(number, title, steps, (Outcome(heard=heard),))


def _refused(number: str, title: str, steps: tuple[Step, ...], *heard: Heard) -> Case:
    """Return a case of frames that fail the connection, behind what is heard."""
    return _case(number, title, steps, failed(*heard))


def _in_three_ways(
    build: Callable[..., Case],
    first: int,
    title: str,
    frames: tuple[Frame, ...],
    *heard: Heard,
) -> Iterator[Case]:
    """Yield three cases of the same bytes, by how these are cut into writes.

    Args:
        build: What makes a case.
        first: Last part of the number of the first case.
        title: Has ``{way}`` for how the frames are sent.
        frames: What is sent.
        *heard: What comes back.
    """
    ways: tuple[tuple[str, tuple[Step, ...]], ...] = (
        ("in one write", (in_one_write(*frames),)),
        ("frame by frame", frames),
        ("byte by byte", (Chopped(frames),)),
    )
    for place, (way, steps) in enumerate(ways, first):
        yield build(f"5.{place}", title.format(way=way), steps, *heard)


_HALVES = in_fragments("fragment1", "fragment2")
_BOTH = Text(b"fragment1fragment2")
_GREETING = text("Hello, world!")
_ORPHAN = continuation("non-continuation payload")
_ORPHAN_BEGUN = continuation("non-continuation payload", fin=False)

_MIDDLE = continuation("fragment1", fin=False)
_LAST = continuation("fragment1")
_REST = in_fragments("fragment2", "fragment3")

_FIVE = in_fragments(*(f"fragment{place}" for place in range(1, 6)))
_FIRST_PART = (*_FIVE[:2], ping(b"pongme 1!"))
_SECOND_PART = (*_FIVE[2:4], ping(b"pongme 2!"), _FIVE[4])
_PARTS_HEARD = (
    Pong(b"pongme 1!"),
    Pong(b"pongme 2!"),
    Text(b"fragment1fragment2fragment3fragment4fragment5"),
)

_LONG = b"*" * 65_536

CASES: tuple[Case, ...] = (
    _refused(
        "5.1",
        "A ping in two fragments fails the connection.",
        (in_one_write(ping(b"fragment1", fin=False), continuation("fragment2")),),
    ),
    _refused(
        "5.2",
        "A pong in two fragments fails the connection.",
        (in_one_write(pong(b"fragment1", fin=False), continuation("fragment2")),),
    ),
    *_in_three_ways(
        _answered, 3, "A text in two fragments, sent {way}, comes back.", _HALVES, _BOTH
    ),
    *_in_three_ways(
        _answered,
        6,
        "A ping between two fragments, sent {way}, gets its pong before the text "
        "comes back.",
        (_HALVES[0], ping(b"ping payload"), _HALVES[1]),
        Pong(b"ping payload"),
        _BOTH,
    ),
    *_in_three_ways(
        _refused,
        9,
        "A last fragment of no message and a text, sent {way}, fail the connection.",
        (_ORPHAN, _GREETING),
    ),
    *_in_three_ways(
        _refused,
        12,
        "A middle fragment of no message and a text, sent {way}, fail the connection.",
        (_ORPHAN_BEGUN, _GREETING),
    ),
    _refused(
        "5.15",
        "A text in two fragments comes back, and a third one behind its end fails the "
        "connection.",
        (
            in_one_write(
                *_HALVES, continuation("fragment3", fin=False), text("fragment4")
            ),
        ),
        _BOTH,
    ),
    _refused(
        "5.16",
        "A middle fragment of no message, before each of two texts in fragments, fails "
        "the connection.",
        (in_one_write(_MIDDLE, *_REST, _MIDDLE, *_REST),),
    ),
    _refused(
        "5.17",
        "A last fragment of no message, before each of two texts in fragments, fails "
        "the connection.",
        (in_one_write(_LAST, *_REST, _LAST, *_REST),),
    ),
    _refused(
        "5.18",
        "A second fragment that says text, too, fails the connection.",
        (in_one_write(text("fragment1", fin=False), text("fragment2")),),
    ),
    _answered(
        "5.19",
        "Two pings among five fragments, with a pause, get their pongs before the text "
        "comes back.",
        (in_one_write(*_FIRST_PART), Pause(0.3), in_one_write(*_SECOND_PART)),
        *_PARTS_HEARD,
    ),
    _answered(
        "5.20",
        "Two pings among five fragments, with a pause, sent frame by frame, get their "
        "pongs before the text comes back.",
        (*_FIRST_PART, Pause(0.3), *_SECOND_PART),
        *_PARTS_HEARD,
    ),
    _answered(
        "10.1.1",
        "A text of 65536 bytes in fragments of 1300 comes back.",
        (in_one_write(*in_fragments(*split(_LONG, [1300] * 50))),),
        Text(_LONG),
    ),
)
