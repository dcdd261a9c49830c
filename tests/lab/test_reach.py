"""The reach of faults of links."""

from collections import Counter
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

    def remove(self, name: str) -> Counter[str]:
        """Take a toxic out that has hurt as many items as its name says."""
        return Counter({"seen": 9, "hurt": int(name)})


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


@pytest.mark.parametrize(
    ("toxics", "reached"), [(["0"], False), (["0", "0"], False), (["0", "2"], True)]
)
@pytest.mark.parametrize("there", [(), (1,)])
def test_a_fault_of_toxics_reaches_what_they_hurt(
    there: tuple[int, ...], toxics: list[str], reached: bool
) -> None:
    """A link alone is not enough: a toxic may be for nothing that went by in it."""
    proxy: Any = Links(*there)
    reach = Reach(proxy)
    reach.begin("drop", None)
    reach.take_out("drop", *toxics)
    assert reach.end("drop") is reached
    assert repr(reach) == "<Reach without links: ->"
