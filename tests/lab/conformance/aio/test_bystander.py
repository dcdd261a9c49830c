"""Bystanders: how a healthy connection is opened, served, and not served."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from wavetank.dialects import Bare, Dialect, Echo, Hub
from wavetank.errors import RemoteError
from wavetank.evidence import Record
from wavetank.lab.conformance.aio import bystander
from wavetank.lab.conformance.aio.bystander import (
    Bystanders,
    Resident,
    arrive,
    attend,
    greet_newcomer,
)
from wavetank.lab.conformance.echoes import way_of
from wavetank.lab.peers import Peers
from wavetank.lab.target import Target
from wavetank.net import ConnectionEnded, HandshakeBroken
from wavetank.wire import Frame, Opcode, encode_close

pytestmark = [pytest.mark.anyio, pytest.mark.hasty]

DEADLINE = 20.0
"""Seconds after which a test gives up; nothing is measured against it."""
SOON = 0.2
"""Seconds after which somebody gives up in a test; nobody has to be quicker."""

Start = Callable[..., Awaitable[Any]]


@pytest.fixture
async def peers_of(records: list[Record]) -> AsyncIterator[Callable[..., Peers]]:
    """Make peers of the target at a URL; what they opened is ended."""
    made: list[Peers] = []

    def make(url: str, dialect: Dialect | None = None) -> Peers:
        target = Target(url=url, dialect=dialect or Echo())
        made.append(Peers(target, check="test", record=records.append, now=lambda: 0.0))
        return made[-1]

    yield make
    for peers in made:
        await peers.close()


def resident_of(peers: Peers, *, within: float = DEADLINE) -> Resident:
    """Return one that is not there yet."""
    way = way_of(peers.target.dialect, peers.topic("test"))
    return Resident(peers, way, within=within)


def bystanders_of(peers: Peers, *, within: float = DEADLINE) -> Bystanders:
    """Return some that are not there yet."""
    dialect = peers.target.dialect
    return Bystanders(
        peers, way=lambda: way_of(dialect, peers.topic("test")), within=within
    )


async def echo(connection: ServerConnection) -> None:
    """Send everything back."""
    async for message in connection:
        await connection.send(message)


# Arriving


async def test_who_arrives_has_said_what_the_dialect_says(
    sounding: Start, peers_of: Callable[..., Peers]
) -> None:
    """On a hub it is welcome, and subscribed where it will publish."""
    server = await sounding()
    peers = peers_of(f"ws://127.0.0.1:{server.port}/ws", Hub())
    rude = await arrive(peers, way_of(Hub(), "mine"), within=DEADLINE)
    (connection,) = server.open
    assert server.audience("mine") == [connection]
    await rude.close()


async def test_who_is_refused_leaves_nothing_open(
    sounding: Start, peers_of: Callable[..., Peers]
) -> None:
    """The connection is closed, and the status told."""
    server = await sounding()
    peers = peers_of(f"ws://127.0.0.1:{server.port}/nowhere")
    with pytest.raises(HandshakeBroken, match="answered with 404"):
        await arrive(peers, way_of(Echo(), "mine"), within=DEADLINE)
    assert repr(peers._rude[0]).endswith("closed>")


async def test_frames_are_handed_on_and_pings_answered(
    rudely: Start, peers_of: Callable[..., Peers]
) -> None:
    """Until TCP ends; also behind more frames than are read in one turn."""
    pongs: list[bytes] = []

    async def ping(guest: Any) -> None:
        await guest.shake_hands()
        for number in range(130):
            guest.send(Opcode.PING, b"%d" % number)
        while len(pongs) < 130:
            pongs.append((await guest.frame()).payload)

    rude = await peers_of(await rudely(ping)).rude()
    heard: list[Frame] = []
    await attend(rude, heard.append, answers=True)
    assert [frame.payload for frame in heard] == pongs
    assert len(pongs) == 130


# Residents


@pytest.mark.parametrize(("path", "dialect"), [("echo", Echo()), ("ws", Hub())])
async def test_a_resident_is_served_again_and_again(
    sounding: Start,
    peers_of: Callable[..., Peers],
    path: str,
    dialect: Dialect,
) -> None:
    """By pongs and texts, on an echo and on a topic of its own."""
    server = await sounding()
    peers = peers_of(f"ws://127.0.0.1:{server.port}/{path}", dialect)
    async with resident_of(peers) as resident:
        for _ in range(3):
            await resident.ask(within=DEADLINE)
        assert repr(resident) == "<Resident 3 rounds open>"
    assert repr(resident) == "<Resident 3 rounds over>"


async def test_a_resident_answers_pings_and_overhears_pushes(
    served: Start, peers_of: Callable[..., Peers]
) -> None:
    """Whatever comes between is no answer, and nothing of it is kept."""
    ponged = asyncio.Event()

    async def push(connection: ServerConnection) -> None:
        await connection.send("price 1")
        async for message in connection:
            await connection.send("price 2")
            await connection.send(message)
            await (await connection.ping(b"there?"))
            ponged.set()

    async with resident_of(peers_of(await served(push))) as resident:
        await resident.ask(within=DEADLINE)
        async with asyncio.timeout(DEADLINE):
            await ponged.wait()
        assert resident._transcript.heard == []


async def test_a_resident_without_an_echo_asks_for_a_pong(
    served: Start, peers_of: Callable[..., Peers]
) -> None:
    """Where no text comes back none is sent."""
    heard = []

    async def listen(connection: ServerConnection) -> None:
        heard.extend([message async for message in connection])

    async with resident_of(peers_of(await served(listen), Bare())) as resident:
        await resident.ask(within=DEADLINE)
    assert heard == []


async def test_a_resident_that_is_not_answered_says_what_is_missing(
    served: Start, peers_of: Callable[..., Peers]
) -> None:
    """The pong came, the text did not."""

    async def listen(connection: ServerConnection) -> None:
        async for _ in connection:
            pass

    async with resident_of(peers_of(await served(listen))) as resident:
        with pytest.raises(TimeoutError, match=r"^no text came within 0.2 s$"):
            await resident.ask(within=SOON)


@pytest.mark.parametrize(
    ("body", "code"),
    [(encode_close(1001), 1001), (b"", 1005), (None, 1006)],
)
async def test_a_resident_whose_connection_is_ended_says_how(
    rudely: Start, peers_of: Callable[..., Peers], body: bytes | None, code: int
) -> None:
    """With the code of the close frame, or that of none (RFC 6455 7.1.5)."""

    async def leave(guest: Any) -> None:
        await guest.shake_hands()
        await guest.frame()
        if body is not None:
            guest.send(Opcode.CLOSE, body)

    async with resident_of(peers_of(await rudely(leave))) as resident:
        with pytest.raises(ConnectionEnded, match=f"with {code} ") as caught:
            await resident.ask(within=DEADLINE)
        assert caught.value.code == code
        # Later on there is nobody to send to, which is the same.
        with pytest.raises(ConnectionEnded):
            await resident.ask(within=DEADLINE)


async def test_a_message_without_an_end_fills_no_memory(
    rudely: Start,
    peers_of: Callable[..., Peers],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its beginning is kept; pongs are heard all the same."""
    monkeypatch.setattr(bystander, "_MOST", 2048)

    async def go_on(guest: Any) -> None:
        await guest.shake_hands()
        guest.send(Opcode.BINARY, bytes(512), fin=False)
        for _ in range(30):
            guest.send(Opcode.CONTINUATION, bytes(512), fin=False)
        while (frame := await guest.frame()) is not None:
            if frame.opcode == Opcode.PING:
                guest.send(Opcode.PONG, frame.payload)

    hearings: list[Any] = []

    class Hearing(bystander.Hearing):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            hearings.append(self)

    monkeypatch.setattr(bystander, "Hearing", Hearing)
    async with resident_of(peers_of(await rudely(go_on), Bare())) as resident:
        await resident.ask(within=DEADLINE)
    (hearing,) = hearings
    assert sum(map(len, hearing._parts)) < 2048


