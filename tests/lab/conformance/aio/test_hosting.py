"""Hosting: clients get what they come for."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from wavetank.lab.conformance import worklist
from wavetank.lab.conformance.aio import hosting as module
from wavetank.lab.conformance.aio import welcoming
from wavetank.lab.conformance.aio.hosting import Hosting, Meeting
from wavetank.lab.conformance.aio.welcoming import Played
from wavetank.lab.conformance.case import (
    Case,
    End,
    Need,
    Outcome,
    Pong,
    Text,
    binary,
    ping,
    text,
)
from wavetank.lab.conformance.mirrored import mirrored
from wavetank.lab.conformance.openings import Opening
from wavetank.lab.conformance.worklist import Row, Worklist
from wavetank.net import RudeHost, RudePeer

pytestmark = [pytest.mark.anyio, pytest.mark.hasty]

DEADLINE = 30.0
"""Seconds after which a test gives up; nothing is measured against it."""

SOON = 0.3
"""Seconds for what is not going to come."""


@pytest.fixture(autouse=True)
def busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take no notice of how often this machine stands still."""
    monkeypatch.setattr(welcoming, "_LAG", math.inf)


def case(number: int, *steps: object, **fields: object) -> Case:
    """Return a case as a client is tested with it."""
    given = {"id": f"T.{number}", "title": "It is played.", "clause": "RFC 6455 5"}
    (turned,) = mirrored([Case(steps=steps, **given | fields)])  # type: ignore[arg-type]
    return turned


HELLO = case(
    1,
    text("Hello"),
    outcomes=(Outcome(heard=(Text(b"Hello"),)),),
    needs=frozenset({Need.ECHO}),
)
BROKEN = case(2, text("a", rsv=3), outcomes=(Outcome(end=End.FAILED),))
BINARY = case(
    3,
    binary(b"Hello"),
    outcomes=(Outcome(end=End.FAILED),),
    needs=frozenset({Need.BINARY}),
)
"""A case that no sound client passes."""

PONG = Outcome(heard=(Pong(b"a"),))
PING = case(4, ping(b"a"), outcomes=(PONG,))
DEFLATED = case(
    5,
    text(bytes.fromhex("f248cdc9c90700"), rsv=4),
    outcomes=(Outcome(heard=(Text(b"Hello"),)),),
    needs=frozenset({Need.DEFLATE, Need.TAKEOVER}),
    extensions="permessage-deflate",
)
RIGHT = Opening(id="T.6", title="It is answered.", clause="RFC 6455 4.1", opens=True)
AGREED = Opening(
    id="T.7",
    title="It is answered.",
    clause="RFC 6455 4.1",
    opens=True,
    change={"Sec-WebSocket-Extensions": "{agreed}"},
    wants=("permessage-deflate",),
)
UNOFFERED = Opening(
    id="T.8",
    title="It is answered.",
    clause="RFC 6455 4.1",
    opens=False,
    spared=("permessage-deflate",),
)


class Desk:
    """A host with its hosting, and what came of it."""

    def __init__(self, rows: tuple[Row, ...], within: float) -> None:
        self.meetings: list[Meeting] = []
        self.played: list[Played] = []
        self.hosting = Hosting(
            Worklist(rows), self.played.append, self.meetings.append, within=within
        )
        self.host = RudeHost(self.hosting.receive)
        self._is_open = True

    async def close(self) -> None:
        """Close it; closing twice does nothing."""
        if self._is_open:
            self._is_open = False
            await self.host.__aexit__(None, None, None)

    @property
    def verdicts(self) -> dict[str, str]:
        """What each case came to, in the order in which they were done."""
        return {
            each.row.id: "SKIP" if each.judgement is None else each.judgement.verdict
            for each in self.played
        }

    async def rest(self) -> None:
        """Wait until nobody is there any more."""
        async with asyncio.timeout(DEADLINE):
            while self.hosting.open:
                self.hosting.news.clear()
                await self.hosting.news.wait()


