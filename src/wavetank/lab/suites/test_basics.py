"""Basics: a client connects, is heard, is served with others, and comes back.

They refuse to know more of the target than its dialect declares.
"""

import asyncio
import time

from wavetank.dialects import Event
from wavetank.errors import RemoteError
from wavetank.evidence import Histogram
from wavetank.lab.check import BROADCAST, ROUND_TRIP, TLS, check
from wavetank.lab.conversation import Conversation
from wavetank.lab.notebook import Notebook
from wavetank.lab.payloads import numbered, price_update
from wavetank.lab.peers import Peers
from wavetank.lab.plan import Plan
from wavetank.lab.reactions import VIOLATIONS, Violator, is_served
from wavetank.lab.target import Target
from wavetank.net import ThrowAwayAuthority, TlsFailed, open_peer

HANDSHAKES = 20
HANDSHAKE_WITHIN = 5.0
SUBSCRIBERS, MESSAGES = 5, 10
LOAD_CLIENTS, LOAD_MESSAGES = 20, 50


@check()
async def test_basic_connection(peer: Peers, notebook: Notebook) -> None:
    """A client connects, is answered, and both sides close cleanly."""
    conversation = await peer.open_to_itself()
    notebook.expect(True, "the opening handshake succeeds", seen="101")
    await is_served(conversation, notebook)
    await conversation.close(1000)
    notebook.expect(
        conversation.peer.close_code in {1000, 1005},
        "the closing handshake is answered",
        expected="close code 1000, or none",
        seen=f"close code {conversation.peer.close_code}",
        clause="RFC 6455 5.5.1",
    )


@check(deadline=HANDSHAKES * (HANDSHAKE_WITHIN + 1))
async def test_connection_timeout(peer: Peers, notebook: Notebook) -> None:
    """Twenty opening handshakes in a row are each answered within 5 seconds."""
    opening = Histogram()
    for number in range(1, HANDSHAKES + 1):
        started = time.perf_counter()
        try:
            conversation = await peer.open(within=HANDSHAKE_WITHIN)
        except (TimeoutError, RemoteError) as error:
            notebook.expect(
                False,
                f"opening handshake {number} of {HANDSHAKES} succeeds",
                expected=f"an answer within {HANDSHAKE_WITHIN:g} s",
                seen=error,
            )
            return
        opening.record(time.perf_counter() - started)
        await conversation.close()
    notebook.latencies("opening handshake", opening)
    notebook.expect(
        True,
        "each opening handshake is answered in time",
        seen=f"{HANDSHAKES} answered",
    )


@check(polite=False)
async def test_message_validation(peer: Peers, notebook: Notebook) -> None:
    """A text message that is not UTF-8 fails its connection, and only that one."""
    bystander = await peer.open_to_itself()
    violator = Violator(await peer.rude(), notebook)
    await violator.must_be_failed(
        "a text message that is not UTF-8",
        [(1, b'"caf\xff"', {})],
        codes={1007},
        clause="RFC 6455 8.1",
    )
    await is_served(bystander, notebook)


@check(needs={ROUND_TRIP})
async def test_btc_price_update(peer: Peers, notebook: Notebook) -> None:
    """A BTC price update arrives with price, volume and timestamp unchanged."""
    listener = await peer.open_to_itself()
    speaker = await peer.open() if peer.can(BROADCAST) else listener
    updates = [price_update(n, at=1_790_000_000 + n / 8) for n in range(MESSAGES)]
    for update in updates:
        await speaker.say(update, topic=listener.topic)
    heard = await listener.events_and_strays(len(updates))
    notebook.add(*listener.judge(updates, heard, who="the subscriber"))


@check(polite=False)
async def test_error_handling(peer: Peers, notebook: Notebook) -> None:
    """A connection that breaks the framing rules is failed; the others go on."""
    bystander = await peer.open_to_itself()
    violators = [Violator(await peer.rude(), notebook) for _ in VIOLATIONS]
    async with asyncio.TaskGroup() as group:
        for violator, violation in zip(violators, VIOLATIONS, strict=True):
            group.create_task(
                violator.must_be_failed(
                    violation.title,
                    violation.frames,
                    codes={1002},
                    clause=violation.clause,
                )
            )
    await is_served(bystander, notebook, who="a connection that was there before")
    await is_served(await peer.open_to_itself(), notebook, who="a new connection")


