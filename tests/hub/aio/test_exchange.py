"""HTTP on one connection: requests and answers, one after the other."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wavetank.clock import VirtualClock
from wavetank.hub.aio import exchange as module
from wavetank.hub.aio.exchange import Exchange
from wavetank.hub.aio.http import Answer, Pages
from wavetank.hub.aio.node import Node
from wavetank.wire import HeadReader, Refusal, Request, Response

pytestmark = pytest.mark.anyio

MakeNode = Callable[..., Node]


class Carrier:
    """A transport that remembers what was asked of it."""

    def __init__(self) -> None:
        self.ip = "192.0.2.7"
        self.is_tls = False
        self.written = bytearray()
        self.calls: list[str] = []
        self.wakes: list[float] = []
        self.upgrades: list[tuple[Request, bytes]] = []
        self.refusal: Refusal | None = None
        self.errors: list[Exception] = []

    def write(self, data: bytes) -> None:
        """Remember it."""
        assert "linger" not in self.calls, "nothing may follow the end"
        self.written += data

    def upgrade(self, request: Request, rest: bytes) -> Refusal | None:
        """Remember it."""
        self.upgrades.append((request, rest))
        return self.refusal

    def linger(self) -> None:
        """Remember it."""
        self.calls.append("linger")

    def hold(self) -> None:
        """Remember it."""
        self.calls.append("hold")

    def release(self) -> None:
        """Remember it."""
        self.calls.append("release")

    def wake(self, at: float) -> None:
        """Remember it."""
        self.wakes.append(at)

    def crash(self, error: Exception) -> None:
        """Remember it."""
        self.errors.append(error)

    @property
    def is_over(self) -> bool:
        """Whether our side was ended."""
        return "linger" in self.calls

    def take(self) -> list[tuple[int, str, bytes]]:
        """Return status, Connection and body of what was written since last time."""
        found = []
        data = bytes(self.written)
        while data:
            reader = HeadReader(of=Response)
            head = reader.feed(data)
            assert isinstance(head, Response)
            length = int(head.headers.get("Content-Length", "0") or 0)
            body, data = reader.rest[:length], reader.rest[length:]
            found.append((head.status, head.headers.get("Connection", "") or "", body))
        self.written.clear()
        return found


@pytest.fixture
def carrier() -> Carrier:
    """Give a transport."""
    return Carrier()


def begin(node: Node, carrier: Carrier) -> Exchange:
    """Return what serves a connection."""
    exchange = Exchange(carrier, node, Pages(node))
    exchange.begin()
    return exchange


async def settle() -> None:
    """Let everything happen that can happen by itself."""
    for _ in range(20):
        await asyncio.sleep(0)


def ask(*fields: str, line: str = "GET /healthz HTTP/1.1") -> bytes:
    """Return a request without a body."""
    return "\r\n".join([line, "Host: 127.0.0.1", *fields, "", ""]).encode()


def post(body: bytes = b'{"topic":"t","data":1}', *fields: str) -> bytes:
    """Return a request that publishes."""
    length = f"Content-Length: {len(body)}"
    return ask(length, *fields, line="POST /api/publish HTTP/1.1") + body


OK = (200, "", b"ok\n")


# Requests one after the other.


async def test_exchange_keeps_a_connection(
    make_node: MakeNode, carrier: Carrier
) -> None:
    """Until the client closes it, or says that it will."""
    exchange = begin(make_node(), carrier)
    for _ in range(3):
        exchange.feed(ask())
        await settle()
        assert carrier.take() == [OK]
    assert not carrier.is_over
    exchange.feed(ask("Connection: close"))
    await settle()
    assert carrier.take() == [(200, "close", b"ok\n")]
    assert carrier.is_over


async def test_exchange_keeps_a_connection_of_http_1_0_only_when_asked(
    make_node: MakeNode, carrier: Carrier
) -> None:
    """And says that it does."""
    exchange = begin(make_node(), carrier)
    line = "GET /healthz HTTP/1.0"
    exchange.feed(ask("Connection: keep-alive", line=line))
    await settle()
    assert carrier.take() == [(200, "keep-alive", b"ok\n")]
    exchange.feed(ask(line=line))
    await settle()
    assert carrier.take() == [(200, "close", b"ok\n")]
    assert carrier.is_over


async def test_exchange_answers_pipelined_requests_in_their_order(
    make_node: MakeNode, carrier: Carrier, log: Any
) -> None:
    """Each waits for the one before, however long that takes."""
    exchange = begin(make_node(), carrier)
    log.is_slow = True
    exchange.feed(ask() + post() + post() + ask())
    await settle()
    assert carrier.take() == [OK]
    assert len(log.late) == 1
    log.keep()
    await settle()
    log.keep()
    await settle()
    first, second, last = carrier.take()
    assert [json.loads(body)["seq"] for _, _, body in (first, second)] == [1, 2]
    assert last == OK


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 1000])
async def test_exchange_reads_requests_however_their_bytes_come(
    make_node: MakeNode, carrier: Carrier, size: int
) -> None:
    """Cut anywhere; empty lines between two of them are passed over."""
    exchange = begin(make_node(), carrier)
    data = post() + b"\r\n" + ask() + post(b"[]") + ask("Connection: close")
    for start in range(0, len(data), size):
        exchange.feed(data[start : start + size])
        await asyncio.sleep(0)
    await settle()
    statuses = [status for status, _, _ in carrier.take()]
    assert statuses == [200, 200, 400, 200]


async def test_exchange_serves_a_bounded_number_of_requests(
    make_node: MakeNode, carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last one is told so, and what comes behind it is not answered."""
    monkeypatch.setattr(module, "MOST_REQUESTS", 2)
    exchange = begin(make_node(), carrier)
    exchange.feed(ask() * 3)
    await settle()
    assert carrier.take() == [OK, (200, "close", b"ok\n")]
    assert carrier.is_over


