"""Access: what a user may do, and from where a browser may come.

It refuses to know how a token is checked and what a topic contains.
"""

import enum
import ipaddress
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from wavetank.protocol import covers

__all__ = [
    "ANONYMOUS",
    "EVERYTHING",
    "Action",
    "Claims",
    "has_token",
    "is_loopback",
    "may",
    "origin_problem",
]


class Action(enum.StrEnum):
    """What may be allowed."""

    SUBSCRIBE = "subscribe"
    PUBLISH = "publish"
    OPERATE = "operate"


EVERYTHING = ("**",)
"""The patterns that cover every topic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Who somebody is, and what they may do.

    Attributes:
        user: Name in logs and replies.
        subscribe: Patterns of topics that they may read.
        publish: Patterns of topics that they may write.
        operator: Whether status, metrics and the like are for them.
        expires_at: Seconds since 1970 when it ends; None is "never".
    """

    user: str
    subscribe: tuple[str, ...] = EVERYTHING
    publish: tuple[str, ...] = EVERYTHING
    operator: bool = False
    expires_at: float | None = None


ANONYMOUS = Claims(user="anonymous")
"""Everybody, where no token is configured."""


def may(claims: Claims, action: Action, topic: str = "") -> bool:
    """Tell whether the claims allow an action.

    Args:
        claims: Of whoever asks.
        action: What they ask for.
        topic: A topic or pattern; the permission must cover all of it.
    """
    if action is Action.OPERATE:
        return claims.operator
    patterns = claims.publish if action is Action.PUBLISH else claims.subscribe
    return patterns == EVERYTHING or any(covers(each, topic) for each in patterns)


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address means this machine only."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def origin_problem(
    origin: str | None, host: str, *, loopback: bool, allowed: tuple[str, ...] = ()
) -> str:
    """Judge the ``Origin`` of a request (RFC 6455 10.2).

    Args:
        origin: The header; None if it was absent, which only a browser minds.
        host: The ``Host`` header.
        loopback: Whether the listener can be reached from this machine only.
        allowed: Origins that are welcome, such as ``https://app.example``.

    Returns:
        "" if it may come in; else one sentence with how to allow it.
    """
    if origin is None:
        return ""
    if origin != "null" and (
        origin in allowed or _is_from_here(origin, host, loopback=loopback)
    ):
        return ""
    shown = origin if origin.isprintable() else ascii(origin)
    advice = (
        "a page without an origin is never allowed"
        if origin == "null"
        else f"start the hub with --allow-origin '{shown}' to allow it"
    )
    return f"origin {shown} is not allowed on {host}: {advice}"


def _is_from_here(origin: str, host: str, *, loopback: bool) -> bool:
    """Tell whether a page comes from this very server, or from this machine."""
    there = _place(origin)
    if there is None:
        return False
    if there == _place(f"{urlsplit(origin).scheme}://{host}"):
        return True
    return loopback and is_loopback(there[0])


def _place(url: str) -> tuple[str, int | None] | None:
    """Return host and port of an http or https URL, with the scheme's port."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    default = {"http": 80, "https": 443}.get(parts.scheme)
    if default is None or not host:
        return None
    return host, port or default


_TOKEN_NAMES = frozenset(
    {"access_token", "api_key", "apikey", "auth", "authorization", "jwt", "token"}
)


def has_token(target: str) -> bool:
    """Tell whether the query of a request target carries a credential.

    Servers and proxies write request targets to their logs.
    """
    query = target.partition("?")[2]
    names = (name.lower() for name, _ in parse_qsl(query, keep_blank_values=True))
    return any(name in _TOKEN_NAMES for name in names)
