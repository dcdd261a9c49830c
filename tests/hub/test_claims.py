"""Claims of a JSON Web Token: its payload becomes who and what."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.hub.access import Action, Claims, Denied, may
from wavetank.hub.claims import LEEWAY, read_claims
from wavetank.protocol import ErrorCode

NOW = 1_790_000_000.0


def payload(**changes: Any) -> bytes:
    """Return the payload of a sound token, but for the changes; ... leaves one out."""
    fields = {"sub": "ann", "exp": NOW + 60} | changes
    kept = {name: value for name, value in fields.items() if value is not ...}
    return json.dumps(kept).encode()


def read(given: bytes, **options: Any) -> Claims | Denied:
    """Read a payload now."""
    return read_claims(given, NOW, key="k-1", **options)


def reason(found: Claims | Denied) -> str:
    """Return why a token was refused as nobody's."""
    assert isinstance(found, Denied)
    assert found.code == ErrorCode.UNAUTHORIZED
    return found.reason


def test_claims_are_what_the_token_says() -> None:
    """Who, what, until when, and which key vouches for it."""
    rights = {
        "subscribe": ["prices.*"],
        "publish": ["orders.**", "a.b"],
        "history": [],
        "operator": True,
    }
    assert read(payload(wavetank=rights)) == Claims(
        user="ann",
        subscribe=("prices.*",),
        publish=("orders.**", "a.b"),
        history=(),
        operator=True,
        expires_at=NOW + 60,
        key="k-1",
    )


@pytest.mark.parametrize("rights", [..., None, {}, {"subscribe": None, "other": 1}])
def test_claims_without_a_list_allow_nothing(rights: Any) -> None:
    """Who is known is not yet allowed anything."""
    claims = read(payload(wavetank=rights))
    assert isinstance(claims, Claims)
    assert not claims.operator
    for action in Action:
        assert not may(claims, action, "a")


def test_claims_allow_the_past_of_what_may_be_subscribed_to() -> None:
    """Where there is no list for the history."""
    claims = read(payload(wavetank={"subscribe": ["a.*"]}))
    assert isinstance(claims, Claims)
    assert may(claims, Action.HISTORY, "a.b")
    assert not may(claims, Action.HISTORY, "b")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"sub": ...}, "`sub`"),
        ({"sub": None}, "`$.sub`"),
        ({"sub": 42}, "`$.sub`"),
        ({"sub": ["ann"]}, "`$.sub`"),
        ({"sub": ""}, "`$.sub`"),
        ({"sub": "a" * 129}, "`$.sub`"),
        ({"sub": "ann\n"}, "sub has characters"),
        ({"sub": "ann\u202egnp"}, "sub has characters"),
        ({"sub": "token-1"}, "sub is a name that this hub gives"),
        ({"sub": "operator-07"}, "sub is a name that this hub gives"),
        ({"sub": "anonymous"}, "sub is a name that this hub gives"),
        ({"sub": "hub"}, "sub is a name that this hub gives"),
        ({"exp": ...}, "`exp`"),
        ({"exp": None}, "`$.exp`"),
        ({"exp": "1790000000"}, "`$.exp`"),
        ({"exp": True}, "`$.exp`"),
        ({"exp": NOW * 1000}, "exp is not in seconds"),
        ({"exp": 1e300}, "exp is not in seconds"),
        ({"nbf": "now"}, "`$.nbf`"),
        ({"nbf": 1e300}, "nbf is 1e+300 s ahead"),
        ({"nbf": NOW + LEEWAY + 1}, "not valid yet: nbf is 6 s ahead"),
        ({"iat": [NOW]}, "`$.iat`"),
        ({"iat": NOW + 3600}, "not valid yet: iat is 3600 s ahead"),
        ({"iss": 1}, "`$.iss`"),
        ({"aud": {"a": 1}}, "`$.aud`"),
        ({"aud": ["a", 1]}, "`$.aud[1]`"),
        ({"aud": "hub"}, "this hub has no --jwt-audience"),
        ({"aud": ["", "hub"]}, "this hub has no --jwt-audience"),
        ({"wavetank": "**"}, "`$.wavetank`"),
        ({"wavetank": []}, "`$.wavetank`"),
        ({"wavetank": {"subscribe": "**"}}, "`$.wavetank.subscribe`"),
        ({"wavetank": {"publish": [1]}}, "`$.wavetank.publish[0]`"),
        ({"wavetank": {"operator": 1}}, "`$.wavetank.operator`"),
        ({"wavetank": {"history": ["a", "a b"]}}, "wavetank.history[1] is no pattern"),
        ({"wavetank": {"subscribe": [""]}}, "wavetank.subscribe[0] is no pattern"),
        ({"wavetank": {"publish": ["**.a"]}}, "wavetank.publish[0] is no pattern"),
    ],
)
def test_claims_that_are_wrong_are_refused_with_the_reason(
    changes: dict[str, Any], why: str
) -> None:
    """Whoever makes the tokens learns which claim to mend."""
    assert why in reason(read(payload(**changes)))


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"[]",
        b"null",
        b'"ann"',
        b"{",
        b'{"sub":"ann","exp":NaN}',
        b'{"sub":"ann","exp":1e999}',
        b'{"sub":"\xff","exp":9}',
        b'{"sub":"\\ud800","exp":9}',
        b'{"sub":"ann","exp":9,"x":' + b"[" * 100_000,
        b'{"sub":"ann","exp":9,"wavetank":' + b'{"a":' * 100_000,
    ],
)
def test_payload_that_is_no_object_is_refused(given: bytes) -> None:
    """Also where it is nested deeper than anybody can count."""
    assert "cannot be read" in reason(read(given))


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({"nbf": NOW + LEEWAY, "iat": NOW + LEEWAY}, {}),
        ({"nbf": None, "iat": None, "iss": None, "aud": None}, {}),
        ({"nbf": -1e300, "iat": 0.5}, {}),
        ({"aud": ""}, {}),  # as good as none
        ({"aud": []}, {}),
        ({"iss": "anybody"}, {}),
        ({"aud": "hub"}, {"audience": "hub"}),
        ({"aud": ["other", "hub"]}, {"audience": "hub"}),
        ({"iss": "https://id.example"}, {"issuer": "https://id.example"}),
        ({"sub": "a" * 128}, {}),
        ({"sub": "Änne Müller"}, {}),
        ({"sub": "token-1a"}, {}),
        ({"sub": "Token-1"}, {}),
        ({"exp": NOW + 0.001}, {}),
        ({"jti": 5, "scope": ["x"]}, {}),  # other claims are passed over
    ],
)
def test_claims_at_the_edge_are_taken(
    changes: dict[str, Any], options: dict[str, Any]
) -> None:
    """A clock may be a little ahead; what is left out or unknown does not matter."""
    assert isinstance(read(payload(**changes), **options), Claims)


