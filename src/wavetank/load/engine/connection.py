"""One client connection of a load: TCP, TLS, opening handshake, then bytes.

It refuses to know messages. It never waits: the loop calls it when it can go on.
"""

import errno
import os
import secrets
import select
import socket
import ssl
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from websockets.uri import WebSocketURI

from wavetank.errors import UsageError
from wavetank.load.engine.loop import Handler, Loop
from wavetank.load.exchange import Address
from wavetank.net import client_context
from wavetank.wire import (
    Agreement,
    HeadReader,
    Refusal,
    Response,
    judge_response,
    make_key,
    make_request,
)

__all__ = ["Connection", "Destination", "resolve"]

_PIECE = 65_536
"""Bytes of a read. More would be allocated and given back by the system each time,
which costs more than the read itself (benchmarks/load.py)."""

_USUAL_PORT = {False: 80, True: 443}
_AT_ONCE = struct.pack("ii", 1, 0)
_Place = tuple[int, tuple[object, ...]]
_GONE = (BrokenPipeError, ConnectionResetError)
_AGAIN = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


@dataclass(slots=True, kw_only=True)
class Destination:
    """Where connections go, resolved once for all of them.

    Attributes:
        addresses: Family and address of a socket, as many as the name has: they are
            tried in turn, and the one that led somewhere first from then on.
        host: Value of the Host header.
        name: For the certificate.
        path: Path and query of the URL.
        context: For TLS; None without.
        headers: Of every opening handshake.
        subprotocols: Offered.
        origin: Value of the Origin header, or "".
    """

    addresses: list[_Place]
    host: str
    name: str
    path: str
    context: ssl.SSLContext | None = None
    headers: tuple[tuple[str, str], ...] = ()
    subprotocols: tuple[str, ...] = ()
    origin: str = ""

    def prefer(self, place: _Place) -> None:
        """Let all others try an address first."""
        if self.addresses[0] != place:
            self.addresses.remove(place)
            self.addresses.insert(0, place)


