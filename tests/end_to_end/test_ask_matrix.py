"""Every opening handshake is seen failing: on some server that is broken on purpose."""

import asyncio
import re
from collections.abc import Awaitable, Callable

import pytest

from wavetank.dialects import Echo
from wavetank.lab.conformance import handshake, heads, negotiation
from wavetank.lab.conformance.aio.asking import Asker
from wavetank.lab.conformance.asking import Ask
from wavetank.lab.peers import Peers
from wavetank.lab.target import Target
from wavetank.wire import accept_key

pytestmark = [pytest.mark.anyio, pytest.mark.hasty]

ASKS: tuple[Ask, ...] = (*handshake.ASKS, *heads.ASKS, *negotiation.ASKS)
WITHIN = 0.3
"""Seconds for a reaction; who needs longer on a busy machine fails, as all do here."""

Answer = Callable[[bytes], bytes]


def field(head: bytes, name: bytes) -> bytes:
    """Return the first value of a field, "" without one."""
    found = re.search(rb"\r\n" + name + rb":[ \t]*([^\r\n]*)", head, re.IGNORECASE)
    return found[1] if found else b""


def welcome(head: bytes) -> bytes:
    """Open for everybody, and agree to all that is offered, as it is written."""
    key = field(head, b"Sec-WebSocket-Key").decode("latin-1")
    lines = [
        b"HTTP/1.1 101 Switching Protocols",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + accept_key(key).encode(),
    ]
    offers = (b"Sec-WebSocket-Protocol", b"Sec-WebSocket-Extensions")
    lines += [name + b": " + field(head, name) for name in offers if field(head, name)]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def invent(head: bytes) -> bytes:
    """Open for everybody, and agree to what nobody offered."""
    more = (
        b"Sec-WebSocket-Protocol: invented\r\nSec-WebSocket-Extensions: x-new\r\n\r\n"
    )
    opened = welcome(b"\r\nSec-WebSocket-Key: " + field(head, b"Sec-WebSocket-Key"))
    return opened.removesuffix(b"\r\n") + more


def refuse(head: bytes) -> bytes:
    """Refuse everybody, and not say why."""
    del head
    return b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"


def babble(head: bytes) -> bytes:
    """Say what is no HTTP."""
    del head
    return b"what?\r\n\r\n"


async def attend(
    answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer whatever comes first, and read on."""
    try:
        head = await reader.read(65_536)
        writer.write(answer(head))
        while await reader.read(65_536):
            pass
    except ConnectionError:
        pass
    finally:
        writer.close()


async def caught_by(answer: Answer, asks: list[Ask]) -> set[str]:
    """Return the ids of the opening handshakes that do not simply pass."""

    def accept(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Awaitable[None]:
        return attend(answer, reader, writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=2**20)
    port = server.sockets[0].getsockname()[1]
    peers = Peers(
        Target(url=f"ws://127.0.0.1:{port}/", dialect=Echo()),
        check="kills",
        record=lambda _: None,
        now=lambda: 0.0,
    )
    judgements = await Asker(peers, within=WITHIN).run(asks)
    await peers.close()
    server.close()
    return {
        ask.id
        for ask, judged in zip(asks, judgements, strict=True)
        if judged.verdict == "FAIL" or judged.note
    }


async def test_each_opening_handshake_is_seen_failing() -> None:
    """Or its note: one that nothing can miss would prove nothing."""
    assert len(ASKS) == 64 + 16 + 55
    left = list(ASKS)
    for answer in (welcome, invent, refuse, babble):
        caught = await caught_by(answer, left)
        left = [ask for ask in left if ask.id not in caught]
    assert [f"{ask.id} {ask.title}" for ask in left] == []
