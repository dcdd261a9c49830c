"""Items: what a subscription hands out.

They refuse to know how they came, and who reads them.
"""

from typing import Any

import msgspec

from wavetank.protocol import Position, format_tag

__all__ = ["Event", "Gap", "Item", "Stale"]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A publication.

    Attributes:
        topic: The topic, also where a pattern was subscribed.
        epoch: Which life of the topic's log.
        seq: Its place in the log.
        at: Time of its append, in seconds since 1970.
        data: The payload: JSON, byte for byte as published.
        chain: Its chain tag, computed here; None where that was not possible.
    """

    topic: str
    epoch: str
    seq: int
    at: float
    data: bytes
    chain: int | None = None

    def json(self) -> Any:
        """Return the payload as a Python value.

        Raises:
            ValueError: If Python has nothing for it, such as a lone surrogate.
        """
        return msgspec.json.decode(self.data)

    @property
    def position(self) -> Position:
        """Where one goes on who has got this; the ``since`` of a later time."""
        return _position(self.epoch, self.seq, self.chain)


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Publications that will not come; it goes on behind ``last``.

    Attributes:
        topic: The topic.
        epoch: Which life of the topic's log it goes on in.
        first: First seq that will not come.
        last: Last seq that will not come; before ``first`` where none is known to
            be missing, as when a log has begun a new life and is still empty.
        reason: ``truncated``, ``epoch_changed``, ``ahead``, ``diverged``,
            ``forbidden`` are the hub's words. Ours are ``lost``: the hub did not
            send them however often it was asked; and ``positions_lost``: the
            position file could not be read, so what is missing is not known.
        chain: Chain tag of ``last``, or None.
    """

    topic: str
    epoch: str
    first: int
    last: int
    reason: str
    chain: int | None = None

    @property
    def count(self) -> int:
        """How many are known to be missing."""
        return max(0, self.last - self.first + 1)

    @property
    def position(self) -> Position:
        """Where one goes on who has got this."""
        return _position(self.epoch, self.last, self.chain)


class Stale(msgspec.Struct, frozen=True, kw_only=True):
    """What was handed out may be old by now, or it is not any more.

    Attributes:
        is_stale: Whether it may be old; False comes once all is up to date again.
        reason: ``disconnected``, or ``silent``: no heartbeat came.
        since: When the hub was heard last, in seconds since 1970.
        until: When it was up to date again; None while it is not.
    """

    is_stale: bool
    reason: str
    since: float
    until: float | None = None


Item = Event | Gap | Stale


def _position(epoch: str, seq: int, chain: int | None) -> Position:
    return Position(epoch, seq, None if chain is None else format_tag(chain))
