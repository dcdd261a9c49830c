"""The hub under a mixed schedule of faults: each message is accounted for.

An hour's worth of faults is compressed to ten minutes. ``WAVETANK_SOAK`` says how long
it takes, ``WAVETANK_SOAK_SEED`` repeats one that has failed; CONTRIBUTING.md has both.
"""

import asyncio
import os
import random
import re
import secrets
import shlex
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from wavetank.chaos import Proxy
from wavetank.chaos.schedule import read_schedule
from wavetank.evidence import Do, Schedule, Verdict
from wavetank.kinds import seconds as read_seconds
from wavetank.lab.checkers import history
from wavetank.lab.checkers.delivery import Checker
from wavetank.lab.checkers.delivery_report import DeliveryReport
from wavetank.lab.checkers.promises import EXACTLY_ONCE, Anomaly

from .hub.breaker import FAULTS, Breaker
from .hub.commands import PublisherProcess, SubscriberProcess, until
from .hub.process import HubProcess

pytestmark = pytest.mark.anyio

MakeHub = Callable[..., HubProcess]

RULES = """\
kill stagger 25s for 0s..2s
terminate stagger 40s for 0s..1s
suspend stagger 40s for 0.2s..8s
cut(how=rst) or cut(how=fin) stagger 5s for 0s
half_open(stream=downstream) or half_open(stream=upstream) stagger 25s for 1s..8s
partition stagger 30s for 0.2s..10s
offline stagger 40s for 0.2s..3s
latency(latency=50, jitter=30) stagger 30s for 2s..10s
slow_link(rate=5) stagger 30s for 3s..10s
slow_reader stagger 20s for 2s..12s
freeze stagger 30s for 1s..10s
storm(clients=30) stagger 25s for 1s..5s
burst(times=25) stagger 25s for 1s..4s
crash stagger 30s for 0s..2s
"""
"""What an hour of bad luck brings, in ten minutes."""

FLAGS = (
    *("--ping", "500ms", "--pong", "2s", "--closing", "1s", "--drain", "2s"),
    *("--ring-entries", "200", "--slow-after", "5s", "--slow-bytes", "256KiB"),
    *("--connections-per-ip", "unlimited", "--subscribe-per-s", "unlimited"),
    *("--retention-entries", "unlimited", "--retention-bytes", "unlimited"),
    *("--log-level", "debug"),
)
"""Everything is noticed soon, little is at hand, and nothing is forgotten."""

TOPICS = ("mix.a", "mix.b.c")
READERS = (TOPICS, ("mix.**",), TOPICS, ("mix.**",))
PUBLISHERS = ("mix.a", "mix.b.c", "mix.a")
RATE = 40.0
REST = 5.0
DRAIN_WITHIN = 120.0
STEP = 0.05


class Ended(NamedTuple):
    """What a scene came to."""

    report: DeliveryReport
    breaker: Breaker
    publishers: list[PublisherProcess]
    subscribers: list[SubscriberProcess]
    codes: list[int]
    status: Mapping[str, Any]
    proxy: Mapping[str, int]

    @property
    def complaints(self) -> str:
        """What the processes had to say at the end."""
        every = (*self.publishers, *self.subscribers)
        return "\n".join(f"{one.name}: {one.log.read_text()[-400:]}" for one in every)


