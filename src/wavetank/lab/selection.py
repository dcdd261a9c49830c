"""Which suites and checks a run is about.

It refuses to know what they do: names in, names out.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePath

from wavetank.errors import nearest
from wavetank.lab.options import RUN_VARIABLES
from wavetank.settings import Settings, boolean

__all__ = [
    "ON_REQUEST",
    "PLAYS_FAULTS",
    "indispensable",
    "name_of",
    "plays_faults",
    "select",
    "switched_on",
    "unasked",
]

ON_REQUEST = frozenset({"conformance"})
"""Suites that run where they are named, and with --full: what they find is mostly for
whoever writes a WebSocket library, not for who uses one."""

PLAYS_FAULTS = "fault_tolerance.mixed_schedule"
"""The check that plays a user's own faults."""

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
    suites: set[str] = set()
    checks: set[str] = set()
    for name in names:
        # The whole catalogue is looked through last: it reads suites as it is asked.
        owner, _, check = name.partition(".")
        if name in catalogue:
            suites.add(name)
            checks |= {f"{name}.{check}" for check in catalogue[name]}
        elif owner in catalogue and check in catalogue[owner]:
            suites.add(owner)
            checks.add(name)
        elif owners := [suite for suite, have in catalogue.items() if name in have]:
            suites |= set(owners)
            checks |= {f"{suite}.{name}" for suite in owners}
        else:
            problems.append(
                f"suite {name}: there is no such suite or check"
                f"{nearest(name, _all_names(catalogue)) or ';'} `wavetank run --list` "
                "shows them"
            )
    ordered = tuple(suite for suite in catalogue if suite in suites)
    return ordered or tuple(catalogue), frozenset(checks)


def _all_names(catalogue: Mapping[str, Collection[str]]) -> set[str]:
    """Return all that may be typed."""
    full = {f"{suite}.{check}" for suite, have in catalogue.items() for check in have}
    return {
        *catalogue,
        *full,
        *(check for have in catalogue.values() for check in have),
    }


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


def unasked(
    catalogue: Mapping[str, Collection[str]],
    environ: Mapping[str, str],
    problems: list[str],
    notes: list[str],
    *,
    is_full: bool,
) -> tuple[str, ...]:
    """Return the suites that run where none is named; as `switched_on`.

    Args:
        catalogue: Suites in their order.
        environ: The environment, with what only the .env file has.
        problems: Where values go that are neither true nor false.
        notes: Where suites go that are switched on and not there.
        is_full: Whether those run, too, that otherwise run on request.
    """
    left_out = frozenset[str]() if is_full else ON_REQUEST
    suites = switched_on(catalogue, environ, problems, notes)
    return tuple(suite for suite in suites if suite not in left_out)


def plays_faults(suites: Collection[str], checks: Collection[str]) -> bool:
    """Tell whether the check is chosen that plays a user's faults.

    Args:
        suites: Suites that were chosen.
        checks: Single checks that were chosen; empty for all of the suites.
    """
    is_chosen = PLAYS_FAULTS.partition(".")[0] in suites
    return is_chosen and (not checks or PLAYS_FAULTS in checks)


def indispensable(
    settings: Settings,
    suites: Collection[str],
    checks: Collection[str],
    problems: list[str],
) -> frozenset[str]:
    """Return the checks without which a run is not what was asked for.

    Args:
        settings: The options; a flag may be for one check alone.
        suites: Suites that were chosen.
        checks: Single checks that were chosen; empty for all of the suites.
        problems: Where it goes that such a check was not chosen.
    """
    # In a file or a variable it waits for the runs that it is for.
    if not settings.source("faults").startswith("--"):
        return frozenset()
    if not plays_faults(suites, checks):
        problems.append(
            f"--faults: only {PLAYS_FAULTS} plays them, and it is not among the checks "
            "of this run; name it, or leave --faults out"
        )
    return frozenset({PLAYS_FAULTS})
