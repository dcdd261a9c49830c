"""The opening handshake as the hub judges it: path, origin, credentials.

It refuses to know how many connections there are, and bytes.
"""

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl, unquote_plus

import msgspec
from msgspec.structs import replace

from wavetank.hub.access import Claims, Denied, host_problem, origin_problem, shown
from wavetank.hub.config import HubConfig
from wavetank.protocol import PROTOCOL
from wavetank.wire import (
    DeflateParameters,
    Refusal,
    Request,
    Upgrade,
    judge_request,
)

__all__ = [
    "DEFLATE",
    "ECHO_PATH",
    "HUB_PATH",
    "Opening",
    "Verify",
    "judge_opening",
    "judge_rights",
    "shown_target",
    "unauthorized",
]

HUB_PATH = "/ws"
ECHO_PATH = "/echo"

Verify = Callable[[str], Claims | Denied]
"""Says whose token it is, or why it is nobody's."""

DEFLATE: Final = DeflateParameters(
    server_no_context_takeover=True, client_no_context_takeover=True
)
"""What the hub wants of permessage-deflate: no memory between two messages.

A sliding window costs up to 40 KB for reading and 260 KB for writing, of each
connection and all the time: 10,000 idle ones would hold 3 GB. And without one of our
own, an event is compressed once and its bytes are right for every connection. Window
sizes are the client's choice: they then only matter while a message is at work.
"""


class Opening(msgspec.Struct, frozen=True):
    """A WebSocket that may be opened.

    Attributes:
        upgrade: What to answer.
        claims: Whose it is; None where no token came.
        is_echo: Whether it is for ``/echo``.
    """

    upgrade: Upgrade
    claims: Claims | None
    is_echo: bool

    @property
    def is_supported(self) -> bool:
        """Whether a subprotocol can be spoken; none offered means ours."""
        upgrade = self.upgrade
        return self.is_echo or not upgrade.offered or upgrade.subprotocol is not None


def judge_opening(
    request: Request, config: HubConfig, verify: Verify
) -> Opening | Refusal:
    """Judge a request for ``/ws`` or ``/echo``.

    Args:
        request: As it was read.
        config: Of the hub.
        verify: Says whose token it is.
    """
    is_echo = request.path == ECHO_PATH
    upgrade = judge_request(
        request,
        subprotocols=() if is_echo else (PROTOCOL,),
        deflate=DEFLATE if config.compression else None,
    )
    if isinstance(upgrade, Refusal):
        return upgrade
    rights = judge_rights(request, config, verify)
    if isinstance(rights, Refusal):
        return rights
    if rights is None and config.needs_auth:
        if is_echo:
            return unauthorized("a token is needed")
        # Nothing is inflated for strangers, so nothing is agreed on with them.
        upgrade = replace(upgrade, deflate=None)
    return Opening(upgrade, rights, is_echo)


def judge_rights(
    request: Request, config: HubConfig, verify: Verify
) -> Claims | Refusal | None:
    """Judge where a request comes from, and its token.

    Args:
        request: As it was read.
        config: Of the hub.
        verify: Says whose token it is.

    Returns:
        Whose the token is; None where there is none, or nobody has one; the
        refusal.
    """
    token = _find_token(request, config)
    if isinstance(token, Refusal):
        return token
    refusal = _judge_place(request, config)
    if refusal is not None:
        return refusal
    if token is None:
        return None
    found = verify(token)
    if isinstance(found, Claims):
        return found
    return unauthorized(found.reason, error="invalid_token")


def _judge_place(request: Request, config: HubConfig) -> Refusal | None:
    """Judge where a request comes from, and whom it believes to speak with."""
    host = request.headers.get("Host")
    # Where a token is asked for, a page that took over a name gains nothing.
    if host is not None and config.is_local and not config.needs_auth:
        problem = host_problem(host, allowed=config.allow_origins)
        if problem:
            return Refusal(421, problem)
    problem = origin_problem(
        request.headers.get("Origin"),
        host or "",
        loopback=config.is_local,
        allowed=config.allow_origins,
    )
    return Refusal(403, problem) if problem else None


