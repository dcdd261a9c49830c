"""A log in a file, by SQLite: it outlives this process, and a power loss if asked.

It refuses to know how rows are written and read; ``writer`` and ``reader`` do.

Everything here runs on the event loop's thread and never waits.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
import structlog

from wavetank.clock import Clock
from wavetank.errors import LocalError, TargetError
from wavetank.hub.aio.logs.backlog import MOST_BYTES, Backlog, Item
from wavetank.hub.aio.logs.base import NOBODY, Kept, Listener
from wavetank.hub.aio.logs.checkpoints import Checkpoints
from wavetank.hub.aio.logs.folder import Folder, read_boot_id
from wavetank.hub.aio.logs.reader import Reader
from wavetank.hub.aio.logs.schema import connect, prepare
from wavetank.hub.aio.logs.store import Store
from wavetank.hub.aio.logs.writer import (
    Ended,
    Failed,
    Healed,
    Report,
    Trimmed,
    Writer,
    Written,
)
from wavetank.hub.duplicates import Origin
from wavetank.hub.durability import Durability
from wavetank.hub.log import Bounds, Entry, Mark
from wavetank.protocol import new_epoch

__all__ = ["SqliteLog", "SqliteTuning"]

_STUCK_AFTER = 5.0
"""Seconds of a batch after which nothing more is taken until it is done."""

_STUCK = "the disk has not answered for too long"

_CLOSING = 30.0
"""Seconds that the end may take; a disk may never answer."""


class SqliteTuning(msgspec.Struct, frozen=True, kw_only=True):
    """What nobody has to choose; tests do.

    Attributes:
        waiting: Bytes that may wait to be written.
        patience: Seconds to wait while another program holds the file.
        pages: Largest file, in pages of 4 KiB; None is "no limit".
        boot_id: Names this boot of the machine.
        dice: Makes random bytes.
    """

    waiting: int = MOST_BYTES
    patience: float = 1.0
    pages: int | None = None
    boot_id: Callable[[], str] = read_boot_id
    dice: Callable[[int], bytes] = os.urandom


class _Span:
    """What of a topic may be read: behind ``base`` and up to ``top``."""

    __slots__ = ("base", "top")

    def __init__(self, base: int, top: int) -> None:
        self.base = base
        self.top = top


class SqliteLog:
    """Entries of all topics in one file, each within its retention.

    Args:
        folder: Where the file is; it belongs to one hub at a time.
        retention: What is kept of each topic.
        total: Bytes of frames that are kept of all topics; None is "no limit".
            Beyond it, the topic that grows gives up its own oldest.
        durability_of: ``LOG`` or ``FSYNC``, by topic.
        clock: The time.
        logger: Where log lines go.
        observe: Is told how many seconds a batch took, from its first append on.
        tuning: What nobody has to choose.
    """

    name = "sqlite"
    may_refuse = True

    def __init__(
        self,
        folder: Path,
        *,
        retention: Bounds,
        total: int | None,
        durability_of: Callable[[str], Durability],
        clock: Clock,
        logger: structlog.typing.FilteringBoundLogger,
        observe: Callable[[float], object] | None = None,
        tuning: SqliteTuning | None = None,
    ) -> None:
        self.epoch = ""
        self.listener: Listener = NOBODY
        self._folder = Folder(folder)
        self._retention = retention
        self._total = total
        self._durability_of = durability_of
        self._clock = clock
        self._logger = logger
        self._observe = observe
        self._tuning = tuning or SqliteTuning()
        self._backlog = Backlog(clock.now, most=self._tuning.waiting)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._store: Store | None = None
        self._writer: Writer | None = None
        self._reader: Reader | None = None
        self._checkpoints = Checkpoints(self._connect)
        self._ended: asyncio.Future[None] | None = None
        self._spans: dict[str, _Span] = {}
        self._refusing: dict[str, tuple[int, str]] = {}
        self._is_refusing = False
        self._is_waking = False
        self._problem = ""
        self._obstacle = "the log is not open"
        self._batches = 0
        self._appended = 0
        self._refused = 0
        self._failures = 0

    # The start and the end.

    async def open(self) -> list[Kept]:
        """Make the file ours, and find out what it holds; see ``Log``."""
        if self._loop is not None:
            raise LocalError(f"{self!r} was opened before")
        self._loop = asyncio.get_running_loop()
        self._folder.take()
        try:
            store, kept = self._load()
        except sqlite3.Error as error:
            self._folder.release()
            words = f"the log {self._folder.file} cannot be opened: {error}"
            raise TargetError(words) from error
        except BaseException:
            self._folder.release()
            raise
        kept = [one for one in kept if not self._is_stray(one)]
        self.epoch = store.epoch
        self._spans = {one.topic: _Span(one.base.seq, one.top.seq) for one in kept}
        self._reader = Reader(self._connect)
        self._store = store
        self._ended = self._loop.create_future()
        self._writer = Writer(
            store,
            self._backlog,
            self._report,
            patience=self._tuning.patience,
            checkpoints=self._checkpoints,
        )
        self._writer.start()
        self._obstacle = ""
        return kept

    def _is_stray(self, kept: Kept) -> bool:
        """Tell whether a topic is in memory now: retention will remove it here."""
        return self._durability_of(kept.topic) is Durability.MEMORY

    def _connect(self) -> sqlite3.Connection:
        connection = connect(self._folder.file, patience=self._tuning.patience)
        # On a Mac, fsync alone leaves data in the drive's own memory.
        connection.execute("PRAGMA fullfsync=ON")
        return connection

    def _load(self) -> tuple[Store, list[Kept]]:
        tuning = self._tuning
        connection = self._connect()
        try:
            prepare(connection, self._folder.file)
            connection.execute("PRAGMA wal_autocheckpoint=0")
            connection.execute("PRAGMA journal_size_limit=0")
            connection.execute("PRAGMA cache_size=-16384")
            if tuning.pages is not None:
                connection.execute(f"PRAGMA max_page_count={tuning.pages}")
            store = Store(
                connection,
                retention=self._retention,
                total=self._total,
                level_of=self._durability_of,
            )
            store.load(tuning.boot_id(), lambda: new_epoch(tuning.dice(6)))
            return store, store.kept(self._clock.wall())
        except BaseException:
            connection.close()
            raise

    async def close(self) -> None:
        """Write what waits, and let the file go; more than once is fine."""
        if self._ended is None or self._writer is None or self._reader is None:
            return
        self._obstacle = "the log is closed"
        # First of all: a read that hangs must not keep what waits from being written.
        self._backlog.stop()
        try:
            async with asyncio.timeout(_CLOSING):
                reader, self._reader = self._reader, None
                await reader.close()
                await asyncio.shield(self._ended)
        except TimeoutError:
            # The threads cannot be ended from outside, but they end with us.
            self._logger.error("log_not_closed", waiting=self._backlog.entries)
            return
        self._writer.join()
        self._folder.release()

    # Appending.

    def epoch_of(self, topic: str) -> str:
        """Return the store's epoch, with which every topic begins."""
        return self.epoch

    def append(self, topic: str, entry: Entry, origin: Origin | None = None) -> None:
        """Hand an entry to the writer; see ``Log``."""
        if self._refusing and topic in self._refusing:
            # It goes with those before it, which the listener is about to hear of.
            return
        if self._obstacle:
            self._refuse_soon(topic, entry.seq, self._obstacle)
        elif not self._backlog.offer(Item(topic, entry, origin)):
            self._refuse_soon(topic, entry.seq, "too much waits to be written")
        elif self._backlog.is_idle and not self._is_waking:
            # At the end of this turn: what else is appended in it comes along.
            self._is_waking = True
            self._running.call_soon(self._wake)

    @property
    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise LocalError(f"{self!r} is not open")
        return self._loop

    def _wake(self) -> None:
        self._is_waking = False
        self._backlog.wake()

    def _refuse_soon(self, topic: str, seq: int, reason: str) -> None:
        """Refuse a topic's entries from ``seq`` on, once the caller has returned."""
        known = self._refusing.get(topic)
        if known is None or seq < known[0]:
            self._refusing[topic] = (seq, reason)
        if not self._is_refusing:
            self._is_refusing = True
            self._running.call_soon(self._refuse)

    def _refuse(self) -> None:
        """Tell the listener; until it has heard of a topic nothing of it is taken."""
        self._is_refusing = False
        try:
            for topic in list(self._refusing):
                seq, reason = self._refusing.pop(topic)
                self._refused += 1
                self.listener.refused(topic, seq, reason)
        finally:
            if self._refusing and not self._is_refusing:
                self._is_refusing = True
                self._running.call_soon(self._refuse)

    # What the writer reports.

    def _report(self, report: Report) -> None:
        """Hand a report to the loop; called on the writer's thread."""
        # Where the loop is closed, whoever could hear it is gone.
        with suppress(RuntimeError):
            self._running.call_soon_threadsafe(self._hear, report)

    def _hear(self, report: Report) -> None:
        match report:
            case Written():
                self._written(report)
            case Trimmed(bases):
                self._trimmed(bases)
            case Failed():
                self._failed(report)
            case Healed():
                self._problem = ""
                self._logger.info("log_works_again")
            case Ended(error):
                self._end(error)

    def _written(self, report: Written) -> None:
        self._batches += 1
        self._appended += report.entries
        if self._observe is not None:
            self._observe(self._clock.now() - report.began_at)
        for topic, top in report.tops.items():
            span = self._spans.get(topic)
            if span is None:
                span = self._spans[topic] = _Span(0, 0)
            span.top = top
            self.listener.durable(topic, top)
        self.listener.settled()

    def _trimmed(self, bases: Mapping[str, Mark]) -> None:
        for topic, base in bases.items():
            span = self._spans.get(topic)
            # Of a topic that is in memory now nobody knows that it is here too.
            if span is not None:
                span.base = base.seq
                self.listener.trimmed(topic, base)

    def _failed(self, report: Failed) -> None:
        self._failures += 1
        if not self._problem:
            self._logger.error(
                "log_failed",
                error=str(report.error),
                exc_info=None if report.is_known else report.error,
            )
        self._problem = str(report.error) or type(report.error).__name__
        if report.is_batch:
            self._give_up(f"the log could not be written: {self._problem}")

    def _give_up(self, reason: str) -> None:
        """Refuse everything that is not written, of all topics."""
        for topic, seq in self._backlog.mend().items():
            self._refuse_soon(topic, seq, reason)

    def _end(self, error: BaseException | None) -> None:
        if error is not None:
            self._logger.error("log_writer_ended", exc_info=error)
            self._problem = self._obstacle = "the log's writer has ended"
            self._give_up(self._obstacle)
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    # Reading and tending.

    async def since(
        self, topic: str, after: int, *, entries: int, size: int
    ) -> list[Entry]:
        """Return what is kept behind ``after``; see ``Log``."""
        span = self._spans.get(topic)
        if span is None or self._reader is None:
            return []
        while True:
            start = max(after, span.base)
            last = min(span.top, start + entries)
            if last <= start:
                return []
            found = await self._reader.since(topic, start, last, size=size)
            kept = [entry for entry in found if entry.seq > span.base]
            if kept or span.base <= start:
                return kept
            # Meanwhile retention has moved on, beyond all that was found.

    async def seek(self, topic: str, at: float) -> int:
        """Return the seq of the first entry at or after a time; see ``Log``."""
        span = self._spans.get(topic)
        if span is None or self._reader is None:
            return 1
        first, last = span.base + 1, span.top
        found = await self._reader.seek(topic, at, first=first, last=last)
        return max(found, span.base + 1)

    def tend(self, wall: float) -> None:
        """Let entries go that are too old; see whether writing is possible again."""
        if self._ended is None or self._ended.done():
            return
        self._backlog.tend(wall)
        is_stuck = self._backlog.busy_for > _STUCK_AFTER
        if is_stuck and not self._obstacle:
            self._obstacle = _STUCK
            self._logger.error("log_stuck", waiting=self._backlog.entries)
        elif not is_stuck and self._obstacle == _STUCK:
            self._obstacle = ""

    @property
    def is_failing(self) -> bool:
        """Whether the last write failed, or takes far too long."""
        return bool(self._problem) or self._obstacle == _STUCK

    def statistics(self) -> dict[str, int]:
        """Return counts; what the writer counts may be a moment old."""
        store, writer = self._store, self._writer
        return {
            "topics": len(self._spans),
            "entries": store.ledger.entries if store else 0,
            "bytes": store.ledger.size if store else 0,
            "file_bytes": writer.file_size if writer else 0,
            "batches": self._batches,
            "appended": self._appended,
            "refused": self._refused,
            "failures": self._failures,
            "waiting": self._backlog.entries,
            "waiting_bytes": self._backlog.size,
            "checkpoints": self._checkpoints.made,
        }

    def __repr__(self) -> str:
        """Show where it is and whether it works."""
        state = self._obstacle or self._problem or "well"
        return f"<SqliteLog {self._folder.path} {self.epoch} {state}>"
