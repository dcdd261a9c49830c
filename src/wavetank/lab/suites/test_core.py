"""Core: greeting, routing, order, resuming, tracking, and ends that are clean.

They refuse to know more of the target than its dialect declares.
"""

import asyncio
import contextlib
import random

from wavetank.dialects import Capability, Event, Welcome
from wavetank.errors import LocalError, RemoteError
from wavetank.lab.check import BROADCAST, ROUND_TRIP, check
from wavetank.lab.checkers import judge_arrivals
from wavetank.lab.conversation import ANSWER_WITHIN, Conversation
from wavetank.lab.notebook import Notebook
from wavetank.lab.payloads import BEYOND_A_DOUBLE, VARIED, numbered
from wavetank.lab.peers import Peers
from wavetank.lab.plan import Plan
from wavetank.lab.reactions import closing_of, end_of, is_served, next_frame
from wavetank.lab.status import open_connections
from wavetank.lab.target import Target
from wavetank.net import RudePeer
from wavetank.wire import Closing, Frame, Opcode, encode_close

MISSED = 20
SUBSCRIBERS, EACH = 13, 25
STALLED = 5
TRACKED = 4
MARGIN = 3.0


@check(needs={Capability.WELCOME})
async def test_initial_connection(peer: Peers, notebook: Notebook) -> None:
    """The first message of a connection is a welcome, and there is only one."""
    conversation = await peer.open(greeted=False)
    word = await conversation.first_word()
    notebook.expect(
        isinstance(word, Welcome) and not word.problem,
        "the first message is a welcome",
        expected="a welcome that names its protocol",
        seen=word.problem or "a welcome" if isinstance(word, Welcome) else word,
    )
    if peer.can(BROADCAST):
        await conversation.subscribe(peer.topic("first"))
    await is_served(conversation, notebook)
    await conversation.stray()
    again = sum(1 for heard in conversation.unread if isinstance(heard, Welcome))
    notebook.expect(
        not again, "there is one welcome", expected="no other", seen=f"{again} more"
    )


@check(needs={BROADCAST, Capability.RESUME}, deadline=40.0)
async def test_reconnection(peer: Peers, notebook: Notebook) -> None:
    """Who comes back with a position gets what was missed, once and in order."""
    topic = peer.topic("resume")
    speaker = await peer.open()
    payloads = list(numbered(MISSED * 3, sender=speaker.name))
    for way, first in (("cut off", 0), ("closed", MISSED)):
        listener = await peer.open()
        reply = await listener.subscribe(topic)
        seen = await _hear_some(speaker, listener, topic, payloads[first : first + 5])
        if seen is None:
            notebook.expect(False, "a subscriber hears the topic", seen="nothing")
            return
        await _leave(listener, way)
        missed = payloads[first + 5 : first + MISSED]
        for payload in missed:
            await speaker.publish(topic, payload)
        back = await peer.open()
        resumed = await back.subscribe(topic, epoch=reply.epoch, seq=seen.seq)
        notebook.expect(
            resumed.ok and resumed.recovered is not False,
            f"resuming after being {way} is recovered",
            expected="recovered: True, or no word of it",
            seen=resumed.code or f"recovered: {resumed.recovered}",
        )
        got = await back.events_and_strays(len(missed))
        who = f"a subscriber that was {way} and came back"
        notebook.add(*back.judge(missed, got, who=who))
    await _resume_at_the_top(peer, notebook, speaker)


@check(needs={ROUND_TRIP}, deadline=40.0)
async def test_message_handling(peer: Peers, notebook: Notebook) -> None:
    """Messages are read and passed on unchanged, and to the right topic only."""
    conversation = await peer.open_to_itself()
    # A number that fits in no double is for those alone who promise every byte.
    exact = conversation.form is str
    payloads = [one for one in VARIED if exact or one != BEYOND_A_DOUBLE]
    got: list[Event] = []
    for payload in payloads:
        try:
            got.append(await conversation.round_trip(payload))
        except TimeoutError:
            payloads = payloads[: len(got) + 1]
            break
    got += await conversation.stray()
    notebook.add(*conversation.judge(payloads, got, who="the sender"))
    if peer.can(BROADCAST):
        await _judge_routes(peer, notebook)


