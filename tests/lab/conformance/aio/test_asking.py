"""Opening handshakes on real sockets: sound servers, and some that are not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from wavetank.dialects import Echo
from wavetank.evidence import Record, Verdict
from wavetank.lab.conformance import handshake, heads, negotiation
from wavetank.lab.conformance.aio import asking
from wavetank.lab.conformance.aio.asking import Asker, ask
from wavetank.lab.conformance.asking import (
    OPENED,
    OPENS,
    REFUSES,
    Answer,
    Ask,
    judge_answer,
    row,
)
from wavetank.lab.peers import Peers
from wavetank.lab.target import Target
from wavetank.net import ThrowAwayAuthority, find_dynamic_port, release_port
from wavetank.wire import Opcode, encode_frame

pytestmark = [pytest.mark.anyio, pytest.mark.hasty]

SOON = 0.05
"""Seconds for what never comes."""

Serve = Callable[..., Awaitable[str]]
Says = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

SAMPLE = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
PLAIN = row("X.1", "It opens.", "RFC 6455 4.2.2", OPENS)
EARLY = row(
    "X.2",
    "It answers a ping.",
    "RFC 6455 4.1",
    Answer(statuses=OPENED, pongs=(b"early",)),
    change=SAMPLE,
    after=encode_frame(Opcode.PING, b"early", mask=b"\x01\x02\x03\x04"),
)
FAILING = row(
    "X.3",
    "It fails the connection.",
    "RFC 6455 4.2.2",
    Answer(statuses=OPENED, fails=True),
    change=SAMPLE,
    after=b"GET / HTTP/1.1\r\n\r\n",
)


@pytest.fixture
async def rude() -> AsyncIterator[Callable[[Says], Awaitable[str]]]:
    """Start a server that says what it likes behind a request; return its URL."""
    servers: list[asyncio.Server] = []

    async def start(says: Says) -> str:
        async def serve(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            try:
                await reader.readuntil(b"\r\n\r\n")
                await says(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        servers.append(server)
        return f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"

    yield start
    for server in servers:
        server.close()


def saying(*parts: bytes) -> Says:
    """Say this, and wait for the end."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
        await reader.read()

    return say


def ending(data: bytes = b"") -> Says:
    """Say this, and end TCP."""

    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return end


async def echo(socket: ServerConnection) -> None:
    """Send back what comes."""
    async for message in socket:
        await socket.send(message)


