"""Connectivity: handshake, exchange, latency, many at once, and large messages.

They refuse to know more of the target than its dialect declares.
"""

import asyncio
import time
from collections.abc import Sequence

import msgspec

from wavetank.dialects import Capability, Dialect, Event, Publish
from wavetank.errors import RemoteError
from wavetank.evidence import Histogram
from wavetank.lab.check import ROUND_TRIP, check
from wavetank.lab.checkers import judge_latency
from wavetank.lab.conversation import Conversation
from wavetank.lab.notebook import Notebook
from wavetank.lab.payloads import numbered, of_size
from wavetank.lab.peers import Peers
from wavetank.lab.plan import Plan
from wavetank.lab.reactions import (
    REACT_WITHIN,
    closing_of,
    is_served,
    next_frame,
)
from wavetank.net import ConnectionEnded
from wavetank.wire import Opcode, Response, accept_key

EXCHANGED = 100
SIZES = (32, 100, 125, 126, 127, 1000, 1024, 4095, 4096, 4097, 16_384)
ROUNDS, PINGS = 3, 50
PING_BOUND = 0.1
LARGE = (1024, 4096, 16_384, 65_535, 65_536, 262_144, 524_288)
GUARANTEED = 65_536
"""Bytes that any server is expected to take, whatever it declares."""
ENVELOPE = 1024
"""Bytes that a dialect may put around a payload."""
BAD_HANDSHAKES: tuple[tuple[str, dict[str, str | None], str], ...] = (
    (
        "a version that does not exist",
        {"Sec-WebSocket-Version": "12"},
        "RFC 6455 4.4",
    ),
    ("no key", {"Sec-WebSocket-Key": None}, "RFC 6455 4.2.1"),
    (
        "a key of 15 bytes",
        {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAA"},
        "RFC 6455 4.2.1",
    ),
    ("no Upgrade header", {"Upgrade": None}, "RFC 6455 4.2.1"),
)
FIBONACCI = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144)


@check(polite=False)
async def test_handshake(peer: Peers, notebook: Notebook) -> None:
    """An opening handshake is answered as RFC 6455 says, and a bad one refused."""
    rude = await peer.raw()
    answer = await rude.open(change=peer.handshake())
    _judge_answer(notebook, rude.key, answer, peer.target.subprotocols)
    if answer.status != 101:
        return  # whatever is refused now may be refused for another reason
    async with asyncio.TaskGroup() as group:
        for bad in BAD_HANDSHAKES:
            group.create_task(_judge_refusal(peer, notebook, bad))


@check(needs={ROUND_TRIP}, deadline=40.0)
async def test_message_exchange(peer: Peers, notebook: Notebook) -> None:
    """A hundred messages of mixed sizes come back unchanged and in order."""
    conversation = await peer.open_to_itself()
    most = _largest(peer.target.dialect, SIZES[-1])
    sizes = [size for size in SIZES if size <= most]
    sent = [
        next(numbered(1, sender=str(number), size=sizes[number % len(sizes)]))
        for number in range(EXCHANGED)
    ]
    got: list[Event] = []
    for first in range(0, EXCHANGED, 10):
        batch = sent[first : first + 10]
        for payload in batch:
            await conversation.say(payload)
        events = await conversation.events(len(batch))
        got += events
        if len(events) < len(batch):
            sent = sent[: first + 10]  # what follows would be waited for in vain
            break
    got += await conversation.stray()
    notebook.add(*conversation.judge(sent, got))


@check(deadline=40.0)
async def test_ping_pong_latency(peer: Peers, notebook: Notebook) -> None:
    """Pings are answered with their own payload; p99 stays below 100 ms."""
    # What the network takes is not the target's.
    bound = PING_BOUND + await peer.distance()
    conversation = await peer.open()
    rounds = []
    for _ in range(ROUNDS):
        histogram = Histogram()
        for _ in range(PINGS):
            histogram.record(await conversation.ping())
        rounds.append(histogram)
    total = Histogram()
    for histogram in rounds:
        total.merge(histogram)
    notebook.latencies("ping", total)
    notebook.add(judge_latency("pings are answered quickly", rounds, bound=bound))


@check(deadline=60.0, polite=False)
async def test_concurrent_connections(
    peer: Peers, notebook: Notebook, plan: Plan
) -> None:
    """Connections grow in Fibonacci steps; all of them are served at each step."""
    conversations: list[Conversation] = []
    steps = [step for step in FIBONACCI if step < plan.max_clients]
    if len(steps) < len(FIBONACCI):
        steps.append(plan.max_clients)
    for step in steps:
        started = time.perf_counter()
        more = step - len(conversations)
        conversations += await peer.open_many(more, to_themselves=True)
        notebook.figure(f"opened to {step}", time.perf_counter() - started, "s")
        # The pongs of all; and, as a library may answer those while the application
        # is stuck, messages of the oldest and the newest, and in the end of all.
        asked = conversations if step == steps[-1] else conversations[:: step - 1 or 1]
        unserved = await _unserved(conversations, asked)
        served = notebook.expect(
            not unserved,
            f"{step} connections at once are served",
            expected="a pong for each, and messages back",
            seen=unserved or "all of it",
        )
        if not served:
            return


