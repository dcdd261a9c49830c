"""AsyncAPI 3 documents: which messages an application sends and receives.

They refuse to know who reads: a document describes one side, from its own view.
"""

import enum
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from wavetank.contracts.gathering import DRAFTS
from wavetank.contracts.places import Place, Reader
from wavetank.contracts.schema import Schema, schema_at
from wavetank.errors import UsageError, nearest

__all__ = ["Action", "Channel", "Content", "Contract", "MessageType", "read_contract"]

_VERSION: Final = re.compile(r"3\.\d+\.\d+")
_PARAMETER = re.compile(r"\{[^{}/]*\}")
_SCHEMA_FORMAT = re.compile(
    r"application/(vnd\.aai\.asyncapi|schema)(\+json|\+yaml)?(;\s*version=(\S+))?"
)
_CHANNEL_KEYS = (
    *("address", "messages", "title", "summary", "description", "servers"),
    *("parameters", "tags", "externalDocs", "bindings", "$ref"),
)
_OPERATION_KEYS = (
    *("action", "channel", "title", "summary", "description", "security", "tags"),
    *("externalDocs", "bindings", "traits", "messages", "reply", "$ref"),
)
_MESSAGE_KEYS = (
    *("headers", "payload", "correlationId", "contentType", "name", "title"),
    *("summary", "description", "tags", "externalDocs", "bindings", "examples"),
    *("traits", "$ref"),
)
_REPLY_KEYS = ("address", "channel", "messages", "$ref")
_YAML = re.compile(r"\A\s*(---|#)|^asyncapi\s*:", re.MULTILINE)


class Action(enum.StrEnum):
    """What the application that a document describes does with a message."""

    SEND = "send"
    RECEIVE = "receive"


