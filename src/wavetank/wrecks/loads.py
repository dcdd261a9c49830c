"""Wrecks that break under load: too slow, too narrow, or losing count of messages.

They refuse to know what is in a message, and what the load is made with.
"""

import asyncio
import collections
import re
import time
from collections.abc import Callable
from typing import Any

from wavetank.wire import Refusal, Request, Upgrade
from wavetank.wrecks.commands import Command
from wavetank.wrecks.connection import Connection
from wavetank.wrecks.counting import EveryNth
from wavetank.wrecks.log import Entry
from wavetank.wrecks.sound import SoundServer

__all__ = [
    "BurstOverflow",
    "CapacityOf500",
    "Conflating",
    "DiesAfter300",
    "EveryTwentiethLate",
    "FiftyAtMost",
    "HandshakesInTurn",
    "LateAcknowledgements",
    "NarrowBand",
    "OneIn300Corrupted",
    "OneIn300Lost",
    "OneIn300Swapped",
    "OneIn300Twice",
    "SlowerAndSlower",
    "StallsOnce",
]

_MOST_WAITING = 100_000
"""Messages that may wait for one connection; what comes beyond them is dropped."""
_SWAPPED_WITHIN = 0.25
_Held = tuple[float, int, bytes]
"""When it is due, its opcode and its payload."""
_LETTER = re.compile(rb"[A-Za-z0-9]")


class _Holding(SoundServer):
    """Sends messages at a time of its own choice, each connection's in their order."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.waiting: dict[Connection, collections.deque[_Held]] = {}

    def leave(self, connection: Connection) -> None:
        """Keep nothing for it."""
        super().leave(connection)
        self.waiting.pop(connection, None)

    def push(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Send when it is due and all before it is sent."""
        now = asyncio.get_running_loop().time()
        due = self.due(connection, len(payload), now)
        held = self.waiting.setdefault(connection, collections.deque())
        if len(held) < _MOST_WAITING:
            held.append((due, opcode, payload))
        if len(held) == 1:
            self.send_due(connection)

    def send_due(self, connection: Connection) -> None:
        """Send what is due; come back for the rest."""
        loop = asyncio.get_running_loop()
        held = self.waiting.get(connection, collections.deque())
        while held and held[0][0] <= loop.time():
            _, opcode, payload = held.popleft()
            super().push(connection, opcode, payload)
        if held:
            # An absolute time: what a timer is late does not add up.
            loop.call_at(held[0][0], self.send_due, connection)

    def due(self, connection: Connection, size: int, now: float) -> float:
        """Return when a message may go out."""
        raise NotImplementedError


# Slow


class CapacityOf500(_Holding):
    """Sends 500 messages a second at most; the others wait in a queue."""

    rate = 500.0
    free_at = 0.0

    def due(self, connection: Connection, size: int, now: float) -> float:
        """Return when its turn has come."""
        due = max(now, self.free_at)
        self.free_at = due + 1 / self.rate
        return due

    def leave(self, connection: Connection) -> None:
        """Lose no time with what nobody waits for any more."""
        super().leave(connection)
        if not any(self.waiting.values()):
            self.free_at = 0.0


class SlowerAndSlower(_Holding):
    """Each message is sent half a millisecond later than the one before it."""

    pushed = 0

    def due(self, connection: Connection, size: int, now: float) -> float:
        """Return a time that is ever further away."""
        self.pushed += 1
        return now + self.pushed * 0.0005


class EveryTwentiethLate(_Holding):
    """Every twentieth message waits 0.3 s, and what follows it waits with it."""

    pushed = 0

    def due(self, connection: Connection, size: int, now: float) -> float:
        """Return now, or in 0.3 s; what stands behind that one cannot pass it."""
        self.pushed += 1
        return now if self.pushed % 20 else now + 0.3


class NarrowBand(_Holding):
    """A connection gets 256 KiB a second at most."""

    rate = 262_144.0

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.free_at: dict[Connection, float] = {}

    def leave(self, connection: Connection) -> None:
        """Forget its times."""
        super().leave(connection)
        self.free_at.pop(connection, None)

    def due(self, connection: Connection, size: int, now: float) -> float:
        """Return when all bytes before it have had their time."""
        due = max(now, self.free_at.get(connection, 0.0))
        self.free_at[connection] = due + size / self.rate
        return due


