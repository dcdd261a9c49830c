"""Who has published what before."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.errors import LocalError
from wavetank.hub import duplicates
from wavetank.hub.duplicates import (
    FRESH,
    KEY_AGE,
    Budget,
    Duplicate,
    Duplicates,
    KeptKey,
    KeptProducer,
    Origin,
)
from wavetank.hub.rules import Objection
from wavetank.protocol import ErrorCode, Producer, Publish


def keyed(key: str) -> Publish:
    """Return a publication with a key."""
    return Publish(topic="t", data=msgspec.Raw(b"1"), key=key)


def counted(seq: int, *, epoch: int = 1, name: str = "bot") -> Publish:
    """Return a publication of a producer."""
    producer = Producer(name=name, epoch=epoch, seq=seq)
    return Publish(topic="t", data=msgspec.Raw(b"1"), producer=producer)


def note(known: Duplicates, command: Publish, seq: int, wall: float = 0.0) -> None:
    """Note a publication of ann."""
    origin = Origin.of("ann", command)
    assert origin is not None
    known.note(origin, seq, wall)


def objection(known: Duplicates, command: Publish) -> Objection:
    """Return what speaks against a publication of ann."""
    found = known.judge("ann", command, 0.0)
    assert isinstance(found, Objection)
    return found


class Memory(msgspec.Struct):
    """What a log has kept."""

    keys: list[KeptKey] = []
    producers: list[KeptProducer] = []


@pytest.fixture(name="small")
def fixture_small() -> Iterator[None]:
    """Make all bounds small."""
    with small_bounds():
        yield


def small_bounds() -> Any:
    """Return a context in which all bounds are small."""
    context = pytest.MonkeyPatch.context()

    class Bounds:
        def __enter__(self) -> None:
            patch = context.__enter__()
            patch.setattr(duplicates, "USER_KEYS", 3)
            patch.setattr(duplicates, "MOST_KEYS", 4)
            patch.setattr(duplicates, "MOST_PRODUCERS", 2)
            patch.setattr(duplicates, "MOST_SEQS", 3)

        def __exit__(self, *error: object) -> None:
            context.__exit__(None, None, None)

    return Bounds()


# Origins.


def test_origin_is_made_only_where_a_publication_can_be_known_again() -> None:
    """A plain publication has none."""
    assert Origin.of("ann", Publish(topic="t", data=msgspec.Raw(b"1"))) is None
    assert Origin.of("ann", keyed("k")) == Origin(user="ann", key="k")
    producer = Producer(name="bot", epoch=1, seq=2)
    assert Origin.of("ann", counted(2)) == Origin(user="ann", producer=producer)


def test_duplicates_find_nothing_in_a_plain_publication() -> None:
    """It has neither key nor number, so it is always fresh and leaves no note."""
    known = Duplicates()
    plain = Publish(topic="t", data=msgspec.Raw(b"1"))
    assert known.judge("ann", plain, 0.0) is FRESH
    known.note(Origin(user="ann"), 1, 0.0)
    assert known.is_empty


# Keys.


def test_duplicates_answer_a_known_key_with_its_first_seq() -> None:
    """For the same user only."""
    known = Duplicates()
    assert known.judge("ann", keyed("k"), 0.0) is FRESH
    note(known, keyed("k"), 7)
    assert known.judge("ann", keyed("k"), 1.0) == Duplicate(7)
    assert known.judge("ann", keyed("l"), 1.0) is FRESH
    assert known.judge("bob", keyed("k"), 1.0) is FRESH


def test_duplicates_forget_a_key_after_five_minutes() -> None:
    """To the second: at five minutes it counts, after them it does not."""
    known = Duplicates()
    note(known, keyed("k"), 7, wall=1000.0)
    assert known.judge("ann", keyed("k"), 1000.0 + KEY_AGE) == Duplicate(7)
    assert known.judge("ann", keyed("k"), 1000.1 + KEY_AGE) is FRESH
    note(known, keyed("k"), 8, wall=1000.1 + KEY_AGE)
    assert known.judge("ann", keyed("k"), 1000.2 + KEY_AGE) == Duplicate(8)
    known.tend(1000.1 + KEY_AGE)
    assert not known.is_empty
    known.tend(2000.0)
    assert known.is_empty


def test_duplicates_keep_keys_in_order_when_the_clock_goes_back() -> None:
    """A key that is noted then counts from the latest time that was seen."""
    known = Duplicates()
    note(known, keyed("a"), 1, wall=1000.0)
    note(known, keyed("b"), 2, wall=500.0)
    assert [each.at for each in known.keys] == [1000.0, 1000.0]
    known.tend(1000.1 + KEY_AGE)
    assert known.is_empty


def test_duplicates_refuse_to_note_a_key_twice() -> None:
    """Whoever does that has not asked before, and would lose the first seq."""
    known = Duplicates()
    note(known, keyed("k"), 1)
    with pytest.raises(LocalError, match="'k' of 'ann' is known"):
        note(known, keyed("k"), 2)


@pytest.mark.usefixtures("small")
def test_duplicates_keep_the_newest_keys_of_a_user_and_of_a_topic() -> None:
    """Both are bounded, and the oldest go first."""
    known = Duplicates()
    for seq in range(1, 6):
        note(known, keyed(f"a{seq}"), seq)
    assert [each.key for each in known.keys] == ["a3", "a4", "a5"]
    for seq in range(6, 9):
        known.note(Origin(user="bob", key=f"b{seq}"), seq, 0.0)
    assert [each.key for each in known.keys] == ["a5", "b6", "b7", "b8"]


def test_duplicates_give_up_their_own_oldest_beyond_the_budget() -> None:
    """A topic is never emptied for the sake of others."""
    budget = Budget(most=3)
    one, two = Duplicates(budget), Duplicates(budget)
    for seq in range(1, 4):
        note(one, keyed(f"k{seq}"), seq)
    note(two, keyed("a"), 1)
    note(two, keyed("b"), 2)
    assert [each.key for each in two.keys] == ["b"]
    assert len(one.keys) == 3
    assert budget.keys == 4
    one.release()
    assert one.is_empty
    assert budget.keys == 1


# Producers.


def test_producer_counts_from_one() -> None:
    """Anything else is a gap, and the answer says what is expected."""
    known = Duplicates()
    assert objection(known, counted(2)) == Objection(
        ErrorCode.PRODUCER_GAP, "producer seq 2 does not follow 0", expected=1
    )
    assert known.judge("ann", counted(1), 0.0) is FRESH
    note(known, counted(1), 10)
    assert known.judge("ann", counted(2), 0.0) is FRESH
    assert objection(known, counted(3)).expected == 2
    assert objection(known, counted(2, name="other")).expected == 1
    assert known.judge("bob", counted(1), 0.0) is FRESH


def test_producer_is_told_the_seq_of_what_it_has_published_before() -> None:
    """With the number that it had then."""
    known = Duplicates()
    for number in range(1, 4):
        note(known, counted(number), number * 10)
    found = [known.judge("ann", counted(number), 0.0) for number in range(1, 4)]
    assert found == [Duplicate(10), Duplicate(20), Duplicate(30)]


@pytest.mark.usefixtures("small")
def test_producer_is_told_no_seq_of_what_is_too_old_to_know() -> None:
    """It is a duplicate all the same."""
    known = Duplicates()
    for number in range(1, 6):
        note(known, counted(number), number * 10)
    found = [known.judge("ann", counted(number), 0.0) for number in range(1, 4)]
    assert found == [Duplicate(None), Duplicate(None), Duplicate(30)]


def test_producer_begins_again_with_a_higher_epoch() -> None:
    """And its older life is fenced from then on."""
    known = Duplicates()
    note(known, counted(1, epoch=3), 10)
    assert objection(known, counted(2, epoch=4)).expected == 1
    assert known.judge("ann", counted(2, epoch=3), 0.0) is FRESH
    note(known, counted(1, epoch=4), 11)
    assert objection(known, counted(2, epoch=3)) == Objection(
        ErrorCode.PRODUCER_FENCED, "a producer of this name is at epoch 4"
    )
    assert known.judge("ann", counted(1, epoch=4), 0.0) == Duplicate(11)


@pytest.mark.usefixtures("small")
def test_producers_that_are_quiet_for_longest_are_forgotten_first() -> None:
    """Publishing keeps one in memory."""
    known = Duplicates()
    note(known, counted(1, name="a"), 1)
    note(known, counted(1, name="b"), 2)
    note(known, counted(2, name="a"), 3)
    note(known, counted(1, name="c"), 4)
    assert [each.name for each in known.producers] == ["a", "c"]
    assert known.judge("ann", counted(1, name="b"), 0.0) is FRESH


def test_producers_remember_fewer_seqs_beyond_the_budget() -> None:
    """How far they are is never forgotten for it, while there is one producer."""
    known = Duplicates(Budget(most=2))
    for number in range(1, 5):
        note(known, counted(number), number * 10)
    assert known.producers == [KeptProducer("ann", "bot", 1, 4, [30, 40])]
    other = counted(1, name="other")
    note(known, other, 50)
    assert [each.name for each in known.producers] == ["other"]


# Taking back.


def test_duplicates_forget_what_was_taken_back() -> None:
    """A key can be used again, and a producer goes on where it was."""
    known = Duplicates()
    note(known, keyed("a"), 1)
    note(known, counted(1), 2)
    note(known, keyed("b"), 3)
    note(known, counted(2), 4)
    known.take_back(3)
    assert known.judge("ann", keyed("a"), 0.0) == Duplicate(1)
    assert known.judge("ann", keyed("b"), 0.0) is FRESH
    assert known.judge("ann", counted(1), 0.0) == Duplicate(2)
    assert known.judge("ann", counted(2), 0.0) is FRESH


def test_producer_that_was_fenced_lives_again_when_that_is_taken_back() -> None:
    """With all that it had published."""
    known = Duplicates()
    note(known, counted(1, epoch=1), 1)
    note(known, counted(1, epoch=2), 2)
    known.take_back(2)
    assert known.judge("ann", counted(1, epoch=1), 0.0) == Duplicate(1)
    assert known.judge("ann", counted(2, epoch=1), 0.0) is FRESH


def test_producer_is_forgotten_when_it_is_taken_back_after_it_was_settled() -> None:
    """A log that keeps its word never does that; no memory beats a wrong one."""
    budget = Budget()
    known = Duplicates(budget)
    note(known, counted(1), 1)
    known.settle(1)
    known.take_back(1)
    assert known.is_empty
    assert budget.seqs == 0


class Slow:
    """The same by the book: every state is kept, and nothing is clever."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.keys: list[KeptKey] = []
        self.producers: list[KeptProducer] = []
        self.before: list[tuple[int, list[KeptKey], list[KeptProducer]]] = []
        self.at = 0.0

    def tend(self, wall: float) -> None:
        """Forget old keys."""
        self.at = max(self.at, wall)
        self.keys = [each for each in self.keys if self.at - each.at <= KEY_AGE]

    def note(self, origin: Origin, seq: int, wall: float) -> None:
        """Remember the state, and then the origin."""
        self.before.append((seq, deepcopy(self.keys), deepcopy(self.producers)))
        if origin.key is not None:
            self.tend(wall)
            self.keys.append(KeptKey(origin.user, origin.key, seq, self.at))
            own = [each for each in self.keys if each.user == origin.user]
            if len(own) > duplicates.USER_KEYS:
                self.keys.remove(own[0])
            room = min(duplicates.MOST_KEYS, self.most)
            self.keys = self.keys[-max(1, room) :]
        elif origin.producer is not None:
            self.count(origin.user, origin.producer, seq)

    def count(self, user: str, producer: Producer, seq: int) -> None:
        """Let a producer count."""
        place = (user, producer.name)
        known = [each for each in self.producers if (each.user, each.name) == place]
        self.producers = [each for each in self.producers if each not in known]
        seqs = [seq]
        if known and known[0].epoch == producer.epoch:
            seqs = [*known[0].seqs, seq]
        others = sum(len(each.seqs) for each in self.producers)
        room = min(duplicates.MOST_SEQS, self.most - others)
        seqs = seqs[-max(1, room) :]
        self.producers.append(
            KeptProducer(user, producer.name, producer.epoch, producer.seq, seqs)
        )
        is_over = others + len(seqs) > self.most
        if len(self.producers) > 1 and (
            is_over or len(self.producers) > duplicates.MOST_PRODUCERS
        ):
            del self.producers[0]

    def take_back(self, seq: int) -> None:
        """Go back to the state before."""
        while self.before and self.before[-1][0] >= seq:
            _, self.keys, self.producers = self.before.pop()
        self.tend(self.at)


