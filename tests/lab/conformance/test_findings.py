"""Findings of rows."""

from wavetank.evidence import Finding, Verdict
from wavetank.lab.conformance.case import Case, Level, Outcome, ping
from wavetank.lab.conformance.findings import finding_of
from wavetank.lab.conformance.judge import Judgement

ROW = Case(
    id="T.1",
    title="It is played.",
    clause="RFC 6455 5",
    level=Level.SHOULD,
    steps=(ping(),),
    outcomes=(Outcome(),),
)


def test_a_row_that_was_judged_says_all() -> None:
    """What it rests on, what was to come, what came, and how long it took."""
    judgement = Judgement(
        verdict=Verdict.PASS, expected="a pong", seen="two pongs", note="one is enough"
    )
    assert finding_of(ROW, judgement, took=0.5, code=1000) == Finding(
        verdict=Verdict.PASS,
        title="T.1 It is played.",
        expected="a pong",
        seen="two pongs",
        clause="RFC 6455 5 (SHOULD)",
        note="one is enough",
        took=0.5,
        code=1000,
    )


def test_a_row_that_was_skipped_says_why() -> None:
    """And nothing else."""
    assert finding_of(ROW, None, skipped="it has no echo") == Finding(
        verdict=Verdict.SKIP, title="T.1 It is played.", seen="it has no echo"
    )
