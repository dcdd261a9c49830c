"""The echo: each message comes back as it was sent.

It refuses to know the transport and the hub's protocol.
"""

from wavetank.hub.access import ANONYMOUS, Claims
from wavetank.hub.aio.member import Link
from wavetank.hub.aio.node import Node
from wavetank.hub.effects import Moment
from wavetank.hub.patience import Patience
from wavetank.protocol import CLOSES, CloseCode
from wavetank.wire import Message, Opcode, encode_frame

__all__ = ["Echo"]

_MOST_GATHERED = 65_536
"""Bytes that are gathered for one write, one message excepted."""


class Echo:
    """One connection to ``/echo``.

    Args:
        node: Where it came in.
        link: The connection.
        claims: What its token says; None where nobody was asked for one.
    """

    waiting_bytes: int | None = None
    is_finished = True

    def __init__(self, node: Node, link: Link, claims: Claims | None) -> None:
        self._node = node
        self._link = link
        self._claims = claims or ANONYMOUS
        self._patience = Patience(node.config, node.rng.random())
        at = node.moment()
        self._heartbeat = self._patience.begin(at.now)
        self._patience.await_expiry(at, self._claims.expires_at)
        node.members[self] = None
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
        self._heartbeat.pong(payload, self._node.clock.now())

    def paused(self) -> None:
        """Read nothing while nothing can be sent back."""
        self._heartbeat.skip(self._node.clock.now())
        self._link.hold()

    def resumed(self) -> None:
        """Read again."""
        self._link.release()

    @property
    def due_at(self) -> float:
        """When ``tick`` has something to do."""
        return self._patience.due_at

    def tick(self) -> None:
        """Ping, or end where a ping was not answered or the token's time is over."""
        at = self._node.moment()
        code = self._patience.judge(at, None)
        if code is not None:
            self._close(code)
        elif self._heartbeat.is_due(at.now):
            ping = self._heartbeat.beat(at.now)
            if ping is not None:
                self._link.write(encode_frame(Opcode.PING, ping))

    def recheck(self) -> None:
        """End where the token, or the key that vouched for it, was withdrawn."""
        if not self._node.tokens.knows(self._claims):
            self._close(CloseCode.BAD_TOKEN)

    def _close(self, code: CloseCode) -> None:
        self._link.close(code, CLOSES[code].reason)

    def drain(self, reconnect_after: float) -> None:
        """Close: the hub goes away."""
        del reconnect_after
        self._link.close(1001, "going away")

    def lost(self) -> None:
        """Hear that the connection is gone, or that nothing may be written."""
        self._node.members.pop(self, None)
        self._outbox.clear()
