"""Retention: what of a log's file may go, and its going."""

import sqlite3
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wavetank.hub.log import Bounds, Mark, Run


def trim(store: Any, wall: float, *topics: str) -> dict[str, Mark]:
    """Trim topics."""
    accounts = [store.ledger.by_name[topic] for topic in topics]
    bases: dict[str, Mark] = store.retention.trim(accounts, wall)
    return bases


def rows(store: Any, topic: int = 1) -> list[int]:
    """Return the seqs that take room in the file."""
    question = "SELECT seq FROM entries WHERE topic = ? ORDER BY seq"
    return [seq for (seq,) in store.connection.execute(question, (topic,))]


def base(store: Any, topic: str = "t") -> int:
    """Return the base that is written down."""
    question = "SELECT base FROM topics WHERE name = ?"
    return int(store.connection.execute(question, (topic,)).fetchone()[0])


def test_retention_keeps_all_within_the_bounds(open_store: Any, chains: Any) -> None:
    """Nothing moves."""
    store = open_store(retention=Bounds(entries=5, size=10_000, age=60.0))
    items = chains.items(5)
    store.write(items)
    assert trim(store, items[-1].entry.at, "t") == {}
    assert store.retention.doomed == 0


@pytest.mark.parametrize("bound", ["entries", "size", "age"])
def test_retention_removes_what_is_beyond_a_bound(
    open_store: Any, chains: Any, bound: str
) -> None:
    """By count, by bytes or by age: the two oldest of five."""
    items = chains.items(5)
    size = sum(len(item.entry.frame) for item in items[2:])
    bounds = {"entries": 3, "size": size, "age": 2.0}
    store = open_store(retention=Bounds(**{bound: bounds[bound]}))
    store.write(items)
    expected = {"t": Mark(2, chains.tag("t", 2))}
    assert trim(store, items[-1].entry.at, "t") == expected
    account = store.ledger.by_name["t"]
    assert account.oldest_at / 1_000_000 == items[2].entry.at
    assert (account.size, store.ledger.entries) == (size, 3)
    assert trim(store, items[-1].entry.at, "t") == {}


def test_retention_of_one_entry_keeps_the_newest(open_store: Any, chains: Any) -> None:
    """That is what it says."""
    store = open_store(retention=Bounds(entries=1))
    store.write(chains.items(4))
    assert trim(store, 0.0, "t") == {"t": Mark(3, chains.tag("t", 3))}


def test_retention_may_keep_nothing(open_store: Any, chains: Any) -> None:
    """Where one entry is larger than all that may be kept, or older at once."""
    for bounds in (Bounds(size=10), Bounds(age=0.001)):
        store = open_store(retention=bounds)
        topic = f"t{bounds.size}"
        items = chains.items(2, topic)
        store.write(items)
        moved = trim(store, items[-1].entry.at + 1.0, topic)
        assert moved == {topic: Mark(2, chains.tag(topic, 2))}
        assert store.ledger.by_name[topic].size == 0


def test_retention_moves_on_when_what_is_removed_is_gone_too(
    open_store: Any, chains: Any
) -> None:
    """The base is known by then, not by its row."""
    store = open_store(retention=Bounds(entries=2))
    store.write(chains.items(5))
    trim(store, 0.0, "t")
    store.retention.clear(99)
    assert rows(store) == [4, 5]
    assert base(store) == 3
    store.write(chains.items(1))
    assert trim(store, 0.0, "t") == {"t": Mark(4, chains.tag("t", 4))}


def test_retention_clears_some_entries_at_a_time(open_store: Any, chains: Any) -> None:
    """Of one topic after the other; the bases are written down with the first."""
    store = open_store(retention=Bounds(entries=1))
    store.write([*chains.items(5, "a"), *chains.items(4, "b")])
    trim(store, 0.0, "a", "b")
    assert store.retention.doomed == 7
    assert base(store, "a") == 0
    store.retention.clear(3)
    assert (rows(store, 1), rows(store, 2)) == ([4, 5], [1, 2, 3, 4])
    assert (base(store, "a"), base(store, "b")) == (4, 3)
    assert repr(store.retention) == "<Retention 4 doomed>"
    store.retention.clear(3)
    assert (rows(store, 1), rows(store, 2)) == ([5], [3, 4])
    store.retention.clear(3)
    assert (rows(store, 1), rows(store, 2)) == ([5], [4])
    assert store.retention.doomed == 0


def test_retention_tries_again_when_clearing_fails(
    open_store: Any, chains: Any
) -> None:
    """All of it, later."""
    store = open_store(retention=Bounds(entries=1))
    store.write(chains.items(3))
    trim(store, 0.0, "t")
    other = open_store()
    other.connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        store.retention.clear(99)
    other.connection.execute("ROLLBACK")
    assert store.retention.doomed == 2
    store.retention.clear(99)
    assert rows(store) == [3]


