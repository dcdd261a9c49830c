"""Following: one subscription over all its connections."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wavetank.client.following as module
from wavetank.client.backoff import Backoff
from wavetank.client.following import (
    MOST_TRIES,
    POSITIONS_LOST,
    Following,
    Phase,
    Want,
    Wish,
)
from wavetank.client.items import Event, Gap, Item, Stale
from wavetank.protocol import (
    After,
    Error,
    MaxRate,
    Position,
    Start,
    Subscribe,
    Subscribed,
    SubscribedPattern,
    TopicAdded,
    Unsubscribe,
    encode_command,
    format_tag,
    next_tag,
)
from wavetank.protocol import Event as EventPush
from wavetank.protocol import Gap as GapPush

NOW, WALL = 50.0, 1000.0


class TopOfRange(random.Random):
    """Dice that always show the most."""

    def uniform(self, _a: float, b: float) -> float:
        """Return the upper end."""
        return b


def make(topic: str = "t", **more: Any) -> Following:
    """Make one."""
    wish = Wish(topic=topic, **more)
    return Following(wish, backoff=Backoff(), rng=TopOfRange())


def place(seq: int, after: int | None = None, **more: Any) -> dict[str, Any]:
    """Make the fields of an answer: top, and where it starts."""
    at = seq if after is None else after
    values: dict[str, Any] = {
        "epoch": "e",
        "seq": seq,
        "tag": tag_of(seq),
        "oldest": 1,
        "recovered": None,
        "reason": None,
        "after": After(at, tag_of(at)),
    }
    return values | more


def tags() -> list[str]:
    """Chain the payload `1` as often as tests need it."""
    chain = [0]
    for seq in range(1, 60):
        chain.append(next_tag(chain[-1], seq, b"1"))
    return [format_tag(tag) for tag in chain]


TAGS = tags()


def tag_of(seq: int) -> str:
    """Return the tag of a seq in a log of nothing but `1`."""
    return TAGS[seq]


def event(seq: int, topic: str = "t", **more: Any) -> EventPush:
    """Make an event as it comes."""
    return EventPush(topic=topic, seq=seq, at=1.0, data=msgspec.Raw(b"1"), **more)


def answer(following: Following, **more: Any) -> list[Item]:
    """Subscribe, and answer it."""
    command = following.subscribe(1)
    fields = place(0) | more
    reply = Subscribed(id=1, topic=command.topic, **fields)
    return following.subscribed(reply, NOW, WALL)


def answer_pattern(following: Following, **topics: dict[str, Any]) -> list[Item]:
    """Subscribe to a pattern, and answer it."""
    command = following.subscribe(1)
    starts = {name.replace("_", "."): Start(**at) for name, at in topics.items()}
    reply = SubscribedPattern(id=1, topic=command.topic, topics=starts)
    return following.subscribed(reply, NOW, WALL)


def offer(following: Following, push: EventPush, now: float = NOW) -> list[Item]:
    """Offer an event."""
    return list(following.offer(push, now, WALL))


def live(topic: str = "t", seq: int = 5) -> Following:
    """Make one that is live, at this place."""
    following = make(topic)
    answer(following, **place(seq))
    return following


def seqs(items: list[Item]) -> list[int]:
    """Return the seqs of events."""
    return [item.seq for item in items if isinstance(item, Event)]


# Commands.


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({}, {}),
        ({"since": "earliest"}, {"since": "earliest"}),
        ({"since": 12.5}, {"since_time": 12.5}),
        ({"known": {"t": Position("e", 3)}}, {"since": Position("e", 3)}),
        ({"deliver": "latest"}, {"deliver": "latest"}),
        ({"deliver": MaxRate(max_rate=2)}, {"deliver": MaxRate(max_rate=2)}),
    ],
)
def test_following_subscribes_as_it_was_asked(
    wish: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Live, from the earliest, from a time, behind a position."""
    following = make(**wish)
    assert following.want(NOW, has_room=True) is Want.SUBSCRIBE
    assert following.subscribe(1) == Subscribe(id=1, topic="t", **expected)
    assert following.want(NOW, has_room=True) is Want.NOTHING


