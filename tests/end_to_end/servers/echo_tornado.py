"""An echo server on Tornado, as its documentation shows one."""

import asyncio
import sys

from tornado.web import Application
from tornado.websocket import WebSocketHandler

LARGEST = 64 * 1024 * 1024


class Echo(WebSocketHandler):
    """Sends each message back."""

    def on_message(self, message: str | bytes) -> None:
        """Send it as it came: text as text, binary as binary."""
        self.write_message(message, binary=isinstance(message, bytes))

    def get_compression_options(self) -> dict[str, int]:
        """Agree to permessage-deflate."""
        return {}


async def main() -> None:
    """Serve until the process is ended."""
    application = Application([("/", Echo)], websocket_max_message_size=LARGEST)
    application.listen(int(sys.argv[1]), "127.0.0.1")
    await asyncio.Event().wait()


asyncio.run(main())