Open = Callable[..., Awaitable[Desk]]


@pytest.fixture
async def open_desk() -> AsyncIterator[Open]:
    """Host some rows."""
    desks: list[Desk] = []

    async def start(*rows: Row, within: float = DEADLINE) -> Desk:
        desks.append(Desk(rows, within))
        await desks[-1].host.__aenter__()
        return desks[-1]

    yield start
    for desk in desks:
        await desk.close()


async def visit(url: str, **options: Any) -> int:
    """Echo on one connection; return the status of the answer."""
    try:
        async with connect(url, **options) as connection:
            async for message in connection:
                await connection.send(message)
    except InvalidStatus as refused:
        return refused.response.status_code
    except (ConnectionClosed, InvalidHandshake, OSError, EOFError):
        pass
    return 101


async def loop(url: str, **options: Any) -> None:
    """Echo on one connection after the other, until there is nothing more."""
    async with asyncio.timeout(DEADLINE):
        while await visit(url, **options) != 410:
            pass


async def ask(url: str) -> list[str | bytes]:
    """Return what one is told."""
    async with connect(url) as connection:
        return [message async for message in connection]


# Clients that connect again


async def test_a_client_plays_one_case_on_each_connection(open_desk: Open) -> None:
    """The first connection shows what it is like, and is none."""
    desk = await open_desk(HELLO, BROKEN, BINARY, DEFLATED, RIGHT, AGREED)
    await loop(desk.host.url)
    await desk.rest()
    assert desk.verdicts == {
        "T.1": "PASS",
        "T.2": "PASS",
        "T.3": "FAIL",
        "T.5": "PASS",
        "T.6": "PASS",
        "T.7": "PASS",
    }
    assert desk.hosting.worklist.is_done
    assert desk.hosting.connections == 8
    assert desk.hosting.open == 0
    assert len(desk.hosting.asked) == 8
    assert len(desk.hosting.masks.lines) == 5  # frames are read of cases alone
    (meeting,) = desk.meetings
    assert not meeting.is_driver
    assert meeting.needs == frozenset(Need)


async def test_what_a_client_cannot_show_is_skipped(open_desk: Open) -> None:
    """It is found out once, and no connection is spent on it."""
    desk = await open_desk(HELLO, PING, DEFLATED, AGREED)
    await loop(desk.host.url, compression=None)
    skipped = {each.row.id: each.skipped for each in desk.played if each.skipped}
    assert skipped == dict.fromkeys(
        ("T.5", "T.7"), "the client does not offer permessage-deflate"
    )
    assert desk.verdicts["T.1"] == "PASS"
    assert desk.hosting.connections == 4


async def test_a_client_that_echoes_nothing_skips_echoes(open_desk: Open) -> None:
    """All else is played."""
    desk = await open_desk(HELLO, BROKEN, within=SOON)

    async def listen() -> None:
        while not desk.hosting.worklist.is_done:
            with suppress(ConnectionClosed, InvalidHandshake, EOFError):
                await ask(desk.host.url)

    async with asyncio.timeout(DEADLINE):
        await listen()
    assert desk.verdicts == {"T.1": "SKIP", "T.2": "PASS"}
    assert desk.played[0].skipped == "the client has no echo"


async def test_many_connections_share_the_cases(open_desk: Open) -> None:
    """Whoever comes while others play gets the next one."""
    rows = [case(number, ping(b"a"), outcomes=(PONG,)) for number in range(50)]
    desk = await open_desk(*rows)
    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(loop(desk.host.url))
    assert sorted(desk.verdicts) == sorted(row.id for row in rows)
    assert set(desk.verdicts.values()) == {"PASS"}
    assert len(desk.played) == 50


