"""Bytes to messages and back: the only file that knows the JSON of ``wavetank.v1``.

It refuses to know what a message is answered with.

Payloads pass through untouched. Times are float seconds in the values and
milliseconds on the wire; they change here and nowhere else. Reading never raises:
whatever a stranger sends comes back as a value.
"""

import re
from math import inf
from typing import Any, TypeVar, cast

import msgspec
from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import force_setattr, replace

from wavetank.protocol.codes import ErrorCode
from wavetank.protocol.commands import COMMANDS, Command, History, Publish, Subscribe
from wavetank.protocol.fields import Id
from wavetank.protocol.pushes import (
    MESSAGE_LENGTH,
    Error,
    Event,
    Gap,
    Heartbeat,
    Limits,
    Notice,
    Push,
    TopicAdded,
    Welcome,
)
from wavetank.protocol.replies import (
    Authenticated,
    Entry,
    HistoryPage,
    Pong,
    Published,
    Reply,
    Subscribed,
    SubscribedPattern,
    Unsubscribed,
)

__all__ = [
    "MAX_NESTING",
    "PROTOCOL",
    "CommandError",
    "Unknown",
    "decode_command",
    "decode_publish",
    "decode_push",
    "encode_command",
    "encode_payload",
    "encode_push",
    "encode_reply",
]

PROTOCOL = "wavetank.v1"
"""The subprotocol's name."""

MAX_NESTING = 60
"""Deepest nesting of a payload.

Inside a ``history`` reply it is then 63 deep, and 64 is the smallest limit that a
common JSON reader has unless told otherwise (.NET's): an accepted publication must
never be one that some subscriber cannot read.
"""

_TIMES: dict[type[msgspec.Struct], tuple[str, ...]] = {
    Subscribe: ("since_time",),
    History: ("since_time",),
    Authenticated: ("expires_at",),
    Entry: ("at",),
    Pong: ("received_at", "sent_at"),
    Limits: ("first_command",),
    Welcome: ("at", "ping_interval"),
    Event: ("at",),
    Heartbeat: ("at",),
    Notice: ("deadline", "reconnect_after"),
    Error: ("at", "retry_after"),
}
"""Which fields are times."""

_PARTS: dict[type[msgspec.Struct], str] = {HistoryPage: "events", Welcome: "limits"}
"""Which field has values with times in them."""


