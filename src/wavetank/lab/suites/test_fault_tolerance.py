"""Fault tolerance: peers and links that fail hurt nobody else, and lose nothing.

They refuse to know more of the target than its dialect declares.
"""

import asyncio
import contextlib
import random

from wavetank.errors import RemoteError
from wavetank.lab.bystanding import Bystander
from wavetank.lab.check import BROADCAST, PROCESS, check
from wavetank.lab.checkers import judge_level
from wavetank.lab.checkers.recovery import (
    judge_producer,
    judge_rest,
    judge_shut_out,
    judge_untouched,
)
from wavetank.lab.descriptors import NotPermitted
from wavetank.lab.faults import Chaos
from wavetank.lab.following import Follower, Place
from wavetank.lab.keeping import Patience
from wavetank.lab.leftovers import Leftovers
from wavetank.lab.load_plans import seconds_of
from wavetank.lab.notebook import Notebook
from wavetank.lab.peers import Peers
from wavetank.lab.plan import Plan
from wavetank.lab.proof import Crowd, Proof
from wavetank.lab.publishing import Publisher
from wavetank.lab.reactions import end_of
from wavetank.lab.suites.isolated import (  # noqa: F401 - checks of this suite
    test_full_disk,
    test_true_partition,
)
from wavetank.lab.suites.shut_out import Knocking, must_be_let_in
from wavetank.lab.target import Target
from wavetank.lab.usage import usage_of
from wavetank.net import RudePeer
from wavetank.wire import Opcode, encode_frame

DEADLINE = 3700.0
"""Seconds of a check that goes on for as long as the user wants: an hour, and some."""
STEADY = Patience(ping_every=0.2, pong=10.0, answer=10.0, base=0.02, cap=0.2)
"""Of those who have no reason to go."""
ALERT = Patience(ping_every=0.1, pong=0.3, answer=1.0, base=0.02, cap=0.2)
"""Of those who notice soon that a link is dead."""
ALONE = 25
"""Publications before anybody comes."""
BLOCK, VOLUME, MOST = 48 * 1024, 20 * 10**6, 2000
"""Bytes of a publication, and of all until a slow subscriber's way is full; and how
many publications at most, where a target takes small ones only."""
FLOOD = 20_000.0
"""Publications a second that are due: as fast as they are acknowledged."""
SPARE = 64 * 2**20
"""Bytes of memory that a target may take beside what it keeps of publications."""
QUICK, LONG = 3.0, 3.0
"""Seconds that a quick run has for a silent peer, and what a machine may be late."""
VISITS, AT_ONCE = 160, 16
MANNERS = ("closes", "is cut off", "leaves in the handshake", "leaves in a frame")
SHUT, KNOCKS = 1.5, 4
"""Seconds without a descriptor in a quick run, and how many want in meanwhile."""
MASK = b"wave"


@check(needs={BROADCAST}, deadline=DEADLINE)
async def test_dashboard_offline_at_start(
    peer: Peers, chaos: Chaos, plan: Plan, notebook: Notebook
) -> None:
    """A publisher begins where nobody is; who comes later gets what is owed to it."""
    crowd = Crowd(followers=2, witnesses=0, rate=200.0, patience=STEADY)
    proof = Proof(chaos, peer, notebook, crowd)
    late, proof.followers = proof.followers, []
    (publisher,) = proof.publishers
    async with proof, contextlib.AsyncExitStack() as stack:
        await proof.until(
            lambda: _has_begun(publisher), f"{ALONE} messages are published"
        )
        if proof.promise.resumable:
            for follower in late:
                _begin_at_the_start(follower, proof)
        # Somebody who loses a link: else nobody could tell that it is broken.
        await chaos.peers.open()
        async with chaos.offline():
            for follower in late:
                await stack.enter_async_context(follower)
            proof.followers = late
            await proof.run(seconds_of(plan, 0.3))
        await proof.until_back()
        await proof.run(seconds_of(plan, 0.3))
        counts = publisher.statistics()
        await proof.finish()
    answered = proof.promise.acknowledges
    notebook.add(judge_producer(counts, is_answered=answered))


@check(needs={BROADCAST}, deadline=DEADLINE)
async def test_dashboard_crash(
    peer: Peers, chaos: Chaos, plan: Plan, notebook: Notebook
) -> None:
    """Subscribers that crash or vanish disturb nobody, and are whole when back."""
    crowd = Crowd(followers=4, witnesses=1, rate=200.0, patience=STEADY)
    async with Proof(chaos, peer, notebook, crowd) as proof:
        async with Bystander(peer) as bystander:
            first, second, third, fourth = proof.followers
            await proof.run(seconds_of(plan, 0.2))
            await proof.until_back()
            chaos.cut(links=_links(chaos, first, second))
            await _crash_in_a_frame(peer)
            async with chaos.half_open(stream="upstream", links=_links(chaos, third)):
                await proof.until(
                    lambda: all(map(_was_away, (first, second, third))),
                    "who was cut off notices",
                )
                await proof.run(seconds_of(plan, 0.3))
            await proof.until_back()
            await proof.run(seconds_of(plan, 0.2))
            await bystander.next_answer()
        others: list[Follower | Publisher] = [fourth, *proof.witnesses]
        others += proof.publishers
        opened = {one.name: one.statistics()["opened"] for one in others}
        await proof.finish()
    notebook.add(*bystander.judge())
    notebook.add(judge_untouched(opened, stood_still=bystander.stood_still))
    notebook.latencies("round trips of a bystander", bystander.times)


