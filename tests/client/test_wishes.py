"""Wishes: what a user asks a subscription for."""

from datetime import UTC, datetime
from typing import Any

import pytest

from wavetank.client.following import Wish
from wavetank.client.wishes import make_wish, read_deliver, read_since
from wavetank.errors import LocalError
from wavetank.protocol import MaxRate, Position

HERE = Position("e", 3, "0000000a")
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("topic", "since", "deliver", "wish"),
    [
        ("a", None, "all", Wish(topic="a")),
        (
            "a",
            "earliest",
            "latest",
            Wish(topic="a", since="earliest", deliver="latest"),
        ),
        ("a.*", 12, 5, Wish(topic="a.*", since=12.0, deliver=MaxRate(max_rate=5.0))),
        ("a", NOON, "all", Wish(topic="a", since=NOON.timestamp())),
        ("a", HERE, "all", Wish(topic="a", known={"a": HERE})),
        (
            "a.*",
            {"a.x": HERE, "b": HERE},
            "all",
            Wish(topic="a.*", known={"a.x": HERE}),
        ),
        ("a.*", {}, "all", Wish(topic="a.*", known={})),
    ],
)
def test_wish_is_made_of_what_was_asked(
    topic: str, since: Any, deliver: Any, wish: Wish
) -> None:
    """Names of another pattern are passed over, as the hub does."""
    assert make_wish(topic, since, deliver, None) == wish


def test_wish_goes_on_where_it_was_kept() -> None:
    """A kept position goes before a start that was meant for the first time."""
    wish = make_wish("a", "earliest", "all", {"a": HERE})
    assert wish == Wish(topic="a", known={"a": HERE})


def test_wish_says_that_what_was_kept_is_lost() -> None:
    """Whoever reads has to be told."""
    wish = make_wish("a", "earliest", "all", None, is_lost=True)
    assert wish == Wish(topic="a", since="earliest", is_lost=True)


@pytest.mark.parametrize(
    ("topic", "since", "deliver", "words"),
    [
        ("a..b", None, "all", "an empty segment"),
        ("a", "latest", "all", "not the word earliest"),
        ("a.*", HERE, "all", "topics with their positions"),
        ("a", {"a": HERE}, "all", "one position"),
        ("a", datetime(2026, 1, 1), "all", "which time zone"),  # noqa: DTZ001 - that is the mistake
        ("a", -1, "all", "no time after 1970"),
        ("a", float("nan"), "all", "no time after 1970"),
        ("a", None, "some", "neither all, latest nor a rate"),
        ("a", None, 0, "not a rate"),
        ("a", None, 2_000_000, "not a rate"),
        ("a", None, float("nan"), "not a rate"),
    ],
)
def test_wish_is_refused_where_it_cannot_be(
    topic: str, since: Any, deliver: Any, words: str
) -> None:
    """At once, with a sentence."""
    with pytest.raises(LocalError, match=words):
        make_wish(topic, since, deliver, None)


@pytest.mark.parametrize(
    ("typed", "since"),
    [
        ("earliest", "earliest"),
        ("1790000000.5", 1790000000.5),
        ("2026-01-31T12:00:00Z", NOON),
        ("2026-01-31T13:00+01:00", NOON),
        ("Kq3v9TzA:41", Position("Kq3v9TzA", 41)),
        ("Kq3v9TzA:41:9f3a6c21", Position("Kq3v9TzA", 41, "9f3a6c21")),
    ],
)
def test_since_is_read(typed: str, since: Any) -> None:
    """A word, a time, or a position."""
    assert read_since(typed) == since


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("yesterday", "neither the word"),
        ("", "neither the word"),
        ("e:99999999999999999", "neither the word"),
        ("e:9007199254740992", "neither the word"),
        ("2026-01-31T12:00:00", "which time zone"),
        ("e:1:ABCDEF00", "neither the word"),
    ],
)
def test_since_is_refused_where_it_is_nothing(typed: str, words: str) -> None:
    """With what it could be."""
    with pytest.raises(ValueError, match=words):
        read_since(typed)


@pytest.mark.parametrize(
    ("typed", "deliver"), [("all", "all"), (" latest ", "latest"), ("0.2", 0.2)]
)
def test_deliver_is_read(typed: str, deliver: Any) -> None:
    """A word or a rate."""
    assert read_deliver(typed) == deliver


@pytest.mark.parametrize("typed", ["", "none", "0", "-1", "1e3", "2000000"])
def test_deliver_is_refused_where_it_is_nothing(typed: str) -> None:
    """With what it could be."""
    with pytest.raises(ValueError, match="neither all, latest"):
        read_deliver(typed)
