"""Half open: an end that nobody is told."""

import pytest

from wavetank.chaos.toxic import Bytes, End, How
from wavetank.chaos.toxics.half_open import HalfOpen


def test_half_open_ends_without_a_word_at_a_byte() -> None:
    """What comes before goes by."""
    toxic = HalfOpen(bytes=2, timeout=0)
    assert toxic.receive(Bytes(b"abc"), 0.0) == [
        (0.0, Bytes(b"ab")),
        (0.0, End(How.GONE)),
    ]


def test_half_open_ends_without_a_word_after_a_time() -> None:
    """A link on which nothing is said becomes half open too."""
    toxic = HalfOpen(bytes=0, timeout=1)
    toxic.wake(1.0)
    assert toxic.wake(1.001) == [(1.001, End(How.GONE))]


@pytest.mark.parametrize("how", list(How))
def test_half_open_tells_no_other_end(how: How) -> None:
    """Where the stream ends by itself before, that is not told either."""
    toxic = HalfOpen(bytes=9, timeout=0)
    assert toxic.receive(End(how), 1.0) == [(1.0, End(How.GONE))]
