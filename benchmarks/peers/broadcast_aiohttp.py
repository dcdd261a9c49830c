"""A broadcaster on aiohttp: what comes in at /pub goes to all of /sub."""

import asyncio
import socket

import uvloop
from aiohttp import web

subscribers: set[web.WebSocketResponse] = set()


async def subscribe(request: web.Request) -> web.WebSocketResponse:
    """Take a subscriber."""
    connection = web.WebSocketResponse(compress=False)
    await connection.prepare(request)
    subscribers.add(connection)
    try:
        await connection.send_str("ready")
        async for _ in connection:
            pass
    finally:
        subscribers.discard(connection)
    return connection


async def publish(request: web.Request) -> web.WebSocketResponse:
    """Take a publisher."""
    connection = web.WebSocketResponse(compress=False)
    await connection.prepare(request)
    async for message in connection:
        for subscriber in tuple(subscribers):
            if not subscriber.closed:
                await subscriber.send_str(message.data)
    return connection


async def main() -> None:
    """Serve on a free port, and say which."""
    application = web.Application()
    application.add_routes([web.get("/sub", subscribe), web.get("/pub", publish)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listener, backlog=4096).start()
    print(f"ready: ws://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    await asyncio.Event().wait()


uvloop.run(main())
