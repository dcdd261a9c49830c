"""Conforming: plays cases on a target, many at once, each on its own connection.

It refuses to know what a case proves, and to judge; ``conformance`` does both.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from wavetank.errors import LocalError, RemoteError
from wavetank.evidence import Verdict
from wavetank.lab.conformance.aio.introducing import introduce
from wavetank.lab.conformance.aio.playing import Player
from wavetank.lab.conformance.case import (
    Case,
    End,
    Need,
    Reset,
)
from wavetank.lab.conformance.echoes import Way, reason_to_skip, way_of
from wavetank.lab.conformance.hearing import Transcript
from wavetank.lab.conformance.judge import Judgement, judge
from wavetank.lab.conformance.tracing import Tracing
from wavetank.lab.peers import Peers
from wavetank.net import ConnectionEnded, NotReached, RudePeer
from wavetank.wire import (
    DeflateParameters,
    Inflater,
    Opcode,
    Response,
    inflater_for,
    parse_elements,
    parse_parameters,
)

__all__ = ["AT_ONCE", "WITHIN", "Conformer", "Lag", "Result"]

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

_ROOM_AFTER = (0.1, 0.2, 0.4)
"""Seconds after which a target that turns somebody away may have room again."""

_CANNOT = 500
"""Statuses from here on say that the target cannot; those below, that it will not."""

_MOST_INFLATED = 64 * 1024 * 1024

_LAG = 0.5
"""Seconds that the lab's own loop may stand still; beyond, nothing is sure."""


class Result(NamedTuple):
    """What became of a case.

    Attributes:
        case: The case.
        judgement: None where it was skipped.
        skipped: Why; "" where it was not.
        took: Seconds.
        code: Close code of the target; None where it sent none.
        trace: What was sent and received, line by line, for a FAIL.
    """

    case: Case
    judgement: Judgement | None = None
    skipped: str = ""
    took: float | None = None
    code: int | None = None
    trace: tuple[str, ...] = ()


class _Look(NamedTuple):
    """A result, and whether it is worth a second look, and another one alone."""

    result: Result
    is_doubtful: bool = False
    is_crowded: bool = False


