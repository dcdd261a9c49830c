"""The schema of a log's file, and the steps that brought it to what it is."""

import sqlite3
from pathlib import Path

import pytest

from wavetank.errors import TargetError, UsageError
from wavetank.hub.aio.logs.schema import APPLICATION, STEPS, connect, prepare


@pytest.fixture(name="file")
def fixture_file(tmp_path: Path) -> Path:
    """Give a name for a file that is not there."""
    return tmp_path / "log.db"


def read(file: Path, question: str) -> object:
    """Ask a file, and leave it."""
    connection = connect(file, patience=0.0)
    try:
        return connection.execute(question).fetchone()[0]
    finally:
        connection.close()


def prepared(file: Path, steps: tuple[tuple[str, ...], ...] = STEPS) -> None:
    """Bring a file to a schema, and leave it."""
    connection = connect(file, patience=0.0)
    try:
        prepare(connection, file, steps)
    finally:
        connection.close()


def test_file_gets_the_newest_schema_when_it_is_new(file: Path) -> None:
    """With marks that tell whose it is, and room that is given back."""
    prepared(file)
    assert read(file, "PRAGMA user_version") == len(STEPS)
    assert read(file, "PRAGMA application_id") == APPLICATION
    assert read(file, "PRAGMA journal_mode") == "wal"
    assert read(file, "PRAGMA auto_vacuum") == 2
    assert read(file, "SELECT count(*) FROM entries") == 0


def test_file_stays_as_it_is_when_it_is_opened_again(file: Path) -> None:
    """Its schema is known."""
    prepared(file)
    connection = connect(file, patience=0.0)
    connection.execute("INSERT INTO meta VALUES('epoch', 'e')")
    connection.close()
    prepared(file)
    assert read(file, "SELECT value FROM meta") == "e"


def test_file_of_an_older_version_is_brought_to_the_newest(file: Path) -> None:
    """Step by step; what it holds goes along."""
    prepared(file, STEPS[:1])
    connection = connect(file, patience=0.0)
    connection.execute("INSERT INTO meta VALUES('epoch', 'e')")
    connection.close()
    more = (
        ("ALTER TABLE meta ADD COLUMN note TEXT", "UPDATE meta SET note = 'old'"),
        ("CREATE TABLE more(x)",),
    )
    prepared(file, STEPS[:1] + more)
    assert read(file, "PRAGMA user_version") == 3
    assert read(file, "SELECT note FROM meta WHERE value = 'e'") == "old"
    assert read(file, "SELECT count(*) FROM more") == 0


def test_file_keeps_its_version_when_a_step_fails(file: Path) -> None:
    """All of a step is done, or nothing of it."""
    prepared(file, STEPS[:1])
    broken = ("CREATE TABLE more(x)", "CREATE TABLE more(x)")
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        prepared(file, (*STEPS[:1], broken))
    assert read(file, "PRAGMA user_version") == 1
    assert read(file, "SELECT count(*) FROM sqlite_master WHERE name = 'more'") == 0


def test_file_of_a_newer_version_is_left_alone(file: Path) -> None:
    """An older program could only damage it."""
    prepared(file, (*STEPS, ("CREATE TABLE more(x)",)))
    before = file.read_bytes()
    with pytest.raises(UsageError, match="was written by a newer version"):
        prepared(file)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE theirs(x)", "PRAGMA application_id=7"]
)
def test_file_of_another_program_is_left_alone(file: Path, statement: str) -> None:
    """Whether it is marked or just not empty."""
    connection = connect(file, patience=0.0)
    connection.execute(statement)
    connection.close()
    before = file.read_bytes()
    with pytest.raises(UsageError, match="belongs to another program"):
        prepared(file)
    assert file.read_bytes() == before


def test_file_that_is_no_database_is_left_alone(file: Path) -> None:
    """Somebody may still want it."""
    file.write_bytes(b"my diary\n" * 1000)
    with pytest.raises(UsageError, match="is not a log: file is not a database"):
        prepared(file)
    assert file.read_bytes() == b"my diary\n" * 1000


def test_file_that_somebody_holds_is_no_wrong_file(file: Path) -> None:
    """Waiting may help, choosing another folder may not."""
    prepared(file)
    holder = connect(file, patience=0.0)
    holder.execute("PRAGMA locking_mode=EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        prepared(file)
    holder.close()


def test_file_system_has_to_be_able_to_hold_a_write_ahead_log() -> None:
    """Memory cannot, and some network file systems neither."""
    connection = connect(Path(":memory:"), patience=0.0)
    with pytest.raises(TargetError, match="cannot hold a write-ahead log"):
        prepare(connection, Path(":memory:"))
    connection.close()


def test_sqlite_has_to_be_new_enough(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else statements would fail later, in the middle of something."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 32, 9))
    with pytest.raises(TargetError, match=r"3\.33 is the least"):
        prepared(file)
