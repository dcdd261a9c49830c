"""Logs in memory: positions, resumes, bounds."""

import zlib

import pytest

from wavetank.wrecks.commands import Position
from wavetank.wrecks.log import Log, Store


def filled(count: int) -> Log:
    """Return a log of so many entries."""
    log = Log()
    for number in range(1, count + 1):
        log.append(b"%d" % number, float(number))
    return log


def test_log_numbers_entries_from_one_and_chains_their_tags() -> None:
    """Each tag covers the number, the payload and the tag before."""
    log = filled(2)
    first, second = log.entries
    assert (first.seq, second.seq) == (1, 2)
    assert first.tag == zlib.crc32((1).to_bytes(8, "big") + b"1", 0)
    assert second.tag == zlib.crc32((2).to_bytes(8, "big") + b"2", first.tag)


def test_log_never_lets_time_go_back() -> None:
    """An entry is not older than the one before it, whatever the clock says."""
    log = Log()
    log.append(b"1", 5.0)
    assert log.append(b"2", 4.0).ts == 5.0


def test_empty_log_has_its_top_before_its_oldest() -> None:
    """Before the first entry the top is 0 and the oldest 1."""
    log = Log()
    assert (log.top.seq, log.top.tag, log.oldest) == (0, 0, 1)


def test_log_keeps_the_tag_of_the_entry_that_it_forgot_last() -> None:
    """A position is good from ``oldest - 1`` on."""
    log = filled(3)
    tag = log.entries[1].tag
    log.forget()
    log.forget()
    assert log.oldest == 3
    assert log.at(2).tag == tag
    assert log.refusal(Position(epoch="e", seq=2, tag=tag), "e") is None
    assert [entry.seq for entry in log.after(2)] == [3]


@pytest.mark.parametrize(
    ("position", "reason"),
    [
        (Position(epoch="e", seq=2), None),
        (Position(epoch="e", seq=4), None),
        (Position(epoch="f", seq=3), "epoch_changed"),
        (Position(epoch="e", seq=5), "ahead"),
        (Position(epoch="e", seq=0), "truncated"),
        (Position(epoch="e", seq=3, tag=1), "diverged"),
    ],
)
def test_log_says_why_it_cannot_go_on(position: Position, reason: str | None) -> None:
    """A resume holds, or one of the four reasons says why not."""
    log = filled(4)
    log.forget()
    assert log.refusal(position, "e") == reason


def test_store_keeps_no_state_for_a_topic_that_is_only_looked_at() -> None:
    """A log that nothing was appended to leaves nothing behind."""
    store = Store("e")
    store.log("t")
    assert repr(store) == "<Store epoch=e topics=0 entries=0 bytes=0>"


def test_store_forgets_the_oldest_entries_beyond_its_bounds() -> None:
    """Entries and bytes are bounded over all topics together."""
    store = Store("e", max_entries=3, max_bytes=10)
    for topic in ("a", "b", "a", "b"):
        store.append(topic, b"12", 0.0)
    assert (store.log("a").oldest, store.log("b").oldest) == (2, 1)
    store.append("b", b"123456789", 0.0)
    assert repr(store) == "<Store epoch=e topics=2 entries=1 bytes=9>"


def test_store_refuses_a_topic_too_many() -> None:
    """A known topic goes on; a new one has to have room."""
    store = Store("e", max_topics=1)
    store.append("a", b"1", 0.0)
    assert store.may_append("a")
    assert not store.may_append("b")
