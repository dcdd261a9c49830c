"""Ports, TLS, and the end of all connections."""

import asyncio
import re
import ssl
from pathlib import Path
from typing import Any

import pytest

from wavetank.errors import UsageError
from wavetank.wrecks import SoundServer
from wavetank.wrecks import listener as module

pytestmark = pytest.mark.anyio


async def test_listener_takes_free_ports_where_none_are_named(
    start: Any, certificate: dict[str, Any]
) -> None:
    """Port 0 becomes a real one, for TLS too."""
    server = await start(tls_port=0, **certificate)
    assert server.port
    assert server.tls_port
    assert server.port != server.tls_port


async def test_listener_says_that_a_port_is_taken(start: Any) -> None:
    """A port that somebody has is one clear sentence."""
    server = await start()
    expected = f"port {server.port} of 127.0.0.1 is taken"
    with pytest.raises(UsageError, match=re.escape(expected)):
        await start(port=server.port)


def test_listener_says_why_a_port_cannot_be_had() -> None:
    """Other reasons are named in the system's words."""
    said = module._sorry(80, PermissionError(13, "no"))
    assert said == "cannot listen on port 80 of 127.0.0.1: Permission denied"


async def test_listener_says_that_a_certificate_cannot_be_used(
    start: Any, tmp_path: Path
) -> None:
    """A file that is no certificate, or not there, is the user's mistake."""
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    for path in (junk, tmp_path / "gone.pem"):
        with pytest.raises(UsageError, match="cannot use"):
            await start(tls_port=0, cert=path, key=path)


async def test_listener_offers_no_tls_before_1_2(
    start: Any, certificate: dict[str, Path]
) -> None:
    """Older versions are not spoken."""
    server = SoundServer()
    context = server.make_context(certificate["cert"], certificate["key"])
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


async def test_listener_that_stops_ends_every_connection(
    start: Any, connect: Any, greeted: Any, until: Any
) -> None:
    """Whoever is connected sees the end, in the middle of a handshake too."""
    server = await start()
    half = await connect(server)
    half.write(b"GET /ws")
    await greeted(server)
    await until(lambda: len(server.connected) == 2)
    async with server:
        pass
    assert not server.connected
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", server.port)
    assert not await half.reader.read()


async def test_listener_that_crashes_leaves_without_a_word(
    start: Any, connect: Any
) -> None:
    """Everybody is cut, and who runs it is told that it was the server itself."""
    server = await start()
    peers = [await connect(server, "/echo") for _ in range(2)]
    server.crash()
    assert server.has_crashed
    assert server.ended.is_set()
    for peer in peers:
        assert await peer.ended()