class _TurnedAway(Exception):
    """The target does not open a connection, be it for want of room.

    Args:
        words: How.
        status: Of its answer, if there is one.
    """

    def __init__(self, words: str, status: int | None = None) -> None:
        super().__init__(words)
        self.status = status


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
        again is not slow, and then all are played at once. What was turned away even
        then is played alone: there are targets with room for a single connection.
        """
        looks = await self._look(cases, self._at_once, self._within / _FIRST)
        results = [look.result for look in looks]
        doubtful = [index for index, look in enumerate(looks) if look.is_doubtful]
        crowded: list[int] = []
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
                if look.is_crowded:
                    crowded.append(index)
        await self._play_alone(crowded, results)
        return results

    async def _play_alone(self, crowded: list[int], results: list[Result]) -> None:
        """Play cases one by one, until the target turns away even these."""
        vain = 0
        while crowded and vain < len(_ROOM_AFTER):
            index = crowded.pop(0)
            look = await self._play_one(results[index].case, self._within)
            if look.is_crowded:
                crowded.append(index)
                await asyncio.sleep(_ROOM_AFTER[vain])
                vain += 1
            else:
                results[index], vain = look.result, 0

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
        lag, is_crowded = Lag(), False
        try:
            async with lag:
                await self._play(case, way, transcript, tracing, within=within)
        except _Declined as declined:
            return _Look(Result(case, skipped=str(declined)))
        except _TurnedAway as away:
            is_crowded = True
            transcript.obstacle = f"the case could not be played: {away}"
        except (RemoteError, TimeoutError, LocalError, OSError) as error:
            transcript.obstacle = f"the case could not be played: {error}"
        if lag.worst > _LAG:
            transcript.obstacle = f"the lab itself stood still for {lag.worst:.1f} s"
        judgement = judge(case, transcript)
        # Others may have taken the place that the next connection needed.
        is_crowded = is_crowded or transcript.is_served is False
        is_doubtful = judgement.verdict is not Verdict.PASS and (
            bool(transcript.obstacle)
            or is_crowded
            or (not transcript.ending and not transcript.is_alive)
        )
        is_told = judgement.verdict is Verdict.FAIL
        trace = tracing.lines() if is_told else ()
        result = Result(
            case, judgement, took=lag.lasted, code=transcript.code, trace=trace
        )
        return _Look(result, is_doubtful, is_crowded)

    async def _play(
        self,
        case: Case,
        way: Way,
        transcript: Transcript,
        tracing: Tracing,
        *,
        within: float,
    ) -> None:
        try:
            rude = await self._peers.raw()
        except (RemoteError, TimeoutError) as error:
            raise _TurnedAway(str(error)) from None
        try:
            try:
                inflater = await self._open(rude, case)
            except TimeoutError as error:
                raise _TurnedAway(str(error)) from None
            player = Player(
                case,
                rude,
                transcript,
                tracing,
                way=way,
                inflater=inflater,
                within=within,
            )
            await introduce(player, way, self._peers.target)
            await player.play()
        finally:
            await rude.close()
        may_fail = any(each.end is End.FAILED for each in case.outcomes)
        is_silent = bool(transcript.ending) and not transcript.has_answer
        has_reset = any(isinstance(step, Reset) for step in case.steps)
        if (is_silent and may_fail) or has_reset:
            # It may have failed this connection, or all of them.
            transcript.is_served = await self._is_served(has_reset=has_reset)

    async def _open(self, rude: RudePeer, case: Case) -> Inflater | None:
        change = self._peers.handshake()
        if case.extensions:
            change["Sec-WebSocket-Extensions"] = case.extensions
        agreed = _agreed(await self._ask(rude, change))
        if Need.DEFLATE in case.needs and agreed is None:
            raise _Declined("the target declines permessage-deflate as it is offered")
        if agreed is None:
            return None
        if Need.TAKEOVER in case.needs and agreed.client_no_context_takeover:
            raise _Declined("the target agrees only to messages that do not point back")
        return inflater_for(agreed, by_server=False, limit=_MOST_INFLATED)

    async def _is_served(self, *, has_reset: bool) -> bool | None:
        """Tell whether a new connection is opened and its ping answered.

        Args:
            has_reset: Whether the one before ended with RST: then an answer that it
                cannot now (RFC 9110 15.6) serves nobody. Else it is a sign of life.

        Returns:
            None where the target will not, which says nothing about it.
        """
        status: int | None = None
        for pause in (0.0, *_ROOM_AFTER):
            # The place of the connection before it may not be free at once.
            await asyncio.sleep(pause)
            try:
                return await self._serve_newcomer()
            except _TurnedAway as away:
                status = away.status
        is_told = status is not None and not (has_reset and status >= _CANNOT)
        return None if is_told else False

    async def _serve_newcomer(self) -> bool:
        with suppress(NotReached, ConnectionEnded, TimeoutError, OSError):
            rude = await self._peers.raw()
            try:
                await self._ask(rude, self._peers.handshake())
                await rude.send_frame(Opcode.PING, b"served")
                # One time for all: others may be pushed without end.
                async with asyncio.timeout(self._within):
                    while frame := await rude.read_frame(self._within):
                        if frame.opcode == Opcode.PONG:
                            return True
            finally:
                await rude.close()
        return False

    async def _ask(self, rude: RudePeer, change: dict[str, str]) -> Response:
        """Shake hands.

        Raises:
            _TurnedAway: If the target does not open the connection.
            TimeoutError: If it does not answer.
        """
        try:
            answer = await rude.open(timeout=self._within, change=change)
        except RemoteError as error:
            raise _TurnedAway(str(error)) from None
        if answer.status != 101:
            words = f"the opening handshake was answered with {answer.status}"
            raise _TurnedAway(words, answer.status)
        return answer

    def __repr__(self) -> str:
        """Show in which dialect it plays, and how long it waits."""
        return f"<Conformer {self._dialect.name} within {self._within:g} s>"


class Lag:
    """How long a case was played, and the loop stood still at most.

    Attributes:
        worst: Seconds that the loop stood still.
        lasted: Seconds from begin to end.
    """

    def __init__(self) -> None:
        self.worst = self.lasted = 0.0
        self._began = 0.0
        self._handle: asyncio.TimerHandle | None = None
        self._due = 0.0

    async def __aenter__(self) -> None:
        """Begin to watch."""
        self._began = asyncio.get_running_loop().time()
        self._plan()

    async def __aexit__(self, *exc: object) -> None:
        """End; what stood still until now counts."""
        if self._handle is not None:
            self._handle.cancel()
        self._look()
        self.lasted = asyncio.get_running_loop().time() - self._began

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
