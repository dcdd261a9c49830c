"""What checks of an isolated target say where the lab itself has lost it.

That each of them finds what it is for, the kill matrix shows.
"""

import contextlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from wavetank.errors import LocalError, RemoteError
from wavetank.evidence import Verdict
from wavetank.lab.fault_log import FaultLog
from wavetank.lab.notebook import Notebook
from wavetank.lab.suites import isolated as module

pytestmark = pytest.mark.anyio


class Process:
    """A process whose warden may be gone, which ends it, too."""

    def __init__(self) -> None:
        self.is_alive = True
        self.has_lost_warden = self.ended_by_lab = False
        self.status: int | None = None

    def lose_warden(self) -> None:
        """End, by the end of the warden."""
        self.is_alive, self.status = False, -9
        self.has_lost_warden = self.ended_by_lab = True

    def crash(self) -> None:
        """End by itself."""
        self.is_alive, self.status = False, 3

    def output(self) -> list[str]:
        """Tell what it has said."""
        return ["1", "2", "3", "out of luck"]

    def set_link(self, *, up: bool) -> None:
        """Answer as long as there is a warden."""
        self.fill()

    def fill(self) -> None:
        """Answer as long as there is a warden."""
        if self.has_lost_warden:
            raise LocalError("the target's warden is not there")

    free = fill


@pytest.fixture
def notebook() -> Notebook:
    """What the check has found."""
    return Notebook(suite="toy", check="alone", record=[].append, now=lambda: 7.0)


@pytest.fixture
def ground() -> Any:
    """A target that runs, to which nobody gets."""

    async def fail() -> None:
        raise RemoteError("went away")

    log = FaultLog(suite="toy", check="alone", record=[].append, now=lambda: 7.0)
    return SimpleNamespace(
        isolation=SimpleNamespace(process=Process(), connections=1),
        chaos=SimpleNamespace(log=log),
        peers=SimpleNamespace(open=fail),
    )


@pytest.mark.parametrize(
    ("end", "verdict", "seen"),
    [
        (None, Verdict.PASS, "one"),
        (Process.crash, Verdict.FAIL, "status 3; it said: 2 3 out of luck"),
        (Process.lose_warden, Verdict.UNKNOWN, "its warden is gone"),
    ],
)
def test_a_target_is_not_blamed_for_the_end_of_its_warden(
    ground: Any,
    notebook: Notebook,
    end: Callable[[Process], None] | None,
    verdict: Verdict,
    seen: str,
) -> None:
    """Such a check is looked at once more; a crash is the target's own.

    It was told as a crash, by SIGKILL.
    """
    if end is not None:
        end(ground.isolation.process)
    module._must_live(ground.isolation, notebook)
    (found,) = notebook.findings
    assert found.verdict is verdict
    assert seen in found.seen
    assert notebook.may_look_again() is (verdict is Verdict.UNKNOWN)


async def test_nothing_is_judged_behind_the_end_of_the_warden(
    ground: Any, notebook: Notebook
) -> None:
    """Whoever is not let in then was not refused by the target; else it was."""
    await module._must_be_let_in(ground, "t", notebook)
    assert notebook.verdict is Verdict.FAIL
    notebook.findings.clear()
    ground.isolation.process.lose_warden()
    with pytest.raises(LocalError, match="the warden of the isolated target is gone"):
        await module._must_be_let_in(ground, "t", notebook)
    assert notebook.findings == []


@pytest.mark.parametrize("break_it", ["_no_packets", "_full"])
async def test_a_fault_is_over_with_the_warden(ground: Any, break_it: str) -> None:
    """Its network and its disk are gone; a fault that stays on is a hole in a run."""
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(pytest.raises(LocalError))
        await stack.enter_async_context(getattr(module, break_it)(ground))
        assert len(ground.chaos.log.on) == 1
        ground.isolation.process.lose_warden()
    assert ground.chaos.log.on == []