@check(needs={BROADCAST}, deadline=40.0)
async def test_broadcast(peer: Peers, notebook: Notebook, plan: Plan) -> None:
    """All subscribers get all messages of two publishers once, in one order."""
    topic = peer.topic("broadcast")
    listeners = await peer.open_many(min(SUBSCRIBERS, plan.max_clients))
    for listener in listeners:
        await listener.subscribe(topic)
    speakers = await peer.open_many(2)
    sent = {one.name: list(numbered(EACH, sender=one.name)) for one in speakers}
    async with asyncio.TaskGroup() as group:
        for speaker in speakers:
            group.create_task(_publish_all(speaker, topic, sent[speaker.name]))
    heard = await peer.hear(listeners, [2 * EACH] * len(listeners))
    first = [event.payload for event in heard[0]]
    everything = [one for each in sent.values() for one in each]
    who, form = listeners[0].name, listeners[0].form
    notebook.add(judge_arrivals(who, everything, first, ordered=False, form=form))
    for speaker in speakers:
        own = {form(one) for one in sent[speaker.name]}
        kept = [payload for payload in first if form(payload) in own]
        title = f"{who}, of {speaker.name},"
        notebook.add(judge_arrivals(title, sent[speaker.name], kept, form=form))
    for listener, events in zip(listeners[1:], heard[1:], strict=True):
        notebook.add(*listener.judge(first or everything, events))


@check(needs={Capability.STATUS})
async def test_client_tracking(peer: Peers, notebook: Notebook, target: Target) -> None:
    """The number of connections that the target tells follows the real one."""
    before = await _settled(target)
    first, second, third, fourth = await peer.open_many(TRACKED)

    async def cut() -> None:
        second.abort()

    async def hang_up() -> None:
        await third.peer.close()
        await (await peer.rude()).close()

    steps = (
        ("four connected", None, TRACKED),
        ("one closed", first.close, TRACKED - 1),
        ("one was cut off", cut, TRACKED - 2),
        ("one closed and another came and hung up", hang_up, TRACKED - 3),
        ("all left", fourth.close, 0),
    )
    for when, leave, left in steps:
        if leave is not None:
            await leave()
        if not await _must_tell(target, notebook, before + left, f"after {when}"):
            return


@check(deadline=60.0, polite=False)
async def test_connection_timeout(
    peer: Peers, notebook: Notebook, target: Target
) -> None:
    """Peers that stall in the opening handshake delay nobody, and are let go."""
    stalled = [await _stall(peer, number) for number in range(STALLED)]
    await is_served(
        await peer.open_to_itself(), notebook, who=f"a client beside {STALLED} stalled"
    )
    declared = target.dialect.limits.handshake
    if declared is None:
        notebook.skip("letting go: the target declares no deadline for handshakes")
        return
    async with asyncio.TaskGroup() as group:
        ends = [group.create_task(end_of(one, declared + MARGIN)) for one in stalled]
    open_still = sum(1 for end in ends if not end.result())
    notebook.expect(
        open_still == 0,
        "half an opening handshake is let go",
        expected=f"an end within the declared {declared:g} s",
        seen=f"{open_still} of {STALLED} still open after {declared + MARGIN:g} s",
        clause="CWE-400",
    )


@check(needs={Capability.ERRORS}, polite=False, deadline=60.0)
async def test_message_validation(peer: Peers, notebook: Notebook) -> None:
    """A message that breaks the protocol is answered with its error; one goes on."""
    for bad in peer.target.dialect.malformed():
        conversation = await peer.open_to_itself()
        try:
            reply = await conversation.provoke(bad)
        except (TimeoutError, RemoteError) as error:
            notebook.expect(
                False, f"{bad.title} is answered", expected="an error", seen=error
            )
            return
        fits = not reply.ok and (not bad.codes or reply.code in bad.codes)
        notebook.expect(
            fits,
            f"{bad.title} is refused",
            expected=" or ".join(bad.codes) or "an error",
            seen=reply.code if not reply.ok else "it was accepted",
        )
        await is_served(conversation, notebook, who=f"after {bad.title}, the client")
        await conversation.close()


@check(polite=False)
async def test_state_transitions(peer: Peers, notebook: Notebook) -> None:
    """Open, closing, closed, subscribed, unsubscribed: each state holds."""
    await _judge_closing(peer, notebook)
    if peer.can(BROADCAST):
        await _judge_unsubscribing(peer, notebook)


# Resuming


async def _hear_some(
    speaker: Conversation, listener: Conversation, topic: str, payloads: list[str]
) -> Event | None:
    """Publish and hear; return the last event heard."""
    for payload in payloads:
        await speaker.publish(topic, payload)
    events = await listener.events(len(payloads))
    return events[-1] if events else None


async def _leave(listener: Conversation, way: str) -> None:
    if way == "closed":
        await listener.close()
    else:
        listener.abort()
        await listener.peer.wait_closed()


async def _resume_at_the_top(
    peer: Peers, notebook: Notebook, speaker: Conversation
) -> None:
    """Who missed nothing gets nothing again, and then what is new."""
    topic = peer.topic("top")
    old, new = numbered(2, sender=f"{speaker.name}-top")
    published = await speaker.publish(topic, old)
    back = await peer.open()
    await back.subscribe(topic, epoch=published.epoch, seq=published.seq)
    await speaker.publish(topic, new)
    got = await back.events_and_strays(1)
    notebook.add(*back.judge([new], got, who="a subscriber that had missed nothing"))


