"""The writer: one thread that writes batches, and looks after the file between them.

It refuses to know the event loop, and who waits for what.
"""

import sqlite3
import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple

from wavetank.hub.aio.logs.backlog import Backlog, Batch, Tend
from wavetank.hub.aio.logs.checkpoints import Checkpoints
from wavetank.hub.aio.logs.origins import forget_keys, forget_producers
from wavetank.hub.aio.logs.store import Store
from wavetank.hub.log import Mark

__all__ = ["Ended", "Failed", "Healed", "Report", "Trimmed", "Writer", "Written"]

CLEAR_ENTRIES = 4096
"""Removed entries that are cleared away in one go."""

TENDED_TOPICS = 2000
"""Topics whose age is looked at in one go."""

_FORGOTTEN_KEYS = 20_000
_GIVEN_BACK_PAGES = 256
_PRUNE_EVERY = 60
_FAILING_PATIENCE = 0.05

_TOPIC_BYTES = 8192
"""What a topic takes in the write-ahead log for each batch: about two pages."""


class Written(NamedTuple):
    """A batch is written: topic -> its new top.

    ``began_at`` is when the first entry came, by the monotonic clock.
    """

    tops: Mapping[str, int]
    began_at: float
    entries: int


class Trimmed(NamedTuple):
    """Entries are removed: topic -> its new base."""

    bases: Mapping[str, Mark]


class Failed(NamedTuple):
    """A batch could not be written, or, without one, the file could not be tended.

    ``is_known`` tells whether it is one of the things that files do.
    """

    error: BaseException
    is_batch: bool
    is_known: bool


class Healed(NamedTuple):
    """Writing is possible again."""


class Ended(NamedTuple):
    """The writer has come to its end; with an error if that was not asked for."""

    error: BaseException | None


Report = Written | Trimmed | Failed | Healed | Ended


class Writer:
    """The thread that writes.

    Args:
        store: The file; the writer alone uses it, and closes it.
        backlog: Where batches come from.
        report: Is told what has happened, on the writer's thread.
        patience: Seconds to wait while somebody else holds the file.
        checkpoints: Bring what is written into the file; the writer ends them.

    Attributes:
        file_size: Bytes of the file, as of the last time that it was tended.
    """

    def __init__(
        self,
        store: Store,
        backlog: Backlog,
        report: Callable[[Report], object],
        *,
        patience: float,
        checkpoints: Checkpoints,
    ) -> None:
        self.file_size = 0
        self._store = store
        self._backlog = backlog
        self._report = report
        self._patience = patience
        self._checkpoints = checkpoints
        self._is_failing = False
        self._turns = 0
        self._thread = threading.Thread(
            target=self._run, name="wavetank-log-writer", daemon=True
        )

    def start(self) -> None:
        """Begin to write."""
        self._checkpoints.start()
        self._thread.start()

    def join(self) -> None:
        """Wait for the end of the thread, which has reported it."""
        self._thread.join()

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            self._work()
            self._finish()
        except BaseException as caught:  # noqa: BLE001 - whatever it is, it is told
            error = caught
        self._checkpoints.close()
        self._store.connection.close()
        self._report(Ended(error))

    def _work(self) -> None:
        while True:
            work = self._backlog.wait()
            if work is None:
                return
            if isinstance(work, Batch):
                self._write(work)
            else:
                self._tend(work)

    def _write(self, batch: Batch) -> None:
        try:
            parcel = self._store.write(batch.items)
        except Exception as error:  # noqa: BLE001 - none may end the thread in silence
            self._backlog.fail()
            self._fail(error, is_batch=True)
            return
        self._backlog.done()
        tops = {name: account.top for name, account in parcel.accounts.items()}
        self._report(Written(tops, batch.began_at, len(batch.items)))
        self._heal()
        self._attempt(lambda: self._keep_up(batch, tops))

    def _keep_up(self, batch: Batch, tops: Mapping[str, int]) -> None:
        """Do what a batch has made necessary."""
        retention, ledger = self._store.retention, self._store.ledger
        accounts = [ledger.by_name[topic] for topic in tops]
        newest = max(item.entry.at for item in batch.items)
        self._tell(retention.trim(accounts, newest))
        if retention.doomed >= CLEAR_ENTRIES:
            # Twice what has come, so that what is removed never outgrows it.
            retention.clear(max(CLEAR_ENTRIES, 2 * len(batch.items)))
        size = batch.size + _TOPIC_BYTES * len(tops)
        self._checkpoints.wrote(size, self._store.connection)

    def _tend(self, tend: Tend) -> None:
        # What goes makes room, so it comes before the question whether there is any.
        self._attempt(lambda: self._expire(tend.wall))
        if self._is_failing:
            self._attempt(self._probe)
        if not self._is_failing:
            self._attempt(lambda: self._look_after(tend.wall))

    def _expire(self, wall: float) -> None:
        retention = self._store.retention
        self._tell(retention.expire(wall, TENDED_TOPICS))
        if retention.doomed:
            retention.clear(CLEAR_ENTRIES)

    def _probe(self) -> None:
        """See whether writing is possible again."""
        self._store.probe()
        self._heal()

    def _look_after(self, wall: float) -> None:
        """Do what is due once in a while."""
        forget_keys(self._store.connection, wall, _FORGOTTEN_KEYS)
        self._turns += 1
        if self._turns % _PRUNE_EVERY == 0:
            forget_producers(self._store.connection)
        self._shrink()
        self.file_size = self._store.file_size

    def _shrink(self) -> None:
        """Give room back while nobody waits."""
        pages = _GIVEN_BACK_PAGES if self._store.is_wasteful else 0
        for _ in range(pages):
            if self._backlog.entries:
                return
            self._store.give_back_page()

    def _attempt(self, work: Callable[[], None]) -> None:
        """Do what can be done another time, should it fail."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - none may end the thread in silence
            self._fail(error, is_batch=False)

    def _tell(self, bases: Mapping[str, Mark]) -> None:
        if bases:
            self._report(Trimmed(bases))

    def _fail(self, error: Exception, *, is_batch: bool) -> None:
        if not self._is_failing:
            self._is_failing = True
            # Whoever publishes now should not wait as long as the first ones.
            self._wait_at_most(_FAILING_PATIENCE)
        is_known = isinstance(error, sqlite3.Error | OSError)
        self._report(Failed(error, is_batch, is_known))

    def _heal(self) -> None:
        if self._is_failing:
            self._is_failing = False
            self._wait_at_most(self._patience)
            self._report(Healed())

    def _wait_at_most(self, seconds: float) -> None:
        milliseconds = round(seconds * 1000)
        self._store.connection.execute(f"PRAGMA busy_timeout={milliseconds}")

    def _finish(self) -> None:
        """Write down that nothing is left to be written."""
        self._attempt(lambda: self._store.retention.clear(CLEAR_ENTRIES))
        self._attempt(self._store.mark_clean)

    def __repr__(self) -> str:
        """Show what it writes."""
        return f"<Writer {self._store!r}>"