async def test_what_is_doubtful_is_played_once_more(open_desk: Open) -> None:
    """And told once; the second look decides, unless it shows nothing."""
    desk = await open_desk(HELLO, within=SOON)
    await visit(desk.host.url)
    async with await RudePeer.connect(desk.host.url) as silent:
        await silent.open()
        await silent.ended(DEADLINE)
    assert desk.played == []
    assert await visit(desk.host.url) == 101
    assert await visit(desk.host.url) == 410
    assert desk.verdicts == {"T.1": "PASS"}
    assert len(desk.played) == 1


async def stay_silent(url: str) -> None:
    """Open a connection, and do nothing on it to its end."""
    async with await RudePeer.connect(url) as silent:
        await silent.open()
        await silent.ended(DEADLINE)


SLOW = tuple(
    case(number, text("a"), outcomes=(Outcome(heard=(Text(b"a"),)),))
    for number in range(20, 24)
)


async def test_a_slow_client_gets_as_many_second_looks_as_it_needs(
    open_desk: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room for so many alone, one that is slow each time failed the rest once."""
    monkeypatch.setattr(worklist, "_MOST_VAIN", 1)
    desk = await open_desk(*SLOW, within=SOON)
    await visit(desk.host.url)
    for _ in SLOW:
        await stay_silent(desk.host.url)
    assert desk.played == []
    await loop(desk.host.url)
    assert desk.verdicts == dict.fromkeys(("T.20", "T.21", "T.22", "T.23"), "PASS")


async def test_a_client_that_stays_silent_is_not_awaited_for_ever(
    open_desk: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind some second looks in vain, what the first ones saw stands."""
    monkeypatch.setattr(worklist, "_MOST_VAIN", 2)
    desk = await open_desk(*SLOW, within=SOON)
    await visit(desk.host.url)
    for _ in range(len(SLOW) + 2):
        await stay_silent(desk.host.url)
    await desk.rest()
    assert desk.verdicts == dict.fromkeys(("T.20", "T.21", "T.22", "T.23"), "FAIL")
    assert desk.hosting.worklist.is_done
    assert len(desk.played) == len(SLOW)


async def test_a_second_look_that_shows_nothing_undoes_nothing(
    open_desk: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A FAIL of the first one stays."""
    desk = await open_desk(HELLO, within=SOON)
    await visit(desk.host.url)
    async with await RudePeer.connect(desk.host.url) as silent:
        await silent.open()
        await silent.ended(DEADLINE)

    async def crash(*_: object, **__: object) -> Played:
        raise ZeroDivisionError

    monkeypatch.setattr(module, "play_case", crash)
    await visit(desk.host.url)
    assert desk.verdicts == {"T.1": "FAIL"}


async def test_a_case_that_crashes_is_unknown(
    open_desk: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says nothing about the client, and the others are played."""
    desk = await open_desk(HELLO, RIGHT)
    await visit(desk.host.url)

    async def crash(*_: object, **__: object) -> Played:
        raise ZeroDivisionError("by hand")

    monkeypatch.setattr(module, "play_case", crash)
    await loop(desk.host.url)
    assert desk.verdicts == {"T.1": "UNKNOWN", "T.6": "PASS"}
    (judgement,) = [each.judgement for each in desk.played if each.row is HELLO]
    assert judgement is not None
    assert judgement.seen == "the case crashed: ZeroDivisionError: by hand"


async def test_a_case_that_is_cut_waits_again(open_desk: Open) -> None:
    """Nobody saw its end."""
    desk = await open_desk(HELLO)
    await visit(desk.host.url)
    async with await RudePeer.connect(desk.host.url) as silent:
        await silent.open()
        await desk.close()
    assert desk.hosting.worklist.rows() == (HELLO,)
    assert desk.played == []


# Clients that are none


async def test_a_client_that_never_opens_is_given_up(open_desk: Open) -> None:
    """After a few tries, and before any case."""
    desk = await open_desk(HELLO)
    for _ in range(3):
        assert desk.hosting.refusal == ""
        async with await RudePeer.connect(desk.host.url) as peer:
            await peer.open()
            peer.half_close()
            await peer.ended(DEADLINE)
    assert desk.hosting.refusal == "it connects, and never opens: no frame of it came"
    assert desk.hosting.met is None


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"\x16\x03\x01\x02", "this is TLS, where plain HTTP was expected"),
        (b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", "it has no key"),
    ],
)
async def test_what_cannot_be_answered_is_told(
    open_desk: Open, said: bytes, why: str
) -> None:
    """Before the first case it is given up; later it costs the case."""
    desk = await open_desk(HELLO)
    for _ in range(3):
        async with await RudePeer.connect(desk.host.url) as peer:
            await peer.write(said)
            assert b"400 Bad Request" in await peer.read(DEADLINE)
    assert desk.hosting.refusal == f"its request cannot be answered: {why}"

    await visit(desk.host.url)
    for _ in range(2):
        async with await RudePeer.connect(desk.host.url) as peer:
            await peer.write(said)
            await peer.read(DEADLINE)
    async with asyncio.timeout(DEADLINE):
        while not desk.played:
            await desk.hosting.news.wait()
    assert desk.verdicts == {"T.1": "UNKNOWN"}
    assert len(desk.hosting.asked) == 6


