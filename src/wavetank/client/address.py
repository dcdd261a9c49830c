"""Addresses: what a hub's URL says.

They refuse to know names' numbers and whether anybody listens there.
"""

import ipaddress
from urllib.parse import urlsplit

import msgspec

from wavetank.errors import UsageError

__all__ = ["Address", "parse_address"]


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where a hub is.

    Attributes:
        url: As it is used.
        host: Its name or number.
        is_secure: Whether it is TLS.
    """

    url: str
    host: str
    is_secure: bool

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine, as far as one can tell without asking."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def plain(self) -> "Address":
        """The same place without TLS."""
        url = "ws" + self.url.removeprefix("wss")
        return Address(url=url, host=self.host, is_secure=False)


def parse_address(url: str) -> Address:
    """Read a URL such as ``ws://127.0.0.1:8765/ws``.

    Without a path it is ``/ws``, where hubs answer.

    Raises:
        UsageError: If it is not the URL of a hub.
    """
    # A URL may hold a password, so that no message quotes all of it.
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"the URL cannot be read: {error}") from None
    if parts.scheme not in {"ws", "wss"}:
        raise UsageError(f"a hub's URL begins with ws:// or wss://, not {url[:6]!r}")
    if not host:
        raise UsageError("the URL names no host")
    if parts.fragment or not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError("the URL has a fragment, or characters that no URL has")
    if parts.path in {"", "/"}:
        parts = parts._replace(path="/ws")
    return Address(url=parts.geturl(), host=host, is_secure=parts.scheme == "wss")
