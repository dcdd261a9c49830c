"""Records are the lines of the journal: each has its own tag."""

from typing import get_args

import pytest

from wavetank.evidence.finding import Finding
from wavetank.evidence.records import CheckFinished, Record, RunFinished
from wavetank.evidence.verdict import Verdict


def test_every_record_has_a_tag_of_its_own_and_a_time() -> None:
    """A reader tells the lines apart by one field, and can order them."""
    kinds = get_args(Record)
    tags = {kind.__struct_config__.tag for kind in kinds}
    assert len(tags) == len(kinds) == 18
    assert {kind.__struct_config__.tag_field for kind in kinds} == {"record"}
    assert all("at" in kind.__struct_fields__ for kind in kinds)


def finding(verdict: Verdict, *, known: str = "") -> Finding:
    """Return a finding of which only the verdict matters."""
    return Finding(verdict=verdict, title="x", known=known)


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        ([], Verdict.UNKNOWN),
        ([finding(Verdict.PASS)], Verdict.PASS),
        ([finding(Verdict.PASS), finding(Verdict.FAIL)], Verdict.FAIL),
        ([finding(Verdict.FAIL, known="ticket 7")], Verdict.SKIP),
        (
            [finding(Verdict.FAIL, known="ticket 7"), finding(Verdict.PASS)],
            Verdict.PASS,
        ),
    ],
)
def test_check_sums_its_findings_and_skips_known_failures(
    findings: list[Finding], verdict: Verdict
) -> None:
    """Without findings a check is UNKNOWN; a known failure counts as SKIP."""
    record = CheckFinished(at=1.0, suite="s", check="c", took=0.1, findings=findings)
    assert record.verdict is verdict


def test_record_does_not_change() -> None:
    """Evidence is not edited."""
    with pytest.raises(AttributeError):
        RunFinished(at=1.0).at = 2.0  # type: ignore[misc]
