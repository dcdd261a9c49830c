"""Full cycle: a trading bot, the target and a dashboard, through faults.

It refuses to know more of the target than its dialect declares.
"""

import asyncio
import contextlib
import random
import secrets
from collections.abc import Iterable, Mapping

import msgspec

from wavetank.dialects import Capability
from wavetank.errors import RemoteError
from wavetank.evidence import Histogram
from wavetank.lab.check import BROADCAST, PROCESS, check
from wavetank.lab.checkers import history
from wavetank.lab.checkers.delivery import Checker
from wavetank.lab.checkers.delivery_report import DeliveryReport
from wavetank.lab.checkers.trading import (
    TOPICS,
    Heard,
    in_order,
    judge_account,
    judge_going_on,
    judge_log,
    publications,
    way_times,
)
from wavetank.lab.cycle import TradingCycle, environment
from wavetank.lab.faults import Chaos
from wavetank.lab.following import Follower, Place
from wavetank.lab.keeping import Patience
from wavetank.lab.load_plans import DEADLINE, seconds_of
from wavetank.lab.notebook import Notebook
from wavetank.lab.peers import Peers
from wavetank.lab.plan import Plan
from wavetank.lab.promising import promise_of
from wavetank.lab.status import read_page
from wavetank.lab.target import Target
from wavetank.lab.usage import watched
from wavetank.monitor import ProcessTree

NEEDS = {BROADCAST, Capability.ACKNOWLEDGE, Capability.SEQUENCE, Capability.RESUME}
RATE = 100.0
"""Prices a second."""
WARM = 60
"""Messages at the dashboard before anything is broken."""
SEEN_WITHIN, ENDED_WITHIN = 30.0, 60.0
"""Seconds in which processes say what they have to, and come to their end."""
PATIENCE = "10s"
"""How long they wait for what should still come."""
SILENCE = 3.0
"""Seconds in which nothing comes to a witness, after which nothing more will."""
STEADY = Patience(pong=10.0, answer=10.0, base=0.02, cap=0.1)
"""Of witnesses, who are back before much is published to a log that begins anew."""
MIB = 2**20
STEP = 0.05


@check(needs=NEEDS, polite=False, deadline=DEADLINE)
async def test_trading_cycle(
    chaos: Chaos, peer: Peers, plan: Plan, notebook: Notebook
) -> None:
    """The bot goes on while the target is away, and nothing is missing afterwards."""
    target = chaos.target
    reason = _obstacle(target)
    if reason:
        notebook.skip(reason)
        return
    run = secrets.token_hex(4)
    word = peer.topic("cycle")
    prefix = f"{word}."
    heard = Heard(prefix=prefix)
    before = await _metrics(target)
    printed = target.process.printed if target.process else 0
    async with contextlib.AsyncExitStack() as stack:
        usage = await stack.enter_async_context(watched(target))
        witnesses = [
            await stack.enter_async_context(_witness(name, way, heard, (chaos, prefix)))
            for name, way in (("past", peer), ("through", chaos.peers))
        ]
        flags: dict[str, object] = {
            "url": chaos.url,
            "run": run,
            "topic-prefix": word,
            "patience": PATIENCE,
            "retry-delay": "200ms",
        }
        same = {"seed": plan.seed}
        cycle = await stack.enter_async_context(
            TradingCycle(
                flags,
                more={"feed": {**same, "rate": RATE}, "bot": same},
                environ=environment(target.token),
                now=chaos.now,
            )
        )
        await _break(cycle, chaos, seconds_of(plan, 0.4))
        _note_memory(cycle, notebook)
        await _finish(cycle, notebook)
        told = [
            publications(one.lines, run=run, prefix=prefix, offset=cycle.offset)
            for one in (cycle.feed, cycle.bot)
        ]
        finished = await _drain(witnesses, told)
        # Judged before they leave: who has gone is owed nothing more.
        has_forgotten = any(one.refused for one in witnesses)
        report = _account(target, heard, told, finished=finished, forgot=has_forgotten)
    notebook.add(*report.findings())
    account = cycle.dashboard.last("finished")
    notebook.add(*judge_account(account, has_forgotten=has_forgotten))
    notebook.add(judge_going_on("bot", cycle.bot.lines))
    _look_at_logs(cycle, target, printed, notebook)
    notebook.latencies("from acknowledgement to witness", report.lags)
    _note_times(way_times(cycle.bot.lines, cycle.dashboard.lines), notebook)
    if usage.samples:
        notebook.figure("memory of the target", usage.samples[-1].rss / MIB, "MiB")
    _note_metrics(before, await _metrics(target), notebook)


def _obstacle(target: Target) -> str:
    """Return why the demo cannot take part; "" where it can."""
    if target.dialect.name != "hub":
        return f"the demo speaks the hub's protocol, not the dialect {target.dialect}"
    if target.headers or target.origin:
        return "the demo sends no --header and no --origin"
    return ""


def _witness(name: str, peers: Peers, heard: Heard, way: tuple[Chaos, str]) -> Follower:
    """Return a subscriber to all of the cycle, with the lab's own eyes."""
    chaos, prefix = way
    return Follower(
        name,
        [prefix + topic for topic in TOPICS],
        open=peers.open,
        take=heard.take,
        now=chaos.now,
        rng=random.Random(f"{chaos.seed}/{name}"),
        patience=STEADY,
        listen=heard.listen,
    )


# What is broken


