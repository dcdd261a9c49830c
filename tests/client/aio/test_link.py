"""Link: one connection to a hub."""

import asyncio
import itertools
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect

from wavetank.client.aio.link import Link, Message
from wavetank.client.lifecycle import Cause, Ending
from wavetank.clock import SystemClock, VirtualClock
from wavetank.errors import RemoteError
from wavetank.protocol import (
    Auth,
    Authenticated,
    Error,
    Event,
    Heartbeat,
    Ping,
    Pong,
    Unknown,
    Welcome,
    decode_push,
)

pytestmark = pytest.mark.anyio

WAIT = 20.0


class Talk:
    """A link that runs, and what it heard."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.heard: asyncio.Queue[Message] = asyncio.Queue()
        self.task = asyncio.create_task(link.run(self.heard.put_nowait))

    async def next(self) -> Message:
        """Return what it hears next."""
        async with asyncio.timeout(WAIT):
            return await self.heard.get()

    async def ending(self) -> Ending:
        """Wait for its end."""
        async with asyncio.timeout(WAIT):
            return await self.task


@pytest.fixture
async def open_link(hub: Any) -> Any:
    """Give a function that opens a link and runs it; it returns both sides."""
    talks: list[Talk] = []

    async def open_it(
        *, interval_ms: float = 60_000, clock: Any = None, **options: Any
    ) -> tuple[Talk, Any]:
        timing = {"grace": 5.0, "answer_timeout": 10.0} | options
        socket = await connect(
            hub.url,
            subprotocols=["wavetank.v1"],
            proxy=None,
            ping_interval=None,
            close_timeout=1,
            max_size=2000,
        )
        call = await hub.greeted(ping_interval_ms=interval_ms)
        welcome = decode_push(await socket.recv())
        assert isinstance(welcome, Welcome)
        link = Link(socket, welcome, clock=clock or SystemClock(), **timing)
        talk = Talk(link)
        talks.append(talk)
        return talk, call

    yield open_it
    for talk in talks:
        talk.task.cancel()
        await asyncio.wait([talk.task])
        await talk.link.close()


async def test_link_carries_commands_and_messages(open_link: Any) -> None:
    """In both directions, each message as a value."""
    talk, call = await open_link()
    talk.link.tell(Ping(id=3))
    assert await call.read() == {"type": "ping", "id": 3}
    await call.send({"type": "pong", "id": 3, "ts_in": 1, "ts_out": 2})
    await call.send({"type": "heartbeat", "ts": 1, "tops": {}})
    assert isinstance(await talk.next(), Pong)
    assert isinstance(await talk.next(), Heartbeat)
    assert repr(talk.link) == "<Link c-1 of fake>"


async def test_link_survives_garbage(open_link: Any) -> None:
    """What means nothing is a value too, and the connection goes on."""
    talk, call = await open_link()
    for data in ("{", "[]", '{"type":"new"}', b"\xff\x00", '{"type":"event"}'):
        await call.raw(data)
        assert isinstance(await talk.next(), Unknown)
    await call.send({"type": "event", "topic": "a", "seq": 1, "ts": 1, "data": 1})
    assert isinstance(await talk.next(), Event)


async def test_link_waits_for_an_answer_of_its_own(open_link: Any) -> None:
    """Nobody else hears it; others go on meanwhile."""
    talk, call = await open_link()
    asking = asyncio.create_task(talk.link.ask(Auth(id="", token="t")))
    command = await call.read("auth")
    assert command["token"] == "t"
    await call.send({"type": "pong", "id": 9, "ts_in": 1, "ts_out": 2})
    answer = {"type": "authenticated", "user": "u", "expires_at": None}
    await call.send(answer | {"id": command["id"]}, answer | {"id": command["id"]})
    assert isinstance(await asking, Authenticated)
    assert isinstance(await talk.next(), Pong)
    # A second answer to the same question is for whoever wants it.
    assert isinstance(await talk.next(), Authenticated)


async def test_link_takes_an_answer_that_comes_when_nobody_waits(
    open_link: Any,
) -> None:
    """Two answers in one breath, or a wait that was cancelled, break nothing."""
    talk, call = await open_link()
    asking = asyncio.create_task(talk.link.ask(Auth(id="", token="t")))
    command = await call.read("auth")
    asking.cancel()
    error = {"code": "internal", "message": "", "retryable": True, "fatal": False}
    await call.send({"type": "error", "id": command["id"], "ts": 1} | error)
    assert isinstance(await talk.next(), Error)


async def test_link_breaks_a_question_off_at_the_end(open_link: Any) -> None:
    """Whoever asked learns it."""
    talk, call = await open_link()
    asking = asyncio.create_task(talk.link.ask(Auth(id="", token="t")))
    await call.read("auth")
    call.cut()
    with pytest.raises(RemoteError, match="ended"):
        await asking
    ending = await talk.ending()
    assert (ending.cause, ending.code) == (Cause.CLOSED, None)
    assert ending.text == "without a closing handshake"


async def test_link_ends_with_the_hubs_close_code_and_its_last_words(
    open_link: Any,
) -> None:
    """A fatal error says more than the close reason."""
    talk, call = await open_link()
    await call.refuse(None, "unauthorized", fatal=True, message="whose token?")
    await call.close(4001, "bad token")
    ending = await talk.ending()
    assert (ending.cause, ending.code) == (Cause.CLOSED, 4001)
    assert ending.text == "whose token?"
    other, call = await open_link()
    await call.close(4200, "drain")
    ending = await other.ending()
    assert (ending.code, ending.text) == (4200, "drain")


async def test_link_that_goes_on_sending_ends_quietly(open_link: Any) -> None:
    """The reader says why; the writer just stops."""
    talk, call = await open_link()
    await call.close(4202, "resume")
    await talk.ending()
    talk.link.tell(Ping(id=1))


async def test_link_fails_what_is_too_large(open_link: Any) -> None:
    """1009 is ours, and would come again."""
    talk, call = await open_link()
    await call.raw(json.dumps("x" * 3000))
    ending = await talk.ending()
    assert (ending.cause, ending.code) == (Cause.CLOSED, 1009)
    assert ending.text.startswith("we had to")


async def test_link_fails_what_is_no_websocket(open_link: Any) -> None:
    """A broken middle box may be mended tomorrow, so there is no final code."""
    talk, call = await open_link()
    call.socket.transport.write(b"\xff\xff\xff\xff")
    ending = await talk.ending()
    assert (ending.cause, ending.code) == (Cause.CLOSED, None)
    assert ending.text.startswith("we had to")


async def test_link_notices_a_hub_that_went_deaf(open_link: Any) -> None:
    """No heartbeat, no event: it is cut, for the hub would not answer a close."""
    talk, call = await open_link(interval_ms=10, grace=0.01)
    ending = await talk.ending()
    assert ending.cause is Cause.SILENT
    assert await call.closed() == 1006


async def test_link_notices_a_command_without_an_answer(open_link: Any) -> None:
    """However alive the hub is otherwise."""
    talk, call = await open_link(answer_timeout=0.01)
    talk.link.tell(Ping(id=1))
    await call.read("ping")
    await call.send({"type": "heartbeat", "ts": 1, "tops": {}})
    assert (await talk.ending()).cause is Cause.OVERDUE


async def test_link_knows_when_it_heard_the_hub_last(open_link: Any) -> None:
    """In the time of day, for people."""
    clock = VirtualClock()
    talk, call = await open_link(clock=clock)
    clock.advance(7.0)
    assert talk.link.heard_at == clock.wall() - 7.0
    await call.send({"type": "heartbeat", "ts": 1, "tops": {}})
    await talk.next()
    assert talk.link.heard_at == clock.wall()


async def test_link_lets_others_have_a_turn_in_a_flood(open_link: Any) -> None:
    """Whoever reads items need not wait until a burst of messages is over."""
    talk, call = await open_link()
    turns = []

    async def count() -> None:
        while True:
            turns.append(talk.heard.qsize())
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    beat = json.dumps({"type": "heartbeat", "ts": 1, "tops": {}})
    frame = bytes([0x81, len(beat)]) + beat.encode()
    call.socket.transport.write(frame * 500)
    for _ in range(500):
        await talk.next()
    counting.cancel()
    steps = [after - before for before, after in itertools.pairwise(turns)]
    assert max(steps) <= 64
