"""Addresses of targets."""

import pytest

from wavetank.chaos.address import Address, read_address
from wavetank.errors import UsageError


@pytest.mark.parametrize(
    ("given", "address"),
    [
        (("::1", 8000), Address("::1", 8000)),
        ("localhost:8765", Address("localhost", 8765)),
        ("[::1]:8765", Address("::1", 8765)),
        ("tcp://localhost:8765", Address("localhost", 8765)),
        ("tls://localhost:8765", Address("localhost", 8765, tls=True)),
        ("ws://h/p?q=1", Address("h", 80, path="/p?q=1")),
        ("wss://h/", Address("h", 443, tls=True, path="/")),
        ("https://h:8443", Address("h", 8443, tls=True)),
    ],
)
def test_an_address_is_read_however_it_is_given(
    given: str | tuple[str, int], address: Address
) -> None:
    """URLs bring their usual port and say whether TLS is spoken."""
    assert read_address(given) == address


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("localhost", "a port is missing"),
        ("tcp://localhost", "a port is missing"),
        (("localhost", 0), "a port is missing"),
        (("localhost", 70_000), "a port is missing"),
        (("", 80), "the host is missing"),
        ("ws://:80", "the host is missing"),
        ("ftp://h:21", "its scheme is one of ws, http"),
        (f"{'x' * 64}.de:80", "x' is no host"),
        (("a\0b", 80), "is no host"),
        ("ws://h:port", "upstream ws://h:port: Port could not be cast"),
        (
            "ws://me:se\r\ncret@h:80",
            r"upstream 'ws://me:se\\r\\ncret@h:80': it has signs that",
        ),
    ],
)
def test_what_is_no_address_is_a_mistake_of_the_user(
    given: str | tuple[str, int], problem: str
) -> None:
    """The sentence says what is missing."""
    with pytest.raises(UsageError, match=problem):
        read_address(given)


def test_an_address_is_shown_as_it_is_written() -> None:
    """IPv6 has brackets, and a path stands behind it."""
    assert str(Address("::1", 80, path="/p")) == "[::1]:80/p"
    assert str(Address("h", 80)) == "h:80"