class CommandError(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is not a command.

    Attributes:
        code: ``invalid_json``, ``invalid_message`` or ``unknown_type``.
        message: For a person; at most 200 characters.
        path: The field, such as ``since.epoch``; "" where it is none.
        id: To echo; None where there is none that is valid.
    """

    code: ErrorCode
    message: str
    path: str = ""
    id: Id | None = None


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """A message from a hub that has no meaning here; clients ignore it.

    Attributes:
        type: Its ``type``, or "" where it has none.
        text: The message.
        problem: Why it has no meaning, in one sentence.
    """

    type: str
    text: bytes
    problem: str


class _Head(msgspec.Struct, frozen=True):
    """The two fields that say where a message belongs."""

    type: Raw | UnsetType = UNSET
    id: Raw | UnsetType = UNSET


_Answer = (
    Authenticated
    | Subscribed
    | Unsubscribed
    | Published
    | HistoryPage
    | Pong
    | Welcome
    | Event
    | TopicAdded
    | Gap
    | Heartbeat
    | Notice
    | Error
)
_T = TypeVar("_T")
_S = TypeVar("_S", bound=msgspec.Struct)

_encode = msgspec.json.Encoder().encode
_command: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)
_publish: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Publish)
_answer: msgspec.json.Decoder[Push | Reply] = msgspec.json.Decoder(_Answer)
_pattern = msgspec.json.Decoder(SubscribedPattern)
_head = msgspec.json.Decoder(_Head)
_id: msgspec.json.Decoder[Id] = msgspec.json.Decoder(Id)
_string = msgspec.json.Decoder(str)

_COMMAND_TYPES = {command.__struct_config__.tag for command in COMMANDS}
_PLACE = re.compile(r" - at `\$\.?([^`]*)`$")
_OWN = re.compile(r"(\w+): ")  # of our own __post_init__
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_JSON_NAMES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
_PYTHON_NAME = re.compile(r"\b(?:str|int|float|bool)\b")
_NOT_BRACKETS = bytes(c for c in range(256) if c not in b"[]{}")
_ROUNDS = 8
_RUN = re.compile(rb"\[+|\]+")
_SQUARE = bytes.maketrans(b"{}", b"[]")


# Reading what a client sent.


def decode_command(
    text: str | bytes | bytearray, most: float = inf
) -> Command | CommandError:
    """Read one message from a client; never raises.

    ``data`` of a publish is a view of ``text``: take its ``payload`` to keep it.

    Args:
        text: The message.
        most: Bytes of a payload; nobody looks how deep a larger one nests, for it is
            refused anyhow.
    """
    return _decode(_command, text, most)


def decode_publish(text: str | bytes | bytearray) -> Publish | CommandError:
    """Read the body of ``POST /api/publish``: a publish that may leave out ``type``.

    Never raises, as ``decode_command``.
    """
    return cast("Publish | CommandError", _decode(_publish, text, inf))


def _decode(
    decoder: msgspec.json.Decoder[Command],
    text: str | bytes | bytearray,
    most: float,
) -> Command | CommandError:
    """Read a command with this decoder; any fault becomes a CommandError."""
    # Nearly every message is plain: it is what it is.
    data = text
    if type(data) is not bytes or not data.isascii():
        try:
            data = _utf8(text)
        except UnicodeError:
            return CommandError(code=ErrorCode.INVALID_JSON, message="not UTF-8")
    try:
        command = decoder.decode(data)
    except msgspec.ValidationError as error:
        return _judge(data, str(error))
    except (msgspec.DecodeError, RecursionError) as error:
        return _unreadable(error)
    if type(command) is not Publish:
        return _from_wire(command)
    # Short payloads, and those with few brackets, cannot nest deeply.
    if (
        2 * MAX_NESTING < len(command.data) <= most
        and data.count(b"[") + data.count(b"{") > MAX_NESTING
        and _is_deep(command.payload)
    ):
        return _too_deep("data", command.id)
    return command


def _utf8(text: str | bytes | bytearray) -> bytes:
    """Return a message as bytes that nobody will change.

    subtle: msgspec does not look at the UTF-8 of what it passes over, and payloads
    are passed over.

    Raises:
        UnicodeError: If it is not UTF-8, or has a lone surrogate.
    """
    if isinstance(text, str):
        return text.encode()
    data = bytes(text)
    if not data.isascii():
        data.decode()
    return data


def _unreadable(error: Exception) -> CommandError:
    """Say why no field of a message could be read."""
    if isinstance(error, RecursionError):
        return _too_deep("", None)
    words = str(error).removeprefix("JSON is malformed: ")
    message = _short(f"not JSON: {words}", MESSAGE_LENGTH)
    return CommandError(code=ErrorCode.INVALID_JSON, message=message)


def _too_deep(path: str, id: Id | None) -> CommandError:
    """Refuse a nesting that some reader could not follow."""
    return CommandError(
        code=ErrorCode.INVALID_MESSAGE,
        message="nested too deeply",
        path=path,
        id=id,
    )


def _judge(data: bytes, problem: str) -> CommandError:
    """Find the id and the kind of fault of a message that is not a command.

    msgspec stops at the first field that is wrong, so this may still turn out not
    to be JSON at all, or to be of a type that nobody knows.
    """
    try:
        head = _head.decode(data)
    except msgspec.ValidationError:
        return CommandError(
            code=ErrorCode.INVALID_MESSAGE, message="the message is not an object"
        )
    except (msgspec.DecodeError, RecursionError) as error:
        return _unreadable(error)
    id = _read(_id, head.id)
    kind = _read(_string, head.type)
    if kind is not None and kind not in _COMMAND_TYPES:
        return CommandError(
            code=ErrorCode.UNKNOWN_TYPE,
            message=f"no command is called {_short(kind, 40)!a}",
            path="type",
            id=id,
        )
    path, words = _explain(problem)
    message = _short(f"{path}: {words}" if path else words, MESSAGE_LENGTH)
    return CommandError(
        code=ErrorCode.INVALID_MESSAGE, message=message, path=path, id=id
    )


def _read(decoder: msgspec.json.Decoder[_T], raw: Raw | UnsetType) -> _T | None:
    """Read a part that may be missing or of another type."""
    if isinstance(raw, UnsetType):
        return None
    try:
        return decoder.decode(raw)
    except msgspec.DecodeError:
        return None


def _explain(problem: str) -> tuple[str, str]:
    """Turn msgspec's sentence into a path and words that speak of JSON."""
    place = _PLACE.search(problem)
    path = place[1] if place else ""
    words = problem[: place.start()] if place else problem
    missing = _MISSING.fullmatch(words)
    if missing:
        return f"{path}.{missing[1]}".removeprefix("."), "missing"
    own = _OWN.match(words)
    if own:
        return own[1], words[own.end() :]
    if words.startswith("Expected"):
        words = words.replace("`", "")
        words = _PYTHON_NAME.sub(lambda name: _JSON_NAMES[name[0]], words)
    return path, words[:1].lower() + words[1:]


def _short(text: str, length: int) -> str:
    """Cut a stranger's text to a bounded length."""
    return text if len(text) <= length else f"{text[: length - 3]}..."


def _is_deep(payload: bytes) -> bool:
    """Tell whether valid JSON nests more than ``MAX_NESTING`` deep.

    Escapes go first, then the strings, then all but the brackets. Wide payloads are
    gone after a few rounds that each take the innermost pairs away; what is left
    comes in long runs and is counted run by run. Either alone would let a hostile
    message of 1 MiB take a quarter of a second.
    """
    plain = payload.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside = b"".join(plain.split(b'"')[::2])
    brackets = outside.translate(_SQUARE, _NOT_BRACKETS)
    for _ in range(_ROUNDS):
        brackets = brackets.replace(b"[]", b"")
    depth = _ROUNDS
    for run in _RUN.findall(brackets):
        depth += len(run) if run.startswith(b"[") else -len(run)
        if depth > MAX_NESTING:
            return True
    return False


# Reading what a hub sent.


def decode_push(text: str | bytes | bytearray) -> Push | Reply | Unknown:
    """Read one message from a hub; never raises.

    ``data`` of an event is a view of ``text``: take its ``payload`` to keep it.
    """
    try:
        data = _utf8(text)
    except UnicodeError:
        raw = text.encode(errors="replace") if isinstance(text, str) else bytes(text)
        return Unknown(type="", text=raw, problem="not UTF-8")
    try:
        return _from_wire(_answer.decode(data))
    except msgspec.ValidationError as error:
        return _other(data, str(error))
    except (msgspec.DecodeError, RecursionError) as error:
        return Unknown(type="", text=data, problem=_unreadable(error).message)


def _other(data: bytes, problem: str) -> SubscribedPattern | Unknown:
    """Read the second form of ``subscribed``, or say that it is nothing we know."""
    try:
        head = _head.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return Unknown(type="", text=data, problem="not a JSON object")
    kind = _read(_string, head.type) or ""
    if kind == "subscribed":
        try:
            return _pattern.decode(data)
        except msgspec.ValidationError:
            pass
    path, words = _explain(problem)
    problem = _short(f"{path}: {words}" if path else words, MESSAGE_LENGTH)
    return Unknown(type=kind, text=data, problem=problem)


# Writing.


def encode_command(command: Command) -> bytes:
    """Write a command as a client sends it."""
    return _encode(_to_wire(command))


def encode_reply(reply: Reply) -> bytes:
    """Write a reply as the hub sends it."""
    return _encode(_to_wire(reply))


def encode_push(push: Push | Unsubscribed) -> bytes:
    """Write a push as the hub sends it; for events ``splicing`` is quicker."""
    return _encode(_to_wire(push))


def encode_payload(value: Any) -> bytes:
    """Write a Python value as a payload, for publishers in the same process.

    NaN and infinity become null, for JSON has no word for them.

    Raises:
        TypeError: If JSON has nothing for it.
        ValueError: If it nests too deeply, or a string in it is not Unicode.
    """
    try:
        payload = _encode(value)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if _is_deep(payload):
        raise ValueError(f"nested more than {MAX_NESTING} deep")
    return payload


# Times.


def _from_wire(message: _S) -> _S:
    """Turn the times of a message that was just read into seconds, in place."""
    for name in _TIMES.get(type(message), ()):
        value = getattr(message, name)
        if value is not None:
            force_setattr(message, name, value / 1000)
    part = _PARTS.get(type(message))
    if part is not None:
        value = getattr(message, part)
        for inner in value if isinstance(value, list) else (value,):
            _from_wire(inner)
    return message


def _to_wire(message: _S) -> _S:
    """Return a message with its times in milliseconds."""
    changes: dict[str, Any] = {}
    for name in _TIMES.get(type(message), ()):
        value = getattr(message, name)
        if value is not None:
            changes[name] = _milliseconds(value)
    part = _PARTS.get(type(message))
    if part is not None:
        value = getattr(message, part)
        many = isinstance(value, list)
        changes[part] = [_to_wire(v) for v in value] if many else _to_wire(value)
    return replace(message, **changes) if changes else message


def _milliseconds(seconds: float) -> float:
    """Return milliseconds, to the microsecond; whole ones without a fraction."""
    value = round(seconds * 1000, 3)
    return int(value) if value.is_integer() else value
