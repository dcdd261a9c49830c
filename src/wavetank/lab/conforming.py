"""Conforming: plays cases on a target, many at once, each on its own connection.

It refuses to know what a case proves, and to judge; ``conformance`` does both.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from wavetank.dialects import (
    Bare,
    Capability,
    Hub,
    Subscribe,
    Welcome,
)
from wavetank.errors import LocalError, RemoteError
from wavetank.evidence import Verdict
from wavetank.lab.conformance.case import (
    Case,
    End,
    Need,
    Reset,
)
from wavetank.lab.conformance.echoes import Post, Way, reason_to_skip, way_of
from wavetank.lab.conformance.hearing import Transcript
from wavetank.lab.conformance.judge import Judgement, judge
from wavetank.lab.conformance.tracing import Tracing
from wavetank.lab.peers import Peers
from wavetank.lab.playing import Player
from wavetank.net import RudePeer
from wavetank.wire import (
    DeflateParameters,
    Inflater,
    Opcode,
    Response,
    inflater_for,
    parse_elements,
    parse_parameters,
)

__all__ = ["AT_ONCE", "WITHIN", "Conformer", "Result"]

AT_ONCE = 16
"""Cases that are played at once."""

WITHIN = 3.0
"""Seconds that a target has for a reaction."""

_FIRST = 3
"""A first look takes so many times less patience: who answers, answers at once."""

_QUIET = 4
"""Second looks side by side: too few for anybody to be slow because of them."""

_VAIN = 8
"""Second looks that showed the same; then the target is like that, and not slow."""

_MOST_INFLATED = 64 * 1024 * 1024

_LAG = 0.5
"""Seconds that the lab's own loop may stand still; beyond, nothing is sure."""


class Result(NamedTuple):
    """What became of a case.

    Attributes:
        case: The case.
        judgement: None where it was skipped.
        skipped: Why; "" where it was not.
        trace: What was sent and received, line by line, for a FAIL.
    """

    case: Case
    judgement: Judgement | None = None
    skipped: str = ""
    trace: tuple[str, ...] = ()


class _Look(NamedTuple):
    """A result, and whether it is worth a second look."""

    result: Result
    is_doubtful: bool = False


class _Declined(Exception):
    """The target does not agree to what the case needs."""


