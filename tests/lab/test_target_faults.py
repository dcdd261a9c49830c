"""Faults of the target's process, from begin to heal."""

import asyncio
import itertools
import os
import signal

import psutil
import pytest

from wavetank.errors import LocalError, UsageError
from wavetank.evidence import FaultBegan, Record
from wavetank.lab import target_faults as module
from wavetank.lab.descriptors import NotPermitted
from wavetank.lab.interruption import Interruption
from wavetank.lab.process_faults import EndedByItself
from wavetank.lab.target import Target

from .breaking import NEVER, MakeChaos, Preforked, both_workers, told
from .talks import DEADLINE

pytestmark = pytest.mark.anyio


async def test_a_target_that_was_ended_is_back_for_the_next_check(
    make_chaos: MakeChaos, started: Target
) -> None:
    """Once all that has ended it is healed."""
    process = started.process
    assert process is not None
    async with make_chaos(started) as chaos:
        first = await chaos.begin("kill")
        await chaos.begin("terminate")
        await chaos.heal(first)
        assert not process.is_alive
    assert process.is_alive
    async with make_chaos(started) as chaos, chaos.fault("terminate"):
        assert not process.is_alive
    assert process.is_alive


async def test_nothing_is_started_again_once_the_user_wants_to_end(
    make_chaos: MakeChaos, started: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends anyway."""
    interruption = Interruption()
    interruption.happened = True
    monkeypatch.setattr(module, "INTERRUPTION", interruption)
    async with make_chaos(started) as chaos:
        await chaos.kill()
    assert started.process is not None
    assert not started.process.is_alive


async def test_a_target_that_crashed_is_not_taken_for_one_that_we_broke(
    make_chaos: MakeChaos, started: Target, records: list[Record]
) -> None:
    """It is said, and no fault is on record."""
    process = started.process
    assert process is not None
    async with make_chaos(started) as chaos:
        os.kill(process.pid, signal.SIGKILL)
        assert process.ends_within(DEADLINE)
        for what in ("kill", "terminate", "suspend"):
            with pytest.raises(EndedByItself):
                await chaos.begin(what)
        with pytest.raises(EndedByItself):
            await chaos.restart()
    assert not told(records)


async def test_a_process_that_cannot_be_broken_is_noted(
    make_chaos: MakeChaos, started: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on, whatever signal it was sent."""
    async with make_chaos(started) as chaos:
        chaos.log._now = itertools.count(1.0).__next__

        async def in_vain(*_: object) -> bool:
            return False

        monkeypatch.setattr(chaos._target_faults._process, "kill", in_vain)
        monkeypatch.setattr(chaos._target_faults._process, "suspend", in_vain)
        await chaos.heal(await chaos.begin("kill"))
        await chaos.heal(await chaos.begin("suspend"))
        assert chaos.log.in_vain == ["kill", "suspend"]


async def test_a_target_without_descriptors_serves_whom_it_has(
    make_chaos: MakeChaos, started: Target, records: list[Record]
) -> None:
    """Nobody else, until the last of two faults that overlap is healed."""
    process = started.process
    assert process is not None
    before = psutil.Process(process.pid).rlimit(psutil.RLIMIT_NOFILE)
    async with make_chaos(started) as chaos:
        conversation = await chaos.peers.open()
        first = await chaos.begin("no_descriptors")
        second = await chaos.begin("no_descriptors", {"spare": 0})
        await conversation.ping(within=DEADLINE)
        with pytest.raises(TimeoutError):
            await chaos.peers.open(within=NEVER)
        await chaos.heal(first)
        with pytest.raises(TimeoutError):
            await chaos.peers.open(within=NEVER)
        assert "on: no_descriptors-2>" in repr(chaos._target_faults)
        await chaos.heal(second)
        await (await chaos.peers.open(within=DEADLINE)).ping(within=DEADLINE)
        # Whoever fails meanwhile leaves the target as it was.
        await chaos.begin("no_descriptors", {"spare": 5})
    assert psutil.Process(process.pid).rlimit(psutil.RLIMIT_NOFILE) == before
    began = [one for one in records if isinstance(one, FaultBegan)]
    assert [one.attributes for one in began] == [{"spare": n} for n in (0, 0, 5)]
    assert began[0].where == f"the target's process {process.pid}"


@pytest.mark.parametrize("spare", [-1, "few", True, 1.5])
async def test_a_target_has_a_whole_number_of_descriptors_to_spare(
    make_chaos: MakeChaos, started: Target, records: list[Record], spare: object
) -> None:
    """A mistake breaks nothing."""
    async with make_chaos(started) as chaos:
        with pytest.raises(UsageError, match="a whole number of them to spare"):
            await chaos.begin("no_descriptors", {"spare": spare})
    assert not told(records)


async def test_descriptors_of_a_target_that_is_gone_are_not_missed(
    make_chaos: MakeChaos, started: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault has found nothing; where it is not permitted, there is none."""
    async with make_chaos(started) as chaos:
        chaos.log._now = itertools.count(1.0).__next__
        with monkeypatch.context() as patch:
            patch.delattr(psutil, "RLIMIT_NOFILE")
            with pytest.raises(NotPermitted):
                await chaos.begin("no_descriptors")
        assert chaos.log.spells == []
        await chaos.kill()
        await chaos.begin("no_descriptors")
        await chaos.restart()
        await (await chaos.peers.open()).ping(within=DEADLINE)
        assert chaos.log._missed == {"no_descriptors"}


@pytest.mark.parametrize("what", ["no_descriptors", "rolling_restart"])
async def test_nobody_is_hit_by_the_number_of_a_target_that_is_gone(
    make_chaos: MakeChaos, started: Target, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """It was waited for, so the number may be somebody else's: here it is our own.

    The lab would have taken all its descriptors from that process.
    """
    process = started.process
    assert process is not None
    ours = psutil.Process().rlimit(psutil.RLIMIT_NOFILE)
    async with make_chaos(started) as chaos:
        await chaos.kill()
        with monkeypatch.context() as patch:
            patch.setattr(type(process), "pid", os.getpid())
            name = await chaos.begin(what)
            limits = psutil.Process().rlimit(psutil.RLIMIT_NOFILE)
            await chaos.heal(name)
        assert limits == ours
        assert name in chaos.log._missed


async def test_a_rolling_restart_goes_on_until_it_is_healed(
    make_chaos: MakeChaos, preforked: Preforked, records: list[Record]
) -> None:
    """All workers are others then; who is cut short waits again at the end."""
    chaos = await make_chaos(await preforked()).__aenter__()
    process = chaos._target_faults._process
    before = await both_workers(process)
    name = await chaos.begin("rolling_restart", {"how": "hup"})
    healing = asyncio.create_task(chaos.heal(name))
    await asyncio.sleep(0)
    healing.cancel()
    await asyncio.wait([healing])
    assert chaos.log.on == [name]
    await chaos.close()
    assert not set(before) & set(await process.workers())
    (began,) = [one for one in records if isinstance(one, FaultBegan)]
    assert began.attributes == {"how": "hup", "workers": 2}


async def test_a_target_without_workers_is_not_restarted_in_parts(
    make_chaos: MakeChaos,
    started: Target,
    records: list[Record],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is said, before anything is broken, too, and no fault is on record."""
    monkeypatch.setattr(module, "_WORKERS_WITHIN", 0.1)
    async with make_chaos(started) as chaos:
        with pytest.raises(LocalError, match="no child that does"):
            await chaos.begin("rolling_restart")
        assert "no child that does" in await chaos.lacks({"rolling_restart", "cut"})
        assert await chaos.lacks({"no_descriptors", "cut"}) == ""
        with pytest.raises(UsageError, match="how=hup, not with 'kill'"):
            await chaos.begin("rolling_restart", {"how": "kill"})
    assert not told(records)
