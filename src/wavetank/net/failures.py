"""How the other side can let a peer down, as exceptions.

They refuse to know which peer it was.
"""

import enum
import os
import re
import socket
import ssl

from wavetank.errors import RemoteError

__all__ = [
    "ConnectionEnded",
    "HandshakeBroken",
    "HandshakeRefused",
    "NotReached",
    "Side",
    "TlsFailed",
    "reaching_failure",
]

_ERRNO = re.compile(r"\[Errno (\d+)\]")


class Side(enum.StrEnum):
    """Who ended a connection."""

    US = "us"
    """We sent the first close frame, failed the connection or aborted it."""
    THEM = "them"
    """The server sent the first close frame."""
    NOBODY = "nobody"
    """It was lost without a close frame."""


class NotReached(RemoteError):
    """Nobody accepts TCP connections there, or its name is not known."""


class TlsFailed(RemoteError):
    """The TLS handshake failed.

    Attributes:
        untrusted: Why its certificate is not trusted; "" for any other failure.
    """

    def __init__(self, message: str, *, untrusted: str = "") -> None:
        super().__init__(message)
        self.untrusted = untrusted


class HandshakeRefused(RemoteError):
    """The server answered the opening handshake with another status than 101.

    Attributes:
        status: Status of HTTP.
        headers: Names and values in the order in which they came.
        body: What followed, at most 1 MiB.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers
        self.body = body


class HandshakeBroken(RemoteError):
    """The answer to the opening handshake breaks a rule, or never came."""


class ConnectionEnded(RemoteError):
    """An open connection came to its end, and not because we closed it.

    Attributes:
        code: Close code that the server sent; 1005 without one in its close
            frame, 1006 without a close frame (RFC 6455 7.1.5).
        reason: Close reason that it sent.
        by: Who ended it.
        violation: Which rule it broke, so that we failed the connection, or "".
    """

    def __init__(
        self, message: str, *, code: int, reason: str, by: Side, violation: str = ""
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.by = by
        self.violation = violation


def reaching_failure(exc: OSError, where: str, *, tls: bool) -> NotReached | TlsFailed:
    """Return what an error on the way to a server means, in plain words.

    Args:
        exc: From resolving its name, connecting or the TLS handshake.
        where: What was to be reached, fit to be shown.
        tls: Whether a TLS handshake was to follow TCP's.
    """
    if isinstance(exc, ssl.SSLCertVerificationError):
        untrusted = exc.verify_message or str(exc)
        return TlsFailed(
            f"the certificate of {where} is not trusted: {untrusted}",
            untrusted=untrusted,
        )
    if isinstance(exc, ssl.SSLError):
        words = (exc.reason or str(exc)).lower().replace("_", " ")
        return TlsFailed(f"the TLS handshake with {where} failed: {words}")
    if tls and isinstance(exc, ConnectionResetError | ConnectionAbortedError):
        return TlsFailed(f"{where} went away during the TLS handshake")
    return NotReached(f"cannot connect to {where}: {_plain(exc)}")


def _plain(exc: OSError) -> str:
    """Say what an error means; asyncio joins those of several addresses in a text."""
    if isinstance(exc, socket.gaierror):
        return "its name is not known"
    numbers = {int(number) for number in _ERRNO.findall(str(exc))}
    return ", ".join(sorted(os.strerror(number) for number in numbers)) or str(exc)
