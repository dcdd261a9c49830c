"""How a target comes through faults, held against what was measured."""

import pytest

from wavetank.evidence import Histogram, Sampled, Verdict
from wavetank.lab.checkers.recovery import (
    judge_bystander,
    judge_producer,
    judge_rest,
    judge_rounds,
    judge_shut_out,
    judge_untouched,
)

KIB = 1024


def times(*seconds: float) -> Histogram:
    """Return a histogram of these."""
    histogram = Histogram(highest=600.0)
    for each in seconds:
        histogram.record(each)
    return histogram


def sample(at: float, rss: int = 0, cpu: float = 0.0) -> Sampled:
    """Return a sample of a target."""
    return Sampled(
        at=at, who="target", cpu=cpu, rss=rss, descriptors=1, processes=1, threads=1
    )


@pytest.mark.parametrize(
    ("seconds", "failure", "stood_still", "verdicts"),
    [
        ((0.01, 0.02), "", 0.0, (Verdict.PASS, Verdict.PASS)),
        ((0.01, 0.02), "reset", 0.0, (Verdict.FAIL, Verdict.PASS)),
        ((0.01, 0.02), "reset", 1.5, (Verdict.UNKNOWN, Verdict.PASS)),
        ((0.01, 3.0), "", 0.0, (Verdict.PASS, Verdict.FAIL)),
        ((0.01, 3.0), "", 0.9, (Verdict.PASS, Verdict.FAIL)),
        ((0.01, 3.0), "", 1.0, (Verdict.PASS, Verdict.UNKNOWN)),
        ((0.01, 1.2), "", 0.7, (Verdict.PASS, Verdict.UNKNOWN)),
        ((), "", 0.0, (Verdict.PASS, Verdict.UNKNOWN)),
        ((), "reset", 0.0, (Verdict.FAIL, Verdict.UNKNOWN)),
    ],
)
def test_a_bystander_is_served_and_in_time(
    seconds: tuple[float, ...],
    failure: str,
    stood_still: float,
    verdicts: tuple[Verdict, Verdict],
) -> None:
    """A lab that stood still itself knows nothing of who made it wait."""
    findings = judge_bystander(
        times(*seconds), bound=1.0, failure=failure, stood_still=stood_still
    )
    assert tuple(one.verdict for one in findings) == verdicts
    assert not failure or findings[0].seen.startswith(failure)
    doubted = [one for one in findings if "stood still" in one.seen]
    assert len(doubted) == (Verdict.UNKNOWN in verdicts and stood_still > 0)


@pytest.mark.parametrize(
    ("opened", "stood_still", "verdict", "seen"),
    [
        ({"a": 1, "b": 1}, 0.0, Verdict.PASS, "2 kept theirs"),
        ({"a": 1, "b": 3}, 0.5, Verdict.FAIL, "b connected 3 times"),
        ({"a": 2}, 2.0, Verdict.UNKNOWN, "a connected 2 times; but the lab itself"),
    ],
)
def test_who_has_no_part_in_it_keeps_its_connection(
    opened: dict[str, int], stood_still: float, verdict: Verdict, seen: str
) -> None:
    """Unless nothing ran at all for so long that nobody could tell."""
    found = judge_untouched(opened, stood_still=stood_still)
    assert found.verdict is verdict
    assert found.seen.startswith(seen)


@pytest.mark.parametrize(
    ("changes", "is_answered", "verdict"),
    [
        ({}, True, Verdict.PASS),
        ({"unknown": 1}, True, Verdict.FAIL),
        ({"refused": 1}, True, Verdict.FAIL),
        ({"opened": 2}, True, Verdict.FAIL),
        ({"acknowledged": 0, "unknown": 5}, False, Verdict.PASS),
        ({"refused": 1}, False, Verdict.FAIL),
        ({"sent": 0}, True, Verdict.UNKNOWN),
    ],
)
def test_a_producer_goes_on_though_nobody_listens(
    changes: dict[str, int], is_answered: bool, verdict: Verdict
) -> None:
    """Where nothing is acknowledged, that nobody knows of any is no fault."""
    counts = {"sent": 5, "acknowledged": 5, "refused": 0, "unknown": 0, "opened": 1}
    found = judge_producer(counts | changes, is_answered=is_answered)
    assert found.verdict is verdict
    assert "5 sent" in found.seen or not (counts | changes)["sent"]


