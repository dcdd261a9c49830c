"""`./check` runs every step, and tells at the end what held and what was skipped."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import checks
from checks import Need, Outcome, Skip, Step, main, read_needs, run_step, unexcused

ROOT = Path(__file__).resolve().parent.parent.parent

SKIP = Skip(test="tests/a.py::test_b", reason="needs redis-server")
NEED = """
[[need]]
tests = "tests/a.py::*"
reason = "needs redis*"
because = "the memory log is proven everywhere"
"""


def python(code: str) -> tuple[str, ...]:
    """Return a command that runs a line of Python."""
    return (sys.executable, "-c", code)


def telling(told: dict[str, Any], code: int = 0) -> tuple[str, ...]:
    """Return a command that plays pytest: it writes outcomes down and ends."""
    return python(
        "import os, pathlib, sys;"
        "file = pathlib.Path(os.environ['CHECK_OUTCOMES']);"
        f"file.write_text({json.dumps(told)!r}); sys.exit({code})"
    )


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with a list of machine needs."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "machine_needs.toml").write_text(NEED)
    monkeypatch.chdir(tmp_path)


def test_a_step_counts_as_one_where_it_has_no_tests() -> None:
    """A command without tests of its own passes or fails as a whole."""
    step = Step(commands=(python(""), python("raise SystemExit(3)"), python("")))
    outcome = run_step("style", step, limit=60)
    assert (outcome.passed, outcome.failed) == (2, 1)
    assert outcome.problem == "exit code 3"


def test_a_step_tells_what_its_tests_wrote_down() -> None:
    """Counts and skips of all its commands are added up."""
    skip = {"test": SKIP.test, "reason": SKIP.reason}
    step = Step(
        commands=(
            telling({"passed": 3, "failed": 0, "skipped": [skip]}),
            telling({"passed": 1, "failed": 2, "skipped": []}, code=1),
        )
    )
    outcome = run_step("tests", step, limit=60)
    assert (outcome.passed, outcome.failed, outcome.skips) == (4, 2, (SKIP,))
    assert outcome.problem == "exit code 1"


def test_a_step_keeps_what_python_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the caller does not: each of its processes would compile all of it."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    code = "import sys; raise SystemExit(sys.dont_write_bytecode)"
    assert run_step("style", Step(commands=(python(code),)), limit=60).passed == 1


def test_a_step_that_breaks_before_its_tests_has_failed() -> None:
    """An error in a conftest is no failed test, and still a failure."""
    told = {"passed": 0, "failed": 0, "skipped": []}
    outcome = run_step("tests", Step(commands=(telling(told, code=4),)), limit=60)
    assert (outcome.passed, outcome.failed) == (0, 1)


@pytest.mark.parametrize(("may_be_empty", "failed"), [(True, 0), (False, 1)])
def test_a_step_without_a_test_fails_unless_it_may(
    may_be_empty: bool, failed: int
) -> None:
    """Nothing looked at is not success; only the long tests may still be missing."""
    step = Step(
        commands=(telling({"passed": 0, "failed": 0, "skipped": []}, code=5),),
        may_be_empty=may_be_empty,
    )
    assert run_step("long", step, limit=60).failed == failed


def test_a_step_that_takes_too_long_is_stopped_and_failed() -> None:
    """What was cut was not proven."""
    endless = "import signal; signal.pause()"
    outcome = run_step("long", Step(commands=(python(endless),)), limit=0.2)
    assert outcome.problem == "stopped after 0.00333333 minutes"
    assert outcome.failed == 1


def test_a_step_that_ignores_its_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hanging test cannot keep the run from its end."""
    monkeypatch.setattr(checks, "_GRACE", 0.1)
    deaf = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN);"
        "print('deaf', flush=True)\nwhile True: signal.pause()"
    )
    outcome = run_step("long", Step(commands=(python(deaf),)), limit=1)
    assert outcome.failed == 1


def test_a_skip_is_excused_by_a_need_that_names_test_and_reason() -> None:
    """Both have to fit: another reason, or another test, is a failure."""
    needs = read_needs(NEED)
    assert needs == [
        Need(
            tests="tests/a.py::*",
            reason="needs redis*",
            because="the memory log is proven everywhere",
        )
    ]
    other_test = Skip(test="tests/c.py::test_d", reason=SKIP.reason)
    other_reason = Skip(test=SKIP.test, reason="not today")
    skips = [SKIP, other_test, other_reason]
    assert unexcused(skips, needs) == [other_test, other_reason]
    assert read_needs("") == []


