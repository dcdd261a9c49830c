"""What follows from a target's capabilities."""

from collections.abc import Collection

import pytest

from wavetank.dialects import Capability, Echo, Hub
from wavetank.lab.checkers.promises import BEST_EFFORT, EXACTLY_ONCE, Promise
from wavetank.lab.promising import promise_of

HUB = Hub().capabilities


@pytest.mark.parametrize(
    ("capabilities", "promise"),
    [
        (HUB, EXACTLY_ONCE),
        (HUB - {Capability.RESUME}, Promise(resumable=False)),
        (HUB - {Capability.SEQUENCE}, Promise(resumable=False, one_order=False)),
        (
            HUB - {Capability.ACKNOWLEDGE},
            Promise(acknowledges=False, exactly_once=True),
        ),
        (Echo().capabilities, BEST_EFFORT),
    ],
)
def test_a_promise_follows_from_capabilities(
    capabilities: Collection[str], promise: Promise
) -> None:
    """Who goes on behind a position is owed what is behind it, and nothing again."""
    assert promise_of(capabilities) == promise
