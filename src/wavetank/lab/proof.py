"""A proof of delivery: publishers, followers, faults between, and the account of it.

It refuses to know which faults: a check breaks what it likes in the middle.

    async with Proof(chaos, peer, notebook, Crowd(followers=2)) as proof:
        await proof.run(1.0)
        async with chaos.partition():
            await proof.run(3.0)
        report = await proof.finish()
"""

import asyncio
import contextlib
import itertools
import random
import secrets
from collections.abc import Callable
from types import TracebackType
from typing import Self

from wavetank.dialects import Capability
from wavetank.errors import RemoteError
from wavetank.evidence import Change, FigureSampled, RecoveryMeasured, Schedule
from wavetank.lab.checkers import history
from wavetank.lab.checkers.delivery import Checker
from wavetank.lab.checkers.delivery_report import DeliveryReport
from wavetank.lab.checkers.grounds import judge_grounds
from wavetank.lab.checkers.ids import write_id
from wavetank.lab.checkers.missed import Missed
from wavetank.lab.checkers.promises import Promise
from wavetank.lab.crowd import Crowd
from wavetank.lab.faults import Chaos
from wavetank.lab.following import Follower
from wavetank.lab.notebook import Notebook
from wavetank.lab.peers import Peers
from wavetank.lab.playing_faults import play
from wavetank.lab.progress import Progress
from wavetank.lab.promising import promise_of
from wavetank.lab.publishing import Publisher, intended_of, publish_last
from wavetank.lab.recovering import Recoveries
from wavetank.lab.wire_fates import WireFates

__all__ = ["Crowd", "Proof", "promise_of"]

BACK_WITHIN = 20.0
"""Seconds in which everybody has to be back once all is healed."""

DRAIN_WITHIN = 20.0
"""Seconds for what is still to come once everybody is back."""

SILENCE = 3.0
"""Seconds in which nothing comes, after which nothing is expected any more."""

_STEP = 0.05
_SETTLES_IN = {True: 0.2, False: 1.0}
"""Numbered or not -> seconds for what may come behind the last message of a topic."""
_SAMPLE_EVERY = 0.25


