"""Every check is seen failing on its wrecks, and passing on the sound server."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from kill_matrix import DURABLE, LIVELY, LONG_PATIENCE, ON_ITS_DISK, PATIENCE
from wavetank.lab.catalogue import catalogue
from wavetank.wrecks import WRECKS

CHECKS = {
    f"{suite}.{check}" for suite, checks in catalogue().items() for check in checks
}
ROWS = sorted((row.check, name) for name, row in WRECKS.items())
LOADS = ("performance", "load", "latency")
EVERY_TIME = {
    "core.message_handling",
    "load.performance_metrics",
    "message_flow.end_to_end",
    "self_healing.connection_recovery",
}
"""Of these checks one wreck is tried every time; all others by `./check long`."""
FIRST = dict(reversed(ROWS))


def is_quick(check: str, name: str) -> bool:
    """Tell whether a row is tried every time."""
    return check in EVERY_TIME and FIRST[check] == name


def test_every_check_has_a_wreck_of_its_own() -> None:
    """No check is in the catalogue that nothing was ever seen to fail."""
    assert {check for check, _ in ROWS} == CHECKS


@pytest.mark.parametrize(
    "suites",
    [
        pytest.param([one for one in catalogue() if one not in LOADS], id="talk"),
        pytest.param(LOADS, id="load"),
    ],
)
@pytest.mark.long
def test_the_sound_server_passes_every_check(
    prove: Callable,
    wreck: Callable[..., str],
    not_here: frozenset[str],
    suites: Sequence[str],
) -> None:
    """What the wrecks break is whole in the server that they are made of."""
    server = wreck("sound", *LIVELY, "--data", "{data}/log")
    ended = prove(*suites, *PATIENCE, "--dialect", "hub", "--serve", server)

    expected = {check for check in CHECKS if check.partition(".")[0] in suites}
    skipped = not_here & expected
    verdicts = dict.fromkeys(expected, "PASS") | dict.fromkeys(skipped, "SKIP")
    assert ended.verdicts() == verdicts
    assert ended.code == 0


@pytest.mark.parametrize(
    ("check", "name"),
    [
        pytest.param(
            check, name, marks=[] if is_quick(check, name) else pytest.mark.long
        )
        for check, name in ROWS
    ],
)
def test_a_check_fails_on_its_wreck(
    prove: Callable,
    wreck: Callable[..., str],
    tmp_path: Path,
    not_here: frozenset[str],
    check: str,
    name: str,
) -> None:
    """The fault is seen by the check that has to see it, as FAIL."""
    if check in not_here:
        pytest.skip("this machine does not permit network and mount namespaces")
    data = ("--data", str(tmp_path / "log")) if name in DURABLE else ()
    data = ("--data", "{data}/log") if name in ON_ITS_DISK else data
    server = wreck(name, *LIVELY, *data)
    patience = LONG_PATIENCE.get(name, PATIENCE)
    ended = prove(check, *patience, "--dialect", "hub", "--serve", server)

    assert ended.verdicts() == {check: "FAIL"}
    assert ended.code == 1


@pytest.mark.long
def test_a_check_of_leftovers_does_not_wait_for_all_that_never_comes(
    run: Callable, wreck: Callable[..., str]
) -> None:
    """Sixty listeners were waited for, ten seconds each; the first one tells it.

    It is not this check's fault to find, but it has to come to an end.
    """
    server = wreck("cut-at-4096", *LIVELY)
    check = "self_healing.memory_recovery"
    ended = run(check, "--dialect", "hub", "--serve", server)

    assert ended.verdicts() == {check: "FAIL"}
