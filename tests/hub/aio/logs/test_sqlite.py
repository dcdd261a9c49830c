"""A log in a file: what it promises, and what happens when the file fails."""

import asyncio
import json
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wavetank.clock import SystemClock, VirtualClock
from wavetank.errors import LocalError, TargetError, UsageError
from wavetank.hub.aio.logs import SqliteLog
from wavetank.hub.aio.logs import sqlite as module
from wavetank.hub.aio.logs.folder import read_boot_id
from wavetank.hub.aio.logs.schema import connect
from wavetank.hub.duplicates import KeptKey, KeptProducer, Origin
from wavetank.hub.durability import Durability
from wavetank.hub.log import Bounds, Entry, Mark
from wavetank.protocol import Producer, next_tag

pytestmark = pytest.mark.anyio


@pytest.fixture(name="file")
def fixture_file(tmp_path: Path) -> Path:
    """Name the file of the test's log."""
    return tmp_path / "data" / "log.db"


@pytest.fixture(name="join")
def fixture_join(file: Path) -> Iterator[Callable[[], sqlite3.Connection]]:
    """Give a function that opens the file as another program would."""
    connections: list[sqlite3.Connection] = []

    def join() -> sqlite3.Connection:
        connections.append(connect(file, patience=0.05))
        return connections[-1]

    yield join
    for connection in connections:
        connection.close()


def append(log: SqliteLog, entries: list[Entry], topic: str = "t") -> None:
    """Append entries."""
    for entry in entries:
        log.append(topic, entry)


def some(chains: Any, count: int, topic: str = "t", payload: bytes = b"{}") -> Any:
    """Return the next entries of a topic."""
    return [chains.next(topic, payload) for _ in range(count)]


# Promises.


async def test_log_shows_nothing_before_it_is_in_the_file(
    open_log: Any, join: Any, chains: Any
) -> None:
    """Neither by telling of it nor to whoever reads."""
    opened = await open_log()
    log, ear, other = opened.log, opened.ear, join()
    early = []

    def look() -> None:
        row = other.execute("SELECT max(seq) FROM entries").fetchone()
        if ear.tops["t"] > (row[0] or 0):
            early.append(ear.tops["t"])

    for _ in range(20):
        append(log, some(chains, 10))
        found = await log.since("t", 0, entries=999, size=99_999)
        assert len(found) <= ear.tops.get("t", 0)
        if ear.tops:
            look()
    await ear.until(lambda: ear.tops.get("t") == 200)
    look()
    assert early == []
    found = await log.since("t", 0, entries=999, size=99_999)
    assert found == [chains.logs["t"].ring[seq] for seq in range(1, 201)]


async def test_log_tells_of_a_batch_once_for_each_topic(
    open_log: Any, chains: Any
) -> None:
    """On the loop's thread; what is appended in one turn is one batch."""
    opened = await open_log()
    append(opened.log, some(chains, 100, "a"), "a")
    append(opened.log, some(chains, 50, "b"), "b")
    await opened.ear.until(lambda: opened.ear.tops == {"a": 100, "b": 50})
    assert opened.ear.calls == ["durable", "durable"]
    assert opened.ear.threads == {threading.get_ident()}
    counts = opened.log.statistics()
    assert (counts["batches"], counts["appended"], counts["waiting"]) == (1, 150, 0)
    assert (counts["topics"], counts["entries"]) == (2, 150)


async def test_log_measures_how_long_a_batch_takes(open_log: Any, chains: Any) -> None:
    """From its first append on."""
    seen: list[float] = []
    opened = await open_log(observe=seen.append)
    append(opened.log, some(chains, 3))
    await opened.ear.until(lambda: opened.ear.tops)
    assert len(seen) == 1
    assert 0.0 < seen[0] < 60.0


