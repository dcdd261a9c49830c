"""One connection of the sound server: heads, units, deadlines, ends."""

import asyncio
import ssl
from typing import Any

import pytest

from wavetank.wire import (
    Closing,
    Control,
    MessageLimits,
    MessageReader,
    Opcode,
    Refusal,
    Violation,
    encode_close,
    encode_frame,
)
from wavetank.wrecks import SoundServer
from wavetank.wrecks import connection as module
from wavetank.wrecks.connection import Connection, Head, Unit

pytestmark = pytest.mark.anyio


class Transport(asyncio.Transport):
    """A transport that keeps what is written, and can have lost its peer."""

    def __init__(self, *, gone: bool = False, tls: bool = False) -> None:
        super().__init__()
        self.log: list[str] = []
        self.written = b""
        self.unsent = 0
        self._gone = gone
        self._tls = tls

    def write(self, data: Any) -> None:
        """Keep the bytes."""
        self.written += data

    def can_write_eof(self) -> bool:
        """Tell whether the end can be half."""
        return not self._tls

    def write_eof(self) -> None:
        """End one side."""
        if self._gone:
            raise OSError("not connected")
        self.log.append("eof")

    def close(self) -> None:
        """End both sides."""
        self.log.append("close")

    def abort(self) -> None:
        """End without a word."""
        self.log.append("abort")

    def is_closing(self) -> bool:
        """Tell whether it is over."""
        return "abort" in self.log

    def pause_reading(self) -> None:
        """Read no more."""
        self.log.append("pause")

    def resume_reading(self) -> None:
        """Read again."""
        self.log.append("resume")

    def get_write_buffer_size(self) -> int:
        """Return what waits."""
        return self.unsent


class Owner:
    """An owner that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def on_connected(self, connection: Connection) -> None:
        """Keep it."""
        self.told.append("connected")

    def on_head(self, connection: Connection, head: Head | None) -> None:
        """Upgrade at once whatever is asked."""
        self.told.append(head)
        if head is not None and not isinstance(head, Refusal):
            limits = MessageLimits(message_bytes=100, fragments=10)
            reader = MessageReader(expect_mask=True, limits=limits)
            connection.upgrade(b"yes\r\n\r\n", head.path, reader)

    def on_unit(self, connection: Connection, unit: Unit) -> None:
        """Answer closes, keep the rest."""
        self.told.append(unit)
        if isinstance(unit, Closing):
            connection.answer_close(unit.code)
        elif isinstance(unit, Violation):
            connection.fail(unit.code, unit.reason)

    def on_slow(self, connection: Connection) -> None:
        """Hang up."""
        self.told.append("slow")
        connection.close(4108)

    def on_lost(self, connection: Connection, error: Exception | None) -> None:
        """Keep it."""
        self.told.append("lost")


REQUEST = b"GET /ws HTTP/1.1\r\nHost: a\r\n\r\n"


def made(*, timeout: float = 60.0, **how: bool) -> tuple[Connection, Owner, Transport]:
    """Return a connection that has just been accepted."""
    owner, transport = Owner(), Transport(**how)
    connection = Connection(owner, "c-1", handshake_timeout=timeout)
    connection.connection_made(transport)
    return connection, owner, transport


def masked(opcode: int, payload: bytes = b"") -> bytes:
    """Return a frame as a client sends it."""
    return encode_frame(opcode, payload, mask=b"wave")


async def test_connection_reads_a_head_in_pieces_and_frames_behind_it() -> None:
    """A head that is not complete is told as None; bytes behind it are frames."""
    connection, owner, transport = made()
    connection.data_received(REQUEST[:5])
    connection.data_received(REQUEST[5:] + masked(Opcode.PING, b"x"))
    assert owner.told[:2] == ["connected", None]
    assert owner.told[3:] == [Control(Opcode.PING, b"x")]
    assert transport.written == b"yes\r\n\r\n"
    assert repr(connection) == "<Connection c-1 /ws open>"
    assert connection.deadline is None


async def test_connection_drops_what_follows_a_close() -> None:
    """After the close frame nothing is read and nothing is sent."""
    connection, owner, transport = made()
    connection.data_received(REQUEST)
    transport.written = b""
    close = encode_close(1000)
    connection.data_received(masked(Opcode.CLOSE, close) + masked(Opcode.PING))
    connection.data_received(masked(Opcode.PING))
    connection.send(Opcode.TEXT, b"late")
    assert owner.told[2:] == [Closing(1000)]
    assert transport.written == encode_frame(Opcode.CLOSE, close)
    assert transport.log == ["eof"]
    assert repr(connection) == "<Connection c-1 /ws done>"
    connection.connection_lost(None)
    assert owner.told[-1] == "lost"


async def test_connection_waits_for_the_answer_to_its_own_close() -> None:
    """Between our close frame and the answer, everything else is passed over."""
    connection, owner, transport = made()
    connection.data_received(REQUEST)
    connection.close(1001, "bye")
    assert repr(connection) == "<Connection c-1 /ws closing>"
    connection.data_received(masked(Opcode.PING))
    assert transport.log == []
    connection.data_received(masked(Opcode.CLOSE) + masked(Opcode.PING))
    assert transport.log == ["eof"]
    assert len(owner.told) == 2
    connection.disarm()


async def test_connection_is_failed_when_a_rule_is_broken() -> None:
    """A violation is told after what was good before it."""
    connection, owner, transport = made()
    connection.data_received(REQUEST)
    connection.data_received(masked(Opcode.PING) + encode_frame(Opcode.PING))
    good, violation = owner.told[2:]
    assert good == Control(Opcode.PING)
    assert isinstance(violation, Violation)
    assert transport.log == ["eof"]
    connection.disarm()


async def test_connection_reads_no_further_once_its_owner_ended_it() -> None:
    """Units that were read together with the fatal one are dropped."""
    connection, owner, _ = made()
    connection.data_received(REQUEST)
    owner.on_unit = lambda connection, unit: connection.end()  # type: ignore[method-assign]
    connection.data_received(masked(Opcode.PING) + masked(Opcode.PING))
    assert connection.is_done
    connection.disarm()


async def test_connection_lets_a_peer_go_that_is_gone_already() -> None:
    """Where half an end is too late, the rest is ended too."""
    connection, _, transport = made(gone=True)
    connection.answer(b"HTTP/1.1 200 OK\r\n\r\n")
    assert transport.log == ["abort"]
    connection.disarm()


async def test_connection_ends_tls_at_once_after_a_closing_handshake() -> None:
    """TLS has no half-closed connections: the whole ends."""
    connection, _, transport = made(tls=True)
    connection.data_received(REQUEST + masked(Opcode.CLOSE))
    assert transport.log == ["close"]


async def test_connection_drops_what_comes_before_it_ends_tls_in_failure() -> None:
    """After a violation over TLS the end comes a moment later."""
    connection, _, transport = made(tls=True)
    connection.data_received(REQUEST + encode_frame(Opcode.PING))
    assert transport.log == []
    assert connection.deadline is not None
    connection.data_received(b"whatever is under way")
    connection.disarm()
    connection.end()
    assert transport.log == ["close"]


async def test_connection_reads_no_more_from_a_peer_that_does_not_read() -> None:
    """Reading stops while the peer's side is full."""
    connection, _, transport = made()
    connection.pause_writing()
    connection.resume_writing()
    assert transport.log == ["pause", "resume"]
    connection.disarm()


