"""Edge cases: bad messages, limits, broken TLS, races, odd turns, and no room left.

They refuse to know more of the target than its dialect declares.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Sequence
from typing import NamedTuple

from wavetank.dialects import Capability, Event, Publish, Reply
from wavetank.errors import LocalError, RemoteError
from wavetank.evidence import Verdict
from wavetank.lab.check import BROADCAST, ROUND_TRIP, TLS, check
from wavetank.lab.checkers import (
    growth,
    judge_arrivals,
    judge_cost,
    judge_level,
)
from wavetank.lab.conversation import ANSWER_WITHIN, Conversation, Refused
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
from wavetank.lab.suites.broken_tls import (
    begin_many,
    first_hello,
    is_served_by_tls,
    judge_old_version,
    judge_plain,
)
from wavetank.lab.suites.odd_turns import judge_early, judge_late, judge_subscribing
from wavetank.lab.suites.room import judge_room, one_more, unserved_of
from wavetank.lab.target import Target
from wavetank.lab.usage import usage_of
from wavetank.net import (
    ConnectionEnded,
    RudePeer,
    ThrowAwayAuthority,
    TlsFailed,
    client_context,
)
from wavetank.wire import Opcode

MIB = 1024 * 1024
GARBAGE: tuple[tuple[str, str | bytes], ...] = (
    ("an empty text", ""),
    ("words", "hello"),
    ("a NUL", "\0"),
    ("half a text", '"half'),
    ("ten thousand brackets", "[" * 10_000),
    ("a number that is none", '{"type":NaN}'),
    ("half of a surrogate pair", '"\\ud800"'),
    ("a byte order mark", '\ufeff{"id":1}'),
    ("bytes", b"\x00\xff\xfe"),
)
"""Messages that no protocol of JSON objects has."""
REFUSING = frozenset({1002, 1003, 1007, 1008, 1009})
"""Close codes that say that a message was bad (RFC 6455 7.4.1); so do the 4xxx."""
CROWD, TURNS, LONG = 26, 4, 20
"""Peers that do the same at once, two of which watch; how often, with --full, too."""
TOPICS, LARGE, BAD = 60, 8, 8
"""Of a round: topics of a connection, large messages, connections with bad ones."""
GROWTH = 12
"""MiB that rounds may leave behind, beside what a history keeps of them."""


@check(polite=False, deadline=60.0)
async def test_invalid_message_format(peer: Peers, notebook: Notebook) -> None:
    """What is no message of the protocol is refused, and hurts nobody else."""
    bystander = await peer.open_to_itself()
    known = peer.target.dialect.malformed()
    async with asyncio.TaskGroup() as group:
        for bad in known:
            group.create_task(
                _judge_bad(peer, notebook, Bad(bad.title, bad.message, bad.codes))
            )
        for title, message in GARBAGE:
            group.create_task(_judge_bad(peer, notebook, Bad(title, message)))
    await is_served(bystander, notebook, who="a bystander")
    await is_served(await peer.open_to_itself(), notebook, who="a new connection")


@check(polite=False, deadline=60.0)
async def test_message_size_limit(peer: Peers, notebook: Notebook) -> None:
    """What is as large as declared is taken; one byte more is refused, in any form."""
    limits = peer.target.dialect.limits
    bystander = await peer.open_to_itself()
    if limits.payload is not None and peer.can(BROADCAST):
        await _judge_payloads(peer, notebook, limits.payload)
    if limits.message is not None:
        await _judge_messages(peer, notebook, limits.message)
    if limits.payload is limits.message is None:
        notebook.skip("the target declares no limit")
        return
    await is_served(bystander, notebook, who="a bystander")


@check(needs={TLS}, polite=False, deadline=90.0)
async def test_ssl_errors(peer: Peers, notebook: Notebook, target: Target) -> None:
    """A TLS handshake that goes wrong ends alone: others are served meanwhile."""
    hello = first_hello(target)
    rows = (
        ("a plain HTTP request", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("garbage", bytes(range(256))),
        ("a hello with garbage behind it", hello[:60] + b"\xff" * 600),
    )
    for title, data in rows:
        await judge_plain(notebook, target, title, data)
        await is_served_by_tls(peer, notebook, f"after {title}")
    await judge_old_version(notebook, target)
    with ThrowAwayAuthority() as stranger:
        context = client_context(ca=stranger.ca)
        with contextlib.suppress(TlsFailed):
            rude = await RudePeer.connect(target.address(tls=True), tls=context)
            await rude.close()
    await is_served_by_tls(peer, notebook, "after a client that trusts nobody")
    halves = await begin_many(target, hello)
    try:
        who = f"beside {len(halves)} handshakes that stand still"
        await is_served_by_tls(peer, notebook, who)
    finally:
        for half in halves:
            half.abort()
    await is_served_by_tls(peer, notebook, "after handshakes that were broken off")


@check(needs={BROADCAST}, polite=False, deadline=60.0)
async def test_concurrent_access(peer: Peers, notebook: Notebook, plan: Plan) -> None:
    """Many come, publish and go on one topic at once, and nothing gets lost."""
    topic = peer.topic("crowd")
    watchers = await peer.open_many(2)
    for watcher in watchers:
        await watcher.subscribe(topic)
    size, turns = (plan.max_clients, LONG) if plan.full else (CROWD, TURNS)
    many = await peer.open_many(max(2, min(size, plan.max_clients) - 2))
    sent = {one.name: list(numbered(turns, sender=one.name)) for one in many}
    async with asyncio.TaskGroup() as group:
        for one in many:
            rng = random.Random(f"{plan.seed}/{one.name}")
            group.create_task(_come_and_go(one, topic, sent[one.name], rng))
    everything = [payload for payloads in sent.values() for payload in payloads]
    heard = await peer.hear(watchers, [len(everything)] * 2)
    first, form = [event.payload for event in heard[0]], watchers[0].form
    notebook.add(
        judge_arrivals("a watcher", everything, first, ordered=False, form=form)
    )
    notebook.add(*watchers[1].judge(first or everything, heard[1], who="another one"))
    for name, payloads in sent.items():
        own = {form(payload) for payload in payloads}
        kept = [payload for payload in first if form(payload) in own]
        who = f"a watcher, of {name},"
        notebook.add(judge_arrivals(who, payloads, kept, form=form))


@check(needs={Capability.ERRORS, ROUND_TRIP}, polite=False, deadline=90.0)
async def test_error_recovery(peer: Peers, notebook: Notebook) -> None:
    """After each error the connection that made it goes on, and so do the others."""
    bystander, conversation = await peer.open_many(2, to_themselves=True)
    payloads = list(
        numbered(len(peer.target.dialect.malformed()), sender=conversation.name)
    )
    got: list[Event] = []
    for bad, payload in zip(peer.target.dialect.malformed(), payloads, strict=True):
        title = f"after {bad.title} the connection goes on"
        try:
            await conversation.provoke(bad)
            got.append(await conversation.round_trip(payload))
        except (TimeoutError, RemoteError) as error:
            notebook.expect(False, title, expected="its next message back", seen=error)
            return
        notebook.expect(True, title, seen="its next message came back")
    got += await conversation.stray()
    who = "the connection with the errors"
    notebook.add(*conversation.judge(payloads, got, who=who))
    await is_served(bystander, notebook, who="a bystander")


@check(needs={BROADCAST}, polite=False, deadline=60.0)
async def test_state_transitions(peer: Peers, notebook: Notebook) -> None:
    """Whatever comes twice, too early or too late leaves the right state behind."""
    listener, speaker = await peer.open_many(2)
    await judge_subscribing(peer, notebook, listener, speaker)
    await judge_late(peer, notebook, speaker)
    await judge_early(peer, notebook)
    await is_served(speaker, notebook, who="a bystander")


@check(needs={ROUND_TRIP}, polite=False, deadline=300.0)
async def test_memory_management(
    peer: Peers, notebook: Notebook, target: Target, plan: Plan
) -> None:
    """Topics, large and bad messages come and go, and leave no memory behind."""
    topics = [peer.topic(f"memory-{number}") for number in range(TOPICS)]
    usage = usage_of(target)
    await _play_round(peer, topics)  # what is made once is no leak
    before = await usage.sample()
    rounds = 10 if plan.full else 2
    kept = 0.0
    for _ in range(rounds):
        kept += await _play_round(peer, topics)
    bound = GROWTH + 3 * kept / MIB
    after, now = before, asyncio.get_running_loop().time
    ends = now() + ANSWER_WITHIN
    while before is not None and now() < ends:
        after = await usage.sample()
        level = judge_level("", before, after, "descriptors").verdict
        more = growth(before, after, "rss") or 0.0
        if level is not Verdict.FAIL and more <= bound * MIB:
            break
        # The ends of many connections may be noticed a moment later.
        await asyncio.sleep(0.2)
    notebook.add(
        judge_cost(
            f"{rounds} rounds of topics, large and bad messages leave little behind",
            growth(before, after, "rss"),
            1,
            bound=bound,
            unit="MiB",
            scale=MIB,
        ),
        judge_level("descriptors are given back", before, after, "descriptors"),
    )
    await is_served(await peer.open_to_itself(), notebook, who="a new connection")


@check(polite=False, deadline=120.0)
async def test_connection_limits(peer: Peers, notebook: Notebook, plan: Plan) -> None:
    """As many as agreed are served at once, and one more is served or refused."""
    started = time.perf_counter()
    many = await peer.open_many(plan.max_clients, to_themselves=True)
    notebook.figure(f"opened {len(many)} at once", time.perf_counter() - started, "s")
    unserved = await unserved_of(many)
    served = notebook.expect(
        not unserved,
        f"{len(many)} connections at once are served",
        expected="an answer for each",
        seen=unserved or "all of them",
    )
    if not served:
        return
    refused, fits = await one_more(peer)
    notebook.expect(
        fits,
        "one more connection is served, or refused in words",
        expected="an answer, or status 503 or 429, or close code 1013",
        seen=refused or "served",
    )
    leaving = many[: max(1, len(many) // 3)]
    await asyncio.gather(*(one.close() for one in leaving))
    await judge_room(peer, notebook, len(leaving))
    unserved = await unserved_of(many[len(leaving) :])
    notebook.expect(
        not unserved,
        "those who stayed are still served",
        expected="an answer for each",
        seen=unserved or "all of them",
    )


# Bad messages


class Bad(NamedTuple):
    """A message that is to be refused.

    Attributes:
        title: What is wrong with it.
        message: The message.
        codes: Of errors that fit; empty for any.
    """

    title: str
    message: str | bytes
    codes: tuple[str, ...] = ()


async def _judge_bad(peer: Peers, notebook: Notebook, bad: Bad) -> None:
    """Send a bad message, and expect that it is refused.

    Of a target that never says no, nothing is expected but that it lives on.
    """
    title, message, codes = bad
    conversation = await peer.open()
    await conversation.peer.send(message)
    if Capability.ERRORS not in conversation.dialect.capabilities:
        # Whether it is bad is for the target to say; a pong shows that it was read.
        with contextlib.suppress(RemoteError):
            await conversation.ping()
        return
    fits, seen = False, "no answer"
    try:
        reply = await _refusal(conversation)
        fits = not codes or reply.code in codes
        seen = f"the error {reply.code!r}"
    except ConnectionEnded as error:
        # What is no message of the dialect at all may end the connection.
        fits, seen = not codes and _says_bad(error.code), str(error)
    except TimeoutError:
        pass
    notebook.expect(
        fits,
        f"{title} is refused",
        expected=" or ".join(codes) or "an error, or a close that says so",
        seen=seen,
    )


async def _refusal(conversation: Conversation) -> Reply:
    """Wait for an error, whatever it answers.

    Raises:
        TimeoutError: If none comes.
        ConnectionEnded: If the connection ends.
    """
    async with asyncio.timeout(ANSWER_WITHIN):
        while True:
            heard = await conversation.next_heard()
            if isinstance(heard, Reply) and not heard.ok:
                return heard


def _says_bad(code: int) -> bool:
    return code in REFUSING or 4000 <= code < 5000


# Sizes


async def _judge_payloads(peer: Peers, notebook: Notebook, limit: int) -> None:
    """Expect that a payload at the limit comes back, and one above it does not."""
    conversation = await peer.open()
    topic = peer.topic("size")
    await conversation.subscribe(topic)
    speaker = await peer.open()
    payloads = [of_size(limit), of_size(limit + 1, letter="b")]
    await speaker.publish(topic, payloads[0])
    above = f"a payload of {limit + 1:,} bytes, one above the limit, is refused"
    fits, seen, owed = False, "it was accepted", payloads
    try:
        await speaker.publish(topic, payloads[1])
    except Refused as error:
        fits, seen = True, str(error)
    except ConnectionEnded as error:
        fits, seen = error.code == 1009, str(error)
    except TimeoutError as error:
        seen = str(error)
    if seen != "it was accepted":
        owed = payloads[:1]
    notebook.expect(fits, above, expected="an error, or close code 1009", seen=seen)
    got = await conversation.events_and_strays(len(owed))
    who = "the subscriber of large payloads"
    notebook.add(*conversation.judge(owed, got, who=who))


async def _judge_messages(peer: Peers, notebook: Notebook, limit: int) -> None:
    """Expect that a message at the limit is read, and a larger one never is."""
    conversation = await peer.open_to_itself()
    topic = conversation.topic or peer.topic("size")
    text = _something(conversation, topic).ljust(limit)
    await conversation.peer.send(text)
    await is_served(conversation, notebook, who=f"after {limit:,} bytes, the client")
    quarter = limit // 4 + 1
    rows = (
        ("in one frame", [b" " * (limit + 1)]),
        ("in four fragments", [b" " * quarter] * 4),
        ("in fragments, the first of them at the limit", [b" " * limit, b" "]),
    )
    for how, parts in rows:
        rude = await peer.rude()
        fits, seen = await _reaction(rude, parts)
        notebook.expect(
            fits,
            f"a message above {limit:,} bytes {how} is refused",
            expected="close code 1009",
            seen=seen,
            clause="RFC 6455 7.4.1",
        )
        await rude.close()


def _something(conversation: Conversation, topic: str) -> str:
    """Return a message that the target reads: a small publication, where it can."""
    if Capability.PUBLISH not in conversation.dialect.capabilities:
        return '"small"'
    return conversation.dialect.encode(Publish(id=1, topic=topic, payload='"small"'))


async def _reaction(rude: RudePeer, parts: Sequence[bytes]) -> tuple[bool, str]:
    """Send a message in fragments; return whether it was refused, and how."""
    try:
        async with asyncio.timeout(REACT_WITHIN):
            for number, part in enumerate(parts):
                opcode = Opcode.CONTINUATION if number else Opcode.TEXT
                is_last = number == len(parts) - 1
                await rude.send_frame(opcode, part, fin=is_last)
            while (frame := await next_frame(rude)) is not None:
                if frame.opcode == Opcode.CLOSE:
                    code = closing_of(frame).code
                    return code == 1009, f"close code {code}"
    except TimeoutError:
        return False, "it stays open"
    except RemoteError as error:
        return True, str(error)
    return True, "the connection ended"


# Many at once


async def _come_and_go(
    one: Conversation, topic: str, payloads: Sequence[str], rng: random.Random
) -> None:
    """Subscribe, publish, unsubscribe, again and again; what comes is not looked at."""
    for payload in payloads:
        await one.subscribe(topic)
        await asyncio.sleep(rng.uniform(0.0, 0.01))
        await one.publish(topic, payload)
        with contextlib.suppress(LocalError):
            await one.unsubscribe(topic)
        await asyncio.sleep(rng.uniform(0.0, 0.01))


# Memory


async def _play_round(peer: Peers, topics: Sequence[str]) -> float:
    """Have topics, large and bad messages come and go; return bytes for a history."""
    kept = 0.0
    if peer.can(BROADCAST):
        listeners = await peer.open_many(3)
        await asyncio.gather(*(_subscribe_all(one, topics) for one in listeners))
        for topic in topics:
            await listeners[0].publish(topic, '"small"')
    conversation = await peer.open_to_itself()
    limits = conversation.dialect.limits
    size = min(limits.payload or MIB // 4, (limits.message or MIB) - 1024)
    for number in range(LARGE):
        await conversation.round_trip(of_size(size, letter="abcdefgh"[number]))
        kept += size
    async with asyncio.TaskGroup() as group:
        for _ in range(BAD):
            group.create_task(_provoke_all(peer))
    await peer.close()
    return kept


async def _subscribe_all(conversation: Conversation, topics: Sequence[str]) -> None:
    """Subscribe to as many as the target allows."""
    with contextlib.suppress(Refused):
        for topic in topics:
            await conversation.subscribe(topic)


async def _provoke_all(peer: Peers) -> None:
    """Send every bad message there is; what comes of it is another check's."""
    conversation = await peer.open()
    with contextlib.suppress(RemoteError, TimeoutError):
        for bad in peer.target.dialect.malformed():
            await conversation.provoke(bad)
