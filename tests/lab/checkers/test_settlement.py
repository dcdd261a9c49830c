"""Settlement names what is missing of a chunk."""

from wavetank.lab.checkers.history import Fate, Fates
from wavetank.lab.checkers.promises import AT_LEAST_ONCE, BEST_EFFORT, Anomaly, Promise
from wavetank.lab.checkers.publications import FAILED, INFO, KEPT, OK, Ledger
from wavetank.lab.checkers.settlement import Settlement
from wavetank.lab.checkers.streams import Stream, Subscriber
from wavetank.lab.checkers.tallies import Tally

Found = dict[Anomaly, int]


class Scene:
    """Five acknowledged messages, seq 1 to 5, and who got which of them."""

    def __init__(self, *got: list[int], has_seqs: bool = True) -> None:
        self.ledger = Ledger("t", 0, limit=10)
        for number in range(1, 6):
            self.ledger.append(0, number, 0)
        self.chunk = self.ledger.chunks[0]
        self.streams = []
        for slot in range(5):
            self.chunk.answer(slot, OK)
            self.chunk.acked[slot] = 1.0
            if has_seqs:
                self.ledger.settle(self.chunk, slot, slot + 1)
        for place, numbers in enumerate(got):
            stream = Stream(Subscriber(f"s{place}"), self.ledger, limit=10)
            stream.subscriber.connect("c1")
            stream.open(0, 0)
            for number in numbers:
                self.ledger.see(self.chunk, number - 1)
                stream.receive(self.chunk, number - 1, number if has_seqs else -1)
                self.chunk.last[number - 1] = 2.0
            self.streams.append(stream)
        self.tally = Tally()

    def settle(
        self,
        promise: Promise = AT_LEAST_ONCE,
        *,
        is_final: bool = True,
        fates: Fates | None = None,
    ) -> Found:
        """Return what is found."""
        settlement = Settlement(
            promise, self.tally, ["w-r1-p"], is_final=is_final, fates=fates or {}
        )
        self.missing = settlement.settle(self.ledger, self.chunk, self.streams)
        self.excused = settlement.excused
        return {name: n for name, n in self.tally.counts.items() if n}


def test_nothing_is_missing_where_everybody_got_everything() -> None:
    """Then it is known how long that took."""
    scene = Scene([1, 2, 3, 4, 5], [1, 2, 3, 4, 5])
    assert scene.settle() == {}
    assert scene.missing == 0
    assert scene.tally.stable.histogram().count == 5


def test_what_did_not_come_is_lost_and_what_nobody_got_to_all() -> None:
    """The time that it took is that of those who got it."""
    scene = Scene([1, 2, 4], [1, 3, 4])
    assert scene.settle() == {Anomaly.LOST: 4, Anomaly.LOST_TO_ALL: 1}
    assert scene.missing == 4
    assert scene.tally.stable.histogram().count == 2
    lost = scene.tally.examples[Anomaly.LOST]
    assert [(one.subscriber, one.id) for one in lost] == [
        ("s0", "w-r1-p-3"),
        ("s0", "w-r1-p-5"),
        ("s1", "w-r1-p-2"),
        ("s1", "w-r1-p-5"),
    ]


def test_what_the_history_still_has_is_not_lost_to_all() -> None:
    """It was kept, though nobody got it."""
    scene = Scene([1, 2, 3, 4])
    scene.chunk.status[4] |= KEPT
    assert scene.settle() == {Anomaly.LOST: 1}


def test_what_may_still_come_is_pending() -> None:
    """Unless something that was behind it has come."""
    scene = Scene([1, 3])
    found = {Anomaly.LOST: 1, Anomaly.LOST_TO_ALL: 1, Anomaly.PENDING: 2}
    assert scene.settle(is_final=False) == found


def test_what_may_still_come_without_numbers_is_told_by_the_publisher() -> None:
    """Its order says what is behind what, if it promises one."""
    scene = Scene([1, 3], has_seqs=False)
    found = {Anomaly.LOST: 1, Anomaly.LOST_TO_ALL: 1, Anomaly.PENDING: 2}
    assert scene.settle(is_final=False) == found
    loose = Scene([1, 3], has_seqs=False)
    found = {Anomaly.PENDING: 3}
    assert loose.settle(Promise(fifo=False), is_final=False) == found


def test_what_is_lost_of_a_subscription_that_is_over_is_settled() -> None:
    """Nobody waits for it any more."""
    scene = Scene([1, 3])
    scene.streams[0].close(None, in_order=True)
    assert scene.settle(is_final=False) == {Anomaly.LOST: 1, Anomaly.LOST_TO_ALL: 1}


def test_what_the_target_declared_is_no_loss() -> None:
    """By number, or by how many; what it declared too much excuses nothing else."""
    scene = Scene([1, 3])
    scene.streams[0].gaps.add(2, 2)
    scene.streams[0].dropped = 1
    assert scene.settle() == {
        Anomaly.DECLARED: 2,
        Anomaly.LOST: 1,
        Anomaly.LOST_TO_ALL: 1,
    }
    assert scene.missing == 1
    assert scene.excused == {scene.streams[0]: 1}


def test_unanswered_and_refused_messages_are_owed_to_nobody() -> None:
    """Where they come all the same, one is fine and the other is not."""
    scene = Scene([1, 2, 3])
    for slot, status in [(1, INFO), (2, FAILED), (3, INFO), (4, FAILED)]:
        scene.chunk.status[slot] = scene.chunk.status[slot] & ~3 | status
    assert scene.settle() == {Anomaly.RECOVERED: 1, Anomaly.PHANTOM: 1}


def test_without_acknowledgements_a_message_is_owed_once_somebody_got_it() -> None:
    """What nobody got is not known to have been published."""
    scene = Scene([1, 2, 3], [1, 3])
    for slot in range(5):
        scene.chunk.status[slot] = scene.chunk.status[slot] & ~3 | INFO
    assert scene.settle(BEST_EFFORT) == {Anomaly.LOST: 1}


def test_a_loss_says_where_it_was_as_far_as_the_wire_knows() -> None:
    """By id or by number; what it does not say stays unknown."""
    scene = Scene([1, 3])
    fates = {
        ("s0", "t", "w-r1-p-2"): Fate.PROXY,
        ("s0", "t", 4): Fate.TARGET,
        ("s1", "t", 5): Fate.CLIENT,
    }
    scene.settle(fates=fates)
    assert scene.tally.fates == {Fate.PROXY: 1, Fate.TARGET: 1, Fate.UNKNOWN: 1}
    lost = scene.tally.examples[Anomaly.LOST]
    assert [one.by for one in lost] == [Fate.PROXY, Fate.TARGET, Fate.UNKNOWN]
    bare = Scene([1], has_seqs=False)
    bare.settle(fates=fates)
    assert bare.tally.fates == {Fate.PROXY: 1, Fate.UNKNOWN: 3}
