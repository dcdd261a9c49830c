"""A chat server with a protocol of its own, which wavetank.toml describes.

cd examples/chat && wavetank run --serve '{python} server.py {port}'
"""

import asyncio
import json
import sys
from collections import defaultdict
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, broadcast, serve
from websockets.http11 import Request, Response

LONGEST = 4096
"""Bytes of a text; the dialect's file says so, too."""

rooms: dict[str, set[ServerConnection]] = defaultdict(set)
numbers: dict[str, int] = defaultdict(int)
sockets: set[ServerConnection] = set()


class TooLong(Exception):
    """A text is longer than it may be."""


def say(room: str, text: str) -> dict[str, int]:
    """Number a message and send it to everybody in the room."""
    if len(text.encode()) > LONGEST:
        raise TooLong
    numbers[room] += 1
    said = {"room": room, "n": numbers[room], "text": text}
    broadcast(rooms[room], json.dumps({"method": "said", "params": said}))
    return {"n": numbers[room]}


def answer(connection: ServerConnection, request: Any) -> dict[str, Any]:
    """Do what a request asks, and return its result."""
    params = request["params"]
    room = params["room"]
    match request["method"]:
        case "join":
            rooms[room].add(connection)
            return {"n": numbers[room]}
        case "leave":
            rooms[room].discard(connection)
            return {}
        case "say":
            return say(room, params["text"])
    raise KeyError(request["method"])


async def chat(connection: ServerConnection) -> None:
    """Answer each request; an answer has the id of its request."""
    sockets.add(connection)
    try:
        async for message in connection:
            id_ = None
            try:
                request = json.loads(message)
                id_ = request["id"]
                reply = {"id": id_, "result": answer(connection, request)}
            except (ValueError, RecursionError):
                reply = {"id": id_, "error": {"code": -32700, "message": "not JSON"}}
            except TooLong:
                reply = {"id": id_, "error": {"code": -32602, "message": "too long"}}
            except (KeyError, TypeError, AttributeError):
                reply = {"id": id_, "error": {"code": -32600, "message": "bad request"}}
            await connection.send(json.dumps(reply))
    finally:
        sockets.discard(connection)
        for members in rooms.values():
            members.discard(connection)


def page(connection: ServerConnection, request: Request) -> Response | None:
    """Tell how many sockets are open; anything else is the chat."""
    if request.path != "/healthz":
        return None
    return connection.respond(
        HTTPStatus.OK, json.dumps({"sockets": {"open": len(sockets)}})
    )


async def main() -> None:
    """Serve until the process is ended."""
    server: Server
    async with serve(
        chat, "127.0.0.1", int(sys.argv[1]), process_request=page, max_size=16 * 1024
    ) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
