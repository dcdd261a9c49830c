"""A chat on websockets: everybody in a room gets what one says, and nobody twice.

It acknowledges nothing, numbers nothing and keeps nothing; chat.toml describes it.
"""

import asyncio
import json
import sys
from collections import defaultdict

from websockets.asyncio.server import ServerConnection, broadcast, serve

rooms: dict[str, set[ServerConnection]] = defaultdict(set)


async def chat(member: ServerConnection) -> None:
    """Let somebody join rooms, and say something to everybody in one."""
    try:
        async for message in member:
            said = json.loads(message)
            if "join" in said:
                rooms[said["join"]].add(member)
                await member.send(json.dumps({"joined": said["join"]}))
            else:
                broadcast(rooms[said["room"]], message)
    finally:
        for members in rooms.values():
            members.discard(member)


async def main() -> None:
    """Serve until the process is ended; without a port it takes a free one."""
    port = int(sys.argv[1]) if sys.argv[1:] else 0
    async with serve(chat, "127.0.0.1", port) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
