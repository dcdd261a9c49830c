"""Durability: what a publication has before anybody sees it."""

import pytest

from wavetank.hub.durability import Durability, DurabilityRule, read_rule


@pytest.mark.parametrize(
    ("typed", "pattern", "level", "shown"),
    [
        ("log", "**", Durability.LOG, "log"),
        (" fsync ", "**", Durability.FSYNC, "fsync"),
        ("prices.**=memory", "prices.**", Durability.MEMORY, "prices.**=memory"),
        ("orders.* = fsync", "orders.*", Durability.FSYNC, "orders.*=fsync"),
        ("a.b=log", "a.b", Durability.LOG, "a.b=log"),
        ("**=memory", "**", Durability.MEMORY, "memory"),
    ],
)
def test_rule_is_read_as_it_is_typed(
    typed: str, pattern: str, level: Durability, shown: str
) -> None:
    """A level for all topics, or for those of a pattern; and shown so again."""
    rule = read_rule(typed)
    assert rule == DurabilityRule(pattern, level)
    assert str(rule) == shown
    assert read_rule(str(rule)) == rule


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("lug", "'lug' is not one of memory, log, fsync; did you mean log?"),
        ("", "'' is not one of memory, log, fsync"),
        ("LOG", "'LOG' is not one of"),
        ("prices.**=", "'' is not one of"),
        ("=log", "a pattern has 1 to 255 characters, not 0"),
        ("a..b=log", "'a..b': "),
        ("**.a=log", "'**.a': "),
    ],
)
def test_rule_that_is_none_is_refused_in_words(typed: str, words: str) -> None:
    """The level and the pattern, each with what it may be."""
    with pytest.raises(ValueError, match=r"^") as caught:
        read_rule(typed)
    assert words in str(caught.value)