async def test_log_goes_on_where_it_has_ended(open_log: Any, chains: Any) -> None:
    """Epochs, positions, keys and producers."""
    opened = await open_log()
    log = opened.log
    epoch = log.epoch_of("t")
    key = Origin(user="ann", key="k")
    bot = Origin(user="ann", producer=Producer(name="bot", epoch=1, seq=1))
    log.append("t", chains.next(), key)
    log.append("t", chains.next(), bot)
    await log.close()
    clock = VirtualClock(wall=chains.logs["t"].at)
    again = await open_log(clock=clock)
    kept = again.kept["t"]
    assert (again.log.epoch, kept.epoch) == (epoch, epoch)
    assert (kept.base, kept.top) == (Mark(), Mark(2, chains.tag("t", 2)))
    assert kept.keys == [KeptKey("ann", "k", 1, chains.logs["t"].ring[1].at)]
    assert kept.producers == [KeptProducer("ann", "bot", 1, 1, [2])]
    append(again.log, some(chains, 1))
    await again.ear.until(lambda: again.ear.tops == {"t": 3})
    found = await again.log.since("t", 0, entries=9, size=9999)
    assert [entry.seq for entry in found] == [1, 2, 3]


async def test_log_begins_a_new_epoch_after_a_power_loss(
    open_log: Any, chains: Any, file: Path
) -> None:
    """Topics at fsync keep theirs; a closed log is not lost."""
    opened = await open_log(level=Durability.FSYNC)
    append(opened.log, some(chains, 1))
    await opened.log.close()
    again = await open_log(level=Durability.FSYNC, boot_id=lambda: "boot-2")
    assert again.log.epoch == opened.log.epoch
    await again.log.close()
    connection = connect(file, patience=0.0)
    connection.execute("UPDATE meta SET value = '' WHERE name = 'clean'")
    connection.close()
    last = await open_log(level=Durability.FSYNC, boot_id=lambda: "boot-3")
    assert last.log.epoch != opened.log.epoch
    assert last.kept["t"].epoch == opened.log.epoch


# Retention.


async def test_log_removes_what_is_beyond_its_retention(
    open_log: Any, chains: Any
) -> None:
    """And tells it; whoever asks for it gets what is left."""
    opened = await open_log(retention=Bounds(entries=3))
    append(opened.log, some(chains, 10))
    await opened.ear.until(lambda: opened.ear.bases)
    assert opened.ear.bases == {"t": Mark(7, chains.tag("t", 7))}
    found = await opened.log.since("t", 0, entries=9, size=9999)
    assert [entry.seq for entry in found] == [8, 9, 10]
    assert await opened.log.seek("t", 0.0) == 8
    assert opened.log.statistics()["entries"] == 3


async def test_log_removes_what_is_too_old_when_it_is_tended(
    open_log: Any, chains: Any
) -> None:
    """Also in a topic to which nothing is published any more."""
    opened = await open_log(retention=Bounds(age=60.0))
    append(opened.log, some(chains, 2))
    await opened.ear.until(lambda: opened.ear.tops)
    opened.log.tend(chains.logs["t"].at + 61.0)
    await opened.ear.until(lambda: opened.ear.bases)
    assert opened.ear.bases == {"t": Mark(2, chains.tag("t", 2))}
    assert await opened.log.since("t", 0, entries=9, size=9999) == []
    assert await opened.log.seek("t", 0.0) == 3


