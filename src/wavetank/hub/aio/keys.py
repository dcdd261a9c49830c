"""Keys that JSON Web Tokens are checked with, from a file and from secrets.

They refuse to know tokens.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, RSAAlgorithm

from wavetank.errors import UsageError

__all__ = ["ALGORITHMS", "Key", "read_keys", "read_secrets"]

ALGORITHMS = ("HS256", "RS256", "ES256")
"""What is taken. Each key is for one of them, whatever a token says of itself."""

LEAST_SECRET = 32
"""Bytes of a secret: those of the hash (RFC 7518 3.2)."""

LEAST_RSA, MOST_RSA = 2048, 16_384
"""Bits of an RSA key: RFC 7518 3.3, and what checking may cost."""

MOST_BYTES = 1024 * 1024
"""Bytes of a file with keys."""

MOST_KEYS = 64
"""Keys of a file: a token that names none is tried with each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key.

    Attributes:
        name: For logs; another key has another one, and a key keeps its own.
        algorithm: The only one that it is for.
        kid: How tokens name it; None: they need not.
        material: The key itself; not shown.
    """

    name: str
    algorithm: str
    kid: str | None = None
    material: bytes | RSAPublicKey | EllipticCurvePublicKey = field(repr=False)


class _Unfit(Exception):
    """Why something in a file cannot be taken; nothing of a key is in it."""


class _Foreign(Exception):
    """Why a key is passed over: it is sound, and for something else."""


def read_secrets(secrets: Sequence[str]) -> tuple[Key, ...]:
    """Make keys for HS256.

    Raises:
        UsageError: With everything that is wrong, and no secret.
    """
    problems, keys = [], []
    for number, secret in enumerate(secrets, start=1):
        material = secret.encode()
        try:
            HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(material)
        except jwt.InvalidKeyError:
            problems.append(f"--jwt-secret: number {number} is a key, and no secret")
        if len(material) < LEAST_SECRET:
            problems.append(
                f"--jwt-secret: number {number} has {len(material)} bytes; HS256 "
                f"needs {LEAST_SECRET} (RFC 7518 3.2)"
            )
        keys.append(Key(name=f"secret-{number}", algorithm="HS256", material=material))
    if problems:
        raise UsageError(problems)
    return tuple(keys)


def read_keys(path: Path) -> tuple[Key, ...]:
    """Read public keys from a JWKS file (RFC 7517), or from PEM.

    Of a certificate, only the key counts: not who signed it, nor until when.

    Raises:
        UsageError: With everything that is wrong with the file.
    """
    where = f"--jwt-keys {path}"
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{where}: cannot be read: {error.strerror}") from None
    if len(data) > MOST_BYTES:
        raise UsageError(f"{where}: has more than {MOST_BYTES} bytes")
    keys, problems, passed_over = _sort(_find(data))
    if not keys and not problems:
        others = f" ({'; '.join(passed_over[:5])})" if passed_over else ""
        problems = [f"has no public key for RS256 or ES256{others}"]
    if len(keys) > MOST_KEYS:
        problems.append(f"has {len(keys)} keys; at most {MOST_KEYS} are taken")
    problems += _doubles(keys)
    if problems:
        raise UsageError([f"{where}: {problem}" for problem in problems])
    return tuple(keys)


_Found = tuple[str, dict[str, Any] | str]
"""Where something stands in a file, and what: a JWK, or the text of a PEM block."""


def _find(data: bytes) -> list[_Found] | _Unfit:
    """Find what could be keys."""
    if b"-----BEGIN" in data:
        return _find_blocks(data)
    if not data.strip():
        return _Unfit("is empty")
    try:
        document = msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        return _Unfit(f"is neither PEM nor JSON: {error}")
    members = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(members, list):
        return _Unfit('is no JWK set: {"keys": [...]} (RFC 7517 5)')
    if not all(isinstance(member, dict) for member in members):
        return _Unfit("is no JWK set: each of its keys is an object (RFC 7517 5)")
    return [(f"keys[{place}]", member) for place, member in enumerate(members)]


_block = re.compile(
    r"-----BEGIN ([A-Z0-9 ]+)-----\s.*?\s-----END \1-----", re.DOTALL
).finditer


def _find_blocks(data: bytes) -> list[_Found] | _Unfit:
    text = data.decode("ascii", "replace")
    blocks = [(found[1], found[0]) for found in _block(text)]
    if len(blocks) != text.count("-----BEGIN"):
        return _Unfit("has a PEM block without its end")
    return [
        (f"block {number} ({label})", block)
        for number, (label, block) in enumerate(blocks, start=1)
    ]


def _sort(found: list[_Found] | _Unfit) -> tuple[list[Key], list[str], list[str]]:
    """Return keys, what is wrong, and what was passed over."""
    keys, problems, passed_over = [], [], []
    if isinstance(found, _Unfit):
        return [], [str(found)], []
    for place, thing in found:
        try:
            keys.append(_from_jwk(thing) if isinstance(thing, dict) else _load(thing))
        except _Unfit as error:
            problems.append(f"{place} {error}")
        except _Foreign as error:
            passed_over.append(f"{place} {error}")
    return keys, problems, passed_over


def _doubles(keys: Iterable[Key]) -> list[str]:
    """Find keys between which a token's kid could not choose."""
    seen: set[tuple[str, str]] = set()
    found = []
    for key in keys:
        if key.kid is not None:
            name = (key.kid, key.algorithm)
            if name in seen:
                found.append(f"has two {key.algorithm} keys with the kid {key.kid!a}")
            seen.add(name)
    return found


