"""The opening handshake as the hub judges it: path, origin, credentials."""

from typing import Any

import pytest

from wavetank.hub.access import MOST_SHOWN, Claims, Denied
from wavetank.hub.config import HubConfig, TokenKeys
from wavetank.hub.opening import (
    Opening,
    judge_opening,
    judge_rights,
    shown_target,
    unauthorized,
)
from wavetank.protocol import ErrorCode
from wavetank.wire import Headers, Refusal, Request

ANN = Claims(user="ann")
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def verify(token: str) -> Claims | Denied:
    """Know one token, and one that was good."""
    if token == "old":
        return Denied(ErrorCode.TOKEN_EXPIRED, "the token expired 5 s ago")
    return (
        ANN
        if token == "good"
        else Denied(ErrorCode.UNAUTHORIZED, 'not "that" one: \\ü')
    )


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
        (request("/echo"), {"jwt": TokenKeys(secrets=("s" * 32,))}, 401),
        (request(Authorization="Bearer old"), {"operator_tokens": ("x",)}, 401),
        (request("/ws?" + "a&" * 101), {}, 400),
        (request("/ws?%74oken=good"), {"tokens": ("good",)}, 400),
        (request("/ws?jwt=good"), {"tokens": ("good",), "query_token": True}, 400),
        (request("/ws?token=bad"), {"tokens": ("good",), "query_token": True}, 401),
        (request("/ws?token"), {"tokens": ("good",), "query_token": True}, 401),
        (
            request("/ws?token=good&access_token=good"),
            {"tokens": ("good",), "query_token": True},
            400,
        ),
        (
            request("/ws?token=good", Authorization="Bearer good"),
            {"tokens": ("good",), "query_token": True},
            400,
        ),
        (request(Host="evil.example:8765"), {}, 421),
        (request(Host="evil.example", Origin="http://evil.example"), {}, 421),
        (request(Host="evil.example"), {"operator_tokens": ("boss",)}, 421),
        (
            request(Host="evil.example"),
            {"tokens": ("good",), "allow_anonymous": True},
            421,
        ),
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


@pytest.mark.parametrize(
    ("token", "described"),
    [
        ("bad", "not 'that' one: ''"),
        ("old", "the token expired 5 s ago"),
    ],
)
def test_wrong_token_is_answered_with_what_is_wrong(token: str, described: str) -> None:
    """RFC 6750 3: the error and its description, in the characters that it allows."""
    refusal = judge(request(Authorization=f"Bearer {token}"), tokens=("good",))
    assert isinstance(refusal, Refusal)
    assert dict(refusal.headers)["WWW-Authenticate"] == (
        'Bearer realm="wavetank", error="invalid_token", '
        f'error_description="{described}"'
    )
    assert refusal.text == ('not "that" one: \\ü' if token == "bad" else described)


def test_missing_token_is_asked_for_without_an_error() -> None:
    """RFC 6750 3.1: whoever sent no token hears of no error code."""
    refusal = unauthorized("a token is needed")
    assert refusal.headers == (("WWW-Authenticate", 'Bearer realm="wavetank"'),)


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
    assert refusal.status == 400


@pytest.mark.parametrize(
    "target",
    [
        "/ws?token=good",
        "/ws?a=1&access_token=good",
        "/ws?Token=g%6Fod",
        "/echo?token=good",
    ],
)
def test_token_in_the_query_is_taken_where_that_was_asked_for(target: str) -> None:
    """Browsers cannot send a header; whoever turns that on knows the price."""
    opening = judge(request(target), tokens=("good",), query_token=True)
    assert isinstance(opening, Opening)
    assert opening.claims == ANN


def test_token_in_the_query_does_not_matter_where_nobody_has_one() -> None:
    """Without configured tokens everyone is anonymous."""
    opening = judge(request("/ws?token=x"), query_token=True)
    assert isinstance(opening, Opening)
    assert opening.claims is None


@pytest.mark.parametrize(
    ("host", "config"),
    [
        ("localhost:8765", {}),
        ("[::1]:8765", {"host": "::1"}),
        ("app.example", {"allow_origins": ("https://app.example",)}),
        ("hub.example", {"tokens": ("good",)}),  # a proxy's name: a token is asked for
        ("hub.example", {"host": "0.0.0.0", "allow_anonymous": True}),
    ],
)
def test_host_is_taken_where_it_gives_nothing_away(
    host: str, config: dict[str, Any]
) -> None:
    """The name matters only where being on this machine is what lets somebody in."""
    assert isinstance(judge(request(Host=host), **config), Opening)