class Conformer:
    """Plays cases.

    Args:
        peers: Opens connections to the target.
        at_once: Cases that are played at once.
        within: Seconds that the target has for a reaction.
    """

    def __init__(
        self, peers: Peers, *, at_once: int = AT_ONCE, within: float = WITHIN
    ) -> None:
        self._peers = peers
        self._at_once = at_once
        self._within = within
        self._dialect = peers.target.dialect
        # These are only known once the target has answered an offer.
        self._abilities = {Need.DEFLATE, Need.TAKEOVER}
        if not peers.target.address(tls=False).startswith("wss:"):
            self._abilities.add(Need.PLAIN)

    async def run(self, cases: Sequence[Case]) -> list[Result]:
        """Play cases side by side, and return their results in the same order.

        What could not be judged, and what ended in a time-out, is played once more
        with all patience and away from the rush; a target that is silent again and
        again is not slow, and then all are played at once.
        """
        looks = await self._look(cases, self._at_once, self._within / _FIRST)
        results = [look.result for look in looks]
        doubtful = [index for index, look in enumerate(looks) if look.is_doubtful]
        at_once, vain = _QUIET, 0
        while doubtful:
            size = _VAIN if at_once == _QUIET else len(doubtful)
            now, doubtful = doubtful[:size], doubtful[size:]
            again = await self._look(
                [results[index].case for index in now], at_once, self._within
            )
            vain += sum(look.is_doubtful for look in again)
            at_once = self._at_once if vain >= _VAIN else _QUIET
            for index, look in zip(now, again, strict=True):
                # One that shows nothing does not undo what the first one saw.
                if _verdict(results[index]) is not Verdict.FAIL or (
                    _verdict(look.result) is not Verdict.UNKNOWN
                ):
                    results[index] = look.result
        return results

    async def _look(
        self, cases: Sequence[Case], at_once: int, within: float
    ) -> list[_Look]:
        """Play cases side by side, no more than so many at once."""
        room = asyncio.Semaphore(at_once)

        async def play(case: Case) -> _Look:
            async with room:
                return await self._play_one(case, within)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(play(case)) for case in cases]
        return [task.result() for task in tasks]

    async def _play_one(self, case: Case, within: float) -> _Look:
        # A topic for each: nobody else's messages come on it.
        way = way_of(self._dialect, self._peers.topic("conformance"))
        reason = reason_to_skip(case, way, frozenset(self._abilities))
        if reason:
            return _Look(Result(case, skipped=reason))
        transcript, tracing = Transcript(), Tracing()
        lag = _Lag()
        try:
            async with lag:
                await self._play(case, way, transcript, tracing, within=within)
        except _Declined as declined:
            return _Look(Result(case, skipped=str(declined)))
        except (RemoteError, TimeoutError, LocalError, OSError) as error:
            transcript.obstacle = f"the case could not be played: {error}"
        if lag.worst > _LAG:
            transcript.obstacle = f"the lab itself stood still for {lag.worst:.1f} s"
        judgement = judge(case, transcript)
        is_doubtful = judgement.verdict is not Verdict.PASS and (
            bool(transcript.obstacle)
            or (not transcript.ending and not transcript.is_alive)
        )
        is_told = judgement.verdict is Verdict.FAIL
        trace = tracing.lines() if is_told else ()
        return _Look(Result(case, judgement, trace=trace), is_doubtful)

    async def _play(
        self,
        case: Case,
        way: Way,
        transcript: Transcript,
        tracing: Tracing,
        *,
        within: float,
    ) -> None:
        rude = await self._peers.raw()
        try:
            inflater = await self._open(rude, case)
            player = Player(
                case,
                rude,
                transcript,
                tracing,
                way=way,
                inflater=inflater,
                within=within,
            )
            await self._introduce(player, way)
            await player.play()
        finally:
            await rude.close()
        may_fail = any(each.end is End.FAILED for each in case.outcomes)
        is_silent = bool(transcript.ending) and not transcript.has_answer
        if (is_silent and may_fail) or any(
            isinstance(step, Reset) for step in case.steps
        ):
            # It may have failed this connection, or all of them.
            transcript.is_served = await self._is_served()

    async def _open(self, rude: RudePeer, case: Case) -> Inflater | None:
        change = self._peers.handshake()
        if case.extensions:
            change["Sec-WebSocket-Extensions"] = case.extensions
        answer = await rude.open(timeout=self._within, change=change)
        if answer.status != 101:
            words = f"the opening handshake was answered with {answer.status}"
            raise LocalError(words)
        agreed = _agreed(answer)
        if Need.DEFLATE in case.needs and agreed is None:
            raise _Declined("the target declines permessage-deflate as it is offered")
        if agreed is None:
            return None
        if Need.TAKEOVER in case.needs and agreed.client_no_context_takeover:
            raise _Declined("the target agrees only to messages that do not point back")
        return inflater_for(agreed, by_server=False, limit=_MOST_INFLATED)

    async def _introduce(self, player: Player, way: Way) -> None:
        """Log in, wait for the welcome, and subscribe, as the dialect has it."""
        dialect = self._dialect
        for text in dialect.endpoint.preamble:
            await player.say(text)
        token = self._peers.target.token
        if token and not isinstance(dialect, Hub):
            await player.authenticate(dialect, token)
        if Capability.WELCOME in dialect.capabilities and not isinstance(dialect, Bare):
            await player.wait_for(Welcome, dialect)
        if isinstance(way, Post):
            await player.ask(dialect, Subscribe(id=1, topic=way.topic))
        player.ready()

    async def _is_served(self) -> bool:
        """Tell whether a new connection is opened and its ping answered."""
        with suppress(RemoteError, TimeoutError, OSError):
            rude = await self._peers.raw()
            try:
                answer = await rude.open(
                    timeout=self._within, change=self._peers.handshake()
                )
                if answer.status != 101:
                    return False
                await rude.send_frame(Opcode.PING, b"served")
                # One time for all: others may be pushed without end.
                async with asyncio.timeout(self._within):
                    while frame := await rude.read_frame(self._within):
                        if frame.opcode == Opcode.PONG:
                            return True
            finally:
                await rude.close()
        return False

    def __repr__(self) -> str:
        """Show in which dialect it plays, and how long it waits."""
        return f"<Conformer {self._dialect.name} within {self._within:g} s>"


class _Lag:
    """How long the loop stood still at most, while a case was played."""

    def __init__(self) -> None:
        self.worst = 0.0
        self._handle: asyncio.TimerHandle | None = None
        self._due = 0.0

    async def __aenter__(self) -> None:
        """Begin to watch."""
        self._plan()

    async def __aexit__(self, *exc: object) -> None:
        """End; what stood still until now counts."""
        if self._handle is not None:
            self._handle.cancel()
        self._look()

    def _plan(self) -> None:
        loop = asyncio.get_running_loop()
        self._due = loop.time() + 0.1
        self._handle = loop.call_at(self._due, self._go_on)

    def _go_on(self) -> None:
        self._look()
        self._plan()

    def _look(self) -> None:
        late = asyncio.get_running_loop().time() - self._due
        self.worst = max(self.worst, late)


def _verdict(result: Result) -> Verdict:
    return Verdict.SKIP if result.judgement is None else result.judgement.verdict


def _agreed(answer: Response) -> DeflateParameters | None:
    """Return what the target agreed to; None where it is nothing that we know."""
    values = answer.headers.all("Sec-WebSocket-Extensions")
    for element in parse_elements(values) or ():
        if element.name == "permessage-deflate":
            parameters = parse_parameters(element, in_offer=False)
            if isinstance(parameters, DeflateParameters):
                return parameters
    return None
