"""Grounds say whether a proof has seen enough."""

import pytest

from wavetank.evidence import Verdict
from wavetank.lab.checkers.grounds import judge_grounds


def test_a_proof_in_which_everybody_had_a_part_has_grounds() -> None:
    """Whatever became of the messages."""
    (found,) = judge_grounds({"p1": 3}, {"f", "w"}, subscribers=["f", "w"], in_vain=[])
    assert found.verdict is Verdict.PASS
    assert found.seen == "everybody"


@pytest.mark.parametrize(
    ("acknowledged", "heard", "seen"),
    [
        ({}, {"f"}, "nobody published"),
        ({"p1": 3, "p2": 0}, {"f"}, "nothing of p2 was acknowledged"),
        ({"p1": 3}, set(), "nothing came to f"),
    ],
)
def test_who_had_no_part_leaves_it_open(
    acknowledged: dict[str, int], heard: set[str], seen: str
) -> None:
    """One publisher or subscriber is enough."""
    (found,) = judge_grounds(acknowledged, heard, subscribers=["f"], in_vain=[])
    assert found.verdict is Verdict.UNKNOWN
    assert found.seen == seen


def test_a_fault_that_hit_nothing_leaves_it_open() -> None:
    """Nobody knows what the target would have done."""
    found = judge_grounds({"p": 1}, {"f"}, subscribers=["f"], in_vain=["cut", "kill"])
    assert [one.verdict for one in found] == [Verdict.PASS, Verdict.UNKNOWN]
    assert found[1].seen == ("cut found nothing to break; kill found nothing to break")
