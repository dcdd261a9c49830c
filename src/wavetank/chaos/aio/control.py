"""The control interface on a port: requests of Toxiproxy's clients, one by one.

It refuses to know what they ask for.
"""

import asyncio
from types import TracebackType
from typing import Final, Self

from wavetank.chaos.aio.desk import Desk
from wavetank.chaos.aio.proxies import Proxies
from wavetank.chaos.bodies import BodyReader, expects_continue, stays_open
from wavetank.chaos.control import Answer, read_call, refusal
from wavetank.chaos.reading import address_text
from wavetank.errors import UsageError
from wavetank.wire.http import HeadReader, Refusal, Request, encode_response

__all__ = ["Control"]

MOST_CONNECTIONS: Final = 64
MOST_REQUESTS: Final = 1000
"""On one connection."""
MOST_BODY: Final = 1024 * 1024
"""Bytes of a request's body."""
AT_ONCE: Final = 65_536
"""Bytes that are read at once."""
READ_WITHIN: Final = 15.0
"""Seconds for a request, from its first byte, and for reading an answer."""
IDLE: Final = 60.0
"""Seconds until a request has to begin."""

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Control:
    """Serves Toxiproxy's interface, as an asynchronous context manager.

    Args:
        proxies: What it is about.
        listen: Host and port; port 0 takes a free one.
    """

    def __init__(self, proxies: Proxies, listen: tuple[str, int]) -> None:
        self._desk = Desk(proxies)
        self._listen = listen
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_over = False
        self.address: tuple[str, int] = listen

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{address_text(self.address)}"

    def __repr__(self) -> str:
        """Show where it is, and how many are connected."""
        return f"<Control {address_text(self.address)}, {len(self._tasks)} connected>"

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            UsageError: If the port cannot be had.
        """
        host, port = self._listen
        try:
            self._server = await asyncio.start_server(self._serve, host or None, port)
        except OSError as error:
            raise UsageError(
                f"--control {address_text(self._listen)}: cannot listen there: "
                f"{error.strerror or error}; give another address, or port 0 for a "
                "free one"
            ) from error
        self.address = self._server.sockets[0].getsockname()[:2]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Listen no more, and end what is open."""
        self._is_over = True
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None, "a task is running"
        if len(self._tasks) >= MOST_CONNECTIONS:
            writer.close()
            return
        self._tasks.add(task)
        try:
            await _Exchange(self._desk, reader, writer).run()
        except asyncio.CancelledError:
            # asyncio complains about a connection whose task ends as cancelled.
            if not self._is_over:
                raise
        except OSError:  # Who asked is gone, or too slow: TimeoutError is one.
            writer.transport.abort()
        finally:
            self._tasks.discard(task)
            writer.close()


class _Exchange:
    """The requests of one connection, one after the other."""

    def __init__(
        self,
        desk: Desk,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._desk = desk
        self._reader = reader
        self._writer = writer
        self._ahead = b""

    async def run(self) -> None:
        """Answer requests until the connection is to end."""
        for _ in range(MOST_REQUESTS):
            if not self._ahead:
                async with asyncio.timeout(IDLE):
                    self._ahead = await self._reader.read(AT_ONCE)
            if not self._ahead or not await self._answer_one():
                return

    async def _answer_one(self) -> bool:
        """Answer one request; tell whether another one may follow."""
        async with asyncio.timeout(READ_WITHIN):
            request = await self._head()
            if request is None:
                return False  # It went away in the middle.
            body = (
                request if isinstance(request, Refusal) else await self._body(request)
            )
        if body is None:
            return False
        if isinstance(body, Refusal):
            await self._write(refusal(body.status, body.text), is_kept=False)
            return False
        assert isinstance(request, Request), "a head that was refused has no body"
        call = read_call(request, body)
        told = call if isinstance(call, Answer) else await self._desk.answer(call)
        is_kept = stays_open(request)
        await self._write(told, is_head=request.method == "HEAD", is_kept=is_kept)
        return is_kept

    async def _head(self) -> Request | Refusal | None:
        """Read a head; None where the connection ends before."""
        heads: HeadReader[Request] = HeadReader()
        data, self._ahead = self._ahead, b""
        while True:
            head = heads.feed(data)
            if head is not None:
                self._ahead = heads.rest
                return head
            data = await self._reader.read(AT_ONCE)
            if not data:
                return None

    async def _body(self, request: Request) -> bytes | Refusal | None:
        """Read a body; None where the connection ends before."""
        bodies = BodyReader(request, MOST_BODY)
        data, self._ahead = self._ahead, b""
        body = bodies.feed(data)
        if body is None and expects_continue(request):
            self._writer.write(_CONTINUE)
        while body is None:
            data = await self._reader.read(AT_ONCE)
            if not data:
                return None
            body = bodies.feed(data)
        self._ahead = bodies.rest
        return body

    async def _write(
        self, told: Answer, *, is_kept: bool, is_head: bool = False
    ) -> None:
        fields = list(told.headers)
        if told.body:
            fields.append(("Content-Type", told.kind))
        if not is_kept:
            fields.append(("Connection", "close"))
        response = encode_response(told.status, fields, told.body)
        if is_head and told.body:
            response = response[: -len(told.body)]
        self._writer.write(response)
        async with asyncio.timeout(READ_WITHIN):
            await self._writer.drain()
        await asyncio.sleep(0)  # Links do not wait for a thousand requests at once.
