"""A worker: one process that carries out its share of a plan.

It refuses to know the other workers, and what the figures are good for. It is spoken
with in lines of JSON (`load.exchange`): on standard input, and on standard output.
"""

import contextlib
import math
import os
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from websockets.exceptions import InvalidURI
from websockets.uri import parse_uri

from wavetank.dialects import named
from wavetank.errors import LocalError, UsageError, WavetankError
from wavetank.load.engine.churn import Churn, Storm
from wavetank.load.engine.connection import Destination, resolve
from wavetank.load.engine.listeners import Listeners
from wavetank.load.engine.loop import Loop
from wavetank.load.engine.pings import Pings
from wavetank.load.engine.population import Population
from wavetank.load.engine.publications import Publications
from wavetank.load.engine.requests import Requests
from wavetank.load.engine.user import Setting
from wavetank.load.exchange import (
    Address,
    Begin,
    Broken,
    Drain,
    Drained,
    End,
    Ended,
    FromWorker,
    Generator,
    Job,
    Opened,
    Quit,
    Second,
    Tally,
    ToWorker,
    decode_to_worker,
    encode,
)
from wavetank.load.meter import histogram_text, note_reason
from wavetank.load.plan import ScenarioKind

__all__ = ["Worker", "main"]

_KINDS: dict[ScenarioKind, Callable[..., Population]] = {
    ScenarioKind.REQUEST: Requests,
    ScenarioKind.PUBLISH: Publications,
    ScenarioKind.LISTEN: Listeners,
    ScenarioKind.SLOW: Listeners,
    ScenarioKind.PING: Pings,
    ScenarioKind.CHURN: Churn,
    ScenarioKind.STORM: Storm,
}

_LOOK_EVERY = 0.02
"""Seconds between two looks at what has no descriptor and no due time."""

_QUIET = 0.5
"""Seconds without anything new in which what has not come is taken for lost."""

_ANSWERS_WITHIN = 1.0
"""Seconds in which publications are answered; who takes longer, does so in the drain.
"""

_SCHEDULING = Path("/proc/self/schedstat")

_MOST_PROBLEMS = 10
_PIECE = 65_536


