"""The straight way from one transport to the other."""

import asyncio
from typing import cast

from wavetank.chaos.aio.straight import straight_way
from wavetank.chaos.framing import Splitter
from wavetank.chaos.toxic import Direction, Frame

from .wires import REQUEST, frame


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.data += data


def test_bytes_go_to_the_transport_and_nowhere_else() -> None:
    """Where no frames are looked for, or none are spoken, there is nothing between."""
    transport = cast(asyncio.Transport, Transport())
    assert straight_way(transport, None) == transport.write
    splitter = Splitter(Direction.UPSTREAM)
    splitter.tell(upgraded=False)
    assert straight_way(transport, splitter) == transport.write


def test_borders_of_frames_are_followed_on_the_way() -> None:
    """So that a toxic that comes later knows where the next frame begins."""
    to = Transport()
    splitter = Splitter(Direction.UPSTREAM)
    splitter.feed(REQUEST)
    go = straight_way(cast(asyncio.Transport, to), splitter)
    sent = frame(b"one") + frame(b"two")
    go(sent[:-1])
    assert to.data == sent[:-1]
    go(sent[-1:])
    assert splitter.frames == 2
    assert splitter.feed(frame(b"three")) == [Frame(frame(b"three"), 2)]
