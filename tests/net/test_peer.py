"""The polite peer."""

import asyncio
import base64
import contextlib
import gc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from wavetank import __version__
from wavetank.clock import VirtualClock
from wavetank.errors import LocalError, RemoteError
from wavetank.net import (
    ConnectionEnded,
    Flaw,
    HandshakeBroken,
    HandshakeRefused,
    NotReached,
    Peer,
    Side,
    Step,
    ThrowAwayAuthority,
    TlsFailed,
    find_dynamic_port,
    open_peer,
    release_port,
)
from wavetank.net.stream import reset
from wavetank.wire import FrameReader, Opcode, encode_close, encode_frame

pytestmark = pytest.mark.anyio

SOON = 0.01
"""A deadline that is meant to pass."""

Start = Callable[..., Awaitable[str]]


async def echo(connection: ServerConnection) -> None:
    """Send back what comes."""
    async for message in connection:
        await connection.send(message)


async def silent(connection: ServerConnection) -> None:
    """Read, and say nothing."""
    async for _ in connection:
        pass


async def fill(peer: Peer) -> None:
    """Send until every buffer on the way is full."""
    while True:
        await peer.send(b"x" * 2**22, timeout=0.05)


def answering(answer: bytes, *, end: bool = False) -> Any:
    """Return what a raw server does that answers every request in this way."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        if not end:
            await reader.read()

    return talk


@pytest.fixture
def after_handshake(scripted: Start, shake_hands: Any) -> Start:
    """Start a raw server that shakes hands, says these bytes and waits for the end."""

    async def start(said: bytes, *, end: bool = False) -> str:
        async def talk(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await shake_hands(reader, writer)
            writer.write(said)
            await writer.drain()
            if not end:
                await reader.read()

        return await scripted(talk)

    return start


# What works


async def test_a_peer_sends_and_receives_text_and_bytes(served: Start) -> None:
    """Text comes back as text, bytes as bytes."""
    async with await open_peer(await served(echo)) as peer:
        await peer.send("text")
        await peer.send(b"bytes")
        assert await peer.receive() == "text"
        assert await peer.receive() == b"bytes"
        assert peer.is_open


async def test_a_peer_asks_for_what_it_was_told_to(
    scripted: Start, shake_hands: Any
) -> None:
    """Subprotocols, headers, origin, credentials and who it is are in the request."""
    requests = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await shake_hands(reader, writer))
        await reader.read()

    url = (await scripted(talk)).replace("ws://", "ws://me:word@")
    peer = await open_peer(
        f"{url}/path?a=1",
        subprotocols=["one", "two"],
        headers=[("X-Room", "a"), ("X-Room", "b")],
        origin="https://here",
    )
    peer.abort()
    headers = requests[0].headers
    assert requests[0].target == "/path?a=1"
    assert headers.all("Sec-WebSocket-Protocol") == ("one, two",)
    assert headers.all("X-Room") == ("a", "b")
    assert headers.all("Origin") == ("https://here",)
    assert headers.all("User-Agent") == (f"wavetank/{__version__}",)
    credentials = base64.b64encode(b"me:word").decode()
    assert headers.all("Authorization") == (f"Basic {credentials}",)
    assert "Sec-WebSocket-Extensions" not in headers


async def test_a_peer_tells_what_was_agreed(served: Start) -> None:
    """Subprotocol, headers of the answer and the local port can be read."""

    async def greet(connection: ServerConnection) -> None:
        await connection.send(str(connection.remote_address[1]))
        await silent(connection)

    url = await served(greet, subprotocols=["two"], server_header="a server")
    async with await open_peer(url, subprotocols=["one", "two"]) as peer:
        assert peer.subprotocol == "two"
        assert peer.header("server") == "a server"
        assert peer.header("X-None") is None
        assert ("Upgrade", "websocket") in peer.headers
        assert await peer.receive() == str(peer.local_port)
        assert repr(peer) == f"<Peer {url} open>"


async def test_a_peer_compresses_only_when_asked_to(served: Start) -> None:
    """With compression permessage-deflate is offered and used."""
    url = await served(echo)
    async with await open_peer(url) as plain:
        assert plain.header("Sec-WebSocket-Extensions") is None
    async with await open_peer(url, compression=True) as packed:
        extensions = packed.header("Sec-WebSocket-Extensions")
        assert extensions is not None
        assert extensions.startswith("permessage-deflate")
        await packed.send("a" * 1000)
        assert await packed.receive() == "a" * 1000


async def test_a_peer_measures_the_round_trip_of_a_ping(served: Start) -> None:
    """It is measured in seconds, by the clock that the peer was given."""
    url = await served(silent)
    async with await open_peer(url) as peer:
        assert await peer.ping() > 0
    async with await open_peer(url, clock=VirtualClock()) as timeless:
        assert await timeless.ping() == 0


async def test_an_observer_sees_each_step_and_no_secret(served: Start) -> None:
    """From the first state to the last close, by the clock that it was given."""
    steps: list[Step] = []
    url = await served(echo)
    async with await open_peer(
        f"{url}/?token=s3cret",
        observe=steps.append,
        headers=[("Authorization", "Bearer s3cret")],
        secrets=["s3cret"],
        clock=VirtualClock(now=7.0),
    ) as peer:
        await peer.send("say s3cret")
        await peer.receive()
    assert steps[0] == Step(7.0, "=", "connection is CONNECTING")
    said = [(step.mark, step.what) for step in steps]
    assert (">", "GET /?token=*** HTTP/1.1") in said
    assert (">", "Authorization: ***") in said
    assert ("<", "HTTP/1.1 101 Switching Protocols") in said
    assert (">", "TEXT 'say ***' [10 bytes]") in said
    assert ("<", "TEXT 'say ***' [10 bytes]") in said
    assert ("<", "CLOSE 1000 (OK) [2 bytes]") in said
    assert said[-1] == ("x", "closed by us, with 1000 (OK)")
    assert not any("s3cret" in what for _, what in said)


async def test_a_peer_opens_over_tls(
    served: Start, authority: ThrowAwayAuthority
) -> None:
    """With the authority that it trusts, a peer speaks TLS."""
    url = await served(echo, tls=authority.server_context())
    async with await open_peer(url, tls=authority.client_context()) as peer:
        await peer.send("over TLS")
        assert await peer.receive() == "over TLS"
        assert peer.tls_version == "TLSv1.3"
    async with await open_peer(await served(echo)) as plain:
        assert plain.tls_version == ""


# Our mistakes


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "127.0.0.1:80",
        "ws://",
        "ws://127.0.0.1:99999/",
        "ws://127.0.0.1/#fragment",
        "ws://user@127.0.0.1/",
    ],
)
async def test_what_is_no_websocket_url_is_refused(url: str) -> None:
    """Such a URL is our mistake, and nothing is connected."""
    with pytest.raises(LocalError, match="cannot open"):
        await open_peer(url)


async def test_a_refused_url_does_not_show_its_secrets() -> None:
    """The words of the error are fit for a report, and so are those behind it."""
    with pytest.raises(LocalError) as error:
        await open_peer("http://me:s3cret@127.0.0.1/?token=s3cret")
    assert "s3cret" not in str(error.value)
    assert error.value.__cause__ is None


async def test_a_tls_context_for_a_plain_url_is_refused(
    authority: ThrowAwayAuthority,
) -> None:
    """Who brings a context expects TLS."""
    with pytest.raises(LocalError, match="ssl argument"):
        await open_peer("ws://127.0.0.1:1", tls=authority.client_context())


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (("Host", "there"), "belongs to the opening handshake"),
        (("sec-websocket-key", "x"), "belongs to the opening handshake"),
        (("X-A", "a\r\nX-B: b"), "cannot be sent"),
        (("X A", "a"), "cannot be sent"),
    ],
)
async def test_a_header_that_a_polite_peer_cannot_send_is_refused(
    header: tuple[str, str], words: str
) -> None:
    """Headers of the handshake, and what would break the request."""
    with pytest.raises(LocalError, match=words):
        await open_peer("ws://127.0.0.1:1", headers=[header])


async def test_an_origin_and_a_subprotocol_that_cannot_be_sent_are_refused() -> None:
    """They become headers too."""
    with pytest.raises(LocalError, match="origin"):
        await open_peer("ws://127.0.0.1:1", origin="a\nb")
    with pytest.raises(LocalError, match="cannot open"):
        await open_peer("ws://127.0.0.1:1", subprotocols=["a b"])


async def test_a_message_is_text_or_bytes(served: Start) -> None:
    """Anything else is our mistake, and the connection goes on."""
    async with await open_peer(await served(echo)) as peer:
        with pytest.raises(LocalError, match="not dict"):
            await peer.send({"a": 1})  # type: ignore[arg-type]  # on purpose
        assert peer.is_open


async def test_two_cannot_receive_at_the_same_time(served: Start) -> None:
    """The second one is told so, the first one gets its message."""
    async with await open_peer(await served(echo)) as peer:
        first = asyncio.create_task(peer.receive())
        await asyncio.sleep(0)
        with pytest.raises(LocalError, match="received from already"):
            await peer.receive()
        await peer.send("a")
        assert await first == "a"


@pytest.mark.parametrize(
    ("code", "reason"), [(1005, ""), (999, ""), (1000, "long" * 40), (1006, "")]
)
async def test_what_may_not_stand_in_a_close_frame_is_refused(
    code: int, reason: str, served: Start
) -> None:
    """RFC 6455 7.4 and 5.5: the connection stays open."""
    async with await open_peer(await served(echo)) as peer:
        with pytest.raises(LocalError, match=f"cannot close with {code}"):
            await peer.close(code, reason)
        await peer.send("still here")
        assert await peer.receive() == "still here"


# The opening handshake fails


async def test_a_server_that_is_not_there_is_not_reached() -> None:
    """A port where nobody listens, and a name that nobody has."""
    port = find_dynamic_port()
    with pytest.raises(NotReached, match="Connection refused"):
        await open_peer(f"ws://127.0.0.1:{port}")
    release_port(port)
    with pytest.raises(NotReached, match="name is not known"):
        await open_peer("ws://nowhere.invalid")


@pytest.mark.parametrize(
    ("flaw", "words"),
    [
        (Flaw.WRONG_HOST, "mismatch"),
        (Flaw.EXPIRED, "expired"),
        (Flaw.OTHER_AUTHORITY, "issuer"),
        (Flaw.SELF_SIGNED, "self-signed"),
    ],
)
async def test_a_certificate_with_a_flaw_is_not_trusted(
    flaw: Flaw, words: str, served: Start, authority: ThrowAwayAuthority
) -> None:
    """The peer names the flaw."""
    url = await served(echo, tls=authority.server_context(flaw))
    with pytest.raises(TlsFailed) as error:
        await open_peer(url, tls=authority.client_context())
    assert words in error.value.untrusted


async def test_a_plain_server_cannot_do_the_tls_handshake(
    served: Start, authority: ThrowAwayAuthority
) -> None:
    """Speaking TLS to a server without it is told as that."""
    url = (await served(echo)).replace("ws:", "wss:")
    with pytest.raises(TlsFailed) as error:
        await open_peer(url, tls=authority.client_context())
    assert error.value.untrusted == ""


async def test_a_refused_handshake_tells_status_headers_and_body(
    scripted: Start,
) -> None:
    """Everything that the server said about it can be read."""
    url = await scripted(
        answering(
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\n"
            b"Content-Length: 5\r\n\r\nlogin"
        )
    )
    with pytest.raises(HandshakeRefused, match="HTTP 401 Unauthorized") as error:
        await open_peer(url)
    assert error.value.status == 401
    assert ("WWW-Authenticate", "Bearer") in error.value.headers
    assert error.value.body == b"login"


async def test_a_redirect_is_not_followed(scripted: Start, served: Start) -> None:
    """A target is judged where it was given."""
    elsewhere = await served(echo)
    url = await scripted(
        answering(
            f"HTTP/1.1 302 Found\r\nLocation: {elsewhere}\r\n"
            "Content-Length: 0\r\n\r\n".encode()
        )
    )
    with pytest.raises(HandshakeRefused) as error:
        await open_peer(url)
    assert error.value.status == 302


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"220 mail ready\r\n\r\n", "unsupported protocol"),
        (b"HTTP/1.1 101 Ok\r\n\r\n", "missing Connection header"),
        (
            b"HTTP/1.1 101 Ok\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: wrong\r\n\r\n",
            "invalid Sec-WebSocket-Accept header",
        ),
        (b"HTTP/1.1 101 " + b"x" * 20_000, "expected no more than"),
    ],
)
async def test_an_answer_that_breaks_a_rule_is_told_apart(
    answer: bytes, words: str, scripted: Start
) -> None:
    """No HTTP, no upgrade, a wrong key, an endless line."""
    with pytest.raises(HandshakeBroken, match=words):
        await open_peer(await scripted(answering(answer)))


async def test_a_server_that_goes_away_without_an_answer_is_told_so(
    scripted: Start,
) -> None:
    """The connection was accepted, the request was not answered."""
    url = await scripted(answering(b"", end=True))
    with pytest.raises(HandshakeBroken, match="went away during the opening handshake"):
        await open_peer(url)


async def test_a_server_that_does_not_answer_is_waited_for_only_so_long(
    scripted: Start,
) -> None:
    """The time-out says what was waited for."""
    url = await scripted(answering(b""))
    with pytest.raises(TimeoutError, match=r"did not open within 0\.01 s"):
        await open_peer(url, open_timeout=SOON)


async def test_a_cancelled_opening_leaves_nothing_behind(scripted: Start) -> None:
    """The server sees the end of TCP."""
    asked, ended = asyncio.Event(), asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        with contextlib.suppress(ConnectionResetError):
            await reader.read()
        ended.set()

    opening = asyncio.create_task(open_peer(await scripted(talk)))
    await asyncio.wait_for(asked.wait(), 10)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await asyncio.wait_for(ended.wait(), 10)


# Waiting


async def test_a_message_that_does_not_come_is_waited_for_only_so_long(
    served: Start,
) -> None:
    """The time-out says what was waited for, and the connection goes on."""
    async with await open_peer(await served(echo)) as peer:
        with pytest.raises(TimeoutError, match="no message from ws://"):
            await peer.receive(SOON)
        await peer.send("a")
        assert await peer.receive() == "a"


async def test_a_pong_that_does_not_come_is_waited_for_only_so_long(
    after_handshake: Start,
) -> None:
    """A server that ignores pings is found out; a late pong does no harm."""
    async with contextlib.AsyncExitStack() as stack:
        peer = await open_peer(await after_handshake(b""))
        stack.callback(peer.abort)
        with pytest.raises(TimeoutError, match="no pong from"):
            await peer.ping(SOON)


async def test_a_cancelled_receive_loses_nothing(served: Start) -> None:
    """What comes after the cancellation is there for the next one."""
    async with await open_peer(await served(echo)) as peer:
        waiting = asyncio.create_task(peer.receive())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        await peer.send("kept")
        assert await peer.receive() == "kept"


async def test_sending_to_a_server_that_does_not_read_is_bounded(
    scripted: Start, shake_hands: Any
) -> None:
    """When all buffers are full, sending ends with a time-out."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer)
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # it has it
        await asyncio.Event().wait()

    peer = await open_peer(await scripted(talk))
    with pytest.raises(TimeoutError, match="no room to send"):
        await fill(peer)
    peer.abort()
    await peer.wait_closed()


