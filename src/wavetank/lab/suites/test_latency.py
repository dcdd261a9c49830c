"""Latency: how long messages take, at what rate, and where the time goes.

They refuse to know more of the target than its dialect declares.
"""

from wavetank.lab.check import check
from wavetank.lab.checkers import (
    GENERATOR,
    judge_keeping_up,
    judge_level,
    judge_slowest,
    parts_of,
)
from wavetank.lab.load_plans import DEADLINE, QUICK, flow, in_time, seconds_of
from wavetank.lab.loading import drive
from wavetank.lab.notebook import Notebook
from wavetank.lab.peers import Peers
from wavetank.lab.plan import Plan
from wavetank.lab.target import Target
from wavetank.load.plan import Stage


@check(polite=False, deadline=DEADLINE)
async def test_end_to_end(
    target: Target, peer: Peers, plan: Plan, notebook: Notebook
) -> None:
    """From when it was due to its receiver, a message takes less than 100 ms."""
    load = flow(
        plan,
        target.dialect,
        Stage(seconds=seconds_of(plan, 0.6), level=250.0),
        name="end to end",
        thresholds=[in_time(await peer.distance())],
    )
    await drive(target, notebook, load)


@check(polite=False, deadline=DEADLINE)
async def test_resource_tracking(
    target: Target, plan: Plan, notebook: Notebook
) -> None:
    """While messages flow, descriptors and threads of the target stay as they are."""
    stage = Stage(seconds=seconds_of(plan, 0.8), level=500.0)
    load = flow(plan, target.dialect, stage, name="resources")
    done = await drive(target, notebook, load)
    flowing, last = done.flowing
    for field in ("descriptors", "threads"):
        title = f"messages take no {field}"
        notebook.add(judge_level(title, flowing, last, field))


@check(polite=False, deadline=DEADLINE)
async def test_message_rate(target: Target, plan: Plan, notebook: Notebook) -> None:
    """Messages come at the rate at which they are sent, each of them."""
    stage = Stage(seconds=seconds_of(plan, 0.6), level=500.0)
    load = flow(plan, target.dialect, stage, name="rate", connections=3)
    done = await drive(target, notebook, load)
    notebook.add(judge_keeping_up(done.result))


@check(polite=False, deadline=DEADLINE)
async def test_bottleneck(
    target: Target, peer: Peers, plan: Plan, notebook: Notebook
) -> None:
    """The slowest part of a message's way is named, and takes less than 100 ms."""
    bound = QUICK + await peer.distance()
    stage = Stage(seconds=seconds_of(plan, 0.6), level=250.0)
    load = flow(plan, target.dialect, stage, name="way")
    done = await drive(target, notebook, load)
    parts = parts_of(done.result)
    for part, took in parts.items():
        notebook.figure(f"p99 of {part}", took, "s")
    notebook.add(judge_slowest(parts, bound=bound, own=GENERATOR))
