"""The log's file, open for writing."""

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from wavetank.hub.aio.logs.backlog import Item
from wavetank.hub.duplicates import KeptKey, KeptProducer, Origin
from wavetank.hub.durability import Durability
from wavetank.hub.log import Bounds, Entry, Mark
from wavetank.protocol import Producer

WALL = 1_790_000_100.0


def synchronous(store: Any) -> int:
    """Return how the file is written now: 1 NORMAL, 2 FULL."""
    return int(store.connection.execute("PRAGMA synchronous").fetchone()[0])


def levels(store: Any) -> dict[str, str]:
    """Return topic -> durability, as written down."""
    return dict(store.connection.execute("SELECT name, level FROM topics").fetchall())


def by_name(fsync: str, memory: str = "") -> Callable[[str], Durability]:
    """Return a rule with one topic of each kind; the others are ``log``."""
    special = {fsync: Durability.FSYNC, memory: Durability.MEMORY}
    return lambda topic: special.get(topic, Durability.LOG)


def test_store_gives_back_what_was_written(open_store: Any, chains: Any) -> None:
    """Positions, tags and times, of all topics."""
    store = open_store()
    assert store.kept(WALL) == []
    items = [*chains.items(2, "a"), chains.item("b"), chains.item("a")]
    parcel = store.write(items)
    tops = {name: account.top for name, account in parcel.accounts.items()}
    assert tops == {"a": 3, "b": 1}
    again = open_store()
    a, b = again.kept(WALL)
    assert (a.topic, a.epoch, a.base, a.at) == (
        "a",
        "epoch-01",
        Mark(),
        items[-1].entry.at,
    )
    assert a.top == Mark(3, chains.tag("a", 3))
    assert (b.topic, b.top) == ("b", Mark(1, chains.tag("b", 1)))
    assert again.ledger.size == store.ledger.size
    assert again.ledger.by_name == store.ledger.by_name
    assert repr(again) == "<Store epoch-01 <Ledger 2 topics, 4 entries>>"


def test_store_gives_back_who_has_published(open_store: Any, chains: Any) -> None:
    """Keys that still count, and producers."""
    store = open_store()
    bot = Producer(name="bot", epoch=3, seq=1)
    store.write(
        [
            chains.item("a", origin=Origin(user="ann", key="k")),
            chains.item("b", origin=Origin(user="ann", producer=bot)),
        ]
    )
    a, b = open_store().kept(WALL)
    at = chains.logs["a"].at
    assert a.keys == [KeptKey("ann", "k", 1, at)]
    assert b.producers == [KeptProducer("ann", "bot", 3, 1, [1])]
    assert not a.producers
    assert not b.keys
    a, _ = open_store().kept(at + 301.0)
    assert not a.keys


def test_store_writes_all_of_a_batch_or_nothing(open_store: Any, chains: Any) -> None:
    """What was known of its topics stays as it was, so it can be tried again."""
    store = open_store()
    store.write(chains.items(1, "a"))
    key = Origin(user="ann", key="k")
    good = [chains.item("a", origin=key), chains.item("b")]
    broken = Item("a", Entry(3, None, 1.0, b"xx", 1), None)  # type: ignore[arg-type]
    with pytest.raises(sqlite3.IntegrityError, match="NOT NULL"):
        store.write([*good, broken])
    assert {name: one.top for name, one in store.ledger.by_name.items()} == {"a": 1}
    store.write(good)
    a, b = open_store().kept(WALL)
    assert (a.top.seq, b.top.seq, len(a.keys)) == (2, 1, 1)


def test_store_keeps_a_batch_that_is_one_large_entry(
    open_store: Any, chains: Any
) -> None:
    """Payloads of any size are kept byte for byte."""
    store = open_store()
    payload = b'"' + "é".encode() * 100_000 + b'"'
    store.write([chains.item("t", b"1"), chains.item("t", payload)])
    question = "SELECT payload FROM entries WHERE seq = 2"
    assert store.connection.execute(question).fetchone()[0] == payload


