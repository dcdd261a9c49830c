"""A broadcaster on ``websockets``: what comes in at /pub goes to all of /sub."""

import socket

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

subscribers: set[ServerConnection] = set()


async def talk(connection: ServerConnection) -> None:
    """Take a subscriber or a publisher."""
    assert connection.request is not None
    if connection.request.path == "/sub":
        subscribers.add(connection)
        try:
            await connection.send("ready")
            await connection.wait_closed()
        finally:
            subscribers.discard(connection)
    else:
        async for message in connection:
            broadcast(subscribers, message)


async def main() -> None:
    """Serve on a free port, and say which."""
    listener = socket.create_server(("127.0.0.1", 0))
    async with serve(talk, sock=listener, compression=None, backlog=4096) as server:
        print(f"ready: ws://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        await server.serve_forever()


uvloop.run(main())
