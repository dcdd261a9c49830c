"""Wrecks whose TLS listener is no good.

They refuse to know WebSocket.
"""

import asyncio
import socket
import ssl
import warnings
from pathlib import Path
from typing import Any

from wavetank.wrecks.sound import SoundServer

__all__ = [
    "ForeignCertificate",
    "OldTlsAccepted",
    "PlainTextOnTlsPort",
    "TlsErrorEndsListener",
    "TlsGarbage",
]


class ForeignCertificate(SoundServer):
    """The TLS listener presents a certificate of an unknown authority."""

    def make_context(self, cert: Path, key: Path) -> ssl.SSLContext:
        """Leave the given certificate in its file and make another."""
        import trustme  # takes longer than all other imports; only this wreck needs it

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        trustme.CA().issue_cert("localhost", "127.0.0.1", "::1").configure_cert(context)
        return context


class OldTlsAccepted(SoundServer):
    """The TLS listener agrees to TLS 1.0 and 1.1, too."""

    def make_context(self, cert: Path, key: Path) -> ssl.SSLContext:
        """Take whatever the library still has."""
        context = super().make_context(cert, key)
        with warnings.catch_warnings():
            # Python minds that anybody still asks for it; that is the fault here.
            warnings.simplefilter("ignore")
            context.minimum_version = ssl.TLSVersion.TLSv1
        context.set_ciphers("ALL:@SECLEVEL=0")
        return context


class TlsGarbage(SoundServer):
    """The TLS listener answers the first bytes with something that is no TLS."""

    async def listen_tls(self, port: int, cert: Path, key: Path) -> int:
        """Listen without TLS."""
        return await self.listen(port, None, _Garbage)


class _Garbage(asyncio.Protocol):
    """Sends a line of text, then ends."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(b"there is no TLS here\r\n")
        self._transport.close()


class _ByHand(SoundServer):
    """Takes the connections of the TLS port one by one, before anything is read."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._tasks: set[asyncio.Task[None]] = set()
        self._context: ssl.SSLContext

    async def listen_tls(self, port: int, cert: Path, key: Path) -> int:
        """Listen without TLS; it comes with each connection."""
        self._context = self.make_context(cert, key)
        return await self.listen(port, None, lambda: _Handover(self))

    async def stop(self) -> None:
        """Stop, and leave the handshakes that are under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await super().stop()

    def take(self, accepted: socket.socket) -> None:
        """Take a connection; its handshake needs no waiting here."""
        task = asyncio.create_task(self._take(accepted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self, accepted: socket.socket) -> None:
        try:
            async with asyncio.timeout(self.handshake_timeout):
                first = await _peek(accepted)
            if first:
                await self.begin(accepted, first)
            else:
                accepted.close()
        except (OSError, TimeoutError):
            accepted.close()
        except asyncio.CancelledError:
            accepted.close()
            raise

    async def begin(self, accepted: socket.socket, first: bytes) -> None:
        """Shake hands, and serve.

        Raises:
            OSError: If there is no TLS handshake, or it takes too long.
        """
        await self.serve(accepted, self._context)

    async def serve(
        self, accepted: socket.socket, context: ssl.SSLContext | None
    ) -> None:
        """Serve a connection, after its TLS handshake where there is a context."""
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(
            self.make_connection,
            accepted,
            ssl=context,
            ssl_handshake_timeout=self.handshake_timeout if context else None,
        )


async def _peek(accepted: socket.socket) -> bytes:
    """Return the first byte of a connection, and leave it there; none at the end."""
    loop = asyncio.get_running_loop()
    come = asyncio.Event()
    loop.add_reader(accepted, come.set)
    try:
        await come.wait()
    finally:
        loop.remove_reader(accepted)
    return accepted.recv(1, socket.MSG_PEEK)


class _Handover(asyncio.Protocol):
    """Hands the socket of a connection over before anything is read from it."""

    def __init__(self, owner: _ByHand) -> None:
        self._owner = owner

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        accepted = transport.get_extra_info("socket").dup()
        transport.abort()
        self._owner.take(accepted)


class PlainTextOnTlsPort(_ByHand):
    """The TLS port serves those, too, who speak plain text there."""

    async def begin(self, accepted: socket.socket, first: bytes) -> None:
        """Ask for TLS where a TLS record begins (RFC 8446 5.1: a handshake is 22)."""
        await self.serve(accepted, self._context if first == b"\x16" else None)


class TlsErrorEndsListener(_ByHand):
    """After a TLS handshake that failed, the TLS port takes nobody any more."""

    has_failed = False

    async def begin(self, accepted: socket.socket, first: bytes) -> None:
        """Close at once whatever comes after a failure."""
        if self.has_failed:
            accepted.close()
            return
        try:
            await super().begin(accepted, first)
        except OSError:
            self.has_failed = True
            raise
