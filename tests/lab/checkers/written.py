"""A history as somebody's clients would have written it down, operation by operation.

It refuses to know who reads it.
"""

import itertools
import json
from collections.abc import Iterable, Iterator

from wavetank.evidence import FaultBegan, FaultHealed, Kind, Operation, Record
from wavetank.lab.checkers.history import (
    Closed,
    Connected,
    Damaged,
    Delivered,
    Drained,
    DropNotice,
    Event,
    FaultBegins,
    FaultHeals,
    Gap,
    Healed,
    Kept,
    PublishFailed,
    PublishInfo,
    PublishInvoked,
    PublishOk,
    Reconnected,
    Resumed,
    Subscribed,
    Unsubscribed,
)
from wavetank.lab.checkers.journal_events import UNFINISHED

__all__ = ["digest_in", "written"]


def written(events: Iterable[Event]) -> Iterator[Record]:
    """Yield the records of a history."""
    numbers = itertools.count(1)
    # Message -> publisher and number of the operation.
    open_: dict[str, tuple[str, int]] = {}
    for event in events:
        match event:
            case FaultBegins(at, name):
                yield FaultBegan(at=at, suite="", check="", name=name, what="cut")
            case FaultHeals(at, name):
                yield FaultHealed(at=at, suite="", check="", name=name)
            case PublishInvoked(at, publisher, id_, topic, digest):
                open_[id_] = publisher, next(numbers)
                yield _did(
                    event,
                    "publish",
                    Kind.INVOKE,
                    peer=publisher,
                    id=open_[id_][1],
                    topic=topic,
                    detail=_payload(id_, digest),
                )
            case PublishOk() | PublishFailed() | PublishInfo():
                yield from _answered(event, open_)
            case Subscribed(at, who, topic, head, epoch):
                yield _did(
                    event,
                    "subscribe",
                    Kind.OK,
                    peer=who,
                    id=next(numbers),
                    topic=topic,
                    seq=head,
                    detail=f"epoch {epoch}" if epoch else "",
                )
            case Healed():
                yield _did(event, "healed")
            case Reconnected():
                yield _did(event, "reconnected")
            case Drained(_, finished):
                yield _did(event, "drained", detail="" if finished else UNFINISHED)
            case Connected() | Resumed() | Closed() | Unsubscribed():
                yield _come_or_gone(event)
            case _:
                yield _heard(event)


def _answered(
    event: PublishOk | PublishFailed | PublishInfo, open_: dict[str, tuple[str, int]]
) -> Iterator[Record]:
    if event.id not in open_:
        return
    peer, number = open_[event.id]
    match event:
        case PublishOk(_, _, seq, epoch):
            detail = f"epoch {epoch}" if epoch else ""
            yield _did(
                event, "publish", Kind.OK, peer=peer, id=number, seq=seq, detail=detail
            )
        case PublishFailed():
            yield _did(event, "publish", Kind.FAIL, peer=peer, id=number)
        case PublishInfo():
            yield _did(event, "publish", Kind.INFO, peer=peer, id=number)


def _come_or_gone(
    event: Connected | Resumed | Closed | Unsubscribed,
) -> Operation:
    if isinstance(event, Unsubscribed):
        who, topic, head = event.subscriber, event.topic, event.head
        return _did(event, "unsubscribe", Kind.OK, peer=who, topic=topic, seq=head)
    if isinstance(event, Closed):
        return _did(event, "cut", peer=event.subscriber)
    name = "open" if isinstance(event, Connected) else "resume"
    return _did(event, name, Kind.OK, peer=event.subscriber)


def _heard(event: Event) -> Operation:
    match event:
        case Delivered(_, who, _, topic, id_, seq, _, digest, replay):
            name = "replayed" if replay else "event"
            detail = _payload(id_, digest) if id_ else digest
            return _did(event, name, peer=who, topic=topic, seq=seq, detail=detail)
        case Damaged(_, who, _, topic, detail):
            return _did(event, "damaged", peer=who, topic=topic, detail=detail)
        case Gap(_, who, topic, first, last, epoch):
            ends = f"{first}" if last is None else f"{first} {last}"
            ends += f" epoch {epoch}" if epoch else ""
            return _did(event, "gap", peer=who, topic=topic, detail=ends)
        case DropNotice(_, who, topic, count):
            return _did(event, "dropped", peer=who, topic=topic, detail=str(count))
        case Kept(_, topic, id_):
            return _did(event, "kept", topic=topic, detail=_payload(id_, ""))
    raise AssertionError(event)


def _did(
    event: Event,
    name: str,
    kind: Kind = Kind.INFO,
    *,
    peer: str = "",
    id: int = 0,
    topic: str = "",
    seq: int | None = None,
    detail: str = "",
) -> Operation:
    return Operation(
        at=event.at,
        check="",
        peer=peer,
        kind=kind,
        name=name,
        id=id,
        topic=topic,
        seq=seq,
        detail=detail,
    )


def _payload(id_: str, digest: str) -> str:
    """Return a payload; those of one digest are the same."""
    return json.dumps({"id": id_, "digest": digest})


def digest_in(payload: str) -> str:
    """Return the digest that stands in a payload."""
    try:
        return str(json.loads(payload)["digest"])
    except (ValueError, TypeError):
        return payload
