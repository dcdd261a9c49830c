"""An echo client on websockets, as its documentation shows one; it connects again."""

import asyncio
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus


async def main(url: str) -> None:
    """Echo on one connection after the other, until no more are to be had."""
    while True:
        try:
            async with connect(url, max_size=2**24) as connection:
                async for message in connection:
                    await connection.send(message)
        except InvalidStatus as refused:
            if refused.response.status_code == 410:
                return
        except (ConnectionClosed, InvalidHandshake, OSError):
            continue


asyncio.run(main(sys.argv[1]))
