"""Which suites and checks a run is about.

It refuses to know what they do: names in, names out.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePath

from wavetank.errors import nearest
from wavetank.lab.options import RUN_VARIABLES
from wavetank.settings import boolean

__all__ = ["ON_REQUEST", "name_of", "select", "switched_on"]

ON_REQUEST = frozenset({"conformance"})
"""Suites that run where they are named, and with --full: what they find is mostly for
whoever writes a WebSocket library, not for who uses one."""

_CATALOGUE_PREFIXES = ("test_", "websocket_", "v2_")


def name_of(file: str) -> str:
    """Return the suite or check that a file of the catalogue stands for."""
    stem = PurePath(file).stem
    for prefix in _CATALOGUE_PREFIXES:
        stem = stem.removeprefix(prefix)
    return stem


def select(
    names: Sequence[str],
    catalogue: Mapping[str, Collection[str]],
    problems: list[str],
) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the suites that names stand for, and the checks where single ones do.

    Args:
        names: Suites, ``suite.check``, or checks by their bare name.
        catalogue: Suites in their order, with the names of their checks.
        problems: Where unknown names go, with the nearest valid one.
    """
    known = {
        *catalogue,
        *(f"{s}.{c}" for s, checks in catalogue.items() for c in checks),
    }
    bare = {check for checks in catalogue.values() for check in checks}
    suites: set[str] = set()
    checks: set[str] = set()
    for name in names:
        if name in catalogue:
            suites.add(name)
            checks |= {f"{name}.{check}" for check in catalogue[name]}
        elif name in known:
            suites.add(name.partition(".")[0])
            checks.add(name)
        elif name in bare:
            owners = [suite for suite, have in catalogue.items() if name in have]
            suites |= set(owners)
            checks |= {f"{suite}.{name}" for suite in owners}
        else:
            problems.append(
                f"suite {name}: there is no such suite or check"
                f"{nearest(name, known | bare) or ';'} `wavetank run --list` shows them"
            )
    ordered = tuple(suite for suite in catalogue if suite in suites)
    return ordered or tuple(catalogue), frozenset(checks)


def switched_on(
    catalogue: Mapping[str, Collection[str]],
    environ: Mapping[str, str],
    problems: list[str],
    notes: list[str],
) -> tuple[str, ...]:
    """Return the suites that no ``RUN_…`` variable switches off.

    Args:
        catalogue: Suites in their order.
        environ: The environment, with what only the .env file has.
        problems: Where values go that are neither true nor false.
        notes: Where suites go that are switched on and not there.
    """
    off: set[str] = set()
    for variable, suites in RUN_VARIABLES.items():
        typed = environ.get(variable, "")
        if not typed:
            continue
        try:
            wanted = boolean(typed)
        except ValueError as error:
            problems.append(f"environment {variable}: {error}")
            continue
        missing = [suite for suite in suites if suite not in catalogue]
        if missing and wanted:
            notes.append(f"{variable}: this version has no suite {', '.join(missing)}")
        if not wanted:
            off |= set(suites)
    return tuple(suite for suite in catalogue if suite not in off)
