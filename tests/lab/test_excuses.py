"""Known failures: each with a reason and an end."""

import datetime

import pytest

from wavetank.errors import UsageError
from wavetank.lab.excuses import Excuse, excuses, read_known_failures

TODAY = datetime.date(2026, 5, 2)
KNOWN = ["basics.load", "core.broadcast"]


def row(check: str = "core.broadcast", reason: str = "bug 7", until: str = "") -> str:
    """Write one row; by default it is a good one."""
    return f"""
[[known]]
check = "{check}"
reason = "{reason}"
until = {until or "2026-05-02"}
"""


def judged(text: str) -> tuple[dict[str, Excuse], list[str], list[str]]:
    """Return what holds, the problems and the notes."""
    problems: list[str] = []
    notes: list[str] = []
    holding = excuses(
        ("known.toml", text), KNOWN, today=TODAY, problems=problems, notes=notes
    )
    return holding, problems, notes


def test_a_known_failure_holds_through_its_last_day() -> None:
    """The day that ``until`` names is one on which it is let through."""
    holding, problems, notes = judged(row())
    assert holding == {
        "core.broadcast": Excuse(check="core.broadcast", reason="bug 7", until=TODAY)
    }
    assert not problems
    assert not notes


def test_no_file_excuses_nothing() -> None:
    """Without the option there are neither excuses nor problems."""
    assert excuses(None, KNOWN, today=TODAY, problems=[], notes=[]) == {}
    assert judged("") == ({}, [], [])


def test_a_known_failure_past_its_end_holds_no_more_and_is_noted() -> None:
    """The check fails the run again, and the report says why."""
    holding, problems, notes = judged(row(until="2026-05-01"))
    assert holding == {}
    assert problems == []
    assert notes == ["known.toml: the excuse of core.broadcast ended on 2026-05-01"]


def test_every_bad_row_is_told_and_the_good_ones_hold() -> None:
    """A check that is not there is named with the nearest, a reason is demanded."""
    text = row("core.brodcast") + row("zz") + row(reason=" ") + row("basics.load")
    holding, problems, _ = judged(text)
    assert list(holding) == ["basics.load"]
    assert problems == [
        "known.toml: there is no check core.brodcast; did you mean core.broadcast?",
        "known.toml: there is no check zz",
        "known.toml: core.broadcast has no reason; say why it is let through",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[[known]",
        "[[known]]\ncheck = 'core.broadcast'",
        "[[known]]\ncheck = 'a'\nreason = 'b'",
        "[[known]]\ncheck = 'a'\nuntil = 2026-01-01",
        row(until="'soon'"),
        row(until="2026-02-30"),
        row() + "because = 'x'",
        "[[knwon]]\ncheck = 'a'",
        "known = 7",
    ],
)
def test_a_file_that_is_not_one_is_a_usage_error_with_its_form(text: str) -> None:
    """TOML that cannot be read, a missing or unknown key, a date that is none."""
    with pytest.raises(UsageError, match=r"known\.toml: .*\[\[known\]\]") as caught:
        read_known_failures("known.toml", text)
    holding, problems, _ = judged(text)
    assert holding == {}
    assert problems == list(caught.value.problems)
