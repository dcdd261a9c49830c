"""Peers of a check: opened as the options say, and all ended."""

import asyncio
import gc
import http
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from websockets.asyncio.server import Request, Response, ServerConnection

from wavetank.dialects import Bare, Echo, Hub, Template
from wavetank.errors import RemoteError
from wavetank.evidence import Kind, Operation, Record
from wavetank.lab.check import BROADCAST, TLS
from wavetank.lab.conversation import Refused
from wavetank.lab.peers import Peers
from wavetank.lab.target import Target
from wavetank.net import HandshakeBroken, ThrowAwayAuthority
from wavetank.wire import Opcode

pytestmark = pytest.mark.anyio

Serve = Callable[..., Awaitable[str]]
Open = Callable[..., Peers]


@pytest.fixture
async def peers(records: list[Record], served: Serve) -> AsyncIterator[Open]:
    """Make the peers of a check called ``broadcast``; they end before any server."""
    made: list[Peers] = []

    def make(target: Target) -> Peers:
        made.append(
            Peers(target, check="broadcast", record=records.append, now=lambda: 7.0)
        )
        return made[-1]

    yield make
    for one in made:
        await one.close()


@pytest.fixture
def hub(sound: str) -> Target:
    """A target that speaks as the hub does."""
    return Target(url=sound, dialect=Hub(), subprotocols=("wavetank.v1",))


async def echo(connection: ServerConnection) -> None:
    """Send everything back."""
    async for message in connection:
        await connection.send(message)


async def mirror(connection: ServerConnection) -> None:
    """Tell which headers came with the handshake, then what is sent."""
    assert connection.request is not None
    await connection.send(repr(list(connection.request.headers.raw_items())))
    await echo(connection)


def told(records: list[Record]) -> list[tuple[str, str, str]]:
    """Return peer, kind and name of each operation."""
    return [
        (one.peer, one.kind.value, one.name)
        for one in records
        if isinstance(one, Operation)
    ]


async def test_a_peer_is_opened_and_greeted(
    peers: Open, hub: Target, records: list[Record]
) -> None:
    """The welcome is out of the way; the opening is written down."""
    ours = peers(hub)
    conversation = await ours.open()
    assert conversation.peer.subprotocol == "wavetank.v1"
    assert not conversation.unread
    assert (conversation.name, conversation.check) == ("peer-1", "broadcast")
    assert told(records) == [
        ("peer-1", "invoke", "open"),
        ("peer-1", "ok", "open"),
        ("peer-1", "info", "welcome"),
    ]
    await ours.open(greeted=False)
    assert told(records)[3:] == [("peer-2", "invoke", "open"), ("peer-2", "ok", "open")]


async def test_a_peer_speaks_another_dialect_where_that_is_asked_for(
    peers: Open, hub: Target
) -> None:
    """A bare one hears what the target says as it is, the welcome too."""
    conversation = await peers(hub).open(dialect=Bare())
    assert "welcome" in str(await conversation.first_word())


async def test_a_first_word_that_is_no_welcome_is_kept(
    peers: Open, served: Serve
) -> None:
    """It is evidence, and whoever looks for events finds it."""

    async def rush(connection: ServerConnection) -> None:
        await connection.send('{"type":"heartbeat"}')
        await connection.wait_closed()

    conversation = await peers(Target(url=await served(rush), dialect=Hub())).open()
    assert len(conversation.unread) == 1


async def test_peers_that_hear_themselves_have_topics_of_their_own(
    peers: Open, hub: Target
) -> None:
    """One's messages do not reach the other; each topic is drawn anew."""
    ours = peers(hub)
    one, other = await ours.open_to_itself(), await ours.open_to_itself()
    assert one.topic != other.topic
    assert one.topic.startswith("wavetank.broadcast.peer-1-")
    assert (await one.round_trip("1")).payload == "1"
    assert await other.stray(0.02) == []


