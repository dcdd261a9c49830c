"""Wrecks of TLS: each shows its fault."""

import ssl
import warnings
from typing import Any

import pytest

from wavetank.wrecks import SoundServer
from wavetank.wrecks.transport import (
    ForeignCertificate,
    OldTlsAccepted,
    PlainTextOnTlsPort,
    TlsErrorEndsListener,
    TlsGarbage,
)

pytestmark = pytest.mark.anyio


async def test_wreck_presents_a_certificate_of_another_authority(
    start: Any, connect: Any, certificate: dict[str, Any], trusting: ssl.SSLContext
) -> None:
    """Whoever trusts the right authority refuses it; otherwise TLS is sound."""
    server = await start(ForeignCertificate, tls_port=0, **certificate)
    with pytest.raises(ssl.SSLCertVerificationError):
        await connect(server, tls=trusting)
    credulous = ssl.create_default_context()
    credulous.check_hostname = False
    credulous.verify_mode = ssl.CERT_NONE
    peer = await connect(server, "/ws", tls=credulous)
    assert (await peer.message())["type"] == "welcome"


@pytest.mark.parametrize("kind", [SoundServer, OldTlsAccepted])
async def test_wreck_agrees_to_a_version_that_is_too_old(
    start: Any,
    connect: Any,
    certificate: dict[str, Any],
    trusting: ssl.SSLContext,
    kind: type[SoundServer],
) -> None:
    """Who has nothing newer is served, and others as ever."""
    server = await start(kind, tls_port=0, **certificate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        old = ssl.create_default_context()
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    if kind is SoundServer:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await connect(server, tls=old)
    else:
        peer = await connect(server, "/ws", tls=old)
        assert (await peer.message())["type"] == "welcome"
    peer = await connect(server, "/ws", tls=trusting)
    assert (await peer.message())["type"] == "welcome"


async def test_wreck_answers_tls_with_something_else(
    start: Any, connect: Any, certificate: dict[str, Any], trusting: ssl.SSLContext
) -> None:
    """The TLS handshake fails; the plain listener is sound."""
    server = await start(TlsGarbage, tls_port=0, **certificate)
    with pytest.raises(ssl.SSLError):
        await connect(server, tls=trusting)
    peer = await connect(server, "/ws")
    assert (await peer.message())["type"] == "welcome"


@pytest.mark.parametrize("kind", [SoundServer, PlainTextOnTlsPort])
async def test_wreck_speaks_plain_text_on_the_tls_port(
    start: Any,
    connect: Any,
    certificate: dict[str, Any],
    trusting: ssl.SSLContext,
    kind: Any,
) -> None:
    """Who asks in plain text is served in plain text; TLS is sound beside it."""
    server = await start(kind, tls_port=0, **certificate)
    plain = await connect(server, port=server.tls_port)
    plain.ask("/ws")
    if kind is PlainTextOnTlsPort:
        assert "101" in (await plain.head()).partition("\r\n")[0]
        assert (await plain.message())["type"] == "welcome"
    else:
        with pytest.raises((OSError, EOFError)):
            await plain.head()
    peer = await connect(server, "/ws", tls=trusting)
    assert (await peer.message())["type"] == "welcome"


@pytest.mark.parametrize("kind", [SoundServer, TlsErrorEndsListener])
async def test_wreck_takes_nobody_after_a_failed_handshake(
    start: Any,
    connect: Any,
    certificate: dict[str, Any],
    trusting: ssl.SSLContext,
    kind: Any,
) -> None:
    """Before it all are served, and those who go without a word are no failure."""
    server = await start(kind, tls_port=0, **certificate)
    silent = await connect(server, port=server.tls_port)
    silent.writer.close()
    peer = await connect(server, "/ws", tls=trusting)
    assert (await peer.message())["type"] == "welcome"
    with pytest.raises(ssl.SSLCertVerificationError):
        await connect(server, tls=ssl.create_default_context())
    if kind is SoundServer:
        await connect(server, "/ws", tls=trusting)
    else:
        with pytest.raises((OSError, EOFError)):
            await connect(server, "/ws", tls=trusting)
    assert (await peer.done("ping"))["type"] == "pong"
    await connect(server, "/ws")


async def test_wreck_leaves_handshakes_that_never_come(
    start: Any, connect: Any, certificate: dict[str, Any], trusting: ssl.SSLContext
) -> None:
    """Silence ends with its deadline, and with the server."""
    hasty = await start(
        TlsErrorEndsListener, tls_port=0, handshake_timeout=0.05, **certificate
    )
    peer = await connect(hasty, port=hasty.tls_port)
    assert await peer.ended()
    assert not hasty.has_failed
    server = await start(TlsErrorEndsListener, tls_port=0, **certificate)
    peer = await connect(server, port=server.tls_port)
    other = await connect(server, "/ws", tls=trusting)
    assert (await other.message())["type"] == "welcome"
    await server.stop()
    assert await peer.ended()
