"""A subscriber that comes back, and what it tells the history."""

import random
from typing import Any

import pytest

from wavetank.dialects import Capability, Event, Foreign, Notice, Reply
from wavetank.errors import LocalError
from wavetank.evidence import Change
from wavetank.lab.checkers import history
from wavetank.lab.checkers.ids import digest_of
from wavetank.lab.following import Follower, Passage, Place
from wavetank.lab.keeping import Patience
from wavetank.net import ConnectionEnded, Side

from .talks import LOST, Talk, Talks, until

pytestmark = pytest.mark.anyio

SOON = Patience(base=0.0, cap=0.0, ping_every=3600.0)
AT = 2.0


class Tale:
    """A follower and what it has told."""

    def __init__(self, *talks: Any, topics: tuple[str, ...] = ("t",), **more: Any):
        self.events: list[history.Event] = []
        self.changes: list[Change] = []
        given = {"patience": SOON, "link_of": lambda _: 3}
        self.follower = Follower(
            "f",
            topics,
            open=Talks(*talks).open,
            take=self.events.append,
            now=lambda: AT,
            rng=random.Random(1),
            notify=self.changes.append,
            **(given | more),
        )

    async def until(self, kind: type, count: int = 1) -> None:
        """Wait until so many events of a kind were told."""
        await until(lambda: len(self.of(kind)) >= count)

    def of(self, kind: type) -> list[Any]:
        """Return the events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]


def message(seq: int | None, *, topic: str = "t", number: int = 1) -> Event:
    """Return a message of ours."""
    return Event(payload=f'{{"id":"w-r-p-{number}"}}', topic=topic, seq=seq)


async def test_a_follower_tells_what_comes_to_it() -> None:
    """Connected, subscribed behind the head, delivered, closed."""
    talk = Talk(Reply(id=1, ok=True, epoch="e", seq=7))
    talk.say(message(8))
    heard: list[str] = []
    tale = Tale(talk, listen=heard.append)
    async with tale.follower as follower:
        await tale.until(history.Delivered)
        assert follower.is_connected
        assert follower.conversation is talk
        assert follower.places == {"t": Place("e", 8)}
        assert follower.passage == Passage("f/1", 3, "w-r-p-1")
        assert repr(follower) == "<Follower f connected, 1 delivered>"
        assert talk.is_traced is False
        follower.check()
    payload = message(8).payload
    assert tale.events == [
        history.Connected(AT, "f", "f/1"),
        history.Subscribed(AT, "f", "t", 7, "e"),
        history.Delivered(AT, "f", "f/1", "t", "w-r-p-1", 8, "e", digest_of(payload)),
        history.Closed(AT, "f", "f/1"),
    ]
    assert heard == [payload]
    assert tale.changes == [Change(AT, "f", True)]
    assert repr(follower) == "<Follower f away: not yet, 1 delivered>"


async def test_a_follower_goes_on_behind_the_last_that_came() -> None:
    """What is not above the top of the reply comes from the history."""
    first = Talk()
    first.say(message(1), LOST)
    second = Talk(Reply(id=1, ok=True, epoch="e", seq=2, recovered=True))
    second.say(message(2, number=2), message(3, number=3))
    tale = Tale(first, second)
    async with tale.follower as follower:
        await tale.until(history.Delivered, 3)
        assert follower.why == "the connection was lost"
    assert second.asked == [("subscribe", "t", "e", 1)]
    assert [event.replay for event in tale.of(history.Delivered)] == [
        False,
        True,
        False,
    ]
    assert tale.of(history.Resumed) == [history.Resumed(AT, "f", "f/2")]
    assert tale.of(history.Subscribed)[1].head == 1
    assert [change.is_connected for change in tale.changes] == [True, False, True]
    assert follower.statistics() == {
        "opened": 2,
        "delivered": 3,
        "replayed": 1,
        "refused": 0,
    }
    assert follower.passages == [
        Passage("f/1", 3, "w-r-p-1"),
        Passage("f/2", 3, "w-r-p-3"),
    ]


@pytest.mark.parametrize(
    ("reply", "gaps"),
    [
        # The history is too short.
        (Reply(id=1, ok=True, epoch="e", seq=9, recovered=False), [(2, 9, "e")]),
        (Reply(id=1, ok=True, seq=9, recovered=False), [(2, 9, "e")]),
        # Nothing was missed, though the target cannot know that.
        (Reply(id=1, ok=True, epoch="e", seq=1, recovered=False), []),
        # Another life of the log: all of the old one, and of the new one up to here.
        (
            Reply(id=1, ok=True, epoch="new", seq=4, recovered=False),
            [(2, None, "e"), (1, 4, "new")],
        ),
        (Reply(id=1, ok=True, epoch="new", seq=0, recovered=False), [(2, None, "e")]),
    ],
)
async def test_a_follower_tells_what_a_target_says_it_will_not_send(
    reply: Reply, gaps: list[tuple[int, int | None, str]]
) -> None:
    """A resume that is refused is a gap, up to the head of the new subscription."""
    first = Talk()
    first.say(message(1), LOST)
    tale = Tale(first, Talk(reply))
    async with tale.follower as follower:
        await tale.until(history.Subscribed, 2)
        assert follower.refused == 1
    told = [(gap.first, gap.last, gap.epoch) for gap in tale.of(history.Gap)]
    assert told == gaps
    assert tale.of(history.Subscribed)[1].head == reply.seq


async def test_a_follower_resumes_where_the_target_does_not_say_its_top() -> None:
    """Then nothing is known to come from the history."""
    first = Talk()
    first.say(message(1), LOST)
    second = Talk(Reply(id=1, ok=True))
    second.say(message(2))
    tale = Tale(first, second)
    async with tale.follower as follower:
        await tale.until(history.Delivered, 2)
        assert follower.places == {"t": Place("e", 2)}
    assert not tale.of(history.Delivered)[1].replay


@pytest.mark.parametrize("lacks", [Capability.RESUME, Capability.SEQUENCE])
async def test_a_follower_subscribes_anew_where_nothing_can_be_resumed(
    lacks: Capability,
) -> None:
    """Without numbers nobody could say behind what."""
    first, second = Talk().lacks(lacks), Talk().lacks(lacks)
    first.say(message(None), LOST)
    tale = Tale(first, second)
    async with tale.follower:
        await tale.until(history.Subscribed, 2)
    assert second.asked == [("subscribe", "t", "", None)]
    assert tale.of(history.Resumed) == []


async def test_a_follower_subscribes_anew_where_no_head_was_said() -> None:
    """A place without a number is none."""
    first = Talk(Reply(id=1, ok=True))
    first.say(LOST)
    second = Talk()
    tale = Tale(first, second)
    async with tale.follower:
        await tale.until(history.Subscribed, 2)
    assert second.asked == [("subscribe", "t", "", None)]


async def test_a_follower_has_all_its_topics_before_it_counts_as_connected() -> None:
    """A subscription that is refused ends the connection, and it tries again."""
    first, second = Talk(Reply(id=1, ok=True), LOST), Talk()
    second.say(message(1, topic="u"))
    tale = Tale(first, second, topics=("t", "u"))
    async with tale.follower:
        await tale.until(history.Delivered)
    assert len(tale.changes) == 1
    assert [event.topic for event in tale.of(history.Subscribed)] == ["t", "t", "u"]


async def test_an_event_without_a_topic_is_of_the_only_one() -> None:
    """Some dialects do not say it again; and some say no number."""
    talk = Talk()
    talk.say(Event(payload="{}"), message(1))
    tale = Tale(talk)
    async with tale.follower as follower:
        await tale.until(history.Delivered, 2)
        assert follower.passage.last == "w-r-p-1"
    first = tale.of(history.Delivered)[0]
    assert (first.topic, first.id, first.seq) == ("t", "", None)


async def test_a_late_number_does_not_take_a_follower_back() -> None:
    """Its place is the highest that came."""
    talk = Talk()
    talk.say(message(2), message(1))
    tale = Tale(talk)
    async with tale.follower as follower:
        await tale.until(history.Delivered, 2)
        assert follower.places["t"].seq == 2


@pytest.mark.parametrize(
    ("notice", "gaps", "place"),
    [
        (
            Notice(name="gap", topic="t", first=3, last=9),
            [(3, 9, "e")],
            Place("e", 9),
        ),
        (Notice(name="gap", topic="t", first=1, last=1), [(1, 1, "e")], Place("e", 2)),
        (
            Notice(name="gap", topic="t", first=1, last=4, epoch="new"),
            [(3, None, "e"), (1, 4, "new")],
            Place("new", 4),
        ),
        # Nothing was skipped of the new life.
        (
            Notice(name="gap", topic="t", first=1, last=0, epoch="new"),
            [(3, None, "e")],
            Place("new", 0),
        ),
    ],
)
async def test_a_follower_goes_on_behind_a_gap(
    notice: Notice, gaps: list[tuple[int, int | None, str]], place: Place
) -> None:
    """What a target announces is told, and not asked for again."""
    talk = Talk()
    talk.say(message(2), notice, Notice(name="heartbeat"), message(None))
    tale = Tale(talk)
    async with tale.follower as follower:
        await tale.until(history.Delivered, 2)
        assert follower.places["t"] == place
    told = [(gap.first, gap.last, gap.epoch) for gap in tale.of(history.Gap)]
    assert told == gaps


async def test_a_follower_subscribes_again_where_the_target_ends_that() -> None:
    """It was not asked to: so it comes back."""
    first, second = Talk(), Talk()
    first.say(Notice(name="unsubscribed", text="t: revoked"))
    tale = Tale(first, second)
    async with tale.follower as follower:
        await tale.until(history.Subscribed, 2)
        assert follower.why == "the target ended a subscription: t: revoked"


@pytest.mark.parametrize(
    ("text", "is_damaged"),
    [
        ('{"type":"eve', True),
        ("[" * 100_000, True),
        ("b'\\x00 w-r-p-1'", True),
        ('{"type":"presence"}', False),
        ("hb", False),
    ],
)
async def test_what_is_no_message_any_more_is_told(text: str, is_damaged: bool) -> None:
    """What a target says beside its dialect is its own affair."""
    talk = Talk()
    talk.say(Foreign(text=text), message(1))
    tale = Tale(talk)
    async with tale.follower:
        await tale.until(history.Delivered)
    assert bool(tale.of(history.Damaged)) is is_damaged


@pytest.mark.parametrize(("violation", "count"), [("invalid UTF-8", 1), ("", 0)])
async def test_a_broken_rule_is_damage(violation: str, count: int) -> None:
    """A connection that just ended is none."""
    first, second = Talk(), Talk()
    ended = {"code": 1006, "reason": "", "by": Side.US, "violation": violation}
    first.say(ConnectionEnded("over", **ended))  # type: ignore[arg-type]
    tale = Tale(first, second)
    async with tale.follower:
        await tale.until(history.Subscribed, 2)
    assert [event.detail for event in tale.of(history.Damaged)] == [violation] * count


async def test_a_follower_finds_a_dead_link_by_its_own_pings() -> None:
    """Nobody tells it that the other side is gone: no pong comes."""
    first, second = Talk(), Talk()
    first.peer.ping_fails = TimeoutError()
    tale = Tale(first, second, patience=SOON._replace(ping_every=0.0))
    async with tale.follower as follower:
        await tale.until(history.Subscribed, 2)
        assert follower.why == "f: no pong came in time"
        assert first.peer.is_aborted
        await until(lambda: second.peer.pings > 1)


async def test_pings_end_with_their_connection() -> None:
    """That it has ended is for whoever reads to see."""
    first, second = Talk(), Talk()
    first.peer.ping_fails = LOST
    tale = Tale(first, second, patience=SOON._replace(ping_every=0.0))
    async with tale.follower as follower:
        await until(lambda: first.peer.pings == 1)
        first.say(LOST)
        await tale.until(history.Subscribed, 2)
        assert follower.why == str(LOST)


async def test_a_mistake_of_ours_ends_a_follower() -> None:
    """It is no loss of the target's, and whoever looks gets it."""
    talk = Talk()
    talk.say(LocalError("a mistake"))
    tale = Tale(talk)
    with pytest.raises(LocalError, match="a mistake"):
        async with tale.follower:
            await until(lambda: bool(tale.follower.check()))


async def test_a_follower_does_not_remember_topics_that_it_never_asked_for() -> None:
    """A target may make them up without end; they are told, and that is all."""
    talk = Talk()
    talk.say(
        *(message(5, topic=f"u{number}") for number in range(50)),
        Notice(name="gap", topic="v", epoch="e", first=1, last=9, text=""),
        message(1),
    )
    tale = Tale(talk)
    async with tale.follower as follower:
        await tale.until(history.Delivered, 51)
        assert follower.places == {"t": Place("e", 1)}
    assert tale.of(history.Gap) == []


async def test_a_follower_says_how_far_it_has_read_in_each_link() -> None:
    """To its end in the present one; what went through no link is not told."""
    first, second, third = Talk(), Talk(), Talk()
    first.say(message(1), LOST)
    second.say(message(2, number=2), LOST)
    third.say(message(3, number=3))
    links = iter([7, None, 9])
    tale = Tale(first, second, third, link_of=lambda _: next(links))
    async with tale.follower as follower:
        await tale.until(history.Delivered, 3)
        assert follower.readings == [(7, "w-r-p-1", False), (9, "w-r-p-3", True)]
    assert follower.readings == [(7, "w-r-p-1", False), (9, "w-r-p-3", False)]
