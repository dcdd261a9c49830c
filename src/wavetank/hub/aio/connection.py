"""One connection: it reads, answers HTTP or shakes hands, and writes.

It and ``server`` know the transport; it refuses to know what a WebSocket is for.

    OPENING -> ANSWERING -> ENDING        a page over HTTP
    OPENING -> TALKING -> ENDING          a WebSocket
"""

import asyncio
import enum
from collections.abc import Callable
from math import inf
from typing import Protocol, cast

from wavetank.hub.access import Claims
from wavetank.hub.aio.http import Pages, encode_answer, encode_refused
from wavetank.hub.aio.node import Node
from wavetank.hub.aio.websocket import WebSocket
from wavetank.hub.opening import ECHO_PATH, HUB_PATH, judge_opening
from wavetank.wire import HeadReader, Refusal, Request, switching_protocols

__all__ = ["HIGH_WATER", "Connection", "House"]

HIGH_WATER = 65_536
"""Bytes in a transport's buffer above which a connection lags."""

SLICE_BYTES = 8192
"""Bytes that are read between two looks at the clock."""

TURN = 0.005
"""Seconds that one connection's bytes may take before the others have their turn."""

_RETRY = (("Retry-After", "5"),)


class Phase(enum.Enum):
    """Where a connection is in its life."""

    OPENING = "opening"
    ANSWERING = "answering"
    TALKING = "talking"
    ENDING = "ending"


class House(Protocol):
    """What a connection needs of its server."""

    node: Node
    pages: Pages

    def enter(self, connection: "Connection") -> bool:
        """Count a connection in; False if there is no room even to talk to it."""
        ...

    def leave(self, connection: "Connection") -> None:
        """Count it out."""
        ...

    def wake(self, connection: "Connection", at: float) -> None:
        """Call ``tick`` at that time, and not at the one asked for before."""
        ...


class _Pending:
    """A request whose body is on its way."""

    __slots__ = ("body", "claims", "length", "request")

    def __init__(self, request: Request, claims: Claims | None, length: int) -> None:
        self.request = request
        self.claims = claims
        self.length = length
        self.body = bytearray()


