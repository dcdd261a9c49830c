"""Streams know in which connection and order everything came."""

from wavetank.lab.checkers.promises import Anomaly
from wavetank.lab.checkers.publications import CHUNK, FAILED, OPEN, Chunk, Ledger
from wavetank.lab.checkers.streams import Stream, Subscriber


def stream(count: int = 10, *, head: int | None = 0) -> tuple[Stream, Chunk]:
    """Return a stream, and publications with positions from 1 on."""
    ledger = Ledger("t", 0, limit=100)
    for number in range(1, count + 1):
        ledger.append(0, number, 0)
        ledger.chunks[(number - 1) // CHUNK].positions[-1] = number
    subscriber = Subscriber("a")
    subscriber.connect("c1")
    one = Stream(subscriber, ledger, limit=100)
    one.open(head, None)
    return one, ledger.chunks[0]


def take(one: Stream, chunk: Chunk, *numbers: int) -> list[tuple[Anomaly, ...]]:
    """Deliver messages by their numbers."""
    return [one.receive(chunk, number - 1, number) for number in numbers]


def test_a_stream_in_order_is_not_worth_a_word() -> None:
    """What it keeps then is its top."""
    one, chunk = stream()
    assert take(one, chunk, 1, 2, 3) == [(), (), ()]
    assert (one.top, one.highest, one.holes.size) == (3, 3, 0)
    assert repr(one) == "<Stream a t up to 3, 0 jumped over>"
    assert repr(one.subscriber) == "<Subscriber a connection 1>"


def test_a_stream_tells_repetition_from_redelivery() -> None:
    """In the same connection it is one, after the next connection the other."""
    one, chunk = stream()
    assert take(one, chunk, 1, 1) == [(), (Anomaly.REPEATED,)]
    assert not one.is_first
    one.subscriber.connect("c2")
    assert take(one, chunk, 1, 2) == [(Anomaly.REDELIVERED,), ()]
    assert one.is_first


def test_a_new_subscription_may_bring_all_of_it_again() -> None:
    """In the same connection too: that is what it asked for."""
    one, chunk = stream()
    take(one, chunk, 1, 2)
    one.close(None, in_order=True)
    assert not one.is_open
    one.open(0, None)
    assert take(one, chunk, 1, 2, 3) == [
        (Anomaly.REDELIVERED,),
        (Anomaly.REDELIVERED,),
        (),
    ]


def test_a_stream_keeps_numbers_that_were_jumped_over_until_they_come() -> None:
    """In one connection they come backwards then."""
    one, chunk = stream()
    back = (Anomaly.OVERTAKEN, Anomaly.REORDERED)
    assert take(one, chunk, 1, 4, 3) == [(), (), back]
    assert list(one.holes) == [(2, 2)]
    one.subscriber.connect("c2")
    assert take(one, chunk, 2) == [()]
    assert not one.holes.size


def test_a_stream_without_head_begins_anywhere() -> None:
    """Nothing was jumped over before the first delivery."""
    one, chunk = stream(head=None)
    assert one.is_waiting
    one.begin_window(5, 10)
    assert not one.is_waiting
    assert take(one, chunk, 5, 6) == [(), ()]
    assert not one.holes.size


def test_a_new_epoch_begins_with_one() -> None:
    """What is missing at its beginning was jumped over."""
    one, _ = stream()
    base = one.ledger.base_of("first")
    other = one.ledger.base_of("second")
    assert base == 0
    assert not one.pass_by(other + 3)
    assert list(one.holes) == [(other + 1, other + 2)]
    assert one.pass_by(5)


def test_a_retry_may_come_late() -> None:
    """Nobody knows which of its attempts was the one."""
    one, chunk = stream()
    chunk.answer(0, OPEN)
    assert take(one, chunk, 2, 1) == [(), (Anomaly.REORDERED,)]


def test_a_second_place_of_a_message_is_no_repetition() -> None:
    """It is another entry of the log; its order counts all the same."""
    one, chunk = stream()
    take(one, chunk, 1)
    assert one.receive(chunk, 0, 2) == ()
    assert one.receive(chunk, 0, 1) == (Anomaly.REPEATED,)
    take(one, chunk, 3, 4)
    assert one.receive(chunk, 8, 2) == (Anomaly.REORDERED,)


def test_streams_without_positions_are_compared_by_what_came_before() -> None:
    """Only what came in one life has an order."""
    one, chunk = stream(head=None)
    other = Stream(Subscriber("b"), one.ledger, limit=10)
    other.open(None, 0)
    for slot in (0, 1, 2):
        one.ledger.see(chunk, slot)
        one.receive(chunk, slot, -1)
    assert one.saw_before((chunk, 0), (chunk, 2))
    assert not one.saw_before((chunk, 2), (chunk, 0))
    assert not one.saw_before((chunk, 0), (chunk, 5))
    assert not other.saw_before((chunk, 0), (chunk, 2))
    assert Anomaly.DISAGREEMENT not in other.receive(chunk, 1, -1)
    assert Anomaly.DISAGREEMENT in other.receive(chunk, 0, -1)
    one.subscriber.connect("c2")
    one.receive(chunk, 0, -1)
    assert not one.saw_before((chunk, 0), (chunk, 2))
    assert not one.saw_before((chunk, 2), (chunk, 0))


def test_a_stream_names_what_is_missing() -> None:
    """All of a chunk, some of it, or nothing."""
    one, chunk = stream(4)
    assert list(one.missing(chunk)) == [0, 1, 2, 3]
    take(one, chunk, 1, 3)
    assert list(one.missing(chunk)) == [1, 3]
    assert one.owes(chunk, 1) is one.windows[0]
    chunk.positions[1] = 0
    assert one.owes(chunk, 1) is None


def test_a_closed_stream_owes_what_a_later_message_overtook() -> None:
    """Without positions, the order of a publisher says what was due."""
    one, chunk = stream(4, head=None)
    for slot in range(4):
        chunk.positions[slot] = -1
    one.windows[0].begin(-1, 0)
    one.receive(chunk, 0, -1)
    one.receive(chunk, 2, -1)
    one.close(None, in_order=True)
    assert one.owes(chunk, 1) is one.windows[0]
    assert one.owes(chunk, 3) is None
    one.close(7, in_order=True)  # it is closed


def test_a_full_chunk_of_one_life_takes_one_number() -> None:
    """It opens again where something of it comes again."""
    one, chunk = stream(CHUNK)
    assert not one.is_whole(chunk, CHUNK)
    take(one, chunk, *range(1, CHUNK + 1))
    assert one.is_whole(chunk, CHUNK)
    one.fold(chunk)
    assert one.is_whole(chunk, CHUNK)
    assert list(one.missing(chunk)) == []
    assert take(one, chunk, 5) == [(Anomaly.REPEATED,)]
    one.fold(chunk)
    one.subscriber.connect("c2")
    take(one, chunk, 5)
    one.fold(chunk)
    assert one.is_whole(chunk, CHUNK)
    one.forget(chunk)
    assert len(list(one.missing(chunk))) == CHUNK


def test_a_folded_chunk_still_has_its_order() -> None:
    """What came of it in one life is compared with others as before."""
    one, chunk = stream(CHUNK, head=None)
    for slot in range(CHUNK):
        one.receive(chunk, slot, -1)
    one.fold(chunk)
    assert one.saw_before((chunk, 0), (chunk, 1))


def test_a_chunk_is_whole_where_nothing_of_it_is_owed() -> None:
    """To who came later, or of what was refused."""
    one, chunk = stream(CHUNK, head=CHUNK)
    assert one.is_whole(chunk, CHUNK)
    other, chunk = stream(CHUNK, head=5)
    take(other, chunk, *range(7, CHUNK + 1))
    assert not other.is_whole(chunk, CHUNK)
    chunk.answer(5, FAILED)
    assert other.is_whole(chunk, CHUNK)


def test_what_a_subscriber_has_not_asked_for_again_goes_backwards() -> None:
    """It said what it has; a number below that fills no gap, unless it is asked for."""
    one, chunk = stream()
    take(one, chunk, 1, 5)
    one.subscriber.connect("c2")
    one.open(5, None)
    assert take(one, chunk, 2, 6) == [(Anomaly.REORDERED,), ()]
    assert take(one, chunk, 1) == [
        (Anomaly.REDELIVERED, Anomaly.OVERTAKEN, Anomaly.REORDERED)
    ]
    one.subscriber.connect("c3")
    one.open(2, None)
    assert take(one, chunk, 3, 4) == [(), ()]
    one.subscriber.connect("c4")
    one.open(None, None)
    assert not one.holes.size
