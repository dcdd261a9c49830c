"""The server: listens, counts connections, keeps their deadlines and drains them.

It refuses to know what is said on a connection.
"""

import asyncio
import errno
import socket
import ssl
from collections import Counter
from math import inf

from wavetank.errors import TargetError
from wavetank.hub.aio.connection import Connection
from wavetank.hub.aio.http import Pages
from wavetank.hub.aio.listener import Listener, bind
from wavetank.hub.aio.node import Node
from wavetank.hub.aio.tls import make_tls
from wavetank.hub.config import HubConfig
from wavetank.hub.deadlines import Deadlines
from wavetank.wire import Refusal

__all__ = ["SPARE_SOCKETS", "Server"]

SPARE_SOCKETS = 256
"""Sockets beyond the connections' limit: for refusals, health and status."""

SPARE_OF_IP = 16
"""The same of one address."""

TURNED_AWAY = 32
"""Sockets beyond those that are told so; even more are closed without a word."""

RECONNECTIONS_PER_S = 200
"""How many clients should come back in one second after a drain."""

_TEND_EVERY = 1.0
_LOOK_EVERY = 0.1
_GRAIN = 0.05
"""Seconds between two rounds of what is due."""

_STOOD_STILL = 0.2
"""Seconds that a round is late where the process was kept from running."""

