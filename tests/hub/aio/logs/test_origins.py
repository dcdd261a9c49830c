"""Who has published what before, as the log's file keeps it."""

from typing import Any

from wavetank.hub.aio.logs.origins import (
    find_keys,
    find_producers,
    forget_keys,
    forget_producers,
)
from wavetank.hub.duplicates import KEY_AGE, KeptKey, KeptProducer, Origin
from wavetank.protocol import Producer


def write_keys(store: Any, chains: Any, *keys: str) -> list[float]:
    """Publish with keys; return when."""
    items = [chains.item("t", origin=Origin(user="ann", key=key)) for key in keys]
    store.write(items)
    return [item.entry.at for item in items]


def write_numbers(
    store: Any, chains: Any, *numbers: int, name: str = "bot", epoch: int = 1
) -> None:
    """Publish as a producer."""
    for number in numbers:
        producer = Producer(name=name, epoch=epoch, seq=number)
        store.write([chains.item("t", origin=Origin(user="ann", producer=producer))])


def count(store: Any, table: str) -> int:
    """Return how many rows there are."""
    return int(store.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_keys_are_found_while_they_count(open_store: Any, chains: Any) -> None:
    """Those that are too old are left out; any character survives."""
    store = open_store()
    times = write_keys(store, chains, "a", "b\0c", 'd"\\', "é")
    found = find_keys(store.connection, times[1] + KEY_AGE)
    assert found == {
        1: [
            KeptKey("ann", "b\0c", 2, times[1]),
            KeptKey("ann", 'd"\\', 3, times[2]),
            KeptKey("ann", "é", 4, times[3]),
        ]
    }


def test_keys_are_found_in_bounds(open_store: Any, chains: Any) -> None:
    """The newest of all topics together."""
    store = open_store()
    times = write_keys(store, chains, "a", "b", "c")
    found = find_keys(store.connection, times[2], most=2)
    assert [each.key for each in found[1]] == ["b", "c"]


def test_keys_are_forgotten_some_at_a_time(open_store: Any, chains: Any) -> None:
    """The oldest first, and none that still counts."""
    store = open_store()
    times = write_keys(store, chains, "a", "b", "c")
    forget_keys(store.connection, times[1] + KEY_AGE + 0.5, 1)
    assert count(store, "keyed") == 2
    forget_keys(store.connection, times[1] + KEY_AGE + 0.5, 10)
    assert count(store, "keyed") == 1


def test_producer_is_found_as_far_as_it_has_counted(
    open_store: Any, chains: Any
) -> None:
    """With the seqs of its publications."""
    store = open_store()
    write_numbers(store, chains, 1, 2)
    write_keys(store, chains, "a")
    write_numbers(store, chains, 3)
    found = find_producers(store.connection)
    assert found == {1: [KeptProducer("ann", "bot", 1, 3, [1, 2, 4])]}


def test_producer_is_found_with_the_seqs_of_its_newest_life(
    open_store: Any, chains: Any
) -> None:
    """The older ones are fenced, and take no room."""
    store = open_store()
    write_numbers(store, chains, 1, 2, epoch=1)
    write_numbers(store, chains, 1, epoch=4)
    found = find_producers(store.connection)
    assert found == {1: [KeptProducer("ann", "bot", 4, 1, [3])]}
    assert count(store, "counted") == 1


def test_producer_leaves_only_its_newest_seqs(open_store: Any, chains: Any) -> None:
    """A thousand, however many it publishes."""
    store = open_store()
    numbers = range(1, 1502)
    items = [
        chains.item(
            "t",
            origin=Origin(user="u", producer=Producer(name="p", epoch=0, seq=number)),
        )
        for number in numbers
    ]
    store.write(items[:700])
    store.write(items[700:])
    (producer,) = find_producers(store.connection)[1]
    assert producer.seqs == list(numbers[-1000:])
    assert count(store, "counted") == 1000


def test_producers_are_found_in_bounds(open_store: Any, chains: Any) -> None:
    """Of each fewer seqs, but its newest always."""
    store = open_store()
    for name in "ab":
        write_numbers(store, chains, 1, 2, 3, name=name)
    found = find_producers(store.connection, most=4)
    assert [each.seqs for each in found[1]] == [[2, 3], [5, 6]]
    found = find_producers(store.connection, most=1)
    assert [each.seqs for each in found[1]] == [[3], [6]]


def test_producers_that_are_quiet_for_longest_are_forgotten(
    open_store: Any, chains: Any
) -> None:
    """With all their numbers."""
    store = open_store()
    for name in "abc":
        write_numbers(store, chains, 1, name=name)
    write_numbers(store, chains, 2, name="a")
    forget_producers(store.connection, most=2)
    found = find_producers(store.connection)
    assert [each.name for each in found[1]] == ["a", "c"]
    assert count(store, "counted") == 3


def test_producer_that_was_forgotten_may_begin_anew(
    open_store: Any, chains: Any
) -> None:
    """Memory forgets earlier than the file: old numbers must not be in the way."""
    store = open_store()
    write_numbers(store, chains, 1, 2, 3, epoch=2)
    write_numbers(store, chains, 1, epoch=2)
    found = find_producers(store.connection)
    assert found == {1: [KeptProducer("ann", "bot", 2, 1, [4])]}
    write_numbers(store, chains, 1, epoch=1)
    found = find_producers(store.connection)
    assert found == {1: [KeptProducer("ann", "bot", 1, 1, [5])]}
    assert count(store, "counted") == 1
