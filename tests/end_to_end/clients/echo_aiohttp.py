"""An echo client on aiohttp, as its documentation shows one; it connects again."""

import asyncio
import sys

import aiohttp


async def main(url: str) -> None:
    """Echo on one connection after the other, until no more are to be had."""
    async with aiohttp.ClientSession() as session:
        while True:
            try:
                await echo(session, url)
            except aiohttp.WSServerHandshakeError as refused:
                if refused.status == 410:
                    return
            except (aiohttp.ClientError, ConnectionError, ValueError):
                continue


async def echo(session: aiohttp.ClientSession, url: str) -> None:
    """Echo on one connection, compressed where the server agrees to it."""
    async with session.ws_connect(url, compress=15, max_msg_size=2**24) as socket:
        async for message in socket:
            if message.type == aiohttp.WSMsgType.TEXT:
                await socket.send_str(message.data)
            elif message.type == aiohttp.WSMsgType.BINARY:
                await socket.send_bytes(message.data)


asyncio.run(main(sys.argv[1]))
