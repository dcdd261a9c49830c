"""Tests keep house rules too: they are the second reader of every module."""

import ast
from pathlib import Path

import pytest


def unclear(source: str) -> list[str]:
    """Return the tests of a file that do not say what they prove, and the naps."""
    found = []
    for node in ast.walk(ast.parse(source)):
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (
            is_function
            and node.name.startswith("test_")
            and not ast.get_docstring(node)
        ):
            found.append(f"line {node.lineno} {node.name} has no docstring")
        if isinstance(node, ast.Call) and _is_nap(node):
            found.append(f"line {node.lineno} sleeps")
    return found


def _is_nap(node: ast.Call) -> bool:
    """Tell whether a call lets time pass; ``sleep(0)`` only gives way."""
    name = ast.unparse(node.func)
    gives_way = [ast.unparse(argument) for argument in node.args] == ["0"]
    return name.rpartition(".")[2] == "sleep" and not gives_way


def test_every_test_says_what_it_proves_and_none_sleeps(root: Path) -> None:
    """Each test has a sentence, and waits for events instead of for time."""
    tests = root / "tests"
    found = [
        f"{file.relative_to(tests).as_posix()}: {problem}"
        for file in sorted(tests.rglob("*.py"))
        for problem in unclear(file.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("source", "problems"),
    [
        ("def test_a():\n    '''B.'''\n    asyncio.sleep(0)", []),
        ("def helper(): ...", []),
        ("async def test_a(): ...", ["line 1 test_a has no docstring"]),
        ("time.sleep(0.1)", ["line 1 sleeps"]),
        ("await_(anyio.sleep(SOON))", ["line 1 sleeps"]),
        ("from time import sleep\nsleep(1)", ["line 2 sleeps"]),
    ],
)
def test_rules_of_tests_see_silence_and_sleep(source: str, problems: list[str]) -> None:
    """A test without a sentence is told, and every nap."""
    assert unclear(source) == problems
