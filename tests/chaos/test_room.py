"""How much a stream may hold, as numbers."""

import pytest

from wavetank.chaos.room import (
    MOST_CROWDED,
    MOST_FLYING,
    MOST_HELD,
    MOST_ITEMS,
    MOST_TOGETHER,
    Room,
)


@pytest.mark.parametrize(
    ("held", "flying", "items"),
    [(MOST_HELD, 0, 1), (MOST_FLYING, MOST_FLYING, 1), (0, 0, MOST_ITEMS)],
)
def test_a_stream_is_full_above_a_bound_and_until_half_is_gone(
    held: int, flying: int, items: int
) -> None:
    """Of what waits, of what is on its way, and of items, each by itself."""
    room = Room()
    more = held + 1 if held else 0, flying + 1 if flying else 0
    assert not room.is_full(held, flying, items, was_full=False)
    above = items + 1 if items > 1 else 1
    assert room.is_full(*more, above, was_full=False)
    half = held // 2, flying // 2
    assert room.is_full(held, flying, items, was_full=True)
    assert not room.is_full(*half, items // 2, was_full=True)


def test_what_is_on_its_way_is_bounded_for_all_together() -> None:
    """Where all of them have too much, each keeps its own share."""
    room = Room()
    size = 2 * MOST_HELD
    room.taken = MOST_TOGETHER
    assert not room.is_crowded
    assert not room.is_full(size, size, 1, was_full=False)
    room.taken += 1
    assert room.is_crowded
    assert room.is_full(size, size, 1, was_full=False)
    most = MOST_CROWDED
    for flying in (0, most):
        assert room.is_full(most + 1, flying, 1, was_full=False)
        assert not room.is_full(most, flying, 1, was_full=False)
        assert room.is_full(most, flying, 1, was_full=True)
        assert not room.is_full(most // 2, flying // 2, 1, was_full=True)
    assert repr(room) == f"<Room {MOST_TOGETHER + 1} bytes taken>"