BLIND = (
    b"HTTP/1.1 101 Switching Protocols\r\n"
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
"""A 101 that is right for one key alone."""


async def test_a_sound_server_opens(served: Serve) -> None:
    """The key that comes back is the one that was answered."""
    key, reply = await ask(await served(echo), PLAIN)
    judgement = judge_answer(PLAIN, key, reply)
    assert (judgement.verdict, judgement.seen) == (Verdict.PASS, "101 came")
    assert (reply.status, reply.version, reply.frames) == (101, "HTTP/1.1", ())


async def test_a_refusal_comes_with_fields_and_body(served: Serve) -> None:
    """What it says of itself can be shown."""
    case = row("X.1", "It is refused.", "RFC 6455", REFUSES, method="POST")
    key, reply = await ask(await served(echo), case)
    assert reply.status == 405
    assert ("Allow", "GET") in reply.fields
    judgement = judge_answer(case, key, reply)
    assert judgement.verdict is Verdict.PASS
    assert judgement.seen == (
        "405 came (Failed to open a WebSocket connection: "
        "unsupported HTTP method: POST.)"
    )


async def test_headers_and_changes_are_sent(served: Serve) -> None:
    """Credentials go with every case, and a case may replace them."""
    seen: list[Any] = []

    async def look(socket: ServerConnection) -> None:
        assert socket.request is not None
        seen.append((socket.request.path, socket.request.headers.get_all("X-Who")))

    url = await served(look)
    other = row(
        "X.2", "It opens.", "RFC", OPENS, target="{path}?a=1", change={"X-Who": None}
    )
    for case in (PLAIN, other):
        _, reply = await ask(url, case, headers=(("X-Who", "me"),))
        assert reply.status == 101
    assert seen == [("/", ["me"]), ("/?a=1", [])]


async def test_tls_is_spoken_where_the_url_says_so(served: Serve) -> None:
    """A case that opens without TLS opens with it."""
    with ThrowAwayAuthority() as authority:
        url = await served(echo, ssl=authority.server_context())
        context = authority.client_context()
        _, reply = await ask(url.replace("ws:", "wss:"), PLAIN, tls=context)
    assert reply.status == 101


async def test_frames_behind_the_request_are_answered(
    rude: Callable[[Says], Awaitable[str]],
) -> None:
    """The pong that the case waits for is read, and what came before it."""
    url = await rude(saying(BLIND + b"\x81\x02hi", b"\x8a\x05ea", b"rly"))
    key, reply = await ask(url, EARLY)
    assert [(frame.opcode, frame.payload) for frame in reply.frames] == [
        (Opcode.TEXT, b"hi"),
        (Opcode.PONG, b"early"),
    ]
    assert judge_answer(EARLY, key, reply).verdict is Verdict.PASS


async def test_a_pong_in_front_of_the_101_is_no_answer(served: Serve) -> None:
    """websockets 17.4 answers frames that came early before it opens."""
    key, reply = await ask(await served(echo), EARLY)
    judgement = judge_answer(EARLY, key, reply)
    assert judgement.verdict is Verdict.FAIL
    assert "no answer of HTTP (this is not HTTP: b'\\x8a\\x05early" in judgement.seen


@pytest.mark.parametrize("last", [b"\x88\x02\x03\xea", b""])
async def test_a_connection_that_fails_behind_the_101_is_seen(
    rude: Callable[[Says], Awaitable[str]], last: bytes
) -> None:
    """By a close frame, or by the end of TCP."""
    key, reply = await ask(await rude(ending(BLIND + last)), FAILING)
    assert [frame.opcode for frame in reply.frames] == [Opcode.CLOSE] * bool(last)
    judgement = judge_answer(FAILING, key, reply)
    assert (judgement.verdict, judgement.seen) == (Verdict.PASS, "101 came")


async def test_a_connection_that_stays_open_is_waited_for_no_longer_than_said(
    rude: Callable[[Says], Awaitable[str]],
) -> None:
    """The frames that came are kept."""
    url = await rude(saying(BLIND, b"\x89\x00"))
    key, reply = await ask(url, FAILING, timeout=SOON)
    assert (reply.status, reply.ending) == (101, "")
    assert [frame.opcode for frame in reply.frames] == [Opcode.PING]
    assert judge_answer(FAILING, key, reply).verdict is Verdict.FAIL


async def test_a_101_to_everything_is_found_out(
    rude: Callable[[Says], Awaitable[str]],
) -> None:
    """Right for one key, wrong for every other, and for what must not open."""
    url = await rude(saying(BLIND))
    right = row("X.1", "It opens.", "RFC", OPENS, change=SAMPLE)
    wrong = row("X.2", "It does not.", "RFC", REFUSES, method="PUT", change=SAMPLE)
    verdicts = []
    for case in (right, PLAIN, wrong):
        key, reply = await ask(url, case)
        verdicts.append(judge_answer(case, key, reply).verdict)
    assert verdicts == [Verdict.PASS, Verdict.FAIL, Verdict.FAIL]


async def test_a_server_that_says_nothing_is_waited_for_no_longer_than_said(
    rude: Callable[[Says], Awaitable[str]],
) -> None:
    """Neither status nor ending: that is silence."""
    key, reply = await ask(await rude(saying()), PLAIN, timeout=SOON)
    assert (reply.status, reply.ending, reply.broken) == (None, "", "")
    assert judge_answer(PLAIN, key, reply).verdict is Verdict.FAIL


async def test_a_server_that_ends_tcp_at_once_is_heard(
    rude: Callable[[Says], Awaitable[str]],
) -> None:
    """There is an ending, and no status."""
    _, reply = await ask(await rude(ending()), PLAIN)
    assert (reply.status, reply.ending, reply.broken) == (None, "fin", "")


@pytest.mark.parametrize(
    ("said", "broken"),
    [
        (b"hello, who is there?\r\n\r\n", "the status line is malformed: b'hello, who"),
        (b"\x8a\x05early", "this is not HTTP: b'\\x8a\\x05early'"),
        (b"HTTP/1.1 101 Swit", "it ends within its head: b'HTTP/1.1 101 Swit'"),
        (b"HTTP/1.1 101\n\n", "a line ends without CR LF: b'HTTP/1.1 101\\n\\n'"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000, "the head is over 16384 bytes: b'"),
    ],
)
async def test_garbage_is_told_as_what_it_is(
    rude: Callable[[Says], Awaitable[str]], said: bytes, broken: str
) -> None:
    """With its first bytes, and without raising."""
    key, reply = await ask(await rude(ending(said)), PLAIN)
    assert reply.status is None
    assert reply.broken.startswith(broken)
    assert len(reply.broken) < 320
    assert judge_answer(PLAIN, key, reply).verdict is Verdict.FAIL


async def test_answers_on_the_way_are_passed_over(
    rude: Callable[[Says], Awaitable[str]],
) -> None:
    """100 and 103 are no final answer (RFC 9110 15.2)."""
    said = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
    _, reply = await ask(await rude(saying(said + BLIND)), PLAIN)
    assert reply.status == 101


@pytest.mark.parametrize(
    ("said", "body"),
    [
        (b"Content-Length: 5\r\n\r\nshort and more", b"short"),
        (b"Content-Length: 9" + b"9" * 5000 + b"\r\n\r\nendless", b"endless"),
        (b"Content-Length: 99\r\n\r\ncut", b"cut"),
        (b"\r\nuntil the end", b"until the end"),
        (b"\r\n" + b"x" * 100_000, b"x" * 65_536),
    ],
)
async def test_bodies_are_read_as_far_as_they_go(
    rude: Callable[[Says], Awaitable[str]], said: bytes, body: bytes
) -> None:
    """By their length, until the end, and never too much."""
    _, reply = await ask(await rude(ending(b"HTTP/1.1 400 No\r\n" + said)), PLAIN)
    assert (reply.status, reply.body) == (400, body)


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", b"405"), ("GET", b"204"), ("GET", b"304")]
)
async def test_answers_without_a_body_are_not_waited_for(
    rude: Callable[[Says], Awaitable[str]], method: str, status: bytes
) -> None:
    """The length that they may tell is not that of bytes to come (RFC 9112 6.3)."""
    case = row("X.1", "It is refused.", "RFC", REFUSES, method=method)
    url = await rude(saying(b"HTTP/1.1 %b No\r\nContent-Length: 9\r\n\r\n" % status))
    async with asyncio.timeout(10):
        _, reply = await ask(url, case)
    assert (reply.status, reply.body) == (int(status), b"")


