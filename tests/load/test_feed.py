"""Followers of a feed account for every message as one who reads each by itself."""

import random
from collections import Counter, deque
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavetank.errors import RemoteError
from wavetank.evidence import Sequence
from wavetank.load.exchange import Operation
from wavetank.load.feed import Feed, Follower
from wavetank.load.marks import mark_head, write_mark
from wavetank.load.meter import Meter
from wavetank.wire import Opcode, encode_frame

RUN = "0123abcd"
PUBLISHERS = 4
"""Of which two publish to topic 0, of two topics."""

MINE = (0, 2)


def new_meter() -> Meter:
    """Return one that has counted nothing."""
    return Meter("ticks", Operation.DELIVER)


def intended(publisher: int, number: int) -> int:
    """Return a moment that no other message has."""
    return number * 1000 + publisher


def text(publisher: int, number: int, *, run: str = RUN) -> bytes:
    """Return a message; those of publisher 2 need two bytes for their length."""
    mark = write_mark(mark_head(run, publisher), number, intended(publisher, number))
    return b'{"mark":"' + mark + b'"}' + b" " * (100 if publisher == 2 else 0)


def frame(publisher: int, number: int) -> bytes:
    """Return the frame that everybody gets."""
    return encode_frame(Opcode.TEXT, text(publisher, number))


def frames(*numbers: int) -> bytes:
    """Return a stream of publisher 0."""
    return b"".join(frame(0, number) for number in numbers)


FOREIGN = (
    encode_frame(Opcode.TEXT, b'{"type":"heartbeat"}'),
    encode_frame(Opcode.TEXT, b""),
    encode_frame(Opcode.TEXT, b"in", fin=False)
    + encode_frame(Opcode.CONTINUATION, b" pieces"),
    encode_frame(Opcode.BINARY, text(0, 1, run="another0")),
    # Of the other topic, of nobody, and a number that none has.
    encode_frame(Opcode.TEXT, text(1, 1)),
    encode_frame(Opcode.TEXT, text(PUBLISHERS, 1)),
    encode_frame(Opcode.TEXT, text(0, 0)),
)
PING = encode_frame(Opcode.PING, b"are you there?")


class Item(NamedTuple):
    """Something that a server sends to one follower.

    Attributes:
        bytes: As it does.
        message: Publisher and number of the message that it is; None for none.
        is_foreign: Whether it is somebody else's message.
        pings: How many pings are in it.
    """

    bytes: bytes
    message: tuple[int, int] | None = None
    is_foreign: bool = False
    pings: int = 0


def whole(publisher: int, number: int) -> Item:
    """Return a message as everybody gets it."""
    return Item(frame(publisher, number), (publisher, number))


def wrapped(publisher: int, number: int) -> Item:
    """Return a message as nobody else gets it."""
    payload = b"for you: " + text(publisher, number)
    return Item(encode_frame(Opcode.BINARY, payload), (publisher, number))


def in_pieces(publisher: int, number: int) -> Item:
    """Return a message in three fragments, and a ping between them."""
    payload = text(publisher, number)
    parts = (
        encode_frame(Opcode.TEXT, payload[:20], fin=False),
        encode_frame(Opcode.CONTINUATION, payload[20:30], fin=False),
        PING,
        encode_frame(Opcode.CONTINUATION, payload[30:]),
    )
    return Item(b"".join(parts), (publisher, number), pings=1)


def changed(items: list[Item], change: str, at: int, by: int) -> None:
    """Do one thing to a stream that a server may do to it."""
    if change == "foreign":
        items.insert(at, Item(FOREIGN[by % len(FOREIGN)], is_foreign=True))
    elif change == "ping":
        items.insert(at, Item(PING, pings=1))
    elif change == "again":
        items[at:at] = items[max(at - by, 0) : at]
    elif at < len(items):
        item = items[at]
        if change == "lose":
            del items[at]
        elif change == "twice":
            items.insert(at + 1 + by, item)
        elif change == "swap":
            items.insert(at + 1 + by, items.pop(at))
        elif item.message:
            items[at] = (wrapped if change == "wrap" else in_pieces)(*item.message)


CHANGES = ("lose", "twice", "swap", "again", "foreign", "ping", "wrap", "pieces")