def test_store_waits_for_the_disk_only_where_that_was_asked_for(
    open_store: Any, chains: Any
) -> None:
    """For a batch with a topic at fsync; the mark of a start is on the disk too."""
    store = open_store(level_of=by_name(fsync="safe"))
    assert synchronous(store) == 2
    store.write(chains.items(1, "t"))
    assert synchronous(store) == 1
    store.write([*chains.items(1, "t"), *chains.items(1, "safe")])
    assert synchronous(store) == 2
    store.write(chains.items(1, "t"))
    assert synchronous(store) == 1
    store.mark_clean()
    assert synchronous(store) == 2


# Lives.


def epochs(store: Any) -> dict[str, str]:
    """Return topic -> epoch."""
    return {one.topic: one.epoch for one in store.kept(WALL)}


def test_store_keeps_its_epochs_when_the_process_was_killed(
    open_store: Any, chains: Any
) -> None:
    """In the same boot the operating system has all that was written."""
    store = open_store(boot="boot-1")
    store.write(chains.items(1))
    again = open_store(boot="boot-1")
    assert again.epoch == "epoch-01"
    assert epochs(again) == {"t": "epoch-01"}


def test_store_keeps_its_epochs_after_a_clean_stop(
    open_store: Any, chains: Any
) -> None:
    """Whatever happens to the machine afterwards."""
    store = open_store(boot="boot-1")
    store.write(chains.items(1))
    store.mark_clean()
    again = open_store(boot="boot-2")
    assert again.epoch == "epoch-01"
    assert epochs(again) == {"t": "epoch-01"}


def test_store_begins_new_epochs_after_a_power_loss(
    open_store: Any, chains: Any
) -> None:
    """But for topics at fsync; what is left keeps its places and tags."""
    rule = by_name(fsync="safe")
    store = open_store(boot="boot-1", level_of=rule)
    store.write([*chains.items(2, "t"), *chains.items(1, "safe")])
    again = open_store(boot="boot-2", level_of=rule)
    assert again.epoch == "epoch-02"
    assert epochs(again) == {"t": "epoch-02", "safe": "epoch-01"}
    assert again.kept(WALL)[0].top == Mark(2, chains.tag("t", 2))
    again.write(chains.items(1, "new"))
    assert epochs(again)["new"] == "epoch-02"
    third = open_store(boot="boot-2", level_of=rule)
    assert epochs(third) == {"t": "epoch-02", "safe": "epoch-01", "new": "epoch-02"}


def test_store_takes_a_clean_stop_for_one_run_only(
    open_store: Any, chains: Any
) -> None:
    """The next run has to earn its own mark."""
    open_store(boot="boot-1").mark_clean()
    open_store(boot="boot-1").write(chains.items(1))
    assert open_store(boot="boot-2").epoch == "epoch-02"


@pytest.mark.parametrize("boots", [("", "boot-2"), ("boot-1", ""), ("", "")])
def test_store_keeps_its_epochs_where_boots_have_no_names(
    open_store: Any, chains: Any, boots: tuple[str, str]
) -> None:
    """Nobody can tell, and a new epoch for each start would cost every client."""
    open_store(boot=boots[0]).write(chains.items(1))
    assert open_store(boot=boots[1]).epoch == "epoch-01"


def test_store_goes_by_the_durability_that_entries_were_written_with(
    open_store: Any, chains: Any
) -> None:
    """What was at log before a power loss may be lost, whatever is wanted now."""
    open_store(boot="1", level_of=by_name(fsync="")).write(chains.items(1, "t"))
    again = open_store(boot="2", level_of=by_name(fsync="t"))
    assert epochs(again) == {"t": "epoch-02"}
    assert levels(again) == {"t": "fsync"}
    back = open_store(boot="2", level_of=by_name(fsync=""))
    assert levels(back) == {"t": "log"}
    back.write(chains.items(1, "t"))
    last = open_store(boot="3", level_of=by_name(fsync="t"))
    assert epochs(last) == {"t": "epoch-03"}


