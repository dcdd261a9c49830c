"""The opening handshake as the hub judges it: path, origin, credentials.

It refuses to know how many connections there are, and bytes.
"""

from collections.abc import Callable

import msgspec

from wavetank.hub.access import Claims, has_token, origin_problem
from wavetank.hub.config import HubConfig
from wavetank.protocol import PROTOCOL
from wavetank.wire import Refusal, Request, Upgrade, judge_request

__all__ = [
    "ECHO_PATH",
    "HUB_PATH",
    "Opening",
    "judge_opening",
    "judge_rights",
    "unauthorized",
]

HUB_PATH = "/ws"
ECHO_PATH = "/echo"

Verify = Callable[[str], Claims | None]
"""Says whose token it is; None for nobody's."""


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
    subprotocols = () if is_echo else (PROTOCOL,)
    upgrade = judge_request(request, subprotocols=subprotocols)
    if isinstance(upgrade, Refusal):
        return upgrade
    rights = judge_rights(request, config, verify)
    if isinstance(rights, Refusal):
        return rights
    if is_echo and rights is None and config.needs_auth:
        return unauthorized("a token is needed")
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
    headers = request.headers
    if has_token(request.target):
        return Refusal(
            400,
            "a token does not belong into a URL, which ends up in logs: send it as "
            "Authorization: Bearer, or in the first message",
        )
    problem = origin_problem(
        headers.get("Origin"),
        headers.get("Host") or "",
        loopback=config.is_local,
        allowed=config.allow_origins,
    )
    if problem:
        return Refusal(403, problem)
    credentials = headers.all("Authorization")
    if not credentials or not (config.tokens or config.operator_tokens):
        return None
    scheme, _, token = credentials[0].partition(" ")
    claims = verify(token.strip()) if scheme.lower() == "bearer" else None
    if claims is None or len(credentials) > 1:
        return unauthorized("the token is wrong")
    return claims


def unauthorized(text: str) -> Refusal:
    """Refuse with what RFC 9110 11.6.1 asks for."""
    return Refusal(401, text, (("WWW-Authenticate", 'Bearer realm="wavetank"'),))
