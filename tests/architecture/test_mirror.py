"""Tests stand where the sources stand."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

OWN = frozenset({"architecture", "docs", "end_to_end", "tools"})
"""Folders of tests/ that mirror nothing in the package."""


def without_tests(package: Path, tests: Path, exempt: list[str]) -> list[str]:
    """Return the modules of a package that have no test file of their own.

    Args:
        package: Its folder.
        tests: The folder that mirrors it.
        exempt: Glob patterns of modules that need none.
    """
    excused = {file for glob in exempt for file in package.glob(glob)}
    return [
        file.relative_to(package).as_posix()
        for file in sorted(package.rglob("*.py"))
        if file not in excused and not _mirror(file, package, tests).is_file()
    ]


def without_source(package: Path, tests: Path) -> list[str]:
    """Return the test files that mirror no module of a package."""
    mirrors = {_mirror(file, package, tests) for file in package.rglob("*.py")}
    return [
        file.relative_to(tests).as_posix()
        for file in sorted(tests.rglob("test_*.py"))
        if file.relative_to(tests).parts[0] not in OWN and file not in mirrors
    ]


def _mirror(file: Path, package: Path, tests: Path) -> Path:
    return tests / file.relative_to(package).parent / f"test_{file.name}"


def test_each_module_has_its_own_test_file(
    root: Path, package: Path, rules: dict[str, Any]
) -> None:
    """`src/wavetank/wire/frames.py` is tested by `tests/wire/test_frames.py`."""
    found = without_tests(package, root / "tests", rules["mirror-exempt"])
    assert not found, "\n".join(found)


def test_each_test_file_has_its_module(root: Path, package: Path) -> None:
    """No test file outlives the module that it was written for."""
    found = without_source(package, root / "tests")
    assert not found, "\n".join(found)


def test_each_tool_has_its_own_test_file(root: Path) -> None:
    """`tools/` is mirrored by `tests/tools/`, both ways."""
    assert without_tests(root / "tools", root / "tests" / "tools", []) == []
    assert without_source(root / "tools", root / "tests" / "tools") == []


def test_test_folders_hold_no_packages(root: Path) -> None:
    """Test files are no modules of each other: there is no `__init__.py`."""
    assert list((root / "tests").rglob("__init__.py")) == []


def test_the_mirror_sees_what_is_missing_on_either_side(
    plant: Callable[[Mapping[str, str]], Path],
) -> None:
    """A module without tests is told, and tests without a module."""
    folder = plant(
        {
            "src/__init__.py": "",
            "src/errors.py": "",
            "src/wire/frames.py": "",
            "src/wire/closes.py": "",
            "src/lab/suites/core.py": "",
            "tests/test_errors.py": "",
            "tests/wire/test_frames.py": "",
            "tests/wire/test_gone.py": "",
            "tests/test_frames.py": "",
            "tests/architecture/test_mirror.py": "",
        }
    )
    exempt = ["**/__init__.py", "lab/suites/**/*.py"]
    src, tests = folder / "src", folder / "tests"
    assert without_tests(src, tests, exempt) == ["wire/closes.py"]
    assert without_source(src, tests) == ["test_frames.py", "wire/test_gone.py"]
