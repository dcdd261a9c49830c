"""One listening socket: it accepts, and shakes hands over TLS, within bounds.

It refuses to know what is said on a connection.

asyncio's own server calls nobody before the TLS handshake is over, so that such
sockets could not be counted; and where descriptors run out, the one of Python 3.11
logs as many tracebacks a second as its backlog is long, and uvloop's says nothing.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from typing import Protocol

from wavetank.hub.aio.connection import Connection
from wavetank.hub.aio.node import Node

__all__ = ["Door", "Listener", "bind"]

BACKLOG = 4096
"""Connections that the kernel keeps for us while the loop is busy."""

AT_ONCE = 64
"""Connections that are accepted in one turn of the loop."""

PAUSE = 1.0
"""Seconds without accepting after the machine has had nothing left to accept with."""


class Door(Protocol):
    """What a listener needs of its server."""

    node: Node

    def admit(self, ip: str, *, is_tls: bool) -> bool:
        """Count a socket in; False, and nothing is counted, if there is no room."""
        ...

    def dismiss(self, ip: str) -> None:
        """Count it out."""
        ...

    def receive(self, ip: str, *, is_tls: bool) -> Connection:
        """Make the connection that a socket becomes."""
        ...


class Listener:
    """Accepts connections on one socket.

    Args:
        door: Whose they are.
        listening: The socket; it listens.
        tls: Returns what TLS needs now; None for plain ones.
    """

    def __init__(
        self,
        door: Door,
        listening: socket.socket,
        tls: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        self._door = door
        self._node = door.node
        self._socket = listening
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._shaking: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._is_short = False
        self._loop.add_reader(listening, self._accept)

    def _accept(self) -> None:
        """Accept those who wait, as many as go in one turn."""
        for _ in range(AT_ONCE):
            try:
                accepted, address = self._socket.accept()
            except BlockingIOError:
                self._note_all()
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                self._rest(error)
                return
            accepted.setblocking(False)
            self._take(accepted, str(address[0]))

    def _rest(self, error: OSError) -> None:
        """Accept nothing for a while: the socket would be ready again and again."""
        self._loop.remove_reader(self._socket)
        self._pause = self._loop.call_later(PAUSE, self._try_again)
        if not self._is_short:
            self._is_short = True
            self._node.logger.error("accepting_paused", error=error)

    def _note_all(self) -> None:
        """Note that nobody waits any more."""
        if self._is_short:
            self._is_short = False
            self._node.logger.info("accepting_again")

    def _try_again(self) -> None:
        self._pause = None
        self._loop.add_reader(self._socket, self._accept)

    def _take(self, accepted: socket.socket, ip: str) -> None:
        if not self._door.admit(ip, is_tls=self._tls is not None):
            self._node.logger.debug("connection_dropped", peer=ip)
            accepted.close()
            return
        task = self._loop.create_task(self._open(accepted, ip))
        self._shaking.add(task)
        task.add_done_callback(self._shaking.discard)

    async def _open(self, accepted: socket.socket, ip: str) -> None:
        """Make a connection of a socket; over TLS that takes a while."""
        tls = self._tls
        connection = self._door.receive(ip, is_tls=tls is not None)
        try:
            if tls is None:
                await self._loop.connect_accepted_socket(lambda: connection, accepted)
            else:
                config = self._node.config
                await self._loop.connect_accepted_socket(
                    lambda: connection,
                    accepted,
                    ssl=tls(),
                    ssl_handshake_timeout=config.handshake,
                    ssl_shutdown_timeout=config.closing,
                )
        except OSError as error:  # ssl.SSLError and TimeoutError are of them
            self._node.logger.debug("tls_failed", peer=ip, error=_why(error))
        finally:
            if not connection.has_begun:
                self._door.dismiss(ip)

    async def close(self) -> None:
        """Accept no more, and give up handshakes that are going on."""
        if self._socket.fileno() < 0:
            return
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        if self._tls is not None:
            # Plain ones take one turn of the loop, and are counted behind it.
            for task in self._shaking:
                task.cancel()
        await asyncio.gather(*self._shaking, return_exceptions=True)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, port = self._socket.getsockname()[:2]
        return host, port

    def __repr__(self) -> str:
        """Show how many handshakes are going on."""
        return f"<Listener {len(self._shaking)} shaking hands>"


_REASONS = {
    "HTTP_REQUEST": "plain HTTP, where TLS was expected",
    "WRONG_VERSION_NUMBER": "not TLS",
    "UNSUPPORTED_PROTOCOL": "no TLS version in common; 1.2 is the least",
    "NO_SHARED_CIPHER": "no cipher in common",
}


def _why(error: OSError) -> str:
    """Say why there was no TLS connection."""
    reason = getattr(error, "reason", None)
    if reason:
        return _REASONS.get(reason, str(reason).replace("_", " ").lower())
    return str(error) or "the peer went away"


async def bind(host: str, port: int) -> list[socket.socket]:
    """Listen on every address that a host name has, on one port.

    Args:
        host: Name or address.
        port: 0 takes a free one.

    Raises:
        OSError: If it cannot be had; then nothing listens.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            listening = _listen(family, (address[0], port, *address[2:]))
            if isinstance(listening, OSError):
                missing = listening
            else:
                sockets.append(listening)
                port = listening.getsockname()[1]
    except BaseException:
        for each in sockets:
            each.close()
        raise
    if missing is not None and not sockets:
        raise missing
    return sockets


def _listen(family: int, address: tuple[object, ...]) -> socket.socket | OSError:
    """Listen on one address; return what is wrong if this machine has none such.

    A name may have an address of a family that is switched off here.
    """
    try:
        listening = socket.create_server(address, family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
            return error
        raise
    listening.setblocking(False)
    return listening
