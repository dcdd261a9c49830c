"""``wavetank sub``: print what is published to topics.

It refuses to know how events come and what is done about lost connections.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import BinaryIO

from wavetank.cli.connection import (
    EXIT_CODES,
    first_of,
    link_options,
    output,
    parse_orders,
    run_client,
    say,
    wait_until_ready,
)
from wavetank.client import Event, GaveUp, Item, Refused, Subscriber, Subscription
from wavetank.client.lines import json_line, text_line
from wavetank.client.options import SUB_OPTIONS
from wavetank.client.wishes import make_wish
from wavetank.errors import ExitCode, LocalError, UsageError
from wavetank.settings import Settings

__all__ = ["main"]

_DESCRIPTION = """\
Print what is published: wavetank sub [URL] TOPIC...

A topic may be a pattern: * is one segment, a last ** one or more. Each event is one
line; so is each gap (what will not come, and why) and each change between stale and
fresh. Lost connections are opened again and go on where they were."""

_EPILOG = f"""\
Every option can come from the environment too, as WAVETANK_SUB_<NAME>; a token also
as WAVETANK_TOKEN, the URL also as SYSTEM__WEBSOCKET_DASHBOARD_URL.

exit codes:
    0  it ended as it was asked to
    1  the hub refused, it gave up, or --count was not reached within --timeout
{EXIT_CODES}
"""


def main(argv: list[str]) -> int:
    """Print items until it is stopped.

    Args:
        argv: What stands behind ``wavetank sub``.

    Raises:
        UsageError: With everything that is wrong with it.
        TargetError: If there is no connection in time.
    """
    url, topics, settings = parse_orders(
        "sub",
        argv,
        SUB_OPTIONS,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        metavar="[URL] TOPIC",
    )
    _check(topics, settings)
    return run_client(_follow(url, topics, settings))


def _check(topics: Sequence[str], settings: Settings) -> None:
    problems = [] if topics else ["which topic? give at least one"]
    for topic in topics:
        try:
            make_wish(topic, settings["since"], settings["deliver"], None)
        except LocalError as error:
            problems.append(str(error))
    problems += [f"{topic}: twice" for topic in {*topics} if topics.count(topic) > 1]
    if problems:
        raise UsageError(problems)


_BATCH = 256
"""Items that are written and flushed at once."""


class _Printer:
    """Writes batches of items, and knows when it is enough."""

    def __init__(
        self, out: BinaryIO, line: Callable[[Item], bytes], most: int | None
    ) -> None:
        self._out = out
        self._line = line
        self._left = most

    @property
    def is_done(self) -> bool:
        """Whether as many events were written as were wanted."""
        return self._left == 0

    @property
    def most(self) -> int:
        """How many items it can write at once."""
        return _BATCH if self._left is None else min(_BATCH, self._left)

    def write(self, items: Sequence[Item]) -> bool:
        """Write items and flush, as long as there are not too many events.

        Returns:
            Whether all of them were written.
        """
        lines = []
        for item in items:
            if self.is_done:
                break
            if self._left is not None and isinstance(item, Event):
                self._left -= 1
            lines.append(self._line(item))
        self._out.write(b"".join(lines))
        self._out.flush()
        return len(lines) == len(items)


async def _follow(url: str, topics: Sequence[str], settings: Settings) -> int:
    line = json_line if settings["json"] else text_line
    printer = _Printer(output(), line, settings["count"])
    subscriber = Subscriber(
        url, positions=settings["positions"], **link_options(settings)
    )
    try:
        async with subscriber:
            subscriptions = [
                subscriber.subscribe(
                    topic,
                    since=settings["since"],
                    deliver=settings["deliver"],
                    buffer=settings["queue"],
                )
                for topic in topics
            ]
            await wait_until_ready(subscriber, settings["ready_timeout"])
            async with asyncio.timeout(settings["timeout"]):
                await first_of([_print(each, printer) for each in subscriptions])
    except TimeoutError:
        is_short = settings["count"] is not None
        return ExitCode.FAIL if is_short else ExitCode.PASS
    except (Refused, GaveUp) as error:
        say("sub", str(error))
        return ExitCode.FAIL
    finally:
        counts = subscriber.statistics().items()
        say("sub", ", ".join(f"{name} {count}" for name, count in counts))
    return ExitCode.PASS


async def _print(subscription: Subscription, printer: _Printer) -> None:
    while items := await subscription.take(printer.most):
        # Only what was written is done: the rest comes again at the next start.
        is_whole = printer.write(items)
        if printer.is_done:
            if is_whole:
                subscription.confirm()
            return