# Newcomers


async def test_a_newcomer_is_greeted_and_goes(
    rudely: Start, peers_of: Callable[..., Peers]
) -> None:
    """Its own pong alone counts."""
    gone = asyncio.Event()

    async def greet(guest: Any) -> None:
        await guest.shake_hands()
        guest.send(Opcode.TEXT, b"welcome")
        guest.send(Opcode.PONG, b"of somebody else")
        guest.send(Opcode.PONG, (await guest.frame()).payload)
        await guest.rest()
        gone.set()

    await greet_newcomer(peers_of(await rudely(greet)), within=DEADLINE)
    async with asyncio.timeout(DEADLINE):
        await gone.wait()


async def test_a_newcomer_that_is_not_served_says_so(
    rudely: Start, peers_of: Callable[..., Peers]
) -> None:
    """In time, or at the end of its connection."""

    async def ignore(guest: Any) -> None:
        await guest.rest()

    async def drop(guest: Any) -> None:
        await guest.shake_hands()
        await guest.frame()

    with pytest.raises(TimeoutError, match=r"was not served within 0.2 s"):
        await greet_newcomer(peers_of(await rudely(ignore)), within=SOON)
    with pytest.raises(ConnectionEnded, match="a new connection was ended"):
        await greet_newcomer(peers_of(await rudely(drop)), within=DEADLINE)


# Both


async def test_bystanders_are_served_from_the_beginning_to_the_end(
    served: Start, peers_of: Callable[..., Peers]
) -> None:
    """Each look is a round; newcomers come where it is their turn."""
    async with bystanders_of(peers_of(await served(echo))) as others:
        assert await others.look(within=DEADLINE)
        assert await others.look(within=DEADLINE, with_newcomer=False)
        await others.take_leave(within=DEADLINE, sure=False)
        assert others.residing.rounds == 4  # it has arrived, and asked three times
        assert others.coming.rounds == 2
        assert others.residing.slowest > 0
        assert others.residing.failure == others.coming.failure == ""
        assert others.served_at > 0
        assert repr(others) == "<Bystanders 4 and 2 times served>"


