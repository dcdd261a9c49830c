"""Welcoming: one client on one connection."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from wavetank.lab.conformance.aio import welcoming
from wavetank.lab.conformance.aio.welcoming import Played, play_case, play_opening, tell
from wavetank.lab.conformance.case import (
    Case,
    End,
    HalfClose,
    Need,
    Outcome,
    Pong,
    Text,
    close,
    ping,
    text,
)
from wavetank.lab.conformance.echoes import Mirror
from wavetank.lab.conformance.mirrored import mirrored
from wavetank.lab.conformance.openings import Opening
from wavetank.net import Guest, RudeHost, RudePeer
from wavetank.wire import Opcode, Request, encode_close

pytestmark = [pytest.mark.anyio, pytest.mark.hasty]

DEADLINE = 30.0
"""Seconds after which a test gives up; nothing is measured against it."""

SOON = 0.2
"""Seconds for what is not going to come."""

Client = Callable[[str], Awaitable[object]]
Play = Callable[[Guest, Request], Awaitable[object]]


@pytest.fixture(autouse=True)
def busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take no notice of how often this machine stands still."""
    monkeypatch.setattr(welcoming, "_LAG", math.inf)


async def met(client: Client, play: Play) -> object:
    """Let a client connect to a host that plays; return what came of it."""
    played: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    async def receive(guest: Guest) -> None:
        request = await guest.read_request()
        assert isinstance(request, Request)
        played.set_result(await play(guest, request))

    async with RudeHost(receive) as host, asyncio.TaskGroup() as group:
        group.create_task(wait(client(host.url)))
        return await played


async def wait(client: Awaitable[object]) -> None:
    """Let a client do what it wants, and be told of nothing."""
    with suppress(ConnectionClosed, InvalidHandshake, OSError, EOFError):
        await client


async def echo(url: str) -> None:
    """Send everything back."""
    async with connect(url) as connection:
        async for message in connection:
            await connection.send(message)


async def plain_echo(url: str) -> None:
    """Likewise, and offer no compression."""
    async with connect(url, compression=None) as connection:
        async for message in connection:
            await connection.send(message)


async def gone(url: str) -> None:
    """Ask, and go away without a word."""
    async with await RudePeer.connect(url) as peer:
        await peer.open()


async def deaf(url: str) -> None:
    """Open, and do nothing until the end."""
    async with await RudePeer.connect(url) as peer:
        await peer.open()
        await peer.ended(DEADLINE)


async def loud(url: str) -> None:
    """Take any answer for open."""
    async with await RudePeer.connect(url) as peer:
        await peer.write(peer.request())
        await peer.read(DEADLINE)
        await peer.send_frame(Opcode.PONG, b"open?")
        await peer.ended(DEADLINE)


def case(*steps: object, **fields: object) -> Case:
    """Return a case as a client is tested with it."""
    given = {"id": "T.1", "title": "It is played.", "clause": "RFC 6455 5"}
    (turned,) = mirrored([Case(steps=steps, **given | fields)])  # type: ignore[arg-type]
    return turned


def opening(**fields: object) -> Opening:
    """Return an answer."""
    given = {"id": "T.2", "title": "It is answered.", "clause": "RFC 6455 4.1"}
    return Opening(**given | {"opens": False} | fields)  # type: ignore[arg-type]


async def played(
    client: Client, row: Case | Opening, within: float = DEADLINE
) -> Played:
    """Return what becomes of a row with a client."""

    async def play(guest: Guest, request: Request) -> Played:
        if isinstance(row, Opening):
            return await play_opening(guest, request, row, within=within)
        return await play_case(guest, request, row, way=Mirror(), within=within)

    came = await met(client, play)
    assert isinstance(came, Played)
    return came


def verdict(came: Played) -> str:
    """Return what a row came to."""
    assert came.judgement is not None
    return came.judgement.verdict


HELLO = case(
    text("Hello"), outcomes=(Outcome(heard=(Text(b"Hello"),)),), needs={Need.ECHO}
)
BROKEN = case(text("a", rsv=3), outcomes=(Outcome(end=End.FAILED),))
CLOSE = case(close(1001), outcomes=(Outcome(end=End.CLOSED),))
LEFT = case(HalfClose(), outcomes=(Outcome(end=End.FAILED),))
DEFLATED = case(
    text(bytes.fromhex("f248cdc9c90700"), rsv=4),  # RFC 7692 7.2.3.1
    outcomes=(Outcome(heard=(Text(b"Hello"),)),),
    needs={Need.ECHO, Need.DEFLATE},
    extensions="permessage-deflate",
)


# Cases


@pytest.mark.parametrize("row", [HELLO, BROKEN, CLOSE, LEFT, DEFLATED])
async def test_a_client_passes_what_it_does_right(row: Case) -> None:
    """We end TCP where a server has to, and so it ends it, too."""
    came = await played(echo, row)
    assert verdict(came) == "PASS"
    assert not came.trace
    assert not came.is_doubtful
    assert came.row is row


