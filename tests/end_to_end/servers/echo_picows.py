"""An echo server on picows and its twin of the interface of websockets."""

import asyncio
import sys

from picows.websockets.asyncio.server import ServerConnection, serve

LARGEST = 64 * 1024 * 1024


async def echo(connection: ServerConnection) -> None:
    """Send each message back."""
    async for message in connection:
        await connection.send(message)


async def main() -> None:
    """Serve until the process is ended."""
    port = int(sys.argv[1])
    async with serve(echo, "127.0.0.1", port, max_size=LARGEST) as server:
        await server.serve_forever()


asyncio.run(main())
