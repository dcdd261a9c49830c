"""The spool: publications on disk until they are settled, over restarts.

It refuses to know the hub, and when something is sent.

SQLite keeps the file whole through a crash at any moment. Each entry is written when
it is accepted and deleted when it is settled; between the two it is sent, maybe by a
later process, under the same number.
"""

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from wavetank.client.aio.disk import disk_error
from wavetank.client.aio.positions import set_aside
from wavetank.client.lanes import Lane, Lanes
from wavetank.client.outbox import Entry
from wavetank.errors import UsageError

if TYPE_CHECKING:
    import structlog

__all__ = ["Spool"]

_FILE = "spool.sqlite"
_COMPANIONS = ("-wal", "-shm")
_ROW_BYTES = 100
"""What an entry takes beside its payload and names, roughly."""

_APPLICATION = 0x77745350
"""``PRAGMA application_id`` ("wtSP") of our files; the first had 0."""

_VERSION = 1

_SCHEMA = f"""
BEGIN IMMEDIATE;
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_VERSION};
CREATE TABLE IF NOT EXISTS entries (
    number INTEGER PRIMARY KEY, topic TEXT NOT NULL, data BLOB NOT NULL,
    key TEXT, ordinal INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS lanes (
    topic TEXT NOT NULL, after INTEGER NOT NULL, epoch INTEGER NOT NULL,
    base INTEGER NOT NULL, PRIMARY KEY (topic, after)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS life (
    name TEXT NOT NULL, epoch INTEGER NOT NULL, number INTEGER NOT NULL);
COMMIT;
"""

_TABLES = {
    "entries": {
        "number INTEGER",
        "topic TEXT",
        "data BLOB",
        "key TEXT",
        "ordinal INTEGER",
    },
    "lanes": {"topic TEXT", "after INTEGER", "epoch INTEGER", "base INTEGER"},
    "life": {"name TEXT", "epoch INTEGER", "number INTEGER"},
}

_TROUBLE = {
    sqlite3.SQLITE_BUSY: errno.EAGAIN,
    sqlite3.SQLITE_LOCKED: errno.EAGAIN,
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
}
"""What SQLite calls what the system calls otherwise."""


