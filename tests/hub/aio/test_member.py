"""A member: one connection that speaks wavetank.v1; it does what a session says."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from wavetank.clock import VirtualClock
from wavetank.hub.access import Claims
from wavetank.hub.aio.member import MOST_UNANSWERED, Member
from wavetank.hub.aio.node import Node
from wavetank.hub.effects import Moment
from wavetank.hub.limits import Crowd
from wavetank.hub.log import Bounds
from wavetank.hub.session import Session
from wavetank.protocol import Publish
from wavetank.wire import Message, Opcode

pytestmark = pytest.mark.anyio

MakeNode = Callable[..., Node]
AT = Moment(0.0, 1_790_000_000.0)


def join(node: Node, link: Any, claims: Claims | None = None) -> Member:
    """Return a member that was greeted; the welcome is thrown away."""
    session = Session(node.config, "c-1", claims=claims, spread=0.0, tally=node.tally)
    member = Member(node, link, session)
    member.open(is_supported=True)
    assert link.take()[0]["type"] == "welcome"
    return member


def tell(member: Member, *messages: dict[str, Any]) -> None:
    """Let a member receive messages that came in one read."""
    for message in messages:
        data = json.dumps(message).encode()
        member.receive(Message(Opcode.TEXT, data), AT)
    member.settle()


class Nobody:
    """A publisher that does not listen."""

    def published(self, *answer: Any, **more: Any) -> None:
        """Pass over it."""

    def refused(self, *answer: Any, **more: Any) -> None:
        """Pass over it."""


def publish(node: Node, topic: str, payload: bytes) -> None:
    """Publish from somewhere else."""
    command = Publish(topic=topic, data=msgspec.Raw(payload))
    node.publications.publish(command, "somebody", Nobody())


async def rest(node: Node) -> None:
    """Let all tasks of a node, and what they called for, come to an end."""
    while node._tasks:
        await asyncio.wait(node._tasks)
    await asyncio.sleep(0)


SUBSCRIBE = {"type": "subscribe", "id": 1, "topic": "t"}
PUBLISH = {"type": "publish", "id": 2, "topic": "t", "data": [1]}


async def test_member_answers_all_commands_of_one_read_in_one_write(
    make_node: MakeNode, link: Any
) -> None:
    """Each reply has the id of its command, in their order."""
    member = join(make_node(), link)
    history = {"type": "history", "id": 4, "topic": "t"}
    ping = {"type": "ping", "id": 3}
    tell(member, PUBLISH, ping, history, {"type": "fly", "id": 5})
    assert len(link.writes) == 1
    assert [(m["type"], m["id"]) for m in link.take()] == [
        ("published", 2),
        ("pong", 3),
        ("history", 4),
        ("error", 5),
    ]


async def test_member_gets_its_answer_before_its_events(
    make_node: MakeNode, link: Any
) -> None:
    """A subscription and a publication of one read: subscribed, then the rest."""
    node = make_node()
    member = join(node, link)
    tell(member, SUBSCRIBE, PUBLISH)
    await asyncio.sleep(0)
    kinds = [message["type"] for message in link.take()]
    assert kinds[0] == "subscribed"
    assert sorted(kinds) == ["event", "published", "subscribed"]


async def test_member_gets_its_answer_first_even_if_much_is_published_at_once(
    make_node: MakeNode, link: Any
) -> None:
    """Beyond a mebibyte events do not wait for the end of the turn."""
    node = make_node()
    member = join(node, link)
    big = {"type": "publish", "topic": "t", "data": "x" * 60_000}
    tell(member, SUBSCRIBE, *[big] * 20)
    assert next(iter(link.take()))["type"] == "subscribed"


async def test_member_publishes_without_an_answer_where_no_id_is(
    make_node: MakeNode, link: Any
) -> None:
    """Only an error would come back."""
    member = join(make_node(node_topics=1), link)
    tell(member, {"type": "publish", "topic": "t", "data": 1})
    assert link.take() == []
    tell(member, {"type": "publish", "topic": "u", "data": 1})
    (error,) = link.take()
    assert (error["code"], error["id"]) == ("too_many_topics", None)


async def test_member_hears_why_its_publication_was_not_taken(
    make_node: MakeNode, link: Any
) -> None:
    """Exactly one answer."""
    member = join(make_node(node_topics=0), link)
    tell(member, PUBLISH)
    (error,) = link.take()
    assert (error["code"], error["id"]) == ("too_many_topics", 2)


async def test_member_unsubscribes(make_node: MakeNode, link: Any) -> None:
    """Afterwards nothing of the topic follows."""
    node = make_node()
    member = join(node, link)
    tell(member, SUBSCRIBE, {"type": "unsubscribe", "id": 9, "topic": "t"})
    publish(node, "t", b"1")
    await asyncio.sleep(0)
    assert [message["type"] for message in link.take()] == [
        "subscribed",
        "unsubscribed",
    ]


async def test_member_is_closed_for_a_binary_message(
    make_node: MakeNode, link: Any
) -> None:
    """1003: this protocol is text."""
    member = join(make_node(), link)
    member.receive(Message(Opcode.BINARY, b"{}"), AT)
    assert link.calls == [(1003, "text messages only")]


# Waiting.


async def test_member_waits_with_commands_while_nothing_can_be_written(
    make_node: MakeNode, link: Any
) -> None:
    """Answers would only fill memory: reading stops until the peer reads."""
    member = join(make_node(), link)
    member.paused()
    tell(member, {"type": "ping", "id": 1}, {"type": "ping", "id": 2})
    assert link.take() == []
    assert link.calls == ["hold"]
    member.resumed()
    assert [message["id"] for message in link.take()] == [1, 2]
    assert link.calls == ["hold", "release"]


async def test_member_stops_at_a_full_buffer_in_the_middle_of_a_read(
    make_node: MakeNode, link: Any
) -> None:
    """Answers beyond 64 KiB are written, and if that is too much the rest waits."""
    node = make_node()
    publish(node, "t", b'"%b"' % (b"x" * 40_000))
    member = join(node, link)

    def write(data: bytes) -> None:
        link.writes.append(data)
        member.write = link.write
        member.paused()

    member.write = write
    history = {"type": "history", "topic": "t"}
    tell(member, *[history | {"id": number} for number in range(5)])
    assert [message["id"] for message in link.take()] == [0, 1]
    member.resumed()
    assert [message["id"] for message in link.take()] == [2, 3, 4]


async def test_member_has_at_most_so_many_commands_unanswered(
    make_node: MakeNode, link: Any, log: Any
) -> None:
    """At 256 the hub stops reading, and goes on with the answers."""
    member = join(make_node(), link)
    log.is_slow = True
    tell(member, *[PUBLISH | {"id": number} for number in range(MOST_UNANSWERED + 5)])
    assert len(log.late) == MOST_UNANSWERED
    assert link.calls == ["hold"]
    log.is_slow = False
    log.keep()
    await asyncio.sleep(0)
    assert [m["id"] for m in link.take()] == list(range(MOST_UNANSWERED + 5))
    assert link.calls == ["hold", "release"]


async def test_member_gets_an_answer_that_the_log_took_its_time_for(
    make_node: MakeNode, link: Any, log: Any
) -> None:
    """Nobody else writes it; and to a connection that is gone nobody does."""
    node = make_node()
    member = join(node, link)
    log.is_slow = True
    tell(member, PUBLISH)
    log.keep()
    await asyncio.sleep(0)
    assert [message["type"] for message in link.take()] == ["published"]
    tell(member, PUBLISH)
    member.lost()
    log.keep()
    await asyncio.sleep(0)
    assert link.take() == []


@pytest.mark.parametrize("kind", ["subscribe", "history"])
async def test_member_waits_for_the_log_and_keeps_the_order(
    make_node: MakeNode, link: Any, log: Any, kind: str
) -> None:
    """What memory has let go is read; later commands wait for it."""
    node = make_node(ring=Bounds(entries=1))
    for _ in range(5):
        publish(node, "t", b"1")
    member = join(node, link)
    log.gate = asyncio.Event()
    since = {"epoch": "epoch-01", "seq": 2}
    command = {"type": kind, "id": 1, "topic": "t", "since": since}
    tell(member, command, {"type": "ping", "id": 2})
    assert link.take() == []
    log.gate.set()
    await rest(node)
    first, second = link.take()[:2]
    assert (first["id"], first["recovered"]) == (1, True)
    assert (second["id"], second["type"]) == (2, "pong")


async def test_member_reads_history_that_begins_in_memory_only_in_part(
    make_node: MakeNode, link: Any
) -> None:
    """The begin is known, the entries are not at hand."""
    node = make_node(ring=Bounds(entries=1))
    for _ in range(5):
        publish(node, "t", b"1")
    member = join(node, link)
    tell(member, {"type": "history", "id": 1, "topic": "t"})
    await rest(node)
    (page,) = link.take()
    assert [event["seq"] for event in page["events"]] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("kind", ["subscribe", "history"])
async def test_member_hears_that_the_log_could_not_be_read(
    make_node: MakeNode, link: Any, log: Any, lines: Any, kind: str
) -> None:
    """`internal` with a ref that is also in the log; the connection goes on."""
    node = make_node(ring=Bounds(entries=1))
    for _ in range(5):
        publish(node, "t", b"1")
    member = join(node, link)
    log.fault = OSError("the disk is gone")
    since = {"epoch": "epoch-01", "seq": 2}
    tell(member, {"type": kind, "id": 1, "topic": "t", "since": since})
    await rest(node)
    (error,) = link.take()
    assert (error["id"], error["code"], error["retryable"]) == (1, "internal", True)
    event = next(each for each in lines.events if each["event"] == "command_failed")
    assert event["ref"] == error["ref"]
    assert member.session.topics == set()


@pytest.mark.parametrize("kind", ["subscribe", "history"])
async def test_member_that_is_gone_is_not_answered(
    make_node: MakeNode, link: Any, log: Any, kind: str
) -> None:
    """What was begun for it ends without a trace, whether it works or not."""
    node = make_node(ring=Bounds(entries=1))
    for _ in range(5):
        publish(node, "t", b"1")
    for fault in (None, OSError("the disk is gone")):
        member = join(node, link)
        log.gate, log.fault = asyncio.Event(), fault
        since = {"epoch": "epoch-01", "seq": 2}
        tell(member, {"type": kind, "id": 1, "topic": "t", "since": since})
        member.lost()
        log.gate.set()
        await rest(node)
        assert link.take() == []
        assert len(node.topics["t"].cursors) == 0


async def test_member_whose_events_cannot_be_read_is_asked_to_come_back(
    make_node: MakeNode, link: Any
) -> None:
    """4202: with its positions, at once."""
    member = join(make_node(), link)
    member.stranded()
    assert link.calls == [(4202, "the log cannot be read now")]


# Signing in.


async def test_member_signs_in(make_node: MakeNode, link: Any) -> None:
    """With the token of a user, once."""
    node = make_node(tokens=("good",))
    member = join(node, link)
    assert member.waiting_bytes == 4096
    tell(member, {"type": "auth", "id": 1, "token": "good"})
    tell(member, {"type": "auth", "id": 2, "token": "good"})
    assert [message["user"] for message in link.take()] == ["token-1", "token-1"]
    assert node.admission.statistics()["users"] == 1
    assert member.waiting_bytes is None
    member.lost()
    member.lost()
    assert node.admission.statistics()["users"] == 0


async def test_member_with_a_wrong_token_is_closed(
    make_node: MakeNode, link: Any
) -> None:
    """The error first, then 4001."""
    member = join(make_node(tokens=("good",)), link)
    tell(member, {"type": "auth", "id": 1, "token": "bad"})
    assert link.take()[0]["code"] == "unauthorized"
    assert link.calls[0] == (4001, "bad token")


async def test_member_of_a_user_with_enough_connections_is_sent_away(
    make_node: MakeNode, link: Any
) -> None:
    """4100: later, perhaps."""
    node = make_node(tokens=("good",), crowd=Crowd(total=9, per_user=1))
    assert node.admission.sign_in("token-1")
    member = join(node, link)
    tell(member, {"type": "auth", "id": 1, "token": "good"})
    assert link.calls == [(4100, "this user has enough connections")]


async def test_member_signed_in_by_the_handshake_signs_out_at_the_end(
    make_node: MakeNode, link: Any
) -> None:
    """The server has counted it in already."""
    node = make_node(tokens=("good",))
    claims = node.verify("good")
    assert claims is not None
    assert node.admission.sign_in(claims.user)
    member = join(node, link, claims)
    member.lost()
    assert node.admission.statistics()["users"] == 0


# Heartbeats.


async def test_member_gets_a_heartbeat_with_the_tops_that_moved(
    make_node: MakeNode, link: Any, clock: VirtualClock
) -> None:
    """Behind all events up to them, with a ping in the same write."""
    node = make_node()
    member = join(node, link)
    tell(member, SUBSCRIBE, SUBSCRIBE | {"id": 2, "topic": "quiet"})
    publish(node, "t", b"1")
    await asyncio.sleep(0)
    link.take()
    clock.advance(member.due_at - clock.now())
    member.tick()
    tag = f"{node.topics['t'].log.tag:08x}"
    assert link.frames()[-1] == (Opcode.PING, b"1")
    (heartbeat,) = link.take()
    assert heartbeat["tops"] == {"t": [1, tag]}
    member.hear_pong(b"1")
    clock.advance(20.0)
    member.tick()
    assert link.take()[0]["tops"] == {}


async def test_member_gets_no_top_of_a_topic_where_it_is_behind(
    make_node: MakeNode, link: Any, clock: VirtualClock
) -> None:
    """A top above what it was sent would look like loss."""
    node = make_node()
    member = join(node, link)
    tell(member, SUBSCRIBE)
    member.paused()
    publish(node, "t", b"1")
    member.session.patience.resumed()
    member.is_paused = False
    clock.advance(20.0)
    link.take()
    member.tick()
    assert link.take()[0]["tops"] == {}


async def test_member_is_not_pinged_while_it_is_not_read(
    make_node: MakeNode, link: Any, log: Any, clock: VirtualClock
) -> None:
    """Its pong could not be heard; the log's slowness is not its fault."""
    member = join(make_node(), link)
    clock.advance(10.0)
    member.tick()
    log.is_slow = True
    tell(member, *[PUBLISH] * (MOST_UNANSWERED + 1))
    clock.advance(60.0)
    member.tick()
    assert link.calls == ["hold"]


