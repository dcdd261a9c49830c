"""The polite peer: a client that keeps every rule of RFC 6455.

It refuses to know what messages mean, and to break a rule: see ``rude``.
"""

import asyncio
import contextlib
import functools
import re
import ssl
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConcurrencyError,
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    InvalidURI,
    PayloadTooBig,
    ProtocolError,
    TooManyFragments,
)
from websockets.protocol import State
from websockets.typing import Origin, Subprotocol

from wavetank import __version__
from wavetank.clock import Clock, SystemClock
from wavetank.errors import LocalError, RemoteError
from wavetank.net.failures import (
    ConnectionEnded,
    HandshakeBroken,
    HandshakeRefused,
    Side,
    reaching_failure,
)
from wavetank.net.stream import Tap, reset
from wavetank.net.trace import Step, trace_logger, without_secrets

__all__ = ["Peer", "open_peer"]

_MAX_MESSAGE = 2**20
_MAX_QUEUE = 64
"""Frames kept unread before reading pauses, so that TCP slows the server down."""
_USER_AGENT = f"wavetank/{__version__}"
_BROKEN_RULE = (ProtocolError, PayloadTooBig, TooManyFragments, UnicodeDecodeError)
# The opening handshake owns these; who wants to change them wants ``rude``.
_OWN_HEADERS = {"host", "upgrade", "connection", "origin"}
_OWN_PREFIX = "sec-websocket-"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_FIELD = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # RFC 9110 5.5, no line end

T = TypeVar("T")


async def open_peer(
    url: str,
    *,
    subprotocols: Sequence[str] = (),
    headers: Sequence[tuple[str, str]] = (),
    origin: str | None = None,
    tls: ssl.SSLContext | None = None,
    open_timeout: float = 5.0,
    max_message: int | None = _MAX_MESSAGE,
    compression: bool = False,
    observe: Callable[[Step], None] | None = None,
    tap: Tap | None = None,
    secrets: Sequence[str] = (),
    clock: Clock | None = None,
) -> "Peer":
    """Connect and shake hands.

    No proxy is used, no redirect followed, no ping sent unless asked for.

    Args:
        url: ``ws://`` or ``wss://``; a user and password become Basic credentials.
        subprotocols: Offered in this order.
        headers: Sent in addition to those of the opening handshake.
        origin: Value of the Origin header.
        tls: Context for ``wss://``; the system's authorities by default.
        open_timeout: Seconds for everything: name, TCP, TLS, opening handshake.
        max_message: Longest message to accept, in bytes; None for any length.
        compression: Whether to offer permessage-deflate.
        observe: Called with each step; it must not raise.
        tap: Listens in on the connection.
        secrets: Texts that no step may show.
        clock: Of the steps and of the round trips of pings.

    Raises:
        LocalError: If the arguments are wrong.
        NotReached: If nobody accepts the connection.
        TlsFailed: If the TLS handshake fails.
        HandshakeRefused: If the answer is another status than 101.
        HandshakeBroken: If the answer breaks a rule, or the connection ends.
        TimeoutError: If it takes longer than ``open_timeout``.
    """
    _check_headers(headers)
    if origin is not None and not _FIELD.fullmatch(origin):
        raise LocalError(f"origin {origin!r} cannot be sent (RFC 9110 5.5)")
    context: dict[str, Any] = {} if tls is None else {"ssl": tls}
    # The library calls what it takes for a class, and nothing else.
    context["create_connection"] = functools.partial(_Connection, tap=tap)
    try:
        connecting = _Connect(
            url,
            origin=None if origin is None else Origin(origin),
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            compression="deflate" if compression else None,
            additional_headers=list(headers),
            user_agent_header=_USER_AGENT,
            proxy=None,
            open_timeout=open_timeout,
            ping_interval=None,
            close_timeout=None,  # each wait of a peer has its own deadline
            max_size=max_message,
            max_queue=_MAX_QUEUE,
            logger=trace_logger(observe, secrets, clock or SystemClock()),
            # A wss:// URL without a context gets the library's default one.
            **context,
        )
    except (InvalidURI, ValueError, TypeError) as exc:
        # Not "from exc": the library's words may hold the whole URL.
        why = exc.msg if isinstance(exc, InvalidURI) else _words(exc)
        raise LocalError(f"cannot open {without_secrets(url)}: {why}") from None
    try:
        connection = cast(_Connection, await connecting)
    except (OSError, InvalidHandshake) as exc:
        raise _opening_error(exc, connecting, open_timeout) from exc
    connection.clock = clock or connection.clock
    return Peer(url, connection)


