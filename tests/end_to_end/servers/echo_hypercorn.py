"""Starlette's echo on Hypercorn, with a larger limit than its command line can set."""

import asyncio
import sys

from echo_starlette import application
from hypercorn.asyncio import serve
from hypercorn.config import Config

config = Config()
config.bind = [f"127.0.0.1:{sys.argv[1]}"]
config.websocket_max_message_size = 64 * 1024 * 1024
asyncio.run(serve(application, config))
