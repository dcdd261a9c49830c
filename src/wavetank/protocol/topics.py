"""Topics and patterns: their grammar, and what a pattern matches and covers.

They refuse to know who subscribes and who may.
"""

import re

__all__ = [
    "MAX_TOPIC",
    "covers",
    "is_pattern",
    "matches",
    "overlaps",
    "pattern_problem",
    "topic_problem",
    "valid_pattern",
    "valid_topic",
]

MAX_TOPIC = 255
"""Longest topic and longest pattern, in characters."""

_SEGMENT = r"[A-Za-z0-9_-]+"
_TOPIC = re.compile(rf"{_SEGMENT}(?:\.{_SEGMENT})*")
_PATTERN = re.compile(rf"(?:(?:{_SEGMENT}|\*)\.)*(?:{_SEGMENT}|\*\*?)")
_FOREIGN = re.compile(r"[^A-Za-z0-9_-]")
_WILDCARDS = frozenset({"*", "**"})


def is_pattern(text: str) -> bool:
    """Tell a pattern from a topic: no topic has a ``*``."""
    return "*" in text


def valid_topic(topic: str) -> bool:
    """Tell whether this is a topic: segments of ``[A-Za-z0-9_-]`` between dots."""
    return len(topic) <= MAX_TOPIC and _TOPIC.fullmatch(topic) is not None


def valid_pattern(pattern: str) -> bool:
    """Tell whether this is a pattern; every topic is one, which matches itself."""
    return len(pattern) <= MAX_TOPIC and _PATTERN.fullmatch(pattern) is not None


def topic_problem(topic: str) -> str:
    """Say why this is not a topic; ``""`` where it is one."""
    return "" if valid_topic(topic) else _problem(topic, "topic")


def pattern_problem(pattern: str) -> str:
    """Say why this is not a pattern; ``""`` where it is one."""
    return "" if valid_pattern(pattern) else _problem(pattern, "pattern")


def matches(pattern: str, topic: str) -> bool:
    """Tell whether a valid pattern matches a valid topic.

    ``*`` is one segment, whatever it is; a last ``**`` is one or more.
    """
    if "*" not in pattern:
        return pattern == topic
    wanted = pattern.split(".")
    given = topic.split(".")
    if wanted[-1] == "**":
        wanted.pop()
        if len(given) <= len(wanted):
            return False
    elif len(given) != len(wanted):
        return False
    return _fit(wanted, given)


def covers(permission: str, pattern: str) -> bool:
    """Tell whether every topic that ``pattern`` matches, ``permission`` matches too.

    Both are valid patterns. The answer is exact: a segment of ``*`` has many
    values and only ``*`` covers it, and the longest topic is counted with.
    """
    granted = permission.split(".")
    asked = pattern.split(".")
    if granted[-1] == "**":
        granted.pop()
        if len(asked) <= len(granted):
            return False
    elif len(asked) != len(granted) or (asked[-1] == "**" and _may_grow(pattern)):
        return False
    elif asked[-1] == "**":
        asked[-1] = "*"
    return _fit(granted, asked)


def overlaps(a: str, b: str) -> bool:
    """Tell whether there is a topic that both match.

    Both are valid patterns; a topic is one. The answer does not count with the
    longest topic: two patterns that only share topics beyond it overlap, too.
    """
    fewer, more = sorted((a.split("."), b.split(".")), key=len)
    if len(fewer) < len(more) and fewer[-1] != "**":
        return False
    return all(
        one == other or one in _WILDCARDS or other in _WILDCARDS
        for one, other in zip(fewer, more, strict=False)
    )


def _fit(pattern: list[str], segments: list[str]) -> bool:
    """Compare segment by segment, as far as the pattern goes."""
    for wanted, given in zip(pattern, segments, strict=False):
        if wanted not in ("*", given):
            return False
    return True


def _may_grow(pattern: str) -> bool:
    """Tell whether the last ``**`` has room for a second segment.

    The shortest topic has one character for each ``*`` and for the ``**``; one
    more segment takes two more characters.
    """
    return len(pattern) - 1 + 2 <= MAX_TOPIC


def _problem(text: str, noun: str) -> str:
    """Say what is wrong with a topic or pattern that is not valid."""
    if not 1 <= len(text) <= MAX_TOPIC:
        return f"a {noun} has 1 to {MAX_TOPIC} characters, not {len(text)}"
    segments = text.split(".")
    if "" in segments:
        return "an empty segment: a dot at the start, at the end or beside another"
    if noun == "topic":
        if "*" in text:
            return "a pattern where one topic is needed"
    elif "**" in segments[:-1]:
        return "** may only be the last segment"
    strange = [s for s in segments if _FOREIGN.search(s) and s not in _WILDCARDS]
    if "*" in strange[0]:
        return "a * stands for a whole segment, not for a part of one"
    foreign = _FOREIGN.search(strange[0])
    return (
        f"{foreign[0]!a} is not one of A-Z a-z 0-9 _ - and the dot" if foreign else ""
    )
