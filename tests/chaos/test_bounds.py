"""How many of each thing there may be."""

from wavetank.chaos import bounds
from wavetank.errors import UsageError


def test_bounds_are_generous_and_too_much_is_a_mistake_of_who_asks() -> None:
    """Nobody meets them by honest work; whoever does is told as of any mistake."""
    assert issubclass(bounds.TooMany, UsageError)
    most = (bounds.MOST_TOXICS, bounds.MOST_PROXIES, bounds.MOST_LINKS)
    assert sorted(most) == list(most)
    assert most[0] >= 100
