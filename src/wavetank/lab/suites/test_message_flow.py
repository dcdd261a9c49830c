"""Message flow: shape, order, integrity, and the whole way of every message.

They refuse to know more of the target than its dialect declares.
"""

import contextlib
import random
import urllib.parse
from collections.abc import AsyncIterator

from wavetank.contracts import Contract, Traffic, read_contract
from wavetank.dialects import (
    Ask,
    Capability,
    Dialect,
    Documented,
    Event,
    Foreign,
    Heard,
    Malformed,
    Notice,
)
from wavetank.errors import LocalError, RemoteError, UsageError
from wavetank.evidence import Finding, Histogram, Verdict
from wavetank.lab.check import BROADCAST, ROUND_TRIP, check
from wavetank.lab.checkers import judge_arrivals, judge_schemas
from wavetank.lab.conversation import QUIET, Conversation
from wavetank.lab.faults import Chaos
from wavetank.lab.following import Follower
from wavetank.lab.load_plans import DEADLINE, seconds_of
from wavetank.lab.notebook import Notebook
from wavetank.lab.payloads import BEYOND_A_DOUBLE, VARIED, numbered, of_size
from wavetank.lab.peers import Peers
from wavetank.lab.plan import Plan
from wavetank.lab.proof import Crowd, Proof
from wavetank.lab.publishing import intended_of
from wavetank.lab.status import read_page
from wavetank.lab.target import Target

EVENTS = 120
"""Events of one topic whose shape is looked at."""
HEARTBEAT = 45.0
"""Seconds in which a heartbeat is waited for, with --full."""
SPOKEN = ("été 水槽 🌊 ﷽", "\\u0000\\ud83c\\udf0a", "<&>'\\\"", " \\t\\r\\n ")
SIZES = (12, 125, 126, 127, 4095, 4096, 16_384, 65_535, 65_536)
"""Bytes of payloads at which lengths are written in another way."""
ENVELOPE = 1024
"""Bytes that a dialect may put around a payload."""
FEW, FULL = 5, 200
"""Payloads of random numbers, and of random sizes; with --full."""
WRONG = 5
"""Messages that the lab's own proxy corrupts."""


class Overheard:
    """A dialect that has every message counted before it says what it means.

    Args:
        dialect: The one that knows.
        traffic: Where they are counted.
    """

    def __init__(self, dialect: Dialect, traffic: Traffic) -> None:
        self.name = dialect.name
        self.capabilities = dialect.capabilities
        self.endpoint = dialect.endpoint
        self.limits = dialect.limits
        self.status = dialect.status
        self._dialect = dialect
        self._traffic = traffic

    def encode(self, ask: Ask) -> str:
        """Return what the dialect says."""
        return self._dialect.encode(ask)

    def decode(self, message: str | bytes) -> Heard:
        """Count the message; return what it means."""
        self._traffic.see(message)
        return self._dialect.decode(message)

    def malformed(self) -> tuple[Malformed, ...]:
        """Return what the dialect knows."""
        return self._dialect.malformed()


@check(polite=False, deadline=90.0)
async def test_schemas(
    target: Target, peer: Peers, plan: Plan, notebook: Notebook
) -> None:
    """Every message of the target is one of its contract, and fits its schema."""
    contract = await _contract(target, plan, notebook)
    if contract is None:
        if not notebook.findings:
            notebook.skip("no contract: give --contract FILE")
        return
    traffic = Traffic(contract.at(urllib.parse.urlsplit(target.url).path).sent)
    dialect = Overheard(target.dialect, traffic)
    try:
        await _bring_about(peer, dialect)
        if plan.full:
            await _hear_a_heartbeat(peer, dialect)
    finally:
        # What was heard counts, even where the target left in the middle of it.
        notebook.add(*judge_schemas("the target", traffic.seen))
        notebook.figure("held against the contract", traffic.seen.total, "messages")


@check(needs={BROADCAST}, polite=False, deadline=2 * DEADLINE)
async def test_ordering(
    chaos: Chaos, peer: Peers, plan: Plan, notebook: Notebook
) -> None:
    """Each publisher's messages keep their order, and all subscribers see the same.

    So it is under steady load, in bursts, and for who was away for a moment.
    """
    seconds = seconds_of(plan, 0.6)
    crowd = Crowd(publishers=2, hit_publishers=1, topics=2, rate=120.0)
    async with Proof(chaos, peer, notebook, crowd) as proof:
        await proof.run(seconds)
        hit = proof.publishers[-1]
        sent = hit.sent
        async with chaos.partition():
            await proof.run(0.5)
        # All that was due meanwhile is sent now, as fast as it is acknowledged.
        await proof.until(lambda: hit.sent >= sent + 0.5 * crowd.rate)
        chaos.cut()
        await proof.until_back()
        await proof.run(seconds)
        await proof.finish()