# Routing and order


async def _judge_routes(peer: Peers, notebook: Notebook) -> None:
    """Topics with the same beginning and the same end are not the same topic."""
    stem = peer.topic("route")
    topics = [f"{stem}.a", f"{stem}.ab", f"{stem}.b", stem]
    listeners = await peer.open_many(len(topics))
    for listener, topic in zip(listeners, topics, strict=True):
        await listener.subscribe(topic)
    speaker = await peer.open()
    sent = {topic: list(numbered(3, sender=topic)) for topic in topics}
    order = [(topic, payload) for topic in topics for payload in sent[topic]]
    random.Random(peer.check).shuffle(order)
    for topic, payload in order:
        await speaker.publish(topic, payload)
    heard = await peer.hear(listeners, [len(sent[topic]) for topic in topics])
    for listener, events in zip(listeners, heard, strict=True):
        owed = [payload for where, payload in order if where == listener.topic]
        who = f"the subscriber of …{listener.topic[len(stem) :] or ' the stem'}"
        notebook.add(*listener.judge(owed, events, who=who))


async def _publish_all(speaker: Conversation, topic: str, payloads: list[str]) -> None:
    for payload in payloads:
        await speaker.publish(topic, payload)


# Tracking and stalling


async def _settled(target: Target) -> int:
    """Return the number of connections once it stays the same for a moment.

    Those of the check before may be on their way out, and a page may lag.
    """
    number = await open_connections(target)
    for _ in range(20):
        await asyncio.sleep(0.2)
        before, number = number, await open_connections(target)
        if number == before:
            break
    return number


async def _must_tell(
    target: Target, notebook: Notebook, expected: int, when: str
) -> bool:
    """Ask until the number is right: a server may notice an end a moment late."""
    seen = -1
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ANSWER_WITHIN):
            # A page over HTTP has no events to wait for.
            while seen != expected:
                await asyncio.sleep(0.02)
                seen = await open_connections(target)
    return notebook.expect(
        seen == expected,
        f"the number of connections {when}",
        expected=str(expected),
        seen=seen,
    )


async def _stall(peer: Peers, number: int) -> RudePeer:
    """Connect and send nothing, or a part of the opening handshake."""
    rude = await peer.raw()
    if number:
        request = rude.request()
        await rude.write(request[: len(request) * number // STALLED])
    return rude


# States


async def _judge_closing(peer: Peers, notebook: Notebook) -> None:
    rude = await peer.rude()
    await rude.send_frame(Opcode.CLOSE, encode_close(1000, "done"))
    await rude.send_frame(Opcode.TEXT, b'"after the close frame"')
    closing, after = await _closing_and_after(rude)
    code = closing.code if closing else None
    notebook.expect(
        closing is not None and code in {1000, 1001, None},
        "a close frame is answered with a close frame",
        expected="close code 1000, or none",
        seen=f"close code {code}" if closing else "no close frame",
        clause="RFC 6455 5.5.1",
    )
    notebook.expect(
        after is None,
        "nothing follows the close frame",
        expected="the end of the connection",
        seen=after and f"a frame with opcode {after.opcode}",
        clause="RFC 6455 5.5.1",
    )
    ended = await end_of(rude, ANSWER_WITHIN)
    notebook.expect(
        bool(ended),
        "the server closes TCP after the closing handshake",
        expected=f"an end within {ANSWER_WITHIN:g} s",
        seen=ended or "it stays open",
        clause="RFC 6455 7.1.1",
    )


async def _closing_and_after(rude: RudePeer) -> tuple[Closing | None, Frame | None]:
    """Read until something follows the close frame, or the end, in bounded time."""
    closing = None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ANSWER_WITHIN):
            while (frame := await next_frame(rude)) is not None:
                if closing is not None:
                    return closing, frame
                if frame.opcode == Opcode.CLOSE:
                    closing = closing_of(frame)
    return closing, None


async def _judge_unsubscribing(peer: Peers, notebook: Notebook) -> None:
    topic = peer.topic("state")
    listener, speaker = await peer.open_many(2)
    one, two, three = numbered(3, sender=speaker.name)
    await listener.subscribe(topic)
    await speaker.publish(topic, one)
    await listener.events(1)
    try:
        await listener.unsubscribe(topic)
    except LocalError as error:
        notebook.skip(f"unsubscribing: {error}")
        return
    await speaker.publish(topic, two)
    stray = await listener.stray()
    notebook.expect(
        not stray,
        "no event follows an unsubscribed topic",
        expected="no event",
        seen=f"{len(stray)} events",
    )
    await listener.subscribe(topic)
    await speaker.publish(topic, three)
    got = await listener.events_and_strays(1)
    notebook.add(*listener.judge([three], got, who="a subscriber that came again"))
