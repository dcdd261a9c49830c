"""Items: what a subscription hands out."""

import pytest

from wavetank.client.items import Event, Gap
from wavetank.protocol import Position


def test_event_gives_its_payload_and_its_position() -> None:
    """As bytes, as a value, and as where one goes on."""
    event = Event(topic="a", epoch="e", seq=7, at=1.5, data=b'{"x":1.10}', chain=0xAB)
    assert event.json() == {"x": 1.10}
    assert event.position == Position("e", 7, "000000ab")


def test_event_without_a_known_tag_has_a_position_without_one() -> None:
    """A position may leave its tag out."""
    event = Event(topic="a", epoch="e", seq=7, at=1.5, data=b"1")
    assert event.position == Position("e", 7)


@pytest.mark.parametrize(("first", "last", "count"), [(3, 5, 3), (5, 5, 1), (6, 5, 0)])
def test_gap_counts_what_is_missing(first: int, last: int, count: int) -> None:
    """It may be empty; it goes on behind its last one."""
    gap = Gap(topic="a", epoch="e", first=first, last=last, reason="truncated", chain=1)
    assert gap.count == count
    assert gap.position == Position("e", 5, "00000001")
