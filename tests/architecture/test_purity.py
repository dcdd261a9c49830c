"""Pure modules: values in, values out."""

import ast
import sys
from collections.abc import Callable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any

import pytest

HARMLESS = frozenset(
    {
        *("abc", "array", "base64", "binascii", "bisect", "codecs", "collections"),
        *("collections.abc", "contextlib", "copy", "csv", "dataclasses", "datetime"),
        "decimal",
        *("difflib", "enum", "functools", "hashlib", "heapq", "hmac", "html"),
        *("ipaddress", "itertools", "json", "math", "operator", "pathlib", "re"),
        *("shlex", "statistics", "string", "struct", "textwrap", "tomllib", "types"),
        *("typing", "urllib.parse", "xml.sax.saxutils", "zlib"),
        *("msgspec", "msgspec.json", "msgspec.structs"),
        "wavetank.__version__",
    }
)
"""What may be imported everywhere: nothing here waits, looks outside or throws dice."""

TYPES_ONLY = frozenset({"random"})
"""What may be imported for annotations alone: dice are handed in."""

CALLS = frozenset(
    {"__import__", "breakpoint", "eval", "exec", "input", "open", "print"}
)

METHODS = frozenset(
    {
        *("exists", "expanduser", "is_dir", "is_file", "iterdir", "mkdir"),
        *("read_bytes", "read_text", "rglob", "stat", "touch", "unlink"),
        *("write_bytes", "write_text"),
        *("today", "utcnow"),
    }
)
"""Methods that look at the disk or the clock: paths and dates are fine as values."""

WAITING = (ast.AsyncFor, ast.AsyncFunctionDef, ast.AsyncWith, ast.Await)


def impurities(source: str, allowed: Set[str]) -> list[str]:
    """Return what a module does that a pure one must not, one line each.

    Args:
        source: Its text.
        allowed: Names of the modules that it may import.
    """
    tree = ast.parse(source)
    for_types = _for_types(tree)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, WAITING):
            found.append((node.lineno, "waits"))
        elif isinstance(node, ast.Call):
            found += [(node.lineno, f"calls {name}") for name in _calls(node)]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found += [
                (node.lineno, f"imports {name}")
                for name in _imports(node)
                if name not in allowed | (TYPES_ONLY if node in for_types else set())
            ]
    return [f"line {line} {what}" for line, what in sorted(found)]


def _for_types(tree: ast.Module) -> set[ast.AST]:
    """Return what stands under ``if TYPE_CHECKING``."""
    return {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }


def _calls(node: ast.Call) -> Iterator[str]:
    called = node.func
    if isinstance(called, ast.Name) and called.id in CALLS:
        yield called.id
    if isinstance(called, ast.Attribute):
        owner = ast.unparse(called.value)
        is_date = owner in {"datetime", "datetime.datetime", "date", "datetime.date"}
        opens = called.attr == "open" and owner in {"codecs", "Path"}
        if called.attr in METHODS or opens or (called.attr == "now" and is_date):
            yield f"{owner}.{called.attr}"