# The end


async def test_a_peer_closes_politely(served: Start) -> None:
    """Code and reason arrive, the server's answer can be read, twice is once."""
    heard: asyncio.Future[tuple[int | None, str | None]] = asyncio.Future()

    async def talk(connection: ServerConnection) -> None:
        await connection.wait_closed()
        heard.set_result((connection.close_code, connection.close_reason))

    peer = await open_peer(await served(talk))
    assert (peer.close_code, peer.close_reason, peer.closed_by) == (None, None, None)
    await peer.close(4001, "enough")
    await peer.close()
    assert await asyncio.wait_for(heard, 10) == (4001, "enough")
    assert (peer.close_code, peer.close_reason) == (4001, "enough")
    assert peer.closed_by is Side.US
    assert not peer.is_open
    await peer.wait_closed()


async def test_after_our_own_close_nothing_can_be_asked_of_a_peer(
    served: Start,
) -> None:
    """Using it any further is our mistake, not the server's."""
    peer = await open_peer(await served(echo))
    await peer.close()
    for step in (peer.send("a"), peer.receive(), peer.ping()):
        with pytest.raises(LocalError, match="closed by this side"):
            await step


async def test_a_close_of_the_server_ends_a_receive(served: Start) -> None:
    """What came before is received first; then code, reason and side are told."""

    async def talk(connection: ServerConnection) -> None:
        await connection.send("last words")
        await connection.close(1001, "bye")

    async with await open_peer(await served(talk)) as peer:
        assert await peer.receive() == "last words"
        with pytest.raises(
            ConnectionEnded, match=r"with 1001 \(going away\) bye"
        ) as end:
            await peer.receive()
        assert (end.value.code, end.value.reason) == (1001, "bye")
        assert end.value.by is Side.THEM
        assert end.value.violation == ""
        assert peer.closed_by is Side.THEM
        with pytest.raises(ConnectionEnded):
            await peer.send("too late")
        with pytest.raises(ConnectionEnded):
            await peer.ping()