def resolve(address: Address, uri: WebSocketURI) -> Destination:
    """Return where an address leads.

    Raises:
        UsageError: If its name cannot be resolved, or its authority not be read.
    """
    try:
        found = socket.getaddrinfo(uri.host, uri.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is no name"
        raise UsageError(
            f"{address.url}: {uri.host} has no address ({why}); look for a mistake"
        ) from None
    context = None
    if uri.secure:
        ca = Path(address.ca) if address.ca and not address.insecure else None
        context = client_context(ca=ca, insecure=address.insecure)
    host = f"[{uri.host}]" if ":" in uri.host else uri.host
    return Destination(
        addresses=list(dict.fromkeys((each[0], each[4]) for each in found)),
        host=host if uri.port == _USUAL_PORT[uri.secure] else f"{host}:{uri.port}",
        name=uri.host,
        path=uri.resource_name,
        context=context,
        headers=address.headers,
        subprotocols=address.subprotocols,
        origin=address.origin,
    )


class Connection:
    """One connection, from its TCP connect to its end.

    Args:
        loop: Calls it.
        destination: Where to.
        path: Instead of the destination's; "" for that.
        on_open: Called once, with the bytes behind the answer, when the target has
            accepted the opening handshake.
        on_data: Called with bytes as they come, from then on.
        on_end: Called once, with the reason, if the target ends it.

    Attributes:
        is_open: Whether the opening handshake is done, and the end not reached.
        unsent: Bytes that the system did not take yet.
    """

    __slots__ = (
        "_destination",
        "_heads",
        "_is_paused",
        "_is_watched",
        "_key",
        "_loop",
        "_path",
        "_places",
        "_reason",
        "_socket",
        "is_open",
        "on_data",
        "on_end",
        "on_open",
        "unsent",
    )

    def __init__(
        self,
        loop: Loop,
        destination: Destination,
        *,
        path: str,
        on_open: Callable[[bytes], None],
        on_data: Callable[[bytes], None],
        on_end: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._destination = destination
        self._path = path or destination.path
        self.on_open = on_open
        self.on_data = on_data
        self.on_end = on_end
        self.is_open = False
        self._is_paused = False
        self._is_watched = False
        self._reason = ""
        self.unsent = bytearray()
        self._places = [*destination.addresses]
        self._socket: socket.socket | None = None
        self._key = ""
        self._heads: HeadReader[Response] = HeadReader(of=Response)

    def start(self) -> None:
        """Begin to connect; the callbacks say what becomes of it."""
        family, address = self._places[0]
        try:
            self._socket = sock = socket.socket(family, socket.SOCK_STREAM)
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            result = sock.connect_ex(address)
            if result not in (0, errno.EINPROGRESS):
                raise OSError(result, os.strerror(result))
            self._watch(self._connected)
        except OSError as error:
            self._try_next(error)

    def _watch(self, handler: Handler) -> None:
        self._loop.add(self._sock.fileno(), handler, writing=True)
        self._is_watched = True

    def _try_next(self, error: OSError) -> None:
        """Try the next address, if there is one."""
        self.close()
        del self._places[0]
        if self._places:
            self.start()
        else:
            self.on_end(_sentence(error))

    def _connected(self, events: int) -> None:
        sock = self._sock
        result = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if result:
            self._try_next(OSError(result, os.strerror(result)))
            return
        self._destination.prefer(self._places[0])
        context = self._destination.context
        if context is None:
            self._ask()
            return
        self._loop.remove(sock.fileno())
        self._is_watched = False
        try:
            self._socket = context.wrap_socket(
                sock,
                server_hostname=self._destination.name,
                do_handshake_on_connect=False,
            )
            self._watch(self._shake)
        except OSError as error:
            self._end(_sentence(error))
        else:
            self._shake(events)

    def _shake(self, events: int) -> None:
        """Go on with the TLS handshake."""
        del events
        sock = self._sock
        assert isinstance(sock, ssl.SSLSocket)
        try:
            sock.do_handshake()
        except ssl.SSLWantReadError:
            self._loop.change(sock.fileno(), self._shake, writing=False)
        except ssl.SSLWantWriteError:
            self._loop.change(sock.fileno(), self._shake, writing=True)
        except OSError as error:
            self._end(_sentence(error))
        else:
            self._ask()

    def _ask(self) -> None:
        """Send the opening handshake (RFC 6455 4.1)."""
        to = self._destination
        self._key = make_key(secrets.token_bytes(16))
        request = make_request(
            to.host,
            self._path,
            self._key,
            subprotocols=to.subprotocols,
            origin=to.origin or None,
            headers=to.headers,
        )
        self._loop.change(self._sock.fileno(), self._answered, writing=False)
        self.send(request)

    def _answered(self, events: int) -> None:
        """Read the answer to the opening handshake."""
        if self._wrote(events, self._answered):
            return
        data = self._receive()
        if not data:
            return
        head = self._heads.feed(data)
        if head is None:
            return
        problem = _problem(head, self._key, self._destination.subprotocols)
        if problem:
            self._end(problem)
            return
        self.is_open = True
        self._loop.change(self._sock.fileno(), self._ready, writing=bool(self.unsent))
        self.on_open(self._heads.rest)

    def _ready(self, events: int) -> None:
        if events == select.EPOLLIN or not self._wrote(events, self._ready):
            data = self._receive()
            if data:
                self.on_data(data)

    def _receive(self, size: int = _PIECE) -> bytes:
        """Return what came; nothing, too, where it ended."""
        sock = self._socket
        if sock is None:
            return b""
        try:
            # What TLS has decrypted makes no descriptor ready: this takes all of it,
            # for a record is shorter (RFC 8446 5.1).
            data = sock.recv(size)
        except _AGAIN:
            return b""
        except OSError as error:
            self._end(self._reason or _sentence(error))
            return b""
        if not data:
            self._end(self._reason or "the target ended the connection")
        return data

    # Sending

    def send(self, data: bytes) -> None:
        """Send bytes now, and what the system does not take as soon as it does."""
        sock = self._socket
        if sock is None:
            return
        if self.unsent:
            self.unsent += data
            return
        try:
            # subtle: where TLS could not write, it wants the same bytes again, and
            # no fewer than before; `_wrote` never has more.
            count = sock.send(data[:_PIECE])
        except _AGAIN:
            count = 0
        except _GONE as error:
            # The next turn of the loop reads what the target said before it went.
            self._reason = _sentence(error)
            return
        except OSError as error:
            self._end(_sentence(error))
            return
        if count < len(data):
            self.unsent += data[count:]
            handler = self._ready if self.is_open else self._answered
            if not self._is_paused:
                self._loop.change(sock.fileno(), handler, writing=True)

    def _wrote(self, events: int, handler: Handler) -> bool:
        """Send what was left, if it can be; tell whether there is nothing to read."""
        if events & select.EPOLLOUT and self.unsent and self._socket is not None:
            try:
                count = self._socket.send(self.unsent[:_PIECE])
            except _AGAIN:
                count = 0
            except _GONE as error:
                self._reason = _sentence(error)
                count = len(self.unsent)
            except OSError as error:
                self._end(_sentence(error))
                return True
            del self.unsent[:count]
            if not self.unsent:
                self._loop.change(self._sock.fileno(), handler, writing=False)
        return not events & ~select.EPOLLOUT

    # The end

    @property
    def _sock(self) -> socket.socket:
        assert self._socket is not None, "it has begun and not ended"
        return self._socket

    def _end(self, reason: str) -> None:
        self.close()
        self.on_end(reason)

    def fail(self, reason: str) -> None:
        """End it because of what the target did; ``on_end`` hears the reason."""
        if self._socket is not None:
            self._end(reason)

    def close(self) -> None:
        """Close it without another word; idempotent, and nobody is told."""
        sock, self._socket = self._socket, None
        self.is_open = False
        if sock is not None:
            if self._is_watched:
                self._is_watched = False
                self._loop.remove(sock.fileno())
            sock.close()

    def abort(self) -> None:
        """Cut it with RST, as a crash would (SO_LINGER of no time)."""
        if self._socket is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.close()

    # Reading slowly

    def pause(self) -> None:
        """Read nothing from here on, unless the target ends it; it is blocked."""
        if self.is_open and not self._is_paused:
            self._is_paused = True
            self._loop.mute(self._sock.fileno(), self._let_go)

    def _let_go(self, events: int) -> None:
        """Read what is left: maybe the target said why."""
        del events
        self.resume()

    def sip(self, size: int) -> None:
        """Read at most so many bytes now, though it is paused."""
        if self.is_open:
            data = self._receive(size)
            if data:
                self.on_data(data)

    def resume(self) -> None:
        """Read again."""
        if self.is_open and self._is_paused:
            self._is_paused = False
            writing = bool(self.unsent)
            self._loop.change(self._sock.fileno(), self._ready, writing=writing)
            # What TLS had decrypted before it was paused.
            self.sip(_PIECE)


def _problem(head: Response | Refusal, key: str, subprotocols: Sequence[str]) -> str:
    """Return why the answer opens nothing, or ""."""
    if isinstance(head, Refusal):
        return f"the answer to the opening handshake is malformed: {head.text}"
    judged = judge_response(head, key, subprotocols=subprotocols)
    if isinstance(judged, Agreement):
        return ""
    if isinstance(judged, Refusal):
        return f"the opening handshake was answered {head.status}"
    return f"the opening handshake was answered wrongly: {judged.reason}"


def _sentence(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    return getattr(error, "strerror", None) or str(error)
