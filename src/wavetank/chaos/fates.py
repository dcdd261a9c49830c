"""What became of frames between two sides of a proxy, and who lost one that is missed.

It refuses to know sockets and clocks: it reads what was noted.
"""

import enum
from collections.abc import Callable, Iterable

import msgspec

from wavetank.chaos.toxic import Direction

__all__ = ["Crossing", "Fate", "Loser", "encode_crossing", "who_lost"]


class Fate(enum.StrEnum):
    """What became of a frame."""

    PASSED = "passed"
    """It left as it came."""
    CHANGED = "changed"
    """It left otherwise, or in part, or as a part of another one."""
    DROPPED = "dropped"
    """A toxic swallowed it."""
    HELD = "held"
    """It has not left: it waits for its time, or its link ended before."""
    ADDED = "added"
    """It never came: a toxic made it, or sent it again."""


class Crossing(msgspec.Struct, frozen=True, kw_only=True):
    """One frame on its way through the proxy.

    Attributes:
        link: Number of the link, from 1 in order of coming.
        direction: Which way it went.
        number: Which frame of its stream, from 1; 0 for one that was added.
        opcode: Its opcode.
        fin: Whether it ended its message.
        size: Bytes of its payload.
        came_at: When its last byte had come, in seconds of the proxy's clock; None
            for one that was added.
        left_at: When its last byte was written; None while it was not.
        fate: What became of it.
        by: Name of the toxic that did it; "" where none did, or it is not known.
        digest: Of its payload, unmasked: BLAKE2b of 8 bytes, in hex.
        start: First bytes of its payload, unmasked; as many as the log keeps.
    """

    link: int
    direction: Direction
    number: int
    opcode: int
    fin: bool
    size: int
    came_at: float | None
    left_at: float | None
    fate: Fate
    by: str = ""
    digest: str = ""
    start: bytes = b""


class Loser(enum.StrEnum):
    """Who lost a message, as far as the proxy can know."""

    SENDER = "sender"
    """It never came to the proxy."""
    PROXY = "proxy"
    """It came, and did not leave as it came: the fault was ours, on purpose."""
    READER = "reader"
    """It left as it came: whoever read the stream has lost it, or never read it."""
    UNKNOWN = "unknown"
    """It is not in the log, and the log does not have everything."""


def who_lost(
    crossings: Iterable[Crossing],
    is_it: Callable[[Crossing], bool],
    *,
    is_complete: bool = True,
) -> Loser:
    """Say who lost a message that did not arrive.

    Where it came more than once, once unharmed is enough: the reader had it.

    Args:
        crossings: Of the stream in which it was to arrive.
        is_it: Whether a frame is the message; by its digest or start, say.
        is_complete: Whether the log has every frame; False where some did not fit.
    """
    came = [each for each in crossings if is_it(each)]
    if any(each.left_at is not None and _is_whole(each) for each in came):
        return Loser.READER
    if came:
        return Loser.PROXY
    return Loser.SENDER if is_complete else Loser.UNKNOWN


def _is_whole(crossing: Crossing) -> bool:
    return crossing.fate in {Fate.PASSED, Fate.ADDED}


def encode_crossing(crossing: Crossing) -> bytes:
    """Return it as a line of JSON, without its end; ``start`` is in Base64."""
    return msgspec.json.encode(crossing)
