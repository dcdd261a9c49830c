"""Stalling: connections that stall side by side, watched until they are ended.

It refuses to know what they prove, and to judge; ``conformance`` does both.
"""

import asyncio
import re
import urllib.parse
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import msgspec

from wavetank.errors import LocalError, RemoteError
from wavetank.evidence import Verdict
from wavetank.lab.check import TLS
from wavetank.lab.conformance.aio.bystander import Bystanders, arrive, attend
from wavetank.lab.conformance.aio.conforming import WITHIN, Lag
from wavetank.lab.conformance.echoes import Way, way_of
from wavetank.lab.conformance.judge import Judgement
from wavetank.lab.conformance.patience import (
    NEWCOMERS,
    PATIENCE,
    RESIDENT,
    STALLS,
    Place,
    Seen,
    Service,
    Stall,
    Wish,
    judge_service,
    judge_stall,
    opening_parts,
    reason_to_skip_stall,
)
from wavetank.lab.conformance.tracing import Tracing
from wavetank.lab.peers import Peers
from wavetank.net import RudePeer
from wavetank.wire import Frame, Opcode

__all__ = ["Staller", "Watched"]

_TICKS = 45
"""Drops and pings over the time; whatever drips has more bytes than that."""
_NEWCOMER_EVERY = 5
"""Ticks from one newcomer to the next."""
_LOADED = 3
"""How many times longer others may wait while the target is put to other uses."""
_LAG = 1.0
"""Seconds that the lab's own loop may stand still; beyond, no FAIL is sure."""
_LONG = 3600.0
"""Seconds; whoever reads has a deadline of its own."""
_MOST_OF_A_HEAD = 64

_OBSTACLES = (RemoteError, TimeoutError, LocalError, OSError)
"""Why a connection may not come as far as to stall."""

_find_status = re.compile(rb"HTTP/\d\.\d (\d{3})").match


class Watched(NamedTuple):
    """What became of a row.

    Attributes:
        stall: The row.
        judgement: None where it was skipped.
        skipped: Why; "" where it was not.
        seconds: Until the target began to end the connection, or, of those that
            are served, to the slowest answer; None where there was neither.
        trace: What was sent and received, line by line, for a FAIL.
    """

    stall: Stall
    judgement: Judgement | None = None
    skipped: str = ""
    seconds: float | None = None
    trace: tuple[str, ...] = ()


