"""The reader: asks a log's file for entries."""

import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from wavetank.hub.aio.logs.reader import Reader
from wavetank.hub.aio.logs.schema import connect
from wavetank.hub.log import Bounds

pytestmark = pytest.mark.anyio


@pytest.fixture(name="reader")
async def fixture_reader(tmp_path: Path, open_store: Any) -> AsyncIterator[Reader]:
    """Give a reader of the test's file, which is there."""
    open_store()
    reader = Reader(lambda: connect(tmp_path / "log.db", patience=0.05))
    yield reader
    await reader.close()


async def test_reader_gives_the_entries_that_were_written(
    reader: Reader, open_store: Any, chains: Any
) -> None:
    """The very same: frames are made anew, byte for byte."""
    payloads = [b"1", b'{"a": [1.10, "\xc3\xa9"]}', b'"' + b"x" * 70_000 + b'"']
    items = [chains.item("a.b", payload) for payload in payloads]
    open_store().write([chains.item("other"), *items])
    found = await reader.since("a.b", 0, 3, size=999_999)
    assert found == [item.entry for item in items]
    assert "open" in repr(reader)


async def test_reader_gives_no_more_than_was_asked_for(
    reader: Reader, open_store: Any, chains: Any
) -> None:
    """By seq, and by bytes, where one entry always fits."""
    items = chains.items(5)
    size = len(items[0].entry.frame)
    open_store().write(items)

    async def seqs(after: int, last: int, size: int) -> list[int]:
        return [e.seq for e in await reader.since("t", after, last, size=size)]

    assert await seqs(1, 4, 9999) == [2, 3, 4]
    assert await seqs(1, 5, 3 * size) == [2, 3, 4]
    assert await seqs(1, 5, 3 * size - 1) == [2, 3]
    assert await seqs(1, 5, 0) == [2]
    assert await seqs(5, 9, 9999) == []


async def test_reader_gives_what_is_left(
    reader: Reader, open_store: Any, chains: Any
) -> None:
    """Where the begin is gone by now, the caller sees that by the first seq."""
    store = open_store(retention=Bounds(entries=2))
    store.write(chains.items(5))
    store.retention.trim(store.ledger.by_name.values(), 0.0)
    store.retention.clear(9)
    found = await reader.since("t", 0, 5, size=9999)
    assert [entry.seq for entry in found] == [4, 5]


async def test_reader_finds_a_time(
    reader: Reader, open_store: Any, chains: Any
) -> None:
    """The first entry at or after it, among those that may be read."""
    items = chains.items(9)
    open_store().write(items)
    for seq in range(1, 10):
        at = items[seq - 1].entry.at
        assert await reader.seek("t", at, first=1, last=9) == seq
        assert await reader.seek("t", at - 0.5, first=1, last=9) == seq
    assert await reader.seek("t", 9e9, first=1, last=9) == 10
    assert await reader.seek("t", 9e15, first=1, last=9) == 10
    assert await reader.seek("t", 9e9, first=1, last=5) == 6
    assert await reader.seek("t", 0.0, first=4, last=9) == 4
    assert await reader.seek("t", 0.0, first=10, last=9) == 10


async def test_reader_takes_entries_that_are_gone_for_old_ones(
    reader: Reader, open_store: Any, chains: Any
) -> None:
    """Between the question and the answer retention may move on."""
    store = open_store(retention=Bounds(entries=2))
    items = chains.items(9)
    store.write(items)
    store.retention.trim(store.ledger.by_name.values(), 0.0)
    store.retention.clear(9)
    assert await reader.seek("t", items[1].entry.at, first=1, last=9) == 8
    assert await reader.seek("t", items[8].entry.at, first=1, last=9) == 9


async def test_reader_goes_on_while_somebody_writes(
    reader: Reader, open_store: Any, chains: Any
) -> None:
    """It sees what was there before, and waits for nobody."""
    store = open_store()
    store.write(chains.items(2))
    store.connection.execute("BEGIN EXCLUSIVE")
    found = await reader.since("t", 0, 9, size=9999)
    assert [entry.seq for entry in found] == [1, 2]


async def test_reader_cannot_write(reader: Reader) -> None:
    """Whatever it is asked."""
    assert await reader.since("t", 0, 1, size=1) == []
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._ask("DELETE FROM entries", {})


async def test_reader_leaves_no_thread(tmp_path: Path, open_store: Any) -> None:
    """Also where it has never read."""
    open_store()
    for questions in (0, 1):
        reader = Reader(lambda: connect(tmp_path / "log.db", patience=0.05))
        for _ in range(questions):
            await reader.since("t", 0, 1, size=1)
        await reader.close()
        assert repr(reader) == "<Reader closed>"
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if "wavetank" in name]
