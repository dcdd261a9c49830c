"""Lanes: how publications are numbered."""

import pytest

import wavetank.client.lanes as module
from wavetank.client.lanes import Lane, Lanes


def test_lanes_number_each_topic_from_one() -> None:
    """Each topic has an epoch of its own; the first entry is 1 in it."""
    lanes = Lanes(7)
    assert [lanes.number("a", 1), lanes.number("b", 2), lanes.number("a", 3)] == [
        1,
        1,
        2,
    ]
    one, other = lanes.find("a", 3), lanes.find("b", 2)
    assert lanes.find("a", 1) is one
    assert (one.epoch, one.seq(1), one.seq(2)) == (7, 1, 2)
    assert (other.epoch, other.seq(1)) == (8, 1)
    assert lanes.fresh == [one, other]
    lanes.noted()
    assert lanes.fresh == []
    assert repr(lanes) == "<Lanes of 2 topics, next epoch 9>"


def test_lanes_begin_anew_where_a_number_is_given_up() -> None:
    """What was numbered behind it is 1 in a higher epoch; what is before stays."""
    lanes = Lanes(1)
    for number in (1, 2, 3):
        lanes.number("a", number)
    lanes.break_behind("a", 2, 2)
    assert (lanes.find("a", 1).epoch, lanes.find("a", 2).epoch) == (1, 1)
    lane = lanes.find("a", 3)
    assert (lane.epoch, lane.seq(3)) == (2, 1)
    assert lanes.number("a", 4) == 4
    assert lanes.find("a", 4) is lane


def test_lanes_begin_anew_before_an_entry_and_take_over_later_ones() -> None:
    """A lane behind a broken one would have a lower epoch, and be fenced."""
    lanes = Lanes(1)
    for number in (1, 2, 3, 4):
        lanes.number("a", number)
    lanes.break_behind("a", 3, 3)
    late = lanes.find("a", 4)
    lanes.break_before("a", 2, 2)
    assert lanes.find("a", 4).epoch == 3
    assert lanes.find("a", 4).seq(4) == 3
    assert lanes.over == [late]


def test_lanes_forget_what_nobody_is_in() -> None:
    """Once the oldest unsettled entry is behind the beginning of the next lane."""
    lanes = Lanes(1)
    for number in (1, 2, 3):
        lanes.number("a", number)
    first = lanes.find("a", 1)
    lanes.break_behind("a", 2, 2)
    lanes.settle("a", 2)
    assert lanes.over == []
    lanes.settle("a", 3)
    lanes.settle("nobody", 3)
    assert lanes.over == [first]
    assert lanes.find("a", 3).epoch == 2


def test_lanes_of_an_earlier_life_stay_as_they_were() -> None:
    """What was in them keeps its number; the first new entry begins a new lane."""
    kept = Lane(topic="a", after=4, epoch=3, base=2)
    lanes = Lanes(9, kept=[kept], waiting=[("a", 6, 2)])
    assert lanes.find("a", 5) is kept
    assert kept.seq(6) == 4
    assert lanes.number("a", 11) == 7
    lane = lanes.find("a", 11)
    assert (lane.epoch, lane.seq(7)) == (9, 1)
    assert lanes.find("a", 8) is kept
    assert lanes.number("a", 12) == 8
    assert lanes.find("a", 12) is lane


def test_lanes_answer_for_a_number_before_all() -> None:
    """The first lane is the best guess there is."""
    kept = Lane(topic="a", after=4, epoch=3, base=2)
    assert Lanes(9, kept=[kept]).find("a", 1) is kept


def test_lanes_forget_the_oldest_of_many_idle_topics(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It begins a new epoch when it comes again, so nothing is taken for another."""
    monkeypatch.setattr(module, "MOST_IDLE", 1)
    lanes = Lanes(1)
    lanes.number("a", 1)
    first = lanes.find("a", 1)
    lanes.number("a", 2)
    lanes.done("a")
    lanes.number("b", 3)
    lanes.done("b")
    assert lanes.find("a", 2) is first  # one of its entries is still waiting
    lanes.done("a")
    assert [lane.topic for lane in lanes.over] == ["b"]
    lanes.number("c", 4)
    lanes.done("c")
    assert [lane.topic for lane in lanes.over] == ["b", "a"]
    assert lanes.number("a", 5) == 1
    assert lanes.find("a", 5).epoch > first.epoch
    assert lanes.number("c", 6) == 2
