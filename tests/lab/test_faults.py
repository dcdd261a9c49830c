"""Faults for a check: each breaks what it says, and all are healed."""

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wavetank.chaos import TYPES
from wavetank.dialects import Hub
from wavetank.errors import LocalError, RemoteError, UsageError
from wavetank.evidence import FaultBegan, FaultHealed, Record, TargetReady
from wavetank.lab import faults as module
from wavetank.lab.faults import FAULTS, Chaos
from wavetank.lab.interruption import Interruption
from wavetank.lab.plan import Plan, Source
from wavetank.lab.process_faults import EndedByItself, NotBack
from wavetank.lab.target import Target, TargetStart, environment
from wavetank.net import NotReached
from wavetank.wrecks import SoundServer

from .talks import DEADLINE, until

pytestmark = pytest.mark.anyio

Make = Callable[[Target], Chaos]
SOUND = "{python} -m wavetank wreck sound --port {port}"
NEVER = 0.05
"""Seconds in which nothing can come, because nothing is let by."""


@pytest.fixture
def make(records: list[Record]) -> Make:
    """Make the chaos of a check called ``storm``."""

    def make(target: Target) -> Chaos:
        return Chaos(
            target,
            suite="toy",
            check="storm",
            record=records.append,
            now=lambda: 7.0,
            seed=5,
        )

    return make


@pytest.fixture
async def server(sounding: Callable[..., Awaitable[SoundServer]]) -> SoundServer:
    """A sound server in this loop."""
    return await sounding()


@pytest.fixture
def target(server: SoundServer) -> Target:
    """That server, which the lab did not start."""
    url = f"ws://127.0.0.1:{server.port}/ws"
    return Target(url=url, dialect=Hub(), subprotocols=("wavetank.v1",))


@pytest.fixture
async def chaos(make: Make, target: Target) -> AsyncIterator[Chaos]:
    """Chaos before the sound server."""
    async with make(target) as chaos:
        yield chaos


@pytest.fixture
def started(
    plan: Callable[..., Plan], tmp_path: Path, nobodys_settings: Path
) -> Iterator[Target]:
    """A sound server that the lab has started."""
    ours = plan(source=Source.SERVE, url="", serve=SOUND)
    start = TargetStart(ours, tmp_path, environment(ours))
    yield start.run()
    start.stop()


def told(records: list[Record]) -> list[tuple[str, str]]:
    """Return what began and what was healed."""
    return [
        ("began" if isinstance(one, FaultBegan) else "healed", one.name)
        for one in records
        if isinstance(one, FaultBegan | FaultHealed)
    ]


# In the proxy


async def test_peers_go_through_the_proxy(chaos: Chaos, target: Target) -> None:
    """They speak as the target does, and nothing is broken yet."""
    assert chaos.url == f"ws://127.0.0.1:{chaos.proxy.port}/ws"
    assert chaos.peers.target.url == chaos.url
    conversation = await chaos.peers.open_to_itself()
    assert (await conversation.round_trip("1")).payload == "1"
    assert len(chaos.proxy.links) == 1
    assert len(chaos.wire) > 0
    assert repr(chaos).startswith("<Chaos <Proxy ")


async def test_credentials_of_a_url_stay_in_it(make: Make) -> None:
    """A user and a password belong to the opening handshake."""
    async with make(Target(url="ws://me:pw@127.0.0.1:9/p?q=1", dialect=Hub())) as chaos:
        assert chaos.url == f"ws://me:pw@127.0.0.1:{chaos.proxy.port}/p?q=1"