async def test_who_says_nothing_is_nobody(
    open_desk: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Browsers open connections that they may need later."""
    monkeypatch.setattr(module, "_REQUEST_WITHIN", 0.01)
    desk = await open_desk(HELLO)
    async with await RudePeer.connect(desk.host.url) as peer:
        await peer.ended(DEADLINE)
    async with await RudePeer.connect(desk.host.url) as peer:
        peer.half_close()
        await peer.ended(DEADLINE)
    assert desk.hosting.connections == 0
    assert desk.hosting.asked == []


async def test_plain_http_is_nobody(open_desk: Open) -> None:
    """A look whether somebody is there failed K.6 once, and cost a case each time."""
    desk = await open_desk(HELLO)
    for _ in range(4):
        async with await RudePeer.connect(desk.host.url) as peer:
            await peer.write(b"GET /favicon.ico HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b" 404 " in await peer.read(DEADLINE)
    assert desk.hosting.refusal == ""
    assert desk.hosting.connections == 0
    await loop(desk.host.url)
    assert desk.verdicts == {"T.1": "PASS"}
    assert len(desk.hosting.asked) == desk.hosting.connections


async def test_a_client_that_offers_subprotocols_gets_one(open_desk: Open) -> None:
    """As a browser insists: it never opened once, and no case was played."""
    desk = await open_desk(HELLO, RIGHT)
    chosen: set[str | None] = set()

    async def visit_chat() -> None:
        async with connect(desk.host.url, subprotocols=["chat", "more"]) as connection:  # type: ignore[list-item]
            chosen.add(connection.subprotocol)
            async for message in connection:
                await connection.send(message)

    async with asyncio.timeout(DEADLINE):
        while not desk.hosting.worklist.is_done:
            with suppress(ConnectionClosed, InvalidHandshake):
                await visit_chat()
    assert chosen == {"chat"}
    assert desk.verdicts == {"T.1": "PASS", "T.6": "PASS"}


async def test_what_a_client_says_on_its_own_is_no_echo(open_desk: Open) -> None:
    """Its greeting failed each case of a ping once."""
    desk = await open_desk(HELLO, PING, within=SOON)

    async def greet() -> None:
        async with connect(desk.host.url) as connection:
            await connection.send("hello, here I am")
            async for message in connection:
                await connection.send(message)

    async with asyncio.timeout(DEADLINE):
        while not desk.hosting.worklist.is_done:
            with suppress(ConnectionClosed, InvalidHandshake):
                await greet()
    assert desk.verdicts == {"T.1": "SKIP", "T.4": "PASS"}


async def test_requests_are_kept_within_a_bound(
    open_desk: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later ones are answered all the same."""
    monkeypatch.setattr(module, "_MOST_ASKED", 1)
    desk = await open_desk(HELLO)
    await loop(desk.host.url)
    assert len(desk.hosting.asked) == 1
    assert desk.verdicts == {"T.1": "PASS"}
    assert repr(desk.hosting) == (
        "<Hosting 3 connections, <Worklist 0 waiting, 0 out>>"
    )


# Drivers for Autobahn


async def test_a_driver_gets_what_it_asks_for(open_desk: Open) -> None:
    """How many, which, what came of it, and a report; each case once."""
    note = Outcome(heard=PONG.heard, note="it should rest")
    lax = case(9, ping(b"a"), outcomes=(note,))
    desk = await open_desk(HELLO, BINARY, lax, PING)
    url = desk.host.url
    assert await ask(f"{url}/getCaseCount") == ["4"]
    (info,) = await ask(f"{url}/getCaseInfo?case=1")
    assert json.loads(info) == {"id": "T.1", "description": "It is played."}
    assert await ask(f"{url}/getCaseInfo?case=99") == ["{}"]
    for number in (1, 2, 3):
        assert await visit(f"{url}/runCase?case={number}&agent=me") == 101
        await desk.rest()
    behaviors = [
        json.loads((await ask(f"{url}/getCaseStatus?case={number}"))[0])
        for number in (1, 2, 3, 4)
    ]
    assert [each["behavior"] for each in behaviors] == [
        "OK",
        "FAILED",
        "NON-STRICT",
        "UNIMPLEMENTED",
    ]
    assert await visit(f"{url}/runCase?case=1&agent=me") == 410
    assert await visit(f"{url}/runCase?case=99&agent=me") == 410
    assert await visit(f"{url}/runCase?casetuple=T.4&agent=me") == 101
    assert await ask(f"{url}/updateReports?agent=me") == []
    await desk.rest()
    assert desk.verdicts == {"T.1": "PASS", "T.3": "FAIL", "T.9": "PASS", "T.4": "PASS"}
    (meeting,) = desk.meetings
    assert meeting.is_driver


async def test_a_driver_may_offer_less_while_it_counts(open_desk: Open) -> None:
    """What it offers for a case counts: all of deflate was SKIP once."""
    desk = await open_desk(DEFLATED, AGREED, UNOFFERED, HELLO)
    url = desk.host.url
    async with connect(f"{url}/getCaseCount", compression=None) as connection:
        assert await connection.recv() == "4"
    for number in (1, 2, 3):
        assert await visit(f"{url}/runCase?case={number}") == 101
    await visit(f"{url}/runCase?case=4", compression=None)
    await desk.rest()
    assert desk.verdicts == {"T.5": "PASS", "T.7": "PASS", "T.8": "SKIP", "T.1": "PASS"}


async def test_what_a_driver_does_not_offer_is_skipped(open_desk: Open) -> None:
    """With a connection that is only opened and closed."""
    desk = await open_desk(DEFLATED, AGREED)
    url = desk.host.url
    assert await ask(f"{url}/getCaseCount") == ["2"]
    for number in (1, 2):
        await visit(f"{url}/runCase?case={number}", compression=None)
    await desk.rest()
    assert {each.skipped for each in desk.played} == {
        "the client does not offer permessage-deflate"
    }
    (status,) = await ask(f"{url}/getCaseStatus?case=2")
    assert json.loads(status) == {"behavior": "UNIMPLEMENTED"}


async def test_a_driver_that_is_started_again_goes_on(open_desk: Open) -> None:
    """It counts what is left."""
    desk = await open_desk(HELLO, PING)
    url = desk.host.url
    await ask(f"{url}/getCaseCount")
    await visit(f"{url}/runCase?case=1")
    await desk.rest()
    assert await ask(f"{url}/getCaseCount") == ["1"]
    await visit(f"{url}/runCase?case=1")
    await desk.rest()
    assert desk.hosting.worklist.is_done
