"""Load: what holds for a while, in bursts, with many connections, and on a ramp.

They refuse to know more of the target than its dialect declares.
"""

import asyncio

from wavetank.evidence import Sampled
from wavetank.lab.check import check
from wavetank.lab.checkers import judge_consistent, judge_keeping_up, judge_level
from wavetank.lab.load_plans import DEADLINE, churn, flow, idle, in_time, seconds_of
from wavetank.lab.loading import drive
from wavetank.lab.notebook import Notebook
from wavetank.lab.peers import Peers
from wavetank.lab.plan import Plan
from wavetank.lab.target import Target
from wavetank.lab.usage import Usage, usage_of
from wavetank.load.plan import Scenario, ScenarioKind, Shape, Stage

TALKING = 60
"""Connections that carry messages, where there are many."""
WARM = 5
"""Connections with which a target gets ready: what it loads once is no leak."""
SETTLES_WITHIN = 2.0
LOOK_EVERY = 0.1


@check(polite=False, deadline=DEADLINE)
async def test_sustained(
    target: Target, peer: Peers, plan: Plan, notebook: Notebook
) -> None:
    """A steady load comes whole, in order and in time, to its end."""
    load = flow(
        plan,
        target.dialect,
        Stage(seconds=seconds_of(plan, 1.0), level=500.0),
        name="sustained",
        thresholds=[in_time(await peer.distance())],
    )
    done = await drive(target, notebook, load)
    notebook.add(judge_keeping_up(done.result))


@check(polite=False, deadline=DEADLINE)
async def test_burst(
    target: Target, peer: Peers, plan: Plan, notebook: Notebook
) -> None:
    """Two bursts of thirty times the load lose nothing, and hold nobody up."""
    burst = Stage(
        seconds=seconds_of(plan, 0.6),
        level=50.0,
        peak=1500.0,
        shape=Shape.BURST,
        times=2,
    )
    load = flow(
        plan,
        target.dialect,
        burst,
        name="bursts",
        thresholds=[in_time(await peer.distance())],
    )
    await drive(target, notebook, load)


@check(polite=False, deadline=DEADLINE)
async def test_concurrent_connections(
    target: Target, peer: Peers, plan: Plan, notebook: Notebook
) -> None:
    """A hundred connections open, hold, and are served all at once."""
    seconds = seconds_of(plan, 0.6)
    talking = min(TALKING, plan.max_clients)
    rest = plan.max_clients - talking
    load = flow(
        plan,
        target.dialect,
        Stage(seconds=seconds, level=300.0),
        name="talking",
        connections=talking,
        thresholds=[in_time(await peer.distance())],
        beside=(idle("idle", rest, seconds),) if rest else (),
    )
    result = (await drive(target, notebook, load)).result
    notebook.figure("connections", result.most_open, "connections")


@check(polite=False, deadline=DEADLINE)
async def test_resource_monitoring(
    target: Target, peer: Peers, plan: Plan, notebook: Notebook
) -> None:
    """Connections that come and go leave no descriptor and no thread behind."""
    await peer.open_many(min(WARM, plan.max_clients), to_themselves=True)
    await peer.close()
    usage = usage_of(target)
    before = await settled(usage)
    stage = Stage(seconds=seconds_of(plan, 0.6), level=50.0)
    await drive(target, notebook, churn(plan, stage, name="coming and going"))
    after = await settled(usage, like=before)
    for field in ("descriptors", "threads"):
        title = f"connections leave no {field} behind"
        notebook.add(judge_level(title, before, after, field))
    if after is not None:
        notebook.figure("memory", after.rss, "bytes")


@check(polite=False, deadline=DEADLINE)
async def test_performance_metrics(
    target: Target, plan: Plan, notebook: Notebook
) -> None:
    """Every message of a load is accounted for, and its figures fit each other."""
    stage = Stage(seconds=seconds_of(plan, 0.6), level=1800.0)
    load = flow(plan, target.dialect, stage, name="metrics", connections=3)
    result = (await drive(target, notebook, load)).result
    notebook.add(*judge_consistent(result))


@check(polite=False, deadline=DEADLINE)
async def test_fibonacci_ramp(
    target: Target, peer: Peers, plan: Plan, notebook: Notebook
) -> None:
    """Rate and connections grow in Fibonacci steps, and nothing is lost on the way."""
    seconds = seconds_of(plan, 1.2)
    most = plan.max_clients
    ramp = Stage(seconds=seconds, level=21.0, peak=1597.0, shape=Shape.FIBONACCI)
    crowd = Scenario(
        name="crowd",
        kind=ScenarioKind.PING,
        users=min(89, most),
        stages=(Stage(seconds=seconds, level=20.0),),
        population=(
            Stage(
                seconds=seconds,
                level=1.0,
                peak=float(min(89, most)),
                shape=Shape.FIBONACCI,
            ),
        ),
    )
    load = flow(
        plan,
        target.dialect,
        ramp,
        name="ramp",
        thresholds=[in_time(await peer.distance())],
        beside=(crowd,),
    )
    await drive(target, notebook, load)


async def settled(usage: Usage, *, like: Sampled | None = None) -> Sampled | None:
    """Return what the target uses once it has let go of what was closed.

    Args:
        usage: Of the target.
        like: What it used before; to have no more than that is to be settled. Else,
            to have as many descriptors as a moment ago.
    """
    loop = asyncio.get_running_loop()
    ends = loop.time() + SETTLES_WITHIN
    last = await usage.sample()
    while last is not None and loop.time() < ends:
        await asyncio.sleep(LOOK_EVERY)
        now = await usage.sample()
        if now is None:
            return None
        bound = last if like is None else like
        if now.descriptors <= bound.descriptors:
            return now
        last = now
    return last
