"""A virtual user: a connection that is opened, introduced, kept, and lost.

It refuses to know what it is for: the scenario's own users say what becomes of the
bytes that come when it is ready.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from wavetank.dialects import Dialect
from wavetank.errors import RemoteError
from wavetank.load.engine.connection import Connection, Destination
from wavetank.load.engine.loop import Loop
from wavetank.load.exchange import Job
from wavetank.load.introduction import Introduction
from wavetank.load.splitting import join_frames, split_frame
from wavetank.wire import (
    Opcode,
    Violation,
    decode_close,
    encode_close,
    encode_frame,
)

__all__ = ["MOST_UNSENT", "Setting", "User", "masked"]

MOST_UNSENT = 256 * 1024
"""Bytes that the system does not take, from which on a user is not free: who does not
read has nothing more put into memory."""

_MOST_UNREAD = 16 * 1024 * 1024
"""Bytes of one message before a user is ready."""


@dataclass(slots=True)
class Setting:
    """What all users of a worker share.

    Attributes:
        loop: Calls them.
        job: What is to be done.
        destination: Where they connect.
        dialect: How they speak.
        rng: Dice for masks and payloads.
        start: When the load began, on the monotonic clock, in seconds.
        has_start: Whether that is agreed upon; before, any moment serves.
    """

    loop: Loop
    job: Job
    destination: Destination
    dialect: Dialect
    rng: random.Random
    start: float
    has_start: bool = False

    def micros(self) -> int:
        """Return the microseconds since the start."""
        return int((time.monotonic() - self.start) * 1e6)


class User:
    """One virtual user.

    Args:
        setting: What it shares with the others.
        number: Which of its scenario's, in the whole plan.
        topic: What it subscribes to; "" for nothing.
        path: Of its connection; "" for the target's.
        on_ready: Called when it is ready.
        on_lost: Called with a reason when it is not any more, or never will be.

    Attributes:
        is_ready: Whether it is introduced, and its connection open.
        began: When it began to connect.
        asked: When it said something of its introduction last.
        unsent: Bytes that the system did not take yet.
    """

    def __init__(
        self,
        setting: Setting,
        number: int,
        *,
        topic: str = "",
        path: str = "",
        on_ready: Callable[["User"], None],
        on_lost: Callable[["User", str], None],
    ) -> None:
        self.setting = setting
        self.number = number
        self.topic = topic
        self.is_ready = False
        self.began = self.asked = 0.0
        self.unsent = bytearray()
        self.connection: Connection | None = None
        self._path = path
        self._on_ready = on_ready
        self._on_lost = on_lost
        self._introduction: Introduction | None = None
        self._unread = bytearray()

    def start(self) -> None:
        """Connect, and be introduced; what was there before is forgotten."""
        setting = self.setting
        self.began = time.monotonic()
        self._unread = bytearray()
        self._introduction = Introduction(
            setting.dialect, token=setting.job.address.token, topic=self.topic
        )
        self.connection = Connection(
            setting.loop,
            setting.destination,
            path=self._path,
            on_open=self._opened,
            on_data=self._introduced,
            on_end=self._lost,
        )
        self.unsent = self.connection.unsent
        self.connection.start()

    @property
    def is_idle(self) -> bool:
        """Whether it could go without anybody missing an answer."""
        return True

    @property
    def is_blocked(self) -> bool:
        """Whether the target does not read what it is sent."""
        return len(self.unsent) >= MOST_UNSENT

    def receive(self, data: bytes) -> list[tuple[int, bytes]]:
        """Take in what comes once it is ready; return the control frames in it.

        Raises:
            RemoteError: If they are no frames.
        """
        raise NotImplementedError

    # The introduction

    def _opened(self, rest: bytes) -> None:
        assert self._introduction is not None, "it was started"
        self._say(self._introduction.begin())
        if rest or self._introduction.is_done:
            self._introduced(rest)

    def _say(self, texts: list[str]) -> None:
        self.asked = time.monotonic()
        for text in texts:
            self.send_frame(Opcode.TEXT, text.encode())

    def _introduced(self, data: bytes) -> None:
        """Read messages one by one until the introduction is done."""
        assert self._introduction is not None, "it was started"
        at = 0
        try:
            data = join_frames(self._unread, data)
            while not self._introduction.is_done and self._can_go_on():
                piece = split_frame(data, at)
                if piece is None:
                    break
                self._hear(piece.first, data[piece.start : piece.end])
                at = piece.end
            self._unread += data[at:]
            if len(self._unread) > _MOST_UNREAD:
                raise RemoteError("its first message is too long")
        except RemoteError as error:
            self._fail(str(error))
        if self._introduction.is_done and self._can_go_on():
            self._become_ready()

    def _can_go_on(self) -> bool:
        return self.connection is not None and self.connection.is_open

    def _hear(self, first: int, payload: bytes) -> None:
        assert self._introduction is not None, "it was started"
        if first & 0x08:
            self._heed([(first & 0x0F, payload)])
            return
        is_text = first & 0x0F == Opcode.TEXT
        message = payload.decode(errors="replace") if is_text else payload
        self._say(self._introduction.take(message))
        if self._introduction.problem:
            self._fail(self._introduction.problem)

    def go_on(self) -> None:
        """Wait no longer for an answer to the introduction that may never come."""
        introduction = self._introduction
        if self.is_ready or introduction is None or not introduction.is_patient:
            return
        if self._can_go_on():
            self._say(introduction.go_on())
            if introduction.is_done:
                self._become_ready()

    def _become_ready(self) -> None:
        assert self.connection is not None, "it was started"
        self.is_ready = True
        self.connection.on_data = self._received
        self._on_ready(self)
        # What came in one piece with the last word of the introduction.
        if self._unread and self._can_go_on():
            unread, self._unread = self._unread, bytearray()
            self._received(bytes(unread))

    # When it is ready

    def _received(self, data: bytes) -> None:
        try:
            controls = self.receive(data)
        except RemoteError as error:
            self._fail(str(error))
            return
        if controls:
            self._heed(controls)

    def _heed(self, controls: list[tuple[int, bytes]]) -> None:
        """Answer pings and the close frame (RFC 6455 5.5)."""
        for opcode, payload in controls:
            if opcode == Opcode.PING:
                # Who floods us with pings and reads no pongs gets no more of them.
                if not self.is_blocked:
                    self.send_frame(Opcode.PONG, payload)
            elif opcode == Opcode.PONG:
                self.ponged(payload)
            elif opcode == Opcode.CLOSE:
                closing = decode_close(payload)
                self.send_frame(Opcode.CLOSE, payload[:2])
                if isinstance(closing, Violation):
                    self._fail("the target closed with a malformed close frame")
                else:
                    why = f" ({closing.reason})" if closing.reason else ""
                    self._fail(f"the target closed with code {closing.code}{why}")
                return

    def ponged(self, payload: bytes) -> None:
        """Take in a pong; most users never asked for one."""

    def send_frame(self, opcode: int, payload: bytes) -> None:
        """Send one frame."""
        if self.connection is not None:
            key = masked(self.setting.rng)
            self.connection.send(encode_frame(opcode, payload, mask=key))

    # The end

    def _fail(self, reason: str) -> None:
        if self.connection is not None:
            self.connection.fail(reason)

    def _lost(self, reason: str) -> None:
        self.is_ready = False
        self.connection = None
        self._on_lost(self, reason)

    def close(self) -> None:
        """Say goodbye and close, without waiting; idempotent."""
        if self.connection is not None:
            if self.connection.is_open and not self.connection.unsent:
                self.send_frame(Opcode.CLOSE, encode_close(1000))
            if self.connection is not None:
                self.connection.close()
        self.connection = None
        self.is_ready = False

    def abort(self) -> None:
        """Cut the connection, as a crash would."""
        if self.connection is not None:
            self.connection.abort()
        self.connection = None
        self.is_ready = False

    def __repr__(self) -> str:
        """Show which one it is, and whether it is ready."""
        return f"<{type(self).__name__} {self.number} ready={self.is_ready}>"


def masked(rng: random.Random) -> bytes:
    """Return a masking key: not to be guessed from the frames before (RFC 6455 10.3).

    A load needs no cryptographic dice: nobody is in between whom it has to protect.
    """
    return rng.getrandbits(32).to_bytes(4, "little")
