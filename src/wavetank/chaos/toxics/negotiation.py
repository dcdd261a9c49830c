"""Negotiation: what both sides agree on in the opening handshake is not what they said.

It refuses to know keys: the response still proves that it read the request.
"""

from wavetank.chaos.frame_toxic import FrameToxic
from wavetank.chaos.toxic import Head, Item, Timed
from wavetank.wire.http import is_token, parse_elements

__all__ = ["Negotiation", "extensions", "subprotocols"]

_EXTENSIONS = "Sec-WebSocket-Extensions"
_SUBPROTOCOL = "Sec-WebSocket-Protocol"


def extensions(typed: str) -> str:
    """Read a list of extensions with their parameters, or nothing.

    Raises:
        ValueError: If it is malformed.
    """
    if typed and not parse_elements([typed]):
        example = "permessage-deflate; client_max_window_bits"
        raise ValueError(f"{typed!r} is no list of extensions such as {example}")
    return typed


def subprotocols(typed: str) -> str:
    """Read one subprotocol, several with commas between them, or nothing.

    Raises:
        ValueError: If it is malformed.
    """
    if typed and not all(is_token(name.strip(" \t")) for name in typed.split(",")):
        raise ValueError(f"{typed!r} is no list of subprotocols such as chat, v2.chat")
    return typed


class Negotiation(FrameToxic):
    """Strips or alters extensions and subprotocol in a head.

    Upstream that is the client's offer, where it asks for the upgrade; downstream the
    target's answer, where it agrees. Any other head goes by as it is.

    Args:
        extensions: What the head says in ``Sec-WebSocket-Extensions``; empty for
            nothing, None for what was sent.
        subprotocol: Likewise in ``Sec-WebSocket-Protocol``.
    """

    def __init__(self, *, extensions: str | None, subprotocol: str | None) -> None:
        super().__init__()
        asked = {_EXTENSIONS: extensions, _SUBPROTOCOL: subprotocol}
        self._fields = {
            name: value for name, value in asked.items() if value is not None
        }

    def spare(self, item: Item, now: float) -> list[Timed]:
        """Alter a head."""
        if isinstance(item, Head) and _is_about_upgrade(item.data):
            for name, value in self._fields.items():
                item = Head(_altered(item.data, name, value))
        return [(now, item)]


def _is_about_upgrade(head: bytes) -> bool:
    """Tell whether it is a request for the upgrade, or a response that agrees."""
    if head.startswith(b"HTTP/"):
        return head[8:13] == b" 101 "
    return b"\nupgrade:" in head.lower()


def _altered(head: bytes, name: str, value: str) -> bytes:
    """Return a head whose field has one value, or is not there; all else stays."""
    lines = head.splitlines(keepends=True)
    prefix = name.lower().encode() + b":"
    kept = [line for line in lines if not line.lower().startswith(prefix)]
    if value:
        kept.insert(-1, f"{name}: {value}\r\n".encode())
    return b"".join(kept)
