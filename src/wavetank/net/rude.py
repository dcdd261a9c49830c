"""The rude peer: a client that may break any rule, byte by byte.

It refuses to know what a target should do about it: it sends, and tells what came.
"""

import asyncio
import contextlib
import random
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from types import EllipsisType, TracebackType
from typing import Any, Self, cast

from websockets.exceptions import InvalidURI
from websockets.uri import WebSocketURI, parse_uri

from wavetank.errors import LocalError
from wavetank.net.failures import (
    ConnectionEnded,
    HandshakeBroken,
    Side,
    reaching_failure,
)
from wavetank.net.opening import opening_request
from wavetank.net.stream import Ending, Stream, Tap, reset
from wavetank.net.tls import client_context
from wavetank.net.trace import without_secrets
from wavetank.wire import (
    Closing,
    Frame,
    FrameReader,
    HeadReader,
    Opcode,
    Refusal,
    Response,
    decode_close,
    encode_frame,
    make_key,
)

__all__ = ["RudePeer"]

_KEPT = 2**20
_SLICE = 4096
"""Bytes parsed at once: no more frames than that can stand in them."""
_FRAME_COST = 128
"""Bytes that a frame costs beside its payload."""
# Masks and keys are unpredictable (RFC 6455 5.3) unless a caller brings its dice.
_DICE = random.SystemRandom()


