"""Faults for a check: each breaks what it says, and all are healed."""

import asyncio
from typing import Any

import pytest

from wavetank.chaos import TYPES
from wavetank.dialects import Hub
from wavetank.errors import LocalError, UsageError
from wavetank.evidence import FaultBegan, Record, TargetReady
from wavetank.lab.faults import FAULTS, Chaos
from wavetank.lab.process_faults import NotBack
from wavetank.lab.target import Target
from wavetank.net import NotReached

from .breaking import NEVER, MakeChaos, told
from .talks import DEADLINE, until

pytestmark = pytest.mark.anyio


async def test_peers_go_through_the_proxy(calm: Chaos, not_started: Target) -> None:
    """They speak as the target does, and nothing is broken yet."""
    assert calm.url == f"ws://127.0.0.1:{calm.proxy.port}/ws"
    assert calm.peers.target.url == calm.url
    conversation = await calm.peers.open_to_itself()
    assert (await conversation.round_trip("1")).payload == "1"
    assert len(calm.proxy.links) == 1
    assert len(calm.wire) > 0
    assert repr(calm).startswith("<Chaos <Proxy ")


async def test_credentials_of_a_url_stay_in_it(make_chaos: MakeChaos) -> None:
    """A user and a password belong to the opening handshake."""
    async with make_chaos(
        Target(url="ws://me:pw@127.0.0.1:9/p?q=1", dialect=Hub())
    ) as chaos:
        assert chaos.url == f"ws://me:pw@127.0.0.1:{chaos.proxy.port}/p?q=1"


async def test_any_fault_begins_and_is_healed_by_its_kind(
    calm: Chaos, records: list[Record]
) -> None:
    """As a schedule asks for it; what is over is over."""
    names = [
        await calm.begin("cut", {"how": "fin"}),
        await calm.begin("latency", {"latency": 3, "stream": "upstream"}),
    ]
    assert calm.log.on == names == ["cut", "latency"]
    async with calm.fault("bandwidth", {"rate": 5}, links=[1]):
        assert len(calm.proxy.toxics) == 2
    await calm.heal_all()
    await calm.heal("latency")
    assert calm.log.on == []
    assert FAULTS.keys() >= TYPES.keys()
    assert set(FAULTS["latency"]) >= {"stream", "toxicity", "latency", "jitter"}


@pytest.mark.parametrize(
    ("what", "given", "problem"),
    [
        ("parttition", {}, "did you mean partition?"),
        ("partition", {"hwo": 1}, "partition has no attribute 'hwo'"),
        ("cut", {"hw": "rst"}, "did you mean how?"),
        ("cut", {"how": "softly"}, "how=rst or how=fin"),
        ("latency", {"latencey": 1}, "latencey"),
    ],
)
async def test_a_mistake_in_a_fault_breaks_nothing(
    calm: Chaos, records: list[Record], what: str, given: dict[str, Any], problem: str
) -> None:
    """It is said in words, and no fault is on record."""
    with pytest.raises(UsageError, match=problem.replace("?", r"\?")):
        await calm.begin(what, given)
    assert not records


async def test_a_process_that_is_not_ours_is_left_alone(calm: Chaos) -> None:
    """A check that breaks it has to say so in its needs."""
    for fault in (calm.kill, calm.terminate, calm.restart):
        with pytest.raises(LocalError, match="PROCESS"):
            await fault()
    with pytest.raises(LocalError, match="PROCESS"):
        async with calm.suspended():
            pass
    with pytest.raises(UsageError, match="not for links"):
        await calm.begin("kill", links=[1])


async def test_everything_is_healed_at_the_end(
    make_chaos: MakeChaos, not_started: Target, records: list[Record]
) -> None:
    """Also what a check that failed has left on; peers are ended."""
    async with make_chaos(not_started) as chaos:
        conversation = await chaos.peers.open()
        await chaos.begin("partition")
        await chaos.begin("offline")
    assert chaos.log.on == []
    assert not conversation.peer.is_open
    assert told(records)[2:] == [("healed", "offline"), ("healed", "partition")]
    await chaos.close()


