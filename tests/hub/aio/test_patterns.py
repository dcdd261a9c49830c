"""Patterns: who is subscribed to topics that may not be there yet."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.hub.aio.fanout import Subscriber
from wavetank.hub.aio.patterns import Patterns, Watch
from wavetank.protocol import matches

pytestmark = pytest.mark.anyio

ANN = Subscriber("ann", lambda data: None)
BOB = Subscriber("bob", lambda data: None)

names = st.lists(st.sampled_from("ab"), min_size=1, max_size=4).map(".".join)
patterns = st.tuples(
    st.lists(st.sampled_from(["a", "b", "*"]), max_size=3),
    st.sampled_from(["a", "*", "**"]),
).map(lambda parts: ".".join([*parts[0], parts[1]]))


def test_patterns_know_who_gets_a_new_topic() -> None:
    """Each subscriber of each pattern that matches, with how it wants events."""
    known = Patterns()
    known.enter(ANN, "a.*", "all")
    known.enter(BOB, "a.*", "latest")
    known.enter(BOB, "b.**", "all")
    assert known.born("a.x") == [(ANN, "a.*", "all"), (BOB, "a.*", "latest")]
    assert known.born("b.x.y") == [(BOB, "b.**", "all")]
    assert known.born("c") == []
    assert repr(known) == "<Patterns 2>"


def test_patterns_forget_those_who_leave() -> None:
    """And themselves, when the last one is gone."""
    known = Patterns()
    known.enter(ANN, "a.*", "all")
    known.enter(BOB, "a.*", "all")
    known.leave(ANN, "a.*")
    known.leave(ANN, "a.*")
    known.leave(ANN, "other")
    assert not known.has(ANN, "a.*")
    assert known.has(BOB, "a.*")
    known.leave(BOB, "a.*")
    assert len(known) == 0
    assert known.born("a.x") == []


def test_patterns_replace_a_subscription_to_the_same_pattern() -> None:
    """The newest wish counts."""
    known = Patterns()
    known.enter(ANN, "a.*", "all")
    known.enter(ANN, "a.*", "latest")
    assert known.born("a.x") == [(ANN, "a.*", "latest")]


@given(patterns, names)
def test_patterns_match_as_the_protocol_says(pattern: str, name: str) -> None:
    """The quick way and the obvious one agree."""
    assert bool(Watch(pattern).is_match(name)) == matches(pattern, name)


async def test_watch_gives_way_and_finds_what_comes_up_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Names are looked through in slices."""
    monkeypatch.setattr("wavetank.hub.aio.patterns.AT_ONCE", 2)
    known = Patterns()
    with known.watch("a.*") as watch:
        looking = asyncio.ensure_future(watch.look(["a.1", "b.1", "a.2"], 10))
        await asyncio.sleep(0)
        known.born("a.3")
        known.born("b.3")
        assert await looking
    known.born("a.4")
    assert sorted(watch.found) == ["a.1", "a.2", "a.3"]


async def test_watch_gives_up_where_too_many_match() -> None:
    """A reply is bounded."""
    watch = Watch("a.*")
    assert await watch.look(["a.1", "a.2"], 2)
    assert not await Watch("a.*").look(["a.1", "a.2", "a.3"], 2)
