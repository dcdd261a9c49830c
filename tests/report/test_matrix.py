"""The matrix shows who came to what, and one failure among many is seen."""

import re
from collections.abc import Callable

import pytest
from markdown_it import MarkdownIt  # comes with rich

from wavetank.evidence import Finding, Record, Summary, Verdict, fold
from wavetank.report.blocks import MOST_ROWS, Paragraph
from wavetank.report.matrix import Entry, matrix_html, matrix_markdown

Played = Callable[..., Summary]

PASSED = Finding(verdict=Verdict.PASS, title="1.1.1 An empty text comes back.")
NOTED = Finding(
    verdict=Verdict.PASS,
    title="3.2 RSV1 fails.",
    seen="TCP ended",
    clause="RFC 6455 5.2 (MUST)",
    note="it should send a close frame",
)
FAILED = Finding(
    verdict=Verdict.FAIL,
    title="C.7 A close code of 0 fails.",
    seen="its answer with 0",
    clause="RFC 6455 7.4 (MUST)",
)
UNKNOWN = Finding(verdict=Verdict.UNKNOWN, title="C.8 Another.", seen="not reached")
SKIPPED = Finding(verdict=Verdict.SKIP, title="1.2.1 Bytes.", seen="no binary echo")
KNOWN = Finding(verdict=Verdict.FAIL, title="C.9 One more.", seen="x", known="ticket 7")


def rows(page: str) -> list[str]:
    """Return the rows of the first table of a page in Markdown."""
    table = page.split("|---", 1)[1].split("\n\n", 1)[0]
    return table.replace("\\-", "-").splitlines()[1:]


def test_a_row_is_a_server_and_a_column_a_group(played: Played) -> None:
    """Where all cases passed, their number stands alone."""
    summary = played([PASSED, PASSED], [PASSED])
    page = matrix_markdown([Entry(name="hub", summary=summary)])
    assert "| Server | Verdict | All | framing | close_matrix |" in page
    assert rows(page) == ["| hub | PASS | 3 | 2 | 1 |"]
    assert "All that was played passed, without a note." in page


def test_each_cell_tells_the_worst_first(played: Played) -> None:
    """A failure stands out; nothing is left out."""
    summary = played([PASSED, SKIPPED, NOTED, PASSED], [KNOWN, FAILED, UNKNOWN, PASSED])
    (row,) = rows(matrix_markdown([Entry(name="x", summary=summary)]))
    assert row == (
        "| x | **FAIL** "
        "| **1 failed**, 1 unknown, 1 known failure, 1 noted, 3, 1 skipped "
        "| 1 noted, 2, 1 skipped "
        "| **1 failed**, 1 unknown, 1 known failure, 1 |"
    )


def test_what_did_not_simply_pass_is_told_below(played: Played) -> None:
    """Failures one by one; notes and reasons to skip once, with their cases."""
    again = Finding(
        verdict=Verdict.PASS, title="3.3 RSV2 fails.", note=NOTED.note, clause="RFC 1"
    )
    page = matrix_markdown(
        [Entry(name="x", summary=played([NOTED, again, SKIPPED], [FAILED, KNOWN]))]
    )
    assert (
        "| `C.7` | close_matrix | **FAIL** | A close code of 0 fails. "
        "| its answer with 0 | RFC 6455 7.4 (MUST) |" in page
    )
    assert "x (known failure: ticket 7)" in page
    assert "2 cases passed with a note:" in page
    assert (
        "| it should send a close frame | 3.2, 3.3 | RFC 6455 5.2 (MUST), RFC 1 |"
        in page
    )
    assert "| no binary echo | 1.2.1 |  |" in page
    assert "without a note" not in page


def test_groups_that_one_server_has_not_played_are_empty_there(played: Played) -> None:
    """Columns are those of all; what was planned and not run is told apart."""
    whole = played([PASSED], [PASSED])
    part = played([PASSED], planned=["conformance.framing", "conformance.close_matrix"])
    other = played([PASSED], names=("masking",))
    entries = [
        Entry(name=name, summary=summary)
        for name, summary in (("part", part), ("whole", whole), ("other", other))
    ]
    page = matrix_markdown(entries)
    assert "| All | framing | close_matrix | masking |" in page
    assert rows(page) == [
        "| part | UNKNOWN | 1 | 1 | not run | - |",
        "| whole | PASS | 2 | 1 | 1 | - |",
        "| other | PASS | 1 | - | - | 1 |",
    ]
    assert "- 1 check was planned and did not run" in page


