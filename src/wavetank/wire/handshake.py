"""The opening handshake: what both sides must say, and what may be refused.

It refuses to know origins, tokens and paths that are allowed: the caller does.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from wavetank.errors import LocalError
from wavetank.wire.deflate import DeflateParameters, agree, encode_parameters, negotiate
from wavetank.wire.header import Violation
from wavetank.wire.http import (
    Element,
    Headers,
    Refusal,
    Request,
    Response,
    encode_request,
    encode_response,
    parse_elements,
)

__all__ = [
    "Agreement",
    "Upgrade",
    "accept_key",
    "judge_request",
    "judge_response",
    "make_key",
    "make_request",
    "switching_protocols",
]

_GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455 1.3."""
_VERSION: Final = "13"

_is_key = re.compile(r"[A-Za-z0-9+/]{22}==").fullmatch
_is_host = re.compile(r"[A-Za-z0-9._~%!$&'()*+;=:\[\]-]+").fullmatch


class Upgrade(msgspec.Struct, frozen=True, kw_only=True):
    """A request that a server can accept, and what it would answer.

    Attributes:
        accept: Value of ``Sec-WebSocket-Accept``.
        host: Value of ``Host``.
        origin: Value of ``Origin``; None where there is none.
        offered: Subprotocols that the client offers, in its order.
        subprotocol: The one that is chosen, or None.
        deflate: What is agreed on permessage-deflate, or None.
    """

    accept: str
    host: str
    origin: str | None = None
    offered: tuple[str, ...] = ()
    subprotocol: str | None = None
    deflate: DeflateParameters | None = None


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """A response that a client can accept: what both sides hold to."""

    subprotocol: str | None = None
    deflate: DeflateParameters | None = None


def make_key(random16: bytes) -> str:
    """Return the ``Sec-WebSocket-Key`` of 16 random bytes.

    Raises:
        LocalError: If they are not 16.
    """
    if len(random16) != 16:
        raise LocalError(f"a key is made of 16 bytes, not {len(random16)}")
    return base64.b64encode(random16).decode()


def accept_key(key: str) -> str:
    """Return the ``Sec-WebSocket-Accept`` that answers a key (RFC 6455 4.2.2)."""
    # RFC 6455 asks for SHA-1; nothing here rests on its strength.
    digest = hashlib.sha1((key + _GUID).encode("latin-1", "replace")).digest()
    return base64.b64encode(digest).decode()


def judge_request(
    request: Request,
    *,
    subprotocols: Sequence[str] = (),
    deflate: DeflateParameters | None = None,
) -> Upgrade | Refusal:
    """Judge an opening handshake as a server (RFC 6455 4.2.1).

    Args:
        request: As it was read.
        subprotocols: What this server speaks; the client's order decides.
        deflate: What it wants of permessage-deflate; None declines every offer.
    """
    for judge in (_judge_line, _judge_body, _judge_upgrade, _judge_key):
        refusal = judge(request)
        if refusal is not None:
            return refusal
    headers = request.headers
    hosts, origins = headers.all("Host"), headers.all("Origin")
    if len(hosts) != 1 or not _is_host(hosts[0]):
        return Refusal(400, "Host has to be there once (RFC 9112 3.2)")
    if len(origins) > 1:
        return Refusal(400, "Origin comes more than once (RFC 6454 7.3)")
    offered = _tokens(headers, "Sec-WebSocket-Protocol")
    if offered is None or len(set(offered)) != len(offered):
        return Refusal(400, "Sec-WebSocket-Protocol is malformed (RFC 6455 4.1)")
    extensions = parse_elements(headers.all("Sec-WebSocket-Extensions"))
    if extensions is None:
        return Refusal(400, "Sec-WebSocket-Extensions is malformed (RFC 6455 9.1)")
    return Upgrade(
        accept=accept_key(headers.all("Sec-WebSocket-Key")[0]),
        host=hosts[0],
        origin=origins[0] if origins else None,
        offered=offered,
        subprotocol=next((name for name in offered if name in subprotocols), None),
        deflate=None if deflate is None else negotiate(extensions, deflate),
    )


def _judge_line(request: Request) -> Refusal | None:
    """Judge method, version and target."""
    if request.method != "GET":
        return Refusal(405, "a WebSocket is opened with GET", (("Allow", "GET"),))
    # RFC 9110 2.5: a higher minor version is read as the one that is known.
    if not request.version.startswith("HTTP/1.") or request.version == "HTTP/1.0":
        return Refusal(505, "a WebSocket is opened over HTTP/1.1")
    target = request.target
    if "#" in target or not target.startswith(("/", "http://", "https://")):
        return Refusal(400, "the request target is malformed (RFC 6455 4.2.1)")
    return None


def _judge_body(request: Request) -> Refusal | None:
    """Refuse a body: bytes that one side reads as frames and another does not."""
    lengths = request.headers.all("Content-Length")
    if "Transfer-Encoding" in request.headers or any(
        length != "0" for length in lengths
    ):
        return Refusal(400, "an opening handshake has no body")
    return None


def _judge_upgrade(request: Request) -> Refusal | None:
    """Judge Upgrade, Connection and version: is a WebSocket asked for, and ours?"""
    headers = request.headers
    if not _has_word(headers, "Upgrade", "websocket"):
        text = "this is a WebSocket: connect with a WebSocket client"
        fields = (("Upgrade", "websocket"), ("Connection", "Upgrade"))
        return Refusal(426, text, fields)
    if not _has_word(headers, "Connection", "upgrade"):
        return Refusal(400, "Connection does not name Upgrade (RFC 6455 4.2.1)")
    if headers.all("Sec-WebSocket-Version") != (_VERSION,):
        text = "Sec-WebSocket-Version has to be 13 (RFC 6455 4.4)"
        fields = (
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", _VERSION),
        )
        return Refusal(426, text, fields)
    return None