class Audience:
    """One follower of a made up run.

    Attributes:
        from_start: Whether it is owed what came before it did.
        items: What its server sends to it.
        cuts: How many bytes each read has, over and over again.
    """

    def __init__(self, stream: list[tuple[int, int]], dice: random.Random) -> None:
        self.from_start = dice.random() < 0.7
        skipped = dice.choice([0, 0, 0, dice.randint(0, len(stream))])
        self.items = [whole(*message) for message in stream[skipped:]]
        for _ in range(dice.choice([0, 1, 2, 5, 10])):
            at, by = dice.randint(0, len(self.items)), dice.randint(0, 6)
            changed(self.items, dice.choice(CHANGES), at, by)
        longest = dice.choice([20, 150, 600, 100_000])
        self.cuts = [dice.randint(1, longest) for _ in range(5)]


class Reader:
    """Does slowly and obviously what a follower has to come to."""

    def __init__(self, audience: Audience) -> None:
        self.start = 1 if audience.from_start else None
        stream = b"".join(item.bytes for item in audience.items)
        self.reads = deque(cut(stream, audience.cuts))
        self.size = 0
        self.coming = deque(audience.items)
        self.due = 0
        self.sequences = {name: Sequence(first=self.start) for name in MINE}
        self.seen: dict[int, list[int]] = {name: [] for name in MINE}
        self.response: Counter[int] = Counter()
        self.foreign = 0
        self.pings = 0

    def read(self, data: bytes, now: int) -> None:
        """Take in each message whose last byte has come."""
        self.size += len(data)
        while self.coming and self.due + len(self.coming[0].bytes) <= self.size:
            item = self.coming.popleft()
            self.due += len(item.bytes)
            self.foreign += item.is_foreign
            # Fragments: their ping may come in a read before.
            self.pings += item.pings
            if item.message:
                self.take(*item.message, now)

    def take(self, publisher: int, number: int, now: int) -> None:
        """Take one message in."""
        self.sequences[publisher].add(number)
        if number not in self.seen[publisher]:
            self.response[now - intended(publisher, number)] += 1
        self.seen[publisher].append(number)

    def missing(self, published: dict[int, int]) -> int:
        """Return how many numbers never came, one by one."""
        return sum(
            number not in self.seen[publisher]
            for publisher, last in published.items()
            for number in range(self.first_of(publisher, last), last + 1)
        )

    def first_of(self, publisher: int, last: int) -> int:
        """Return the first number that is owed."""
        return self.start or min(self.seen[publisher], default=last + 1)


def cut(stream: bytes, sizes: list[int]) -> Iterator[bytes]:
    """Yield the stream in reads of these sizes, over and over."""
    at = turn = 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        yield stream[at : at + size]
        at, turn = at + size, turn + 1


def made_up_stream(dice: random.Random) -> list[tuple[int, int]]:
    """Return publishers and numbers, in the order in which they were published."""
    counted: Counter[int] = Counter()
    stream = []
    for name in dice.choices(MINE, k=dice.randint(1, 40)):
        counted[name] += 1
        stream.append((name, counted[name]))
    return stream


def made_up_order(readers: list[Reader], dice: random.Random) -> list[int]:
    """Return who reads next: all mixed up, or one far ahead of the others."""
    order = [number for number, each in enumerate(readers) for _ in each.reads]
    slices = dice.choice([1, 3, 1000])
    return sorted(order, key=lambda number: (dice.randint(1, slices), dice.random()))


