"""Splicing: the two most frequent messages, put together from parts that are ready.

It refuses to know what else there is to say; ``messages`` writes the rest.
"""

import msgspec

from wavetank.protocol.fields import Id

__all__ = [
    "encode_event",
    "encode_published",
    "encode_ts",
    "event_head",
    "published_head",
]

_encode = msgspec.json.Encoder().encode


def event_head(topic: str) -> bytes:
    """Return what all events of a topic begin with; to be kept with the topic."""
    return b'{"type":"event","topic":%b,"seq":' % _encode(topic)


def encode_ts(at: float) -> bytes:
    """Write a time in seconds since 1970 UTC as ``ts``; the same for every subscriber.

    To be kept for all events of one append. Whole microseconds: it never decreases
    where ``at`` does not.
    """
    return b"%.3f" % (at * 1000)


def encode_event(
    head: bytes,
    seq: int,
    ts: bytes,
    payload: bytes,
    *,
    prev: int | None = None,
    tag: str = "",
) -> bytes:
    """Put an event together from parts that are ready, without encoding again.

    Args:
        head: From ``event_head``.
        seq: Its place in the log.
        ts: From ``encode_ts``.
        payload: One JSON text, as ``Publish.payload`` gave it.
        prev: Seq delivered before, where that is not ``seq - 1``.
        tag: Its chain tag; goes with ``prev``.
    """
    if prev is None:
        return b'%b%d,"ts":%b,"data":%b}' % (head, seq, ts, payload)
    jump = b',"prev":%d,"tag":"%b"' % (prev, tag.encode())
    return b'%b%d%b,"ts":%b,"data":%b}' % (head, seq, jump, ts, payload)


def published_head(topic: str, epoch: str) -> bytes:
    """Return what all answers to publications of a topic have in common."""
    return b'"topic":%b,"epoch":%b,"seq":' % (_encode(topic), _encode(epoch))


def encode_published(id: Id, head: bytes, seq: int) -> bytes:
    """Write the answer to a publication that was taken as a new one.

    The same as ``encode_reply(Published(...))`` in two thirds of the time, for it comes
    as often as events: ``benchmarks/publish_path.py``.

    Args:
        id: Of the command.
        head: From ``published_head``.
        seq: Its place in the log.
    """
    text = b"%d" % id if type(id) is int else _encode(id)
    return b'{"type":"published","id":%b,%b%d,"duplicate":false}' % (text, head, seq)