async def test_a_peer_of_an_echo_hears_itself_without_a_topic(
    peers: Open, served: Serve
) -> None:
    """There is nothing to subscribe to."""
    conversation = await peers(
        Target(url=await served(echo), dialect=Echo())
    ).open_to_itself()
    assert conversation.topic == ""
    assert (await conversation.round_trip("1")).payload == "1"


async def test_peers_are_opened_side_by_side(peers: Open, hub: Target) -> None:
    """All of them are open, each with a name of its own."""
    ours = peers(hub)
    conversations = await ours.open_many(5)
    assert {one.name for one in conversations} == {f"peer-{n}" for n in range(1, 6)}
    assert all(one.peer.is_open for one in conversations)
    for one in conversations:
        await one.subscribe("side.by.side")
    await conversations[0].publish("side.by.side", "1")
    await conversations[0].publish("side.by.side", "2")
    heard = await ours.hear(conversations[1:3], [1, 2])
    assert [[event.payload for event in one] for one in heard] == [["1", "2"]] * 2


async def test_a_handshake_goes_as_the_options_say(peers: Open, served: Serve) -> None:
    """Headers, origin and subprotocols, for polite and rude peers alike."""
    url = await served(mirror, subprotocols=["b"])  # type: ignore[list-item]
    target = Target(
        url=url,
        dialect=Echo(),
        headers=(("X-Key", "mine"),),
        origin="https://o.example",
        subprotocols=("a", "b"),
    )
    ours = peers(target)
    polite = await ours.open()
    shown = await polite.next_event()
    rude = await ours.rude()
    frame = await rude.read_frame()
    assert frame is not None
    for headers in (shown.payload, frame.payload.decode()):
        assert "('X-Key', 'mine')" in headers
        assert "('Origin', 'https://o.example')" in headers
        assert "('Sec-WebSocket-Protocol', 'a, b')" in headers
    assert polite.peer.subprotocol == "b"


async def test_a_plain_handshake_has_nothing_that_nobody_asked_for(
    peers: Open, served: Serve
) -> None:
    """No origin, no subprotocol."""
    rude = await peers(Target(url=await served(mirror), dialect=Echo())).rude()
    frame = await rude.read_frame()
    assert frame is not None
    assert b"Origin" not in frame.payload
    assert b"Protocol" not in frame.payload


LOGIN = Template.parse(
    {
        "preamble": ['"hello"', '"there"'],
        "send": {"authenticate": '{"auth":"{token}","id":{id}}'},
        "reply": {"has": ["welcome"], "id": "id"},
        "error": {"has": ["error"], "id": "id", "code": "error"},
    },
    "wavetank.toml [dialect.login]",
    name="login",
)


async def test_a_preamble_and_a_token_come_before_anything_else(
    peers: Open, served: Serve
) -> None:
    """The target hears them in this order; a dialect without login leaves it out."""
    heard: list[str] = []

    async def listen(connection: ServerConnection) -> None:
        await connection.send('{"type":"welcome"}')
        async for message in connection:
            heard.append(str(message))
            if "auth" in message:
                await connection.send('{"id":1,"welcome":"you"}')

    url = await served(listen)
    await peers(Target(url=url, dialect=LOGIN, token="t0ken")).open()
    assert heard == ['"hello"', '"there"', '{"auth":"t0ken","id":1}']
    for other in (Bare(), Hub()):
        peer = await peers(Target(url=url, dialect=other, token="t0ken")).open()
        assert peer.peer.is_open
    assert len(heard) == 3