@check(needs={ROUND_TRIP}, polite=False, deadline=90.0)
async def test_integrity(
    chaos: Chaos, peer: Peers, plan: Plan, notebook: Notebook
) -> None:
    """Payloads of all sizes and kinds arrive unchanged, in however many pieces."""
    async with (
        _in_pieces(chaos, "upstream"),
        _in_pieces(chaos, "downstream"),
    ):
        conversation = await chaos.peers.open_to_itself()
        rng = random.Random(plan.seed)
        payloads = _payloads(conversation, rng, FULL if plan.full else FEW)
        got: list[Event] = []
        for payload in payloads:
            await conversation.say(payload)
            event = await conversation.events(1)
            got += event
            if not event:
                break
        got += await conversation.stray(QUIET / 2)
    owed = payloads[: len(got) + 1]
    notebook.add(*conversation.judge(owed, got, who="whoever gets it in pieces"))
    size = sum(len(payload.encode()) for payload in owed)
    notebook.figure("payloads compared", size, "bytes")
    notebook.add(await _sees_corruption(chaos, peer))


@check(needs={BROADCAST}, polite=False, deadline=DEADLINE)
async def test_end_to_end(
    chaos: Chaos, peer: Peers, plan: Plan, notebook: Notebook
) -> None:
    """From publishers to every subscriber: each message is accounted for."""
    crowd = Crowd(
        followers=3, publishers=2, hit_publishers=1, topics=2, rate=60.0, size=200
    )
    times = Histogram()
    async with Proof(chaos, peer, notebook, crowd) as proof, _clocked(proof, times):
        await proof.run(seconds_of(plan, 1.2))
        await proof.finish()
    notebook.latencies("from publisher to subscriber", times)
    for percent in (50, 99):
        seconds = times.percentile(percent)
        if seconds is not None:
            name = f"p{percent} from publisher to subscriber"
            notebook.figure(name, seconds * 1000, "ms")


# Shape


async def _contract(target: Target, plan: Plan, notebook: Notebook) -> Contract | None:
    """Return what was given, or what the target serves, or what its protocol says."""
    if plan.contract is not None:
        return plan.contract
    dialect = target.dialect
    if not isinstance(dialect, Documented):
        return None
    try:
        text = (await read_page(target, dialect.document)).decode()
    except (RemoteError, UnicodeDecodeError) as error:
        notebook.note(
            f"no contract from the target ({error}); its messages are held against "
            f"that of the dialect {dialect.name}"
        )
        return read_contract(dialect.contract(), name=dialect.name, closed=True)
    try:
        return read_contract(text, name=dialect.document, closed=True)
    except UsageError as error:
        notebook.expect(
            False,
            "the contract that the target serves can be read",
            expected="an AsyncAPI 3 document",
            seen="; ".join(error.problems),
        )
        return None


async def _bring_about(peer: Peers, dialect: Overheard) -> None:
    """Have the target send whatever it can be brought to send."""
    conversation = await peer.open(dialect=dialect)
    if Capability.ECHO in dialect.capabilities:
        for payload in VARIED:
            await conversation.round_trip(payload)
    if peer.can(BROADCAST):
        await _publish_and_hear(peer, dialect)
        await _come_back(peer, dialect)
    for bad in dialect.malformed():
        await conversation.provoke(bad)
    if isinstance(peer.target.dialect, Documented):
        prompted = await peer.open(dialect=dialect)
        for prompt in peer.target.dialect.prompts(peer.topic("prompted")):
            await prompted.peer.send(prompt)
        await _read_on(prompted)
    await _read_on(conversation)


async def _publish_and_hear(peer: Peers, dialect: Overheard) -> None:
    """Have acknowledgements and events, enough to see what is rare."""
    topic = peer.topic("shape")
    speaker = await peer.open(dialect=dialect)
    listener = await peer.open(dialect=dialect)
    await listener.subscribe(topic)
    for payload in (*VARIED, *numbered(EVENTS - len(VARIED), sender=speaker.name)):
        await speaker.publish(topic, payload)
    await listener.events(EVENTS)
    with contextlib.suppress(LocalError):
        await listener.unsubscribe(topic)
    await _read_on(listener)


async def _come_back(peer: Peers, dialect: Overheard) -> None:
    """Go on behind a place that is known, and behind one that nobody can know."""
    if Capability.RESUME not in dialect.capabilities:
        return
    topic = peer.topic("again")
    speaker = await peer.open(dialect=dialect)
    for payload in numbered(3, sender=speaker.name):
        reply = await speaker.publish(topic, payload)
    back = await peer.open(dialect=dialect)
    await back.subscribe(topic, epoch=reply.epoch, seq=1)
    await back.events(2)
    lost = await peer.open(dialect=dialect)
    with contextlib.suppress(RemoteError):
        await lost.subscribe(topic, epoch="another", seq=1)
    await _read_on(lost)