async def test_member_before_auth_hears_no_heartbeat(
    make_node: MakeNode, link: Any, clock: VirtualClock
) -> None:
    """Pongs mean nothing yet, and time runs out."""
    member = join(make_node(tokens=("t",)), link)
    member.hear_pong(b"1")
    clock.advance(10.0)
    member.tick()
    assert link.calls == [(4111, "no command in time")]


# The end.


async def test_member_leaves_when_the_hub_goes_away(
    make_node: MakeNode, link: Any
) -> None:
    """The notice, then 4200 at once where nothing is owed."""
    member = join(make_node(), link)
    member.drain(reconnect_after=1.5)
    (notice,) = link.take()
    assert (notice["code"], notice["reconnect_after_ms"]) == ("going_away", 1500)
    assert link.calls == ["hold", (4200, "drain")]


async def test_member_gets_what_it_is_owed_before_it_leaves(
    make_node: MakeNode, link: Any
) -> None:
    """Who is behind is closed once it has caught up."""
    node = make_node()
    for _ in range(3):
        publish(node, "t", b"1")
    member = join(node, link)
    tell(member, SUBSCRIBE | {"since": "earliest"})
    member.drain(reconnect_after=0.0)
    assert link.calls == ["hold"]
    node.fanout.flush()
    node.fanout.flush()
    assert [message["type"] for message in link.take()][2:] == ["event"] * 3
    assert link.calls == ["hold", (4200, "drain")]


