"""Faults of the target's own process."""

import os
import signal

import psutil
import pytest

from wavetank.dialects import Hub
from wavetank.errors import LocalError
from wavetank.evidence import Record, TargetReady
from wavetank.lab import process_faults as module
from wavetank.lab.process_faults import EndedByItself, NotBack, ProcessFaults
from wavetank.lab.target import Target

from .breaking import Preforked, both_workers

pytestmark = pytest.mark.anyio

DEAF = ("python3", "-c", "import signal; signal.pause()")


@pytest.fixture
def faults(started: Target, records: list[Record]) -> ProcessFaults:
    """What is done to it."""
    return ProcessFaults(started, record=records.append, now=lambda: 7.0)


def faults_of(target: Target) -> ProcessFaults:
    """Return what is done to a target, with nobody who takes records."""
    return ProcessFaults(target, record=[].append, now=lambda: 7.0)


async def test_a_process_is_ended_and_started_again(
    started: Target, faults: ProcessFaults, records: list[Record]
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
    assert ready[-1].url == started.url
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


async def test_a_slow_target_has_as_long_as_it_had_at_first(
    faults: ProcessFaults, started: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user has said how slow it is; it had 15 s to be back, whatever was said."""
    monkeypatch.setattr(module, "BACK_WITHIN", 0.0)
    await faults.kill()
    started.ready_within = 0.0
    with pytest.raises(NotBack, match="within 0 s"):
        await faults.restart()
    started.ready_within = 60.0
    await faults.restart()
    with pytest.raises(NotBack, match="within 0 s"):
        await faults.restart(within=0.0)


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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_workers_are_replaced_one_after_the_other(
    preforked: Preforked, number: signal.Signals
) -> None:
    """Each is another one afterwards, the server is the same, and it answers."""
    faults = faults_of(await preforked())
    before = await both_workers(faults)
    pid = faults.process.pid
    await faults.roll(before, number)
    after = await both_workers(faults)
    assert not set(before) & set(after)
    assert faults.process.pid == pid
    # Who is gone already needs no signal.
    await faults.roll(before[:1], number)
    assert await both_workers(faults) == after


async def test_a_worker_that_is_not_replaced_keeps_the_next_one_where_it_is(
    preforked: Preforked,
) -> None:
    """A target that loses one after the other has not come back."""
    faults = faults_of(await preforked("mortal"))
    first, second = await both_workers(faults)
    with pytest.raises(NotBack, match=rf"{first.pid} was not replaced within 0\.3 s"):
        await faults.roll([first, second], signal.SIGTERM, within=0.3)
    assert second.is_running()


async def test_a_target_without_workers_is_not_rolled(faults: ProcessFaults) -> None:
    """The sentence says what else there is."""
    with pytest.raises(LocalError, match="no child that does"):
        await faults.workers()


async def test_nothing_is_rolled_at_a_target_that_we_have_ended(
    preforked: Preforked,
) -> None:
    """Nobody is back then, and that is no mistake of its own; a crash is one."""
    faults = faults_of(await preforked())
    workers = await both_workers(faults)
    await faults.kill()
    await faults.roll(workers, signal.SIGTERM)
    faults.process.ended_by_lab = False
    with pytest.raises(NotBack, match="was not replaced"):
        await faults.roll(workers, signal.SIGTERM)


async def test_a_worker_of_another_user_is_told(
    preforked: Preforked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That the lab may not end it is no fault of the target."""
    faults = faults_of(await preforked())
    (first, _) = await both_workers(faults)

    def refuse(process: psutil.Process, _: int) -> None:
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "send_signal", refuse)
    with pytest.raises(
        LocalError, match=f"worker {first.pid} of the target belongs to"
    ):
        await faults.roll([first], signal.SIGTERM)


async def test_whose_process_has_ended_that_has_no_workers(
    preforked: Preforked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number may be somebody else's by now, and is not looked at."""
    faults = faults_of(await preforked())
    await faults.kill()
    monkeypatch.setattr(module, "workers_of", lambda *_: pytest.fail("looked at"))
    with pytest.raises(LocalError, match="no child that does"):
        await faults.workers()


@pytest.mark.parametrize(
    ("url", "port"), [("ws://a:7/p", 7), ("ws://a", 80), ("wss://a/p", 443)]
)
def test_a_url_says_its_port(url: str, port: int) -> None:
    """By its scheme, where it does not."""
    assert module._port_of(url) == port
