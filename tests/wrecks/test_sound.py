"""The sound server, by a library's client and by raw frames."""

import json
import ssl
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect as websocket
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from wavetank.clock import VirtualClock
from wavetank.wire import Opcode
from wavetank.wrecks import SoundServer
from wavetank.wrecks.commands import MAX_PAYLOAD
from wavetank.wrecks.log import Store
from wavetank.wrecks.sound import MAX_MESSAGE, MAX_TOPICS, SUBPROTOCOL

pytestmark = pytest.mark.anyio


def url(server: SoundServer, path: str = "/ws") -> str:
    """Return the plain URL."""
    return f"ws://127.0.0.1:{server.port}{path}"


async def opened(peer: Any) -> int:
    """Return the number of open connections as the status page has it."""
    head = await peer.head()
    assert "200 OK" in head
    body = await peer.reader.read()
    count: int = json.loads(body)["connections"]["open"]
    return count


# With a library's client


async def test_client_is_greeted_with_a_welcome(start: Any) -> None:
    """The first message names the protocol that was agreed on."""
    server = await start(clock=VirtualClock(wall=5.0))
    async with websocket(url(server), subprotocols=[SUBPROTOCOL]) as client:
        welcome = json.loads(await client.recv())
    assert client.subprotocol == SUBPROTOCOL
    assert welcome["type"] == "welcome"
    assert welcome["protocol"] == SUBPROTOCOL
    assert welcome["limits"]["message_bytes"] == MAX_MESSAGE
    assert welcome["ts"] == 5000


async def test_client_gets_its_messages_back_from_echo(start: Any) -> None:
    """Text and binary messages come back as they were, large ones too."""
    server = await start()
    async with websocket(url(server, "/echo")) as client:
        for message in ("", "é", b"\x00\xff", "x" * MAX_MESSAGE):
            await client.send(message)
            assert await client.recv() == message
        assert client.subprotocol is None
        await (await client.ping(b"payload"))
    assert client.close_code == 1000


async def test_client_sees_its_publication_byte_for_byte(start: Any) -> None:
    """An event has its payload as it was published, digit for digit."""
    server = await start()
    data = '{ "price":67123.450, "volume":1.25e0, "name":"\\u00e9" }'
    async with websocket(url(server), subprotocols=[SUBPROTOCOL]) as client:
        await client.recv()
        await client.send('{"type":"subscribe","id":1,"topic":"prices.btc"}')
        await client.recv()
        await client.send('{"type":"publish","topic":"prices.btc","data":' + data + "}")
        event = await client.recv()
    assert event.endswith(f'"data":{data}}}')
    assert json.loads(event)["seq"] == 1


async def test_client_over_tls_is_served_alike(
    start: Any, certificate: dict[str, Any], trusting: ssl.SSLContext
) -> None:
    """The TLS listener serves the same as the plain one."""
    server = await start(tls_port=0, **certificate)
    address = f"wss://localhost:{server.tls_port}/echo"
    async with websocket(address, ssl=trusting) as client:
        await client.send("x" * 100_000)
        assert len(await client.recv()) == 100_000
    assert client.close_code == 1000


async def test_client_with_a_message_too_big_is_closed_with_1009(start: Any) -> None:
    """A message over the limit fails its connection; others go on."""
    server = await start()
    async with websocket(url(server, "/echo")) as bystander:
        async with websocket(url(server, "/echo"), max_size=None) as client:
            await client.send("x" * (MAX_MESSAGE + 1))
            with pytest.raises(ConnectionClosedError) as caught:
                await client.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009
        await bystander.send("still here")
        assert await bystander.recv() == "still here"