async def test_a_refused_handshake_is_a_fail(
    peers: Open, served: Serve, records: list[Record]
) -> None:
    """It is raised, and written down as what definitely did not happen."""

    def refuse(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(http.HTTPStatus.FORBIDDEN, "no")

    target = Target(url=await served(echo, process_request=refuse), dialect=Echo())
    ours = peers(target)
    with pytest.raises(RemoteError, match="403"):
        await ours.open()
    with pytest.raises(HandshakeBroken, match="answered 403"):
        await ours.rude()
    assert told(records) == [
        ("peer-1", "invoke", "open"),
        ("peer-1", "fail", "open"),
        ("rude-2", "info", "connect"),
    ]


async def test_a_handshake_that_we_give_up_is_unknown(
    peers: Open, records: list[Record]
) -> None:
    """By a time-out or because the check ends: the target may have made one of it."""

    async def say_nothing(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while await reader.read(4096):
            pass
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    ours = peers(Target(url=f"ws://127.0.0.1:{port}/", dialect=Echo()))
    with pytest.raises(TimeoutError):
        await ours.open(within=0.02)
    task = asyncio.create_task(ours.open())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    silent.close()
    await silent.wait_closed()
    ends = [one for one in records if isinstance(one, Operation)][1::2]
    assert [end.kind for end in ends] == [Kind.INFO, Kind.INFO]
    assert ends[0].detail.startswith("TimeoutError: ")


async def test_one_refused_peer_of_many_ends_the_others(
    peers: Open, served: Serve
) -> None:
    """No opening goes on behind the check's back."""
    seen = 0

    def refuse(connection: ServerConnection, request: Request) -> Response | None:
        nonlocal seen
        seen += 1
        return (
            connection.respond(http.HTTPStatus.FORBIDDEN, "no") if seen == 3 else None
        )

    target = Target(url=await served(echo, process_request=refuse), dialect=Echo())
    with pytest.raises(ExceptionGroup) as caught:
        await peers(target).open_many(5)
    assert caught.group_contains(RemoteError, match="403")


async def test_a_tls_peer_takes_the_tls_listener(peers: Open, served: Serve) -> None:
    """With the trust that the options give, for polite and rude peers alike."""
    with ThrowAwayAuthority() as authority:
        plain = await served(echo)
        over = await served(echo, ssl=authority.server_context())
        target = Target(
            url=plain,
            tls_url=over.replace("ws://127.0.0.1", "wss://localhost"),
            dialect=Echo(),
            ca=str(authority.ca),
        )
        ours = peers(target)
        assert ours.can(TLS)
        assert (await ours.open(tls=True)).peer.tls_version.startswith("TLSv1")
        assert (await ours.open()).peer.tls_version == ""
        rude = await ours.rude(tls=True)
        await rude.send_frame(Opcode.TEXT, b"1")
        frame = await rude.read_frame()
        assert frame is not None
        assert frame.payload == b"1"


async def test_a_message_above_its_bound_is_not_taken(
    peers: Open, served: Serve
) -> None:
    """Nobody fills our memory."""
    target = Target(url=await served(echo), dialect=Echo())
    conversation = await peers(target).open(max_message=10)
    await conversation.say('"much too long"')
    with pytest.raises(RemoteError):
        await conversation.next_event()


async def test_peers_know_what_their_target_can(peers: Open, hub: Target) -> None:
    """Every one of the needs has to be there."""
    ours = peers(hub)
    assert ours.can(BROADCAST, "resume")
    assert not ours.can(BROADCAST, TLS)
    assert ours.can()


async def test_a_login_that_is_refused_is_not_passed_over(
    peers: Open, served: Serve
) -> None:
    """Whatever a check would see then is not what it looks for."""

    async def refuse(connection: ServerConnection) -> None:
        await connection.send('{"error":"unauthorized","id":1}')
        await connection.wait_closed()

    url = await served(refuse)
    with pytest.raises(Refused, match="authenticate was refused: unauthorized"):
        await peers(Target(url=url, dialect=LOGIN, token="t0ken")).open()


async def test_listeners_hear_side_by_side_what_each_is_owed(
    peers: Open, hub: Target
) -> None:
    """And each is judged by what it subscribed to."""
    ours = peers(hub)
    listeners = await ours.open_many(2, to_themselves=True)
    for listener in listeners:
        await listener.say(f'"{listener.name}"')
    heard = await ours.hear(listeners, [1, 1])
    for listener, events in zip(listeners, heard, strict=True):
        findings = listener.judge([f'"{listener.name}"'], events)
        assert [finding.verdict for finding in findings] == ["PASS"] * 3


async def test_what_a_handshake_needs_is_told(peers: Open, hub: Target) -> None:
    """Subprotocols and origin, where there are any."""
    bare = Target(url=hub.url, dialect=Bare())
    assert peers(bare).handshake() == {}
    asking = Target(
        url=hub.url, dialect=Bare(), subprotocols=("a", "b"), origin="http://o"
    )
    assert peers(asking).handshake() == {
        "Sec-WebSocket-Protocol": "a, b",
        "Origin": "http://o",
    }


async def test_the_distance_is_what_the_network_takes(peers: Open, hub: Target) -> None:
    """It is measured without a word to the target."""
    assert 0 < await peers(hub).distance() < 5


async def test_closing_ends_every_peer_however_it_was_opened(
    peers: Open, served: Serve
) -> None:
    """Also one that is closed already, and a second time."""
    gone: list[int] = []
    everybody = asyncio.Event()

    async def listen(connection: ServerConnection) -> None:
        await connection.wait_closed()
        gone.append(1)
        if len(gone) == 3:
            everybody.set()

    ours = peers(Target(url=await served(listen), dialect=Bare()))
    polite, closed = await ours.open(), await ours.open()
    await ours.rude()
    raw = await ours.raw()
    await closed.close()
    await ours.close()
    await ours.close()
    assert polite.peer.close_code == 1006
    assert "closed" in repr(raw)
    async with asyncio.timeout(5.0):
        await everybody.wait()


async def test_a_closed_peer_is_held_by_nobody(peers: Open, served: Serve) -> None:
    """What each had left unread was kept until the check's end, a MiB for each case."""
    ours = peers(Target(url=await served(echo), dialect=Bare()))
    first = await ours.raw()
    gone = weakref.ref(first)
    await first.close()
    del first
    await ours.raw()
    gc.collect()
    assert gone() is None


async def test_every_peer_is_listened_in_on_by_somebody_of_its_own(
    hub: Target, records: list[Record]
) -> None:
    """Polite and rude, from the opening handshake on."""
    heard: list[bytearray] = []

    class Listening:
        def __init__(self) -> None:
            heard.append(bytearray())
            self._heard = heard[-1]

        def received(self, data: bytes) -> None:
            self._heard += data

        def sent(self, data: bytes) -> None:
            pass

        def ended(self) -> None:
            pass

        def waited(self) -> None:
            pass

    ours = Peers(
        hub, check="tap", record=records.append, now=lambda: 7.0, tap=Listening
    )
    await ours.open()
    await ours.rude()
    await ours.close()
    assert [each[:12] for each in heard] == [b"HTTP/1.1 101"] * 2


async def test_who_is_not_greeted_is_not_left_open(
    peers: Open, served: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever tries again and again would have more and more connections."""
    gone = asyncio.Event()

    async def wait(connection: ServerConnection) -> None:
        await connection.wait_closed()
        gone.set()

    ours = peers(Target(url=await served(wait), dialect=Hub()))

    async def too_late(*args: object, **kwargs: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(ours, "_introduce", too_late)
    with pytest.raises(TimeoutError):
        await ours.open()
    async with asyncio.timeout(10.0):
        await gone.wait()


async def test_a_conversation_that_is_over_is_kept_no_longer(
    peers: Open, hub: Target
) -> None:
    """Whoever comes again a thousand times leaves nothing behind."""
    ours = peers(hub)
    first = await ours.open()
    await first.close()
    known = weakref.ref(first)
    del first
    await ours.open()
    gc.collect()
    assert known() is None
