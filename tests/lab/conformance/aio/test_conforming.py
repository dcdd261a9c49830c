"""Conforming: cases on a target, many at once, and what became of each."""

import asyncio
import contextlib
import http
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import Request, Response, ServerConnection
from websockets.exceptions import ConnectionClosed

from wavetank.dialects import Bare, Capability, Dialect, Echo, Hub, Template
from wavetank.evidence import Record
from wavetank.lab.conformance.aio import conforming, playing
from wavetank.lab.conformance.aio.conforming import Conformer, Result
from wavetank.lab.conformance.case import (
    NOT_UTF8,
    Case,
    End,
    Need,
    Outcome,
    Pong,
    Reset,
    Step,
    Text,
    close,
    ping,
    text,
)
from wavetank.lab.peers import Peers
from wavetank.lab.target import Target
from wavetank.net import ThrowAwayAuthority
from wavetank.wire import Message, Opcode
from wavetank.wrecks import SoundServer
from wavetank.wrecks.commands import Command, Fault
from wavetank.wrecks.connection import Connection
from wavetank.wrecks.lifecycle import RefusedAfterReset, UnansweredClose
from wavetank.wrecks.rules import BadUtf8ClosedAsNormal

pytestmark = pytest.mark.anyio

DEADLINE = 30.0
"""Seconds after which a test gives up; nothing is measured against it."""

Rudely = Callable[..., Awaitable[str]]
Serve = Callable[..., Awaitable[str]]
Sounding = Callable[..., Awaitable[SoundServer]]
Conform = Callable[..., Awaitable[list[Result]]]


def case(
    *steps: Step, heard: tuple[Any, ...] = (), end: End = End.OPEN, **fields: Any
) -> Case:
    """Return a case with one outcome."""
    codes = fields.pop("codes", None)
    given = {"id": "T.1", "title": "It is played.", "clause": "RFC 6455 5"}
    outcome = Outcome(heard=heard, end=end, codes=codes)
    return Case(steps=steps, outcomes=(outcome,), **(given | fields))


ECHO = frozenset({Need.ECHO})
HELLO = case(text("Hello"), heard=(Text(b"Hello"),), needs=ECHO)
PING = case(ping(b"a"), heard=(Pong(b"a"),))
CLOSE = case(close(1000), end=End.CLOSED)
NO_TEXT = case(text(b"\xff"), end=End.FAILED, codes=NOT_UTF8)
RESET = case(
    text("Hel", fin=False), Reset(), end=End.FAILED, needs=frozenset({Need.PLAIN})
)
DEFLATED = case(
    text(bytes.fromhex("f248cdc9c90700"), rsv=4),  # RFC 7692 7.2.3.1
    heard=(Text(b"Hello"),),
    needs=frozenset({Need.ECHO, Need.DEFLATE}),
    extensions="permessage-deflate; client_max_window_bits",
)


