"""Repeats: what each topic remembers of publications that may come again."""

import msgspec
import pytest

from wavetank.hub.aio.logs.base import Kept, KeptKey
from wavetank.hub.aio.repeats import Repeats
from wavetank.hub.duplicates import FRESH, KEY_AGE, Duplicate, Origin
from wavetank.hub.log import Mark
from wavetank.protocol import Publish


def publication(key: str, topic: str = "t") -> Publish:
    """Return a publication with a key."""
    return Publish(topic=topic, data=msgspec.Raw(b"1"), key=key)


def note(repeats: Repeats, key: str, seq: int, *, topic: str = "t") -> None:
    """Publish with a key at second 0."""
    assert repeats.judge(publication(key, topic), "ann", 0.0) == FRESH
    repeats.note(topic, Origin(user="ann", key=key), seq, 0.0)


def test_repeats_tell_topics_apart() -> None:
    """The same key in another topic is another one."""
    repeats = Repeats()
    note(repeats, "k", 1)
    assert repeats.judge(publication("k"), "ann", 1.0) == Duplicate(1)
    assert repeats.judge(publication("k", "u"), "ann", 1.0) == FRESH
    assert "topics" in repr(repeats)


def test_repeats_forget_what_was_taken_back() -> None:
    """And nothing that has its durability."""
    repeats = Repeats()
    note(repeats, "a", 1)
    repeats.settle("t", 1)
    note(repeats, "b", 2)
    repeats.take_back("t", 2)
    assert repeats.judge(publication("a"), "ann", 1.0) == Duplicate(1)
    assert repeats.judge(publication("b"), "ann", 1.0) == FRESH
    repeats.settle("other", 1)
    repeats.take_back("other", 1)
    assert len(repeats) == 1


def test_repeats_go_on_with_what_was_kept() -> None:
    """Topics without keys and producers cost nothing."""
    repeats = Repeats()
    some = {"epoch": "e", "base": Mark(), "top": Mark(1, 1), "at": 0.0}
    repeats.restore(Kept(topic="t", keys=[KeptKey("ann", "k", 1, 0.0)], **some))
    repeats.restore(Kept(topic="u", **some))
    assert len(repeats) == 1
    assert repeats.judge(publication("k"), "ann", 1.0) == Duplicate(1)


def test_repeats_look_through_all_topics_in_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Some at a time; whoever has nothing left is forgotten."""
    monkeypatch.setattr("wavetank.hub.aio.repeats.TENDED_AT_ONCE", 2)
    repeats = Repeats()
    for name in ("a", "b", "c"):
        note(repeats, "k", 1, topic=name)
    repeats.tend(1.0)
    assert len(repeats) == 3
    repeats.tend(KEY_AGE + 1.0)
    assert len(repeats) == 1
    repeats.tend(KEY_AGE + 1.0)
    assert len(repeats) == 0