async def test_connection_tells_of_a_peer_that_lets_too_much_pile_up() -> None:
    """Beyond the bound of unsent bytes the owner is told, once, and may hang up."""
    connection, owner, transport = made()
    connection.data_received(REQUEST)
    transport.unsent = module.MAX_UNSENT
    connection.send(Opcode.TEXT, b"one")
    assert "slow" not in owner.told
    transport.unsent += 1
    connection.send(Opcode.TEXT, b"two")
    assert owner.told[-1] == "slow"
    before = transport.written
    assert before.endswith(b"\x88\x02\x10\x0c")
    connection.send(Opcode.TEXT, b"three")
    assert transport.written == before
    connection.disarm()


async def test_connection_knows_whether_a_message_is_half_there() -> None:
    """From the first byte of a frame to the last one of its message."""
    connection, _, _ = made()
    assert not connection.is_half
    connection.data_received(REQUEST)
    frame = encode_frame(Opcode.TEXT, b"whole", mask=b"mask")
    connection.data_received(frame[:3])
    assert connection.is_half
    connection.data_received(frame[3:])
    assert not connection.is_half


async def test_connection_tells_a_head_that_took_too_long(start: Any) -> None:
    """When the deadline of the opening handshake passes, the owner may answer 408."""
    connection, owner, _ = made()
    connection.expire()
    assert isinstance(owner.told[-1], Refusal)
    assert owner.told[-1].status == 408
    connection.disarm()


async def test_connection_cuts_a_peer_that_does_not_end_its_side() -> None:
    """After our end the peer has a bounded time for its own."""
    connection, _, transport = made()
    connection.data_received(REQUEST + masked(Opcode.CLOSE))
    assert connection.deadline is not None
    connection.expire()
    assert transport.log == ["eof", "abort"]
    connection.disarm()


async def test_peer_over_tls_gets_the_close_frame_of_a_failed_connection(
    start: Any,
    connect: Any,
    certificate: dict[str, Any],
    trusting: ssl.SSLContext,
) -> None:
    """Bytes under way do not cost the peer the reason, over TLS neither."""
    server = await start(SoundServer, tls_port=0, **certificate)
    peer = await connect(server, "/echo", tls=trusting, Sec_WebSocket_Protocol=None)
    peer.send(Opcode.TEXT, b"unmasked", mask=None)
    peer.write(b"x" * 100_000)
    assert await peer.close_code() == 1002
    assert await peer.ended()
