"""One side of a link: the client's connection, or the one to the target.

It refuses to know what goes by: bytes go into one stream, and come out of the other.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from typing import Final, Protocol, cast

from wavetank.chaos.aio.stream import Stream
from wavetank.chaos.toxic import How
from wavetank.net.stream import reset

__all__ = ["Owner", "Side"]

_AT_ONCE: Final = 65536
_FIRST_LOOK: Final = 0.001
_LAST_LOOK: Final = 1.0
"""Seconds between looks for a reset that nobody tells of; each is twice the last."""


class Owner(Protocol):
    """What a side needs of its link."""

    def join(self, side: "Side") -> None:
        """Know that a side is connected, and over TLS has shaken hands."""
        ...

    def lose(self, side: "Side") -> None:
        """Know that a connection is gone in both directions."""
        ...


class Side(asyncio.Protocol):
    """One connection of a link.

    Args:
        link: Whose it is.
        tls: Whether TLS is between here and the socket: then there is no half-close.

    Attributes:
        feeds: The stream that bytes from here go into.
        takes: The stream whose bytes are written here.
        transport: None until it is connected.
        is_full: Whether it takes no more for now.
        is_paused: Whether it is not read from for now.
        is_ended: Whether its other end has sent its last byte.
        is_finished: Whether our last byte was sent.
        is_silent: Whether its other end is never to be told anything any more.
        is_lost: Whether the connection is gone in both directions.
        straight: Where its bytes go, past its stream; None: to its stream.
        passed: Bytes that went straight.
    """

    __slots__ = (
        "_link",
        "_probe",
        "feeds",
        "is_ended",
        "is_finished",
        "is_full",
        "is_lost",
        "is_paused",
        "is_silent",
        "passed",
        "straight",
        "takes",
        "tls",
        "transport",
    )

    feeds: Stream
    takes: Stream

    def __init__(self, link: Owner, *, tls: bool) -> None:
        self._link = link
        self.tls = tls
        self.transport: asyncio.Transport | None = None
        self._probe: asyncio.Handle | None = None
        self.straight: Callable[[bytes], None] | None = None
        self.passed = 0
        self.is_full = False
        self.is_paused = False
        self.is_ended = False
        self.is_finished = False
        self.is_silent = False
        self.is_lost = False

    @property
    def is_open(self) -> bool:
        """Whether it is connected, and nobody is closing it."""
        transport = self.transport
        return transport is not None and not (self.is_lost or transport.is_closing())

    # What the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast(asyncio.Transport, transport)
        self._link.join(self)

    def data_received(self, data: bytes) -> None:
        """Hand bytes on: straight to the other side wherever that will do."""
        if (straight := self.straight) is None:
            self.feeds.receive(data)
            return
        self.passed += len(data)
        try:
            straight(data)
        except RuntimeError:
            # uvloop: the other side has failed in this turn, and will tell.
            self.straight = None

    def eof_received(self) -> bool:
        """Hand on the end of what comes; the other way may go on, but not in TLS."""
        # subtle: where a reset comes with bytes before it, libuv reports an end of
        # file in its place; what the socket says in the same moment is true.
        self.is_ended = True
        self.feeds.finish(How.RST if self._has_failed() else How.FIN)
        self.takes.refresh()
        return not (self.tls or self.is_finished)

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand on that the connection is gone, and what the kernel still had of it."""
        if exc is not None and not self.tls:
            self._salvage()
        self.is_lost = True
        self.is_ended = True
        if self._probe is not None:
            self._probe.cancel()
        self.feeds.finish(How.FIN if exc is None else How.RST)
        self._link.lose(self)

    def pause_writing(self) -> None:
        """Have no more read for it."""
        self.is_full = True
        self.takes.regulate()

    def resume_writing(self) -> None:
        """Have it read for again."""
        self.is_full = False
        self.takes.regulate()

    # What its link wants

    def hold(self, *, is_paused: bool) -> None:
        """Read nothing until told otherwise, or go on."""
        if is_paused is self.is_paused or self.is_ended or self.transport is None:
            return
        self.is_paused = is_paused
        if self.transport.is_closing():
            return
        if is_paused:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def probe(self) -> None:
        """Look for a reset: something was written to a side that has ended.

        Loops read nothing behind an end, so that they notice at the next write at the
        earliest that the other end had gone altogether.
        """
        if self._probe is None and not self.is_lost:
            loop = asyncio.get_running_loop()
            self._probe = loop.call_soon(self._look, _FIRST_LOOK)

    def _look(self, wait: float) -> None:
        self._probe = None
        if self._has_failed():
            self.feeds.finish(How.RST)
        elif wait <= _LAST_LOOK:
            loop = asyncio.get_running_loop()
            self._probe = loop.call_later(wait, self._look, wait * 2)

    def finish(self) -> None:
        """Send FIN behind what was written; nothing if that was done before."""
        transport = self.transport
        if self.is_finished or self.is_silent or transport is None or not self.is_open:
            return
        self.is_finished = True
        if self.is_ended or not transport.can_write_eof():
            transport.close()
        else:
            transport.write_eof()

    def reset(self) -> None:
        """Send RST; what was written in this turn of the loop is on its way before."""
        transport = self.transport
        if transport is None or self.is_lost:
            return
        if transport.get_write_buffer_size():
            asyncio.get_running_loop().call_soon(reset, transport)
        else:
            reset(transport)

    def abort(self) -> None:
        """End it at once; the kernel decides how that looks."""
        if self.transport is not None and not self.is_lost:
            self.transport.abort()

    @property
    def unsent(self) -> int:
        """Bytes that were written and that the kernel has not taken yet."""
        return self.transport.get_write_buffer_size() if self.transport else 0

    def __repr__(self) -> str:
        """Show how far it has come."""
        words = [
            word
            for word, holds in (
                ("not connected", self.transport is None),
                ("lost", self.is_lost),
                ("ended", self.is_ended),
                ("finished", self.is_finished),
                ("silent", self.is_silent),
                ("full", self.is_full),
                ("paused", self.is_paused),
            )
            if holds
        ]
        return f"<Side {', '.join(words) or 'open'}>"

    def _socket(self) -> socket.socket | None:
        if self.transport is None:
            return None
        return cast("socket.socket | None", self.transport.get_extra_info("socket"))

    def _has_failed(self) -> bool:
        """Tell whether the connection was reset."""
        tcp = self._socket()
        try:
            return bool(
                tcp is not None and tcp.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            )
        except (OSError, ValueError):
            return True

    def _salvage(self) -> None:
        """Read what the kernel still has: loops close the socket unread."""
        tcp = self._socket()
        with contextlib.suppress(OSError):
            while tcp is not None and (data := os.read(tcp.fileno(), _AT_ONCE)):
                self.data_received(data)