class Scene:
    """Publishers and subscribers, each a process, and all that may happen to them.

    Args:
        hub: It runs.
        proxy: Before it.
        folder: Where logs and spools go.
        seed: Of all dice.
    """

    def __init__(self, hub: HubProcess, proxy: Proxy, folder: Path, seed: int) -> None:
        self.checker = Checker(promise=EXACTLY_ONCE)
        self._hub = hub
        self._proxy = proxy
        run = secrets.token_hex(4)
        take = self.checker.take
        self._publishers = [
            PublisherProcess(
                f"p{number}",
                proxy.url,
                topic,
                run=run,
                folder=folder,
                take=take,
                dice=random.Random(f"{seed}/p{number}"),
                rate=RATE,
            )
            for number, topic in enumerate(PUBLISHERS, 1)
        ]
        self._subscribers = [
            SubscriberProcess(
                f"s{number}",
                proxy.url,
                asked,
                covered=TOPICS,
                folder=folder,
                take=take,
            )
            for number, asked in enumerate(READERS, 1)
        ]
        self._breaker = Breaker(
            hub,
            proxy,
            subscribers=self._subscribers,
            publishers=self._publishers,
            take=take,
            dice=random.Random(f"{seed}/whom"),
        )

    async def play(self, schedule: Schedule) -> Ended:
        """Break everything in turn while messages flow; then wait for all of them."""
        async with AsyncExitStack() as stack:
            for one in (*self._subscribers, *self._publishers):
                stack.push_async_callback(one.close)
                await one.start()
            publishing = [
                asyncio.create_task(one.publish()) for one in self._publishers
            ]
            for task in publishing:
                stack.callback(task.cancel)
            await self._breaker.play(schedule)
            for task in publishing:
                task.cancel()
            await asyncio.wait(publishing)
            self._take(history.Healed)
            codes = [await one.finish() for one in self._publishers]
            await self._drain()
            status = await self._hub.status()
        return Ended(
            report=self.checker.judge(),
            breaker=self._breaker,
            publishers=self._publishers,
            subscribers=self._subscribers,
            codes=codes,
            status=status,
            proxy=self._proxy.statistics(),
        )

    async def _drain(self) -> None:
        """Wait until everybody is where the publishers are; judged is who is not."""
        loop = asyncio.get_running_loop()
        tops = {
            topic: max(one.top for one in self._publishers if one.topic == topic)
            for topic in TOPICS
        }
        ends = loop.time() + DRAIN_WITHIN
        while self._behind(tops) and loop.time() < ends:
            await until(loop.time() + STEP)
            for one in self._subscribers:
                one.check()
        self._take(history.Reconnected)
        # Whether more is coming is for nobody to say: whoever is behind has lost.
        self._take(history.Drained)

    def _behind(self, tops: Mapping[str, int]) -> bool:
        return any(
            one.tops[topic] < top
            for one in self._subscribers
            for topic, top in tops.items()
        )

    def _take(self, event: Callable[[float], history.Event]) -> None:
        self.checker.take(event(asyncio.get_running_loop().time()))


def length(fallback: float) -> float:
    """Return how long it takes, in seconds."""
    given = os.environ.get("WAVETANK_SOAK", "")
    return read_seconds(given) if given else fallback


def seed_of_this_run() -> int:
    """Return a seed: another one each time, or the one to repeat."""
    given = os.environ.get("WAVETANK_SOAK_SEED", "")
    return int(given) if given else secrets.randbelow(1_000_000)


async def weather(hub: HubProcess, folder: Path, schedule: Schedule) -> Ended:
    """Play a schedule on a hub that is not started yet."""
    await hub.start()
    async with Proxy(hub.url, seed=schedule.seed) as proxy:
        return await Scene(hub, proxy, folder, schedule.seed).play(schedule)


