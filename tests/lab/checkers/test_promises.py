"""What is wrong under which promise."""

import pytest

from wavetank.lab.checkers.promises import (
    AT_LEAST_ONCE,
    BEST_EFFORT,
    EXACTLY_ONCE,
    WITNESSED,
    Anomaly,
    Promise,
)

FINE = {Anomaly.RECOVERED, Anomaly.DECLARED}


@pytest.mark.parametrize(
    ("promise", "fine"),
    [
        (AT_LEAST_ONCE, FINE | {Anomaly.REDELIVERED}),
        (EXACTLY_ONCE, FINE),
        (BEST_EFFORT, FINE | {Anomaly.REDELIVERED}),
        (WITNESSED, FINE | {Anomaly.REDELIVERED, Anomaly.OVERTAKEN}),
        (Promise(declares_gaps=False), {Anomaly.RECOVERED, Anomaly.REDELIVERED}),
        (
            Promise(idempotent=False, allowed=frozenset({Anomaly.LEFTOVER})),
            FINE | {Anomaly.REDELIVERED, Anomaly.PUBLISHED_TWICE, Anomaly.LEFTOVER},
        ),
    ],
)
def test_a_promise_excuses_what_it_does_not_speak_of(
    promise: Promise, fine: set[Anomaly]
) -> None:
    """Everything else fails, whatever the promise."""
    assert {anomaly for anomaly in Anomaly if promise.excuse(anomaly)} == fine


def test_a_promise_without_acknowledgements_is_weak() -> None:
    """What nobody got is not known to have been published."""
    assert BEST_EFFORT.is_weak
    assert WITNESSED.is_weak
    assert Promise(witnessed=True).is_weak
    assert not EXACTLY_ONCE.is_weak
