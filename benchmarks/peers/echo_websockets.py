"""Echo clients on ``websockets``: each sends again when its answer is there.

They refuse to do anything else: nothing is compared, and no time is taken.
"""

import asyncio
import contextlib

import uvloop
from stint import Stint, read_stint, watch
from websockets.asyncio.client import ClientConnection, connect


async def main(stint: Stint) -> None:
    """Open the connections, and measure."""
    message = "x" * stint.size
    answers = 0

    async def talk(connection: ClientConnection) -> None:
        nonlocal answers
        while True:
            await connection.send(message)
            await connection.recv()
            answers += 1

    async with contextlib.AsyncExitStack() as stack:
        tasks = []
        for _ in range(stint.connections):
            opening = connect(stint.url, compression=None)
            connection = await stack.enter_async_context(opening)
            tasks.append(asyncio.create_task(talk(connection)))
        await watch(stint, lambda: answers)
        for task in tasks:
            task.cancel()


uvloop.run(main(read_stint()))
