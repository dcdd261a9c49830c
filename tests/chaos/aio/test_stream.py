"""One direction of a link, between two sides that only note what is done to them."""

import asyncio
import random
from collections.abc import Callable
from typing import cast

import pytest

from wavetank.chaos import room as room_module
from wavetank.chaos.aio.stream import AT_ONCE, PIECE, Stream
from wavetank.chaos.aio.wirelog import WireLog
from wavetank.chaos.chain import Chain
from wavetank.chaos.fates import Fate
from wavetank.chaos.framing import Splitter
from wavetank.chaos.room import MOST_CROWDED, MOST_HELD, Room
from wavetank.chaos.spec import read_spec
from wavetank.chaos.toxic import Direction, How
from wavetank.clock import Clock, SystemClock, VirtualClock

from .wires import REQUEST, RESPONSE, frame, settled

pytestmark = pytest.mark.anyio


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.data += data


class End:
    """A side that notes whether it is read from."""

    def __init__(self) -> None:
        self.written = Transport()
        self.transport = cast(asyncio.Transport, self.written)
        self.is_full = False
        self.is_paused = False
        self.is_open = True
        self.is_ended = False
        self.unsent = 0
        self.probes = 0
        self.straight: Callable[[bytes], None] | None = None
        self.passed = 0

    def hold(self, *, is_paused: bool) -> None:
        """Note it."""
        self.is_paused = is_paused

    def probe(self) -> None:
        """Note it."""
        self.probes += 1


class Both:
    """A link that notes what it is asked for."""

    def __init__(self, *, mode: str = "bytes", clock: Clock | None = None) -> None:
        self.number = 1
        self.clock = clock or VirtualClock()
        self.log: WireLog | None = None
        self.room = Room()
        self.asked: list[object] = []
        self._mode = mode

    def stream(self, direction: Direction = Direction.UPSTREAM) -> Stream:
        """Return a stream between two ends."""
        splitter = Splitter(direction) if self._mode == "frames" else None
        stream = Stream(self, direction, Chain(), splitter)
        stream.source, stream.sink = End(), End()
        return stream

    def connect(self) -> None:
        """Note it."""
        self.asked.append("connect")

    def end(self, stream: Stream, how: How) -> None:
        """Note it."""
        self.asked.append(how)

    def learn(self) -> None:
        """Note it."""
        self.asked.append("learn")

    def miss(self, stream: Stream) -> None:
        """Note it."""
        self.asked.append("miss")


def written(stream: Stream) -> bytes:
    """Return what came out."""
    return cast(End, stream.sink).written.data


def add(stream: Stream, kind: str, **attributes: object) -> None:
    """Put a toxic into a stream."""
    spec = read_spec(
        {
            "type": kind,
            "name": kind,
            "stream": stream.direction,
            "attributes": attributes,
        }
    )
    stream.add(spec, random.Random)


async def test_bytes_wait_for_the_sink_to_be_there() -> None:
    """The opening asks for it; then what waited comes out, and the end behind it."""
    link = Both()
    stream = link.stream()
    stream.open()
    assert link.asked == ["connect"]
    stream.receive(b"early ")
    stream.finish(How.FIN)
    assert (written(stream), stream.held) == (b"", 6)
    stream.be_joined()
    assert (written(stream), stream.held) == (b"early ", 0)
    assert link.asked == ["connect", How.FIN]
    assert stream.is_over


async def test_a_reset_does_not_wait_for_the_sink() -> None:
    """There need not be one to break the connection."""
    link = Both()
    stream = link.stream()
    stream.open()
    stream.finish(How.RST)
    assert link.asked == ["connect", How.RST]


async def test_a_stream_without_toxics_is_plain_until_its_end() -> None:
    """Only then may its source write straight to the sink."""
    stream = Both().stream()
    assert not stream.is_plain
    stream.be_joined()
    assert stream.is_plain
    assert stream.source.straight == cast(End, stream.sink).written.write
    add(stream, "noop")
    assert not stream.is_plain
    stream.receive(b"through the chain")
    assert written(stream) == b"through the chain"
    stream.remove("noop")
    assert stream.is_plain
    stream.finish(How.FIN)
    assert not stream.is_plain
    stream.receive(b"behind the end")
    assert written(stream) == b"through the chain"


