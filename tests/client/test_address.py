"""Addresses: what a hub's URL says."""

import pytest

from wavetank.client.address import parse_address
from wavetank.errors import UsageError


@pytest.mark.parametrize(
    ("url", "used", "host", "is_secure", "is_loopback"),
    [
        ("ws://127.0.0.1:8765/ws", "ws://127.0.0.1:8765/ws", "127.0.0.1", False, True),
        ("ws://127.0.0.1:8765", "ws://127.0.0.1:8765/ws", "127.0.0.1", False, True),
        ("wss://LOCALHOST/", "wss://LOCALHOST/ws", "localhost", True, True),
        (
            "wss://a.localhost/x?y=1",
            "wss://a.localhost/x?y=1",
            "a.localhost",
            True,
            True,
        ),
        ("ws://[::1]:1/ws", "ws://[::1]:1/ws", "::1", False, True),
        ("wss://hub.example/ws", "wss://hub.example/ws", "hub.example", True, False),
        ("ws://10.0.0.1/ws", "ws://10.0.0.1/ws", "10.0.0.1", False, False),
        ("ws://127.example/ws", "ws://127.example/ws", "127.example", False, False),
    ],
)
def test_address_is_read(
    url: str, used: str, host: str, is_secure: bool, is_loopback: bool
) -> None:
    """Without a path it is /ws; loopback is what can be no other machine."""
    address = parse_address(url)
    assert (address.url, address.host) == (used, host)
    assert (address.is_secure, address.is_loopback) == (is_secure, is_loopback)


def test_address_has_a_plain_twin() -> None:
    """The same place without TLS."""
    plain = parse_address("wss://localhost:8766/ws").plain
    assert plain.url == "ws://localhost:8766/ws"
    assert not plain.is_secure
    assert plain.is_loopback


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://localhost", "begins with ws"),
        ("localhost:8765", "begins with ws"),
        ("", "begins with ws"),
        ("ws:///ws", "names no host"),
        ("ws://host:port/", "cannot be read"),
        ("ws://[::1/", "cannot be read"),
        ("ws://host/ws#x", "fragment"),
        ("ws://host/a b", "characters"),
        ("ws://höst/", "characters"),
    ],
)
def test_address_refuses_what_is_no_hub(url: str, words: str) -> None:
    """With a sentence, before anything is tried."""
    with pytest.raises(UsageError, match=words):
        parse_address(url)


def test_address_does_not_quote_a_password() -> None:
    """A URL may hold one, and messages end up in logs."""
    with pytest.raises(UsageError) as caught:
        parse_address("https://user:secret@host/")
    assert "secret" not in str(caught.value)
