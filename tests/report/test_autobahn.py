"""index.json says with Autobahn's words what a run came to."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from wavetank.evidence import Finding, Record, Summary, Verdict, fold
from wavetank.report.autobahn import autobahn_files

Played = Callable[..., Summary]

FIELDS = {"behavior", "behaviorClose", "duration", "remoteCloseCode", "reportfile"}
BAD_EVERYWHERE = "FAILED"
"""Readers of such files look for this word, or for all but a list of good ones."""


def index_of(summary: Summary, agent: str = "x") -> dict[str, dict[str, Any]]:
    """Return the cases of the only agent of the index."""
    index = json.loads(autobahn_files(summary, agent=agent)["index.json"])
    assert list(index) == [agent]
    cases: dict[str, dict[str, Any]] = index[agent]
    return cases


@pytest.mark.parametrize(
    ("finding", "behavior", "behavior_close"),
    [
        (Finding(verdict=Verdict.PASS, title="1.1 x"), "OK", "OK"),
        (Finding(verdict=Verdict.PASS, title="1.1 x", note="n"), "NON-STRICT", "OK"),
        (Finding(verdict=Verdict.FAIL, title="1.1 x"), "FAILED", "FAILED"),
        (Finding(verdict=Verdict.UNKNOWN, title="1.1 x"), "FAILED", "FAILED"),
        (Finding(verdict=Verdict.SKIP, title="1.1 x"), "UNIMPLEMENTED", "OK"),
        (
            Finding(verdict=Verdict.FAIL, title="1.1 x", known="k"),
            "INFORMATIONAL",
            "INFORMATIONAL",
        ),
    ],
)
def test_verdicts_have_words_of_autobahn(
    played: Played, finding: Finding, behavior: str, behavior_close: str
) -> None:
    """UNKNOWN is FAILED: readers know no other word that is never green."""
    case = index_of(played([finding, PASSED]))["1.1"]
    assert set(case) == FIELDS
    assert (case["behavior"], case["behaviorClose"]) == (behavior, behavior_close)


PASSED = Finding(verdict=Verdict.PASS, title="C.12 It closes.", took=0.0126, code=1000)


def test_time_and_close_code_are_those_of_the_evidence(played: Played) -> None:
    """Milliseconds, as Autobahn has them; what was not seen is 0, or null."""
    untold = Finding(verdict=Verdict.PASS, title="C.13 It closes.")
    cases = index_of(played([PASSED, untold]))
    assert (cases["C.12"]["duration"], cases["C.12"]["remoteCloseCode"]) == (13, 1000)
    assert (cases["C.13"]["duration"], cases["C.13"]["remoteCloseCode"]) == (0, None)


def test_the_report_of_a_case_is_a_file_that_is_there(played: Played) -> None:
    """Under Autobahn's names, and with what Autobahn has not."""
    failed = Finding(
        verdict=Verdict.FAIL,
        title="6.3.1 Bad text fails.",
        expected="the connection failed with 1007",
        seen="text of 4 bytes",
        clause="RFC 6455 8.1 (MUST)",
    )
    summary = played([failed])
    files = autobahn_files(summary, agent="My Server/2")
    name = json.loads(files["index.json"])["My Server/2"]["6.3.1"]["reportfile"]
    assert name == "autobahn/my_server_2_case_6_3_1.json"
    assert json.loads(files[name]) == {
        "id": "6.3.1",
        "description": "Bad text fails.",
        "expectation": "the connection failed with 1007",
        "result": "text of 4 bytes",
        "clause": "RFC 6455 8.1 (MUST)",
        "note": "",
        "verdict": "FAIL",
        "agent": "My Server/2",
        "behavior": "FAILED",
        "behaviorClose": "FAILED",
        "duration": 0,
        "remoteCloseCode": None,
    }


@pytest.mark.parametrize("is_first", [True, False])
def test_a_case_that_comes_twice_is_as_bad_as_its_worst(
    played: Played, *, is_first: bool
) -> None:
    """A rule may be broken in one group, and kept in another."""
    bad = Finding(verdict=Verdict.FAIL, title="S.1 No frame is masked.")
    good = Finding(verdict=Verdict.PASS, title="S.1 No frame is masked.")
    groups = ([bad], [good]) if is_first else ([good], [bad])
    assert index_of(played(*groups))["S.1"]["behavior"] == "FAILED"


def test_what_is_wrong_beyond_the_cases_is_a_case(played: Played) -> None:
    """A crash, a group that did not run, a run that was cut: nothing of it is green."""
    crashed = Finding(verdict=Verdict.UNKNOWN, title="the check itself works")
    fine = Finding(verdict=Verdict.PASS, title="all is well")
    summary = played([crashed], [fine], planned=["conformance.unicode"])
    cases = index_of(summary)
    assert {name: case["behavior"] for name, case in cases.items()} == {
        "conformance.framing": BAD_EVERYWHERE,
        "conformance.unicode": BAD_EVERYWHERE,
        "run": BAD_EVERYWHERE,
    }


def test_a_group_that_was_skipped_is_unimplemented(played: Played) -> None:
    """The whole of it."""
    skipped = Finding(verdict=Verdict.SKIP, title="deflate", seen="the target lacks it")
    cases = index_of(played([skipped], [PASSED]))
    assert cases["conformance.framing"]["behavior"] == "UNIMPLEMENTED"


def test_a_run_in_which_nothing_happened_is_not_green() -> None:
    """Autobahn's index is empty then, and everything that reads it passes."""
    cases = index_of(fold([]))
    assert cases["run"]["behavior"] == BAD_EVERYWHERE


@pytest.mark.parametrize(
    ("target", "agent", "stem"),
    [
        ("python app.py {port}", "python app.py {port}", "python_app_py_port"),
        ("", "conformance_1", "conformance_1"),
        ("é", "é", "target"),
        ("x" * 300, "x" * 300, "x" * 60),
    ],
)
def test_the_agent_is_named_after_the_target(
    played: Played, target: str, agent: str, stem: str
) -> None:
    """And its files are, as far as a file can be called like it."""
    files = autobahn_files(played([PASSED], target=target))
    assert list(json.loads(files["index.json"])) == [agent]
    assert f"autobahn/{stem}_case_c_12.json" in files


def test_hostile_text_stays_text(
    played: Played, hostile: str, poisoned: list[Record]
) -> None:
    """Names of files hold nothing that leads elsewhere; texts are ASCII."""
    finding = Finding(
        verdict=Verdict.FAIL,
        title=f"1.1 {hostile}",
        seen=hostile,
        expected=hostile,
        note=hostile,
        clause=hostile,
    )
    for summary in (played([finding]), fold(poisoned)):
        files = autobahn_files(summary, agent=f"../../{hostile}")
        for name, text in files.items():
            assert text.isascii()
            folder, _, file = name.rpartition("/")
            assert folder in {"", "autobahn"}
            assert set(file) <= set("abcdefghijklmnopqrstuvwxyz0123456789_.")
            assert ".." not in file
