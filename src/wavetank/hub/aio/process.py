"""The hub as a process: loop, signals, log lines, and its last word.

It refuses to know flags and files.
"""

import asyncio
import json
import os
import random
import resource
import signal
import sys
from collections.abc import Callable
from typing import TextIO

import structlog

from wavetank.clock import SystemClock
from wavetank.errors import ExitCode, UsageError
from wavetank.hub.aio.logs.memory import MemoryLog
from wavetank.hub.aio.node import Node
from wavetank.hub.aio.server import SPARE_SOCKETS, Server
from wavetank.hub.config import HubConfig
from wavetank.protocol import new_epoch

__all__ = ["make_logger", "make_node", "serve"]

_OTHER_FILES = 64
"""Descriptors for everything that is not a connection."""


def make_logger(level: str, stream: TextIO) -> structlog.typing.FilteringBoundLogger:
    """Return a logger that writes one JSON object a line.

    Args:
        level: Least level: debug, info, warning, error.
        stream: Where lines go.
    """
    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(stream),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=json.dumps, default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )
    return logger


def make_node(config: HubConfig, logger: structlog.typing.FilteringBoundLogger) -> Node:
    """Make a node with the machine's own clock and dice."""
    clock = SystemClock()
    log = MemoryLog(
        new_epoch(os.urandom(6)),
        retention=config.retention,
        total=config.retention_total,
        wall=clock.wall,
    )
    return Node(config, log, clock=clock, logger=logger, rng=random.SystemRandom())


def serve(config: HubConfig, announce: Callable[[list[str]], None]) -> int:
    """Run the hub until SIGTERM or SIGINT.

    Args:
        config: Of the hub.
        announce: Called with the URLs once it listens.

    Returns:
        0 after a clean stop on either signal; 130 if a second signal cut it short
        or time ran out before all connections were closed.

    Raises:
        TargetError: If a port cannot be had.
        UsageError: If the certificate or the event loop cannot be used.
    """
    logger = make_logger(config.log_level, sys.stderr)
    _raise_file_limit(config, logger)
    factory = _loop_factory(config.loop)
    with asyncio.Runner(loop_factory=factory) as runner:
        is_clean = runner.run(_serve(config, logger, announce))
    return ExitCode.PASS if is_clean else ExitCode.INTERRUPTED


async def _serve(
    config: HubConfig,
    logger: structlog.typing.FilteringBoundLogger,
    announce: Callable[[list[str]], None],
) -> bool:
    loop = asyncio.get_running_loop()
    server = Server(make_node(config, logger))
    stop = asyncio.Event()

    def end() -> None:
        if stop.is_set():
            server.hurry()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    await server.start()
    announce(server.urls)
    await stop.wait()
    return await server.drain()


def _loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the loop; None is asyncio's own."""
    if name == "asyncio":
        return None
    try:
        import uvloop
    except ImportError:
        if name == "auto":
            return None
        raise UsageError("--loop uvloop: it is not installed") from None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _raise_file_limit(
    config: HubConfig, logger: structlog.typing.FilteringBoundLogger
) -> None:
    """Ask for as many descriptors as connections may need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    total = config.crowd.total
    wanted = hard if total is None else total + SPARE_SOCKETS + _OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted > 0:
        return
    given = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (given, hard))
    if given < wanted:
        logger.warning("few_file_descriptors", limit=given, needed=wanted)
