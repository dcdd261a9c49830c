"""Outbox: publications on their way."""

import random
from collections import defaultdict
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavetank.client.backoff import Backoff
from wavetank.client.lanes import Lanes
from wavetank.client.outbox import Entry, Fate, Outbox
from wavetank.protocol import Error, ErrorCode


class TopOfRange(random.Random):
    """Dice that always show the most."""

    def uniform(self, _a: float, b: float) -> float:
        """Return the upper end."""
        return b


class Box:
    """An outbox with its lanes, filled by topics."""

    def __init__(self, **options: Any) -> None:
        self.lanes = Lanes(1)
        self.outbox = Outbox(self.lanes, backoff=Backoff(), rng=TopOfRange(), **options)
        self.number = 0

    def put(self, topic: str, key: str | None = None, data: bytes = b"1") -> int:
        """Add an entry; return its number."""
        self.number += 1
        ordinal = 0 if key else self.lanes.number(topic, self.number)
        entry = Entry(
            number=self.number, topic=topic, data=data, key=key, ordinal=ordinal
        )
        self.outbox.offer(entry)
        return self.number

    def send(self, now: float = 0.0) -> list[int]:
        """Send all that may be sent; return the numbers."""
        sent = []
        while (entry := self.outbox.next(now)) is not None:
            sent.append(entry.number)
        return sent

    def refuse(self, number: int, code: str, now: float = 0.0, **more: Any) -> Fate:
        """Answer with an error."""
        outcome = self.outbox.refused(number, error(code, **more), now)
        assert outcome is not None
        assert outcome.entry.number == number
        return outcome.fate


def error(code: str, **more: Any) -> Error:
    """Make an error."""
    return Error.of(ErrorCode(code), "no", id=1, at=0.0, **more)


def test_outbox_sends_in_order_and_forgets_what_is_acknowledged() -> None:
    """Many at once, the oldest first."""
    box = Box()
    numbers = [box.put("a") for _ in range(3)]
    assert len(box.outbox) == 3
    assert box.outbox.size == 3
    assert box.send() == numbers
    assert box.outbox.flying == 3
    entry = box.outbox.acknowledged(1)
    assert entry is not None
    assert entry.number == 1
    assert box.outbox.oldest == 2
    assert box.outbox.acknowledged(1) is None
    assert box.outbox.acknowledged(99) is None
    assert box.outbox.refused(99, error("internal"), 0.0) is None
    for number in (2, 3):
        box.outbox.acknowledged(number)
    assert (len(box.outbox), box.outbox.size, box.outbox.oldest) == (0, 0, None)
    assert repr(box.outbox) == "<Outbox 0 entries, 0 flying>"


def test_outbox_never_has_more_in_flight_than_its_window() -> None:
    """The next one goes when an answer comes."""
    box = Box(window=3)
    for _ in range(5):
        box.put("a")
    assert box.send() == [1, 2, 3]
    assert box.send() == []
    box.outbox.acknowledged(1)
    assert box.send() == [4]


def test_outbox_takes_topics_in_turns() -> None:
    """A long topic does not keep the others waiting."""
    box = Box()
    for topic in ("a", "a", "a", "b", "b"):
        box.put(topic)
    assert box.send() == [1, 4, 2, 5, 3]


def test_outbox_sends_entries_with_keys_of_a_topic_one_by_one() -> None:
    """A hub does not keep their order, so nothing else of the topic flies beside."""
    box = Box()
    box.put("a")
    box.put("a", key="k1")
    box.put("a", key="k2")
    box.put("a")
    box.put("b", key="k3")
    assert box.send() == [1, 5]
    for number in (1, 2, 3):
        box.outbox.acknowledged(number)
        assert box.send() == [number + 1]