async def test_a_stream_stops_reading_while_too_much_is_held() -> None:
    """It goes on when half of it is gone, and not before."""
    stream = Both().stream()
    stream.be_joined()
    add(stream, "stall")
    stream.receive(bytes(MOST_HELD))
    assert not stream.source.is_paused
    stream.receive(b"!")
    assert stream.source.is_paused
    stream.remove("stall")
    assert not stream.source.is_paused
    assert len(written(stream)) == MOST_HELD + 1


async def test_a_delay_is_no_bandwidth(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on its way stops nobody, up to a bound of its own."""
    most = 2 * MOST_HELD
    monkeypatch.setattr(room_module, "MOST_FLYING", most)
    clock = VirtualClock()
    link = Both(clock=clock)
    stream = link.stream()
    stream.be_joined()
    add(stream, "latency", latency=100)
    stream.receive(bytes(most))
    assert not stream.source.is_paused
    assert link.room.taken == most
    stream.receive(b"!")
    assert stream.source.is_paused
    clock.advance(0.1)
    stream.wake()
    assert not stream.source.is_paused
    assert link.room.taken == 0


async def test_what_waits_behind_a_delay_is_held_as_ever() -> None:
    """Bytes that are on their way to a stall are its own."""
    clock = VirtualClock()
    stream = Both(clock=clock).stream()
    stream.be_joined()
    add(stream, "latency", latency=100)
    add(stream, "stall")
    stream.receive(bytes(MOST_HELD + 1))
    assert not stream.source.is_paused
    clock.advance(0.1)
    stream.wake()
    assert stream.source.is_paused


async def test_streams_of_one_proxy_share_what_is_on_its_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where all of them have too much, each keeps its own share, and gives it back."""
    monkeypatch.setattr(room_module, "MOST_TOGETHER", 3 * MOST_HELD)
    link = Both()
    one, other = link.stream(), link.stream()
    for stream in (one, other):
        stream.be_joined()
        add(stream, "latency", latency=100)
        stream.receive(bytes(2 * MOST_HELD))
    assert not one.source.is_paused
    assert other.source.is_paused
    one.stop()
    assert link.room.taken == 2 * MOST_HELD
    other.remove("latency")
    assert not other.source.is_paused
    assert link.room.taken == 0


async def test_many_small_items_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them takes more than its bytes."""
    monkeypatch.setattr(room_module, "MOST_ITEMS", 2)
    stream = Both().stream()
    stream.be_joined()
    add(stream, "latency", latency=100)
    for _ in range(3):
        assert not stream.source.is_paused
        stream.receive(b"1")
    assert stream.source.is_paused


async def test_a_stream_lets_others_have_their_turn() -> None:
    """What a toxic makes much of is handed on little by little, its end behind it."""
    link = Both()
    stream = link.stream()
    stream.be_joined()
    add(stream, "slicer", average_size=1)
    data = bytes(range(256)) * (4 * PIECE // 256)
    stream.receive(data)
    assert len(written(stream)) == PIECE > AT_ONCE
    assert stream.source.is_paused
    stream.receive(b"more")
    stream.finish(How.FIN)
    assert (len(written(stream)), link.asked) == (PIECE, [])
    stream.remove("slicer")
    assert not stream.is_plain
    await settled(lambda: link.asked == [How.FIN])
    assert written(stream) == data + b"more"


async def test_a_stream_makes_no_more_than_its_sink_takes() -> None:
    """However much a toxic makes of little, it waits for a slow reader."""
    stream = Both().stream()
    stream.be_joined()
    add(stream, "noop")
    sink = cast(End, stream.sink)
    sink.is_full = True
    stream.receive(b"12")
    stream.regulate()
    assert (written(stream), stream.source.is_paused) == (b"", True)
    sink.is_full = False
    stream.regulate()
    await settled(lambda: written(stream) == b"12")
    assert not stream.source.is_paused


@pytest.mark.parametrize("ends", [[How.RST], [How.FIN, How.RST]])
async def test_a_reset_does_not_wait_for_a_slow_reader(ends: list[How]) -> None:
    """Who reads nothing would otherwise keep a link for ever whose source is gone."""
    link = Both()
    stream = link.stream()
    stream.be_joined()
    add(stream, "noop")
    cast(End, stream.sink).is_full = True
    stream.receive(b"12")
    for how in ends:
        assert link.asked == []
        stream.finish(how)
    assert (written(stream), link.asked) == (b"12", [How.RST])


async def test_a_stream_that_is_over_forgets_what_it_had_not_come_to() -> None:
    """Nothing of it goes anywhere any more."""
    link = Both()
    stream = link.stream()
    stream.be_joined()
    add(stream, "slicer", average_size=1)
    stream.receive(bytes(2 * PIECE))
    assert stream.is_behind
    stream.stop()
    assert not stream.is_behind
    await asyncio.sleep(0)
    assert len(written(stream)) == PIECE


async def test_a_stream_stops_reading_while_its_sink_is_full() -> None:
    """A slow reader slows its writer, as without a proxy."""
    stream = Both().stream()
    stream.be_joined()
    sink = cast(End, stream.sink)
    sink.is_full = True
    stream.regulate()
    assert stream.source.is_paused
    sink.is_full = False
    stream.regulate()
    assert not stream.source.is_paused


async def test_a_stream_that_is_over_reads_on_and_drops() -> None:
    """Otherwise nobody would notice how its source ends."""
    link = Both()
    stream = link.stream()
    stream.be_joined()
    add(stream, "stall")
    stream.receive(bytes(MOST_HELD + 1))
    stream.stop()
    assert not stream.source.is_paused
    cast(End, stream.sink).is_full = True
    stream.regulate()
    stream.settle()
    stream.receive(b"more")
    stream.finish(How.FIN)
    assert not stream.source.is_paused
    assert (written(stream), link.asked) == (b"", [])


async def test_a_timer_wakes_a_stream_when_something_is_due() -> None:
    """Here it is a latency, by the clock that the link has."""
    stream = Both(clock=SystemClock()).stream()
    stream.be_joined()
    add(stream, "latency", latency=1)
    stream.receive(b"later")
    assert stream.held == 5
    await settled(lambda: written(stream) == b"later")


async def test_a_timer_that_is_early_is_set_again() -> None:
    """Timers of some loops know milliseconds alone."""
    clock = VirtualClock()
    stream = Both(clock=clock).stream()
    stream.be_joined()
    add(stream, "latency", latency=1000)
    stream.receive(b"later")
    stream.wake()
    assert written(stream) == b""
    clock.advance(1)
    stream.wake()
    assert written(stream) == b"later"
    stream.receive(b"never")
    stream.stop()


async def test_a_changed_toxic_moves_the_timer() -> None:
    """What was due much later may be due now."""
    clock = VirtualClock()
    stream = Both(clock=clock).stream()
    stream.be_joined()
    add(stream, "slow_close", delay=3_600_000)
    stream.finish(How.FIN)
    changed = read_spec(
        {
            "type": "slow_close",
            "name": "slow_close",
            "stream": "upstream",
            "attributes": {"delay": 0},
        }
    )
    stream.change(changed)
    assert not stream.is_over
    stream.remove("slow_close")
    assert stream.is_over


async def test_what_comes_out_for_a_side_that_is_gone_is_told() -> None:
    """Its link knows what to do about it."""
    link = Both()
    stream = link.stream()
    stream.be_joined()
    cast(End, stream.sink).is_open = False
    stream.refresh()
    assert not stream.is_plain
    stream.receive(b"for nobody")
    assert link.asked == ["miss"]


async def test_who_has_ended_is_looked_at_when_it_is_written_to() -> None:
    """Nobody tells that it has gone altogether: its bytes do not go straight."""
    stream = Both().stream()
    stream.be_joined()
    assert stream.is_plain
    sink = cast(End, stream.sink)
    sink.is_ended = True
    stream.refresh()
    assert not stream.is_plain
    stream.receive(b"x")
    assert (written(stream), sink.probes) == (b"x", 1)


async def test_a_reset_behind_an_end_makes_it_one() -> None:
    """Whether the end has come out already, or waits for its time."""
    link = Both()
    stream = link.stream()
    stream.be_joined()
    add(stream, "stall")
    stream.finish(How.FIN)
    stream.finish(How.FIN)
    stream.finish(How.RST)
    assert link.asked == []
    stream.remove("stall")
    assert link.asked == [How.RST]
    stream.finish(How.RST)
    assert link.asked == [How.RST, How.RST]


async def test_nothing_comes_out_behind_an_end() -> None:
    """What a toxic keeps when another one has ended the stream stays where it is."""
    link = Both()
    stream = link.stream()
    stream.be_joined()
    add(stream, "limit_data", bytes=2)
    stream.receive(b"123")
    stream.receive(b"4")
    assert written(stream) == b"12"
    assert link.asked == [How.CLOSE]


async def test_frames_are_followed_by_their_headers_once_the_handshake_is_over() -> (
    None
):
    """Then the fast path skips from border to border; before, the head is looked at."""
    link = Both(mode="frames")
    stream = link.stream(Direction.DOWNSTREAM)
    stream.be_joined()
    assert not stream.is_plain
    stream.receive(RESPONSE)
    assert link.asked == ["learn"]
    stream.tell(upgraded=True)
    stream.tell(upgraded=True)
    assert stream.is_plain
    assert stream.source.straight is not None
    stream.source.straight(frame(b"one") + frame(b"two")[:3])
    stream.receive(frame(b"two")[3:])
    assert stream.splitter is not None
    assert stream.splitter.frames == 2
    assert written(stream) == RESPONSE + frame(b"one") + frame(b"two")


async def test_where_no_frames_are_spoken_there_is_nothing_to_skip() -> None:
    """After a refusal bytes go straight through, and what was kept comes before."""
    link = Both(mode="frames")
    stream = link.stream()
    stream.be_joined()
    add(stream, "drop")
    stream.receive(REQUEST + frame(b"a client that does not wait")[:5])
    assert written(stream) == REQUEST
    stream.remove("drop")
    stream.tell(upgraded=False)
    assert stream.source.straight == cast(End, stream.sink).written.write
    assert written(stream) == REQUEST + frame(b"a client that does not wait")[:5]
    Both().stream().tell(upgraded=True)


async def test_a_toxic_of_bytes_gets_bytes_as_they_came() -> None:
    """Half a frame does not wait for the rest, also where frames were asked for."""
    link = Both(mode="frames")
    stream = link.stream(Direction.DOWNSTREAM)
    stream.be_joined()
    add(stream, "drop")
    add(stream, "noop")
    stream.receive(RESPONSE)
    stream.tell(upgraded=True)
    stream.receive(frame(b"one")[:2])
    assert written(stream) == RESPONSE
    stream.remove("drop")
    stream.receive(frame(b"one")[2:])
    assert written(stream) == RESPONSE + frame(b"one")
    stream.receive(frame(b"two")[:2])
    assert written(stream) == RESPONSE + frame(b"one") + frame(b"two")[:2]


async def test_half_a_frame_is_handed_on_before_the_end() -> None:
    """Nothing is swallowed because its other half never came."""
    stream = Both(mode="frames").stream(Direction.DOWNSTREAM)
    stream.be_joined()
    add(stream, "drop")
    stream.receive(RESPONSE + frame(b"one")[:2])
    assert written(stream) == RESPONSE
    stream.finish(How.FIN)
    assert written(stream) == RESPONSE + frame(b"one")[:2]


async def test_frames_that_are_taken_note_of_do_not_go_straight_through() -> None:
    """A wire log sees each of them, and what is inside at the end stays there."""
    link = Both(mode="frames")
    log = link.log = WireLog()
    stream = link.stream(Direction.DOWNSTREAM)
    stream.be_joined()
    stream.receive(RESPONSE)
    stream.tell(upgraded=True)
    assert not stream.is_plain
    stream.receive(frame(b"one"))
    add(stream, "stall")
    stream.receive(frame(b"two"))
    stream.stop()
    assert [each.fate for each in log] == [Fate.PASSED, Fate.HELD]


async def test_a_stream_shows_how_far_it_has_come() -> None:
    """Its repr says what came, went and stayed."""
    stream = Both().stream()
    stream.be_joined()
    assert repr(stream).endswith("upstream open, 0 bytes in, 0 out, 0 held, plain>")
    add(stream, "stall")
    stream.receive(b"12345")
    assert "5 bytes in, 0 out, 5 held, <Chain of [<stall stall" in repr(stream)
    stream.finish(How.FIN)
    assert "upstream finished" in repr(stream)
    stream.stop()
    assert "upstream over" in repr(stream)
    assert stream.number == 1


async def test_what_waits_for_the_sink_is_not_overtaken_on_the_straight_way() -> None:
    """Half a frame is kept, the sink takes no more, and the toxic is taken out.

    The kept half had to wait for the sink, and what came next went by it.
    """
    stream = Both(mode="frames").stream(Direction.DOWNSTREAM)
    stream.be_joined()
    add(stream, "drop")
    stream.receive(RESPONSE)
    stream.tell(upgraded=True)
    stream.receive(frame(b"one")[:2])
    sink = cast(End, stream.sink)
    sink.is_full = True
    stream.remove("drop")
    assert not stream.is_plain
    assert stream.source.is_paused
    stream.receive(frame(b"one")[2:])
    sink.is_full = False
    stream.regulate()
    await settled(lambda: stream.is_plain)
    assert written(stream) == RESPONSE + frame(b"one")


async def test_what_a_sink_does_not_take_fills_the_room_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A delay lets go what is due, also to who never reads: memory is still taken.

    It was forgotten once it was written, and others had their room beside it.
    """
    monkeypatch.setattr(room_module, "MOST_TOGETHER", 3 * MOST_HELD)
    clock = VirtualClock()
    link = Both(clock=clock)
    idle, busy = link.stream(), link.stream()
    for stream in (idle, busy):
        stream.be_joined()
        add(stream, "latency", latency=100)
    idle.receive(bytes(3 * MOST_HELD))
    sink = cast(End, idle.sink)
    clock.advance(0.1)
    sink.is_full, sink.unsent = True, 3 * MOST_HELD
    idle.wake()
    assert idle.held == 0
    assert link.room.taken == 3 * MOST_HELD
    busy.receive(bytes(MOST_CROWDED))
    assert not busy.source.is_paused
    busy.receive(b"!")
    assert busy.source.is_paused
    sink.is_full, sink.unsent = False, 0
    idle.regulate()
    assert link.room.taken == MOST_CROWDED + 1
    busy.receive(b"!")
    assert not busy.source.is_paused


async def test_what_stalls_fills_the_room_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A thousand links in a partition do not keep a megabyte each."""
    monkeypatch.setattr(room_module, "MOST_TOGETHER", 3 * MOST_CROWDED)
    link = Both()
    streams = [link.stream() for _ in range(4)]
    for stream in streams:
        stream.be_joined()
        add(stream, "stall")
        stream.receive(bytes(MOST_CROWDED + 1))
    assert [stream.source.is_paused for stream in streams] == [False, False, True, True]
    for stream in streams:
        stream.remove("stall")
    assert not any(stream.source.is_paused for stream in streams)
    assert link.room.taken == 0


async def test_a_frame_that_finds_no_room_goes_by_in_pieces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever is kept to put a frame together is taken of the room, too."""
    link = Both(mode="frames")
    stream = link.stream(Direction.DOWNSTREAM)
    stream.be_joined()
    add(stream, "drop")
    stream.receive(RESPONSE)
    stream.tell(upgraded=True)
    large = b"\x82\x7f" + (4 * MOST_CROWDED).to_bytes(8, "big")
    large += bytes(4 * MOST_CROWDED)
    first, rest = large[: 2 * MOST_CROWDED], large[2 * MOST_CROWDED :]
    stream.receive(first)
    assert link.room.taken == len(first)
    monkeypatch.setattr(room_module, "MOST_TOGETHER", MOST_CROWDED)
    stream.receive(rest[:10])
    assert written(stream) == RESPONSE + first + rest[:10]
    stream.receive(rest[10:] + frame(b"gone") + frame(b"half")[:2])
    assert written(stream) == RESPONSE + large
    assert link.room.taken == 2


async def test_a_stream_that_is_over_holds_nothing_any_more() -> None:
    """Though its link goes on in the other direction, as behind a FIN of a toxic.

    What was on its way stayed in memory, and was not counted, until the link ended.
    """
    link = Both()
    stream = link.stream()
    stream.be_joined()
    add(stream, "latency", latency=1000)
    stream.receive(bytes(MOST_HELD))
    assert link.room.taken == MOST_HELD
    stream.stop()
    assert (stream.held, link.room.taken) == (0, 0)
    stream.remove("latency")
    assert written(stream) == b""
