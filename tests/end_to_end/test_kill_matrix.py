"""Every check is seen failing on its wrecks, and passing on the sound server."""

from collections.abc import Callable

import pytest

from wavetank.lab.catalogue import catalogue
from wavetank.wrecks import WRECKS

CHECKS = {
    f"{suite}.{check}" for suite, checks in catalogue().items() for check in checks
}
ROWS = sorted((row.check, name) for name, row in WRECKS.items())
FIRST = dict(reversed(ROWS))
"""One wreck of each check is tried every time; the others by `./check long`."""


def test_every_check_has_a_wreck_of_its_own() -> None:
    """No check is in the catalogue that nothing was ever seen to fail."""
    assert {check for check, _ in ROWS} == CHECKS


def test_the_sound_server_passes_every_check(
    run: Callable, wreck: Callable[[str], str]
) -> None:
    """What the wrecks break is whole in the server that they are made of."""
    ended = run(*catalogue(), "--dialect", "hub", "--serve", wreck("sound"))

    assert ended.verdicts() == dict.fromkeys(CHECKS, "PASS")
    assert ended.code == 0


@pytest.mark.parametrize(
    ("check", "name"),
    [
        pytest.param(
            check, name, marks=[] if FIRST[check] == name else pytest.mark.long
        )
        for check, name in ROWS
    ],
)
def test_a_check_fails_on_its_wreck(
    run: Callable, wreck: Callable[[str], str], check: str, name: str
) -> None:
    """The fault is seen by the check that has to see it, as FAIL."""
    ended = run(check, "--dialect", "hub", "--serve", wreck(name))

    assert ended.verdicts() == {check: "FAIL"}
    assert ended.code == 1