async def test_client_with_an_unknown_subprotocol_is_told_and_closed(
    start: Any,
) -> None:
    """It gets an error and 4005, not a refused handshake."""
    server = await start()
    async with websocket(url(server)) as client:
        # Without a subprotocol the newest is spoken.
        assert json.loads(await client.recv())["type"] == "welcome"
    peer_headers = {"Sec-WebSocket-Protocol": "wavetank.v9"}
    async with websocket(url(server), additional_headers=peer_headers) as client:
        error = json.loads(await client.recv())
        assert (error["code"], error["fatal"]) == ("protocol_unsupported", True)
        with pytest.raises(ConnectionClosedError):
            await client.recv()
    assert client.close_code == 4005


async def test_client_at_an_unknown_path_is_refused(start: Any) -> None:
    """Elsewhere there is no WebSocket."""
    server = await start()
    with pytest.raises(InvalidStatus, match="404"):
        await websocket(url(server, "/nowhere"))


# HTTP


async def test_pages_are_served(start: Any, connect: Any) -> None:
    """The health page says ok; other methods are not served."""
    server = await start()
    peer = await connect(server)
    peer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    assert "200 OK" in await peer.head()
    assert await peer.reader.read() == b"ok\n"
    peer = await connect(server)
    peer.write(b"POST /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    assert "405" in await peer.head()


async def test_status_counts_open_connections(
    start: Any, connect: Any, greeted: Any, until: Any
) -> None:
    """The number rises with a handshake and falls with any kind of end."""
    server = await start()
    peers = [await greeted(server) for _ in range(3)]
    page = await connect(server)
    page.ask("/api/websocket/status")
    assert await opened(page) == 3
    peers[0].send(Opcode.CLOSE)
    assert await peers[0].close_code() == 0
    peers[1].reset()
    peers[2].send(0x3)
    assert await peers[2].close_code() == 1002
    await until(lambda: server.open_count() == 0)
    assert repr(server) == f"<SoundServer port={server.port} tls_port=None open=0>"


async def test_handshake_that_takes_too_long_is_answered_with_408(
    start: Any, connect: Any
) -> None:
    """Half a request is let go at the deadline."""
    server = await start(handshake_timeout=0.05)
    peer = await connect(server)
    peer.write(b"GET /ws HTTP/1.1\r\n")
    assert "408" in await peer.head()
    await peer.reader.read()


async def test_nonsense_instead_of_a_request_is_refused(
    start: Any, connect: Any
) -> None:
    """What is no HTTP gets 400."""
    server = await start()
    peer = await connect(server)
    peer.write(b"\x16\x03\x01 this is TLS")
    assert "400" in await peer.head()


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Sec_WebSocket_Version": "12"}, "426"),
        ({"Sec_WebSocket_Key": None}, "400"),
        ({"Upgrade": None}, "426"),
    ],
)
async def test_handshake_against_the_rules_is_refused(
    start: Any, connect: Any, changes: dict[str, str | None], status: str
) -> None:
    """Version, key and Upgrade have to be right."""
    server = await start()
    peer = await connect(server)
    peer.ask("/ws", **changes)
    assert status in (await peer.head()).partition("\r\n")[0]


# Frames


async def test_close_is_answered_with_its_code(start: Any, greeted: Any) -> None:
    """The closing handshake says the same code back, then the connection ends."""
    server = await start()
    peer = await greeted(server)
    peer.send(Opcode.CLOSE, b"\x0b\xb8bye")
    peer.command("ping")
    frame = await peer.frame()
    assert (frame.opcode, frame.payload) == (Opcode.CLOSE, b"\x0b\xb8")
    assert await peer.ended()


async def test_ping_is_answered_with_its_payload(start: Any, connect: Any) -> None:
    """A pong is the ping's twin; a pong from the peer is passed over."""
    server = await start()
    peer = await connect(server, "/echo", Sec_WebSocket_Protocol=None)
    peer.send(Opcode.PONG, b"nobody asked")
    peer.send(Opcode.PING, b"1")
    frame = await peer.frame()
    assert (frame.opcode, frame.payload) == (Opcode.PONG, b"1")


async def test_binary_command_is_closed_with_1003(start: Any, greeted: Any) -> None:
    """Commands are text."""
    server = await start()
    peer = await greeted(server)
    peer.send(Opcode.BINARY, b"{}")
    assert await peer.close_code() == 1003
    peer.send(Opcode.CLOSE)
    assert await peer.ended()