def test_following_goes_on_where_it_was_after_a_lost_connection() -> None:
    """Even where nothing has come yet: the answer named a position."""
    following = make(since="earliest")
    answer(following, **place(3, 1, recovered=True))
    following.lost()
    position = Position("e", 1, tag_of(1))
    assert following.subscribe(2) == Subscribe(id=2, topic="t", since=position)
    following.lost()
    answer(following, **place(3, 1, recovered=True))
    assert seqs(offer(following, event(2)) + offer(following, event(3))) == [2, 3]
    following.lost()
    assert following.subscribe(3).since == Position("e", 3, tag_of(3))


def test_following_of_a_pattern_names_each_topic_when_it_resumes() -> None:
    """Even none: then topics that are new begin at their oldest entry."""
    following = make("a.*")
    assert following.subscribe(1) == Subscribe(id=1, topic="a.*")
    answer_pattern(following, a_x=place(7))
    following.lost()
    each = {"a.x": Position("e", 7, tag_of(7))}
    assert following.subscribe(2).since_each == each
    empty = make("a.*", known={})
    assert empty.subscribe(1).since_each == {}


def test_following_leaves_out_positions_for_which_a_message_has_no_room() -> None:
    """Those of the longest topics stay; the others are replayed and dropped."""
    names = [f"a.{'x' * 40}{number:03}" for number in range(500)]
    following = make(
        "a.*", known={n: Position("e", i, tag_of(1)) for i, n in enumerate(names)}
    )
    command = following.subscribe(1, room=20_000)
    assert command.since_each is not None
    assert len(encode_command(command)) <= 20_000
    chosen = list(command.since_each)
    assert chosen == names[: -len(chosen) - 1 : -1]
    assert len(chosen) > 100
    assert (
        len(
            make("a.*", known={names[0]: Position("e", 1)})
            .subscribe(1, room=10_000)
            .since_each
            or {}
        )
        == 1
    )


def test_following_unsubscribes_when_its_reader_has_no_room() -> None:
    """And subscribes again from its place once there is some."""
    following = live()
    assert following.want(NOW, has_room=False) is Want.UNSUBSCRIBE
    assert following.unsubscribe(4) == Unsubscribe(id=4, topic="t")
    assert following.phase is Phase.LEAVING
    assert offer(following, event(6)) == []
    assert following.want(NOW, has_room=True) is Want.NOTHING
    following.unsubscribed()
    assert following.want(NOW, has_room=False) is Want.NOTHING
    assert following.want(NOW, has_room=True) is Want.SUBSCRIBE
    assert following.subscribe(5).since == Position("e", 5, tag_of(5))
    following.unsubscribed()
    assert following.phase is Phase.ASKED


def test_following_ends_when_it_is_closed() -> None:
    """Nothing moves it any more, and the hub is told if it knows of it."""
    following = live()
    following.close()
    assert following.is_asked
    assert following.want(NOW, has_room=True) is Want.NOTHING
    following.unsubscribe(9)
    following.lost()
    following.refused(error("internal", retryable=True), NOW)
    following.dismissed(None, NOW)
    assert following.grow_stale("silent", 1.0) == []
    assert following.phase is Phase.ENDED
    assert not following.is_asked
    assert repr(following) == "<Following t ended 1>"


# Answers.


def error(code: str, **more: Any) -> Error:
    """Make an error as an answer."""
    fields = {"retryable": False} | more
    return Error(id=1, code=code, message="no", fatal=False, at=1.0, **fields)


def test_following_ends_with_what_the_hub_will_never_do() -> None:
    """The reader learns code and words."""
    following = make()
    following.subscribe(1)
    following.refused(error("topic_forbidden"), NOW)
    assert following.phase is Phase.ENDED
    assert following.refusal is not None
    assert following.refusal.code == "topic_forbidden"
    assert str(following.refusal) == "t: no"
    assert not following.is_asked


