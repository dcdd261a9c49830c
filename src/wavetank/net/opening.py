"""Opening handshakes in which any line may be wrong.

They refuse to know who sends them, and check nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from websockets.uri import WebSocketURI

from wavetank.wire import encode_request

__all__ = ["opening_request"]

_USUAL_PORT = {False: 80, True: 443}


def opening_request(
    address: WebSocketURI,
    key: str,
    headers: Iterable[tuple[str, str]] = (),
    *,
    method: str = "GET",
    target: str | None = None,
    version: str = "HTTP/1.1",
    change: Mapping[str, str | Sequence[str] | None] | None = None,
    lines: Sequence[bytes] = (),
    line_end: bytes = b"\r\n",
) -> bytes:
    """Return an opening handshake (RFC 6455 4.1), changed line by line.

    Args:
        address: Where it goes.
        key: Value of ``Sec-WebSocket-Key``.
        headers: Fields behind those of the handshake.
        method: Instead of GET.
        target: Instead of the path and query of the address.
        version: Instead of HTTP/1.1.
        change: By name of a field, in any case: None leaves it out, a text
            replaces its value, several texts give several lines; a field that is
            not there is added.
        lines: Raw lines, their ends included, behind the fields.
        line_end: What ends every other line.
    """
    head = encode_request(
        method,
        address.resource_name if target is None else target,
        _changed([*_fields(address, key), *headers], change or {}),
        version=version,
        checked=False,
    )
    ended = head.removesuffix(b"\r\n").replace(b"\r\n", line_end)
    return ended + b"".join(lines) + line_end


def _fields(address: WebSocketURI, key: str) -> tuple[tuple[str, str], ...]:
    host = f"[{address.host}]" if ":" in address.host else address.host
    if address.port != _USUAL_PORT[address.secure]:
        host = f"{host}:{address.port}"
    return (
        ("Host", host),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", key),
        ("Sec-WebSocket-Version", "13"),
    )


def _changed(
    fields: Iterable[tuple[str, str]],
    change: Mapping[str, str | Sequence[str] | None],
) -> Iterator[tuple[str, str]]:
    """Yield the fields in their order, changed ones in place, new ones at the end."""
    left = {name.lower(): (name, new) for name, new in change.items()}
    changed = set(left)
    for name, value in fields:
        if name.lower() not in changed:
            yield name, value
        elif name.lower() in left:
            yield from _lines(name, left.pop(name.lower())[1])
    for name, new in left.values():
        yield from _lines(name, new)


def _lines(name: str, new: str | Sequence[str] | None) -> Iterator[tuple[str, str]]:
    values = [new] if isinstance(new, str) else new or []
    return ((name, value) for value in values)