async def test_who_is_not_served_at_the_beginning_is_no_evidence(
    served: Start, peers_of: Callable[..., Peers]
) -> None:
    """What is not there without the others cannot be lost because of them."""

    async def leave(connection: ServerConnection) -> None:
        await connection.close(1008, "no login")

    peers = peers_of(await served(leave))
    async with bystanders_of(peers) as others:
        assert others.residing.obstacle.startswith("at the beginning, ")
        assert await others.look(within=DEADLINE)
        await others.take_leave(within=DEADLINE, sure=True)
        assert others.residing.rounds <= 1


async def test_a_target_that_is_gone_is_no_evidence(
    peers_of: Callable[..., Peers],
) -> None:
    """Nobody was ever served there."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with bystanders_of(peers_of(f"ws://127.0.0.1:{port}")) as others:
        assert others.residing.obstacle
        assert others.coming.obstacle
        assert others.served_at == float("-inf")
        assert await others.look(within=DEADLINE)


async def test_a_resident_that_was_sent_away_does_not_wait(
    served: Start, peers_of: Callable[..., Peers]
) -> None:
    """It is told with which code; newcomers are served on."""
    rounds = 0

    async def serve_once(connection: ServerConnection) -> None:
        nonlocal rounds
        async for message in connection:
            rounds += 1
            if rounds > 1:
                await connection.close(1001, "moving")
                return
            await connection.send(message)

    async with bystanders_of(peers_of(await served(serve_once))) as others:
        assert await others.look(within=DEADLINE, with_newcomer=False)
        assert "with 1001" in others.residing.failure
        assert others.residing.code == 1001
        assert await others.look(within=DEADLINE)
        assert others.coming.failure == ""
        assert others.residing.rounds == 2


class Sluggish:
    """An echo that answers until it is told not to any more."""

    def __init__(self) -> None:
        self.is_served = True

    async def __call__(self, guest: Any) -> None:
        """Answer, or keep silent."""
        await guest.shake_hands()
        while (frame := await guest.frame()) is not None:
            if self.is_served:
                is_ping = frame.opcode == Opcode.PING
                guest.send(Opcode.PONG if is_ping else frame.opcode, frame.payload)


@pytest.mark.parametrize("comes_back", [True, False])
async def test_who_waits_in_vain_is_told_apart_from_a_target_that_is_gone(
    rudely: Start, peers_of: Callable[..., Peers], comes_back: bool
) -> None:
    """If nobody is served when all is over, others are not the reason."""
    target = Sluggish()
    async with bystanders_of(peers_of(await rudely(target))) as others:
        target.is_served = False
        assert not await others.look(within=SOON, with_newcomer=False)
        assert "no pong and text came" in others.residing.failure
        assert "a new connection was not served" in others.coming.failure
        target.is_served = comes_back
        await others.take_leave(within=DEADLINE if comes_back else SOON, sure=False)
        assert bool(others.residing.obstacle) is not comes_back
        assert bool(others.coming.obstacle) is not comes_back


async def test_what_is_sure_stays_sure(
    rudely: Start, peers_of: Callable[..., Peers]
) -> None:
    """A target that never serves anybody again is still one that others have hung."""
    target = Sluggish()
    async with bystanders_of(peers_of(await rudely(target))) as others:
        target.is_served = False
        assert not await others.look(within=SOON)
        await others.take_leave(within=SOON, sure=True)
        assert others.residing.failure
        assert others.residing.obstacle == others.coming.obstacle == ""


async def test_a_target_that_is_gone_at_the_end_is_told(
    rudely: Start, peers_of: Callable[..., Peers]
) -> None:
    """Everybody was served until then; whether by whose fault not, nobody knows."""
    target = Sluggish()
    async with bystanders_of(peers_of(await rudely(target))) as others:
        target.is_served = False
        await others.take_leave(within=SOON, sure=True)
        assert others.coming.obstacle.startswith("when all was over, ")
        assert others.residing.obstacle == ""


async def test_whoever_is_cancelled_at_the_beginning_leaves_nothing_open(
    rudely: Start, peers_of: Callable[..., Peers]
) -> None:
    """A run that is interrupted then has no connection left."""
    asked = asyncio.Event()

    async def hold(guest: Any) -> None:
        await guest.shake_hands()
        await guest.frame()
        asked.set()
        await guest.rest()

    peers = peers_of(await rudely(hold))

    async def begin() -> None:
        async with bystanders_of(peers):
            raise AssertionError("it does not come so far")

    task = asyncio.create_task(begin())
    async with asyncio.timeout(DEADLINE):
        await asked.wait()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert [repr(rude).endswith("closed>") for rude in peers._rude] == [True]


async def test_a_resident_that_cannot_come_says_why(
    rudely: Start, peers_of: Callable[..., Peers]
) -> None:
    """It is no resident then, and has nothing to end."""

    async def refuse(guest: Any) -> None:
        await guest.head()
        guest.writer.write(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")

    with pytest.raises(RemoteError, match="503"):
        async with resident_of(peers_of(await rudely(refuse))):
            raise AssertionError("it does not come so far")
