"""An echo server on aiohttp, as its documentation shows one."""

import sys

from aiohttp import WSMsgType, web

LARGEST = 64 * 1024 * 1024


async def echo(request: web.Request) -> web.WebSocketResponse:
    """Send each message back."""
    response = web.WebSocketResponse(max_msg_size=LARGEST)
    await response.prepare(request)
    async for message in response:
        if message.type == WSMsgType.TEXT:
            await response.send_str(message.data)
        elif message.type == WSMsgType.BINARY:
            await response.send_bytes(message.data)
    return response


application = web.Application()
application.router.add_get("/", echo)
web.run_app(application, host="127.0.0.1", port=int(sys.argv[1]), print=None)
