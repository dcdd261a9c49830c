"""How far everybody is."""

import pytest

from wavetank.lab import progress as module
from wavetank.lab.checkers.history import (
    Closed,
    Delivered,
    PublishFailed,
    PublishInfo,
    PublishInvoked,
    PublishOk,
    Subscribed,
)
from wavetank.lab.following import Place
from wavetank.lab.progress import Progress


def published(
    progress: Progress, id_: str, seq: int | None, *, epoch: str = "e"
) -> None:
    """Publish a message and acknowledge it."""
    progress.take(PublishInvoked(1.0, "p", id_, "t"))
    progress.take(PublishOk(1.0, id_, seq, epoch))


def came(
    progress: Progress,
    id_: str,
    seq: int | None,
    *,
    epoch: str = "e",
    to: str = "f",
    topic: str = "t",
) -> None:
    """Deliver a message."""
    progress.take(Delivered(1.0, to, f"{to}/1", topic, id_, seq, epoch))


def test_a_lag_is_what_a_subscriber_is_behind_the_top() -> None:
    """The top is what was acknowledged, or came to anybody, or was there."""
    progress = Progress()
    assert progress.lags(["f"], ["t"]) == [0]
    progress.take(Subscribed(0.0, "f", "t", 2, "e"))
    published(progress, "w-r-p-1", 3)
    assert progress.lags(["f", "late"], ["t", "u"]) == [1, 3]
    assert progress.goal(["f", "late"]) == {("f", "t"): 3, ("late", "t"): 3}
    came(progress, "w-r-p-2", 4, to="g")
    assert progress.lags(["f", "g"], ["t"]) == [2, 0]
    came(progress, "w-r-p-2", 4)
    came(progress, "w-r-p-1", 3)
    assert progress.lags(["f"], ["t"]) == [0]
    assert progress.arrived == 3
    assert repr(progress) == "<Progress 1 topics, 3 arrived>"


def test_a_new_life_of_a_topic_has_a_top_of_its_own() -> None:
    """Who is still in the old one is behind all of it."""
    progress = Progress()
    came(progress, "w-r-p-1", 9)
    published(progress, "w-r-p-2", 2, epoch="new")
    assert progress.tops == {"t": Place("new", 2)}
    assert progress.lags(["f"], ["t"]) == [2]
    came(progress, "w-r-p-2", 2, epoch="new")
    assert progress.lags(["f"], ["t"]) == [0]


def test_topics_without_numbers_have_no_lag() -> None:
    """Nobody knows who is behind."""
    progress = Progress()
    published(progress, "w-r-p-1", None)
    came(progress, "w-r-p-1", None)
    progress.take(Subscribed(0.0, "f", "t"))
    assert progress.lags(["f"], ["t"]) == [0]
    assert progress.goal(["f"]) == {}


@pytest.mark.parametrize("end", [PublishFailed, PublishInfo])
def test_what_was_not_acknowledged_is_no_top(end: type) -> None:
    """Nor is a connection that ends any news."""
    progress = Progress()
    progress.take(PublishInvoked(1.0, "p", "w-r-p-1", "t"))
    progress.take(end(1.0, "w-r-p-1"))
    progress.take(Closed(1.0, "f", "f/1"))
    assert progress.tops == {}


def test_who_has_got_the_last_message_has_got_all() -> None:
    """Any of those that were sent as the last one will do."""
    progress = Progress()
    progress.mark("t", "w-r-last.1-1")
    progress.mark("t", "w-r-last.2-1")
    assert progress.awaited(["f", "g"]) == [("f", "t"), ("g", "t")]
    came(progress, "w-r-p-1", None)
    came(progress, "w-r-last.2-1", None)
    assert progress.awaited(["f", "g"]) == [("g", "t")]


def test_who_is_past_the_last_message_has_got_all() -> None:
    """Though the last one itself was declared lost, or is on its way twice."""
    progress = Progress()
    progress.mark("t", "w-r-last.1-1")
    came(progress, "w-r-p-1", 7)
    assert progress.awaited(["f"]) == [("f", "t")]
    published(progress, "w-r-last.1-1", 7)
    assert progress.awaited(["f"]) == []
    assert progress.awaited(["g"]) == [("g", "t")]
    came(progress, "w-r-p-2", 8, epoch="new", to="g")
    assert progress.awaited(["g"]) == [("g", "t")]


def test_latencies_are_those_since_the_last_look() -> None:
    """Clocks that run apart by less than a turn make none below nothing."""
    progress = Progress()
    assert progress.p99() is None
    progress.note_latency(-1.0)
    progress.note_latency(0.5)
    p99 = progress.p99()
    assert p99 is not None
    assert p99 == pytest.approx(0.5, rel=0.01)
    assert progress.p99() is None


def test_only_messages_beside_the_last_ones_count_as_heard() -> None:
    """The last one of a topic is the lab's own."""
    progress = Progress()
    progress.mark("t", "w-r-last.1-1")
    came(progress, "w-r-last.1-1", 1)
    assert progress.heard == set()
    came(progress, "w-r-p-1", 2)
    assert progress.heard == {"f"}


def test_topics_without_end_are_no_memory_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A target may make them up."""
    monkeypatch.setattr(module, "_MOST", 10)
    progress = Progress()
    for number in range(1, 100):
        came(progress, f"w-r-p-{number}", 1, topic=f"t{number}")
    assert len(progress.tops) == 10
    assert progress.arrived == 99
