"""What comes twice, too early or too late, for the suite of edge cases.

It refuses to know what is in a payload.
"""

import contextlib

from wavetank.dialects import Capability, Event, Publish, Subscribe
from wavetank.errors import LocalError, RemoteError
from wavetank.lab.checkers import judge_numbers
from wavetank.lab.conversation import Conversation, Refused
from wavetank.lab.notebook import Notebook
from wavetank.lab.payloads import numbered
from wavetank.lab.peers import Peers
from wavetank.lab.reactions import REACT_WITHIN, end_of
from wavetank.net import ConnectionEnded, RudePeer
from wavetank.wire import Opcode, encode_close, encode_frame

__all__ = ["judge_early", "judge_late", "judge_subscribing"]


async def judge_subscribing(
    peer: Peers, notebook: Notebook, listener: Conversation, speaker: Conversation
) -> None:
    """Unsubscribe first, subscribe twice, unsubscribe twice, and come again."""
    topic = peer.topic("turns")
    can_leave = await _leaves(listener, topic)
    await listener.subscribe(topic)
    # Again: that may be refused, but must not count twice.
    with contextlib.suppress(Refused):
        await listener.subscribe(topic)
    payloads = list(numbered(6, sender=speaker.name))
    for payload in payloads[:2]:
        await speaker.publish(topic, payload)
    got = await listener.events_and_strays(2)
    who = "who subscribed twice"
    notebook.add(*listener.judge(payloads[:2], got, who=who))
    if not can_leave:
        notebook.skip("unsubscribing: the dialect has no such ask")
        return
    await listener.unsubscribe(topic)
    await _leaves(listener, topic)
    for payload in payloads[2:4]:
        await speaker.publish(topic, payload)
    stray = await listener.stray()
    notebook.expect(
        not stray,
        "who subscribed twice and left once hears nothing more",
        expected="no event",
        seen=f"{len(stray)} events",
    )
    await listener.subscribe(topic)
    for payload in payloads[4:]:
        await speaker.publish(topic, payload)
    got = await listener.events_and_strays(2)
    notebook.add(*listener.judge(payloads[4:], got, who="who left twice and came back"))


async def _leaves(listener: Conversation, topic: str) -> bool:
    """Unsubscribe where there is no subscription; return whether one can at all.

    Yes and no are both fine; no answer is not.
    """
    try:
        await listener.unsubscribe(topic)
    except Refused:
        return True
    except LocalError:
        return False
    return True


async def judge_late(peer: Peers, notebook: Notebook, speaker: Conversation) -> None:
    """Publish, close, close again and publish, all in one breath."""
    topic = peer.topic("late")
    listener = await peer.open()
    await listener.subscribe(topic)
    payloads = list(numbered(4, sender="late"))
    rude = await _introduced(peer)
    frames = [
        (Opcode.TEXT, _publish(speaker, topic, payload)) for payload in payloads[:3]
    ]
    frames += [(Opcode.CLOSE, encode_close(1000, "done"))] * 2
    frames += [(Opcode.TEXT, _publish(speaker, topic, payloads[3]))]
    with contextlib.suppress(ConnectionEnded):
        for opcode, payload in frames:
            await rude.send_frame(opcode, payload)
    ended = await end_of(rude, REACT_WITHIN)
    notebook.expect(
        bool(ended),
        "two close frames end the connection as one does",
        expected=f"an end within {REACT_WITHIN:g} s",
        seen=ended or "it stays open",
        clause="RFC 6455 7.1.1",
    )
    last = next(numbered(1, sender="last"))
    await speaker.publish(topic, last)
    form = listener.form
    heard: list[Event] = []
    while not heard or form(heard[-1].payload) != form(last):
        heard.append(await listener.next_event())
    got = [form(event.payload) for event in heard]
    notebook.expect(
        got in [[*map(form, payloads[:n]), form(last)] for n in range(4)],
        "what was sent before a close frame comes in order, what was sent after never",
        expected="none of it, or the first messages",
        seen=f"{len(got) - 1} messages: {', '.join(got[:-1])[:120]}",
        clause="RFC 6455 5.5.1",
    )
    if Capability.SEQUENCE in listener.dialect.capabilities:
        who = "a subscriber beside a close"
        notebook.add(judge_numbers(who, [event.seq for event in heard]))


def _publish(conversation: Conversation, topic: str, payload: str) -> bytes:
    ask = Publish(id=7, topic=topic, payload=payload)
    return conversation.dialect.encode(ask).encode()


async def _introduced(peer: Peers) -> RudePeer:
    """Open a rude peer that has said what every connection says first."""
    rude = await peer.rude()
    for text in peer.target.dialect.endpoint.preamble:
        await rude.send_frame(Opcode.TEXT, text.encode())
    return rude


async def judge_early(peer: Peers, notebook: Notebook) -> None:
    """Ask before it is one's turn: before the answer to the handshake, or unnamed.

    Whether that is taken is for the target; it has to answer the handshake or end.
    """
    dialect = peer.target.dialect
    ask = dialect.encode(Subscribe(id=1, topic=peer.topic("early"))).encode()
    after = encode_frame(Opcode.TEXT, ask, mask=b"mask")
    rude = await peer.raw()
    try:
        answer = await rude.open(after=after, change=peer.handshake())
        seen = f"status {answer.status}"
    except RemoteError as error:
        seen = str(error)
    except TimeoutError:
        seen = ""
    notebook.expect(
        bool(seen),
        "a command in one breath with the handshake is answered, or ends it",
        expected="an answer to the handshake, or the end",
        seen=seen or "neither",
    )
    if dialect.endpoint.preamble:
        unnamed = await peer.rude()
        with contextlib.suppress(ConnectionEnded):
            await unnamed.send_frame(Opcode.TEXT, ask)
