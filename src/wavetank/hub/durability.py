"""Durability: what a publication has before anybody sees it.

It refuses to know how that is brought about.
"""

import enum
from typing import NamedTuple

from wavetank.errors import nearest
from wavetank.protocol import pattern_problem, valid_pattern

__all__ = ["Durability", "DurabilityRule", "read_rule"]

EVERY_TOPIC = "**"
"""The pattern that matches all topics."""


class Durability(enum.StrEnum):
    """What a publication has before anybody sees it, or hears that it is there."""

    MEMORY = "memory"
    """It is in this process."""
    LOG = "log"
    """It is written to the operating system: it outlives this process."""
    FSYNC = "fsync"
    """It is on the disk: it outlives a power loss."""


class DurabilityRule(NamedTuple):
    """What the topics of a pattern have."""

    pattern: str
    level: Durability

    def __str__(self) -> str:
        """Return it as it is typed."""
        is_for_all = self.pattern == EVERY_TOPIC
        return self.level if is_for_all else f"{self.pattern}={self.level}"


def read_rule(typed: str) -> DurabilityRule:
    """Read ``log``, which is for all topics, or ``prices.**=memory``.

    Raises:
        ValueError: With what is wrong with it.
    """
    before, separator, after = typed.rpartition("=")
    pattern = before.strip() if separator else EVERY_TOPIC
    level = after.strip()
    if level not in tuple(Durability):
        known = ", ".join(Durability)
        raise ValueError(f"{level!r} is not one of {known}{nearest(level, Durability)}")
    if not valid_pattern(pattern):
        raise ValueError(f"{pattern!r}: {pattern_problem(pattern)}")
    return DurabilityRule(pattern, Durability(level))
