"""Meters count and time until they are taken, and begin anew."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.evidence import Histogram
from wavetank.load.exchange import Operation, Tally
from wavetank.load.meter import Meter, histogram_text, note_reason
from wavetank.load.totals import MOST_REASONS, OTHER_REASONS


def new_meter() -> Meter:
    """Return one that has counted nothing."""
    return Meter("ticks", Operation.PUBLISH)


def histogram(*micros: int) -> Histogram:
    """Return a histogram of these microseconds."""
    recorded = Histogram()
    for each in micros:
        recorded.record(each / 1e6)
    return recorded


@given(st.lists(st.integers(0, 5000)), st.integers(5000, 9000))
def test_meter_counts_as_late_what_is_sent_a_millisecond_behind(
    intended: list[int], now: int
) -> None:
    """Each message counts once, with how late it was."""
    meter = new_meter()
    meter.sent(sorted(intended), now)
    tally, lateness = meter.take()
    assert tally.intended == tally.sent == len(intended) == lateness.total()
    assert tally.late == sum(now - each > 1000 for each in intended)
    assert sorted(lateness.elements()) == sorted(now - each for each in intended)


def test_meter_hands_out_what_it_counted_and_begins_anew() -> None:
    """Each second has what happened in it, and nothing of the one before."""
    meter = new_meter()
    meter.response[1500] += 2
    meter.service[700] += 1
    meter.tally.received += 3
    meter.failed("refused", 2)
    meter.failed("refused")
    tally, lateness = meter.take()
    assert (tally.scenario, tally.operation) == ("ticks", Operation.PUBLISH)
    assert (tally.received, tally.failed, tally.reasons) == (3, 3, {"refused": 3})
    assert Histogram.decode(tally.response) == histogram(1500, 1500)
    assert Histogram.decode(tally.service) == histogram(700)
    assert not lateness
    assert meter.take() == (
        Tally(scenario="ticks", operation=Operation.PUBLISH),
        lateness,
    )


def test_histogram_of_nothing_is_no_text() -> None:
    """An empty histogram is not worth its bytes."""
    assert histogram_text(new_meter().response) == ""


def test_meter_prints_what_it_is_of() -> None:
    """Bug reports say which one it was."""
    meter = new_meter()
    meter.tally.received = 7
    assert repr(meter) == "<Meter ticks.publish 7>"


@pytest.mark.parametrize("more", [0, 1, 500])
def test_reasons_stay_few_and_count_every_failure(more: int) -> None:
    """A hostile target may give another reason each time."""
    reasons: dict[str, int] = {}
    for number in range(MOST_REASONS - 1 + more):
        note_reason(reasons, f"{number}: {'why' * 1000}", 2)
    note_reason(reasons, f"0: {'why' * 1000}", 1)
    assert len(reasons) == MOST_REASONS - 1 + (more > 0)
    assert sum(reasons.values()) == 2 * (MOST_REASONS - 1 + more) + 1
    assert reasons.get(OTHER_REASONS, 0) == 2 * more
    assert max(map(len, reasons)) == 200
