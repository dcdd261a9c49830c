"""HTTP on one connection: requests and answers, one after the other.

It refuses to know the transport, pages and what a WebSocket is.

    a head -> a body -> an answer -> the next head ... -> the end
    a head -> the carrier makes a WebSocket of it
"""

import asyncio
from collections.abc import Callable
from math import inf
from typing import Protocol

from wavetank.hub.access import Claims
from wavetank.hub.aio.http import Answer, Pages, encode_answer, encode_refused
from wavetank.hub.aio.node import Node
from wavetank.hub.opening import ECHO_PATH, HUB_PATH, shown_target
from wavetank.hub.requests import (
    body_length,
    expects_continue,
    judge_head,
    stays_open,
)
from wavetank.wire import HeadReader, Refusal, Request

__all__ = ["MOST_REQUESTS", "Carrier", "Exchange"]

MOST_REQUESTS = 1000
"""Requests on one connection; then a client gets another one, maybe elsewhere."""

MOST_AHEAD = 65_536
"""Bytes of requests that come before their turn; beyond them, reading stops."""

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_TLS = b"\x16"


class Carrier(Protocol):
    """A transport as HTTP sees it.

    Attributes:
        ip: Address of the peer, for log lines.
        is_tls: Whether it is TLS.
        write: Hands bytes to it.
    """

    ip: str
    is_tls: bool
    write: Callable[[bytes], None]

    def upgrade(self, request: Request, rest: bytes) -> Refusal | None:
        """Make a WebSocket of it, or say why not.

        Args:
            request: The opening handshake.
            rest: Bytes behind it.
        """
        ...

    def linger(self) -> None:
        """End our side now, and all of it once the peer ends its own."""
        ...

    def hold(self) -> None:
        """Stop reading."""
        ...

    def release(self) -> None:
        """Read again."""
        ...

    def wake(self, at: float) -> None:
        """Call ``tick`` at that time, and not at the one asked for before."""
        ...

    def crash(self, error: Exception) -> None:
        """End after a fault of our own."""
        ...


class _Work:
    """A request that is to be answered, and its body as far as it has come."""

    __slots__ = ("body", "claims", "length", "request", "task")

    def __init__(self, request: Request, claims: Claims | None, length: int) -> None:
        self.request = request
        self.claims = claims
        self.length = length
        self.body = bytearray()
        self.task: asyncio.Task[None] | None = None


