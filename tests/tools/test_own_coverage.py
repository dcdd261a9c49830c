"""Each module is measured by its own test file alone."""

from pathlib import Path

import pytest

import own_coverage
from own_coverage import Covered, Pair, exempt, lines, main, measure, pairs

RULES = """
[tool.architecture]
mirror-exempt = ["**/__init__.py"]
coverage-exempt = ["spared.py"]
[tool.pytest.ini_options]
pythonpath = ["src"]
addopts = ["-p", "no:wavetank", "-p", "no:cacheprovider", "--import-mode=importlib"]
"""
SOURCE = "def f(a):\n    if a:\n        return 1\n    return 2\n"
FILES = {
    "pyproject.toml": RULES,
    "src/wavetank/__init__.py": "",
    "src/wavetank/spared.py": "",
    "src/wavetank/wire/__init__.py": "",
    "src/wavetank/wire/whole.py": SOURCE,
    "src/wavetank/wire/half.py": SOURCE,
    "tests/wire/test_whole.py": (
        "from wavetank.wire.whole import f\n"
        "def test_f():\n    assert (f(0), f(1)) == (2, 1)\n"
    ),
    "tests/wire/test_half.py": (
        "from wavetank.wire.half import f\ndef test_f():\n    assert f(1) == 1\n"
    ),
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a small clone, whose package is found before the real one."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "src"))
    return tmp_path


def test_a_clone_is_measured_module_by_module(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A module that is covered too little is told, and fails the measurement."""
    assert main(root, 2) == 1
    half, last = capsys.readouterr().out.splitlines()
    assert half.endswith("%  src/wavetank/wire/half.py")
    assert last == "2 modules, 1 covered less than 95 %"


def test_a_clone_that_is_covered_passes(root: Path) -> None:
    """Modules that are exempt do not count."""
    for name in ("src/wavetank/wire/half.py", "tests/wire/test_half.py"):
        (root / name).unlink()
    assert main(root, 1) == 0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("def test_f(): assert False", "its tests end with 1: 1 failed"),
        ("def test_f(): pass", "its tests never import it"),
        (None, "its tests end with 4: "),
    ],
)
def test_a_module_that_cannot_be_measured_says_why(
    root: Path, text: str | None, problem: str
) -> None:
    """Failing tests, tests of something else, and no tests cover nothing."""
    tests = root / "tests" / "wire" / "test_half.py"
    tests.unlink() if text is None else tests.write_text(text)
    covered = measure(Pair(root / "src/wavetank/wire/half.py", tests), root)
    assert covered.percent == 0
    assert covered.problem.startswith(problem)


def test_tests_that_never_end_cover_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file that hangs does not keep the others from being measured."""
    monkeypatch.setattr(own_coverage, "_SECONDS", 0.01)
    pair = Pair(root / "src/wavetank/wire/half.py", root / "tests/wire/test_half.py")
    assert measure(pair, root).problem == "its tests take longer than 0.01 s"


def test_pairs_leave_out_what_is_exempt(root: Path) -> None:
    """Each module stands beside the test file that mirrors it."""
    package = root / "src" / "wavetank"
    without = exempt(package, ["**/__init__.py", "spared.py"])
    assert [
        pair.tests.relative_to(root) for pair in pairs(package, root / "tests", without)
    ] == [Path("tests/wire/test_half.py"), Path("tests/wire/test_whole.py")]


def test_lines_begin_with_the_least_covered() -> None:
    """A problem stands behind the module that has it; what is covered is counted."""
    results = [
        Covered(Pair(Path("/r/a.py"), Path("/r/t.py")), 95.0),
        Covered(Pair(Path("/r/b.py"), Path("/r/t.py")), 94.94),
        Covered(Pair(Path("/r/c.py"), Path("/r/t.py")), 0.0, "it fails"),
    ]
    assert lines(results, Path("/r")) == [
        "   0.0 %  c.py  it fails",
        "  94.9 %  b.py",
        "3 modules, 2 covered less than 95 %",
    ]
