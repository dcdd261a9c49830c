"""Who a token belongs to.

It refuses to know where a token came from and what is done with the answer.
"""

import functools
import hashlib
import hmac
from collections.abc import Sequence
from secrets import token_bytes
from typing import TYPE_CHECKING, Any

from wavetank.errors import UsageError
from wavetank.hub.access import Claims, Denied
from wavetank.hub.claims import read_claims
from wavetank.hub.config import HubConfig, TokenKeys
from wavetank.protocol import ErrorCode

if TYPE_CHECKING:
    from jwt.api_jws import PyJWS

    from wavetank.hub.aio.keys import Key

__all__ = ["MOST_TOKEN", "StaticTokens", "Tokens"]

MOST_TOKEN = 8192
"""Characters of a token; longer ones are not looked at."""


class StaticTokens:
    """Tokens from the configuration, each a user of its own.

    Args:
        tokens: Of clients; the first one is user ``token-1``.
        operators: Of operators; the first one is user ``operator-1``.
        before: Those that these come in the place of. Who stays keeps the name, and
            nobody gets the name of one who goes.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        operators: Sequence[str] = (),
        *,
        before: "StaticTokens | None" = None,
    ) -> None:
        # For names of keys, which logs may show: what was a bad secret could be
        # guessed from a digest alone.
        self._salt: bytes = token_bytes(16) if before is None else before._salt
        self._last: dict[str, int] = {} if before is None else dict(before._last)
        known = {} if before is None else before._claims
        rights = [(token, "token") for token in tokens]
        rights += [(token, "operator") for token in operators]
        self._claims: dict[str, Claims] = {}
        self._known: list[tuple[bytes, Claims]] = []
        for token, role in rights:
            key = self._key(token, role)
            claims = self._claims.get(key) or known.get(key) or self._new(key, role)
            self._claims[key] = claims
            self._known.append((_digest(token), claims))

    def _key(self, token: str, role: str) -> str:
        """Return a name for a token that tells nothing of it."""
        digest = hmac.digest(self._salt, _digest(token), "sha256")
        return f"{role}-{digest.hex()[:16]}"

    def _new(self, key: str, role: str) -> Claims:
        """Return the claims of a token that was not known before."""
        number = self._last[role] = self._last.get(role, 0) + 1
        user = f"{role}-{number}"
        return Claims(user=user, operator=role == "operator", key=key)

    def knows(self, claims: Claims) -> bool:
        """Tell whether this is what one of them stands for."""
        return claims.key in self._claims

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
        _check_lengths(config)
        self._static = StaticTokens(config.tokens, config.operator_tokens)
        self._rules = config.jwt
        self._asks = config.needs_auth, config.knows_tokens
        self._keys = _read_all(config.jwt)

    def reload(self, config: HubConfig | None = None) -> None:
        """Read the file with keys again, and take other static tokens.

        Args:
            config: Has the static tokens that hold from now on, and nothing else that
                is looked at; None keeps those of before.

        Raises:
            UsageError: If tokens or keys are of no use, or the hub would ask for tokens
                where it asked for none, or the other way round: clients were told
                which. Everything stays as it was.
        """
        static = self._static if config is None else self._instead(config)
        self._keys, self._static = _read_all(self._rules), static

    def _instead(self, config: HubConfig) -> StaticTokens:
        _check_lengths(config)
        if self._asks != (config.needs_auth, config.knows_tokens):
            raise UsageError(
                "--token: whether the hub asks for tokens at all is settled when it "
                "starts; start it again"
            )
        return StaticTokens(config.tokens, config.operator_tokens, before=self._static)

    def knows(self, claims: Claims) -> bool:
        """Tell whether the token or key behind these claims is still there."""
        return (
            not claims.key
            or self._static.knows(claims)
            or any(key.name == claims.key for key in self._keys)
        )

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
        import jwt

        keys = self._find_keys(token)
        if isinstance(keys, Denied):
            return keys
        for key in keys:
            try:
                # The key brings the algorithm. The token only has to agree, so a
                # public key is never the secret of an HMAC (RFC 8725 3.1).
                found = _signed().decode_complete(token, key.material, [key.algorithm])
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

    def _find_keys(self, token: str) -> "list[Key] | Denied":
        """Return the keys that a token's header allows to try."""
        import jwt

        try:
            header: dict[str, Any] = _signed().get_unverified_header(token)
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


def _check_lengths(config: HubConfig) -> None:
    """Find tokens that would never be looked at.

    Raises:
        UsageError: With all of them.
    """
    too_long = [
        f"--{name}: number {number} has {len(token)} characters; at most "
        f"{MOST_TOKEN} are taken"
        for name, tokens in (
            ("token", config.tokens),
            ("operator-token", config.operator_tokens),
        )
        for number, token in enumerate(tokens, start=1)
        if len(token) > MOST_TOKEN
    ]
    if too_long:
        raise UsageError(too_long)


def _read_all(rules: TokenKeys) -> "tuple[Key, ...]":
    """Return the keys of secrets and file.

    Raises:
        UsageError: If one of them is of no use.
    """
    if not rules.is_set:
        return ()
    # Here, and jwt with them: they take a quarter of a hub's start, and a hub without
    # such keys never needs them.
    from wavetank.hub.aio.keys import read_keys, read_secrets

    keys = read_secrets(rules.secrets)
    return keys if rules.file is None else keys + read_keys(rules.file)


@functools.cache
def _signed() -> "PyJWS":
    from jwt.api_jws import PyJWS

    from wavetank.hub.aio.keys import ALGORITHMS

    return PyJWS(algorithms=list(ALGORITHMS))


_MALFORMED = "the token is no JSON Web Token that can be read"


def _denied(reason: str) -> Denied:
    return Denied(ErrorCode.UNAUTHORIZED, reason)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
