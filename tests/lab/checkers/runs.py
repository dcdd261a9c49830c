"""Hand-made histories in few words: two subscribers, one topic, one publisher.

They refuse to know what a checker makes of them.
"""

from wavetank.lab.checkers.delivery import Checker
from wavetank.lab.checkers.delivery_report import DeliveryReport
from wavetank.lab.checkers.history import (
    Connected,
    Delivered,
    Drained,
    Event,
    Fates,
    PublishInvoked,
    PublishOk,
    Subscribed,
)
from wavetank.lab.checkers.promises import AT_LEAST_ONCE, Anomaly, Promise

__all__ = ["FULL", "drained", "following", "got", "judged", "message", "sent", "wrong"]

FULL = 1024
"""Publications of a chunk."""


def message(number: int, publisher: str = "p") -> str:
    """Return the id of a message."""
    return f"w-r1-{publisher}-{number}"


def following(*names: str, head: int | None = 0, topic: str = "t") -> list[Event]:
    """Connect subscribers, and subscribe them."""
    return [
        event
        for name in names
        for event in (
            Connected(0.0, name, "c1"),
            Subscribed(0.0, name, topic, head, "e1"),
        )
    ]


def sent(
    number: int,
    seq: int | None = -1,
    *,
    publisher: str = "p",
    topic: str = "t",
    at: float = 1.0,
) -> list[Event]:
    """Publish a message, acknowledged; its seq is its number unless told otherwise."""
    id_ = message(number, publisher)
    place = number if seq == -1 else seq
    return [
        PublishInvoked(at, publisher, id_, topic, f"d{number}"),
        PublishOk(at, id_, place, "e1"),
    ]


def got(
    number: int,
    seq: int | None = -1,
    *,
    who: str = "a",
    connection: str = "c1",
    topic: str = "t",
    publisher: str = "p",
    digest: str | None = None,
    at: float = 2.0,
) -> Delivered:
    """Deliver a message, as it was published unless told otherwise."""
    return Delivered(
        at,
        who,
        connection,
        topic,
        message(number, publisher),
        number if seq == -1 else seq,
        "e1",
        f"d{number}" if digest is None else digest,
    )


def drained() -> Drained:
    """Finish the final phase."""
    return Drained(9.0)


def judged(
    *events: Event, promise: Promise = AT_LEAST_ONCE, fates: Fates | None = None
) -> DeliveryReport:
    """Judge a history."""
    checker = Checker(promise=promise)
    checker.take_all(events)
    return checker.judge(fates)


def wrong(*events: Event, promise: Promise = AT_LEAST_ONCE) -> dict[Anomaly, int]:
    """Return what is found in a history, without what is not."""
    counts = judged(*events, promise=promise).counts
    return {anomaly: count for anomaly, count in counts.items() if count}