@pytest.mark.parametrize("code", ["unavailable", "internal"])
def test_outbox_sends_again_before_everything_behind(code: str) -> None:
    """Whatever waits of the topic waits too; other topics go on."""
    box = Box()
    for topic in ("a", "a", "b"):
        box.put(topic)
    assert box.send() == [1, 3, 2]
    assert box.refuse(1, code) is Fate.AGAIN
    assert box.refuse(2, "producer_gap", expected=1) is Fate.AGAIN
    box.put("a")
    box.put("b")
    assert box.send() == [5]
    assert box.outbox.due_at == pytest.approx(0.1)
    assert box.send(0.1) == [1, 2, 4]
    assert box.outbox.retried == 2


def test_outbox_waits_longer_each_time() -> None:
    """The bound doubles with each vain attempt of an entry."""
    box = Box()
    box.put("a")
    now = 0.0
    for wait in (0.1, 0.2, 0.4):
        assert box.send(now) == [1]
        box.refuse(1, "unavailable", now)
        assert box.send(now) == []
        assert box.outbox.due_at == pytest.approx(now + wait)
        now = box.outbox.due_at
    assert box.send(now) == [1]


def test_outbox_slows_down_as_a_whole_when_it_is_too_fast() -> None:
    """Half as many fly, nothing before the hub said so; then one more each time."""
    box = Box(window=4)
    for topic in "abcdefgh":
        box.put(topic)
    assert box.send() == [1, 2, 3, 4]
    assert (
        box.refuse(1, "rate_limited", retry_after=2.0, bucket="publish") is Fate.AGAIN
    )
    box.outbox.acknowledged(2)
    assert box.send(1.9) == []
    assert box.outbox.due_at == 2.0
    assert box.send(2.0) == [5]
    for number in (3, 4, 5):
        box.outbox.acknowledged(number)
    assert len(box.send(2.0)) == 4


def test_outbox_keeps_the_rate_that_the_hub_names() -> None:
    """So that nothing has to be refused."""
    box = Box()
    for _ in range(20):
        box.put("a")
    box.outbox.connected(10.0, 0.0)
    assert len(box.send(0.0)) == 8
    assert 0.1 <= box.outbox.due_at <= 0.1001
    assert len(box.send(box.outbox.due_at)) == 1


def test_outbox_believes_no_endless_retry_after() -> None:
    """The longest wait of our own is the longest of all."""
    box = Box()
    box.put("a")
    box.send()
    box.refuse(1, "rate_limited", retry_after=9e9)
    assert box.outbox.due_at == 20.0


@pytest.mark.parametrize(
    "codes",
    [
        ["rate_limited"],
        ["rate_limited", "unavailable", "unavailable"],
        ["unavailable", "rate_limited"],
    ],
)
def test_outbox_names_a_time_at_which_it_has_something_to_send(
    codes: list[str],
) -> None:
    """Once the last one was refused as too fast, the moment it named was over.

    Nobody waits for a moment that is over, and no answer was to come: it stayed in the
    outbox until something else was published.
    """
    box = Box()
    box.put("a")
    now = 10.0
    assert box.send(now) == [1]
    for code in codes:
        assert box.refuse(1, code, now) is Fate.AGAIN
        assert box.send(now) == []
        assert now < box.outbox.due_at < now + 20.0
        now = box.outbox.due_at
        assert box.send(now) == [1]


def test_outbox_names_a_later_time_where_all_is_held_beyond_that_of_a_topic() -> None:
    """A topic may be due while the whole connection still has to wait."""
    box = Box()
    box.put("a")
    box.put("b")
    assert box.send(10.0) == [1, 2]
    box.refuse(1, "unavailable", 10.0)
    box.refuse(2, "rate_limited", 10.0, retry_after=5.0)
    assert box.outbox.due_at == 15.0
    assert box.send(10.2) == []
    assert box.outbox.due_at == 15.0
    assert sorted(box.send(15.0)) == [1, 2]


