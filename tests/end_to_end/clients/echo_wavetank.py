"""An echo client on the door of `wavetank.client`; it connects again.

A subscriber echoes nothing, so what it opens its connections with is tested alone.
"""

import asyncio
import sys
from contextlib import suppress

import structlog
from websockets.exceptions import ConnectionClosed

from wavetank.client.aio.door import Door, LinkFailed
from wavetank.clock import SystemClock


async def main(url: str) -> None:
    """Echo on one connection after the other, until no more are to be had."""
    door = Door(url, clock=SystemClock(), logger=structlog.get_logger(), options={})
    while True:
        try:
            connection = await door._connect(door.address)
        except LinkFailed as refused:
            if "410" in str(refused):
                return
            continue
        with suppress(ConnectionClosed):
            async for message in connection:
                await connection.send(message)
        await connection.close()


asyncio.run(main(sys.argv[1]))
