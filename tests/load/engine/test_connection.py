"""One client connection of a load, against hosts that are played by hand."""

import contextlib
import errno
import os
import resource
import select
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from websockets.uri import parse_uri

from wavetank.errors import UsageError
from wavetank.load.engine.connection import Connection, Destination, resolve
from wavetank.load.exchange import Address
from wavetank.net import Flaw, ThrowAwayAuthority

from .hosts import Bench, Guest, benches, framed, secured, switching


@dataclass
class Heard:
    """What a connection told."""

    opened: list[bytes] = field(default_factory=list)
    data: bytes = b""
    ends: list[str] = field(default_factory=list)

    def take(self, data: bytes) -> None:
        """Keep bytes."""
        self.data += data


def destination(url: str, **fields: object) -> Destination:
    """Return where a URL leads."""
    return resolve(Address(url=url, **fields), parse_uri(url))  # type: ignore[arg-type]


def connect(
    bench: Bench, to: Destination | None = None, path: str = ""
) -> tuple[Connection, Heard]:
    """Begin to connect."""
    heard = Heard()
    connection = Connection(
        bench.loop,
        to or destination(bench.host.url),
        path=path,
        on_open=heard.opened.append,
        on_data=heard.take,
        on_end=heard.ends.append,
    )
    bench.closing.callback(connection.close)
    connection.start()
    return connection, heard


def opened(bench: Bench) -> tuple[Connection, Heard, Guest]:
    """Connect, and be answered."""
    connection, heard = connect(bench)
    bench.turn_until(lambda: connection._key)
    guest = bench.host.accept().answer()
    bench.turn_until(lambda: heard.opened)
    return connection, heard, guest