@check(needs={BROADCAST}, deadline=DEADLINE)
async def test_network_partition(
    peer: Peers, chaos: Chaos, plan: Plan, notebook: Notebook
) -> None:
    """After a partition, of one way or both, everything is there, once, in order."""
    silent = await peer.rude()
    crowd = Crowd(hit_publishers=1, rate=100.0, patience=ALERT)
    async with Proof(chaos, peer, notebook, crowd) as proof:
        await proof.run(0.1)
        async with chaos.partition():
            # Shorter than anybody's patience: the connections come through it.
            await proof.run(0.1)
        await proof.run(0.1)
        async with chaos.partition():
            await _until_all_are_away(proof)
            await proof.run(seconds_of(plan, 0.1))
        await proof.until_back()
        for stream in ("upstream", "downstream"):
            async with chaos.toxic("stall", stream=stream):
                await _until_all_are_away(proof)
                await proof.run(seconds_of(plan, 0.1))
            await proof.until_back()
        await proof.finish()
    await _must_be_found(silent, peer, plan, notebook)


@check(needs={BROADCAST}, deadline=DEADLINE, polite=False)
async def test_queue_overflow(
    peer: Peers, chaos: Chaos, plan: Plan, notebook: Notebook
) -> None:
    """A subscriber that stops reading delays nobody, and has no silent hole."""
    usage = usage_of(peer.target)
    limits = peer.target.dialect.limits
    size = min(BLOCK, limits.payload or BLOCK, (limits.message or 2 * BLOCK) // 2)
    count = min(VOLUME // size, MOST * (10 if plan.full else 1))
    crowd = Crowd(followers=1, rate=FLOOD, size=size, patience=_deaf_to_pings())
    async with Proof(chaos, peer, notebook, crowd) as proof:
        (witness,), (publisher,) = proof.witnesses, proof.publishers
        before = await usage.sample()
        await proof.until_back()
        links = _links(chaos, *proof.followers)
        async with (
            Bystander(peer) as bystander,
            chaos.toxic("stall", stream="downstream", links=links),
        ):
            await proof.until(
                lambda: publisher.sent >= count or _is_hurt(publisher, bystander),
                f"{count} messages are published",
                within=60.0,
            )
            publisher.stop()
            await proof.until(lambda: not publisher.is_busy, "all are answered")
            await _must_be_heard(proof, witness, publisher, notebook)
            await bystander.next_answer()
            after = await usage.sample()
            notebook.figure("behind while it does not read", proof.lag, "messages")
        await proof.finish(drain_within=60.0)
    notebook.add(*bystander.judge())
    title = "memory is bounded while a subscriber does not read"
    slack = SPARE + 3 * size * publisher.sent
    notebook.add(judge_level(title, before, after, "rss", slack=slack))


@check(deadline=DEADLINE, polite=False)
async def test_rapid_reconnection(
    target: Target, peer: Peers, plan: Plan, notebook: Notebook
) -> None:
    """After a storm of peers that come and go at once, all is as it was before."""
    before = await Leftovers.before(target)
    rng = random.Random(plan.seed)
    visits = VISITS * (10 if plan.full else 1)
    manners = [MANNERS[number % len(MANNERS)] for number in range(visits)]
    rng.shuffle(manners)
    refused = 0

    async def visit_on() -> None:
        nonlocal refused
        while manners:
            manner, part = manners.pop(), rng.random()
            try:
                await _visit(peer, manner, part)
            except (RemoteError, TimeoutError):
                # A target may turn some away while it has too much to do.
                refused += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(min(AT_ONCE, plan.max_clients)):
            group.create_task(visit_on())
    notebook.figure("visits", visits, "connections")
    notebook.figure("visits that came to nothing", refused, "connections")
    if await must_be_let_in(peer, notebook, who="who comes after the storm"):
        await peer.close()
        await before.judge(notebook)


@check(needs={BROADCAST, PROCESS}, deadline=DEADLINE, polite=False)
async def test_descriptor_exhaustion(
    peer: Peers, chaos: Chaos, plan: Plan, notebook: Notebook
) -> None:
    """Without a descriptor left a target serves whom it has, and later others again."""
    usage = usage_of(peer.target)
    crowd = Crowd(followers=2, rate=100.0, patience=STEADY)
    seconds = seconds_of(plan, SHUT)
    async with Proof(chaos, peer, notebook, crowd) as proof:
        async with Bystander(peer) as bystander:
            before = [await usage.sample()]
            await proof.run(min(seconds, SHUT))
            before.append(await usage.sample())
            try:
                name = await chaos.begin("no_descriptors")
            except NotPermitted as error:
                notebook.skip(str(error))
                return
            async with Knocking(peer, KNOCKS) as knocking:
                during = [await usage.sample()]
                await proof.run(seconds)
                during.append(await usage.sample())
                await bystander.next_answer()
                notebook.add(judge_shut_out(knocking.let_in, KNOCKS))
                notebook.figure("turned away", knocking.turned_away, "connections")
                await chaos.heal(name)
                if not await must_be_let_in(peer, notebook, who="who comes afterwards"):
                    # Whoever lost a connection is not let in either: nothing to drain.
                    return
        opened = {one.name: one.statistics()["opened"] for one in proof.everybody}
        await proof.finish()
    notebook.add(*bystander.judge())
    notebook.add(judge_untouched(opened, stood_still=bystander.stood_still))
    notebook.add(judge_rest(before, during))


# Nobody there yet


def _has_begun(publisher: Publisher) -> bool:
    """Tell whether enough is published, or something has gone wrong."""
    went_wrong = publisher.refused or publisher.statistics()["opened"] > 1
    return publisher.sent > ALONE or bool(went_wrong)


def _begin_at_the_start(follower: Follower, proof: Proof) -> None:
    """Have a follower ask for all that there is of each topic's present life."""
    for topic, top in proof.progress.tops.items():
        follower.places[topic] = Place(top.epoch, 0)


# Gone


def _links(chaos: Chaos, *followers: Follower) -> list[int]:
    numbers = [chaos.link_of(follower.conversation) for follower in followers]
    return [number for number in numbers if number is not None]


def _was_away(follower: Follower) -> bool:
    return follower.statistics()["opened"] > 1


async def _crash_in_a_frame(peer: Peers) -> None:
    """End a connection with RST when the target has read half of a frame."""
    rude = await peer.rude()
    ping = encode_frame(Opcode.PING, b"?", mask=MASK)
    half = encode_frame(Opcode.TEXT, b'"never whole"', mask=MASK)[:-6]
    await rude.write(ping + half)
    with contextlib.suppress(RemoteError, TimeoutError):
        while (frame := await rude.read_frame()) is not None:
            if frame.opcode == Opcode.PONG:
                break
    rude.abort()


# Cut off


async def _until_all_are_away(proof: Proof) -> None:
    await proof.until(
        lambda: not any(one.is_connected for one in proof.followers),
        "those who are cut off notice",
    )


async def _must_be_found(
    silent: RudePeer, peer: Peers, plan: Plan, notebook: Notebook
) -> None:
    """Expect that a peer that answers nothing is let go, as soon as is declared."""
    declared = peer.target.dialect.limits.liveness
    if declared is None:
        notebook.skip("half-open peers: the target declares no liveness")
        return
    is_asked_for = plan.full or "patience" in plan.options
    patience = plan.patience if is_asked_for else QUICK
    if declared + LONG > patience:
        notebook.skip(
            f"half-open peers: the target finds them within {declared:g} s; "
            f"--patience {declared + LONG:g} waits for that"
        )
        return
    ended = await end_of(silent, declared + LONG)
    notebook.expect(
        bool(ended),
        "a peer that answers nothing is let go",
        expected=f"an end within the declared {declared:g} s",
        seen=ended or f"still open after {declared + LONG:g} s",
    )


# Slow


def _deaf_to_pings() -> Patience:
    """Return the patience of a subscriber whose pongs lie behind all the rest."""
    return STEADY._replace(pong=120.0)


def _is_hurt(publisher: Publisher, bystander: Bystander) -> bool:
    return publisher.statistics()["opened"] > 1 or bool(bystander.failure)


async def _must_be_heard(
    proof: Proof, witness: Follower, publisher: Publisher, notebook: Notebook
) -> None:
    """Expect that who reads gets everything while another does not read."""
    answered = proof.promise.acknowledges
    count = publisher.acknowledged if answered else publisher.sent
    with contextlib.suppress(TimeoutError):
        await proof.until(lambda: witness.delivered >= count, within=10.0)
    notebook.expect(
        witness.delivered >= count,
        "who reads is not held up by who does not",
        expected=f"{count:,} messages while the other one does not read",
        seen=f"{witness.delivered:,} messages",
    )


# Back too soon


async def _visit(peer: Peers, manner: str, part: float) -> None:
    """Come, and go in a hurry.

    Args:
        peer: Opens the connection.
        manner: One of `MANNERS`.
        part: How much of what is left half is sent, from 0 to 1.
    """
    match manner:
        case "closes":
            await (await peer.open()).close()
        case "is cut off":
            (await peer.open()).abort()
        case "leaves in the handshake":
            rude = await peer.raw()
            request = rude.request(change=peer.handshake())
            await rude.write(request[: int(len(request) * part)])
            rude.abort()
        case _:
            rude = await peer.rude()
            frame = encode_frame(Opcode.TEXT, b'"half"' * 20, mask=MASK)
            await rude.write(frame[: 1 + int((len(frame) - 1) * part)])
            rude.abort()


# Last: behind it the target may be another process than it was

from wavetank.lab.suites.mixed_schedule import (  # noqa: E402 - see above
    test_mixed_schedule,  # noqa: F401 - a check of this suite
)