async def test_a_body_that_does_not_come_is_not_waited_for_long(
    rude: Callable[[Says], Awaitable[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is only shown: half a second is enough."""
    monkeypatch.setattr(asking, "_BODY_WITHIN", SOON)
    url = await rude(saying(b"HTTP/1.1 400 No\r\n\r\nwait"))
    _, reply = await ask(url, PLAIN)
    assert (reply.status, reply.body, reply.ending) == (400, b"wait", "")


async def test_frames_without_end_are_read_in_bounds(
    rude: Callable[[Says], Awaitable[str]],
) -> None:
    """A target that talks on is not listened to for ever."""
    url = await rude(
        saying(BLIND, b"\x81\x7e\xff\xff" + b"x" * 65_535, b"\x89\x00" * 99_999)
    )
    _, reply = await ask(url, FAILING)
    assert reply.status == 101
    assert reply.frames[0].payload == b"x" * 65_535
    assert len(reply.frames) < 50_000


async def test_an_answer_before_all_was_read_is_heard(
    rude: Callable[[Says], Awaitable[str]],
) -> None:
    """Who refuses 1 MB does so before it has come, and goes away."""
    case = row("X.1", "It is refused.", "RFC", REFUSES, piece=1000, after=b"x" * 2**20)
    _, reply = await ask(
        await rude(ending(b"HTTP/1.1 431 No\r\nContent-Length: 0\r\n\r\n")), case
    )
    assert reply.status == 431


async def test_nobody_there_is_told_and_not_raised() -> None:
    """A port where nobody listens."""
    port = find_dynamic_port()
    key, reply = await ask(f"ws://127.0.0.1:{port}/", PLAIN)
    release_port(port)
    assert (key, reply.status) == ("", None)
    assert reply.unreached.startswith("cannot connect to ws://127.0.0.1")
    assert judge_answer(PLAIN, key, reply).verdict is Verdict.UNKNOWN


NOT_PASSED_BY_WEBSOCKETS = {
    "H.21",  # a pong in front of the 101
    *("H.35", "H.36", "H.37"),  # Host is left to others
    *("H.53", "H.54", "H.55", "H.56", "H.57", "H.58"),  # no Sec-WebSocket-Version
}


@pytest.mark.parametrize("table", [handshake, heads, negotiation])
async def test_every_case_can_be_asked(served: Serve, table: Any) -> None:
    """The official server passes all cases but those of which it is known to fail."""
    url = await served(echo)
    failed: dict[str, str] = {}
    cases: tuple[Ask, ...] = table.ASKS
    for case in cases:
        key, reply = await ask(url, case)
        judgement = judge_answer(case, key, reply)
        if judgement.verdict is not Verdict.PASS:
            failed[case.id] = judgement.seen
    assert set(failed) <= NOT_PASSED_BY_WEBSOCKETS, failed


# Many, and a second time


@pytest.fixture
async def asker(
    records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[..., Asker]]:
    """Return who asks a target, soon again; its connections are ended."""
    monkeypatch.setattr(asking, "_BREATH", 0.01)
    made: list[Peers] = []

    def make(url: str, **options: Any) -> Asker:
        target = Target(url=url, dialect=Echo(), origin="https://a.example")
        made.append(Peers(target, check="asks", record=records.append, now=float))
        return Asker(made[-1], **options)

    yield make
    for peers in made:
        await peers.close()


async def test_a_target_with_room_for_one_connection_is_asked_alone(
    asker: Callable[..., Asker], rude: Any
) -> None:
    """Sixteen at once found no room, and 99 of 131 cases were unknown."""
    busy = 0

    async def open_one(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal busy
        busy += 1
        try:
            if busy > 1:
                writer.write(b"HTTP/1.1 503 Full\r\nContent-Length: 0\r\n\r\n")
            else:
                writer.write(b"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n")
            await reader.read()
        finally:
            busy -= 1

    asks = [row(f"X.{n}", "It refuses.", "RFC 6455", REFUSES) for n in range(6)]
    found = await asker(await rude(open_one)).run(asks)
    assert [each.verdict for each in found] == [Verdict.PASS] * 6


async def test_a_target_that_was_silent_once_may_have_been_slow(
    asker: Callable[..., Asker], rude: Any
) -> None:
    """It is asked once more, and after that not again and again."""
    guests = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal guests
        guests += 1
        if guests == 2:
            writer.write(b"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    refused = row("X.9", "It refuses.", "RFC 6455", REFUSES)
    slow = asker(await rude(serve), within=0.3)
    (found,) = await slow.run([refused])
    assert found.verdict is Verdict.PASS
    silent = await slow.run([refused] * 9)
    assert {each.verdict for each in silent} == {Verdict.FAIL}
    assert guests == 2 + 9 + asking._VAIN
    assert repr(slow).startswith("<Asker ws://")