def test_following_tries_again_what_passes() -> None:
    """Waiting longer each time, and at least as long as the hub says."""
    following = make()
    waits = []
    for after in (None, None, 7.0, 1e9):
        following.subscribe(1)
        following.refused(error("rate_limited", retryable=True, retry_after=after), NOW)
        assert following.want(NOW, has_room=True) is Want.NOTHING
        assert following.want(following.retry_at, has_room=True) is Want.SUBSCRIBE
        waits.append(following.retry_at - NOW)
    assert waits == pytest.approx([0.1, 0.2, 7.0, 20.0])


def test_following_hears_of_an_unasked_end() -> None:
    """Rights taken away are final; anything else is tried again."""
    following = live()
    following.dismissed("who knows", NOW)
    assert following.phase is Phase.OUT
    assert following.retry_at > NOW
    answer(following, **place(5, recovered=True))
    following.dismissed("forbidden", NOW)
    assert following.phase is Phase.ENDED
    assert following.refusal is not None
    assert following.refusal.code == "topic_forbidden"


def test_following_passes_over_answers_that_it_did_not_ask_for() -> None:
    """Such as one to a subscribe of a connection that is gone."""
    following = live()
    reply = Subscribed(id=1, topic="t", **place(40))
    assert following.subscribed(reply, NOW, WALL) == []
    following.refused(error("internal"), NOW)
    assert following.phase is Phase.LIVE
    assert following.trackers["t"].seq == 5


def test_following_passes_over_topics_that_are_not_its_own() -> None:
    """A hub may name anything; what no topic can be called is kept nowhere."""
    following = make("a.*")
    command = following.subscribe(1)
    names = ("a.x", "b.x", "a.x.y", "a.*", "a.\x1b", "")
    topics = {name: Start(**place(1)) for name in names}
    reply = SubscribedPattern(id=1, topic=command.topic, topics=topics)
    assert following.subscribed(reply, NOW, WALL) == []
    added = TopicAdded(topic="a.\n", epoch="e", after=After(0, "00000000"))
    assert list(following.add(added, NOW)) == []
    assert list(following.trackers) == ["a.x"]


def test_following_asks_again_where_an_answer_is_about_something_else() -> None:
    """Without a place for its own topic there is nothing to go on with."""
    following = make()
    following.subscribe(1)
    reply = SubscribedPattern(id=1, topic="t", topics={"u": Start(**place(1))})
    assert following.subscribed(reply, NOW, WALL) == []
    assert following.phase is Phase.BROKEN
    assert following.want(NOW, has_room=True) is Want.SUBSCRIBE
    assert following.subscribe(2).since is None


def test_following_tells_why_it_could_not_recover() -> None:
    """Never a silent partial replay: a gap, then live."""
    following = make(known={"t": Position("e", 2)})
    items = answer(following, **place(9, recovered=False, reason="truncated"))
    assert items == [
        Gap(
            topic="t",
            epoch="e",
            first=3,
            last=9,
            reason="truncated",
            chain=int(tag_of(9), 16),
        )
    ]
    assert seqs(offer(following, event(10))) == [10]


def test_following_of_a_pattern_tells_what_new_topics_have_lost() -> None:
    """A topic that came up while it was away starts at its oldest, or has a gap."""
    following = make("a.*")
    assert answer_pattern(following, a_old=place(7)) == []
    following.lost()
    items = answer_pattern(
        following,
        a_old=place(7, recovered=True),
        a_new=place(3, 0, recovered=True),
        a_cut=place(9, 4, recovered=True),
    )
    assert items == [
        Gap(
            topic="a.cut",
            epoch="e",
            first=1,
            last=4,
            reason="truncated",
            chain=int(tag_of(4), 16),
        )
    ]
    assert following.placed == ["a.old", "a.new"]
    assert seqs(offer(following, event(1, "a.new"))) == [1]


