"""Recovery: whether a subscription can go on where the last one ended.

It refuses to know where entries are kept and how they are sent.

Never a silent partial replay: either everything behind ``since`` follows, or
the answer says why not and the subscription goes on live.
"""

from typing import Literal

import msgspec

from wavetank.hub.log import TopicLog
from wavetank.protocol import Position, Reason, parse_tag

__all__ = ["Begin", "Since", "begin_at_time", "find_begin", "judge"]

Since = Position | Literal["earliest"] | None
"""Where a client wants to start."""


class Begin(msgspec.Struct, frozen=True):
    """Where a subscription starts.

    Attributes:
        after: Seq behind which events follow.
        tag: Chain tag of that place.
        recovered: Whether that is where the client wanted; None: it did not say.
        reason: Why not.
    """

    after: int
    tag: int
    recovered: bool | None = None
    reason: str | None = None


def find_begin(log: TopicLog, since: Since, time: float | None) -> Begin | None:
    """Decide where to start, as far as memory knows.

    Args:
        log: Of the topic.
        since: A position, everything retained, or None.
        time: Start with the first entry at or after it, in seconds since 1970;
            not beside ``since``.

    Returns:
        None where an entry has to be asked for that memory does not hold: then
        ``judge`` or ``begin_at_time`` decide.
    """
    if time is not None:
        return _find_time(log, time)
    if since is None:
        return Begin(log.visible, log.visible_tag)
    if since == "earliest":
        return Begin(log.base.seq, log.base.tag, recovered=True)
    tag = log.tag_at(since.seq)
    is_within = log.base.seq <= since.seq <= log.visible
    if tag is None and is_within and since.epoch == log.epoch:
        return None
    return judge(log, since, tag)


def judge(log: TopicLog, since: Position, tag: int | None) -> Begin:
    """Decide whether everything behind a position can follow.

    Args:
        log: Of the topic.
        since: The position that a client gave.
        tag: Of the log's own entry at ``since.seq``; None where it has none.
    """
    reason = _objection(log, since, tag)
    if reason is None and tag is not None:
        return Begin(since.seq, tag, recovered=True)
    return Begin(log.visible, log.visible_tag, recovered=False, reason=reason)


def _objection(log: TopicLog, since: Position, tag: int | None) -> str | None:
    """Say why not; a seq of another epoch means nothing, so that comes first."""
    if since.epoch != log.epoch:
        return Reason.EPOCH_CHANGED
    if since.seq > log.visible:
        return Reason.AHEAD
    if since.seq < log.base.seq or tag is None:
        return Reason.TRUNCATED
    if since.tag is not None and tag != parse_tag(since.tag):
        return Reason.DIVERGED
    return None


def _find_time(log: TopicLog, time: float) -> Begin | None:
    """Find a time in memory; None where entries before it may be elsewhere."""
    ring, time = log.ring, round(time, 6)
    is_all = ring.first == log.oldest
    if not is_all and not (ring.holds(ring.first) and ring[ring.first].at < time):
        if log.oldest <= log.visible:
            return None
        return Begin(log.visible, log.visible_tag, recovered=True)
    return begin_at_time(log, ring.seek(time) - 1, None)


def begin_at_time(log: TopicLog, after: int, tag: int | None) -> Begin | None:
    """Start at a place that a time was looked up for.

    Everything at or after that time follows, which is all that was asked for.

    Args:
        log: Of the topic.
        after: The entry before that time.
        tag: Its tag; None where memory should know.
    """
    after = min(max(after, log.base.seq), log.visible)
    known = log.tag_at(after)
    if known is None:
        known = tag
    return None if known is None else Begin(after, known, recovered=True)
