"""A server with two workers that share its listening socket: ``prefork.py PORT [HOW]``.

It refuses to know who ends the workers. HOW is ``mortal`` where none is started again.
"""

import asyncio
import os
import signal
import socket
import sys

from websockets.asyncio.server import ServerConnection, serve

WORKERS = 2


async def echo(connection: ServerConnection) -> None:
    """Say again what is said."""
    async for message in connection:
        await connection.send(message)


async def work(listening: socket.socket) -> None:
    """Serve until a signal comes."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with serve(echo, sock=listening):
        await ended.wait()


def main(port: int, *, how: str) -> None:
    """Keep as many workers as there should be."""
    listening = socket.create_server(("127.0.0.1", port))
    workers: set[int] = set()
    left = WORKERS if how == "mortal" else 10**9
    while True:
        while left and len(workers) < WORKERS:
            left -= 1
            if not (pid := os.fork()):
                asyncio.run(work(listening))
                os._exit(0)
            workers.add(pid)
        if not workers:
            signal.pause()
        workers.discard(os.wait()[0])


if __name__ == "__main__":
    main(int(sys.argv[1]), how="".join(sys.argv[2:]))
