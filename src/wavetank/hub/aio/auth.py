"""Who a token belongs to.

It refuses to know where a token came from and what is done with the answer.
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

import jwt
from jwt.api_jws import PyJWS

from wavetank.errors import UsageError
from wavetank.hub.access import Claims, Denied
from wavetank.hub.aio.keys import ALGORITHMS, Key, read_keys, read_secrets
from wavetank.hub.claims import read_claims
from wavetank.hub.config import HubConfig
from wavetank.protocol import ErrorCode

__all__ = ["MOST_TOKEN", "StaticTokens", "Tokens"]

MOST_TOKEN = 8192
"""Characters of a token; longer ones are not looked at."""


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

    def __len__(self) -> int:
        """How many are known."""
        return len(self._known)

    def __repr__(self) -> str:
        """Show how many are known, and none of them."""
        return f"<StaticTokens {len(self._known)}>"


class Tokens:
    """Everything that a hub takes as a token.

    Args:
        config: Of the hub.

    Raises:
        UsageError: If a secret or the file with keys is of no use.
    """

    def __init__(self, config: HubConfig) -> None:
        too_long = [
            f"--{name}: number {number} has {len(token)} characters; at most "
            f"{MOST_TOKEN} are taken"
            for name, tokens in (
                ("token", config.tokens),
                ("operator-token", config.operator_tokens),
            )
            for number, token in _count(tokens)
            if len(token) > MOST_TOKEN
        ]
        if too_long:
            raise UsageError(too_long)
        self._static = StaticTokens(config.tokens, config.operator_tokens)
        self._rules = config.jwt
        self._secrets = read_secrets(config.jwt.secrets)
        self._keys: tuple[Key, ...] = ()
        self.reload()

    def reload(self) -> None:
        """Read the file with keys again.

        Raises:
            UsageError: If it is of no use; the keys from before stay.
        """
        file = self._rules.file
        self._keys = self._secrets + (() if file is None else read_keys(file))

    def knows(self, claims: Claims) -> bool:
        """Tell whether the key that vouches for these claims is still there."""
        return not claims.key or any(key.name == claims.key for key in self._keys)

    def verify(self, token: str, wall: float) -> Claims | Denied:
        """Return whose token it is, or why it is nobody's.

        Args:
            token: As it came.
            wall: Now, in seconds since 1970.
        """
        if len(token) > MOST_TOKEN:
            words = f"the token has {len(token)} characters; at most {MOST_TOKEN}"
            return _denied(f"{words} are taken")
        claims = self._static.verify(token)
        if claims is not None:
            return claims
        if not self._keys or token.count(".") != 2 or not token.isascii():
            return _denied("the token is wrong")
        return self._verify_signed(token, wall)

    def _verify_signed(self, token: str, wall: float) -> Claims | Denied:
        """Judge a JSON Web Token: its signature first, and then what it says."""
        keys = self._find_keys(token)
        if isinstance(keys, Denied):
            return keys
        for key in keys:
            try:
                # The key brings the algorithm. The token only has to agree, so a
                # public key is never the secret of an HMAC (RFC 8725 3.1).
                found = _SIGNED.decode_complete(token, key.material, [key.algorithm])
            except jwt.PyJWTError:
                continue
            return read_claims(
                found["payload"],
                wall,
                key=key.name,
                audience=self._rules.audience,
                issuer=self._rules.issuer,
            )
        return _denied("the token's signature is wrong")

    def _find_keys(self, token: str) -> list[Key] | Denied:
        """Return the keys that a token's header allows to try."""
        try:
            header: dict[str, Any] = _SIGNED.get_unverified_header(token)
        except jwt.DecodeError:
            return _denied(_MALFORMED)
        except jwt.InvalidTokenError:
            return _denied("the token's header has a wrong kid, or an unknown crit")
        if "crit" in header or "b64" in header:
            # RFC 7797 7: no JSON Web Token has b64, the one that PyJWT knows.
            return _denied("the token's header asks for an extension (crit, b64)")
        algorithm, kid = header.get("alg"), header.get("kid")
        keys = [key for key in self._keys if key.algorithm == algorithm]
        if not keys:
            known = sorted({key.algorithm for key in self._keys})
            return _denied(f"the token's alg is not one of {', '.join(known)}")
        named = [key for key in keys if kid is None or key.kid in {None, kid}]
        return named or _denied("the token's kid is of no key that this hub has")

    def __repr__(self) -> str:
        """Show how many are known, and none of them."""
        return f"<Tokens {len(self._static)} static, {len(self._keys)} keys>"


_SIGNED = PyJWS(algorithms=list(ALGORITHMS))
_MALFORMED = "the token is no JSON Web Token that can be read"


def _denied(reason: str) -> Denied:
    return Denied(ErrorCode.UNAUTHORIZED, reason)


def _count(tokens: Sequence[str]) -> list[tuple[int, str]]:
    return list(enumerate(tokens, start=1))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
