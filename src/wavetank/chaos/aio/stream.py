"""One direction of a link: bytes of one side, through a chain, to the other side.

It refuses to know what toxics do, and how its sides are opened and closed.

While nothing is asked of it, bytes go straight from one transport to the other, and
in frame mode their borders are followed by the headers alone; see ``is_plain``.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from wavetank.chaos.aio.alarm import Alarm
from wavetank.chaos.aio.straight import straight_way
from wavetank.chaos.chain import Chain, Dice
from wavetank.chaos.framing import Splitter
from wavetank.chaos.room import MOST_CROWDED, Room
from wavetank.chaos.spec import ToxicSpec
from wavetank.chaos.toxic import (
    NEVER,
    Bytes,
    Direction,
    End,
    How,
    Item,
    Open,
    data_of,
    size_of,
)
from wavetank.chaos.tracking import Tracker

if TYPE_CHECKING:
    from wavetank.chaos.aio.wirelog import WireLog
    from wavetank.clock import Clock

__all__ = ["Connection", "Stream", "Surroundings"]

AT_ONCE: Final = 1024
"""Items that go into and come out of a chain before others have their turn."""
PIECE: Final = 16 * 1024
"""Bytes that are split into items at once, for the same reason."""


class Connection(Protocol):
    """What a stream needs of the side at each of its ends.

    Attributes:
        transport: None until it is connected.
        is_full: Whether it takes no more for now.
        is_paused: Whether it is not read from for now.
        is_ended: Whether its other end has sent its last byte.
        straight: Where its bytes go, past the chain; None: to its stream.
        passed: Bytes that went straight.
    """

    transport: asyncio.Transport | None
    is_full: bool
    is_paused: bool
    is_ended: bool
    straight: Callable[[bytes], None] | None
    passed: int

    @property
    def is_open(self) -> bool:
        """Whether it is connected, and nobody is closing it."""
        ...

    @property
    def unsent(self) -> int:
        """Bytes that were written and that the kernel has not taken yet."""
        ...

    def hold(self, *, is_paused: bool) -> None:
        """Read nothing until told otherwise, or go on."""
        ...

    def probe(self) -> None:
        """Find out whether it is still there, though it has ended."""
        ...


class Surroundings(Protocol):
    """What a stream needs of its link."""

    number: int
    clock: "Clock"
    log: "WireLog | None"
    room: Room

    def connect(self) -> None:
        """Connect to the target."""
        ...

    def end(self, stream: "Stream", how: How) -> None:
        """Do what the end of a stream asks for."""
        ...

    def learn(self) -> None:
        """Look at what the splitters have found out about the handshake."""
        ...

    def miss(self, stream: "Stream") -> None:
        """Know that something came out for a side that is gone."""
        ...


class Stream:
    """One direction of a link.

    Args:
        link: Whose it is.
        direction: Which one.
        chain: Its toxics.
        splitter: Finds borders of frames; None in byte mode.

    Attributes:
        source: The side whose bytes go in.
        sink: The side that gets what comes out.
        is_finished: Whether the source has come to its end.
        is_over: Whether the end has come out: nothing comes behind it.
        is_cut: Whether the source was reset behind its orderly end.
    """

    __slots__ = (
        "_alarm",
        "_behind",
        "_entered",
        "_hurries",
        "_is_busy",
        "_is_told",
        "_items",
        "_left",
        "_link",
        "_taken",
        "_tracker",
        "_types",
        "_unsplit",
        "_waiting",
        "chain",
        "direction",
        "is_cut",
        "is_finished",
        "is_over",
        "sink",
        "source",
        "splitter",
    )

    source: Connection
    sink: Connection

    def __init__(
        self,
        link: Surroundings,
        direction: Direction,
        chain: Chain,
        splitter: Splitter | None,
    ) -> None:
        self._link = link
        self.direction = direction
        self.chain = chain
        self.splitter = splitter
        self.is_finished = False
        self.is_over = False
        self.is_cut = False
        self._entered = 0
        self._left = 0
        self._taken = 0  # Bytes of the room of all.
        self._is_told = splitter is None
        self._types: dict[str, str] = {}
        # What has come and has not gone into the chain: bytes, how they end; items.
        self._unsplit: deque[bytes | How] = deque()
        self._items: deque[Item] = deque()
        self._is_busy = False
        self._hurries = False  # The source is gone: nobody waits for the sink.
        self._behind: asyncio.Handle | None = None
        self._waiting: list[Item] | None = []  # None once the sink is there
        self._alarm = Alarm(link.clock, self.wake)
        self._tracker: Tracker | None = None
        if link.log is not None and splitter is not None:
            self._tracker = self._track(link.log)

    def _track(self, log: "WireLog") -> Tracker:
        """Follow each frame through the chain."""
        number, direction = self._link.number, self.direction
        tracker = Tracker(
            lambda note: log.add(number, direction, note),
            self._types.get,
            keep=log.keep,
        )
        self.chain.watch = tracker.watch
        return tracker

    @property
    def number(self) -> int:
        """Of its link."""
        return self._link.number

    @property
    def is_plain(self) -> bool:
        """Whether bytes go straight from one transport to the other."""
        return self.source.straight is not None

    @property
    def received(self) -> int:
        """Bytes that came from the source."""
        return self.source.passed + self._entered

    @property
    def sent(self) -> int:
        """Bytes that were written to the sink."""
        return self.source.passed + self._left

    @property
    def held(self) -> int:
        """Bytes that came and wait for a toxic or for the sink.

        Not those of a frame that is not whole yet: it needs more to come.
        """
        return self.chain.held + sum(map(size_of, self._waiting or ()))

    def __repr__(self) -> str:
        """Show how much has come, gone and stayed, and whether it goes on."""
        state = "over" if self.is_over else "finished" if self.is_finished else "open"
        how = "plain" if self.is_plain else repr(self.chain)
        return (
            f"<Stream {self.direction} {state}, {self.received} bytes in, "
            f"{self.sent} out, {self.held} held, {how}>"
        )

    # What comes in

    def open(self) -> None:
        """Tell the chain that the client has connected."""
        self.take([Open()])

    def receive(self, data: bytes) -> None:
        """Take bytes of the source, where they may not go straight through."""
        if self.is_finished or self.is_over:
            return
        self._entered += len(data)
        if len(data) <= PIECE:
            self._unsplit.append(data)
        else:
            pieces = range(0, len(data), PIECE)
            self._unsplit += (data[at : at + PIECE] for at in pieces)
        self._go_on()
        self.refresh()

    def finish(self, how: How) -> None:
        """Take the end of the source; a reset behind an orderly end is one, too."""
        self._hurries = self._hurries or how is How.RST
        if self.is_finished:
            if how is How.RST:
                self.is_cut = True
                if self.is_over:
                    self._link.end(self, how)
                else:
                    self._go_on()
            return
        self.is_finished = True
        self.source.straight = None
        if not self.is_over:
            self._unsplit.append(how)
            self._go_on()

    def take(self, items: list[Item]) -> None:
        """Send items through the chain, behind those that wait for that."""
        self._items += items
        self._go_on()

    def _go_on(self) -> None:
        """Send what waits through the chain; other links have their turns, too.

        The sink that takes no more stops it: a toxic may make much of little.
        """
        if self._is_busy or self._behind is not None:
            return
        self._is_busy = True
        left = AT_ONCE
        now = self._link.clock.now()
        while left > 0 and not (self._is_blocked or self.is_over) and self._fetch():
            item = self._items.popleft()
            if self._tracker is not None:
                self._tracker.enter(item, now)
            out = self.chain.receive(item, now)
            left -= 1 + len(out)
            self.let_out(out)
        self._is_busy = False
        self.settle()

    def _catch_up(self) -> None:
        self._behind = None
        self._go_on()
        self.refresh()

    def _fetch(self) -> bool:
        """Split what has come, if need be; tell whether there is an item."""
        while self._unsplit and not self._items:
            data = self._unsplit.popleft()
            if isinstance(data, How):
                kept = self.splitter.release() if self.splitter is not None else []
                self._items += [*kept, End(data)]
                break
            self._items += self._split(data)
            if not self._is_told:
                # subtle: now, for what the splitter has kept comes behind these.
                self._link.learn()
        return bool(self._items)

    @property
    def _is_blocked(self) -> bool:
        """Whether the chain gets nothing until the sink takes more."""
        return self.sink.is_full and self.sink.is_open and not self._hurries

    @property
    def is_behind(self) -> bool:
        """Whether something has come that has not gone into the chain."""
        return bool(self._items or self._unsplit)

    def tell(self, *, upgraded: bool) -> None:
        """Hear whether frames are spoken, found out by the other direction."""
        if self._is_told or self.splitter is None:
            return
        self._is_told = True
        self.take(self.splitter.tell(upgraded=upgraded))
        self.refresh()

    def begin_again(self) -> bool:
        """Look for another request; return whether that can be."""
        return self.splitter is not None and self.splitter.begin_again()

    def _split(self, data: bytes) -> list[Item]:
        """Return bytes as what the chain wants to see: frames, or as they came."""
        splitter = self.splitter
        if splitter is None:
            return [Bytes(data)]
        if self.chain.wants_frames or self._tracker is not None:
            items = splitter.feed(data)
            if splitter.held > MOST_CROWDED and self._link.room.is_crowded:
                items += splitter.release()
            return items
        kept = splitter.release() if splitter.held else []
        splitter.skip(data)
        return [*kept, Bytes(data)]

    # Its toxics

    def add(self, spec: ToxicSpec, dice: Dice) -> None:
        """Add a toxic to its chain."""
        self._types[spec.name] = spec.type
        self._changed(self.chain.add(spec, self._link.clock.now(), dice))

    def change(self, spec: ToxicSpec) -> None:
        """Change a toxic of its chain."""
        self._changed(self.chain.change(spec, self._link.clock.now()))

    def remove(self, name: str) -> dict[str, int]:
        """Take a toxic out of its chain; return what it has done."""
        stage = self.chain.stage(name)
        self._changed(self.chain.remove(name, self._link.clock.now()))
        return {} if stage is None else stage.statistics()

    def _changed(self, items: list[Item]) -> None:
        self.let_out(items)
        self.refresh()
        self.settle()

    # What comes out

    def let_out(self, items: list[Item]) -> None:
        """Do what comes out of the chain."""
        for place, item in enumerate(items):
            if self.is_over:
                return
            if isinstance(item, Open):
                self._link.connect()
            elif self._waiting is not None and not _is_urgent(item):
                self._waiting += items[place : place + 1]
            elif isinstance(item, End):
                self._end(item.how)
            else:
                self._write(item)

    def be_joined(self) -> None:
        """Know that the sink is there now, and let out what waited for it."""
        waiting, self._waiting = self._waiting or [], None
        self.let_out(waiting)
        self.refresh()
        self.settle()

    def stop(self) -> None:
        """Let nothing more out; what comes is read, and dropped."""
        self.is_over = True
        self.source.straight = None
        self.source.hold(is_paused=False)
        self._alarm.set(NEVER)
        self._items.clear()
        self._unsplit.clear()
        self._waiting = None
        self.chain.drop(self._link.clock.now())
        self._take_room(0)
        if self._behind is not None:
            self._behind.cancel()
            self._behind = None
        if self._tracker is not None:
            self._tracker.end()

    def _write(self, item: Item) -> None:
        data = data_of(item)
        self._left += len(data)
        if self._tracker is not None:
            self._tracker.leave(item, self._link.clock.now())
        if self.sink.is_open and self.sink.transport is not None:
            self.sink.transport.write(data)
            if self.sink.is_ended:
                self.sink.probe()
        else:
            self._link.miss(self)

    def _end(self, how: How) -> None:
        self.stop()
        self._link.end(self, How.RST if self.is_cut else how)

    # When, and how much

    def wake(self) -> None:
        """Let out what is due now."""
        self.let_out(self.chain.wake(self._link.clock.now()))
        self.refresh()
        self.settle()

    def settle(self) -> None:
        """Set the alarm, and read or stop reading, as the chain is now."""
        if self.is_over:
            return
        self._alarm.set(self.chain.wakes_at)
        self.regulate()

    def regulate(self) -> None:
        """Stop reading where the sink takes no more or too much is held."""
        if self.is_over:
            return
        held, splitter, sink = self.held, self.splitter, self.sink
        apart = splitter.held if splitter is not None else 0
        self._take_room(held + apart + (sink.unsent if sink.is_full else 0))
        has_too_much = self._link.room.is_full(
            held,
            self.chain.flying,
            self.chain.waiting,
            was_full=self.source.is_paused,
        )
        if self.is_behind and not (self._is_blocked or self._is_busy or self._behind):
            self._behind = asyncio.get_running_loop().call_soon(self._catch_up)
        is_blocked = self.sink.is_full or self.is_behind
        self.source.hold(is_paused=is_blocked or has_too_much)

    def _take_room(self, size: int) -> None:
        """Say how much is here."""
        self._link.room.taken += size - self._taken
        self._taken = size

    def refresh(self) -> None:
        """Find out whether bytes may go straight through from now on."""
        splitter, transport = self.splitter, self.sink.transport
        if self._is_plain and splitter is not None and splitter.held:
            self.take(splitter.release())
        # subtle: asked again, for what was kept may have had to wait for the sink.
        if self._is_plain and transport is not None:
            self.source.straight = straight_way(transport, splitter)
        else:
            self.source.straight = None

    @property
    def _is_plain(self) -> bool:
        """Whether nothing is asked of what comes, and nothing is before it."""
        return (
            self._waiting is None
            and self._is_told
            and self.chain.is_empty
            and not self.is_behind
            and self._tracker is None
            and not (self.is_finished or self.is_over)
            and self.sink.is_open
            and not self.sink.is_ended
        )


def _is_urgent(item: Item) -> bool:
    """Tell whether an item does not wait for the sink: there need not be one."""
    return isinstance(item, End) and item.how is not How.FIN