@pytest.fixture(autouse=True)
def busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take no notice of how often this machine stands still."""
    monkeypatch.setattr(conforming, "_LAG", math.inf)


@pytest.fixture
async def conform(
    records: list[Record], rudely: Rudely, served: Serve, sounding: Sounding
) -> AsyncIterator[Conform]:
    """Play cases on a target; its connections end before any server."""
    async with contextlib.AsyncExitStack() as stack:

        async def play(
            target: str | Target,
            *cases: Case,
            dialect: Dialect | None = None,
            **options: Any,
        ) -> list[Result]:
            if isinstance(target, str):
                target = Target(url=target, dialect=dialect or Echo())
            peers = Peers(
                target, check="conformance", record=records.append, now=lambda: 7.0
            )
            stack.push_async_callback(peers.close)
            return await Conformer(peers, within=DEADLINE, **options).run(cases)

        yield play


@pytest.fixture
def echo_of(sounding: Sounding) -> Callable[..., Awaitable[str]]:
    """Start a sound server, or a wreck; return the URL of its echo."""

    async def start(make: Callable[[], SoundServer] = SoundServer) -> str:
        return f"ws://127.0.0.1:{(await sounding(make)).port}/echo"

    return start


def verdicts(results: list[Result]) -> list[str]:
    """Return what each case came to."""
    return [each.judgement.verdict if each.judgement else "SKIP" for each in results]


def seen(result: Result) -> str:
    """Return what was seen of a case."""
    assert result.judgement is not None
    return result.judgement.seen


async def echo(connection: ServerConnection) -> None:
    """Send everything back."""
    async for message in connection:
        await connection.send(message)


# What a case comes to


async def test_a_target_passes_what_it_does_right(
    conform: Conform, echo_of: Serve, served: Serve
) -> None:
    """Results come in the order of the cases, without traces."""
    for url in (await echo_of(), await served(echo)):
        cases = (HELLO, PING, CLOSE, NO_TEXT, RESET)
        results = await conform(url, *cases)
        assert [each.case for each in results] == list(cases)
        assert verdicts(results) == ["PASS"] * 5
        assert not any(each.trace or each.skipped for each in results)


async def test_a_failed_case_has_its_trace(conform: Conform, echo_of: Serve) -> None:
    """All that went over the wire, ours and theirs; the others are untouched."""
    bad, good = await conform(await echo_of(BadUtf8ClosedAsNormal), NO_TEXT, HELLO)
    assert bad.judgement is not None
    assert (bad.judgement.verdict, bad.skipped) == ("FAIL", "")
    assert "1007" in bad.judgement.expected
    assert "with 1000" in bad.judgement.seen
    sent, *between, ended = bad.trace
    assert sent == "> TEXT FIN MASK length 1: ff"
    assert any(line.startswith("< CLOSE FIN length") for line in between)
    assert ended == "= TCP ended: fin"
    assert verdicts([good]) == ["PASS"]


async def test_a_dropped_connection_is_a_fail_at_once(
    conform: Conform, rudely: Rudely
) -> None:
    """It is the target's doing, and no second look would say more."""
    guests = []

    async def drop(guest: Any) -> None:
        guests.append(guest)
        await guest.shake_hands()
        await guest.reader.readexactly(2)
        guest.drop()

    (result,) = await conform(await rudely(drop), HELLO)
    assert verdicts([result]) == ["FAIL"]
    assert "TCP ended by RESET" in seen(result)
    assert result.trace[-1] == "= TCP ended: reset"
    assert len(guests) == 1