async def test_member_that_catches_up_stays_where_nobody_goes_away(
    make_node: MakeNode, link: Any
) -> None:
    """Catching up is nothing special."""
    node = make_node()
    publish(node, "t", b"1")
    member = join(node, link)
    tell(member, SUBSCRIBE | {"since": "earliest"})
    node.fanout.flush()
    node.fanout.flush()
    assert link.calls == []


async def test_member_without_the_subprotocol_is_turned_away(
    make_node: MakeNode, link: Any
) -> None:
    """The error with the list, then 4005."""
    node = make_node()
    member = Member(
        node, link, Session(node.config, "c", claims=None, spread=0.0, tally=node.tally)
    )
    member.open(is_supported=False)
    assert link.take()[0]["supported"] == ["wavetank.v1"]
    assert link.calls == [(4005, "protocol unsupported")]
    member._beat(None)
    assert link.take() == []


# Patterns, duplicates, rights.


async def test_member_subscribes_to_a_pattern_and_leaves_it(
    make_node: MakeNode, link: Any
) -> None:
    """The reply names the topics; new ones are announced; then it is over."""
    node = make_node()
    member = join(node, link)
    publish(node, "a.x", b"1")
    tell(member, {"type": "subscribe", "id": 1, "topic": "a.*", "since": "earliest"})
    await rest(node)
    reply, *early = link.take()
    assert (reply["topic"], list(reply["topics"])) == ("a.*", ["a.x"])
    publish(node, "a.y", b"2")
    for _ in range(3):
        node.fanout.flush()
    seen = [(each["type"], each["topic"]) for each in early + link.take()]
    assert sorted(seen) == [("event", "a.x"), ("event", "a.y"), ("topic", "a.y")]
    tell(member, {"type": "unsubscribe", "id": 2, "topic": "a.*"})
    assert link.take() == [{"type": "unsubscribed", "id": 2, "topic": "a.*"}]
    publish(node, "a.z", b"3")
    node.fanout.flush()
    assert link.take() == []


