"""Who a token belongs to."""

import base64
import hashlib
import hmac
import json
import warnings
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from wavetank.errors import UsageError
from wavetank.hub.access import Claims, Denied
from wavetank.hub.aio.auth import MOST_TOKEN, StaticTokens, Tokens
from wavetank.hub.config import HubConfig, TokenKeys
from wavetank.protocol import ErrorCode

NOW = 1_790_000_000.0
SECRET = "0123456789abcdef0123456789abcdef"
OTHER = "another secret of at least 32 bytes"
PAYLOAD: dict[str, Any] = {"sub": "ann", "exp": NOW + 60}

Rsa = rsa.RSAPrivateKey
Ec = ec.EllipticCurvePrivateKey


@pytest.fixture(scope="session")
def rsa_key() -> Rsa:
    """The issuer's RSA key."""
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def ec_key() -> Ec:
    """The issuer's key of P-256."""
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="session")
def strange_key() -> Ec:
    """Somebody else's key."""
    return ec.generate_private_key(ec.SECP256R1())


def jwk(key: Rsa | Ec, **more: Any) -> dict[str, Any]:
    """Return the public half as a JWK."""
    if isinstance(key, rsa.RSAPrivateKey):
        return {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), **more}
    return {**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), **more}


def key_file(folder: Path, *keys: dict[str, Any]) -> Path:
    """Write a JWKS file."""
    file = folder / "keys.json"
    file.write_text(json.dumps({"keys": keys}))
    return file


def make(file: Path | None = None, **options: Any) -> Tokens:
    """Return the tokens of a hub with one secret and maybe a file."""
    keys = TokenKeys(**({"secrets": (SECRET,), "file": file} | options))
    return Tokens(HubConfig(tokens=("static",), jwt=keys))


def sign(
    key: Any = SECRET, algorithm: str = "HS256", *, header: Any = None, **claims: Any
) -> str:
    """Sign a token, as an issuer does."""
    payload = PAYLOAD | claims
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", jwt.InsecureKeyLengthWarning)
        return jwt.encode(payload, key, algorithm, headers=header)


def part(value: Any) -> str:
    """Return one part of a token."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forge(header: Any, payload: Any = PAYLOAD, secret: bytes = SECRET.encode()) -> str:
    """Sign by hand what no library would."""
    signed = f"{part(header)}.{part(payload)}"
    digest = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{part(digest)}"


def reason(found: Claims | Denied) -> str:
    """Return why a token was refused as nobody's."""
    assert isinstance(found, Denied)
    assert found.code == ErrorCode.UNAUTHORIZED
    assert 0 < len(found.reason) < 200
    return found.reason


def user(found: Claims | Denied) -> str:
    """Return whose a good token is."""
    assert isinstance(found, Claims)
    return found.user


def test_tokens_have_users_of_their_own() -> None:
    """Each token is a user; an operator's token is one with more rights."""
    tokens = StaticTokens(["first", "second"], ["boss"])
    users = [tokens.verify(token) for token in ("first", "second", "boss")]
    assert [claims and (claims.user, claims.operator) for claims in users] == [
        ("token-1", False),
        ("token-2", False),
        ("operator-1", True),
    ]


@pytest.mark.parametrize("token", ["", "firs", "first ", "FIRST", "ü", "\ud800"])
def test_tokens_nobody_has_are_nobodys(token: str) -> None:
    """Nearly right is wrong, whatever characters it is made of."""
    assert StaticTokens(["first"]).verify(token) is None
    assert reason(make().verify(token, NOW)) == "the token is wrong"


def test_tokens_are_not_shown() -> None:
    """A log line may show the object."""
    assert repr(StaticTokens(["secret"])) == "<StaticTokens 1>"
    assert repr(make()) == "<Tokens 1 static, 1 keys>"


def test_no_tokens_let_nobody_in() -> None:
    """An empty table is not an open door."""
    assert StaticTokens([]).verify("") is None
    assert reason(Tokens(HubConfig()).verify("", NOW)) == "the token is wrong"


