"""Marks: what each message of a load carries, so that its receiver can account for it.

They refuse to know what stands around them: any server that hands a text on hands
them on, whatever it wraps around it.
"""

import re
from typing import NamedTuple

__all__ = [
    "EMPTY",
    "MARK_BEGINS",
    "WIDTH",
    "Mark",
    "find_mark",
    "mark_head",
    "write_mark",
]

_PATTERN = re.compile(rb"wt1~([0-9a-z]{8})~([0-9]{6})~([0-9]{12})~([0-9]{14})")

MARK_BEGINS = b"wt1~"

WIDTH = 47
"""Bytes of a mark; always the same, so that messages of one size stay so."""

EMPTY = b"wt1~00000000~000000~000000000000~00000000000000"
"""A mark of nobody, as long as any."""


class Mark(NamedTuple):
    """What a mark says.

    Attributes:
        run: Which run it is of.
        publisher: Who sent it.
        number: Which of that publisher's messages, from 1 on.
        intended: When it should have been sent, in microseconds since the start.
    """

    run: bytes
    publisher: int
    number: int
    intended: int


def mark_head(run: str, publisher: int) -> bytes:
    """Return what all marks of a publisher begin with.

    Args:
        run: Eight characters of [0-9a-z].
        publisher: 0 to 999,999.

    Raises:
        ValueError: If a mark has no room for them.
    """
    head = f"wt1~{run}~{publisher:06d}~".encode()
    if not _PATTERN.fullmatch(head + EMPTY[len(head) :]):
        raise ValueError(f"no mark is made of run {run!r} and publisher {publisher}")
    return head


def write_mark(head: bytes, number: int, intended: int) -> bytes:
    """Return a mark.

    Args:
        head: From `mark_head`.
        number: Which message, 0 to 10**12 - 1.
        intended: Microseconds since the start; before it counts as at it.
    """
    return b"%b%012d~%014d" % (head, number, max(intended, 0))


def find_mark(message: bytes, start: int = 0) -> Mark | None:
    """Return the first mark in a message; None where there is none.

    Args:
        message: The message, or the frame that it is in.
        start: Where to begin: a frame's length is no part of a mark.
    """
    found = _PATTERN.search(message, start)
    if found is None:
        return None
    run, publisher, number, intended = found.groups()
    return Mark(run, int(publisher), int(number), int(intended))
