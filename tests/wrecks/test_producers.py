"""Producers: whose publication is the next one."""

import pytest

from wavetank.wrecks import producers as module
from wavetank.wrecks.producers import Producer, Producers, Turn


def test_a_producers_numbers_are_taken_one_after_the_other() -> None:
    """What came before is known with its place; what is too early has to wait."""
    producers = Producers()
    first, second = Producer("p", 1, 1), Producer("p", 1, 2)
    assert producers.turn("t", second) is Turn.GAP
    assert producers.turn("t", first) is Turn.NEXT
    producers.note("t", first, 7)
    assert producers.turn("t", first) is Turn.REPEATED
    told = {"topic": "t", "seq": 7, "duplicate": True}
    assert producers.answer("t", first) == told
    assert producers.answer("t", second) is producers.answer("t", None) is None
    code, _ = producers.answer("t", Producer("p", 1, 3)) or ("", "")
    assert code == "producer_gap"
    assert producers.turn("t", second) is Turn.NEXT
    assert producers.turn("u", second) is Turn.GAP
    assert repr(producers) == "<Producers 1>"


def test_a_higher_epoch_begins_anew_and_fences_the_lower_one() -> None:
    """Its first number is 1 again."""
    producers = Producers()
    producers.note("t", Producer("p", 1, 1), 7)
    later = Producer("p", 2, 1)
    assert producers.turn("t", later) is Turn.NEXT
    producers.note("t", later, 8)
    assert producers.turn("t", Producer("p", 1, 2)) is Turn.FENCED
    code, _ = producers.answer("t", Producer("p", 1, 2)) or ("", "")
    assert code == "producer_fenced"
    producers.note("t", None, 9)
    assert producers.turn("t", Producer("p", 2, 2)) is Turn.NEXT


def test_memory_of_producers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one only the newest places are known, of all only those heard last."""
    monkeypatch.setattr(module, "_PLACES", 2)
    monkeypatch.setattr(module, "_MOST", 1)
    producers = Producers()
    for seq in (1, 2, 3):
        producers.note("t", Producer("p", 1, seq), seq)
    told = producers.answer("t", Producer("p", 1, 1))
    assert isinstance(told, dict)
    assert told["seq"] is None
    assert producers.turn("t", Producer("p", 1, 1)) is Turn.REPEATED
    producers.note("t", Producer("q", 1, 1), 4)
    assert producers.turn("t", Producer("p", 1, 4)) is Turn.GAP
