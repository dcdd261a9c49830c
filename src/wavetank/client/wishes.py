"""Wishes: what a user asks a subscription for, judged.

They refuse to know what becomes of it.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import Literal

from wavetank.client.following import Wish
from wavetank.errors import LocalError
from wavetank.protocol import (
    MAX_SEQ,
    MaxRate,
    Position,
    is_pattern,
    matches,
    pattern_problem,
)

__all__ = ["Deliver", "Since", "make_wish", "read_deliver", "read_since"]

Since = Literal["earliest"] | Position | Mapping[str, Position] | datetime | float
"""Where to start: all that is kept, behind a position (of a topic) or several (of a
pattern), or from a time, in seconds since 1970 where it is a number."""

Deliver = Literal["all", "latest"] | float
"""How events come: all, only the newest when behind, or at most so many a second."""

MOST_RATE = 1_000_000
"""Events a second that a subscription may be bounded to."""


def make_wish(
    topic: str,
    since: Since | None,
    deliver: Deliver,
    kept: Mapping[str, Position] | None,
    *,
    is_lost: bool = False,
) -> Wish:
    """Return what to subscribe to.

    Args:
        topic: Topic or pattern.
        since: Where to start.
        deliver: How events come.
        kept: Positions of an earlier life, which go first; None if there was none.
        is_lost: Whether such positions were there, but could not be read.

    Raises:
        LocalError: If one of them is none.
    """
    problem = pattern_problem(topic)
    if problem:
        raise LocalError(f"topic {topic[:80]!r}: {problem}")
    how: Literal["all", "latest"] | MaxRate
    if isinstance(deliver, str):
        if deliver not in {"all", "latest"}:
            raise LocalError(f"deliver: {deliver!r} is neither all, latest nor a rate")
        how = deliver
    elif 0 < deliver <= MOST_RATE:
        how = MaxRate(max_rate=float(deliver))
    else:
        raise LocalError(f"deliver: {deliver!r} is not a rate up to {MOST_RATE}")
    start, known = _make_start(topic, since)
    if kept is not None:
        start, known = None, kept
    return Wish(topic=topic, since=start, known=known, deliver=how, is_lost=is_lost)


def _make_start(
    topic: str, since: Since | None
) -> tuple[Literal["earliest"] | float | None, Mapping[str, Position] | None]:
    """Return what to start with: a word or a time, or positions."""
    if since is None or isinstance(since, str):
        if since not in {None, "earliest"}:
            raise LocalError(f"since: {since!r} is not the word earliest")
        return since, None
    if isinstance(since, Position):
        if is_pattern(topic):
            raise LocalError("since: a pattern needs topics with their positions")
        return None, {topic: since}
    if isinstance(since, Mapping):
        if not is_pattern(topic):
            raise LocalError("since: a topic has one position")
        return None, {name: at for name, at in since.items() if matches(topic, name)}
    if isinstance(since, datetime):
        if since.tzinfo is None:
            raise LocalError("since: which time zone? make the datetime aware of it")
        since = since.timestamp()
    if not (isfinite(since) and since >= 0):
        raise LocalError(f"since: {since!r} is no time after 1970")
    return float(since), None


_PLACE = re.compile(r"([^:\s]{1,36}):([0-9]{1,16})(?::([0-9a-f]{8}))?")
_NUMBER = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?")


def read_since(typed: str) -> Since:
    """Read where to start: ``earliest``, a time, or a position ``EPOCH:SEQ[:TAG]``.

    Raises:
        ValueError: If it is none of these.
    """
    typed = typed.strip()
    if typed == "earliest":
        return "earliest"
    if _NUMBER.fullmatch(typed):
        return float(typed)
    try:
        time = datetime.fromisoformat(typed)
    except ValueError:
        place = _PLACE.fullmatch(typed)
        if place is None or int(place[2]) > MAX_SEQ:
            raise ValueError(
                f"{typed!r} is neither the word earliest, nor a time such as "
                "2026-01-31T12:00:00Z, nor a position EPOCH:SEQ[:TAG]"
            ) from None
        return Position(place[1], int(place[2]), place[3])
    if time.tzinfo is None:
        raise ValueError(f"{typed!r}: which time zone? put Z behind it for UTC")
    return time


def read_deliver(typed: str) -> Deliver:
    """Read how events come: ``all``, ``latest``, or at most so many a second.

    Raises:
        ValueError: If it is none of these.
    """
    typed = typed.strip()
    if typed == "all":
        return "all"
    if typed == "latest":
        return "latest"
    if _NUMBER.fullmatch(typed) and 0 < float(typed) <= MOST_RATE:
        return float(typed)
    raise ValueError(f"{typed!r} is neither all, latest, nor a number a second")