async def test_log_never_gives_what_was_removed_meanwhile(
    open_log: Any, chains: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks again, for what is left."""
    opened = await open_log()
    append(opened.log, some(chains, 9))
    await opened.ear.until(lambda: opened.ear.tops)
    log = opened.log
    bases = [4, 9]

    async def since(topic: str, after: int, last: int, *, size: int) -> list[Entry]:
        log._trimmed({"t": Mark(bases.pop(0), 1)})
        return [chains.logs["t"].ring[seq] for seq in range(after + 1, after + 3)]

    monkeypatch.setattr(log._reader, "since", since)
    assert await log.since("t", 0, entries=9, size=99) == []
    assert bases == []
    log._spans["t"].base = 0
    bases.append(1)
    assert [entry.seq for entry in await log.since("t", 0, entries=9, size=99)] == [2]


async def test_log_leaves_out_topics_that_are_in_memory_now(
    open_log: Any, chains: Any
) -> None:
    """Nobody hears of them; retention removes what is left of them."""
    opened = await open_log()
    append(opened.log, some(chains, 2))
    await opened.log.close()
    bounds = Bounds(age=60.0)
    again = await open_log(level=Durability.MEMORY, retention=bounds)
    assert again.kept == {}
    assert await again.log.since("t", 0, entries=9, size=9999) == []
    # The second time it is told, the first one has been heard.
    again.log._durability_of = lambda topic: Durability.LOG
    again.log.tend(chains.logs["t"].at + 61.0)
    append(again.log, [Entry(1, 1, 9e9, b"x" * 10, 1)], "u")
    await again.ear.until(lambda: again.ear.tops)
    assert again.ear.bases == {}
    assert again.log.statistics()["entries"] == 1


# Failure.


async def test_log_refuses_what_it_cannot_write_and_heals_by_itself(
    open_log: Any, join: Any, chains: Any, lines: Any
) -> None:
    """All topics of the batch; the same seqs are taken again afterwards."""
    opened = await open_log()
    log, ear, other = opened.log, opened.ear, join()
    append(log, some(chains, 2, "a"), "a")
    await ear.until(lambda: ear.tops == {"a": 2})
    other.execute("BEGIN EXCLUSIVE")
    third, first = chains.next("a"), chains.next("b")
    log.append("a", third)
    log.append("a", chains.next("a"))
    log.append("b", first)
    await ear.until(lambda: len(ear.refusals) == 2)
    words = "the log could not be written: database is locked"
    assert ear.refusals == [("a", 3, words), ("b", 1, words)]
    assert log.is_failing
    assert "database is locked" in repr(log)
    # Reading goes on all the while.
    assert len(await log.since("a", 0, entries=9, size=9999)) == 2
    other.execute("ROLLBACK")
    log.append("a", third)
    log.append("b", first)
    await ear.until(lambda: ear.tops == {"a": 3, "b": 1})
    log.append("b", chains.next("b"))
    await ear.until(lambda: ear.tops["b"] == 2)
    assert not log.is_failing
    assert lines.names == ["log_failed", "log_works_again"]
    counts = log.statistics()
    assert (counts["failures"], counts["refused"]) == (1, 2)


async def test_log_heals_when_it_is_tended(
    open_log: Any, join: Any, chains: Any, lines: Any
) -> None:
    """Nobody has to publish to find out; one failure is one line."""
    opened = await open_log()
    log, other = opened.log, join()
    other.execute("BEGIN EXCLUSIVE")
    log.append("t", chains.next())
    await opened.ear.until(lambda: opened.ear.refusals)
    log.tend(0.0)
    while log.statistics()["failures"] < 2:  # noqa: ASYNC110 - a log tells nobody
        await asyncio.sleep(0)
    other.execute("ROLLBACK")
    log.tend(0.0)
    while log.is_failing:  # noqa: ASYNC110 - a log tells nobody; this only gives way
        await asyncio.sleep(0)
    assert lines.names == ["log_failed", "log_works_again"]


async def test_log_takes_nothing_of_a_topic_until_its_refusal_was_heard(
    open_log: Any, join: Any, chains: Any
) -> None:
    """What is appended in between had a place behind the hole."""
    opened = await open_log()
    log, ear, other = opened.log, opened.ear, join()
    other.execute("BEGIN EXCLUSIVE")
    first = {topic: chains.next(topic) for topic in "ab"}
    second = {topic: chains.next(topic) for topic in "ab"}

    def publish_more(topic: str, seq: int) -> None:
        if topic == "a":
            other.execute("ROLLBACK")
            # The listener has heard of a, so it is at 1 again; b is at 2 still.
            log.append("a", first["a"])
            log.append("b", second["b"])

    ear.on_refusal = publish_more
    for topic in "ab":
        log.append(topic, first[topic])
    await ear.until(lambda: ear.tops)
    assert [each[:2] for each in ear.refusals] == [("a", 1), ("b", 1)]
    assert ear.tops == {"a": 1}
    log.append("b", first["b"])
    await ear.until(lambda: ear.tops == {"a": 1, "b": 1})


async def test_log_tells_all_refusals_when_a_listener_breaks(
    open_log: Any, join: Any, chains: Any
) -> None:
    """A fault in one topic must not leave the others waiting for ever."""
    opened = await open_log()
    log, ear, other = opened.log, opened.ear, join()
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: faults.append(context)
    )

    def break_once(topic: str, seq: int) -> None:
        if topic == "a":
            raise ValueError("no")

    ear.on_refusal = break_once
    other.execute("BEGIN EXCLUSIVE")
    for topic in "ab":
        log.append(topic, chains.next(topic))
    await ear.until(lambda: len(ear.refusals) == 2)
    assert [str(fault["exception"]) for fault in faults] == ["no"]


async def test_log_refuses_what_would_wait_without_bound(
    open_log: Any, chains: Any
) -> None:
    """The first entries are written; the caller hears of the rest once it returns."""
    opened = await open_log(waiting=1000)
    log, ear = opened.log, opened.ear
    append(log, some(chains, 10))
    assert ear.refusals == []
    await ear.until(lambda: ear.refusals and ear.tops)
    ((topic, seq, reason),) = ear.refusals
    assert (topic, reason) == ("t", "too much waits to be written")
    assert ear.tops == {"t": seq - 1}
    assert not log.is_failing
    log.append("t", chains.logs["t"].ring[seq])
    await ear.until(lambda: ear.tops == {"t": seq})


async def test_log_refuses_from_the_first_seq_on_that_is_not_written(
    open_log: Any, chains: Any
) -> None:
    """Where there are two reasons in the same turn, the lower seq counts."""
    opened = await open_log()
    log, ear = opened.log, opened.ear
    log._refuse_soon("t", 5, "too much waits")
    log._refuse_soon("t", 3, "disk full")
    log._refuse_soon("t", 4, "too much waits")
    await ear.until(lambda: ear.refusals)
    assert ear.refusals == [("t", 3, "disk full")]


async def test_log_refuses_publications_while_the_file_is_full(
    open_log: Any, chains: Any, join: Any
) -> None:
    """And takes them again once retention has made room."""
    opened = await open_log(pages=60, retention=Bounds(age=60.0))
    log, ear = opened.log, opened.ear
    payload = b"1" * 20_000
    while not ear.refusals:
        append(log, some(chains, 1, "t", payload))
        await ear.until(
            lambda: ear.refusals or ear.tops.get("t") == chains.logs["t"].top
        )
    _, seq, reason = ear.refusals[0]
    assert reason == "the log could not be written: database or disk is full"
    assert log.is_failing
    assert len(await log.since("t", 0, entries=9, size=0)) == 1
    log.tend(chains.logs["t"].at + 61.0)
    await ear.until(lambda: ear.bases)
    while log.is_failing:
        log.tend(chains.logs["t"].at + 61.0)
        await asyncio.sleep(0)
    log.append("t", chains.logs["t"].ring[seq])
    await ear.until(lambda: ear.tops["t"] == seq)


async def test_log_refuses_at_once_while_the_disk_does_not_answer(
    open_log: Any, chains: Any, join: Any, lines: Any
) -> None:
    """What is under way may still be written, so it is not taken back."""
    clock = VirtualClock()
    opened = await open_log(clock=clock, patience=60.0)
    log, ear, other = opened.log, opened.ear, join()
    other.execute("BEGIN EXCLUSIVE")
    log.append("t", chains.next())
    while log._backlog._in_hand is None:  # noqa: ASYNC110 - it is another thread's
        await asyncio.sleep(0)
    log.tend(0.0)
    assert not log.is_failing
    clock.advance(3600.0)  # suspended: no word about the disk
    log.tend(0.0)
    assert not log.is_failing
    for _ in range(6):
        clock.advance(1.0)
        log.tend(0.0)
    assert log.is_failing
    assert lines.names == ["log_stuck"]
    log.append("t", chains.next())
    await ear.until(lambda: ear.refusals)
    assert ear.refusals == [("t", 2, "the disk has not answered for too long")]
    other.execute("ROLLBACK")
    await ear.until(lambda: ear.tops == {"t": 1})
    while log.is_failing:
        log.tend(0.0)
        await asyncio.sleep(0)
    log.append("t", chains.logs["t"].ring[2])
    await ear.until(lambda: ear.tops == {"t": 2})


async def test_log_whose_writer_has_ended_refuses_everything(
    open_log: Any, chains: Any, lines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a line that says why; what was written before can be read."""
    opened = await open_log()
    log, ear = opened.log, opened.ear

    def wait() -> None:
        raise MemoryError("no more")

    monkeypatch.setattr(log._backlog, "wait", wait)
    log.append("t", chains.next())
    await ear.until(lambda: ear.tops == {"t": 1})
    log.append("t", chains.next())
    await ear.until(lambda: ear.refusals)
    assert ear.refusals == [("t", 2, "the log's writer has ended")]
    assert log.is_failing
    assert lines.names == ["log_writer_ended"]
    assert "MemoryError: no more" in lines.events[0]["exception"]
    assert len(await log.since("t", 0, entries=9, size=9999)) == 1
    log.tend(0.0)


async def test_log_tells_a_fault_of_its_own_with_all_details(
    open_log: Any, chains: Any, lines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files fail in known ways; anything else is for whoever mends us."""
    opened = await open_log()

    def write(items: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(opened.log._store, "write", write)
    opened.log.append("t", chains.next())
    await opened.ear.until(lambda: opened.ear.refusals)
    assert opened.ear.refusals[0][2].endswith("ZeroDivisionError")
    assert "Traceback" in lines.events[0]["exception"]


# The start and the end.


async def test_log_belongs_to_one_hub_at_a_time(open_log: Any) -> None:
    """The second one is told who has it."""
    await open_log()
    words = rf"belongs to another hub \(process {os.getpid()}\)"
    with pytest.raises(TargetError, match=words):
        await open_log()


async def test_log_that_cannot_be_opened_leaves_everything_free(
    open_log: Any, file: Path, join: Any
) -> None:
    """Thread, lock and file; once the cause is gone it opens."""
    os.mkdir(file.parent)
    os.mkdir(file)
    with pytest.raises(UsageError, match="cannot be written to"):
        await open_log()
    os.rmdir(file)
    join().execute("CREATE TABLE theirs(x)")
    with pytest.raises(UsageError, match="belongs to another program"):
        await open_log()
    join().execute("DROP TABLE theirs")
    await open_log()


async def test_log_that_somebody_holds_cannot_be_opened(
    open_log: Any, join: Any
) -> None:
    """For good; a short while would have been waited for."""
    opened = await open_log()
    await opened.log.close()
    other = join()
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(TargetError, match=r"cannot be opened: database is locked"):
        await open_log()


async def test_log_is_opened_once(open_log: Any) -> None:
    """For another life there is another log."""
    opened = await open_log()
    with pytest.raises(LocalError, match="was opened before"):
        await opened.log.open()


async def test_log_writes_what_waits_before_it_is_closed(
    open_log: Any, chains: Any, file: Path
) -> None:
    """Then nothing is left: no thread, and no file beside the one."""
    opened = await open_log()
    append(opened.log, some(chains, 1000))
    await opened.log.close()
    assert opened.ear.tops == {"t": 1000}
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if "wavetank" in name]
    assert sorted(os.listdir(file.parent)) == ["lock", "log.db"]
    opened.log.tend(0.0)
    assert await opened.log.since("t", 0, entries=9, size=9999) == []
    assert await opened.log.seek("t", 0.0) == 1


async def test_log_refuses_publications_after_its_end(
    open_log: Any, chains: Any
) -> None:
    """As somebody may come late."""
    opened = await open_log()
    await opened.log.close()
    append(opened.log, some(chains, 2))
    await opened.ear.until(lambda: opened.ear.refusals)
    assert opened.ear.refusals == [("t", 1, "the log is closed")]


async def test_log_that_was_never_opened_takes_nothing(
    tmp_path: Path, chains: Any
) -> None:
    """And can be closed."""
    log = SqliteLog(
        tmp_path / "data",
        retention=Bounds(),
        total=None,
        durability_of=lambda topic: Durability.LOG,
        clock=SystemClock(),
        logger=None,  # type: ignore[arg-type]
    )
    with pytest.raises(LocalError, match="is not open"):
        log.append("t", chains.next())
    log.tend(0.0)
    assert log.statistics()["entries"] == 0
    await log.close()
    assert not (tmp_path / "data").exists()


async def test_log_does_not_wait_for_ever_for_its_end(
    open_log: Any, chains: Any, join: Any, lines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk may never answer; the threads end with the process."""
    # Not even the reader has ended by then: the writer has to be told all the same.
    monkeypatch.setattr(module, "_CLOSING", 0.0)
    opened = await open_log(patience=60.0)
    other = join()
    other.execute("BEGIN EXCLUSIVE")
    opened.log.append("t", chains.next())
    await opened.log.close()
    assert lines.names == ["log_not_closed"]
    other.execute("ROLLBACK")
    opened.log._writer.join()


def test_log_outlives_its_loop(tmp_path: Path) -> None:
    """Where nobody has closed it, its thread ends without anybody to tell."""
    log = SqliteLog(
        tmp_path / "data",
        retention=Bounds(),
        total=None,
        durability_of=lambda topic: Durability.LOG,
        clock=SystemClock(),
        logger=None,  # type: ignore[arg-type]
    )
    asyncio.run(log.open())
    log._backlog.stop()
    assert log._writer is not None
    log._writer.join()


# Killed.

_VICTIM = """
import asyncio, sys
from pathlib import Path
from wavetank.clock import SystemClock
from wavetank.hub.aio.logs import SqliteLog
from wavetank.hub.durability import Durability
from wavetank.hub.log import Bounds, Run, TopicLog

class Ear:
    def durable(self, topic, seq):
        tag = own.ring[seq].tag
        sys.stdout.write(f'[{seq}, {tag}, "{own.epoch}"]\\n')
        sys.stdout.flush()
    def refused(self, topic, seq, reason): sys.exit(reason)
    def trimmed(self, topic, base): pass
    def settled(self): pass

async def main():
    global own
    log = SqliteLog(Path(sys.argv[1]), retention=Bounds(), total=None,
        durability_of=lambda topic: Durability(sys.argv[2]), clock=SystemClock(),
        logger=None)
    log.listener = Ear()
    kept = await log.open()
    own = TopicLog("t", kept[0].epoch if kept else log.epoch, ring=Bounds())
    if kept:
        own.top, own.tag, own.ring = kept[0].top.seq, kept[0].top.tag, Run(
            kept[0].top.seq + 1)
    while True:
        for _ in range(7):
            log.append("t", own.append(b'{"n":%d}' % own.top, 1.0))
        await asyncio.sleep(0)

asyncio.run(main())
"""


@pytest.mark.parametrize("level", [Durability.LOG, Durability.FSYNC])
async def test_log_has_every_acknowledged_entry_after_a_kill(
    open_log: Any, file: Path, level: Durability
) -> None:
    """With the same tag; the next life goes on behind it."""
    top, epochs = 0, set()
    for _ in range(2):
        command = [sys.executable, "-c", _VICTIM, str(file.parent), level.value]
        victim = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE
        )
        assert victim.stdout is not None
        lines = [await victim.stdout.readline() for _ in range(10)]
        victim.send_signal(signal.SIGKILL)
        lines += (await victim.stdout.read()).splitlines(keepends=True)
        await victim.wait()
        told = [json.loads(line) for line in lines if line.endswith(b"\n")]
        opened = await open_log(level=level, boot_id=read_boot_id)
        kept = opened.kept["t"]
        acknowledged = {seq: tag for seq, tag, _ in told}
        epochs |= {epoch for *_, epoch in told} | {kept.epoch}
        assert top < min(acknowledged) <= max(acknowledged) <= kept.top.seq
        tags = await chain(opened.log, kept.top.seq)
        assert {seq: tags[seq] for seq in acknowledged} == acknowledged
        top = kept.top.seq
        await opened.log.close()
    assert len(epochs) == 1


async def chain(log: SqliteLog, top: int) -> dict[int, int]:
    """Read all entries; return their tags, which must follow from each other."""
    tags, seq, tag = {}, 0, 0
    while seq < top:
        for entry in await log.since("t", seq, entries=9999, size=999_999):
            tag = next_tag(tag, seq + 1, entry.payload)
            assert (entry.seq, entry.tag) == (seq + 1, tag)
            seq = entry.seq
            tags[seq] = tag
    return tags
