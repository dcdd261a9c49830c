"""What every generator of `load.py` is told, and what it says at its end.

It refuses to know how messages are sent.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

__all__ = ["Stint", "read_stint", "say", "watch"]


class Stint(NamedTuple):
    """One measurement.

    Attributes:
        port: Where the echo is, on this machine.
        connections: How many.
        size: Of a message, in bytes.
        warm: Seconds before those that are measured.
        seconds: That are measured.
    """

    port: int
    connections: int
    size: int
    warm: float
    seconds: float

    @property
    def url(self) -> str:
        """Where the echo is."""
        return f"ws://127.0.0.1:{self.port}/"


def read_stint(argv: Sequence[str] | None = None) -> Stint:
    """Read what was asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("connections", type=int)
    parser.add_argument("size", type=int)
    parser.add_argument("warm", type=float)
    parser.add_argument("seconds", type=float)
    return Stint(**vars(parser.parse_args(argv)))


def say(per_s: float, cpu: float) -> None:
    """Print what came of it.

    Args:
        per_s: Answers a second.
        cpu: Share of a processor that the generator used.
    """
    print(json.dumps({"per_s": per_s, "cpu": cpu}), flush=True)


async def watch(stint: Stint, count: Callable[[], int]) -> None:
    """Let the time of a measurement pass, and print what was counted in it.

    Args:
        stint: The measurement; all connections are open.
        count: Returns how many answers there were so far.
    """
    await asyncio.sleep(stint.warm)
    before = count(), time.perf_counter(), time.process_time()
    await asyncio.sleep(stint.seconds)
    after = count(), time.perf_counter(), time.process_time()
    done, seconds, cpu = (b - a for a, b in zip(before, after, strict=True))
    say(done / seconds, cpu / seconds)
