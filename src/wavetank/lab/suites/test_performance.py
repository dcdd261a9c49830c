"""Performance: how fast, and what a message and a connection cost the target.

They refuse to know more of the target than its dialect declares.
"""

from wavetank.lab.check import check
from wavetank.lab.checkers import (
    growth,
    judge_cost,
    judge_keeping_up,
    judge_leak,
    judge_times,
)
from wavetank.lab.load_plans import DEADLINE, churn, flow, idle, in_time, seconds_of
from wavetank.lab.loading import drive
from wavetank.lab.notebook import Notebook
from wavetank.lab.peers import Peers
from wavetank.lab.plan import Plan
from wavetank.lab.target import Target
from wavetank.lab.usage import usage_of
from wavetank.load.plan import Stage

KIB = 1024
WARM, OPENED = 5, 20
MEMORY = 512 * KIB
"""Bytes that a connection may cost: two windows of compression are 300 KiB."""
LEFT = 4 * KIB
"""Bytes that a message may leave behind: itself, as history, with what is around."""
PROCESSOR = 0.001
"""Processor seconds that a message may cost."""
BLOCK, BLOCKS = 16 * KIB, 100.0
"""Bytes of a large message, and how many of them come a second."""
FEW, MANY = 6, 90
TIMES, SPARE = 3.0, 0.001
"""How much longer a message may take beside many connections, and seconds on top."""


@check(polite=False, deadline=DEADLINE)
async def test_message_throughput(
    target: Target, plan: Plan, notebook: Notebook
) -> None:
    """A thousand messages a second come as fast as they are sent, and none is lost."""
    stage = Stage(seconds=seconds_of(plan, 0.8), level=1000.0)
    load = flow(plan, target.dialect, stage, name="throughput", connections=3)
    done = await drive(target, notebook, load)
    notebook.add(judge_keeping_up(done.result))


@check(polite=False, deadline=DEADLINE)
async def test_latency(
    target: Target, peer: Peers, plan: Plan, notebook: Notebook
) -> None:
    """Of a hundred messages, 99 are back within 100 ms of when they were due."""
    load = flow(
        plan,
        target.dialect,
        Stage(seconds=seconds_of(plan, 0.6), level=500.0),
        name="latency",
        thresholds=[in_time(await peer.distance())],
    )
    await drive(target, notebook, load)


@check(polite=False)
async def test_resource_utilization(
    target: Target, peer: Peers, plan: Plan, notebook: Notebook
) -> None:
    """An open connection costs the target 512 KiB and two descriptors at most."""
    await peer.open_many(min(WARM, plan.max_clients), to_themselves=True)
    await peer.close()
    usage = usage_of(target)
    before = await usage.sample()
    count = min(OPENED, plan.max_clients)
    await peer.open_many(count, to_themselves=True)
    after = await usage.sample()
    rows = (
        ("memory", "rss", MEMORY / KIB, "KiB", KIB),
        ("descriptors", "descriptors", 2, "descriptors", 1),
        ("threads", "threads", 1, "threads", 1),
    )
    for what, field, bound, unit, scale in rows:
        notebook.add(
            judge_cost(
                f"a connection costs little: {what}",
                growth(before, after, field),
                count,
                bound=bound,
                unit=f"{unit} a connection",
                scale=scale,
            )
        )


@check(polite=False, deadline=DEADLINE)
async def test_connection_handling(
    target: Target, plan: Plan, notebook: Notebook
) -> None:
    """Fifty connections a second are established, nine of ten within half a second."""
    stage = Stage(seconds=seconds_of(plan, 0.6), level=50.0)
    load = churn(plan, stage, name="establishment", thresholds=["p90 < 500ms"])
    done = await drive(target, notebook, load)
    notebook.add(judge_keeping_up(done.result))


@check(polite=False, deadline=DEADLINE)
async def test_memory_usage(target: Target, plan: Plan, notebook: Notebook) -> None:
    """What a message leaves in the target's memory is no more than a history keeps."""
    stage = Stage(seconds=seconds_of(plan, 1.0), level=1000.0)
    load = flow(plan, target.dialect, stage, name="memory")
    done = await drive(target, notebook, load)
    notebook.add(judge_leak(done.samples, done.arrivals, each=LEFT))


@check(polite=False, deadline=DEADLINE)
async def test_cpu_usage(target: Target, plan: Plan, notebook: Notebook) -> None:
    """A message costs the target a millisecond of processor time at most."""
    stage = Stage(seconds=seconds_of(plan, 0.6), level=200.0)
    load = flow(plan, target.dialect, stage, name="processor")
    done = await drive(target, notebook, load)
    notebook.add(
        judge_cost(
            "a message costs little processor time",
            done.growth("cpu"),
            done.arrivals,
            bound=PROCESSOR * 1000,
            unit="ms a message",
            scale=0.001,
        )
    )


@check(polite=False, deadline=DEADLINE)
async def test_network_bandwidth(
    target: Target, plan: Plan, notebook: Notebook
) -> None:
    """Large messages, 1.6 MB of them a second, come as fast as they are sent."""
    stage = Stage(seconds=seconds_of(plan, 0.6), level=BLOCKS)
    load = flow(
        plan, target.dialect, stage, name="bandwidth", connections=3, size=BLOCK
    )
    result = (await drive(target, notebook, load)).result
    notebook.add(judge_keeping_up(result))
    came = sum(tally.bytes_received for tally in result.measured)
    if result.window:
        notebook.figure("received", came / result.window, "bytes/s")


@check(polite=False, deadline=DEADLINE)
async def test_scalability(target: Target, plan: Plan, notebook: Notebook) -> None:
    """A message takes no longer for ninety other connections that are open."""
    seconds = seconds_of(plan, 0.5)
    many = max(1, min(MANY, plan.max_clients - FEW))
    stage = Stage(seconds=seconds, level=100.0)
    alone = flow(plan, target.dialect, stage, name="alone", connections=FEW)
    beside = flow(
        plan,
        target.dialect,
        stage,
        name="beside many",
        connections=FEW,
        beside=(idle("idle", many, seconds),),
    )
    few = await drive(target, notebook, alone)
    full = await drive(target, notebook, beside)
    notebook.add(judge_times(few.result, full.result, times=TIMES, spare=SPARE))
