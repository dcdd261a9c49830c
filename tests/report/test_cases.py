"""Findings of case suites are taken apart into ids, sentences and words."""

from collections.abc import Callable

import pytest

from wavetank.evidence import CheckFinished, Finding, Summary, Verdict, fold
from wavetank.report.cases import Came, case_rows

Played = Callable[..., Summary]


@pytest.mark.parametrize(
    ("title", "name", "sentence"),
    [
        ("3.2 RSV1 fails.", "3.2", "RSV1 fails."),
        ("12.1.18 It comes back.", "12.1.18", "It comes back."),
        ("C.12 A close frame.\nTwo lines.", "C.12", "A close frame.\nTwo lines."),
        ("the check ends in time", "", "the check ends in time"),
        ("12 messages came", "", "12 messages came"),
        ("M.", "", "M."),
    ],
)
def test_the_id_of_a_case_begins_its_title(
    played: Played, title: str, name: str, sentence: str
) -> None:
    """What does not begin with one is a finding of the whole group."""
    (row,) = case_rows(played([Finding(verdict=Verdict.PASS, title=title)]))
    assert (row.suite, row.group) == ("conformance", "framing")
    assert (row.id, row.title) == (name, sentence)


@pytest.mark.parametrize(
    ("finding", "came"),
    [
        (Finding(verdict=Verdict.PASS, title="1.1 x"), Came.PASSED),
        (Finding(verdict=Verdict.PASS, title="1.1 x", note="n"), Came.NOTED),
        (Finding(verdict=Verdict.FAIL, title="1.1 x"), Came.FAILED),
        (Finding(verdict=Verdict.FAIL, title="1.1 x", note="n"), Came.FAILED),
        (Finding(verdict=Verdict.FAIL, title="1.1 x", known="k"), Came.KNOWN),
        (Finding(verdict=Verdict.UNKNOWN, title="1.1 x"), Came.UNKNOWN),
        (Finding(verdict=Verdict.SKIP, title="1.1 x"), Came.SKIPPED),
    ],
)
def test_what_a_case_came_to_is_a_word(
    played: Played, finding: Finding, came: Came
) -> None:
    """A note and a known failure have words of their own."""
    (row,) = case_rows(played([finding]))
    assert row.came is came
    assert row.finding == finding


def test_other_suites_have_no_cases() -> None:
    """Whatever their findings begin with."""
    finding = Finding(verdict=Verdict.FAIL, title="S.1 It is masked.")
    record = CheckFinished(
        at=1.0, suite="core", check="broadcast", took=1.0, findings=[finding]
    )
    assert list(case_rows(fold([record]))) == []