@pytest.mark.parametrize("since", [None, "earliest", 5.0])
def test_following_tells_once_that_nobody_knows_where_it_was(since: Any) -> None:
    """As a gap before the first event, in which nothing is known to be missing."""
    following = make(since=since, is_lost=True)
    (gap,) = answer(following, **place(9, 4))
    assert gap == Gap(
        topic="t",
        epoch="e",
        first=5,
        last=4,
        reason=POSITIONS_LOST,
        chain=int(tag_of(4), 16),
    )
    assert following.placed == ["t"]
    assert seqs(offer(following, event(5))) == [5]
    following.lost()
    assert answer(following, **place(9, 5, recovered=True)) == []


def test_following_of_a_pattern_tells_of_each_topic_that_its_place_is_lost() -> None:
    """Not of those that begin later: nobody was there before."""
    following = make("a.*", is_lost=True)
    gaps = answer_pattern(following, a_x=place(3), a_y=place(0))
    assert [(gap.topic, gap.reason, gap.last) for gap in gaps] == [
        ("a.x", POSITIONS_LOST, 3),
        ("a.y", POSITIONS_LOST, 0),
    ]
    assert following.placed == ["a.x", "a.y"]
    later = TopicAdded(topic="a.z", epoch="e", after=After(0, tag_of(0)))
    assert following.add(later, NOW) == ()
    following.lost()
    topics = {"a_x": place(3), "a_y": place(0), "a_z": place(0), "a_w": place(1, 0)}
    assert answer_pattern(following, **topics) == []


def test_following_from_a_known_place_has_lost_none() -> None:
    """Whoever names a position does not need the one that was kept."""
    following = make(known={"t": Position("e", 3, tag_of(3))}, is_lost=True)
    assert answer(following, **place(5, 3, recovered=True)) == []


# Events.


def test_following_hands_on_what_is_next_and_drops_what_came_before() -> None:
    """In order, each once, with payload, epoch and chain tag."""
    following = live()
    (item,) = offer(following, event(6))
    assert item == Event(
        topic="t", epoch="e", seq=6, at=1.0, data=b"1", chain=int(tag_of(6), 16)
    )
    assert offer(following, event(6)) == []
    assert offer(following, event(2)) == []
    assert following.duplicates == 2


@pytest.mark.parametrize("phase", [Phase.OUT, Phase.ASKED, Phase.LEAVING, Phase.BROKEN])
def test_following_passes_over_everything_outside_of_live(phase: Phase) -> None:
    """It is of a subscription that is over."""
    following = live()
    following.phase = phase
    assert offer(following, event(6)) == []
    gap = GapPush(topic="t", first=6, last=9, reason="truncated")
    assert list(following.skip(gap, NOW, WALL)) == []
    added = TopicAdded(topic="t", epoch="e", after=After(9, tag_of(9)))
    assert list(following.add(added, NOW)) == []
    following.beat("t", 9, tag_of(9), NOW)
    assert following.phase is phase
    assert following.trackers["t"].seq == 5


def test_following_heals_a_hole_by_subscribing_again() -> None:
    """At once, from its place; what the hub then sends has no hole."""
    following = live()
    assert offer(following, event(8)) == []
    assert following.phase is Phase.BROKEN
    assert following.want(NOW, has_room=True) is Want.SUBSCRIBE
    answer(following, **place(8, 5, recovered=True))
    assert seqs([i for s in (6, 7, 8) for i in offer(following, event(s))]) == [6, 7, 8]
    assert following.healed == 1


def test_following_does_not_ask_for_ever_for_what_never_comes() -> None:
    """Three times, waiting longer each time; then it is lost, told, and live again."""
    following = live()
    waits = []
    for _ in range(MOST_TRIES):
        assert offer(following, event(8)) == []
        waits.append(following.retry_at - NOW)
        answer(following, **place(8, 5, recovered=True))
    assert waits == pytest.approx([0.0, 0.2, 0.4])
    gap, item = offer(following, event(8))
    assert gap == Gap(topic="t", epoch="e", first=6, last=7, reason="lost")
    assert seqs([item]) == [8]
    assert seqs(offer(following, event(9))) == [9]


