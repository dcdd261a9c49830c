"""Echo clients on picows: each sends again when its answer is there.

They refuse to do anything else: nothing is compared, and no time is taken.
"""

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from stint import Stint, read_stint, watch


class Client(WSListener):
    """One connection."""

    answers = 0

    def __init__(self, message: bytes) -> None:
        self._message = message
        self._transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Send the first message."""
        self._transport = transport
        transport.send(WSMsgType.TEXT, self._message)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Count an answer, and send the next message."""
        Client.answers += 1
        transport.send(WSMsgType.TEXT, self._message)


async def main(stint: Stint) -> None:
    """Open the connections, and measure."""
    message = b"x" * stint.size
    for _ in range(stint.connections):
        await ws_connect(lambda: Client(message), stint.url)
    await watch(stint, lambda: Client.answers)


uvloop.run(main(read_stint()))