class Exchange:
    """The HTTP side of one connection.

    Args:
        carrier: Its transport.
        node: What is served.
        pages: What is answered.
    """

    __slots__ = (
        "_ahead",
        "_carrier",
        "_count",
        "_head",
        "_is_ended",
        "_is_held",
        "_is_paused",
        "_node",
        "_pages",
        "_work",
    )

    def __init__(self, carrier: Carrier, node: Node, pages: Pages) -> None:
        self._carrier = carrier
        self._node = node
        self._pages = pages
        self._head: HeadReader[Request] | None = HeadReader()
        self._work: _Work | None = None
        self._ahead = b""
        self._count = 0
        self._is_ended = False
        self._is_held = False
        self._is_paused = False

    # What the transport tells.

    def begin(self) -> None:
        """Wait for a request, as long as an opening handshake may take."""
        self._carrier.wake(self._node.clock.now() + self._node.config.handshake)

    def feed(self, data: bytes) -> None:
        """Take bytes as they came."""
        work = self._work
        if self._head is not None:
            self._take_head(self._head, data)
        elif work is not None and work.task is None:
            self._take_body(work, data)
        else:
            self._keep(data)

    def ended(self) -> bool:
        """Hear that the peer sends no more; tell whether an answer is on its way."""
        self._is_ended = True
        return self._head is None and (self._work is None or self._is_answering)

    def paused(self) -> None:
        """Hear that the peer reads too slowly: the next request has to wait."""
        self._is_paused = True

    def resumed(self) -> None:
        """Hear that it reads on."""
        self._is_paused = False
        if self._head is None and self._work is None:
            self._go_on()

    def tick(self) -> None:
        """Give up waiting: for a request, for its body, or for an answer to be read."""
        is_waiting = self._head is not None or self._work is not None
        if is_waiting and (not self._count or self._is_in_request):
            self.refuse(Refusal(408, "the request took too long"))
        else:
            # RFC 9112 9.3: a connection that is kept may be closed at any time.
            self._carrier.linger()

    def lost(self) -> None:
        """Hear that the transport is gone: nobody waits for an answer any more."""
        work, self._work = self._work, None
        self._head = None
        self._ahead = b""
        if work is not None and work.task is not None:
            work.task.cancel()

    @property
    def _is_in_request(self) -> bool:
        reader = self._head
        return reader is None or reader.statistics()["buffered"] > 0

    @property
    def _is_answering(self) -> bool:
        return self._work is not None and self._work.task is not None

    # A request.

    def _take_head(self, reader: HeadReader[Request], data: bytes) -> None:
        head = reader.feed(data)
        if head is None:
            return
        self._head = None
        if isinstance(head, Refusal):
            self.refuse(head, is_noise=data[:1] == _TLS)
            return
        refusal = judge_head(head, is_tls=self._carrier.is_tls)
        if refusal is None:
            path = head.path
            if path == HUB_PATH or (path == ECHO_PATH and self._node.config.echo):
                refusal = self._carrier.upgrade(head, reader.rest)
            else:
                refusal = self._take_request(head, reader.rest)
        if refusal is not None:
            self.refuse(refusal, head)

    def _take_request(self, request: Request, rest: bytes) -> Refusal | None:
        claims = self._pages.judge(request)
        if isinstance(claims, Refusal):
            return claims
        length = body_length(request, self._node.config.limits.message_bytes)
        if isinstance(length, Refusal):
            return length
        is_awaited = expects_continue(request)
        if isinstance(is_awaited, Refusal):
            return is_awaited
        self._work = work = _Work(request, claims, length)
        if len(rest) < length:
            # A body has as much time as a head.
            self.begin()
            if is_awaited and not rest:
                self._carrier.write(_CONTINUE)
        self._take_body(work, rest)
        return None

    def _take_body(self, work: _Work, data: bytes) -> None:
        missing = work.length - len(work.body)
        work.body += data[:missing]
        if len(work.body) < work.length:
            return
        if len(data) > missing:
            self._keep(data[missing:])
        self._carrier.wake(inf)
        loop = asyncio.get_running_loop()
        work.task = loop.create_task(self._answer(work))

    def _keep(self, data: bytes) -> None:
        """Keep what comes before its turn."""
        self._ahead += data
        if len(self._ahead) > MOST_AHEAD and not self._is_held:
            self._is_held = True
            self._carrier.hold()

    # Its answer.

    async def _answer(self, work: _Work) -> None:
        try:
            answer = await self._pages.answer(
                work.request, work.claims, bytes(work.body)
            )
            self._work = None
            self._reply(work.request, answer)
        except Exception as error:  # noqa: BLE001 - ends this connection and no other
            self._carrier.crash(error)

    def _reply(self, request: Request, answer: Answer) -> None:
        self._count += 1
        is_kept = (
            stays_open(request)
            and self._count < MOST_REQUESTS
            and not self._node.is_draining
            and not (self._is_ended and not self._ahead)
        )
        response = encode_answer(
            answer,
            self._node.clock.wall(),
            strict_transport=self._is_strict,
            is_head=request.method == "HEAD",
            is_kept=is_kept,
            is_old=request.version == "HTTP/1.0",
        )
        self._carrier.write(response)
        if not is_kept:
            self._carrier.linger()
            return
        self.begin()
        if not self._is_paused:
            self._go_on()

    def _go_on(self) -> None:
        """Take the next request, as far as it is there."""
        self._head = HeadReader()
        ahead, self._ahead = self._ahead, b""
        if self._is_held:
            self._is_held = False
            self._carrier.release()
        self.begin()
        if ahead:
            self.feed(ahead)
        if self._is_ended and self._head is not None:
            # What came last is not even a head, and nothing more will come.
            self._carrier.linger()

    @property
    def _is_strict(self) -> bool:
        """Whether browsers may be told to come back over TLS only."""
        return self._carrier.is_tls and not self._node.config.is_local

    def refuse(
        self,
        refusal: Refusal,
        request: Request | None = None,
        *,
        ref: str = "",
        is_noise: bool = False,
    ) -> None:
        """Say no, and end the connection.

        Args:
            refusal: Why.
            request: What was asked for, if that is known.
            ref: Names the incident; a new one where left out.
            is_noise: Whether it was not even HTTP, which is no news.
        """
        if request is None and self._work is not None:
            request = self._work.request
        self._head = self._work = None
        node, status = self._node, refusal.status
        ref = ref or node.new_ref()
        node.tally.rejected.add(str(status))
        log = node.logger.debug if is_noise else node.logger.info
        log(
            "request_refused",
            peer=self._carrier.ip,
            ref=ref,
            status=status,
            reason=refusal.text,
            target="" if request is None else shown_target(request.target),
        )
        response = encode_refused(
            refusal,
            node.clock.wall(),
            strict_transport=self._is_strict,
            is_head=request is not None and request.method == "HEAD",
            ref=ref,
        )
        self._carrier.write(response)
        self._carrier.linger()

    def __repr__(self) -> str:
        """Show how far it is."""
        if self._is_answering:
            return f"<Exchange {self._count} answering>"
        return f"<Exchange {self._count} reading>"
