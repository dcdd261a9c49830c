"""Effects: what a session asks its shell to do, as values.

They refuse to know how it is done.
"""

from typing import NamedTuple

import msgspec

from wavetank.protocol import Command, Push, Reply

__all__ = ["Beat", "Behind", "Close", "Effect", "Forbid", "Moment", "Perform", "Send"]


class Moment(NamedTuple):
    """When something happens.

    Attributes:
        now: Seconds on a clock that never jumps.
        wall: Seconds since 1970.
    """

    now: float
    wall: float


class Behind(msgspec.Struct, frozen=True):
    """How far a connection lags, over its live subscriptions.

    Attributes:
        age: Seconds since the oldest entry that it has not got was appended.
        size: Bytes that it has not got.
    """

    age: float
    size: int


class Send(msgspec.Struct, frozen=True):
    """Send a message."""

    message: Reply | Push


class Perform(msgspec.Struct, frozen=True):
    """The command is allowed: do it and answer."""

    command: Command


class Close(msgspec.Struct, frozen=True):
    """Begin the closing handshake; messages mean nothing from now on."""

    code: int
    reason: str


class Forbid(msgspec.Struct, frozen=True):
    """End a subscription that may not go on, and say why."""

    topic: str
    reason: str


class Beat(msgspec.Struct, frozen=True):
    """Send a heartbeat, and a ping with this payload where there is one."""

    ping: bytes | None


Effect = Send | Perform | Close | Forbid | Beat
