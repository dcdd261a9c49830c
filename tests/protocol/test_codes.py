"""Error and close codes: complete tables, and the same ones in the documentation."""

from pathlib import Path

import pytest

from wavetank.protocol import CLOSES, ERRORS, Advice, CloseCode, ErrorCode, advice

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"


def rows(heading, columns):
    """Return the cells of the tables in one section that have so many columns."""
    section = PAGE.read_text("utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if len(row) == columns and row[0] != "code"]


def test_errors_has_a_rule_for_every_code():
    """No code is without meaning, and none stands under another's name."""
    assert list(ERRORS) == list(ErrorCode)
    assert all(rule.code is code and rule.meaning for code, rule in ERRORS.items())


def test_closes_has_a_rule_for_every_code():
    """No code is without meaning, and none stands under another's name."""
    assert list(CLOSES) == list(CloseCode)
    assert all(rule.code is code and rule.meaning for code, rule in CLOSES.items())


def test_errors_are_those_of_the_documentation():
    """The page's table says what the code does, row by row."""
    assert rows("Error codes", 5) == [
        [
            f"`{rule.code}`",
            rule.meaning,
            "yes" if rule.retryable else "no",
            str(rule.close.value) if rule.close else "-",
            str(rule.status),
        ]
        for rule in ERRORS.values()
    ]


def test_closes_are_those_of_the_documentation():
    """The page's table says what the code does, row by row."""
    assert rows("Close codes", 4) == [
        [str(rule.code.value), rule.reason, rule.meaning, rule.advice]
        for rule in CLOSES.values()
    ]


def test_an_error_is_fatal_when_a_close_follows():
    """Fatal errors are those with a close code, and none of them is retryable."""
    fatal = [rule.code for rule in ERRORS.values() if rule.fatal]
    assert fatal == [
        ErrorCode.PROTOCOL_UNSUPPORTED,
        ErrorCode.UNAUTHORIZED,
        ErrorCode.TOKEN_EXPIRED,
    ]
    assert not any(ERRORS[code].retryable for code in fatal)


def test_an_error_over_http_is_a_client_or_server_error():
    """A status is a server's fault exactly where the hub could not do its part."""
    assert all(400 <= rule.status < 600 for rule in ERRORS.values())
    assert [rule.code for rule in ERRORS.values() if rule.status >= 500] == [
        ErrorCode.UNAVAILABLE,
        ErrorCode.INTERNAL,
    ]


def test_close_reasons_fit_into_a_close_frame():
    """RFC 6455 5.5: a control frame has at most 125 bytes, two of them the code."""
    assert all(len(rule.reason.encode()) <= 123 for rule in CLOSES.values())


@pytest.mark.parametrize("rule", CLOSES.values(), ids=lambda rule: rule.code.name)
def test_advice_of_a_range_is_that_of_its_codes(rule):
    """The range of a code carries its advice, also for codes that come later."""
    assert advice(rule.code) is rule.advice
    assert advice(rule.code // 100 * 100 + 99) is rule.advice


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (1000, Advice.BACKOFF),
        (1001, Advice.BACKOFF),
        (1002, Advice.FINAL),
        (1003, Advice.FINAL),
        (1005, Advice.BACKOFF),
        (1006, Advice.BACKOFF),
        (1007, Advice.FINAL),
        (1008, Advice.FINAL),
        (1009, Advice.FINAL),
        (1010, Advice.FINAL),
        (1011, Advice.BACKOFF),
        (1012, Advice.BACKOFF),
        (1013, Advice.BACKOFF),
        (3000, Advice.BACKOFF),
        (4300, Advice.BACKOFF),
        (4999, Advice.BACKOFF),
    ],
)
def test_advice_covers_codes_that_are_not_ours(code, expected):
    """A client mends what it did wrong, and backs off from whatever it cannot name."""
    assert advice(code) is expected
