"""A check's notebook: findings, figures, and what they come to."""

import pytest

from wavetank.clock import VirtualClock
from wavetank.evidence import (
    CheckFinished,
    FigureMeasured,
    Finding,
    Histogram,
    HistogramTaken,
    LoadSampled,
    Noted,
    Record,
    Verdict,
)
from wavetank.lab.notebook import Notebook

PASS = Finding(verdict=Verdict.PASS, title="fine")
SKIP = Finding(verdict=Verdict.SKIP, title="left out", seen="no need")
UNKNOWN = Finding(verdict=Verdict.UNKNOWN, title="unclear", seen="no data")
FAIL = Finding(verdict=Verdict.FAIL, title="broken", expected="a", seen="b")


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that the test moves."""
    return VirtualClock(now=10.0)


@pytest.fixture
def notebook(clock: VirtualClock, records: list[Record]) -> Notebook:
    """An empty notebook."""
    return Notebook(
        suite="core", check="broadcast", record=records.append, now=clock.now
    )


def test_a_notebook_keeps_what_was_expected_and_seen(notebook: Notebook) -> None:
    """`expect` returns what holds, and goes on either way."""
    assert notebook.expect(True, "the status is 101", expected="101", seen=101)
    assert not notebook.expect(False, "it closes", seen=None, clause="RFC 6455 5.1")
    assert notebook.findings == [
        Finding(
            verdict=Verdict.PASS, title="the status is 101", expected="101", seen="101"
        ),
        Finding(
            verdict=Verdict.FAIL, title="it closes", seen="None", clause="RFC 6455 5.1"
        ),
    ]
    assert notebook.verdict is Verdict.FAIL
    assert repr(notebook) == "<Notebook core.broadcast FAIL>"


def test_a_notebook_keeps_what_could_not_be_judged_and_what_was_left_out(
    notebook: Notebook,
) -> None:
    """Both carry their reason."""
    notebook.skip("the target lacks: tls")
    assert notebook.verdict is Verdict.SKIP
    notebook.unknown("it ends in time", seen=TimeoutError("late"), expected="an end")
    assert notebook.verdict is Verdict.UNKNOWN
    assert notebook.findings == [
        Finding(verdict=Verdict.SKIP, title="broadcast", seen="the target lacks: tls"),
        Finding(
            verdict=Verdict.UNKNOWN,
            title="it ends in time",
            expected="an end",
            seen="late",
        ),
    ]


def test_a_notebook_records_figures_latencies_and_notes_as_they_come(
    notebook: Notebook, clock: VirtualClock, records: list[Record]
) -> None:
    """They are records of their own, at their own time."""
    histogram = Histogram()
    histogram.record(0.25)
    notebook.figure("rate", 12.5, "messages/s")
    clock.advance(1)
    notebook.latencies("round trip", histogram)
    notebook.note("nothing was tried")
    assert records == [
        FigureMeasured(
            at=10.0,
            suite="core",
            check="broadcast",
            name="rate",
            value=12.5,
            unit="messages/s",
        ),
        HistogramTaken(
            at=11.0,
            suite="core",
            check="broadcast",
            name="round trip",
            histogram=histogram.encode(),
        ),
        Noted(at=11.0, text="broadcast: nothing was tried"),
    ]


def test_a_notebook_finishes_with_its_findings_and_how_long_it_took(
    notebook: Notebook, clock: VirtualClock
) -> None:
    """The record is returned; whoever finishes writes it down."""
    notebook.add(PASS)
    clock.advance(2.5)
    assert notebook.finish() == CheckFinished(
        at=12.5, suite="core", check="broadcast", took=2.5, findings=[PASS]
    )


def test_a_notebook_in_which_nothing_stands_is_unknown(notebook: Notebook) -> None:
    """A check that looked at nothing is never green."""
    assert notebook.verdict is Verdict.UNKNOWN
    (finding,) = notebook.finish().findings
    assert finding.verdict is Verdict.UNKNOWN
    assert finding == notebook.worst()


@pytest.mark.parametrize(
    ("findings", "worst"),
    [
        ([PASS], PASS),
        ([PASS, SKIP], SKIP),
        ([SKIP, UNKNOWN, PASS], UNKNOWN),
        ([UNKNOWN, FAIL, PASS, Finding(verdict=Verdict.FAIL, title="later")], FAIL),
    ],
)
def test_a_notebook_names_the_finding_that_decides(
    notebook: Notebook, findings: list[Finding], worst: Finding
) -> None:
    """The first FAIL, else UNKNOWN, else any."""
    notebook.add(*findings)
    assert notebook.worst() == worst


def test_a_known_failure_is_marked_and_only_a_failure(notebook: Notebook) -> None:
    """What could not be judged is not excused by it."""
    notebook.add(PASS, UNKNOWN, FAIL)
    finished = notebook.finish(known="bug 7")
    assert [finding.known for finding in finished.findings] == ["", "", "bug 7"]
    assert finished.findings[2].seen == FAIL.seen
    assert finished.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("late", "kept"),
    [
        ([PASS], 0),
        ([SKIP], 0),
        ([UNKNOWN], 1),
        ([FAIL], 1),
        ([UNKNOWN, FAIL, UNKNOWN, FAIL], 2),
    ],
)
def test_a_full_notebook_still_takes_what_changes_the_verdict(
    notebook: Notebook, late: list[Finding], kept: int
) -> None:
    """A doubt that came late was once dropped, and the check was green."""
    notebook.add(*[PASS] * 1000)
    full = len(notebook.findings)
    assert full < 1000
    notebook.add(*late)
    assert len(notebook.findings) == full + kept


def test_a_full_notebook_of_failures_stays_as_it_is(notebook: Notebook) -> None:
    """A hostile target does not make the journal grow without bound."""
    notebook.add(*[FAIL] * 1000)
    full = len(notebook.findings)
    notebook.add(FAIL, UNKNOWN, PASS)
    assert len(notebook.findings) == full
    assert notebook.verdict is Verdict.FAIL


def test_a_notebook_records_the_seconds_of_a_load(
    notebook: Notebook, records: list[Record]
) -> None:
    """When, and of which check they are, it says itself."""
    notebook.sampled(
        LoadSampled, since=1.0, took=1.0, scenario="x", operation="ping", counts={}
    )
    assert records == [
        LoadSampled(
            at=10.0,
            suite="core",
            check="broadcast",
            since=1.0,
            took=1.0,
            scenario="x",
            operation="ping",
        )
    ]


def test_a_notebook_that_begins_again_keeps_its_note_and_nothing_else(
    notebook: Notebook, records: list[Record]
) -> None:
    """The first reason is told; a second beginning is the last one."""
    notebook.add(UNKNOWN)
    assert not notebook.may_look_again()
    notebook.blame("it stood still")
    notebook.blame("it was busy, too")
    assert notebook.may_look_again()
    notebook.look_again()
    assert (notebook.looks, notebook.findings) == (2, [])
    assert records == [
        Noted(
            at=10.0,
            text="broadcast: looked at once more, for the lab itself was to blame: "
            "it stood still",
        )
    ]
    notebook.add(UNKNOWN)
    notebook.blame("it stood still")
    assert not notebook.may_look_again()