def test_outbox_fails_what_the_hub_will_never_take_and_goes_on() -> None:
    """Behind it a new lane begins, for its number stays free."""
    box = Box()
    for _ in range(3):
        box.put("a")
    assert box.send() == [1, 2, 3]
    assert box.refuse(1, "payload_too_large") is Fate.FAILED
    assert box.refuse(2, "producer_gap", expected=1) is Fate.AGAIN
    # The third one still flies in the old lane; nothing new goes beside it.
    assert box.send() == []
    assert box.refuse(3, "producer_gap", expected=1) is Fate.AGAIN
    assert box.send() == [2, 3]
    lane = box.lanes.find("a", 2)
    assert (lane.epoch, lane.seq(2), lane.seq(3)) == (2, 1, 2)


def test_outbox_fails_an_entry_with_a_key_alone() -> None:
    """It has no number, so nothing is left open."""
    box = Box()
    box.put("a", key="k")
    box.put("a")
    assert box.send() == [1]
    assert box.refuse(1, "topic_forbidden") is Fate.FAILED
    assert box.send() == [2]
    assert box.lanes.epoch == 2


def test_outbox_begins_a_new_lane_when_the_hub_has_forgotten_it() -> None:
    """A gap before the oldest entry is nobody's fault here: count from 1 again."""
    box = Box()
    for _ in range(3):
        box.put("a")
    box.send()
    box.outbox.acknowledged(1)
    assert box.refuse(2, "producer_gap", expected=1) is Fate.AGAIN
    assert box.refuse(3, "producer_gap", expected=1) is Fate.AGAIN
    assert box.send() == [2, 3]
    lane = box.lanes.find("a", 2)
    assert (lane.epoch, lane.seq(2)) == (2, 1)


def test_outbox_waits_where_not_even_a_first_number_is_right() -> None:
    """That is a hub's mistake, and no reason to ask without pause."""
    box = Box()
    box.put("a")
    box.send()
    assert box.refuse(1, "producer_gap", expected=1) is Fate.AGAIN
    assert box.send() == []
    assert box.outbox.due_at == pytest.approx(0.1)


def test_outbox_is_over_when_another_publisher_has_its_name() -> None:
    """Going on would mean to fight about it."""
    box = Box()
    box.put("a")
    box.send()
    assert box.refuse(1, "producer_fenced") is Fate.FENCED


def test_outbox_sends_everything_again_after_a_lost_connection() -> None:
    """Under the same numbers, in the same order."""
    box = Box()
    for _ in range(3):
        box.put("a")
    box.send()
    box.outbox.acknowledged(1)
    lane = box.lanes.find("a", 2)
    assert box.outbox.lost() == []
    assert box.outbox.flying == 0
    assert box.send() == [2, 3]
    assert box.lanes.find("a", 2) is lane


def test_outbox_gives_up_after_so_many_retries() -> None:
    """Each lost connection, error and vain attempt to connect counts."""
    box = Box(max_retries=2)
    box.put("a")
    box.put("a")
    box.send()
    assert box.outbox.lost() == []
    assert box.outbox.failed_to_connect() == []
    box.put("b")
    failed = box.outbox.failed_to_connect()
    assert [entry.number for entry in failed] == [1, 2]
    assert all(entry.is_doubtful for entry in failed)
    assert box.send() == [3]
    box.refuse(3, "unavailable")
    assert box.send(1.0) == [3]
    assert box.refuse(3, "unavailable") is Fate.FAILED
    assert len(box.outbox) == 0


def test_outbox_gives_up_what_flew_too_often() -> None:
    """In doubt: the next one goes on with its number, and the hub says if not."""
    box = Box(max_retries=0)
    box.put("a")
    box.put("a")
    assert box.outbox.next(0.0) is not None
    assert [entry.number for entry in box.outbox.lost()] == [1]
    assert box.send() == [2]
    assert box.lanes.find("a", 2).seq(2) == 2
    assert box.refuse(2, "producer_gap", expected=1) is Fate.AGAIN
    assert box.send() == [2]
    assert box.lanes.find("a", 2).seq(2) == 1


