"""The resilient client: subscriptions without silent loss, publications that arrive.

It refuses to know the hub, which it meets over a socket only.
"""

from wavetank.client.aio import (
    LinkOptions,
    Publisher,
    Receipt,
    Result,
    Subscriber,
    Subscription,
    Token,
)
from wavetank.client.backoff import Backoff
from wavetank.client.failures import GaveUp, NotPublished, Refused
from wavetank.client.items import Event, Gap, Item, Stale
from wavetank.client.wishes import Deliver, Since
from wavetank.protocol import Position

__all__ = [  # noqa: RUF022 - grouped by module
    # aio
    "LinkOptions",
    "Publisher",
    "Receipt",
    "Result",
    "Subscriber",
    "Subscription",
    "Token",
    # backoff
    "Backoff",
    # failures
    "GaveUp",
    "NotPublished",
    "Refused",
    # items
    "Event",
    "Gap",
    "Item",
    "Stale",
    # wishes
    "Deliver",
    "Since",
    # protocol
    "Position",
]
