"""Faults of the target's own process."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wavetank.dialects import Hub
from wavetank.errors import LocalError
from wavetank.evidence import Record, TargetReady
from wavetank.lab import process_faults as module
from wavetank.lab.plan import Plan, Source
from wavetank.lab.process_faults import EndedByItself, NotBack, ProcessFaults
from wavetank.lab.target import Target, TargetStart, environment

pytestmark = pytest.mark.anyio

SOUND = "{python} -m wavetank wreck sound --port {port}"
DEAF = ("python3", "-c", "import signal; signal.pause()")


@pytest.fixture
def target(
    plan: Callable[..., Plan], tmp_path: Path, nobodys_settings: Path
) -> Iterator[Target]:
    """A sound server that the lab has started."""
    ours = plan(source=Source.SERVE, url="", serve=SOUND)
    start = TargetStart(ours, tmp_path, environment(ours))
    yield start.run()
    start.stop()


@pytest.fixture
def faults(target: Target, records: list[Record]) -> ProcessFaults:
    """What is done to it."""
    return ProcessFaults(target, record=records.append, now=lambda: 7.0)


async def test_a_process_is_ended_and_started_again(
    target: Target, faults: ProcessFaults, records: list[Record]
) -> None:
    """By SIGKILL, by SIGTERM, or because it runs when it is started again."""
    pids = {faults.process.pid}
    await faults.kill()
    assert faults.process.status == -9
    await faults.restart()
    pids.add(faults.process.pid)
    status = await faults.terminate()
    assert status == faults.process.status
    assert status is not None
    await faults.restart()
    pids.add(faults.process.pid)
    await faults.restart()
    pids.add(faults.process.pid)
    assert len(pids) == 4
    ready = [one for one in records if isinstance(one, TargetReady)]
    assert [one.at for one in ready] == [7.0] * 3
    assert ready[-1].pid == faults.process.pid
    assert ready[-1].url == target.url
    assert repr(faults).startswith("<ProcessFaults <TargetProcess ")


@pytest.mark.parametrize(
    ("command", "within", "why"),
    [
        (("no-such-program-anywhere",), 15.0, "does not start again"),
        (("false",), 15.0, "ended by itself, with status 1"),
        (DEAF, 0.3, r"not back within 0\.3 s: "),
        (DEAF, 0.0, "nobody was asked"),
    ],
)
async def test_a_target_that_does_not_come_back_is_no_mistake_of_ours(
    faults: ProcessFaults, command: tuple[str, ...], within: float, why: str
) -> None:
    """It says why, as far as that is known."""
    await faults.kill()
    faults.process.command = command
    with pytest.raises(NotBack, match=why):
        await faults.restart(within=within)


def test_a_process_that_is_not_ours_is_left_alone(records: list[Record]) -> None:
    """The sentence says what to do."""
    target = Target(url="ws://a", dialect=Hub())
    faults = ProcessFaults(target, record=records.append, now=lambda: 7.0)
    with pytest.raises(LocalError, match="--serve in place of --target"):
        _ = faults.process


async def test_a_target_that_ended_by_itself_is_no_fault_of_ours(
    faults: ProcessFaults,
) -> None:
    """Whoever kills it then, and starts it again, would hide that it crashed."""
    faults.check()
    os.kill(faults.process.pid, signal.SIGKILL)
    assert faults.process.ends_within(20.0)
    with pytest.raises(EndedByItself, match="by itself, with status -9"):
        faults.check()
    await faults.restart()
    await faults.kill()
    faults.check()


async def test_a_suspension_is_looked_at_until_it_stands(
    faults: ProcessFaults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes on all the same was not suspended, nor was what is gone."""
    assert await faults.suspend()
    assert faults.process.is_stopped
    faults.process.resume()
    monkeypatch.setattr(module, "_STOPS_WITHIN", 0.0)
    monkeypatch.setattr(type(faults.process), "is_stopped", False)
    assert not await faults.suspend()
    await faults.kill()
    assert not await faults.suspend()
