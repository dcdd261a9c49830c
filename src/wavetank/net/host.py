"""The rude host: a listener that may break any rule, byte by byte, with each guest.

It refuses to know what a client should do about it: it sends, and tells what came.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self

from wavetank.errors import LocalError
from wavetank.net.rude import RudePeer
from wavetank.net.stream import Ending, Stream
from wavetank.wire import Frame, FrameReader, HeadReader, Refusal, Request

__all__ = ["Guest", "RudeHost"]

_HOST: Final = "127.0.0.1"
_KEPT: Final = 2**20
_SLICE: Final = 4096
_MOST_GUESTS: Final = 256
_MOST_MASKS: Final = 10_000


class Guest(RudePeer):
    """A connection that a client opened, and on which anything can be said.

    Its opening handshake is read with ``read_request`` and answered with ``write``;
    behind ``start_frames`` frames are read with ``read_frame``. Nothing is answered
    by itself.

    Attributes:
        masks: Masking key of each frame that was read; None where it had none.
    """

    def __init__(self, url: str, stream: Stream) -> None:
        super().__init__(url, stream)
        self.masks: list[bytes | None] = []
        self._has_left = False

    @property
    def port(self) -> int:
        """Where the client connected to."""
        return self._address.port

    @property
    def has_unread(self) -> bool:
        """Whether something came that nobody has read."""
        return bool(self._stream.incoming)

    async def read_request(self, timeout: float = 5.0) -> Request | Refusal | None:
        """Read the head of a request, or why it is none; None if none came.

        Raises:
            TimeoutError: If it did not come in time.
        """
        reader = HeadReader()
        heads: list[Request | Refusal] = []

        def is_read() -> bool:
            while self._stream.incoming and not heads:
                head = reader.feed(self._stream.take(_SLICE))
                heads.extend([] if head is None else [head])
            return bool(heads) or self._stream.is_over

        await self._within(timeout, is_read, "opening handshake")
        self._stream.put_back(reader.rest)
        return heads[0] if heads else None

    def start_frames(self, *, rsv1: bool = False) -> None:
        """Read frames from here on, masked as those of a client have to be.

        Args:
            rsv1: Whether an extension gave RSV1 a meaning.
        """
        self._reader = FrameReader(
            expect_mask=True,
            max_payload=self._stream.max_kept,
            rsv1=rsv1,
            strict=False,
        )

    async def read_frame(self, timeout: float = 5.0) -> Frame | None:
        """Return the next frame with the rules that it breaks; None at the end.

        Raises:
            LocalError: If frames have not begun.
            TimeoutError: If none came.
        """
        frame = await super().read_frame(timeout)
        if frame is not None and len(self.masks) < _MOST_MASKS:
            self.masks.append(frame.mask)
        return frame

    async def write(self, data: bytes, *, timeout: float = 10.0) -> None:
        """Write bytes as they are.

        Raises:
            LocalError: If this side closed the connection, or sent FIN.
            ConnectionEnded: If the connection is gone.
            TimeoutError: If the client makes no room; the bytes stay queued.
        """
        if self._has_left:
            raise LocalError("nothing can be written behind FIN")
        await super().write(data, timeout=timeout)

    def half_close(self) -> None:
        """Send FIN and go on reading; nothing where the client was quicker."""
        self._has_left = True
        with contextlib.suppress(OSError):
            super().half_close()

    async def leave(self, timeout: float = 1.0) -> Ending | None:
        """Send FIN, and wait until the client ends its side, too.

        Returns:
            How it did; None if it did not in time.
        """
        self.half_close()
        with contextlib.suppress(TimeoutError, LocalError):
            return await self.ended(timeout)
        return None

    @property
    def _where(self) -> str:
        return "the client"


class _Line(Stream):
    """A stream that somebody else opened."""

    def __init__(self, accept: Callable[[Stream], None], max_kept: int) -> None:
        super().__init__(max_kept, tls=False)
        self._accept = accept

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, and say so."""
        super().connection_made(transport)
        self._accept(self)


_LAST_TURNS = 10


async def _stop_listening(server: asyncio.Server) -> None:
    """Close a server whose last connection may have been accepted in this very turn.

    subtle: it has its transport some turns later. By then Python 3.11's server must not
    be closed: that fails an assertion (``Server._attach``), and the socket stays open.
    """
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        with contextlib.suppress(RuntimeError, NotImplementedError):
            loop.remove_reader(listening.fileno())
    for _ in range(_LAST_TURNS):
        await asyncio.sleep(0)
    server.close()


class RudeHost:
    """Listens on a free port of loopback, as an asynchronous context manager.

    Args:
        receive: Awaited with each guest, in a task of its own; at its end the
            connection is cut. What it raises ends the host.
        max_kept: Bytes of a guest that are kept unread.
        most: Guests at a time; who comes beyond them is cut at once.
    """

    def __init__(
        self,
        receive: Callable[[Guest], Awaitable[None]],
        *,
        max_kept: int = _KEPT,
        most: int = _MOST_GUESTS,
    ) -> None:
        self._receive = receive
        self._max_kept = max_kept
        self._most = most
        self._guests: dict[Guest, asyncio.Task[None]] = {}
        self._group = asyncio.TaskGroup()
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        return f"ws://{_HOST}:{self.port}"

    @property
    def guests(self) -> int:
        """How many there are now."""
        return len(self._guests)

    async def __aenter__(self) -> Self:
        """Listen."""
        await self._group.__aenter__()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Line(self._accept, self._max_kept), _HOST, 0
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Listen no more, and cut whoever is still there."""
        if self._server is not None:
            await _stop_listening(self._server)
        for task in self._guests.values():
            task.cancel()
        try:
            if kind is not None and issubclass(kind, asyncio.CancelledError):
                await self._group.__aexit__(kind, error, trace)
            else:  # what went wrong inside is raised as it is, not in a group
                await self._group.__aexit__(None, None, None)
        finally:
            # Who came last may have had no turn yet.
            for guest in list(self._guests):
                await self._part(guest)

    def _accept(self, stream: Stream) -> None:
        guest = Guest(self.url, stream)
        hosting = self._host(guest)
        if len(self._guests) < self._most:
            with contextlib.suppress(RuntimeError):  # the group has ended
                self._guests[guest] = self._group.create_task(hosting)
                return
        hosting.close()
        stream.transport.abort()

    async def _host(self, guest: Guest) -> None:
        try:
            await self._receive(guest)
        finally:
            await self._part(guest)

    async def _part(self, guest: Guest) -> None:
        await guest.close()
        self._guests.pop(guest, None)

    def __repr__(self) -> str:
        """Show where it listens, and how many are there."""
        return f"<RudeHost {self.url} {self.guests} guests>"
