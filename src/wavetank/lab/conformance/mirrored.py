"""Cases seen from the other side: what tests a server, turned around to test a client.

It refuses to know sockets, and which tables there are.
"""

import re
from collections.abc import Iterable

import msgspec

from wavetank.lab.conformance.case import (
    BROKEN,
    Case,
    Chopped,
    End,
    Frame,
    Outcome,
    Pong,
    Raw,
    Reset,
    Step,
    frames_of,
)
from wavetank.wire import Opcode, may_be_sent

__all__ = ["mirrored"]

_OTHER_WORDS = {
    "without a mask": "with a mask",
    "an unmasked": "a masked",
    "a masked": "an unmasked",
    "unmasked": "masked",
    "masked": "unmasked",
    "client": "server",
    "server": "client",
}
_words = re.compile(
    "|".join(rf"\b{word}\b" for word in sorted(_OTHER_WORDS, key=len, reverse=True)),
    re.IGNORECASE,
)

_SIDES = re.compile("(client|server)(?=_)")
"""Whom a parameter of permessage-deflate is about."""

_OF_MASKS = frozenset({"B.18", "B.21", "L.51", "L.52", "L.53"})
"""Cases of bytes that are cut within a mask."""

_LATE_PONG = Outcome(heard=(Pong(b""),), end=End.CLOSED, codes=frozenset({1000}))
_MORE_OUTCOMES = {"7.1.6": (_LATE_PONG,)}
"""A ping behind a close frame needs no pong, but may have one (RFC 6455 5.5.2): a
browser closes when its page has had a turn, and answers pings until then."""

_header = re.compile(r"(?<=header of )\d+(?= bytes)")
_MASK = 4
_LENGTHS = {126: 2, 127: 8}
"""Bytes of a length behind the first two, by what stands there (RFC 6455 5.2)."""


def mirrored(cases: Iterable[Case]) -> tuple[Case, ...]:
    """Return cases as a client is tested with them.

    A server must not mask, so frames lose their masks, and those that had none get
    one. Left out is what has no other side: masks of a certain kind, and RST, behind
    which nothing is seen of a client.
    """
    return tuple(_turned(case) for case in cases if _has_sides(case))


def _has_sides(case: Case) -> bool:
    if case.id in _OF_MASKS or any(isinstance(step, Reset) for step in case.steps):
        return False
    return all(frame.mask is None for frame in frames_of(case.steps))


def _turned(case: Case) -> Case:
    outcomes = (*case.outcomes, *_MORE_OUTCOMES.get(case.id, ()))
    title = _other(case.title)
    if _is_of_clients(case):
        # RFC 6455 7.4.1: a server does not send this code, so it need not be taken.
        outcomes = (*outcomes, Outcome(end=End.FAILED, codes=BROKEN))
        title = f"{title.removesuffix('.')}, or fails the connection."
    return msgspec.structs.replace(
        case,
        title=title,
        steps=_turned_bytes(tuple(map(_turned_step, case.steps))),
        outcomes=tuple(
            msgspec.structs.replace(each, note=_other(each.note)) for each in outcomes
        ),
        extensions=_SIDES.sub(lambda side: _OTHER_WORDS[side[0]], case.extensions),
    )


def _turned_step(step: Step) -> Step:
    if isinstance(step, Chopped):
        frames = tuple(map(_turned_frame, step.frames))
        return msgspec.structs.replace(step, frames=frames)
    return _turned_frame(step) if isinstance(step, Frame) else step


def _turned_frame(frame: Frame) -> Frame:
    return msgspec.structs.replace(frame, is_masked=not frame.is_masked)


def _turned_bytes(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Take the masks out of bytes, wherever these are cut."""
    data = b"".join(step.data for step in steps if isinstance(step, Raw))
    bare, places = _unmasked(data)
    turned: list[Step] = []
    start = 0
    for step in steps:
        if not isinstance(step, Raw):
            turned.append(step)
            continue
        end = start + len(step.data)
        turned.append(Raw(bare[_without(places, start) : _without(places, end)]))
        start = end
    return tuple(turned)


def _unmasked(data: bytes) -> tuple[bytes, list[int]]:
    """Return frames without their masks, and where in the data these were."""
    bare, places = b"", []
    start = 0
    while start < len(data):
        length = data[start + 1] & 0x7F
        place = start + 2 + _LENGTHS.get(length, 0)
        if length in _LENGTHS:
            length = int.from_bytes(data[start + 2 : place], "big")
        end = place + _MASK + length
        mask, payload = data[place : place + _MASK], data[place + _MASK : end]
        bare += data[start : start + 1] + bytes([data[start + 1] & 0x7F])
        bare += data[start + 2 : place] + _xor(payload, mask)
        places.append(place)
        start = end
    return bare, places


def _xor(payload: bytes, mask: bytes) -> bytes:
    """Return a payload as it is without its mask."""
    size = len(payload)
    key = (mask * (size // _MASK + 1))[:size]
    return (int.from_bytes(payload) ^ int.from_bytes(key)).to_bytes(size)


def _without(places: list[int], at: int) -> int:
    """Return where a place in masked bytes is once the masks are out."""
    return at - sum(min(max(at - place, 0), _MASK) for place in places)


def _is_of_clients(case: Case) -> bool:
    """Tell whether it sends a close code that only a client may send."""
    return any(
        frame.opcode == Opcode.CLOSE
        and len(frame.payload) > 1
        and _only_a_client_sends(int.from_bytes(frame.payload[:2], "big"))
        for frame in frames_of(case.steps)
    )


def _only_a_client_sends(code: int) -> bool:
    return may_be_sent(code, by_server=False) and not may_be_sent(code, by_server=True)


def _other(words: str) -> str:
    """Return a sentence about the other side."""
    shorter = _header.sub(lambda found: str(int(found[0]) - _MASK), words)
    return _words.sub(_other_word, shorter)


def _other_word(found: re.Match[str]) -> str:
    other = _OTHER_WORDS[found[0].lower()]
    return other.capitalize() if found[0][0].isupper() else other