def test_retention_undoes_a_half_when_clearing_fails(
    open_store: Any, chains: Any
) -> None:
    """A base that is written down stands for entries that are gone."""
    store = open_store(retention=Bounds(entries=1))
    store.write(chains.items(3))
    trim(store, 0.0, "t")
    store.connection.execute(
        "CREATE TEMP TRIGGER no BEFORE DELETE ON entries "
        "BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    with pytest.raises(sqlite3.IntegrityError, match="no"):
        store.retention.clear(99)
    assert base(store) == 0
    store.connection.execute("DROP TRIGGER no")
    store.retention.clear(99)
    assert (base(store), rows(store)) == (2, [3])


def test_retention_lets_a_topic_that_grows_give_up_its_oldest(
    open_store: Any, chains: Any
) -> None:
    """Beyond the total of all topics; the others stay as they are."""
    size = len(chains.next("x").frame)
    store = open_store(total=5 * size)
    store.write(chains.items(4, "a"))
    store.write(chains.items(3, "b"))
    assert trim(store, 0.0, "b") == {"b": Mark(2, chains.tag("b", 2))}
    store.write(chains.items(1, "b"))
    assert trim(store, 0.0, "b") == {"b": Mark(3, chains.tag("b", 3))}
    store.write(chains.items(2, "c"))
    moved = trim(store, 0.0, "a", "c")
    assert moved == {"a": Mark(2, chains.tag("a", 2))}
    assert store.ledger.size == 5 * size


def test_retention_keeps_the_newest_entry_beyond_the_total(
    open_store: Any, chains: Any
) -> None:
    """A topic is never emptied for the sake of others."""
    store = open_store(total=10)
    store.write(chains.items(3))
    assert trim(store, 0.0, "t") == {"t": Mark(2, chains.tag("t", 2))}
    assert trim(store, 0.0, "t") == {}


def test_retention_brings_the_largest_topics_below_a_lower_total(
    open_store: Any, chains: Any
) -> None:
    """Small ones keep everything."""
    size = len(chains.next("x").frame)
    store = open_store()
    for topic, count in (("a", 1), ("b", 6), ("c", 9)):
        store.write(chains.items(count, topic))
    store = open_store(total=9 * size)
    store.retention.level_out()
    assert [one.top - one.base for one in store.ledger.by_name.values()] == [1, 4, 4]
    store.retention.level_out()
    assert store.ledger.entries == 9
    store = open_store(total=0)
    store.retention.level_out()
    assert [one.top - one.base for one in store.ledger.by_name.values()] == [1, 1, 1]


def test_retention_expires_entries_of_quiet_topics(
    open_store: Any, chains: Any
) -> None:
    """Some topics at a time; each once, until it has something again."""
    store = open_store(retention=Bounds(age=10.0))
    first = chains.items(1, "a") + chains.items(1, "b") + chains.items(3, "c")
    store.write(first)
    wall = first[0].entry.at + 10.5
    assert len(store.retention.expire(wall, 2)) == 2
    third = store.retention.expire(wall, 2)
    assert third == {"c": Mark(1, chains.tag("c", 1))}
    assert store.retention.expire(wall, 2) == {}
    assert store.retention.expire(wall + 2.0, 9) == {"c": Mark(3, chains.tag("c", 3))}
    store.write(chains.items(1, "a"))
    assert store.retention.expire(wall + 2.0, 9) == {}
    again = store.retention.expire(wall + 60.0, 9)
    assert again == {"a": Mark(2, chains.tag("a", 2))}


def test_retention_watches_topics_that_were_found_empty(
    open_store: Any, chains: Any
) -> None:
    """What is published to them later grows old too."""
    store = open_store(retention=Bounds(age=10.0))
    items = chains.items(1)
    wall = items[0].entry.at
    store.write(items)
    store.retention.expire(wall + 11.0, 9)
    store.retention.clear(9)
    store = open_store(retention=Bounds(age=10.0))
    assert store.retention.expire(wall + 12.0, 9) == {}
    store.write(chains.items(1))
    assert store.retention.expire(wall + 60.0, 9) == {"t": Mark(2, chains.tag("t", 2))}


def test_retention_without_an_age_expires_nothing(open_store: Any, chains: Any) -> None:
    """It does not even look."""
    store = open_store()
    store.write(chains.items(1))
    assert store.retention.expire(9e9, 9) == {}


BOUNDS = st.builds(
    Bounds,
    entries=st.none() | st.integers(1, 6),
    size=st.none() | st.integers(50, 700),
    age=st.none() | st.integers(0, 8).map(float),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    bounds=BOUNDS,
    batches=st.lists(st.lists(st.integers(1, 120), min_size=1, max_size=5), max_size=5),
    clears=st.booleans(),
)
def test_retention_does_in_batches_what_memory_does_for_each_entry(
    open_store: Any,
    new_chains: Any,
    bounds: Bounds,
    batches: list[list[int]],
    clears: bool,
) -> None:
    """After each batch the same entries are left, whatever the bounds."""
    chains, run = new_chains(), Run()
    store = open_store(retention=bounds)
    topic = f"t{len(store.ledger.by_name)}"
    for sizes in batches:
        items = [chains.item(topic, b"1" * size) for size in sizes]
        for item in items:
            run.push(item.entry)
        wall = items[-1].entry.at
        while bounds.is_exceeded(run, wall):
            run.drop()
        store.write(items)
        trim(store, wall, topic)
        if clears:
            store.retention.clear(3)
        account = store.ledger.by_name[topic]
        assert (account.base + 1, account.top, account.size) == (
            run.first,
            run.last,
            run.size,
        )
    store.connection.close()