def unauthorized(text: str, *, error: str = "") -> Refusal:
    """Refuse with what RFC 9110 11.6.1 asks for.

    Args:
        text: Why.
        error: Code of RFC 6750 3.1; "" where no token came, as it asks for.
    """
    challenge = 'Bearer realm="wavetank"'
    if error:
        described = _undescribable.sub("'", text)
        challenge += f', error="{error}", error_description="{described}"'
    return Refusal(401, text, (("WWW-Authenticate", challenge),))


_undescribable = re.compile(r"[^ !#-\[\]-~]")
"""What an ``error_description`` has not (RFC 6750 3)."""


# Where a token stands.

_TOKEN_NAMES = frozenset(
    {"access_token", "api_key", "apikey", "auth", "authorization", "jwt", "token"}
)
_TAKEN_NAMES = frozenset({"access_token", "token"})

_MOST_FIELDS = 100
"""Fields of a query that are looked at."""

_TOKEN_IN_URL = (
    "a token does not belong into a URL, which ends up in logs: send it as "
    "Authorization: Bearer, or in the first message"
)
_TWO_TOKENS = "one token, please: two could be of two users (RFC 6750 2)"


def _find_token(request: Request, config: HubConfig) -> str | Refusal | None:
    """Return the token of a request, or what is wrong.

    None is: there is none, or it does not matter, because nobody has one.
    """
    in_query = _find_in_query(request.target, config)
    if isinstance(in_query, Refusal) or not config.knows_tokens:
        return in_query if isinstance(in_query, Refusal) else None
    credentials = request.headers.all("Authorization")
    if len(in_query) + len(credentials) > 1:
        return Refusal(400, _TWO_TOKENS)
    if not credentials:
        return in_query[0] if in_query else None
    scheme, _, token = credentials[0].partition(" ")
    if scheme.lower() != "bearer":
        return unauthorized("Authorization has to be: Bearer TOKEN")
    return token.strip()


def _find_in_query(target: str, config: HubConfig) -> list[str] | Refusal:
    """Return the tokens in a target's query, or what is wrong."""
    fields = _query_fields(target)
    if fields is None:
        return Refusal(400, f"the query has more than {_MOST_FIELDS} fields")
    found = [(name, value) for name, value in fields if name in _TOKEN_NAMES]
    if found and not config.query_token:
        return Refusal(400, _TOKEN_IN_URL)
    if not all(name in _TAKEN_NAMES for name, _ in found):
        return Refusal(400, "a token in the URL is named token or access_token")
    return [value for _, value in found]


def _query_fields(target: str) -> list[tuple[str, str]] | None:
    """Return the fields of a target's query, names in lower case; None: too many."""
    query = target.partition("?")[2]
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return None
    return [(name.lower(), value) for name, value in pairs]


_words = re.compile(r"[?&;#=/]").split
_web_token = re.compile(r"eyJ[\w-]*\.[\w.-]*")
_user_info = re.compile(r"(?<=://)[^/?#]*@")


def shown_target(target: str) -> str:
    """Return a request target for a log line, credentials cut out.

    More is cut out than has to be, rather than less: a field in whose value the name
    of a credential stands, whatever looks like a JSON Web Token, ``user:password@``.
    """
    path, mark, query = target.partition("?")
    fields = "&".join(_without_token(each) for each in query.split("&"))
    return shown(_user_info.sub("", _web_token.sub("***", path + mark + fields)))


def _without_token(field: str) -> str:
    name, equals, _ = field.partition("=")
    words = _words(unquote_plus(field).lower())
    return f"{name}=***" if equals and not _TOKEN_NAMES.isdisjoint(words) else field