async def test_a_target_that_floods_is_not_read_on(
    conform: Conform, rudely: Rudely, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its frames were kept and compared without end, and held up all other cases."""
    monkeypatch.setattr(playing, "_MOST_FRAMES", 200)

    async def flood(guest: Any) -> None:
        await guest.shake_hands()
        for _ in range(201):
            guest.send(Opcode.PONG, b"unasked")
        await guest.rest()

    (result,) = await conform(await rudely(flood), HELLO)
    assert verdicts([result]) == ["UNKNOWN"]
    assert "more than 200 frames" in seen(result)


async def test_a_target_may_be_slow(conform: Conform, rudely: Rudely) -> None:
    """Byte by byte, turn by turn: within its time everything counts."""

    async def crawl(guest: Any) -> None:
        await guest.shake_hands()
        for _ in range(2):
            frame = await guest.frame()
            answer = bytes((0x80 | frame.opcode, len(frame.payload), *frame.payload))
            for byte in answer:
                for _ in range(20):
                    await asyncio.sleep(0)
                guest.writer.write(bytes((byte,)))

    assert verdicts(await conform(await rudely(crawl), HELLO)) == ["PASS"]


async def test_a_target_that_does_not_end_tcp_fails(
    conform: Conform, rudely: Rudely, clock: Any
) -> None:
    """RFC 6455 5.5.1: the server MUST close TCP behind both close frames."""

    async def stay(guest: Any) -> None:
        await guest.shake_hands()
        guest.send(Opcode.CLOSE, (await guest.frame()).payload)
        clock.leap(2 * DEADLINE, timers=False)
        await guest.rest()

    (result,) = await conform(await rudely(stay), CLOSE)
    assert verdicts([result]) == ["FAIL"]
    assert "TCP not ended in time" in seen(result)


async def test_a_case_goes_over_tls(conform: Conform, served: Serve) -> None:
    """But for those that play with TCP itself."""
    with ThrowAwayAuthority() as authority:
        url = await served(echo, ssl=authority.server_context())
        url = url.replace("ws://127.0.0.1", "wss://localhost")
        target = Target(url=url, dialect=Echo(), ca=str(authority.ca))
        results = await conform(target, HELLO, RESET)
    assert verdicts(results) == ["PASS", "SKIP"]
    assert results[1].skipped == "the target has no plain"


# Skipped


async def test_what_a_target_cannot_do_is_skipped_unasked(
    conform: Conform, rudely: Rudely
) -> None:
    """With the reason, and without a connection."""
    guests = []

    async def note(guest: Any) -> None:
        guests.append(guest)

    (result,) = await conform(await rudely(note), HELLO, dialect=Bare())
    assert result.judgement is None
    assert result.skipped == "the target has no echo"
    assert not guests


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "x-wavetank",
        "permessage-deflate; client_max_window_bits=99",
        "permessage-deflate; =",
    ],
)
async def test_a_declined_extension_is_skipped(
    conform: Conform, rudely: Rudely, answer: str
) -> None:
    """Whether it is passed over, or answered with what nobody offered."""

    async def decline(guest: Any) -> None:
        await guest.shake_hands(answer)
        await guest.rest()

    (result,) = await conform(await rudely(decline), DEFLATED)
    assert result.judgement is None
    assert result.skipped == ("the target declines permessage-deflate as it is offered")


async def test_what_points_back_is_skipped_where_it_was_agreed_not_to(
    conform: Conform, rudely: Rudely
) -> None:
    """RFC 7692 7.1.1.2: a server may ask for that, whether offered or not."""

    async def agree(guest: Any) -> None:
        await guest.shake_hands("permessage-deflate; client_no_context_takeover")
        await guest.rest()

    points_back = msgspec.structs.replace(
        DEFLATED, needs=DEFLATED.needs | {Need.TAKEOVER}
    )
    (result,) = await conform(await rudely(agree), points_back)
    assert "do not point back" in result.skipped


async def test_compressed_messages_are_compared_inflated(
    conform: Conform, served: Serve, echo_of: Serve
) -> None:
    """Where the target agrees; a case that offers nothing is not compressed."""
    heard = []

    async def note(connection: ServerConnection) -> None:
        assert connection.request is not None
        heard.append(connection.request.headers.get("Sec-WebSocket-Extensions"))
        await echo(connection)

    url = await served(note, compression="deflate")
    results = await conform(url, DEFLATED, HELLO, at_once=1)
    assert verdicts(results) == ["PASS", "PASS"]
    assert heard == [DEFLATED.extensions, None]
    (result,) = await conform(await echo_of(), DEFLATED)
    assert "declines" in result.skipped


# Unknown


async def refuse(guest: Any, clock: Any) -> None:
    """Have no room."""
    await guest.head()
    guest.writer.write(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")


async def hang_up(guest: Any, clock: Any) -> None:
    """Say nothing, and go."""
    await guest.head()


async def misunderstand(guest: Any, clock: Any) -> None:
    """Speak something else."""
    guest.writer.write(b"220 mail.example ESMTP\r\n\r\n")
    await guest.rest()


async def say_nothing(guest: Any, clock: Any) -> None:
    """Stay, until nobody waits any longer."""
    await guest.head()
    clock.leap(2 * DEADLINE)
    await guest.rest()


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (refuse, "the opening handshake was answered with 503"),
        (hang_up, "ended the connection, no answer"),
        (misunderstand, "broke HTTP"),
        (say_nothing, "no answer to the opening handshake"),
    ],
)
async def test_without_an_open_connection_nothing_is_known(
    conform: Conform, rudely: Rudely, clock: Any, behave: Any, words: str
) -> None:
    """The case says why, after a second look and three alone; there is no trace."""
    guests = []

    async def attend(guest: Any) -> None:
        guests.append(guest)
        await behave(guest, clock)

    (result,) = await conform(await rudely(attend), HELLO)
    assert verdicts([result]) == ["UNKNOWN"]
    assert words in seen(result)
    assert result.trace == ()
    assert len(guests) == 5


async def test_a_target_that_is_gone_is_unknown(
    conform: Conform, rudely: Rudely
) -> None:
    """Nobody listens there any more."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    (result,) = await conform(f"ws://127.0.0.1:{port}", HELLO)
    assert verdicts([result]) == ["UNKNOWN"]
    assert "the case could not be played: cannot connect to" in seen(result)


class Standstill(SoundServer):
    """An echo at whose texts this whole loop stands still for a while."""

    times = 1

    def on_message(self, connection: Connection, message: Message) -> None:
        """Stand still, as often as that is wanted."""
        if self.times:
            self.times -= 1
            self.clock.leap(DEADLINE / 2)
        super().on_message(connection, message)

    clock: Any = None


@pytest.mark.parametrize(("times", "verdict"), [(1, "PASS"), (2, "UNKNOWN")])
async def test_where_the_lab_stood_still_nothing_is_known(
    conform: Conform,
    echo_of: Serve,
    clock: Any,
    monkeypatch: pytest.MonkeyPatch,
    times: int,
    verdict: str,
) -> None:
    """Even of a case that passed; if it happens once, a second look tells."""
    monkeypatch.setattr(conforming, "_LAG", DEADLINE / 3)
    monkeypatch.setattr(Standstill, "clock", clock)
    monkeypatch.setattr(Standstill, "times", times)
    (result,) = await conform(await echo_of(Standstill), HELLO)
    assert verdicts([result]) == [verdict]
    if verdict == "UNKNOWN":
        assert seen(result).startswith("the lab itself stood still for 1")


async def test_what_stood_still_at_the_very_end_counts(clock: Any) -> None:
    """The watch has no turn of its own then; behind the end it sees nothing."""
    lag = conforming.Lag()
    async with lag:
        clock.leap(15.0)
    worst = lag.worst
    assert worst > 14.0
    clock.leap(60.0)
    for _ in range(3):
        await asyncio.sleep(0)
    assert lag.worst == worst


# Many, and a second time


async def test_no_more_cases_are_played_at_once_than_allowed(
    conform: Conform, served: Serve
) -> None:
    """And no fewer: each three of them wait for each other."""
    barrier = asyncio.Barrier(3)
    busy, most = 0, 0

    async def gather(connection: ServerConnection) -> None:
        nonlocal busy, most
        async for message in connection:
            busy += 1
            most = max(most, busy)
            await barrier.wait()
            busy -= 1
            await connection.send(message)

    results = await conform(await served(gather), *[HELLO] * 9, at_once=3)
    assert verdicts(results) == ["PASS"] * 9
    assert most == 3


async def test_what_could_not_be_played_is_played_once_more_alone(
    conform: Conform, served: Serve
) -> None:
    """A target that fails only its first connection passes, when all is quiet."""
    busy: list[ServerConnection] = []
    company: list[int] = []
    seen_so_far = 0

    def refuse_first(connection: ServerConnection, _: Request) -> Response | None:
        nonlocal seen_so_far
        seen_so_far += 1
        if seen_so_far == 1:
            status = http.HTTPStatus.SERVICE_UNAVAILABLE
            return connection.respond(status, "not yet")
        return None

    async def linger(connection: ServerConnection) -> None:
        company.append(len(busy))
        busy.append(connection)
        async for message in connection:
            for _ in range(100):  # long enough for a second look, were it not alone
                await asyncio.sleep(0)
            busy.remove(connection)
            await connection.send(message)

    url = await served(linger, process_request=refuse_first)
    results = await conform(url, *[HELLO] * 3)
    assert verdicts(results) == ["PASS"] * 3
    assert seen_so_far == 4
    assert company[-1] == 0


async def test_a_time_out_is_looked_at_once_more(
    conform: Conform, rudely: Rudely, clock: Any
) -> None:
    """A target that was silent once may have been slow."""

    async def attend(guest: Any) -> None:
        await guest.shake_hands()
        for _ in range(2):
            frame = await guest.frame()
            if guest.number == 1:
                clock.leap(2 * DEADLINE)
                await guest.rest()
                break
            guest.send(frame.opcode, frame.payload)

    assert verdicts(await conform(await rudely(attend), HELLO)) == ["PASS"]


async def test_second_looks_that_are_in_vain_come_to_an_end(
    conform: Conform, sounding: Sounding, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a target was silent too often, all that are left are played at once.

    A target that never answered a close frame made a check of 145 cases take seven
    minutes, so that its deadline came first and nothing at all was told.
    """
    monkeypatch.setattr(conforming, "_VAIN", 2)
    closes = 0

    class Deaf(UnansweredClose):
        def on_closing(self, connection: Connection, closing: Any) -> None:
            nonlocal closes
            closes += 1
            if closes in {5, 5 + 2, 5 + 2 + 3}:
                clock.leap(2 * DEADLINE)

    url = f"ws://127.0.0.1:{(await sounding(Deaf)).port}/echo"
    results = await conform(url, *[CLOSE] * 5)
    assert verdicts(results) == ["FAIL"] * 5
    assert all(each.trace for each in results)
    assert closes == 5 + 5


# Room for a few


@pytest.fixture
def roomy(served: Serve) -> Callable[..., Awaitable[str]]:
    """Start an echo with room for a few connections, and 503 for all others."""

    async def start(room: int, handler: Any = echo) -> str:
        open_ones = 0

        def look(connection: ServerConnection, _: Request) -> Response | None:
            if open_ones < room:
                return None
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "full")

        async def count(connection: ServerConnection) -> None:
            nonlocal open_ones
            open_ones += 1
            try:
                await handler(connection)
            finally:
                open_ones -= 1

        return await served(count, process_request=look)

    return start


async def test_a_target_with_room_for_one_connection_is_played_alone(
    conform: Conform, roomy: Serve
) -> None:
    """Four at once were one more than it has room for, and 114 of 146 cases unknown."""
    results = await conform(await roomy(1), *[HELLO] * 12)
    assert verdicts(results) == ["PASS"] * 12


async def test_for_want_of_room_nobody_has_crashed(
    conform: Conform, roomy: Serve
) -> None:
    """The next connection found others in its place, and the case was a FAIL."""

    async def cut(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            await connection.recv()
            connection.transport.abort()
            await connection.wait_closed()

    fails = case(text("\xff"), end=End.FAILED)
    results = await conform(await roomy(4, cut), *[fails] * 24)
    assert verdicts(results) == ["PASS"] * 24
    assert all("not served" not in seen(each) for each in results)


async def test_a_target_that_bans_us_has_not_crashed(
    conform: Conform, served: Serve
) -> None:
    """It answers 429 to whoever comes after the one who broke a rule."""
    guests = 0

    def ban(connection: ServerConnection, _: Request) -> Response | None:
        nonlocal guests
        guests += 1
        if guests == 1:
            return None
        return connection.respond(http.HTTPStatus.TOO_MANY_REQUESTS, "banned")

    async def cut(connection: ServerConnection) -> None:
        connection.transport.abort()

    url = await served(cut, process_request=ban)
    (result,) = await conform(url, case(text("\xff"), end=End.FAILED))
    assert verdicts([result]) == ["PASS"]


# Behind RST


async def test_behind_a_reset_the_next_connection_is_served(
    conform: Conform, sounding: Sounding
) -> None:
    """Its ping is answered, whatever else is said before; a wreck refuses it.

    The wreck refuses the second look as well, which once made an UNKNOWN of it.
    """
    port = (await sounding()).port
    target = f"ws://127.0.0.1:{port}/ws"
    assert verdicts(await conform(target, RESET, dialect=Hub())) == ["PASS"]
    port = (await sounding(RefusedAfterReset)).port
    (result,) = await conform(f"ws://127.0.0.1:{port}/echo", RESET)
    assert verdicts([result]) == ["FAIL"]
    assert "the next connection was not served" in seen(result)


async def leave(guest: Any, clock: Any) -> None:
    """Open, and go."""
    await guest.shake_hands()
    await guest.frame()


async def ignore(guest: Any, clock: Any) -> None:
    """Open, and answer nothing."""
    await guest.shake_hands()
    await guest.frame()
    clock.leap(2 * DEADLINE)
    await guest.rest()


async def push(guest: Any, clock: Any) -> None:
    """Open, push on and on, and answer much too late.

    Whoever gave each message time of its own never came to an end.
    """
    await guest.shake_hands()
    asked = await guest.frame()
    for _ in range(4):
        guest.send(Opcode.TEXT, b'{"price":1}')
        for _ in range(20):  # long enough for it to be read
            await asyncio.sleep(0)
        clock.leap(0.6 * DEADLINE)
    guest.send(Opcode.PONG, asked.payload)
    await guest.rest()


@pytest.mark.parametrize("behave", [refuse, hang_up, leave, ignore, push])
async def test_behind_a_reset_there_are_many_ways_not_to_serve(
    conform: Conform, rudely: Rudely, clock: Any, behave: Any
) -> None:
    """All of them fail; that nothing opens any more does not undo it."""

    async def attend(guest: Any) -> None:
        if guest.number == 1:
            await guest.shake_hands()
            await guest.rest()
        else:
            with contextlib.suppress(asyncio.IncompleteReadError):  # gone unheard
                await behave(guest, clock)

    (result,) = await conform(await rudely(attend), RESET)
    assert verdicts([result]) == ["FAIL"]
    assert "the next connection was not served" in seen(result)


# The introduction


def talk(**table: Any) -> Template:
    """Return a dialect as a user describes one, whose publications come back."""
    described = {
        "preamble": ['{"hi":1}', '{"hi":2}'],
        "send": {
            "authenticate": '{"auth":"{token}"}',
            "subscribe": '{"sub":"{topic}"}',
            "publish": '{"pub":"{topic}","data":{payload}}',
        },
        "welcome": {"has": ["hello"]},
        "error": {"has": ["error"], "code": "error"},
        "reply": {"has": ["done"]},
        "event": {"has": ["data"], "topic": "topic", "payload": "data"},
    }
    dialect = Template.parse(described | table, "wavetank.toml [dialect.t]", name="t")
    # Nobody can describe that; a dialect of the lab's own may have it.
    dialect.capabilities |= {Capability.VERBATIM}
    return dialect


class Talk:
    """A server that speaks that dialect, and notes what it hears."""

    def __init__(self, **answers: str) -> None:
        self.heard: list[str] = []
        self.answers = {
            "auth": '{"done":"auth"}',
            "sub": '{"done":"sub"}',
        } | answers

    async def __call__(self, connection: ServerConnection) -> None:
        """Push a price, greet behind the login, and send publications back."""
        await connection.send('{"price":1}')
        async for message in connection:
            said = str(message)
            self.heard.append(said)
            kind = said.split('"')[1]
            if kind in self.answers:
                await connection.send(self.answers[kind])
            if kind == "auth":
                await connection.send('{"hello":"you"}')
            if kind == "pub":
                topic = said.split('"')[3]
                data = said.partition('"data":')[2].removesuffix("}")
                await connection.send(f'{{"topic":"{topic}","data":{data}}}')


async def test_a_case_begins_behind_the_whole_introduction(
    conform: Conform, served: Serve
) -> None:
    """Preamble, token, welcome, subscription, in this order, on each connection."""
    server = Talk()
    target = Target(url=await served(server), dialect=talk(), token="t0ken")
    (result,) = await conform(target, HELLO)
    assert verdicts([result]) == ["PASS"]
    *introduction, sub, pub = server.heard
    assert introduction == ['{"hi":1}', '{"hi":2}', '{"auth":"t0ken"}']
    assert sub.startswith('{"sub":"wavetank.conformance.conformance-')
    topic = sub.split('"')[3]
    assert pub == f'{{"pub":"{topic}","data":"{topic} Hello"}}'
    await conform(target, HELLO)
    assert server.heard[-2] != sub


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"auth": '{"error":"who?"}'}, "authenticate was refused: who?"),
        ({"sub": '{"error":"no"}'}, "subscribe was refused: no"),
    ],
)
async def test_who_is_not_let_in_knows_nothing(
    conform: Conform, served: Serve, answers: dict[str, str], words: str
) -> None:
    """A case on such a connection failed once, for want of an echo."""
    target = Target(url=await served(Talk(**answers)), dialect=talk(), token="t0ken")
    (result,) = await conform(target, HELLO)
    assert verdicts([result]) == ["UNKNOWN"]
    assert seen(result) == f"the case could not be played: {words}"


async def test_a_welcome_that_does_not_come_is_waited_for(
    conform: Conform, rudely: Rudely, clock: Any
) -> None:
    """And the reason says what was missing."""

    async def push(guest: Any) -> None:
        await guest.shake_hands()
        guest.send(Opcode.TEXT, b'{"price":1}')
        await guest.frame()
        clock.leap(2 * DEADLINE)
        await guest.rest()

    (result,) = await conform(await rudely(push), PING, dialect=talk())
    assert verdicts([result]) == ["UNKNOWN"]
    assert "no welcome of the t dialect came within" in seen(result)


async def test_a_hub_is_subscribed_to_and_heard(
    conform: Conform, sounding: Sounding
) -> None:
    """Each connection has a topic of its own; the token is in the handshake."""
    url = f"ws://127.0.0.1:{(await sounding()).port}/ws"
    target = Target(
        url=url, dialect=Hub(), subprotocols=("wavetank.v1",), token="t0ken"
    )
    cases = [HELLO, PING, CLOSE, NO_TEXT]
    assert verdicts(await conform(target, *cases, *cases)) == ["PASS"] * 8


async def test_a_refused_subscription_is_told(
    conform: Conform, sounding: Sounding
) -> None:
    """It was taken for any other reply once."""

    class NoTopics(SoundServer):
        def subscribe(self, connection: Connection, command: Command) -> None:
            fault = Fault(id=command.id, code="forbidden", message="not you")
            self.refuse(connection, fault)

    url = f"ws://127.0.0.1:{(await sounding(NoTopics)).port}/ws"
    (result,) = await conform(url, HELLO, dialect=Hub())
    assert verdicts([result]) == ["UNKNOWN"]
    assert "subscribe was refused: forbidden not you" in seen(result)


async def test_a_target_that_greets_and_pushes_is_left_to_it(
    conform: Conform, rudely: Rudely
) -> None:
    """What nobody asked for is no answer, where nothing is said to come back."""

    async def push(guest: Any) -> None:
        await guest.shake_hands()
        guest.send(Opcode.TEXT, b"hello")
        while frame := await guest.frame():
            guest.send(Opcode.TEXT, b'{"price":1}')
            if frame.opcode == Opcode.CLOSE:
                guest.send(Opcode.CLOSE, frame.payload)
                return
            guest.send(Opcode.PONG, frame.payload)

    url = await rudely(push)
    target = Target(url=url, dialect=Bare(), token="t0ken")
    (result,) = await conform(target, PING)
    assert verdicts([result]) == ["PASS"]
    assert "other messages" in seen(result)


async def test_a_conformer_shows_how_it_plays(conform: Conform, echo_of: Serve) -> None:
    """In which dialect, and how long it waits."""
    peers = Peers(
        Target(url=await echo_of(), dialect=Echo()),
        check="conformance",
        record=lambda _: None,
        now=lambda: 7.0,
    )
    assert repr(Conformer(peers)) == "<Conformer echo within 3 s>"
