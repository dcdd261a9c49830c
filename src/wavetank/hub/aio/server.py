"""The server: listens, counts connections, keeps their deadlines and drains them.

It refuses to know what is said on a connection.
"""

import asyncio
import errno
import ssl
from math import inf

from wavetank.errors import TargetError, UsageError
from wavetank.hub.aio.connection import Connection
from wavetank.hub.aio.http import Pages
from wavetank.hub.aio.node import Node
from wavetank.hub.config import HubConfig
from wavetank.hub.deadlines import Deadlines

__all__ = ["Server", "make_tls"]

SPARE_SOCKETS = 256
"""Sockets beyond the connections' limit: for refusals, health and status."""

RECONNECTIONS_PER_S = 200
"""How many clients should come back in one second after a drain."""

BACKLOG = 4096
"""Connections that the kernel keeps for us while the loop is busy."""

_TEND_EVERY = 1.0


def make_tls(config: HubConfig) -> ssl.SSLContext | None:
    """Return what a TLS listener needs; None without a certificate.

    Raises:
        UsageError: If certificate or key cannot be used.
    """
    if config.cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(config.cert, config.key)
    except (OSError, ssl.SSLError) as error:
        files = " and ".join(str(file) for file in (config.cert, config.key) if file)
        raise UsageError(f"--cert: {files} cannot be used: {error}") from None
    context.set_alpn_protocols(["http/1.1"])
    return context


class Server:
    """The sockets of a node.

    Args:
        node: What is served.

    Attributes:
        node: What is served.
        pages: What is answered over HTTP.
        urls: Where it listens, once it does.
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        self.pages = Pages(node)
        self.urls: list[str] = []
        self._loop = asyncio.get_running_loop()
        self._listeners: list[asyncio.Server] = []
        self._connections: set[Connection] = set()
        self._deadlines: Deadlines[Connection] = Deadlines()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf
        self._tending: asyncio.TimerHandle | None = None
        self._is_empty = asyncio.Event()
        self._is_quiet = asyncio.Event()
        self._is_hurried = asyncio.Event()

    async def start(self) -> None:
        """Listen on all ports.

        Raises:
            TargetError: If a port cannot be had; then nothing listens.
            UsageError: If the certificate cannot be used.
        """
        tls = make_tls(self.node.config)
        ports = self.node.config.ports
        try:
            await self._listen("--port", ports.plain, "ws", None)
            if ports.tls is not None:
                await self._listen("--tls-port", ports.tls, "wss", tls)
            if ports.http is not None:
                await self._listen("--http-port", ports.http, "http", None)
        except BaseException:
            self._close_listeners()
            raise
        self._tend()
        self.node.logger.info("listening", urls=self.urls)

    async def _listen(
        self, flag: str, port: int, scheme: str, tls: ssl.SSLContext | None
    ) -> None:
        host = self.node.config.host
        timeout = self.node.config.handshake if tls else None
        try:
            listener = await self._loop.create_server(
                lambda: Connection(self, is_tls=tls is not None),
                host,
                port,
                ssl=tls,
                ssl_handshake_timeout=timeout,
                backlog=BACKLOG,
            )
        except OSError as error:
            raise TargetError(_why_not(error, flag, host, port)) from None
        self._listeners.append(listener)
        address = listener.sockets[0].getsockname()
        name = f"[{address[0]}]" if ":" in address[0] else address[0]
        path = "" if scheme == "http" else "/ws"
        self.urls.append(f"{scheme}://{name}:{address[1]}{path}")

    # What connections ask for.

    def enter(self, connection: Connection) -> bool:
        """Count a connection in; False if there is no room even to talk to it."""
        self._connections.add(connection)
        self._is_empty.clear()
        most = self.node.config.crowd.total
        return most is None or len(self._connections) <= most + SPARE_SOCKETS

    def leave(self, connection: Connection) -> None:
        """Count it out."""
        self._deadlines.drop(connection)
        self._connections.discard(connection)
        if not self._connections:
            self._is_empty.set()
        if not self.node.admission.open:
            self._is_quiet.set()

    def wake(self, connection: Connection, at: float) -> None:
        """Call ``tick`` at that time, and not at the one asked for before."""
        self._deadlines.set(connection, at)
        if at < self._timer_at:
            self._arm(at)

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        # A millisecond late is better than early, which would be for nothing.
        delay = max(0.0, at - self.node.clock.now()) + 0.001
        self._timer = self._loop.call_later(delay, self._ring)

    def _ring(self) -> None:
        self._timer, self._timer_at = None, inf
        for connection in self._deadlines.due(self.node.clock.now()):
            connection.tick()
        at = self._deadlines.next_at()
        if at < self._timer_at:
            self._arm(at)

    def _tend(self) -> None:
        self._tending = self._loop.call_later(_TEND_EVERY, self._tend)
        self.node.log.tend(self.node.clock.wall())

    # The end.

    async def drain(self) -> bool:
        """Let everybody go, then stop; ``hurry`` cuts it short.

        Clients are told, get what they have not got yet, and are closed; what is
        left after the configured time is cut. HTTP is answered all the while, so
        that ``/readyz`` can say it.

        Returns:
            Whether all connections were closed in time.
        """
        node = self.node
        node.is_draining = True
        node.logger.info("draining", connections=node.admission.open)
        node.fanout.flush()
        sockets = [each.socket for each in self._connections if each.socket is not None]
        spread = min(node.config.drain, len(sockets) / RECONNECTIONS_PER_S)
        for socket in sockets:
            socket.drain(node.rng.uniform(0.0, spread))
        is_clean = await self._wait_until_empty(node.config.drain)
        await self.stop()
        node.logger.info("stopped", clean=is_clean)
        return is_clean

    def hurry(self) -> None:
        """Cut a drain short."""
        self._is_hurried.set()

    async def _wait_until_empty(self, seconds: float) -> bool:
        """Wait until no WebSocket is left; HTTP does not hold us up."""
        self._is_quiet.clear()
        if not self.node.admission.open:
            return True
        waits = [
            self._loop.create_task(event.wait())
            for event in (self._is_quiet, self._is_hurried)
        ]
        try:
            await asyncio.wait(
                waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for wait in waits:
                wait.cancel()
        return not self.node.admission.open

    async def stop(self) -> None:
        """Stop at once: close the listeners, cut all connections, close the log."""
        self._close_listeners()
        for timer in (self._timer, self._tending):
            if timer is not None:
                timer.cancel()
        for connection in list(self._connections):
            connection.abort()
        if self._connections:
            await self._is_empty.wait()
        await self.node.close()

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()

    def __repr__(self) -> str:
        """Show where it listens and how many are connected."""
        return f"<Server {self.urls} {len(self._connections)} connections>"


_REASONS = {
    errno.EADDRINUSE: "is taken by another program",
    errno.EACCES: "needs more rights than this process has",
    errno.EADDRNOTAVAIL: "is not there: this machine has no such address",
}


def _why_not(error: OSError, flag: str, host: str, port: int) -> str:
    """Say in one sentence why nobody can listen there."""
    reason = _REASONS.get(error.errno or 0, f"cannot be used: {error}")
    return f"port {port} on {host} {reason}; choose another one with {flag}"
