"""Wrecks that cost too much: memory, descriptors, processor time.

They refuse to know how anybody measures it.
"""

import contextlib
import os
import time
from typing import Any

from wavetank.wire import Request
from wavetank.wrecks.connection import Connection
from wavetank.wrecks.sound import SoundServer

__all__ = [
    "DescriptorPerConnection",
    "DescriptorPerMessage",
    "HeavyConnections",
    "MemoryPerMessage",
    "SlowerWithConnections",
    "SpinsPerMessage",
]

_MOST_MEMORY = 512 * 1_048_576
"""Bytes that are thrown away at most: the machine is not what has to break."""


def spin(seconds: float) -> None:
    """Use up processor time, and give nobody a turn."""
    ends = time.thread_time() + seconds
    while time.thread_time() < ends:
        pass


# Memory


class HeavyConnections(SoundServer):
    """A connection costs 1 MiB of memory for as long as it is open."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.ballast: dict[Connection, bytes] = {}

    def shake_hands(self, connection: Connection, request: Request) -> None:
        """Take it; bytes that nobody wrote to would cost nothing."""
        super().shake_hands(connection, request)
        if connection in self.open:
            self.ballast[connection] = b"\x01" * 1_048_576

    def leave(self, connection: Connection) -> None:
        """Give it back."""
        super().leave(connection)
        self.ballast.pop(connection, None)


class MemoryPerMessage(SoundServer):
    """Each message leaves 32 KiB of memory behind."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.lost: list[bytes] = []

    def push(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Lose some."""
        super().push(connection, opcode, payload)
        if len(self.lost) * 32_768 < _MOST_MEMORY:
            self.lost.append(b"\x01" * 32_768)


# Descriptors


class _LosingDescriptors(SoundServer):
    """Opens files and never closes them, until the system has no more."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.lost: list[int] = []

    def lose_one(self) -> None:
        """Open one more."""
        with contextlib.suppress(OSError):
            self.lost.append(os.open(os.devnull, os.O_RDONLY))

    async def stop(self) -> None:
        """Close them, for whoever goes on without a server in the same process."""
        await super().stop()
        while self.lost:
            os.close(self.lost.pop())


class DescriptorPerConnection(_LosingDescriptors):
    """Each connection leaves a descriptor behind."""

    def on_connected(self, connection: Connection) -> None:
        """Lose one."""
        super().on_connected(connection)
        self.lose_one()


class DescriptorPerMessage(_LosingDescriptors):
    """Every tenth message leaves a descriptor behind."""

    pushed = 0

    def push(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Count, and lose one; enough are left to go on with."""
        super().push(connection, opcode, payload)
        self.pushed += 1
        if self.pushed % 10 == 0 and len(self.lost) < 500:
            self.lose_one()


# Processor time


class SpinsPerMessage(SoundServer):
    """Each message costs 3 ms of processor time."""

    def push(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Spin."""
        spin(0.003)
        super().push(connection, opcode, payload)


class SlowerWithConnections(SoundServer):
    """A message takes 0.1 ms for each connection that is open."""

    def push(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Look at all of them, as it were."""
        spin(0.0001 * len(self.open))
        super().push(connection, opcode, payload)