def test_store_remembers_the_durability_of_topics_that_are_in_memory_now(
    open_store: Any, chains: Any
) -> None:
    """Their entries are still what they were."""
    open_store(boot="1", level_of=by_name(fsync="t")).write(chains.items(1, "t"))
    again = open_store(boot="2", level_of=by_name(fsync="", memory="t"))
    assert levels(again) == {"t": "fsync"}
    assert epochs(again) == {"t": "epoch-01"}


# Retention at the start.


def test_store_keeps_a_lower_retention_from_the_start_on(
    open_store: Any, chains: Any
) -> None:
    """Before anybody can read what is beyond it."""
    store = open_store()
    store.write([*chains.items(5, "a"), *chains.items(2, "b")])
    again = open_store(retention=Bounds(entries=3))
    a, b = again.kept(WALL)
    assert (a.base, b.base) == (Mark(2, chains.tag("a", 2)), Mark())
    size = again.ledger.size
    last = open_store(total=size // 2)
    assert sum(one.top.seq - one.base.seq for one in last.kept(WALL)) == 2


def test_store_frees_room_that_the_run_before_has_left(
    open_store: Any, chains: Any
) -> None:
    """The base was written down, and some entries were still there."""
    store = open_store(retention=Bounds(entries=1))
    store.write(chains.items(5))
    store.retention.trim(store.ledger.by_name.values(), WALL)
    store.retention.clear(2)
    again = open_store()
    (kept,) = again.kept(WALL)
    assert kept.base == Mark(4, chains.tag("t", 4))
    assert again.retention.doomed == 2
    again.retention.clear(9)
    question = "SELECT count(*) FROM entries"
    assert again.connection.execute(question).fetchone()[0] == 1


def test_store_knows_the_place_of_an_empty_topic(open_store: Any, chains: Any) -> None:
    """Its next entry follows the last one that was removed."""
    store = open_store(retention=Bounds(age=1.0))
    store.write(chains.items(3))
    store.retention.expire(WALL, 9)
    store.retention.clear(9)
    again = open_store(retention=Bounds(age=1.0))
    (kept,) = again.kept(WALL)
    assert kept.base == kept.top == Mark(3, chains.tag("t", 3))
    again.write(chains.items(1))
    assert again.ledger.by_name["t"].top == 4


# The file.


def test_store_probes_whether_there_is_room(open_store: Any) -> None:
    """A full file is seen, though nothing is left behind where there is room."""
    store = open_store()
    store.probe()
    question = "SELECT count(*) FROM meta WHERE name = 'probe'"
    assert store.connection.execute(question).fetchone()[0] == 0
    pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
    store.connection.execute("VACUUM")
    store.connection.execute(f"PRAGMA max_page_count={pages - 8}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        store.probe()


def test_store_uses_freed_room_again(open_store: Any, chains: Any) -> None:
    """Under steady load the file does not grow."""
    store = open_store(retention=Bounds(entries=50))

    def rounds(count: int) -> int:
        for _ in range(count):
            store.write(chains.items(50, "t", b"1" * 1000))
            store.retention.trim(store.ledger.by_name.values(), WALL)
            store.retention.clear(100)
        pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
        return int(pages)

    before = rounds(20)
    assert rounds(20) <= before + 2


def test_store_gives_room_back_when_much_of_it_is_unused(
    open_store: Any, chains: Any
) -> None:
    """Page by page, as long as more than a quarter is unused."""
    store = open_store(retention=Bounds(entries=1))
    store.write(chains.items(200, "t", b"1" * 4000))
    store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    before = store.file_size
    assert not store.is_wasteful
    store.retention.trim(store.ledger.by_name.values(), WALL)
    store.retention.clear(200)
    while store.is_wasteful:
        store.give_back_page()
    store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert store.file_size < before / 2