@check(needs={BROADCAST})
async def test_multiple_client_broadcast(peer: Peers, notebook: Notebook) -> None:
    """Each of five subscribers gets each of ten messages once, in order."""
    topic = peer.topic("broadcast")
    listeners = await peer.open_many(SUBSCRIBERS)
    for listener in listeners:
        await listener.subscribe(topic)
    speaker = await peer.open()
    payloads = list(numbered(MESSAGES, sender=speaker.name))
    for payload in payloads:
        await speaker.publish(topic, payload)
    heard = await peer.hear(listeners, [len(payloads)] * len(listeners))
    for listener, events in zip(listeners, heard, strict=True):
        notebook.add(*listener.judge(payloads, events))


@check(needs={ROUND_TRIP}, polite=False, deadline=3700.0)
async def test_load(peer: Peers, notebook: Notebook, plan: Plan) -> None:
    """Twenty clients at once send and get back every one of their messages."""
    clients = min(LOAD_CLIENTS, plan.max_clients)
    conversations = await peer.open_many(clients, to_themselves=True)
    latencies = Histogram()
    started = time.perf_counter()
    lasts = plan.full or "test-duration" in plan.options
    ends = started + (plan.test_duration if lasts else 0.0)
    rounds = 0
    while rounds == 0 or (time.perf_counter() < ends and notebook.verdict == "PASS"):
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_talk(one, rounds, latencies))
                for one in conversations
            ]
        for one, task in zip(conversations, tasks, strict=True):
            sent, events = task.result()
            notebook.add(*one.judge(sent, events))
            one.is_traced = False  # what goes on like this is counted, not told
        rounds += 1
    took = time.perf_counter() - started
    strays = await peer.hear(conversations, [0] * clients)
    notebook.expect(
        not any(strays),
        "nothing comes after all that was owed",
        expected="no message",
        seen=f"{sum(map(len, strays))} messages",
    )
    notebook.latencies("round trip", latencies)
    notebook.figure("messages", rounds * clients * LOAD_MESSAGES, "messages")
    notebook.figure("rate", rounds * clients * LOAD_MESSAGES / took, "messages/s")


@check(needs={TLS})
async def test_ssl_connection(peer: Peers, notebook: Notebook, target: Target) -> None:
    """A TLS connection has a certificate that verifies, and carries messages."""
    if target.insecure:
        notebook.skip("--insecure: certificates are not looked at")
        return
    conversation = await peer.open_to_itself(tls=True)
    version = conversation.peer.tls_version
    notebook.expect(
        version in {"TLSv1.2", "TLSv1.3"},
        "the connection uses TLS 1.2 or later",
        expected="TLSv1.2 or TLSv1.3",
        seen=version,
        clause="RFC 8996",
    )
    await is_served(conversation, notebook)
    # The proof that certificates are looked at: one that we do not trust is refused.
    with ThrowAwayAuthority() as stranger:
        try:
            fooled = await open_peer(
                target.address(tls=True), tls=stranger.client_context()
            )
        except TlsFailed:
            notebook.expect(True, "who trusts another authority would refuse it")
        else:
            fooled.abort()
            notebook.unknown("certificates are looked at", seen="any one passes")


@check()
async def test_reconnection(peer: Peers, notebook: Notebook) -> None:
    """A client that closed, or was cut off, connects again and is served."""
    for number in range(1, 6):
        way = "closing" if number % 2 else "being cut off"
        conversation = await peer.open_to_itself()
        served = await is_served(
            conversation, notebook, who=f"connection {number}, before {way},"
        )
        if not served:
            return
        if number % 2:
            await conversation.close()
        else:
            conversation.abort()
    await is_served(await peer.open_to_itself(), notebook, who="the last connection")


async def _talk(
    conversation: Conversation, rounds: int, latencies: Histogram
) -> tuple[list[str], list[Event]]:
    """Send one message after the other, each when the last one came back."""
    sent = list(
        numbered(LOAD_MESSAGES, sender=f"{conversation.name}-{rounds}", size=128)
    )
    got: list[Event] = []
    for payload in sent:
        started = time.perf_counter()
        try:
            got.append(await conversation.round_trip(payload))
        except TimeoutError:
            break  # one is lost; to wait for each of the others says no more
        latencies.record(time.perf_counter() - started)
    return sent[: len(got) + 1], got
