"""Clients of one server: how they connect, and what they do with what comes.

They refuse to know who serves, for how long, and what is made of it.
"""

import asyncio
import math
import time
from array import array
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, cast

from arrivals import Arrivals, Expected, Meaning, Problems, Unit
from dialects import Dialect, Unframed, client_frame, cutter, publication

__all__ = ["Asker", "Crowd", "Failed", "Flow", "Silent", "Subscriber"]

HOST = "127.0.0.1"
OPENING = 64
"""Connections that are being opened at a time."""
PATIENCE = 30.0
"""Seconds until all connections have to be ready."""
TEXT, CLOSE, PONG = 1, 8, 10


class Failed(Exception):
    """Nothing can be measured; the text says why."""


def _fail(future: asyncio.Future[Any], words: str) -> None:
    """Let a future fail, whether or not somebody waits for it."""
    future.set_exception(Failed(words))
    future.exception()


class Door(asyncio.Protocol):
    """A connection until it is a WebSocket.

    Args:
        dialect: How to speak.
        path: What to ask for.

    Attributes:
        opened: Gets what came behind the response's head.
    """

    def __init__(self, dialect: Dialect, path: str) -> None:
        self._came = b""
        offer = f"Sec-WebSocket-Protocol: {dialect.subprotocol}\r\n"
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"{offer if dialect.subprotocol else ''}\r\n"
        ).encode()
        self.opened: asyncio.Future[bytes] = asyncio.Future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for a WebSocket."""
        cast(asyncio.Transport, transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        """Read the response."""
        self._came += data
        head, end, rest = self._came.partition(b"\r\n\r\n")
        if not end or self.opened.done():
            return
        if head.startswith(b"HTTP/1.1 101 "):
            self.opened.set_result(rest)
        else:
            _fail(self.opened, f"no WebSocket: {head[:80]!r}")

    def connection_lost(self, error: Exception | None) -> None:
        """Fail, if there is no WebSocket yet."""
        if not self.opened.done():
            _fail(self.opened, f"closed while opening: {error}")


class Talker(asyncio.Protocol):
    """An open WebSocket; what it does with its bytes is up to its kind.

    Attributes:
        ready: Done once the server has said so.
        transport: Its transport.
    """

    transport: asyncio.Transport

    def __init__(self, crowd: "Crowd") -> None:
        self.crowd = crowd
        self.ready: asyncio.Future[None] = asyncio.Future()

    def send(self, message: bytes) -> None:
        """Send a message."""
        self.transport.write(client_frame(self.crowd.dialect.opcode, message))

    def hear(self, unit: Unit) -> None:
        """Take a message that is not what is measured."""
        crowd, meaning = self.crowd, unit.meaning
        if meaning is Meaning.READY:
            if not self.ready.done():
                self.ready.set_result(None)
        elif meaning is Meaning.ASKED:
            if crowd.dialect.alive:
                self.send(crowd.dialect.alive)
            else:
                self.transport.write(client_frame(PONG, unit.text))
        elif meaning is Meaning.REFUSED:
            crowd.problems.note("refused", 1, repr(unit.text))
        elif meaning is Meaning.CLOSED:
            self.transport.write(client_frame(CLOSE, unit.text[:2]))
            crowd.note_end(repr(unit.text))
        elif meaning is Meaning.DAMAGED:
            crowd.problems.note("damaged", 1, repr(unit.text))

    def connection_lost(self, error: Exception | None) -> None:
        """Note that the server is gone."""
        self.crowd.note_end(f"connection lost: {error}")
        if not self.ready.done():
            _fail(self.ready, f"closed before it was ready: {error}")


class Crowd:
    """All connections to one server.

    Args:
        dialect: How to speak.
        port: Where it is.
        size: Of a publication's text, in bytes.

    Attributes:
        problems: What went wrong.
        expected: What all subscribers should get.
        is_over: Whether connections may end.
    """

    def __init__(self, dialect: Dialect, port: int, size: int) -> None:
        self.dialect = dialect
        self.size = size
        self.problems = Problems()
        holds = dialect.holds
        self.expected = Expected(
            lambda text, number: holds(text, publication(number, size)), self.problems
        )
        self.due = math.inf
        """Bytes in ``expected.came`` at which ``go_on`` is called."""
        self.go_on: Callable[[], None] = lambda: None
        self.is_over = False
        self._port = port
        self._talkers: list[Talker] = []

    async def join(self, talker: Talker, path: str, first: bytes) -> None:
        """Open a connection for a talker, which sends ``first``."""
        loop = asyncio.get_running_loop()
        door = Door(self.dialect, path)
        transport, _ = await loop.create_connection(lambda: door, HOST, self._port)
        rest = await door.opened
        talker.transport = transport
        self._talkers.append(talker)
        transport.set_protocol(talker)
        if first:
            talker.send(first)
        if rest:
            talker.data_received(rest)

    async def gather(self, count: int) -> "list[Subscriber]":
        """Open subscribers, some at a time, and wait until they are ready."""
        subscribers = [Subscriber(self) for _ in range(count)]
        waiting = iter(subscribers)

        async def open_next() -> None:
            for subscriber in waiting:
                dialect = self.dialect
                await self.join(subscriber, dialect.subscriber_path, dialect.subscribe)
                await subscriber.ready

        await _in_time(asyncio.gather(*(open_next() for _ in range(OPENING))))
        return subscribers

    async def greet(self, talker: Talker) -> None:
        """Open a publisher."""
        dialect = self.dialect
        await _in_time(self.join(talker, dialect.publisher_path, dialect.introduce))

    def note_end(self, words: str) -> None:
        """Count a connection that the server ended."""
        if not self.is_over:
            self.problems.note("closed", 1, words)

    def leave(self) -> None:
        """End all connections."""
        self.is_over = True
        for talker in self._talkers:
            talker.transport.abort()


async def _in_time(work: Awaitable[Any]) -> None:
    try:
        await asyncio.wait_for(work, PATIENCE)
    except TimeoutError:
        raise Failed(f"not ready within {PATIENCE:g} s") from None
    except OSError as error:
        raise Failed(f"cannot connect: {error}") from error


class Subscriber(Talker):
    """Somebody who gets publications."""

    def __init__(self, crowd: Crowd) -> None:
        super().__init__(crowd)
        self.arrivals = Arrivals(crowd.expected, cutter(crowd.dialect), self.hear)
        self._feed = self.arrivals.feed
        if crowd.dialect.is_stream:
            unframed = Unframed(self.hear)
            self._feed = lambda chunk: self.arrivals.feed(unframed.feed(chunk))

    def data_received(self, data: bytes) -> None:
        """Check what came; publish more, if there is room for it."""
        self._feed(data)
        crowd = self.crowd
        if crowd.expected.came >= crowd.due:
            crowd.go_on()


class Silent(Talker):
    """A publisher that is not answered."""

    def __init__(self, crowd: Crowd) -> None:
        super().__init__(crowd)
        self._cut = cutter(crowd.dialect)
        self._rest = b""
        self._unframe: Callable[[bytes], bytes] = bytes
        if crowd.dialect.is_stream:
            self._unframe = Unframed(self.hear).feed

    def data_received(self, data: bytes) -> None:
        """Look for errors."""
        data, start = self._rest + self._unframe(data), 0
        while (unit := self._cut(data, start)) is not None:
            self.take(unit)
            start = unit.end
        self._rest = data[start:]
        self.taken()

    def take(self, unit: Unit) -> None:
        """Take a message."""
        self.hear(unit)

    def taken(self) -> None:
        """Hear that there is no more for now."""


class Asker(Silent):
    """A publisher that waits for answers.

    Args:
        crowd: Whose it is.
        most: Publications without an answer.

    Attributes:
        answered: How many have their answer.
        pending: When those were sent that have none.
        latencies: Where times go, in seconds.
    """

    def __init__(self, crowd: Crowd, most: int) -> None:
        super().__init__(crowd)
        self._text = publication(1, crowd.size)
        self.most = most
        self.answered = 0
        self.pending: deque[float] = deque()
        self.latencies: array[float] | None = None

    def take(self, unit: Unit) -> None:
        """Take an answer: they come in the order of the publications."""
        if unit.meaning is not Meaning.ANSWER or not self.pending:
            self.hear(unit)
            return
        self.answered += 1
        if unit.number != self.answered:
            words = f"answer to {unit.number} in place of {self.answered}"
            self.crowd.problems.note("repeated", 1, words)
        took = time.perf_counter() - self.pending.popleft()
        if self.latencies is not None:
            self.latencies.append(took)

    def taken(self) -> None:
        """Publish as many as there is room for."""
        count = self.most - len(self.pending)
        if count <= 0:
            return
        ask = self.crowd.dialect.ask
        assert ask is not None  # asked before
        first = self.answered + len(self.pending) + 1
        numbers = range(first, first + count)
        frames = [client_frame(TEXT, ask(number, self._text)) for number in numbers]
        self.pending.extend([time.perf_counter()] * count)
        self.transport.write(b"".join(frames))


class Flow:
    """Publishes so that there is always something on its way, but not too much."""

    def __init__(
        self, crowd: Crowd, publisher: Talker, subscribers: int, window: int
    ) -> None:
        self._crowd = crowd
        self._publisher = publisher
        self._subscribers = subscribers
        self._window = window
        self.sent = 0

    def go_on(self) -> None:
        """Publish what there is room for; say when to look again."""
        crowd, expected = self._crowd, self._crowd.expected
        seen = expected.number_at(expected.came // self._subscribers)
        size, dialect = crowd.size, crowd.dialect
        upto = seen + self._window
        frames = [
            client_frame(dialect.opcode, dialect.publish(publication(number, size)))
            for number in range(self.sent + 1, upto + 1)
        ]
        if frames:
            self._publisher.transport.write(b"".join(frames))
            self.sent = upto
        step = self._window // 4
        each = expected.end / len(expected.ends) if expected.ends else size
        crowd.due = expected.came + max(1, step * each * self._subscribers)
