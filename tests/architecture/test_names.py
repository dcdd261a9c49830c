"""Modules have nouns for names, and what they offer is said."""

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

BANNED = frozenset(
    {
        *("common", "helper", "helpers", "manager", "managers", "misc"),
        *("shared", "stuff", "tools", "util", "utils"),
    }
)

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def nameless(package: Path, exempt: list[str]) -> list[str]:
    """Return the modules and folders of a package whose name says nothing."""
    excused = {file for glob in exempt for file in package.glob(glob)}
    return [
        path.relative_to(package).as_posix()
        for path in sorted(package.rglob("*"))
        if path.stem.strip("_") in BANNED
        and (path.is_dir() or path.suffix == ".py")
        and path not in excused
    ]


def undocumented(source: str) -> list[str]:
    """Return what a module offers without a docstring, itself included."""
    tree = ast.parse(source)
    found = [] if ast.get_docstring(tree) else ["the module"]
    return found + [
        f"line {node.lineno} {name}"
        for name, node in _public(tree, "")
        if not ast.get_docstring(node)
    ]


def _public(
    owner: ast.Module | ast.ClassDef, prefix: str
) -> Iterator[tuple[str, Definition]]:
    for node in owner.body:
        if not isinstance(node, Definition) or node.name.startswith("_"):
            continue
        if not _is_told_elsewhere(node):
            yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from _public(node, f"{node.name}.")


def _is_told_elsewhere(node: Definition) -> bool:
    """Tell whether the words stand beside: at an overload, or at the property."""
    marks = [ast.unparse(mark) for mark in node.decorator_list]
    return any(mark.endswith(("overload", ".setter", "override")) for mark in marks)


def unlisted(source: str) -> list[str]:
    """Return what is wrong with the ``__all__`` of a module."""
    tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            listed = ast.literal_eval(node.value)
            known = set(_bound(tree))
            return [f"__all__ names {name}" for name in listed if name not in known]
    offered = [name for name in _bound(tree) if not name.startswith("_")]
    return ["there is no __all__"] if offered else []


def _bound(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a module binds at its top, in ifs and trys too."""
    for node in ast.walk(tree):
        if isinstance(node, Definition):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def told(
    package: Path, rule: Callable[[str], list[str]], exempt: Iterable[str] = ()
) -> list[str]:
    """Apply a rule to each module of a package that no glob pattern exempts."""
    excused = {file for glob in exempt for file in package.glob(glob)}
    return [
        f"{file.relative_to(package).as_posix()}: {problem}"
        for file in sorted(package.rglob("*.py"))
        if file not in excused
        for problem in rule(file.read_text(encoding="utf-8"))
    ]


def test_module_names_are_nouns_of_the_house(
    package: Path, rules: dict[str, Any]
) -> None:
    """There is no utils, helpers, common or manager."""
    found = nameless(package, rules["names-exempt"])
    assert not found, "\n".join(found)


def test_everything_public_has_a_docstring(package: Path) -> None:
    """Each module, class, function and method that one may use says what it is."""
    found = told(package, undocumented)
    assert not found, "\n".join(found)


def test_every_module_says_what_it_offers(package: Path, rules: dict[str, Any]) -> None:
    """Each module has an `__all__` whose names are there."""
    found = told(package, unlisted, rules["names-exempt"])
    assert not found, "\n".join(found)


def test_names_see_a_drawer_for_everything(
    plant: Callable[[Mapping[str, str]], Path],
) -> None:
    """A file or folder with a name that fits everything is told."""
    package = plant(
        {
            "wire/utils.py": "",
            "hub/common/log.py": "",
            "hub/_helpers.py": "",
            "lab/suites/manager.py": "",
            "hub/dashboard/utils.js": "",
            "wire/frames.py": "",
        }
    )
    seen = nameless(package, ["lab/suites/*.py"])
    assert seen == ["hub/_helpers.py", "hub/common", "wire/utils.py"]


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ('"""A."""\ndef f():\n    """B."""', []),
        ("def f():\n    '''B.'''", ["the module"]),
        ('"""A."""\ndef f(): ...', ["line 2 f"]),
        ('"""A."""\nasync def f(): ...', ["line 2 f"]),
        ('"""A."""\ndef _f(): ...\nclass _A:\n    def f(self): ...', []),
        (
            '"""A."""\nclass A:\n    """B."""\n    def f(self): ...\n'
            "    def __len__(self): ...",
            ["line 4 A.f"],
        ),
        ('"""A."""\n@overload\ndef f(): ...', []),
        (
            '"""A."""\nclass A:\n    "B."\n    @x.setter\n    def x(self, y): ...',
            [],
        ),
    ],
)
def test_names_see_what_says_nothing_of_itself(source: str, missing: list[str]) -> None:
    """What is public and has no docstring is told; what is private is left alone."""
    assert undocumented(source) == missing


@pytest.mark.parametrize(
    ("source", "problems"),
    [
        ("__all__ = ['f', 'A', 'B', 'c']\ndef f(): ...\nclass A: ...\nB = c = 1", []),
        ("__all__ = []", []),
        ("'Nothing.'", []),
        ("_A = 1", []),
        ("from wavetank.errors import nearest as near\n__all__ = ['near']", []),
        ("X = 1", ["there is no __all__"]),
        ("__all__ = ['gone']", ["__all__ names gone"]),
    ],
)
def test_names_see_a_module_that_offers_what_it_has_not(
    source: str, problems: list[str]
) -> None:
    """An `__all__` is there, and true."""
    assert unlisted(source) == problems