class Worker:
    """Carries out one job.

    Args:
        job: What to do.
        say: Hands a message to the coordinator.
        hear: Returns what the coordinator has said since the last time.
        loop: Calls whoever is ready.

    Raises:
        UsageError: If the job cannot be carried out.
    """

    def __init__(
        self,
        job: Job,
        *,
        say: Callable[[FromWorker], None],
        hear: Callable[[], list[ToWorker]],
        loop: Loop,
    ) -> None:
        self._job = job
        self._say = say
        self._hear = hear
        self._loop = loop
        dialect = job.address.dialect
        described = {dialect: job.address.description}
        self._setting = Setting(
            loop=loop,
            job=job,
            destination=_destination(job.address),
            dialect=named(dialect, described if job.address.description else None),
            # Each worker has dice of its own; schedules are dealt out, not diced.
            rng=random.Random(f"{job.plan.seed}/{job.share.index}"),
            start=loop.now,
        )
        opening = -(-job.plan.opening // job.share.count)
        self._populations = [
            _KINDS[scenario.kind](self._setting, scenario, opening=opening)
            for scenario in job.plan.scenarios
        ]
        self._is_told_to_end = False
        self._second = 0
        self._cpu = time.process_time()
        self._waited = waited()
        self._share = self._waiting = 0.0
        self._seen_at = loop.now
        self._drain: Drain | None = None
        self._is_over = False

    def run(self) -> None:
        """Do everything, from the first connection to the last figure."""
        try:
            if self._open() and self._wait_for_begin():
                self._load()
                self._finish()
        finally:
            for population in self._populations:
                population.close()

    # Its phases

    def _open(self) -> bool:
        """Open the connections, and say so; tell whether to go on."""
        deadline = self._loop.now + self._job.plan.connect_within
        for population in self._populations:
            population.open()
        while not all(each.is_open for each in self._populations):
            if self._loop.now > deadline or self._is_told_to_end:
                for population in self._populations:
                    population.give_up_opening("not open in time")
                break
            self._turn(self._loop.now + _LOOK_EVERY)
            if self._is_over:
                return False
        reasons: dict[str, int] = {}
        for population in self._populations:
            for reason, count in population.reasons.items():
                note_reason(reasons, reason, count)
        tallies, _ = self._take()
        self._say(
            Opened(
                users=self._open_count(),
                failed=sum(each.failed for each in self._populations),
                reasons=reasons,
                tallies=tallies,
            )
        )
        return True

    def _wait_for_begin(self) -> bool:
        """Wait for the agreed start; tell whether there is one."""
        while not self._setting.has_start and not self._is_over:
            self._turn(self._loop.now + 1.0)
        self._take()  # what came before the start is nobody's figure
        while self._loop.now < self._setting.start and not self._is_over:
            self._turn(self._setting.start)
        self._cpu, self._waited = time.process_time(), waited()
        self._seen_at = self._loop.now
        self._loop.longest_turn = 0.0
        return not self._is_over

    def _load(self) -> None:
        """Carry out the schedule, a second after the other."""
        loop, populations = self._loop, self._populations
        start = self._setting.start
        while not (self._is_over or self._is_told_to_end):
            now = loop.now
            next_due = self._second_ends
            for population in populations:
                population.due(now)
                next_due = min(next_due, population.wakes_at(now))
            self._turn(min(next_due, now + _LOOK_EVERY))
            while loop.now >= self._second_ends:
                self._report_second()
            if all(each.is_over(loop.now) for each in populations):
                break
        for population in populations:
            population.end()
        at = loop.now - start
        if self._second < at and self._second < self._job.plan.seconds:
            self._report_second(took=at - self._second)  # the end cut it short
        self._wait_for_answers()
        self._say(
            Ended(
                published={
                    each.scenario.name: each.published() for each in populations
                },
                at=at,
                refused={each.scenario.name: each.refused() for each in populations},
            )
        )

    @property
    def _second_ends(self) -> float:
        """When the second ends that is counted now; the plan's last one with it."""
        ends, planned = self._second + 1.0, self._job.plan.seconds
        is_last = self._second < planned < ends
        return self._setting.start + (planned if is_last else ends)

    def _wait_for_answers(self) -> None:
        """Wait a little for what may yet be refused: nobody is owed that."""
        until = self._loop.now + min(_ANSWERS_WITHIN, self._job.plan.drain)
        while self._loop.now < until and not self._is_over:
            if all(each.is_answered for each in self._populations):
                return
            self._turn(min(self._loop.now + _LOOK_EVERY, until))

    def _finish(self) -> None:
        """Wait for what is under way, account for it, and leave when told to."""
        while self._drain is None and not self._is_over:
            self._turn(self._loop.now + _LOOK_EVERY)
        drain = self._drain
        if drain is None:
            return
        is_complete = self._wait_for_the_last(drain)
        is_certain = all(each.is_certain for each in self._populations)
        for population in self._populations:
            name = population.scenario.name
            population.settle(
                drain.published.get(name, {}), refused=drain.refused.get(name, {})
            )
        tallies, lateness = self._take()
        self._say(
            Drained(
                tallies=tallies,
                generator=self._generator(lateness),
                problems=self._problems(),
                complete=is_complete and is_certain,
            )
        )
        while not self._is_over:
            self._turn(self._loop.now + 1.0)

    def _wait_for_the_last(self, drain: Drain) -> bool:
        """Wait until all is there, or nothing comes any more; tell whether it is so."""
        loop = self._loop
        deadline = loop.now + drain.within
        came, quiet, looked_at = -1, 0.0, loop.now
        while not self._is_over:
            waiting = [each for each in self._populations if self._waits(each, drain)]
            if not waiting:
                return True
            progress = sum(each.progress for each in waiting)
            # subtle: only time in which it looked counts. A process that was stopped
            # finds what came meanwhile with its next looks.
            quiet += min(loop.now - looked_at, 2 * _LOOK_EVERY)
            looked_at = loop.now
            if progress != came:
                came, quiet = progress, 0.0
            if loop.now >= deadline:
                return quiet >= min(_QUIET, drain.within / 2) > 0
            # To look is not for nothing, so it is not done with each turn.
            until = min(loop.now + _LOOK_EVERY, deadline)
            while loop.now < until and not self._is_over:
                self._turn(until)
        return False

    def _waits(self, population: Population, drain: Drain) -> bool:
        name = population.scenario.name
        return not population.is_drained(
            drain.published.get(name, {}), refused=drain.refused.get(name, {})
        )

    def _problems(self) -> list[str]:
        """Return what went wrong, a sentence each."""
        told: dict[str, int] = {}
        for population in self._populations:
            name = population.scenario.name
            for reason, count in population.problems.items():
                note_reason(told, f"{name}: {reason}", count)
            if population.is_deserted:
                note_reason(told, f"{name}: nobody was left; it ended early", 1)
        return [
            f"{reason} ({count} times)" if count > 1 else reason
            for reason, count in list(told.items())[:_MOST_PROBLEMS]
        ]

    # Its turns

    def _turn(self, until: float) -> None:
        """Handle what is ready, and what the coordinator says."""
        self._loop.turn(until)
        now = self._loop.now
        for population in self._populations:
            population.look(now)
        for message in self._hear():
            self._heed(message)

    def _heed(self, message: ToWorker) -> None:
        match message:
            case Begin():
                self._setting.start = message.at
                self._setting.has_start = True
            case Drain():
                self._drain = message
            case End():
                self._is_told_to_end = True
            case Quit():
                self._is_over = True
            case Job():
                self._say(Broken(reason="it was given a second job"))
                self._is_over = True

    # Its figures

    def _report_second(self, took: float | None = None) -> None:
        if took is None:
            took = self._second_ends - self._setting.start - self._second
        tallies, lateness = self._take()
        if self._second < math.ceil(self._job.plan.warm_up):
            for tally in tallies:
                tally.response = tally.service = ""
        self._say(
            Second(
                number=self._second,
                tallies=tallies,
                generator=self._generator(lateness),
                took=took,
            )
        )
        self._second += 1

    def _take(self) -> tuple[list[Tally], Counter[int]]:
        tallies, lateness = [], Counter[int]()
        for population in self._populations:
            taken, late = population.take()
            tallies += taken
            lateness.update(late)
        return tallies, lateness

    def _generator(self, lateness: Counter[int]) -> Generator:
        """Return how this process fared since it was asked last."""
        cpu, idle, now = time.process_time(), waited(), self._loop.now
        elapsed = now - self._seen_at
        # Of several seconds that one turn of the loop took, each is as the first.
        if elapsed > 0:
            self._share = min((cpu - self._cpu) / elapsed, 1.0)
            self._waiting = min((idle - self._waited) / elapsed, 1.0 - self._share)
        self._cpu, self._waited, self._seen_at = cpu, idle, now
        lag, self._loop.longest_turn = self._loop.longest_turn, 0.0
        return Generator(
            cpu=self._share,
            waited=self._waiting,
            lag=lag,
            lateness=histogram_text(lateness),
            open=self._open_count(),
            lost_connections=sum(each.lost_connections for each in self._populations),
        )

    def _open_count(self) -> int:
        return sum(each.open_count for each in self._populations)


class _Pipe:
    """Standard input, line by line, without waiting for it.

    Args:
        loop: Says when there is something.
        descriptor: Of the pipe.
    """

    def __init__(self, loop: Loop, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = loop
        self._data = b""
        self._heard: list[ToWorker] = []
        os.set_blocking(descriptor, False)
        loop.add(descriptor, self._read)

    def _read(self, events: int) -> None:
        del events
        with contextlib.suppress(BlockingIOError):
            piece = os.read(self._descriptor, _PIECE)
            if not piece:
                # The coordinator is gone: nobody wants the figures any more.
                raise SystemExit(0)
            *lines, self._data = (self._data + piece).split(b"\n")
            self._heard += map(_read, lines)

    def first(self) -> ToWorker:
        """Wait for the first word, and return it."""
        while not self._heard:
            self._loop.turn(self._loop.now + 1.0)
        return self._heard.pop(0)

    def hear(self) -> list[ToWorker]:
        """Return what was said since the last time."""
        heard, self._heard = self._heard, []
        return heard


def _read(line: bytes) -> ToWorker:
    try:
        return decode_to_worker(line)
    except ValueError as error:
        raise LocalError(f"it was told what it does not know: {error}") from None


def waited() -> float:
    """Return the seconds in which this process could have run, and others did.

    Linux counts them (Documentation/scheduler/sched-stats.rst); elsewhere it is 0.
    """
    try:
        words = _SCHEDULING.read_bytes().split()
        return int(words[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def _destination(address: Address) -> Destination:
    try:
        return resolve(address, parse_uri(address.url))
    except InvalidURI as error:
        raise UsageError(f"{address.url} is no address: {error.msg}") from None


def _raise_descriptor_limit() -> None:
    """Take as many descriptors as this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    """Be a worker until it is told to quit, or standard input ends."""
    _raise_descriptor_limit()
    out = sys.stdout.fileno()

    def say(message: FromWorker) -> None:
        data = encode(message)
        while data:
            data = data[os.write(out, data) :]

    with contextlib.suppress(BrokenPipeError), contextlib.closing(Loop()) as loop:
        try:
            pipe = _Pipe(loop, sys.stdin.fileno())
            job = pipe.first()
            if isinstance(job, Job):
                Worker(job, say=say, hear=pipe.hear, loop=loop).run()
            else:
                say(Broken(reason="its first word was no job"))
        except WavetankError as error:
            say(Broken(reason=" ".join(str(error).splitlines())))


if __name__ == "__main__":
    main()