async def test_a_close_frame_without_a_code_is_1005(after_handshake: Start) -> None:
    """RFC 6455 7.1.5."""
    url = await after_handshake(encode_frame(Opcode.CLOSE), end=True)
    async with await open_peer(url) as peer:
        with pytest.raises(ConnectionEnded) as end:
            await peer.receive()
        assert end.value.code == peer.close_code == 1005


async def test_a_connection_that_is_lost_is_nobodys_close(
    after_handshake: Start,
) -> None:
    """Without a close frame it is 1006, and nobody closed it."""
    steps: list[Step] = []
    url = await after_handshake(b"", end=True)
    async with await open_peer(url, observe=steps.append) as peer:
        with pytest.raises(ConnectionEnded, match="lost without a close frame") as end:
            await peer.receive()
        assert end.value.code == peer.close_code == 1006
        assert end.value.by is peer.closed_by is Side.NOBODY
    assert steps[-1].what == "closed by nobody, without a close frame"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (encode_frame(3), "invalid opcode"),
        (encode_frame(Opcode.TEXT, b"a", mask=b"1234"), "incorrect masking"),
        (encode_frame(Opcode.TEXT, b"a", rsv2=True), "reserved bits"),
        (encode_frame(Opcode.CONTINUATION), "unexpected continuation"),
        (encode_frame(Opcode.TEXT, b"\xff"), "invalid start byte"),
        (encode_frame(Opcode.TEXT, b"a" * 200), "exceeds limit"),
        (encode_frame(Opcode.CLOSE, b"\x03"), "close frame too short"),
        (encode_frame(Opcode.CLOSE, b"\x03\xee"), "invalid status code"),
    ],
)
async def test_a_server_that_breaks_a_rule_is_named_with_the_rule(
    said: bytes, words: str, after_handshake: Start
) -> None:
    """The peer fails the connection at once, though the server keeps it open."""
    steps: list[Step] = []
    url = await after_handshake(said)
    async with await open_peer(url, max_message=100, observe=steps.append) as peer:
        with pytest.raises(ConnectionEnded, match="broke a rule") as end:
            await peer.receive(10)
        assert words in end.value.violation
        assert end.value.by is peer.closed_by is Side.US
    assert ("!", end.value.violation) in [(step.mark, step.what) for step in steps]


