"""Functions and files stay of a size that one reads at once."""

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

MOST_LINES = 60
MOST_LINES_OF_A_FILE = 500
MOST_POSITIONAL = 4
MOST_NESTING = 3
MEDIAN_LINES = 8
P90_LINES = 25
MEDIAN_LINES_OF_A_FILE = 200

BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.TryStar, ast.Match)
"""What counts as nesting; ``with`` takes no decision."""

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Function(NamedTuple):
    """A function as far as its size goes; ``lines`` leaves out the docstring."""

    name: str
    line: int
    lines: int
    positional: int
    nesting: int
    loose: tuple[str, ...]


def functions(source: str) -> list[Function]:
    """Return the functions of a module, methods and inner ones too."""
    tree = ast.parse(source)
    methods = {
        node
        for owner in ast.walk(tree)
        if isinstance(owner, ast.ClassDef)
        for node in owner.body
    }
    return [
        Function(
            name=node.name,
            line=node.lineno,
            lines=_lines(node),
            positional=len(_positional(node, node in methods)),
            nesting=_nesting(node),
            loose=tuple(_loose_booleans(node)),
        )
        for node in ast.walk(tree)
        if isinstance(node, FUNCTIONS)
    ]


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    is_doc = ast.get_docstring(node, clean=False) is not None
    doc = (first.end_lineno or first.lineno) - first.lineno + 1 if is_doc else 0
    return (node.end_lineno or node.lineno) - node.lineno + 1 - doc


def _positional(
    node: ast.FunctionDef | ast.AsyncFunctionDef, is_method: bool
) -> list[ast.arg]:
    every = [*node.args.posonlyargs, *node.args.args]
    is_static = any(ast.unparse(item) == "staticmethod" for item in node.decorator_list)
    return every[1:] if is_method and not is_static else every


def _nesting(node: ast.AST) -> int:
    """Return how deep blocks stand in blocks; an ``elif`` is as deep as its ``if``."""
    deepest = 0
    for child in _own_children(node):
        is_elif = isinstance(node, ast.If) and node.orelse == [child]
        own = isinstance(child, BLOCKS) and not (is_elif and isinstance(child, ast.If))
        deepest = max(deepest, own + _nesting(child))
    return deepest


def _own_children(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (*FUNCTIONS, ast.ClassDef, ast.Lambda)):
            yield child


def _loose_booleans(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """Yield booleans that a caller could pass without saying what they mean.

    The first argument is what the function is about, and its name says it.
    """
    arguments = [*node.args.posonlyargs, *node.args.args]
    own = [argument for argument in arguments if argument.arg not in {"self", "cls"}]
    for argument in own[1:]:
        if argument.annotation and ast.unparse(argument.annotation) == "bool":
            yield argument.arg


def too_large(source: str) -> list[str]:
    """Return what of a module's functions is more than one reads at once."""
    found = []
    for function in functions(source):
        counts = [
            (function.lines, MOST_LINES, "lines"),
            (function.positional, MOST_POSITIONAL, "positional parameters"),
            (function.nesting, MOST_NESTING, "blocks in each other"),
        ]
        at = f"line {function.line} {function.name}"
        found += [
            f"{at}: {count} {what}" for count, most, what in counts if count > most
        ]
        found += [f"{at}: {name} is a positional boolean" for name in function.loose]
    return found


def sources(root: Path) -> dict[str, str]:
    """Return path -> text of what is shipped and of the tools."""
    folders = (root / "src" / "wavetank", root / "tools")
    files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
    return {
        file.relative_to(root).as_posix(): file.read_text(encoding="utf-8")
        for file in files
    }


def test_functions_are_read_at_once(root: Path, rules: dict[str, Any]) -> None:
    """No function is longer, deeper or wider than STYLE allows."""
    found = [
        f"{name}: {problem}"
        for name, source in sources(root).items()
        for problem in too_large(source)
        if not any(given in f"{name} {problem}" for given in rules["signatures-exempt"])
    ]
    assert not found, "\n".join(found)


def test_files_are_read_at_once(root: Path, rules: dict[str, Any]) -> None:
    """No file is longer than 500 lines, unless it is a table."""
    exempt = {f"src/wavetank/{name}" for name in rules["size-exempt"]}
    lines = {name: source.count("\n") for name, source in sources(root).items()}
    found = [
        f"{name}: {count} lines"
        for name, count in lines.items()
        if count > MOST_LINES_OF_A_FILE and name not in exempt
    ]
    assert not found, "\n".join(found)


def test_most_functions_and_files_are_small(root: Path) -> None:
    """Median and 90th percentile over the whole package stay where they belong."""
    texts = sources(root).values()
    sizes = [function.lines for text in texts for function in functions(text)]
    assert statistics.median(sizes) <= MEDIAN_LINES
    assert statistics.quantiles(sizes, n=10)[-1] <= P90_LINES
    files = [text.count("\n") for text in texts]
    assert statistics.median(files) <= MEDIAN_LINES_OF_A_FILE


LONG = "def f():\n" + "    x = 1\n" * MOST_LINES
DEEP = """
async def f(a):
    async for b in a:
        try:
            if b:
                pass
            elif a:
                while b:
                    pass
        finally:
            pass
"""
FLAT = """
def f(a):
    '''Does
    this.'''
    with a, a:
        if a:
            pass
        elif 1:
            pass
        elif 2:
            pass
        elif 3:
            pass
        else:
            def g():
                for _ in a:
                    if a:
                        while a:
                            pass
"""


@pytest.mark.parametrize(
    ("source", "problems"),
    [
        (LONG, [f"line 1 f: {MOST_LINES + 1} lines"]),
        ("def f():\n" + "    x = 1\n" * (MOST_LINES - 1), []),
        ("def f():\n    '''A\n" + "\n" * MOST_LINES + "    '''\n", []),
        (DEEP, ["line 2 f: 4 blocks in each other"]),
        (FLAT, []),
        ("def f(a, b, c, d, e): ...", ["line 1 f: 5 positional parameters"]),
        ("def f(a, b, c, d, *, e): ...", []),
        ("class A:\n    def f(self, a, b, c, d): ...", []),
        (
            "class A:\n    @staticmethod\n    def f(a, b, c, d, e): ...",
            ["line 3 f: 5 positional parameters"],
        ),
        ("def f(a, b: bool = True): ...", ["line 1 f: b is a positional boolean"]),
        ("def f(a, *, b: bool = True): ...", []),
        ("def f(a: bool, b): ...", []),
        ("class A:\n    def f(self, a: bool): ...", []),
    ],
)
def test_size_sees_what_is_too_large(source: str, problems: list[str]) -> None:
    """Each bound is seen just above it, and not at it."""
    assert too_large(source) == problems
