"""Tallies count, and keep a few examples."""

import pytest

from wavetank.lab.checkers import tallies
from wavetank.lab.checkers.history import Fate
from wavetank.lab.checkers.promises import Anomaly
from wavetank.lab.checkers.tallies import Example, Tally, Times


def test_a_tally_keeps_a_few_examples_and_counts_the_rest() -> None:
    """However much goes wrong, what is kept of it is bounded."""
    tally = Tally()
    for number in range(100):
        examples = tally.add(Anomaly.LOST)
        if examples is not None:
            examples.append(Example(id=str(number)))
    assert tally.counts[Anomaly.LOST] == 100
    assert [one.id for one in tally.examples[Anomaly.LOST]] == list("01234")
    assert "lost=100" in repr(tally)


def test_a_copy_of_a_tally_goes_its_own_way() -> None:
    """What is judged meanwhile does not count twice."""
    tally = Tally()
    tally.lags.add(1.0)
    copy = tally.copy()
    copy.lags.add(1.0)
    examples = copy.add(Anomaly.LOST)
    assert examples is not None
    examples.append(Example(id="x"))
    copy.fates[Fate.PROXY] += 1
    copy.acked += 1
    assert tally.lags.histogram().count == 1
    assert copy.lags.histogram().count == 2
    assert (tally.counts.total(), tally.examples, tally.fates, tally.acked) == (
        0,
        {},
        {},
        0,
    )


@pytest.mark.parametrize(
    ("example", "words"),
    [
        (Example(id="w-r-p-1"), "w-r-p-1"),
        (Example(seq=3, topic="t"), "seq 3 on t"),
        (
            Example(id="i", seq=3, epoch="e", topic="t", subscriber="s", at=1.5),
            "i seq 3 of e on t for s at 1.500 s",
        ),
        (Example(id="i", epoch="e", detail="why"), "i (why)"),
        (
            Example(id="i", detail="why", by=Fate.PROXY),
            "i (why; the proxy dropped it)",
        ),
    ],
)
def test_an_example_is_said_in_one_line(example: Example, words: str) -> None:
    """It names what is known, and nothing else."""
    assert str(example) == words


def test_times_stay_bounded_and_exact_in_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many different durations there are, all are counted."""
    monkeypatch.setattr(tallies, "_MOST_VALUES", 10)
    times = Times()
    for micros in range(100):
        times.add(micros / 1e6)
    histogram = times.histogram()
    assert histogram.count == 100
    assert histogram.max == pytest.approx(99e-6, rel=0.02)