def test_static_tokens_stand_beside_signed_ones() -> None:
    """Each is found, dots or not, and each is vouched for by what it is."""
    config = HubConfig(
        tokens=("static", "a.b.c"),
        operator_tokens=("boss",),
        jwt=TokenKeys(secrets=(SECRET,)),
    )
    tokens = Tokens(config)
    found = [tokens.verify(each, NOW) for each in ("static", "a.b.c", "boss", sign())]
    assert [user(each) for each in found] == ["token-1", "token-2", "operator-1", "ann"]
    keys = [each.key.partition("-")[0] for each in found if isinstance(each, Claims)]
    assert keys == ["token", "token", "operator", "secret"]


def test_signed_tokens_need_a_key() -> None:
    """Without one, all of them are wrong."""
    tokens = Tokens(HubConfig(tokens=("static",)))
    assert reason(tokens.verify(sign(), NOW)) == "the token is wrong"


def test_token_is_taken_of_each_kind_of_key(
    tmp_path: Path, rsa_key: Rsa, ec_key: Ec
) -> None:
    """HS256 with any of the secrets, RS256 and ES256 with the file's keys."""
    file = key_file(tmp_path, jwk(rsa_key, kid="r"), jwk(ec_key))
    tokens = make(file, secrets=(OTHER, SECRET))
    for token, key in (
        (sign(), "secret-2"),
        (sign(OTHER), "secret-1"),
        (sign(header={"kid": "r"}), "secret-2"),  # secrets have no names
        (sign(rsa_key, "RS256"), "RS256-"),
        (sign(rsa_key, "RS256", header={"kid": "r"}), "RS256-"),
        (sign(ec_key, "ES256", header={"kid": "any"}), "ES256-"),  # its key has none
    ):
        found = tokens.verify(token, NOW)
        assert isinstance(found, Claims)
        assert found.key.startswith(key)
        assert tokens.knows(found)


def test_token_is_taken_of_a_pem_file(tmp_path: Path, rsa_key: Rsa) -> None:
    """PEM has no kid, so any will do."""
    file = tmp_path / "key.pem"
    public = rsa_key.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    file.write_bytes(pem)
    tokens = make(file, secrets=())
    token = sign(rsa_key, "RS256", header={"kid": "2026-01"})
    assert user(tokens.verify(token, NOW)) == "ann"
    assert "not one of RS256" in reason(tokens.verify(sign(), NOW))
    # Whoever has the public key could otherwise sign with it (RFC 8725 2.1).
    forged = forge({"alg": "HS256"}, secret=pem)
    assert "not one of RS256" in reason(tokens.verify(forged, NOW))


def test_token_of_a_public_key_as_a_secret_is_wrong(
    tmp_path: Path, rsa_key: Rsa, ec_key: Ec
) -> None:
    """Algorithm confusion: a key never changes its kind, whatever a token says."""
    file = key_file(tmp_path, jwk(rsa_key, kid="r"), jwk(ec_key, kid="e"))
    tokens = make(file)
    for key in (rsa_key, ec_key):
        for form in (Encoding.PEM, Encoding.DER):
            secret = key.public_key().public_bytes(
                form, PublicFormat.SubjectPublicKeyInfo
            )
            for kid in ("r", "e"):
                forged = forge({"alg": "HS256", "kid": kid}, secret=secret)
                assert "signature" in reason(tokens.verify(forged, NOW))
    # And the other way round: an ES256 signature that says that it is RS256.
    header, _, rest = sign(ec_key, "ES256", header={"kid": "e"}).partition(".")
    del header
    confused = f"{part({'alg': 'RS256', 'kid': 'r'})}.{rest}"
    assert "signature" in reason(tokens.verify(confused, NOW))


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ({"alg": "none"}, "alg is not one of ES256, HS256"),
        ({"alg": "NONE"}, "alg is not one of"),
        ({"alg": "None"}, "alg is not one of"),
        ({"alg": ""}, "alg is not one of"),
        ({}, "alg is not one of"),
        ({"alg": None}, "alg is not one of"),
        ({"alg": ["HS256"]}, "alg is not one of"),
        ({"alg": {"HS256": 1}}, "alg is not one of"),
        ({"alg": "HS512"}, "alg is not one of"),
        ({"alg": "hs256"}, "alg is not one of"),
        ({"alg": "RS256"}, "alg is not one of"),  # no such key here
        ({"alg": "ES256", "kid": "unknown"}, "kid is of no key"),
        ({"alg": "ES256", "kid": ""}, "kid is of no key"),
        ({"alg": "HS256", "kid": 5}, "wrong kid"),
        ({"alg": "HS256", "kid": ["e"]}, "wrong kid"),
        ({"alg": "HS256", "crit": ["exp"]}, "unknown crit"),
        ({"alg": "HS256", "crit": []}, "unknown crit"),
        ({"alg": "HS256", "crit": "b64"}, "unknown crit"),
        ({"alg": "HS256", "crit": ["b64"], "b64": True}, "asks for an extension"),
        ({"alg": "HS256", "b64": True}, "asks for an extension"),
        ({"alg": "HS256", "b64": False}, "no JSON Web Token"),
        ([], "no JSON Web Token"),
        ("HS256", "no JSON Web Token"),
        (b"{", "no JSON Web Token"),
        (b"\xff", "no JSON Web Token"),
        (b'{"alg":' + b"[" * 3000, "no JSON Web Token"),
        (b'{"a":' * 1000, "no JSON Web Token"),
        (b'{"alg":' + b"9" * 5000, "no JSON Web Token"),
    ],
)
def test_token_with_a_bad_header_is_refused_with_the_reason(
    tmp_path: Path, ec_key: Ec, header: Any, why: str
) -> None:
    """Although its HMAC is right; no text has anything of the token."""
    tokens = make(key_file(tmp_path, jwk(ec_key, kid="e")))
    assert why in reason(tokens.verify(forge(header), NOW))


