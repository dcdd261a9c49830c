"""A run against a client: its processes, the cases, and what goes into the journal.

It refuses to know what a case proves, and how it is played.
"""

import asyncio
import contextlib
import shlex
import time
from collections.abc import Sequence

from wavetank.errors import TargetError
from wavetank.evidence import (
    CheckStarted,
    Finding,
    Noted,
    TargetEnded,
    TargetReady,
    Verdict,
)
from wavetank.lab.conformance.aio.conforming import WITHIN
from wavetank.lab.conformance.aio.crew import Crew, Ended, command_of
from wavetank.lab.conformance.aio.hosting import Hosting, Meeting
from wavetank.lab.conformance.aio.welcoming import Played
from wavetank.lab.conformance.case import Need
from wavetank.lab.conformance.clients import GROUPS, Sum
from wavetank.lab.conformance.findings import finding_of
from wavetank.lab.conformance.judge import Judgement
from wavetank.lab.conformance.masks import judge_masks
from wavetank.lab.conformance.requests import judge_requests
from wavetank.lab.conformance.worklist import Row, Worklist
from wavetank.lab.interruption import INTERRUPTION
from wavetank.lab.journal import Redaction
from wavetank.lab.notebook import Notebook
from wavetank.lab.run import Run
from wavetank.lab.target import environment
from wavetank.net import RudeHost

__all__ = ["SUITE", "ClientRun"]

SUITE = "clients"

SIDE_BY_SIDE = 4
"""Processes at a time, of a client that ends with each connection."""

_STEP = 0.02
"""Seconds between two looks at the processes."""

_QUIET = 5.0
"""Seconds without any connection after which a client is started anew."""

_STARTS = 4
"""Once it has hung, so many times what its first start took is enough, and a bit."""

_BIT = 0.5

_FRUITLESS = 60.0
"""Likewise without any case, though it connects: it asks for them, and plays none."""

_VAIN = 3
"""Starts that bring no case, one after the other, and it is given up."""

_MOST_TRACES = 20
"""Failed cases of a group that are shown frame by frame; others fail alike."""

_GONE = "the client did not come for it any more"