USERS = st.sampled_from(["ann", "bob"])
KEYS = st.tuples(
    st.just("key"), USERS, st.sampled_from("abcdef"), st.sampled_from([0, 1, 80])
)
COUNTS = st.tuples(st.just("count"), USERS, st.sampled_from("xyz"), st.integers(1, 2))
BACK = st.tuples(st.just("back"), st.integers(1, 12))
SETTLE = st.tuples(st.just("settle"), st.integers(4, 12))
STEPS = st.lists(
    # Most of them are notes, so that there is something to take back.
    st.sampled_from([KEYS, KEYS, KEYS, COUNTS, COUNTS, COUNTS, BACK, SETTLE]).flatmap(
        lambda kind: kind
    ),
    min_size=10,
    max_size=60,
)


@given(steps=STEPS, most=st.integers(2, 8))
def test_duplicates_do_as_by_the_book(steps: list[tuple[Any, ...]], most: int) -> None:
    """Whatever is noted and taken back: all states are those of the slow one."""
    with small_bounds():
        budget = Budget(most)
        known, slow = Duplicates(budget), Slow(most)
        top, settled, wall = 0, 0, 0.0
        for step in steps:
            match step:
                case ("key", user, key, seconds):
                    wall += seconds
                    command = keyed(key)
                case ("count", user, name, epoch):
                    of_mine = [
                        each
                        for each in slow.producers
                        if (each.user, each.name) == (user, name)
                    ]
                    last = of_mine[0].last if of_mine else 0
                    is_on = bool(of_mine) and of_mine[0].epoch == epoch
                    command = counted(last + 1 if is_on else 1, epoch=epoch, name=name)
                case ("back", count):
                    top = max(settled, top - count)
                    known.take_back(top + 1)
                    slow.take_back(top + 1)
                case ("settle", count):
                    settled = max(settled, top - count)
                    known.settle(settled)
            is_noted = step[0] in {"key", "count"}
            if is_noted and known.judge(user, command, wall) is FRESH:
                top += 1
                origin = Origin.of(user, command)
                assert origin is not None
                known.note(origin, top, wall)
                slow.note(origin, top, wall)
            known.tend(wall)
            slow.tend(wall)
            assert known.keys == slow.keys
            assert known.producers == slow.producers
            assert budget.keys == len(known.keys)
            assert budget.seqs == sum(len(each.seqs) for each in known.producers)
        again = Duplicates.restore(known)
        assert again.keys == known.keys
        assert again.producers == known.producers