async def test_a_target_that_does_not_come_back_is_told_when_all_else_is_healed(
    make_chaos: MakeChaos, started: Target
) -> None:
    """The first one that fails does not keep the others broken."""
    assert started.process is not None
    chaos = await make_chaos(started).__aenter__()
    await chaos.begin("partition")
    await chaos.kill()
    started.process.command = ("false",)
    with pytest.raises(NotBack):
        await chaos.close()
    assert chaos.proxy.toxics == ()


async def test_a_fault_that_was_taken_away_keeps_no_other_one_on(
    make_chaos: MakeChaos, started: Target
) -> None:
    """A stopped target goes on whatever else cannot be healed."""
    process = started.process
    assert process is not None
    chaos = await make_chaos(started).__aenter__()
    await chaos.begin("suspend")
    assert process.is_stopped
    await chaos.begin("latency")
    chaos.proxy.reset()
    with pytest.raises(LocalError, match="no toxic latency"):
        await chaos.close()
    assert not process.is_stopped


async def test_a_target_is_killed_and_started_again_on_its_port(
    make_chaos: MakeChaos, started: Target, records: list[Record]
) -> None:
    """That is a fault of ours and no death; the new process is on record."""
    process = started.process
    assert process is not None
    async with make_chaos(started) as chaos:
        before = process.pid
        assert await chaos.kill() == "kill"
        assert not process.is_alive
        assert process.ended_by_lab
        assert await chaos.restart() > 0
        assert chaos.log.on == []
        assert process.pid != before
        await (await chaos.peers.open()).ping(within=DEADLINE)
        # Without a fault before it, a restart is one.
        await chaos.restart()
        assert told(records) == [
            ("began", "kill"),
            ("healed", "kill"),
            ("began", "terminate"),
            ("healed", "terminate"),
        ]
    ready = [one.pid for one in records if isinstance(one, TargetReady)]
    assert ready[-1] == process.pid


async def test_a_suspended_target_says_nothing_and_then_goes_on(
    make_chaos: MakeChaos, started: Target
) -> None:
    """SIGSTOP and SIGCONT; of two that overlap the last one lets it go on."""
    async with make_chaos(started) as chaos:
        conversation = await chaos.peers.open()
        async with chaos.suspended():
            async with chaos.suspended():
                pass
            with pytest.raises(TimeoutError):
                await conversation.ping(within=NEVER)
        await conversation.ping(within=DEADLINE)


async def test_a_heal_that_is_cut_short_is_done_at_the_end(
    make_chaos: MakeChaos, started: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deadline in the middle of a restart leaves no dead target behind."""
    process = started.process
    assert process is not None
    chaos = await make_chaos(started).__aenter__()
    name = await chaos.kill()
    started_at = asyncio.Event()
    restart = chaos._target_faults._process.restart

    async def hang() -> float:
        started_at.set()
        await asyncio.Event().wait()
        return 0.0

    monkeypatch.setattr(chaos._target_faults._process, "restart", hang)
    healing = asyncio.create_task(chaos.heal(name))
    await started_at.wait()
    healing.cancel()
    await asyncio.wait([healing])
    assert chaos.log.on == [name]
    monkeypatch.setattr(chaos._target_faults._process, "restart", restart)
    await chaos.close()
    assert chaos.log.on == []
    assert process.is_alive


async def test_links_are_broken_by_their_own_names(
    calm: Chaos, records: list[Record]
) -> None:
    """For all links or for one, as long as a block takes."""
    first, second = await calm.peers.open_many(2)
    number = calm.link_of(second)
    assert number is not None
    assert calm.link_of(None) is None
    async with calm.partition(links=[number]):
        with pytest.raises(TimeoutError):
            await second.ping(within=NEVER)
        await first.ping(within=DEADLINE)
    async with calm.half_open(stream="upstream", links=[number]):
        pass
    when = {"opcodes": ["text"]}
    async with calm.toxic("drop", links=[number], when=when) as name:
        assert name == "drop"
        assert calm.log.on == ["drop"]
    async with calm.toxic("latency", latency=1):
        pass
    assert calm.cut(links=[number]) == 1
    await until(lambda: calm.link_of(second) is None)
    async with calm.offline():
        with pytest.raises(NotReached):
            await calm.peers.open(within=DEADLINE)
    assert [one.what for one in records if isinstance(one, FaultBegan)] == [
        "partition",
        "half_open",
        "drop",
        "latency",
        "cut",
        "offline",
    ]
    assert calm.log.on == []
