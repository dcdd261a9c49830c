"""Which suites and checks names stand for."""

import pytest

from wavetank.lab.options import OPTIONS
from wavetank.lab.selection import (
    PLAYS_FAULTS,
    indispensable,
    name_of,
    select,
    switched_on,
    unasked,
)
from wavetank.settings import resolve

CATALOGUE = {
    "basics": ["basic_connection", "message_validation", "load"],
    "connectivity": ["handshake"],
    "core": ["message_validation", "broadcast"],
}
EVERY = tuple(CATALOGUE)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("tests/integration/websocket/test_websocket_v2_core.py", "core"),
        ("test_websocket_v2_self_healing.py", "self_healing"),
        ("test_basic_connection.py", "basic_connection"),
        ("test_websocket_load.py", "load"),
        ("core", "core"),
        ("/a/b.c/test_core.py", "core"),
    ],
)
def test_a_file_of_the_catalogue_stands_for_a_suite_or_a_check(
    file: str, name: str
) -> None:
    """Folder, ending and the catalogue's prefixes do not count."""
    assert name_of(file) == name


@pytest.mark.parametrize(
    ("names", "suites", "checks"),
    [
        ([], EVERY, set()),
        (["connectivity"], ("connectivity",), {"connectivity.handshake"}),
        (
            # In the catalogue's order, whatever was typed first.
            ["core.broadcast", "basics.load"],
            ("basics", "core"),
            {"core.broadcast", "basics.load"},
        ),
        (["handshake"], ("connectivity",), {"connectivity.handshake"}),
        (
            ["message_validation"],
            ("basics", "core"),
            {"basics.message_validation", "core.message_validation"},
        ),
        (
            ["core", "core.broadcast"],
            ("core",),
            {"core.message_validation", "core.broadcast"},
        ),
        (
            ["core.broadcast", "connectivity"],
            ("connectivity", "core"),
            {"core.broadcast", "connectivity.handshake"},
        ),
    ],
)
def test_names_select_suites_and_checks(
    names: list[str], suites: tuple[str, ...], checks: set[str]
) -> None:
    """A suite is all of its checks; a bare check is each check of that name."""
    problems: list[str] = []
    assert select(names, CATALOGUE, problems) == (suites, checks)
    assert not problems


def test_unknown_names_are_all_told_with_the_nearest() -> None:
    """Each has a problem of its own, and the good ones beside them do not matter."""
    problems: list[str] = []
    select(["bassics", "core.brodcast", "hanshake", "core", "zzz"], CATALOGUE, problems)
    assert len(problems) == 4
    for problem, near in zip(
        problems, ["basics", "core.broadcast", "handshake"], strict=False
    ):
        assert f"did you mean {near}?" in problem
    assert problems[3].startswith("suite zzz: there is no such suite or check")
    assert "did you mean" not in problems[3]


@pytest.mark.parametrize(
    ("environ", "suites"),
    [
        ({}, EVERY),
        ({"RUN_CONNECTIVITY": ""}, EVERY),
        ({"RUN_CONNECTIVITY": "true"}, EVERY),
        ({"RUN_CONNECTIVITY": "false"}, ("basics", "core")),
        ({"RUN_CONNECTIVITY": "0", "RUN_LOAD_TESTS": "no"}, ("basics", "core")),
        ({"RUN_BASICS": "false"}, EVERY),
    ],
)
def test_variables_switch_suites_off(
    environ: dict[str, str], suites: tuple[str, ...]
) -> None:
    """True and nothing leave a suite on; a variable that is not ours says nothing."""
    problems: list[str] = []
    notes: list[str] = []
    assert switched_on(CATALOGUE, environ, problems, notes) == suites
    assert not problems
    assert not notes


def test_a_variable_that_asks_for_a_missing_suite_is_noted() -> None:
    """What was asked for and did not run is in the report."""
    notes: list[str] = []
    environ = {"RUN_PERFORMANCE": "true", "RUN_INTEGRATION": "false"}
    assert switched_on({"core": []}, environ, [], notes) == ("core",)
    assert notes == ["RUN_PERFORMANCE: this version has no suite performance"]


def test_variables_that_are_neither_true_nor_false_are_all_told() -> None:
    """A typing mistake does not silently run, or leave out, a suite."""
    problems: list[str] = []
    environ = {"RUN_CONNECTIVITY": "yess", "RUN_LOAD_TESTS": "2"}
    assert switched_on(CATALOGUE, environ, problems, []) == EVERY
    assert [problem.partition(":")[0] for problem in problems] == [
        "environment RUN_CONNECTIVITY",
        "environment RUN_LOAD_TESTS",
    ]


@pytest.mark.parametrize(
    ("is_full", "suites"), [(False, ("core",)), (True, ("core", "conformance"))]
)
def test_suites_on_request_run_where_all_is_asked_for(
    is_full: bool, suites: tuple[str, ...]
) -> None:
    """Those that the environment switches off do not."""
    have = {"core": ["broadcast"], "connectivity": ["handshake"], "conformance": ["x"]}
    environ = {"RUN_CONNECTIVITY": "false"}
    assert unasked(have, environ, [], [], is_full=is_full) == suites


@pytest.mark.parametrize(
    ("suites", "checks", "is_there"),
    [
        (("basics", "fault_tolerance"), set(), True),
        (("fault_tolerance",), {PLAYS_FAULTS}, True),
        (("fault_tolerance",), {"fault_tolerance.dashboard_crash"}, False),
        (("basics",), set(), False),
    ],
)
def test_faults_without_the_check_that_plays_them_are_a_mistake(
    suites: tuple[str, ...], checks: set[str], is_there: bool
) -> None:
    """They would do nothing, and nobody would notice."""
    problems: list[str] = []
    settings = resolve(OPTIONS, flags={"faults": "cut at 1s"})
    assert indispensable(settings, suites, checks, problems) == {PLAYS_FAULTS}
    assert len(problems) == (not is_there)
    assert all(PLAYS_FAULTS in problem for problem in problems)


def test_faults_of_a_file_or_a_variable_wait_for_the_runs_that_they_are_for() -> None:
    """Nobody takes them out for a run of other suites."""
    problems: list[str] = []
    settings = resolve(OPTIONS, flags={}, environ={"WAVETANK_FAULTS": "cut at 1s"})
    assert indispensable(settings, ("basics",), (), problems) == frozenset()
    assert problems == []
