"""One connection: its transport, its turns, and what becomes of it.

It and ``listener`` know the transport; it refuses to know requests and frames.

    NEW -> ASKING -> ENDING               pages over HTTP
    NEW -> ASKING -> TALKING -> ENDING    a WebSocket
"""

import asyncio
import enum
import logging
from typing import Protocol, cast

from wavetank.hub.aio.exchange import Exchange
from wavetank.hub.aio.http import Pages
from wavetank.hub.aio.node import Node
from wavetank.hub.aio.websocket import WebSocket
from wavetank.hub.aio.writes import TryWrite, Write, straight_to
from wavetank.hub.opening import judge_opening, shown_target
from wavetank.protocol import PROTOCOL
from wavetank.wire import Refusal, Request, switching_protocols

__all__ = ["HIGH_WATER", "Connection", "House"]

HIGH_WATER = 65_536
"""Bytes in a buffer of TLS above which a connection lags; else one is enough."""

TURN = 0.005
"""Seconds that one connection's bytes may take before the others have their turn."""

_RETRY = (("Retry-After", "5"),)


class Phase(enum.Enum):
    """Where a connection is in its life."""

    NEW = "new"
    ASKING = "asking"
    TALKING = "talking"
    ENDING = "ending"


class House(Protocol):
    """What a connection needs of its server."""

    node: Node
    pages: Pages

    def enter(self, connection: "Connection") -> Refusal | None:
        """Take a connection in, or say why there is no room even to talk to it."""
        ...

    def leave(self, connection: "Connection") -> None:
        """Let it go."""
        ...

    def wake(self, connection: "Connection", at: float) -> None:
        """Call ``tick`` at that time, and not at the one asked for before."""
        ...


