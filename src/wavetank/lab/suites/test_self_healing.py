"""Self-healing: after faults of links, of peers and of itself a target is whole again.

They refuse to know more of the target than its dialect declares.
"""

import asyncio
import contextlib
import random
import urllib.parse

from wavetank.chaos.schedule import MOST_FAULTS, read_schedule
from wavetank.dialects import Capability, Malformed
from wavetank.errors import RemoteError
from wavetank.lab.bystanding import Bystander
from wavetank.lab.check import BROADCAST, PROCESS, TLS, check
from wavetank.lab.checkers.recovery import judge_rounds
from wavetank.lab.conversation import Conversation
from wavetank.lab.faults import FAULTS, Chaos
from wavetank.lab.hellos import (
    TLS_1_0,
    TLS_1_1,
    TLS_1_2,
    client_hello,
    served_version,
    words_of,
)
from wavetank.lab.keeping import Patience
from wavetank.lab.leftovers import Leftovers
from wavetank.lab.load_plans import seconds_of
from wavetank.lab.notebook import Notebook
from wavetank.lab.payloads import of_size
from wavetank.lab.peers import Peers
from wavetank.lab.plan import Plan
from wavetank.lab.proof import Crowd, Proof
from wavetank.lab.reactions import VIOLATIONS, Violation, is_served
from wavetank.lab.target import Target
from wavetank.lab.usage import usage_of
from wavetank.net import RudePeer
from wavetank.wire import Opcode, encode_frame

DEADLINE = 3700.0
"""Seconds of a check that goes on for as long as the user wants: an hour, and some."""
ALERT = Patience(ping_every=0.1, pong=0.3, answer=1.0, base=0.02, cap=0.2)
"""Of those who notice soon that a link is dead, and come back soon."""
LINKS = ("cut(how=rst)", "cut(how=fin)", "half_open", "partition")
EVERY, SHORTEST, LONGEST = 0.35, 0.05, 0.3
"""Seconds from one fault of a link to the next, and how long one lasts."""
FROZEN = 1.0
PLAIN_WITHIN = 1.0
"""Seconds that a TLS port has to say something wrong."""
WARM, ROUNDS, EACH = 2, 10, 8
BIG = 32 * 1024
LEFT = 64 * 1024
"""Bytes that a connection that is over may leave behind."""
BURSTS = 3
MASK = b"wave"


@check(needs={BROADCAST}, deadline=DEADLINE)
async def test_connection_recovery(
    peer: Peers, chaos: Chaos, plan: Plan, notebook: Notebook
) -> None:
    """Links fail in one way after the other, and in the end nothing is missing."""
    kinds = list(LINKS)
    random.Random(plan.seed).shuffle(kinds)
    seconds = max(seconds_of(plan, EVERY * (2 * len(LINKS) + 1)), 2 * EVERY)
    distance = max(EVERY, seconds / MOST_FAULTS)
    schedule = read_schedule(
        f"{' then '.join(kinds)} every {distance:.3f}s for {SHORTEST}s..{LONGEST}s",
        seed=plan.seed,
        seconds=seconds,
        dice=random.Random,
        kinds=FAULTS,
        rest=EVERY / 2,
    )
    crowd = Crowd(followers=3, hit_publishers=1, rate=150.0, patience=ALERT)
    async with Proof(chaos, peer, notebook, crowd) as proof:
        await proof.play(schedule)
        await proof.finish()


@check(needs={BROADCAST, PROCESS}, deadline=DEADLINE, polite=False)
async def test_server_restart(
    peer: Peers, chaos: Chaos, plan: Plan, notebook: Notebook
) -> None:
    """A target that was frozen or killed serves again, and owns up to what is lost."""
    patience = ALERT._replace(pong=3.0, answer=5.0)
    crowd = Crowd(followers=2, rate=150.0, patience=patience)
    async with Proof(chaos, peer, notebook, crowd) as proof:
        await proof.run(0.2)
        async with chaos.suspended():
            await proof.run(seconds_of(plan, FROZEN))
        await proof.until_back()
        if proof.promise.resumable:
            for _ in range(3 if plan.full else 1):
                # What is published while they are away is theirs if it is kept.
                async with chaos.offline():
                    await proof.run(seconds_of(plan, 0.3))
                    await _restart(chaos, notebook)
                await proof.until_back()
                await proof.run(seconds_of(plan, 0.3))
        await proof.finish()
    if not proof.promise.resumable:
        notebook.skip("what a restart keeps: nothing can be resumed at this target")
        await _restart(chaos, notebook)
        async with Proof(chaos, peer, notebook, crowd) as proof:
            await proof.run(seconds_of(plan, 0.3))
            await proof.finish()
    await is_served(await peer.open_to_itself(), notebook, who="who comes afterwards")


