"""Our engine with one worker, driven from Python; prints one JSON object.

It refuses to know what it is compared with.

    python load_wavetank.py echo|fanout PORT CONNECTIONS SIZE WARM SECONDS
        [--rate R] [--in-flight N] [--frame-by-frame]
"""

import argparse
import asyncio
import json
import secrets
import sys
import time
from pathlib import Path

from stint import Stint, read_stint

from wavetank.evidence import Histogram
from wavetank.load.engine.coordinator import WORKER, run_load
from wavetank.load.exchange import Address, Operation
from wavetank.load.plan import (
    Arrivals,
    LoadPlan,
    Payload,
    Scenario,
    ScenarioKind,
    Stage,
)
from wavetank.load.result import LoadResult

FRAME_BY_FRAME = (sys.executable, str(Path(__file__).with_name("frame_by_frame.py")))

MEASURED = {
    ScenarioKind.REQUEST: Operation.REQUEST,
    ScenarioKind.PUBLISH: Operation.DELIVER,
}


def plan_of(stint: Stint, options: argparse.Namespace) -> LoadPlan:
    """Return the plan: a rate makes it open, none makes it closed."""
    is_echo = options.mode == "echo"
    scenario = Scenario(
        name="benchmark",
        kind=ScenarioKind.REQUEST if is_echo else ScenarioKind.PUBLISH,
        users=stint.connections,
        stages=(Stage(seconds=stint.warm + stint.seconds, level=options.rate),),
        arrivals=Arrivals.EVEN if options.rate else Arrivals.CLOSED,
        in_flight=options.in_flight,
        payload=Payload(size=stint.size),
    )
    return LoadPlan(scenarios=(scenario,), workers=1, warm_up=stint.warm, drain=3.0)


def address_of(stint: Stint, mode: str) -> Address:
    """Return where the echo, or the hub, is."""
    if mode == "echo":
        return Address(url=stint.url, dialect="echo")
    return Address(url=f"{stint.url}ws", dialect="hub", subprotocols=("wavetank.v1",))


def row_of(
    result: LoadResult, operation: Operation, own_cpu: float
) -> dict[str, object]:
    """Return what came of a load.

    Args:
        result: The load.
        operation: What is counted.
        own_cpu: Seconds of processor time that the coordinator used.
    """
    row: dict[str, object] = {}
    for tally in result.measured:
        if tally.operation is operation:
            row["per_s"] = tally.received / result.window
    for tally in result.tallies:
        if tally.operation is operation:
            wrong = tally.corrupted + tally.duplicated + tally.reordered
            row |= {"lost": tally.lost if result.complete else 0, "wrong": wrong}
            times = Histogram.decode(tally.response)
            row |= {f"p{p}": times.percentile(p) for p in (50, 99)}
    cpu = sum(each.cpu for each in result.generators.values())
    row["cpu"] = cpu + own_cpu / result.seconds
    said = [*result.problems, *result.lost_workers.values(), *result.reasons]
    row["problem"] = said[0] if said else ""
    # What a target has in store for who cannot keep up is not lost.
    row["is_behind"] = not result.complete
    return row


async def main() -> None:
    """Carry out the load, and print what came of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["echo", "fanout"])
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--in-flight", type=int, default=4096)
    parser.add_argument("--frame-by-frame", action="store_true")
    options, rest = parser.parse_known_args()
    stint = read_stint(rest)
    plan = plan_of(stint, options)
    command = FRAME_BY_FRAME if options.frame_by_frame else WORKER
    address = address_of(stint, options.mode)
    before = time.process_time()
    result = await run_load(plan, address, run=secrets.token_hex(4), command=command)
    own_cpu = time.process_time() - before
    print(json.dumps(row_of(result, MEASURED[plan.scenarios[0].kind], own_cpu)))


asyncio.run(main())
