"""The client's shell: sockets, tasks, files and time around the pure half.

It refuses to decide anything that the pure half can decide.
"""

from wavetank.client.aio.door import LinkOptions, Token
from wavetank.client.aio.publisher import Publisher
from wavetank.client.aio.receipt import Receipt, Result
from wavetank.client.aio.subscriber import Subscriber
from wavetank.client.aio.subscription import Subscription

__all__ = [  # noqa: RUF022 - grouped by module
    # door
    "LinkOptions",
    "Token",
    # publisher
    "Publisher",
    # receipt
    "Receipt",
    "Result",
    # subscriber
    "Subscriber",
    # subscription
    "Subscription",
]