async def test_server_that_stops_says_1001(start: Any, greeted: Any) -> None:
    """Everyone is told; stopping twice does nothing."""
    server = await start()
    peer = await greeted(server)
    await server.stop()
    await server.stop()
    assert await peer.close_code() == 1001


# Commands


async def test_ping_command_is_answered_with_times(start: Any, greeted: Any) -> None:
    """The pong has the server's times in milliseconds."""
    server = await start(clock=VirtualClock(wall=2.5))
    peer = await greeted(server)
    assert await peer.done("ping") == {
        "type": "pong",
        "id": 1,
        "ts_in": 2500,
        "ts_out": 2500,
    }


async def test_bad_command_is_answered_and_the_connection_goes_on(
    start: Any, greeted: Any, whole: Any
) -> None:
    """An error is a reply, not an end."""
    server = await start(clock=VirtualClock(wall=1.0))
    peer = await greeted(server)
    peer.send(Opcode.TEXT, b"no JSON")
    error = await peer.message()
    assert error.pop("message").startswith("not JSON")
    assert error == {
        "type": "error",
        "id": None,
        "code": "invalid_json",
        "retryable": False,
        "fatal": False,
        "ts": 1000,
    }
    peer.last_id = 10
    reply = await peer.done("publish", topic="a..b", data=1)
    assert (reply["id"], reply["code"]) == (11, "invalid_topic")
    reply = await peer.done("unsubscribe", topic="never")
    assert (reply["id"], reply["code"]) == (12, "not_subscribed")
    reply = await peer.done("publish", topic="t", data="x" * MAX_PAYLOAD)
    assert (reply["id"], reply["code"]) == (13, "payload_too_large")
    await whole(peer)


async def test_subscribers_of_a_topic_get_its_events_in_one_order(
    start: Any, greeted: Any
) -> None:
    """Every subscriber, and nobody else, gets each event once."""
    server = await start()
    peers = [await greeted(server) for _ in range(3)]
    stranger = await greeted(server)
    for peer in peers:
        await peer.done("subscribe", topic="a.b")
    await stranger.done("subscribe", topic="a.bc")
    for number in range(10):
        await stranger.done("publish", topic="a.b", data=number)
    for peer in peers:
        events = [await peer.message() for _ in range(10)]
        assert [(one["seq"], one["data"]) for one in events] == [
            (number + 1, number) for number in range(10)
        ]
    # The next thing the stranger hears is the answer to its question.
    stranger.command("ping")
    assert (await stranger.message())["type"] == "pong"


async def test_subscriber_with_a_position_gets_what_it_missed(
    start: Any, greeted: Any
) -> None:
    """A resume replays behind the position, in order, then goes on live."""
    server = await start()
    peer = await greeted(server)
    for number in range(1, 5):
        reply = await peer.done("publish", topic="t", data=number)
    epoch = reply["epoch"]
    since = {"epoch": epoch, "seq": 2}
    reply = await peer.done("subscribe", topic="t", since=since)
    assert (reply["recovered"], reply["reason"]) == (True, None)
    assert (reply["seq"], reply["oldest"], reply["after"]["seq"]) == (4, 1, 2)
    assert [(await peer.message())["data"] for _ in range(2)] == [3, 4]
    peer.command("publish", topic="t", data=5)
    assert {(await peer.message()).get("seq") for _ in range(2)} == {5}
    # The tag of the reply is good for a resume, another one is not.
    since = {"epoch": epoch, "seq": 2, "tag": reply["after"]["tag"]}
    reply = await peer.done("subscribe", topic="t", since=since)
    assert reply["recovered"] is True
    reply = await peer.done("subscribe", topic="t", since=since | {"tag": "00000000"})
    assert (reply["recovered"], reply["reason"]) == (False, "diverged")
    assert reply["after"]["seq"] == reply["seq"] == 5