def _imports(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif node.level:
        yield "." * node.level + (node.module or "")
    elif node.module == "wavetank":
        yield from (f"wavetank.{alias.name}" for alias in node.names)
    else:
        yield node.module or ""


def pure_files(package: Path, rules: Mapping[str, Any]) -> set[Path]:
    """Return the files of a package that have to be pure."""
    shells = {package / name for name in rules["shells"]}
    return {file for glob in rules["pure"] for file in package.glob(glob)} - shells


def module_names(package: Path, files: set[Path]) -> set[str]:
    """Return the dotted names of files, those of packages without ``__init__``."""
    names = set()
    for file in files:
        parts = file.relative_to(package).with_suffix("").parts
        names.add(".".join(("wavetank", *parts)).removesuffix(".__init__"))
    return names


def broken(package: Path, rules: Mapping[str, Any]) -> list[str]:
    """Return what is impure in a package, as ``file: line n does what``."""
    files = pure_files(package, rules)
    pure = module_names(package, files)
    found = []
    for file in sorted(files):
        name = file.relative_to(package).as_posix()
        extra = {
            module
            for prefix, modules in rules["imports"].items()
            if name.startswith(prefix)
            for module in modules
        }
        problems = impurities(file.read_text(encoding="utf-8"), HARMLESS | extra | pure)
        found += [f"{name}: {problem}" for problem in problems]
    return found


def test_pure_rooms_do_nothing_but_think(package: Path, rules: dict[str, Any]) -> None:
    """No pure module waits, opens, prints, reads a clock, throws dice or imports one.

    A pure module imports pure modules and the harmless part of the standard library,
    so what it imports does not do it either.
    """
    found = broken(package, rules)
    assert not found, "\n".join(found)


def test_purity_is_asked_of_rooms_that_exist(
    package: Path, rules: dict[str, Any]
) -> None:
    """The list finds the pure rooms: a mistyped one would be free of every rule."""
    seen = {file.relative_to(package).as_posix() for file in pure_files(package, rules)}
    assert {"errors.py", "evidence/verdict.py", "dialects/base.py"} <= seen
    assert "clock.py" not in seen


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("import socket", "imports socket"),
        ("import os.path", "imports os.path"),
        ("from time import monotonic", "imports time"),
        ("import random", "imports random"),
        ("import secrets", "imports secrets"),
        ("import asyncio", "imports asyncio"),
        ("import logging", "imports logging"),
        ("import structlog", "imports structlog"),
        ("from . import server", "imports ."),
        ("from wavetank import clock", "imports wavetank.clock"),
        ("from wavetank.hub.aio import node", "imports wavetank.hub.aio"),
        ("async def receive(): pass", "waits"),
        ("print('x')", "calls print"),
        ("open('x')", "calls open"),
        ("eval('x')", "calls eval"),
        ("Path('x').read_text()", "calls Path('x').read_text"),
        ("path.exists()", "calls path.exists"),
        ("datetime.now()", "calls datetime.now"),
        ("datetime.date.today()", "calls datetime.date.today"),
        ("codecs.open('x')", "calls codecs.open"),
        ("def late():\n    import subprocess", "imports subprocess"),
    ],
)
def test_purity_sees_what_is_forbidden(source: str, problem: str) -> None:
    """Each way to the outside world is seen, and told with its line."""
    found = impurities(source, HARMLESS | {"wavetank.errors"})
    assert [line.partition(" ")[2].partition(" ")[2] for line in found] == [problem]


@pytest.mark.parametrize(
    "source",
    [
        "import re, zlib",
        "from wavetank.errors import UsageError",
        "from wavetank import errors",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import random",
        "def open_position(now): return now.open()",
        "log.append(1)",
    ],
)
def test_purity_lets_thinking_pass(source: str) -> None:
    """What only computes is fine, and so are dice in an annotation."""
    assert impurities(source, HARMLESS | {"wavetank.errors"}) == []


def test_purity_sees_a_pure_module_that_imports_its_shell(
    plant: Callable[[Mapping[str, str]], Path], rules: dict[str, Any]
) -> None:
    """The hub's core may not know the loop that drives it."""
    package = plant(
        {
            "errors.py": "",
            "hub/session.py": "from wavetank.hub.aio.node import Node",
            "hub/log.py": "from wavetank.hub import session",
            "hub/aio/node.py": "import asyncio",
            "hub/__init__.py": "from wavetank.hub.aio.node import Node",
        }
    )
    assert broken(package, rules) == [
        "hub/log.py: line 1 imports wavetank.hub",
        "hub/session.py: line 1 imports wavetank.hub.aio.node",
    ]


def test_harmless_modules_are_of_the_standard_library() -> None:
    """The list of harmless imports has msgspec as its only foreign name."""
    foreign = {name.partition(".")[0] for name in HARMLESS} - sys.stdlib_module_names
    assert foreign == {"msgspec", "wavetank"}
