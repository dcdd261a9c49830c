"""No module imports itself by way of others."""

from collections.abc import Callable, Mapping
from pathlib import Path

import grimp
import pytest


def cycles(imports: Mapping[str, set[str]]) -> list[list[str]]:
    """Return one chain for each module from which a chain of imports comes back.

    Args:
        imports: Module -> modules that it imports.
    """
    return [
        chain
        for module in sorted(imports)
        if (chain := _way_back(module, imports)) and min(chain) == module
    ]


def _way_back(start: str, imports: Mapping[str, set[str]]) -> list[str]:
    ways = [[start]]
    seen: set[str] = set()
    for way in ways:
        for imported in sorted(imports.get(way[-1], ())):
            if imported == start:
                return way
            if imported not in seen:
                seen.add(imported)
                ways.append([*way, imported])
    return []


def imports_of(name: str) -> dict[str, set[str]]:
    """Return who imports whom in a package that Python can find."""
    graph = grimp.build_graph(name, cache_dir=None)
    return {
        module: graph.find_modules_directly_imported_by(module)
        for module in graph.modules
    }


def test_the_package_has_no_cycle() -> None:
    """Every chain of imports ends."""
    assert cycles(imports_of("wavetank")) == []


def test_cycles_are_seen_through_a_package_that_re_exports(
    plant: Callable[[Mapping[str, str]], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that asks its own package for a neighbour closes a circle."""
    folder = plant(
        {
            "circular/__init__.py": "from circular.one import A\n",
            "circular/one.py": "from circular import two\nA = two\n",
            "circular/two.py": "def later():\n    from circular import A\n",
        }
    )
    monkeypatch.syspath_prepend(folder)
    assert cycles(imports_of("circular")) == [
        ["circular", "circular.one", "circular.two"]
    ]


@pytest.mark.parametrize(
    ("imports", "expected"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b", "c"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"a"}}, [["a"]]),
        ({"a": {"b"}, "b": {"a"}}, [["a", "b"]]),
        ({"x": {"a"}, "a": {"b"}, "b": {"c"}, "c": {"b"}}, [["b", "c"]]),
    ],
)
def test_cycles_are_found_in_a_graph(
    imports: dict[str, set[str]], expected: list[list[str]]
) -> None:
    """Only a way that comes back is a cycle, told once, from its first name."""
    assert cycles(imports) == expected
