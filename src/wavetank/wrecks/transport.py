"""Wrecks whose TLS listener is no good.

They refuse to know WebSocket.
"""

import asyncio
import ssl
from pathlib import Path

from wavetank.wrecks.sound import SoundServer

__all__ = ["ForeignCertificate", "TlsGarbage"]


class ForeignCertificate(SoundServer):
    """The TLS listener presents a certificate of an unknown authority."""

    def make_context(self, cert: Path, key: Path) -> ssl.SSLContext:
        """Leave the given certificate in its file and make another."""
        import trustme  # takes longer than all other imports; only this wreck needs it

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        trustme.CA().issue_cert("localhost", "127.0.0.1", "::1").configure_cert(context)
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
