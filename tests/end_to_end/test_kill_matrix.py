"""Every check is seen failing on its wrecks, and passing on the sound server."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from wavetank.lab.catalogue import catalogue
from wavetank.wrecks import WRECKS

CHECKS = {
    f"{suite}.{check}" for suite, checks in catalogue().items() for check in checks
}
ROWS = sorted((row.check, name) for name, row in WRECKS.items())
PATIENCE = ("--patience", "4")
"""Seconds for connections that stall; sound and wreck let go of them before that."""
LONG_PATIENCE = {"half-open-kept": ("--patience", "45")}
"""The dialect gives a target 40 s to find a peer that is gone."""
LIVELY = ("--ping-interval", "1", "--pong-timeout", "5")
"""Seconds after which the servers notice that a peer is gone."""
DURABLE = {"acknowledges-before-writing"}
"""Wrecks that are wrong about a log on disk; the others begin anew at each start."""
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
    prove: Callable, wreck: Callable[..., str], suites: Sequence[str]
) -> None:
    """What the wrecks break is whole in the server that they are made of."""
    server = wreck("sound", *LIVELY)
    ended = prove(*suites, *PATIENCE, "--dialect", "hub", "--serve", server)

    expected = {check for check in CHECKS if check.partition(".")[0] in suites}
    assert ended.verdicts() == dict.fromkeys(expected, "PASS")
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
    check: str,
    name: str,
) -> None:
    """The fault is seen by the check that has to see it, as FAIL."""
    data = ("--data", str(tmp_path / "log")) if name in DURABLE else ()
    server = wreck(name, *LIVELY, *data)
    patience = LONG_PATIENCE.get(name, PATIENCE)
    ended = prove(check, *patience, "--dialect", "hub", "--serve", server)

    assert ended.verdicts() == {check: "FAIL"}
    assert ended.code == 1