@pytest.mark.parametrize(
    ("grown", "kept", "verdict"),
    [
        (100 * 64 * KIB, 0, Verdict.PASS),
        (100 * 65 * KIB, 0, Verdict.FAIL),
        (100 * 65 * KIB, 100 * KIB, Verdict.PASS),
        (-KIB, 0, Verdict.PASS),
    ],
)
def test_a_few_rounds_are_held_against_what_a_connection_may_leave(
    grown: int, kept: float, verdict: Verdict
) -> None:
    """History that the target keeps is none of it."""
    samples = [sample(0.0, 10**8), sample(1.0, 10**8 + grown)]
    found = judge_rounds(samples, 100, each=64 * KIB, kept=kept)
    assert found.verdict is verdict
    assert found.expected == "at most 64 KiB a connection"


def test_many_rounds_show_whether_growth_ends() -> None:
    """What levels off is none, however much it was; what goes on is a leak."""
    levels = [sample(float(n), 10**8 * (n > 3)) for n in range(40)]
    found = judge_rounds(levels, 40, each=KIB, kept=0.0)
    assert found.verdict is Verdict.PASS
    grows = [sample(float(n), 10**6 * n) for n in range(40)]
    found = judge_rounds(grows, 40, each=KIB, kept=0.0)
    assert found.verdict is Verdict.FAIL
    assert found.expected.startswith("memory that levels off")


def test_without_samples_nothing_is_known_of_memory() -> None:
    """One alone shows no growth, and none at all shows nothing."""
    assert judge_rounds([], 9, each=KIB, kept=0.0).verdict is Verdict.SKIP
    one = [sample(1.0, 5)]
    assert judge_rounds(one, 9, each=KIB, kept=0.0).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("let_in", "verdict"),
    [(0, Verdict.PASS), (3, Verdict.PASS), (4, Verdict.UNKNOWN)],
)
def test_a_target_that_lets_all_in_was_not_out_of_descriptors(
    let_in: int, verdict: Verdict
) -> None:
    """Then nobody knows what it does without; one that was freed meanwhile may be."""
    found = judge_shut_out(let_in, 4)
    assert found.verdict is verdict
    assert found.seen.startswith(f"{let_in} of 4 were let in")
    assert ("says nothing" in found.seen) == (verdict is Verdict.UNKNOWN)


@pytest.mark.parametrize(
    ("usual", "busy", "verdict"),
    [
        (0.0, 0.05, Verdict.PASS),
        (0.3, 0.39, Verdict.PASS),
        (0.0, 0.15, Verdict.FAIL),
        (0.3, 1.0, Verdict.FAIL),
    ],
)
def test_a_target_that_cannot_accept_rests(
    usual: float, busy: float, verdict: Verdict
) -> None:
    """Its share of a core is held against what it took before."""
    before = [sample(1.0, cpu=5.0), sample(3.0, cpu=5.0 + 2 * usual)]
    during = [sample(3.0, cpu=6.0), None, sample(7.0, cpu=6.0 + 4 * busy)]
    found = judge_rest(before, during)
    assert found.verdict is verdict
    assert found.seen == f"{busy:.0%} of a core"


def test_nobody_knows_whether_a_target_rests_that_nobody_has_measured() -> None:
    """Neither before nor during, nor in no time at all."""
    whole = [sample(1.0), sample(2.0)]
    for missing in ([None, None], [sample(1.0), None], [sample(1.0), sample(1.0)], []):
        for before, during in ((missing, whole), (whole, missing)):
            assert judge_rest(before, during).verdict is Verdict.UNKNOWN
