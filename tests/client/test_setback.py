"""Refusals that go on are told once, and so is their end."""

from wavetank.client.setback import Setback


def test_a_setback_is_told_once_it_has_gone_on_for_some_time() -> None:
    """A moment is nothing to speak of, and once is enough."""
    setback = Setback(2.0)
    assert [setback.refused(now) for now in (10.0, 11.9, 12.5, 13.0, 99.0)] == [
        None,
        None,
        2.5,
        None,
        None,
    ]
    assert repr(setback) == "<Setback since 10.0>"


def test_a_setback_that_was_told_is_told_to_be_over() -> None:
    """And the next one begins anew."""
    setback = Setback(2.0)
    setback.refused(10.0)
    assert setback.ended(11.0) is None
    setback.refused(20.0)
    assert setback.refused(22.0) == 2.0
    assert setback.ended(25.0) == 5.0
    assert setback.ended(26.0) is None
    assert setback.refused(30.0) is None