def test_outbox_gives_up_entries_in_the_middle() -> None:
    """Those that were in vain more often than what is before them."""
    box = Box(max_retries=1)
    for _ in range(4):
        box.put("a")
    box.send()
    box.outbox.acknowledged(1)
    box.refuse(3, "unavailable")
    for number in (2, 4):
        box.refuse(number, "producer_gap", expected=2)
    failed = box.outbox.failed_to_connect()
    assert [entry.number for entry in failed] == [3]
    assert box.send(1.0) == [2]
    box.outbox.acknowledged(2)
    assert box.send(1.0) == [4]


def test_outbox_without_a_bound_never_counts_connections() -> None:
    """Endless is the default."""
    box = Box()
    box.put("a")
    assert [box.outbox.failed_to_connect() for _ in range(100)] == [[]] * 100


def test_outbox_with_nothing_to_do_is_never_due() -> None:
    """And with something to send, now."""
    box = Box()
    assert box.outbox.due_at == inf
    box.put("a")
    assert box.outbox.due_at == 0.0


class Hub:
    """A model of the hub: judges producers and keys, and keeps what it takes."""

    def __init__(self) -> None:
        self.counts: dict[str, tuple[int, int]] = {}
        self.keys: set[tuple[str, str]] = set()
        self.log: dict[str, list[int]] = defaultdict(list)

    def take(self, entry: Entry) -> Error | None:
        """Judge an entry as docs/protocol.md says."""
        if entry.key is not None:
            if (entry.topic, entry.key) not in self.keys:
                self.keys.add((entry.topic, entry.key))
                self.log[entry.topic].append(entry.number)
            return None
        assert entry.lane is not None
        epoch, last = self.counts.get(entry.topic, (0, 0))
        seq = entry.lane.seq(entry.ordinal)
        if entry.lane.epoch < epoch:
            return error("producer_fenced")
        if entry.lane.epoch > epoch:
            last = 0
        elif seq <= last:
            return None
        if seq != last + 1:
            return error("producer_gap", expected=last + 1)
        self.counts[entry.topic] = (entry.lane.epoch, seq)
        self.log[entry.topic].append(entry.number)
        return None


@settings(max_examples=100)
@given(st.data())
def test_outbox_loses_nothing_and_keeps_the_order(data: Any) -> None:
    """Whatever errors and cuts come: each entry once, in order, within the window."""
    box, hub = Box(window=4), Hub()
    failed: set[int] = set()
    flying: list[Entry] = []
    now, left = 0.0, data.draw(st.integers(1, 15))
    by_topic: dict[str, list[int]] = defaultdict(list)
    for _ in range(2000):
        if not left and not len(box.outbox):
            break
        step = data.draw(st.sampled_from(["put", "send", "answer", "answer", "cut"]))
        if step == "put" and left:
            left -= 1
            topic = data.draw(st.sampled_from("ab"))
            key = data.draw(st.sampled_from([None, None, f"key-{left}"]))
            by_topic[topic].append(box.put(topic, key=key))
        elif step == "send":
            now = max(now, min(box.outbox.due_at, now + 100))
            entry = box.outbox.next(now)
            if entry is not None:
                flying.append(entry)
        elif step == "answer" and flying:
            entry = flying.pop(0)
            fault = data.draw(
                st.sampled_from(
                    [None, None, "unavailable", "rate_limited", "invalid_message"]
                )
            )
            trouble = error(fault) if fault else hub.take(entry)
            if trouble is None:
                assert box.outbox.acknowledged(entry.number) is not None
            else:
                assert box.refuse(entry.number, trouble.code, now) is not Fate.FENCED
                if fault == "invalid_message":
                    failed.add(entry.number)
        elif step == "cut":
            for entry in flying[: data.draw(st.integers(0, 4))]:
                hub.take(entry)
            assert box.outbox.lost() == []
            flying.clear()
        assert box.outbox.flying == len(flying) <= 4
    for topic, numbers in by_topic.items():
        log = hub.log[topic]
        assert log == sorted(log), "nothing overtakes, nothing comes twice"
        waiting = {entry.number for entry in box.outbox.entries()}
        assert {*numbers} - failed - waiting <= {*log}, "nothing is lost"