# Restoring.


def test_duplicates_go_on_with_what_a_log_has_kept() -> None:
    """Keys and producers count as before."""
    kept = Memory(
        keys=[KeptKey("ann", "k", 3, 100.0)],
        producers=[KeptProducer("ann", "bot", 2, 5, [8, 9])],
    )
    known = Duplicates.restore(kept)
    assert known.judge("ann", keyed("k"), 200.0) == Duplicate(3)
    assert known.judge("ann", counted(4, epoch=2), 0.0) == Duplicate(8)
    assert known.judge("ann", counted(3, epoch=2), 0.0) == Duplicate(None)
    assert known.judge("ann", counted(6, epoch=2), 0.0) is FRESH
    known.take_back(10)
    assert known.judge("ann", counted(5, epoch=2), 0.0) == Duplicate(9)


def test_duplicates_take_the_newer_of_a_key_that_was_kept_twice() -> None:
    """As when it was used again after five minutes."""
    first, second = KeptKey("ann", "k", 3, 100.0), KeptKey("ann", "k", 9, 401.0)
    known = Duplicates.restore(Memory(keys=[second, first]))
    assert known.keys == [second]


@pytest.mark.usefixtures("small")
def test_duplicates_keep_their_bounds_when_they_are_restored() -> None:
    """The bounds may have been wider when it was kept."""
    kept = Memory(
        keys=[KeptKey("ann", f"k{n}", n, 0.0) for n in range(1, 9)],
        producers=[KeptProducer("ann", f"p{n}", 1, 9, [n, 10 + n]) for n in range(5)],
    )
    known = Duplicates.restore(kept, Budget(most=5))
    assert [each.key for each in known.keys] == ["k6", "k7", "k8"]
    assert [each.name for each in known.producers] == ["p3", "p4"]


def test_duplicates_say_how_much_they_remember() -> None:
    """For bug reports."""
    budget = Budget(most=9)
    known = Duplicates(budget)
    note(known, keyed("k"), 1)
    note(known, counted(1), 2)
    assert repr(known) == "<Duplicates 1 keys, 1 producers>"
    assert repr(budget) == "<Budget 1 keys and 1 seqs of 9>"


def test_old_keys_are_forgotten_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred thousand that end together do not hold the loop up."""
    monkeypatch.setattr("wavetank.hub.duplicates.FORGOTTEN_AT_ONCE", 2)
    duplicates = Duplicates()
    for number in range(5):
        origin = Origin(user="ann", key=f"k{number}")
        duplicates.note(origin, number + 1, 0.0)
    late = KEY_AGE + 1.0
    duplicates.tend(late)
    assert len(duplicates.keys) == 3
    again = Origin(user="ann", key="k4")
    duplicates.note(again, 6, late)
    assert [key.seq for key in duplicates.keys] == [6]
