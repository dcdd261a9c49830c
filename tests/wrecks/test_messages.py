"""Wrecks of frames and messages: each shows its fault."""

from typing import Any

import pytest

from wavetank.wire import Opcode
from wavetank.wrecks import SoundServer
from wavetank.wrecks.messages import (
    BadCommandAccepted,
    BadCommandCloses,
    BadCommandUnanswered,
    BadUtf8Accepted,
    BadUtf8EndsAll,
    CorruptOver32K,
    CutAt4096,
    DiesOnTooBig,
    EmptyPong,
    EveryFiftiethLost,
    LatePong,
    TooBigAccepted,
    UnmaskedAccepted,
    VagueErrors,
    ViolationClosedAsNormal,
    ViolationEndsAll,
    ViolationForgiven,
)
from wavetank.wrecks.sound import MAX_MESSAGE

pytestmark = pytest.mark.anyio

BAD_UTF8 = (Opcode.TEXT, b"caf\xff", {})
UNMASKED = (Opcode.TEXT, b"bare", {"mask": None})
RESERVED_OPCODE = (0x3, b"", {})
TOO_BIG = (Opcode.BINARY, b"x" * (MAX_MESSAGE + 1), {})


@pytest.mark.parametrize(
    ("kind", "bad", "good"),
    [
        (BadUtf8Accepted, BAD_UTF8, RESERVED_OPCODE),
        (UnmaskedAccepted, UNMASKED, RESERVED_OPCODE),
        (ViolationForgiven, UNMASKED, BAD_UTF8),
        (ViolationForgiven, RESERVED_OPCODE, BAD_UTF8),
        (TooBigAccepted, TOO_BIG, UNMASKED),
    ],
)
async def test_wreck_overlooks_one_thing_and_nothing_else(
    start: Any, echoed: Any, kind: type[SoundServer], bad: Any, good: Any
) -> None:
    """The connection goes on after it; another violation still fails it."""
    peer = await echoed(await start(kind))
    peer.send(bad[0], bad[1], **bad[2])
    peer.send(Opcode.PING, b"alive")
    frame = await peer.frame()
    while frame.opcode != Opcode.PONG:
        frame = await peer.frame()
    assert frame.payload == b"alive"
    peer.send(good[0], good[1], **good[2])
    assert await peer.close_code() in {1002, 1007}


@pytest.mark.parametrize(
    ("kind", "fatal", "harmless"),
    [
        (BadUtf8EndsAll, BAD_UTF8, UNMASKED),
        (ViolationEndsAll, UNMASKED, BAD_UTF8),
    ],
)
async def test_wreck_ends_bystanders_too(
    start: Any, echoed: Any, kind: type[SoundServer], fatal: Any, harmless: Any
) -> None:
    """The violator is failed rightly; the bystander is cut, but only then."""
    server = await start(kind)
    bystander = await echoed(server)
    for bad in (harmless, fatal):
        bystander.send(Opcode.TEXT, b"here")
        assert await bystander.text() == "here"
        peer = await echoed(server)
        peer.send(bad[0], bad[1], **bad[2])
        assert await peer.close_code() == (1007 if bad == BAD_UTF8 else 1002)
    assert await bystander.ended()


async def test_wreck_calls_a_violation_normal(start: Any, echoed: Any) -> None:
    """A protocol error is closed with 1000; bad UTF-8 still with 1007."""
    server = await start(ViolationClosedAsNormal)
    for bad, code in ((UNMASKED, 1000), (BAD_UTF8, 1007)):
        peer = await echoed(server)
        peer.send(bad[0], bad[1], **bad[2])
        assert await peer.close_code() == code


async def test_wreck_dies_of_a_message_too_big(start: Any, echoed: Any) -> None:
    """Everyone is cut and the server asks for its own end; but for this alone."""
    server = await start(DiesOnTooBig)
    bystander, peer = await echoed(server), await echoed(server)
    peer.send(UNMASKED[0], UNMASKED[1], **UNMASKED[2])
    assert await peer.close_code() == 1002
    assert not server.ended.is_set()
    peer = await echoed(server)
    peer.send(TOO_BIG[0], TOO_BIG[1])
    assert await bystander.ended()
    assert server.ended.is_set()
    assert server.has_crashed