@pytest.mark.parametrize(
    ("changes", "options", "why"),
    [
        ({}, {"audience": "hub"}, "aud does not name this hub"),
        ({"aud": "other"}, {"audience": "hub"}, "aud does not name this hub"),
        ({"aud": []}, {"audience": "hub"}, "aud does not name this hub"),
        ({"aud": ["Hub"]}, {"audience": "hub"}, "aud does not name this hub"),
        ({}, {"issuer": "https://id.example"}, "iss is not the issuer"),
        (
            {"iss": "https://id.example/"},
            {"issuer": "https://id.example"},
            "iss is not the issuer",
        ),
    ],
)
def test_claims_of_another_place_are_refused(
    changes: dict[str, Any], options: dict[str, Any], why: str
) -> None:
    """What is configured has to be there, letter by letter."""
    assert why in reason(read(payload(**changes), **options))


@pytest.mark.parametrize(("ago", "shown"), [(0.0, "0"), (3600.5, "3600.5"), (NOW, "")])
def test_expired_token_is_told_as_such(ago: float, shown: str) -> None:
    """It ends at the second that it says, so that a client knows when to renew it."""
    found = read(payload(exp=NOW - ago))
    assert isinstance(found, Denied)
    assert found.code == ErrorCode.TOKEN_EXPIRED
    assert f"expired {shown}" in found.reason


def test_expired_token_that_is_wrong_too_is_wrong() -> None:
    """A new token of the same kind would not help."""
    assert "iss" in reason(read(payload(exp=1), issuer="https://id.example"))


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=5)
NAMES = ["sub", "exp", "nbf", "iat", "iss", "aud", "wavetank"]


@given(st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_claims_of_any_shape_are_claims_or_a_reason(changes: dict[str, Any]) -> None:
    """Nothing in a payload makes the reader stumble, and no reason is long."""
    found = read(payload(**changes))
    assert isinstance(found, Claims | Denied)
    if isinstance(found, Denied):
        assert 0 < len(found.reason) < 300