class Peer:
    """An open connection to a target; made by ``open_peer``.

    Use it as an asynchronous context manager to have it closed.
    """

    def __init__(self, url: str, connection: "_Connection") -> None:
        self.url = url
        self._connection = connection
        response = connection.response
        assert response is not None, "the opening handshake is over"
        self.headers = tuple(response.headers.raw_items())
        """Headers of the answer to the opening handshake."""
        self.local_port: int = connection.local_address[1]
        """Our side's TCP port."""

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server chose."""
        return self._connection.subprotocol

    @property
    def tls_version(self) -> str:
        """The version of TLS, such as ``TLSv1.3``; "" without TLS."""
        context = self._connection.transport.get_extra_info("ssl_object")
        return "" if context is None else str(context.version())

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._connection.state is State.OPEN

    @property
    def close_code(self) -> int | None:
        """Close code that the server sent, 1005 or 1006; None while not closed."""
        return self._connection.close_code

    @property
    def close_reason(self) -> str | None:
        """Close reason that the server sent; None while not closed."""
        return self._connection.close_reason

    @property
    def closed_by(self) -> Side | None:
        """Who ended the connection; None while not closed."""
        if self._connection.state is not State.CLOSED:
            return None
        return self._connection.ended_by()

    def header(self, name: str) -> str | None:
        """Return the first such header of the server's answer."""
        wanted = name.lower()
        return next(
            (value for key, value in self.headers if key.lower() == wanted), None
        )

    async def send(self, message: str | bytes, *, timeout: float = 10.0) -> None:
        """Send a text or binary message.

        When it returns, the message is in our buffers: that is no proof that the
        server has it.

        Raises:
            LocalError: If this side closed the connection.
            ConnectionEnded: If the server ended it.
            TimeoutError: If the server did not make room; the message stays queued.
        """
        if not isinstance(message, str | bytes):
            raise LocalError(f"a message is str or bytes, not {type(message).__name__}")
        await self._bounded(self._connection.send(message), timeout, "room to send")

    async def receive(self, timeout: float = 5.0) -> str | bytes:
        """Return the next message.

        Cancelling it loses nothing.

        Raises:
            LocalError: If this side closed the connection, or is receiving already.
            ConnectionEnded: If the server ended it, or broke a rule.
            TimeoutError: If none came.
        """
        return await self._bounded(self._connection.recv(), timeout, "message")

    async def ping(self, timeout: float = 5.0) -> float:
        """Send a ping and return the seconds until its pong.

        A pong waits behind messages that were not received: beyond 64 of them
        nothing is read.

        Raises:
            LocalError: If this side closed the connection.
            ConnectionEnded: If the server ended it, or broke a rule.
            TimeoutError: If no pong came.
        """
        return await self._bounded(self._connection.round_trip(), timeout, "pong")

    async def wait_closed(self, timeout: float = 5.0) -> None:
        """Wait until the connection is closed, TCP included, by whomever.

        Raises:
            TimeoutError: If it is still there.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._connection.wait_closed()
        except TimeoutError:
            raise TimeoutError(self._waited("end of the connection", timeout)) from None

    async def close(
        self, code: int = 1000, reason: str = "", *, timeout: float = 5.0
    ) -> None:
        """Close politely, and wait until the server closed too.

        What was not received is discarded. Closing twice does nothing. Whatever
        it raises, the connection is gone, except after LocalError.

        Raises:
            LocalError: If the code or the reason may not be sent (RFC 6455 7.4).
            TimeoutError: If the server did not close in time.
        """
        discarding = asyncio.create_task(self._connection.discard())
        try:
            async with asyncio.timeout(timeout):
                await self._connection.close(code, reason)
        except ProtocolError as exc:
            raise LocalError(f"cannot close with {code} {reason!r}: {exc}") from exc
        except TimeoutError:
            answered = self._connection.protocol.close_rcvd is not None
            awaited = "end of TCP" if answered else "answer to our close frame"
            await self._connection.drop()
            raise TimeoutError(self._waited(awaited, timeout)) from None
        except asyncio.CancelledError:
            self._connection.transport.abort()
            raise
        finally:
            discarding.cancel()
            await asyncio.wait([discarding])

    def abort(self) -> None:
        """End the connection at once with a TCP reset; nothing is awaited."""
        self._connection.reset()

    async def __aenter__(self) -> Self:
        """Return the peer."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close; do not wait where cancelled, nor complain of a server that stays."""
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            self._connection.transport.abort()
            return
        with contextlib.suppress(TimeoutError):
            await self.close()

    def __repr__(self) -> str:
        """Show where to and in which state."""
        state = self._connection.state.name.lower()
        return f"<Peer {without_secrets(self.url)} {state}>"

    async def _bounded(self, step: Awaitable[T], timeout: float, what: str) -> T:
        """Await a step of the library under a deadline and translate its errors."""
        connection = self._connection
        try:
            async with asyncio.timeout(timeout):
                return await step
        except TimeoutError:
            if connection.state is State.OPEN:
                raise TimeoutError(self._waited(what, timeout)) from None
            # The close frame is there, but the server keeps TCP open.
            await connection.drop()
            raise connection.ending(self._where) from None
        except ConnectionClosed as exc:
            raise connection.ending(self._where) from exc
        except ConcurrencyError as exc:
            raise LocalError(f"{self._where} is being received from already") from exc

    @property
    def _where(self) -> str:
        return without_secrets(self.url)

    def _waited(self, what: str, timeout: float) -> str:
        return f"no {what} from {self._where} within {timeout:g} s"


