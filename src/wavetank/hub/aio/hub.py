"""The hub as a guest in somebody's program: started, published to, stopped.

It refuses to know processes: it takes no signal, no file descriptor limit, and
says nothing on stderr unless it is given a logger.
"""

import asyncio
import json
from types import TracebackType
from typing import Any, Literal, Self

import msgspec
from structlog.typing import FilteringBoundLogger

from wavetank.errors import LocalError, UsageError, WavetankError
from wavetank.hub.access import Claims
from wavetank.hub.aio.lines import make_silent_logger
from wavetank.hub.aio.process import make_node
from wavetank.hub.aio.receipt import Accepted, publish
from wavetank.hub.aio.server import Server
from wavetank.hub.aio.status import describe
from wavetank.hub.config import HubConfig, make_config
from wavetank.hub.options import OPTIONS
from wavetank.hub.rules import judge_history, judge_publish
from wavetank.protocol import (
    ERRORS,
    CommandError,
    ErrorCode,
    History,
    HistoryPage,
    Position,
    Publish,
    decode_publish,
    encode_payload,
    format_tag,
)
from wavetank.settings import resolve

__all__ = ["Hub", "PublishError"]

_OWN = Claims(user="hub")
"""Whose publications those of the program itself are: it may do everything."""


class PublishError(WavetankError):
    """A publication that was not taken.

    Args:
        code: Why.
        message: The same in words; "" takes the code's own sentence.

    Attributes:
        code: As given.
        retryable: Whether the same can succeed later.
    """

    def __init__(self, code: ErrorCode, message: str) -> None:
        self.code = code
        self.retryable = ERRORS[code].retryable
        super().__init__(f"{code}: {message or ERRORS[code].meaning}")