class Staller:
    """Lets connections stall, and watches them and those beside them.

    Args:
        peers: Opens connections to the target.
        patience: Seconds that a connection is watched at most.
        within: Seconds that others have for an answer.
        on_settled: Called once all of them stall and others are served, or the
            stalled ones were withdrawn because others were not: from then on the
            target may be put to other uses, too.
    """

    def __init__(
        self,
        peers: Peers,
        *,
        patience: float = PATIENCE,
        within: float = WITHIN,
        on_settled: Callable[[], None] = lambda: None,
    ) -> None:
        self._peers = peers
        self._within = within
        self._on_settled = on_settled
        self._tick = patience / _TICKS
        self._stalls = [
            msgspec.structs.replace(
                each,
                within=patience
                if each.within == PATIENCE
                else min(each.within, patience),
            )
            for each in STALLS
        ]
        self._seen = {stall.id: Seen() for stall in STALLS}
        self._tracing = {stall.id: Tracing() for stall in STALLS}
        self._open: list[RudePeer] = []
        self._placed = asyncio.Semaphore(0)
        self._kept: dict[str, tuple[asyncio.Timeout, float]] = {}
        self._lag = Lag()

    async def run(self) -> list[Watched]:
        """Watch all of them, and return what became of each, in their order."""
        others = Bystanders(self._peers, way=self._way, within=self._within)
        try:
            async with self._lag, others:
                if others.are_two:
                    await self._stall_beside(others)
                else:
                    self._give_up(others)
        finally:
            for rude in self._open:
                await rude.close()
        return [
            *(self._judged(stall, others.served_at) for stall in self._stalls),
            self._judged_service(RESIDENT, others.residing),
            self._judged_service(NEWCOMERS, others.coming),
        ]

    def _give_up(self, others: Bystanders) -> None:
        """Leave the target to other uses: whoever stalls would take its only place."""
        why = f"it has no room for a second connection: {others.coming.obstacle}"
        others.residing.obstacle = why
        for seen in self._seen.values():
            seen.obstacle = why

    async def _stall_beside(self, others: Bystanders) -> None:
        """Let them stall until they are ended, and see to the others all the while."""
        stalls = [each for each in self._stalls if not self._reason_to_skip(each)]
        opened = await self._open_all(stalls)
        tasks = {
            stall.id: asyncio.create_task(self._play(stall, opened.get(stall.id)))
            for stall in stalls
            if not self._seen[stall.id].obstacle
        }
        try:
            for _ in tasks:
                await self._placed.acquire()
            # Nothing else is going on yet: who is not served now waits for these.
            is_settled = await others.look(within=self._within)
            if not is_settled:
                await self._withdraw(tasks)
            self._on_settled()
            if is_settled and not await self._wait(others, tasks):
                await self._withdraw(tasks)
            within = self._within * _LOADED
            await others.take_leave(within=within, sure=not is_settled)
        finally:
            await _end(tasks)

    async def _wait(
        self, others: Bystanders, tasks: dict[str, "asyncio.Task[None]"]
    ) -> bool:
        """Wait until all is over; tell whether the others were served until then."""
        kept = {
            tasks[stall.id]
            for stall in self._stalls
            if stall.wish is Wish.KEPT and stall.id in tasks
        }
        pending, ticks = set(tasks.values()), 0
        while pending:
            _, pending = await asyncio.wait(pending, timeout=self._tick)
            if pending <= kept:
                self._shorten()
            ticks += 1
            is_newcomers_turn = ticks % _NEWCOMER_EVERY == 0
            if not await others.look(
                within=self._within * _LOADED, with_newcomer=is_newcomers_turn
            ):
                return False
        return True

    def _shorten(self) -> None:
        """Watch what should stay open no longer than it takes to tell.

        The target has let go of everything else; who outlives the last of these by
        as much again was not taken for one of them.
        """
        longest = max(seen.seconds or 0.0 for seen in self._seen.values())
        for bound, started in self._kept.values():
            least = started + 2 * longest + _NEWCOMER_EVERY * self._tick
            bound.reschedule(min(bound.when() or least, least))
        self._kept.clear()

    async def _withdraw(self, tasks: dict[str, "asyncio.Task[None]"]) -> None:
        """Take away what stalls, so that others are served again."""
        for name in tasks:
            # Nor was this one perhaps, if it has not been ended.
            if self._seen[name].seconds is None:
                self._seen[name].obstacle = "withdrawn, because others were not served"
        await _end(tasks)
        for rude in self._open:
            await rude.close()

    # One of them

    async def _open_all(self, stalls: list[Stall]) -> dict[str, RudePeer]:
        """Open what stalls behind the opening handshake, before anything stalls."""
        later = [stall for stall in stalls if stall.place is Place.OPEN]
        async with asyncio.TaskGroup() as group:
            tasks = {stall.id: group.create_task(self._reach(stall)) for stall in later}
        found = {name: task.result() for name, task in tasks.items()}
        return {name: rude for name, rude in found.items() if rude is not None}

    async def _reach(self, stall: Stall) -> RudePeer | None:
        """Go as far as a row goes before it stalls; None where that failed."""
        try:
            match stall.place:
                case Place.OPENING:
                    rude = await self._peers.raw(within=self._within)
                case Place.TLS:
                    url = _bare(self._peers.target.address(tls=True))
                    rude = await RudePeer.connect(url, timeout=self._within)
                case Place.OPEN:
                    rude = await arrive(self._peers, self._way(), within=self._within)
        except _OBSTACLES as error:
            self._seen[stall.id].obstacle = f"it did not come as far: {error}"
            return None
        self._open.append(rude)
        return rude

    async def _play(self, stall: Stall, rude: RudePeer | None) -> None:
        """Stall, and watch."""
        drip = b""
        try:
            rude = rude or await self._reach(stall)
            if rude is None:
                return
            at_once, drip = self._parts(stall, rude)
            # What the target has ended already is seen by whoever reads.
            with suppress(*_OBSTACLES):
                if at_once and stall.place is Place.OPEN:
                    # An opening handshake may hold secrets, and is not traced.
                    self._tracing[stall.id].sent(at_once)
                if at_once:
                    await rude.write(at_once)
                if stall.half_closes:
                    rude.half_close()
        finally:
            self._placed.release()
        chat = asyncio.create_task(self._chat(stall, rude, drip))
        try:
            await self._watch(stall, rude)
        finally:
            chat.cancel()
            await asyncio.wait({chat})

    def _parts(self, stall: Stall, rude: RudePeer) -> tuple[bytes, bytes]:
        """Return what is sent at once, and byte by byte."""
        if stall.place is Place.OPENING:
            return opening_parts(stall, rude.request(change=self._peers.handshake()))
        return stall.sent, stall.drip

    async def _chat(self, stall: Stall, rude: RudePeer, drip: bytes) -> None:
        """Send what is to come all the while."""
        with suppress(*_OBSTACLES):
            for at in range(len(drip)):
                await asyncio.sleep(self._tick)
                await rude.write(drip[at : at + 1])
            while stall.pings:
                await asyncio.sleep(self._tick)
                await rude.send_frame(Opcode.PING, b"still here")

    async def _watch(self, stall: Stall, rude: RudePeer) -> None:
        """Read until the target ends it, or the time is up."""
        loop, seen = asyncio.get_running_loop(), self._seen[stall.id]
        started = loop.time()
        bound = asyncio.timeout(stall.within)
        try:
            async with bound:
                if stall.wish is Wish.KEPT:
                    self._kept[stall.id] = bound, started
                await self._read(stall, rude, started)
                seen.ending = str(rude.ending or "")
                self._tracing[stall.id].note(f"TCP ended: {seen.ending}")
        except _OBSTACLES as error:
            if not bound.expired():
                seen.obstacle = str(error)
        self._kept.pop(stall.id, None)
        seen.ended_at = loop.time()
        seen.after = seen.ended_at - started

    async def _read(self, stall: Stall, rude: RudePeer, started: float) -> None:
        """Read until TCP ends."""
        time = asyncio.get_running_loop().time
        seen, tracing = self._seen[stall.id], self._tracing[stall.id]

        def hear(frame: Frame) -> None:
            tracing.received(frame)
            seen.pings += frame.opcode == Opcode.PING
            if frame.opcode == Opcode.CLOSE and not seen.has_closed:
                seen.has_closed, seen.closed_after = True, time() - started
                if len(frame.payload) > 1:
                    seen.code = int.from_bytes(frame.payload[:2], "big")

        if stall.place is Place.OPEN:
            await attend(rude, hear, answers=stall.answers)
            return
        head = b""
        while data := await rude.read(_LONG):
            head = (head + data)[:_MOST_OF_A_HEAD]
            if found := _find_status(head):
                seen.status = int(found[1])

    # What they came to

    def _way(self) -> Way:
        """Return how messages come back on one connection."""
        return way_of(self._peers.target.dialect, self._peers.topic("patience"))

    def _reason_to_skip(self, stall: Stall) -> str:
        target = self._peers.target
        return reason_to_skip_stall(
            stall,
            is_tls=target.address(tls=False).startswith("wss:"),
            has_tls=TLS in target.capabilities,
        )

    def _judged(self, stall: Stall, served_at: float) -> Watched:
        """Judge a row, given when somebody was served for the last time."""
        reason = self._reason_to_skip(stall)
        if reason:
            return Watched(stall, skipped=reason)
        seen = self._seen[stall.id]
        if not seen.obstacle and (seen.ended_at > served_at and seen.ending):
            seen.obstacle = "from then on nobody was served: the target may be gone"
        judgement = judge_stall(stall, seen)
        if judgement.verdict is Verdict.FAIL and self._lag.worst >= _LAG:
            seen.obstacle = self._standstill()
            judgement = judge_stall(stall, seen)
        is_failed = judgement.verdict is Verdict.FAIL
        return Watched(
            stall,
            judgement,
            seconds=None if seen.obstacle else seen.seconds,
            trace=self._tracing[stall.id].lines() if is_failed else (),
        )

    def _judged_service(self, stall: Stall, service: Service) -> Watched:
        if service.failure and self._lag.worst >= _LAG:
            service.obstacle = service.obstacle or self._standstill()
        judgement = judge_service(service)
        seconds = service.slowest if service.rounds else None
        return Watched(stall, judgement, seconds=seconds)

    def _standstill(self) -> str:
        return f"the lab itself stood still for {self._lag.worst:.1f} s"

    def __repr__(self) -> str:
        """Show how many it watches, and how many were ended."""
        ended = sum(1 for seen in self._seen.values() if seen.ending)
        return f"<Staller {ended} of {len(self._seen)} ended>"


async def _end(tasks: dict[str, "asyncio.Task[None]"]) -> None:
    """Cancel tasks, wait for them, and raise what went wrong in any."""
    for task in tasks.values():
        task.cancel()
    if tasks:
        await asyncio.wait(tasks.values())
    for task in tasks.values():
        if not task.cancelled():
            task.result()


def _bare(url: str) -> str:
    """Return the URL of a TLS listener as one without TLS."""
    parts = urllib.parse.urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"ws://{host}:{parts.port or 443}/"