async def test_a_server_that_breaks_a_rule_and_reads_nothing_is_left(
    scripted: Start, shake_hands: Any
) -> None:
    """A close frame that cannot be written does not keep a peer."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer)
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # it has it
        await full.wait()
        writer.write(encode_frame(3))
        await asyncio.Event().wait()

    full = asyncio.Event()
    async with await open_peer(await scripted(talk)) as peer:
        with pytest.raises(TimeoutError, match="no room to send"):
            await fill(peer)
        full.set()
        with pytest.raises(ConnectionEnded, match="invalid opcode"):
            await peer.receive(1)


async def test_a_server_that_closes_without_ending_tcp_is_found_out(
    after_handshake: Start,
) -> None:
    """RFC 6455 7.1.1: the server closes TCP first; a peer waits only so long."""
    url = await after_handshake(encode_frame(Opcode.CLOSE, encode_close(1000)))
    async with await open_peer(url) as peer:
        with pytest.raises(TimeoutError, match="no end of the connection"):
            await peer.wait_closed(SOON)
        with pytest.raises(ConnectionEnded, match="1000") as end:
            await peer.receive(SOON)
        assert end.value.by is Side.THEM
        assert peer.close_code == 1000


async def test_a_close_that_is_not_answered_ends_with_a_time_out(
    after_handshake: Start,
) -> None:
    """The connection is gone nevertheless."""
    peer = await open_peer(await after_handshake(b""))
    with pytest.raises(TimeoutError, match="no answer to our close frame"):
        await peer.close(timeout=SOON)
    assert peer.closed_by is Side.US
    assert peer.close_code == 1006
    await peer.close()


async def test_a_close_that_is_answered_without_ending_tcp_is_told_apart(
    scripted: Start, shake_hands: Any
) -> None:
    """The time-out says which half of the closing is missing."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer)
        await reader.read(1)
        writer.write(encode_frame(Opcode.CLOSE, encode_close(1000)))
        await asyncio.Event().wait()

    peer = await open_peer(await scripted(talk))
    with pytest.raises(TimeoutError, match="no end of TCP from"):
        await peer.close(timeout=0.2)
    assert peer.close_code == 1000


