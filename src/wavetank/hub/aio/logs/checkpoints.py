"""Checkpoints: bring the write-ahead log into the file, beside the writer.

They refuse to know what is written.

Most of that work is done on a thread of its own, while the writer goes on. Where
it never pauses the write-ahead log cannot begin anew that way; beyond a bound the
writer makes the last, short one by itself.
"""

import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

__all__ = ["Checkpoints"]

DUE_BYTES = 8 * 1024 * 1024
"""Bytes written, roughly, after which a checkpoint is due."""

LONG_BYTES = 64 * 1024 * 1024
"""Length of a write-ahead log that the writer has to look after itself."""

_CHECKPOINT = "PRAGMA wal_checkpoint(PASSIVE)"


class Checkpoints:
    """The thread that makes them; used by the writer alone.

    Args:
        connect: Opens the log's file.
        due: Bytes written after which one is due.
        long: Bytes of a write-ahead log that is too long.

    Attributes:
        made: How many were made.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        *,
        due: int = DUE_BYTES,
        long: int = LONG_BYTES,
    ) -> None:
        self.made = 0
        self._connect = connect
        self._due = due
        self._long = long
        self._written = 0
        self._error: Exception | None = None
        self._is_long = False
        self._is_stopping = False
        self._wish = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="wavetank-log-checkpoints", daemon=True
        )

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wrote(self, size: int, connection: sqlite3.Connection) -> None:
        """Hear that bytes were written.

        Args:
            size: How many, roughly.
            connection: Of the writer, which has nothing else to do now.

        Raises:
            sqlite3.Error: Where the last checkpoint has failed.
        """
        if self._is_long:
            self._is_long = False
            connection.execute(_CHECKPOINT).fetchone()
            self.made += 1
        self._written += size
        if self._written >= self._due:
            self._written = 0
            self._wish.set()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def close(self) -> None:
        """End the thread."""
        self._is_stopping = True
        self._wish.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while self._wish.wait() and not self._is_stopping:
            self._wish.clear()
            try:
                self._make()
            except Exception as error:  # noqa: BLE001 - the writer raises it again
                self._error = error

    def _make(self) -> None:
        connection = self._connect()
        try:
            connection.execute(_CHECKPOINT).fetchone()
            name = connection.execute("PRAGMA database_list").fetchone()[2]
            self._is_long = os.stat(Path(f"{name}-wal")).st_size > self._long
            self.made += 1
        finally:
            connection.close()

    def __repr__(self) -> str:
        """Show how many were made."""
        return f"<Checkpoints {self.made} made>"