class Connection(asyncio.Protocol):
    """One connection.

    Args:
        house: Its server.
        ip: Address of its peer.
        is_tls: Whether it came in over TLS.

    Attributes:
        ip: As given.
        is_tls: As given.
        socket: The WebSocket, once it is open.
        write: Hands bytes to the transport.
    """

    __slots__ = (
        "_exchange",
        "_house",
        "_is_full",
        "_is_held",
        "_is_resting",
        "_is_resuming",
        "_node",
        "_phase",
        "_transport",
        "_unread",
        "ip",
        "is_tls",
        "socket",
        "try_write",
        "write",
    )

    _transport: asyncio.Transport
    write: Write
    try_write: TryWrite | None

    def __init__(self, house: House, ip: str, *, is_tls: bool) -> None:
        self._house = house
        self._node = house.node
        self._phase = Phase.NEW
        self._exchange: Exchange | None = None
        self._is_full = False
        self._is_held = False
        self._is_resting = False
        self._is_resuming = False
        self._unread = b""
        self.ip = ip
        self.is_tls = is_tls
        self.try_write = None
        self.socket: WebSocket | None = None

    @property
    def has_begun(self) -> bool:
        """Whether there ever was a transport."""
        return self._phase is not Phase.NEW

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: somebody has connected."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = transport = cast(asyncio.Transport, transport)
        self._phase = Phase.ASKING
        self.write = transport.write
        socket = None if self.is_tls else transport.get_extra_info("socket")
        if socket is None:
            transport.set_write_buffer_limits(high=HIGH_WATER)
        else:
            # Whoever is not paused has nothing in the buffer: `write_all` needs it.
            transport.set_write_buffer_limits(high=0)
            self.try_write = straight_to(socket.fileno())
        self._exchange = Exchange(self, self._node, self._house.pages)
        refusal = self._house.enter(self)
        if refusal is None:
            self._exchange.begin()
        else:
            self._exchange.refuse(refusal)

    def data_received(self, data: bytes) -> None:
        """Take bytes; whatever goes wrong ends this connection and no other."""
        try:
            if self._is_resting or self._unread:
                # A transport that had read ahead when it was told to stop (TLS).
                self._unread += data
            elif self.socket is not None:
                self._feed(self.socket, data)
            elif self._exchange is not None:
                self._exchange.feed(data)
        except Exception as error:  # noqa: BLE001 - strangers' bytes; logged there
            self.crash(error)

    def eof_received(self) -> bool:
        """Tell whether to go on writing: an answer is on its way to a half-closed peer.

        TLS knows no such thing.
        """
        exchange = self._exchange
        return exchange is not None and exchange.ended() and not self.is_tls

    def pause_writing(self) -> None:
        """Hear that the buffer is above high water."""
        speaker = self.socket or self._exchange
        self._is_full = True
        if speaker is not None:
            speaker.paused()

    def resume_writing(self) -> None:
        """Hear that the buffer is below low water."""
        self._is_full = False
        speaker = self.socket or self._exchange
        if speaker is not None:
            self._is_resuming = True
            try:
                speaker.resumed()
            except Exception as error:  # noqa: BLE001 - as in data_received
                self.crash(error)
            finally:
                self._is_resuming = False

    def connection_lost(self, error: Exception | None) -> None:
        """End: nothing can be written or read any more."""
        try:
            if self._exchange is not None:
                self._exchange.lost()
            if self.socket is not None:
                # First of all: nobody may write to a number that is given out again.
                self.socket.lost()
                self._note_end(self.socket, error)
        finally:
            self._phase = Phase.ENDING
            self._exchange = self.socket = None
            self._unread = b""
            self._house.leave(self)

    def _note_end(self, socket: WebSocket, error: Exception | None) -> None:
        node, code = self._node, socket.code or 1006
        by = "network" if socket.code is None else socket.ended_by
        node.admission.leave(self.ip)
        node.tally.ended(code, by)
        node.logger.debug(
            "connection_closed", connection=socket.name, code=code, by=by, error=error
        )

    # Turns.

    def _feed(self, socket: WebSocket, data: bytes) -> None:
        """Hand bytes to the WebSocket, for one turn; then the others have theirs.

        A read brings up to 256 KiB, which may be 40,000 frames; and uvloop hands
        out read after read before anybody else is served.
        """
        size = socket.slice_bytes
        if len(data) <= size:
            socket.feed(data)
            return
        now = self._node.clock.now
        until = now() + TURN
        for start in range(0, len(data), size):
            stop = start + size
            socket.feed(data[start:stop])
            if self._is_held or now() >= until:
                self._unread = data[stop:]
                self._rest()
                return

    def _rest(self) -> None:
        """Read nothing until the next turn."""
        if not self._is_held and not self._transport.is_closing():
            self._is_resting = True
            self._transport.pause_reading()
            self._node.call_soon(self._go_on)

    def _go_on(self) -> None:
        """Take what was left over from the turn before, then read again."""
        self._is_resting = False
        if self.socket is None or self._is_held or self._transport.is_closing():
            return
        data, self._unread = self._unread, b""
        try:
            self._feed(self.socket, data)
        except Exception as error:  # noqa: BLE001 - as in data_received
            self.crash(error)
        if not self._is_resting and not self._is_held:
            self._transport.resume_reading()

    # The opening handshake.

    def upgrade(self, request: Request, rest: bytes) -> Refusal | None:
        """Make a WebSocket of it, or say why not.

        Args:
            request: The opening handshake.
            rest: Bytes behind it.
        """
        node = self._node
        opening = self._find_room() or judge_opening(request, node.config, node.verify)
        if isinstance(opening, Refusal):
            return opening
        claims = opening.claims
        if claims is not None and not node.admission.sign_in(claims.user):
            return Refusal(429, "this user has enough connections", _RETRY)
        node.admission.enter(self.ip)
        self._phase = Phase.TALKING
        self._exchange = None
        self.socket = socket = WebSocket(self, node, node.name_connection())
        self.write(switching_protocols(opening.upgrade))
        if self._is_full:
            socket.paused()
        offered = opening.upgrade.offered
        kind = PROTOCOL if offered else "none"
        node.tally.accepted["echo" if opening.is_echo else kind] += 1
        if node.logger.is_enabled_for(logging.DEBUG):
            node.logger.debug(
                "connection_opened",
                connection=socket.name,
                peer=self.ip,
                target=shown_target(request.target),
                # Browsers put tokens where subprotocols belong: their number is told.
                offered=len(offered),
            )
        socket.begin(opening)
        if rest:
            self._feed(socket, rest)
        return None

    def _find_room(self) -> Refusal | None:
        """Return why there is no room for one more; None if there is."""
        node = self._node
        if node.is_draining:
            return Refusal(503, "this hub is going away", _RETRY)
        if node.admission.is_full():
            return Refusal(503, "too many connections", _RETRY)
        if node.admission.is_full_for(self.ip):
            return Refusal(429, "too many connections from this address", _RETRY)
        return None

    # What the WebSocket and the server ask for.

    def linger(self) -> None:
        """End our side; drop what comes until the peer ends its own, or time is up.

        subtle: closing while unread bytes are there would send a reset, and that
        would destroy what the peer has not read yet.
        """
        self._phase = Phase.ENDING
        if self._exchange is not None:
            self._exchange.lost()
            self._exchange = None
        self._is_held = False
        self._unread = b""
        self._transport.resume_reading()
        self.cut_in(self._node.config.closing)
        if not self._transport.can_write_eof():
            self._transport.close()
            return
        try:
            self._transport.write_eof()
        except OSError:
            # The peer has reset it meanwhile; asyncio has not noticed yet.
            self._transport.abort()

    def end(self) -> None:
        """End once everything is written."""
        if self._is_resuming:
            # asyncio ends a connection twice that is closed while it resumes it.
            self._node.call_soon(self._transport.close)
        else:
            self._transport.close()

    def abort(self) -> None:
        """Cut it."""
        self._transport.abort()

    def hold(self) -> None:
        """Stop reading."""
        self._is_held = True
        self._transport.pause_reading()

    def release(self) -> None:
        """Read again, and first what is left over."""
        self._is_held = False
        if self._unread and not self._is_resting:
            self._rest()
        elif not self._is_resting:
            self._transport.resume_reading()

    def wake(self, at: float) -> None:
        """Call ``tick`` at that time, and not at the one asked for before."""
        self._house.wake(self, at)

    def cut_in(self, seconds: float) -> None:
        """Cut it then, if it is still there."""
        self._phase = Phase.ENDING
        self.wake(self._node.clock.now() + seconds)

    def tick(self) -> None:
        """Do what is due."""
        try:
            if self._phase is Phase.ENDING:
                self._transport.abort()
            elif self.socket is not None:
                self.socket.tick()
            elif self._exchange is not None:
                self._exchange.tick()
        except Exception as error:  # noqa: BLE001 - as in data_received
            self.crash(error)

    def crash(self, error: Exception) -> None:
        """End after a fault of our own, which nobody else shall notice."""
        ref = self._node.new_ref()
        name = self.socket.name if self.socket else ""
        self._node.logger.error(
            "connection_crashed",
            connection=name,
            peer=self.ip,
            ref=ref,
            exc_info=error,
        )
        try:
            if self.socket is not None and self.socket.is_open:
                self.socket.fail(1011, f"internal error {ref}")
            elif self._exchange is not None:
                refusal = Refusal(500, f"internal error {ref}")
                self._exchange.refuse(refusal, ref=ref)
            else:
                self._transport.abort()
        except Exception:
            self._node.logger.exception("connection_aborted", ref=ref)
            self._transport.abort()

    def __repr__(self) -> str:
        """Show who it is and where in its life."""
        return f"<Connection {self.ip} {self._phase.value} {self.socket!r}>"
