"""The server: listens, keeps deadlines, drains; and what the hub promises."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from wavetank.clock import VirtualClock
from wavetank.errors import TargetError, UsageError
from wavetank.hub import ConnectionLimits, Ports
from wavetank.hub.aio import server as server_module
from wavetank.hub.limits import Crowd
from wavetank.hub.log import Bounds

pytestmark = pytest.mark.anyio

StartHub = Callable[..., Awaitable[Any]]
DEADLINE = 20.0
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\n"
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Run everything on both event loops: their transports differ in small ways."""
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, trustme.CA]:
    """Give a file with a certificate and its key, and who has signed it."""
    authority = trustme.CA()
    file = tmp_path / "localhost.pem"
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(str(file))
    return file, authority


def is_balanced(hub: Any) -> bool:
    """Tell whether every message is accounted for, and nothing is pending."""
    balances = [
        topic.account.balance(
            topic.log.visible, topic.cursors.pending(topic.log.visible)
        )
        for topic in hub.node.topics.values()
    ]
    return not any(each.unaccounted or each.pending for each in balances)


# Listening.


async def test_server_listens_on_every_port_it_is_told(
    start_hub: StartHub, certificate: tuple[Path, trustme.CA]
) -> None:
    """Each listener, plain or TLS, answers WebSocket and HTTP."""
    file, authority = certificate
    hub = await start_hub(ports=Ports(plain=0, tls=0, http=0), cert=file)
    plain, tls, http = hub.server.urls
    assert plain.startswith("ws://127.0.0.1:")
    assert tls.startswith("wss://127.0.0.1:")
    assert http.startswith("http://127.0.0.1:")
    context = server_module.ssl.create_default_context()
    authority.configure_trust(context)
    hub.server.urls.insert(0, tls)
    client = await hub.connect(ssl=context, server_hostname="localhost")
    assert json.loads(await client.recv())["type"] == "welcome"
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", hub.port, ssl=context, server_hostname="localhost"
    )
    writer.write(HEALTH)
    async with asyncio.timeout(DEADLINE):
        answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"Strict-Transport-Security" not in answer
    hub.server.urls[0] = http.replace("http:", "ws:") + "/ws"
    await hub.talk()


async def test_server_says_in_one_sentence_that_a_port_is_taken(
    start_hub: StartHub,
) -> None:
    """With the flag to choose another one; then it listens nowhere."""
    hub = await start_hub()
    for ports, flag in (
        (Ports(plain=hub.port), "--port"),
        (Ports(plain=0, http=hub.port), "--http-port"),
    ):
        with pytest.raises(TargetError) as caught:
            await start_hub(ports=ports)
        assert str(caught.value) == (
            f"port {hub.port} on 127.0.0.1 is taken by another program; "
            f"choose another one with {flag}"
        )


async def test_server_says_that_an_address_is_not_there(start_hub: StartHub) -> None:
    """203.0.113.0/24 is for documentation: no machine has it."""
    with pytest.raises(TargetError, match="no such address"):
        await start_hub(host="203.0.113.9", allow_anonymous=True)


async def test_server_listens_on_ipv6(start_hub: StartHub) -> None:
    """The URL has the address in brackets."""
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    hub = await start_hub(host="::1")
    assert hub.url.startswith("ws://[::1]:")
    await hub.talk()


