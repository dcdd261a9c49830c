"""A link: one client's connection, one to the target, and a stream each way.

It refuses to know who else is linked, and what toxics do.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from wavetank.chaos.aio.side import Side
from wavetank.chaos.aio.stream import Stream
from wavetank.chaos.chain import Chain
from wavetank.chaos.framing import MAX_FRAME, Splitter
from wavetank.chaos.room import Room
from wavetank.chaos.toxic import Direction, How
from wavetank.clock import Clock, SystemClock
from wavetank.net.failures import reaching_failure

if TYPE_CHECKING:
    from wavetank.chaos.aio.wirelog import WireLog

__all__ = ["Dial", "Link", "Way"]

Dial: TypeAlias = Callable[[str, int], Awaitable[socket.socket]]
"""Connects to host and port; the socket does not block, and is the caller's. What goes
wrong is an `OSError`."""

LINGERING: Final = 1.0
"""Seconds without progress after which a closed connection is not waited for."""


class Way(NamedTuple):
    """Where a link leads, and how.

    Attributes:
        host: Of the target.
        port: Of the target.
        frames: Whether frames are looked for.
        target_tls: What TLS towards the target needs; None for plain TCP.
        client_tls: What TLS towards the client needs; None for plain TCP.
        timeout: Seconds until a connection has to stand, its TLS included.
        max_frame: Largest frame in bytes that toxics see as one.
        dial: Connects to the target; None: the event loop does, on this network.
    """

    host: str
    port: int
    frames: bool = True
    target_tls: ssl.SSLContext | None = None
    client_tls: ssl.SSLContext | None = None
    timeout: float = 10.0
    max_frame: int = MAX_FRAME
    dial: Dial | None = None


class Link:
    """One client's way to the target, and back.

    Args:
        number: Which one of its proxy, from 1.
        way: Where it leads.
        over: Called once, when nothing of it is left.
        clock: Tells the time to toxics.
        log: Notes each frame; None for none.
        room: What all links of a proxy have on their way; None: this one alone.

    Attributes:
        upstream: From the client to the target.
        downstream: From the target to the client.
        refused: Why the client did not come in; "" while that is not so.
        unreachable: Why the target could not be reached; "" while that is not so.
    """

    def __init__(
        self,
        number: int,
        way: Way,
        over: Callable[["Link"], None],
        *,
        clock: Clock | None = None,
        log: "WireLog | None" = None,
        room: Room | None = None,
    ) -> None:
        self.number = number
        self.clock = clock or SystemClock()
        self.log = log
        self.room = room or Room()
        self.refused = ""
        self.unreachable = ""
        self._way = way
        self._over = over
        self._client = Side(self, tls=way.client_tls is not None)
        self._target = Side(self, tls=way.target_tls is not None)
        self.upstream = self._stream(Direction.UPSTREAM, self._client, self._target)
        self.downstream = self._stream(Direction.DOWNSTREAM, self._target, self._client)
        self._tasks: set[asyncio.Task[bool]] = set()
        self._lingering: asyncio.TimerHandle | None = None
        self._unsent = 0
        self._is_ending = False
        self._is_over = False

    def _stream(self, direction: Direction, source: Side, sink: Side) -> Stream:
        way = self._way
        splitter = Splitter(direction, max_frame=way.max_frame) if way.frames else None
        stream = Stream(self, direction, Chain(), splitter)
        stream.source, stream.sink = source, sink
        source.feeds = sink.takes = stream
        return stream

    def stream(self, direction: Direction) -> Stream:
        """Return one of its two streams."""
        return self.upstream if direction is Direction.UPSTREAM else self.downstream

    @property
    def client_port(self) -> int:
        """TCP port of the client's side; 0 where there is none."""
        transport = self._client.transport
        name = None if transport is None else transport.get_extra_info("peername")
        return int(name[1]) if name else 0

    @property
    def is_connected(self) -> bool:
        """Whether the client is connected with the target."""
        return self._client.is_open and self._target.is_open

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is left."""
        return self._is_over

    def __repr__(self) -> str:
        """Show both sides, and both streams."""
        return (
            f"<Link {self.number} client={self._client} target={self._target} "
            f"{self.upstream} {self.downstream}>"
        )

    # How it begins

    def accept(self, accepted: socket.socket) -> None:
        """Take the client's socket, which does not block."""
        task = self._start(self._accept(accepted), self._client)
        task.add_done_callback(lambda _: self._let_go(accepted))

    def connect(self) -> None:
        """Connect to the target: the opening has come through its stream."""
        if not self._is_ending:
            self._start(self._connect(), self._target)

    def join(self, side: Side) -> None:
        """Let a side's bytes in and out: it is connected."""
        if self._is_ending:
            side.reset()
            return
        side.takes.be_joined()
        if side is self._client:
            self.upstream.open()

    def _let_go(self, accepted: socket.socket) -> None:
        """Close a socket that nobody took: its task was cancelled before that."""
        if self._client.transport is None:
            accepted.close()

    def _start(
        self, opening: Coroutine[None, None, bool], side: Side
    ) -> asyncio.Task[bool]:
        task = asyncio.get_running_loop().create_task(opening)
        self._tasks.add(task)
        task.add_done_callback(lambda _: self._opened(task, side))
        return task

    def _opened(self, task: asyncio.Task[bool], side: Side) -> None:
        """Know that a side is open, or never will be."""
        self._tasks.discard(task)
        if task.cancelled() or not task.result():
            # subtle: uvloop ends what a cancelled task was opening, and tells nobody,
            # even where it had told of the beginning.
            side.is_lost = True
        self._look()

    async def _accept(self, accepted: socket.socket) -> bool:
        loop = asyncio.get_running_loop()
        tls = self._way.client_tls
        try:
            await loop.connect_accepted_socket(
                lambda: self._client,
                accepted,
                ssl=tls,
                ssl_handshake_timeout=self._way.timeout if tls else None,
            )
        except OSError as error:  # ssl.SSLError and TimeoutError are of them
            self.refused = str(error) or "the client went away"
        return not self.refused

    async def _connect(self) -> bool:
        way = self._way
        try:
            async with asyncio.timeout(way.timeout):
                await self._reach()
        except TimeoutError:
            self.unreachable = f"{way.host}:{way.port} did not answer"
        except OSError as error:
            where = f"{way.host}:{way.port}"
            tls = way.target_tls is not None
            self.unreachable = str(reaching_failure(error, where, tls=tls))
        except ValueError as error:  # a name that can be none
            self.unreachable = f"{way.host}:{way.port}: {error}"
        if self.unreachable:
            self.close()
        return not self.unreachable

    async def _reach(self) -> None:
        """Connect the target's side."""
        way, loop = self._way, asyncio.get_running_loop()
        if way.dial is None:
            await loop.create_connection(
                lambda: self._target, way.host, way.port, ssl=way.target_tls
            )
            return
        dialled = await way.dial(way.host, way.port)
        try:
            await loop.create_connection(
                lambda: self._target,
                sock=dialled,
                ssl=way.target_tls,
                server_hostname=way.host if way.target_tls else None,
            )
        except BaseException:
            dialled.close()
            raise

    # How it ends

    def end(self, stream: Stream, how: How) -> None:
        """Do what the end of a stream asks for."""
        source, sink = self._ends(stream)
        if how is How.RST:
            self.reset()
        elif how is How.CLOSE:
            self.close()
        elif how is How.GONE:
            self._vanish(stream)
        else:
            sink.finish()
        if source.is_silent:
            # It has hung up itself, so that there is nothing left to keep from it.
            source.abort()

    def lose(self, side: Side) -> None:
        """Write nothing more to a side that is gone."""
        side.takes.refresh()
        side.takes.settle()
        self._look()

    def miss(self, stream: Stream) -> None:
        """Reset the source of bytes for a side that is gone, as its kernel would.

        Not before it has been told of the end, which may be on its way still; and
        whoever must not be told is not.
        """
        source, sink = self._ends(stream)
        if sink.feeds.is_over and not source.is_silent:
            self.reset()

    def learn(self) -> None:
        """Tell both streams whether frames are spoken, once the response says so."""
        splitter = self.downstream.splitter
        if splitter is None:
            return
        is_upgraded = splitter.upgraded
        if splitter.has_refused:
            splitter.has_refused = False
            if not self.upstream.begin_again():
                is_upgraded = False
        if is_upgraded is not None:
            self.upstream.tell(upgraded=is_upgraded)
            self.downstream.tell(upgraded=is_upgraded)

    def reset(self) -> None:
        """End both connections with RST; what is held is gone."""
        self._stop()
        self._client.reset()
        self._target.reset()

    def close(self) -> None:
        """End both connections in order; what is held is gone, what was written is not.

        Whoever does not end its side in turn is not waited for.
        """
        if self._is_ending:
            return
        self._stop()
        self._client.finish()
        self._target.finish()
        self._unsent = self._client.unsent + self._target.unsent
        self._linger()

    def _ends(self, stream: Stream) -> tuple[Side, Side]:
        """Return the source and the sink of a stream."""
        if stream is self.upstream:
            return self._client, self._target
        return self._target, self._client

    def _vanish(self, stream: Stream) -> None:
        """End one side, and never tell the other one."""
        source, sink = self._ends(stream)
        if sink.transport is None:
            self.reset()
            return
        sink.is_silent = True
        if stream.is_finished:
            source.finish()
        else:
            source.reset()

    def _stop(self) -> None:
        self._is_ending = True
        self.upstream.stop()
        self.downstream.stop()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        # Nothing more happens to a link that has no connection any more.
        asyncio.get_running_loop().call_soon(self._look)

    def _linger(self) -> None:
        loop = asyncio.get_running_loop()
        self._lingering = loop.call_later(LINGERING, self._give_up)

    def _give_up(self) -> None:
        """Abort what was closed long ago, unless bytes are still leaving."""
        unsent = self._client.unsent + self._target.unsent
        if unsent < self._unsent:
            self._unsent = unsent
            self._linger()
            return
        self._client.abort()
        self._target.abort()

    def _look(self) -> None:
        """Find out whether it is over."""
        client, target = self._client, self._target
        is_there = client.transport is not None and not client.is_lost
        # A client that is gone may have a connection coming all the same.
        is_coming = client.transport is not None and not self.upstream.is_over
        is_led = not target.is_lost and (target.transport is not None or is_coming)
        if self._is_over or self._tasks or is_there or is_led:
            return
        self._is_over = True
        self.upstream.stop()
        self.downstream.stop()
        if self._lingering is not None:
            self._lingering.cancel()
        self._over(self)
