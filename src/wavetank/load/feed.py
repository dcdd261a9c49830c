"""A topic's stream of frames, and everyone in a worker who follows it.

It refuses to know sockets. A server hands one publication to all subscribers of a
topic in the same bytes. So each frame is read once, by whoever gets it first; for all
others a read is one comparison of bytes, however many frames are in it, and whoever
gets something else is read frame by frame until it agrees again. Which way a message
was read makes no difference to what is accounted for; benchmarks/load.py measures
how much it makes in time.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from typing import TypeGuard

from wavetank.evidence import Arrival, Sequence
from wavetank.load.marks import MARK_BEGINS, WIDTH, Mark, find_mark
from wavetank.load.meter import Meter
from wavetank.load.splitting import WHOLE, join_fragment, join_frames, split_frame

__all__ = ["Feed", "Follower"]


class _Publisher:
    """The frames of one publisher that are kept: places in the stream, and numbers.

    Both rise from frame to frame.
    """

    __slots__ = ("highest", "numbers", "places")

    def __init__(self) -> None:
        self.places: list[int] = []
        self.numbers: list[int] = []
        self.highest = 0

    def drop(self, before: int) -> None:
        """Forget the frames that stand before a place."""
        gone = bisect_left(self.places, before)
        del self.places[:gone], self.numbers[:gone]

    def place_of(self, number: int) -> int | None:
        """Return the place of a number; None where it is not kept."""
        at = bisect_left(self.numbers, number)
        is_kept = at < len(self.numbers) and self.numbers[at] == number
        return self.places[at] if is_kept else None

    def account(self, sequence: Sequence, low: int, high: int) -> None:
        """Add the numbers of the frames from one up to another."""
        first, last = self.numbers[low], self.numbers[high - 1]
        if last - first == high - 1 - low:
            sequence.add_range(first, last)
        else:
            for number in self.numbers[low:high]:
                sequence.add(number)


class Feed:
    """The frames of one topic, in the order of whoever got them first.

    Places count frames from the start of the stream; offsets count its bytes. Each
    publisher's numbers rise along the stream: a message enters it when it is the
    first to come of those behind all that came of its publisher, or never. So no
    follower finds a message ahead of it in the stream that it has got before.

    Args:
        run: Only marks of this run are accounted for.
        publishers: How many there are, numbered from 0 on, in all topics.
        topic: Which topic it is: only marks of its publishers are accounted for.
        topics: How many there are: publisher n publishes to topic n modulo this.
        halves: Returns what stands before and behind the mark of a message; None
            where the target may write it in another way.
        most_frames: How many are kept for those who come last; half go at once.
        most_bytes: Bytes that are kept, but for the last frame.

    Attributes:
        data: The frames that are kept, one behind the other.
        base: Offset of the first of them.
        first: Place of the first of them.
        ends: Offset behind each of them.
        intended: When each should have been sent.
    """

    def __init__(
        self,
        run: str,
        *,
        publishers: int,
        topic: int = 0,
        topics: int = 1,
        halves: Callable[[Mark], tuple[bytes, bytes]] | None = None,
        most_frames: int = 65_536,
        most_bytes: int = 16 * 1024 * 1024,
    ) -> None:
        self._run = run.encode()
        self._senders = range(topic, publishers, topics)
        self._halves = halves
        self._most_frames = most_frames
        self._most_bytes = most_bytes
        self.data = bytearray()
        self.base = 0
        self.first = 0
        self.ends: list[int] = []
        self.intended: list[int] = []
        # Of whom each frame is, and which: as the publishers have it, by place.
        self._names: list[int] = []
        self._numbers: list[int] = []
        self._publishers: dict[int, _Publisher] = {}
        self._followers: list[Follower] = []

    @property
    def count(self) -> int:
        """Place behind the last frame."""
        return self.first + len(self.ends)

    @property
    def end(self) -> int:
        """Offset behind the last frame."""
        return self.base + len(self.data)

    def follow(self, meter: Meter, *, from_start: bool = True) -> "Follower":
        """Return a new follower.

        Args:
            meter: Where its deliveries are counted.
            from_start: Whether it is owed every message from number 1 on; else from
                the first one that it gets.
        """
        follower = Follower(self, meter, from_start=from_start)
        self._followers.append(follower)
        return follower

    def leave(self, follower: "Follower") -> None:
        """Wait for a follower no longer."""
        follower.settle()
        self._followers.remove(follower)

    def append(self, frame: bytes, mark: Mark) -> None:
        """Add a frame behind the last one; it has to be news."""
        if len(self.ends) >= self._most_frames or len(self.data) > self._most_bytes:
            self._drop((len(self.ends) + 1) // 2)
        of = self._publisher(mark)
        of.places.append(self.count)
        of.numbers.append(mark.number)
        of.highest = mark.number
        self.data += frame
        self.ends.append(self.end)
        self.intended.append(mark.intended)
        self._names.append(mark.publisher)
        self._numbers.append(mark.number)

    def _publisher(self, mark: Mark) -> _Publisher:
        publisher = self._publishers.get(mark.publisher)
        if publisher is None:
            publisher = self._publishers[mark.publisher] = _Publisher()
        return publisher

    def _drop(self, frames: int) -> None:
        """Forget the oldest frames; who is still before them is read one by one."""
        for follower in self._followers:
            follower.settle()
            follower.detach(self.first + frames)
        base = self.ends[frames - 1]
        del self.data[: base - self.base]
        for kept in (self.ends, self.intended, self._names, self._numbers):
            del kept[:frames]
        self.base = base
        self.first += frames
        for publisher in self._publishers.values():
            publisher.drop(self.first)

    def owns(self, mark: Mark | None) -> TypeGuard[Mark]:
        """Tell whether a mark is of this load and topic, and not of anybody else's."""
        return (
            mark is not None
            and mark.run == self._run
            and mark.publisher in self._senders
            and mark.number > 0
        )

    def is_damaged(self, message: bytes, mark: Mark) -> bool:
        """Tell whether something around a mark is not as it was published."""
        if self._halves is None:
            return False
        before, behind = self._halves(mark)
        at = message.find(MARK_BEGINS)
        return not (
            message.startswith(before, at - len(before))
            and message.startswith(behind, at + WIDTH)
        )

    def is_news(self, mark: Mark) -> bool:
        """Tell whether a message is behind all that came of its publisher."""
        return mark.number > self._publisher(mark).highest

    def note(self, mark: Mark) -> int | None:
        """Note that a message came outside the stream.

        Returns:
            Its place, where it is in the stream all the same; else None, and then
            it never will be.
        """
        of = self._publisher(mark)
        of.highest = max(of.highest, mark.number)
        return of.place_of(mark.number)

    def account(
        self, sequence_of: Callable[[int], Sequence], first: int, end: int
    ) -> None:
        """Add what stands from one place up to another to a receiver's sequences.

        Args:
            sequence_of: Returns that of a publisher.
            first: The first place.
            end: The place behind the last one.
        """
        low, high = first - self.first, end - self.first
        if high - low < len(self._publishers):
            names, numbers = self._names[low:high], self._numbers[low:high]
            for name, number in zip(names, numbers, strict=True):
                sequence_of(name).add(number)
            return
        for name, publisher in self._publishers.items():
            low = bisect_left(publisher.places, first)
            high = bisect_left(publisher.places, end, low)
            if low < high:
                publisher.account(sequence_of(name), low, high)

    def __repr__(self) -> str:
        """Show how much is kept, and for how many."""
        return (
            f"<Feed frames {self.first} to {self.count}, {len(self.data)} bytes, "
            f"{len(self._followers)} followers>"
        )


