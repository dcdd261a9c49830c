"""The hub's few pages over HTTP: health, status, publishing, the AsyncAPI document.

It refuses to know sockets, and how a request was read.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any, NamedTuple, cast

from wavetank import __version__
from wavetank.hub.access import Action, Claims, may
from wavetank.hub.aio.fanout import Topic
from wavetank.hub.aio.node import Node
from wavetank.hub.aio.status import describe
from wavetank.hub.limits import Bucket
from wavetank.hub.opening import judge_rights, unauthorized
from wavetank.hub.rules import Objection, judge_publish
from wavetank.protocol import (
    CommandError,
    Error,
    ErrorCode,
    Id,
    Published,
    decode_publish,
    encode_push,
    encode_reply,
)
from wavetank.protocol.asyncapi import document
from wavetank.wire import Refusal, Request, encode_response

__all__ = ["Answer", "Pages", "encode_answer", "encode_refused"]


class Answer(NamedTuple):
    """A response, but for what every response has.

    Attributes:
        status: Such as 200.
        body: Its bytes.
        content_type: What they are.
        headers: Further fields.
    """

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


_SECURITY = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)
_TRANSPORT_SECURITY = ("Strict-Transport-Security", "max-age=31536000")


def encode_answer(
    answer: Answer, wall: float, *, strict_transport: bool, is_head: bool = False
) -> bytes:
    """Return the bytes of a response; the connection ends behind it.

    Args:
        answer: What it says.
        wall: Seconds since 1970.
        strict_transport: Whether browsers shall use TLS from now on; not on
            loopback, where it would lock out every other program of the machine.
        is_head: Whether the request was HEAD, which has no body.
    """
    fields = [
        ("Date", formatdate(wall, usegmt=True)),
        ("Content-Type", answer.content_type),
        *answer.headers,
        *_SECURITY,
        ("Connection", "close"),
    ]
    if strict_transport:
        fields.append(_TRANSPORT_SECURITY)
    if is_head:
        fields.append(("Content-Length", str(len(answer.body))))
        return encode_response(answer.status, fields)
    return encode_response(answer.status, fields, answer.body)


def encode_refused(refusal: Refusal, wall: float, *, strict_transport: bool) -> bytes:
    """Return the bytes of a refusal; the connection ends behind it."""
    # An opening handshake that is refused says what it wants in Connection.
    headers = tuple(
        field for field in refusal.headers if field[0].lower() != "connection"
    )
    body = f"{refusal.text}\n".encode("utf-8", "replace")
    answer = Answer(refusal.status, body, headers=headers)
    return encode_answer(answer, wall, strict_transport=strict_transport)


_STATUS = {
    ErrorCode.INVALID_JSON: 400,
    ErrorCode.INVALID_MESSAGE: 400,
    ErrorCode.UNKNOWN_TYPE: 400,
    ErrorCode.INVALID_TOPIC: 400,
    ErrorCode.TOPIC_FORBIDDEN: 403,
    ErrorCode.TOO_MANY_TOPICS: 409,
    ErrorCode.PAYLOAD_TOO_LARGE: 413,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.UNAVAILABLE: 503,
}
"""What an error code of the protocol is in HTTP."""

Handler = Callable[["Pages", Claims | None, bytes], Awaitable[Answer]]


class _Page(NamedTuple):
    """One row of the table of pages."""

    method: str
    handler: Handler
    action: Action | None = None


class Pages:
    """Answers requests.

    Args:
        node: What they are about.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        rate = node.config.limits.publish_per_s
        self._publishes = Bucket(rate, node.clock.now())
        self._asyncapi = b""

    def judge(self, request: Request) -> Claims | Refusal | None:
        """Judge a request before its body is read.

        Returns:
            Whose it is (None is anybody's), or why it is not answered.
        """
        page = _PAGES.get(request.path)
        if page is None:
            return Refusal(404, f"there is nothing at {request.path}")
        allowed = ("GET", "HEAD") if page.method == "GET" else (page.method,)
        if request.method not in allowed:
            words = f"{request.path} takes {' and '.join(allowed)}"
            return Refusal(405, words, (("Allow", ", ".join(allowed)),))
        if request.version == "HTTP/1.1" and len(request.headers.all("Host")) != 1:
            return Refusal(400, "Host has to be there once (RFC 9112 3.2)")
        return self._judge_rights(request, page.action) if page.action else None

    def _judge_rights(
        self, request: Request, action: Action
    ) -> Claims | Refusal | None:
        config = self._node.config
        rights = judge_rights(request, config, self._node.verify)
        if isinstance(rights, Refusal):
            return rights
        if action is Action.PUBLISH and rights is None and config.needs_auth:
            return unauthorized("a token is needed")
        if action is Action.OPERATE and not config.is_local:
            if rights is None:
                return unauthorized("an operator's token is needed")
            if not may(rights, Action.OPERATE):
                return Refusal(403, "this token is not an operator's")
        return rights

    async def answer(
        self, request: Request, claims: Claims | None, body: bytes
    ) -> Answer:
        """Answer a request that was judged."""
        return await _PAGES[request.path].handler(self, claims, body)

    async def _health(self, claims: Claims | None, body: bytes) -> Answer:
        del claims, body
        return Answer(200, b"ok\n")

    async def _ready(self, claims: Claims | None, body: bytes) -> Answer:
        del claims, body
        if self._node.is_draining:
            return Answer(503, b"draining\n", headers=(("Retry-After", "5"),))
        return Answer(200, b"ready\n")

    async def _status(self, claims: Claims | None, body: bytes) -> Answer:
        del claims, body
        return _json(200, describe(self._node))

    async def _describe_protocol(self, claims: Claims | None, body: bytes) -> Answer:
        del claims, body
        if not self._asyncapi:
            self._asyncapi = _json(200, document(__version__)).body
        return Answer(200, self._asyncapi, "application/json")

    async def _publish(self, claims: Claims | None, body: bytes) -> Answer:
        node = self._node
        command = decode_publish(body)
        if isinstance(command, CommandError):
            objection = Objection(command.code, command.message, command.path)
            return self._refuse(command.id, objection)
        rights = claims or node.anonymous
        problem = judge_publish(command, rights, node.config.limits)
        if problem is not None:
            return self._refuse(command.id, problem)
        wait = self._publishes.take(node.clock.now())
        if wait:
            problem = Objection(ErrorCode.RATE_LIMITED, "")
            return self._refuse(command.id, problem, bucket="publish", retry_after=wait)
        receipt = _Receipt()
        refused = node.publish(command.topic, command.payload, receipt, command.id)
        if refused is not None:
            return self._refuse(command.id, Objection(*refused))
        seq, epoch = await receipt.done
        # Without an id in the request there is null in the answer.
        published = Published(
            id=cast(Id, command.id),
            topic=command.topic,
            epoch=epoch,
            seq=seq,
            duplicate=False,
        )
        return Answer(200, encode_reply(published), "application/json")

    def _refuse(
        self,
        id: Id | None,
        problem: Objection,
        *,
        bucket: str | None = None,
        retry_after: float | None = None,
    ) -> Answer:
        error = Error.of(
            problem.code,
            problem.message,
            id=id,
            at=self._node.clock.wall(),
            path=problem.path or None,
            bucket=bucket,
            retry_after=retry_after,
        )
        headers: tuple[tuple[str, str], ...] = ()
        if retry_after is not None:
            headers = (("Retry-After", str(int(retry_after) + 1)),)
        status = _STATUS[problem.code]
        return Answer(status, encode_push(error), "application/json", headers)


_PAGES: dict[str, _Page] = {
    "/healthz": _Page("GET", Pages._health),
    "/readyz": _Page("GET", Pages._ready),
    "/asyncapi.json": _Page("GET", Pages._describe_protocol),
    "/api/websocket/status": _Page("GET", Pages._status, Action.OPERATE),
    "/api/publish": _Page("POST", Pages._publish, Action.PUBLISH),
}
"""Everything that is answered over HTTP."""


class _Receipt:
    """Waits for one publication."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.done: asyncio.Future[tuple[int, str]] = loop.create_future()

    def published(self, id: Id | None, topic: Topic, seq: int) -> None:
        """Hear that it has its durability."""
        del id
        if not self.done.done():
            self.done.set_result((seq, topic.log.epoch))


def _json(status: int, value: Any) -> Answer:
    return Answer(status, json.dumps(value).encode(), "application/json")