class Proof:
    """Everybody who publishes and follows, and one checker that is told all of it.

    Use it as an asynchronous context manager: inside, all are connected, and messages
    flow.

    Args:
        chaos: Breaks things; its proxy is before the followers.
        peers: Opens peers past the proxy.
        notebook: Of the check; None for one of its own.
        crowd: Who takes part.
        promise: What the target promises; None for what its capabilities say.

    Attributes:
        topics: Names of the topics.
        followers: Through the proxy; `follower-1` is the first one's name.
        witnesses: Past the proxy.
        publishers: All of them, those past the proxy first.
        progress: How far everybody is.
        checker: What is told all that happens.
    """

    def __init__(
        self,
        chaos: Chaos,
        peers: Peers,
        notebook: Notebook | None = None,
        crowd: Crowd | None = None,
        *,
        promise: Promise | None = None,
    ) -> None:
        self.chaos = chaos
        log = chaos.log
        self.notebook = notebook or Notebook(
            suite=log.suite, check=log.check, record=chaos.record, now=chaos.now
        )
        self.crowd = crowd = crowd or Crowd()
        self.promise = promise or promise_of(peers.target.capabilities)
        self.topics = [peers.topic(f"t{n}") for n in range(1, crowd.topics + 1)]
        self.checker = Checker(promise=self.promise)
        self.progress = Progress()
        self._missed = Missed(self.promise)
        self._run = secrets.token_hex(4)
        self._peers = peers
        self._now = chaos.now
        self._recoveries = Recoveries()
        self._news = asyncio.Event()
        self._stack = contextlib.AsyncExitStack()
        self._markers = itertools.count(1)
        self.followers = [
            self._follower(f"follower-{n}", chaos.peers)
            for n in range(1, crowd.followers + 1)
        ]
        self.witnesses = [
            self._follower(f"witness-{n}", peers) for n in range(1, crowd.witnesses + 1)
        ]
        self.publishers = [
            *(self._publisher(f"p{n}", peers) for n in range(1, crowd.publishers + 1)),
            *(
                self._publisher(f"h{n}", chaos.peers)
                for n in range(1, crowd.hit_publishers + 1)
            ),
        ]

    # Who takes part

    def _follower(self, name: str, peers: Peers) -> Follower:
        return Follower(
            name,
            self.topics,
            open=peers.open,
            take=self._take,
            now=self._now,
            rng=random.Random(f"{self.chaos.seed}/{name}"),
            patience=self.crowd.patience,
            notify=self._note_change,
            link_of=self.chaos.link_of,
            listen=self._listen,
        )

    def _publisher(self, name: str, peers: Peers) -> Publisher:
        return Publisher(
            name,
            self.topics,
            run=self._run,
            rate=self.crowd.rate,
            open=peers.open,
            take=self._take,
            now=self._now,
            rng=random.Random(f"{self.chaos.seed}/{name}"),
            size=self.crowd.size,
            patience=self.crowd.patience,
            notify=self._note_change,
        )

    @property
    def subscribers(self) -> list[Follower]:
        """All who subscribe: followers and witnesses."""
        return [*self.followers, *self.witnesses]

    @property
    def everybody(self) -> list[Follower | Publisher]:
        """All who take part."""
        return [*self.subscribers, *self.publishers]

    @property
    def away(self) -> list[str]:
        """Names of those who should be connected and are not."""
        done = {one.name for one in self.publishers if one.is_done}
        return [
            one.name
            for one in self.everybody
            if not one.is_connected and one.name not in done
        ]

    @property
    def lag(self) -> int:
        """Messages that the slowest subscriber is behind; 0 without numbers."""
        return max(self._lags(), default=0)

    def statistics(self) -> dict[str, int]:
        """Return what has happened, by name."""
        names = ("sent", "acknowledged", "refused", "unknown", "late")
        told = [one.statistics() for one in self.publishers]
        return {
            **{name: sum(one[name] for one in told) for name in names},
            "delivered": sum(one.delivered for one in self.subscribers),
            "replayed": sum(one.replayed for one in self.subscribers),
        }

    # Its beginning and end

    async def __aenter__(self) -> Self:
        """Connect everybody, and let messages flow.

        Raises:
            TimeoutError: If not everybody can be connected.
        """
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _start(self) -> None:
        watchers = self.chaos.log.watchers
        watchers.append(self._note_fault)
        for name in self.chaos.log.on:
            self._take(history.FaultBegins(self._now(), name))
        self._stack.callback(watchers.remove, self._note_fault)
        for subscriber in self.subscribers:
            await self._stack.enter_async_context(subscriber)
        await self.until(
            lambda: all(one.is_connected for one in self.subscribers),
            "everybody subscribes",
        )
        for publisher in self.publishers:
            await self._stack.enter_async_context(publisher)
        await self.until(lambda: not self.away, "everybody publishes")
        sampler = asyncio.create_task(self._sample_on(), name="sampler")
        self._stack.push_async_callback(_stop, sampler)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop everybody; what is broken is for whoever broke it to heal."""
        await self._stack.aclose()

    # What a check does with it

    async def run(self, seconds: float) -> None:
        """Let messages flow for a time."""
        ends = self._now() + seconds
        while (left := ends - self._now()) > 0:
            await asyncio.sleep(min(left, _STEP))
            self._check()

    async def until(
        self,
        holds: Callable[[], bool],
        what: str = "it happens",
        *,
        within: float | None = None,
    ) -> None:
        """Let messages flow until something holds; it is looked at again at any news.

        Args:
            holds: What.
            what: The same in words.
            within: Seconds until it has to; None for `BACK_WITHIN`.

        Raises:
            TimeoutError: If it does not.
        """
        within = BACK_WITHIN if within is None else within
        ends = self._now() + within
        while not holds():
            if self._now() >= ends:
                raise TimeoutError(f"waited {within:g} s in vain until {what}")
            await self._wait_for_news()

    async def until_back(self, *, within: float = BACK_WITHIN) -> None:
        """Let messages flow until everybody is connected again.

        Raises:
            TimeoutError: If somebody does not come back.
        """
        await self.until(lambda: not self.away, "everybody is back", within=within)

    async def play(self, schedule: Schedule) -> dict[str, list[str]]:
        """Do what a schedule says while messages flow, to its end; as `play`."""
        record, now = self.chaos.record, self._now
        played = await play(self.chaos, schedule, record=record, now=now)
        self._check()
        return played

    async def finish(
        self,
        *,
        back_within: float = BACK_WITHIN,
        drain_within: float = DRAIN_WITHIN,
        silence: float = SILENCE,
    ) -> DeliveryReport:
        """Do the final phase, and judge: `settle`, then `judge`."""
        await self.settle(
            back_within=back_within, drain_within=drain_within, silence=silence
        )
        return self.judge()

    async def settle(
        self,
        *,
        back_within: float = BACK_WITHIN,
        drain_within: float = DRAIN_WITHIN,
        silence: float = SILENCE,
    ) -> None:
        """Do the final phase: heal all, wait for everybody, drain.

        Args:
            back_within: Seconds in which everybody has to be back.
            drain_within: Seconds for what is still to come.
            silence: Seconds in which nothing comes, after which nothing more will.
        """
        await self.chaos.heal_all()
        if not self.chaos.log.on:
            self._take(history.Healed(self._now()))
        with contextlib.suppress(TimeoutError):
            await self.until_back(within=back_within)
        away = self.away
        self.notebook.expect(
            not away,
            "everybody is back once all is healed",
            expected=f"everybody within {back_within:g} s",
            seen="; ".join(map(self._told, away)) or "everybody",
        )
        if not away:
            self._take(history.Reconnected(self._now()))
        finished = await self._drain(self._now() + drain_within, silence)
        self._take(history.Drained(self._now(), finished))

    def judge(self) -> DeliveryReport:
        """Write findings, figures and recoveries down; return the report."""
        self._check()
        fates = self._fates()
        report = self.checker.judge(fates)
        notebook = self.notebook
        told = "sent" if self.promise.is_weak else "acknowledged"
        grounds = judge_grounds(
            {one.name: one.statistics()[told] for one in self.publishers},
            self.progress.heard,
            subscribers=[one.name for one in self.subscribers],
            in_vain=self.chaos.log.in_vain,
        )
        notebook.add(*report.findings(), *grounds)
        for name, count in self.statistics().items():
            notebook.figure(name, count, "messages")
        for where, count in self._missed.counts(fates).items():
            notebook.figure(f"missed: {where}", count, "messages")
        notebook.latencies("from acknowledgement to delivery", report.lags)
        notebook.latencies("from acknowledgement to everybody", report.stable)
        log = self.chaos.log
        for one in self._recoveries.measured(log.spells):
            self.chaos.record(
                RecoveryMeasured(
                    at=self._now(),
                    suite=log.suite,
                    check=log.check,
                    fault=one.fault,
                    detect=one.detect,
                    reconnect=one.reconnect,
                    replayed=one.replayed,
                )
            )
            if one.catch_up is not None:
                notebook.figure(
                    f"time to catch up after {one.fault}", one.catch_up, "s"
                )
        return report

    # The final phase

    async def _drain(self, ends: float, silence: float) -> bool:
        """Publish the last message of each topic, and wait until all have got it.

        Returns:
            False where messages were still coming when the time was over.
        """
        for publisher in self.publishers:
            publisher.stop()
        with contextlib.suppress(TimeoutError):
            await self.until(lambda: not any(one.is_busy for one in self.publishers))
        for topic in self.topics:
            await self._mark(topic, ends)
        names = [one.name for one in self.subscribers]
        # Counted in steps: where the machine stands still, nothing can come.
        quiet, arrived = 0.0, self.progress.arrived
        settles_in = _SETTLES_IN[Capability.SEQUENCE in self._peers.target.capabilities]
        while quiet < (silence if self.progress.awaited(names) else settles_in):
            if self._now() >= ends:
                return False
            await asyncio.sleep(_STEP)
            self._check()
            is_quiet = arrived == self.progress.arrived
            quiet, arrived = quiet + _STEP if is_quiet else 0.0, self.progress.arrived
        return True

    async def _mark(self, topic: str, ends: float) -> None:
        """Publish the last message of a topic; another one where that is not sure."""
        while self._now() < ends:
            id_ = write_id(self._run, f"last.{next(self._markers)}", 1)
            self.progress.mark(topic, id_)
            with contextlib.suppress(RemoteError, TimeoutError):
                async with asyncio.timeout(max(ends - self._now(), _STEP)):
                    if await publish_last(
                        self._peers.open, topic, id_, take=self._take, now=self._now
                    ):
                        return
            await asyncio.sleep(_STEP)

    # What happens

    def _take(self, event: history.Event) -> None:
        self.checker.take(event)
        self._missed.take(event)
        self.progress.take(event)
        self._news.set()
        if isinstance(event, history.Delivered):
            if event.replay:
                self._recoveries.replay(event.at)
            if event.seq is not None:
                self._recoveries.arrive(
                    event.subscriber, event.topic, event.seq, event.at
                )

    def _note_fault(self, event: history.Event) -> None:
        self._take(event)
        if isinstance(event, history.FaultHeals):
            goal = self.progress.goal(one.name for one in self.subscribers)
            self._recoveries.heal(event.name, event.at, goal)

    def _note_change(self, change: Change) -> None:
        self._recoveries.change(change)
        self._news.set()

    def _listen(self, payload: str) -> None:
        intended = intended_of(payload)
        if intended is not None:
            self.progress.note_latency(self._now() - intended)

    def _fates(self) -> WireFates:
        readings = {one.name: one.readings for one in self.followers}
        wire = self.chaos.wire
        return WireFates(wire, readings, is_complete=wire.is_complete)

    async def _sample_on(self) -> None:
        while True:
            await asyncio.sleep(_SAMPLE_EVERY)
            self.sample()

    def sample(self) -> None:
        """Record latency, lag and missing messages as they are now."""
        figures: list[tuple[str, float | None, str]] = [
            ("latency", self.progress.p99(), "s")
        ]
        if Capability.SEQUENCE in self._peers.target.dialect.capabilities:
            lags = self._lags()
            figures.append(("lag", max(lags, default=0), "messages"))
            figures.append(("missing", sum(lags), "messages"))
        log = self.chaos.log
        for name, value, unit in figures:
            if value is not None:
                self.chaos.record(
                    FigureSampled(
                        at=self._now(),
                        suite=log.suite,
                        check=log.check,
                        name=name,
                        value=value,
                        unit=unit,
                    )
                )

    def _lags(self) -> list[int]:
        names = [one.name for one in self.subscribers]
        return self.progress.lags(names, self.topics)

    def _told(self, name: str) -> str:
        """Say why somebody is away."""
        why = next(one.why for one in self.everybody if one.name == name)
        return f"{name} is away: {why or 'it was never connected'}"

    def _check(self) -> None:
        """Raise what has ended somebody, where that was a mistake of ours."""
        for one in self.everybody:
            one.check()

    async def _wait_for_news(self) -> None:
        self._check()
        self._news.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STEP):
                await self._news.wait()

    def __repr__(self) -> str:
        """Show who takes part and how far it is."""
        return (
            f"<Proof {len(self.subscribers)} subscribers, {len(self.publishers)} "
            f"publishers, {self.progress!r}, away: {', '.join(self.away) or '-'}>"
        )


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