def test_token_brings_no_key_of_its_own(
    tmp_path: Path, ec_key: Ec, strange_key: Ec
) -> None:
    """Keys and addresses in a header are what RFC 8725 2.9 and 2.10 warn of."""
    tokens = make(key_file(tmp_path, jwk(ec_key)))
    for header in (
        {"jwk": jwk(strange_key)},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/key.pem"},
    ):
        token = sign(strange_key, "ES256", header=header)
        assert "signature" in reason(tokens.verify(token, NOW))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_token_that_was_tampered_with_is_wrong(
    tmp_path: Path, rsa_key: Rsa, ec_key: Ec, place: int
) -> None:
    """One other character in any part is one too many."""
    tokens = make(key_file(tmp_path, jwk(rsa_key), jwk(ec_key)))
    for token in (sign(), sign(rsa_key, "RS256"), sign(ec_key, "ES256")):
        parts = token.split(".")
        middle = len(parts[place]) // 2
        other = "A" if parts[place][middle] != "A" else "B"
        parts[place] = parts[place][:middle] + other + parts[place][middle + 1 :]
        assert reason(tokens.verify(".".join(parts), NOW))


def test_token_without_its_signature_is_wrong(
    tmp_path: Path, rsa_key: Rsa, ec_key: Ec
) -> None:
    """None, a short one, a long one, and one of zeros."""
    tokens = make(key_file(tmp_path, jwk(rsa_key), jwk(ec_key)))
    for token in (sign(), sign(rsa_key, "RS256"), sign(ec_key, "ES256")):
        signed = token.rpartition(".")[0]
        for signature in (b"", b"\0", b"\0" * 32, b"\0" * 64, b"\xff" * 300):
            found = tokens.verify(f"{signed}.{part(signature)}", NOW)
            assert "signature" in reason(found)


def test_token_of_a_strange_key_is_wrong(
    tmp_path: Path, ec_key: Ec, strange_key: Ec
) -> None:
    """Even under the right name; of two keys without a name, each is tried."""
    tokens = make(key_file(tmp_path, jwk(ec_key, kid="e")))
    token = sign(strange_key, "ES256", header={"kid": "e"})
    assert "signature" in reason(tokens.verify(token, NOW))
    assert "signature" in reason(tokens.verify(sign(OTHER), NOW))
    both = make(key_file(tmp_path, jwk(ec_key), jwk(strange_key)))
    assert user(both.verify(token, NOW)) == "ann"