async def test_server_says_that_nobody_knows_a_name(
    start_hub: StartHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the resolver says it, with its own numbers."""

    async def fail(host: str, port: int) -> list[socket.socket]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(server_module, "bind", fail)
    with pytest.raises(
        TargetError, match=r"port 0 on hub is .* nobody knows this name"
    ):
        await start_hub(host="hub", allow_anonymous=True)


async def test_server_does_not_start_with_a_certificate_of_no_use(
    start_hub: StartHub, tmp_path: Path
) -> None:
    """Before it listens anywhere."""
    with pytest.raises(UsageError, match=r"missing\.pem"):
        await start_hub(cert=tmp_path / "missing.pem", ports=Ports(plain=0, tls=0))


async def test_server_talks_to_no_more_sockets_than_it_can_bear(
    start_hub: StartHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the spare ones each is told 503 and ended, and even more are dropped."""
    monkeypatch.setattr(server_module, "SPARE_SOCKETS", 1)
    monkeypatch.setattr(server_module, "TURNED_AWAY", 1)
    hub = await start_hub(crowd=Crowd(total=1))
    for _ in range(2):
        await hub.open_raw()
    await hub.until(lambda: len(hub.server._connections) == 2)
    reader, _ = await hub.open_raw()
    async with asyncio.timeout(DEADLINE):
        assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
        dropped, _ = await hub.open_raw()
        assert await dropped.read() == b""
    assert "2 connections" in repr(hub.server) or "3 connections" in repr(hub.server)


async def test_server_talks_to_no_more_sockets_of_one_address(
    start_hub: StartHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """429; nobody takes all the room there is by himself, and it is given back."""
    monkeypatch.setattr(server_module, "SPARE_OF_IP", 1)
    hub = await start_hub(crowd=Crowd(total=99, per_ip=1))
    first = [await hub.open_raw() for _ in range(2)]
    await hub.until(lambda: len(hub.server._connections) == 2)
    reader, writer = await hub.open_raw()
    async with asyncio.timeout(DEADLINE):
        assert (await reader.read()).startswith(b"HTTP/1.1 429 ")
    for _, each in (*first, (reader, writer)):
        each.close()
    await hub.until(lambda: not hub.server._sockets)
    assert not hub.server._by_ip
    assert (await hub.get("/healthz", Connection="close"))[0] == 200


async def test_server_tends_the_log(
    start_hub: StartHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old entries go although nothing is published any more; and the loop is timed."""
    monkeypatch.setattr(server_module, "_TEND_EVERY", 0.01)
    monkeypatch.setattr(server_module, "_LOOK_EVERY", 0.01)
    hub = await start_hub(retention=Bounds(age=0.05))
    talker = await hub.talk()
    await talker.ask(type="publish", topic="t", data=1)
    await hub.until(lambda: hub.node.topics["t"].log.oldest == 2)
    page = await talker.ask(type="history", topic="t", since="earliest")
    assert (page["seq"], page["oldest"], page["events"]) == (1, 2, [])
    assert hub.node.tally.lag.count > 1
    assert hub.node.tally._seconds


# Deadlines.


async def test_server_waits_for_auth_no_longer_than_it_was_told(
    start_hub: StartHub,
) -> None:
    """4111, although the client pings all the time."""
    limits = ConnectionLimits(first_command=0.1)
    hub = await start_hub(tokens=("t",), limits=limits)
    talker = await hub.talk()
    pinging = asyncio.ensure_future(_ping_for_ever(talker))
    code, _ = await talker.closed()
    pinging.cancel()
    assert code == 4111


async def _ping_for_ever(talker: Any) -> None:
    while True:
        await talker.send(type="ping", id=1)
        await talker.socket.ping()
        await asyncio.sleep(0)


async def test_server_closes_who_does_not_answer_pings(start_hub: StartHub) -> None:
    """4110; the heartbeats came all the same."""
    hub = await start_hub(ping=0.02, pong=0.1)
    reader, writer = await hub.open_raw()
    writer.write(HANDSHAKE)
    async with asyncio.timeout(DEADLINE):
        heard = await reader.readuntil((4110).to_bytes(2, "big") + b"no pong")
    assert heard.count(b'"type":"heartbeat"') >= 2
    assert b"\x89\x011" in heard


async def test_server_keeps_who_answers_pings(start_hub: StartHub) -> None:
    """Heartbeats go on and on, with the tops that moved."""
    hub = await start_hub(ping=0.02, pong=0.2)
    talker = await hub.talk()
    await talker.ask(type="subscribe", topic="t")
    body = b'{"topic":"t","data":1}'
    head = (
        f"POST /api/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}"
    )
    await hub.request(f"{head}\r\nConnection: close\r\n\r\n".encode() + body)
    tops: list[dict[str, Any]] = []
    while len(tops) < 20:
        message = await talker.receive()
        if message["type"] == "heartbeat":
            tops.append(message["tops"])
    assert {"t": [1, f"{hub.node.topics['t'].log.tag:08x}"]} in tops
    assert tops[-1] == {}


async def test_server_cuts_who_does_not_answer_its_close(start_hub: StartHub) -> None:
    """The closing handshake is bounded too."""
    hub = await start_hub(tokens=("t",), closing=0.05)
    _, writer = await hub.open_raw()
    writer.write(HANDSHAKE)
    writer.write(bytes([0x81, 0x82, 0, 0, 0, 0]) + b"{}")
    await hub.until(lambda: hub.node.admission.open)
    writer.write(bytes([0x82, 0x80, 0, 0, 0, 0]))
    await hub.until(lambda: not hub.node.admission.open)
    assert [code for code, _ in hub.node.tally.closed] == ["1003"]


# What the hub promises.


async def test_subscribers_see_the_same_order(start_hub: StartHub) -> None:
    """Three publishers at once, two subscribers: one order, without holes."""
    hub = await start_hub()
    readers = [await hub.talk(), await hub.talk()]
    for reader in readers:
        await reader.ask(type="subscribe", topic="t")
    writers = [await hub.talk() for _ in range(3)]

    async def write(writer: Any, name: int) -> None:
        for number in range(50):
            await writer.ask(type="publish", topic="t", data=[name, number])

    await asyncio.gather(*(write(writer, n) for n, writer in enumerate(writers)))
    first, second = [await reader.events(150) for reader in readers]
    assert first == second
    assert [event["seq"] for event in first] == list(range(1, 151))
    for name in range(3):
        own = [e["data"][1] for e in first if e["data"][0] == name]
        assert own == list(range(50))
    assert is_balanced(hub)


async def test_subscriber_resumes_without_loss_or_repeat(start_hub: StartHub) -> None:
    """From its position, while publishing goes on; memory is too short for it."""
    hub = await start_hub(ring=Bounds(entries=5))
    writer, reader = await hub.talk(), await hub.talk()
    await reader.ask(type="subscribe", topic="t")
    seen: list[int] = []
    position: dict[str, Any] = {}
    for _ in range(5):
        publishing = asyncio.ensure_future(_publish(writer, 30))
        seen += [event["seq"] for event in await reader.events(10)]
        reader.socket.transport.abort()
        await publishing
        reader = await hub.talk()
        position = {"epoch": "epoch-01", "seq": seen[-1]}
        reply = await reader.ask(type="subscribe", topic="t", since=position)
        assert (reply["recovered"], reply["after"]["seq"]) == (True, seen[-1])
    seen += [event["seq"] for event in await reader.events(150 - len(seen))]
    assert seen == list(range(1, 151))
    await hub.until(lambda: is_balanced(hub))


async def _publish(writer: Any, count: int, size: int = 1) -> dict[str, Any]:
    last: dict[str, Any] = {}
    for _ in range(count):
        last = await writer.ask(type="publish", topic="t", data="x" * size)
    return last


async def test_subscriber_hears_why_it_was_not_recovered(start_hub: StartHub) -> None:
    """Truncated, another epoch, ahead, diverged; then it goes on live."""
    hub = await start_hub(retention=Bounds(entries=5))
    writer, reader = await hub.talk(), await hub.talk()
    await _publish(writer, 20)
    for since, reason in (
        ({"epoch": "epoch-01", "seq": 3}, "truncated"),
        ({"epoch": "epoch-00", "seq": 18}, "epoch_changed"),
        ({"epoch": "epoch-01", "seq": 21}, "ahead"),
        ({"epoch": "epoch-01", "seq": 18, "tag": "00000bad"}, "diverged"),
    ):
        reply = await reader.ask(type="subscribe", topic="t", since=since)
        assert (reply["recovered"], reply["reason"]) == (False, reason)
        assert (reply["after"]["seq"], reply["oldest"]) == (20, 16)
    await _publish(writer, 1)
    assert [event["seq"] for event in await reader.events(1)] == [21]


async def test_slow_consumer_delays_nobody_and_is_let_go(start_hub: StartHub) -> None:
    """The others get everything; the slow one is closed with 4108 in the end."""
    limits = ConnectionLimits(slow_bytes=4_000_000)
    hub = await start_hub(limits=limits, ping=0.5, pong=60.0)
    slow, quick, writer = [await hub.talk() for _ in range(3)]
    for reader in (slow, quick):
        await reader.ask(type="subscribe", topic="t")
    slow.socket.transport.pause_reading()
    # Until the buffers of socket and client are full, it is not even slow.
    published = 0
    while not _is_closed(hub, 4108) and _is_open(hub, 4108):
        await _publish(writer, 20, size=50_000)
        published += 20
        events = await quick.events(20)
        assert [e["seq"] for e in events] == list(range(published - 19, published + 1))
    slow.socket.transport.resume_reading()
    assert (await slow.closed())[0] == 4108
    await hub.until(lambda: is_balanced(hub))


def _is_closed(hub: Any, code: int) -> bool:
    """Tell whether a connection was closed with that code."""
    return any(known == str(code) for known, _ in hub.node.tally.closed)


def _is_open(hub: Any, code: int) -> bool:
    """Tell whether no connection is being closed with that code."""
    return not any(
        connection.socket and connection.socket.code == code
        for connection in hub.server._connections
    )


async def test_slow_consumer_that_reads_on_gets_a_gap_or_everything(
    start_hub: StartHub,
) -> None:
    """What retention has taken meanwhile is announced, never skipped in silence."""
    limits = ConnectionLimits(slow_bytes=None, slow_after=None)
    hub = await start_hub(limits=limits, retention=Bounds(entries=50))
    slow, writer = await hub.talk(), await hub.talk()
    await slow.ask(type="subscribe", topic="t")
    slow.socket.transport.pause_reading()
    topic = hub.node.topics["t"]
    while not (topic.cursors.behind and topic.log.visible > 60 + _place(topic)):
        await _publish(writer, 20, size=50_000)
    slow.socket.transport.resume_reading()
    last, gaps = 0, 0
    while last < topic.log.visible:
        (message,) = await slow.events(1)
        if message["type"] == "gap":
            gaps += 1
            assert message["from"] == last + 1
            last = message["to"]
        else:
            assert message["seq"] == last + 1
            last = message["seq"]
    assert gaps == 1
    await hub.until(lambda: is_balanced(hub))


def _place(topic: Any) -> int:
    """Return where the only subscriber that is behind stands."""
    (place,) = topic.cursors.behind.values()
    seq: int = place.seq
    return seq


async def test_client_that_errs_all_the_time_is_closed(start_hub: StartHub) -> None:
    """Twenty errors in ten seconds: 1008."""
    hub = await start_hub()
    talker = await hub.talk()
    for number in range(20):
        await talker.send(type="fly", id=number)
    codes = [(await talker.receive())["code"] for _ in range(20)]
    assert codes == ["unknown_type"] * 20
    assert await talker.closed() == (1008, "too many errors")


async def test_unsubscribed_topic_stays_silent(start_hub: StartHub) -> None:
    """After the answer no event of it follows."""
    hub = await start_hub()
    reader, writer = await hub.talk(), await hub.talk()
    await reader.ask(type="subscribe", topic="t")
    await _publish(writer, 3)
    await reader.ask(type="unsubscribe", topic="t")
    await _publish(writer, 3)
    assert (await reader.ask(type="ping"))["type"] == "pong"
    assert hub.node.topics["t"].account.delivered == 3


# The end.


async def test_server_lets_everybody_go(start_hub: StartHub) -> None:
    """Subscribers get what they are owed, the notice, and 4200; the echo 1001."""
    hub = await start_hub(echo=True)
    reader, writer = await hub.talk(), await hub.talk()
    echo = await hub.connect("/echo")
    await reader.ask(type="subscribe", topic="t")
    await _publish(writer, 3)
    assert await hub.server.drain()
    assert [event["seq"] for event in await reader.events(3)] == [1, 2, 3]
    assert (await reader.receive())["code"] == "going_away"
    assert (await reader.closed())[0] == 4200
    with pytest.raises(Exception, match="1001"):
        await echo.recv()
    assert {e["event"] for e in hub.lines.events} >= {"draining", "stopped"}


async def test_server_without_connections_stops_at_once(start_hub: StartHub) -> None:
    """Idle HTTP connections do not hold it up, new ones and kept ones."""
    hub = await start_hub()
    new, _ = await hub.open_raw()
    kept, writer = await hub.open_raw()
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    async with asyncio.timeout(DEADLINE):
        await kept.readuntil(b"ok\n")
    await hub.until(lambda: len(hub.server._connections) == 2)
    assert await hub.server.drain()
    async with asyncio.timeout(DEADLINE):
        assert await new.read() == b""
        assert await kept.read() == b""


async def test_server_answers_kept_connections_while_it_drains(
    start_hub: StartHub,
) -> None:
    """A balancer that asks on the connection it has hears that it is over."""
    hub = await start_hub(drain=60.0, closing=60.0)
    kept, asker = await hub.open_raw()
    asker.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    async with asyncio.timeout(DEADLINE):
        await kept.readuntil(b"ready\n")
    _, writer = await hub.open_raw()
    writer.write(HANDSHAKE)
    await hub.until(lambda: hub.node.admission.open)
    draining = asyncio.ensure_future(hub.server.drain())
    await hub.until(lambda: hub.node.is_draining)
    asker.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    async with asyncio.timeout(DEADLINE):
        answer = await kept.read()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"Connection: close" in answer
    hub.server.hurry()
    assert not await draining


async def test_server_stops_whoever_cancels_it(start_hub: StartHub) -> None:
    """Cancelled in its drain, and again and again in its stop, it leaves nothing."""
    hub = await start_hub(drain=60.0, closing=60.0)
    _, writer = await hub.open_raw()
    writer.write(HANDSHAKE)
    await hub.until(lambda: hub.node.admission.open)
    draining = asyncio.ensure_future(hub.server.drain())
    await hub.until(lambda: hub.node.is_draining)
    while not draining.done():
        draining.cancel()
        await asyncio.sleep(0)
    assert draining.cancelled()
    assert not hub.server._connections
    await hub.server.stop()


async def test_server_reads_its_certificate_again(
    start_hub: StartHub, tmp_path: Path
) -> None:
    """New connections see the new one, old ones go on; a broken one changes nothing."""
    first, second = trustme.CA(), trustme.CA()
    file = tmp_path / "localhost.pem"
    _issue(first, file)
    hub = await start_hub(ports=Ports(plain=0, tls=0), cert=file)
    hub.server.urls.reverse()
    old = await hub.connect(ssl=_trusting(first), server_hostname="localhost")
    await old.recv()
    _issue(second, file)
    hub.server.reload()
    await hub.connect(ssl=_trusting(second), server_hostname="localhost")
    file.write_text("-----BEGIN CERTIFICATE-----")
    with pytest.raises(UsageError, match=r"localhost\.pem"):
        hub.server.reload()
    await hub.connect(ssl=_trusting(second), server_hostname="localhost")
    await old.send(json.dumps({"type": "ping", "id": 1}))
    assert json.loads(await old.recv())["type"] == "pong"


def _issue(authority: trustme.CA, file: Path) -> None:
    issued = authority.issue_cert("localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(str(file))


def _trusting(authority: trustme.CA) -> server_module.ssl.SSLContext:
    context = server_module.ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_server_that_cannot_read_its_keys_again_keeps_all(
    start_hub: StartHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The certificate of the same moment is not taken either, and nobody is let go."""
    file = tmp_path / "localhost.pem"
    _issue(trustme.CA(), file)
    hub = await start_hub(ports=Ports(plain=0, tls=0), cert=file)
    called: list[str] = []

    def fail(_: object) -> None:
        raise UsageError("--jwt-keys: is gone")

    monkeypatch.setattr(hub.node.tokens, "reload", fail)
    monkeypatch.setattr(hub.node, "recheck", lambda: called.append("recheck"))
    before = hub.server._tls
    with pytest.raises(UsageError, match="is gone"):
        hub.server.reload()
    assert hub.server._tls is before
    monkeypatch.setattr(hub.node.tokens, "reload", lambda _: called.append("reload"))
    hub.server.reload()
    assert called == ["reload", "recheck"]
    assert hub.server._tls is not before


async def test_server_closes_those_whose_token_is_gone(start_hub: StartHub) -> None:
    """At the echo as well as at the hub; who has another one stays."""
    hub = await start_hub(tokens=("old", "kept"), echo=True)
    opened = {
        (path, token): await hub.connect(
            path, additional_headers={"Authorization": f"Bearer {token}"}
        )
        for path in ("/ws", "/echo")
        for token in ("old", "kept")
    }
    hub.server.reload(replace(hub.config, tokens=("kept",)))
    async with asyncio.timeout(DEADLINE):
        for path in ("/ws", "/echo"):
            await opened[path, "old"].wait_closed()
            assert opened[path, "old"].close_code == 4001
            await (await opened[path, "kept"].ping())


@pytest.mark.parametrize("way", ["time", "hurry"])
async def test_server_cuts_who_does_not_go(start_hub: StartHub, way: str) -> None:
    """When time is up, or when somebody is in a hurry; and says so."""
    hub = await start_hub(drain=0.05 if way == "time" else 60.0, closing=60.0)
    _, writer = await hub.open_raw()
    writer.write(HANDSHAKE)
    await hub.until(lambda: hub.node.admission.open)
    draining = asyncio.ensure_future(hub.server.drain())
    await hub.until(lambda: hub.node.is_draining)
    assert (await hub.get("/readyz"))[0] == 503
    if way == "hurry":
        hub.server.hurry()
    async with asyncio.timeout(DEADLINE):
        assert not await draining


class Due:
    """Stands for a connection with a deadline."""

    def __init__(self) -> None:
        self.ticks = 0

    def tick(self) -> None:
        """Count it."""
        self.ticks += 1


async def test_server_that_stood_still_reads_before_it_judges(
    start_hub: StartHub,
) -> None:
    """Pongs and messages that had come meanwhile were called overdue, unread.

    Once: on a machine that is late each time, nobody would ever be judged.
    """
    clock = VirtualClock()
    hub = await start_hub(clock=clock)
    due, server = Due(), hub.server
    for _ in range(2):
        due.ticks = 0
        server.wake(due, clock.now() + 1.0)
        clock.advance(5.0)
        server._ring()
        assert due.ticks == 0
        assert server._timer_at == pytest.approx(clock.now() + 0.05)
        clock.advance(5.0)
        server._ring()
        assert due.ticks == 1
    server.wake(due, clock.now() + 1.0)
    clock.advance(1.1)
    server._ring()
    assert due.ticks == 2


async def test_server_does_what_is_due_in_rounds(start_hub: StartHub) -> None:
    """Thousands of pings a second woke it for each of them."""
    clock = VirtualClock()
    hub = await start_hub(clock=clock)
    now, everybody = clock.now(), [Due() for _ in range(100)]
    for number, each in enumerate(everybody):
        hub.server._deadlines.set(each, now + number / 1000)
    hub.server._ring()
    assert sum(each.ticks for each in everybody) == 1
    assert hub.server._timer_at == pytest.approx(now + 0.05)
    clock.advance(0.0505)
    hub.server._ring()
    assert sum(each.ticks for each in everybody) == 51
    for each in everybody:
        hub.server._deadlines.drop(each)
