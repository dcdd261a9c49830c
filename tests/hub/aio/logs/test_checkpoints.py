"""Checkpoints: bring the write-ahead log into the file, beside the writer."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wavetank.hub.aio.logs.checkpoints import Checkpoints
from wavetank.hub.aio.logs.schema import connect


@pytest.fixture(name="make")
def fixture_make(tmp_path: Path) -> Iterator[Callable[..., Checkpoints]]:
    """Give a function that starts checkpoints; all are closed at the end."""
    started: list[Checkpoints] = []

    def start(
        opener: Callable[[], sqlite3.Connection] | None = None, **bounds: int
    ) -> Checkpoints:
        file = tmp_path / "log.db"
        opener = opener or (lambda: connect(file, patience=0.05))
        checkpoints = Checkpoints(opener, **bounds)
        checkpoints.start()
        started.append(checkpoints)
        return checkpoints

    yield start
    for checkpoints in started:
        checkpoints.close()


class Gate:
    """Opens files, and lets a test wait for their end."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ended = threading.Semaphore(0)

    def open(self) -> sqlite3.Connection:
        """Open it, with a connection that tells when it is closed."""
        ended = self._ended

        class Connection(sqlite3.Connection):
            def close(self) -> None:
                super().close()
                ended.release()

        return sqlite3.connect(self._file, factory=Connection, isolation_level=None)

    def wait(self) -> None:
        """Wait until one more was closed."""
        assert self._ended.acquire(timeout=20.0)


@pytest.fixture(name="gate")
def fixture_gate(tmp_path: Path) -> Gate:
    """Give what opens the test's file."""
    return Gate(tmp_path / "log.db")


def main_file(store: Any) -> bytes:
    """Return the file without its write-ahead log."""
    row = store.connection.execute("PRAGMA database_list").fetchone()
    return Path(row[2]).read_bytes()


def test_checkpoint_is_made_when_enough_is_written(
    make: Any, gate: Gate, open_store: Any, chains: Any
) -> None:
    """Not before; then the file itself has what was written."""
    store = open_store()
    store.connection.execute("PRAGMA wal_autocheckpoint=0")
    checkpoints = make(gate.open, due=100)
    store.write([chains.item("t", b'"needle"')])
    checkpoints.wrote(99, store.connection)
    assert b"needle" not in main_file(store)
    checkpoints.wrote(1, store.connection)
    gate.wait()
    assert b"needle" in main_file(store)
    checkpoints.close()
    assert checkpoints.made == 1
    assert repr(checkpoints) == "<Checkpoints 1 made>"


def test_writer_makes_the_last_of_a_long_one(
    make: Any, gate: Gate, open_store: Any, chains: Any
) -> None:
    """Where it never pauses, nobody else could."""
    store = open_store()
    store.connection.execute("PRAGMA wal_autocheckpoint=0")
    checkpoints = make(gate.open, due=1, long=1)
    store.write([chains.item("t", b"1")])
    checkpoints.wrote(1, store.connection)
    gate.wait()
    store.write([chains.item("t", b'"needle"')])
    assert b"needle" not in main_file(store)
    checkpoints.close()
    checkpoints.wrote(0, store.connection)
    assert b"needle" in main_file(store)
    assert checkpoints.made == 2


def test_writer_hears_of_a_checkpoint_that_has_failed(
    make: Any, open_store: Any
) -> None:
    """Once; the next one may be better."""
    store = open_store()
    failed = threading.Semaphore(0)

    def fail() -> sqlite3.Connection:
        failed.release()
        raise sqlite3.OperationalError("disk I/O error")

    checkpoints = make(fail, due=1)
    checkpoints.wrote(1, store.connection)
    assert failed.acquire(timeout=20.0)
    checkpoints.close()
    with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
        checkpoints.wrote(0, store.connection)
    checkpoints.wrote(0, store.connection)
    assert checkpoints.made == 0


def test_checkpoints_that_were_never_started_can_be_closed(tmp_path: Path) -> None:
    """There is no thread to end."""
    checkpoints = Checkpoints(lambda: connect(tmp_path / "log.db", patience=0.0))
    checkpoints.close()
    assert checkpoints.made == 0