# JWK (RFC 7517).

_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
_KINDS = {"RSA": "RS256", "EC": "ES256"}


def _from_jwk(member: dict[str, Any]) -> Key:
    """Make a key of a JWK.

    Raises:
        _Unfit: If it has to be mended.
        _Foreign: If it is for something else (RFC 7517 5: to be passed over).
    """
    kind, kid = member.get("kty"), member.get("kid")
    if kind == "oct" or "k" in member:
        raise _Unfit("is a secret (oct): secrets belong into WAVETANK_JWT_SECRET")
    if not _PRIVATE.isdisjoint(member):
        raise _Unfit("is a private key: give the public one alone")
    if kid is not None and not isinstance(kid, str):
        raise _Unfit("has a kid that is no text")
    algorithm = _KINDS.get(kind) if isinstance(kind, str) else None
    if algorithm is None:
        raise _Foreign("is neither RSA nor EC")
    if member.get("alg") not in {None, algorithm}:
        raise _Foreign(f"is not for {algorithm}")
    operations = member.get("key_ops")
    if member.get("use") not in {None, "sig"} or (
        isinstance(operations, list) and "verify" not in operations
    ):
        raise _Foreign("is not for checking signatures")
    if kind == "EC" and member.get("crv") != "P-256":
        raise _Foreign("is not of the curve P-256")
    try:
        made = (RSAAlgorithm if kind == "RSA" else ECAlgorithm).from_jwk(member)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        # What they say may quote the key.
        raise _Unfit("is broken: no public key comes out of it") from None
    return _make(made, kid)


# PEM (RFC 7468).


def _load(block: str) -> Key:
    """Make a key of a PEM block.

    Raises:
        _Unfit: If it is none.
    """
    label = block.split("-----")[1].removeprefix("BEGIN ")
    data = block.encode()
    if "PRIVATE KEY" in label:
        raise _Unfit("is a private key: give the public one alone")
    try:
        if label == "CERTIFICATE":
            return _make(x509.load_pem_x509_certificate(data).public_key(), None)
        return _make(load_pem_public_key(data), None)
    except (ValueError, UnsupportedAlgorithm):
        raise _Unfit("is broken, or no public key") from None


def _make(material: object, kid: str | None) -> Key:
    """Bind a public key to the only algorithm that it is for."""
    if isinstance(material, RSAPublicKey):
        bits = material.key_size
        if not LEAST_RSA <= bits <= MOST_RSA:
            raise _Unfit(f"has {bits} bits; RSA needs {LEAST_RSA} to {MOST_RSA}")
        algorithm = "RS256"
    elif isinstance(material, EllipticCurvePublicKey):
        if not isinstance(material.curve, SECP256R1):
            raise _Unfit("is not of the curve P-256, which ES256 needs")
        algorithm = "ES256"
    else:
        raise _Unfit("is neither RSA nor EC")
    name = f"{algorithm}-{_fingerprint(material)}"
    return Key(name=name, algorithm=algorithm, kid=kid, material=material)


def _fingerprint(material: RSAPublicKey | EllipticCurvePublicKey) -> str:
    info = material.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(info).hexdigest()[:16]
