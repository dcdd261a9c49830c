"""One side of a link, with a stream each way that only notes what it is told."""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Any, cast

import pytest

from wavetank.chaos.aio import side as side_module
from wavetank.chaos.aio.side import Side
from wavetank.chaos.aio.stream import Stream
from wavetank.chaos.toxic import How

from .wires import settled


class Noted:
    """A stream that notes."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def receive(self, data: bytes) -> None:
        """Note it."""
        self.told.append(data)

    def finish(self, how: How) -> None:
        """Note it."""
        self.told.append(how)

    def regulate(self) -> None:
        """Note it."""
        self.told.append("regulate")

    def refresh(self) -> None:
        """Note it."""
        self.told.append("refresh")


class Socket:
    """A socket with an error, and bytes that nobody has read."""

    def __init__(self, error: int | Exception = 0, descriptor: int = -1) -> None:
        self.error = error
        self.descriptor = descriptor
        self.options: list[int] = []
        self.looks = 0

    def getsockopt(self, level: int, name: int) -> int:
        """Return the error, or fail."""
        self.looks += 1
        if isinstance(self.error, Exception):
            raise self.error
        return self.error

    def setsockopt(self, level: int, name: int, value: object) -> None:
        """Note it, or fail."""
        if isinstance(self.error, Exception):
            raise self.error
        self.options.append(name)

    def fileno(self) -> int:
        """Return its descriptor."""
        return self.descriptor


class Transport:
    """A transport that notes."""

    def __init__(
        self, tcp: Socket | None = None, *, can_write_eof: bool = True
    ) -> None:
        self.tcp = tcp or Socket()
        self.done: list[str] = []
        self.unsent = 0
        self.closing = False
        self.can = can_write_eof

    def get_extra_info(self, name: str) -> Any:
        """Return the socket."""
        return self.tcp

    def can_write_eof(self) -> bool:
        """Say so."""
        return self.can

    def is_closing(self) -> bool:
        """Say so."""
        return self.closing

    def get_write_buffer_size(self) -> int:
        """Say how much was not sent."""
        return self.unsent

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Note anything else."""
        return lambda: self.done.append(name)


class Owner:
    """A link that notes."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def join(self, side: Side) -> None:
        """Note it."""
        self.told.append("join")

    def lose(self, side: Side) -> None:
        """Note it."""
        self.told.append("lose")


def make(
    transport: Transport | None = None, *, tls: bool = False
) -> tuple[Side, Noted, Transport]:
    """Return a side that is connected, the stream that it feeds, its transport."""
    side = Side(Owner(), tls=tls)
    feeds = Noted()
    side.feeds = cast(Stream, feeds)
    side.takes = cast(Stream, Noted())
    used = transport or Transport()
    side.connection_made(cast(asyncio.Transport, used))
    return side, feeds, used


def test_a_side_hands_bytes_to_its_stream_or_straight_on() -> None:
    """Straight on as long as its stream has said where, and counts them."""
    side, feeds, _ = make()
    straight: list[bytes] = []
    side.data_received(b"12")
    side.straight = straight.append
    side.data_received(b"345")
    side.straight = None
    side.data_received(b"6")
    assert feeds.told == [b"12", b"6"]
    assert straight == [b"345"]
    assert side.passed == 3


def test_a_side_survives_that_the_other_one_has_just_failed() -> None:
    """uvloop raises then, before it tells; from there on the stream is asked."""

    def fail(data: bytes) -> None:
        raise RuntimeError("the handler is closed")

    side, feeds, _ = make()
    side.straight = fail
    side.data_received(b"1")
    side.data_received(b"2")
    assert feeds.told == [b"2"]


@pytest.mark.parametrize(
    ("error", "how"),
    [
        (0, How.FIN),
        (errno.ECONNRESET, How.RST),
        (OSError("no such socket"), How.RST),
        (ValueError("negative file descriptor"), How.RST),
    ],
)
def test_an_end_of_file_is_a_reset_where_the_socket_says_so(
    error: int | Exception, how: How
) -> None:
    """libuv reports a reset behind bytes as an end of file."""
    side, feeds, _ = make(Transport(Socket(error)))
    assert side.eof_received()
    assert feeds.told == [how]


@pytest.mark.anyio
async def test_a_side_looks_for_a_reset_until_it_is_there() -> None:
    """It takes a while to come back; one look at a time is under way."""
    side, feeds, transport = make()
    side.eof_received()
    side.probe()
    side.probe()
    while side._probe is not None:
        await asyncio.sleep(0)
        if feeds.told == [How.FIN] and transport.tcp.looks > 3:
            transport.tcp.error = errno.EPIPE
    assert feeds.told == [How.FIN, How.RST]


@pytest.mark.anyio
async def test_a_side_does_not_look_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who only reads on is left alone, and who is gone is not looked at."""
    monkeypatch.setattr(side_module, "_LAST_LOOK", 0.004)
    side, feeds, transport = make()
    side.eof_received()
    side.probe()
    await settled(lambda: side._probe is None)
    assert (feeds.told, transport.tcp.looks) == ([How.FIN], 5)
    side.probe()
    side.connection_lost(None)
    await asyncio.sleep(0)
    side.probe()
    await asyncio.sleep(0)
    assert transport.tcp.looks == 5


