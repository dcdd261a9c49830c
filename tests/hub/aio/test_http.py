"""The hub's few pages over HTTP: health, status, publishing, AsyncAPI."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from wavetank.clock import VirtualClock
from wavetank.hub.access import Claims
from wavetank.hub.aio import http, metrics
from wavetank.hub.aio.http import Answer, Pages, encode_answer, encode_refused
from wavetank.hub.aio.node import Node
from wavetank.hub.config import ConnectionLimits
from wavetank.wire import Headers, HeadReader, Refusal, Request, Response

pytestmark = pytest.mark.anyio

MakeNode = Callable[..., Node]
STATUS = "/api/websocket/status"
METRICS = "/metrics"
PUBLISH = "/api/publish"


def request(path: str, method: str = "GET", **fields: str) -> Request:
    """Return the head of a request."""
    pairs = [("Host", "127.0.0.1"), *fields.items()]
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


async def publish(
    pages: Pages, claims: Claims | None = None, **message: Any
) -> tuple[Answer, dict[str, Any]]:
    """Publish over HTTP; return the answer and the JSON in it."""
    body = json.dumps(message).encode()
    answer = await pages.answer(request(PUBLISH, "POST"), claims, body)
    return answer, json.loads(answer.body)


async def test_pages_say_that_the_hub_lives_and_is_ready(make_node: MakeNode) -> None:
    """Ready is over first, when it goes away."""
    node = make_node()
    assert (await ask(node, "/healthz")).status == 200
    assert (await ask(node, "/readyz")).status == 200
    node.is_draining = True
    assert (await ask(node, "/healthz")).status == 200
    draining = await ask(node, "/readyz")
    assert (draining.status, draining.body) == (503, b"draining\n")
    assert draining.headers == (("Retry-After", "5"),)


async def test_pages_say_that_the_log_cannot_be_written(
    make_node: MakeNode, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alive, but not ready; both reasons are named where there are two."""
    monkeypatch.setattr(type(log), "is_failing", True)
    node = make_node()
    assert (await ask(node, "/healthz")).status == 200
    degraded = await ask(node, "/readyz")
    assert (degraded.status, degraded.body) == (503, b"degraded\n")
    node.is_draining = True
    assert (await ask(node, "/readyz")).body == b"draining degraded\n"


