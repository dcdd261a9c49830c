"""The writer: one thread that writes batches, and looks after the file between them."""

import queue
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wavetank.clock import VirtualClock
from wavetank.hub.aio.logs import writer as module
from wavetank.hub.aio.logs.backlog import Backlog, Item
from wavetank.hub.aio.logs.checkpoints import Checkpoints
from wavetank.hub.aio.logs.schema import connect
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
from wavetank.hub.log import Bounds, Mark
from wavetank.protocol import Producer


class Desk:
    """A writer of the test's file, and what it reports."""

    def __init__(self, store: Any, file: Path) -> None:
        self.store = store
        self.clock = VirtualClock()
        self.backlog = Backlog(self.clock.now)
        self._reports: queue.Queue[Report] = queue.Queue()
        self.writer = Writer(
            store,
            self.backlog,
            self._reports.put,
            patience=0.05,
            checkpoints=Checkpoints(lambda: connect(file, patience=0.05)),
        )

    def write(self, *items: Item) -> None:
        """Hand over a batch."""
        for item in items:
            assert self.backlog.offer(item)
        self.backlog.wake()

    def hear(self) -> Report:
        """Return the next report."""
        return self._reports.get(timeout=20.0)

    def tend(self) -> None:
        """Let it look after the file, and wait until it has."""
        self.backlog.tend(0.0)
        while self.backlog._tend is not None or not self.backlog.is_idle:
            self.backlog.wake()

    def stop(self) -> list[Report]:
        """Stop the writer; return the reports that are left."""
        self.backlog.stop()
        reports = []
        while not isinstance(reports[-1] if reports else None, Ended):
            reports.append(self.hear())
        self.writer.join()
        return reports


@pytest.fixture(name="start")
def fixture_start(tmp_path: Path, open_store: Any) -> Iterator[Callable[..., Desk]]:
    """Give a function that starts a writer; all are stopped at the end."""
    desks: list[Desk] = []

    def start(**options: Any) -> Desk:
        desk = Desk(open_store(**options), tmp_path / "log.db")
        desks.append(desk)
        desk.writer.start()
        return desk

    yield start
    for desk in desks:
        desk.backlog.mend()
        desk.backlog.stop()
        desk.writer.join()


