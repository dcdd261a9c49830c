"""The hub's few pages over HTTP: health, status, publishing, AsyncAPI."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from wavetank.clock import VirtualClock
from wavetank.hub.aio.http import Answer, Pages, encode_answer, encode_refused
from wavetank.hub.aio.node import Node
from wavetank.hub.config import ConnectionLimits
from wavetank.wire import Headers, HeadReader, Refusal, Request, Response

pytestmark = pytest.mark.anyio

MakeNode = Callable[..., Node]
STATUS = "/api/websocket/status"
PUBLISH = "/api/publish"


def request(path: str, method: str = "GET", **fields: str) -> Request:
    """Return the head of a request."""
    pairs = [("Host", "hub.example"), *fields.items()]
    return Request(method, path, "HTTP/1.1", Headers(pairs))


def judge(node: Node, given: Request) -> object:
    """Return the status of a refusal, or the user whose request it is."""
    found = Pages(node).judge(given)
    if isinstance(found, Refusal):
        return found.status
    return found and found.user


async def ask(node: Node, path: str) -> Answer:
    """Return the answer to a GET."""
    return await Pages(node).answer(request(path), None, b"")


async def publish(pages: Pages, **message: Any) -> tuple[Answer, dict[str, Any]]:
    """Publish over HTTP; return the answer and the JSON in it."""
    body = json.dumps(message).encode()
    answer = await pages.answer(request(PUBLISH, "POST"), None, body)
    return answer, json.loads(answer.body)


async def test_pages_say_that_the_hub_lives_and_is_ready(make_node: MakeNode) -> None:
    """Ready is over first, when it goes away."""
    node = make_node()
    assert (await ask(node, "/healthz")).status == 200
    assert (await ask(node, "/readyz")).status == 200
    node.is_draining = True
    assert (await ask(node, "/healthz")).status == 200
    draining = await ask(node, "/readyz")
    assert (draining.status, draining.headers) == (503, (("Retry-After", "5"),))


async def test_pages_show_the_status(make_node: MakeNode) -> None:
    """The number of open WebSockets stands at connections.open."""
    node = make_node()
    node.admission.enter("10.0.0.1")
    answer = await ask(node, STATUS)
    assert json.loads(answer.body)["connections"]["open"] == 1
    assert answer.content_type == "application/json"


async def test_pages_describe_the_protocol(make_node: MakeNode) -> None:
    """The AsyncAPI document, made once."""
    pages = Pages(make_node())
    first = await pages.answer(request("/asyncapi.json"), None, b"")
    again = await pages.answer(request("/asyncapi.json"), None, b"")
    assert json.loads(first.body)["asyncapi"].startswith("3.")
    assert again.body is first.body


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (request("/"), 404),
        (request("/nothing"), 404),
        (request("/healthz", "POST"), 405),
        (request(PUBLISH), 405),
        (request("/healthz", "HEAD"), None),
        (Request("GET", "/healthz", "HTTP/1.1", Headers()), 400),
        (Request("GET", "/healthz", "HTTP/1.0", Headers()), None),
        (request(STATUS, Origin="https://evil.example"), 403),
        (request(PUBLISH, "POST", Origin="https://evil.example"), 403),
        (request(PUBLISH, "POST", Origin="http://hub.example"), None),
        (request(f"{STATUS}?token=x"), 400),
        (request(f"{STATUS}?pretty=1"), None),
    ],
)
async def test_pages_are_refused_with_their_status(
    make_node: MakeNode, given: Request, status: int | None
) -> None:
    """Unknown, wrong method, no host, foreign page, token in the URL."""
    assert judge(make_node(), given) == status


async def test_pages_name_the_methods_that_they_take(make_node: MakeNode) -> None:
    """RFC 9110 15.5.6 asks for Allow."""
    refusal = Pages(make_node()).judge(request("/healthz", "DELETE"))
    assert isinstance(refusal, Refusal)
    assert refusal.headers == (("Allow", "GET, HEAD"),)


@pytest.mark.parametrize(
    ("path", "token", "host", "expected"),
    [
        (STATUS, "", "127.0.0.1", None),  # loopback: open
        (STATUS, "client", "127.0.0.1", "token-1"),
        (STATUS, "wrong", "127.0.0.1", 401),
        (STATUS, "", "0.0.0.0", 401),
        (STATUS, "client", "0.0.0.0", 403),
        (STATUS, "boss", "0.0.0.0", "operator-1"),
        (PUBLISH, "", "127.0.0.1", 401),  # a token is configured
        (PUBLISH, "client", "127.0.0.1", "token-1"),
        (PUBLISH, "client", "0.0.0.0", "token-1"),
        ("/healthz", "", "0.0.0.0", None),
    ],
)
async def test_pages_ask_for_the_token_that_they_need(
    make_node: MakeNode, path: str, token: str, host: str, expected: object
) -> None:
    """Publishing takes a client's, the status beyond loopback an operator's."""
    node = make_node(tokens=("client",), operator_tokens=("boss",), host=host)
    method = "POST" if path == PUBLISH else "GET"
    fields = {"Authorization": f"Bearer {token}"} if token else {}
    assert judge(node, request(path, method, **fields)) == expected


async def test_publishing_is_answered_like_a_publish_command(
    make_node: MakeNode,
) -> None:
    """With the id where there was one, else with null."""
    pages = Pages(make_node())
    answer, published = await publish(pages, topic="t", data={"x": 1}, id=7)
    assert answer.status == 200
    assert published == {
        "type": "published",
        "id": 7,
        "topic": "t",
        "epoch": "epoch-01",
        "seq": 1,
        "duplicate": False,
    }
    _, published = await publish(pages, type="publish", topic="t", data=2)
    assert (published["id"], published["seq"]) == (None, 2)


async def test_publishing_waits_for_durability(make_node: MakeNode, log: Any) -> None:
    """200 means that it is kept."""
    log.is_slow = True
    work = asyncio.ensure_future(publish(Pages(make_node()), topic="t", data=1))
    await asyncio.sleep(0)
    assert log.late
    assert not work.done()
    log.settle()
    answer, _ = await work
    assert answer.status == 200


async def test_publishing_given_up_is_no_fault(make_node: MakeNode, log: Any) -> None:
    """The answer has nobody to go to any more."""
    log.is_slow = True
    work = asyncio.ensure_future(publish(Pages(make_node()), topic="t", data=1))
    await asyncio.sleep(0)
    assert log.late
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    log.settle()


@pytest.mark.parametrize(
    ("message", "status", "code"),
    [
        ({"topic": "t"}, 400, "invalid_message"),
        ({"topic": "a b", "data": 1}, 400, "invalid_topic"),
        ({"topic": "t", "data": 1, "key": "k"}, 400, "invalid_message"),
        ({"type": "subscribe", "topic": "t", "id": 1}, 400, "invalid_message"),
        ({"topic": "t", "data": "x" * 100}, 413, "payload_too_large"),
        ({"topic": "new", "data": 1}, 409, "too_many_topics"),
    ],
)
async def test_publishing_is_refused_with_status_and_error(
    make_node: MakeNode, message: dict[str, Any], status: int, code: str
) -> None:
    """The body is the same error as over WebSocket."""
    limits = ConnectionLimits(payload_bytes=50)
    pages = Pages(make_node(limits=limits, node_topics=1))
    await publish(pages, topic="t", data=1)
    answer, error = await publish(pages, **message)
    assert answer.status == status
    assert (error["type"], error["code"]) == ("error", code)


async def test_publishing_of_something_else_is_no_json(make_node: MakeNode) -> None:
    """400."""
    given = request(PUBLISH, "POST")
    answer = await Pages(make_node()).answer(given, None, b"{")
    assert answer.status == 400


async def test_publishing_is_limited_for_all_who_do_it_over_http(
    make_node: MakeNode, clock: VirtualClock
) -> None:
    """Requests have no connection of their own, so they share one bucket."""
    pages = Pages(make_node(limits=ConnectionLimits(publish_per_s=1.0)))
    await publish(pages, topic="t", data=1)
    answer, error = await publish(pages, topic="t", data=1)
    assert (answer.status, answer.headers) == (429, (("Retry-After", "2"),))
    assert (error["code"], error["retry_after_ms"]) == ("rate_limited", 1000)
    clock.advance(1.0)
    answer, _ = await publish(pages, topic="t", data=1)
    assert answer.status == 200


# Heads.


def head_of(data: bytes) -> tuple[Response, bytes]:
    """Return head and body of a response."""
    reader = HeadReader(of=Response)
    head = reader.feed(data)
    assert isinstance(head, Response)
    return head, reader.rest


def test_answers_carry_what_keeps_a_browser_safe() -> None:
    """And end the connection."""
    head, body = head_of(encode_answer(Answer(200, b"ok"), 0.0, strict_transport=False))
    fields = {name.lower(): value for name, value in head.headers}
    assert body == b"ok"
    assert fields["x-content-type-options"] == "nosniff"
    assert fields["x-frame-options"] == "DENY"
    assert fields["referrer-policy"] == "no-referrer"
    assert fields["cache-control"] == "no-store"
    assert "default-src 'none'" in fields["content-security-policy"]
    assert fields["date"] == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert (fields["content-length"], fields["connection"]) == ("2", "close")
    assert "strict-transport-security" not in fields


def test_answers_over_tls_ask_for_tls_from_now_on() -> None:
    """Where the server says so."""
    head, _ = head_of(encode_answer(Answer(200, b""), 0.0, strict_transport=True))
    assert head.headers.get("Strict-Transport-Security") == "max-age=31536000"


def test_answers_to_head_have_the_length_and_no_body() -> None:
    """RFC 9110 9.3.2."""
    data = encode_answer(Answer(200, b"ok"), 0.0, strict_transport=False, is_head=True)
    head, body = head_of(data)
    assert (head.headers.get("Content-Length"), body) == ("2", b"")


def test_refusals_keep_their_fields() -> None:
    """But for Connection, which always closes."""
    refusal = Refusal(426, "ö", (("Upgrade", "websocket"), ("Connection", "Upgrade")))
    head, body = head_of(encode_refused(refusal, 0.0, strict_transport=False))
    assert head.headers.get("Upgrade") == "websocket"
    assert head.headers.all("Connection") == ("close",)
    assert body == "ö\n".encode()
