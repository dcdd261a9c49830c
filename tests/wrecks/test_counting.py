"""The server that counts the messages to each connection."""

from typing import Any

import pytest

from wavetank.wire import Opcode
from wavetank.wrecks.connection import Connection
from wavetank.wrecks.counting import EveryNth

pytestmark = pytest.mark.anyio


class EveryThird(EveryNth):
    """Shouts every third message."""

    each = 3

    def fail(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Shout."""
        super().fail(connection, opcode, payload)
        connection.send(opcode, payload.upper())


async def test_counting_server_fails_with_every_third_message_of_each_connection(
    start: Any, connect: Any
) -> None:
    """One peer's messages are not another's, and who has left is forgotten."""
    server = await start(EveryThird)
    peers = [await connect(server, "/echo") for _ in range(2)]
    for letter in "abcdef":
        for peer in peers:
            peer.send(Opcode.TEXT, letter.encode())
    for peer in peers:
        assert [await peer.text() for _ in range(6)] == ["a", "b", "C", "d", "e", "F"]
        peer.send(Opcode.CLOSE)
        assert await peer.frame() is not None
    assert not server.pushed
