"""Verdicts add up; nothing that was not looked at is green."""

import itertools

import pytest

from wavetank.evidence.verdict import Verdict, merge

PASS, UNKNOWN, FAIL, SKIP = Verdict.PASS, Verdict.UNKNOWN, Verdict.FAIL, Verdict.SKIP


@pytest.mark.parametrize(
    ("verdicts", "sum_of_them"),
    [
        ([], UNKNOWN),  # no data never counts as success
        ([PASS], PASS),
        ([SKIP], SKIP),
        ([SKIP, SKIP], SKIP),
        ([SKIP, PASS], PASS),
        ([SKIP, UNKNOWN], UNKNOWN),
        ([PASS, UNKNOWN], UNKNOWN),
        ([UNKNOWN, FAIL, PASS], FAIL),
        ([FAIL, SKIP], FAIL),
    ],
)
def test_merge_takes_the_worst_and_leaves_skips_out(
    verdicts: list[Verdict], sum_of_them: Verdict
) -> None:
    """PASS < UNKNOWN < FAIL; SKIP is neutral; nothing at all is UNKNOWN."""
    assert merge(verdicts) is sum_of_them


def test_merge_gives_the_same_in_any_order_and_grouping() -> None:
    """Workers and suites may add their verdicts up however they like."""
    for three in itertools.product(Verdict, repeat=3):
        whole = merge(three)
        assert merge(reversed(three)) is whole
        assert merge([merge(three[:2]), three[2]]) is whole


def test_verdict_is_its_own_word_in_a_report() -> None:
    """The name, the value and the printed word are the same."""
    assert [str(verdict) for verdict in Verdict] == ["PASS", "UNKNOWN", "FAIL", "SKIP"]
