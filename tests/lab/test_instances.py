"""Several targets that serve together, and are restarted in turn."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from wavetank.errors import RemoteError, TargetError, UsageError
from wavetank.evidence import FaultBegan, Record
from wavetank.lab.instances import Instance, Instances, rolling_restart
from wavetank.lab.plan import Plan, Source
from wavetank.lab.process_faults import NotBack

from .talks import DEADLINE, until

pytestmark = pytest.mark.anyio

GATED = """
import os, sys
with open(sys.argv[2]) as gate:
    gate.read()
os.execv(sys.executable, [sys.executable, "-m", "wavetank", "wreck", "sound",
                          "--port", sys.argv[1]])
"""
"""A sound server that begins when its gate is open: a FIFO that somebody writes to."""


class Gate:
    """What instances wait for before they listen."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self._held: list[int] = []

    def open(self) -> None:
        """Let through whoever waits, and whoever comes."""
        self.path.unlink(missing_ok=True)
        ahead = self.path.with_suffix(".open")
        ahead.touch()
        ahead.rename(self.path)

    def shut(self) -> None:
        """Have whoever comes wait."""
        self.path.unlink()
        os.mkfifo(self.path)

    def let_in(self) -> None:
        """Let through whoever waits now, and shut nothing."""
        with contextlib.suppress(OSError):
            os.close(os.open(self.path, os.O_WRONLY | os.O_NONBLOCK))


Make = Callable[..., Instances]


@pytest.fixture
def make(
    plan: Callable[..., Plan],
    tmp_path: Path,
    nobodys_settings: Path,
    records: list[Record],
) -> Make:
    """Make instances of a command, or of the sound server."""

    def make(count: int = 2, serve: str = "", **changes: object) -> Instances:
        sound = "{python} -m wavetank wreck sound --port {port}"
        given = {"source": Source.SERVE, "url": "", "serve": serve or sound} | changes
        return Instances(
            plan(**given),
            count,
            scratch=tmp_path / "scratch",
            suite="toy",
            check="roll",
            record=records.append,
            now=lambda: 7.0,
        )

    return make


@pytest.fixture
async def gated(
    make: Make, tmp_path: Path
) -> AsyncIterator[tuple[list[Instance], Gate]]:
    """Two instances that run, and the gate that is shut behind them."""
    gate, script = Gate(tmp_path / "gate"), tmp_path / "gated.py"
    script.write_text(GATED)
    gate.open()
    async with make(serve=f"{{python}} {script} {{port}} {gate.path}") as instances:
        gate.shut()
        yield instances, gate
        gate.open()


async def answers(instance: Instance) -> bool:
    """Tell whether somebody listens."""
    try:
        await (await instance.peers.open(within=DEADLINE)).close()
    except RemoteError:
        return False
    return True


async def test_instances_are_targets_of_their_own(make: Make) -> None:
    """Each has a port, peers and faults; all end with the block."""
    several = make(3)
    assert repr(several).startswith("<Instances 3 of `{python} -m wavetank")
    async with several as instances:
        assert len({one.target.url for one in instances}) == 3
        pids = [one.target.process.pid for one in instances if one.target.process]
        first, second, _ = instances
        await first.chaos.kill()
        assert [await answers(one) for one in (first, second)] == [False, True]
        conversation = await second.chaos.peers.open()
        second.chaos.cut()
        with pytest.raises(RemoteError):
            await conversation.next_event(within=DEADLINE)
    await several.close()
    assert len(pids) == 3
    assert not any(map(psutil.pid_exists, pids))


async def test_targets_are_restarted_one_after_the_other(
    make: Make, records: list[Record]
) -> None:
    """Each is another process on its port, and each restart is on record."""
    async with make() as instances:
        before = [one.target.process.pid for one in instances if one.target.process]
        await rolling_restart(one.chaos for one in instances)
        after = [one.target.process.pid for one in instances if one.target.process]
        assert not set(before) & set(after)
        assert all([await answers(one) for one in instances])
    began = [one for one in records if isinstance(one, FaultBegan)]
    assert [one.where.rpartition(" ")[2] for one in began] == list(map(str, before))


async def test_the_next_one_goes_only_when_the_last_one_answers(
    gated: tuple[list[Instance], Gate],
) -> None:
    """So they are never all away, however long one takes to begin."""
    (first, second), gate = gated
    process = first.target.process
    assert process is not None
    before = process.pid
    rolling = asyncio.create_task(rolling_restart([first.chaos, second.chaos]))
    await until(lambda: process.pid != before)
    # It runs again, and does not listen yet.
    assert not await answers(first)
    assert await answers(second)
    assert second.chaos.log.on == []
    async with asyncio.timeout(DEADLINE):
        while second.chaos.log.on == []:
            gate.let_in()
            await asyncio.sleep(0)
    assert await answers(first)
    gate.open()
    await rolling
    assert await answers(second)


async def test_a_restart_that_waits_for_nobody_has_all_of_them_away(
    gated: tuple[list[Instance], Gate],
) -> None:
    """What the test above says is not said of any two restarts."""
    instances, _ = gated
    for one in instances:
        assert one.target.process is not None
        one.target.process.stop()
        one.target.process.start()
    assert [await answers(one) for one in instances] == [False, False]


async def test_the_others_are_left_alone_where_one_does_not_come_back(
    make: Make,
) -> None:
    """Half of the capacity is better than none."""
    several = make()
    first, second = await several.__aenter__()
    assert first.target.process is not None
    first.target.process.command = ("false",)
    with pytest.raises(NotBack):
        await rolling_restart([first.chaos, second.chaos])
    assert second.chaos.log.spells == []
    assert await answers(second)
    # What is down stays so, and all else is ended.
    with pytest.raises(NotBack):
        await several.close()
    assert not await answers(second)


async def test_nothing_runs_on_where_one_of_them_does_not_begin(make: Make) -> None:
    """It is said why."""
    with pytest.raises(TargetError, match="ended with status 1"):
        async with make(serve="false"):
            pass


def test_instances_are_started_by_a_command(make: Make) -> None:
    """A server that runs is one alone; both mistakes are told at once."""
    with pytest.raises(UsageError) as caught:
        make(0, source=Source.URL, url="ws://127.0.0.1:9")
    assert len(caught.value.problems) == 2
    assert "--serve" in caught.value.problems[0]
