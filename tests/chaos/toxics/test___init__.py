"""Each toxic of the table, as raw bytes see it at both ends of a real proxy."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest

from wavetank.chaos.aio import Proxy
from wavetank.chaos.toxic import Direction
from wavetank.chaos.toxics import TYPES

from ..aio.wires import REQUEST, RESPONSE, Target, Wire, dial, frame, settled

pytestmark = pytest.mark.anyio

HOUR = 3_600_000
"""Milliseconds: longer than any test takes."""

ONE, TWO, MARK = frame(b"one"), frame(b"two"), frame(b"mark")
PING = frame(b"", 0x89)
CLOSE = frame(b"\x03\xe8", 0x88)
"""1000, without a reason."""


class Row(NamedTuple):
    """What one toxic does to one stream.

    Attributes:
        kind: Its type.
        attributes: What is said of it.
        sent: What the sender writes.
        seen: What the reader reads of it while the toxic is there.
        healed: What the reader reads when it is taken out.
        fin: Whether the sender ends its stream behind what it writes.
        ends: How the reader's connection ends: open, fin, rst, silent.
        source: How the sender's does.
        at_heal: Whether both end in order when it is taken out, and not before.
        when: Which frames it is for.
    """

    kind: str
    attributes: dict[str, object]
    sent: bytes
    seen: bytes
    healed: bytes = b""
    fin: bool = False
    ends: str = "open"
    source: str = "open"
    at_heal: bool = False
    when: dict[str, object] | None = None

    @property
    def goes_on(self) -> bool:
        """Whether the stream is whole behind it."""
        return self.ends == self.source == "open" and not (self.at_heal or self.fin)


ROWS = [
    Row("noop", {}, b"abc", b"abc"),
    Row("latency", {"latency": HOUR}, b"abc", b"", b"abc"),
    Row("latency", {"latency": 1, "jitter": 1}, b"abc", b"abc"),
    Row("bandwidth", {"rate": 0}, b"abc", b"", b"abc"),
    Row("bandwidth", {"rate": 1}, b"abc", b"abc"),
    Row("slicer", {"average_size": 2, "delay": 1e12}, b"abcdef", b"ab", b"cdef"),
    Row("slow_close", {"delay": HOUR}, b"abc", b"abc", fin=True),
    Row("slow_close", {"delay": 1}, b"abc", b"abc", fin=True, ends="fin"),
    Row("timeout", {}, b"abc", b"", at_heal=True),
    Row("timeout", {"timeout": 1}, b"", b"", ends="fin", source="fin"),
    Row("stall", {}, b"abc", b"", b"abc"),
    Row("stall", {}, b"abc", b"", b"abc", fin=True),
    Row("limit_data", {"bytes": 2}, b"abc", b"ab", ends="fin", source="fin"),
    Row("limit_time", {"time": 1}, b"", b"", ends="fin", source="fin"),
    Row("reset_peer", {"bytes": 2}, b"abc", b"ab", ends="rst", source="rst"),
    Row("reset_peer", {"timeout": 1}, b"abc", b"", ends="rst", source="rst"),
    Row("finish", {"bytes": 2}, b"abc", b"ab", ends="fin"),
    Row("half_open", {"bytes": 2}, b"abc", b"ab", ends="silent", source="rst"),
    Row("half_open", {"bytes": 9}, b"abc", b"abc", fin=True, ends="silent"),
    Row("packet_loss", {"loss_rate": 1, "size": 1}, b"abc", b""),
    Row("drop", {}, ONE + TWO, TWO, when={"count": 1}),
    Row("duplicate", {"copies": 2}, ONE, ONE * 3),
    Row("reorder", {"window": 2, "pause": HOUR}, ONE + TWO, TWO + ONE),
    Row("delay", {"delay": HOUR}, ONE + TWO, b"", ONE + TWO),
    Row(
        *("delay", {"delay": HOUR, "overtake": True}, ONE + TWO, TWO, ONE),
        when={"count": 1},
    ),
    Row("corrupt", {"part": "rsv1"}, ONE, frame(b"one", 0xC1)),
    Row("corrupt", {"part": "utf8"}, frame(b"\x00"), frame(b"\xff")),
    Row("truncate", {"keep": 1}, ONE, frame(b"o")),
    Row(
        *("truncate", {"keep": 1, "then": "rst"}, ONE, ONE[:3]),
        ends="rst",
        source="rst",
    ),
    Row("fragment", {}, ONE, frame(b"o", 0x01) + frame(b"ne", 0x80)),
    Row("merge", {}, frame(b"o", 0x01) + frame(b"ne", 0x80), ONE),
    Row("merge", {"what": "writes", "pause": HOUR}, ONE + TWO, b"", ONE + TWO),
    Row("swallow", {"opcode": "ping"}, ONE + PING + TWO, ONE + TWO),
    Row("close_code", {"code": 1001}, CLOSE, frame(b"\x03\xe9", 0x88)),
    Row(
        *("close_without_handshake", {"how": "rst"}, ONE + CLOSE, ONE),
        ends="rst",
        source="rst",
    ),
    Row("stall_inside", {"bytes": 3}, ONE + TWO, ONE[:3], ONE[3:] + TWO),
]

ALONE = {"slow_open", "negotiation"}
"""Those that are about the beginning of a link have tests of their own."""


def test_each_toxic_is_seen_on_the_wire() -> None:
    """A new row of the table of toxics needs one here."""
    assert {row.kind for row in ROWS} | ALONE == set(TYPES)


@contextlib.asynccontextmanager
async def joined(proxy: Proxy, target: Target) -> AsyncIterator[tuple[Wire, Wire]]:
    """Yield a client's end and the target's end of a new link."""
    client = await dial(proxy.port)
    try:
        yield client, await target.guest(len(target.wires) + 1)
    finally:
        client.transport.abort()
        await client.gone()


async def meets(wire: Wire, end: str) -> None:
    """Wait for the end that a connection is to have."""
    if end == "fin":
        await wire.until(lambda it: it.has_fin or it.is_lost)
        assert not wire.was_reset
    elif end == "rst":
        await wire.gone()
        assert wire.was_reset
    else:
        assert not wire.has_fin
        assert not wire.is_lost


@pytest.mark.parametrize("stream", [*Direction])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.kind)
async def test_a_toxic_does_what_the_table_says(row: Row, stream: Direction) -> None:
    """In both directions: what is read, how it ends, and what comes at the heal."""
    async with (
        Target() as target,
        Proxy(("127.0.0.1", target.port)) as proxy,
        joined(proxy, target) as (client, server),
    ):
        if TYPES[row.kind].frames:
            client.send(REQUEST)
            await server.reads(REQUEST)
            server.send(RESPONSE)
            await client.reads(RESPONSE)
        is_up = stream is Direction.UPSTREAM
        sender, reader = (client, server) if is_up else (server, client)
        await play(row, stream, proxy, (sender, reader))
        if row.ends == "silent":
            reader.send(b"to nobody")
            # Whatever comes of that comes before what others say behind it.
            async with joined(proxy, target) as (other, guest):
                other.send(MARK)
                await guest.reads(MARK)
            await meets(reader, "silent")


async def play(
    row: Row, stream: Direction, proxy: Proxy, ends: tuple[Wire, Wire]
) -> None:
    """Do what a row says, and see that nothing else happens."""
    sender, reader = ends
    watched = proxy.links[1].stream(stream)
    before = watched.received
    asked: dict[str, Any] = {"name": "it", "type": row.kind, "stream": stream}
    when = {} if row.when is None else {"when": row.when}
    proxy.add({**asked, "attributes": row.attributes, **when})
    if row.sent:
        sender.send(row.sent)
    if row.fin:
        sender.transport.write_eof()
    await reader.until(lambda wire: len(wire.data) >= len(row.seen) or wire.is_lost)
    await settled(
        lambda: (
            watched.received - before == len(row.sent)
            and (watched.is_finished or not row.fin)
        )
    )
    await meets(reader, row.ends)
    await meets(sender, row.source)
    assert reader.data == row.seen
    proxy.remove("it")
    expected = row.seen + row.healed
    if row.goes_on:
        sender.send(MARK)
        expected += MARK
    await reader.until(lambda wire: len(wire.data) >= len(expected) or wire.is_lost)
    if row.at_heal:
        await meets(sender, "fin")
    if row.at_heal or (row.fin and row.ends == "open"):
        await meets(reader, "fin")
    assert reader.data == expected


async def test_a_finished_stream_leaves_the_other_one_alone() -> None:
    """The reader has its FIN, and may still answer."""
    async with (
        Target() as target,
        Proxy(("127.0.0.1", target.port)) as proxy,
        joined(proxy, target) as (client, server),
    ):
        proxy.add({"type": "finish", "attributes": {"bytes": 2}})
        server.send(b"abc")
        await client.until(lambda wire: wire.has_fin)
        client.send(b"answer")
        await server.reads(b"answer")


async def test_a_slow_opening_keeps_a_client_from_the_target() -> None:
    """It is let in and talks, and nobody knows of it yet."""
    async with Target() as target, Proxy(("127.0.0.1", target.port)) as proxy:
        slow = {"name": "it", "type": "slow_open", "attributes": {"delay": HOUR}}
        proxy.add({**slow, "stream": "upstream"})
        client = await dial(proxy.port)
        client.send(b"hello")
        await settled(lambda: bool(proxy.links) and proxy.links[1].upstream.held == 5)
        assert target.wires == []
        proxy.remove("it")
        server = await target.guest()
        await server.reads(b"hello")
        client.transport.abort()
        await client.gone()


OFFER = b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
ASKED = REQUEST[:-2] + OFFER
AGREED = RESPONSE[:-2] + OFFER


@pytest.mark.parametrize(
    ("stream", "asked", "agreed"),
    [("upstream", REQUEST, AGREED), ("downstream", ASKED, RESPONSE)],
)
async def test_a_negotiation_is_altered(
    stream: str, asked: bytes, agreed: bytes
) -> None:
    """The extension is gone from the one head or the other; all else stays."""
    async with Target() as target, Proxy(("127.0.0.1", target.port)) as proxy:
        given = {"type": "negotiation", "attributes": {"extensions": ""}}
        proxy.add({**given, "stream": stream})
        async with joined(proxy, target) as (client, server):
            client.send(ASKED)
            await server.reads(asked)
            server.send(AGREED + ONE)
            await client.reads(agreed + ONE)
