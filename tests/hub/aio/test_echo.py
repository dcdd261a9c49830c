"""The echo: each message comes back as it was sent."""

from wavetank.clock import VirtualClock
from wavetank.hub.aio.echo import Echo
from wavetank.hub.effects import Moment
from wavetank.hub.heartbeat import Heartbeat
from wavetank.wire import FrameReader, Message, Opcode

AT = Moment(0.0, 0.0)


class FakeLink:
    """A connection that remembers what was asked of it."""

    try_write = None

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.calls: list[object] = []

    def write(self, data: bytes) -> None:
        """Remember it."""
        self.writes.append(data)

    def close(self, code: int, reason: str) -> None:
        """Remember it."""
        self.calls.append((code, reason))

    def hold(self) -> None:
        """Remember it."""
        self.calls.append("hold")

    def release(self) -> None:
        """Remember it."""
        self.calls.append("release")


def make() -> tuple[Echo, FakeLink, VirtualClock]:
    """Return an echo that pings at second 10."""
    link, clock = FakeLink(), VirtualClock()
    heartbeat = Heartbeat(interval=20.0, patience=15.0, first_at=10.0)
    return Echo(link, clock, heartbeat), link, clock


def frames(data: bytes) -> list[tuple[int, bytes]]:
    """Return the frames in some bytes."""
    reader = FrameReader(expect_mask=False, max_payload=None)
    return [(frame.opcode, frame.payload) for frame in reader.feed(data)]


def test_echo_sends_text_as_text_and_binary_as_binary() -> None:
    """Several messages of one read come back in one write."""
    echo, link, _ = make()
    echo.receive(Message(Opcode.TEXT, b"hi"), AT)
    echo.receive(Message(Opcode.BINARY, b"\x00"), AT)
    assert link.writes == []
    echo.settle()
    echo.settle()
    (data,) = link.writes
    assert frames(data) == [(Opcode.TEXT, b"hi"), (Opcode.BINARY, b"\x00")]


def test_echo_does_not_gather_without_bound() -> None:
    """Beyond 64 KiB it writes at once."""
    echo, link, _ = make()
    echo.receive(Message(Opcode.BINARY, bytes(70_000)), AT)
    assert len(link.writes) == 1


def test_echo_reads_nothing_while_nothing_can_be_sent_back() -> None:
    """So a peer that does not read costs no memory."""
    echo, link, _ = make()
    echo.paused()
    echo.resumed()
    assert link.calls == ["hold", "release"]
    assert echo.due_at == 20.0


def test_echo_pings_and_ends_without_a_pong() -> None:
    """4110, like the hub."""
    echo, link, clock = make()
    clock.advance(9.0)
    echo.tick()
    assert link.writes == []
    clock.advance(1.0)
    echo.tick()
    assert frames(link.writes[0]) == [(Opcode.PING, b"1")]
    clock.advance(15.0)
    echo.tick()
    assert link.calls == [(4110, "no pong")]


def test_echo_is_content_with_a_pong() -> None:
    """It goes on, and pings again."""
    echo, link, clock = make()
    clock.advance(10.0)
    echo.tick()
    echo.hear_pong(b"1")
    clock.advance(20.0)
    echo.tick()
    assert link.calls == []
    assert frames(link.writes[1]) == [(Opcode.PING, b"2")]


def test_echo_with_a_pong_on_its_way_sends_no_second_ping() -> None:
    """One at a time."""
    link, clock = FakeLink(), VirtualClock()
    heartbeat = Heartbeat(interval=5.0, patience=60.0, first_at=0.0)
    echo = Echo(link, clock, heartbeat)
    echo.tick()
    clock.advance(5.0)
    echo.tick()
    assert len(link.writes) == 1


def test_echo_goes_away_with_1001() -> None:
    """It has nothing to deliver first."""
    echo, link, _ = make()
    echo.receive(Message(Opcode.TEXT, b"hi"), AT)
    echo.drain(reconnect_after=1.0)
    assert link.calls == [(1001, "going away")]
    echo.lost()
    echo.settle()
    assert link.writes == []
    assert echo.waiting_bytes is None