async def test_exchange_ends_connections_while_the_hub_goes_away(
    make_node: MakeNode, carrier: Carrier
) -> None:
    """Each answer is the last one."""
    node = make_node()
    exchange = begin(node, carrier)
    node.is_draining = True
    exchange.feed(ask(line="GET /readyz HTTP/1.1"))
    await settle()
    assert carrier.take() == [(503, "close", b"draining\n")]


async def test_exchange_holds_no_more_than_some_bytes_before_their_turn(
    make_node: MakeNode, carrier: Carrier, log: Any
) -> None:
    """Beyond them reading stops, until the answer before them was written."""
    exchange = begin(make_node(), carrier)
    log.is_slow = True
    exchange.feed(post())
    await settle()
    data = ask("X: " + "x" * 10_000)
    for _ in range(9):
        exchange.feed(data)
    assert carrier.calls == ["hold"]
    log.keep()
    await settle()
    assert carrier.calls[:2] == ["hold", "release"]
    assert carrier.calls[-1] == "release"
    assert len(carrier.take()) == 10


async def test_exchange_answers_no_faster_than_the_peer_reads(
    make_node: MakeNode, carrier: Carrier, clock: VirtualClock
) -> None:
    """Requests without end would fill the memory with answers."""
    exchange = begin(make_node(), carrier)
    exchange.paused()
    exchange.feed(ask() * 3)
    await settle()
    assert carrier.take() == [OK]
    exchange.resumed()
    await settle()
    assert carrier.take() == [OK, OK]
    exchange.paused()
    exchange.resumed()
    exchange.paused()
    exchange.feed(ask())
    await settle()
    assert carrier.take() == [OK]
    clock.advance(10.0)
    exchange.tick()
    assert carrier.is_over


# Bodies.


async def test_exchange_asks_for_a_body_that_is_held_back(
    make_node: MakeNode, carrier: Carrier
) -> None:
    """100 Continue; not where it has begun to come, or is refused anyway."""
    exchange = begin(make_node(), carrier)
    request = post(b'{"topic":"t","data":1}', "Expect: 100-continue")
    head, body = request[:-22], request[-22:]
    exchange.feed(head)
    assert carrier.written == b"HTTP/1.1 100 Continue\r\n\r\n"
    carrier.written.clear()
    exchange.feed(body)
    await settle()
    assert [status for status, _, _ in carrier.take()] == [200]
    exchange.feed(request[:-1])
    assert not carrier.written
    exchange.feed(request[-1:])
    await settle()
    assert [status for status, _, _ in carrier.take()] == [200]
    exchange.feed(ask("Content-Length: 9999999", "Expect: 100-continue"))
    assert [status for status, _, _ in carrier.take()] == [413]


async def test_exchange_reads_the_body_of_any_request(
    make_node: MakeNode, carrier: Carrier
) -> None:
    """Else it would be taken for the next request."""
    exchange = begin(make_node(), carrier)
    exchange.feed(ask("Content-Length: 3") + b"GET" + ask())
    await settle()
    assert carrier.take() == [OK, OK]


