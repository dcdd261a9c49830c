"""Wrecks of single rules: each shows its fault, and is sound beside it."""

from typing import Any

import pytest

from wavetank.wire import Control, Opcode, encode_frame
from wavetank.wrecks import SoundServer
from wavetank.wrecks.rules import (
    AnyMethodUpgraded,
    BadUtf8ClosedAsNormal,
    BrokenCloseAnswered,
    CloseCodesUnread,
    FragmentsForgiven,
    LongControlFramesTaken,
    PongCutShort,
    ReservedBitsIgnored,
    Rsv1Overlooked,
    SingleBytesDropped,
    TextsCutShort,
    UnmaskedOverlooked,
    UnofferedSubprotocolSpoken,
)

pytestmark = pytest.mark.anyio

Row = tuple[int, bytes, dict[str, Any]]

BAD_UTF8: Row = (Opcode.TEXT, b"caf\xff", {})
UNMASKED: Row = (Opcode.TEXT, b"bare", {"mask": None})
RSV1: Row = (Opcode.TEXT, b"bit", {"rsv1": True})
RSV2: Row = (Opcode.TEXT, b"bit", {"rsv2": True})
OPCODE: Row = (0x3, b"", {})
ORPHAN: Row = (Opcode.CONTINUATION, b"", {})
LONG_PING: Row = (Opcode.PING, b"x" * 126, {})
CODE: Row = (Opcode.CLOSE, (1005).to_bytes(2, "big"), {})
ONE_BYTE: Row = (Opcode.CLOSE, b"x", {})


@pytest.mark.parametrize(
    ("kind", "bad", "good"),
    [
        (ReservedBitsIgnored, RSV2, UNMASKED),
        (ReservedBitsIgnored, OPCODE, UNMASKED),
        (Rsv1Overlooked, RSV1, RSV2),
        (FragmentsForgiven, ORPHAN, OPCODE),
        (UnmaskedOverlooked, UNMASKED, OPCODE),
        (LongControlFramesTaken, LONG_PING, OPCODE),
        (CloseCodesUnread, CODE, OPCODE),
    ],
)
async def test_wreck_overlooks_one_rule_and_no_other(
    start: Any, echoed: Any, kind: type[SoundServer], bad: Row, good: Row
) -> None:
    """The connection goes on after it; another violation still fails it."""
    peer = await echoed(await start(kind))
    peer.send(bad[0], bad[1], **bad[2])
    peer.send(Opcode.PING, b"alive")
    frame = await peer.frame()
    while frame.payload != b"alive":
        frame = await peer.frame()
    peer.send(good[0], good[1], **good[2])
    assert await peer.close_code() == 1002


@pytest.mark.parametrize(
    ("kind", "bad", "good"),
    [
        (BadUtf8ClosedAsNormal, BAD_UTF8, OPCODE),
        (BrokenCloseAnswered, ONE_BYTE, OPCODE),
        (BrokenCloseAnswered, CODE, OPCODE),
    ],
)
async def test_wreck_calls_one_violation_normal(
    start: Any, echoed: Any, kind: type[SoundServer], bad: Row, good: Row
) -> None:
    """It is closed with 1000; another one as it should be."""
    server = await start(kind)
    for row, code in ((bad, 1000), (good, 1002)):
        peer = await echoed(server)
        peer.send(row[0], row[1], **row[2])
        assert await peer.close_code() == code


async def test_wreck_cuts_texts_and_pongs(start: Any, echoed: Any) -> None:
    """By one byte; short texts stay whole."""
    peer = await echoed(await start(TextsCutShort))
    for sent, got in ((125, 125), (126, 125)):
        peer.send(Opcode.TEXT, b"x" * sent)
        assert await peer.text() == "x" * got
    peer = await echoed(await start(PongCutShort))
    peer.send(Opcode.PING, b"abc")
    assert await peer.text() == "ab"


async def test_wreck_loses_bytes_that_come_alone() -> None:
    """Frames in one piece are read, and so is what follows a lost byte."""
    reader = SingleBytesDropped().make_reader()
    whole = encode_frame(Opcode.PING, b"whole", mask=b"wave")
    assert reader.feed(b"\x89") == []
    (control,) = reader.feed(whole)
    assert control == Control(Opcode.PING, b"whole")


async def test_wreck_upgrades_any_method(start: Any, connect: Any) -> None:
    """A POST is as good as a GET; a wrong version is still refused."""
    server = await start(AnyMethodUpgraded)
    for method, version, status in (("POST", "13", "101"), ("POST", "12", "426")):
        peer = await connect(server)
        peer.write(
            f"{method} /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Sec-WebSocket-Version: {version}\r\n\r\n".encode()
        )
        assert status in (await peer.head()).partition("\r\n")[0]


async def test_wreck_speaks_what_nobody_offered(start: Any, connect: Any) -> None:
    """And refuses what is no opening handshake."""
    server = await start(UnofferedSubprotocolSpoken)
    peer = await connect(server)
    peer.ask("/echo", Sec_WebSocket_Protocol=None)
    assert "Sec-WebSocket-Protocol: wavetank.v1" in await peer.head()
    peer = await connect(server)
    peer.ask("/echo", Sec_WebSocket_Version="12")
    assert " 426 " in await peer.head()