@pytest.fixture(name="other")
def fixture_other(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Give somebody else's connection to the same file."""
    connection = connect(tmp_path / "log.db", patience=0.05)
    yield connection
    connection.close()


def test_writer_writes_and_says_so_once_a_batch(start: Any, chains: Any) -> None:
    """For all topics of it."""
    desk = start()
    desk.clock.advance(3.0)
    desk.write(*chains.items(2, "a"), *chains.items(1, "b"))
    assert desk.hear() == Written({"a": 2, "b": 1}, 3.0, 3)
    assert desk.stop() == [Ended(None)]
    assert repr(desk.writer).startswith("<Writer <Store epoch-01")


def test_writer_trims_what_a_batch_has_made_too_much(start: Any, chains: Any) -> None:
    """After it has said that the batch is written."""
    desk = start(retention=Bounds(entries=2))
    desk.write(*chains.items(5))
    assert isinstance(desk.hear(), Written)
    assert desk.hear() == Trimmed({"t": Mark(3, chains.tag("t", 3))})


def test_writer_frees_room_before_too_much_is_doomed(
    start: Any, chains: Any, monkeypatch: pytest.MonkeyPatch, other: Any
) -> None:
    """Twice what has come, so that it keeps up."""
    monkeypatch.setattr(module, "CLEAR_ENTRIES", 3)
    desk = start(retention=Bounds(entries=1))
    desk.write(*chains.items(3))
    desk.write(*chains.items(4))
    desk.stop()
    rows = other.execute("SELECT seq FROM entries").fetchall()
    assert rows == [(7,)]


def test_writer_refuses_a_batch_and_goes_on_once_that_is_known(
    start: Any, chains: Any, other: Any
) -> None:
    """What comes before the loop knows is not written behind the hole."""
    desk = start()
    other.execute("BEGIN IMMEDIATE")
    desk.write(chains.item("a"))
    failed = desk.hear()
    assert isinstance(failed, Failed)
    assert (failed.is_batch, failed.is_known) == (True, True)
    assert "locked" in str(failed.error)
    desk.write(chains.item("a"))
    other.execute("ROLLBACK")
    assert desk.backlog.mend() == {"a": 1}
    desk.write(chains.item("b"))
    assert desk.hear() == Written({"b": 1}, 0.0, 1)
    assert desk.hear() == Healed()


def test_writer_tries_by_itself_whether_writing_is_possible_again(
    start: Any, chains: Any, other: Any
) -> None:
    """Whenever it is tended; nobody may publish meanwhile."""
    desk = start()
    other.execute("BEGIN IMMEDIATE")
    desk.write(chains.item())
    assert isinstance(desk.hear(), Failed)
    desk.backlog.mend()
    desk.backlog.tend(0.0)
    failed = desk.hear()
    assert isinstance(failed, Failed)
    assert not failed.is_batch
    other.execute("ROLLBACK")
    desk.backlog.tend(0.0)
    assert desk.hear() == Healed()


def test_writer_survives_what_no_file_does(start: Any, chains: Any) -> None:
    """It is a fault of ours; the batch is refused, and the fault is told as one."""
    desk = start()
    desk.write(Item("t", None, None)._replace(entry=Oddity()))
    failed = desk.hear()
    assert isinstance(failed, Failed)
    assert (failed.is_batch, failed.is_known) == (True, False)
    desk.backlog.mend()
    desk.write(chains.item())
    assert isinstance(desk.hear(), Written)


class Oddity:
    """What is no entry."""

    seq = 1
    frame = b""


def test_writer_looks_after_the_file_when_it_is_tended(
    start: Any, chains: Any, other: Any
) -> None:
    """Entries and keys that are too old go, and their room."""
    desk = start(retention=Bounds(age=10.0))
    item = chains.item("t", origin=Origin(user="ann", key="k"))
    desk.write(item)
    assert isinstance(desk.hear(), Written)
    desk.backlog.tend(item.entry.at + 400.0)
    assert desk.hear() == Trimmed({"t": Mark(1, chains.tag("t", 1))})
    desk.stop()
    for table in ("entries", "keyed"):
        assert other.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    assert desk.writer.file_size > 4096


def test_writer_prunes_producers_now_and_then(
    start: Any, chains: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That looks at all of them, so not each time."""
    pruned: list[object] = []
    monkeypatch.setattr(module, "forget_producers", pruned.append)
    monkeypatch.setattr(module, "_PRUNE_EVERY", 2)
    desk = start()
    producer = Producer(name="bot", epoch=1, seq=1)
    for turn in range(4):
        desk.backlog.tend(0.0)
        desk.write(chains.item("t", origin=Origin(user="a", producer=producer)))
        producer = Producer(name="bot", epoch=1, seq=turn + 2)
        assert isinstance(desk.hear(), Written)
    assert len(pruned) == 2


def test_writer_gives_room_back_while_nobody_waits(
    start: Any, chains: Any, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As soon as somebody does, that can wait."""
    monkeypatch.setattr(module, "_GIVEN_BACK_PAGES", 5)
    desk = start(retention=Bounds(entries=1))
    desk.write(*chains.items(200, "t", b"1" * 4000))
    assert isinstance(desk.hear(), Written)
    assert isinstance(desk.hear(), Trimmed)

    def pages() -> int:
        return int(other.execute("PRAGMA page_count").fetchone()[0])

    before = pages()
    desk.tend()
    assert pages() == before - 5
    desk.backlog.entries = 1
    desk.tend()
    assert pages() == before - 5
    desk.backlog.entries = 0
    desk.tend()
    assert pages() == before - 10


def test_writer_reports_that_it_could_not_look_after_the_file(
    start: Any, chains: Any, other: Any
) -> None:
    """That is no reason to take a batch back."""
    desk = start(retention=Bounds(entries=1))
    desk.write(*chains.items(3))
    assert isinstance(desk.hear(), Written)
    assert isinstance(desk.hear(), Trimmed)
    other.execute("BEGIN IMMEDIATE")
    desk.backlog.tend(0.0)
    failed = desk.hear()
    assert isinstance(failed, Failed)
    assert not failed.is_batch
    other.execute("ROLLBACK")


def test_writer_notes_a_clean_stop(start: Any, chains: Any, other: Any) -> None:
    """Once all that waited is written."""
    desk = start()
    desk.backlog.stop()
    desk.write(chains.item())
    assert desk.stop() == [Written({"t": 1}, 0.0, 1), Ended(None)]
    question = "SELECT value FROM meta WHERE name = 'clean'"
    assert other.execute(question).fetchone() == ("yes",)


def test_writer_notes_no_clean_stop_where_it_cannot(start: Any, other: Any) -> None:
    """It ends all the same."""
    desk = start()
    other.execute("BEGIN IMMEDIATE")
    reports = desk.stop()
    assert isinstance(reports[0], Failed)
    assert reports[-1] == Ended(None)
    other.execute("ROLLBACK")
    question = "SELECT value FROM meta WHERE name = 'clean'"
    assert other.execute(question).fetchone() == ("",)


def test_writer_that_ends_by_accident_says_so(
    start: Any, chains: Any, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And leaves no mark of a clean stop."""
    desk = start()

    def wait() -> None:
        raise MemoryError("no more")

    monkeypatch.setattr(desk.backlog, "wait", wait)
    desk.write(chains.item())
    assert isinstance(desk.hear(), Written)
    ended = desk.hear()
    assert isinstance(ended, Ended)
    assert isinstance(ended.error, MemoryError)
    question = "SELECT value FROM meta WHERE name = 'clean'"
    assert other.execute(question).fetchone() == ("",)