@check(needs={ROUND_TRIP}, deadline=60.0, polite=False)
async def test_large_messages(peer: Peers, notebook: Notebook) -> None:
    """Messages up to the declared limit arrive; a larger one is refused with 1009."""
    dialect = peer.target.dialect
    most = _largest(dialect, LARGE[-1])
    conversation = await peer.open_to_itself()
    for size in [size for size in LARGE if size <= most] or [most]:
        payload = of_size(size, letter="abcdefg"[size % 7])
        try:
            event = await conversation.round_trip(payload)
        except ConnectionEnded as error:
            if error.code != 1009 or size <= GUARANTEED or dialect.limits.message:
                raise
            notebook.skip(f"payloads from {size:,} bytes on: above the target's limit")
            break
        notebook.expect(
            event.payload == payload,
            f"a payload of {size:,} bytes arrives unchanged",
            expected=f"{size:,} bytes",
            seen=f"{len(event.payload):,} bytes"
            + ("" if len(event.payload) != size else ", changed"),
        )
    if dialect.limits.message is None:
        notebook.skip("a message above the limit: the target declares none")
        return
    await _judge_limit(peer, notebook, dialect.limits.message)
    await is_served(await peer.open_to_itself(), notebook, who="a new connection")


def _largest(dialect: Dialect, otherwise: int) -> int:
    """Return the bytes of the largest payload that the target has to take."""
    limits = dialect.limits
    if limits.payload is not None:
        return limits.payload
    if limits.message is not None:
        return max(2, limits.message - ENVELOPE)
    return otherwise


async def _judge_refusal(
    peer: Peers, notebook: Notebook, bad: tuple[str, dict[str, str | None], str]
) -> None:
    """Expect that a bad opening handshake is answered, and not with 101."""
    what, change, clause = bad
    rude = await peer.raw()
    title = f"a handshake with {what} is refused"
    expected = "a status from 400 to 499"
    try:
        status = (await rude.open(change=peer.handshake() | change)).status
    except TimeoutError:
        notebook.expect(False, title, expected=expected, seen="no answer in time")
        return
    except RemoteError as error:
        # To hang up is a refusal, too.
        notebook.expect(True, title, expected=expected, seen=error)
        return
    # A request that asks for no upgrade is a request like any other: 200 is fine.
    fits = status != 101 if "Upgrade" in change else 400 <= status < 500
    notebook.expect(fits, title, expected=expected, seen=status, clause=clause)


def _judge_answer(
    notebook: Notebook, key: str, answer: Response, offered: Sequence[str]
) -> None:
    notebook.expect(
        answer.status == 101,
        "the status is 101",
        expected="101",
        seen=answer.status,
        clause="RFC 6455 4.2.2",
    )
    for name, wanted in (
        ("Upgrade", "websocket"),
        ("Connection", "upgrade"),
        ("Sec-WebSocket-Accept", accept_key(key)),
    ):
        seen = answer.headers.get(name) or ""
        same = seen == wanted if "Accept" in name else wanted in seen.lower()
        notebook.expect(
            same,
            f"the answer's {name} is right",
            expected=wanted,
            seen=seen or "no such header",
            clause="RFC 6455 4.2.2",
        )
    unasked = ["Sec-WebSocket-Extensions"]
    unasked += [] if offered else ["Sec-WebSocket-Protocol"]
    for name in unasked:
        notebook.expect(
            name not in answer.headers,
            f"no {name} is answered where none was offered",
            expected="no such header",
            seen=answer.headers.get(name),
            clause="RFC 6455 4.2.2",
        )


async def _unserved(
    conversations: Sequence[Conversation], asked: Sequence[Conversation]
) -> str:
    """Return the first thing that is wrong; "" where all are served.

    Args:
        conversations: Those that have to answer a ping.
        asked: Those that have to get a message back, where they can.
    """
    try:
        await asyncio.gather(*(one.ping() for one in conversations))
        for conversation in asked:
            if conversation.gets_itself:
                await conversation.round_trip(f'{{"still":"{conversation.name}"}}')
    except (TimeoutError, RemoteError) as error:
        return str(error)
    return ""


async def _judge_limit(peer: Peers, notebook: Notebook, limit: int) -> None:
    """Expect that a message at the limit is read, and one above it refused."""
    at_limit = await peer.open_to_itself()
    await at_limit.peer.send(_message_of(limit, at_limit))
    await is_served(at_limit, notebook, who=f"after {limit:,} bytes, the client")
    rude = await peer.rude()
    message = _message_of(limit + 1, at_limit).encode()
    fits, seen = True, "the connection ended"
    try:
        async with asyncio.timeout(REACT_WITHIN):
            await rude.send_frame(Opcode.TEXT, message)
            while (frame := await next_frame(rude)) is not None:
                if frame.opcode == Opcode.CLOSE:
                    closing = closing_of(frame)
                    fits, seen = closing.code == 1009, f"close code {closing.code}"
                    break
    except TimeoutError:
        fits, seen = False, "it stays open"
    except RemoteError as error:
        seen = str(error)
    notebook.expect(
        fits,
        f"a message of {limit + 1:,} bytes, one above the limit, is refused",
        expected="close code 1009",
        seen=seen,
        clause="RFC 6455 7.4.1",
    )


def _message_of(size: int, conversation: Conversation) -> str:
    """Return a message of exactly so many bytes that is well-formed in the dialect."""
    if Capability.PUBLISH not in conversation.dialect.capabilities:
        return of_size(size)
    ask = Publish(id=1, topic=conversation.topic or "limit", payload=of_size(2))
    envelope = len(conversation.dialect.encode(ask).encode())
    padded = msgspec.structs.replace(ask, payload=of_size(size - envelope + 2))
    return conversation.dialect.encode(padded)
