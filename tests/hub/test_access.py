"""Access: what a user may do, and from where a browser may come."""

import pytest

from wavetank.hub.access import (
    ANONYMOUS,
    Action,
    Claims,
    has_token,
    is_loopback,
    may,
    origin_problem,
)

READER = Claims(user="ann", subscribe=("prices.*",), publish=())


@pytest.mark.parametrize(
    ("claims", "action", "topic", "allowed"),
    [
        (ANONYMOUS, Action.SUBSCRIBE, "any.topic", True),
        (ANONYMOUS, Action.PUBLISH, "any.topic", True),
        (ANONYMOUS, Action.OPERATE, "", False),
        (READER, Action.SUBSCRIBE, "prices.btc", True),
        (READER, Action.SUBSCRIBE, "prices.btc.usd", False),
        (READER, Action.SUBSCRIBE, "orders.btc", False),
        (READER, Action.PUBLISH, "prices.btc", False),
        (Claims(user="root", operator=True), Action.OPERATE, "", True),
    ],
)
def test_claims_allow_what_their_patterns_cover(
    claims: Claims, action: Action, topic: str, allowed: bool
) -> None:
    """A right is there where a pattern covers all that was asked for."""
    assert may(claims, action, topic) is allowed


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("localhost", True),
        ("LocalHost", True),
        ("app.localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("192.168.1.1", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_loopback_is_this_machine_only(host: str, is_local: bool) -> None:
    """A name is loopback if nobody else can stand behind it."""
    assert is_loopback(host) is is_local


@pytest.mark.parametrize(
    ("origin", "host", "loopback"),
    [
        (None, "hub.example", False),  # not a browser
        ("https://hub.example", "hub.example", False),  # the hub's own page
        ("https://hub.example", "hub.example:443", False),  # default port spelt out
        ("http://hub.example:8765", "hub.example:8765", False),
        ("http://HUB.example:8765", "hub.example:8765", False),
        ("https://app.example", "hub.example", False),  # on the list
        ("http://localhost:3000", "127.0.0.1:8765", True),  # a developer's page
        ("http://[::1]:3000", "localhost:8765", True),
    ],
)
def test_origin_is_welcome(origin: str | None, host: str, loopback: bool) -> None:
    """No origin, the same place, the list, and loopback on loopback come in."""
    allowed = ("https://app.example",)
    assert origin_problem(origin, host, loopback=loopback, allowed=allowed) == ""


@pytest.mark.parametrize(
    ("origin", "host", "loopback"),
    [
        ("https://evil.example", "hub.example", False),
        ("https://hub.example:444", "hub.example", False),  # another port
        ("http://hub.example", "hub.example:443", False),  # another port, unspelt
        ("http://localhost:3000", "hub.example", False),  # not a loopback listener
        ("https://evil.example", "127.0.0.1:8765", True),
        ("null", "127.0.0.1:8765", True),  # a sandboxed page
        ("", "hub.example", True),
        ("chrome-extension://abc", "127.0.0.1:8765", True),
        ("http://[::1", "127.0.0.1:8765", True),  # not a URL
        ("http://hub.example:99999", "hub.example", True),
    ],
)
def test_origin_is_refused_by_its_name(origin: str, host: str, loopback: bool) -> None:
    """Any other page is refused, and the answer names the origin that was seen."""
    problem = origin_problem(origin, host, loopback=loopback)
    assert f"origin {origin} is not allowed" in problem


def test_refused_origin_says_how_to_allow_it() -> None:
    """The sentence has the option to type; for null there is none."""
    problem = origin_problem("https://app.example", "hub.example", loopback=False)
    assert "--allow-origin 'https://app.example'" in problem
    assert "--allow-origin" not in origin_problem("null", "hub", loopback=True)


def test_refused_origin_is_shown_without_its_control_characters() -> None:
    """What a stranger wrote cannot break a log line or a terminal."""
    assert "\x1b" not in origin_problem("http://\x1b[2J", "hub.example", loopback=True)


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("/ws", False),
        ("/ws?since=3", False),
        ("/ws?token=abc", True),
        ("/ws?a=1&access_token=abc", True),
        ("/ws?TOKEN=abc", True),
        ("/ws?token", True),
        ("/ws?x=token", False),
    ],
)
def test_token_in_a_query_is_seen(target: str, found: bool) -> None:
    """A credential in a URL is recognised by its name, with or without a value."""
    assert has_token(target) is found