@settings(max_examples=500)
@given(
    seed=st.integers(0, 2**32),
    most_frames=st.sampled_from([1, 2, 3, 7, 20, 65_536]),
    most_bytes=st.sampled_from([0, 300, 1_000_000]),
)
def test_followers_account_as_if_each_read_every_message_by_itself(
    seed: int, most_frames: int, most_bytes: int
) -> None:
    """Whatever a server does to whom, in whatever reads, and whoever comes first."""
    dice = random.Random(seed)
    stream = made_up_stream(dice)
    published = {name: sum(name == each for each, _ in stream) for name in MINE}
    audiences = [Audience(stream, dice) for _ in range(dice.randint(1, 4))]
    feed = Feed(
        RUN,
        publishers=PUBLISHERS,
        topics=2,
        most_frames=most_frames,
        most_bytes=most_bytes,
    )
    readers = [Reader(audience) for audience in audiences]
    followers: dict[int, tuple[Follower, Meter]] = {}
    pings: Counter[int] = Counter()
    order = made_up_order(readers, dice)
    looks = dice.randint(1, 20)
    for now, number in enumerate(order, start=100_000):
        reader = readers[number]
        if number not in followers:
            meter = new_meter()
            start = audiences[number].from_start
            followers[number] = feed.follow(meter, from_start=start), meter
        data = reader.reads.popleft()
        reader.read(data, now)
        controls = followers[number][0].receive(data, now)
        assert set(controls) <= {(Opcode.PING, b"are you there?")}
        pings[number] += len(controls)
        if now % looks == 0:
            assert followers[number][0].missing(published) == reader.missing(published)

    for number, (follower, meter) in followers.items():
        reader = readers[number]
        assert follower.missing(published) == reader.missing(published)
        assert meter.response == reader.response
        tally = meter.tally
        assert tally.received == reader.response.total()
        assert tally.foreign == reader.foreign
        assert tally.bytes_received == reader.size
        assert pings[number] == reader.pings
        for publisher, sequence in follower.sequences.items():
            expected = reader.sequences[publisher].statistics()
            assert sequence.statistics() == expected
        silent = set(MINE) - follower.sequences.keys()
        assert not any(reader.seen[publisher] for publisher in silent)


# One by one


def follow(feed: Feed, *, from_start: bool = True) -> tuple[Follower, Meter]:
    """Return a follower, and where it counts."""
    meter = new_meter()
    return feed.follow(meter, from_start=from_start), meter


def test_follower_reads_what_looks_like_the_next_frame_inside_of_another() -> None:
    """What a message carries is no frame, wherever a read begins."""
    feed = Feed(RUN, publishers=1)
    (leader, _), (follower, meter) = follow(feed), follow(feed)
    leader.receive(frames(1), 0)
    outer = encode_frame(Opcode.BINARY, text(0, 2) + frames(1))
    inside = outer.index(frames(1))
    follower.receive(outer[:inside], 0)
    follower.receive(outer[inside:], 0)
    assert follower.missing({0: 1}) == 1
    follower.receive(frames(1), 0)
    assert follower.missing({0: 2}) == 0
    assert meter.tally.received == 2


@pytest.mark.parametrize(
    "messages", [5000, pytest.param(100_000, marks=pytest.mark.long, id="100000")]
)
def test_hundred_followers_find_one_lost_one_repeated_and_one_swapped(
    messages: int,
) -> None:
    """Of half a million deliveries, or of ten, in reads that begin anywhere."""
    followers = 100
    sound = [frame(0, number) for number in range(1, messages + 1)]
    third, half = messages // 3, messages // 2
    swapped = [*sound]
    swapped[half : half + 2] = sound[half + 1], sound[half]
    streams = {
        17: b"".join(sound[:third] + sound[third + 1 :]),
        42: b"".join(sound[: half + 1] + sound[half:]),
        99: b"".join(swapped),
    }
    whole_stream = b"".join(sound)
    feed = Feed(RUN, publishers=1)
    meter = new_meter()
    audience = [feed.follow(meter) for _ in range(followers)]
    size = 60_001
    for now, at in enumerate(range(0, len(whole_stream) + size, size)):
        for number, follower in enumerate(audience):
            follower.receive(streams.get(number, whole_stream)[at : at + size], now)
    found = {
        number: (follower.missing({0: messages}), each.repeated, each.reordered)
        for number, follower in enumerate(audience)
        for each in follower.counts()
    }
    assert {number: what for number, what in found.items() if any(what)} == {
        17: (1, 0, 0),
        42: (0, 1, 0),
        99: (0, 0, 1),
    }
    assert meter.tally.received == messages * followers - 1
    assert meter.response.total() == meter.tally.received