def descriptors() -> int:
    """Return how many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


# Opening


def test_connection_opens_with_all_that_the_address_asks_for(bench: Bench) -> None:
    """Path, origin, headers and subprotocols are in the request."""
    to = destination(
        bench.host.url,
        headers=(("X-Who", "me"),),
        subprotocols=("wavetank.v1",),
        origin="https://example.test",
    )
    connection, heard = connect(bench, to, path="/sub?a=1")
    bench.turn_until(lambda: connection._key)
    guest = bench.host.accept()
    request = guest.read_request()
    assert request.target == "/sub?a=1"
    headers = {name.lower(): value for name, value in request.headers}
    assert headers["host"] == f"127.0.0.1:{bench.host.port}"
    assert headers["origin"] == "https://example.test"
    assert headers["x-who"] == "me"
    assert headers["sec-websocket-protocol"] == "wavetank.v1"
    guest.send(switching(request, subprotocol="wavetank.v1"))
    bench.turn_until(lambda: heard.opened)
    assert connection.is_open


def test_connection_hands_on_what_came_right_behind_the_answer(bench: Bench) -> None:
    """A target that speaks first may do so in the same piece."""
    connection, heard = connect(bench)
    bench.turn_until(lambda: connection._key)
    bench.host.accept().answer(behind=framed("hello"))
    bench.turn_until(lambda: heard.opened)
    assert heard.opened == [framed("hello")]


def test_connection_opens_when_the_answer_comes_byte_by_byte(bench: Bench) -> None:
    """Slow is not wrong."""
    connection, heard = connect(bench)
    bench.turn_until(lambda: connection._key)
    guest = bench.host.accept()
    for byte in switching(guest.read_request()):
        assert not heard.opened
        guest.send(bytes([byte]))
        bench.turn_until(lambda: connection._heads is not None)
        bench.turn(1)
    bench.turn_until(lambda: heard.opened)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
            "the opening handshake was answered 503",
        ),
        (
            b"HTTP/1.1 400 No\r\n\r\nsome words",
            "the opening handshake was answered 400",
        ),
        (b"SSH-2.0-sorry\r\n\r\n", "the answer to the opening handshake is malformed"),
        (
            b"HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: bm8=\r\n\r\n",
            "the opening handshake was answered",
        ),
        (b"x" * 200_000, "the answer to the opening handshake is malformed"),
    ],
)
def test_connection_says_what_was_wrong_with_the_answer(
    bench: Bench, answer: bytes, reason: str
) -> None:
    """One sentence says it, once, and no descriptor is left."""
    before = descriptors()
    connection, heard = connect(bench)
    bench.turn_until(lambda: connection._key)
    guest = bench.host.accept()
    guest.read_request()
    guest.send(answer)
    bench.turn_until(lambda: heard.ends)
    guest.socket.close()
    assert len(heard.ends) == 1
    assert heard.ends[0].startswith(reason)
    assert not heard.opened
    assert descriptors() == before


def test_connection_ends_when_the_target_does_in_the_handshake(bench: Bench) -> None:
    """An end instead of an answer is told as what it is."""
    connection, heard = connect(bench)
    bench.turn_until(lambda: connection._key)
    guest = bench.host.accept()
    guest.read_request()
    guest.socket.close()
    bench.turn_until(lambda: heard.ends)
    assert heard.ends == ["the target ended the connection"]


def test_connection_that_is_refused_leaves_no_descriptor(bench: Bench) -> None:
    """Nobody listens: the system says so, in its own words."""
    to = destination(bench.host.url)
    bench.host.refuse()
    before = descriptors()
    _, heard = connect(bench, to)
    bench.turn_until(lambda: heard.ends)
    assert heard.ends == [os.strerror(errno.ECONNREFUSED)]
    assert descriptors() == before


def test_connection_without_a_descriptor_left_says_so(bench: Bench) -> None:
    """Too many open files are a reason like any other."""
    to = destination(bench.host.url)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        _, heard = connect(bench, to)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert heard.ends == [os.strerror(errno.EMFILE)]


def test_connection_to_nowhere_says_so_at_once(bench: Bench) -> None:
    """What the system refuses without trying is no exception either."""
    to = destination(bench.host.url)
    to.addresses = [(socket.AF_INET, ("255.255.255.255", 9))]
    before = descriptors()
    _, heard = connect(bench, to)
    bench.turn_until(lambda: heard.ends)
    assert len(heard.ends) == 1
    assert descriptors() == before


def test_connection_tries_one_address_after_the_other(bench: Bench) -> None:
    """The first refuses; the second is taken, and tried first from then on."""
    with benches() as dead:
        port = dead.host.port
    to = destination(bench.host.url)
    good = to.addresses[0]
    to.addresses = [(socket.AF_INET, ("127.0.0.1", port)), good]
    connection, heard = connect(bench, to)
    bench.turn_until(lambda: connection._key)
    bench.host.accept().answer()
    bench.turn_until(lambda: heard.opened)
    assert not heard.ends
    assert to.addresses[0] == good


def test_connection_opens_over_ipv6() -> None:
    """A literal in brackets is what the Host header has, too."""
    with benches("::1") as bench:
        connection, heard = connect(bench)
        bench.turn_until(lambda: connection._key)
        guest = bench.host.accept().answer()
        bench.turn_until(lambda: heard.opened)
        assert guest.request is not None
        headers = {name.lower(): value for name, value in guest.request.headers}
        assert headers["host"] == f"[::1]:{bench.host.port}"


# Where to


def test_usual_port_is_not_in_the_host_header() -> None:
    """80 and 443 go without saying (RFC 6455 4.1)."""
    assert destination("ws://127.0.0.1/").host == "127.0.0.1"
    assert destination("wss://127.0.0.1/", insecure=True).host == "127.0.0.1"
    assert destination("ws://127.0.0.1:443/").host == "127.0.0.1:443"


@pytest.mark.parametrize("host", ["nobody.invalid", "a" * 70 + ".test"])
def test_name_without_an_address_is_the_users_mistake(host: str) -> None:
    """One sentence names the URL, and the host in it."""
    with pytest.raises(UsageError, match=f"{host}: *") as caught:
        destination(f"ws://{host}:1/")
    assert len(caught.value.problems) == 1


def test_authority_that_cannot_be_read_is_the_users_mistake(tmp_path: Path) -> None:
    """No certificate is no authority."""
    file = tmp_path / "ca.pem"
    file.write_text("nothing")
    with pytest.raises(UsageError, match="certificate authority"):
        destination("wss://127.0.0.1:1/", ca=str(file))


# TLS


@pytest.fixture(scope="module")
def authority() -> Iterator[ThrowAwayAuthority]:
    """Make a throw-away authority."""
    with ThrowAwayAuthority() as made:
        yield made


def over_tls(bench: Bench, authority: ThrowAwayAuthority) -> Destination:
    """Return the host's address, over TLS."""
    url = bench.host.url.replace("ws://", "wss://")
    return destination(url, ca=str(authority.ca))


