"""TLS by hand, against the TLS of OpenSSL in memory."""

import random
import ssl
import warnings

import pytest

from wavetank.lab.hellos import (
    TLS_1_0,
    TLS_1_1,
    TLS_1_2,
    client_hello,
    served_version,
    words_of,
)
from wavetank.net import ThrowAwayAuthority

RNG = random.Random(1)


def server(*, lax: bool = False) -> ssl.SSLContext:
    """Return a server's context; a lax one takes what is too old."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with ThrowAwayAuthority() as authority:
        context.load_cert_chain(*authority.certificate())
    # Some distributions let Python take what is older, and OpenSSL stumble over it.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if lax:
        with warnings.catch_warnings():
            # Python calls it deprecated, and so it is.
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
        context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def answer(context: ssl.SSLContext, data: bytes) -> bytes:
    """Return what a server answers to the first bytes of a client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    incoming.write(data)
    tls = context.wrap_bio(incoming, outgoing, server_side=True)
    with pytest.raises(ssl.SSLError):
        tls.do_handshake()
    return outgoing.read()


def test_a_hello_of_today_is_answered() -> None:
    """So one that is refused is refused for its age."""
    got = answer(server(), client_hello(TLS_1_2, "localhost", rng=RNG))
    assert served_version(got) == TLS_1_2
    assert words_of(got) == "a ServerHello of TLS 1.2 or later"


@pytest.mark.parametrize("version", [TLS_1_0, TLS_1_1])
def test_an_old_hello_is_refused_by_alert(version: int) -> None:
    """Protocol version is alert 70 (RFC 5246 7.2)."""
    got = answer(server(), client_hello(version, "localhost", rng=RNG))
    assert served_version(got) is None
    assert words_of(got) == "alert 70"


@pytest.mark.parametrize(("version", "name"), [(TLS_1_0, "1.0"), (TLS_1_1, "1.1")])
def test_an_old_hello_is_taken_by_who_is_lax(version: int, name: str) -> None:
    """Nothing else in it is wrong; some builds of OpenSSL have no such versions."""
    got = answer(server(lax=True), client_hello(version, "localhost", rng=RNG))
    if words_of(got) == "alert 70":
        pytest.skip("this OpenSSL knows no version that is so old")
    assert served_version(got) == version
    assert words_of(got) == f"a ServerHello of TLS {name}"


def test_a_hello_repeats_from_its_dice() -> None:
    """The same seed, the same bytes."""
    one, two = (
        client_hello(TLS_1_2, "a.invalid", rng=random.Random(3)) for _ in range(2)
    )
    assert one == two
    assert b"a.invalid" in one


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "nothing"),
        (b"HTTP/1.1 400 Bad Request\r\nDate: x\r\n", "HTTP/1.1 400 Bad Request"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "alert 40"),
        (b"\x15\x03", "\x15\x03"),
        (b"\xff" * 50, "\\xff" * 40),
        (b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03\x03", "\x16\x03\x01"),
    ],
)
def test_first_bytes_are_told_in_words(data: bytes, words: str) -> None:
    """Whatever they are, and of hostile ones not much."""
    assert served_version(data) is None
    assert words_of(data).startswith(words)