async def test_subscriber_from_the_earliest_gets_all_there_is(
    start: Any, greeted: Any
) -> None:
    """``earliest`` replays everything that is retained."""
    server = await start()
    server.store = Store("12345678", max_entries=2)
    peer = await greeted(server)
    for number in range(1, 4):
        await peer.done("publish", topic="t", data=number)
    reply = await peer.done("subscribe", topic="t", since="earliest")
    assert (reply["recovered"], reply["oldest"], reply["after"]["seq"]) == (True, 2, 1)
    assert [(await peer.message())["data"] for _ in range(2)] == [2, 3]


async def test_subscriber_without_a_position_hears_only_what_is_new(
    start: Any, greeted: Any
) -> None:
    """A plain subscription starts at the top, and says nothing of recovery."""
    server = await start()
    peer = await greeted(server)
    await peer.done("publish", topic="t", data=1)
    reply = await peer.done("subscribe", topic="t")
    assert (reply["recovered"], reply["after"]["seq"]) == (None, 1)
    peer.command("ping")
    assert (await peer.message())["type"] == "pong"


async def test_nothing_follows_unsubscribed(start: Any, greeted: Any) -> None:
    """After the reply no event of that topic comes."""
    server = await start()
    peer, other = await greeted(server), await greeted(server)
    await peer.done("subscribe", topic="t")
    await other.done("subscribe", topic="t")
    await peer.done("unsubscribe", topic="t")
    await other.done("publish", topic="t", data=1)
    peer.command("ping")
    assert (await peer.message())["type"] == "pong"


async def test_connection_may_have_so_many_topics_and_no_more(
    start: Any, greeted: Any
) -> None:
    """The topic above the limit is refused; a known one may be renewed."""
    server = await start()
    peer = await greeted(server)
    for number in range(MAX_TOPICS):
        await peer.done("subscribe", topic=f"t.{number}")
    reply = await peer.done("subscribe", topic="one.more")
    assert reply["code"] == "too_many_topics"
    assert (await peer.done("subscribe", topic="t.0"))["type"] == "subscribed"


async def test_server_full_of_topics_says_that_it_is_unavailable(
    start: Any, greeted: Any
) -> None:
    """A topic that finds no room is refused, and worth another try."""
    server = await start()
    server.store = Store("12345678", max_topics=1)
    peer = await greeted(server)
    await peer.done("publish", topic="a", data=1)
    reply = await peer.done("publish", topic="b", data=1)
    assert (reply["code"], reply["retryable"]) == ("unavailable", True)


# Over a restart


async def test_server_with_a_file_knows_its_positions_again(
    start: Any, greeted: Any, published: Any, heard: Any, tmp_path: Path
) -> None:
    """A resume holds in the next life; without a file that has another epoch."""
    server = await start(data=tmp_path / "log")
    last = await published(server, 3)
    await server.stop()
    server = await start(data=tmp_path / "log")
    peer = await greeted(server)
    since = {"epoch": last["epoch"], "seq": 2}
    reply = await peer.done("subscribe", topic="t", since=since)
    assert (reply["recovered"], reply["seq"]) == (True, 3)
    assert await heard(peer) == [(3, "n-3")]
    peer = await greeted(await start())
    reply = await peer.done("subscribe", topic="t", since=since)
    assert (reply["recovered"], reply["reason"]) == (False, "epoch_changed")


async def test_publication_that_comes_again_is_published_once(
    start: Any, greeted: Any
) -> None:
    """Whoever was not answered sends it again with the same number."""
    peer = await greeted(await start())

    async def publish(epoch: int, seq: int) -> Any:
        producer = {"name": "p", "epoch": epoch, "seq": seq}
        return await peer.done("publish", topic="t", data=1, producer=producer)

    first = await publish(1, 1)
    again = await publish(1, 1)
    assert (first["seq"], first["duplicate"]) == (1, False)
    assert (again["seq"], again["duplicate"]) == (1, True)
    assert again["epoch"] == first["epoch"]
    assert (await publish(1, 3))["code"] == "producer_gap"
    assert (await publish(2, 1))["seq"] == 2
    assert (await publish(1, 2))["code"] == "producer_fenced"


