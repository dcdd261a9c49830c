"""Wrecks that bear faults badly: peers that are away, gone, slow, or back too soon.

They refuse to know what is in a message, and who makes the faults.
"""

import asyncio
import collections
import contextlib
import os
from typing import Any

from wavetank.wire import Refusal, Request, Upgrade
from wavetank.wrecks.commands import Command
from wavetank.wrecks.connection import Connection
from wavetank.wrecks.log import Entry
from wavetank.wrecks.sound import SoundServer

__all__ = [
    "DiesOnHalfFrame",
    "HalfOpenKept",
    "ResetMutesTopic",
    "SessionsLeaked",
    "SilentOverflow",
    "SlotsKept",
    "SlowConsumerBlocksAll",
    "UnacknowledgedWithoutAudience",
]

_FULL = 65_536
"""Bytes that wait for a peer beyond what the system takes: from here on it is slow."""
_MOST_WAITING = 2_000
"""Events that may wait behind a slow consumer; then the oldest are gone."""
_LOOK_EVERY = 0.02
_SLOTS = 20
_SLOT_FOR = 300.0
"""Seconds that `SlotsKept` keeps the slot of a connection that has ended."""
_MOST_LEAKED = 512
"""Sessions whose memory and descriptor are lost at most: the machine stays whole."""


# Nobody there


class UnacknowledgedWithoutAudience(SoundServer):
    """A publication that nobody is subscribed to is not acknowledged."""

    def acknowledge(
        self, connection: Connection, command: Command, entry: Entry
    ) -> None:
        """Say nothing where nobody listens."""
        if self.audience(command.topic):
            super().acknowledge(connection, command, entry)


class ResetMutesTopic(SoundServer):
    """Once a subscriber ends with RST, nobody gets live events of its topics."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.muted: set[str] = set()

    def on_lost(self, connection: Connection, error: Exception | None) -> None:
        """Mute what it had."""
        if error is not None:
            self.muted.update(self._topics.get(connection, ()))
        super().on_lost(connection, error)

    def audience(self, topic: str) -> list[Connection]:
        """Return nobody for a topic that is muted."""
        return [] if topic in self.muted else super().audience(topic)


class DiesOnHalfFrame(SoundServer):
    """A connection that ends with RST in the middle of a frame brings the server down.

    The end of TCP there does not.
    """

    def on_lost(self, connection: Connection, error: Exception | None) -> None:
        """Crash where the frame has to be thrown away."""
        is_cut = error is not None and connection.is_half
        super().on_lost(connection, error)
        if is_cut:
            self.crash()


class HalfOpenKept(SoundServer):
    """Who does not answer pings is kept for ever."""

    def on_silent(self, connection: Connection) -> None:
        """Hope."""


# Slow


class SlowConsumerBlocksAll(SoundServer):
    """While 64 KiB wait for one connection, no other gets events."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.waiting: collections.deque[tuple[list[Connection], str, Entry]] = (
            collections.deque(maxlen=_MOST_WAITING)
        )
        self.timer: asyncio.TimerHandle | None = None

    def deliver(self, topic: str, entry: Entry) -> None:
        """Let it wait in one queue for all."""
        self.waiting.append((self.audience(topic), topic, entry))
        if self.timer is None:
            self.send_waiting()

    def send_waiting(self) -> None:
        """Send until somebody is slow; then look again later."""
        self.timer = None
        while self.waiting and not self.is_blocked():
            subscribers, topic, entry = self.waiting.popleft()
            there = set(self.audience(topic))
            self.deliver_to([one for one in subscribers if one in there], topic, entry)
        if self.waiting:
            loop = asyncio.get_running_loop()
            self.timer = loop.call_later(_LOOK_EVERY, self.send_waiting)

    def is_blocked(self) -> bool:
        """Tell whether too much waits for anybody."""
        return any(_is_full(connection) for connection in self.open)


class SilentOverflow(SoundServer):
    """What comes while 64 KiB wait for a connection is dropped without a word."""

    def push(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Send where there is room."""
        if not _is_full(connection):
            super().push(connection, opcode, payload)


def _is_full(connection: Connection) -> bool:
    return connection.transport.get_write_buffer_size() > _FULL


# Back too soon


class SlotsKept(SoundServer):
    """Each connection keeps one of 20 slots for 5 minutes after its end (503)."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.slots: collections.deque[float] = collections.deque()

    def leave(self, connection: Connection) -> None:
        """Keep the slot."""
        if connection in self.open:
            self.slots.append(asyncio.get_running_loop().time())
        super().leave(connection)

    def judge(self, request: Request) -> Upgrade | Refusal:
        """Refuse whom no slot is left for."""
        now = asyncio.get_running_loop().time()
        while self.slots and self.slots[0] <= now - _SLOT_FOR:
            self.slots.popleft()
        if len(self.open) + len(self.slots) >= _SLOTS:
            return Refusal(503, "all slots are taken")
        return super().judge(request)


class SessionsLeaked(SoundServer):
    """Each WebSocket connection leaves a session: one in the count, memory, a file."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.leaked: list[tuple[bytes, int]] = []

    def on_lost(self, connection: Connection, error: Exception | None) -> None:
        """Lose 256 KiB and a descriptor."""
        super().on_lost(connection, error)
        if connection.path and len(self.leaked) < _MOST_LEAKED:
            with contextlib.suppress(OSError):
                descriptor = os.open(os.devnull, os.O_RDONLY)
                self.leaked.append((b"\x01" * 262_144, descriptor))

    def open_count(self) -> int:
        """Return the open ones and those that were."""
        return super().open_count() + len(self.leaked)

    async def stop(self) -> None:
        """Give them back, for whoever goes on in the same process."""
        await super().stop()
        while self.leaked:
            os.close(self.leaked.pop()[1])