def play(outcomes: dict[str, Outcome], *arguments: str) -> tuple[int, list[str]]:
    """Run `main` with steps that are played; return its code and its lines."""

    def run(name: str, step: Step, *, limit: float) -> Outcome:
        assert step is checks.STEPS[name]
        return outcomes.get(name, Outcome(step=name, problem="", seconds=1, passed=1))

    out = io.StringIO()
    code = main(arguments, run=run, out=out)
    return code, out.getvalue().splitlines()


def test_all_short_steps_run_when_none_is_named() -> None:
    """Each has its line and its seconds, and the last line is the sum."""
    code, lines = play({})
    assert code == 0
    assert lines[-5:] == [
        "style     ok         1.0 s",
        "types     ok         1.0 s",
        "layers    ok         1.0 s",
        "tests     ok         1.0 s",
        "4 passed, 0 failed, 0 skipped",
    ]


def test_the_other_steps_run_when_one_fails() -> None:
    """One failure does not hide the next."""
    bad = Outcome(step="style", problem="exit code 1", seconds=0.25, passed=1, failed=1)
    code, lines = play({"style": bad}, "style", "types")
    assert code == 1
    assert lines[-3:] == [
        "style     failed     0.2 s  exit code 1",
        "types     ok         1.0 s",
        "2 passed, 1 failed, 0 skipped",
    ]


def test_skips_are_listed_and_fail_only_when_asked() -> None:
    """A skip that no machine need excuses is a failure with --fail-on-skip alone."""
    why = Skip(test="tests/c.py::test_d", reason="not today")
    some = Outcome(step="tests", problem="", seconds=1, passed=7, skips=(SKIP, why))
    code, lines = play({"tests": some}, "tests")
    assert code == 0
    assert lines[-3:] == [
        "skipped: tests/a.py::test_b: needs redis-server",
        "skipped: tests/c.py::test_d: not today",
        "7 passed, 0 failed, 2 skipped",
    ]
    code, lines = play({"tests": some}, "tests", "--fail-on-skip")
    assert code == 1
    assert "no machine need excuses: tests/c.py::test_d" in lines[-2]
    assert lines[-1] == "7 passed, 1 failed, 1 skipped"


def test_an_interrupted_run_tells_what_was_done() -> None:
    """Ctrl-C ends the run with 130, after the lines of what had come to its end."""

    def run(name: str, step: Step, *, limit: float) -> Outcome:
        if name == "types":
            raise KeyboardInterrupt
        return Outcome(step=name, problem="", seconds=1, passed=1)

    out = io.StringIO()
    assert main([], run=run, out=out) == 130
    assert out.getvalue().endswith("1 passed, 0 failed, 0 skipped\n")


def test_a_step_that_is_not_there_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The names that there are stand in the answer."""
    with pytest.raises(SystemExit) as caught:
        play({}, "stile")
    assert caught.value.code == 2
    assert "no such step: stile; there are style, types" in capsys.readouterr().err


INNER = """
import pytest

def test_passes(): pass

def test_fails(): assert False

@pytest.mark.skip(reason="needs a sea")
def test_skips(): pass

@pytest.mark.xfail(reason="known")
def test_fails_as_expected(): assert False

def test_breaks_afterwards(request):
    request.addfinalizer(lambda: 1 / 0)
"""


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_outcomes_are_noted_with_and_without_workers(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: list[str]
) -> None:
    """The hooks of tests/conftest.py count each test once, and whole files too."""
    pytester.makeconftest((ROOT / "tests" / "conftest.py").read_text())
    pytester.makeini(f"[pytest]\npythonpath = {ROOT / 'tools'}")
    pytester.makepyfile(
        test_inner=INNER,
        test_whole="import pytest; pytest.skip('x', allow_module_level=True)",
    )
    file = pytester.path / "outcomes.json"
    monkeypatch.setenv("CHECK_OUTCOMES", str(file))
    pytester.runpytest_subprocess("-p", "no:wavetank", *workers)
    told = json.loads(file.read_text())
    assert (told["passed"], told["failed"]) == (3, 2)
    assert sorted(row["reason"] for row in told["skipped"]) == ["needs a sea", "x"]
    assert "test_inner.py::test_skips" in {row["test"] for row in told["skipped"]}
