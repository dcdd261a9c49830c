"""What ``wavetank sub`` and ``wavetank pub`` share: the hub's URL, signals, logs.

It refuses to know what is done over the connection.
"""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Coroutine
from typing import Any

from wavetank.client import Backoff, LinkOptions
from wavetank.errors import ExitCode
from wavetank.settings import Settings

__all__ = ["link_options", "run_client", "say", "split_words"]

EXIT_CODES = """\
    2  the command line is wrong
    4  there was no connection within --ready-timeout
  130  interrupted by Ctrl-C; SIGTERM is a clean end"""


def split_words(words: list[str], settings: Settings) -> tuple[str, list[str]]:
    """Return the hub's URL and the words behind it.

    Args:
        words: The arguments; the URL is the first one, or set elsewhere.
        settings: With ``url``.
    """
    if words and "://" in words[0]:
        return words[0], words[1:]
    return str(settings["url"]), words


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


def say(command: str, words: str) -> None:
    """Tell the user something that is no result; a hub's words may stand in it."""
    plain = "".join(each if each.isprintable() else "?" for each in words)
    print(f"wavetank {command}: {plain}", file=sys.stderr, flush=True)
