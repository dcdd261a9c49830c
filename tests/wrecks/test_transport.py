"""Wrecks of TLS: each shows its fault."""

import ssl
from typing import Any

import pytest

from wavetank.wrecks.transport import ForeignCertificate, TlsGarbage

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


async def test_wreck_answers_tls_with_something_else(
    start: Any, connect: Any, certificate: dict[str, Any], trusting: ssl.SSLContext
) -> None:
    """The TLS handshake fails; the plain listener is sound."""
    server = await start(TlsGarbage, tls_port=0, **certificate)
    with pytest.raises(ssl.SSLError):
        await connect(server, tls=trusting)
    peer = await connect(server, "/ws")
    assert (await peer.message())["type"] == "welcome"
