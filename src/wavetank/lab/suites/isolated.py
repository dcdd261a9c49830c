"""Checks of a target in a network and on a disk of its own, for fault tolerance.

They refuse to know how it is isolated.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

import msgspec

from wavetank.dialects import Capability
from wavetank.errors import LocalError, RemoteError, TargetError
from wavetank.evidence import Record, TargetReady
from wavetank.lab.check import BROADCAST, PROCESS, check
from wavetank.lab.checkers.recovery import judge_untouched
from wavetank.lab.faults import Chaos
from wavetank.lab.isolation import Isolation, isolated, keeps_data, why_not
from wavetank.lab.keeping import Patience
from wavetank.lab.leftovers import Leftovers
from wavetank.lab.load_plans import seconds_of
from wavetank.lab.notebook import Notebook
from wavetank.lab.peers import Peers
from wavetank.lab.plan import Plan
from wavetank.lab.process_faults import NotBack, ProcessFaults
from wavetank.lab.proof import Crowd, Proof
from wavetank.lab.target import Target

__all__ = ["test_full_disk", "test_true_partition"]

DEADLINE = 3700.0
"""Seconds of a check that goes on for as long as the user wants: an hour, and some."""
SHORT = 1.3
"""Seconds without a packet that everybody has the patience for."""
PATIENT = Patience(opening=2.0, answer=5.0, ping_every=0.2, pong=5.0, base=0.02)
STILL, TICK = 1.0, 0.05
"""Seconds by which the lab may be late before it blames itself; how often it looks."""
FEW = 10
"""Publications that have to be refused before the disk counts as full."""
FULL_WITHIN = 10.0
LONG = 3.0
"""Seconds that a machine may be late."""
QUICK = 3.0
"""Seconds that a quick run has for connections that nobody has any more."""
_NO_FOLDER = (
    "the command of --serve does not say where the target keeps its data; put {data} "
    "where it names the folder, as in --data {data}"
)
_DISK = "the disk of the target's data"
_LINK = "all packets to and from the target"


class Ground(NamedTuple):
    """What such a check stands on.

    Attributes:
        isolation: The target, and what can be done to it.
        chaos: Breaks the way to it, and notes what else is broken.
        peers: Opens peers past that.
    """

    isolation: Isolation
    chaos: Chaos
    peers: Peers


@check(needs={BROADCAST, PROCESS}, deadline=DEADLINE, polite=False)
async def test_true_partition(
    target: Target, chaos: Chaos, plan: Plan, notebook: Notebook
) -> None:
    """Connections outlive a short loss of all packets, messages outlive a long one."""
    crowd = Crowd(rate=100.0, patience=PATIENT)
    async with _ground(target, chaos, plan, notebook) as ground:
        if ground is None:
            return
        before = await Leftovers.before(ground.isolation.target, within=_found(target))
        async with Proof(ground.chaos, ground.peers, notebook, crowd) as proof:
            await proof.run(0.3)
            await _come_through(ground, proof, notebook)
            async with _no_packets(ground):
                await proof.until(
                    lambda: not any(one.is_connected for one in proof.everybody),
                    "those who are cut off notice",
                )
                await proof.run(seconds_of(plan, 0.1))
            await proof.until_back()
            await proof.run(seconds_of(plan, 0.1))
            await proof.finish()
        await ground.chaos.peers.close()
        await ground.peers.close()
        await _judge_leftovers(before, target, plan, notebook)


@check(
    needs={BROADCAST, PROCESS, *(Capability.ACKNOWLEDGE, Capability.RESUME)},
    deadline=DEADLINE,
    polite=False,
)
async def test_full_disk(
    target: Target, chaos: Chaos, plan: Plan, notebook: Notebook
) -> None:
    """While the disk is full nothing is promised, and later no promise is broken."""
    if not keeps_data(plan):
        notebook.skip(_NO_FOLDER)
        return
    crowd = Crowd(rate=100.0, size=512, patience=PATIENT)
    async with (
        _stillness() as still,
        _ground(target, chaos, plan, notebook) as ground,
    ):
        if ground is None:
            return
        async with Proof(ground.chaos, ground.peers, notebook, crowd) as proof:
            await proof.run(0.3)
            # What the followers get later was on the disk, or it is not there.
            async with ground.chaos.offline():
                async with _full(ground):
                    await _must_be_refused(proof, notebook)
                    await proof.run(seconds_of(plan, 0.1))
                    await _must_be_let_in(ground, proof.topics[0], notebook)
                readers = {one.name: one for one in proof.witnesses}
                opened = {n: one.statistics()["opened"] for n, one in readers.items()}
                await _must_be_taken(ground, proof, notebook)
                await ground.chaos.kill()
                notebook.figure("time to ready", await ground.chaos.restart(), "s")
            await proof.until_back()
            await proof.run(seconds_of(plan, 0.1))
            await proof.finish()
        notebook.add(judge_untouched(opened, stood_still=still()))


@contextlib.asynccontextmanager
async def _ground(
    target: Target, chaos: Chaos, plan: Plan, notebook: Notebook
) -> AsyncIterator[Ground | None]:
    """Start an isolated target; None where that cannot be, and why is noted."""
    if why := why_not():
        notebook.skip(why)
        yield None
        return
    log = chaos.log
    async with isolated(plan, target) as isolation:
        record = _all_but_readiness(chaos.record)
        faults = ProcessFaults(isolation.target, record=record, now=chaos.now)
        try:
            await faults.restart(within=plan.ready_timeout)
        except (NotBack, TargetError) as error:
            # It may need what is beside it, such as a database.
            notebook.skip(f"in a network of its own: {error}{_said(isolation)}")
            yield None
            return
        broken = Chaos(
            isolation.target,
            suite=log.suite,
            check=log.check,
            record=record,
            now=chaos.now,
            seed=chaos.seed,
        )
        peers = Peers(
            isolation.target, check=log.check, record=chaos.record, now=chaos.now
        )
        async with broken:
            try:
                yield Ground(isolation, broken, peers)
            finally:
                await peers.close()
                _must_live(isolation, notebook)


def _said(isolation: Isolation) -> str:
    """Return what the target has said last, as the end of a sentence."""
    last = " ".join(isolation.process.output()[-3:])
    return f"; it said: {last or 'nothing'}"


def _must_have_warden(ground: Ground) -> None:
    """Go no further where the target was ended by the end of its warden."""
    process = ground.isolation.process
    if not process.is_alive and process.has_lost_warden:
        raise LocalError("the warden of the isolated target is gone")


def _must_live(isolation: Isolation, notebook: Notebook) -> None:
    """Expect that the target has not ended by itself."""
    process, title = isolation.process, "the isolated target stays alive"
    if process.is_alive:
        notebook.expect(True, title, expected="a running process", seen="one")
    elif process.has_lost_warden:
        seen = "its warden is gone, by which it is gone, too"
        notebook.unknown(title, expected="a running process", seen=seen)
        notebook.blame("the warden of the isolated target was gone")
    else:
        notebook.expect(
            process.ended_by_lab,
            title,
            expected="a running process",
            seen=f"status {process.status}{_said(isolation)}",
        )


@contextlib.asynccontextmanager
async def _stillness() -> AsyncIterator[Callable[[], float]]:
    """Measure how late this process is at worst, in seconds."""
    loop = asyncio.get_running_loop()
    latest = 0.0

    async def tick() -> None:
        nonlocal latest
        while True:
            due = loop.time() + TICK
            await asyncio.sleep(TICK)
            latest = max(latest, loop.time() - due)

    ticking = asyncio.create_task(tick(), name="stillness")
    try:
        yield lambda: latest
    finally:
        ticking.cancel()
        await asyncio.wait([ticking])


def _all_but_readiness(record: Callable[[Record], None]) -> Callable[[Record], None]:
    """Leave out that a target is ready: the run's own is another one."""

    def keep(one: Record) -> None:
        if not isinstance(one, TargetReady):
            record(one)

    return keep


