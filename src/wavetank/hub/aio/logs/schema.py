"""The schema of a log's file, and the steps that brought it to what it is.

It refuses to know what is written, and when.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from wavetank.errors import TargetError, UsageError

__all__ = ["APPLICATION", "STEPS", "connect", "prepare"]

APPLICATION = 0x57544E4B
"""What marks a file as ours in its header: WTNK."""

_LEAST_SQLITE = (3, 33)
"""UPDATE FROM is of that version."""

Step = tuple[str, ...]

STEPS: tuple[Step, ...] = (
    (
        # epoch, boot, clean; one row each.
        "CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID",
        # base, base_tag, base_end: of the entry that was removed last.
        # top, tag, end, at: of the newest entry. end: bytes of all frames so far.
        "CREATE TABLE topics("
        "id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, epoch TEXT NOT NULL, "
        "level TEXT NOT NULL, base INTEGER NOT NULL DEFAULT 0, "
        "base_tag INTEGER NOT NULL DEFAULT 0, base_end INTEGER NOT NULL DEFAULT 0, "
        "top INTEGER NOT NULL, tag INTEGER NOT NULL, end INTEGER NOT NULL, "
        "at INTEGER NOT NULL)",
        # at: microseconds since 1970. size: of the frame, which is made anew.
        # The payload stands last: whoever looks for a time or a size skips it.
        "CREATE TABLE entries("
        "topic INTEGER NOT NULL, seq INTEGER NOT NULL, tag INTEGER NOT NULL, "
        "at INTEGER NOT NULL, size INTEGER NOT NULL, end INTEGER NOT NULL, "
        "payload BLOB NOT NULL, PRIMARY KEY(topic, seq)) WITHOUT ROWID",
        # who: user and key, or user and name of a producer, as a JSON array: in
        # JSON text there is no NUL, at which SQLite would end a string.
        "CREATE TABLE keyed("
        "id INTEGER PRIMARY KEY, topic INTEGER NOT NULL, seq INTEGER NOT NULL, "
        "at INTEGER NOT NULL, who TEXT NOT NULL)",
        "CREATE TABLE producers("
        "id INTEGER PRIMARY KEY, topic INTEGER NOT NULL, who TEXT NOT NULL, "
        "epoch INTEGER NOT NULL, last INTEGER NOT NULL, seq INTEGER NOT NULL, "
        "UNIQUE(topic, who))",
        "CREATE TABLE counted("
        "producer INTEGER NOT NULL, epoch INTEGER NOT NULL, "
        "number INTEGER NOT NULL, seq INTEGER NOT NULL, "
        "PRIMARY KEY(producer, epoch, number)) WITHOUT ROWID",
    ),
)
"""What leads from one version of the schema to the next; the first makes it."""


def connect(file: Path, *, patience: float) -> sqlite3.Connection:
    """Open a file; every statement is a transaction of its own unless one is begun.

    Args:
        file: Is created where it is missing.
        patience: Seconds to wait while somebody else holds it.
    """
    return sqlite3.connect(
        file, timeout=patience, isolation_level=None, check_same_thread=False
    )


def prepare(
    connection: sqlite3.Connection, file: Path, steps: Sequence[Step] = STEPS
) -> None:
    """Bring a file to the newest schema, if it is ours, or new.

    Nothing is written before it is known whose file it is.

    Args:
        connection: To the file.
        file: Its name, for messages.
        steps: To the newest schema.

    Raises:
        UsageError: If the file is not ours, or of a newer version of this program.
        TargetError: If this machine's SQLite, or the file system, is not enough.
    """
    if sqlite3.sqlite_version_info < _LEAST_SQLITE:
        least = ".".join(map(str, _LEAST_SQLITE))
        words = f"SQLite {sqlite3.sqlite_version} is too old; {least} is the least"
        raise TargetError(words)
    version = _find_version(connection, file, newest=len(steps))
    if version == 0:
        # Freed pages are used again; what is left over is given back (`vacuum`).
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute(f"PRAGMA application_id={APPLICATION}")
    mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        raise TargetError(f"{file}: this file system cannot hold a write-ahead log")
    for number, step in enumerate(steps[version:], start=version + 1):
        _upgrade(connection, step, number)


def _find_version(connection: sqlite3.Connection, file: Path, *, newest: int) -> int:
    try:
        tables = _read(connection, "SELECT count(*) FROM sqlite_master")
        application = _read(connection, "PRAGMA application_id")
        version = _read(connection, "PRAGMA user_version")
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        raise UsageError(f"--data: {file} is not a log: {error}") from None
    is_new = not tables and not version and application in {0, APPLICATION}
    if application != APPLICATION and not is_new:
        raise UsageError(f"--data: {file} belongs to another program; choose another")
    if version > newest:
        raise UsageError(
            f"--data: {file} was written by a newer version of this program "
            f"(schema {version}; this one knows {newest})"
        )
    return version


def _read(connection: sqlite3.Connection, question: str) -> int:
    return int(connection.execute(question).fetchone()[0])


def _upgrade(connection: sqlite3.Connection, step: Step, number: int) -> None:
    """Take one step: all of it, with the new version, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in step:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version={number}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