class _Connect(connect):
    """Opens one connection: a polite peer reports a redirect, it does not follow."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


class _Connection(ClientConnection):
    """The library's connection, with what a peer needs to know of its end."""

    aborted = False
    clock: Clock = SystemClock()
    _pong_at = 0.0

    def __init__(self, *args: Any, tap: Tap | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tap = tap

    @property
    def violation(self) -> str:
        """Which rule the server broke, or ""."""
        for exc in (self.protocol.parser_exc, self.connection_exc):
            if isinstance(exc, _BROKEN_RULE):
                return _words(exc)
        return ""

    def data_received(self, data: bytes) -> None:
        if self._tap is not None:
            self._tap.received(data)
        super().data_received(data)
        if self.protocol.parser_exc is not None:
            # RFC 6455 7.1.7: the close frame is written, do not wait for theirs.
            self.transport.close()

    def send_data(self) -> None:
        if self._tap is not None:
            for data in self.protocol.writes:
                self._tap.sent(data)
        super().send_data()

    def eof_received(self) -> None:
        if self._tap is not None:
            self._tap.ended()
        super().eof_received()

    def set_connection_exc(self, exc: BaseException | None) -> None:
        super().set_connection_exc(exc)
        if isinstance(exc, _BROKEN_RULE):  # found in a message, not in its frames
            self.loop.call_soon(self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and self._tap is not None:
            self._tap.ended()
        super().connection_lost(exc)
        if self.debug:
            if self.violation:
                self.logger.debug("! %s", self.violation)
            self.logger.debug("x closed by %s, %s", self.ended_by().value, self.seen)

    @property
    def seen(self) -> str:
        """The server's close frame in words."""
        received = self.protocol.close_rcvd
        return "without a close frame" if received is None else f"with {received}"

    def ended_by(self) -> Side:
        """Say who ended the connection."""
        protocol = self.protocol
        if self.aborted or self.violation:
            return Side.US
        if protocol.close_rcvd is None:
            return Side.NOBODY if protocol.close_sent is None else Side.US
        # None: their close frame came in the middle of what we were answering.
        return Side.US if protocol.close_rcvd_then_sent is False else Side.THEM

    def ending(self, where: str) -> RemoteError | LocalError:
        """Return what to raise for the end of the connection."""
        by, violation = self.ended_by(), self.violation
        received = self.protocol.close_rcvd
        if violation:
            words = f"{where} broke a rule: {violation}"
        elif by is Side.US:
            return LocalError(f"the connection to {where} was closed by this side")
        elif by is Side.THEM:
            words = f"{where} closed the connection {self.seen}"
        else:
            words = f"the connection to {where} was lost without a close frame"
        return ConnectionEnded(
            words,
            code=1006 if received is None else int(received.code),
            reason="" if received is None else received.reason,
            by=by,
            violation=violation,
        )

    def acknowledge_pings(self, data: bytes) -> None:
        # Not the loop's time, which the library takes: uvloop's has milliseconds.
        self._pong_at = self.clock.now()
        super().acknowledge_pings(data)

    async def round_trip(self) -> float:
        """Send a ping, return the seconds until its pong."""
        pinged_at = self.clock.now()
        await (await self.ping())
        return self._pong_at - pinged_at

    async def discard(self) -> None:
        """Read messages until there are no more, so that reading never pauses."""
        with contextlib.suppress(ConnectionClosed, ConcurrencyError):
            while True:
                await self.recv()

    async def drop(self) -> None:
        """Close TCP: the server was waited for long enough."""
        if self._tap is not None:
            self._tap.waited()
        self.transport.abort()
        await self.wait_closed()

    def reset(self) -> None:
        """Close TCP with a reset."""
        if self.state is State.CLOSED:
            return
        self.aborted = True
        reset(self.transport)


def _check_headers(headers: Sequence[tuple[str, str]]) -> None:
    for name, value in headers:
        lowered = name.lower()
        if lowered in _OWN_HEADERS or lowered.startswith(_OWN_PREFIX):
            raise LocalError(f"header {name} belongs to the opening handshake")
        if not _TOKEN.fullmatch(name) or not _FIELD.fullmatch(value):
            raise LocalError(f"header {name!r} cannot be sent (RFC 9110 5.5)")


def _opening_error(
    exc: OSError | InvalidHandshake, connecting: _Connect, open_timeout: float
) -> Exception:
    """Return what a failure to open means: theirs, or too late."""
    where = without_secrets(connecting.uri)
    if isinstance(exc, TimeoutError):
        return TimeoutError(f"{where} did not open within {open_timeout:g} s")
    if isinstance(exc, OSError):
        return reaching_failure(exc, where, tls=connecting.ws_uri.secure)
    if isinstance(exc, InvalidStatus):
        answer = exc.response
        status = f"{answer.status_code} {answer.reason_phrase}".strip()
        return HandshakeRefused(
            f"{where} refused the opening handshake: HTTP {status}",
            status=answer.status_code,
            headers=tuple(answer.headers.raw_items()),
            body=bytes(answer.body),
        )
    if isinstance(exc, InvalidMessage) and isinstance(exc.__cause__, EOFError):
        return HandshakeBroken(f"{where} went away during the opening handshake")
    return HandshakeBroken(f"{where} broke the opening handshake: {_words(exc)}")


def _words(exc: BaseException) -> str:
    """Say what the library means; its outer words may only point to their cause."""
    told = exc.__cause__ or exc if isinstance(exc, InvalidMessage) else exc
    return str(told) or type(told).__name__