# No packets


@contextlib.asynccontextmanager
async def _no_packets(ground: Ground) -> AsyncIterator[None]:
    log, process = ground.chaos.log, ground.isolation.process
    name = log.begin("true_partition", _LINK)
    if not ground.isolation.connections:
        log.miss(name)
    process.set_link(up=False)
    try:
        yield
    finally:
        # Should that fail its network is gone, and with it what was wrong with it.
        try:
            process.set_link(up=True)
        finally:
            log.heal(name)


async def _come_through(ground: Ground, proof: Proof, notebook: Notebook) -> None:
    """Expect that all keep their connections over a short partition."""
    now = ground.chaos.now
    async with _stillness() as still:
        async with _no_packets(ground):
            await proof.run(_short(ground.isolation.target))
        await _must_flow(proof, notebook, now)
    opened = {one.name: one.statistics()["opened"] for one in proof.everybody}
    if still() >= STILL:
        notebook.blame(f"it stood still for {still():.1f} s of a short partition")
    title = "connections outlive a loss of packets that all have the patience for"
    kept = judge_untouched(opened, stood_still=still())
    notebook.add(msgspec.structs.replace(kept, title=title))


async def _must_flow(
    proof: Proof, notebook: Notebook, now: Callable[[], float]
) -> None:
    """Wait until everybody gets messages again."""
    healed = now()
    heard = {one.name: one.delivered for one in proof.subscribers}
    await proof.until(
        lambda: all(one.delivered > heard[one.name] for one in proof.subscribers),
        "messages flow again",
    )
    notebook.figure("time until messages flow again", now() - healed, "s")