def test_feed_holds_no_more_however_many_messages_come() -> None:
    """What is held after one window is what is held after a hundred of them."""
    feed = Feed(RUN, publishers=2, most_frames=100)
    (leader, _), (follower, _) = follow(feed), follow(feed)
    # One that stopped to read holds nobody up.
    follow(feed)[0].receive(frames(1), 0)
    held = set()
    for first in range(1, 10_000, 10):
        data = frames(*range(first, first + 10))
        leader.receive(data, first)
        follower.receive(data, first)
        held.add(held_by(feed, leader, follower))
    assert len(feed.ends) <= 100
    assert max(held) <= 200 * len(frames(1))
    assert follower.missing({0: 10_000}) == leader.missing({0: 10_000}) == 0


def held_by(feed: Feed, *followers: Follower) -> int:
    """Return how many bytes, frames, numbers and intervals are held."""
    kept = (feed.data, feed.ends, feed.intended, feed._names, feed._numbers)
    publishers = feed._publishers.values()
    return (
        sum(map(len, kept))
        + sum(len(each.places) + len(each.numbers) for each in publishers)
        + sum(len(each._rest) + len(each._fragments) for each in followers)
        + sum(
            sequence.statistics()["intervals"]
            for each in followers
            for sequence in each.sequences.values()
        )
    )


def test_feed_keeps_one_frame_that_is_larger_than_all_it_may_keep() -> None:
    """A large message goes with the next one; nobody loses anything."""
    feed = Feed(RUN, publishers=1, most_bytes=10)
    (leader, _), (follower, meter) = follow(feed), follow(feed)
    for number in (1, 2, 3):
        leader.receive(frames(number), 0)
        assert len(feed.ends) == 1
    follower.receive(frames(1, 2, 3), 0)
    assert follower.missing({0: 3}) == 0
    assert meter.tally.received == 3


def test_feed_takes_marks_of_a_million_publishers_for_foreign() -> None:
    """Only those who publish here are accounted for: memory is theirs alone."""
    feed = Feed(RUN, publishers=1)
    follower, meter = follow(feed)
    data = b"".join(frame(publisher, 1) for publisher in range(1, 2001))
    follower.receive(data, 0)
    assert meter.tally.foreign == 2000
    assert held_by(feed, follower) == 0
    assert not follower.sequences


def test_feed_takes_the_largest_number_and_the_latest_moment() -> None:
    """Numbers that nobody sent cost an interval, and what was sent is still missed."""
    feed = Feed(RUN, publishers=1, most_frames=10)
    follower, meter = follow(feed)
    for number in range(10**12 - 1, 10**12 - 4000, -2):
        mark = write_mark(mark_head(RUN, 0), number, 10**14 - 1)
        follower.receive(encode_frame(Opcode.TEXT, mark), 5)
    assert meter.tally.received == 2000
    assert meter.response == {6 - 10**14: 2000}
    assert len(feed.ends) <= 10
    assert follower.missing({0: 7}) == 7
    assert follower.missing({0: 10**12 - 1}) == 10**12 - 1 - 2000


def test_follower_counts_what_it_misses_beyond_the_gaps_that_it_can_name() -> None:
    """A server that loses every second message has lost half of them, not 10,000."""
    feed = Feed(RUN, publishers=1)
    follower, meter = follow(feed)
    for first in range(1, 60_001, 6000):
        follower.receive(frames(*range(first, first + 6000, 2)), 0)
    assert follower.missing({0: 60_000}) == 30_000
    assert meter.tally.received == 30_000
    assert all(sequence.saturated for sequence in follower.counts())


def test_fragments_that_never_end_hold_what_came_of_them() -> None:
    """Empty fragments cost nothing, however many come."""
    feed = Feed(RUN, publishers=1)
    follower, meter = follow(feed)
    follower.receive(encode_frame(Opcode.TEXT, b"begun", fin=False), 0)
    empty = encode_frame(Opcode.CONTINUATION, fin=False)
    for _ in range(10):
        follower.receive(empty * 1000, 0)
    assert held_by(feed, follower) == len(b"begun")
    assert meter.tally.received == meter.tally.foreign == 0


