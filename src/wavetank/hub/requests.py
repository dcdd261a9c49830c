"""What HTTP asks of a request: version, target, host, the length of its body.

They refuse to know pages, tokens and how a request was read.
"""

import re

from wavetank.hub.access import shown
from wavetank.wire import Refusal, Request

__all__ = [
    "METHODS",
    "body_length",
    "expects_continue",
    "judge_head",
    "stays_open",
]

METHODS = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}
)
"""Methods that have a meaning (RFC 9110 9.3, RFC 5789); others are 501."""

_is_host = re.compile(
    r"(?:[A-Za-z0-9._~%!$&'()*+;=-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?"
).fullmatch


def judge_head(request: Request, *, is_tls: bool) -> Refusal | None:
    """Judge what every request has to have, whatever it asks for.

    Args:
        request: As it was read.
        is_tls: Whether it came over TLS.
    """
    # RFC 9110 2.5: a higher minor version is read as the one that is known.
    if not request.version.startswith("HTTP/1."):
        return Refusal(505, f"{request.version} is not spoken here, HTTP/1.1 is")
    if request.method not in METHODS or request.method == "CONNECT":
        return Refusal(501, f"the method {shown(request.method)} is not known")
    hosts = request.headers.all("Host")
    if len(hosts) > 1 or (not hosts and request.version != "HTTP/1.0"):
        return Refusal(400, "Host has to be there once (RFC 9112 3.2)")
    host = hosts[0] if hosts else ""
    if hosts and not _is_host(host):
        return Refusal(400, "Host is malformed (RFC 9112 3.2)")
    return _judge_target(request.target, host, is_tls=is_tls)


def _judge_target(target: str, host: str, *, is_tls: bool) -> Refusal | None:
    """Judge the request target: origin form, or absolute form for this very server."""
    if "#" in target:
        return Refusal(400, "the request target has a fragment (RFC 9112 3.2)")
    if target.startswith("/"):
        return None
    scheme, colon, rest = target.partition("://")
    if not colon or scheme.lower() not in {"http", "https"}:
        return Refusal(400, "the request target is malformed (RFC 9112 3.2)")
    # RFC 9112 3.2.2: the target's authority counts, so Host may not say otherwise.
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    is_ours = (scheme.lower() == "https") is is_tls
    if not is_ours or authority.lower() != host.lower():
        return Refusal(421, "the request target is of another server (RFC 9110 7.4)")
    return None


def body_length(request: Request, most: int | None) -> int | Refusal:
    """Return the length of a request's body in bytes, or why it is not taken.

    What two readers could take for two different lengths is refused (RFC 9112
    11.2).

    Args:
        request: As it was read.
        most: Most bytes that are taken; None is "no limit".
    """
    headers = request.headers
    lengths = headers.all("Content-Length")
    codings = headers.all("Transfer-Encoding")
    if codings:
        return _refuse_coding(request, codings, is_double=bool(lengths))
    if not lengths:
        if request.method == "POST":
            return Refusal(411, "the body needs a Content-Length")
        return 0
    length = lengths[0]
    is_number = length.isascii() and length.isdigit() and len(length) <= 15
    if len(lengths) > 1 or not is_number:
        return Refusal(400, "Content-Length is malformed (RFC 9112 6.3)")
    if most is not None and int(length) > most:
        return Refusal(413, f"the body has {length} bytes; at most {most} are taken")
    return int(length)


def _refuse_coding(
    request: Request, codings: tuple[str, ...], *, is_double: bool
) -> Refusal:
    """Say what is wrong with a body that has a transfer coding."""
    if is_double:
        return Refusal(400, "Content-Length beside Transfer-Encoding (RFC 9112 6.3)")
    if request.version == "HTTP/1.0":
        return Refusal(400, "Transfer-Encoding in HTTP/1.0 (RFC 9112 6.1)")
    if [coding.strip(" \t").lower() for coding in codings] == ["chunked"]:
        return Refusal(411, "the body needs a Content-Length; chunks are not taken")
    return Refusal(501, "this Transfer-Encoding is not known (RFC 9112 6.1)")


def expects_continue(request: Request) -> bool | Refusal:
    """Tell whether the body is held back until ``100 Continue`` (RFC 9110 10.1.1)."""
    expected = request.headers.all("Expect")
    if not expected or request.version == "HTTP/1.0":
        return False
    if [each.lower() for each in expected] == ["100-continue"]:
        return True
    return Refusal(417, "only 100-continue can be expected (RFC 9110 10.1.1)")


def stays_open(request: Request) -> bool:
    """Tell whether the connection may serve another request (RFC 9112 9.3)."""
    words = {
        word.strip(" \t").lower()
        for value in request.headers.all("Connection")
        for word in value.split(",")
    }
    if request.version == "HTTP/1.0":
        return "keep-alive" in words and "close" not in words
    return "close" not in words