async def test_member_hears_that_a_pattern_matches_too_much(
    make_node: MakeNode, link: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start as an error, later as the end of the subscription."""
    monkeypatch.setattr("wavetank.hub.aio.node.MOST_TOPICS", 1)
    monkeypatch.setattr("wavetank.hub.aio.node.MOST_GROWN", 1)
    node = make_node()
    member = join(node, link)
    publish(node, "a.x", b"1")
    publish(node, "a.y", b"1")
    tell(member, {"type": "subscribe", "id": 1, "topic": "a.*"})
    await rest(node)
    assert link.take()[0]["code"] == "too_many_topics"
    assert not member.session.topics
    tell(member, {"type": "subscribe", "id": 2, "topic": "b.*"})
    await rest(node)
    link.take()
    publish(node, "b.x", b"1")
    publish(node, "b.y", b"1")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    ended = {"type": "unsubscribed", "topic": "b.*", "reason": "too_many_topics"}
    assert ended in link.take()
    assert not member.topics


async def test_member_that_is_gone_while_topics_are_looked_for_gets_none(
    make_node: MakeNode, link: Any
) -> None:
    """Nothing is begun for nobody."""
    node = make_node()
    member = join(node, link)
    publish(node, "a.x", b"1")
    tell(member, {"type": "subscribe", "id": 1, "topic": "a.*"})
    member.lost()
    await rest(node)
    assert not member.topics
    assert not node.has_pattern(member, "a.*")


async def test_member_hears_of_a_duplicate(make_node: MakeNode, link: Any) -> None:
    """The same key, the same seq."""
    member = join(make_node(), link)
    message = PUBLISH | {"key": "k"}
    tell(member, message, message)
    answers = [(each["seq"], each["duplicate"]) for each in link.take()]
    assert answers == [(1, False), (1, True)]


async def test_member_hears_that_the_log_could_not_keep_a_publication(
    make_node: MakeNode, link: Any, log: Any
) -> None:
    """Also where it had no id; each may be tried again."""
    node = make_node()
    member = join(node, link)
    log.is_slow = True
    tell(member, PUBLISH, {"type": "publish", "topic": "t", "data": 2})
    log.lose("the disk is full")
    await asyncio.sleep(0)
    answers = [(each["id"], each["code"], each["retryable"]) for each in link.take()]
    assert answers == [(2, "unavailable", True), (None, "unavailable", True)]
    assert member.is_finished
    assert member.session.is_open


async def test_member_that_is_gone_hears_nothing_of_its_publications(
    make_node: MakeNode, link: Any, log: Any
) -> None:
    """Neither the good news nor the bad."""
    node = make_node()
    member = join(node, link)
    log.is_slow = True
    tell(member, PUBLISH)
    member.lost()
    log.lose()
    await asyncio.sleep(0)
    assert link.take() == []


async def test_member_loses_what_its_new_token_does_not_cover(
    make_node: MakeNode, link: Any
) -> None:
    """`unsubscribed` without an id, and no event follows."""
    node = make_node(tokens=("t",))
    member = join(node, link, Claims(user="token-1"))
    tell(member, SUBSCRIBE)
    link.take()
    narrow = Claims(user="token-1", subscribe=("other",))
    node.tokens.verify = lambda token, wall: narrow  # type: ignore[method-assign]
    tell(member, {"type": "auth", "id": 3, "token": "x"})
    answers = link.take()
    assert answers[0]["type"] == "authenticated"
    assert answers[1] == {"type": "unsubscribed", "topic": "t", "reason": "forbidden"}
    publish(node, "t", b"1")
    node.fanout.flush()
    assert link.take() == []


async def test_member_ends_when_the_key_of_its_token_is_withdrawn(
    make_node: MakeNode, link: Any
) -> None:
    """Others stay."""
    node = make_node(tokens=("t",))
    member = join(node, link, Claims(user="ann", key="old"))
    node.recheck()
    assert link.take()[0]["code"] == "unauthorized"
    assert link.calls[0] == (4001, "bad token")
    member.lost()
    join(node, link, Claims(user="token-1"))
    node.recheck()
    assert link.take() == []


async def test_member_measures_how_long_a_pong_takes(
    make_node: MakeNode, link: Any, clock: VirtualClock
) -> None:
    """An unasked one tells nothing."""
    node = make_node()
    member = join(node, link)
    member.hear_pong(b"1")
    clock.advance(20.0)
    member.tick()
    clock.advance(0.25)
    member.hear_pong(b"1")
    assert (node.tally.rtt.count, node.tally.rtt.sum) == (1, pytest.approx(0.25))


async def test_member_that_is_withdrawn_while_it_closes_hears_nothing_more(
    make_node: MakeNode, link: Any
) -> None:
    """Nothing follows a close frame (RFC 6455 5.5.1)."""
    node = make_node(tokens=("t",))
    member = join(node, link, Claims(user="ann", key="old"))
    member._do(member.session.close(1000, ""))
    link.take()
    node.recheck()
    assert link.take() == []


async def test_member_looks_at_its_deadlines_again_with_a_new_token(
    make_node: MakeNode, link: Any
) -> None:
    """It may end sooner than the one before."""
    member = join(make_node(tokens=("t",)), link)
    tell(member, {"type": "auth", "id": 1, "token": "t"})
    assert link.calls == ["wake"]


async def test_member_takes_up_a_pattern_that_outgrew_its_bounds_meanwhile(
    make_node: MakeNode, link: Any
) -> None:
    """What node and session know of a subscription stays the same."""
    node = make_node()
    member = join(node, link)
    tell(member, {"type": "subscribe", "id": 1, "topic": "a.*"})
    await rest(node)
    tell(member, {"type": "subscribe", "id": 2, "topic": "a.*"})
    member._do(member.session.outgrown("a.*"))
    await rest(node)
    assert member.session.topics == {"a.*"}
    assert node.has_pattern(member, "a.*")
    tell(member, {"type": "unsubscribe", "id": 3, "topic": "a.*"})
    assert link.take()[-1] == {"type": "unsubscribed", "id": 3, "topic": "a.*"}


# The order of replies.


async def test_member_answers_in_the_order_of_the_commands_on_a_topic(
    make_node: MakeNode, link: Any, log: Any
) -> None:
    """Whatever the log takes its time for is answered before what came later."""
    node = make_node()
    member = join(node, link)
    log.is_slow = True
    tell(
        member,
        PUBLISH | {"id": 1},
        {"type": "subscribe", "id": 2, "topic": "t"},
        PUBLISH | {"id": 3},
        PUBLISH | {"id": 4, "data": "x" * 70_000},
        {"type": "unsubscribe", "id": 5, "topic": "t"},
        {"type": "history", "id": 6, "topic": "t"},
        {"type": "ping", "id": 7},
    )
    assert link.take() == []
    log.is_slow = False
    for _ in range(6):
        log.keep()
        await asyncio.sleep(0)
    replies = [each["id"] for each in link.take() if "id" in each]
    assert replies == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("late", "answer"),
    [
        ({"data": "x" * 70_000}, "payload_too_large"),
        ({"key": "k"}, "published"),
        ({"producer": {"name": "bot", "epoch": 1, "seq": 9}}, "producer_gap"),
    ],
)
async def test_member_answers_a_publication_at_once_only_where_none_waits(
    make_node: MakeNode, link: Any, log: Any, late: dict[str, Any], answer: str
) -> None:
    """Refused, or known already: its answer keeps its place in the row."""
    node = make_node()
    member = join(node, link)
    tell(member, PUBLISH | {"id": 1, "key": "k"})
    link.take()
    log.is_slow = True
    tell(member, PUBLISH | {"id": 2}, PUBLISH | {"id": 3} | late, PUBLISH | {"id": 4})
    assert link.take() == []
    log.is_slow = False
    for _ in range(3):
        log.keep()
        await asyncio.sleep(0)
    first, second, third = link.take()
    assert (first["id"], second["id"], third["id"]) == (2, 3, 4)
    assert second.get("code", second["type"]) == answer


async def test_member_drains_what_it_has_taken(
    make_node: MakeNode, link: Any, log: Any
) -> None:
    """A publication that is going to be written is answered before the close frame."""
    node = make_node()
    member = join(node, link)
    log.is_slow = True
    tell(member, PUBLISH)
    member.drain(reconnect_after=0.0)
    link.take()
    assert link.calls == ["hold"]
    log.keep()
    await asyncio.sleep(0)
    assert [each["type"] for each in link.take()] == ["published"]
    assert link.calls == ["hold", (4200, "drain")]


async def test_member_goes_on_after_a_fault_of_ours(
    make_node: MakeNode, link: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes later is answered, not gathered for ever."""
    member = join(make_node(), link)

    def fail(*args: Any) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(Session, "judge", fail)
    with pytest.raises(RuntimeError):
        tell(member, {"type": "ping", "id": 1})
    assert not member._is_taking
