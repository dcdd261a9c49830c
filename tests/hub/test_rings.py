"""The rings of all topics together stay below a bound."""

from wavetank.hub.rings import Rings


class Some:
    """A ring that holds some bytes, of which some may not be given up."""

    def __init__(self, held: int, *, stuck: int = 0) -> None:
        self.held = held
        self._stuck = stuck

    def shed(self) -> None:
        """Give up what may be given up."""
        self.held = min(self.held, self._stuck)


def test_the_topics_published_to_least_recently_give_up_theirs() -> None:
    """As many as are needed, and no more."""
    rings = Rings(100)
    old, used, new = Some(40), Some(40), Some(40)
    for ring in (old, used, old):
        rings.note(ring)
    rings.note(new)
    assert (old.held, used.held, new.held) == (40, 0, 40)
    assert (rings.size, rings.shed) == (80, 1)
    assert repr(rings) == "<Rings 2, 80 of 100 bytes>"


def test_the_topic_that_was_published_to_keeps_its_own() -> None:
    """However large it is: it has a bound of its own."""
    rings = Rings(100)
    only = Some(500)
    rings.note(only)
    assert (only.held, rings.size) == (500, 500)
    only.held = 90
    rings.note(only)
    assert rings.size == 90
    only.held = 0
    rings.note(only)
    assert repr(rings) == "<Rings 0, 0 of 100 bytes>"


def test_rings_that_nobody_has_got_yet_are_not_asked_without_end() -> None:
    """They will be handed out soon, and then they are noted again."""
    rings = Rings(10)
    stuck = [Some(20, stuck=15) for _ in range(50)]
    for ring in stuck:
        rings.note(ring)
    assert all(ring.held for ring in stuck)
    assert rings.size == sum(ring.held for ring in stuck)


def test_without_a_bound_nothing_is_counted() -> None:
    """That has to be typed."""
    rings = Rings(None)
    ring = Some(10**12)
    rings.note(ring)
    assert (ring.held, rings.size) == (10**12, 0)