def test_following_heals_a_wrong_tag_and_tells_it_if_it_stays() -> None:
    """What came is not what the log has: ask again, then say `diverged`."""
    following = live()
    wrong = event(6, prev=5, tag="0badcafe")
    for _ in range(MOST_TRIES):
        assert offer(following, wrong) == []
        answer(following, **place(6, 5, recovered=True))
    gap, item = offer(following, wrong)
    assert isinstance(gap, Gap)
    assert (gap.reason, gap.count) == ("diverged", 0)
    assert item == Event(
        topic="t", epoch="e", seq=6, at=1.0, data=b"1", chain=0xBADCAFE
    )


def test_following_heals_what_a_heartbeat_shows() -> None:
    """A top above its place, or with another tag; a good one changes nothing."""
    following = live()
    following.beat("t", 5, tag_of(5), NOW)
    assert following.phase is Phase.LIVE
    following.beat("t", 6, tag_of(6), NOW)
    assert following.phase is Phase.BROKEN
    answer(following, **place(5, recovered=True))
    following.beat("t", 5, "0badcafe", NOW)
    assert following.phase is Phase.BROKEN
    assert following.healed == 2


def test_following_that_is_broken_and_full_leaves() -> None:
    """Broken is still subscribed at the hub."""
    following = live()
    offer(following, event(9))
    assert following.want(NOW, has_room=False) is Want.UNSUBSCRIBE


# Gaps and topics.


def test_following_hands_on_a_gap() -> None:
    """And goes on behind it; one that it knows is passed over."""
    following = live()
    gap = GapPush(topic="t", first=6, last=9, reason="truncated", tag=tag_of(9))
    (item,) = following.skip(gap, NOW, WALL)
    assert isinstance(item, Gap)
    assert (item.first, item.last) == (6, 9)
    assert list(following.skip(gap, NOW, WALL)) == []
    assert seqs(offer(following, event(10))) == [10]


def test_following_heals_a_gap_that_does_not_follow() -> None:
    """Something before it did not come; in the end it is part of the gap."""
    following = live()
    gap = GapPush(topic="t", first=8, last=9, reason="truncated", tag=tag_of(9))
    for _ in range(MOST_TRIES):
        assert list(following.skip(gap, NOW, WALL)) == []
        answer(following, **place(9, 5, recovered=True))
    (item,) = following.skip(gap, NOW, WALL)
    assert isinstance(item, Gap)
    assert (item.first, item.last) == (6, 9)


def test_following_of_a_pattern_takes_new_topics() -> None:
    """A topic push comes before its first event; its place is to be kept at once."""
    following = make("a.*")
    answer_pattern(following)
    added = TopicAdded(topic="a.x", epoch="e", after=After(0, "00000000"))
    assert list(following.add(added, NOW)) == []
    assert following.placed == ["a.x"]
    assert seqs(offer(following, event(1, "a.x"))) == [1]
    assert list(following.add(added, NOW)) == []
    assert seqs(offer(following, event(2, "a.x"))) == [2]


def test_following_of_a_pattern_sees_a_topic_begin_a_new_life() -> None:
    """A topic push with another epoch is a gap, one behind its place is a hole."""
    following = make("a.*")
    answer_pattern(following, a_x=place(5))
    other = TopicAdded(topic="a.x", epoch="f", after=After(2, tag_of(2)))
    (gap,) = following.add(other, NOW)
    assert isinstance(gap, Gap)
    assert (gap.reason, gap.first, gap.last) == ("epoch_changed", 1, 2)
    further = TopicAdded(topic="a.x", epoch="f", after=After(9, tag_of(9)))
    assert list(following.add(further, NOW)) == []
    assert following.phase is Phase.BROKEN


