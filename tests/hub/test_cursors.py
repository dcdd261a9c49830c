"""Cursors of one topic: which subscription is where, and what it gets next."""

from wavetank.hub.cursors import Cursors, Place
from wavetank.hub.log import Mark


def at(seq: int) -> Place:
    """Return a live place."""
    return Place(seq=seq, offset=0, at=0.0, is_live=True)


def test_subscription_at_the_level_is_in_step() -> None:
    """It needs no place of its own."""
    cursors: Cursors[str, str] = Cursors(7)
    assert cursors.enter("a", "w", at(7))
    assert cursors.in_step == {None: {"a": "w"}}
    assert "a" in cursors
    assert len(cursors) == 1


def test_subscription_elsewhere_is_behind() -> None:
    """It keeps the place that it was given."""
    cursors: Cursors[str, str] = Cursors(7)
    assert not cursors.enter("a", "w", at(3))
    assert cursors.behind["a"].seq == 3
    assert "a" in cursors
    assert "b" not in cursors


def test_subscription_leaves_with_the_last_entry_it_got() -> None:
    """For those in step that is the level, for others their place."""
    cursors: Cursors[str, str] = Cursors(7)
    cursors.enter("a", "w", at(7))
    cursors.enter("b", "w", at(3))
    cursors.level = 9
    assert cursors.leave("a") == 9
    assert cursors.leave("b") == 3
    assert len(cursors) == 0


def test_subscription_that_falls_behind_stays_where_it_was() -> None:
    """The level goes on without it."""
    cursors: Cursors[str, str] = Cursors(7)
    cursors.enter("a", "w", at(7))
    cursors.fall_behind("a", at(7))
    cursors.level = 9
    assert not cursors.rejoin("a", "w")
    assert cursors.leave("a") == 7


def test_subscription_rejoins_once_it_has_reached_the_level() -> None:
    """Then it is in step like all others."""
    cursors: Cursors[str, str] = Cursors(7)
    cursors.enter("a", "w", at(3))
    cursors.behind["a"].seq = 7
    assert cursors.rejoin("a", "w")
    assert cursors.in_step == {None: {"a": "w"}}
    assert not cursors.behind


def test_pending_sums_what_everybody_still_has_before_them() -> None:
    """Two in step with two to go, one behind with six."""
    cursors: Cursors[str, str] = Cursors(8)
    cursors.enter("a", "w", at(8))
    cursors.enter("b", "w", at(8))
    cursors.enter("c", "w", at(4))
    assert cursors.pending(10) == 2 * 2 + 6
    assert repr(cursors) == "<Cursors 2 in step at 8, 1 behind>"


def test_subscriptions_in_step_are_kept_by_what_they_get() -> None:
    """One form each, the same level, and no form without anybody."""
    cursors: Cursors[str, str] = Cursors(7)
    cursors.enter("a", "w", at(7))
    cursors.enter("b", "w", at(7), form=15)
    assert cursors.in_step == {None: {"a": "w"}, 15: {"b": "w"}}
    assert cursors.is_in_step("b", 15)
    assert not cursors.is_in_step("b", 9)
    assert not cursors.is_in_step("b")
    assert "b" in cursors
    assert cursors.pending(9) == 4
    cursors.fall_behind("b", at(7), form=15)
    assert cursors.in_step == {None: {"a": "w"}}
    assert cursors.rejoin("b", "w", form=15)
    assert cursors.leave("b", form=15) == 7
    assert len(cursors) == 1


def test_subscription_that_jumps_is_known_in_step_and_behind() -> None:
    """Until it leaves: each place that it falls to says so."""
    cursors: Cursors[str, str] = Cursors(7)
    place = at(7)
    place.is_latest = True
    assert cursors.enter("a", "w", place)
    cursors.fall_behind("a", at(7))
    assert cursors.behind["a"].is_latest
    assert cursors.rejoin("a", "w")
    assert cursors.latest == {"a"}
    cursors.leave("a")
    assert cursors.latest == set()


def test_subscription_is_not_in_step_before_its_topic_is_announced() -> None:
    """Even at the level: what all others get would come too early."""
    cursors: Cursors[str, str] = Cursors(7)
    place = at(7)
    place.start = Mark(7, 1)
    assert not cursors.enter("a", "w", place)
    assert cursors.behind["a"] is place
