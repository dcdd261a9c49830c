"""How the other side can let a peer down."""

import errno
import socket
import ssl

import pytest

from wavetank.errors import RemoteError
from wavetank.net.failures import (
    ConnectionEnded,
    HandshakeBroken,
    HandshakeRefused,
    NotReached,
    Side,
    TlsFailed,
    reaching_failure,
)

WHERE = "ws://there"


def _ssl_error(kind: type[ssl.SSLError], reason: str | None) -> ssl.SSLError:
    error = kind(1, "long words (_ssl.c:1006)")
    error.reason = reason
    return error


def test_every_failure_is_the_other_sides() -> None:
    """One ``except RemoteError`` catches all of them."""
    failures = (ConnectionEnded, HandshakeBroken, HandshakeRefused, NotReached)
    assert all(issubclass(each, RemoteError) for each in (*failures, TlsFailed))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "Connection refused"),
        # asyncio's words for one address, and for several
        (
            ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('::1',)"),
            "Connection refused",
        ),
        (
            OSError(
                f"Multiple exceptions: [Errno {errno.ECONNREFUSED}] a, "
                f"[Errno {errno.ENETUNREACH}] b"
            ),
            "Connection refused, Network is unreachable",
        ),
        (socket.gaierror(socket.EAI_NONAME, "Name not known"), "its name is not known"),
        (OSError("something"), "something"),
    ],
)
def test_a_server_that_is_not_reached_is_told_in_plain_words(
    error: OSError, words: str
) -> None:
    """An error on the way to TCP says what it means, not its number."""
    failure = reaching_failure(error, WHERE, tls=False)
    assert isinstance(failure, NotReached)
    assert str(failure) == f"cannot connect to ws://there: {words}"


def test_a_certificate_that_is_not_trusted_is_told_apart() -> None:
    """The reason is given by itself as well."""
    error = _ssl_error(ssl.SSLCertVerificationError, "CERTIFICATE_VERIFY_FAILED")
    assert isinstance(error, ssl.SSLCertVerificationError)
    error.verify_message = "certificate has expired"
    failure = reaching_failure(error, WHERE, tls=True)
    assert isinstance(failure, TlsFailed)
    assert failure.untrusted == "certificate has expired"
    assert str(failure).endswith("is not trusted: certificate has expired")


def test_a_certificate_without_a_reason_has_the_librarys_words() -> None:
    """Where OpenSSL gives no message, its whole text stands."""
    error = _ssl_error(ssl.SSLCertVerificationError, None)
    assert isinstance(error, ssl.SSLCertVerificationError)
    error.verify_message = ""
    failure = reaching_failure(error, WHERE, tls=True)
    assert isinstance(failure, TlsFailed)
    assert "long words" in failure.untrusted


@pytest.mark.parametrize(
    ("reason", "words"),
    [("WRONG_VERSION_NUMBER", "wrong version number"), (None, "long words")],
)
def test_a_tls_handshake_that_fails_is_told_in_plain_words(
    reason: str | None, words: str
) -> None:
    """Any other error of TLS is told by its reason, without a line of C."""
    failure = reaching_failure(_ssl_error(ssl.SSLError, reason), WHERE, tls=True)
    assert isinstance(failure, TlsFailed)
    assert failure.untrusted == ""
    assert words in str(failure)


@pytest.mark.parametrize("error", [ConnectionResetError(), ConnectionAbortedError()])
def test_an_end_during_the_tls_handshake_is_a_failure_of_tls(error: OSError) -> None:
    """With TLS a connection that is thrown away had been accepted before."""
    failure = reaching_failure(error, WHERE, tls=True)
    assert isinstance(failure, TlsFailed)
    assert str(failure) == "ws://there went away during the TLS handshake"
    assert isinstance(reaching_failure(error, WHERE, tls=False), NotReached)


def test_failures_carry_what_was_seen() -> None:
    """Status, headers and body; code, reason, side and violation."""
    refused = HandshakeRefused("no", status=401, headers=(("A", "b"),), body=b"why")
    assert (refused.status, refused.headers, refused.body) == (
        401,
        (("A", "b"),),
        b"why",
    )
    ended = ConnectionEnded("end", code=1001, reason="bye", by=Side.THEM)
    assert (ended.code, ended.reason, ended.by, ended.violation) == (
        1001,
        "bye",
        "them",
        "",
    )
