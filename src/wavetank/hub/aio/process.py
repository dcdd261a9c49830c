"""The hub as a process: loop, signals, log lines, and its last word.

It refuses to know flags and files.
"""

import asyncio
import contextlib
import os
import random
import resource
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from structlog.typing import FilteringBoundLogger

from wavetank.clock import SystemClock
from wavetank.errors import ExitCode, UsageError
from wavetank.hub.aio.line_queue import LineQueue
from wavetank.hub.aio.lines import Lines, catch_others, logger_of
from wavetank.hub.aio.logs import Log, MemoryLog, RoutedLog, SqliteLog
from wavetank.hub.aio.node import Node
from wavetank.hub.aio.server import SPARE_SOCKETS, Server
from wavetank.hub.config import HubConfig
from wavetank.hub.tally import Count, Spread
from wavetank.protocol import new_epoch

__all__ = ["make_node", "serve"]

_OTHER_FILES = 64
"""Descriptors for everything that is not a connection."""


def make_node(config: HubConfig, logger: FilteringBoundLogger) -> Node:
    """Make a node with the machine's own clock and dice.

    Raises:
        UsageError: If a token or a key cannot be used.
    """
    clock = SystemClock()
    batches = Spread()
    node = Node(
        config,
        _make_log(config, clock, logger, batches.observe),
        clock=clock,
        logger=logger,
        rng=random.SystemRandom(),
    )
    node.tally.store = batches
    return node


def _make_log(
    config: HubConfig,
    clock: SystemClock,
    logger: FilteringBoundLogger,
    observe: Callable[[float], object],
) -> Log:
    """Make the log: in memory, or for some topics in a folder."""
    memory = MemoryLog(
        new_epoch(os.urandom(6)),
        retention=config.retention,
        total=config.retention_total,
        wall=clock.wall,
        later=asyncio.get_running_loop().call_soon,
    )
    if config.data is None:
        return memory
    durable = SqliteLog(
        config.data,
        retention=config.retention,
        total=config.retention_total,
        durability_of=config.durability_of,
        clock=clock,
        logger=logger,
        observe=observe,
    )
    return RoutedLog(config.durability_of, memory, durable)


def serve(
    config: HubConfig,
    announce: Callable[[list[str]], None],
    *,
    read_again: Callable[[], HubConfig] | None = None,
) -> int:
    """Run the hub until SIGTERM or SIGINT; SIGHUP reads certificates and keys again.

    Args:
        config: Of the hub.
        announce: Called with the URLs once it listens; must not wait.
        read_again: Called on SIGHUP, for the tokens that hold from then on; may raise
            `UsageError`, and then those of before hold. None keeps them in any case.

    Returns:
        0 after a clean stop on either signal; 130 if a second signal cut it short
        or time ran out before all connections were closed.

    Raises:
        TargetError: If a port or the log cannot be had.
        UsageError: If certificate, keys, log or event loop cannot be used.
    """
    dropped = Count()
    factory = _loop_factory(config.loop)
    with contextlib.ExitStack() as stack:
        lines = stack.enter_context(LineQueue(Lines(sys.stderr, dropped)))
        logger = logger_of(config.log_level, lines)
        stack.enter_context(catch_others(logger))
        _raise_file_limit(config, logger)
        with asyncio.Runner(loop_factory=factory) as runner:
            is_clean = runner.run(
                _serve(config, logger, dropped, announce, read_again=read_again)
            )
    return ExitCode.PASS if is_clean else ExitCode.INTERRUPTED


async def _serve(
    config: HubConfig,
    logger: FilteringBoundLogger,
    dropped: Count,
    announce: Callable[[list[str]], None],
    *,
    read_again: Callable[[], HubConfig] | None,
) -> bool:
    node = make_node(config, logger)
    node.tally.lines_dropped = dropped
    server = Server(node)
    stop = asyncio.Event()

    def end() -> None:
        if stop.is_set():
            server.hurry()
        stop.set()

    def reload() -> None:
        try:
            server.reload(None if read_again is None else read_again())
        except UsageError as error:
            logger.error("reload_failed", reason=list(error.problems))
        else:
            logger.info("reloaded")

    with _signals({signal.SIGTERM: end, signal.SIGINT: end, signal.SIGHUP: reload}):
        try:
            if not await _unless(stop, server.start()):
                logger.info("stopped", clean=True)
                return True
            _announce(announce, server.urls)
            await stop.wait()
            return await server.drain()
        finally:
            await server.stop()


def _announce(announce: Callable[[list[str]], None], urls: list[str]) -> None:
    """Announce, if it can be: a service does not end because nobody listens to it."""
    try:
        announce(urls)
    except OSError:
        # What stdout has buffered would fail again at the end, and be its exit code.
        with open(os.devnull, "wb") as null, contextlib.suppress(OSError):
            os.dup2(null.fileno(), sys.stdout.fileno())


@contextlib.contextmanager
def _signals(handlers: dict[signal.Signals, Callable[[], None]]) -> Iterator[None]:
    """Call the handlers on the loop, as long as it is entered."""
    loop = asyncio.get_running_loop()
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do work, unless a stop comes first; tell whether it was done."""
    doing = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (doing, stopping):
            if not task.done():
                task.cancel()
        await asyncio.gather(doing, stopping, return_exceptions=True)
    if doing.cancelled():
        return False
    doing.result()
    return True


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


def _raise_file_limit(config: HubConfig, logger: FilteringBoundLogger) -> None:
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
