"""Commands of ``wavetank.v1`` as the wrecks read them, afresh and from the JSON up.

It refuses to know topics' logs, connections and what a command brings about.
"""

import dataclasses
import json
import re
from typing import Any, NoReturn

from wavetank.wrecks.producers import Producer

__all__ = ["MAX_PAYLOAD", "Command", "Fault", "Id", "Position", "read_command"]

MAX_PAYLOAD = 65_536
"""Largest payload of a publication in bytes."""

Id = int | str | None

_SPACE = re.compile(r"[ \t\n\r]*")
_TOPIC = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_TAG = re.compile(r"[0-9a-f]{8}")
_TYPES = frozenset({"subscribe", "unsubscribe", "publish", "ping"})
# Spoken by the whole protocol but not here: to pass over them in silence would
# be a second fault in every wreck.
_UNSPOKEN = ("since_time", "since_each", "deliver", "key")
_UNREAD: Any = object()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place in a topic's log; ``tag`` is None where the peer left it out."""

    epoch: str
    seq: int
    tag: int | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with a message, as the error reply will say it."""

    id: Id
    code: str
    message: str
    fatal: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command that may be done.

    Attributes:
        type: subscribe, unsubscribe, publish or ping.
        id: Echoed in the reply; None only on a publish that wants no reply.
        topic: Empty on ping.
        data: Payload of a publish, as it came.
        since: Where a subscribe starts: a position, ``"earliest"`` or None.
        producer: Which publication of whom a publish is; None where it says nothing.
    """

    type: str
    id: Id
    topic: str = ""
    data: bytes = b""
    since: Position | str | None = None
    producer: Producer | None = None

    def fault(self, code: str, message: str) -> Fault:
        """Return why the command was not done after all."""
        return Fault(id=self.id, code=code, message=message)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    """One member of a JSON object: its value, and its text as it came."""

    value: Any
    text: str


def read_command(text: str) -> Command | Fault:
    """Return the command that a text message holds, or what is wrong with it."""
    try:
        members = _read_object(text)
    except (ValueError, RecursionError) as error:
        return Fault(id=None, code="invalid_json", message=f"not JSON: {error}")
    id_ = _member(members, "id")
    known = _is_id(id_)
    try:
        return _judge(members, None if id_ is _UNREAD else id_)
    except _Wrong as wrong:
        return Fault(id=id_ if known else None, code=wrong.code, message=wrong.args[0])


class _Wrong(Exception):
    """Carries an error code from where it is found to the reply."""

    def __init__(self, message: str, code: str = "invalid_message") -> None:
        super().__init__(message)
        self.code = code


def _judge(members: dict[str, _Member], id_: Any) -> Command:
    type_ = _member(members, "type")
    if not isinstance(type_, str):
        raise _Wrong("type has to be a string")
    if type_ not in _TYPES:
        raise _Wrong(f"no command is called {type_[:36]!r}", "unknown_type")
    if not _is_id(id_) and not (type_ == "publish" and id_ is None):
        raise _Wrong("id has to be an integer or a string of at most 36 characters")
    for name in _UNSPOKEN:
        if name in members:
            raise _Wrong(f"{name} is not spoken here")
    if type_ == "ping":
        return Command(type=type_, id=id_)
    topic = _topic(_member(members, "topic"))
    if type_ == "publish":
        data, producer = _data(members), _producer(members)
        return Command(type=type_, id=id_, topic=topic, data=data, producer=producer)
    since = _since(members) if type_ == "subscribe" else None
    return Command(type=type_, id=id_, topic=topic, since=since)


def _member(members: dict[str, _Member], name: str) -> Any:
    member = members.get(name)
    return _UNREAD if member is None else member.value


def _is_id(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= 36
    return isinstance(value, int) and not isinstance(value, bool)


def _topic(value: Any) -> str:
    if not isinstance(value, str):
        raise _Wrong("topic has to be a string")
    if len(value) > 255 or not _TOPIC.fullmatch(value):
        raise _Wrong(
            "topic has to be 1 to 255 characters, segments of [A-Za-z0-9_-] "
            "separated by dots",
            "invalid_topic",
        )
    return value


def _data(members: dict[str, _Member]) -> bytes:
    if "data" not in members:
        raise _Wrong("data is missing")
    data = members["data"].text.encode()
    if len(data) > MAX_PAYLOAD:
        raise _Wrong(
            f"data has {len(data)} bytes, the limit is {MAX_PAYLOAD}",
            "payload_too_large",
        )
    return data


def _producer(members: dict[str, _Member]) -> Producer | None:
    value = _member(members, "producer")
    if value is _UNREAD or value is None:
        return None
    if not isinstance(value, dict):
        raise _Wrong("producer has to be an object")
    name, epoch, seq = value.get("name"), value.get("epoch"), value.get("seq")
    if not isinstance(name, str) or not 1 <= len(name) <= 128:
        raise _Wrong("producer.name has to be a string of 1 to 128 characters")
    if not isinstance(epoch, int) or isinstance(epoch, bool) or epoch < 0:
        raise _Wrong("producer.epoch has to be an integer from 0 on")
    if not isinstance(seq, int) or isinstance(seq, bool) or seq < 1:
        raise _Wrong("producer.seq has to be an integer from 1 on")
    return Producer(name, epoch, seq)


def _since(members: dict[str, _Member]) -> Position | str | None:
    since = _member(members, "since")
    if since is _UNREAD or since == "earliest":
        return None if since is _UNREAD else "earliest"
    if not isinstance(since, dict):
        raise _Wrong('since has to be a position or "earliest"')
    epoch, seq, tag = since.get("epoch"), since.get("seq"), since.get("tag")
    if not isinstance(epoch, str):
        raise _Wrong("since.epoch has to be a string")
    if not isinstance(seq, int) or isinstance(seq, bool) or seq < 0:
        raise _Wrong("since.seq has to be an integer from 0 on")
    if tag is None:
        return Position(epoch=epoch, seq=seq)
    if not isinstance(tag, str) or not _TAG.fullmatch(tag):
        raise _Wrong("since.tag has to be 8 hex digits")
    return Position(epoch=epoch, seq=seq, tag=int(tag, 16))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _whole(digits: str) -> int | float:
    # Python refuses to read integers of thousands of digits; nobody here counts
    # that far, and the payload passes on as text.
    return int(digits) if len(digits) < 20 else float(digits)


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_whole)


def _read_object(text: str) -> dict[str, _Member]:
    """Read one JSON object and keep the text of each member as it came.

    Raises:
        ValueError: If the text is anything else.
        RecursionError: If it is nested too deeply.
    """
    members: dict[str, _Member] = {}
    at = _expect(text, 0, "{")
    more = not text.startswith("}", at)
    while more:
        name, end = _DECODER.raw_decode(text, at)
        if not isinstance(name, str):
            raise ValueError(f"a name has to be a string (character {at})")
        start = _expect(text, end, ":")
        value, end = _DECODER.raw_decode(text, start)
        members[name] = _Member(value=value, text=text[start:end])
        at = _after_space(text, end)
        more = text.startswith(",", at)
        at = _after_space(text, at + 1) if more else at
    if _expect(text, at, "}") != len(text):
        raise ValueError("something follows the object")
    return members


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None  # it matches nothing at all, too
    return match.end()


def _expect(text: str, at: int, mark: str) -> int:
    """Return the place behind ``mark`` and the space around it."""
    at = _after_space(text, at)
    if not text.startswith(mark, at):
        raise ValueError(f"expected {mark!r} at character {at}")
    return _after_space(text, at + 1)
