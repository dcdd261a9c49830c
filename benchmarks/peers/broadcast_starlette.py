"""A broadcaster on Starlette and uvicorn: what comes in at /pub goes to all of /sub."""

import socket

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

subscribers: set[WebSocket] = set()


async def subscribe(connection: WebSocket) -> None:
    """Take a subscriber."""
    await connection.accept()
    subscribers.add(connection)
    try:
        await connection.send_text("ready")
        async for _ in connection.iter_text():
            pass
    finally:
        subscribers.discard(connection)


async def publish(connection: WebSocket) -> None:
    """Take a publisher."""
    await connection.accept()
    async for message in connection.iter_text():
        for subscriber in tuple(subscribers):
            try:
                await subscriber.send_text(message)
            except (RuntimeError, WebSocketDisconnect):
                subscribers.discard(subscriber)


routes = [WebSocketRoute("/sub", subscribe), WebSocketRoute("/pub", publish)]
config = uvicorn.Config(
    Starlette(routes=routes),
    loop="uvloop",
    lifespan="off",
    access_log=False,
    log_level="error",
    backlog=4096,
    ws_per_message_deflate=False,
)
listener = socket.create_server(("127.0.0.1", 0))
print(f"ready: ws://127.0.0.1:{listener.getsockname()[1]}", flush=True)
uvicorn.Server(config).run(sockets=[listener])
