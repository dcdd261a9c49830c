"""The catalogue: which suites and checks there are, read from the suites themselves.

It refuses to keep a second list; a check is in it because it is there.
"""

import functools
import importlib
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from wavetank.lab.check import MARKER

__all__ = ["SUITES", "CheckEntry", "catalogue"]

SUITES: tuple[str, ...] = (
    *("basics", "connectivity", "core", "edge_cases"),
    *("performance", "load", "latency", "message_flow"),
    *("fault_tolerance", "self_healing", "full_cycle"),
    "conformance",
)
"""Suites in Fibonacci order: the small ones first (1, 1, 1), then those of weight 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckEntry:
    """One check.

    Attributes:
        name: Such as ``basic_connection``.
        title: The sentence that it proves.
        needs: Capabilities without which it is SKIP.
        polite: Whether a server that is not ours may be put through it.
    """

    name: str
    title: str
    needs: frozenset[str]
    polite: bool


Checks = Mapping[str, CheckEntry]
"""The checks of a suite, by name."""


def catalogue() -> Mapping[str, Checks]:
    """Return suites in the order they run, each with its checks by name."""
    return _CATALOGUE


class _Catalogue(Mapping[str, Checks]):
    """Suites that are imported when their checks are asked for.

    One alone takes a third of the time of all, and most runs are about few.
    """

    def __getitem__(self, suite: str) -> Checks:
        if suite not in SUITES:
            raise KeyError(suite)
        return _checks(suite)

    def __contains__(self, suite: object) -> bool:
        return suite in SUITES

    def __iter__(self) -> Iterator[str]:
        return iter(SUITES)

    def __len__(self) -> int:
        return len(SUITES)


_CATALOGUE = _Catalogue()


def _module(suite: str) -> ModuleType:
    return importlib.import_module(f"wavetank.lab.suites.test_{suite}")


@functools.cache
def _checks(suite: str) -> dict[str, CheckEntry]:
    checks = {}
    for name, function in vars(_module(suite)).items():
        marker = _marker(function)
        if name.startswith("test_") and marker is not None:
            check = name.removeprefix("test_")
            checks[check] = CheckEntry(
                name=check,
                title=title_of(function),
                needs=marker["needs"],
                polite=marker["polite"],
            )
    return checks


def title_of(function: object) -> str:
    """Return the first sentence of a check's docstring, without its full stop."""
    text = inspect.getdoc(function) or ""
    return text.partition("\n\n")[0].replace("\n", " ").removesuffix(".")


def _marker(function: object) -> dict[str, Any] | None:
    for mark in getattr(function, "pytestmark", ()):
        if mark.name == MARKER:
            return dict(mark.kwargs)
    return None