def test_a_server_that_never_got_ready_has_its_row(played: Played) -> None:
    """It is UNKNOWN, and the reason stands below; it is not left out."""
    page = matrix_markdown([Entry(name="gone", summary=played())])
    assert rows(page) == ["| gone | UNKNOWN | - |"]
    assert "- nothing was checked" in page
    assert "passed, without a note" not in page


def test_a_group_that_nobody_played_and_that_was_planned_has_a_column(
    played: Played,
) -> None:
    """Else nobody would miss it."""
    page = matrix_markdown(
        [Entry(name="x", summary=played(planned=["conformance.unicode"]))]
    )
    assert rows(page) == ["| x | UNKNOWN | - | not run |"]


def test_clients_have_a_matrix_of_their_own(played: Played) -> None:
    """What tests servers and what tests clients is not mixed."""
    page = matrix_markdown(
        [
            Entry(name="a client", summary=played([FAILED], suite="clients")),
            Entry(name="a server", summary=played([PASSED])),
        ]
    )
    servers, clients = page.split("## The clients")
    assert "a server | PASS" in servers
    assert "a client" not in servers
    assert "| Client | Verdict | All | framing |" in clients
    assert "| a client | **FAIL** | **1 failed** | **1 failed** |" in clients


def test_runs_without_cases_make_no_table(passed: Summary) -> None:
    """Another suite has no place here."""
    entry = Entry(name="core", summary=passed)
    assert not entry.has_cases
    page = matrix_markdown([entry])
    assert page == "# Conformance, case by case\n"


def test_the_page_says_what_each_server_is(played: Played) -> None:
    """Given by whoever makes the page; else how it speaks."""
    entry = Entry(name="x", summary=played([PASSED]), about="aiohttp 3.14")
    page = matrix_markdown([entry], intro=[Paragraph("Made by hand.")])
    assert page.startswith("# Conformance, case by case\n\nMade by hand.\n\n")
    assert (
        "| x | aiohttp 3.14 | `python app.py {port}` | 2026-09-21 14:13:20 UTC | 3.00 s"
        in page
    )
    assert "| y | \\- | " in matrix_markdown(
        [Entry(name="y", summary=played([PASSED]))]
    )


def test_many_cases_of_one_kind_are_counted(played: Played) -> None:
    """A page stays a page: forty ids, and as many rows as a report bears."""
    notes = [
        Finding(verdict=Verdict.PASS, title=f"9.{number} x", note="slow")
        for number in range(45)
    ]
    failed = [
        Finding(verdict=Verdict.FAIL, title=f"9.{number} x")
        for number in range(MOST_ROWS + 1)
    ]
    page = matrix_markdown([Entry(name="x", summary=played(notes, failed))])
    assert "9.38, 9.39 and 5 more |" in page
    assert "And 1 more: see test" in page


def test_html_colours_what_is_not_green(played: Played) -> None:
    """One page that needs nothing else, with the same rows."""
    summary = played([PASSED, SKIPPED], [FAILED, UNKNOWN])
    page = matrix_html([Entry(name="x", summary=summary)])
    assert page.startswith("<!doctype html>")
    assert "<title>Conformance, case by case</title>" in page
    for verdict, words in (
        ("FAIL", "1 failed"),
        ("UNKNOWN", "1 unknown"),
        ("SKIP", "1 skipped"),
        ("PASS", "1"),
    ):
        assert f'<span class="count {verdict}">{words}</span>' in page


@pytest.mark.parametrize("write", [matrix_markdown, matrix_html])
def test_hostile_text_stays_text(
    poisoned: list[Record], played: Played, hostile: str, write: Callable
) -> None:
    """What a server says can break neither a table nor a page."""
    findings = [
        Finding(
            verdict=verdict,
            title=f"1.1 {hostile}",
            seen=hostile * 100,
            clause=hostile,
            note=hostile,
            known=known,
        )
        for verdict in Verdict
        for known in ("", hostile)
    ]
    entries = [
        Entry(name=hostile, summary=played(findings), about=hostile),
        Entry(name="other", summary=fold(poisoned)),
    ]
    page = write(entries)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e\ud800]", page)
    assert "<script" not in page.replace("\\<", "")
    if write is matrix_markdown:
        rendered = MarkdownIt("commonmark").enable("table").render(page)
        for table in re.findall("<table>.*?</table>", rendered, re.DOTALL):
            lines = re.findall("<tr>.*?</tr>", table, re.DOTALL)
            assert len({len(re.findall("<t[hd]", line)) for line in lines}) == 1
