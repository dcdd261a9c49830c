"""Positions: a place in one topic's log, and the checksum that chains its entries.

They refuse to know what a log is, who asks, and how random bytes are made.
"""

import base64
from typing import Annotated
from zlib import crc32

import msgspec

__all__ = [
    "MAX_SEQ",
    "START_TAG",
    "Epoch",
    "Position",
    "Seq",
    "Tag",
    "format_tag",
    "new_epoch",
    "next_tag",
    "parse_tag",
]

MAX_SEQ = 2**53 - 1
"""The largest seq: the largest integer that every JSON reader keeps exact."""

START_TAG = "00000000"
"""Tag of seq 0, the place before the first entry."""

Seq = Annotated[int, msgspec.Meta(ge=0, le=MAX_SEQ)]
"""1 for the first publication of an epoch; 0 is the place before it."""

Epoch = Annotated[str, msgspec.Meta(min_length=1, max_length=36)]
"""One life of a log. Ours have 8 characters; others are compared, not judged."""

# subtle: "$" alone would let a newline pass at the end.
Tag = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{8}$", max_length=8)]
"""Chain checksum, 8 lower-case hex digits."""


class Position(msgspec.Struct, frozen=True, omit_defaults=True):
    """A place in one topic's log: everything up to and including ``seq``.

    Attributes:
        epoch: Which life of the log.
        seq: The entry; 0 is "before the first".
        tag: Chain tag of the entry; None where a client left it out.
    """

    epoch: Epoch
    seq: Seq
    tag: Tag | None = None


def next_tag(tag: int, seq: int, payload: bytes) -> int:
    """Chain one more entry to the tag of the entry before it.

    Args:
        tag: Tag of entry ``seq - 1``; 0 for the first entry.
        seq: The entry's own seq.
        payload: Its payload, byte for byte.

    Returns:
        The CRC-32 of seq (8 bytes, big-endian) and payload, started from ``tag``.
    """
    return crc32(payload, crc32(seq.to_bytes(8, "big"), tag))


def format_tag(tag: int) -> str:
    """Write a tag as it stands on the wire: 8 lower-case hex digits."""
    return f"{tag:08x}"


def parse_tag(text: str) -> int:
    """Read a tag that was checked before, as in a decoded ``Position``."""
    return int(text, 16)


def new_epoch(random: bytes) -> str:
    """Name a new life of a log.

    Args:
        random: 6 random bytes; this room has no dice.

    Returns:
        8 characters of ``[A-Za-z0-9_-]``.

    Raises:
        ValueError: If there are not exactly 6 bytes.
    """
    if len(random) != 6:
        raise ValueError(f"an epoch is made of 6 random bytes, not {len(random)}")
    return base64.urlsafe_b64encode(random).decode("ascii")