@pytest.mark.parametrize("kind", ["event", "gap", "heartbeat"])
def test_following_asks_again_because_of_a_topic_that_was_never_announced(
    kind: str,
) -> None:
    """Without a place nothing can be checked; it waits longer each time."""
    following = make("a.*")
    waits = []
    for _ in range(3):
        answer_pattern(following)
        if kind == "event":
            assert offer(following, event(3, "a.x")) == []
        elif kind == "gap":
            gap = GapPush(topic="a.x", first=1, last=2, reason="truncated")
            assert list(following.skip(gap, NOW, WALL)) == []
        else:
            following.beat("a.x", 3, tag_of(3), NOW)
        assert following.phase is Phase.BROKEN
        waits.append(following.retry_at - NOW)
    assert waits == pytest.approx([0.0, 0.2, 0.4])


def test_following_ends_where_a_hub_names_topics_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Memory is bounded, whatever the other side does."""
    monkeypatch.setattr(module, "MOST_TOPICS", 2)
    following = make("a.*")
    answer_pattern(following, a_x=place(1), a_y=place(1), a_z=place(1))
    assert following.phase is Phase.ENDED
    assert following.refusal is not None
    assert following.refusal.code == "too_many_topics"
    following = make("a.*")
    answer_pattern(following, a_x=place(1), a_y=place(1))
    added = TopicAdded(topic="a.z", epoch="e", after=After(0, "00000000"))
    assert list(following.add(added, NOW)) == []
    assert following.phase is Phase.ENDED


# Fresh or not.


def test_following_tells_once_that_it_is_stale_and_once_that_it_is_fresh() -> None:
    """Stale from the last word of the hub; fresh when the replay has caught up."""
    following = live()
    (stale,) = following.grow_stale("disconnected", 900.0)
    assert stale == Stale(is_stale=True, reason="disconnected", since=900.0)
    assert following.grow_stale("silent", 950.0) == []
    following.lost()
    assert answer(following, **place(7, 5, recovered=True)) == []
    assert len(offer(following, event(6))) == 1
    event_7, fresh = offer(following, event(7))
    assert seqs([event_7]) == [7]
    assert fresh == Stale(
        is_stale=False, reason="disconnected", since=900.0, until=WALL
    )
    assert len(offer(following, event(8))) == 1


def test_following_is_fresh_at_once_where_nothing_was_missed() -> None:
    """The answer alone says it; a gap catches up too."""
    following = live()
    following.grow_stale("silent", 900.0)
    following.lost()
    (fresh,) = answer(following, **place(5, recovered=True))
    assert isinstance(fresh, Stale)
    assert not fresh.is_stale
    following.grow_stale("silent", 901.0)
    following.lost()
    answer(following, **place(9, 5, recovered=True))
    gap = GapPush(topic="t", first=6, last=9, reason="truncated", tag=tag_of(9))
    _, fresh = following.skip(gap, NOW, WALL)
    assert isinstance(fresh, Stale)


# Everything together.


@given(st.data())
def test_following_never_loses_or_repeats_in_silence(data: Any) -> None:
    """Against a hub that drops, repeats and cuts, every event comes once, in order."""
    top = data.draw(st.integers(1, 12))
    following = make(since="earliest")
    got: list[int] = []
    now = 0.0
    for _ in range(200):
        if following.phase in {Phase.OUT, Phase.BROKEN}:
            now = max(now, following.retry_at)
            assert following.want(now, has_room=True) is Want.SUBSCRIBE
            at = len(got)
            items = answer(following, **place(top, at, recovered=True))
            assert items == []
            sending = at
        fault = data.draw(st.sampled_from(["none", "none", "drop", "twice", "cut"]))
        sending += 1
        if sending > top:
            following.beat("t", top, tag_of(top), now)
            if following.phase is Phase.LIVE:
                break
            continue
        if fault == "cut":
            following.lost()
            continue
        for _ in range({"none": 1, "twice": 2}.get(fault, 0)):
            items = offer(following, event(sending), now)
            got += seqs(items)
            lost = [item for item in items if isinstance(item, Gap)]
            assert all(gap.reason == "lost" for gap in lost)
            got = sorted({*got, *(n for g in lost for n in range(g.first, g.last + 1))})
    assert got == list(range(1, len(got) + 1))
