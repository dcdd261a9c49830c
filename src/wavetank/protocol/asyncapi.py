"""The AsyncAPI 3 document of ``wavetank.v1``, generated from the messages.

It refuses to know anything of a message that its struct does not say.
"""

import re
from typing import Any

import msgspec

from wavetank.protocol.codes import CLOSES, ERRORS
from wavetank.protocol.commands import (
    COMMANDS,
    Auth,
    Command,
    History,
    MaxRate,
    Ping,
    Producer,
    Publish,
    Subscribe,
    Unsubscribe,
)
from wavetank.protocol.messages import PROTOCOL
from wavetank.protocol.positions import Position
from wavetank.protocol.pushes import PUSHES, Error, Limits
from wavetank.protocol.replies import (
    REPLIES,
    After,
    Authenticated,
    Entry,
    HistoryPage,
    Pong,
    Published,
    Start,
    Subscribed,
    SubscribedPattern,
    Unsubscribed,
)

__all__ = ["document"]

_Struct = type[msgspec.Struct]

_ANSWERS: dict[type[Command], tuple[_Struct, ...]] = {
    Auth: (Authenticated, Error),
    Subscribe: (Subscribed, SubscribedPattern, Error),
    Unsubscribe: (Unsubscribed, Error),
    Publish: (Published, Error),
    History: (HistoryPage, Error),
    Ping: (Pong, Error),
}
"""What can answer each command."""

_MESSAGES: tuple[_Struct, ...] = (*COMMANDS, *REPLIES, *PUSHES)
_PARTS: tuple[_Struct, ...] = (Position, MaxRate, Producer, After, Start, Entry, Limits)

_CHANNEL = "hub"
_CORRELATION = "id"
_ATTRIBUTE = re.compile(r"^(\w+): (.*)$")


def document(version: str) -> dict[str, Any]:
    """Return the document, ready to be written as JSON.

    It speaks as the hub: the hub receives commands and sends pushes.

    Args:
        version: Of the hub.
    """
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": f"Wavetank hub, {PROTOCOL}",
            "version": version,
            "description": (
                "JSON objects in WebSocket text messages, one object a message. "
                "Unknown fields and unknown types are ignored."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "hub": {
                "host": "{host}",
                "protocol": "ws",
                "description": f"Subprotocol `{PROTOCOL}`; `wss` on a TLS listener.",
                "variables": {"host": {"default": "127.0.0.1:8765"}},
            }
        },
        "channels": {_CHANNEL: _channel()},
        "operations": _operations(),
        "components": {
            "schemas": _schemas(),
            "messages": {_name(struct): _message(struct) for struct in _MESSAGES},
            "correlationIds": {
                _CORRELATION: {
                    "description": "Echoed in the one reply of a command.",
                    "location": "$message.payload#/id",
                }
            },
        },
        "x-error-codes": [
            rule._asdict() | {"fatal": rule.fatal} for rule in ERRORS.values()
        ],
        "x-close-codes": [rule._asdict() for rule in CLOSES.values()],
    }


def _name(struct: _Struct) -> str:
    """Name a message by its struct, which is unique where ``type`` is not."""
    return struct.__name__[0].lower() + struct.__name__[1:]


def _channel() -> dict[str, Any]:
    """Describe the one channel: a connection."""
    return {
        "address": "/ws",
        "description": "One WebSocket connection; topics are fields of messages.",
        "messages": {
            _name(struct): {"$ref": f"#/components/messages/{_name(struct)}"}
            for struct in _MESSAGES
        },
        "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
    }


def _operations() -> dict[str, Any]:
    """Describe each command with its replies, and what comes unasked."""
    operations: dict[str, Any] = {
        _name(command): {
            "action": "receive",
            "channel": {"$ref": f"#/channels/{_CHANNEL}"},
            "summary": _summary(command),
            "messages": [_reference(command)],
            "reply": {
                "channel": {"$ref": f"#/channels/{_CHANNEL}"},
                "messages": [_reference(answer) for answer in answers],
            },
        }
        for command, answers in _ANSWERS.items()
    }
    operations["push"] = {
        "action": "send",
        "channel": {"$ref": f"#/channels/{_CHANNEL}"},
        "summary": "What the hub sends without being asked each time.",
        "messages": [_reference(push) for push in (*PUSHES, Unsubscribed)],
    }
    return operations


def _reference(struct: _Struct) -> dict[str, str]:
    """Point at a message of the channel."""
    return {"$ref": f"#/channels/{_CHANNEL}/messages/{_name(struct)}"}


def _message(struct: _Struct) -> dict[str, Any]:
    """Describe one message."""
    message = {
        "name": struct.__struct_config__.tag,
        "title": struct.__name__,
        "summary": _summary(struct),
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{struct.__name__}"},
    }
    if "id" in struct.__struct_fields__:
        message["correlationId"] = {
            "$ref": f"#/components/correlationIds/{_CORRELATION}"
        }
    return message


def _schemas() -> dict[str, Any]:
    """Return one JSON Schema for each message and part, described by its docstring."""
    _, schemas = msgspec.json.schema_components(
        (*_MESSAGES, *_PARTS), ref_template="#/components/schemas/{name}"
    )
    for struct in (*_MESSAGES, *_PARTS):
        schema = schemas[struct.__name__]
        schema["description"] = _summary(struct)
        for name, text in _attributes(struct).items():
            field = schema["properties"][name]
            field["description"] = " ".join(
                filter(None, (text, field.get("description")))
            )
    return {name: _draft_7(schema) for name, schema in schemas.items()}


def _draft_7(schema: Any) -> Any:
    """Say in JSON Schema draft 7, which AsyncAPI speaks, what msgspec says in 2020-12.

    Only tuples differ: there ``items`` would forbid every element.
    """
    if isinstance(schema, list):
        return [_draft_7(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    told = {key: _draft_7(part) for key, part in schema.items()}
    if "prefixItems" in told:
        told["additionalItems"] = told["items"]
        told["items"] = told.pop("prefixItems")
    return told


def _summary(struct: _Struct) -> str:
    """Return the first line of a struct's docstring."""
    return _on_the_wire((struct.__doc__ or "").partition("\n")[0], struct)


def _attributes(struct: _Struct) -> dict[str, str]:
    """Return what a struct's docstring says of each field, by name on the wire."""
    _, _, section = (struct.__doc__ or "").partition("Attributes:\n")
    texts: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        found = _ATTRIBUTE.match(line.strip())
        if found and found[1] in struct.__struct_fields__:
            name, texts[found[1]] = found[1], found[2]
        elif line.strip():
            texts[name] += f" {line.strip()}"
    wire = _wire_names(struct)
    return {wire[name]: _on_the_wire(text, struct) for name, text in texts.items()}


def _on_the_wire(text: str, struct: _Struct) -> str:
    """Speak of JSON: names as they are on the wire, null, Markdown's quotes."""
    wire = _wire_names(struct)
    named = re.sub(r"``(\w+)``", lambda name: f"``{wire.get(name[1], name[1])}``", text)
    return re.sub(r"\bNone\b", "null", named).replace("``", "`")


def _wire_names(struct: _Struct) -> dict[str, str]:
    """Map the names of a struct's fields to those on the wire."""
    return dict(
        zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True)
    )