@pytest.mark.parametrize("how", ["rst", "fin"])
async def test_a_cut_ends_links_and_is_over_at_once(
    chaos: Chaos, records: list[Record], how: str
) -> None:
    """All of them, or those that are named; whoever was cut may come again."""
    first, second = await chaos.peers.open_many(2)
    number = chaos.link_of(second)
    assert number is not None
    assert chaos.cut(how, links=[number]) == 1
    with pytest.raises(RemoteError):
        await second.next_event(within=DEADLINE)
    await first.ping(within=DEADLINE)
    assert chaos.cut(how) == 1
    with pytest.raises(RemoteError):
        await first.next_event(within=DEADLINE)
    await until(lambda: not chaos.proxy.links)
    assert chaos.link_of(first) is None
    assert chaos.link_of(None) is None
    await (await chaos.peers.open()).ping(within=DEADLINE)
    assert told(records) == [
        ("began", "cut"),
        ("healed", "cut"),
        ("began", "cut-2"),
        ("healed", "cut-2"),
    ]
    began = [one for one in records if isinstance(one, FaultBegan)]
    assert [one.where for one in began] == [f"links {number}", "all links"]


async def test_nothing_goes_by_in_a_partition(
    chaos: Chaos, records: list[Record]
) -> None:
    """New connections hang; what was kept comes after the heal."""
    conversation = await chaos.peers.open_to_itself()
    async with chaos.partition() as name:
        async with chaos.partition():
            assert chaos.log.on == [name, "partition-2"]
        with pytest.raises(TimeoutError):
            await conversation.ping(within=NEVER)
        with pytest.raises(TimeoutError):
            await chaos.peers.open(within=NEVER)
    await conversation.ping(within=DEADLINE)
    assert chaos.proxy.toxics == ()
    assert told(records)[-1] == ("healed", "partition")


async def test_connections_are_refused_while_it_is_offline(chaos: Chaos) -> None:
    """The port stays the same; two that overlap end with the second one."""
    conversation = await chaos.peers.open()
    first = await chaos.begin("offline")
    second = await chaos.begin("offline")
    with pytest.raises(RemoteError):
        await conversation.next_event(within=DEADLINE)
    await chaos.heal(first)
    with pytest.raises(NotReached):
        await chaos.peers.open(within=DEADLINE)
    await chaos.heal(second)
    await (await chaos.peers.open(within=DEADLINE)).ping(within=DEADLINE)
    async with chaos.offline():
        assert not chaos.proxy.is_enabled


async def test_half_open_links_are_dead_and_nobody_is_told(
    chaos: Chaos, server: SoundServer
) -> None:
    """The target's side ends; whoever comes again has a link that works."""
    conversation = await chaos.peers.open()
    async with chaos.half_open():
        with pytest.raises(TimeoutError):
            await conversation.ping(within=NEVER)
        await until(lambda: server.open_count() == 0)
        assert conversation.peer.is_open
        again = await chaos.peers.open()
        await again.ping(within=DEADLINE)
        number = chaos.link_of(again)
        assert number is not None
        async with chaos.half_open(stream="upstream", links=[number]):
            again.peer.abort()


async def test_a_toxic_is_in_the_links_as_long_as_its_block_takes(
    chaos: Chaos, records: list[Record]
) -> None:
    """What it is like is on record: attributes, toxicity, seed."""
    async with chaos.toxic(
        "latency", stream="upstream", toxicity=0.5, latency=10, jitter=2
    ):
        (spec,) = chaos.proxy.toxics
        assert spec.attributes["latency"] == 10
    assert chaos.proxy.toxics == ()
    (began, _) = records
    assert isinstance(began, FaultBegan)
    assert began.where == "all links upstream"
    assert began.seed == 5
    assert began.attributes == {
        "latency": 10.0,
        "jitter": 2.0,
        "distribution": "uniform",
        "toxicity": 0.5,
    }
    when = {"opcodes": ["text"], "count": 1}
    async with chaos.toxic("drop", when=when, links=[3]):
        (spec,) = chaos.proxy.toxics
        assert spec.when is not None
        assert spec.when.count == 1
    assert told(records)[2:] == [("began", "drop"), ("healed", "drop")]
    async with chaos.toxic("negotiation", subprotocol="other"):
        assert chaos.log.spells[-1].what == "negotiation"