class Connection(asyncio.Protocol):
    """One connection.

    Args:
        house: Its server.
        is_tls: Whether it came in over TLS.

    Attributes:
        socket: The WebSocket, once it is open.
        write: Hands bytes to the transport.
    """

    __slots__ = (
        "_head",
        "_house",
        "_ip",
        "_is_held",
        "_is_resting",
        "_is_tls",
        "_node",
        "_pending",
        "_phase",
        "_transport",
        "_unread",
        "socket",
        "write",
    )

    _transport: asyncio.Transport
    write: Callable[[bytes], object]

    def __init__(self, house: House, *, is_tls: bool) -> None:
        self._house = house
        self._node = house.node
        self._is_tls = is_tls
        self._phase = Phase.OPENING
        self._head: HeadReader[Request] | None = HeadReader()
        self._pending: _Pending | None = None
        self._ip = ""
        self._is_held = False
        self._is_resting = False
        self._unread = b""
        self.socket: WebSocket | None = None

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: somebody has connected."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = transport = cast(asyncio.Transport, transport)
        self.write = transport.write
        transport.set_write_buffer_limits(high=HIGH_WATER)
        peer = transport.get_extra_info("peername")
        self._ip = str(peer[0]) if peer else ""
        if self._house.enter(self):
            self.wake(self._node.clock.now() + self._node.config.handshake)
        else:
            self._refuse(Refusal(503, "too many connections", _RETRY))

    def data_received(self, data: bytes) -> None:
        """Take bytes; whatever goes wrong ends this connection and no other."""
        try:
            if self._is_resting or self._unread:
                # A transport that had read ahead when it was told to stop (TLS).
                self._unread += data
            elif self.socket is not None:
                self._feed(self.socket, data)
            elif self._head is not None:
                self._take_head(self._head, data)
            elif self._pending is not None:
                self._take_body(self._pending, data)
        except Exception as error:  # noqa: BLE001 - strangers' bytes; logged there
            self._crash(error)

    def eof_received(self) -> bool:
        """Tell whether to go on writing: an answer is on its way to a half-closed peer.

        TLS knows no such thing.
        """
        return self._phase is Phase.ANSWERING and not self._is_tls

    def pause_writing(self) -> None:
        """Hear that the buffer is above high water."""
        if self.socket is not None:
            self.socket.paused()

    def resume_writing(self) -> None:
        """Hear that the buffer is below low water."""
        if self.socket is not None:
            try:
                self.socket.resumed()
            except Exception as error:  # noqa: BLE001 - as in data_received
                self._crash(error)

    def connection_lost(self, error: Exception | None) -> None:
        """End: nothing can be written or read any more."""
        try:
            if self.socket is not None:
                self._note_end(self.socket, error)
        finally:
            self._phase = Phase.ENDING
            self._head = self._pending = self.socket = None
            self._unread = b""
            self._house.leave(self)

    def _note_end(self, socket: WebSocket, error: Exception | None) -> None:
        node, code = self._node, socket.code or 1006
        node.admission.leave(self._ip)
        node.closed[code] += 1
        node.logger.debug(
            "connection_closed", connection=socket.name, code=code, error=error
        )
        socket.lost()

    # Turns.

    def _feed(self, socket: WebSocket, data: bytes) -> None:
        """Hand bytes to the WebSocket, for one turn; then the others have theirs.

        A read brings up to 256 KiB, which may be 40,000 frames; and uvloop hands
        out read after read before anybody else is served.
        """
        if len(data) <= SLICE_BYTES:
            socket.feed(data)
            return
        now = self._node.clock.now
        until = now() + TURN
        for start in range(0, len(data), SLICE_BYTES):
            stop = start + SLICE_BYTES
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
            self._crash(error)
        if not self._is_resting and not self._is_held:
            self._transport.resume_reading()

    # HTTP.

    def _take_head(self, reader: HeadReader[Request], data: bytes) -> None:
        head = reader.feed(data)
        if head is None:
            return
        self._head = None
        if isinstance(head, Refusal):
            self._refuse(head)
        elif head.path == HUB_PATH or self._is_echo(head):
            self._shake_hands(head, reader.rest)
        else:
            self._take_request(head, reader.rest)

    def _is_echo(self, request: Request) -> bool:
        return self._node.config.echo and request.path == ECHO_PATH

    def _take_request(self, request: Request, rest: bytes) -> None:
        claims = self._house.pages.judge(request)
        if isinstance(claims, Refusal):
            self._refuse(claims)
            return
        length = _body_length(request, self._node.config.limits.message_bytes)
        if isinstance(length, Refusal):
            self._refuse(length)
            return
        self._pending = _Pending(request, claims, length)
        if (request.headers.get("Expect") or "").lower() == "100-continue":
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._take_body(self._pending, rest)

    def _take_body(self, pending: _Pending, data: bytes) -> None:
        if self._phase is not Phase.OPENING:
            return
        pending.body += data[: pending.length - len(pending.body)]
        if len(pending.body) == pending.length:
            self._phase = Phase.ANSWERING
            self.wake(inf)
            self._node.start(self._answer(pending))

    async def _answer(self, pending: _Pending) -> None:
        try:
            answer = await self._house.pages.answer(
                pending.request, pending.claims, bytes(pending.body)
            )
        except Exception as error:  # noqa: BLE001 - as in data_received
            self._crash(error)
            return
        response = encode_answer(
            answer,
            self._node.clock.wall(),
            strict_transport=self._is_strict,
            is_head=pending.request.method == "HEAD",
        )
        self._end_with(response)

    @property
    def _is_strict(self) -> bool:
        """Whether browsers may be told to come back over TLS only."""
        return self._is_tls and not self._node.config.is_local

    def _refuse(self, refusal: Refusal) -> None:
        node, status = self._node, refusal.status
        node.refused[str(status)] += 1
        node.logger.info(
            "request_refused", peer=self._ip, status=status, reason=refusal.text
        )
        wall = node.clock.wall()
        self._end_with(encode_refused(refusal, wall, strict_transport=self._is_strict))

    def _end_with(self, data: bytes) -> None:
        """Write the last bytes, then let the peer read them before all is gone."""
        if self._phase is Phase.ENDING or self._transport.is_closing():
            return
        self.write(data)
        self.linger()

    # The opening handshake.

    def _shake_hands(self, request: Request, rest: bytes) -> None:
        node = self._node
        opening = self._find_room() or judge_opening(request, node.config, node.verify)
        if isinstance(opening, Refusal):
            self._refuse(opening)
            return
        claims = opening.claims
        if claims is not None and not node.admission.sign_in(claims.user):
            self._refuse(Refusal(429, "this user has enough connections", _RETRY))
            return
        node.admission.enter(self._ip)
        self._phase = Phase.TALKING
        self.socket = WebSocket(self, node, node.name_connection())
        self.write(switching_protocols(opening.upgrade))
        node.logger.debug(
            "connection_opened",
            connection=self.socket.name,
            peer=self._ip,
            path=request.path,
            # Browsers put tokens where subprotocols belong: only their number is told.
            offered=len(opening.upgrade.offered),
        )
        self.socket.begin(opening)
        self._feed(self.socket, rest)

    def _find_room(self) -> Refusal | None:
        """Return why there is no room for one more; None if there is."""
        node = self._node
        if node.is_draining:
            return Refusal(503, "this hub is going away", _RETRY)
        if node.admission.is_full():
            return Refusal(503, "too many connections", _RETRY)
        if node.admission.is_full_for(self._ip):
            return Refusal(429, "too many connections from this address", _RETRY)
        return None

    # What the WebSocket and the server ask for.

    def linger(self) -> None:
        """End our side; drop what comes until the peer ends its own, or time is up.

        subtle: closing while unread bytes are there would send a reset, and that
        would destroy what the peer has not read yet.
        """
        self._phase = Phase.ENDING
        self._head = self._pending = None
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
            if self._phase is Phase.OPENING:
                self._refuse(Refusal(408, "the request took too long"))
            elif self._phase is Phase.ENDING:
                self._transport.abort()
            elif self.socket is not None:
                self.socket.tick()
        except Exception as error:  # noqa: BLE001 - as in data_received
            self._crash(error)

    def _crash(self, error: Exception) -> None:
        """End after a fault of our own, which nobody else shall notice."""
        ref = self._node.new_ref()
        name = self.socket.name if self.socket else ""
        self._node.logger.error(
            "connection_crashed", connection=name, ref=ref, exc_info=error
        )
        try:
            if self.socket is not None and self.socket.is_open:
                self.socket.fail(1011, f"internal error {ref}")
            else:
                self._refuse(Refusal(500, f"internal error {ref}"))
        except Exception:
            self._node.logger.exception("connection_aborted", ref=ref)
            self._transport.abort()

    def __repr__(self) -> str:
        """Show who it is and where in its life."""
        return f"<Connection {self._ip} {self._phase.value} {self.socket!r}>"


def _body_length(request: Request, most: int | None) -> int | Refusal:
    """Return the length of a request's body, or why it is not taken."""
    headers = request.headers
    lengths = set(headers.all("Content-Length"))
    if "Transfer-Encoding" in headers or (request.method == "POST" and not lengths):
        return Refusal(411, "the body needs a Content-Length")
    length = lengths.pop() if lengths else "0"
    if lengths or not length.isascii() or not length.isdigit() or len(length) > 15:
        return Refusal(400, "Content-Length is malformed (RFC 9112 6.3)")
    if most is not None and int(length) > most:
        return Refusal(413, f"the body has {length} bytes; at most {most} are taken")
    return int(length)
