"""The terminal shows a line for each check, and the end in a few lines."""

import re
from collections.abc import Callable

import pytest

from wavetank.evidence import CheckFinished, Finding, Record, Summary, Verdict, fold
from wavetank.report.console import check_line, last_block


def finished(*findings: Finding) -> CheckFinished:
    """Return a finished check."""
    return CheckFinished(
        at=1.0, suite="core", check="broadcast", took=0.1234, findings=list(findings)
    )


@pytest.mark.parametrize(
    ("findings", "line"),
    [
        (
            [Finding(verdict=Verdict.PASS, title="x", seen="y")],
            "PASS     core.broadcast  123 ms",
        ),
        (
            [
                Finding(verdict=Verdict.PASS, title="x"),
                Finding(verdict=Verdict.FAIL, title="all hear it", seen="two did not"),
            ],
            "FAIL     core.broadcast  123 ms  two did not",
        ),
        (
            [Finding(verdict=Verdict.UNKNOWN, title="no data")],
            "UNKNOWN  core.broadcast  123 ms  no data",
        ),
        (
            [Finding(verdict=Verdict.SKIP, title="x", seen="lacks: echo")],
            "SKIP     core.broadcast  123 ms  lacks: echo",
        ),
        (
            [Finding(verdict=Verdict.FAIL, title="x", known="ticket 7")],
            "SKIP     core.broadcast  123 ms  known failure: ticket 7",
        ),
        ([], "UNKNOWN  core.broadcast  123 ms  it ended without a finding"),
        (
            [
                Finding(verdict=Verdict.PASS, title="x", note="it should say why"),
                Finding(verdict=Verdict.PASS, title="y"),
            ],
            "PASS     core.broadcast  123 ms  (1 note: it should say why)",
        ),
    ],
)
def test_check_line_begins_with_the_verdict_and_ends_with_the_reason(
    findings: list[Finding], line: str
) -> None:
    """A green check needs no words, but where it could be better."""
    assert check_line(finished(*findings)) == line


def test_last_block_says_verdict_counts_findings_and_where_the_report_is(
    summary: Summary,
) -> None:
    """The three most important findings, in full."""
    assert last_block(summary, folder="results/core_1") == "\n".join(
        [
            "FAIL     1 passed, 1 failed, 1 unknown, 2 skipped, 1 not run in 5.25 s",
            "         the target died by itself by signal 11 after 4.5 s",
            "         1 check was planned and did not run",
            "         the evidence has holes (1)",
            "",
            "FAIL     core.reconnection: Nothing is lost.",
            "         expected: seq 1 to 9",
            "         seen: seq 4 is missing",
            "         rule: RFC 6455 5.4",
            "",
            "FAIL     core.reconnection: Nothing is repeated.",
            "",
            "UNKNOWN  load.burst: p99",
            "         seen: too few values",
            "",
            "report   results/core_1/report.html",
        ]
    )


def test_last_block_of_a_passed_run_is_two_lines(passed: Summary) -> None:
    """Nothing to say is said shortly; without a folder there is no report."""
    assert last_block(passed) == "PASS     1 passed in 3.00 s"
    assert last_block(passed, folder="x").splitlines()[1:] == [
        "",
        "report   x/report.html",
    ]


def test_last_block_counts_the_findings_that_it_leaves_out() -> None:
    """Three are shown; the report has the others."""
    many = [Finding(verdict=Verdict.FAIL, title=str(number)) for number in range(5)]
    lines = last_block(fold([finished(*many)])).splitlines()
    assert lines[-1] == "         and 2 more findings"


def test_console_holds_hostile_text_as_text(poisoned: list[Record]) -> None:
    """No escape sequence reaches the terminal, and no megabyte."""
    texts = [check_line(r) for r in poisoned if isinstance(r, CheckFinished)]
    texts.append(last_block(fold(poisoned), folder=poisoned[0].run))  # type: ignore[union-attr]
    for text in texts:
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e\ud800]", text)
        assert len(text) < 10_000


def test_check_line_of_a_pass_says_what_was_not_looked_at() -> None:
    """Half a check is no whole one."""
    record = CheckFinished(
        at=1.0,
        suite="core",
        check="connection_timeout",
        took=0.006,
        findings=[
            Finding(verdict=Verdict.PASS, title="nobody is delayed"),
            Finding(verdict=Verdict.SKIP, title="letting go", seen="no limit declared"),
        ],
    )
    line = (
        "PASS     core.connection_timeout  6.00 ms  (not all of it: no limit declared)"
    )
    assert check_line(record) == line


def test_last_block_has_a_line_for_each_operation_of_a_load(
    load_of: Callable[..., list[Record]], run_of: Callable[..., list[Record]]
) -> None:
    """How much, and how fast, without opening the report."""
    block = last_block(fold(run_of(load_of(10))))
    assert "\nload     load.sustained echo.request: 100/s for 10.0 s" in block