# Refusals.


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01", 400),
        (b"\x00", 400),
        (b"GET / HTTP/1.1\nHost: x\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n more\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\rY: z\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (ask("A: " + "x" * 17_000), 431),
        (ask(*["A: x"] * 200), 431),
        (ask(line="GET /nothing HTTP/1.1"), 404),
        (ask(line="PUT /healthz HTTP/1.1"), 405),
        (ask(line="BREW /healthz HTTP/1.1"), 501),
        (ask("Expect: tea"), 417),
        (ask(line="POST /api/publish HTTP/1.1"), 411),
        (ask("Content-Length: 1", "Transfer-Encoding: chunked"), 400),
    ],
)
async def test_exchange_refuses_and_ends(
    make_node: MakeNode, carrier: Carrier, lines: Any, data: bytes, status: int
) -> None:
    """With a reason in words, and the ref under which the log has it."""
    node = make_node()
    exchange = begin(node, carrier)
    exchange.feed(data + ask())
    await settle()
    written = bytes(carrier.written)
    ((seen, connection, body),) = carrier.take()
    assert (seen, connection) == (status, "close")
    assert body.endswith(b"\n")
    assert carrier.is_over
    (event,) = [e for e in lines.events if e["event"] == "request_refused"]
    assert (event["status"], event["peer"]) == (status, "192.0.2.7")
    assert f"Wavetank-Ref: {event['ref']}\r\n".encode() in written
    assert event["level"] == ("debug" if data[:1] == b"\x16" else "info")
    assert node.tally.rejected.total == 1


async def test_exchange_refuses_head_without_a_body(
    make_node: MakeNode, carrier: Carrier
) -> None:
    """The length alone is told, as of every answer to HEAD."""
    exchange = begin(make_node(), carrier)
    exchange.feed(ask(line="HEAD /nothing HTTP/1.1"))
    head, _, body = bytes(carrier.written).partition(b"\r\n\r\n")
    assert b"404 Not Found" in head
    assert b"Content-Length: " in head
    assert body == b""


async def test_exchange_tells_browsers_of_tls_only_where_it_is_safe(
    make_node: MakeNode, carrier: Carrier
) -> None:
    """Beyond this machine, over TLS."""
    carrier.is_tls = True
    for host, expected in (("127.0.0.1", False), ("0.0.0.0", True)):
        exchange = begin(make_node(host=host), carrier)
        exchange.feed(ask())
        await settle()
        assert (b"Strict-Transport-Security" in carrier.written) is expected
        carrier.written.clear()


async def test_exchange_writes_no_credentials_to_the_log(
    make_node: MakeNode, carrier: Carrier, lines: Any
) -> None:
    """Not even of a request that it refuses for them."""
    exchange = begin(make_node(), carrier)
    exchange.feed(ask(line="GET /nothing?token=query-token&x=1 HTTP/1.1"))
    (event,) = lines.events
    assert event["target"] == "/nothing?token=***&x=1"
    assert "query-token" not in lines.getvalue()


# WebSockets.


async def test_exchange_hands_on_what_asks_for_a_websocket(
    make_node: MakeNode, carrier: Carrier
) -> None:
    """On a kept connection, too, with the bytes that came behind it."""
    exchange = begin(make_node(echo=True), carrier)
    exchange.feed(ask())
    await settle()
    assert carrier.take() == [OK]
    for path in ("/ws?x=1", "/echo"):
        exchange = begin(make_node(echo=True), carrier)
        exchange.feed(ask(line=f"GET {path} HTTP/1.1") + b"frames")
        request, rest = carrier.upgrades.pop()
        assert (request.target, rest) == (path, b"frames")
    assert not carrier.written


async def test_exchange_knows_the_echo_only_where_it_is_on(
    make_node: MakeNode, carrier: Carrier
) -> None:
    """Else there is nothing."""
    begin(make_node(), carrier).feed(ask(line="GET /echo HTTP/1.1"))
    assert carrier.take()[0][0] == 404


async def test_exchange_refuses_an_opening_handshake_as_its_carrier_says(
    make_node: MakeNode, carrier: Carrier
) -> None:
    """No room, a wrong token, no WebSocket at all."""
    carrier.refusal = Refusal(503, "no room", (("Retry-After", "5"),))
    begin(make_node(), carrier).feed(ask(line="GET /ws HTTP/1.1"))
    assert b"Retry-After: 5\r\n" in carrier.written
    assert carrier.take() == [(503, "close", b"no room\n")]


# Time.


