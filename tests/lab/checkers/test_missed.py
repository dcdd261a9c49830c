"""What subscribers missed where nothing is kept for them: counted, not judged."""

import pytest

from wavetank.lab.checkers.history import (
    Closed,
    Connected,
    Delivered,
    Drained,
    Event,
    Fate,
    Healed,
    PublishInfo,
    PublishInvoked,
    Reconnected,
    Subscribed,
)
from wavetank.lab.checkers.missed import Missed
from wavetank.lab.checkers.promises import AT_LEAST_ONCE, BEST_EFFORT

TOPIC = "t"


def comes(name: str, connection: int) -> list[Event]:
    """Return how a subscriber comes."""
    return [
        Connected(0.0, name, f"{name}/{connection}"),
        Subscribed(0.0, name, TOPIC),
    ]


def says(number: int, *hearers: str) -> list[Event]:
    """Return how a message is published, and who gets it."""
    id_ = f"w-run-p1-{number}"
    return [
        PublishInvoked(0.0, "p1", id_, TOPIC),
        PublishInfo(0.0, id_),
        *(Delivered(0.0, each.split("/")[0], each, TOPIC, id_) for each in hearers),
    ]


END: list[Event] = [Healed(0.0), Reconnected(0.0), Drained(0.0)]
BOTH = ("s/1", "w/1")
STORY: list[Event] = [
    *comes("s", 1),
    *comes("w", 1),
    *says(1, *BOTH),
    Closed(0.0, "s", "s/1"),
    *says(2, "w/1"),
    *says(3, "w/1"),
    *comes("s", 2),
    *says(4, "s/2", "w/1"),
    *END,
]


def taken(missed: Missed, story: list[Event]) -> Missed:
    """Let it take a story."""
    for event in story:
        missed.take(event)
    return missed


def test_what_came_to_others_meanwhile_was_missed() -> None:
    """By where it was lost, as the wire has it."""
    missed = taken(Missed(BEST_EFFORT), STORY)

    assert missed.counts({}) == {"nobody knows where": 2}
    fates = {
        ("s", TOPIC, "w-run-p1-2"): Fate.TARGET,
        ("s", TOPIC, "w-run-p1-3"): Fate.PROXY,
    }
    assert missed.counts(fates) == {
        "the target never sent it": 1,
        "the proxy dropped it": 1,
    }
    assert repr(missed).startswith("<Missed <Checker ")


def test_nothing_missed_is_said_too() -> None:
    """Whoever looks for the figure finds it."""
    story = [*comes("s", 1), *comes("w", 1), *says(1, *BOTH), *END]

    assert taken(Missed(BEST_EFFORT), story).counts({}) == {
        "the target never sent it": 0
    }


@pytest.mark.parametrize("story", [[], STORY])
def test_what_is_owed_is_lost_and_not_missed(story: list[Event]) -> None:
    """The checker itself counts it then."""
    assert taken(Missed(AT_LEAST_ONCE), story).counts({}) == {}
