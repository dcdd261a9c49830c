"""The hub's few pages over HTTP: health, status, publishing, the AsyncAPI document.

It refuses to know sockets, and how a request was read.
"""

import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any, NamedTuple

from wavetank import __version__
from wavetank.hub.access import Action, Claims, may, shown
from wavetank.hub.aio.node import Node
from wavetank.hub.aio.receipt import Accepted, Refused, publish
from wavetank.hub.aio.status import describe
from wavetank.hub.limits import Bucket
from wavetank.hub.opening import judge_rights, unauthorized
from wavetank.hub.requests import METHODS
from wavetank.hub.rules import judge_publish
from wavetank.protocol import (
    ERRORS,
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

MOST_USERS = 10_000
"""Users whose rate over HTTP is remembered; beyond them, the longest silent goes."""


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
    answer: Answer,
    wall: float,
    *,
    strict_transport: bool,
    is_head: bool = False,
    is_kept: bool = False,
    is_old: bool = False,
) -> bytes:
    """Return the bytes of a response.

    Args:
        answer: What it says.
        wall: Seconds since 1970.
        strict_transport: Whether browsers shall use TLS from now on; not on
            loopback, where it would lock out every other program of the machine.
        is_head: Whether the request was HEAD, which has no body.
        is_kept: Whether the connection goes on behind it.
        is_old: Whether the request was of HTTP/1.0, which has to be told that.
    """
    fields = [
        ("Date", formatdate(wall, usegmt=True)),
        ("Content-Type", answer.content_type),
        *answer.headers,
        *_SECURITY,
    ]
    if not is_kept:
        fields.append(("Connection", "close"))
    elif is_old:
        fields.append(("Connection", "keep-alive"))
    if strict_transport:
        fields.append(_TRANSPORT_SECURITY)
    if is_head:
        fields.append(("Content-Length", str(len(answer.body))))
        return encode_response(answer.status, fields)
    return encode_response(answer.status, fields, answer.body)