async def _break(cycle: TradingCycle, chaos: Chaos, seconds: float) -> None:
    """Cut the link, and take the target away, in the middle of the cycle."""
    dashboard, bot = cycle.dashboard, cycle.bot
    await cycle.until(
        lambda: dashboard.count("received") >= WARM and bot.count("published") > 0,
        "messages come to the dashboard",
        within=SEEN_WITHIN,
    )
    await asyncio.sleep(seconds)
    chaos.cut()
    await _until_back(cycle, 1)
    await asyncio.sleep(seconds)
    if PROCESS in chaos.target.capabilities:
        await chaos.kill()
        await asyncio.sleep(seconds)
        await chaos.restart()
    else:
        async with chaos.offline():
            await asyncio.sleep(seconds)
    await _until_back(cycle, 2)
    async with chaos.partition():
        await asyncio.sleep(seconds)
    await asyncio.sleep(seconds)


async def _until_back(cycle: TradingCycle, times: int) -> None:
    """Wait until bot and dashboard have noticed it, and are back."""
    for role in (cycle.bot, cycle.dashboard):
        await cycle.until(
            lambda role=role: (  # type: ignore[misc] # bound now
                role.count("disconnected") >= times and role.count("connected") > times
            ),
            f"the {role.name} is back",
            within=SEEN_WITHIN,
        )


async def _finish(cycle: TradingCycle, notebook: Notebook) -> None:
    """Let the feed end, and wait for the others, who end after it."""
    cycle.feed.finish()
    codes = {
        role.name: await role.wait(ENDED_WITHIN)
        for role in (cycle.feed, cycle.bot, cycle.dashboard)
    }
    for name in ("feed", "bot"):
        code = codes[name]
        title = f"everything that the {name} has made is acknowledged"
        if code is None:
            notebook.unknown(title, seen=f"it had no end in {ENDED_WITHIN:g} s")
            continue
        notebook.expect(
            code == 0,
            title,
            expected="an end in order, exit code 0",
            seen=f"exit code {code}",
        )


async def _drain(
    witnesses: Iterable[Follower], told: Iterable[Iterable[history.Event]]
) -> bool:
    """Wait until witnesses have all that was published, or nothing comes any more.

    Returns:
        False where messages were still coming when the time was over.
    """
    tops: dict[str, Place] = {}
    topic_of: dict[str, str] = {}
    for event in (event for events in told for event in events):
        if isinstance(event, history.PublishInvoked):
            topic_of[event.id] = event.topic
        elif isinstance(event, history.PublishOk):
            tops[topic_of[event.id]] = Place(event.epoch, event.seq)
    everybody = list(witnesses)
    quiet, came, left = 0.0, -1, ENDED_WITHIN
    while quiet < SILENCE and left > 0:
        if all(_is_there(one, tops) for one in everybody):
            return True
        await asyncio.sleep(STEP)
        left -= STEP
        now = sum(one.delivered for one in everybody)
        quiet, came = quiet + STEP if now == came else 0.0, now
    return left > 0 and all(one.is_connected for one in everybody)


def _is_there(witness: Follower, tops: Mapping[str, Place]) -> bool:
    places = witness.places
    return all(
        topic in places
        and places[topic].epoch == top.epoch
        and (places[topic].seq or 0) >= (top.seq or 0)
        for topic, top in tops.items()
    )


# What came of it


def _account(
    target: Target,
    heard: Heard,
    told: Iterable[Iterable[history.Event]],
    *,
    finished: bool,
    forgot: bool,
) -> DeliveryReport:
    """Account for every message, by what the lab's own witnesses got."""
    promise = promise_of(target.capabilities)
    if forgot:
        # With its logs it has lost who published what: a retry is a new message.
        promise = msgspec.structs.replace(promise, idempotent=False, exactly_once=False)
    checker = Checker(promise=promise)
    events = in_order(heard.events, *told)
    for event in events:
        checker.take(event)
    at = events[-1].at if events else 0.0
    checker.take(history.Healed(at))
    checker.take(history.Reconnected(at))
    checker.take(history.Drained(at, finished))
    return checker.judge()


def _look_at_logs(
    cycle: TradingCycle, target: Target, printed: int, notebook: Notebook
) -> None:
    for name, role in cycle.roles.items():
        notebook.add(judge_log(f"the {name}", list(role.log)))
    if target.process is not None:
        # What came before was perhaps made to happen, by another check.
        notebook.add(judge_log("the target", target.process.output(since=printed)))


def _note_times(times: Histogram, notebook: Notebook) -> None:
    notebook.latencies("from bot to dashboard", times)
    for percent in (50, 99):
        seconds = times.percentile(percent)
        if seconds is not None:
            notebook.figure(f"p{percent} from bot to dashboard", seconds * 1000, "ms")


def _note_memory(cycle: TradingCycle, notebook: Notebook) -> None:
    for name, role in cycle.roles.items():
        sampled = ProcessTree(role.pid).sample(0.0, name)
        if sampled is not None:
            notebook.figure(f"memory of the {name}", sampled.rss / MIB, "MiB")


async def _metrics(target: Target) -> dict[str, float]:
    """Return the sums of the target's counters; nothing where it serves none."""
    try:
        text = (await read_page(target, "/metrics")).decode("utf-8", "replace")
    except RemoteError:
        return {}
    sums: dict[str, float] = {}
    for line in text.splitlines():
        name, _, value = line.partition("#")[0].strip().rpartition(" ")
        family = name.partition("{")[0]
        if family.endswith("_total"):
            with contextlib.suppress(ValueError):
                sums[family] = sums.get(family, 0.0) + float(value)
    return sums


def _note_metrics(
    before: Mapping[str, float], after: Mapping[str, float], notebook: Notebook
) -> None:
    """Write down what the target counted; after a restart it counts anew."""
    for name, value in sorted(after.items())[:50]:
        grown = value - before.get(name, 0.0)
        if grown:
            notebook.figure(name, grown if grown > 0 else value, "counted")