async def _read_on(conversation: Conversation) -> None:
    """Hear what else comes, until it is quiet or the connection over."""
    with contextlib.suppress(TimeoutError, RemoteError):
        while True:
            await conversation.next_heard(within=QUIET / 2)


async def _hear_a_heartbeat(peer: Peers, dialect: Overheard) -> None:
    """Wait for what a target says by itself, if it ever does."""
    conversation = await peer.open(dialect=dialect)
    with contextlib.suppress(TimeoutError):
        heard: Heard = await conversation.next_heard(within=HEARTBEAT)
        while not isinstance(heard, Notice):
            heard = await conversation.next_heard(within=HEARTBEAT)


# Integrity


@contextlib.asynccontextmanager
async def _in_pieces(chaos: Chaos, stream: str) -> AsyncIterator[None]:
    """Have what goes one way come in small pieces, and a little late."""
    async with (
        chaos.toxic("latency", stream=stream, latency=1, jitter=1),
        chaos.toxic(
            "slicer", stream=stream, average_size=997, size_variation=900, delay=100
        ),
    ):
        yield


def _payloads(conversation: Conversation, rng: random.Random, count: int) -> list[str]:
    """Return payloads of all kinds and sizes that the target has to pass on.

    Args:
        conversation: Who passes them on.
        rng: Dice for numbers and letters.
        count: How many there are with a number, and how many of a random size.
    """
    limits = conversation.dialect.limits
    most = limits.payload or max(2, (limits.message or SIZES[-1]) - ENVELOPE)
    exact = conversation.form is str
    varied = [one for one in VARIED if exact or one != BEYOND_A_DOUBLE]
    texts = [f'{{"n":{number},"text":"{text}"}}' for number, text in enumerate(SPOKEN)]
    numbers = [f'{{"value":{rng.uniform(-1e9, 1e9)!r}}}' for _ in range(count)]
    least = min(SIZES[0], most)
    drawn = [rng.randint(least, most) for _ in range(count)]
    sizes = sorted({*(size for size in SIZES if size < most), *drawn, most})
    sized = [_filled(size, rng) for size in sizes]
    return [*varied, *texts, *numbers, *sized]


def _filled(size: int, rng: random.Random) -> str:
    """Return a JSON string of so many bytes in which each place is another."""
    letters = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz0123456789 ", k=size - 2))
    return f'"{letters}"'


async def _sees_corruption(chaos: Chaos, peer: Peers) -> Finding:
    """Corrupt messages on purpose, and expect that this is noticed.

    The target has no part in it: where it is not, the check was blind before.
    """
    listener = await chaos.peers.open_to_itself()
    # What answers a publisher stays whole: it is of no use to wait for it in vain.
    speaker = await peer.open() if peer.can(BROADCAST) else listener
    sent = [of_size(64, letter="abcde"[number]) for number in range(WRONG)]
    got: list[Event] = []
    ended = ""
    async with chaos.toxic("corrupt", part="payload", bits=3):
        for payload in sent:
            await speaker.say(payload, topic=listener.topic)
        try:
            got += await listener.events(WRONG, within=2 * QUIET)
        except RemoteError as error:
            ended = str(error)
    arrived = [event.payload for event in got]
    found = judge_arrivals(
        "a subscriber behind the lab's own corruption",
        sent,
        arrived,
        form=listener.form,
    )
    # That some did not come in time says nothing yet.
    is_broken = any(isinstance(heard, Foreign) for heard in listener.unread)
    is_changed = ended or is_broken or not {*arrived} <= {*sent}
    noticed = found.verdict is Verdict.FAIL and is_changed
    return Finding(
        verdict=Verdict.PASS if noticed else Verdict.UNKNOWN,
        title="what the lab corrupts on purpose is noticed",
        expected="messages that are not as they were sent",
        seen=f"{found.seen}{ended and f'; {ended}'}",
    )


# The whole way


@contextlib.asynccontextmanager
async def _clocked(proof: Proof, times: Histogram) -> AsyncIterator[None]:
    """Follow the topics of a proof, and record how long each message took.

    It counts from the moment at which a message was to be published.
    """
    now = proof.chaos.now

    def listen(payload: str) -> None:
        intended = intended_of(payload)
        if intended is not None:
            times.record(max(now() - intended, times.lowest))

    clock = Follower(
        "clock",
        proof.topics,
        open=proof.chaos.peers.open,
        take=lambda _: None,
        now=now,
        rng=random.Random(f"{proof.chaos.seed}/clock"),
        listen=listen,
    )
    async with clock:
        yield