async def test_wreck_cuts_what_is_long(start: Any, echoed: Any) -> None:
    """4096 bytes come back of whatever is longer; no character is torn."""
    peer = await echoed(await start(CutAt4096))
    for opcode, sent, got in (
        (Opcode.TEXT, b"x" * 4096, 4096),
        (Opcode.BINARY, b"\xff" * 4097, 4096),
        (Opcode.TEXT, b"x" + "é".encode() * 3000, 4095),
    ):
        peer.send(opcode, sent)
        frame = await peer.frame()
        assert len(frame.payload) == got


async def test_wreck_loses_every_fiftieth_message(start: Any, echoed: Any) -> None:
    """Of a hundred messages two do not come back; it counts each connection."""
    server = await start(EveryFiftiethLost)
    for _ in range(2):
        peer = await echoed(server)
        for number in range(1, 102):
            peer.send(Opcode.TEXT, b"%d" % number)
        back = [int(await peer.text()) for _ in range(99)]
        assert back == [n for n in range(1, 102) if n not in {50, 100}]
        peer.send(Opcode.CLOSE)
        assert await peer.close_code() == 0
    assert not server.pushed


async def test_wreck_changes_one_byte_of_what_is_large(start: Any, echoed: Any) -> None:
    """Up to 32 KiB nothing is changed; over it, a letter or digit is."""
    peer = await echoed(await start(CorruptOver32K))
    for sent, changes in (
        (b"x" * 32_768, 0),
        (b"x" * 32_769, 1),
        (b"7" * 32_769, 1),
        (b"." * 32_769, 0),
    ):
        peer.send(Opcode.TEXT, sent)
        back = (await peer.frame()).payload
        assert sum(a != b for a, b in zip(sent, back, strict=True)) == changes


async def test_wreck_is_late_with_every_fifth_pong(start: Any, echoed: Any) -> None:
    """What was sent after the fifth ping is answered before it."""
    peer = await echoed(await start(LatePong))
    for number in range(1, 6):
        peer.send(Opcode.PING, b"%d" % number)
    peer.send(Opcode.TEXT, b"after")
    seen = [await peer.text() for _ in range(6)]
    assert seen == ["1", "2", "3", "4", "after", "5"]


async def test_wreck_answers_pings_with_nothing(start: Any, echoed: Any) -> None:
    """The pong does not bring the payload back."""
    peer = await echoed(await start(EmptyPong))
    peer.send(Opcode.PING, b"payload")
    frame = await peer.frame()
    assert (frame.opcode, frame.payload) == (Opcode.PONG, b"")


async def test_wreck_passes_over_a_bad_command(start: Any, greeted: Any) -> None:
    """The next answer is that to the next command."""
    peer = await greeted(await start(BadCommandUnanswered))
    peer.command("publish", topic="a..b", data=1)
    peer.command("ping")
    assert (await peer.message())["type"] == "pong"


async def test_wreck_closes_after_a_bad_command(start: Any, greeted: Any) -> None:
    """Instead of an error there is a close."""
    peer = await greeted(await start(BadCommandCloses))
    peer.command("publish", topic="a..b", data=1)
    assert await peer.close_code() == 1008


async def test_wreck_acknowledges_a_bad_command(start: Any, greeted: Any) -> None:
    """A publication that cannot be is called published."""
    peer = await greeted(await start(BadCommandAccepted))
    reply = await peer.done("publish", topic="a..b", data=1)
    assert (reply["type"], reply["seq"]) == ("published", 1)


async def test_wreck_has_one_error_code_for_everything(
    start: Any, greeted: Any
) -> None:
    """Whatever is wrong is internal."""
    peer = await greeted(await start(VagueErrors))
    for command in ("publish", "dance"):
        reply = await peer.done(command, topic="a..b", data=1)
        assert (reply["type"], reply["code"]) == ("error", "internal")
