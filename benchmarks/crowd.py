"""A crowd of clients that measures one server, in a process of its own.

It refuses to know who serves, and other servers. One JSON object as output.

    python benchmarks/crowd.py fanout --port 8000 --dialect hub -n 1000 --pid PID
"""

import argparse
import asyncio
import gc
import json
import math
import os
import resource
import sys
import time
from array import array
from collections.abc import Callable, Sequence
from typing import Any

import psutil
from clients import Asker, Crowd, Failed, Flow, Silent, Subscriber
from dialects import DIALECTS
from marks import Mark, memory_of

DRAIN = 3.0
"""Seconds until what is on its way has to be there."""
LOOK = 0.25
"""Seconds between two looks at who is how far."""
MOST_BEHIND = 64 * 1024 * 1024
"""Bytes that a subscriber may be behind the first one; then it is let go."""


async def fan_out(crowd: Crowd, options: argparse.Namespace) -> dict[str, Any]:
    """One publisher, many subscribers: publications a second that arrive.

    So many publications are on their way at most, by the mean of the subscribers: were
    it the slowest of them, a server that joins writes and the client would take turns.
    """
    subscribers = await crowd.gather(options.connections)
    publisher = Silent(crowd)
    await crowd.greet(publisher)
    flow = Flow(crowd, publisher, len(subscribers), options.window)
    crowd.go_on = flow.go_on

    def count() -> int:
        return sum(each.arrivals.count for each in subscribers)

    _settle_memory()
    flow.go_on()
    await _wait(crowd, subscribers, options.warm)
    first = Mark.now(count(), options.server)
    await _wait(crowd, subscribers, options.seconds)
    last = Mark.now(count(), options.server)
    crowd.due = math.inf
    wanted = flow.sent * len(subscribers)
    await _until(lambda: count() >= wanted)
    lost = max(0, wanted - count()) + crowd.problems.skipped
    return {**last.since(first), "published": flow.sent, "lost": lost}


async def _until(is_done: Callable[[], bool]) -> None:
    """Wait for what is on its way, but not for long."""
    until = time.perf_counter() + DRAIN
    # An event would cost something for each message.
    while not is_done() and time.perf_counter() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def _wait(crowd: Crowd, subscribers: list[Subscriber], seconds: float) -> None:
    """Let time pass; look after memory meanwhile."""
    until = time.perf_counter() + seconds
    while (left := until - time.perf_counter()) > 0:
        await asyncio.sleep(min(LOOK, left))
        expected = crowd.expected
        oldest = expected.end
        for each in subscribers:
            place = each.arrivals.place
            if each.arrivals.is_alone or each.transport.is_closing():
                continue
            if expected.end - place > MOST_BEHIND:
                each.transport.abort()
            else:
                oldest = min(oldest, place)
        expected.trim(oldest)


async def publish(crowd: Crowd, options: argparse.Namespace) -> dict[str, Any]:
    """Many publishers: publications a second that are acknowledged."""
    if crowd.dialect.ask is None:
        raise Failed("this server acknowledges nothing")
    publishers = [Asker(crowd, options.window) for _ in range(options.connections)]
    for each in publishers:
        await crowd.greet(each)

    def count() -> int:
        return sum(each.answered for each in publishers)

    _settle_memory()
    for each in publishers:
        each.taken()
    await asyncio.sleep(options.warm)
    taken = array("d")
    for each in publishers:
        each.latencies = taken
    first = Mark.now(count(), options.server)
    await asyncio.sleep(options.seconds)
    last = Mark.now(count(), options.server)
    for each in publishers:
        each.most = 0
    await _until(lambda: not any(each.pending for each in publishers))
    lost = sum(len(each.pending) for each in publishers) + crowd.problems.skipped
    published = count() + lost
    result = {**last.since(first), "published": published, "lost": lost}
    if taken:
        in_order = sorted(taken)
        result["p50_us"] = _quantile(in_order, 0.5) * 1e6
        result["p99_us"] = _quantile(in_order, 0.99) * 1e6
    return result


def _quantile(values: Sequence[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))]


async def idle(crowd: Crowd, options: argparse.Namespace) -> dict[str, Any]:
    """Many connections: opened a second, and what one that does nothing takes."""
    before = memory_of(options.server)
    first = Mark.now(0, options.server)
    await crowd.gather(options.connections)
    last = Mark.now(options.connections, options.server)
    await asyncio.sleep(options.warm)
    grown = memory_of(options.server) - before
    return {
        **last.since(first),
        "lost": 0,
        "kib_per_connection": grown / options.connections / 1024,
    }


def _settle_memory() -> None:
    """Keep the collector away: the client's rests are not the server's."""
    gc.collect()
    gc.freeze()
    gc.disable()


WORK = {"fanout": fan_out, "publish": publish, "idle": idle}


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measure one thing with one server."""
    options.server = psutil.Process(options.pid) if options.pid else None
    crowd = Crowd(DIALECTS[options.dialect], options.port, options.size)
    try:
        result = await WORK[options.mode](crowd, options)
    finally:
        crowd.leave()
    problems = vars(crowd.problems)
    return {**result, **problems, "is_sound": not (crowd.problems or result["lost"])}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print the result as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mode", choices=WORK)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--dialect", choices=DIALECTS, required=True)
    parser.add_argument("-n", "--connections", type=int, default=100)
    parser.add_argument("--size", type=int, default=128, help="bytes of a publication")
    parser.add_argument("--window", type=int, default=64, help="most on their way")
    parser.add_argument("--warm", type=float, default=0.5, help="seconds before")
    parser.add_argument("--seconds", type=float, default=1.5, help="that count")
    parser.add_argument("--pid", type=int, help="of the server")
    parser.add_argument("--core", type=int, help="processor to stay on")
    options = parser.parse_args(argv)
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            result = runner.run(measure(options))
    except (Failed, psutil.Error) as error:
        print(json.dumps({"failed": str(error) or type(error).__name__}))
        return 1
    print(json.dumps(result))
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


if __name__ == "__main__":
    sys.exit(main())
