"""Hosting: gives each client that connects what it comes for, until all is played.

It refuses to know what a case proves, who started the clients, and to judge.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from typing import NamedTuple

from wavetank.evidence import Verdict
from wavetank.lab.conformance.aio.conforming import AT_ONCE, WITHIN
from wavetank.lab.conformance.aio.welcoming import Played, play_case, play_opening, tell
from wavetank.lab.conformance.case import Need
from wavetank.lab.conformance.clients import ECHOES, PROBE, echoes_of
from wavetank.lab.conformance.echoes import Mirror, Nowhere, Way, reason_to_skip
from wavetank.lab.conformance.errands import (
    Count,
    Errand,
    Info,
    Next,
    Numbered,
    Status,
    errand_of,
)
from wavetank.lab.conformance.judge import Judgement
from wavetank.lab.conformance.masks import Masks
from wavetank.lab.conformance.openings import (
    DEFLATE,
    Opening,
    agreement,
    reason_to_leave_out,
)
from wavetank.lab.conformance.requests import Asked, is_about_websockets
from wavetank.lab.conformance.worklist import Row, Worklist
from wavetank.net import ConnectionEnded, Guest
from wavetank.wire import Refusal, Request, encode_refusal

__all__ = ["Hosting", "Meeting"]

_FIRST = 3
"""A first look takes so many times less patience: who answers, answers at once."""

_REQUEST_WITHIN = 5.0
"""Seconds for the head of a request, once a client has connected."""

_MOST_ASKED = 5_000
"""Requests that are kept; later ones are answered all the same."""

_TRIES = 3
"""Connections that a client may fail to open before it is given up."""

_BEHAVIORS = {Verdict.PASS: "OK", Verdict.FAIL: "FAILED"}
"""What drivers for Autobahn read of a verdict; all else is UNIMPLEMENTED."""


class Meeting(NamedTuple):
    """What a client is like, as its first connection shows it.

    Attributes:
        needs: Which needs of cases it fulfils.
        is_driver: Whether it asks for cases by their numbers.
    """

    needs: frozenset[Need]
    is_driver: bool


class Hosting:
    """Plays what is on a worklist.

    Args:
        worklist: What there is to be played.
        done: Told what became of each case, once.
        greet: Told what the client is like, before the first case.
        within: Seconds that a client has for a reaction.

    Attributes:
        met: What the client is like; None before its first connection.
        refusal: Why no case can be played; "" while one can.
        asked: Opening handshakes of all connections.
        masks: Masks of all frames.
        connections: How many have asked for a WebSocket.
        open: How many of them are there now.
        idle_since: When the last one left, or came, by ``time.monotonic``.
        played: How often a case was played to its end, second looks too.
        played_at: When the last one was, likewise.
        news: Set whenever one of these changes.
    """

    def __init__(
        self,
        worklist: Worklist,
        done: Callable[[Played], None],
        greet: Callable[[Meeting], None],
        *,
        within: float = WITHIN,
    ) -> None:
        self.worklist = worklist
        self.met: Meeting | None = None
        self.refusal = ""
        self.asked: list[Asked] = []
        self.masks = Masks()
        self.connections = 0
        self.open = 0
        self.idle_since = self.played_at = time.monotonic()
        self.played = 0
        self.news = asyncio.Event()
        self._done = done
        self._greet = greet
        self._within = within
        self._room = asyncio.Semaphore(AT_ONCE)
        self._door = asyncio.Lock()
        self._changed = asyncio.Condition()
        self._failed = 0
        self._second_looks: set[str] = set()
        self._results: dict[str, Played] = {}

    async def receive(self, guest: Guest) -> None:
        """Give a client what it comes for, from its request to the end."""
        try:
            head = await guest.read_request(_REQUEST_WITHIN)
        except TimeoutError:
            return
        if head is None:
            return
        if isinstance(head, Request) and not is_about_websockets(head):
            # Whether somebody is there, or which icon a page has, is no handshake.
            await self._refuse(guest, Refusal(404, "only WebSockets are here"))
            return
        self.connections += 1
        self.open += 1
        self._tell_news()
        try:
            await self._receive(guest, head)
        finally:
            self.masks.add(guest.masks)
            self.open -= 1
            self._tell_news()

    def _tell_news(self) -> None:
        self.idle_since = time.monotonic()
        self.news.set()

    async def _receive(self, guest: Guest, head: Request | Refusal) -> None:
        if len(self.asked) < _MOST_ASKED:
            is_early = guest.has_unread
            self.asked.append(Asked(head=head, port=guest.port, is_early=is_early))
        if isinstance(head, Refusal) or "Sec-WebSocket-Key" not in head.headers:
            why = head.text if isinstance(head, Refusal) else "it has no key"
            await self._turn_away(guest, f"its request cannot be answered: {why}")
            return
        errand = errand_of(head.target)
        if self.met is None:
            async with self._door:
                if self.met is None:
                    is_over = await self._meet(guest, head, errand)
                    if is_over:
                        return
        await self._run(guest, head, errand)

    # Meeting a client.

    async def _meet(self, guest: Guest, request: Request, errand: Errand) -> bool:
        """Find out what a client is like; tell whether its connection is over."""
        if isinstance(errand, Next):
            heard = await self._probe(guest, request)
            if heard is not None:
                self._note_meeting(request, heard, is_driver=False)
            return True
        # A driver echoes: that is what Autobahn asks of it.
        self._note_meeting(request, ECHOES, is_driver=True)
        return False

    async def _probe(self, guest: Guest, request: Request) -> frozenset[Need] | None:
        """Say one thing of each kind; return what it echoes, None if it opens not."""
        played = await play_case(
            guest, request, PROBE, way=Mirror(), within=self._within
        )
        if not played.heard and played.code is None:
            self._failed += 1
            if self._failed >= _TRIES:
                self.refusal = "it connects, and never opens: no frame of it came"
            return None
        return echoes_of(played.heard)

    def _note_meeting(
        self, request: Request, echoes: frozenset[Need], *, is_driver: bool
    ) -> None:
        """Take note, and leave out what says nothing to such a client."""
        needs = {Need.PLAIN, *echoes}
        # A driver may offer more when it runs a case than when it counts them.
        if is_driver or not isinstance(agreement(DEFLATE, request), str):
            needs |= {Need.DEFLATE, Need.TAKEOVER}
        self.met = Meeting(frozenset(needs), is_driver)
        self._greet(self.met)
        for row in () if is_driver else self.worklist.rows():
            reason = self._reason_to_skip(row, request)
            if reason:
                self.worklist.leave_out(row)
                self._done(Played(row, skipped=reason))

    def _reason_to_skip(self, row: Row, request: Request) -> str:
        assert self.met is not None, "it was met"
        if isinstance(row, Opening):
            return reason_to_leave_out(row, request)
        if row.extensions and Need.DEFLATE in row.needs:
            declined = agreement(row.extensions, request)
            if isinstance(declined, str):
                return declined
        return reason_to_skip(row, Nowhere(), self.met.needs).replace(
            "the target", "the client"
        )

    async def _turn_away(self, guest: Guest, why: str) -> None:
        """Refuse a client that cannot be played with, and go on to the next case."""
        if self.met is None:
            self._failed += 1
            if self._failed >= _TRIES:
                self.refusal = why
        elif row := self.worklist.take():
            await self._end(_unknown(row, why))
        await self._refuse(guest, Refusal(400, why))

    # Playing.

    async def _run(self, guest: Guest, request: Request, errand: Errand) -> None:
        match errand:
            case Next():
                await self._play(guest, request, await self._next())
            case Count():
                count = str(self.worklist.count())
                await tell(guest, request, count, within=self._within)
            case Info() | Status():
                said = json.dumps(self._told(errand))
                await tell(guest, request, said, within=self._within)
            case Numbered(number, name):
                row = self.worklist.take_named(number, name)
                await self._play(guest, request, row)
            case _:
                await tell(guest, request, "", within=self._within)

    async def _next(self) -> Row | None:
        """Return the next case; one that is out may come back for a second look."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: self.worklist.waiting or self.worklist.is_done
            )
            return self.worklist.take()

    def _told(self, errand: Info | Status) -> dict[str, str]:
        """Return what drivers for Autobahn are told of a case."""
        row = self.worklist.named(errand.number, errand.name)
        if row is None:
            return {}
        if isinstance(errand, Info):
            return {"id": row.id, "description": row.title}
        played = self._results.get(row.id)
        if played is None or played.judgement is None:
            return {"behavior": "UNIMPLEMENTED"}
        judgement = played.judgement
        said = _BEHAVIORS.get(judgement.verdict, "UNIMPLEMENTED")
        return {"behavior": "NON-STRICT" if judgement.note else said}

    async def _play(self, guest: Guest, request: Request, row: Row | None) -> None:
        if row is None:
            await self._refuse(guest, Refusal(410, "every case is played"))
            return
        is_second = row.id in self._second_looks
        within = self._within if is_second else self._within / _FIRST
        try:
            async with self._room:
                played = await self._play_one(guest, request, row, within)
        except asyncio.CancelledError:
            self.worklist.put_back(row)
            raise
        except Exception as error:  # noqa: BLE001 - a crashed case is a finding
            why = f"the case crashed: {type(error).__name__}: {error}"
            played = _unknown(row, why)
        await self._end(played)

    async def _play_one(
        self, guest: Guest, request: Request, row: Row, within: float
    ) -> Played:
        if isinstance(row, Opening):
            return await play_opening(guest, request, row, within=within)
        assert self.met is not None, "it was met"
        way: Way = Mirror() if ECHOES & self.met.needs else Nowhere()
        return await play_case(guest, request, row, way=way, within=within)

    async def _end(self, played: Played) -> None:
        """End a case, and let those look who wait for another."""
        self._finish(played)
        async with self._changed:
            self._changed.notify_all()

    def _finish(self, played: Played) -> None:
        """Keep what a case came to, or have a second look at it."""
        row = played.row
        self.played += 1
        self.played_at = time.monotonic()
        before = self._results.get(row.id)
        self._results[row.id] = played
        if played.is_doubtful and self.worklist.again(row):
            self._second_looks.add(row.id)
            return
        if before is not None and _verdict(played) is Verdict.UNKNOWN:
            # One that shows nothing does not undo what the first one saw.
            played = self._results[row.id] = before
        self.worklist.done(row)
        self._done(played)
        for given_up in self.worklist.give_up():
            self._done(self._results[given_up.id])

    async def _refuse(self, guest: Guest, refusal: Refusal) -> None:
        with contextlib.suppress(ConnectionEnded, TimeoutError):
            await guest.write(encode_refusal(refusal))
        await guest.leave()

    def __repr__(self) -> str:
        """Show how many connections there were, and what is left."""
        return f"<Hosting {self.connections} connections, {self.worklist!r}>"


def _unknown(row: Row, why: str) -> Played:
    judgement = Judgement(verdict=Verdict.UNKNOWN, expected="", seen=why)
    return Played(row, judgement, is_doubtful=True)


def _verdict(played: Played) -> Verdict:
    judgement = played.judgement
    return Verdict.SKIP if judgement is None else judgement.verdict
