"""Ids of messages: which run, which publisher, which of its messages.

They refuse to know where in a payload they stand, and what else it says.
"""

import re
import zlib
from typing import NamedTuple

__all__ = ["MessageId", "digest_of", "find_id", "prefix_of", "read_id", "write_id"]

_PATTERN = re.compile(r"w-([0-9a-z]+)-([0-9A-Za-z_.-]+)-([1-9][0-9]{0,14})", re.ASCII)
# Within other text: an id ends where no character of an id follows.
_WITHIN = re.compile(r"(?<![0-9A-Za-z_.-])" + _PATTERN.pattern + r"(?![0-9])", re.ASCII)


class MessageId(NamedTuple):
    """What an id says.

    Attributes:
        run: The run's own word, so that what an earlier run left behind is told apart.
        publisher: Who published it.
        number: Which of that publisher's messages, from 1 on.
    """

    run: str
    publisher: str
    number: int


def write_id(run: str, publisher: str, number: int) -> str:
    """Return an id, such as ``w-3f9k-p1-17``.

    Args:
        run: Characters of [0-9a-z].
        publisher: Characters of [0-9A-Za-z_.-].
        number: From 1 on, at most 15 digits.

    Raises:
        ValueError: If no id is made of these.
    """
    text = f"{prefix_of(run, publisher)}-{number}"
    # subtle: a dash in the run would be read as one in the publisher.
    if read_id(text) != (run, publisher, number):
        raise ValueError(
            f"no id is made of run {run!r}, publisher {publisher!r}, number {number}"
        )
    return text


def prefix_of(run: str, publisher: str) -> str:
    """Return what all ids of a publisher begin with, without the last dash."""
    return f"w-{run}-{publisher}"


def read_id(text: str) -> MessageId | None:
    """Return what an id says; None where it is none."""
    found = _PATTERN.fullmatch(text)
    return None if found is None else _said(found)


def find_id(payload: str) -> str:
    """Return the first id in a text; "" where there is none."""
    found = _WITHIN.search(payload)
    return "" if found is None else found.group()


def digest_of(payload: str) -> str:
    """Return a short text that two payloads share when they are the same."""
    return f"{zlib.crc32(payload.encode('utf-8', 'surrogatepass')):08x}"


def _said(found: re.Match[str]) -> MessageId:
    run, publisher, number = found.groups()
    return MessageId(run, publisher, int(number))