@pytest.mark.long
async def test_no_message_is_lost_or_repeated_whatever_breaks(
    make_hub: MakeHub,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """Hub, links, readers and publishers fail in turn; each message comes once."""
    seed, seconds = seed_of_this_run(), length(90.0)
    record_property("seed", seed)
    schedule = read_schedule(
        RULES, seed=seed, seconds=seconds, dice=random.Random, kinds=FAULTS, rest=REST
    )
    hub = make_hub(*FLAGS)
    again = f"again: WAVETANK_SOAK_SEED={seed} WAVETANK_SOAK={seconds:g}s"
    try:
        ended = await weather(hub, tmp_path, schedule)
    except BaseException as error:
        error.add_note(again)
        raise
    report = ended.report
    told = f"{again}\n{report!r}\n{ended.breaker!r}\n{ended.complaints}"
    print(f"{again}: {report.statistics()}, {ended.breaker!r}, {ended.proxy}")
    lines = hub.lines()
    codes = Counter(
        line.get("code") for line in lines if line["event"] == "connection_closed"
    )
    print(f"{hub.lives} lives of the hub; connections closed with {dict(codes)}")

    bad = [one for one in report.findings() if one.verdict is not Verdict.PASS]
    assert bad == [], told
    counts = {anomaly: count for anomaly, count in report.counts.items() if count}
    # What a killed publisher had been given may have come: that is no anomaly.
    assert counts.keys() <= {Anomaly.RECOVERED}, told
    assert ended.codes == [0] * len(PUBLISHERS), told
    assert [one.problems for one in ended.publishers] == [[]] * len(PUBLISHERS), told
    assert ended.status["accounting"]["unaccounted"] == 0, told
    assert [line for line in lines if line["level"] == "error"] == [], told
    # It was no fair weather.
    planned = Counter(step.fault.kind for step in schedule.steps if step.do is Do.BEGIN)
    assert ended.breaker.done == planned, told
    assert ended.breaker.cuts > 0, told
    assert hub.lives > 1 or not planned["kill"], told
    assert report.statistics()["delivered"] > seconds * RATE, told


@pytest.mark.long
async def test_the_same_weather_is_too_much_for_a_hub_that_forgets(
    make_hub: MakeHub, tmp_path: Path
) -> None:
    """With its log in memory a killed hub loses messages, and that is seen."""
    schedule = read_schedule(
        "kill every 2s for 0s; cut(how=rst) every 0.7s for 0s",
        seed=1,
        seconds=5.0,
        dice=random.Random,
        kinds=FAULTS,
        rest=1.0,
    )
    ended = await weather(make_hub(*FLAGS, is_durable=False), tmp_path, schedule)

    counts = ended.report.counts
    assert counts[Anomaly.DECLARED] + counts[Anomaly.LOST] > 0, ended.report


def test_the_report_of_a_schedule_shows_when_what_was_broken(
    prove: Callable[..., Any],
) -> None:
    """A lane for each kind of fault, over latency, lag and what is missing."""
    ended = prove("self_healing.connection_recovery", "--seed", "7")

    assert ended.code == 0, ended.printed
    [check] = ended.summary["suites"]["self_healing"]["checks"].values()
    [schedule] = check["faults"]["schedules"]
    assert schedule["seed"] == 7
    page = (ended.folder / "report.html").read_text()
    text = (ended.folder / "test_report.md").read_text()
    for report in (page, text):
        assert report.count("<svg") == 1
        lanes = re.findall(r'class="lane"[^>]*>(\w+): ', report)
        assert sorted(lanes) == ["cut", "half_open", "partition"]
        for label in ("latency", "lag (messages)", "missing (messages)"):
            assert re.search(rf">{re.escape(label)}\s*<", report)


def test_a_schedule_of_one_s_own_is_repeated_by_the_line_in_its_report(
    prove: Callable[..., Any], tmp_path: Path
) -> None:
    """Both runs plan the same, and the second one needs no file any more."""
    (tmp_path / "storm.txt").write_text(
        "cut stagger 400ms for 0s  # by chance\n"
        "latency(latency=20) then partition every 700ms for 200ms..400ms\n"
        "suspend at 1s for 300ms\nswallow(opcode=binary) at 1.5s for 500ms\n"
    )
    check = "fault_tolerance.mixed_schedule"
    given = ("--faults", "@storm.txt", "--test-duration", "3s", "--seed", "11")
    ended = prove(check, *given)
    summary = ended.summary
    [one] = summary["suites"]["fault_tolerance"]["checks"].values()
    [schedule] = one["faults"]["schedules"]
    assert len(one["faults"]["faults"]) * 2 == len(schedule["steps"])
    assert schedule["seconds"] == 3.0
    assert one["verdict"] == "PASS", ended.printed
    # Nobody sends what this rule would swallow.
    [vain] = [note for note in summary["notes"] if "none found anything" in note]
    assert "'swallow(opcode=binary) at 1.5s for 0.5s'" in vain
    [line] = [note for note in summary["notes"] if " again: " in note]
    words = shlex.split(line.partition(" again: ")[2])
    assert words[:2] == ["wavetank", "run"]
    again = prove(*words[2:], output="again").summary["suites"]["fault_tolerance"]
    [repeated] = again["checks"]["mixed_schedule"]["faults"]["schedules"]
    assert repeated == schedule


def test_an_echo_has_no_deliveries_to_account_for(run: Any, echo: str) -> None:
    """The check says why it is skipped; the rules were read all the same."""
    check = "fault_tolerance.mixed_schedule"
    ended = run(check, "--serve", echo, "--faults", "cut at 1s")
    assert ended.verdicts() == {check: "SKIP"}
    assert "the target lacks: broadcast" in ended.printed
    refused = run(check, "--serve", echo, "--faults", "cot at 1s")
    assert refused.code == 2
    assert "did you mean cut?" in refused.printed
