"""Runs one server until a signal ends it.

It refuses to know which server, and who reads what it announces.
"""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

from wavetank.wrecks.sound import SoundServer

__all__ = ["run"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run(
    server: SoundServer,
    announce: Callable[[SoundServer], None],
    *,
    port: int = 0,
    tls_port: int | None = None,
    cert: Path | None = None,
    key: Path | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT.

    Args:
        server: What to run.
        announce: Called once, as soon as it listens.
        port: Plain port; 0 takes a free one.
        tls_port: TLS port; None listens without TLS.
        cert: Certificate chain in PEM, for the TLS port.
        key: Its private key in PEM.

    Returns:
        0 after a signal, 1 where the server died by itself, as one wreck does.

    Raises:
        UsageError: If a port is taken or the certificate cannot be used.
    """

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, server.ended.set)
        async with server:
            await server.start(port=port, tls_port=tls_port, cert=cert, key=key)
            announce(server)
            await server.ended.wait()

    asyncio.run(serve())
    return int(server.has_crashed)
