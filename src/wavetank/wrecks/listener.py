"""Where connections come from: ports, TLS, and the end of them all.

It refuses to know what is said on a connection.
"""

import abc
import asyncio
import errno
import itertools
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from wavetank.errors import UsageError
from wavetank.wrecks.connection import Connection, Head, Unit

__all__ = ["Listener"]

_HOST = "127.0.0.1"


class Listener(abc.ABC):
    """Accepts connections on loopback; what they ask for, a subclass decides.

    Args:
        handshake_timeout: Seconds that an opening handshake may take.

    Attributes:
        port: Plain port, once it listens.
        tls_port: TLS port, where there is one.
        connected: Every connection that there is, oldest first.
        ended: Set where somebody asks for the end.
        has_crashed: Whether that was the server itself.
    """

    def __init__(self, *, handshake_timeout: float) -> None:
        self.handshake_timeout = handshake_timeout
        self.port: int | None = None
        self.tls_port: int | None = None
        self.connected: dict[Connection, None] = {}
        self.ended = asyncio.Event()
        self.has_crashed = False
        self._empty = asyncio.Event()
        self._names = itertools.count(1)
        self._servers: list[asyncio.Server] = []

    async def start(
        self,
        *,
        port: int = 0,
        tls_port: int | None = None,
        cert: Path | None = None,
        key: Path | None = None,
    ) -> None:
        """Listen on loopback, and with TLS too where a TLS port is given.

        Raises:
            UsageError: If a port is taken, or the certificate cannot be used.
        """
        self.port = await self.listen(port, None)
        if tls_port is not None:
            assert cert is not None
            assert key is not None
            self.tls_port = await self.listen_tls(tls_port, cert, key)

    async def listen(
        self,
        port: int,
        context: ssl.SSLContext | None = None,
        protocol: Callable[[], asyncio.Protocol] | None = None,
    ) -> int:
        """Open one listener and return the port that it got."""
        try:
            server = await asyncio.get_running_loop().create_server(
                protocol or self.make_connection,
                _HOST,
                port,
                ssl=context,
                ssl_handshake_timeout=self.handshake_timeout if context else None,
            )
        except OSError as error:
            raise UsageError(_sorry(port, error)) from error
        self._servers.append(server)
        got: int = server.sockets[0].getsockname()[1]
        return got

    async def listen_tls(self, port: int, cert: Path, key: Path) -> int:
        """Open the TLS listener and return its port."""
        return await self.listen(port, self.make_context(cert, key))

    def make_context(self, cert: Path, key: Path) -> ssl.SSLContext:
        """Return the TLS context that the certificate is presented with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(cert, key)
        except OSError as error:
            raise UsageError(f"cannot use {cert} with {key}: {error}") from error
        return context

    async def stop(self) -> None:
        """Tell everyone 1001, stop listening, wait for nobody; idempotent."""
        for server in self._servers:
            server.close()
        for connection in list(self.connected):
            if connection.reader is not None:
                connection.close(1001, "the server ends")
            connection.transport.abort()
        self._servers.clear()
        if self.connected:
            await self._empty.wait()

    async def __aenter__(self) -> Self:
        """Return the server, which ``start`` has been called on or will be."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.stop()

    def make_connection(self) -> Connection:
        """Return the protocol of a connection that is being accepted."""
        name = f"c-{next(self._names)}"
        return Connection(self, name, handshake_timeout=self.handshake_timeout)

    def crash(self) -> None:
        """End everything without a word, as a program that dies does."""
        for connection in list(self.connected):
            connection.transport.abort()
        self.has_crashed = True
        self.ended.set()

    def on_connected(self, connection: Connection) -> None:
        """Remember the connection, to be able to end it."""
        self.connected[connection] = None
        self._empty.clear()

    def on_lost(self, connection: Connection, error: Exception | None) -> None:
        """Forget a connection that is gone."""
        self.connected.pop(connection, None)
        if not self.connected:
            self._empty.set()

    @abc.abstractmethod
    def on_head(self, connection: Connection, head: Head | None) -> None:
        """Answer a request head; None is a head that is not complete yet."""

    @abc.abstractmethod
    def on_slow(self, connection: Connection) -> None:
        """Decide about a peer that more waits for than may."""

    @abc.abstractmethod
    def on_unit(self, connection: Connection, unit: Unit) -> None:
        """Do what a message, a control frame, a close or a violation asks for."""


def _sorry(port: int, error: OSError) -> str:
    """Say in one sentence why a port cannot be had."""
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {_HOST} is taken; name another one, or 0 for a free one"
    return f"cannot listen on port {port} of {_HOST}: {os.strerror(error.errno or 0)}"
