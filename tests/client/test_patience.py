"""Patience: how long a hub may be silent."""

from math import inf

import pytest

from wavetank.client.lifecycle import Cause
from wavetank.client.patience import LATE, Patience


def make(interval: float = 10.0) -> Patience:
    """Make one that waits 25 s for a heartbeat and 5 s for an answer."""
    return Patience(interval=interval, grace=5.0, answer=5.0, now=100.0)


def test_patience_ends_after_two_missing_heartbeats_and_a_grace() -> None:
    """Twice ten seconds and five more."""
    patience = make()
    assert patience.due_at == 125.0
    assert patience.judge(124.9) is None
    ending = patience.judge(125.0)
    assert ending is not None
    assert ending.cause is Cause.SILENT
    assert "25.0 s" in ending.text


def test_patience_begins_anew_with_each_message() -> None:
    """Whatever it was, the hub lives."""
    patience = make()
    patience.heard(120.0)
    assert patience.due_at == 145.0
    assert patience.judge(130.0) is None
    assert patience.heard_at == 120.0


def test_patience_wants_an_answer_to_each_command() -> None:
    """The first one asked is the first one due; heartbeats are no answer."""
    patience = make()
    patience.asked(1, 101.0)
    patience.asked("two", 103.0)
    patience.heard(104.0)
    assert patience.due_at == 106.0
    patience.answered(1)
    patience.answered(99)
    assert patience.due_at == 108.0
    ending = patience.judge(108.0)
    assert ending is not None
    assert ending.cause is Cause.OVERDUE
    assert repr(patience) == "<Patience 1 unanswered, due at 108.000>"


def test_patience_forgives_once_who_was_asleep_itself() -> None:
    """A lid was closed: the hub gets its time once more, and then no more."""
    patience = make()
    patience.asked(1, 100.0)
    assert patience.judge(4000.0) is None
    assert patience.due_at == 4005.0
    patience.answered(1)
    assert patience.due_at == 4025.0
    ending = patience.judge(4025.0 + LATE + 1)
    assert ending is not None
    assert ending.cause is Cause.SILENT


def test_patience_may_forgive_again_after_a_message() -> None:
    """Two naps with life between them are two naps."""
    patience = make()
    assert patience.judge(4000.0) is None
    patience.heard(4001.0)
    assert patience.judge(9000.0) is None
    assert patience.due_at == 9025.0


@pytest.mark.parametrize(
    ("interval", "due_at"), [(0.0, 105.02), (1e12, 345.0), (inf, 345.0)]
)
def test_patience_does_not_believe_any_interval(interval: float, due_at: float) -> None:
    """A hub that claims to be quiet for ever is still missed."""
    assert make(interval).due_at == pytest.approx(due_at)
