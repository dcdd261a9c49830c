"""A server that greets and pushes prices all the time, and else is an echo.

desk.py PORT [TOKEN]: with a token nothing else is done before it was presented.
"""

import asyncio
import json
import sys
from contextlib import suppress

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

PORT = int(sys.argv[1])
TOKEN = sys.argv[2] if len(sys.argv) > 2 else ""
MIB = 1024 * 1024


async def push(connection: ServerConnection, stop: asyncio.Event) -> None:
    """Send a price every few milliseconds."""
    price = 67_000
    with suppress(ConnectionClosed):
        while not stop.is_set():
            price += 1
            await connection.send(json.dumps({"price": price}))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.003)


async def log_in(connection: ServerConnection) -> bool:
    """Take the first message for a token; end the connection where it is none."""
    first = await connection.recv()
    with suppress(ValueError, TypeError):
        if json.loads(first) == {"login": TOKEN}:
            await connection.send('{"login":"ok"}')
            return True
    await connection.send('{"login":"refused"}')
    await connection.close(3000, "log in first")
    return False


async def desk(connection: ServerConnection) -> None:
    """Greet, and echo among prices; what is broken ends the connection."""
    await connection.send('{"hello":"desk 3"}')
    with suppress(ConnectionClosed):
        if TOKEN and not await log_in(connection):
            return
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(push(connection, stop))
            try:
                async for message in connection:
                    await connection.send(message)
            except ConnectionClosed:
                pass
            finally:
                stop.set()


async def main() -> None:
    """Serve until the process is ended."""
    async with serve(desk, "127.0.0.1", PORT, max_size=64 * MIB) as server:
        await server.serve_forever()


asyncio.run(main())