class Content(enum.StrEnum):
    """How a payload is written."""

    JSON = "json"
    TEXT = "text"
    """Any text; its schema sees one JSON string."""
    OPAQUE = "opaque"
    """Something that is not read here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageType:
    """One kind of message.

    Attributes:
        name: Unique within the contract: its key in the document.
        content: How its payload is written.
        schema: Of the payload; None where anything goes, or nobody can tell.
        unread: Why its payload cannot be checked; "" where it can.
    """

    name: str
    content: Content = Content.JSON
    schema: Schema | None = None
    unread: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel: over WebSocket a connection, or a topic within one.

    Attributes:
        name: Its key in the document.
        address: Path or topic, with parameters in braces; None where unknown.
        sent: Names of the messages that the application sends here.
        received: Names of those that it receives here.
    """

    name: str
    address: str | None = None
    sent: tuple[str, ...] = ()
    received: tuple[str, ...] = ()

    def serves(self, path: str) -> bool:
        """Return whether a path is this address; a parameter is any one segment."""
        if self.address is None:
            return False
        parts = _PARAMETER.split(self.address.partition("?")[0].strip("/"))
        pattern = "[^/]+".join(re.escape(part) for part in parts)
        return re.fullmatch(pattern, path.partition("?")[0].strip("/")) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What one application sends and receives.

    Attributes:
        title: Of the application.
        version: Of the application.
        channels: In the document's order.
        types: All messages of all channels.
    """

    title: str
    version: str
    channels: tuple[Channel, ...] = ()
    types: tuple[MessageType, ...] = field(default=(), repr=False)

    @property
    def sent(self) -> tuple[MessageType, ...]:
        """The messages that the application sends."""
        return self._named({name for one in self.channels for name in one.sent})

    @property
    def received(self) -> tuple[MessageType, ...]:
        """The messages that the application receives."""
        return self._named({name for one in self.channels for name in one.received})

    def at(self, path: str) -> "Contract":
        """Return the part for connections to a path.

        Where no channel has it as its address, channels are something else (topics,
        say), and all of them are meant.
        """
        serving = tuple(one for one in self.channels if one.serves(path))
        return replace(self, channels=serving) if serving else self

    def mirrored(self) -> "Contract":
        """Return the contract of the other side, which receives what this one sends."""
        return replace(
            self,
            channels=tuple(
                replace(one, sent=one.received, received=one.sent)
                for one in self.channels
            ),
        )

    def _named(self, names: set[str]) -> tuple[MessageType, ...]:
        return tuple(one for one in self.types if one.name in names)


def read_contract(
    text: str | bytes, *, name: str = "contract", closed: bool = False
) -> Contract:
    """Read an AsyncAPI 3 document, written as JSON.

    Args:
        text: The document.
        name: What the user calls it, such as its file.
        closed: Whether a payload's keys that no schema names are wrong. (JSON
            Schema lets them by, where it says nothing of them.)

    Raises:
        UsageError: With all that is wrong with it.
    """
    document = _decoded(text, name)
    reader = Reader(document, name=name)
    _judge_version(reader)
    if reader.problems:
        raise UsageError(reader.problems)
    contract = _Reading(reader, closed=closed).contract()
    if reader.problems:
        raise UsageError(reader.problems)
    return contract


def _decoded(text: str | bytes, name: str) -> object:
    beginning = text[:4096]
    if isinstance(beginning, bytes):
        beginning = beginning.decode("utf-8", "replace")
    if _YAML.search(beginning):
        raise UsageError(
            f"{name}: YAML is not read; write the document as JSON, for example with "
            "`yq -o json`"
        )
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError) as error:
        raise UsageError(f"{name}: not JSON: {error}") from None
    except RecursionError:
        raise UsageError(f"{name}: it nests too deep to be read") from None


def _judge_version(reader: Reader) -> None:
    document = reader.document
    version = document.get("asyncapi") if isinstance(document, dict) else None
    if version is None:
        what = "an OpenAPI document" if reader.at(("openapi",)) else "none"
        reader.problem(
            (), f"not an AsyncAPI document but {what}; it begins with asyncapi: 3.0.0"
        )
    elif not isinstance(version, str) or not _VERSION.fullmatch(version):
        reader.problem(
            ("asyncapi",),
            f"version {version} is not read; convert the document to 3.0.0, for "
            "example with `asyncapi convert`",
        )


class _Reading:
    """Reads a document from its channels and operations down to its schemas."""

    def __init__(self, reader: Reader, *, closed: bool) -> None:
        self._reader = reader
        self._closed = closed
        self._names: dict[Place, str] = {}
        self._types: dict[Place, MessageType] = {}

    def contract(self) -> Contract:
        """Return what the document says; the reader has the problems."""
        reader = self._reader
        for key in ("title", "version"):
            if not isinstance(reader.at(("info", key)), str):
                reader.problem(("info", key), "is missing, and has to be a text")
        messages = self._channels()
        sent: dict[Place, dict[Place, None]] = {place: {} for place in messages}
        received: dict[Place, dict[Place, None]] = {place: {} for place in messages}
        for action, channel, moved in self._moves(messages):
            side = sent if action is Action.SEND else received
            side.setdefault(channel, {}).update(dict.fromkeys(moved))
        if reader.at(("operations",)) is None:
            # Nobody says which way they go: each may go both ways.
            sent = received = {
                place: dict.fromkeys(each) for place, each in messages.items()
            }
        return Contract(
            title=str(reader.at(("info", "title"))),
            version=str(reader.at(("info", "version"))),
            channels=tuple(
                Channel(
                    name=place[-1],
                    address=self._address(place),
                    sent=tuple(self._types[one].name for one in sent[place]),
                    received=tuple(self._types[one].name for one in received[place]),
                )
                for place in messages
            ),
            types=tuple(self._types.values()),
        )

    # Channels and operations

    def _channels(self) -> dict[Place, list[Place]]:
        """Return the messages of each channel, both by their places."""
        found: dict[Place, list[Place]] = {}
        for _, start in self._reader.entries(("channels",)):
            place = self._object(start, _CHANNEL_KEYS)
            if place is None:
                continue
            entries = self._reader.entries((*place, "messages"))
            types = [self._message(entry) for _, entry in entries]
            found[place] = [one for one in types if one is not None]
        return found

    def _address(self, place: Place) -> str | None:
        address = self._reader.at((*place, "address"))
        return address if isinstance(address, str) else None

    def _moves(
        self, messages: dict[Place, list[Place]]
    ) -> Iterator[tuple[Action, Place, Sequence[Place]]]:
        """Yield what moves which way on which channel, replies too."""
        for _, start in self._reader.entries(("operations",)):
            place = self._object(start, _OPERATION_KEYS)
            if place is None:
                continue
            action = self._action(place)
            channel = self._channel((*place, "channel"), messages)
            if action is None or channel is None:
                continue
            yield action, channel, self._chosen(place, channel, messages)
            if self._reader.at((*place, "reply")) is None:
                continue
            reply = self._object((*place, "reply"), _REPLY_KEYS)
            if reply is None:
                continue
            back = Action.RECEIVE if action is Action.SEND else Action.SEND
            if self._reader.at((*reply, "channel")) is not None:
                answered = self._channel((*reply, "channel"), messages)
            else:
                answered = channel
            if answered is not None:
                yield back, answered, self._chosen(reply, answered, messages)

    def _action(self, place: Place) -> Action | None:
        action = self._reader.at((*place, "action"))
        if isinstance(action, str) and action in {"send", "receive"}:
            return Action(action)
        close = nearest(str(action), ("send", "receive"))
        self._reader.problem(
            (*place, "action"), f"has to be send or receive, not {action!r:.40}{close}"
        )
        return None

    def _channel(
        self, place: Place, messages: dict[Place, list[Place]]
    ) -> Place | None:
        """Return the channel that an operation names."""
        if self._reader.at(place) is None:
            self._reader.problem(
                place, "is missing; refer to one, such as #/channels/NAME"
            )
            return None
        target = self._reader.follow(place)
        if target is not None and target not in messages:
            self._reader.problem(
                place, "refers to what is no channel; refer to #/channels/NAME"
            )
            return None
        return target

    def _chosen(
        self, place: Place, channel: Place, messages: dict[Place, list[Place]]
    ) -> Sequence[Place]:
        """Return the messages that an operation names; all of its channel, if none."""
        where = (*place, "messages")
        chosen = self._reader.at(where)
        if chosen is None:
            return messages[channel]
        if not isinstance(chosen, list):
            self._reader.problem(where, "has to be a list of references")
            return ()
        found: list[Place] = []
        for number in range(len(chosen)):
            one = (*where, str(number))
            target = self._reader.follow(one)
            if target in messages[channel]:
                found.append(target)
            elif target is not None:
                self._reader.problem(one, f"is no message of channel {channel[-1]}")
        return found

    # Messages

    def _message(self, start: Place) -> Place | None:
        """Read a message, wherever it stands; return its place."""
        place = self._object(start, _MESSAGE_KEYS)
        if place is None or place in self._types:
            return place
        content, unread = self._content(place)
        schema: Schema | None = None
        payload = (*place, "payload")
        if self._reader.at(payload) is not None and content is not Content.OPAQUE:
            schema, unread = self._schema(payload)
        self._types[place] = MessageType(
            name=self._name(place), content=content, schema=schema, unread=unread
        )
        return place

    def _name(self, place: Place) -> str:
        """Name a message by its key, with its channel where the key is not unique."""
        taken = {one.name for one in self._types.values()}
        key = place[-1]
        if key in taken:
            key = f"{place[-3]}.{key}" if len(place) > 2 else key
        while key in taken:
            key += "'"
        return key

    def _content(self, place: Place) -> tuple[Content, str]:
        """Return how a message is written, and why it is not read."""
        places = [(*place, "contentType"), ("defaultContentType",)]
        traits = self._reader.at((*place, "traits"))
        for number in range(len(traits)) if isinstance(traits, list) else ():
            trait = self._reader.follow((*place, "traits", str(number)))
            if trait is not None:
                places.insert(1, (*trait, "contentType"))
        named = (self._reader.at(one) for one in places)
        kind = next((one for one in named if isinstance(one, str)), "application/json")
        media = kind.partition(";")[0].strip().lower()
        if media.endswith(("/json", "+json")):
            return Content.JSON, ""
        if media.startswith("text/"):
            return Content.TEXT, ""
        return Content.OPAQUE, f"content of type {media} is not read"

    def _schema(self, start: Place) -> tuple[Schema | None, str]:
        """Compile a payload's schema; return also why it cannot be read."""
        place = self._reader.follow(start)
        if place is None:
            return None, ""
        named: Any = self._reader.at((*place, "schemaFormat"))
        if named is None:
            return schema_at(self._reader, place, closed=self._closed), ""
        found = _SCHEMA_FORMAT.fullmatch(str(named).strip())
        if not found:
            return None, f"a schema in {str(named)[:80]} is not read"
        version = (found[4] or "draft-07") if found[1] == "schema" else "draft-07"
        draft = DRAFTS.get(version) or DRAFTS.get(version.removeprefix("draft-"))
        if draft is None:
            return None, f"a schema of version {version[:80]} is not read"
        place = (*place, "schema")
        return schema_at(self._reader, place, draft=draft, closed=self._closed), ""

    def _object(self, start: Place, keys: Sequence[str]) -> Place | None:
        """Follow to an object, and look whether its keys are mistyped."""
        place = self._reader.follow(start)
        if place is None:
            return None
        if not isinstance(self._reader.at(place), dict):
            self._reader.problem(place, "has to be an object")
            return None
        for key, inner in self._reader.entries(place):
            close = nearest(key, keys)
            if key not in keys and not key.startswith("x-") and close:
                self._reader.problem(inner, f"there is no such key{close}")
        return place