def _judge_key(request: Request) -> Refusal | None:
    """Judge the key."""
    keys = request.headers.all("Sec-WebSocket-Key")
    if len(keys) != 1 or not _is_key(keys[0]):
        return Refusal(
            400, "Sec-WebSocket-Key has to be 16 bytes in base64 (RFC 6455 4.2.1)"
        )
    return None


def _tokens(headers: Headers, name: str) -> tuple[str, ...] | None:
    """Return the tokens of a list field; None where it is not one."""
    elements = parse_elements(headers.all(name))
    if elements is None or any(element.parameters for element in elements):
        return None
    return tuple(element.name for element in elements)


def _has_word(headers: Headers, name: str, word: str) -> bool:
    """Tell whether a list field has a word, in any case, among others."""
    return any(
        part.strip(" \t").lower() == word
        for value in headers.all(name)
        for part in value.split(",")
    )


def switching_protocols(
    upgrade: Upgrade, headers: Iterable[tuple[str, str]] = ()
) -> bytes:
    """Return the response that opens the WebSocket (RFC 6455 4.2.2).

    Args:
        upgrade: From ``judge_request``.
        headers: Further fields, such as ``Server``.
    """
    fields = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", upgrade.accept),
    ]
    if upgrade.subprotocol is not None:
        fields.append(("Sec-WebSocket-Protocol", upgrade.subprotocol))
    if upgrade.deflate is not None:
        said = encode_parameters(upgrade.deflate)
        fields.append(("Sec-WebSocket-Extensions", said))
    return encode_response(101, [*fields, *headers])


def make_request(
    host: str,
    target: str,
    key: str,
    *,
    subprotocols: Sequence[str] = (),
    offers: Sequence[DeflateParameters] = (),
    origin: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
) -> bytes:
    """Return the request that asks for a WebSocket (RFC 6455 4.1).

    Args:
        host: Value of ``Host``: name, and port where it is not the usual one.
        target: Path and query.
        key: From ``make_key``.
        subprotocols: Offered in this order.
        offers: Offers of permessage-deflate, in order of preference.
        origin: Value of ``Origin``, where there should be one.
        headers: Further fields, such as ``Authorization``.

    Raises:
        LocalError: If a value would break the head.
    """
    fields = [
        ("Host", host),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", key),
        ("Sec-WebSocket-Version", _VERSION),
    ]
    if origin is not None:
        fields.append(("Origin", origin))
    if subprotocols:
        fields.append(("Sec-WebSocket-Protocol", ", ".join(subprotocols)))
    if offers:
        said = ", ".join(encode_parameters(offer) for offer in offers)
        fields.append(("Sec-WebSocket-Extensions", said))
    return encode_request("GET", target, [*fields, *headers])


def judge_response(
    response: Response,
    key: str,
    *,
    subprotocols: Sequence[str] = (),
    offers: Sequence[DeflateParameters] = (),
) -> Agreement | Refusal | Violation:
    """Judge the answer as a client (RFC 6455 4.1).

    Args:
        response: As it was read.
        key: Of the request.
        subprotocols: What the request offered.
        offers: What the request offered of permessage-deflate.

    Returns:
        What is agreed; a refusal where the server said no (any status but
        101); a violation where it said yes against the rules.
    """
    if response.status != 101:
        return Refusal(response.status, response.reason, tuple(response.headers))
    problem = _find_problem(response, key, subprotocols)
    if problem is not None:
        return _broken(problem)
    headers = response.headers
    extensions = parse_elements(headers.all("Sec-WebSocket-Extensions"))
    if extensions is None:
        return _broken("Sec-WebSocket-Extensions is malformed")
    agreed = _judge_extensions(extensions, offers)
    if isinstance(agreed, Violation):
        return agreed
    return Agreement(subprotocol=headers.get("Sec-WebSocket-Protocol"), deflate=agreed)


def _find_problem(
    response: Response, key: str, subprotocols: Sequence[str]
) -> str | None:
    """Return the first thing that is wrong with a 101, but for its extensions."""
    headers = response.headers
    chosen = headers.all("Sec-WebSocket-Protocol")
    rules = (
        (response.version == "HTTP/1.1", f"101 in {response.version}"),
        (_has_word(headers, "Upgrade", "websocket"), "Upgrade is not websocket"),
        (_has_word(headers, "Connection", "upgrade"), "Connection is not Upgrade"),
        (
            headers.all("Sec-WebSocket-Accept") == (accept_key(key),),
            "Sec-WebSocket-Accept does not answer the key",
        ),
        (
            len(chosen) <= 1 and all(name in subprotocols for name in chosen),
            "Sec-WebSocket-Protocol is not what was offered",
        ),
    )
    return next((text for holds, text in rules if not holds), None)


def _judge_extensions(
    extensions: tuple[Element, ...], offers: Sequence[DeflateParameters]
) -> DeflateParameters | Violation | None:
    """Judge the extensions of an answer: at most one, and only what was offered."""
    if not extensions:
        return None
    if len(extensions) > 1 or extensions[0].name != "permessage-deflate" or not offers:
        return _broken("Sec-WebSocket-Extensions is not what was offered")
    return agree(extensions[0], offers)


def _broken(reason: str) -> Violation:
    """Name a rule of the opening handshake that a server broke."""
    return Violation(1002, reason, "RFC 6455 4.1")
