"""Who lost a message, as the wire log has it."""

from collections.abc import Sequence

import pytest

from wavetank.chaos.fates import Crossing
from wavetank.chaos.fates import Fate as Became
from wavetank.chaos.toxic import Direction
from wavetank.lab.checkers.history import Fate
from wavetank.lab.wire_fates import Reading, WireFates


def frame(
    number: int,
    *,
    link: int = 1,
    fate: Became = Became.PASSED,
    direction: Direction = Direction.DOWNSTREAM,
) -> Crossing:
    """Return the frame of message ``number`` on a link."""
    has_left = fate in {Became.PASSED, Became.CHANGED}
    return Crossing(
        link=link,
        direction=direction,
        number=number,
        opcode=1,
        fin=True,
        size=9,
        came_at=1.0,
        left_at=2.0 if has_left else None,
        fate=fate,
        start=b'{"data":{"id":"w-r-p-%d"}}' % number,
    )


def fate(
    crossings: Sequence[Crossing], links: Sequence[Reading], *, is_complete: bool = True
) -> Fate:
    """Return who lost message 2 for a subscriber that had these links."""
    fates = WireFates(crossings, {"f": links}, is_complete=is_complete)
    return fates["f", "t", "w-r-p-2"]


ONE: Reading = (1, "w-r-p-3", True)


@pytest.mark.parametrize(
    ("crossings", "links", "expected"),
    [
        ([frame(1), frame(3)], [ONE], Fate.TARGET),
        ([frame(1), frame(2), frame(3)], [ONE], Fate.CLIENT),
        ([frame(2, fate=Became.DROPPED), frame(3)], [ONE], Fate.PROXY),
        ([frame(2, fate=Became.CHANGED)], [ONE], Fate.PROXY),
        ([frame(2, direction=Direction.UPSTREAM)], [ONE], Fate.TARGET),
        ([], [ONE], Fate.TARGET),
        # Of the last link all was read, though nothing came that has an id.
        ([frame(2)], [(1, "", True)], Fate.CLIENT),
        # It was on its way when the link ended: to be sent again, and was not.
        ([frame(1), frame(2)], [(1, "w-r-p-1", False), (2, "", True)], Fate.TARGET),
        ([frame(1), frame(2)], [(1, "", False), (2, "", True)], Fate.TARGET),
        # The reader has read past it: it is not sent again.
        (
            [frame(2, fate=Became.DROPPED), frame(3), frame(4, link=2)],
            [(1, "w-r-p-3", False), (2, "w-r-p-4", True)],
            Fate.PROXY,
        ),
        # The last one is known in the log no more.
        ([frame(2)], [(1, "w-r-p-9", False)], Fate.TARGET),
    ],
)
def test_the_wire_says_who_lost_a_message(
    crossings: Sequence[Crossing], links: Sequence[Reading], expected: Fate
) -> None:
    """Of each link counts what its reader has read past, of the last one all."""
    assert fate(crossings, links) is expected


def test_a_log_with_holes_knows_nothing_of_what_is_not_in_it() -> None:
    """It may have been there."""
    assert fate([], [ONE], is_complete=False) is Fate.CUT


def test_nothing_is_known_of_strangers_and_of_numbers() -> None:
    """Whoever asks for them gets what a mapping says then."""
    fates = WireFates([frame(1)], {"f": [ONE]}, is_complete=True)
    assert fates.get(("witness", "t", "w-r-p-1")) is None
    assert fates.get(("f", "t", 1)) is None
    assert len(fates) == 1
    assert list(fates) == [("f", "", "w-r-p-1")]
    assert repr(fates) == "<WireFates of f>"
    assert repr(WireFates([], {}, is_complete=True)) == "<WireFates of nobody>"
