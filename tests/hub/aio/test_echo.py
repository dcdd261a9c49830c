"""The echo: each message comes back as it was sent."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from wavetank.clock import VirtualClock
from wavetank.hub.access import Claims
from wavetank.hub.aio.echo import Echo
from wavetank.hub.aio.node import Node
from wavetank.hub.effects import Moment
from wavetank.wire import Message, Opcode

pytestmark = pytest.mark.anyio

AT = Moment(0.0, 0.0)

MakeNode = Callable[..., Node]


async def test_echo_sends_text_as_text_and_binary_as_binary(
    make_node: MakeNode, link: Any
) -> None:
    """Several messages of one read come back in one write."""
    echo = Echo(make_node(), link, None)
    echo.receive(Message(Opcode.TEXT, b"hi"), AT)
    echo.receive(Message(Opcode.BINARY, b"\x00"), AT)
    assert link.writes == []
    echo.settle()
    echo.settle()
    assert len(link.writes) == 1
    assert link.frames() == [(Opcode.TEXT, b"hi"), (Opcode.BINARY, b"\x00")]


async def test_echo_does_not_gather_without_bound(
    make_node: MakeNode, link: Any
) -> None:
    """Beyond 64 KiB it writes at once."""
    echo = Echo(make_node(), link, None)
    echo.receive(Message(Opcode.BINARY, bytes(70_000)), AT)
    assert len(link.writes) == 1


async def test_echo_reads_nothing_while_nothing_can_be_sent_back(
    make_node: MakeNode, link: Any, clock: VirtualClock
) -> None:
    """So a peer that does not read costs no memory."""
    echo = Echo(make_node(ping=20.0), link, None)
    clock.advance(5.0)
    echo.paused()
    echo.resumed()
    assert link.calls == ["hold", "release"]
    assert echo.due_at == 25.0


async def test_echo_pings_and_ends_without_a_pong(
    make_node: MakeNode, link: Any, clock: VirtualClock
) -> None:
    """4110, like the hub."""
    echo = Echo(make_node(ping=20.0, pong=15.0), link, None)
    clock.advance(9.0)
    echo.tick()
    assert link.writes == []
    clock.advance(11.0)
    echo.tick()
    assert link.frames() == [(Opcode.PING, b"1")]
    clock.advance(15.0)
    echo.tick()
    assert link.calls == [(4110, "no pong")]


async def test_echo_is_content_with_a_pong(
    make_node: MakeNode, link: Any, clock: VirtualClock
) -> None:
    """It goes on, and pings again."""
    echo = Echo(make_node(ping=20.0, pong=15.0), link, None)
    clock.advance(20.0)
    echo.tick()
    echo.hear_pong(b"1")
    clock.advance(20.0)
    echo.tick()
    assert link.calls == []
    assert link.frames() == [(Opcode.PING, b"1"), (Opcode.PING, b"2")]


async def test_echo_with_a_pong_on_its_way_sends_no_second_ping(
    make_node: MakeNode, link: Any, clock: VirtualClock
) -> None:
    """One at a time."""
    echo = Echo(make_node(ping=5.0, pong=60.0), link, None)
    for _ in range(2):
        clock.advance(5.0)
        echo.tick()
    assert len(link.writes) == 1


async def test_echo_ends_with_its_token(
    make_node: MakeNode, link: Any, clock: VirtualClock
) -> None:
    """4201, like the hub; nobody can bring a newer one here."""
    claims = Claims(user="ann", expires_at=clock.wall() + 7.0)
    echo = Echo(make_node(tokens=("t",)), link, claims)
    assert echo.due_at == clock.now() + 7.0
    clock.advance(6.0)
    echo.tick()
    assert link.calls == []
    clock.advance(1.0)
    echo.tick()
    assert link.calls == [(4201, "token expired")]


async def test_echo_ends_when_its_token_is_withdrawn(
    make_node: MakeNode, link: Any
) -> None:
    """4001, like the hub; who was asked for no token stays, and who is known, too."""
    node = make_node(tokens=("t",))
    known = node.tokens.verify("t", 0.0)
    assert isinstance(known, Claims)
    Echo(node, link, known)
    Echo(node, link, None)
    node.recheck()
    assert link.calls == []
    gone = Echo(node, link, replace(known, key="token-of-yesterday"))
    node.recheck()
    assert link.calls == [(4001, "bad token")]
    gone.lost()
    node.recheck()
    assert link.calls == [(4001, "bad token")]


async def test_echo_goes_away_with_1001(make_node: MakeNode, link: Any) -> None:
    """It has nothing to deliver first."""
    echo = Echo(make_node(), link, None)
    echo.receive(Message(Opcode.TEXT, b"hi"), AT)
    echo.drain(reconnect_after=1.0)
    assert link.calls == [(1001, "going away")]
    echo.lost()
    echo.settle()
    assert link.writes == []
    assert echo.waiting_bytes is None
