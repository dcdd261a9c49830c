"""Claims of a JSON Web Token (RFC 7519): its payload becomes who and what.

They refuse to know signatures and keys; time comes in.
"""

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from wavetank.hub.access import Claims, Denied
from wavetank.protocol import ErrorCode, pattern_problem, valid_pattern

__all__ = ["LEEWAY", "read_claims"]

LEEWAY = 5.0
"""Seconds that the issuer's clock may be ahead of ours, for ``nbf`` and ``iat``.

``exp`` has none: a token ends when it says, and its connection with it.
"""

_FOREVER = 253_402_300_800.0
"""The year 10000, in seconds since 1970."""

_is_own = re.compile(r"anonymous|hub|(?:token|operator)-[0-9]+").fullmatch
"""Users that the hub itself names. Limits and idempotency go by the user, so nobody
else may be one of them."""

_Patterns = tuple[str, ...] | None


class _Rights(msgspec.Struct, frozen=True):
    """The claim ``wavetank``; a list that is not there allows nothing."""

    subscribe: _Patterns = None
    publish: _Patterns = None
    history: _Patterns = None
    operator: bool = False


class _Payload(msgspec.Struct, frozen=True):
    """What is looked at; other claims are passed over (RFC 7519 4)."""

    sub: Annotated[str, Meta(min_length=1, max_length=128)]
    exp: float
    nbf: float | None = None
    iat: float | None = None
    iss: str | None = None
    aud: str | tuple[str, ...] | None = None
    wavetank: _Rights | None = None


_decoder = msgspec.json.Decoder(_Payload)


def read_claims(
    payload: bytes,
    wall: float,
    *,
    key: str,
    audience: str | None = None,
    issuer: str | None = None,
) -> Claims | Denied:
    """Read the payload of a token whose signature is right.

    Args:
        payload: One JSON object.
        wall: Now, in seconds since 1970.
        key: Name of the key that the signature is of.
        audience: What ``aud`` has to name; None: it must not name any.
        issuer: What ``iss`` has to be; None: anything.
    """
    try:
        found = _decoder.decode(payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        return _denied(f"the token's claims cannot be read: {error}")
    rights = found.wavetank or _Rights()
    problem = (
        _place_problem(found, audience, issuer)
        or _user_problem(found.sub)
        or _rights_problem(rights)
        or _time_problem(found, wall)
    )
    if problem:
        return _denied(problem)
    if wall >= found.exp:
        words = f"the token expired {wall - found.exp:.6g} s ago"
        return Denied(ErrorCode.TOKEN_EXPIRED, words)
    return Claims(
        user=found.sub,
        subscribe=rights.subscribe or (),
        publish=rights.publish or (),
        history=rights.history,
        operator=rights.operator,
        expires_at=found.exp,
        key=key,
    )


def _denied(reason: str) -> Denied:
    return Denied(ErrorCode.UNAUTHORIZED, reason)


def _place_problem(found: _Payload, audience: str | None, issuer: str | None) -> str:
    """Judge who made the token, and for whom."""
    if issuer is not None and found.iss != issuer:
        return "the token's iss is not the issuer that this hub trusts"
    named = (found.aud,) if isinstance(found.aud, str) else found.aud or ()
    if audience is not None and audience not in named:
        return "the token's aud does not name this hub"
    if audience is None and any(named):
        # RFC 7519 4.1.3: whoever does not find itself there must not take it.
        return "the token has an aud, and this hub has no --jwt-audience"
    return ""


def _user_problem(user: str) -> str:
    if not user.isprintable():
        return "the token's sub has characters that cannot be printed"
    if _is_own(user):
        return "the token's sub is a name that this hub gives to its own users"
    return ""


def _rights_problem(rights: _Rights) -> str:
    for name in ("subscribe", "publish", "history"):
        for place, pattern in enumerate(getattr(rights, name) or ()):
            if not valid_pattern(pattern):
                where = f"the token's wavetank.{name}[{place}]"
                return f"{where} is no pattern: {pattern_problem(pattern)}"
    return ""


def _time_problem(found: _Payload, wall: float) -> str:
    """Judge whether the token could be valid at some time, and is by now."""
    if found.exp >= _FOREVER:
        return "the token's exp is not in seconds since 1970"
    for name, at in (("nbf", found.nbf), ("iat", found.iat)):
        if at is not None and at > wall + LEEWAY:
            return f"the token is not valid yet: {name} is {at - wall:.6g} s ahead"
    return ""
