"""A peer that speaks a dialect: what it asks, hears, keeps and writes down."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection

from wavetank.dialects import (
    Ask,
    Authenticate,
    Capability,
    Echo,
    Endpoint,
    Event,
    Foreign,
    Heard,
    Limits,
    Malformed,
    Notice,
    Publish,
    Reply,
    StatusPage,
    Subscribe,
    Unsubscribe,
    Welcome,
)
from wavetank.errors import LocalError, RemoteError
from wavetank.evidence import Kind, Operation, Verdict
from wavetank.lab import conversation as module
from wavetank.lab.conversation import Conversation, Refused
from wavetank.net import open_peer

pytestmark = pytest.mark.anyio

SOON = 0.02
"""Seconds after which a test is sure that nothing comes; nothing can come."""

KINDS = {
    kind.__name__: kind for kind in (Event, Foreign, Notice, Reply, Welcome, Malformed)
}


class Toy:
    """A protocol in which everything is said as it is meant."""

    name = "toy"
    endpoint = Endpoint()
    limits = Limits()
    status: StatusPage | None = None

    def __init__(self, *capabilities: Capability) -> None:
        self.capabilities = frozenset(capabilities)

    def encode(self, ask: Ask) -> str:
        """Name the ask and its fields."""
        return json.dumps({"ask": type(ask).__name__} | msgspec.to_builtins(ask))

    def decode(self, message: str | bytes) -> Heard:
        """Read a kind and its fields."""
        fields = json.loads(message)
        heard: Heard = msgspec.convert(fields, KINDS[fields.pop("heard")])
        return heard

    def malformed(self) -> tuple[Malformed, ...]:
        """Know of none."""
        return ()


def said(heard: Heard) -> str:
    """Return what a server says to be heard like this."""
    return json.dumps({"heard": type(heard).__name__} | msgspec.to_builtins(heard))


def ok(id_: int | None, **fields: Any) -> str:
    """Return a good answer."""
    return said(Reply(id=id_, ok=True, **fields))


Script = Callable[[ServerConnection], Awaitable[None]]
Talk = Callable[..., Awaitable[Conversation]]


async def answering(connection: ServerConnection) -> None:
    """Answer each ask with its own id, and what was asked as the code."""
    async for message in connection:
        ask = json.loads(message)
        await connection.send(ok(ask["id"], code=json.dumps(ask, sort_keys=True)))


async def silent(connection: ServerConnection) -> None:
    """Say nothing until the end."""
    await connection.wait_closed()


@pytest.fixture
def operations() -> list[Operation]:
    """What was written down."""
    return []


@pytest.fixture
async def talk(
    served: Callable[[Script], Awaitable[str]], operations: list[Operation]
) -> AsyncIterator[Talk]:
    """Open a conversation with a scripted server."""
    opened: list[Conversation] = []

    async def talk(script: Script, dialect: Any = None) -> Conversation:
        conversation = Conversation(
            await open_peer(await served(script)),
            dialect or Toy(*Capability),
            name="peer-1",
            check="broadcast",
            record=operations.append,
            now=lambda: 7.0,
        )
        opened.append(conversation)
        return conversation

    yield talk
    for conversation in opened:
        conversation.peer.abort()


def told(operations: list[Operation]) -> list[tuple[str, str, int]]:
    """Return kind, name and id of each operation."""
    return [(one.kind.value, one.name, one.id) for one in operations]


# Asking


@pytest.mark.parametrize(
    ("call", "asked"),
    [
        (
            lambda one: one.authenticate("t0ken"),
            {"ask": "Authenticate", "id": 1, "token": "t0ken"},
        ),
        (
            lambda one: one.subscribe("a", epoch="e", seq=4),
            {"ask": "Subscribe", "id": 1, "topic": "a", "epoch": "e", "seq": 4},
        ),
        (
            lambda one: one.unsubscribe("a"),
            {"ask": "Unsubscribe", "id": 1, "topic": "a"},
        ),
        (
            lambda one: one.publish("a", "[1]"),
            {"ask": "Publish", "id": 1, "topic": "a", "payload": "[1]"},
        ),
    ],
)
async def test_each_ask_waits_for_its_answer(
    talk: Talk,
    operations: list[Operation],
    call: Callable[[Conversation], Awaitable[Reply]],
    asked: dict[str, Any],
) -> None:
    """It is an invoke and an ok, tied by its id."""
    conversation = await talk(answering)
    reply = await call(conversation)
    assert json.loads(reply.code) == asked
    invoke, end = operations
    assert (invoke.kind, end.kind) == (Kind.INVOKE, Kind.OK)
    assert invoke.id == end.id == 1
    assert invoke.name == end.name == asked["ask"].lower()
    assert invoke.topic == end.topic == asked.get("topic", "")
    assert (invoke.at, invoke.peer, invoke.check) == (7.0, "peer-1", "broadcast")


async def test_a_token_is_not_written_down(
    talk: Talk, operations: list[Operation]
) -> None:
    """Payloads and positions are, for whoever reads the journal."""
    conversation = await talk(answering, None)
    await conversation.authenticate("t0ken")
    await conversation.subscribe("a", epoch="e", seq=4)
    await conversation.publish("a", "[1]")
    details = [one.detail for one in operations if one.kind is Kind.INVOKE]
    assert details == ["", "since e 4", "[1]"]


async def test_a_refusal_is_a_fail_with_its_code(
    talk: Talk, operations: list[Operation]
) -> None:
    """It definitely did not happen, and whoever asked cannot overlook it."""

    async def refuse(connection: ServerConnection) -> None:
        ask = json.loads(await connection.recv())
        refusal = Reply(id=ask["id"], ok=False, code="forbidden", text="not you")
        await connection.send(said(refusal))
        await connection.wait_closed()

    conversation = await talk(refuse)
    with pytest.raises(Refused, match="publish was refused: forbidden not you"):
        await conversation.publish("a", "1")
    assert told(operations) == [
        ("invoke", "publish", 1),
        ("info", "error", 0),
        ("fail", "publish", 1),
    ]
    assert operations[1].detail == "forbidden not you"
    assert operations[2].detail == "forbidden"


async def test_an_answer_that_does_not_come_is_neither_ok_nor_fail(
    talk: Talk, operations: list[Operation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether it was done."""
    monkeypatch.setattr(module, "ANSWER_WITHIN", SOON)
    conversation = await talk(silent)
    with pytest.raises(TimeoutError, match=r"peer-1: no answer to publish within 0.02"):
        await conversation.publish("a", "1")
    assert told(operations) == [("invoke", "publish", 1), ("info", "publish", 1)]


