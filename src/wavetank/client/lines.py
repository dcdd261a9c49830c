"""Lines: items and outcomes as lines of text, for people and for programs.

They refuse to know where lines go.
"""

import msgspec

from wavetank.client.failures import NotPublished
from wavetank.client.items import Event, Gap, Item, Stale
from wavetank.protocol import Position, encode_ts

__all__ = ["failed_line", "json_line", "published_line", "text_line"]

_encode = msgspec.json.Encoder().encode
_BREAKS = bytes.maketrans(b"\r\n", b"  ")


def json_line(item: Item) -> bytes:
    """Return an item as one JSON object and a line end.

    The payload of an event stands in it byte for byte, but for line ends between
    its tokens, which become spaces: JSON has line ends nowhere else.
    """
    if isinstance(item, Event):
        head = _encode({"type": "event", "topic": item.topic, "epoch": item.epoch})
        return b'%b,"seq":%d,"ts":%b,"data":%b}\n' % (
            head[:-1],
            item.seq,
            encode_ts(item.at),
            item.data.translate(_BREAKS),
        )
    return _encode(_told(item)) + b"\n"


def _told(item: Gap | Stale) -> dict[str, object]:
    if isinstance(item, Gap):
        return {
            "type": "gap",
            "topic": item.topic,
            "epoch": item.epoch,
            "from": item.first,
            "to": item.last,
            "reason": item.reason,
        }
    until = None if item.until is None else _milliseconds(item.until)
    return {
        "type": "stale" if item.is_stale else "fresh",
        "reason": item.reason,
        "since": _milliseconds(item.since),
        "until": until,
    }


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)


def text_line(item: Item) -> bytes:
    """Return an item as one line for a person."""
    if isinstance(item, Event):
        data = item.data.translate(_BREAKS)
        return b"%b %d %b\n" % (item.topic.encode(), item.seq, data)
    if isinstance(item, Gap):
        what = f"{item.count} missing" if item.count else "nothing known to be missing"
        # The reason is a hub's word, and a terminal obeys some characters.
        reason = "".join(each if each.isprintable() else "?" for each in item.reason)
        return f"# gap: {item.topic} {what}, {reason}\n".encode()
    if item.is_stale:
        return f"# stale: {item.reason}\n".encode()
    until = item.since if item.until is None else item.until
    return f"# fresh again after {max(0.0, until - item.since):.1f} s\n".encode()


def published_line(
    topic: str, position: Position | None, *, is_duplicate: bool
) -> bytes:
    """Return an acknowledgement as one JSON object and a line end."""
    told = {
        "type": "published",
        "topic": topic,
        "epoch": None if position is None else position.epoch,
        "seq": None if position is None else position.seq,
        "duplicate": is_duplicate,
    }
    return _encode(told) + b"\n"


def failed_line(topic: str, result: str, error: NotPublished) -> bytes:
    """Return why something was not acknowledged, as one JSON object and a line end.

    Args:
        topic: Where it should have gone.
        result: ``refused``, ``failed`` or ``kept``.
        error: Why.
    """
    told = {
        "type": result,
        "topic": topic,
        "code": error.code,
        "message": str(error),
        "certain": error.is_certain,
    }
    return _encode(told) + b"\n"