def test_tls_has_no_half_close() -> None:
    """The connection closes with its first end; so does one that ended both ways."""
    side, _, _ = make(tls=True)
    assert not side.eof_received()
    side, _, _ = make()
    side.finish()
    assert not side.eof_received()


def test_a_side_that_is_lost_hands_on_what_the_kernel_still_had() -> None:
    """Loops close a socket whose peer has reset it unread."""
    ours, theirs = socket.socketpair()
    with ours:
        theirs.sendall(b"rest")
        theirs.close()
        side, feeds, _ = make(Transport(Socket(descriptor=ours.fileno())))
        side.connection_lost(ConnectionResetError())
    assert feeds.told == [b"rest", How.RST]
    assert side.is_lost
    assert not side.is_open


@pytest.mark.parametrize("tls", [True, False])
def test_a_side_that_was_closed_by_us_just_ends(*, tls: bool) -> None:
    """There is nothing to be handed on, and it is the orderly end."""
    side, feeds, _ = make(tls=tls)
    side.connection_lost(None)
    assert feeds.told == [How.FIN]
    side, feeds, _ = make(tls=tls)
    side.connection_lost(OSError())
    assert feeds.told == [How.RST]


def test_a_side_that_takes_no_more_has_its_stream_regulated() -> None:
    """And again when it takes more."""
    side, _, _ = make()
    side.pause_writing()
    assert side.is_full
    side.resume_writing()
    assert not side.is_full
    assert cast(Noted, side.takes).told == ["regulate", "regulate"]


def test_a_side_is_held_once_and_not_behind_its_end() -> None:
    """Loops would report a second end of file."""
    side, _, transport = make()
    side.hold(is_paused=True)
    side.hold(is_paused=True)
    side.hold(is_paused=False)
    transport.closing = True
    side.hold(is_paused=True)
    assert transport.done == ["pause_reading", "resume_reading"]
    side.eof_received()
    side.hold(is_paused=False)
    assert side.is_paused
    alone = Side(Owner(), tls=False)
    alone.hold(is_paused=True)
    assert not alone.is_paused


def test_a_side_finishes_once_and_closes_where_both_ways_are_done() -> None:
    """FIN behind what was written; the transport closes where there is no half."""
    side, _, transport = make()
    side.finish()
    side.finish()
    assert transport.done == ["write_eof"]
    side, _, transport = make()
    side.eof_received()
    side.finish()
    assert transport.done == ["close"]
    side, _, transport = make(Transport(can_write_eof=False), tls=True)
    side.finish()
    assert transport.done == ["close"]
    side, _, transport = make()
    side.is_silent = True
    side.finish()
    assert transport.done == []
    Side(Owner(), tls=False).finish()


@pytest.mark.anyio
async def test_a_side_resets_behind_what_was_written_in_this_turn() -> None:
    """A reset in the same turn would swallow it before it left."""
    side, _, transport = make()
    side.reset()
    assert transport.done == ["abort"]
    side, _, transport = make()
    transport.unsent = 3
    assert side.unsent == 3
    side.reset()
    assert transport.done == []
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert transport.done == ["abort"]
    assert transport.tcp.options == [socket.SO_LINGER]


def test_a_side_whose_socket_is_gone_just_ends() -> None:
    """uvloop lets go of a socket before it tells."""
    side, _, transport = make(Transport(Socket(ValueError("negative"))))
    side.reset()
    assert transport.done == ["abort"]
    transport.done.clear()
    side.is_lost = True
    side.reset()
    side.abort()
    assert transport.done == []
    alone = Side(Owner(), tls=False)
    alone.reset()
    alone.abort()
    assert alone.unsent == 0


def test_a_side_is_aborted() -> None:
    """At once, however that looks."""
    side, _, transport = make()
    side.abort()
    assert transport.done == ["abort"]


def test_a_side_shows_how_far_it_has_come() -> None:
    """Its repr has a word for each thing that is not as at the beginning."""
    assert repr(Side(Owner(), tls=False)) == "<Side not connected>"
    side, _, _ = make()
    assert repr(side) == "<Side open>"
    side.eof_received()
    side.pause_writing()
    side.finish()
    assert repr(side) == "<Side ended, finished, full>"