async def test_an_ask_that_is_cancelled_waits_for_no_answer(talk: Talk) -> None:
    """An answer without an id would be taken for its own."""
    conversation = await talk(silent)
    ask = asyncio.create_task(conversation.subscribe("a"))
    await conversation.ping()
    assert list(conversation._open_asks) == [1]
    ask.cancel()
    await asyncio.wait([ask])
    assert ask.cancelled()
    assert not conversation._open_asks


async def test_a_connection_that_ends_leaves_an_ask_unknown(
    talk: Talk, operations: list[Operation]
) -> None:
    """The server may have done it before it went."""

    async def leave(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.close(1011, "broken")

    conversation = await talk(leave)
    with pytest.raises(RemoteError):
        await conversation.subscribe("a")
    assert told(operations)[-1] == ("info", "subscribe", 1)
    assert "1011" in operations[-1].detail


async def test_answers_out_of_order_find_their_asks(talk: Talk) -> None:
    """Each reply goes to the ask whose id it has; what is heard meanwhile is kept."""

    async def twist(connection: ServerConnection) -> None:
        asks = [json.loads(await connection.recv()) for _ in range(2)]
        await connection.send(said(Event(payload="7", topic="a")))
        for ask in reversed(asks):
            await connection.send(ok(ask["id"], code=ask["topic"]))
        await connection.wait_closed()

    conversation = await talk(twist)
    # The first one reads; the second's answer, which comes first, is kept for it.
    first = asyncio.create_task(conversation.subscribe("first"))
    await asyncio.sleep(0)
    second = conversation.dialect.encode(Subscribe(id=2, topic="second"))
    await conversation.peer.send(second)
    conversation._open_asks.append(2)
    assert (await first).code == "first"
    assert conversation._replies[2].code == "second"
    assert [event.payload for event in await conversation.events(1)] == ["7"]


async def test_an_answer_without_an_id_goes_to_the_oldest_ask(talk: Talk) -> None:
    """Where a protocol has no ids, its order ties the two."""

    async def blind(connection: ServerConnection) -> None:
        await connection.send(ok(None, code="for nobody"))
        await connection.recv()
        await connection.send(ok(None, code="for you"))
        await connection.wait_closed()

    conversation = await talk(blind)
    stranger = await conversation.first_word()
    assert isinstance(stranger, Reply)
    assert stranger.code == "for nobody"
    assert (await conversation.subscribe("a")).code == "for you"


async def test_an_answer_to_nobody_is_kept_and_one_too_late_is_not(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ask that was given up is over; a reply without an id is somebody's."""
    monkeypatch.setattr(module, "ANSWER_WITHIN", SOON)

    async def late(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.recv()
        await connection.send(ok(1, code="late"))
        await connection.send(ok(None, code="stray"))
        await connection.send(said(Event(payload="7")))
        await connection.wait_closed()

    conversation = await talk(late)
    with pytest.raises(TimeoutError):
        await conversation.subscribe("a")
    await conversation.peer.send("go on")
    event = await conversation.next_event(within=5.0)
    assert event.payload == "7"
    (stray,) = conversation.unread
    assert isinstance(stray, Reply)
    assert stray.code == "stray"


async def test_a_publish_without_acknowledgement_is_sent_and_unknown(
    talk: Talk, operations: list[Operation]
) -> None:
    """A finished send is no acknowledgement."""
    conversation = await talk(silent, Toy(Capability.PUBLISH))
    reply = await conversation.publish("a", "1")
    assert reply == Reply(id=1, ok=True)
    assert told(operations) == [("invoke", "publish", 1), ("info", "publish", 1)]
    assert operations[1].detail == "sent, not acknowledged"


async def test_a_bad_message_waits_for_any_reply(talk: Talk) -> None:
    """Other things that are heard meanwhile are kept."""

    async def complain(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(said(Event(payload="7")))
        await connection.send(said(Reply(id=None, ok=False, code="invalid")))
        await connection.wait_closed()

    conversation = await talk(complain)
    bad = Malformed(title="an array", message="[]")
    assert (await conversation.provoke(bad)).code == "invalid"
    assert list(conversation.unread) == [Event(payload="7")]


async def test_a_bad_message_that_is_not_answered_is_a_timeout(talk: Talk) -> None:
    """It is named by what was wrong with it."""
    conversation = await talk(silent)
    bad = Malformed(title="an array", message="[]")
    with pytest.raises(TimeoutError, match=r"no reply to an array within 0\.02 s"):
        await conversation.provoke(bad, within=SOON)


async def test_a_ping_returns_how_long_its_pong_took(talk: Talk) -> None:
    """In seconds."""
    conversation = await talk(silent)
    assert 0 < await conversation.ping() < module.ANSWER_WITHIN


# Hearing


async def test_events_come_in_order_and_other_things_stay(
    talk: Talk, operations: list[Operation]
) -> None:
    """What was kept comes before what is new."""
    heard: list[Heard] = [
        Notice(name="heartbeat"),
        Event(payload="1", topic="a", seq=1),
        Foreign(text="?"),
        Event(payload="2", topic="a", seq=2),
        Welcome(),
        Event(payload="3"),
    ]

    async def tell(connection: ServerConnection) -> None:
        for one in heard:
            await connection.send(said(one))
        await connection.wait_closed()

    conversation = await talk(tell)
    assert (await conversation.next_event()).payload == "1"
    assert await conversation.first_word() == Notice(name="heartbeat")
    assert [event.payload for event in await conversation.events(2)] == ["2", "3"]
    assert list(conversation.unread) == [Foreign(text="?"), Welcome()]
    assert "2 unread" in repr(conversation)
    assert [(one.name, one.topic, one.seq) for one in operations] == [
        ("notice", "", None),
        ("event", "a", 1),
        ("foreign", "", None),
        ("event", "a", 2),
        ("welcome", "", None),
        ("event", "", None),
    ]
    conversation.unread.append(Event(payload="4"))
    assert (await conversation.next_event()).payload == "4"
    assert len(conversation.unread) == 2


async def test_a_conversation_can_have_less_patience_with_answers(talk: Talk) -> None:
    """Whoever comes back anyway need not wait long."""

    async def tell(connection: ServerConnection) -> None:
        await connection.wait_closed()

    conversation = await talk(tell)
    conversation.answer_within = SOON
    with pytest.raises(TimeoutError, match=r"no answer to subscribe within 0\.02 s"):
        await conversation.subscribe("a")


async def test_waiting_for_what_does_not_come_is_bounded(talk: Talk) -> None:
    """Each wait ends at its own deadline, with what came until then."""
    sent = asyncio.Event()

    async def tell(connection: ServerConnection) -> None:
        await connection.send(said(Event(payload="1")))
        await sent.wait()
        await connection.send(said(Event(payload="2")))
        await connection.wait_closed()

    conversation = await talk(tell)
    first = await conversation.next_event()
    conversation.unread.append(first)
    assert await conversation.events(3, within=SOON) == [first]
    with pytest.raises(TimeoutError, match=r"peer-1: no event within 0\.02 s"):
        await conversation.next_event(within=SOON)
    with pytest.raises(TimeoutError, match=r"peer-1: nothing within 0\.02 s"):
        await conversation.first_word(within=SOON)
    assert await conversation.stray(SOON) == []
    sent.set()
    second = await conversation.next_event()
    conversation.unread.append(second)
    assert await conversation.stray(SOON) == [second] == [Event(payload="2")]


async def test_strays_behind_what_is_owed_are_heard_too(talk: Talk) -> None:
    """A doubled message comes after the last one that was waited for."""

    async def tell(connection: ServerConnection) -> None:
        for payload in "112":
            await connection.send(said(Event(payload=payload)))
        await connection.wait_closed()

    conversation = await talk(tell)
    await conversation.ping()  # behind which all three are here
    got = await conversation.events_and_strays(2, quiet=SOON)
    assert [event.payload for event in got] == ["1", "1", "2"]


async def test_a_connection_that_ends_ends_every_wait(talk: Talk) -> None:
    """Whoever waits learns of it at once."""

    async def leave(connection: ServerConnection) -> None:
        await connection.close(1001)

    conversation = await talk(leave)
    with pytest.raises(RemoteError):
        await conversation.next_event()
    with pytest.raises(RemoteError):
        await conversation.events(1)
    with pytest.raises(RemoteError):
        await conversation.first_word()


async def test_too_much_unread_is_our_failure_and_no_loss_of_the_target(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest ones were once dropped, and looked as if they had never come."""
    monkeypatch.setattr(module, "_MOST_UNREAD", 2)

    async def flood(connection: ServerConnection) -> None:
        for _ in range(5):
            await connection.send(said(Notice(name="tick")))
        await connection.wait_closed()

    conversation = await talk(flood)
    with pytest.raises(LocalError, match="peer-1: more than 2 unread messages"):
        await conversation.next_event()
    assert len(conversation.unread) == 2


# Saying


@pytest.mark.parametrize(("topic", "asked"), [("", "mine"), ("another", "another")])
async def test_what_is_said_is_published_where_there_are_topics(
    talk: Talk, operations: list[Operation], topic: str, asked: str
) -> None:
    """To the conversation's own topic, unless another is named."""
    conversation = await talk(answering)
    conversation.topic = "mine"
    assert conversation.gets_itself
    await conversation.say("1", topic=topic)
    assert told(operations) == [("invoke", "publish", 1), ("ok", "publish", 1)]
    assert operations[0].topic == asked


async def test_what_is_said_to_an_echo_is_sent_as_it_is(
    talk: Talk, operations: list[Operation]
) -> None:
    """And comes back as it was sent."""

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    conversation = await talk(echo, Echo())
    assert conversation.gets_itself
    assert conversation.form('{"a": 1}') == '{"a": 1}'
    assert await conversation.round_trip('{"a": 1}') == Event(payload='{"a": 1}')
    assert [(one.name, one.detail) for one in operations] == [
        ("send", '{"a": 1}'),
        ("event", '{"a": 1}'),
    ]


async def test_a_conversation_without_topic_and_echo_does_not_hear_itself(
    talk: Talk,
) -> None:
    """Nor does a dialect that promises nothing give payloads back byte for byte."""
    conversation = await talk(silent, Toy())
    assert not conversation.gets_itself
    assert conversation.form('{"a": 1.0}') == conversation.form('{"a":1}')


# Judging what was heard


async def test_a_conversation_judges_payloads_topics_and_numbers(talk: Talk) -> None:
    """Each is a finding of its own; numbers only where the dialect has them."""
    events = [Event(payload=one, topic="a", seq=int(one)) for one in "12"]
    conversation = await talk(silent)
    conversation.topic = "a"
    assert [one.verdict for one in conversation.judge(["1", "2"], events)] == (
        [Verdict.PASS] * 3
    )
    lost, wrong, gone = conversation.judge(["1", "2"], events[1:], who="the client")
    assert lost.verdict is Verdict.FAIL
    assert wrong.verdict is gone.verdict is Verdict.PASS
    assert {one.title.partition(" ")[0] for one in (lost, wrong, gone)} == {"the"}
    assert len(conversation.judge(["1"], [])) == 1

    plain = await talk(silent, Toy(Capability.PUBLISH))
    plain.topic = "b"
    arrivals, topics = plain.judge(["1.0", "2"], events)
    assert arrivals.verdict is Verdict.PASS, "the values are the same"
    assert topics.verdict is Verdict.FAIL
    plain.topic = ""
    assert len(plain.judge(["1", "2"], events)) == 1


async def test_a_conversation_under_load_is_not_traced(
    talk: Talk, operations: list[Operation]
) -> None:
    """Whoever loads a target counts instead."""
    conversation = await talk(answering)
    conversation.is_traced = False
    assert (await conversation.publish("a", "1")).ok
    assert operations == []


# Ending


async def test_closing_is_an_operation_with_the_code_of_the_other_side(
    talk: Talk, operations: list[Operation]
) -> None:
    """It does the closing handshake, and closes twice without harm."""
    conversation = await talk(silent)
    await conversation.close(1001, "going")
    assert told(operations) == [("invoke", "close", 1), ("ok", "close", 1)]
    assert [one.detail for one in operations] == ["1001", "1001"]
    await conversation.close()


async def test_a_conversation_that_is_left_is_closed(talk: Talk) -> None:
    """With a closing handshake after success, with RST after an error."""
    async with await talk(silent) as conversation:
        pass
    assert conversation.peer.close_code == 1000
    left = await talk(silent)
    with pytest.raises(ZeroDivisionError):
        async with left:
            raise ZeroDivisionError
    await left.peer.wait_closed()
    assert left.peer.close_code == 1006


async def test_an_abort_is_written_down(
    talk: Talk, operations: list[Operation]
) -> None:
    """The journal tells our own cuts from the target's."""
    conversation = await talk(silent)
    conversation.abort()
    await conversation.peer.wait_closed()
    assert told(operations) == [("info", "abort", 0)]


def test_asks_of_the_toy_protocol_are_those_of_every_dialect() -> None:
    """The protocol of these tests is a dialect like any other."""
    asks: list[Ask] = [
        Authenticate(id=1, token="t"),
        Subscribe(id=1, topic="a"),
        Unsubscribe(id=1, topic="a"),
        Publish(id=1, topic="a", payload="1"),
    ]
    assert [json.loads(Toy().encode(ask))["ask"] for ask in asks] == [
        "Authenticate",
        "Subscribe",
        "Unsubscribe",
        "Publish",
    ]
    assert Toy().decode(said(Event(payload="1"))) == Event(payload="1")
