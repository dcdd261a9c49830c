"""Numbers and topics: what events say of themselves."""

import pytest

from wavetank.evidence import Verdict
from wavetank.lab.checkers import judge_numbers, judge_topics


@pytest.mark.parametrize("numbers", [[7], [1, 2, 3], [40, 41]])
def test_numbers_that_grow_by_one_pass(numbers: list[int]) -> None:
    """Where a topic began does not count."""
    assert judge_numbers("peer-1", numbers).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("numbers", "expected", "seen"),
    [
        ([7, 7], "7 and then 8", "7 and then 7"),
        ([1, 2, 4], "2 and then 3", "2 and then 4"),
        ([3, 2], "3 and then 4", "3 and then 2"),
        ([1, None], "1 and then 2", "1 and then None"),
        ([None, 1], "None and then a number", "None and then 1"),
        ([None], "numbers", "None to None"),
    ],
)
def test_the_first_number_that_does_not_follow_fails(
    numbers: list[int | None], expected: str, seen: str
) -> None:
    """A gap, a repetition, a step back and a number that is not there are faults."""
    finding = judge_numbers("peer-1", numbers)

    assert finding.verdict is Verdict.FAIL
    assert (finding.expected, finding.seen) == (expected, seen)


def test_no_events_have_no_numbers_to_judge() -> None:
    """Nothing to look at is never green."""
    assert judge_numbers("peer-1", []).verdict is Verdict.UNKNOWN


def test_events_name_the_topic_that_was_asked_for() -> None:
    """Events that name none are those of a single feed."""
    assert judge_topics("peer-1", "a", ["a", "", "a"]).verdict is Verdict.PASS
    wrong = judge_topics("peer-1", "a", ["a", "b"])
    assert wrong.verdict is Verdict.FAIL
    assert (wrong.expected, wrong.seen) == ("a", "b")
