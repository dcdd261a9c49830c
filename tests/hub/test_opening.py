"""The opening handshake as the hub judges it: path, origin, credentials."""

from typing import Any

import pytest

from wavetank.hub.access import Claims
from wavetank.hub.config import HubConfig
from wavetank.hub.opening import Opening, judge_opening, judge_rights
from wavetank.wire import Headers, Refusal, Request

ANN = Claims(user="ann")
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def verify(token: str) -> Claims | None:
    """Know one token."""
    return ANN if token == "good" else None


def request(target: str = "/ws", **changes: str | None) -> Request:
    """Return a sound opening handshake, but for the changes; None leaves one out."""
    fields = {
        "Host": "127.0.0.1:8765",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
    } | {name.replace("_", "-"): value for name, value in changes.items()}
    pairs = [(name, value) for name, value in fields.items() if value is not None]
    return Request("GET", target, "HTTP/1.1", Headers(pairs))


def judge(given: Request, **config: Any) -> Opening | Refusal:
    """Judge a request for a hub with this configuration."""
    return judge_opening(given, HubConfig(**config), verify)


def test_opening_is_granted_to_anybody_where_nobody_has_a_token() -> None:
    """No origin, no token, no subprotocol: ten lines of Python are enough."""
    opening = judge(request())
    assert isinstance(opening, Opening)
    assert (opening.claims, opening.is_echo, opening.is_supported) == (
        None,
        False,
        True,
    )


@pytest.mark.parametrize(
    ("offered", "chosen", "is_supported"),
    [
        (None, None, True),
        ("wavetank.v1", "wavetank.v1", True),
        ("other, wavetank.v1", "wavetank.v1", True),
        ("other", None, False),
        ("wavetank.v2, graphql-ws", None, False),
    ],
)
def test_opening_chooses_the_subprotocol_that_is_spoken(
    offered: str | None, chosen: str | None, is_supported: bool
) -> None:
    """None offered means ours; only unknown ones are answered without one."""
    opening = judge(request(Sec_WebSocket_Protocol=offered))
    assert isinstance(opening, Opening)
    assert opening.upgrade.subprotocol == chosen
    assert opening.is_supported is is_supported


def test_opening_of_the_echo_minds_no_subprotocol() -> None:
    """It speaks whatever comes."""
    opening = judge(request("/echo", Sec_WebSocket_Protocol="other"))
    assert isinstance(opening, Opening)
    assert (opening.is_echo, opening.is_supported) == (True, True)


@pytest.mark.parametrize(
    ("given", "config", "status"),
    [
        (request("/ws?token=good"), {}, 400),
        (request("/ws?access_token=good"), {"tokens": ("good",)}, 400),
        (request(Sec_WebSocket_Version="8"), {}, 426),
        (request(Upgrade=None), {}, 426),
        (request(Sec_WebSocket_Key="short"), {}, 400),
        (request(Host=None), {}, 400),
        (request(Origin="https://evil.example"), {}, 403),
        (request(Origin="null"), {}, 403),
        (request(Authorization="Bearer bad"), {"tokens": ("good",)}, 401),
        (request(Authorization="Basic good"), {"tokens": ("good",)}, 401),
        (request("/echo"), {"tokens": ("good",)}, 401),
    ],
)
def test_opening_is_refused_with_its_status(
    given: Request, config: dict[str, Any], status: int
) -> None:
    """Each rule has its own status."""
    refusal = judge(given, **config)
    assert isinstance(refusal, Refusal)
    assert refusal.status == status


def test_opening_with_a_token_is_whose_token_it_is() -> None:
    """The scheme's name ignores case, as HTTP has it."""
    for scheme in ("Bearer", "bearer"):
        opening = judge(request(Authorization=f"{scheme} good"), tokens=("good",))
        assert isinstance(opening, Opening)
        assert opening.claims == ANN


def test_opening_without_a_token_may_send_it_later() -> None:
    """The first message can be `auth`; on the echo it cannot."""
    opening = judge(request(), tokens=("good",))
    assert isinstance(opening, Opening)
    assert opening.claims is None
    echo = judge(request("/echo", Authorization="Bearer good"), tokens=("good",))
    assert isinstance(echo, Opening)


def test_opening_passes_over_a_token_where_nobody_has_one() -> None:
    """Without configured tokens everyone is anonymous."""
    opening = judge(request(Authorization="Bearer whatever"))
    assert isinstance(opening, Opening)
    assert opening.claims is None


def test_wrong_token_is_answered_with_what_is_wanted() -> None:
    """RFC 9110 11.6.1: 401 names the scheme."""
    refusal = judge(request(Authorization="Bearer bad"), tokens=("good",))
    assert isinstance(refusal, Refusal)
    assert dict(refusal.headers)["WWW-Authenticate"].startswith("Bearer")


def test_two_tokens_at_once_are_none() -> None:
    """A proxy and a client must not disagree about which one counts."""
    fields = [
        ("Host", "hub"),
        ("Authorization", "Bearer good"),
        ("Authorization", "Bearer bad"),
    ]
    twice = Request("GET", "/api/publish", "HTTP/1.1", Headers(fields))
    refusal = judge_rights(twice, HubConfig(tokens=("good",)), verify)
    assert isinstance(refusal, Refusal)
    assert refusal.status == 401


def test_rights_without_a_host_are_judged_all_the_same() -> None:
    """HTTP/1.0 has no Host; an origin is foreign to it."""
    old = Request("GET", "/x", "HTTP/1.0", Headers([("Origin", "https://a.example")]))
    refusal = judge_rights(old, HubConfig(host="0.0.0.0"), verify)
    assert isinstance(refusal, Refusal)
    assert refusal.status == 403