async def test_publication_that_cannot_be_written_is_refused(
    start: Any, greeted: Any, heard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is worth another try, and nobody hears of it."""
    server = await start()
    peer = await greeted(server)
    await peer.done("subscribe", topic="t")

    def append(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(server.store, "append", append)
        reply = await peer.done("publish", topic="t", data=1)
    assert (reply["code"], reply["retryable"]) == ("unavailable", True)
    assert "No space" in reply["message"]
    assert await heard(peer) == []
    assert server.status()["published"] == 0


# Pings and heartbeats


async def test_ping_comes_with_a_heartbeat_of_what_has_moved(
    start: Any, greeted: Any, published: Any, heard: Any
) -> None:
    """Tops are told once, behind their events; an echo gets none."""
    server = await start(ping_interval=3600.0)
    peer = await greeted(server)
    (connection,) = server.open
    await peer.done("subscribe", topic="t")
    await peer.done("subscribe", topic="quiet")
    await published(server, 2)
    assert len(await heard(peer)) == 2
    tag = f"{server.store.log('t').top.tag:08x}"
    for tops in ({"t": [2, tag]}, {}):
        server.ping(connection)
        assert (await peer.frame()).opcode == Opcode.PING
        heartbeat = await peer.message()
        assert heartbeat["type"] == "heartbeat"
        assert heartbeat["tops"] == tops
    peer.send(Opcode.PONG)
    assert (await peer.done("ping"))["type"] == "pong"
    assert repr(server.liveness) == "<Liveness of=2 waiting=0>"


async def test_echo_is_pinged_and_told_nothing_else(start: Any, connect: Any) -> None:
    """There is nothing to tell; a welcome says how often pings come."""
    server = await start(ping_interval=7.5)
    peer = await connect(server, "/echo")
    (connection,) = server.open
    server.ping(connection)
    assert (await peer.frame()).opcode == Opcode.PING
    peer.send(Opcode.TEXT, b"back")
    assert await peer.text() == "back"
    peer = await connect(server, "/ws")
    assert (await peer.message())["ping_interval_ms"] == 7500


def test_heartbeat_names_a_bounded_number_of_tops() -> None:
    """What does not fit comes with the next one."""
    server = SoundServer()
    told = dict.fromkeys((f"t.{number}" for number in range(100)), 0)
    for topic in told:
        server.store.append(topic, b"1", 0.0)
    assert [len(server.tops(told)) for _ in range(3)] == [64, 36, 0]


# Rights


async def test_private_topics_are_for_those_who_bring_the_token(
    start: Any, connect: Any
) -> None:
    """Others may neither read nor write there; a wrong token is refused at once."""
    server = await start(token="secret")
    owner = await connect(server, "/ws", Authorization="Bearer secret")
    assert (await owner.message())["auth"] == "accepted"
    assert (await owner.done("publish", topic="private.a", data=1))["seq"] == 1
    stranger = await connect(server, "/ws")
    assert (await stranger.message())["auth"] == "none"
    for command in ("subscribe", "publish"):
        reply = await stranger.done(command, topic="private.a", data=1)
        assert reply["code"] == "topic_forbidden"
    assert (await stranger.done("publish", topic="private", data=1))["seq"] == 1
    liar = await connect(server)
    liar.ask("/ws", Authorization="Bearer guess")
    head = await liar.head()
    assert "401" in head.partition("\r\n")[0]
    assert "WWW-Authenticate: Bearer" in head
    # Where there is no token, any is as good as none.
    peer = await connect(await start(), "/ws", Authorization="Bearer guess")
    assert (await peer.message())["auth"] == "none"
    reply = await peer.done("subscribe", topic="private.a")
    assert reply["code"] == "topic_forbidden"