@check(needs={TLS}, deadline=60.0, polite=False)
async def test_ssl_fallback(
    target: Target, peer: Peers, plan: Plan, notebook: Notebook
) -> None:
    """Nobody gets service on the TLS port without TLS 1.2 or later, nor harms it."""
    rng = random.Random(plan.seed)
    tls_port = _TlsPort(target, peer, rng)
    await tls_port.must_stay_silent(notebook)
    for version, name in ((TLS_1_0, "TLS 1.0"), (TLS_1_1, "TLS 1.1")):
        answer = await tls_port.say(client_hello(version, tls_port.host, rng=rng))
        notebook.expect(
            served_version(answer) is None,
            f"{name} is refused",
            expected="an alert, or the end of the connection",
            seen=words_of(answer),
            clause="RFC 8996 4 and 5",
        )
    for length in (1, 100, 5000):
        await tls_port.say(rng.randbytes(length), ends=True)
    conversation = await peer.open_to_itself(tls=True)
    notebook.expect(
        conversation.peer.tls_version in {"TLSv1.2", "TLSv1.3"},
        "TLS 1.2 or later is agreed to",
        expected="TLSv1.2 or TLSv1.3",
        seen=conversation.peer.tls_version,
    )
    await is_served(conversation, notebook, who="who comes with TLS afterwards")


@check(needs={PROCESS}, deadline=DEADLINE, polite=False)
async def test_memory_recovery(
    target: Target, peer: Peers, plan: Plan, notebook: Notebook
) -> None:
    """Connections that come and go, big messages and slow readers leave nothing."""
    topic = peer.topic("big")
    each = min(EACH, plan.max_clients)
    for _ in range(WARM):
        await _come_and_go(peer, topic, each)
    before = await Leftovers.before(target)
    usage = usage_of(target)
    await usage.sample()
    rounds = ROUNDS * (10 if plan.full else 1)
    for _ in range(rounds):
        await _come_and_go(peer, topic, each)
        await usage.sample()
    await before.judge(notebook)
    kept = 2.0 * rounds * 2 * _big(peer) * peer.can(BROADCAST)
    notebook.add(judge_rounds(usage.samples, rounds * each, each=LEFT, kept=kept))
    if usage.samples:
        growth = usage.samples[-1].rss - usage.samples[0].rss
        notebook.figure("memory more than before", growth, "bytes")
    await is_served(await peer.open_to_itself(), notebook, who="who comes afterwards")


@check(deadline=DEADLINE, polite=False)
async def test_error_resilience(
    target: Target, peer: Peers, plan: Plan, notebook: Notebook
) -> None:
    """While peers break every rule others are served, and afterwards all is well."""
    before = await Leftovers.before(target)
    resident = await peer.open_to_itself()
    async with Bystander(peer) as bystander:
        for _ in range(BURSTS * (10 if plan.full else 1)):
            async with asyncio.TaskGroup() as group:
                for violation in VIOLATIONS:
                    group.create_task(_break(peer, violation))
                group.create_task(_send_badly(peer, target.dialect.malformed()))
                for part in (0.3, 0.7):
                    group.create_task(_reset_in_a_frame(peer, part))
                    group.create_task(_reset_in_the_handshake(peer, part))
            await bystander.next_answer()
    notebook.add(*bystander.judge())
    notebook.latencies("round trips of a bystander", bystander.times)
    await is_served(resident, notebook, who="who was there before")
    await is_served(await peer.open_to_itself(), notebook, who="who comes afterwards")
    await peer.close()
    await before.judge(notebook)


# Killed


async def _restart(chaos: Chaos, notebook: Notebook) -> None:
    await chaos.kill()
    notebook.figure("time to ready", await chaos.restart(), "s")


# The TLS port


