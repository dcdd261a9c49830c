"""junit.xml is read by any continuous integration, and is never too green."""

import xml.etree.ElementTree as ET

import pytest

from wavetank.evidence import Record, Summary, fold
from wavetank.report.junit import junit_xml


def result_of(case: ET.Element) -> tuple[str, str]:
    """Return the result element of a test case and its message."""
    if not len(case):
        return "passed", ""
    (result,) = case
    return result.tag, result.get("message", "")


def test_junit_has_a_test_case_for_each_check(summary: Summary) -> None:
    """FAIL is a failure, UNKNOWN an error, SKIP skipped with its reason."""
    root = ET.fromstring(junit_xml(summary))
    assert root.tag == "testsuites"
    cases = {
        f"{case.get('classname')}.{case.get('name')}": result_of(case)
        for case in root.iter("testcase")
    }
    assert cases == {
        "core.broadcast": ("passed", ""),
        "core.reconnection": ("failure", "seq 4 is missing"),
        "load.burst": ("error", "too few values"),
        "security.access_control": ("skipped", "the target lacks: tokens"),
        "security.rate_limiting": (
            "skipped",
            "known failure: ticket 7 (until 2026-12-31)",
        ),
        "run.run": ("failure", "the target died by itself by signal 11 after 4.5 s"),
        "run.load.sustained": ("error", "planned and not run"),
    }


def test_junit_counts_what_it_lists(summary: Summary) -> None:
    """Sums at the suites and at the root fit the test cases."""
    root = ET.fromstring(junit_xml(summary))
    assert root.attrib == {
        "name": "wavetank",
        "tests": "7",
        "failures": "2",
        "errors": "2",
        "time": "2.200",
    }
    core = root[0]
    assert core.attrib == {
        "name": "core",
        "tests": "2",
        "failures": "1",
        "errors": "0",
        "skipped": "0",
        "time": "1.500",
        "timestamp": "2026-09-21T14:13:20",
    }


def test_junit_tells_every_finding_of_a_failure(summary: Summary) -> None:
    """The message is the first; the text has all of them in full."""
    root = ET.fromstring(junit_xml(summary))
    failure = root.find(".//failure")
    assert failure is not None
    assert failure.get("type") == "FAIL"
    assert failure.text == (
        "FAIL Nothing is lost.\n  expected: seq 1 to 9\n  seen: seq 4 is missing\n"
        "  clause: RFC 6455 5.4\nFAIL Nothing is repeated."
    )


def test_junit_of_a_passed_run_has_nothing_beyond_its_checks(passed: Summary) -> None:
    """A green run has green test cases only."""
    root = ET.fromstring(junit_xml(passed))
    assert [suite.get("name") for suite in root] == ["core"]
    assert root.get("failures") == root.get("errors") == "0"


@pytest.mark.parametrize("drop", [1, 100])
def test_junit_of_a_run_without_an_end_or_without_anything_is_an_error(
    records: list[Record], drop: int
) -> None:
    """Zero checks and a cut journal are never green, whoever reads the file."""
    passed = [record for record in records if getattr(record, "check", "") == ""]
    root = ET.fromstring(junit_xml(fold(passed[:-drop], cut=True)))
    assert int(root.get("errors", "0")) + int(root.get("failures", "0")) > 0


def test_junit_is_xml_whatever_the_target_said(poisoned: list[Record]) -> None:
    """Control characters, surrogates and ``]]>`` cannot break it."""
    summary = fold(poisoned)
    text = junit_xml(summary)
    root = ET.fromstring(text.encode())
    assert root.get("tests") == "3"
    assert "\\x1b[31mred" in (root[0].get("name") or "")
    assert root[0].get("timestamp") == "1970-01-01T00:00:00"
    assert len(text) < 100_000


def test_junit_keeps_a_suite_that_is_called_run(records: list[Record]) -> None:
    """What is beyond the checks is added to it, and replaces nothing."""
    summary = fold(records)
    summary.suites["run"] = summary.suites.pop("core")
    root = ET.fromstring(junit_xml(summary))
    names = [case.get("name") for case in root.findall("*[@name='run']/testcase")]
    assert names == ["broadcast", "reconnection", "run", "load.sustained"]
