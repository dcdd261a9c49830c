"""``wavetank pub``: publish one thing, or each line of standard input.

It refuses to know how publications are kept and sent again.
"""

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator
from typing import Any, BinaryIO

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
from wavetank.client import GaveUp, NotPublished, Publisher, Receipt, Result
from wavetank.client.lines import failed_line, published_line
from wavetank.client.options import PUB_OPTIONS
from wavetank.client.payloads import make_payload
from wavetank.errors import ExitCode, LocalError, UsageError
from wavetank.protocol import topic_problem
from wavetank.settings import Settings

__all__ = ["main"]

_DESCRIPTION = """\
Publish: wavetank pub [URL] TOPIC [DATA]

DATA is JSON; without it each line of standard input is published. Publications
arrive in order, each once, over lost connections; it ends when all are acknowledged."""

_EPILOG = f"""\
Every option can come from the environment too, as WAVETANK_PUB_<NAME>; a token also
as WAVETANK_TOKEN, and SYSTEM__WEBSOCKET_DASHBOARD_URL, SYSTEM__WEBSOCKET_MAX_RETRIES,
SYSTEM__WEBSOCKET_RETRY_DELAY, SYSTEM__WEBSOCKET_QUEUE_SIZE and
SYSTEM__ENABLE_WEBSOCKET_PUBLISHING are read too.

exit codes:
    0  everything was acknowledged
    1  something was not: it failed, is still in the spool, or was in a spool that
       is damaged
{EXIT_CODES}
"""

_STDIN = 0

_MOST_LINE = 16 * 1024 * 1024
_CHUNK = 65_536
_CHUNKS = 16
"""Pieces of standard input that may wait; a publisher that is full reads no more."""

_MOST_RECEIPTS = 100_000
"""Outcomes that are waited for at once, so that memory stays bounded."""


def main(argv: list[str]) -> int:
    """Publish until there is nothing left or it is stopped.

    Args:
        argv: What stands behind ``wavetank pub``.

    Raises:
        UsageError: With everything that is wrong with it.
        TargetError: If there is no connection in time.
    """
    url, words, settings = parse_orders(
        "pub",
        argv,
        PUB_OPTIONS,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        metavar="[URL] TOPIC [DATA]",
    )
    topic, data = _split(words)
    if data is not None:
        _check(topic, data, settings)
    if not settings["enable"]:
        say("pub", "publishing is switched off; nothing is sent")
        if data is None:
            _drop(_STDIN)
        return ExitCode.PASS
    return run_client(_publish(url, topic, data, settings))


def _split(words: list[str]) -> tuple[str, bytes | None]:
    if not 1 <= len(words) <= 2:
        raise UsageError("what to publish? give TOPIC, or TOPIC and DATA")
    problem = topic_problem(words[0])
    if problem:
        raise UsageError(f"{words[0]}: {problem}")
    return words[0], words[1].encode(errors="surrogateescape") if words[1:] else None


def _check(topic: str, data: bytes, settings: Settings) -> None:
    try:
        make_payload(topic, _read(data, settings), settings["key"])
    except LocalError as error:
        raise UsageError(f"{error} (with --text it need not be JSON)") from None


def _read(data: bytes, settings: Settings) -> Any:
    """Return what to publish: JSON as it is, or text."""
    return data.decode(errors="replace") if settings["text"] else data


class _Outcomes:
    """Prints what becomes of each publication, in order.

    A reader that left changes nothing: publishing is the work, and goes on unseen.
    """

    def __init__(self, out: BinaryIO) -> None:
        self._out: BinaryIO | None = out
        self._error: OSError | None = None
        self._queue: asyncio.Queue[Receipt | None] = asyncio.Queue(_MOST_RECEIPTS)
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def add(self, receipt: Receipt) -> None:
        """Note one more.

        Raises:
            OSError: If an earlier one could not be printed.
        """
        self._check()
        await self._queue.put(receipt)

    async def finish(self) -> None:
        """Print all the others; each of them has to end.

        Raises:
            OSError: If one could not be printed.
        """
        await self._queue.put(None)
        await self._task
        self._check()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    async def _run(self) -> None:
        while (receipt := await self._queue.get()) is not None:
            await receipt.wait()
            if self._out is not None:
                self._print(self._out, _line(receipt))

    def _print(self, out: BinaryIO, line: bytes) -> None:
        try:
            out.write(line)
            out.flush()
        except BrokenPipeError:
            self._out = None
        except OSError as error:
            self._out, self._error = None, error