class ClientRun:
    """Tests one client.

    Args:
        run: Where everything is noted.
        template: The client's command, ``{url}`` in it.
        groups: Names of groups of cases, in any order.
        within: Seconds that the client has for a reaction.
    """

    def __init__(
        self, run: Run, template: str, groups: Sequence[str], *, within: float = WITHIN
    ) -> None:
        self._run = run
        self._template = template
        self._groups = {name: GROUPS[name] for name in GROUPS if name in groups}
        self._group_of = {
            row.id: name for name, group in self._groups.items() for row in group.rows
        }
        self._results: dict[str, Played] = {}
        self._notebooks: dict[str, Notebook] = {}
        self._closed: set[str] = set()
        rows = [row for group in self._groups.values() for row in group.rows]
        self._hosting = Hosting(Worklist(rows), self._done, self._greet, within=within)
        self._url = ""
        self._began = self._took = 0.0
        self._quiet = _QUIET
        self._seen = 0
        self._vain = 0
        self._has_died = self._has_hung = False

    def conform(self) -> None:
        """Start the client, play all cases with it, and end it again."""
        INTERRUPTION.is_watched = True
        self._run.announce([f"{SUITE}.{name}" for name in self._groups])
        asyncio.run(self._conform())
        self._run.finish(interrupted=INTERRUPTION.happened)

    async def _conform(self) -> None:
        try:
            with INTERRUPTION.cancels_this_task():
                await self._play()
        except asyncio.CancelledError:
            if not INTERRUPTION.happened:
                raise
            task = asyncio.current_task()
            assert task is not None, "a task is running"
            task.uncancel()
            self._close_all("interrupted", started_only=True)
        except TargetError as error:
            self._note_not_ready(error)

    async def _play(self) -> None:
        crew = Crew(environment(self._run.plan))
        try:
            # The host goes first: an end that we made is no client's fault.
            async with RudeHost(self._hosting.receive) as host:
                crew.command = tuple(command_of(self._template, host.url))
                await self._meet(crew, host.url)
                await self._tend(crew)
        finally:
            await crew.stop()
        self._close_all(_GONE)
        self._note_end(crew)

    # Until the client is there.

    async def _meet(self, crew: Crew, url: str) -> None:
        """Start the client, and wait for its first connection.

        Raises:
            TargetError: If it cannot be started, does not connect in time, or never
                opens a connection.
        """
        self._began = time.monotonic()
        self._url = url
        patience = self._run.plan.ready_timeout
        said = shlex.join(crew.command)
        crew.start()
        while self._hosting.met is None:
            await self._news()
            ended = await crew.reap()
            if self._hosting.refusal:
                raise TargetError(
                    f"`{said}` is no WebSocket client: {self._hosting.refusal}",
                    output=crew.output,
                )
            if ended and not self._hosting.connections:
                raise TargetError(
                    f"`{said}` ended with status {ended[0].status} before it connected",
                    output=crew.output,
                )
            if time.monotonic() - self._began > patience and not self._hosting.open:
                await crew.stop()
                raise TargetError(
                    f"`{said}` did not connect to {url} within {patience:g} s",
                    output=crew.output,
                )
            if not crew.running and self._hosting.met is None:
                crew.start()

    def _greet(self, meeting: Meeting) -> None:
        """Take note of what the client is like."""
        needs = meeting.needs - {Need.PLAIN, Need.TAKEOVER}
        self._took = time.monotonic() - self._began
        self._run.record(
            TargetReady(
                at=self._run.now(),
                url=self._url,
                dialect="driver for Autobahn" if meeting.is_driver else "client",
                capabilities=sorted(need.value for need in needs),
                took=self._took,
            )
        )

    async def _news(self) -> None:
        """Wait for something to happen to a connection, or for a moment."""
        news = self._hosting.news
        news.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STEP):
                await news.wait()

    # While cases are left.

    async def _tend(self, crew: Crew) -> None:
        """Keep the client going until all is played, or it does not come any more."""
        hosting, most = self._hosting, 1
        assert hosting.met is not None, "it was met"
        abreast = 1 if hosting.met.is_driver else SIDE_BY_SIDE
        while not hosting.worklist.is_done:
            for ended in await crew.reap():
                self._note_death(ended)
                most = abreast
                self._count_start()
            if self._is_quiet(crew):
                most = abreast
                await self._wake(crew)
            if self._vain >= _VAIN + most - 1 and not hosting.open:
                return
            while crew.running < min(most, hosting.worklist.waiting):
                crew.start()
                hosting.idle_since = hosting.played_at = time.monotonic()
            await self._news()

    async def _wake(self, crew: Crew) -> None:
        """End a client that hangs; who hangs behind each case is soon known to."""
        if not self._has_hung:
            self._has_hung = True
            self._note("it did not come for the next case, and was started anew")
        await crew.stop()
        self._count_start()
        soon = _STARTS * self._took + _BIT
        self._quiet = _QUIET if self._vain else min(_QUIET, soon)

    def _count_start(self) -> None:
        """Count a start as made in vain, unless a case was played since."""
        if self._hosting.played == self._seen:
            self._vain += 1
        else:
            self._seen, self._vain = self._hosting.played, 0

    def _is_quiet(self, crew: Crew) -> bool:
        """Tell whether processes run, and nobody has come for a case for long."""
        now, hosting = time.monotonic(), self._hosting
        is_idle = not hosting.open and now - hosting.idle_since > self._quiet
        is_fruitless = now - hosting.played_at > _FRUITLESS
        return crew.running > 0 and (is_idle or is_fruitless)

    def _note_death(self, ended: Ended) -> None:
        """Take note of a process that was killed; it may end as it likes otherwise."""
        if ended.status >= 0 or self._has_died:
            return
        self._has_died = True
        self._run.record(
            TargetEnded(
                at=self._run.now(),
                by_lab=False,
                status=ended.status,
                output=list(ended.output),
                reason="the client was killed while cases were played",
            )
        )

    # What goes into the journal.

    def _note(self, words: str) -> None:
        self._run.record(Noted(at=self._run.now(), text=words))

    def _note_end(self, crew: Crew) -> None:
        self._run.record(
            TargetEnded(at=self._run.now(), by_lab=True, output=list(crew.output))
        )

    def _note_not_ready(self, error: TargetError) -> None:
        shown = Redaction(self._run.plan.secrets).text
        output = [shown(line) for line in error.output]
        self._run.not_ready = TargetError(shown(str(error)), output=output)
        self._run.record(
            TargetEnded(
                at=self._run.now(),
                by_lab=True,
                ready=False,
                output=list(error.output),
                reason=str(error),
            )
        )

    def _done(self, played: Played) -> None:
        """Keep what a case came to; close its group with the last one."""
        name = self._group_of[played.row.id]
        self._open(name)
        self._results[played.row.id] = played
        group = self._groups[name]
        is_last = all(row.id in self._results for row in group.rows)
        if is_last and group.sum is Sum.NOTHING:
            self._close(name)

    def _open(self, name: str) -> Notebook:
        if name not in self._notebooks:
            self._notebooks[name] = self._run.notebook(SUITE, name)
            self._run.record(
                CheckStarted(
                    at=self._run.now(),
                    suite=SUITE,
                    check=name,
                    title=self._groups[name].title,
                )
            )
        return self._notebooks[name]

    def _close_all(self, why: str, *, started_only: bool = False) -> None:
        """Close all groups that are not, and say why cases of them are missing."""
        for name in self._groups:
            if name not in self._closed and (
                not started_only or name in self._notebooks
            ):
                self._close(name, why)

    def _close(self, name: str, why: str = "") -> None:
        """Write down what a group came to."""
        self._closed.add(name)
        group, notebook = self._groups[name], self._open(name)
        played = [self._results.get(row.id) or _missing(row, why) for row in group.rows]
        notebook.add(*map(_finding, played))
        if group.sum is Sum.REQUESTS:
            notebook.add(*judge_requests(self._hosting.asked))
        if group.sum is Sum.MASKS:
            notebook.add(*judge_masks(self._hosting.masks))
        for each in [one for one in played if one.trace][:_MOST_TRACES]:
            for line in each.trace:
                notebook.note(f"{each.row.id} {line}")
        judged = sum(1 for one in played if one.judgement)
        notebook.figure("cases", judged, "cases")
        self._run.finish_check(notebook)


def _missing(row: Row, why: str) -> Played:
    return Played(row, Judgement(verdict=Verdict.UNKNOWN, expected="", seen=why))


def _finding(played: Played) -> Finding:
    return finding_of(
        played.row,
        played.judgement,
        skipped=played.skipped,
        took=played.took,
        code=played.code,
    )
