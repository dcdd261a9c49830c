"""The ledger of a run: a page for each check, and what all of them have shown."""

import pytest

from wavetank.evidence import Finding, Verdict
from wavetank.lab.auditing import Ledger, Page
from wavetank.lab.conformance.obligations import RULES
from wavetank.wire import Opcode, encode_close, encode_frame, encode_response

OPENED = encode_response(101, [])
MASKED = encode_frame(Opcode.TEXT, b"Hello", mask=b"mask")
PING = encode_frame(Opcode.PING, b"alive")
PONG = encode_frame(Opcode.PONG, b"alive")


@pytest.fixture
def ledger() -> Ledger:
    """An empty ledger; no time passes."""
    return Ledger(lambda: 0.0)


def listened(page: Page, *frames: bytes) -> None:
    """Have a target send these frames on a connection of its own."""
    page.tap().received(OPENED + b"".join(frames))


def by_id(findings: list[Finding]) -> dict[str, Finding]:
    """Return findings by the number of their rule."""
    return {finding.title.partition(" ")[0]: finding for finding in findings}


def test_a_check_is_told_of_the_rules_that_were_broken_on_its_connections(
    ledger: Ledger,
) -> None:
    """Of those alone, and not of what happened to others."""
    page = ledger.page("basics.load")
    listened(page, PING)
    listened(ledger.page("core.broadcast"), encode_frame(0x3))
    assert page.findings() == []
    listened(page, MASKED)
    assert page.findings() == [
        Finding(
            verdict=Verdict.FAIL,
            title="S.1 A server's frames are not masked.",
            seen="once: frame 1 [81 85 6d 61 73 6b] TEXT FIN MASK length 5: "
            "48 65 6c 6c 6f (frames: 2)",
            clause="RFC 6455 5.1 (MUST)",
        )
    ]
    assert repr(page) == "<Page basics.load 2 connections>"


def test_a_page_is_kept_under_its_name(ledger: Ledger) -> None:
    """Whoever asks for it again gets the same."""
    listened(ledger.page("a"))
    assert ledger.page("a").connections == 1
    assert ledger.page("a") is not ledger.page("b")
    assert ledger.connections == 1
    assert repr(ledger) == "<Ledger 2 pages, 1 connections>"


def test_rules_of_which_nothing_was_seen_are_skipped(ledger: Ledger) -> None:
    """Each says what was missing: nothing at all is no success."""
    findings = by_id(ledger.findings())
    assert [*findings] == [rule.id for rule in RULES]
    assert {finding.verdict for finding in findings.values()} == {Verdict.SKIP}
    assert findings["S.12"].seen == "there were no compressed messages"


def test_rules_that_were_kept_say_how_often(ledger: Ledger) -> None:
    """Over all pages."""
    for name in "ab":
        listened(ledger.page(name), PING, encode_frame(Opcode.TEXT, b"x"))
    findings = by_id(ledger.findings())
    assert (findings["S.1"].verdict, findings["S.1"].seen) == ("PASS", "frames: 4")
    assert (findings["S.4"].verdict, findings["S.4"].seen) == (
        "PASS",
        "control frames: 2",
    )
    assert findings["S.9"].verdict is Verdict.SKIP
    assert findings["S.14"].clause == "RFC 6455 7.1.7 (SHOULD)"


def test_a_broken_rule_names_the_checks_and_shows_the_first_few(
    ledger: Ledger,
) -> None:
    """Whoever reads it sees where to look."""
    listened(ledger.page("a.one"), MASKED, MASKED)
    listened(ledger.page("b.two"), *[MASKED] * 1200)
    broken = by_id(ledger.findings())["S.1"]
    assert broken.verdict is Verdict.FAIL
    assert broken.seen.startswith("1,202 times: a.one: frame 1 [")
    assert broken.seen.endswith("(frames: 1,202)")
    assert (broken.seen.count("a.one"), broken.seen.count("b.two")) == (2, 1)


def test_what_is_allowed_and_worth_a_word_is_a_note(ledger: Ledger) -> None:
    """It passes all the same, and no check fails by it."""
    page = ledger.page("a")
    listened(page, PONG)
    assert page.findings() == []
    noted = by_id(ledger.findings())["S.11"]
    assert noted.verdict is Verdict.PASS
    assert noted.note == (
        "once: a: nobody asked for frame 1 [8a 05] PONG FIN length 5: 61 6c 69 76 65"
    )


def test_the_patience_of_a_ledger_is_that_of_its_pages() -> None:
    """TCP that stays open behind both close frames is blamed after it."""
    now = iter([0.0, 3.0])
    ledger = Ledger(lambda: next(now), patience=3.0)
    tap = ledger.page("a").tap()
    close = encode_frame(Opcode.CLOSE, encode_close(1000))
    tap.sent(b"GET / HTTP/1.1\r\n\r\n" + close)
    tap.received(OPENED + close)
    tap.waited()
    (broken,) = ledger.page("a").findings()
    assert broken.title.startswith("S.13 ")
    assert "3.0 s" in broken.seen
