"""Retention says which chunks go when."""

from collections import defaultdict

from wavetank.lab.checkers.publications import OK, Ledger
from wavetank.lab.checkers.retention import Retention
from wavetank.lab.checkers.streams import Stream, Subscriber

from .runs import FULL


class Shelf:
    """A topic with one subscriber, and a retention of few chunks."""

    def __init__(self, *, recent: int, most: int) -> None:
        self.ledger = Ledger("t", 0, limit=10)
        self.streams: defaultdict[int, list[Stream]] = defaultdict(list)
        self.streams[0].append(self.follower("a"))
        self.retention = Retention(
            recent=recent * FULL, most=most * FULL, streams=self.streams
        )

    def follower(self, name: str) -> Stream:
        """Return a stream that is owed everything."""
        stream = Stream(Subscriber(name), self.ledger, limit=10)
        stream.subscriber.connect("c1")
        stream.open(0, None)
        return stream

    def fill(
        self, *, is_whole: bool = True, status: int = OK
    ) -> list[tuple[int, bool]]:
        """Fill a chunk; return the numbers of those that go, and whether whole."""
        begins = self.ledger.count
        for number in range(begins + 1, begins + FULL + 1):
            self.ledger.append(0, number, 0)
        chunk = self.ledger.chunks[begins // FULL]
        for slot in range(FULL):
            chunk.positions[slot] = begins + slot + 1
            chunk.status[slot] = status
            if is_whole or slot != 7:
                self.streams[0][0].receive(chunk, slot, begins + slot + 1)
        going = self.retention.add(self.ledger, chunk)
        return [(chunk.number, whole) for (_, chunk), whole in going]


def test_whole_chunks_stay_for_a_while_and_go_in_their_order() -> None:
    """The last one is not looked at: its deliveries are on their way."""
    shelf = Shelf(recent=2, most=100)
    assert [shelf.fill() for _ in range(6)] == [
        *([], [], []),
        *([(0, True)], [(1, True)], [(2, True)]),
    ]
    assert repr(shelf.retention) == "<Retention 1 wait, 2 whole>"


def test_chunks_that_lack_something_wait_until_there_are_too_many() -> None:
    """Then the oldest goes as it stands."""
    shelf = Shelf(recent=2, most=2)
    going = [shelf.fill(is_whole=False) for _ in range(5)]
    assert going == [[], [], [], [(0, False)], [(1, False)]]


def test_a_chunk_whose_publications_are_not_all_answered_waits() -> None:
    """Everybody may have got it; how it was answered is still to be known."""
    shelf = Shelf(recent=0, most=3)
    assert [shelf.fill(status=0) for _ in range(4)] == [[], [], [], []]
    assert shelf.fill(status=0) == [(0, False)]


def test_a_whole_chunk_waits_again_where_somebody_asks_for_it() -> None:
    """A subscriber that comes later may be owed it too."""
    shelf = Shelf(recent=2, most=100)
    for _ in range(3):
        shelf.fill()
    late = shelf.follower("late")
    for slot in range(FULL):
        late.receive(shelf.ledger.chunks[2], slot, 2 * FULL + slot + 1)
    shelf.streams[0].append(late)
    assert shelf.fill() == []
    assert repr(shelf.retention) == "<Retention 2 wait, 2 whole>"


def test_each_full_chunk_has_its_turn_to_be_looked_at() -> None:
    """Of many that wait, a few are looked at each time, going round."""
    shelf = Shelf(recent=100, most=100)
    for _ in range(20):
        shelf.fill(is_whole=False)
    stream, chunks = shelf.streams[0][0], shelf.ledger.chunks
    for number in range(20):
        stream.receive(chunks[number], 7, number * FULL + 8)
    for _ in range(5):
        shelf.fill()
    assert repr(shelf.retention) == "<Retention 1 wait, 24 whole>"