@pytest.mark.parametrize("cut_at", [1, 2, 30])
def test_follower_raises_remote_errors_in_whatever_way_it_reads(cut_at: int) -> None:
    """What was whole before a mistake is counted; the mistake is the target's."""
    feed = Feed(RUN, publishers=1)
    (leader, _), (follower, meter) = follow(feed), follow(feed)
    leader.receive(frames(1, 2), 0)
    data = frames(1) + b"\xff" * 2
    follower.receive(data[:cut_at], 0)
    with pytest.raises(RemoteError):
        follower.receive(data[cut_at:], 0)
    assert meter.tally.received == 1


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_follower_raises_nothing_but_remote_errors(reads: list[bytes]) -> None:
    """Hostile bytes are frames, or the other side's mistake."""
    feed = Feed(RUN, publishers=1)
    follower, meter = follow(feed)
    for data in reads:
        try:
            follower.receive(data, 0)
        except RemoteError:
            return
    assert meter.tally.received == 0
    assert meter.tally.bytes_received == sum(map(len, reads))


def test_follower_who_comes_late_is_owed_what_comes_from_then_on() -> None:
    """It begins with the first message that it gets, in step with the others."""
    feed = Feed(RUN, publishers=1)
    (leader, _), (late, meter) = follow(feed), follow(feed, from_start=False)
    leader.receive(frames(*range(1, 11)), 0)
    late.receive(frames(5, 6, 8), 0)
    assert late.missing({0: 10}) == 3
    assert meter.tally.received == 3
    assert [str(each.missing(10)) for each in late.counts()] == [
        "[Gap(first=7, last=7), Gap(first=9, last=10)]"
    ]


def test_follower_that_nothing_came_to_is_owed_all_or_cannot_know() -> None:
    """Who was there from the start misses everything."""
    feed = Feed(RUN, publishers=2)
    assert follow(feed)[0].missing({0: 3, 1: 4}) == 7
    assert follow(feed, from_start=False)[0].missing({0: 3, 1: 4}) == 0


def test_feed_forgets_a_follower_that_leaves() -> None:
    """It is settled, and the stream goes on without it."""
    feed = Feed(RUN, publishers=1, most_frames=2)
    (leader, _), (gone, _) = follow(feed), follow(feed)
    leader.receive(frames(1, 2), 0)
    gone.receive(frames(1, 2)[:-1], 0)
    feed.leave(gone)
    leader.receive(frames(3, 4, 5, 6), 0)
    assert [each.received for each in gone.sequences.values()] == [1]
    assert repr(feed) == f"<Feed frames 4 to 6, {len(frames(5, 6))} bytes, 1 followers>"


def test_what_is_changed_beside_the_mark_is_found_for_everyone_who_gets_it() -> None:
    """One byte of the pad differs: the first receiver does not set the measure."""

    def halves(mark: object) -> tuple[bytes, bytes]:
        del mark
        return b'{"mark":"', b'"}'

    feed = Feed(RUN, publishers=PUBLISHERS, topics=2, halves=halves)
    meters = [new_meter() for _ in range(3)]
    followers = [feed.follow(meter) for meter in meters]
    damaged = frame(0, 2).replace(b'"}', b"'}")
    assert damaged != frame(0, 2)
    for follower, second in zip(
        followers, (damaged, frame(0, 2), damaged), strict=True
    ):
        follower.receive(frame(0, 1) + second + frame(0, 3), now=5000)
    assert [meter.tally.corrupted for meter in meters] == [1, 0, 1]
    assert [meter.tally.received for meter in meters] == [3, 3, 3]
    assert [follower.missing({0: 3}) for follower in followers] == [0, 0, 0]


def test_what_is_changed_in_fragments_is_found_too() -> None:
    """A message in two fragments is verified as a whole."""
    feed = Feed(
        RUN, publishers=PUBLISHERS, topics=2, halves=lambda _: (b'{"mark":"', b'"}')
    )
    meter = new_meter()
    follower = feed.follow(meter)
    for number, message in enumerate((text(0, 1), text(0, 2)[:-1] + b"]"), start=1):
        pieces = encode_frame(Opcode.TEXT, message[:20], fin=False)
        pieces += encode_frame(Opcode.CONTINUATION, message[20:])
        follower.receive(pieces, now=number)
    assert (meter.tally.received, meter.tally.corrupted) == (2, 1)