async def test_any_fault_begins_and_is_healed_by_its_kind(
    chaos: Chaos, records: list[Record]
) -> None:
    """As a schedule asks for it; what is over is over."""
    names = [
        await chaos.begin("cut", {"how": "fin"}),
        await chaos.begin("latency", {"latency": 3, "stream": "upstream"}),
    ]
    assert chaos.log.on == names == ["cut", "latency"]
    async with chaos.fault("bandwidth", {"rate": 5}, links=[1]):
        assert len(chaos.proxy.toxics) == 2
    await chaos.heal_all()
    await chaos.heal("latency")
    assert chaos.log.on == []
    assert FAULTS.keys() >= TYPES.keys()
    assert set(FAULTS["latency"]) >= {"stream", "toxicity", "latency", "jitter"}


@pytest.mark.parametrize(
    ("what", "given", "problem"),
    [
        ("parttition", {}, "did you mean partition?"),
        ("partition", {"hwo": 1}, "partition has no attribute 'hwo'"),
        ("cut", {"hw": "rst"}, "did you mean how?"),
        ("cut", {"how": "softly"}, "rst or fin"),
        ("latency", {"latencey": 1}, "latencey"),
    ],
)
async def test_a_mistake_in_a_fault_breaks_nothing(
    chaos: Chaos, records: list[Record], what: str, given: dict[str, Any], problem: str
) -> None:
    """It is said in words, and no fault is on record."""
    with pytest.raises(UsageError, match=problem.replace("?", r"\?")):
        await chaos.begin(what, given)
    assert not records


async def test_a_process_that_is_not_ours_is_left_alone(chaos: Chaos) -> None:
    """A check that breaks it has to say so in its needs."""
    for fault in (chaos.kill, chaos.terminate, chaos.restart):
        with pytest.raises(LocalError, match="PROCESS"):
            await fault()
    with pytest.raises(LocalError, match="PROCESS"):
        async with chaos.suspended():
            pass
    with pytest.raises(UsageError, match="not for links"):
        await chaos.begin("kill", links=[1])


async def test_everything_is_healed_at_the_end(
    make: Make, target: Target, records: list[Record]
) -> None:
    """Also what a check that failed has left on; peers are ended."""
    async with make(target) as chaos:
        conversation = await chaos.peers.open()
        await chaos.begin("partition")
        await chaos.begin("offline")
    assert chaos.log.on == []
    assert not conversation.peer.is_open
    assert told(records)[2:] == [("healed", "offline"), ("healed", "partition")]
    await chaos.close()


# In the process


async def test_a_target_is_killed_and_started_again_on_its_port(
    make: Make, started: Target, records: list[Record]
) -> None:
    """That is a fault of ours and no death; the new process is on record."""
    process = started.process
    assert process is not None
    async with make(started) as chaos:
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


async def test_a_target_that_was_ended_is_back_for_the_next_check(
    make: Make, started: Target
) -> None:
    """Once all that has ended it is healed."""
    process = started.process
    assert process is not None
    async with make(started) as chaos:
        first = await chaos.begin("kill")
        await chaos.begin("terminate")
        await chaos.heal(first)
        assert not process.is_alive
    assert process.is_alive
    async with make(started) as chaos, chaos.fault("terminate"):
        assert not process.is_alive
    assert process.is_alive


