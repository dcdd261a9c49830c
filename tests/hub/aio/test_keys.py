"""Keys that JSON Web Tokens are checked with, from a file and from secrets."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, RSAAlgorithm

from wavetank.errors import UsageError
from wavetank.hub.aio.keys import MOST_BYTES, MOST_KEYS, read_keys, read_secrets

Write = Callable[[object], Path]


@pytest.fixture(scope="session")
def rsa_key() -> rsa.RSAPrivateKey:
    """An RSA key."""
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def ec_key() -> ec.EllipticCurvePrivateKey:
    """A key of P-256."""
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file: bytes as they are, a list as a JWKS, anything else as JSON."""

    def write_file(content: object) -> Path:
        file = tmp_path / "keys"
        if isinstance(content, list):
            content = {"keys": content}
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        file.write_bytes(data)
        return file

    return write_file


def problems(file: Path) -> list[str]:
    """Return what is wrong with a file, and see that each says which file."""
    with pytest.raises(UsageError) as error:
        read_keys(file)
    start = f"--jwt-keys {file}: "
    assert all(problem.startswith(start) for problem in error.value.problems)
    return [problem.removeprefix(start) for problem in error.value.problems]


def rsa_jwk(key: rsa.RSAPrivateKey, **changes: Any) -> dict[str, Any]:
    """Return the public half as a JWK."""
    return {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), **changes}


def ec_jwk(key: ec.EllipticCurvePrivateKey, **changes: Any) -> dict[str, Any]:
    """Return the public half as a JWK."""
    return {**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), **changes}


def pem(key: Any) -> bytes:
    """Return the public half as PEM."""
    data: bytes = key.public_key().public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    return data


def private_pem(key: Any) -> bytes:
    """Return the private half as PEM."""
    data: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return data


def certificate(key: Any) -> bytes:
    """Return a certificate of a key, which ended long ago."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2001, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2001, 1, 1, tzinfo=UTC) + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM)


def test_keys_of_a_set_are_bound_to_their_algorithm(
    write: Write, rsa_key: rsa.RSAPrivateKey, ec_key: ec.EllipticCurvePrivateKey
) -> None:
    """RSA is for RS256 and P-256 for ES256; the names tell them apart."""
    file = write([rsa_jwk(rsa_key, kid="a"), ec_jwk(ec_key, alg="ES256")])
    first, second = read_keys(file)
    assert (first.algorithm, first.kid) == ("RS256", "a")
    assert (second.algorithm, second.kid) == ("ES256", None)
    assert first.name.startswith("RS256-")
    assert first.name != second.name


def test_keys_are_the_same_whatever_form_they_came_in(
    write: Write, rsa_key: rsa.RSAPrivateKey
) -> None:
    """A public key, a certificate and a JWK of one key have one name."""
    forms: list[object] = [
        pem(rsa_key),
        certificate(rsa_key),
        b"Here it is:\r\n" + pem(rsa_key).replace(b"\n", b"\r\n"),
        rsa_key.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        [rsa_jwk(rsa_key, use="sig", key_ops=["verify"], kid="x", x5t="other")],
    ]
    assert len({key.name for form in forms for key in read_keys(write(form))}) == 1


def test_keys_may_be_several_blocks(
    write: Write, rsa_key: rsa.RSAPrivateKey, ec_key: ec.EllipticCurvePrivateKey
) -> None:
    """The next key stands beside the old one until its tokens are gone."""
    keys = read_keys(write(pem(rsa_key) + certificate(ec_key)))
    assert [key.algorithm for key in keys] == ["RS256", "ES256"]


def test_keys_for_something_else_are_passed_over(
    write: Write, rsa_key: rsa.RSAPrivateKey, ec_key: ec.EllipticCurvePrivateKey
) -> None:
    """RFC 7517 5: a set may hold keys that its reader has no use for."""
    p384 = ec.generate_private_key(ec.SECP384R1())
    others = [
        rsa_jwk(rsa_key, use="enc"),
        rsa_jwk(rsa_key, key_ops=["encrypt"]),
        rsa_jwk(rsa_key, alg="RS512"),
        ec_jwk(p384),
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
        {"kty": 5},
        {},
    ]
    (key,) = read_keys(write([*others, ec_jwk(ec_key)]))
    assert key.algorithm == "ES256"
    (problem,) = problems(write(others))
    assert problem.startswith("has no public key for RS256 or ES256 (keys[0] is not")
    assert "keys[3] is not of the curve P-256" in problem


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfe", "is neither PEM nor JSON"),
        (b"{", "is neither PEM nor JSON"),
        (b"[" * 100_000, "is neither PEM nor JSON"),
        (b"[]", "is no JWK set"),
        ({"kty": "RSA"}, "is no JWK set"),
        ({"keys": {}}, "is no JWK set"),
        ([1], "is no JWK set: each of its keys is an object"),
        ([], "has no public key for RS256 or ES256"),
        ([{"kty": "oct", "k": "c2VjcmV0"}], "keys[0] is a secret (oct)"),
        ([{"kty": "RSA", "k": "c2VjcmV0"}], "keys[0] is a secret (oct)"),
        ([{"kty": "RSA", "n": "AQ", "e": "AQAB", "d": "AQ"}], "is a private key"),
        ([{"kty": "EC", "crv": "P-256", "d": "AQ"}], "keys[0] is a private key"),
        ([{"kty": "RSA", "kid": 5}], "keys[0] has a kid that is no text"),
        ([{"kty": "RSA"}], "keys[0] is broken"),
        ([{"kty": "RSA", "n": 5, "e": []}], "keys[0] is broken"),
        ([{"kty": "RSA", "n": "é", "e": "AQAB"}], "keys[0] is broken"),
        ([{"kty": "RSA", "n": "AQ", "e": "AQ"}], "keys[0] is broken"),
        ([{"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"}], "keys[0] is broken"),
        (
            [{"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43}],
            "keys[0] is broken",
        ),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n", "has a PEM block without its end"),
        (
            b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
            "block 1 (PUBLIC KEY) is broken, or no public key",
        ),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "block 1 (CERTIFICATE) is broken, or no public key",
        ),
        (
            b"-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n",
            "block 1 (DH PARAMETERS) is broken, or no public key",
        ),
        (b" " * (MOST_BYTES + 1), f"has more than {MOST_BYTES} bytes"),
    ],
)
def test_file_of_no_use_is_refused_with_what_is_wrong(
    write: Write, content: object, problem: str
) -> None:
    """The file and the place in it are named."""
    found = problems(write(content))
    assert len(found) == 1
    assert problem in found[0]


def test_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Whatever the system says of it."""
    assert problems(tmp_path / "gone") == ["cannot be read: No such file or directory"]
    assert problems(tmp_path) == ["cannot be read: Is a directory"]


