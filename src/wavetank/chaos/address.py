"""Where a target is: a URL, or host and port.

It refuses to know whether anybody is there.
"""

from typing import Final, NamedTuple
from urllib.parse import urlsplit

from wavetank.errors import UsageError

__all__ = ["Address", "read_address"]

_MISSING: Final = -1
_PORTS: Final = {
    "ws": 80,
    "http": 80,
    "wss": 443,
    "https": 443,
    "tcp": _MISSING,
    "tls": _MISSING,
}
_TLS: Final = frozenset({"wss", "https", "tls"})


class Address(NamedTuple):
    """Where a target is.

    Attributes:
        host: Name or address.
        port: Of TCP.
        tls: Whether its URL says so.
        path: Of its URL, with the query; "" where it has none.
    """

    host: str
    port: int
    tls: bool = False
    path: str = ""

    def __str__(self) -> str:
        """Show host, port and path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}{self.path}"


def read_address(given: str | tuple[str, int]) -> Address:
    """Read the address of a target.

    Args:
        given: A URL (``ws``, ``wss``, ``http``, ``https``, ``tcp``, ``tls``),
            ``host:port``, or host and port.

    Raises:
        UsageError: If it is none.
    """
    if not isinstance(given, str):
        host, port = given
        return _checked(Address(host, port), f"{host}:{port}")
    if not given.isprintable():
        # Whoever reads URLs passes over ends of lines; whoever shows them does not.
        raise UsageError(
            f"upstream {given[:200]!r}: it has signs that cannot be printed; take them "
            "out"
        )
    text = given if "://" in given else f"tcp://{given}"
    try:
        parts = urlsplit(text)
        port_given = parts.port
    except ValueError as error:
        raise UsageError(f"upstream {given:.200}: {error}") from None
    if parts.scheme not in _PORTS:
        raise UsageError(
            f"upstream {given:.200}: its scheme is one of {', '.join(_PORTS)}"
        )
    usual = _PORTS[parts.scheme]
    query = f"?{parts.query}" if parts.query else ""
    address = Address(
        parts.hostname or "",
        usual if port_given is None else port_given,
        parts.scheme in _TLS,
        f"{parts.path}{query}",
    )
    return _checked(address, given)


def _checked(address: Address, given: str) -> Address:
    if not address.host:
        raise UsageError(f"upstream {given:.200}: the host is missing")
    try:
        address.host.encode("idna")  # As whoever looks it up does.
    except UnicodeError:
        is_name = False
    else:
        is_name = address.host.isprintable()
    if not is_name:
        raise UsageError(f"upstream {given[:200]!r}: {address.host[:60]!r} is no host")
    if not 0 < address.port < 65536:
        raise UsageError(
            f"upstream {given:.200}: a port is missing; give one from 1 to 65535"
        )
    return address