@pytest.mark.parametrize(
    "data", [b"", b"GET / HT", post()[:-1], ask() + b"GET", ask() + post()[:-1]]
)
async def test_exchange_gives_up_a_request_that_takes_too_long(
    make_node: MakeNode, carrier: Carrier, clock: VirtualClock, data: bytes
) -> None:
    """408: nothing came, half a head, half a body, of the first or a later one."""
    exchange = begin(make_node(handshake=3.0), carrier)
    exchange.feed(data)
    await settle()
    answered = carrier.take()
    assert carrier.wakes[-1] == clock.now() + 3.0
    exchange.tick()
    assert carrier.take() == [(408, "close", b"the request took too long\n")]
    assert len(answered) == data.startswith(ask())


async def test_exchange_ends_a_kept_connection_that_is_idle(
    make_node: MakeNode, carrier: Carrier, clock: VirtualClock
) -> None:
    """Without a word: there is no request that it could be an answer to."""
    exchange = begin(make_node(handshake=3.0), carrier)
    exchange.feed(ask())
    await settle()
    carrier.take()
    assert carrier.wakes[-1] == clock.now() + 3.0
    exchange.tick()
    assert not carrier.written
    assert carrier.is_over


# Ends and faults.


async def test_exchange_leaves_no_task_behind_for_a_peer_that_has_gone(
    make_node: MakeNode, carrier: Carrier, log: Any
) -> None:
    """Its publication may be kept; nobody hears of it."""
    log.is_slow = True
    exchange = begin(make_node(), carrier)
    before = asyncio.all_tasks()
    exchange.feed(post())
    await settle()
    assert log.late
    assert len(asyncio.all_tasks() - before) == 1
    exchange.lost()
    await settle()
    assert asyncio.all_tasks() == before
    log.keep()
    assert not carrier.written


async def test_exchange_answers_a_peer_that_sends_no_more(
    make_node: MakeNode, carrier: Carrier
) -> None:
    """All that it has asked; only the last answer ends the connection."""
    exchange = begin(make_node(), carrier)
    exchange.feed(ask() + ask())
    assert exchange.ended()
    await settle()
    assert carrier.take() == [OK, (200, "close", b"ok\n")]
    assert carrier.is_over


async def test_exchange_of_a_peer_that_stops_in_a_request_is_over(
    make_node: MakeNode, carrier: Carrier
) -> None:
    """Half a head behind a whole request, or half a body, will never be whole."""
    exchange = begin(make_node(), carrier)
    exchange.feed(ask() + b"GET /h")
    assert exchange.ended()
    await settle()
    assert carrier.take() == [OK]
    assert carrier.is_over
    for data in (b"", b"GET /h", post()[:-1]):
        exchange = begin(make_node(), Carrier())
        exchange.feed(data)
        assert not exchange.ended()


async def test_exchange_reports_a_fault_of_a_page(
    make_node: MakeNode, carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its carrier ends the connection; HEAD gets no body even then."""

    async def fail(*args: object) -> Answer:
        raise ZeroDivisionError("our own fault")

    monkeypatch.setattr(Pages, "answer", fail)
    exchange = begin(make_node(), carrier)
    exchange.feed(ask(line="HEAD /healthz HTTP/1.1"))
    await settle()
    (error,) = carrier.errors
    assert isinstance(error, ZeroDivisionError)
    exchange.refuse(Refusal(500, "internal error r-1"), ref="r-1")
    assert b"Wavetank-Ref: r-1\r\n" in carrier.written
    assert carrier.written.endswith(b"\r\n\r\n")


async def test_exchange_shows_how_far_it_is(
    make_node: MakeNode, carrier: Carrier, log: Any
) -> None:
    """In bug reports."""
    exchange = begin(make_node(), carrier)
    assert repr(exchange) == "<Exchange 0 reading>"
    log.is_slow = True
    exchange.feed(post())
    assert repr(exchange) == "<Exchange 0 answering>"
    exchange.lost()


PARTS = [ask(), post(), post(b"{"), ask("Content-Length: 4"), b"\r\n", b"\x16\x03"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    whole=st.lists(st.sampled_from(PARTS) | st.binary(max_size=9), max_size=9),
    sizes=st.lists(st.integers(1, 80), min_size=1, max_size=9),
)
async def test_exchange_survives_any_bytes(
    make_node: MakeNode, whole: list[bytes], sizes: list[int]
) -> None:
    """No fault, nothing behind the end, one answer at most for each request."""
    carrier = Carrier()
    exchange = begin(make_node(node_topics=0), carrier)
    sent = b"".join(whole)
    while sent and not carrier.is_over:
        sizes.append(sizes.pop(0))
        exchange.feed(sent[: sizes[0]])
        sent = sent[sizes[0] :]
        if sizes[0] % 2:
            await asyncio.sleep(0)
    await settle()
    assert not carrier.errors
    assert len(carrier.take()) <= len(whole)
    exchange.lost()
