"""Buffer: items between the connection and their reader."""

from hypothesis import given
from hypothesis import strategies as st

from wavetank.client.buffer import Buffer
from wavetank.client.items import Event, Gap, Stale


def event(seq: int, size: int = 1) -> Event:
    """Make an event."""
    return Event(topic="t", epoch="e", seq=seq, at=1.0, data=b"1" * size)


def stale(*, is_stale: bool, since: float = 0.0) -> Stale:
    """Make a change between stale and fresh."""
    return Stale(is_stale=is_stale, reason="silent", since=since)


def test_buffer_gives_back_what_came_in_order() -> None:
    """As many as asked for, the oldest first."""
    buffer = Buffer(entries=10, size=10_000)
    items = [event(1), Gap(topic="t", epoch="e", first=2, last=3, reason="x"), event(4)]
    for item in items:
        buffer.put(item)
    assert len(buffer) == 3
    assert buffer.take(2) == items[:2]
    assert buffer.take(5) == items[2:]
    assert buffer.take(5) == []
    assert buffer.size == 0


def test_buffer_is_full_until_half_of_it_is_gone() -> None:
    """So that a subscription does not come and go with each event."""
    buffer = Buffer(entries=4, size=10_000)
    for seq in range(4):
        assert buffer.has_room
        buffer.put(event(seq))
    assert not buffer.has_room
    buffer.take(1)
    assert not buffer.has_room
    buffer.take(1)
    assert buffer.has_room
    assert repr(buffer) == "<Buffer 2 of 4, 402 bytes>"


def test_buffer_counts_bytes_too() -> None:
    """A few large payloads fill it as many small ones do."""
    buffer = Buffer(entries=100, size=1000)
    buffer.put(event(1, 300))
    assert buffer.has_room
    buffer.put(event(2, 600))
    assert not buffer.has_room
    buffer.take(1)
    assert not buffer.has_room
    buffer.clear()
    assert buffer.has_room
    assert len(buffer) == 0


@given(st.lists(st.booleans(), max_size=60))
def test_buffer_stays_small_while_a_connection_flaps(reads: list[bool]) -> None:
    """Stale, fresh, stale that nobody has read is told as one: the first."""
    buffer = Buffer(entries=10, size=10_000)
    told = []
    for number, is_read in enumerate(reads):
        buffer.put(stale(is_stale=number % 2 == 0, since=number))
        assert len(buffer) <= 3
        if is_read:
            told += buffer.take(10)
    told += buffer.take(10)
    changes = [item.is_stale for item in told if isinstance(item, Stale)]
    assert changes == [number % 2 == 0 for number in range(len(changes))]
    assert not reads or changes[-1] == (len(reads) % 2 == 1)
    assert buffer.size == 0
