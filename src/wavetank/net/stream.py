"""Bytes of one connection as they come, in bounded memory, and how it ended.

They refuse to know what the bytes mean.
"""

import asyncio
import contextlib
import enum
import os
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Protocol, cast

__all__ = ["Ending", "Stream", "Tap", "reset"]

_AT_ONCE = 65536
_NO_LINGER = struct.pack("ii", 1, 0)  # SO_LINGER: on, for 0 s


class Ending(enum.StrEnum):
    """How the other side ended TCP."""

    FIN = "fin"
    """In an orderly way: everything that it sent came."""
    RESET = "reset"
    """It threw the connection away."""


class Tap(Protocol):
    """Who listens in on one connection, TLS taken off; its methods never raise."""

    def received(self, data: bytes) -> None:
        """Take bytes as they came, before anybody has judged them."""
        ...

    def sent(self, data: bytes) -> None:
        """Take bytes that are about to be written."""
        ...

    def ended(self) -> None:
        """Note that the other side ended TCP; it may be told more than once."""
        ...

    def waited(self) -> None:
        """Note that somebody who read was waiting until now, and in vain."""
        ...


def reset(transport: asyncio.BaseTransport) -> None:
    """End a connection with a TCP reset instead of a FIN; nothing is awaited."""
    tcp = transport.get_extra_info("socket")
    # A transport that has ended already may have let go of its socket, and uvloop of
    # what its own socket stands for.
    with contextlib.suppress(OSError, AttributeError, ValueError):
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    cast(asyncio.WriteTransport, transport).abort()


class Stream(asyncio.Protocol):
    """One connection's bytes; an asyncio protocol with a buffer and no meaning.

    Nothing is lost at the end: after a reset, and after a write that failed, what
    the kernel had received is still read. StreamReader forgets it.

    Args:
        max_kept: Bytes kept unread; beyond it reading pauses.
        tls: Whether TLS is between here and the socket.
        tap: Who listens in.

    Attributes:
        incoming: Bytes that were not taken.
        ending: How the other side ended TCP; None while it did not.
        is_lost: Whether TCP is gone in both directions.
        drops: Whether to read on beyond ``max_kept``, counting what is dropped.
        dropped: Bytes that were dropped.
    """

    transport: asyncio.Transport

    def __init__(self, max_kept: int, *, tls: bool, tap: Tap | None = None) -> None:
        self.max_kept = max_kept
        self.tls = tls
        self.tap = tap
        self.incoming = bytearray()
        self.ending: Ending | None = None
        self.is_lost = False
        self.drops = False
        self.dropped = 0
        self._is_full = False
        self._news = asyncio.Event()

    @property
    def is_over(self) -> bool:
        """Whether no more bytes will come."""
        return self.ending is not None or self.is_lost

    @property
    def is_writable(self) -> bool:
        """Whether bytes can be written, though nobody may read them."""
        return not (self.is_lost or self.transport.is_closing())

    def has_room(self) -> bool:
        """Say whether what was written is on its way, or never will be."""
        return not self._is_full or self.is_lost

    async def until(self, ready: Callable[[], bool], *, reading: bool = True) -> None:
        """Wait for something to become true.

        Args:
            ready: Asked at once and after each event; it may take bytes.
            reading: Whether to take up reading, where it was stopped.
        """
        while not ready():
            has_space = self.drops or len(self.incoming) < self.max_kept
            if reading and has_space:
                self.transport.resume_reading()
            self._news.clear()
            await self._news.wait()

    def take(self, most: int) -> bytes:
        """Remove and return the oldest bytes."""
        taken = bytes(self.incoming[:most])
        del self.incoming[:most]
        return taken

    def put_back(self, taken: bytes) -> None:
        """Return bytes that were taken too many."""
        self.incoming[:0] = taken

    def stop_reading(self) -> None:
        """Leave what comes to the kernel, until somebody waits for something."""
        self.transport.pause_reading()

    def set_receive_buffer(self, size: int) -> None:
        """Let the kernel keep about so many bytes, and no longer decide itself."""
        tcp = self.transport.get_extra_info("socket")
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Keep bytes, and pause where there are too many."""
        self._keep(data)
        if len(self.incoming) >= self.max_kept and not self.drops:
            self.transport.pause_reading()
        self._news.set()

    def eof_received(self) -> bool:
        """Note that the other side sent its last byte; ours may follow (not in TLS)."""
        self.ending = self.ending or Ending.FIN
        if self.tap is not None:
            self.tap.ended()
        self._news.set()
        return not self.tls

    def connection_lost(self, exc: Exception | None) -> None:
        """Note how the connection ended, once what came before is read."""
        if exc is not None and not self.tls:
            self._salvage()
        # A broken pipe is a reset behind a FIN: the orderly end came first.
        is_reset = isinstance(exc, OSError) and not isinstance(
            exc, ssl.SSLError | BrokenPipeError
        )
        if exc is not None:
            self.ending = self.ending or (Ending.RESET if is_reset else Ending.FIN)
            if self.tap is not None:
                self.tap.ended()
        self.is_lost = True
        self._news.set()

    def pause_writing(self) -> None:
        """Note that the other side makes no room."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Note that there is room again."""
        self._is_full = False
        self._news.set()

    def _keep(self, data: bytes) -> None:
        if self.tap is not None:
            self.tap.received(data)
        room = len(data)
        if self.drops:
            room = max(0, self.max_kept - len(self.incoming))
        self.incoming += data[:room]
        self.dropped += len(data[room:])

    def _salvage(self) -> None:
        """Read what the kernel still has: asyncio closes the socket unread."""
        self.drops = True
        tcp = self.transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            while data := os.read(tcp.fileno(), _AT_ONCE):
                self._keep(data)
