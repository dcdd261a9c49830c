"""Access: what a user may do, and from where a browser may come.

It refuses to know how a token is checked and what a topic contains.
"""

import enum
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import urlsplit

from wavetank.protocol import ErrorCode, covers

__all__ = [
    "ANONYMOUS",
    "EVERYTHING",
    "Action",
    "Claims",
    "Denied",
    "Grant",
    "host_problem",
    "is_loopback",
    "lost_rights",
    "may",
    "origin_problem",
    "shown",
]


class Action(enum.StrEnum):
    """What may be allowed."""

    SUBSCRIBE = "subscribe"
    PUBLISH = "publish"
    HISTORY = "history"
    OPERATE = "operate"


EVERYTHING = ("**",)
"""The patterns that cover every topic."""

FEW = 2
"""Patterns that are looked through faster than an answer is remembered."""

MOST_REMEMBERED = 32
"""Answers that one grant remembers: a connection asks for few topics."""


class Grant:
    """Patterns that are allowed, made ready for being asked with every message.

    Args:
        patterns: Valid ones.
    """

    __slots__ = ("_answers", "_exact", "_is_all", "_wide")

    def __init__(self, patterns: Iterable[str]) -> None:
        # A pattern covers itself, so it may stand among the topics.
        self._exact = frozenset(patterns)
        self._is_all = "**" in self._exact
        self._wide = tuple(each for each in self._exact if "*" in each)
        self._answers: dict[str, bool] = {}

    def covers(self, topic: str) -> bool:
        """Tell whether one of them covers all of a valid topic or pattern."""
        if self._is_all or topic in self._exact:
            return True
        if len(self._wide) <= FEW:
            return self._look_through(topic)
        answer = self._answers.get(topic)
        if answer is None:
            if len(self._answers) >= MOST_REMEMBERED:
                self._answers.clear()
            answer = self._answers[topic] = self._look_through(topic)
        return answer

    def _look_through(self, topic: str) -> bool:
        return any(covers(each, topic) for each in self._wide)

    def __repr__(self) -> str:
        """Show how much it is."""
        return f"<Grant {len(self._exact)} patterns, {len(self._answers)} answers>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Who somebody is, and what they may do.

    Attributes:
        user: Name in logs and replies.
        subscribe: Patterns of topics that they may read.
        publish: Patterns of topics that they may write.
        history: Patterns of topics whose past they may read; None is as subscribe.
        operator: Whether status, metrics and the like are for them.
        expires_at: Seconds since 1970 when it ends; None is "never".
        key: Name of the key or static token that vouches for it; "" where nobody was
            asked for one.
    """

    user: str
    subscribe: tuple[str, ...] = EVERYTHING
    publish: tuple[str, ...] = EVERYTHING
    history: tuple[str, ...] | None = None
    operator: bool = False
    expires_at: float | None = None
    key: str = ""
    _grants: dict[Action, Grant] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def patterns(self, action: Action) -> tuple[str, ...]:
        """Return the patterns of topics that an action is allowed on."""
        if action is Action.PUBLISH:
            return self.publish
        if action is Action.HISTORY and self.history is not None:
            return self.history
        return self.subscribe

    def grant(self, action: Action) -> Grant:
        """Return the same, ready for being asked often; made when first needed."""
        grant = self._grants.get(action)
        if grant is None:
            grant = self._grants[action] = Grant(self.patterns(action))
        return grant


@dataclass(frozen=True, slots=True)
class Denied:
    """Why a token is nobody's.

    Attributes:
        code: ``UNAUTHORIZED`` or ``TOKEN_EXPIRED``.
        reason: For the log and for whoever sent it; nothing of the token is in it.
    """

    code: ErrorCode
    reason: str


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
    if claims.patterns(action) is EVERYTHING:
        return True
    return claims.grant(action).covers(topic)


def lost_rights(claims: Claims, topics: Iterable[str]) -> list[str]:
    """Return those subscriptions that the claims do not cover (any longer).

    Args:
        claims: Such as those of a refreshed token.
        topics: Topics and patterns that are subscribed to.
    """
    return [topic for topic in topics if not may(claims, Action.SUBSCRIBE, topic)]


MOST_SHOWN = 200
"""Characters of a stranger's text that an answer or a log line repeats."""


def shown(text: str) -> str:
    """Return a stranger's text so that it breaks no log line and no terminal."""
    head = text[:MOST_SHOWN]
    head = head if head.isprintable() else ascii(head)[1:-1]
    is_whole = len(text) <= MOST_SHOWN >= len(head)
    return head if is_whole else f"{head[: MOST_SHOWN - 3]}..."


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Tell whether a host name or address means this machine only."""
    name = host.strip("[]").lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


_host = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]*)?").fullmatch
_is_plain_origin = re.compile(r"[a-z][a-z0-9+.-]*://[A-Za-z0-9.:\[\]_-]+").fullmatch


def host_problem(host: str, *, allowed: tuple[str, ...] = ()) -> str:
    """Judge the ``Host`` of a request to a loopback listener that asks for no token.

    A web page that points a name of its own at 127.0.0.1 (DNS rebinding) comes with
    an ``Origin`` that equals the ``Host``; only the name itself gives it away.

    Args:
        host: The header.
        allowed: Origins that are welcome; their hosts are, too.

    Returns:
        "" if it may come in; else one sentence with how to allow it.
    """
    found = _host(host)
    name = found[1].lower() if found else ""
    hosts = {place[0] for place in map(_place, allowed) if place is not None}
    if name and (is_loopback(name) or name.strip("[]") in hosts):
        return ""
    advice = (
        f"start the hub with --allow-origin 'http://{name}' to allow it"
        if name and len(name) <= MOST_SHOWN
        else "it is no host name"
    )
    return (
        f"host {shown(host)} is not a name of this machine, and without tokens this "
        f"hub answers to no other (DNS rebinding): {advice}"
    )


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
        _is_listed(origin, allowed) or _is_from_here(origin, host, loopback=loopback)
    ):
        return ""
    if origin == "null":
        advice = ": a page without an origin is never allowed"
    elif _is_plain_origin(origin) and len(origin) <= MOST_SHOWN:
        advice = f": start the hub with --allow-origin '{origin}' to allow it"
    else:
        # Nothing that a person should copy into a shell.
        advice = ""
    return f"origin {shown(origin)} is not allowed on {shown(host)}{advice}"


def _is_listed(origin: str, allowed: tuple[str, ...]) -> bool:
    return bool(allowed) and _serialized(origin) in map(_serialized, allowed)


def _serialized(origin: str) -> str:
    """Return an origin as RFC 6454 6.2 writes it: lower case, no default port.

    A person may type one with a slash at its end.
    """
    text = origin.lower().removesuffix("/")
    scheme, _, rest = text.partition("://")
    default = _DEFAULT_PORTS.get(scheme)
    return text if default is None else f"{scheme}://{rest.removesuffix(default)}"


_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


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