_RETRY = (("Retry-After", "5"),)


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
        self._listeners: list[Listener] = []
        self._tls: ssl.SSLContext | None = None
        self._connections: set[Connection] = set()
        self._sockets = 0
        self._by_ip: Counter[str] = Counter()
        self._deadlines: Deadlines[Connection] = Deadlines()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf
        self._was_late = False
        self._tending: asyncio.TimerHandle | None = None
        self._tend_at = 0.0
        self._is_empty = asyncio.Event()
        self._is_quiet = asyncio.Event()
        self._is_hurried = asyncio.Event()
        self._stopping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the log and listen on all ports; ``stop`` ends what has begun.

        Raises:
            TargetError: If a port or the log cannot be had; then nothing listens.
            UsageError: If the certificate or the log cannot be used.
        """
        config = self.node.config
        self._tls = make_tls(config)
        await self.node.open()
        try:
            await self._listen("--port", config.ports.plain, "ws")
            if config.ports.tls is not None:
                await self._listen("--tls-port", config.ports.tls, "wss")
            if config.ports.http is not None:
                await self._listen("--http-port", config.ports.http, "http")
        except BaseException:
            await self._close_listeners()
            raise
        self._tend_at = self.node.clock.now() + _TEND_EVERY
        self._look(self.node.clock.now())
        self.node.logger.info("listening", urls=self.urls)

    async def _listen(self, flag: str, port: int, scheme: str) -> None:
        host = self.node.config.host
        try:
            sockets = await bind(host, port)
        except OSError as error:
            raise TargetError(_why_not(error, flag, host, port)) from None
        tls = self._current_tls if scheme == "wss" else None
        listeners = [Listener(self, each, tls) for each in sockets]
        self._listeners += listeners
        address, number = listeners[0].address
        name = f"[{address}]" if ":" in address else address
        path = "" if scheme == "http" else "/ws"
        self.urls.append(f"{scheme}://{name}:{number}{path}")

    def _current_tls(self) -> ssl.SSLContext:
        assert self._tls is not None  # there is no TLS port without a certificate
        return self._tls

    def reload(self, config: HubConfig | None = None) -> None:
        """Read certificate, key and token keys again; connections go on.

        Those whose token or key is gone are closed.

        Args:
            config: Has the static tokens that hold from now on; nothing else of it is
                taken. None keeps those of before.

        Raises:
            UsageError: If they cannot be used; then everything stays as it was.
        """
        tls = make_tls(self.node.config)
        self.node.tokens.reload(config)
        self._tls = tls
        self.node.recheck()

    # What listeners and connections ask for.

    def admit(self, ip: str, *, is_tls: bool) -> bool:
        """Count a socket in; False, and nothing is counted, if there is no room.

        Those that can be told so at little cost may be some more.
        """
        spare = 0 if is_tls else TURNED_AWAY
        if self._is_over(ip, spare - 1):
            return False
        self._sockets += 1
        self._by_ip[ip] += 1
        return True

    def _is_over(self, ip: str, by: int) -> bool:
        """Tell whether there are more sockets than there may be, by so many."""
        most = self.node.config.crowd.total
        is_over = most is not None and self._sockets > most + SPARE_SOCKETS + by
        return is_over or self._is_over_for(ip, by)

    def _is_over_for(self, ip: str, by: int) -> bool:
        """Tell the same of one address."""
        most = self.node.config.crowd.per_ip
        return most is not None and self._by_ip.get(ip, 0) > most + SPARE_OF_IP + by

    def dismiss(self, ip: str) -> None:
        """Count it out."""
        self._sockets -= 1
        if self._by_ip[ip] > 1:
            self._by_ip[ip] -= 1
        else:
            del self._by_ip[ip]

    def receive(self, ip: str, *, is_tls: bool) -> Connection:
        """Make the connection that a socket becomes."""
        return Connection(self, ip, is_tls=is_tls)

    def enter(self, connection: Connection) -> Refusal | None:
        """Take a connection in, or say why there is no room even to talk to it."""
        self._connections.add(connection)
        self._is_empty.clear()
        if not self._is_over(connection.ip, 0):
            return None
        if self._is_over_for(connection.ip, 0):
            return Refusal(429, "too many connections from this address", _RETRY)
        return Refusal(503, "too many connections", _RETRY)

    def leave(self, connection: Connection) -> None:
        """Let it go."""
        self._deadlines.drop(connection)
        self._connections.discard(connection)
        self.dismiss(connection.ip)
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
        late = self.node.clock.now() - self._timer_at
        self._timer, self._timer_at = None, inf
        if late > _STOOD_STILL and not self._was_late:
            # Whatever has come meanwhile is read before anybody is judged by it.
            self._was_late = True
            self._arm(self.node.clock.now() + _GRAIN)
            return
        self._was_late = False
        for connection in self._deadlines.due(self.node.clock.now()):
            connection.tick()
        # With thousands of connections something is due every millisecond: it is
        # done for several at once, a little late.
        at = max(self._deadlines.next_at(), self.node.clock.now() + _GRAIN)
        if at < self._timer_at:
            self._arm(at)

    def _look(self, expected: float) -> None:
        """Note how late the loop is, and tend the log from time to time."""
        node = self.node
        now = node.clock.now()
        node.tally.loop_lag(now - expected)
        self._tending = self._loop.call_later(
            _LOOK_EVERY, self._look, now + _LOOK_EVERY
        )
        if now >= self._tend_at:
            self._tend_at = now + _TEND_EVERY
            node.tally.second(now)
            node.tend()

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
        # Whoever leaves must have all that is visible by then.
        node.fanout.is_hurried = True
        node.logger.info("draining", connections=node.admission.open)
        node.fanout.flush()
        sockets = [each.socket for each in self._connections if each.socket is not None]
        spread = min(node.config.drain, len(sockets) / RECONNECTIONS_PER_S)
        for each in sockets:
            each.drain(node.rng.uniform(0.0, spread))
        try:
            is_clean = await self._wait_until_empty(node.config.drain)
        finally:
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
        """Stop at once: close the listeners, cut all connections, close the log.

        It is done to its end, whoever cancels the one who waits for it; a second
        call waits for the first one.
        """
        if self._stopping is None:
            self._stopping = self._loop.create_task(self._stop())
        cancelled: asyncio.CancelledError | None = None
        while not self._stopping.done():
            try:
                await asyncio.shield(self._stopping)
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled
        self._stopping.result()

    async def _stop(self) -> None:
        await self._close_listeners()
        for connection in list(self._connections):
            connection.abort()
        if self._connections:
            await self._is_empty.wait()
        for timer in (self._timer, self._tending):
            if timer is not None:
                timer.cancel()
        await self.node.close()

    async def _close_listeners(self) -> None:
        await asyncio.gather(*(each.close() for each in self._listeners))

    def __repr__(self) -> str:
        """Show where it listens and how many are connected."""
        return f"<Server {self.urls} {len(self._connections)} connections>"


_REASONS = {
    errno.EADDRINUSE: "is taken by another program",
    errno.EACCES: "needs more rights than this process has",
    errno.EADDRNOTAVAIL: "is not there: this machine has no such address",
    socket.EAI_NONAME: "is not there: nobody knows this name",
}


def _why_not(error: OSError, flag: str, host: str, port: int) -> str:
    """Say in one sentence why nobody can listen there."""
    reason = _REASONS.get(error.errno or 0, f"cannot be used: {error}")
    return f"port {port} on {host} {reason}; choose another one with {flag}"
