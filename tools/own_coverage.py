"""Proves that each module is covered by its own test file, not by its neighbours'.

It refuses to know what the tests test: it runs them one file at a time.
"""

import io
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import coverage

__all__ = ["Covered", "Pair", "exempt", "main", "measure", "pairs"]

LEAST = 95.0
"""Per cent of lines and branches, as STYLE asks."""

_SECONDS = 600.0


class Pair(NamedTuple):
    """A module and the test file that mirrors it."""

    module: Path
    tests: Path


class Covered(NamedTuple):
    """How far a module is covered; ``problem`` says why it could not be told."""

    pair: Pair
    percent: float
    problem: str = ""


def exempt(package: Path, patterns: Iterable[str]) -> set[Path]:
    """Return the files of a package that glob patterns name."""
    return {file for pattern in patterns for file in package.glob(pattern)}


def pairs(package: Path, tests: Path, without: set[Path]) -> list[Pair]:
    """Return each module of a package with its test file, sorted.

    Args:
        package: Folder of the package.
        tests: Folder that mirrors it.
        without: Modules that are left out.
    """
    return [
        Pair(file, tests / file.parent.relative_to(package) / f"test_{file.name}")
        for file in sorted(package.rglob("*.py"))
        if file not in without
    ]


def measure(pair: Pair, root: Path) -> Covered:
    """Run a test file alone and return how far it covers its module.

    Args:
        pair: Module and test file.
        root: Where to run it.
    """
    with tempfile.TemporaryDirectory() as folder:
        data = str(Path(folder, "data"))
        problem = _run(pair, root, data)
        if problem:
            return Covered(pair, 0.0, problem)
        settings = str(root / "pyproject.toml")
        seen = coverage.Coverage(data_file=data, config_file=settings)
        seen.load()
        try:
            percent = seen.report(include=[str(pair.module)], file=io.StringIO())
        except coverage.exceptions.NoDataError:
            return Covered(pair, 0.0, "its tests never import it")
    return Covered(pair, percent)


def _run(pair: Pair, root: Path, data: str) -> str:
    """Run a test file; return why it cannot be measured, or nothing."""
    environ = os.environ | {"COVERAGE_FILE": data}
    environ.pop("CHECK_OUTCOMES", None)  # asks for the outcomes of a whole step
    command = [sys.executable, "-m", "coverage", "run", "--branch"]
    command += [f"--include={pair.module}", "-m", "pytest", "-q", str(pair.tests)]
    try:
        ended = subprocess.run(
            command,
            cwd=root,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"its tests take longer than {_SECONDS:g} s"
    if not ended.returncode:
        return ""
    last = ended.stdout.strip().rpartition("\n")[2]
    return f"its tests end with {ended.returncode}: {last}"


def main(root: Path, workers: int) -> int:
    """Measure all modules of a clone; return 1 if one is covered too little."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    rules = settings["tool"]["architecture"]
    package = root / "src" / "wavetank"
    without = exempt(package, [*rules["mirror-exempt"], *rules["coverage-exempt"]])
    todo = pairs(package, root / "tests", without)
    with ThreadPoolExecutor(workers) as pool:
        results = list(pool.map(lambda pair: measure(pair, root), todo))
    for line in lines(results, root):
        print(line)
    return int(any(result.percent < LEAST for result in results))


def lines(results: Sequence[Covered], root: Path) -> list[str]:
    """Return a line for each module that is covered too little, and a last one."""
    below = [result for result in results if result.percent < LEAST]
    return [
        *(
            f"{result.percent:6.1f} %  {result.pair.module.relative_to(root)}"
            f"  {result.problem}".rstrip()
            for result in sorted(below, key=lambda result: result.percent)
        ),
        f"{len(results)} modules, {len(below)} covered less than {LEAST:g} %",
    ]


if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parent.parent, os.cpu_count() or 1))