class _TlsPort:
    """Talks to a TLS port in any way but the right one."""

    def __init__(self, target: Target, peer: Peers, rng: random.Random) -> None:
        self._url = target.address(tls=True).replace("wss:", "ws:", 1)
        self._peer = peer
        self._rng = rng
        self.host = urllib.parse.urlsplit(self._url).hostname or ""

    async def say(self, *several: bytes, ends: bool = False) -> bytes:
        """Send bytes, each when the one before is answered; return the last answer.

        Args:
            several: What is sent.
            ends: Whether nothing more comes behind it.
        """
        answer = b""
        rude = await RudePeer.connect(self._url)
        async with rude:
            with contextlib.suppress(RemoteError, TimeoutError):
                for data in several:
                    await rude.write(data)
                    if ends:
                        rude.half_close()
                    answer = await rude.read(PLAIN_WITHIN)
        return answer

    async def must_stay_silent(self, notebook: Notebook) -> None:
        """Expect no service for plain text, at whatever point it comes."""
        hello = client_hello(TLS_1_2, self.host, rng=self._rng)
        async with await RudePeer.connect(self._url) as rude:
            request = rude.request(change=self._peer.handshake())
        rows = (
            ("plain text", (request,)),
            ("plain text inside a ClientHello", (hello[: len(hello) // 2] + request,)),
            ("plain text after a ClientHello", (hello, request)),
        )
        for what, several in rows:
            answer = await self.say(*several)
            notebook.expect(
                b" 101 " not in answer[:16],
                f"{what} gets no service on the TLS port",
                expected="an alert, an error, or the end of the connection",
                seen=words_of(answer),
            )


# Come and go


def _big(peer: Peers) -> int:
    """Return the bytes of a big message that the target takes."""
    limits = peer.target.dialect.limits
    return min(BIG, limits.payload or BIG, (limits.message or 2 * BIG) // 2)


async def _come_and_go(peer: Peers, topic: str, count: int) -> None:
    """Have peers come and go: half of them politely, and one that does not read."""
    conversations = await peer.open_many(count)
    if peer.can(BROADCAST):
        await _publish_big(conversations, topic, _big(peer))
    else:
        for conversation in conversations:
            await conversation.ping()
    for number, conversation in enumerate(conversations):
        if number % 2:
            await conversation.close()
        else:
            conversation.abort()


async def _publish_big(
    conversations: list[Conversation], topic: str, size: int
) -> None:
    """Publish two big messages to all; the first one never reads them."""
    for conversation in conversations:
        await conversation.subscribe(topic)
    speaker = conversations[-1]
    for letter in "ab":
        await speaker.publish(topic, of_size(size, letter=letter))
    for listener in conversations[1:-1]:
        for _ in "ab":
            # Not `events`: on who delivers nothing each listener would wait in vain.
            await listener.next_event()


# Errors


async def _break(peer: Peers, violation: Violation) -> None:
    """Break a rule of the framing, and wait for the end of the connection."""
    with contextlib.suppress(RemoteError, TimeoutError):
        rude = await peer.rude()
        for opcode, payload, unusual in violation.frames:
            await rude.send_frame(opcode, payload, **unusual)
        await rude.ended()
        await rude.close()


async def _send_badly(peer: Peers, several: tuple[Malformed, ...]) -> None:
    """Send messages that have to be refused; wait until they are."""
    if Capability.ERRORS not in peer.target.dialect.capabilities:
        return
    with contextlib.suppress(RemoteError, TimeoutError):
        conversation = await peer.open()
        for bad in several:
            await conversation.peer.send(bad.message)
        # A pong comes behind all the answers.
        await conversation.ping()
        conversation.abort()


async def _reset_in_a_frame(peer: Peers, part: float) -> None:
    with contextlib.suppress(RemoteError, TimeoutError):
        rude = await peer.rude()
        frame = encode_frame(Opcode.TEXT, b'"half"' * 20, mask=MASK)
        await rude.write(frame[: int(len(frame) * part)])
        rude.abort()


async def _reset_in_the_handshake(peer: Peers, part: float) -> None:
    with contextlib.suppress(RemoteError, TimeoutError):
        rude = await peer.raw()
        request = rude.request(change=peer.handshake())
        await rude.write(request[: int(len(request) * part)])
        rude.abort()
