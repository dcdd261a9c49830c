"""Topics and patterns against a slow, obvious reference."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.protocol import (
    MAX_TOPIC,
    covers,
    is_pattern,
    matches,
    overlaps,
    pattern_problem,
    topic_problem,
    valid_pattern,
    valid_topic,
)

LETTERS = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")

SEGMENTS = st.sampled_from(["a", "b", "c"])
TOPICS = st.lists(SEGMENTS, min_size=1, max_size=5).map(".".join)
PATTERNS = st.builds(
    lambda body, last: ".".join([*body, last]),
    st.lists(SEGMENTS | st.just("*"), max_size=3),
    SEGMENTS | st.sampled_from(["*", "**"]),
)
ALL_TOPICS = [
    ".".join(segments)
    for length in range(1, 6)
    for segments in itertools.product("abx", repeat=length)
]
"""Every topic of up to 5 segments; no pattern below names the segment x."""


def slowly_valid(text, *, wildcards):
    """Judge letter by letter."""
    segments = text.split(".")
    for place, segment in enumerate(segments):
        whole = segment == "*" or (segment == "**" and place == len(segments) - 1)
        if wildcards and whole:
            continue
        if not segment or not set(segment) <= LETTERS:
            return False
    return 1 <= len(text) <= 255


def slowly_matches(pattern, topic):
    """Walk pattern and topic together, trying every length of ``**``."""
    if not pattern or not topic:
        return pattern == topic
    head, *rest = pattern
    if head == "**":
        return any(slowly_matches(rest, topic[n:]) for n in range(1, len(topic) + 1))
    return head in ("*", topic[0]) and slowly_matches(rest, topic[1:])


LOOSE = st.text("aZ09_-.* é/", max_size=12)


@given(LOOSE)
def test_grammar_agrees_with_judging_letter_by_letter(text):
    """Topics and patterns are exactly what the grammar says, each bad one with a
    reason.
    """
    assert valid_topic(text) == slowly_valid(text, wildcards=False)
    assert valid_pattern(text) == slowly_valid(text, wildcards=True)
    assert bool(topic_problem(text)) != valid_topic(text)
    assert bool(pattern_problem(text)) != valid_pattern(text)


@given(st.text(max_size=40))
def test_grammar_takes_any_text_without_trouble(text):
    """Whatever Unicode comes, there is an answer, and a topic has no newline."""
    assert valid_topic(text) == (topic_problem(text) == "")
    assert valid_pattern(text) == (pattern_problem(text) == "")
    assert not valid_topic(f"{text}\n")


def test_grammar_bounds_the_length():
    """255 characters are a topic, 256 are not, and the reason says how many."""
    assert valid_topic("a" * MAX_TOPIC)
    assert not valid_topic("a" * (MAX_TOPIC + 1))
    assert not valid_pattern("a." * 127 + "**")
    assert topic_problem("a" * 256) == "a topic has 1 to 255 characters, not 256"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "a topic has 1 to 255 characters, not 0"),
        (".a", "an empty segment: a dot at the start, at the end or beside another"),
        ("a..b", "an empty segment: a dot at the start, at the end or beside another"),
        ("a.*", "a pattern where one topic is needed"),
        ("a b", "' ' is not one of A-Z a-z 0-9 _ - and the dot"),
        ("prix.\u20ac", r"'\u20ac' is not one of A-Z a-z 0-9 _ - and the dot"),
        ("a\n", r"'\n' is not one of A-Z a-z 0-9 _ - and the dot"),
    ],
)
def test_topic_problem_says_what_is_wrong(text, reason):
    """The reason names what a person has to change."""
    assert topic_problem(text) == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "a pattern has 1 to 255 characters, not 0"),
        ("**.a", "** may only be the last segment"),
        ("a*.b", "a * stands for a whole segment, not for a part of one"),
        ("a.***", "a * stands for a whole segment, not for a part of one"),
        ("*.b c", "' ' is not one of A-Z a-z 0-9 _ - and the dot"),
    ],
)
def test_pattern_problem_says_what_is_wrong(text, reason):
    """The reason names what a person has to change."""
    assert pattern_problem(text) == reason


def test_is_pattern_looks_for_a_star():
    """A topic is told from a pattern by its first star."""
    assert is_pattern("a.*")
    assert not is_pattern("a.b")


@given(PATTERNS, TOPICS)
def test_matches_agrees_with_the_slow_reference(pattern, topic):
    """Matching is what walking both together says."""
    expected = slowly_matches(pattern.split("."), topic.split("."))
    assert matches(pattern, topic) == expected


@given(PATTERNS, PATTERNS)
def test_covers_agrees_with_trying_every_topic(permission, pattern):
    """A permission covers a pattern if it matches each topic that the pattern does."""
    permission, pattern = permission.replace("c", "a"), pattern.replace("c", "b")
    asked = [t for t in ALL_TOPICS if slowly_matches(pattern.split("."), t.split("."))]
    granted = [slowly_matches(permission.split("."), t.split(".")) for t in asked]
    assert covers(permission, pattern) == all(granted)


@given(PATTERNS, TOPICS)
def test_covers_of_a_topic_is_matches(permission, topic):
    """A topic is a pattern that matches itself alone."""
    assert covers(permission, topic) == matches(permission, topic)


@given(PATTERNS)
def test_covers_is_true_of_a_pattern_and_itself(pattern):
    """Every pattern covers itself, and ** covers every pattern."""
    assert covers(pattern, pattern)
    assert covers("**", pattern)


@pytest.mark.parametrize(("spare", "covered"), [(1, True), (2, False)])
def test_covers_counts_the_longest_topic_with(spare, covered):
    """Where a second segment has no room any more, ** is as narrow as *."""
    body = "a" * (MAX_TOPIC - 2 - spare) + "."
    assert valid_topic(f"{body}b")
    assert valid_topic(f"{body}b.c") is not covered
    assert valid_pattern(f"{body}**")
    assert covers(f"{body}*", f"{body}**") is covered


@given(PATTERNS, PATTERNS)
def test_overlaps_agrees_with_trying_every_topic(one, other):
    """Two patterns overlap if there is a topic that both match."""
    one, other = one.replace("c", "a"), other.replace("c", "b")
    expected = any(
        slowly_matches(one.split("."), topic.split("."))
        and slowly_matches(other.split("."), topic.split("."))
        for topic in ALL_TOPICS
    )
    assert overlaps(one, other) == overlaps(other, one) == expected


@given(PATTERNS, TOPICS)
def test_overlaps_of_a_topic_is_matches(pattern, topic):
    """A topic shares with a pattern nothing but itself."""
    assert overlaps(pattern, topic) == matches(pattern, topic)


@given(PATTERNS, PATTERNS)
def test_overlaps_whatever_is_covered(permission, pattern):
    """A pattern that covers another one shares all of it."""
    if covers(permission, pattern):
        assert overlaps(permission, pattern)
