"""The shape of a summary is public: programs read test_summary.json."""

import msgspec

from wavetank.evidence.finding import Finding
from wavetank.evidence.records import TargetEnded
from wavetank.evidence.shape import Located, Summary, TargetSummary
from wavetank.evidence.verdict import Verdict


def summary(*, end: TargetEnded | None = None, not_ready: str = "") -> Summary:
    """Return a summary of which only the target's end matters."""
    return Summary(
        verdict=Verdict.UNKNOWN,
        reasons=[],
        run="",
        wall=0.0,
        duration=0.0,
        version="",
        seed=0,
        asked=[],
        target=TargetSummary(given=""),
        counts={},
        suites={},
        findings=[],
        skipped=[],
        known=[],
        not_run=[],
        resources={},
        notes=[],
        problems=[],
        target_end=end,
        not_ready=not_ready,
        interrupted=False,
        cut=False,
        machine={},
        options={},
    )


def test_summary_keeps_the_names_and_the_order_of_its_fields() -> None:
    """A program that reads test_summary.json today still does tomorrow."""
    assert list(msgspec.to_builtins(summary())) == [
        "verdict",
        "reasons",
        "run",
        "wall",
        "duration",
        "version",
        "seed",
        "asked",
        "target",
        "counts",
        "suites",
        "findings",
        "skipped",
        "known",
        "not_run",
        "resources",
        "notes",
        "problems",
        "target_end",
        "not_ready",
        "interrupted",
        "cut",
        "machine",
        "options",
        "again",
    ]


def test_target_died_only_when_it_was_ready_and_ended_by_itself() -> None:
    """A target that we ended, or that never was there, did not die."""
    by_itself = TargetEnded(at=1.0, by_lab=False)
    assert summary(end=by_itself).target_died
    assert not summary(end=by_itself, not_ready="it exits at once").target_died
    assert not summary(end=TargetEnded(at=1.0, by_lab=True)).target_died
    assert not summary().target_died


def test_located_finding_names_its_check_as_options_do() -> None:
    """Suite and check with a dot: the name that ``-k`` and excuses use."""
    finding = Finding(verdict=Verdict.PASS, title="x")
    assert Located(suite="core", check="broadcast", finding=finding).name == (
        "core.broadcast"
    )