async def test_nothing_is_started_again_once_the_user_wants_to_end(
    make: Make, started: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends anyway."""
    interruption = Interruption()
    interruption.happened = True
    monkeypatch.setattr(module, "INTERRUPTION", interruption)
    async with make(started) as chaos:
        await chaos.kill()
    assert started.process is not None
    assert not started.process.is_alive


async def test_a_target_that_does_not_come_back_is_told_when_all_else_is_healed(
    make: Make, started: Target
) -> None:
    """The first one that fails does not keep the others broken."""
    assert started.process is not None
    chaos = await make(started).__aenter__()
    await chaos.begin("partition")
    await chaos.kill()
    started.process.command = ("false",)
    with pytest.raises(NotBack):
        await chaos.close()
    assert chaos.proxy.toxics == ()


async def test_a_suspended_target_says_nothing_and_then_goes_on(
    make: Make, started: Target
) -> None:
    """SIGSTOP and SIGCONT; of two that overlap the last one lets it go on."""
    async with make(started) as chaos:
        conversation = await chaos.peers.open()
        async with chaos.suspended():
            async with chaos.suspended():
                pass
            with pytest.raises(TimeoutError):
                await conversation.ping(within=NEVER)
        await conversation.ping(within=DEADLINE)


async def test_a_target_that_crashed_is_not_taken_for_one_that_we_broke(
    make: Make, started: Target, records: list[Record]
) -> None:
    """It is said, and no fault is on record."""
    process = started.process
    assert process is not None
    async with make(started) as chaos:
        os.kill(process.pid, signal.SIGKILL)
        assert process.ends_within(DEADLINE)
        for what in ("kill", "terminate", "suspend"):
            with pytest.raises(EndedByItself):
                await chaos.begin(what)
        with pytest.raises(EndedByItself):
            await chaos.restart()
    assert not told(records)


async def test_a_heal_that_is_cut_short_is_done_at_the_end(
    make: Make, started: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deadline in the middle of a restart leaves no dead target behind."""
    process = started.process
    assert process is not None
    chaos = await make(started).__aenter__()
    name = await chaos.kill()
    started_at = asyncio.Event()
    restart = chaos._process.restart

    async def hang() -> float:
        started_at.set()
        await asyncio.Event().wait()
        return 0.0

    monkeypatch.setattr(chaos._process, "restart", hang)
    healing = asyncio.create_task(chaos.heal(name))
    await started_at.wait()
    healing.cancel()
    await asyncio.wait([healing])
    assert chaos.log.on == [name]
    monkeypatch.setattr(chaos._process, "restart", restart)
    await chaos.close()
    assert chaos.log.on == []
    assert process.is_alive


async def test_a_fault_that_was_taken_away_keeps_no_other_one_on(
    make: Make, started: Target
) -> None:
    """A stopped target goes on whatever else cannot be healed."""
    process = started.process
    assert process is not None
    chaos = await make(started).__aenter__()
    await chaos.begin("suspend")
    assert process.is_stopped
    await chaos.begin("latency")
    chaos.proxy.reset()
    with pytest.raises(LocalError, match="no toxic latency"):
        await chaos.close()
    assert not process.is_stopped


async def test_faults_that_find_nothing_to_break_are_noted(chaos: Chaos) -> None:
    """Each of them in its way; whoever comes meanwhile is hit."""
    chaos.log._now = itertools.count(1.0).__next__
    chaos.cut()
    for what in ("partition", "offline", "latency", "half_open"):
        async with chaos.fault(what):
            pass
    assert chaos.log.in_vain == [
        "cut",
        "half_open",
        "latency",
        "offline",
        "partition",
    ]
    async with chaos.fault("latency"):
        await chaos.peers.open()
    chaos.cut()
    assert chaos.log.in_vain == ["half_open", "offline", "partition"]


async def test_a_process_that_cannot_be_broken_is_noted(
    make: Make, started: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on, whatever signal it was sent."""
    async with make(started) as chaos:
        chaos.log._now = itertools.count(1.0).__next__

        async def in_vain(*_: object) -> bool:
            return False

        monkeypatch.setattr(chaos._process, "kill", in_vain)
        monkeypatch.setattr(chaos._process, "suspend", in_vain)
        await chaos.heal(await chaos.begin("kill"))
        await chaos.heal(await chaos.begin("suspend"))
        assert chaos.log.in_vain == ["kill", "suspend"]
