"""Payloads: what somebody wants to publish, as JSON, or why that cannot be.

They refuse to know when and how it is sent.
"""

from typing import Any

import msgspec

from wavetank.errors import LocalError
from wavetank.protocol import (
    CommandError,
    ErrorCode,
    Publish,
    decode_command,
    encode_command,
    encode_payload,
    topic_problem,
)

__all__ = ["make_payload"]

_SPACE = b" \t\r\n"  # RFC 8259 2


def make_payload(topic: str, data: Any, key: str | None) -> bytes:
    """Return a payload that a hub can read.

    Args:
        topic: Where it goes.
        data: JSON as bytes, which go out as they are, or any other Python value.
        key: Its idempotency key, or None.

    Raises:
        LocalError: If there is no such topic, key or JSON.
    """
    problem = topic_problem(topic)
    if problem:
        raise LocalError(f"topic {topic[:80]!r}: {problem}")
    if isinstance(data, bytes | bytearray):
        payload = bytes(data).strip(_SPACE)
    else:
        try:
            payload = encode_payload(data)
        except (TypeError, ValueError) as error:
            raise LocalError(f"data: JSON has nothing for it: {error}") from None
    command = Publish(topic=topic, data=msgspec.Raw(payload), key=key)
    try:
        read = decode_command(encode_command(command))
    except UnicodeError as error:
        raise LocalError(f"key: {error}") from None
    if isinstance(read, CommandError) and read.code is ErrorCode.INVALID_JSON:
        raise LocalError("data: it is not one JSON text")
    if isinstance(read, CommandError):
        raise LocalError(f"it cannot be published: {read.message}")
    # subtle: bytes such as `1,"key":"x"` would be a good message, but another one.
    if read != command or read.payload != payload:
        raise LocalError("data: more than one JSON text")
    return payload