def encode_refused(
    refusal: Refusal,
    wall: float,
    *,
    strict_transport: bool,
    is_head: bool = False,
    ref: str = "",
) -> bytes:
    """Return the bytes of a refusal; the connection ends behind it.

    Args:
        refusal: Why.
        wall: Seconds since 1970.
        strict_transport: As in ``encode_answer``.
        is_head: As in ``encode_answer``.
        ref: Names the incident, as in the log.
    """
    # An opening handshake that is refused says what it wants in Connection.
    headers = [field for field in refusal.headers if field[0].lower() != "connection"]
    if ref:
        headers.append(("Wavetank-Ref", ref))
    body = f"{refusal.text}\n".encode("utf-8", "replace")
    answer = Answer(refusal.status, body, headers=tuple(headers))
    return encode_answer(
        answer, wall, strict_transport=strict_transport, is_head=is_head
    )


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
        self._publishes: OrderedDict[str, Bucket] = OrderedDict()
        self._asyncapi = b""

    def judge(self, request: Request) -> Claims | Refusal | None:
        """Judge a request before its body is read.

        Returns:
            Whose it is (None is anybody's), or why it is not answered.
        """
        page = _PAGES.get(request.path)
        if page is None:
            return Refusal(404, f"there is nothing at {shown(request.path)}")
        allowed = ("GET", "HEAD") if page.method == "GET" else (page.method,)
        if request.method not in METHODS:
            return Refusal(501, f"the method {shown(request.method)} is not known")
        if request.method not in allowed:
            words = f"{request.path} takes {' and '.join(allowed)}"
            return Refusal(405, words, (("Allow", ", ".join(allowed)),))
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
        node = self._node
        states = {"draining": node.is_draining, "degraded": node.is_degraded}
        words = " ".join(word for word, holds in states.items() if holds)
        if words:
            return Answer(503, f"{words}\n".encode(), headers=_RETRY)
        return Answer(200, b"ready\n")

    async def _metrics(self, claims: Claims | None, body: bytes) -> Answer:
        del claims, body
        # Who never looks at metrics never loads what writes them.
        from wavetank.hub.aio.metrics import expose

        text, content_type = await expose(self._node)
        return Answer(200, text, content_type)

    async def _status(self, claims: Claims | None, body: bytes) -> Answer:
        del claims, body
        return _json(200, await describe(self._node))

    async def _describe_protocol(self, claims: Claims | None, body: bytes) -> Answer:
        del claims, body
        if not self._asyncapi:
            self._asyncapi = _json(200, document(__version__)).body
        return Answer(200, self._asyncapi, "application/json")

    # Publishing.

    async def _publish(self, claims: Claims | None, body: bytes) -> Answer:
        node = self._node
        command = decode_publish(body)
        if isinstance(command, CommandError):
            code, path = command.code, command.path or None
            return self._refuse(command.id, code, command.message, path=path)
        rights = claims or node.anonymous
        problem = judge_publish(command, rights, node.config.limits)
        if problem is not None:
            code, path = problem.code, problem.path or None
            return self._refuse(command.id, code, problem.message, path=path)
        user = rights.user if rights else ""
        wait = self._take(user)
        if wait:
            node.tally.rate_limited["publish"] += 1
            more = {"bucket": "publish", "retry_after": wait}
            return self._refuse(command.id, ErrorCode.RATE_LIMITED, "", **more)
        outcome = await publish(node, command, user)
        if isinstance(outcome, Refused):
            # The node has counted this one.
            return self._say(command.id, outcome)
        return self._confirm(command.id, outcome)

    def _take(self, user: str) -> float:
        """Take from a user's bucket; return the seconds to wait if it is empty."""
        rate = self._node.config.limits.publish_per_s
        if rate is None:
            return 0.0
        now = self._node.clock.now()
        bucket = self._publishes.pop(user, None) or Bucket(rate, now)
        self._publishes[user] = bucket
        if len(self._publishes) > MOST_USERS:
            self._publishes.popitem(last=False)
        return bucket.take(now)

    def _confirm(self, id: Id | None, outcome: Accepted) -> Answer:
        log = outcome.topic.log
        published = Published(
            # Without an id in the request there is null in the answer.
            id=id,
            topic=log.topic,
            epoch=log.epoch,
            seq=outcome.seq,
            duplicate=outcome.is_duplicate,
        )
        return Answer(200, encode_reply(published), "application/json")

    def _refuse(
        self, id: Id | None, code: ErrorCode, message: str, **more: Any
    ) -> Answer:
        tally = self._node.tally
        tally.published["rejected"] += 1
        return self._say(id, Refused(code, message, more))

    def _say(self, id: Id | None, outcome: Refused) -> Answer:
        self._node.tally.errors[outcome.code] += 1
        wall = self._node.clock.wall()
        error = Error.of(outcome.code, outcome.message, id=id, at=wall, **outcome.more)
        headers: tuple[tuple[str, str], ...] = ()
        wait = outcome.more.get("retry_after")
        if wait is not None:
            headers = (("Retry-After", str(int(wait) + 1)),)
        status = ERRORS[outcome.code].status
        if status == 503:
            headers = _RETRY
        return Answer(status, encode_push(error), "application/json", headers)


_RETRY = (("Retry-After", "5"),)

_PAGES: dict[str, _Page] = {
    "/healthz": _Page("GET", Pages._health),
    "/readyz": _Page("GET", Pages._ready),
    "/metrics": _Page("GET", Pages._metrics, Action.OPERATE),
    "/asyncapi.json": _Page("GET", Pages._describe_protocol),
    "/api/websocket/status": _Page("GET", Pages._status, Action.OPERATE),
    "/api/publish": _Page("POST", Pages._publish, Action.PUBLISH),
}
"""Everything that is answered over HTTP."""


def _json(status: int, value: Any) -> Answer:
    return Answer(status, json.dumps(value).encode(), "application/json")
