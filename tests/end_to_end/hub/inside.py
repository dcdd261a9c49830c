"""A hub inside of the test's loop, where the test says what time it is.

It refuses to know what is said to it.
"""

import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from wavetank.clock import VirtualClock
from wavetank.hub import HubConfig, Ports
from wavetank.hub.aio import MemoryLog, Node, Server
from wavetank.hub.aio.lines import make_silent_logger
from wavetank.hub.aio.logs import Log, SqliteLog

__all__ = ["run_inside"]


@contextlib.asynccontextmanager
async def run_inside(clock: VirtualClock, **changes: Any) -> AsyncIterator[Server]:
    """Run a hub on a free port, with everything as a process has it but the time."""
    config = replace(HubConfig(**changes), ports=Ports(plain=0))
    logger = make_silent_logger()
    server = Server(
        Node(
            config,
            _make_log(config, clock),
            clock=clock,
            logger=logger,
            rng=random.Random(7),
        )
    )
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


def _make_log(config: HubConfig, clock: VirtualClock) -> Log:
    if config.data is None:
        return MemoryLog(
            "epoch-01",
            retention=config.retention,
            total=config.retention_total,
            wall=clock.wall,
        )
    return SqliteLog(
        config.data,
        retention=config.retention,
        total=config.retention_total,
        durability_of=config.durability_of,
        clock=clock,
        logger=make_silent_logger(),
    )