async def test_pages_show_the_metrics(
    make_node: MakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `metrics` writes them, with its content type."""
    seen: list[Node] = []

    async def expose(node: Node) -> tuple[bytes, str]:
        seen.append(node)
        return b"up 1\n", "text/plain; version=0.0.4"

    monkeypatch.setattr(metrics, "expose", expose)
    node = make_node()
    answer = await ask(node, METRICS)
    assert answer == Answer(200, b"up 1\n", "text/plain; version=0.0.4")
    assert seen == [node]


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
        (request("/healthz", "BREW"), 501),
        (request(STATUS, Origin="https://evil.example"), 403),
        (request(PUBLISH, "POST", Origin="https://evil.example"), 403),
        (request(PUBLISH, "POST", Origin="http://127.0.0.1"), None),
        (request(f"{STATUS}?token=x"), 400),
        (request(f"{STATUS}?pretty=1"), None),
    ],
)
async def test_pages_are_refused_with_their_status(
    make_node: MakeNode, given: Request, status: int | None
) -> None:
    """Unknown, wrong method, foreign page, token in the URL."""
    assert judge(make_node(), given) == status


async def test_pages_quote_no_more_of_a_path_than_has_to_be(
    make_node: MakeNode,
) -> None:
    """A path of 16 KiB does not come back."""
    refusal = Pages(make_node()).judge(request("/" + "x" * 16_000))
    assert isinstance(refusal, Refusal)
    assert len(refusal.text) < 300


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
        (METRICS, "", "127.0.0.1", None),
        (METRICS, "", "0.0.0.0", 401),
        (METRICS, "client", "0.0.0.0", 403),
        (METRICS, "boss", "0.0.0.0", "operator-1"),
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


async def test_publishing_tells_a_duplicate_by_its_key(make_node: MakeNode) -> None:
    """As over WebSocket, and by users."""
    pages = Pages(make_node())
    one, other = Claims(user="one"), Claims(user="other")
    told = [
        (await publish(pages, who, topic="t", data=1, key="k"))[1]
        for who in (one, one, other)
    ]
    assert [(each["seq"], each["duplicate"]) for each in told] == [
        (1, False),
        (1, True),
        (2, False),
    ]


async def test_publishing_tells_a_producer_what_is_missing(
    make_node: MakeNode,
) -> None:
    """The same error as over WebSocket, with its HTTP status: 409."""
    pages = Pages(make_node())
    producer = {"name": "bot", "epoch": 1, "seq": 2}
    answer, error = await publish(pages, topic="t", data=1, producer=producer, id=5)
    assert (answer.status, error["code"], error["id"]) == (409, "producer_gap", 5)
    assert error["expected"] == 1
    producer["seq"] = 1
    answer, published = await publish(pages, topic="t", data=1, producer=producer)
    assert (answer.status, published["seq"]) == (200, 1)


async def test_publishing_that_cannot_be_kept_is_503(
    make_node: MakeNode, log: Any
) -> None:
    """Nothing was published, and the client may try again."""
    log.is_slow = True
    node = make_node()
    work = asyncio.ensure_future(publish(Pages(node), topic="t", data=1))
    await asyncio.sleep(0)
    assert not work.done()
    log.lose()
    answer, error = await work
    assert (answer.status, answer.headers) == (503, (("Retry-After", "5"),))
    assert (error["code"], error["retryable"]) == ("unavailable", True)
    assert node.tally.errors["unavailable"] == 1


@pytest.mark.parametrize(
    ("message", "status", "code"),
    [
        ({"topic": "t"}, 400, "invalid_message"),
        ({"topic": "a b", "data": 1}, 400, "invalid_topic"),
        ({"topic": "t", "data": 1, "key": ""}, 400, "invalid_message"),
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
    node = make_node(limits=limits, node_topics=1)
    pages = Pages(node)
    await publish(pages, topic="t", data=1)
    answer, error = await publish(pages, **message)
    assert answer.status == status
    assert (error["type"], error["code"]) == ("error", code)
    assert node.tally.errors.seen == {code: 1}


async def test_publishing_is_refused_where_the_token_does_not_allow_it(
    make_node: MakeNode,
) -> None:
    """403; and where nobody is known, too."""
    reader = Claims(user="reader", publish=())
    answer, error = await publish(Pages(make_node()), reader, topic="t", data=1)
    assert (answer.status, error["code"]) == (403, "topic_forbidden")
    node = make_node(tokens=("t",))
    answer, error = await publish(Pages(node), topic="t", data=1)
    assert (answer.status, error["code"]) == (403, "topic_forbidden")


async def test_publishing_of_something_else_is_no_json(make_node: MakeNode) -> None:
    """400."""
    given = request(PUBLISH, "POST")
    answer = await Pages(make_node()).answer(given, None, b"{")
    assert answer.status == 400


async def test_publishing_is_limited_for_each_user(
    make_node: MakeNode, clock: VirtualClock
) -> None:
    """Requests of one user share a bucket, on however many connections they come."""
    node = make_node(limits=ConnectionLimits(publish_per_s=1.0))
    pages = Pages(node)
    one, other = Claims(user="one"), Claims(user="other")
    await publish(pages, one, topic="t", data=1)
    answer, error = await publish(pages, one, topic="t", data=1)
    assert (answer.status, answer.headers) == (429, (("Retry-After", "2"),))
    assert (error["code"], error["retry_after_ms"]) == ("rate_limited", 1000)
    assert error["bucket"] == "publish"
    assert node.tally.rate_limited["publish"] == 1
    answer, _ = await publish(pages, other, topic="t", data=1)
    assert answer.status == 200
    clock.advance(1.0)
    answer, _ = await publish(pages, one, topic="t", data=1)
    assert answer.status == 200


async def test_publishing_remembers_a_bounded_number_of_users(
    make_node: MakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was silent longest is forgotten first."""
    monkeypatch.setattr(http, "MOST_USERS", 2)
    pages = Pages(make_node(limits=ConnectionLimits(publish_per_s=1.0)))
    for name in ("a", "b", "a", "c"):
        await publish(pages, Claims(user=name), topic="t", data=1)
    assert list(pages._publishes) == ["a", "c"]


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


def test_answers_that_keep_the_connection_do_not_close_it() -> None:
    """HTTP/1.0 has to be told so; for HTTP/1.1 it goes without saying."""
    for is_old, expected in ((False, None), (True, "keep-alive")):
        data = encode_answer(
            Answer(200, b""), 0.0, strict_transport=False, is_kept=True, is_old=is_old
        )
        assert head_of(data)[0].headers.get("Connection") == expected


def test_refusals_keep_their_fields() -> None:
    """But for Connection, which always closes; the ref is that of the log."""
    refusal = Refusal(426, "ö", (("Upgrade", "websocket"), ("Connection", "Upgrade")))
    data = encode_refused(refusal, 0.0, strict_transport=False, ref="r-1")
    head, body = head_of(data)
    assert head.headers.get("Upgrade") == "websocket"
    assert head.headers.all("Connection") == ("close",)
    assert head.headers.get("Wavetank-Ref") == "r-1"
    assert body == "ö\n".encode()


def test_refusals_of_head_have_no_body() -> None:
    """RFC 9110 9.3.2: what follows would be read as the next answer."""
    data = encode_refused(
        Refusal(404, "nothing"), 0.0, strict_transport=False, is_head=True
    )
    head, body = head_of(data)
    assert (head.headers.get("Content-Length"), body) == ("8", b"")
    assert head.headers.get("Wavetank-Ref") is None
