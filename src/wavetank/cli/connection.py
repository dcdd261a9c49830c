"""What ``wavetank sub`` and ``wavetank pub`` share: their words, signals, logs.

It refuses to know what is done over the connection.
"""

import asyncio
import contextlib
import io
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Sequence
from typing import Any, BinaryIO, NamedTuple, Protocol

from wavetank.cli.parser import Parser
from wavetank.client import Backoff, LinkOptions
from wavetank.errors import ExitCode, TargetError
from wavetank.settings import Option, Settings, resolve

__all__ = [
    "Orders",
    "first_of",
    "link_options",
    "output",
    "parse_orders",
    "run_client",
    "say",
    "wait_until_ready",
]

EXIT_CODES = """\
    2  the command line is wrong
    3  the output could not be written, such as on a full disk
    4  there was no connection within --ready-timeout; or another process has the
       spool or the position file, or their disk is full
  130  interrupted by Ctrl-C; SIGTERM is a clean end"""


class Orders(NamedTuple):
    """What a command is to do.

    Attributes:
        url: Of the hub.
        words: What stands behind it.
        settings: From flags and environment.
    """

    url: str
    words: list[str]
    settings: Settings


def parse_orders(
    command: str, argv: list[str], options: Sequence[Option], **texts: str
) -> Orders:
    """Read a command's line and environment.

    Args:
        command: ``sub`` or ``pub``.
        argv: What stands behind it; the URL is the first word, or set elsewhere.
        options: Its options, with ``url``.
        texts: ``description``, ``epilog``, and ``metavar`` of its words.

    Raises:
        UsageError: With everything that is wrong with it.
    """
    metavar = texts.pop("metavar")
    parser = Parser(command, options=options, **texts)
    parser.add_argument("words", nargs="*", metavar=metavar)
    namespace = parser.parse(argv)
    settings = resolve(
        options,
        flags=parser.flags(namespace),
        environ=os.environ,
        prefix=f"WAVETANK_{command.upper()}_",
    )
    words = namespace.words
    if words and "://" in words[0]:
        return Orders(words[0], words[1:], settings)
    return Orders(str(settings["url"]), words, settings)


def link_options(settings: Settings) -> LinkOptions:
    """Return what the client takes."""
    cap = settings["retry_delay"]
    return LinkOptions(
        token=settings["token"],
        ca=settings["ca"],
        insecure=settings["insecure"],
        allow_plain_fallback=settings["allow_plain_fallback"],
        max_retries=settings["max_retries"],
        backoff=Backoff(base=min(0.1, cap), cap=cap),
    )


def run_client(work: Coroutine[Any, Any, int]) -> int:
    """Run until it is done or a signal comes.

    Args:
        work: Returns the exit code; it is cancelled by SIGINT and SIGTERM.

    Returns:
        Its exit code; 130 after SIGINT; after SIGTERM 0, unless it has a say.
    """
    logging.basicConfig(format="wavetank: %(message)s", stream=sys.stderr)
    return asyncio.run(_run(work))


async def _run(work: Coroutine[Any, Any, int]) -> int:
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    came: list[int] = []

    def stop(number: int) -> None:
        came.append(number)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    code = int(ExitCode.PASS)
    with contextlib.suppress(asyncio.CancelledError):
        code = await task
    return ExitCode.INTERRUPTED if signal.SIGINT in came else code


async def first_of(coroutines: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run them all until the first one ends; the others are cancelled."""
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in done:
        task.result()


class _Link(Protocol):
    async def ready(self, timeout: float) -> None: ...


async def wait_until_ready(link: _Link, seconds: float | None) -> None:
    """Wait for the first connection; not at all where no time is set.

    Raises:
        TargetError: If there is none in time.
        GaveUp: If there will not be any.
    """
    if seconds is None:
        return
    try:
        await link.ready(seconds)
    except TimeoutError:
        words = f"there was no connection within {seconds:g} s"
        raise TargetError(words) from None


def say(command: str, words: str) -> None:
    """Tell the user something that is no result; a hub's words may stand in it.

    Where stderr cannot be written, it stays unsaid: results and exit code count.
    """
    plain = "".join(each if each.isprintable() else "?" for each in words)
    with contextlib.suppress(OSError):
        print(f"wavetank {command}: {plain}", file=sys.stderr, flush=True)


def output() -> BinaryIO:
    """Return standard output, such that each write writes all of it.

    With ``PYTHONUNBUFFERED``, as in many containers, Python's own writes once: where a
    stop (SIGSTOP, Ctrl-Z) comes in the middle of it, the rest would be gone.
    """
    out = sys.stdout.buffer
    if not isinstance(out, io.RawIOBase):
        return out
    return open(out.fileno(), "wb", closefd=False)
