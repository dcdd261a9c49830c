"""What a log's file holds of each topic, and the rows of a batch."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from wavetank.errors import LocalError
from wavetank.hub.aio.logs.ledger import NEVER, Account, Ledger, Parcel, microseconds
from wavetank.hub.duplicates import Origin
from wavetank.hub.durability import Durability
from wavetank.protocol import Producer


def level_of(topic: str) -> Durability:
    """Return ``fsync`` for one topic."""
    return Durability.FSYNC if topic == "safe" else Durability.LOG


@pytest.fixture(name="pack")
def fixture_pack() -> Callable[[Ledger, list[Any]], Parcel]:
    """Give a function that packs items and enters them."""

    def pack(ledger: Ledger, items: list[Any]) -> Parcel:
        parcel = ledger.pack(items, "epoch", level_of)
        for account in parcel.accounts.values():
            ledger.enter(account)
        return parcel

    return pack


def test_times_come_back_as_they_were() -> None:
    """To the microsecond, which is as exact as they are."""
    for at in (0.0, 1_790_000_000.123456, 1_790_000_000.999999, 4e9 + 0.1):
        assert microseconds(at) / 1_000_000 == at


def test_times_that_no_file_can_hold_are_brought_near() -> None:
    """Somebody may ask for them all the same."""
    for at in (9e15, float("inf"), -9e15):
        assert -(2**63) < microseconds(at) < 2**63


def test_parcel_has_a_row_for_each_entry_and_one_for_each_topic(
    pack: Callable[..., Parcel], chains: Any
) -> None:
    """Payloads stand one behind the other, and each row knows where."""
    ledger = Ledger()
    items = [
        chains.item("a", b"10"),
        chains.item("b", b'"xyz"'),
        chains.item("a", b"3"),
    ]
    entries, payloads, topics, keyed, producers, counted = pack(ledger, items).rows()
    sizes = [len(item.entry.frame) for item in items]
    at = microseconds(items[0].entry.at)
    tags = [item.entry.tag for item in items]
    assert json.loads(entries) == [
        [1, 1, tags[0], at, sizes[0], sizes[0], 1, 2],
        [2, 1, tags[1], at, sizes[1], sizes[1], 3, 5],
        [1, 2, tags[2], at + 1_000_000, sizes[2], sizes[0] + sizes[2], 8, 1],
    ]
    assert payloads == b'10"xyz"3'
    assert json.loads(topics) == [
        [1, "a", "epoch", "log", 2, tags[2], sizes[0] + sizes[2], at + 1_000_000],
        [2, "b", "epoch", "log", 1, tags[1], sizes[1], at],
    ]
    assert keyed == producers == counted == "[]"


def test_parcel_has_rows_for_origins(chains: Any) -> None:
    """Keys, numbers, and how far each producer has come."""
    origins = [
        Origin(user="ann", key="k\0"),
        Origin(user="ann", producer=Producer(name="bot", epoch=2, seq=1)),
        Origin(user="ann", producer=Producer(name="bot", epoch=2, seq=2)),
        Origin(user="ann"),
    ]
    items = [chains.item("t", origin=origin) for origin in origins]
    parcel = Ledger().pack(items, "epoch", level_of)
    _, _, _, keyed, producers, counted = map(json.loads, map(_text, parcel.rows()))
    at = microseconds(items[0].entry.at)
    assert keyed == [[1, 1, at, '["ann","k\\u0000"]']]
    assert producers == [[1, '["ann","bot"]', 2, 2, 3]]
    assert counted == [[1, '["ann","bot"]', 2, 1, 2], [1, '["ann","bot"]', 2, 2, 3]]


def _text(value: Any) -> Any:
    return value if isinstance(value, str) else "null"


def test_parcel_has_to_be_on_the_disk_where_one_of_its_topics_has(chains: Any) -> None:
    """The others come along."""
    ledger = Ledger()
    assert not ledger.pack([chains.item("a")], "epoch", level_of).is_synced
    both = [chains.item("b"), chains.item("safe")]
    assert ledger.pack(both, "epoch", level_of).is_synced


def test_ledger_stays_as_it_is_until_a_batch_is_written(chains: Any) -> None:
    """What could not be written can be packed again."""
    ledger = Ledger()
    items = chains.items(3)
    first = ledger.pack(items, "epoch", level_of)
    assert ledger.by_name == {}
    assert ledger.pack(items, "epoch", level_of).rows() == first.rows()


def test_ledger_follows_what_is_written(
    pack: Callable[..., Parcel], chains: Any
) -> None:
    """Sizes, counts, times, and numbers of topics that come later."""
    ledger = Ledger()
    pack(ledger, chains.items(2, "a"))
    pack(ledger, [*chains.items(1, "a"), *chains.items(1, "b")])
    a, b = ledger.by_name["a"], ledger.by_name["b"]
    assert (a.id, b.id) == (1, 2)
    assert ledger.by_id[2] is b
    assert (a.top, a.tag) == (3, chains.tag("a", 3))
    assert a.at - a.oldest_at == 2_000_000
    assert ledger.entries == 4
    assert ledger.size == a.size + b.size
    assert a.spare == a.size - a.newest
    assert repr(ledger) == "<Ledger 2 topics, 4 entries>"


def test_ledger_moves_a_base(pack: Callable[..., Parcel], chains: Any) -> None:
    """Fewer entries are kept, and fewer bytes; the next one begins a new age."""
    ledger = Ledger()
    pack(ledger, chains.items(3))
    account = ledger.by_name["t"]
    ledger.move_base(account, 3, account.tag, account.end)
    assert (ledger.entries, ledger.size, account.spare) == (0, 0, 0)
    pack(ledger, chains.items(1))
    account = ledger.by_name["t"]
    assert account.oldest_at == account.at
    assert (ledger.entries, ledger.size) == (1, account.newest)


def test_ledger_takes_no_entry_that_does_not_follow(chains: Any) -> None:
    """A hole in a log would be a lie."""
    chains.next()
    with pytest.raises(LocalError, match="entry 2 does not follow"):
        Ledger().pack(chains.items(1), "epoch", level_of)


def test_account_of_an_empty_topic_has_no_age() -> None:
    """Nothing of it will ever be too old."""
    assert Account(1, "t", "epoch", "log").oldest_at == NEVER
