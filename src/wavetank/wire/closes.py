"""Close codes as one table, and the payload of close frames.

They refuse to know when a connection is closed, and by whom it was asked.
"""

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from wavetank.errors import LocalError
from wavetank.wire.header import Violation

__all__ = [
    "CLOSE_CODES",
    "CloseCode",
    "Closing",
    "Sender",
    "decode_close",
    "describe_close",
    "encode_close",
    "may_be_sent",
]


class Sender(enum.Enum):
    """Who may put a close code on the wire."""

    EITHER = "either side"
    CLIENT = "a client"
    SERVER = "a server"
    NOBODY = "nobody"


class CloseCode(NamedTuple):
    """One row of the table."""

    code: int
    name: str
    meaning: str
    sender: Sender
    clause: str


_EITHER, _CLIENT, _SERVER, _NOBODY = Sender
_RFC = "RFC 6455 7.4.1"
_IANA = "IANA WebSocket Close Code Number Registry"

# RFC 6455 words 1011 for a server; the registry does not, and clients send it.
_ROWS = (
    CloseCode(1000, "normal closure", "the purpose is fulfilled", _EITHER, _RFC),
    CloseCode(1001, "going away", "shutting down, or leaving the page", _EITHER, _RFC),
    CloseCode(1002, "protocol error", "a rule of the protocol broke", _EITHER, _RFC),
    CloseCode(1003, "unsupported data", "a type of data not taken", _EITHER, _RFC),
    CloseCode(1004, "reserved", "has no meaning yet", _NOBODY, _RFC),
    CloseCode(1005, "no status received", "close without a code", _NOBODY, _RFC),
    CloseCode(1006, "abnormal closure", "ended without a close", _NOBODY, _RFC),
    CloseCode(1007, "invalid payload", "data against its type", _EITHER, _RFC),
    CloseCode(1008, "policy violation", "against a rule of this side", _EITHER, _RFC),
    CloseCode(1009, "message too big", "more than this side takes", _EITHER, _RFC),
    CloseCode(1010, "mandatory extension", "an extension is missing", _CLIENT, _RFC),
    CloseCode(
        1011, "internal error", "this side met a fault of its own", _EITHER, _RFC
    ),
    CloseCode(1012, "service restart", "connect again in a while", _SERVER, _IANA),
    CloseCode(1013, "try again later", "overloaded; go elsewhere", _SERVER, _IANA),
    CloseCode(1014, "bad gateway", "a gateway's upstream failed", _SERVER, _IANA),
    CloseCode(1015, "TLS handshake", "TLS could not be set up", _NOBODY, _RFC),
    CloseCode(3000, "unauthorized", "credentials are missing or bad", _EITHER, _IANA),
    CloseCode(3003, "forbidden", "not allowed to this peer", _EITHER, _IANA),
    CloseCode(3008, "timeout", "something took too long", _EITHER, _IANA),
)

CLOSE_CODES: Final[Mapping[int, CloseCode]] = MappingProxyType(
    {row.code: row for row in _ROWS}
)
"""Every close code that has a name; ``describe_close`` knows the ranges, too."""

_RANGES = (
    (range(1000), "unused", "below every range", _NOBODY),
    (range(1000, 3000), "reserved", "kept for the protocol", _NOBODY),
    (range(3000, 4000), "registered", "of a library or framework", _EITHER),
    (range(4000, 5000), "private", "of an application", _EITHER),
)

_LONGEST_REASON = 123
"""A control frame holds 125 bytes; two of them are the code (RFC 6455 5.5)."""


class Closing(msgspec.Struct, frozen=True, gc=False):
    """A close frame, read.

    Attributes:
        code: Close code; None where the frame had none (shown as 1005).
        reason: Close reason.
    """

    code: int | None
    reason: str = ""


def describe_close(code: int) -> CloseCode:
    """Return the row of a close code, made from its range where it has no name."""
    if row := CLOSE_CODES.get(code):
        return row
    for codes, name, meaning, sender in _RANGES:
        if code in codes:
            return CloseCode(code, name, meaning, sender, "RFC 6455 7.4.2")
    return CloseCode(code, "unused", "beyond every range", _NOBODY, "RFC 6455 7.4.2")


def may_be_sent(code: int, *, by_server: bool) -> bool:
    """Tell whether that side may put the close code on the wire."""
    sender = describe_close(code).sender
    return sender is Sender.EITHER or (
        sender is (Sender.SERVER if by_server else Sender.CLIENT)
    )


def encode_close(code: int | None, reason: str = "") -> bytes:
    """Return the payload of a close frame.

    Args:
        code: Close code; None makes an empty payload.
        reason: Cut at a character to fit a control frame (123 bytes).

    Raises:
        LocalError: If the code must never be on the wire, or a reason comes
            without a code.
    """
    if code is None:
        if reason:
            raise LocalError("a close reason needs a close code")
        return b""
    if describe_close(code).sender is Sender.NOBODY:
        raise LocalError(f"close code {code} is never put on the wire")
    text = reason.encode("utf-8", "replace")
    if len(text) > _LONGEST_REASON:
        text = text[:_LONGEST_REASON].decode("utf-8", "ignore").encode()
    return code.to_bytes(2, "big") + text


def decode_close(payload: bytes) -> Closing | Violation:
    """Return what a close frame says, or the rule that it breaks."""
    if not payload:
        return Closing(None)
    if len(payload) == 1:
        return Violation(1002, "close frame of one byte", "RFC 6455 5.5.1")
    code = int.from_bytes(payload[:2], "big")
    if describe_close(code).sender is Sender.NOBODY:
        return Violation(1002, f"close code {code} on the wire", "RFC 6455 7.4")
    try:
        return Closing(code, payload[2:].decode())
    except UnicodeDecodeError:
        return Violation(1007, "close reason is not UTF-8", "RFC 6455 5.5.1")