def _line(receipt: Receipt) -> bytes:
    if receipt.error is None:
        return published_line(
            receipt.topic, receipt.position, is_duplicate=receipt.is_duplicate
        )
    return failed_line(receipt.topic, receipt.result.value, receipt.error)


async def _publish(url: str, topic: str, data: bytes | None, settings: Settings) -> int:
    publisher = Publisher(
        url,
        queue=settings["queue"],
        spool=settings["spool"],
        spool_bytes=settings["spool_bytes"],
        fsync=settings["fsync"],
        name=settings["name"],
        **link_options(settings),
    )
    outcomes = _Outcomes(output()) if settings["json"] else None
    job = _Job(publisher, topic, settings, outcomes)
    async with publisher:
        try:
            with contextlib.suppress(GaveUp):  # that is told at the end
                await wait_until_ready(publisher, settings["ready_timeout"])
            async with asyncio.timeout(settings["timeout"]):
                # Standard input may be open for ever while nothing can be published.
                await first_of((job.run(data), publisher.over()))
        except TimeoutError:
            pass  # what is acknowledged by now counts; the rest is told below
        except asyncio.CancelledError:
            # So it is on a signal. Python 3.11.2 takes a time-out for one more
            # cancellation as long as this one counts (gh-102780).
            task = asyncio.current_task()
            assert task is not None, "a task is running"
            task.uncancel()
        finally:
            await publisher.close(timeout=0.0)
            if outcomes is not None:
                await outcomes.finish()
    if publisher.error is not None:
        say("pub", str(publisher.error))
    counts = publisher.statistics()
    say("pub", ", ".join(f"{name} {count}" for name, count in counts.items()))
    left = counts["failed"] or counts["queued"] or publisher.spool_lost
    is_short = job.mistakes or left or publisher.error
    return ExitCode.FAIL if is_short else ExitCode.PASS


class _Job:
    """Offers one thing or all lines, and counts what could not be offered at all."""

    def __init__(
        self,
        publisher: Publisher,
        topic: str,
        settings: Settings,
        outcomes: _Outcomes | None,
    ) -> None:
        self._publisher = publisher
        self._topic = topic
        self._settings = settings
        self._outcomes = outcomes
        self.mistakes = 0

    async def run(self, one: bytes | None) -> None:
        """Offer, then wait until all is settled."""
        key = self._settings["key"]
        if one is not None:
            await self._offer(one, key)
        else:
            number = 0
            async for line in _lines(_STDIN):
                number += 1
                own = None if key is None else f"{key}-{number}"
                await self._offer(line, own, place=f"line {number}: ")
        await self._publisher.flush()

    async def _offer(self, data: bytes, key: str | None, place: str = "") -> None:
        try:
            read = _read(data, self._settings)
            receipt = await self._publisher.offer(self._topic, read, key=key)
        except LocalError as error:
            self.mistakes += 1
            say("pub", f"{place}{error}")
            receipt = Receipt(self._topic)
            wrong = NotPublished(str(error), code="invalid", is_certain=True)
            receipt.fail(Result.FAILED, wrong)
        if self._outcomes is not None:
            await self._outcomes.add(receipt)


def _drop(descriptor: int) -> None:
    """Read to the end: whoever writes to us must not fail because of a switch."""
    with contextlib.suppress(OSError):
        while os.read(descriptor, _CHUNK):
            pass


async def _lines(descriptor: int) -> AsyncIterator[bytes]:
    """Yield lines without their ends, but for empty ones; bounded ahead.

    A thread reads them, for not every standard input can be waited for. It is a
    daemon: one that waits for a terminal must not hold up the end.

    Raises:
        UsageError: If a line is too long.
    """
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes] = asyncio.Queue()
    room = threading.Semaphore(_CHUNKS)

    def read() -> None:
        chunk = b" "
        while chunk:
            try:
                chunk = os.read(descriptor, _CHUNK)
            except OSError:
                chunk = b""
            room.acquire()
            try:
                loop.call_soon_threadsafe(chunks.put_nowait, chunk)
            except RuntimeError:
                # The loop is closed: nobody wants any more.
                return

    threading.Thread(target=read, name="stdin", daemon=True).start()
    rest = b""
    while chunk := await chunks.get():
        room.release()
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield line
        if len(rest) > _MOST_LINE:
            raise UsageError(f"a line is longer than {_MOST_LINE} bytes")
    if rest.strip():
        yield rest
