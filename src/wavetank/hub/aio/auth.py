"""Who a token belongs to.

It refuses to know where a token came from and what is done with the answer.
"""

import hashlib
import hmac
from collections.abc import Sequence

from wavetank.hub.access import Claims

__all__ = ["StaticTokens"]


class StaticTokens:
    """Tokens from the configuration, each a user of its own.

    Args:
        tokens: Of clients; the first one is user ``token-1``.
        operators: Of operators; the first one is user ``operator-1``.
    """

    def __init__(self, tokens: Sequence[str], operators: Sequence[str] = ()) -> None:
        clients = [(token, Claims(user=f"token-{n}")) for n, token in _count(tokens)]
        others = [
            (token, Claims(user=f"operator-{n}", operator=True))
            for n, token in _count(operators)
        ]
        self._known = [(_digest(token), claims) for token, claims in clients + others]

    def verify(self, token: str) -> Claims | None:
        """Return whose token it is, or None.

        How long it takes does not tell how much of a token was right: digests are
        compared, all of them, in constant time.
        """
        given = _digest(token)
        found = None
        for digest, claims in self._known:
            if hmac.compare_digest(digest, given):
                found = claims
        return found

    def __repr__(self) -> str:
        """Show how many are known, and none of them."""
        return f"<StaticTokens {len(self._known)}>"


def _count(tokens: Sequence[str]) -> list[tuple[int, str]]:
    return list(enumerate(tokens, start=1))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