class Spool:
    """One folder with one file; it belongs to one process at a time.

    Args:
        folder: Where it is; made if it is not there, for this user alone.
        name: Of the producer; a spool keeps the name that it began with.
        max_bytes: Most bytes of entries; None is unlimited.
        fsync: Whether an entry is on the disk itself before it counts as accepted.
            Otherwise it survives the death of the process, not of the machine.
        logger: Takes log lines.

    Attributes:
        name: Of the producer.
        epoch: First epoch of this life.
        number: Highest number that was ever used.
        count: Entries in it.
        size: Their bytes, roughly.
        lost: Where a damaged one was set aside that this one replaces, or None.

    Raises:
        UsageError: If the folder cannot be used, or the file is none of ours.
        TargetError: If another process has it, or the disk is full.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        max_bytes: int | None,
        fsync: bool,
        logger: "structlog.typing.FilteringBoundLogger",
    ) -> None:
        self._path = Path(folder) / _FILE
        self._max_bytes = max_bytes
        self._logger = logger
        self.lost: Path | None = None
        place = f"spool: {folder}"
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._begin_or_replace(name, fsync=fsync)
        except OSError as error:
            raise disk_error(place, error) from None
        except sqlite3.Error as error:
            raise disk_error(place, _as_system_error(error)) from None

    def _begin_or_replace(self, name: str, *, fsync: bool) -> None:
        try:
            self._begin(name, fsync=fsync)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            self.lost = self._set_aside(error)
            self._begin(name, fsync=fsync)

    def _begin(self, name: str, *, fsync: bool) -> None:
        """Open the file and lock it; every statement is a transaction of its own.

        Raises:
            UsageError: If it is none of ours.
            sqlite3.DatabaseError: If it is damaged.
            sqlite3.OperationalError: If somebody else has it, or the disk is full.
            OSError: If it cannot be made.
        """
        # SQLite would make it readable to all. One that is there must not be opened
        # here: closing it would take away the locks of another spool in this process.
        with contextlib.suppress(FileExistsError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            os.close(os.open(self._path, flags, 0o600))
        database = sqlite3.connect(self._path, timeout=0.0, isolation_level=None)
        try:
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._check(database)
            database.execute("PRAGMA journal_mode = WAL")
            level = "FULL" if fsync else "NORMAL"
            database.execute(f"PRAGMA synchronous = {level}")
            database.executescript(_SCHEMA)
            if database.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("its pages do not fit together")
            self._database = database
            self._live(name)
        except BaseException:
            database.close()
            raise

    def _check(self, database: sqlite3.Connection) -> None:
        """See whose file it is, before anything in it is changed."""
        application = database.execute("PRAGMA application_id").fetchone()[0]
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if application == _APPLICATION and version != _VERSION:
            raise UsageError(f"spool: {self._path} is a spool of version {version}")
        tables: dict[str, set[str]] = {}
        for name, column in database.execute(
            "SELECT all_of.name, its.name || ' ' || its.type "
            "FROM sqlite_master AS all_of "
            "LEFT JOIN pragma_table_info(all_of.name) AS its "
            "WHERE substr(all_of.name, 1, 7) <> 'sqlite_'"
        ):
            tables.setdefault(name, set()).add(column)
        is_marked = application in {0, _APPLICATION} and version in {0, _VERSION}
        if not is_marked or tables not in ({}, _TABLES):
            raise UsageError(
                f"spool: {self._path} is a database of another program; "
                "choose another folder"
            )

    def _set_aside(self, error: Exception) -> Path:
        aside = set_aside(self._path)
        for companion in _COMPANIONS:
            with contextlib.suppress(FileNotFoundError):
                Path(f"{self._path}{companion}").rename(f"{aside}{companion}")
        self._logger.error(
            "spool_lost", file=str(self._path), reason=str(error), kept_as=str(aside)
        )
        return aside

    def _live(self, name: str) -> None:
        """Begin a life: read what the last one left, and use no number again."""
        database = self._database
        row = database.execute("SELECT name, epoch, number FROM life").fetchone()
        last: tuple[str, int, int] = row or (name, 0, 0)
        self.name, epoch, number = last
        highest = "SELECT max(number) FROM entries"
        self.number = max(number, database.execute(highest).fetchone()[0] or 0)
        lanes = database.execute("SELECT max(epoch) FROM lanes").fetchone()[0] or 0
        self.epoch = max(epoch, lanes) + 1
        database.execute("BEGIN")
        database.execute("DELETE FROM life")
        database.execute(
            "INSERT INTO life VALUES (?, ?, ?)", (self.name, self.epoch, self.number)
        )
        database.execute(
            "DELETE FROM lanes WHERE topic NOT IN (SELECT topic FROM entries)"
        )
        database.execute("COMMIT")
        size = f"count(*), coalesce(sum({_size_of()}), 0)"
        found: tuple[int, int] = database.execute(
            f"SELECT {size} FROM entries"
        ).fetchone()
        self.count, self.size = found

    def lanes(self) -> list[Lane]:
        """Return the lanes of entries of earlier lives, oldest first."""
        rows = self._database.execute(
            "SELECT topic, after, epoch, base FROM lanes ORDER BY topic, after"
        )
        return [
            Lane(topic=topic, after=after, epoch=epoch, base=base)
            for topic, after, epoch, base in rows
        ]

    def waiting(self) -> list[tuple[str, int, int]]:
        """Return of each topic: its name, highest ordinal, and counted entries."""
        return self._database.execute(
            "SELECT topic, max(ordinal), count(*) FROM entries "
            "WHERE key IS NULL GROUP BY topic"
        ).fetchall()

    def has_room(self, size: int) -> bool:
        """Tell whether an entry with such a payload may come in."""
        return self._max_bytes is None or self.size + size <= self._max_bytes

    def put(self, entry: Entry, lanes: Lanes) -> None:
        """Keep an entry, and what became of lanes.

        Raises:
            OSError: If the disk does not take it; then nothing has changed.
        """
        row = (entry.number, entry.topic, entry.data, entry.key, entry.ordinal)
        with self._transaction():
            self._note_lanes(lanes)
            self._database.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", row)
        lanes.noted()
        self.count += 1
        self.size += _cost(entry)
        self.number = entry.number

    def note(self, lanes: Lanes) -> None:
        """Keep what became of lanes, before anything is sent in a new one.

        Raises:
            OSError: If the disk does not take it.
        """
        if lanes.fresh:
            with self._transaction():
                self._note_lanes(lanes)
            lanes.noted()

    def _note_lanes(self, lanes: Lanes) -> None:
        execute = self._database.execute
        for lane in lanes.over:
            execute(
                "DELETE FROM lanes WHERE topic = ? AND after = ? AND epoch = ?",
                (lane.topic, lane.after, lane.epoch),
            )
        for lane in lanes.fresh:
            execute(
                "INSERT OR REPLACE INTO lanes VALUES (?, ?, ?, ?)",
                (lane.topic, lane.after, lane.epoch, lane.base),
            )
        if lanes.fresh:
            execute("UPDATE life SET epoch = ?", (lanes.epoch,))

    def settle(self, entries: Iterable[Entry]) -> None:
        """Forget entries that need not be sent again.

        Raises:
            OSError: If the disk does not take it; then they are sent again after a
                restart, and the hub knows them.
        """
        done = list(entries)
        numbers = [(entry.number,) for entry in done]
        with self._transaction():
            self._database.executemany("DELETE FROM entries WHERE number = ?", numbers)
        self.count -= len(done)
        self.size -= sum(map(_cost, done))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._database.execute("BEGIN")
            yield
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise OSError(f"the spool cannot be written: {error}") from error

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")

    def since(self, number: int, *, most: int) -> list[Entry]:
        """Return the entries behind a number, oldest first.

        Raises:
            OSError: If they cannot be read.
        """
        try:
            rows = self._database.execute(
                "SELECT number, topic, data, key, ordinal FROM entries "
                "WHERE number > ? ORDER BY number LIMIT ?",
                (number, most),
            ).fetchall()
        except sqlite3.Error as error:
            raise OSError(f"the spool cannot be read: {error}") from error
        return [
            Entry(number=number, topic=topic, data=data, key=key, ordinal=ordinal)
            for number, topic, data, key, ordinal in rows
        ]

    def close(self) -> None:
        """Note how far numbers went, and let the file go."""
        with contextlib.suppress(sqlite3.Error):
            self._database.execute("UPDATE life SET number = ?", (self.number,))
        self._database.close()

    def __repr__(self) -> str:
        """Show how full it is."""
        return f"<Spool {self._path.parent} {self.count} entries, {self.size} bytes>"


def _cost(entry: Entry) -> int:
    key = "" if entry.key is None else entry.key
    return len(entry.data) + len(entry.topic) + len(key.encode()) + _ROW_BYTES


def _size_of() -> str:
    names = "length(topic) + length(CAST(coalesce(key, '') AS BLOB))"
    return f"length(data) + {names} + {_ROW_BYTES}"


def _as_system_error(error: sqlite3.Error) -> OSError:
    number = _TROUBLE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, 0)
    is_taken = number == errno.EAGAIN
    return OSError(number, "another process has it" if is_taken else str(error))