async def test_a_failed_case_has_its_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent and received; and what came too late is worth a second look."""
    came = await played(deaf, HELLO, SOON)
    assert verdict(came) == "FAIL"
    assert came.is_doubtful
    assert came.trace[0] == "> TEXT FIN length 5: 48 65 6c 6c 6f"


async def test_what_was_heard_and_the_close_code_are_told() -> None:
    """Whoever looks for an echo needs to know."""
    came = await played(
        echo,
        case(
            ping(b"a"), text("b"), outcomes=(Outcome(heard=(Pong(b"a"), Text(b"b"))),)
        ),
    )
    assert came.heard == (Pong(b"a"), Text(b"b"))
    assert came.code == 1000
    assert came.took > 0


async def test_who_never_opens_has_failed_nothing() -> None:
    """An end that has to come says nothing where it comes for another reason."""
    came = await played(gone, BROKEN)
    assert verdict(came) == "UNKNOWN"
    assert came.is_doubtful
    came = await played(deaf, BROKEN, SOON)
    assert verdict(came) == "UNKNOWN"
    assert came.judgement is not None
    assert came.judgement.seen.endswith("the client answered no ping in 0.2 s")


async def test_a_client_without_compression_skips_compressed_cases() -> None:
    """Its connection is closed as it should be."""
    came = await played(plain_echo, DEFLATED)
    assert came.judgement is None
    assert came.skipped == "the client does not offer permessage-deflate"


async def test_a_lab_that_stands_still_judges_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither on a case nor on an answer."""
    monkeypatch.setattr(welcoming, "_LAG", -1.0)
    for row in (HELLO, opening(opens=True)):
        came = await played(echo, row)
        assert verdict(came) == "UNKNOWN"
        assert came.judgement is not None
        assert "the lab itself stood still" in came.judgement.seen
        assert came.is_doubtful


# Answers


@pytest.mark.parametrize(
    "fields",
    [
        {"opens": True},
        {"opens": True, "is_joined": True},
        {"opens": True, "piece": 1},
        {"change": {"Upgrade": None}},
        {"line": "HTTP/1.1 404 No", "change": {"Content-Length": "0"}},
        {"raw": b"SSH-2.0\r\n\r\n"},
        {"cut": 2},
    ],
)
async def test_a_sound_client_passes_every_kind_of_answer(fields: dict) -> None:
    """It opens on the right ones, and leaves at the others."""
    came = await played(echo, opening(**fields))
    assert verdict(came) == "PASS"
    assert came.judgement is not None
    assert not came.judgement.note


async def test_nothing_and_no_end_of_it_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client may wait for longer than we do."""
    monkeypatch.setattr(welcoming, "_SILENCE", SOON)
    silent = await played(echo, opening(is_silent=True))
    assert verdict(silent) == "PASS"
    endless = await played(echo, opening(filler=2**20))
    assert verdict(endless) == "PASS"


@pytest.mark.parametrize(
    "fields", [{"change": {"Upgrade": None}}, {"line": "HTTP/1.1 404 No"}]
)
async def test_a_client_that_takes_it_for_open_fails(fields: dict) -> None:
    """Its trace has the request, the answer and what came; then it is closed."""
    came = await played(loud, opening(**fields))
    assert verdict(came) == "FAIL"
    assert came.trace[0] == "< GET / HTTP/1.1"
    assert any(line.startswith("> HTTP/1.1") for line in came.trace)
    assert came.trace[-1] == "= TCP ended: no"
    assert not came.is_doubtful


async def test_a_client_that_waits_gets_a_second_look() -> None:
    """It may have been slow to leave."""
    came = await played(deaf_to_answers, opening(raw=b"\r\n"), SOON)
    assert verdict(came) == "FAIL"
    assert came.is_doubtful


async def deaf_to_answers(url: str) -> None:
    """Ask, and wait for whatever comes to end."""
    async with await RudePeer.connect(url) as peer:
        await peer.write(peer.request())
        await peer.ended(DEADLINE)


# Words


async def test_a_client_is_told_one_text() -> None:
    """Then the connection is closed, and it was open for both."""
    heard: asyncio.Queue[object] = asyncio.Queue()

    async def listen(url: str) -> None:
        async with connect(url) as connection:
            async for message in connection:
                heard.put_nowait(message)
        heard.put_nowait(connection.close_code)

    async def say(guest: Guest, request: Request) -> bool:
        return await tell(guest, request, "517", within=DEADLINE)

    assert await met(listen, say) is True
    assert [await heard.get(), await heard.get()] == ["517", 1000]


async def test_a_client_that_does_not_listen_is_left() -> None:
    """It was not open for it, or nobody knows."""

    async def say(guest: Guest, request: Request) -> bool:
        return await tell(guest, request, "", within=SOON)

    assert await met(gone, say) is False
    assert await met(deaf, say) is False


async def test_a_client_that_answers_is_not_waited_for() -> None:
    """Its close frame is all that is wanted."""

    async def polite(url: str) -> None:
        async with await RudePeer.connect(url) as peer:
            await peer.open()
            await peer.send_frame(Opcode.PING, b"first")
            await peer.send_frame(Opcode.CLOSE, encode_close(1000))
            await peer.ended(DEADLINE)

    async def say(guest: Guest, request: Request) -> bool:
        return await tell(guest, request, "hello", within=DEADLINE)

    assert await met(polite, say) is True
