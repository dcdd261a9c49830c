"""The echo: each message comes back as it was sent.

It refuses to know the transport and the hub's protocol.
"""

from wavetank.clock import Clock
from wavetank.hub.aio.member import Link
from wavetank.hub.effects import Moment
from wavetank.hub.heartbeat import Heartbeat
from wavetank.protocol import CLOSES, CloseCode
from wavetank.wire import Message, Opcode, encode_frame

__all__ = ["Echo"]

_MOST_GATHERED = 65_536
"""Bytes that are gathered for one write, one message excepted."""


class Echo:
    """One connection to ``/echo``.

    Args:
        link: The connection.
        clock: The time.
        heartbeat: When to ping.
    """

    waiting_bytes: int | None = None
    is_finished = True

    def __init__(self, link: Link, clock: Clock, heartbeat: Heartbeat) -> None:
        self._link = link
        self._clock = clock
        self._heartbeat = heartbeat
        self._outbox: list[bytes] = []
        self._size = 0

    def receive(self, message: Message, at: Moment) -> None:
        """Send a message back."""
        del at
        frame = encode_frame(message.opcode, message.data)
        self._outbox.append(frame)
        self._size += len(frame)
        if self._size > _MOST_GATHERED:
            self.settle()

    def settle(self) -> None:
        """Write what has gathered, in one go."""
        if self._outbox:
            outbox, self._outbox = self._outbox, []
            self._size = 0
            self._link.write(b"".join(outbox))

    def hear_pong(self, payload: bytes) -> None:
        """Take a pong."""
        self._heartbeat.pong(payload, self._clock.now())

    def paused(self) -> None:
        """Read nothing while nothing can be sent back."""
        self._heartbeat.skip(self._clock.now())
        self._link.hold()

    def resumed(self) -> None:
        """Read again."""
        self._link.release()

    @property
    def due_at(self) -> float:
        """When ``tick`` has something to do."""
        return self._heartbeat.due_at

    def tick(self) -> None:
        """Ping, or end where the last ping was not answered."""
        now = self._clock.now()
        if self._heartbeat.is_overdue(now):
            code = CloseCode.NO_PONG
            self._link.close(code, CLOSES[code].reason)
        elif self._heartbeat.is_due(now):
            ping = self._heartbeat.beat(now)
            if ping is not None:
                self._link.write(encode_frame(Opcode.PING, ping))

    def drain(self, reconnect_after: float) -> None:
        """Close: the hub goes away."""
        del reconnect_after
        self._link.close(1001, "going away")

    def lost(self) -> None:
        """Hear that the connection is gone."""
        self._outbox.clear()