class StallsOnce(SoundServer):
    """Before its 200th message the whole server stands still for 2 s."""

    pushed = 0
    pause = 2.0

    def push(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Count, and block once, as a long garbage collection would."""
        self.pushed += 1
        if self.pushed == 200:
            time.sleep(self.pause)
        super().push(connection, opcode, payload)


class LateAcknowledgements(SoundServer):
    """A publication is delivered at once, and acknowledged after 0.25 s."""

    def acknowledge(
        self, connection: Connection, command: Command, entry: Entry
    ) -> None:
        """Reply later."""
        loop = asyncio.get_running_loop()
        loop.call_later(0.25, super().acknowledge, connection, command, entry)


# Connections


class HandshakesInTurn(SoundServer):
    """Opening handshakes are answered one after the other, 0.1 s each."""

    free_at = 0.0

    def shake_hands(self, connection: Connection, request: Request) -> None:
        """Answer, or queue up."""
        loop = asyncio.get_running_loop()
        due = max(loop.time(), self.free_at)
        self.free_at = due + 0.1
        loop.call_at(due, self.answer, connection, request)

    def answer(self, connection: Connection, request: Request) -> None:
        """Shake hands with who has not gone away meanwhile."""
        if not connection.is_done:
            super().shake_hands(connection, request)


class FiftyAtMost(SoundServer):
    """While 50 connections are open, no other is accepted (503)."""

    def judge(self, request: Request) -> Upgrade | Refusal:
        """Refuse the next."""
        if len(self.open) >= 50:
            return Refusal(503, "there are 50 connections already")
        return super().judge(request)


class DiesAfter300(SoundServer):
    """After three hundred messages the server crashes."""

    pushed = 0

    def push(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Count down."""
        super().push(connection, opcode, payload)
        self.pushed += 1
        if self.pushed == 300:
            self.crash()


# Count


class BurstOverflow(SoundServer):
    """Of what is sent within a tenth of a second, all beyond 50 messages is lost."""

    window = 0.0
    pushed = 0

    def push(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Send while there is room."""
        now = asyncio.get_running_loop().time()
        if now - self.window >= 0.1:
            self.window, self.pushed = now, 0
        self.pushed += 1
        if self.pushed <= 50:
            super().push(connection, opcode, payload)


class Conflating(SoundServer):
    """A connection gets a message every 20 ms at most: the newest of them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.newest: dict[Connection, Callable[[], None]] = {}

    def push(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Put the newest in the place of the one that waits."""
        is_first = connection not in self.newest
        send = super().push
        self.newest[connection] = lambda: send(connection, opcode, payload)
        if is_first:
            asyncio.get_running_loop().call_later(0.02, self.send_newest, connection)

    def send_newest(self, connection: Connection) -> None:
        """Send what has not been overtaken."""
        self.newest.pop(connection)()


class OneIn300Lost(EveryNth):
    """Every 300th message to a connection is not sent."""

    each = 300


class OneIn300Twice(EveryNth):
    """Every 300th message to a connection is sent twice."""

    each = 300

    def fail(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Send, and send."""
        for _ in range(2):
            connection.send(opcode, payload)


class OneIn300Corrupted(EveryNth):
    """Every 300th message to a connection has one wrong letter."""

    each = 300

    def fail(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Change the first letter or digit of its second half; it stays JSON."""
        found = _LETTER.search(payload, len(payload) // 2)
        if found is not None:
            other = b"7" if found[0] != b"7" else b"8"
            payload = payload[: found.start()] + other + payload[found.end() :]
        connection.send(opcode, payload)


class OneIn300Swapped(EveryNth):
    """Every 300th message to a connection is overtaken by the next."""

    each = 300

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.held: dict[Connection, tuple[int, bytes]] = {}

    def leave(self, connection: Connection) -> None:
        """Keep nothing for it."""
        super().leave(connection)
        self.held.pop(connection, None)

    def push(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Send, and behind it what was held."""
        held = self.held.pop(connection, None)
        super().push(connection, opcode, payload)
        if held is not None:
            connection.send(*held)

    def fail(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Hold it; not for ever, as lost is another fault."""
        self.held[connection] = opcode, payload
        loop = asyncio.get_running_loop()
        loop.call_later(_SWAPPED_WITHIN, self.release, connection)

    def release(self, connection: Connection) -> None:
        """Send what nothing has overtaken."""
        held = self.held.pop(connection, None)
        if held is not None:
            connection.send(*held)
