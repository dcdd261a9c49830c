"""What became of frames, and who lost one that is missed."""

import json

import pytest

from wavetank.chaos.fates import (
    Crossing,
    Fate,
    Loser,
    encode_crossing,
    who_lost,
)
from wavetank.chaos.toxic import Direction


def crossing(number: int, fate: Fate = Fate.PASSED) -> Crossing:
    """Return a frame that left unless its fate forbids it."""
    has_left = fate not in {Fate.DROPPED, Fate.HELD}
    return Crossing(
        link=1,
        direction=Direction.DOWNSTREAM,
        number=number,
        opcode=1,
        fin=True,
        size=3,
        came_at=None if fate is Fate.ADDED else 1.0,
        left_at=2.0 if has_left else None,
        fate=fate,
        start=b"m%d" % number,
    )


def is_first(each: Crossing) -> bool:
    """Tell whether it is the first message."""
    return each.start == b"m1"


@pytest.mark.parametrize(
    ("log", "loser"),
    [
        ([], Loser.SENDER),
        ([crossing(2)], Loser.SENDER),
        ([crossing(1)], Loser.READER),
        ([crossing(1, Fate.ADDED)], Loser.READER),
        ([crossing(1, Fate.DROPPED)], Loser.PROXY),
        ([crossing(1, Fate.HELD)], Loser.PROXY),
        ([crossing(1, Fate.CHANGED)], Loser.PROXY),
        ([crossing(1, Fate.DROPPED), crossing(1)], Loser.READER),
    ],
)
def test_the_log_says_who_lost_a_message(log: list[Crossing], loser: Loser) -> None:
    """Never came, came and did not leave unharmed, or left as it came."""
    assert who_lost(log, is_first) is loser


def test_an_incomplete_log_accuses_nobody_of_what_it_does_not_have() -> None:
    """What is in it is known all the same."""
    assert who_lost([], is_first, is_complete=False) is Loser.UNKNOWN
    lost = [crossing(1, Fate.DROPPED)]
    assert who_lost(lost, is_first, is_complete=False) is Loser.PROXY


def test_a_crossing_is_a_line_of_json() -> None:
    """All of its fields by name."""
    line = json.loads(encode_crossing(crossing(1)))
    assert line["fate"] == "passed"
    assert line["start"] == "bTE="
    assert line["direction"] == "downstream"
