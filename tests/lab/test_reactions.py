"""How a target reacts: what fails its connection, and who is served after that."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from wavetank.dialects import Bare, Echo
from wavetank.evidence import Record, Verdict
from wavetank.lab import reactions
from wavetank.lab.conversation import Conversation
from wavetank.lab.notebook import Notebook
from wavetank.lab.reactions import (
    VIOLATIONS,
    Violator,
    closing_of,
    end_of,
    is_served,
    next_frame,
)
from wavetank.net import RudePeer, open_peer
from wavetank.wire import (
    Closing,
    Frame,
    FrameReader,
    HeadReader,
    Opcode,
    Request,
    Upgrade,
    encode_close,
    encode_frame,
    judge_request,
    switching_protocols,
)

pytestmark = pytest.mark.anyio

SOON = 0.02

Read = Callable[[], Awaitable[Frame]]
Answer = Callable[[Read, asyncio.StreamWriter], Awaitable[None]]
Sound = Callable[[ServerConnection], Awaitable[None]]


@pytest.fixture
def notebook(records: list[Record]) -> Notebook:
    """An empty notebook."""
    return Notebook(suite="a", check="b", record=records.append, now=lambda: 0.0)


@pytest.fixture
async def rude() -> AsyncIterator[Callable[[Answer], Awaitable[RudePeer]]]:
    """Shake hands with a server that answers frames as told to; return the peer."""
    ended = asyncio.Event()
    servers: list[asyncio.Server] = []
    peers: list[RudePeer] = []

    async def connect(answer: Answer) -> RudePeer:
        async def accept(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            request = HeadReader().feed(await reader.readuntil(b"\r\n\r\n"))
            assert isinstance(request, Request)
            upgrade = judge_request(request)
            assert isinstance(upgrade, Upgrade)
            writer.write(switching_protocols(upgrade))
            frames = FrameReader(expect_mask=True, max_payload=None, strict=False)

            async def read() -> Frame:
                while data := await reader.read(4096):
                    if got := frames.feed(data):
                        return got[0]
                raise ConnectionResetError

            # The peer may go away in the middle, that is no error here.
            with contextlib.suppress(ConnectionError):
                await answer(read, writer)
                await ended.wait()
            writer.transport.abort()

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        servers.append(server)
        port = server.sockets[0].getsockname()[1]
        peer = await RudePeer.connect(f"ws://127.0.0.1:{port}")
        peers.append(peer)
        assert (await peer.open()).status == 101
        return peer

    yield connect
    ended.set()
    for peer in peers:
        await peer.close()
    for server in servers:
        server.close()
        await server.wait_closed()


def closing(payload: bytes) -> Answer:
    """Answer the first frame with a close frame."""

    async def answer(read: Read, writer: asyncio.StreamWriter) -> None:
        await read()
        writer.write(encode_frame(Opcode.CLOSE, payload))

    return answer


async def hang_up(read: Read, writer: asyncio.StreamWriter) -> None:
    """Answer the first frame with the end of TCP."""
    await read()
    writer.close()


async def echo(read: Read, writer: asyncio.StreamWriter) -> None:
    """Answer the first frame with another, then with itself."""
    frame = await read()
    writer.write(encode_frame(Opcode.TEXT, b"tick"))
    writer.write(encode_frame(Opcode.TEXT, frame.payload))


async def ignore(read: Read, writer: asyncio.StreamWriter) -> None:
    """Read the first frame, and do nothing about it."""
    await read()


async def talk_on(read: Read, writer: asyncio.StreamWriter) -> None:
    """Read the first frame, and talk of other things without end."""
    await read()
    while not writer.is_closing():
        writer.write(encode_frame(Opcode.TEXT, b"tick"))
        await writer.drain()
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("answer", "verdict", "seen"),
    [
        (closing(encode_close(1007, "no")), Verdict.PASS, "close code 1007"),
        (closing(encode_close(1002)), Verdict.PASS, "close code 1002"),
        (closing(encode_close(1000)), Verdict.FAIL, "close code 1000"),
        (closing(b""), Verdict.PASS, "a bare close frame"),
        (closing(b"\x03"), Verdict.PASS, "a bare close frame"),
        (hang_up, Verdict.PASS, "the connection ended (fin)"),
        (echo, Verdict.FAIL, "it was taken and answered: b'bad'"),
    ],
)
async def test_a_violation_has_to_fail_its_connection(
    rude: Callable[[Answer], Awaitable[RudePeer]],
    notebook: Notebook,
    answer: Answer,
    verdict: Verdict,
    seen: str,
) -> None:
    """By a close frame with a code that fits, or by its end; never by an answer."""
    violator = Violator(await rude(answer), notebook)
    await violator.must_be_failed(
        "a bad text",
        [(Opcode.TEXT, b"bad", {})],
        codes={1007, 1002},
        clause="RFC 6455 8.1",
    )
    (finding,) = notebook.findings
    assert finding.verdict is verdict
    assert finding.title == "a bad text fails the connection"
    assert finding.seen == seen
    assert finding.expected == "the connection failed with 1002 or 1007"
    assert finding.clause == "RFC 6455 8.1"


@pytest.mark.parametrize("answer", [ignore, talk_on])
async def test_a_connection_that_stays_open_is_a_failure(
    rude: Callable[[Answer], Awaitable[RudePeer]],
    notebook: Notebook,
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
) -> None:
    """A target that went on talking of other things once kept the check waiting."""
    monkeypatch.setattr(reactions, "REACT_WITHIN", 0.1)
    violator = Violator(await rude(answer), notebook)
    await violator.must_be_failed(
        "an empty frame", [(0x3, b"", {})], codes={1002}, clause=""
    )
    (finding,) = notebook.findings
    assert finding.verdict is Verdict.FAIL
    assert finding.seen == "it stays open"


async def test_the_end_of_a_rude_peer_is_told_in_a_word(
    rude: Callable[[Answer], Awaitable[RudePeer]],
) -> None:
    """Or in none, where it did not come."""
    left = await rude(hang_up)
    await left.send_frame(Opcode.TEXT, b"bye")
    assert await end_of(left, 5.0) == "fin"
    assert await end_of(await rude(ignore), SOON) == ""


def test_each_violation_breaks_a_rule_and_says_which() -> None:
    """A sound reader agrees with every row of the table."""
    for violation in VIOLATIONS:
        strict = FrameReader(expect_mask=True, max_payload=None)
        for opcode, payload, unusual in violation.frames:
            options: dict[str, Any] = {"mask": b"wave"} | unusual
            strict.feed(encode_frame(opcode, payload, **options))
        if violation.title == "a continuation of nothing":
            continue  # a rule of messages, not of frames
        assert strict.violation is not None, violation.title
        assert violation.clause.startswith("RFC 6455 5")
    assert len({violation.title for violation in VIOLATIONS}) == len(VIOLATIONS)


async def test_a_ping_is_answered_and_not_taken_for_a_reaction(
    rude: Callable[[Answer], Awaitable[RudePeer]],
) -> None:
    """A server that misses its pong ends the connection for a reason of its own."""
    answered = asyncio.get_running_loop().create_future()

    async def ping(read: Read, writer: asyncio.StreamWriter) -> None:
        await read()
        writer.write(encode_frame(Opcode.PING, b"alive?"))
        answered.set_result(await read())
        writer.write(encode_frame(Opcode.TEXT, b"good"))

    peer = await rude(ping)
    await peer.send_frame(Opcode.TEXT, b"hello")

    frame = await next_frame(peer)

    assert frame is not None
    assert frame.payload == b"good"
    pong = await answered
    assert (pong.opcode, pong.payload) == (Opcode.PONG, b"alive?")


def test_a_close_frame_that_is_illegal_is_a_close_all_the_same() -> None:
    """It has no code."""
    frame = Frame(opcode=Opcode.CLOSE, payload=b"\x00")
    assert closing_of(frame) == Closing(code=None, reason="")


# Who is served


@pytest.fixture
async def meet(
    served: Callable[[Sound], Awaitable[str]],
) -> AsyncIterator[Callable[..., Awaitable[Conversation]]]:
    """Open a conversation with a scripted server."""
    opened: list[Conversation] = []

    async def meet(script: Sound, dialect: Any) -> Conversation:
        peer = await open_peer(await served(script))
        conversation = Conversation(
            peer,
            dialect,
            name="peer-1",
            check="b",
            record=lambda record: None,
            now=lambda: 0.0,
        )
        opened.append(conversation)
        return conversation

    yield meet
    for conversation in opened:
        conversation.peer.abort()


async def repeat(connection: ServerConnection) -> None:
    """Echo."""
    async for message in connection:
        await connection.send(message)


async def garble(connection: ServerConnection) -> None:
    """Echo something else."""
    async for _ in connection:
        await connection.send("something else")


async def leave(connection: ServerConnection) -> None:
    """Close at once."""
    await connection.close(1011)


async def wait(connection: ServerConnection) -> None:
    """Say nothing until the end."""
    await connection.wait_closed()


@pytest.mark.parametrize(
    ("script", "dialect", "served_well", "seen"),
    [
        (repeat, Echo(), True, "answered"),
        (garble, Echo(), False, "did not come back"),
        (leave, Echo(), False, "1011"),
        # Of a bare target a pong is all that can be asked.
        (garble, Bare(), True, "answered"),
        (wait, Bare(), True, "answered"),
    ],
)
async def test_who_gets_a_pong_and_its_own_message_is_served(
    meet: Callable[..., Awaitable[Conversation]],
    notebook: Notebook,
    script: Sound,
    dialect: Any,
    served_well: bool,
    seen: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The finding names who was looked at."""
    if not served_well:
        monkeypatch.setattr(reactions, "REACT_WITHIN", SOON)
    conversation = await meet(script, dialect)
    assert await is_served(conversation, notebook, who="the other") is served_well
    (finding,) = notebook.findings
    assert finding.title == "the other is served"
    assert finding.verdict is (Verdict.PASS if served_well else Verdict.FAIL)
    assert seen in finding.seen


async def test_who_gets_no_answer_in_time_is_not_served(
    meet: Callable[..., Awaitable[Conversation]],
    notebook: Notebook,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A time-out here is what the check is about."""
    conversation = await meet(wait, Echo())
    monkeypatch.setattr(Conversation.next_event, "__kwdefaults__", {"within": SOON})
    assert not await is_served(conversation, notebook)
    assert "did not come back" in notebook.findings[0].seen