def test_host_of_a_rebound_name_is_refused_with_the_way_out() -> None:
    """The text says what was seen, why that matters and what to type."""
    refusal = judge(request(Host="evil.example:8765"))
    assert isinstance(refusal, Refusal)
    assert "evil.example:8765" in refusal.text
    assert "DNS rebinding" in refusal.text
    assert "--allow-origin 'http://evil.example'" in refusal.text


def test_refusals_repeat_little_of_what_a_stranger_wrote() -> None:
    """Sixteen kilobytes of a header do not become a log line of that length."""
    for given in (
        request(Origin="https://" + "a" * 16_000),
        request(Host="a" * 16_000),
        request(Host="b" * 8_000, Origin="https://" + "a" * 8_000),
        request("/ws?token=" + "a" * 16_000),
        request(Authorization="Basic " + "a" * 16_000),
    ):
        for config in ({}, {"tokens": ("good",), "query_token": True}):
            refusal = judge(given, **config)
            if isinstance(refusal, Refusal):
                assert len(refusal.text) < 3 * MOST_SHOWN


@pytest.mark.parametrize("is_on", [False, True])
@pytest.mark.parametrize("path", ["/ws", "/echo"])
def test_compression_is_agreed_to_without_memory_between_messages(
    path: str, is_on: bool
) -> None:
    """Where it is on: then no connection costs a window of its own."""
    offer = "permessage-deflate; client_max_window_bits"
    opening = judge(request(path, Sec_WebSocket_Extensions=offer), compression=is_on)
    assert isinstance(opening, Opening)
    agreed = opening.upgrade.deflate
    assert (agreed is not None) is is_on
    if agreed is not None:
        assert agreed.server_no_context_takeover
        assert agreed.client_no_context_takeover
        assert agreed.server_max_window_bits is None


def test_compression_is_declined_for_whoever_has_to_sign_in_first() -> None:
    """Nothing that a stranger sends is inflated; with a token it is agreed to."""
    offer = {"Sec_WebSocket_Extensions": "permessage-deflate"}
    config = {"compression": True, "tokens": ("good",)}
    stranger = judge(request(**offer), **config)
    assert isinstance(stranger, Opening)
    assert stranger.upgrade.deflate is None
    friend = judge(request(Authorization="Bearer good", **offer), **config)
    assert isinstance(friend, Opening)
    assert friend.upgrade.deflate is not None


@pytest.mark.parametrize(
    ("offer", "bits"),
    [
        ("permessage-deflate; server_max_window_bits=10", 10),
        ("permessage-deflate", None),
    ],
)
def test_compression_leaves_the_window_to_the_client(
    offer: str, bits: int | None
) -> None:
    """A client may ask for a smaller one."""
    opening = judge(request(Sec_WebSocket_Extensions=offer), compression=True)
    assert isinstance(opening, Opening)
    assert opening.upgrade.deflate is not None
    assert opening.upgrade.deflate.server_max_window_bits == bits


def test_rights_without_a_host_are_judged_all_the_same() -> None:
    """HTTP/1.0 has no Host; an origin is foreign to it."""
    old = Request("GET", "/x", "HTTP/1.0", Headers([("Origin", "https://a.example")]))
    refusal = judge_rights(old, HubConfig(host="0.0.0.0"), verify)
    assert isinstance(refusal, Refusal)
    assert refusal.status == 403


SECRET = "s3cr3t"
JWT = f"eyJhbGciOiJIUzI1NiJ9.e30.{SECRET}"


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/ws", "/ws"),
        ("/ws?since=3&x", "/ws?since=3&x"),
        (f"/ws?token={SECRET}", "/ws?token=***"),
        (f"/ws?a=1&access_token={SECRET}&b=2", "/ws?a=1&access_token=***&b=2"),
        (f"/ws?token={SECRET};{SECRET}#{SECRET}", "/ws?token=***"),
        (f"/ws?%74oken={SECRET}", "/ws?%74oken=***"),
        (f"/ws?TOKEN=a={SECRET}", "/ws?TOKEN=***"),
        (f"/ws?next=/a?token={SECRET}", "/ws?next=***"),
        (f"/ws?next=%2Fa%3Ftoken%3D{SECRET}", "/ws?next=***"),
        (f"/ws?{JWT}", "/ws?***"),
        (f"/ws/{JWT}", "/ws/***"),
        (f"http://ann:{SECRET}@hub/ws", "http://hub/ws"),
        ("/ws?x=" + "a" * 300, "/ws?x=" + "a" * 191 + "..."),
        (f"/ws?{'a' * 300}&token={SECRET}", "/ws?" + "a" * 193 + "..."),
    ],
)
def test_target_is_shown_without_its_credentials(target: str, shown: str) -> None:
    """Rather too little is shown than too much, and never very long."""
    assert shown_target(target) == shown
    assert SECRET not in shown_target(target)