class RudePeer:
    """A connection on which anything can be said; made by ``connect``.

    Before the opening handshake bytes are read with ``read``, after it frames with
    ``read_frame``. Nothing is answered by itself: no pong, no close frame.

    Attributes:
        url: Where it is connected to.
        key: Key of the last opening handshake.
        close_frame: The first close frame that was read.
    """

    def __init__(
        self,
        url: str,
        stream: Stream,
        *,
        headers: Sequence[tuple[str, str]] = (),
        rng: random.Random = _DICE,
    ) -> None:
        self.url = url
        self.key = ""
        self.close_frame: Frame | None = None
        self._address = parse_uri(url)
        self._stream = stream
        self._headers = tuple(headers)
        self._rng = rng
        self._head: HeadReader[Response] | None = None
        self._reader: FrameReader | None = None
        self._frames: deque[Frame] = deque()
        self._dropped = 0
        self._is_closed = False

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        tls: ssl.SSLContext | None = None,
        timeout: float = 5.0,
        headers: Sequence[tuple[str, str]] = (),
        max_kept: int = _KEPT,
        receive_buffer: int | None = None,
        tap: Tap | None = None,
        rng: random.Random = _DICE,
    ) -> "RudePeer":
        """Connect TCP (and TLS), and say nothing yet.

        Args:
            url: ``ws://`` or ``wss://``.
            tls: Context for ``wss://``; the system's authorities by default.
            timeout: Seconds for name, TCP and TLS.
            headers: Sent with every opening handshake.
            max_kept: Bytes kept unread; beyond it reading pauses, so that TCP
                slows the server down.
            receive_buffer: Bytes that the kernel keeps for us, about; a small one
                makes a peer that does not read felt soon.
            tap: Listens in on the connection.
            rng: Of keys and masks.

        Raises:
            LocalError: If the URL is not one.
            NotReached: If nobody accepts the connection.
            TlsFailed: If the TLS handshake fails.
            TimeoutError: If it takes too long.
        """
        address = _parse(url)
        if tls is not None and not address.secure:
            raise LocalError(f"{without_secrets(url)} is not wss://, it takes no TLS")
        context = (tls or client_context()) if address.secure else None
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                _, stream = await loop.create_connection(
                    lambda: Stream(max_kept, tls=address.secure, tap=tap),
                    address.host,
                    address.port,
                    ssl=context,
                    server_hostname=address.host if address.secure else None,
                )
        except TimeoutError:
            raise TimeoutError(
                f"{without_secrets(url)} did not accept within {timeout:g} s"
            ) from None
        except OSError as exc:
            where = without_secrets(url)
            raise reaching_failure(exc, where, tls=address.secure) from exc
        if receive_buffer is not None:
            stream.set_receive_buffer(receive_buffer)
        return cls(url, stream, headers=headers, rng=rng)

    @property
    def ending(self) -> Ending | None:
        """How the server ended TCP; None while it did not, as far as was read."""
        return self._stream.ending

    @property
    def is_closed(self) -> bool:
        """Whether this side has closed or reset the connection."""
        return self._is_closed

    @property
    def dropped(self) -> int:
        """Bytes that came and were not kept, because there were too many."""
        return self._stream.dropped + self._dropped

    def request(self, **changes: Any) -> bytes:
        """Return an opening handshake with a fresh key.

        Args:
            **changes: What is wrong with it, see ``net.opening_request``.
        """
        self.key = make_key(self._rng.randbytes(16))
        return opening_request(self._address, self.key, self._headers, **changes)

    async def open(
        self,
        *,
        timeout: float = 5.0,
        after: bytes = b"",
        piece: int | None = None,
        pause: float = 0.0,
        **changes: Any,
    ) -> Response:
        """Send an opening handshake and return the answer, whatever its status.

        Args:
            timeout: Seconds for the answer.
            after: Bytes sent right behind the request, in the same write.
            piece: Send pieces of so many bytes.
            pause: Seconds between pieces.
            **changes: Of the request, see ``net.opening_request``.

        Raises:
            HandshakeBroken: If the answer is not HTTP, or none came.
            TimeoutError: If it did not come in time.
        """
        sent = self.request(**changes) + after
        await self.drip(sent, piece=piece or len(sent), pause=pause)
        return await self.read_response(timeout)

    async def read_response(self, timeout: float = 5.0) -> Response:
        """Read the head of an answer; behind a 101, frames begin.

        Raises:
            HandshakeBroken: If it is not HTTP, or the connection ended.
            TimeoutError: If it did not come in time.
        """
        head = self._head = self._head or HeadReader(of=Response)
        answers: list[Response | Refusal] = []

        def is_answered() -> bool:
            while self._stream.incoming and not answers:
                answer = head.feed(self._stream.take(_SLICE))
                answers.extend([] if answer is None else [answer])
            return bool(answers) or self._stream.is_over

        await self._within(timeout, is_answered, "answer to the opening handshake")
        self._head = None
        if not answers:
            raise HandshakeBroken(f"{self._where} ended the connection, no answer")
        answer = answers[0]
        if isinstance(answer, Refusal):
            raise HandshakeBroken(f"{self._where} broke HTTP: {answer.text}")
        self._stream.put_back(head.rest)
        if answer.status == 101:
            self.start_frames(rsv1="Sec-WebSocket-Extensions" in answer.headers)
        return answer

    def start_frames(self, *, rsv1: bool = False) -> None:
        """Read frames from here on, whatever came before.

        Args:
            rsv1: Whether an extension gave RSV1 a meaning.
        """
        self._reader = FrameReader(
            expect_mask=False,
            max_payload=self._stream.max_kept,
            rsv1=rsv1,
            strict=False,
        )

    async def write(self, data: bytes, *, timeout: float = 10.0) -> None:
        """Write bytes as they are.

        Raises:
            LocalError: If this side closed the connection.
            ConnectionEnded: If the connection is gone.
            TimeoutError: If the server makes no room; the bytes stay queued.
        """
        self._check_open()
        if not self._stream.is_writable:
            raise self._ended()
        if self._stream.tap is not None:
            self._stream.tap.sent(data)
        self._stream.transport.write(data)
        has_room = self._stream.has_room
        await self._within(timeout, has_room, "room to write", reading=False)

    async def drip(self, data: bytes, *, piece: int = 1, pause: float = 0.0) -> None:
        """Write bytes in pieces, each its own write.

        Args:
            data: The bytes.
            piece: Bytes of a piece.
            pause: Seconds between pieces.

        Raises:
            ConnectionEnded: If the connection is gone.
        """
        for start in range(0, len(data), piece):
            if start:
                await asyncio.sleep(pause)
            await self.write(data[start : start + piece])

    async def send_frame(
        self,
        opcode: int,
        payload: bytes = b"",
        *,
        mask: bytes | EllipsisType | None = ...,
        **changes: Any,
    ) -> None:
        """Send a frame, legal or not.

        Args:
            opcode: 0 to 15.
            payload: As it is before masking.
            mask: Masking key; a random one by default, None leaves it unmasked.
            **changes: Of the frame, see ``wire.encode_frame``.
        """
        key = self._rng.randbytes(4) if isinstance(mask, EllipsisType) else mask
        await self.write(encode_frame(opcode, payload, mask=key, **changes))

    async def read(self, timeout: float = 5.0, *, most: int = 65536) -> bytes:
        """Return bytes as they came; b"" once the connection ended.

        Raises:
            TimeoutError: If none came.
        """
        await self._within(timeout, self._has_bytes, "bytes")
        return self._stream.take(most)

    async def read_frame(self, timeout: float = 5.0) -> Frame | None:
        """Return the next frame with the rules that it breaks; None at the end.

        Raises:
            LocalError: If no opening handshake was answered with 101.
            TimeoutError: If none came.
        """
        self._check_frames()
        await self._within(timeout, self._has_frame, "frame")
        return self._frames.popleft() if self._frames else None

    async def frames(self, timeout: float) -> list[Frame]:
        """Return all frames until the connection ends or the time is up.

        No more than ``max_kept`` bytes of them: the rest stays unread.

        Raises:
            LocalError: If no opening handshake was answered with 101.
        """
        self._check_frames()
        read: list[Frame] = []
        size = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while size < self._stream.max_kept:
                    await self._stream.until(self._has_frame)
                    if not self._frames:
                        break
                    read.append(self._frames.popleft())
                    size += len(read[-1].payload) + _FRAME_COST
        return read

    async def ended(self, timeout: float = 5.0) -> Ending:
        """Wait until the server ends TCP and return how.

        What comes until then is kept for ``read_frame`` or ``read``; beyond
        ``max_kept`` bytes it is dropped and counted, but not a close frame.

        Raises:
            LocalError: If this side closed the connection.
            TimeoutError: If the server did not end it.
        """
        await self._within(timeout, self._has_ended, "end of the connection")
        if self._stream.ending is None:
            self._check_open()
        return cast(Ending, self._stream.ending)

    def stop_reading(self) -> None:
        """Leave what comes in the kernel's buffers until something is read."""
        self._stream.stop_reading()

    def half_close(self) -> None:
        """Send FIN and go on reading.

        Raises:
            LocalError: Over TLS, whose end of sending ends both directions here.
        """
        if self._stream.tls:
            raise LocalError("TLS cannot be closed half")
        self._stream.transport.write_eof()

    def abort(self) -> None:
        """End the connection at once with a TCP reset; nothing is awaited."""
        self._is_closed = True
        reset(self._stream.transport)

    async def close(self) -> None:
        """Close TCP without a closing handshake. Closing twice does nothing."""
        self._is_closed = True
        self._stream.transport.abort()
        await self._stream.until(lambda: self._stream.is_lost, reading=False)

    async def __aenter__(self) -> Self:
        """Return the peer."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        await self.close()

    def __repr__(self) -> str:
        """Show where to and in which state."""
        state = "closed" if self._is_closed else self._stream.ending or "open"
        return f"<{type(self).__name__} {self._where} {state}>"

    @property
    def _where(self) -> str:
        return without_secrets(self.url)

    def _check_open(self) -> None:
        if self._is_closed:
            raise LocalError(f"the connection to {self._where} was closed by this side")

    def _check_frames(self) -> None:
        if self._reader is None:
            raise LocalError("frames begin behind an opening handshake; use read()")

    async def _within(
        self,
        timeout: float,
        ready: Callable[[], bool],
        what: str,
        *,
        reading: bool = True,
    ) -> None:
        """Wait until something is there, or the connection is over."""
        try:
            async with asyncio.timeout(timeout):
                await self._stream.until(ready, reading=reading)
        except TimeoutError:
            if reading and self._stream.tap is not None:
                self._stream.tap.waited()
            raise TimeoutError(
                f"no {what} from {self._where} within {timeout:g} s"
            ) from None

    def _has_bytes(self) -> bool:
        return bool(self._stream.incoming) or self._stream.is_over

    def _has_frame(self) -> bool:
        while self._stream.incoming and not self._frames:
            self._frames.extend(self._parsed())
        return bool(self._frames) or self._stream.is_over

    def _has_ended(self) -> bool:
        """Make room for what comes until the end, in bounded memory."""
        if self._reader is None:
            self._stream.drops = True
        else:
            self._keep_frames()
        return self._stream.is_over

    def _keep_frames(self) -> None:
        held = sum(len(frame.payload) + _FRAME_COST for frame in self._frames)
        while self._stream.incoming:
            for frame in self._parsed():
                held += len(frame.payload) + _FRAME_COST
                if held <= self._stream.max_kept:
                    self._frames.append(frame)
                else:
                    self._dropped += len(frame.payload)

    def _parsed(self) -> list[Frame]:
        """Parse the next bytes."""
        assert self._reader is not None, "frames have begun"
        frames = self._reader.feed(self._stream.take(_SLICE))
        if self.close_frame is None:
            closes = (frame for frame in frames if frame.opcode == Opcode.CLOSE)
            self.close_frame = next(closes, None)
        return frames

    def _ended(self) -> ConnectionEnded:
        """Return what to raise where nothing can be written any more."""
        code, reason, by = 1006, "", Side.NOBODY
        if self.close_frame is not None:
            by = Side.THEM
            closing = decode_close(self.close_frame.payload)
            if isinstance(closing, Closing):
                code, reason = closing.code or 1005, closing.reason
        words = f"{self._where} ended the connection ({self._stream.ending})"
        return ConnectionEnded(words, code=code, reason=reason, by=by)


def _parse(url: str) -> WebSocketURI:
    try:
        return parse_uri(url)
    except (InvalidURI, ValueError) as exc:
        shown = without_secrets(url)
        why = exc.msg if isinstance(exc, InvalidURI) else exc
        raise LocalError(f"{shown} is no WebSocket URL: {why}") from None