def test_token_is_of_the_key_that_it_names(
    tmp_path: Path, ec_key: Ec, strange_key: Ec
) -> None:
    """A name chooses among keys that have one; without it, all are tried."""
    tokens = make(key_file(tmp_path, jwk(ec_key, kid="a"), jwk(strange_key, kid="b")))
    right = sign(strange_key, "ES256", header={"kid": "b"})
    wrong = sign(strange_key, "ES256", header={"kid": "a"})
    assert user(tokens.verify(right, NOW)) == "ann"
    assert "signature" in reason(tokens.verify(wrong, NOW))
    assert user(tokens.verify(sign(strange_key, "ES256"), NOW)) == "ann"


def test_huge_token_is_not_looked_at() -> None:
    """Its length alone decides, before anything is parsed."""
    tokens = make()
    longest = MOST_TOKEN - len(sign(pad=""))
    assert user(tokens.verify(sign(pad="a" * (longest * 3 // 4 - 8)), NOW)) == "ann"
    assert "at most 8192 are taken" in reason(tokens.verify("a" * 8193, NOW))
    huge = "eyJ" + "." * 1_000_000
    assert "1000003 characters" in reason(tokens.verify(huge, NOW))


@pytest.mark.parametrize(
    "token", ["..", "a.b", "a.b.c.d", "a.b.c", "é.é.é", "\ud800..", "a .b.c", "A.A.A"]
)
def test_text_that_is_no_token_is_refused(token: str) -> None:
    """Whatever its characters are."""
    assert reason(make().verify(token, NOW))


def test_payload_is_read_only_behind_a_right_signature() -> None:
    """Whoever has no key cannot make the hub parse anything but a header."""
    tokens = make()
    deep = b'{"sub":' + b"[" * 5000
    assert "cannot be read" in reason(tokens.verify(forge({"alg": "HS256"}, deep), NOW))
    wrong = forge({"alg": "HS256"}, deep, secret=b"wrong")
    assert "signature" in reason(tokens.verify(wrong, NOW))


def test_expired_token_is_told_as_such() -> None:
    """By the time that is handed in, and no other clock."""
    tokens = make()
    assert user(tokens.verify(sign(), NOW + 59.9)) == "ann"
    found = tokens.verify(sign(), NOW + 60)
    assert isinstance(found, Denied)
    assert found.code == ErrorCode.TOKEN_EXPIRED


@pytest.mark.parametrize(
    ("options", "claims", "why"),
    [
        ({"audience": "hub"}, {"aud": "hub"}, ""),
        ({"audience": "hub"}, {"aud": "other"}, "aud does not name this hub"),
        ({}, {"aud": "hub"}, "no --jwt-audience"),
        ({"issuer": "me"}, {"iss": "me"}, ""),
        ({"issuer": "me"}, {"iss": "you"}, "iss is not the issuer"),
        ({}, {"sub": 5}, "$.sub"),
        ({}, {"nbf": NOW + 60}, "nbf is 60 s ahead"),
    ],
)
def test_token_is_judged_by_what_is_configured(
    options: dict[str, Any], claims: dict[str, Any], why: str
) -> None:
    """Audience and issuer come from the hub's options."""
    # PyJWT does not sign a `sub` that is no text.
    token = forge({"alg": "HS256"}, PAYLOAD | claims)
    found = make(**options).verify(token, NOW)
    assert why in reason(found) if why else user(found) == "ann"


def test_reload_reads_the_keys_again(
    tmp_path: Path, ec_key: Ec, strange_key: Ec
) -> None:
    """The new key counts at once, and the old one no longer; secrets stay."""
    tokens = make(key_file(tmp_path, jwk(ec_key)))
    old = tokens.verify(sign(ec_key, "ES256"), NOW)
    assert isinstance(old, Claims)
    key_file(tmp_path, jwk(strange_key))
    tokens.reload()
    assert not tokens.knows(old)
    assert tokens.knows(Claims(user="token-1"))
    assert "signature" in reason(tokens.verify(sign(ec_key, "ES256"), NOW))
    assert user(tokens.verify(sign(strange_key, "ES256"), NOW)) == "ann"
    assert user(tokens.verify(sign(), NOW)) == "ann"


def test_reload_takes_other_static_tokens() -> None:
    """Who goes is known no longer; who stays keeps the name; who comes has a new one.

    The user of a withdrawn token was somebody; nobody else is to be taken for that.
    """
    tokens = Tokens(HubConfig(tokens=("a", "b", "c"), operator_tokens=("boss",)))
    before = {name: tokens.verify(name, NOW) for name in ("a", "b", "c", "boss")}
    tokens.reload(HubConfig(tokens=("c", "d", "boss"), operator_tokens=("chief",)))
    known = [
        name
        for name, claims in before.items()
        if isinstance(claims, Claims) and tokens.knows(claims)
    ]
    assert known == ["c"]
    assert reason(tokens.verify("a", NOW)) == "the token is wrong"
    names = [user(tokens.verify(name, NOW)) for name in ("c", "d", "boss", "chief")]
    assert names == ["token-3", "token-4", "token-5", "operator-2"]
    chief = tokens.verify("chief", NOW)
    assert isinstance(chief, Claims)
    assert chief.operator


def test_a_name_of_a_static_token_tells_nothing_of_it() -> None:
    """A log may show it: a weak token could be guessed from its digest."""
    one, other = (Tokens(HubConfig(tokens=("a",))).verify("a", NOW) for _ in range(2))
    assert isinstance(one, Claims)
    assert isinstance(other, Claims)
    assert one.key != other.key


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (("a",), (), "settled when it starts"),
        ((), ("a",), "settled when it starts"),
        (("a",), ("a" * (MOST_TOKEN + 1),), "number 1 has 8193 characters"),
    ],
)
def test_reload_of_tokens_that_cannot_be_keeps_those_of_before(
    before: tuple[str, ...], after: tuple[str, ...], why: str
) -> None:
    """Nor does a hub open to all, or close to all, at a signal."""
    tokens = Tokens(HubConfig(tokens=before))
    with pytest.raises(UsageError, match=why):
        tokens.reload(HubConfig(tokens=after))
    found = tokens.verify("a", NOW)
    assert isinstance(found, Claims) is bool(before)


def test_reload_of_a_broken_file_keeps_the_old_keys(tmp_path: Path, ec_key: Ec) -> None:
    """Half a file must not lock everybody out."""
    file = key_file(tmp_path, jwk(ec_key))
    tokens = make(file)
    for broken in ("", '{"keys": [', '{"keys": []}'):
        file.write_text(broken)
        with pytest.raises(UsageError, match=r"--jwt-keys .*keys\.json: "):
            tokens.reload()
    file.unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        tokens.reload()
    assert user(tokens.verify(sign(ec_key, "ES256"), NOW)) == "ann"


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (HubConfig(jwt=TokenKeys(secrets=("short",))), "--jwt-secret: number 1"),
        (HubConfig(jwt=TokenKeys(file=Path("/nowhere/keys"))), "--jwt-keys /nowhere"),
        (HubConfig(tokens=("a", "b" * 8193)), "--token: number 2 has 8193"),
        (HubConfig(operator_tokens=("b" * 8193,)), "--operator-token: number 1 has"),
    ],
)
def test_tokens_that_could_never_be_right_stop_the_start(
    config: HubConfig, problem: str
) -> None:
    """The user hears which option to mend."""
    with pytest.raises(UsageError) as error:
        Tokens(config)
    assert problem in str(error.value)


HEADERS = st.dictionaries(
    st.sampled_from(["alg", "kid", "crit", "b64", "typ"]),
    st.sampled_from(["HS256", "none", "", ["b64"], [], {}, None, 5, True, False, "k"]),
)


@given(HEADERS | st.binary(max_size=50), st.binary(max_size=50), st.binary(max_size=40))
def test_any_three_parts_are_refused_and_break_nothing(
    header: Any, payload: bytes, signature: bytes
) -> None:
    """Hostile bytes get an answer, never an exception."""
    token = f"{part(header)}.{part(payload)}.{part(signature)}"
    assert reason(TOKENS.verify(token, NOW))


@given(st.text(max_size=100))
def test_any_text_is_refused_and_breaks_nothing(text: str) -> None:
    """Also text that is no ASCII, and surrogates."""
    for token in (text, f"eyJ.{text}.", f"{text}.{text}.{text}"):
        assert reason(TOKENS.verify(token, NOW))


TOKENS = make()