def _short(target: Target) -> float:
    """Return how long a partition may be that no side has to notice, in seconds."""
    return min(SHORT, (target.dialect.limits.liveness or 3 * SHORT) / 3)


def _found(target: Target) -> float:
    """Return the seconds in which a target has to find who is gone."""
    return (target.dialect.limits.liveness or 0.0) + LONG


async def _judge_leftovers(
    before: Leftovers, target: Target, plan: Plan, notebook: Notebook
) -> None:
    """Expect that connections that nobody has any more are let go."""
    within = _found(target)
    patience = plan.patience if plan.full or "patience" in plan.options else QUICK
    if target.dialect.limits.liveness is None:
        notebook.skip("connections that are left: the target declares no liveness")
    elif within > patience:
        notebook.skip(
            f"connections that are left: --patience {within:g} waits for the target "
            "to find them"
        )
    else:
        await before.judge(notebook)


# No room


@contextlib.asynccontextmanager
async def _full(ground: Ground) -> AsyncIterator[None]:
    log, process = ground.chaos.log, ground.isolation.process
    name = log.begin("full_disk", _DISK)
    process.fill()
    try:
        yield
    finally:
        # Should that fail its disk is gone, and with it what was wrong with it.
        try:
            process.free()
        finally:
            log.heal(name)


def _not_taken(proof: Proof) -> int:
    counts = proof.statistics()
    return counts["refused"] + counts["unknown"]


async def _must_be_refused(proof: Proof, notebook: Notebook) -> None:
    """Wait until publications are refused; without that nothing is known."""
    before = _not_taken(proof)
    with contextlib.suppress(TimeoutError):
        await proof.until(
            lambda: _not_taken(proof) >= before + FEW,
            "publications are refused",
            within=FULL_WITHIN,
        )
    if _not_taken(proof) == before:
        notebook.unknown(
            "the target writes publications to its folder",
            expected="refusals, or no answers, while the disk is full",
            seen=f"each was acknowledged for {FULL_WITHIN:g} s",
        )


async def _must_be_let_in(ground: Ground, topic: str, notebook: Notebook) -> None:
    """Expect that a subscriber is let in: reading takes no room."""
    seen = ""
    try:
        reader = await ground.peers.open()
        await reader.subscribe(topic)
        await reader.ping()
        await reader.close()
    except (RemoteError, TimeoutError) as error:
        _must_have_warden(ground)
        seen = str(error)
    notebook.expect(
        not seen,
        "who subscribes while the disk is full is served",
        expected="a subscription, and an answer to a ping",
        seen=seen or "both",
    )


async def _must_be_taken(ground: Ground, proof: Proof, notebook: Notebook) -> None:
    """Expect that publications are taken again, now that there is room."""
    before = proof.statistics()["acknowledged"]
    with contextlib.suppress(TimeoutError):
        await proof.until(
            lambda: proof.statistics()["acknowledged"] >= before + FEW,
            "publications are taken again",
        )
    _must_have_warden(ground)
    taken = proof.statistics()["acknowledged"] - before
    notebook.expect(
        taken >= FEW,
        "once there is room publications are taken again, without a restart",
        expected=f"{FEW} acknowledgements",
        seen=taken,
    )