class Follower:
    """One subscriber of a topic: what it got, counted, timed, and accounted for.

    Args:
        feed: The topic's stream.
        meter: Where its deliveries are counted.
        from_start: Whether it is owed every message from number 1 on.

    Attributes:
        sequences: Publisher -> the numbers that came, as far as they are settled.
    """

    __slots__ = (
        "_feed",
        "_fragments",
        "_meter",
        "_place",
        "_position",
        "_rest",
        "_settled",
        "_start",
        "sequences",
    )

    def __init__(self, feed: Feed, meter: Meter, *, from_start: bool) -> None:
        self._feed = feed
        self._meter = meter
        self._start = 1 if from_start else None
        # It has got what is accounted for up to a place; what is between there and
        # the next place is not accounted for yet.
        self._place = self._settled = feed.first
        # Where its next byte is due in the stream; mid-frame, too.
        self._position = feed.base
        # The beginning of a frame that is not, or not known to be, the next one.
        self._rest = bytearray()
        self._fragments = bytearray()
        self.sequences: dict[int, Sequence] = {}

    def receive(self, data: bytes, now: int) -> list[tuple[int, bytes]]:
        """Take bytes in.

        Args:
            data: As they came.
            now: When, in microseconds since the start.

        Returns:
            Control frames that were among them: opcode and payload.

        Raises:
            RemoteError: If they are no frames.
        """
        feed = self._feed
        self._meter.tally.bytes_received += len(data)
        start = self._position - feed.base
        # A place that is not kept any more is before the stream: never a match.
        if start < 0 or self._rest:
            return self._read(data, now)
        if feed.data.startswith(data, start):
            self._advance(len(data), now)
            return []
        left = len(feed.data) - start
        if 0 < left < len(data) and feed.data.endswith(data[:left]):
            self._advance(left, now)
            data = data[left:]
        return self._read(data, now)

    def _advance(self, length: int, now: int) -> None:
        """Go on along the stream by so many bytes that are the same."""
        feed, meter = self._feed, self._meter
        position = self._position = self._position + length
        low = self._place - feed.first
        high = bisect_right(feed.ends, position, low)
        count = high - low
        if count == 1:
            behind = now - feed.intended[low]
            meter.response[behind] = meter.response.get(behind, 0) + 1
        elif count:
            meter.response.update([now - each for each in feed.intended[low:high]])
        self._place += count
        meter.tally.received += count

    # Frame by frame

    def _read(self, data: bytes, now: int) -> list[tuple[int, bytes]]:
        rest = self._rest
        if not rest:
            self._step_back()
        data = join_frames(rest, data)
        controls = []
        at = 0
        while (piece := split_frame(data, at)) is not None:
            if piece.first in WHOLE:
                self._take(data[at : piece.end], piece.start - at, now)
            elif piece.first & 0x08:
                controls.append((piece.first & 0x0F, data[piece.start : piece.end]))
            else:
                self._take_fragment(piece.first, data[piece.start : piece.end], now)
            at = piece.end
        rest += data[at:]
        return controls

    def _step_back(self) -> None:
        """Take a frame that is not all there yet out of the stream again."""
        feed = self._feed
        low = self._place - feed.first
        if low < 0:
            return
        start = feed.ends[low - 1] if low else feed.base
        if start < self._position:
            self._rest += feed.data[start - feed.base : self._position - feed.base]
            self._position = start

    def _take(self, frame: bytes, body: int, now: int) -> None:
        """Take a whole message in: the next of the stream, or whatever it is.

        Args:
            frame: It.
            body: Where its payload begins.
            now: As in `receive`.
        """
        feed = self._feed
        start = self._position - feed.base
        if start >= 0 and feed.data.startswith(frame, start):
            self._advance(len(frame), now)
            return
        mark = find_mark(frame, body)
        if not feed.owns(mark):
            self._meter.tally.foreign += 1
        elif feed.is_damaged(frame, mark):
            # It is no part of the stream: whoever gets it has to be counted.
            self._meter.tally.corrupted += 1
            self._take_alone(mark, now)
        elif feed.is_news(mark):
            self._lead(frame, mark, now)
        else:
            self._take_alone(mark, now)

    def _lead(self, frame: bytes, mark: Mark, now: int) -> None:
        """Add a message to the stream, and be the first behind it."""
        feed = self._feed
        if self._place < feed.count:
            self.settle()
            self._place = self._settled = feed.count
        feed.append(frame, mark)
        self._place += 1
        self._position = feed.end
        self._count(mark, now)

    def _take_alone(self, mark: Mark, now: int) -> None:
        """Account for a message that is not the next one, and find the way back."""
        self.settle()
        if self._sequence(mark.publisher).add(mark.number) is not Arrival.REPEATED:
            self._count(mark, now)
        feed = self._feed
        place = feed.note(mark)
        if place is not None and place >= self._place:
            self._place = self._settled = place + 1
            self._position = feed.ends[place - feed.first]

    def _take_fragment(self, first: int, payload: bytes, now: int) -> None:
        """Take a part of a message in; the whole is no part of the stream."""
        message = join_fragment(self._fragments, first, payload)
        if message is None:
            return
        mark = find_mark(message)
        if self._feed.owns(mark):
            self._meter.tally.corrupted += self._feed.is_damaged(message, mark)
            self._take_alone(mark, now)
        else:
            self._meter.tally.foreign += 1

    def _count(self, mark: Mark, now: int) -> None:
        meter = self._meter
        meter.tally.received += 1
        behind = now - mark.intended
        meter.response[behind] = meter.response.get(behind, 0) + 1

    def _sequence(self, publisher: int) -> Sequence:
        sequence = self.sequences.get(publisher)
        if sequence is None:
            sequence = self.sequences[publisher] = Sequence(first=self._start)
        return sequence

    def settle(self) -> None:
        """Bring the sequences up to where it is in the stream."""
        if self._settled < self._place:
            self._feed.account(self._sequence, self._settled, self._place)
            self._settled = self._place

    def detach(self, first: int) -> None:
        """Keep what the stream forgets of a frame that is not all there.

        Args:
            first: Place of the first frame that is kept.
        """
        if self._place < first:
            self._step_back()

    def missing(self, published: dict[int, int]) -> int:
        """Return how many messages did not come.

        Args:
            published: Publisher -> number of its last message.
        """
        self.settle()
        return sum(
            self._sequence(publisher).count_missing(last)
            for publisher, last in published.items()
        )

    def counts(self) -> Iterator[Sequence]:
        """Yield the sequence of each publisher, settled."""
        self.settle()
        yield from self.sequences.values()