async def test_leaving_the_context_does_not_complain_of_a_server_that_stays(
    after_handshake: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time-out of cleaning up must not hide what went on before."""
    real = Peer.close

    async def close_soon(peer: Peer) -> None:
        await real(peer, timeout=SOON)

    monkeypatch.setattr(Peer, "close", close_soon)
    async with await open_peer(await after_handshake(b"")) as peer:
        pass
    assert peer.closed_by is Side.US


async def test_a_peer_with_many_unread_messages_closes_all_the_same(
    served: Start,
) -> None:
    """Unread messages, on which reading has paused, do not block the closing."""

    async def flood(connection: ServerConnection) -> None:
        while True:
            await connection.send("x" * 1000)

    peer = await open_peer(await served(flood))
    await peer.receive()
    await peer.close(timeout=30)
    assert peer.close_code == 1000


async def test_a_cancelled_close_leaves_nothing_open(after_handshake: Start) -> None:
    """The connection is gone, whether or not the server answered."""
    peer = await open_peer(await after_handshake(b""))
    closing = asyncio.create_task(peer.close(timeout=60))
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await peer.wait_closed()
    assert not peer.is_open


async def test_a_cancelled_context_does_not_wait_for_the_server(
    after_handshake: Start,
) -> None:
    """Cancelling means now."""
    opened: asyncio.Future[Peer] = asyncio.Future()
    url = await after_handshake(b"")

    async def work() -> None:
        async with await open_peer(url) as peer:
            opened.set_result(peer)
            await peer.receive(60)

    task = asyncio.create_task(work())
    peer = await opened
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await peer.wait_closed()


@pytest.mark.parametrize("secure", [False, True])
async def test_an_abort_resets_tcp(
    secure: bool, scripted: Start, shake_hands: Any, authority: ThrowAwayAuthority
) -> None:
    """The server sees no FIN but a reset; aborting twice does nothing."""
    ending: asyncio.Future[str] = asyncio.Future()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer)
        try:
            await reader.read()
            ending.set_result("fin")
        except ConnectionResetError:
            ending.set_result("reset")

    url = await scripted(talk, tls=authority.server_context() if secure else None)
    peer = await open_peer(url, tls=authority.client_context() if secure else None)
    peer.abort()
    peer.abort()
    assert await asyncio.wait_for(ending, 10) == "reset"
    await peer.wait_closed()
    peer.abort()
    assert peer.closed_by is Side.US
    with pytest.raises(LocalError):
        await peer.receive()


async def test_every_failure_of_a_server_is_a_remote_error(served: Start) -> None:
    """One ``except RemoteError`` around a conversation is enough."""

    async def talk(connection: ServerConnection) -> None:
        connection.transport.abort()

    with pytest.raises(RemoteError):
        async with await open_peer(await served(talk)) as peer:
            await peer.receive()


async def test_a_peer_that_is_dropped_leaves_no_task(served: Start) -> None:
    """After everything is closed, only the test's own task is left."""
    before = asyncio.all_tasks()
    async with await open_peer(await served(echo)) as peer:
        await peer.send("a")
        await peer.receive()
    gc.collect()
    mine = {task for task in asyncio.all_tasks() - before if "server" not in repr(task)}
    assert mine == set()


async def test_a_tap_hears_bytes_before_they_are_judged(
    after_handshake: Start, listening: Any
) -> None:
    """A frame that breaks a rule ends the connection, and was heard all the same."""
    masked = encode_frame(Opcode.TEXT, b"Hello", mask=b"mask")
    async with await open_peer(await after_handshake(masked), tap=listening) as peer:
        with pytest.raises(ConnectionEnded):
            await peer.receive()
    assert listening.said.startswith(b"GET / HTTP/1.1\r\n")
    assert listening.heard.startswith(b"HTTP/1.1 101 ")
    assert listening.heard.endswith(masked)


async def test_a_tap_hears_what_is_sent_and_the_end_by_the_server(
    served: Start, listening: Any
) -> None:
    """Messages, pings and the close frame, masked as they are on the wire."""
    async with await open_peer(await served(echo), tap=listening) as peer:
        await peer.send("Hello")
        assert await peer.receive() == "Hello"
    _, frames = listening.said.split(b"\r\n\r\n")
    read = FrameReader(expect_mask=True, max_payload=None).feed(bytes(frames))
    assert [frame.opcode for frame in read] == [Opcode.TEXT, Opcode.CLOSE]
    assert listening.steps == ["ended"]


async def test_a_tap_is_told_of_a_reset_by_the_server(
    scripted: Start, shake_hands: Any, listening: Any
) -> None:
    """It is an end of TCP as any other."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer)
        reset(writer.transport)

    peer = await open_peer(await scripted(talk), tap=listening)
    await peer.wait_closed()
    assert listening.steps == ["ended"]


async def test_a_tap_is_told_of_a_server_that_was_waited_for(
    after_handshake: Start, listening: Any
) -> None:
    """It has not ended TCP: this side has."""
    peer = await open_peer(await after_handshake(b""), tap=listening)
    with pytest.raises(TimeoutError):
        await peer.close(timeout=SOON)
    assert listening.steps == ["waited"]
