"""Gathering: how long a sweep waits for more, where much is published."""

import pytest

from wavetank.hub.gathering import LONGEST, SHARE, SURE_SHARE, Gathering


def test_gathering_lets_the_first_sweep_begin_at_once() -> None:
    """Nothing was measured yet."""
    gathering = Gathering()
    assert not gathering.is_on(0.0)
    assert repr(gathering) == "<Gathering until 0.000000>"


def test_gathering_waits_a_part_of_the_sweep_before() -> None:
    """Where that one carried more than one message."""
    gathering = Gathering()
    gathering.swept(10.0, 10.016, 2)
    assert gathering.is_on(10.016 + 0.016 * SHARE - 1e-6)
    assert not gathering.is_on(10.016 + 0.016 * SHARE + 1e-6)


@pytest.mark.parametrize("most", [0, 1])
def test_gathering_waits_for_nothing_where_messages_come_alone(most: int) -> None:
    """Waiting would only make them late."""
    gathering = Gathering()
    gathering.swept(10.0, 10.016, 5)
    gathering.swept(10.02, 10.036, most)
    assert not gathering.is_on(10.036)


def test_gathering_never_waits_long() -> None:
    """However long a sweep takes."""
    gathering = Gathering()
    gathering.swept(10.0, 20.0, 100)
    assert gathering.is_on(20.0 + LONGEST - 1e-6)
    assert not gathering.is_on(20.0 + LONGEST + 1e-6)


def test_gathering_waits_longer_for_what_is_sure_to_come() -> None:
    """As long as it is."""
    gathering = Gathering()
    gathering.swept(10.0, 10.001, 2)
    end = 10.001 + 0.001 * SURE_SHARE
    assert gathering.is_on(end - 1e-6, is_more=True)
    assert not gathering.is_on(end - 1e-6)
    assert not gathering.is_on(end + 1e-6, is_more=True)


def test_gathering_waits_for_nothing_else_where_messages_come_alone() -> None:
    """Even if one more is on its way."""
    gathering = Gathering()
    gathering.swept(10.0, 10.001, 1)
    assert not gathering.is_on(10.001, is_more=True)