def test_file_with_a_private_key_is_refused_and_not_shown(
    write: Write, rsa_key: rsa.RSAPrivateKey, ec_key: ec.EllipticCurvePrivateKey
) -> None:
    """Who signs is not who checks; and a secret is not for a terminal."""
    secret = HMACAlgorithm.to_jwk(b"s" * 32, as_dict=True)
    jwks = [
        RSAAlgorithm.to_jwk(rsa_key, as_dict=True),
        ECAlgorithm.to_jwk(ec_key, as_dict=True),
        secret,
    ]
    for content, count in (
        (jwks, 3),
        (private_pem(rsa_key), 1),
        (pem(ec_key) + private_pem(ec_key), 1),
    ):
        found = problems(write(content))
        assert len(found) == count
        assert all(" is a private key" in text or "(oct)" in text for text in found)
        assert all(str(secret["k"]) not in text for text in found)


@pytest.mark.parametrize("form", ["jwk", "pem"])
def test_weak_keys_are_refused(write: Write, form: str) -> None:
    """RFC 7518 3.3: 2048 bits; fewer can be broken."""
    weak = rsa.generate_private_key(65537, 1024)
    (problem,) = problems(write([rsa_jwk(weak)] if form == "jwk" else pem(weak)))
    assert "has 1024 bits; RSA needs 2048" in problem


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        (ed25519.Ed25519PrivateKey.generate(), "is neither RSA nor EC"),
        (ec.generate_private_key(ec.SECP384R1()), "is not of the curve P-256"),
    ],
)
def test_pem_of_another_kind_is_refused(write: Write, key: Any, problem: str) -> None:
    """A file of one key that is of no use is a mistake."""
    assert problem in problems(write(pem(key)))[0]


def test_two_keys_of_one_name_are_refused(
    write: Write, rsa_key: rsa.RSAPrivateKey, ec_key: ec.EllipticCurvePrivateKey
) -> None:
    """A kid could not choose between them; of two algorithms it can (RFC 7517 4.5)."""
    pair = [rsa_jwk(rsa_key, kid="a\n"), ec_jwk(ec_key, kid="a\n")]
    assert len(read_keys(write(pair))) == 2
    found = problems(write([*pair, rsa_jwk(rsa_key, kid="a\n")]))
    assert found == ["has two RS256 keys with the kid 'a\\n'"]


def test_keys_are_bounded_in_number(
    write: Write, ec_key: ec.EllipticCurvePrivateKey
) -> None:
    """A token without a kid is tried with each of them."""
    jwk = ec_jwk(ec_key)
    assert len(read_keys(write([jwk] * MOST_KEYS))) == MOST_KEYS
    found = problems(write([jwk] * (MOST_KEYS + 1)))
    assert found == [f"has {MOST_KEYS + 1} keys; at most {MOST_KEYS} are taken"]


def test_secrets_are_keys_for_hmac_alone() -> None:
    """They are named by their number."""
    keys = read_secrets(["s" * 32, "ü" * 16])
    assert [(key.name, key.algorithm, key.kid) for key in keys] == [
        ("secret-1", "HS256", None),
        ("secret-2", "HS256", None),
    ]
    assert "sss" not in repr(keys)


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        ("s" * 31, "number 2 has 31 bytes; HS256 needs 32 (RFC 7518 3.2)"),
        ("", "number 2 is a key, and no secret"),
        ('{"kty":"oct","k":"c2VjcmV0c2VjcmV0c2VjcmV0"}', "is a key, and no secret"),
    ],
)
def test_secret_that_is_none_is_refused_and_not_shown(
    secret: str, problem: str
) -> None:
    """A short one can be guessed; a public key is known to all."""
    with pytest.raises(UsageError) as error:
        read_secrets(["a" * 32, secret])
    assert problem in error.value.problems[0]
    assert not secret or secret not in str(error.value)


def test_public_key_is_no_secret(rsa_key: rsa.RSAPrivateKey) -> None:
    """Somebody who mixes up the two options would let everybody sign."""
    with pytest.raises(UsageError, match="number 1 is a key, and no secret"):
        read_secrets([pem(rsa_key).decode()])
