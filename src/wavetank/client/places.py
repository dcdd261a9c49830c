"""Places: the text of a position file.

It refuses to know files; what is in one may be anything.
"""

from collections.abc import Mapping

import msgspec

from wavetank.protocol import Position, is_pattern, valid_pattern, valid_topic

__all__ = ["Places", "read_places", "write_places"]

_VERSION = 1

Places = Mapping[str, Mapping[str, Position]]
"""Subscription (topic or pattern) to topic to position."""


class _File(msgspec.Struct):
    version: int
    subscriptions: dict[str, dict[str, Position]]


_decoder = msgspec.json.Decoder(_File)


def write_places(places: Places) -> bytes:
    """Return the text of a position file."""
    kept = {name: dict(topics) for name, topics in places.items()}
    return msgspec.json.format(
        msgspec.json.encode(_File(version=_VERSION, subscriptions=kept)), indent=1
    )


def read_places(text: bytes) -> Places:
    """Read a position file.

    Raises:
        ValueError: If it is none, or of a later version; says why.
    """
    try:
        text.decode()
        file = _decoder.decode(text)
    except (UnicodeError, msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"not a position file: {error}") from None
    if file.version != _VERSION:
        raise ValueError(f"a position file of version {file.version}, not {_VERSION}")
    for name, topics in file.subscriptions.items():
        problem = _problem(name, topics)
        if problem:
            raise ValueError(f"not a position file: {problem}")
    return file.subscriptions


def _problem(name: str, topics: Mapping[str, Position]) -> str:
    if not valid_pattern(name):
        return f"{name[:40]!a} is no topic"
    if not is_pattern(name) and list(topics) != [name]:
        return f"{name} has not one position of its own"
    wrong = [topic for topic in topics if not valid_topic(topic)]
    return f"{wrong[0][:40]!a} is no topic" if wrong else ""