def shake(bench: Bench, guest: Guest, context: ssl.SSLContext) -> None:
    """Do the TLS handshake on both sides."""
    secured(guest, context)
    assert isinstance(guest.socket, ssl.SSLSocket)
    guest.socket.setblocking(False)
    while True:
        try:
            guest.socket.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            bench.turn(1)
        else:
            break
    guest.socket.settimeout(10)


def test_connection_speaks_over_tls(
    bench: Bench, authority: ThrowAwayAuthority
) -> None:
    """Handshake, opening handshake, and bytes both ways, more than a record of them."""
    connection, heard = connect(bench, over_tls(bench, authority))
    bench.turn_until(lambda: connection._is_watched)
    guest = bench.host.accept()
    shake(bench, guest, authority.server_context())
    bench.turn_until(lambda: connection._key)
    guest.answer()
    bench.turn_until(lambda: heard.opened)
    connection.send(b"ping")
    assert guest.socket.recv(100) == b"ping"
    guest.send(b"x" * 100_000)
    bench.turn_until(lambda: len(heard.data) == 100_000)


def test_connection_sends_over_tls_more_than_the_system_takes(
    bench: Bench, authority: ThrowAwayAuthority
) -> None:
    """TLS wants the same bytes again when it could not write; no fewer."""
    connection, heard = connect(bench, over_tls(bench, authority))
    bench.turn_until(lambda: connection._is_watched)
    guest = bench.host.accept()
    shake(bench, guest, authority.server_context())
    bench.turn_until(lambda: connection._key)
    guest.answer()
    bench.turn_until(lambda: heard.opened)
    data = os.urandom(1_000_000)
    sent = 0
    while not connection.unsent:
        connection.send(data)
        sent += len(data)
    connection.send(data)
    sent += len(data)
    guest.socket.setblocking(False)
    got = bytearray()

    def has_all() -> bool:
        with contextlib.suppress(ssl.SSLWantReadError):
            got.extend(guest.socket.recv(1_000_000))
        return len(got) == sent

    bench.turn_until(has_all)
    assert bytes(got) == data * (sent // len(data))
    assert not heard.ends
    assert not connection.unsent


@pytest.mark.parametrize(
    "flaw", [Flaw.WRONG_HOST, Flaw.EXPIRED, Flaw.OTHER_AUTHORITY, Flaw.SELF_SIGNED]
)
def test_connection_trusts_no_certificate_with_a_flaw(
    bench: Bench, authority: ThrowAwayAuthority, flaw: Flaw
) -> None:
    """It ends with what OpenSSL has against it, and no descriptor is left."""
    before = descriptors()
    connection, heard = connect(bench, over_tls(bench, authority))
    bench.turn_until(lambda: connection._is_watched)
    guest = bench.host.accept()
    secured(guest, authority.server_context(flaw))
    assert isinstance(guest.socket, ssl.SSLSocket)
    guest.socket.setblocking(False)

    def is_ended() -> bool:
        assert isinstance(guest.socket, ssl.SSLSocket)
        with contextlib.suppress(OSError):
            guest.socket.do_handshake()
        return bool(heard.ends)

    bench.turn_until(is_ended)
    guest.socket.close()
    assert heard.ends[0].startswith("TLS failed: ")
    assert descriptors() == before


def test_connection_over_tls_ends_where_the_target_speaks_none(
    bench: Bench, authority: ThrowAwayAuthority
) -> None:
    """Plain text instead of TLS is told as that."""
    connection, heard = connect(bench, over_tls(bench, authority))
    bench.turn_until(lambda: connection._is_watched)
    bench.host.accept().send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    bench.turn_until(lambda: heard.ends)
    assert heard.ends[0].startswith("TLS failed: ")


def test_connection_over_tls_ends_when_the_system_says_no(
    bench: Bench, authority: ThrowAwayAuthority
) -> None:
    """Between the connect and TLS the connection may be gone; nothing leaks."""

    class Context:
        def wrap_socket(self, sock: socket.socket, **options: object) -> ssl.SSLSocket:
            del options
            sock.close()
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    to = over_tls(bench, authority)
    to.context = Context()  # type: ignore[assignment]  # all that is used of it
    before = descriptors()
    _, heard = connect(bench, to)
    bench.turn_until(lambda: heard.ends)
    assert heard.ends == [os.strerror(errno.EINVAL)]
    assert descriptors() == before


def test_connection_waits_in_tls_until_it_may_write(
    bench: Bench, authority: ThrowAwayAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handshake that has no room to write goes on when there is some."""
    connection, _ = connect(bench, over_tls(bench, authority))
    calls = []

    def shake_hands(sock: ssl.SSLSocket, block: bool = False) -> None:  # as ssl's own
        del sock, block
        calls.append(1)
        if len(calls) == 1:
            raise ssl.SSLWantWriteError

    monkeypatch.setattr(ssl.SSLSocket, "do_handshake", shake_hands)
    bench.turn_until(lambda: connection._key)
    assert len(calls) == 2


# Bytes


def test_connection_hands_on_bytes_and_the_end(bench: Bench) -> None:
    """What came before the end is handed on before it is told."""
    connection, heard, guest = opened(bench)
    guest.send(b"abc")
    bench.turn_until(lambda: heard.data == b"abc")
    guest.socket.close()
    bench.turn_until(lambda: heard.ends)
    assert heard.ends == ["the target ended the connection"]
    assert not connection.is_open


def test_connection_tells_of_a_reset(bench: Bench) -> None:
    """It is told apart from an end."""
    _, heard, guest = opened(bench)
    guest.abort()
    bench.turn_until(lambda: heard.ends)
    assert heard.ends == [os.strerror(errno.ECONNRESET)]


def test_connection_sends_later_what_the_system_does_not_take(bench: Bench) -> None:
    """It is kept, in its order, and sent as the target reads."""
    connection, _, guest = opened(bench)
    data = os.urandom(3_000_000)
    sent = 0
    while not connection.unsent:
        connection.send(data)
        sent += len(data)
    connection.send(data)
    sent += len(data)
    guest.socket.setblocking(False)
    got = bytearray()

    def has_all() -> bool:
        with contextlib.suppress(BlockingIOError):
            got.extend(guest.socket.recv(1_000_000))
        return len(got) == sent

    bench.turn_until(has_all)
    assert bytes(got) == data * (sent // len(data))


def test_connection_reads_while_the_target_does_not(bench: Bench) -> None:
    """That nothing can be sent keeps nothing from coming."""
    connection, heard, guest = opened(bench)
    while not connection.unsent:
        connection.send(b"x" * 1_000_000)
    guest.send(b"still here")
    bench.turn_until(lambda: heard.data == b"still here")


def test_connection_that_breaks_while_it_sends_says_why_once(bench: Bench) -> None:
    """With bytes waiting, or straight away: the reason comes once, then silence."""
    connection, heard, guest = opened(bench)
    while not connection.unsent:
        connection.send(b"x" * 1_000_000)
    guest.abort()
    bench.turn_until(lambda: heard.ends)
    connection.send(b"more")
    connection.fail("too late")
    assert len(heard.ends) == 1


def test_connection_reads_what_was_said_before_a_send_failed(bench: Bench) -> None:
    """The send finds out that the target is gone; what it said before counts.

    It was lost: a target that closed with a code and a reason, and then its socket,
    had only "Broken pipe" to its name.
    """
    connection, heard, guest = opened(bench)
    guest.send(b"why")
    connection.send(b"x")
    guest.socket.close()
    while not connection._reason:
        connection.send(b"x")
    assert heard.ends == []
    connection.send(b"x")
    bench.turn_until(lambda: heard.ends)
    assert heard.data == b"why"
    assert heard.ends[0] in {os.strerror(errno.ECONNRESET), os.strerror(errno.EPIPE)}
    bench.turn()
    assert len(heard.ends) == 1


@pytest.mark.parametrize("has_unsent", [False, True])
def test_connection_ends_when_the_system_cannot_send(
    bench: Bench, *, has_unsent: bool
) -> None:
    """Whatever else the system says is the reason, at once."""
    connection, heard, _ = opened(bench)

    class Failing(socket.socket):
        def send(self, data: object, flags: int = 0) -> int:
            del data, flags
            raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))

    while has_unsent and not connection.unsent:
        connection.send(b"x" * 1_000_000)
    assert connection._socket is not None
    connection._socket = Failing(fileno=connection._socket.detach())
    connection.send(b"x")
    if has_unsent:
        connection._wrote(select.EPOLLOUT, connection._ready)
    assert heard.ends == [os.strerror(errno.ENOBUFS)]


def test_connection_can_fail_for_what_the_target_said(bench: Bench) -> None:
    """Whoever reads the bytes may end it, and is told like by any other end."""
    connection, heard, guest = opened(bench)
    connection.fail("no frame")
    assert heard.ends == ["no frame"]
    assert guest.is_ended()


def test_connection_that_is_closed_is_silent(bench: Bench) -> None:
    """Closed from here, twice, nobody is told; nor is anything sent or read."""
    before = descriptors()
    connection, heard, guest = opened(bench)
    connection.close()
    connection.close()
    connection.abort()
    connection.send(b"x")
    connection.sip(1)
    connection.pause()
    connection.resume()
    guest.socket.close()
    bench.turn()
    assert heard.ends == []
    assert descriptors() == before


def test_connection_that_is_aborted_is_cut_with_a_reset(bench: Bench) -> None:
    """The target sees no end, but a crash."""
    connection, _, guest = opened(bench)
    connection.abort()
    with pytest.raises(ConnectionResetError):
        guest.socket.recv(1)


# Slow readers


def test_connection_that_is_paused_reads_only_what_it_sips(bench: Bench) -> None:
    """Nothing comes by itself; a sip takes so many bytes at most."""
    connection, heard, guest = opened(bench)
    connection.pause()
    connection.pause()
    guest.send(b"abcdef")
    bench.turn()
    assert heard.data == b""
    connection.sip(4)
    assert heard.data == b"abcd"
    connection.resume()
    assert heard.data == b"abcdef"
    connection.resume()
    connection.sip(10)
    assert heard.ends == []


def test_connection_that_is_paused_hears_that_it_was_let_go(bench: Bench) -> None:
    """It reads what is left then, and so the reason."""
    connection, heard, guest = opened(bench)
    connection.pause()
    guest.send(b"why")
    guest.socket.close()
    bench.turn_until(lambda: heard.ends)
    assert heard.data == b"why"


def test_connection_that_is_paused_can_be_cut(bench: Bench) -> None:
    """A reset needs no reading."""
    connection, heard, guest = opened(bench)
    connection.pause()
    guest.abort()
    bench.turn_until(lambda: heard.ends)
    assert heard.ends == [os.strerror(errno.ECONNRESET)]


def test_connection_that_is_paused_keeps_what_it_has_to_send(bench: Bench) -> None:
    """What waits is sent once it goes on."""
    connection, _, guest = opened(bench)
    connection.pause()
    sent = 0
    while not connection.unsent:
        connection.send(b"x" * 1_000_000)
        sent += 1_000_000
    connection.resume()
    guest.socket.setblocking(False)
    got = [0]

    def has_all() -> bool:
        with contextlib.suppress(BlockingIOError):
            got[0] += len(guest.socket.recv(1_000_000))
        return got[0] == sent

    bench.turn_until(has_all)