class Hub:
    """A hub that runs in the loop of whoever enters it.

    ``async with Hub(port=0) as hub`` listens on a free port. Any number of them may
    run in one loop, asyncio's or uvloop's.

    Args:
        config: All of its configuration; or else options, not both.
        logger: Takes its log lines; it is silent without one.
        options: As on the command line, with underscores: ``port=0``, ``echo=True``,
            ``topics="unlimited"``, ``token=("a", "b")``. ``loop`` and ``log_level``
            are of no use here.

    Attributes:
        config: Its configuration.

    Raises:
        UsageError: With everything that is wrong with the options.
    """

    def __init__(
        self,
        config: HubConfig | None = None,
        *,
        logger: FilteringBoundLogger | None = None,
        **options: Any,
    ) -> None:
        if config is None:
            config = make_config(resolve(OPTIONS, flags=options))
        elif options:
            raise UsageError("give either a configuration or options, not both")
        self.config = config
        self._logger = make_silent_logger() if logger is None else logger
        self._server: Server | None = None
        self._gone: asyncio.Future[None] | None = None
        self._ending: asyncio.Future[bool] | None = None

    # Its life.

    async def start(self) -> None:
        """Open the log and listen; once only.

        Raises:
            LocalError: If it was started before.
            TargetError: If a port or the log cannot be had.
            UsageError: If certificate, keys or log cannot be used.
        """
        if self._server is not None:
            raise LocalError("a hub is started once; make another one")
        self._gone = asyncio.get_running_loop().create_future()
        self._server = Server(make_node(self.config, self._logger))
        try:
            await self._server.start()
        except BaseException:
            self._gone.set_result(None)
            await self._server.stop()
            raise

    async def stop(self, *, is_hurried: bool = False) -> None:
        """Stop; without a start, or once more, it does nothing.

        Cancelled, it stops in a hurry, and all of it.

        Args:
            is_hurried: Whether connections are cut; otherwise clients are told, get
                what they have not got yet, and have ``config.drain`` seconds to go.
        """
        server, gone = self._server, self._gone
        if server is None or gone is None or gone.done():
            return
        if is_hurried:
            server.hurry()
        if self._ending is None:
            self._ending = asyncio.ensure_future(server.drain())
        try:
            await asyncio.shield(self._ending)
        finally:
            server.hurry()
            if not gone.done():
                gone.set_result(None)
            await server.stop()

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop; in a hurry after an error or a cancellation."""
        await self.stop(is_hurried=error is not None)

    # What it is good for.

    @property
    def url(self) -> str:
        """Where WebSocket clients connect: the plain port."""
        return self.urls[0]

    @property
    def urls(self) -> list[str]:
        """Everywhere it listens."""
        return list(self._running.urls)

    @property
    def _running(self) -> Server:
        if self._server is None or self._gone is None or self._gone.done():
            raise LocalError("this hub does not run")
        return self._server

    async def publish(self, topic: str, data: Any, key: str | None = None) -> Position:
        """Publish, and wait until it has its topic's durability.

        Args:
            topic: Where.
            data: Any value that JSON has; bytes are taken as JSON text, and go out
                byte for byte.
            key: Idempotency key: the same one again is taken once.

        Returns:
            Where it is; of a key that was known, where the first one is.

        Raises:
            LocalError: If the hub does not run.
            PublishError: If it was not taken, with the protocol's code.
            TypeError: If JSON has nothing for ``data``.
            ValueError: If ``data`` nests too deeply, or is not Unicode.
        """
        node = self._running.node
        command = _make_command(topic, data, key)
        problem = judge_publish(command, _OWN, self.config.limits)
        if problem is not None:
            raise PublishError(problem.code, problem.message)
        work = asyncio.ensure_future(publish(node, command, _OWN.user))
        assert self._gone is not None  # it runs
        try:
            both: set[asyncio.Future[Any]] = {work, self._gone}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not work.done():
                work.cancel()
        if not work.done():
            raise PublishError(ErrorCode.UNAVAILABLE, "the hub was stopped meanwhile")
        outcome = work.result()
        if not isinstance(outcome, Accepted):
            raise PublishError(outcome.code, outcome.message)
        log, seq = outcome.topic.log, outcome.seq or 0
        tag = log.tag_at(seq)
        return Position(log.epoch, seq, None if tag is None else format_tag(tag))

    async def history(
        self,
        topic: str,
        *,
        since: Position | Literal["earliest"] = "earliest",
        limit: int | None = None,
    ) -> HistoryPage:
        """Return past events of a topic, oldest first.

        Args:
            topic: Which.
            since: Behind this position.
            limit: At most so many; the page says whether there are more.

        Raises:
            LocalError: If the hub does not run.
            ValueError: If that is no topic.
        """
        reader = self._running.node.reader
        command = History(id=0, topic=topic, since=since, limit=limit)
        problem = judge_history(command, _OWN)
        if problem is not None:
            raise ValueError(problem.message)
        begin = reader.find_begin(command)
        if begin is not None and reader.is_at_hand(command, begin):
            return reader.read(command, begin)
        if begin is None:
            begin = await reader.look_up(topic, since)
        return await reader.read_log(command, begin)

    async def status(self) -> dict[str, Any]:
        """Return what the status page says.

        Raises:
            LocalError: If the hub does not run.
        """
        return await describe(self._running.node)

    def reload(self) -> None:
        """Read certificate, key and token keys again; connections go on.

        Raises:
            LocalError: If the hub does not run.
            UsageError: If they cannot be used; then everything stays as it was.
        """
        self._running.reload()

    def __repr__(self) -> str:
        """Show where it listens."""
        is_running = self._gone is not None and not self._gone.done()
        where = ", ".join(self.urls) if is_running else "not running"
        return f"<Hub {where}>"


def _make_command(topic: str, data: Any, key: str | None) -> Publish:
    """Make the command that a client would have sent: the same rules hold.

    Raises:
        PublishError: If it is not valid.
    """
    if isinstance(data, bytes | bytearray | memoryview):
        payload = bytes(data)
        try:
            # Alone, so that it cannot end its field and begin another one.
            msgspec.json.decode(payload, type=msgspec.Raw)
        except (msgspec.DecodeError, RecursionError) as error:
            raise PublishError(ErrorCode.INVALID_JSON, f"data: {error}") from None
    else:
        payload = encode_payload(data)
    named = {"topic": topic} if key is None else {"topic": topic, "key": key}
    head = json.dumps(named).encode()
    command = decode_publish(b'%b,"data":%b}' % (head[:-1], payload))
    if isinstance(command, CommandError):
        raise PublishError(command.code, command.message)
    return command
