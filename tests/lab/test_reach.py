"""The reach of faults of links."""

from typing import Any

import pytest

from wavetank.lab.reach import Reach


class Links:
    """The links of a proxy: which there are, and how many there ever were."""

    def __init__(self, *numbers: int) -> None:
        self.links = dict.fromkeys(numbers)
        self.opened = max(numbers, default=0)

    def come(self) -> None:
        """Let one more link come, and go again."""
        self.opened += 1

    def statistics(self) -> dict[str, int]:
        """Return how many there ever were."""
        return {"opened": self.opened}


@pytest.mark.parametrize(
    ("there", "links", "comes", "reached"),
    [
        ((1, 2), None, False, True),
        ((1, 2), [2], False, True),
        ((), None, False, False),
        ((), None, True, True),  # it came while the fault was on
        ((1,), [2], True, False),  # it is not for those that come
    ],
)
def test_a_fault_reaches_the_links_that_are_there_or_come(
    there: tuple[int, ...], links: list[int] | None, comes: bool, reached: bool
) -> None:
    """Of those that it is for."""
    proxy: Any = Links(*there)
    reach = Reach(proxy)
    reach.begin("cut", links)
    if comes:
        proxy.come()
    assert reach.end("cut") is reached
    assert reach.end("cut")
    assert repr(reach) == "<Reach without links: ->"
