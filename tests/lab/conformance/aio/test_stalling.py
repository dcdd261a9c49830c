"""Stalling: what is sent, who is watched for how long, and what is made of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from wavetank.dialects import Dialect, Echo, Hub
from wavetank.evidence import Record
from wavetank.lab.conformance.aio import stalling
from wavetank.lab.conformance.aio.stalling import Staller, Watched
from wavetank.lab.conformance.patience import NEWCOMERS, RESIDENT, STALLS
from wavetank.lab.peers import Peers
from wavetank.lab.target import Target
from wavetank.net import ThrowAwayAuthority
from wavetank.wire import Opcode, encode_close
from wavetank.wrecks import SoundServer
from wavetank.wrecks.handshake import HalfHandshakeBlocks
from wavetank.wrecks.patience import (
    Eager,
    EndOfTcpForgotten,
    HalfFrameBlocks,
    PongsUnheard,
)

pytestmark = [pytest.mark.anyio, pytest.mark.hasty]

PATIENCE = 0.5
"""Seconds that stalled connections are watched here."""
DEADLINE = 10.0
"""Seconds that others have; nothing is measured against it."""

Watch = Callable[..., Awaitable[dict[str, Watched]]]
IDS = [stall.id for stall in (*STALLS, RESIDENT, NEWCOMERS)]


@pytest.fixture
async def watch(records: list[Record]) -> AsyncIterator[Watch]:
    """Let connections to a target stall; return what became of them by their ids."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(
            url: str,
            dialect: Dialect | None = None,
            *,
            tls_url: str = "",
            ca: str = "",
            **options: Any,
        ) -> dict[str, Watched]:
            target = Target(url=url, dialect=dialect or Echo(), tls_url=tls_url, ca=ca)
            peers = Peers(
                target, check="timeouts", record=records.append, now=lambda: 0.0
            )
            stack.push_async_callback(peers.close)
            given = {"patience": PATIENCE, "within": DEADLINE} | options
            staller = Staller(peers, **given)
            rows = await staller.run()
            assert "ended" in repr(staller)
            assert [row.stall.id for row in rows] == IDS
            return {row.stall.id: row for row in rows}

        yield start


@pytest.fixture(autouse=True)
def busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take no notice of how often this machine stands still."""
    monkeypatch.setattr(stalling, "_LAG", float("inf"))


def of(server: SoundServer, path: str = "echo") -> str:
    """Return the URL of a server."""
    return f"ws://127.0.0.1:{server.port}/{path}"


def verdict(row: Watched) -> str:
    """Return what a row came to."""
    return row.judgement.verdict if row.judgement else "SKIP"


def seen(row: Watched) -> str:
    """Return what was seen of a row."""
    assert row.judgement is not None
    return row.judgement.seen


# A target that does nothing wrong


@pytest.mark.parametrize(("path", "dialect"), [("echo", Echo()), ("ws", Hub())])
async def test_a_sound_target_passes(
    watch: Watch, sounding: Any, path: str, dialect: Dialect
) -> None:
    """Half a handshake is ended by it, and what it keeps has a note."""
    server = await sounding(lambda: SoundServer(handshake_timeout=PATIENCE / 5))
    settled: list[int] = []
    rows = await watch(
        of(server, path), dialect, on_settled=lambda: settled.append(len(server.open))
    )
    assert {name for name, row in rows.items() if verdict(row) != "PASS"} == {"T.6"}
    assert rows["T.6"].skipped == "the target has no TLS"
    for name in ("T.1", "T.2", "T.3", "T.4", "T.5"):
        assert "answered with 408, TCP ended by FIN" in seen(rows[name])
        seconds = rows[name].seconds
        assert seconds is not None
        assert PATIENCE / 10 < seconds < PATIENCE
    noted = {name for name, row in rows.items() if row.judgement and row.judgement.note}
    assert noted == {"T.7", "T.8", "T.9", "T.10", "T.12"}
    assert all(rows[name].seconds is None for name in noted)
    # By then six stand open, the resident, and perhaps those that end at once.
    assert len(settled) == 1
    assert settled[0] >= 7
    assert not any(row.trace for row in rows.values())


async def test_nothing_is_left_behind(watch: Watch, sounding: Any) -> None:
    """Neither tasks nor connections, and each end is the lab's own."""
    server = await sounding()
    before = asyncio.all_tasks()
    await watch(of(server))
    assert asyncio.all_tasks() == before
    async with asyncio.timeout(DEADLINE):
        await server._empty.wait()


async def test_a_tls_handshake_stalls_where_there_is_one(
    watch: Watch, sounding: Any
) -> None:
    """It goes to the TLS listener without TLS, and its time is the server's."""
    with ThrowAwayAuthority() as authority:
        credentials = authority.certificate()
        server = SoundServer(handshake_timeout=PATIENCE / 5)
        async with server:
            await server.start(
                tls_port=0, cert=credentials.certificate, key=credentials.key
            )
            plain = of(server)
            over_tls = f"wss://localhost:{server.tls_port}/echo"
            rows = await watch(plain, tls_url=over_tls, ca=str(authority.ca))
            assert verdict(rows["T.6"]) == "PASS"
            assert "TCP ended by" in seen(rows["T.6"])
            rows = await watch(over_tls, ca=str(authority.ca))
    assert verdict(rows["T.6"]) == "PASS"
    assert rows["T.15"].skipped == rows["T.16"].skipped == "TLS cannot be closed half"
    assert verdict(rows["T.14"]) == "PASS"


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        ("wss://localhost/chat", "ws://localhost:443/"),
        ("wss://[::1]:8443/", "ws://[::1]:8443/"),
    ],
)
def test_a_tls_listener_can_be_reached_without_tls(url: str, bare: str) -> None:
    """At the same port, which is another one by default."""
    assert stalling._bare(url) == bare


# How long


async def test_who_outlives_all_others_is_watched_no_longer(
    watch: Watch, sounding: Any
) -> None:
    """Whoever answers pings stays; on a target in a hurry that is known soon."""
    rows = await watch(of(await sounding(Eager)), patience=20.0)
    assert {verdict(row) for row in rows.values()} == {"PASS", "SKIP"}
    assert not any(row.judgement.note for row in rows.values() if row.judgement)
    assert "its close frame with 1011" in seen(rows["T.12"])
    assert "its close frame with 1008" in seen(rows["T.10"])
    pings, *_, after, _ = seen(rows["T.11"]).split()
    assert int(pings) > 1
    assert float(after) < 20.0


async def test_who_is_ended_though_it_answered_is_a_fail(
    watch: Watch, sounding: Any
) -> None:
    """With all that went over the wire; the resident is another one."""
    rows = await watch(of(await sounding(PongsUnheard)), patience=20.0)
    failed = {name for name, row in rows.items() if verdict(row) == "FAIL"}
    assert failed == {"T.11", "T.17"}
    assert rows["T.11"].trace[0].startswith("< PING FIN length 0")
    assert rows["T.11"].trace[-1] == "= TCP ended: fin"
    assert "with 1011" in seen(rows["T.17"])


async def test_a_close_frame_that_stands_alone_has_its_seconds(
    watch: Watch, rudely: Any
) -> None:
    """A target that waits for an answer to its own has begun to end it."""

    async def say_goodbye(guest: Any) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            await guest.shake_hands()
            guest.send(Opcode.CLOSE, encode_close(1001))
            guest.send(Opcode.CLOSE, b"")
            await guest.rest()

    rows = await watch(await rudely(say_goodbye), within=0.2)
    assert verdict(rows["T.12"]) == "PASS"
    assert rows["T.12"].seconds is not None
    assert rows["T.12"].judgement is not None
    assert rows["T.12"].judgement.note == ""
    assert "with 1001 (going away) after" in seen(rows["T.12"])


async def test_a_close_frame_without_a_code_is_one(watch: Watch, rudely: Any) -> None:
    """Its body may be empty."""

    async def say_goodbye(guest: Any) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            await guest.shake_hands()
            guest.send(Opcode.CLOSE, b"")
            await guest.rest()

    rows = await watch(await rudely(say_goodbye), within=0.2)
    assert "its close frame without a code" in seen(rows["T.12"])


# A target that harms others


@pytest.mark.parametrize("wreck", [HalfFrameBlocks, HalfHandshakeBlocks])
async def test_what_keeps_others_waiting_is_withdrawn(
    watch: Watch, sounding: Any, wreck: type[SoundServer]
) -> None:
    """Whoever plays cases meanwhile is served again; nothing else can be told."""
    server = await sounding(wreck)
    settled = []
    rows = await watch(of(server), within=0.3, on_settled=lambda: settled.append(1))
    assert settled == [1]
    assert verdict(rows["T.17"]) == verdict(rows["T.18"]) == "FAIL"
    assert "no pong and text came within 0.3 s" in seen(rows["T.17"])
    rest = [row for name, row in rows.items() if name not in ("T.6", "T.17", "T.18")]
    assert {verdict(row) for row in rest} <= {"PASS", "UNKNOWN"}
    assert "withdrawn" in seen(rows["T.8"])


@pytest.mark.parametrize("turns_away", [True, False])
async def test_a_target_with_room_for_one_connection_is_left_to_others(
    watch: Watch, rudely: Any, turns_away: bool
) -> None:
    """Whoever stayed there would have kept it from all other checks of the run."""
    place = asyncio.Lock()

    async def serve_one(guest: Any) -> None:
        if turns_away and place.locked():
            return
        async with place:
            with contextlib.suppress(asyncio.IncompleteReadError):
                await guest.shake_hands()
                while (frame := await guest.frame()) is not None:
                    is_ping = frame.opcode == Opcode.PING
                    guest.send(Opcode.PONG if is_ping else frame.opcode, frame.payload)

    rows = await watch(await rudely(serve_one), within=0.3)
    told = {name: row for name, row in rows.items() if name != "T.6"}
    assert {verdict(row) for row in told.values()} == {"UNKNOWN"}
    assert "no room for a second connection" in seen(rows["T.8"])
    assert "no room for a second connection" in seen(rows["T.17"])


class Moody:
    """A target that answers everybody for a while, and then nobody, or few."""

    def __init__(self, *, is_for_good: bool) -> None:
        self.is_for_good = is_for_good
        self.here = 0
        self.talks = 0

    async def __call__(self, guest: Any) -> None:
        """Answer what comes, until there is too much and there are too many."""
        self.here += 1
        with contextlib.suppress(asyncio.IncompleteReadError):
            await guest.shake_hands()
            while (frame := await guest.frame()) is not None:
                self.talks += 1
                if self.talks > 20 and (self.is_for_good or self.here > 4):
                    continue
                is_ping = frame.opcode == Opcode.PING
                guest.send(Opcode.PONG if is_ping else frame.opcode, frame.payload)
        self.here -= 1


@pytest.mark.parametrize(("is_for_good", "word"), [(True, "UNKNOWN"), (False, "FAIL")])
async def test_who_is_not_served_later_on_may_have_others_to_blame(
    watch: Watch, rudely: Any, is_for_good: bool, word: str
) -> None:
    """Only if they are served again without those that stall, these are the reason."""
    url = await rudely(Moody(is_for_good=is_for_good))
    rows = await watch(url, patience=10.0, within=0.2)
    assert verdict(rows["T.17"]) == word
    assert ("when all was over" in seen(rows["T.17"])) is is_for_good
    assert "withdrawn" in seen(rows["T.12"])


async def test_a_target_that_goes_away_has_ended_nobody(
    watch: Watch, sounding: Any
) -> None:
    """All connections end with it, and nothing is known of its patience."""
    server = await sounding()
    tasks = []

    def leave() -> None:
        tasks.append(asyncio.create_task(server.stop()))

    rows = await watch(of(server), patience=10.0, on_settled=leave)
    await asyncio.wait(tasks)
    assert verdict(rows["T.8"]) == verdict(rows["T.2"]) == "UNKNOWN"
    assert "the target may be gone" in seen(rows["T.12"])
    assert verdict(rows["T.14"]) == "PASS"  # it had ended before
    assert verdict(rows["T.17"]) == verdict(rows["T.18"]) == "UNKNOWN"


# What cannot be told


async def test_of_a_target_that_is_not_there_nothing_is_known(watch: Watch) -> None:
    """Each row says how far it came."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    rows = await watch(f"ws://127.0.0.1:{port}", within=0.2)
    assert {verdict(row) for row in rows.values()} == {"UNKNOWN", "SKIP"}
    assert "it did not come as far: cannot connect" in seen(rows["T.1"])
    assert "it did not come as far: cannot connect" in seen(rows["T.8"])
    assert seen(rows["T.18"]).startswith("at the beginning, ")


async def test_a_target_that_speaks_something_else_has_no_status(
    watch: Watch, rudely: Any
) -> None:
    """What comes before a request is complete need not be HTTP."""

    async def misunderstand(guest: Any) -> None:
        guest.writer.write(b"220 mail.example ESMTP\r\n")
        await guest.rest()

    rows = await watch(await rudely(misunderstand), within=0.2)
    assert seen(rows["T.1"]).startswith("TCP open after")
    assert seen(rows["T.8"]).startswith("it did not come as far: no answer")


async def test_where_the_lab_stood_still_no_fail_is_sure(
    watch: Watch, sounding: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What passes has been seen all the same."""
    monkeypatch.setattr(stalling, "_LAG", float("-inf"))
    rows = await watch(of(await sounding(EndOfTcpForgotten)))
    assert verdict(rows["T.14"]) == "UNKNOWN"
    assert seen(rows["T.14"]).startswith("the lab itself stood still for ")
    assert verdict(rows["T.13"]) == "PASS"
    rows = await watch(of(await sounding(HalfFrameBlocks)), within=0.2)
    assert verdict(rows["T.17"]) == "UNKNOWN"
    assert seen(rows["T.17"]).startswith("the lab itself stood still for ")


async def test_a_target_that_makes_no_room_is_not_taken_for_patient(
    watch: Watch, sounding: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever cannot answer a ping cannot tell whether it would have been heard."""

    async def attend(*_: Any, **__: Any) -> None:
        raise TimeoutError("no room to write within 10 s")

    monkeypatch.setattr(stalling, "attend", attend)
    rows = await watch(of(await sounding()))
    assert verdict(rows["T.11"]) == "UNKNOWN"
    assert seen(rows["T.11"]) == "no room to write within 10 s"


async def test_what_is_wrong_with_the_lab_is_raised(
    watch: Watch, sounding: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no finding about the target."""

    def crash(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(stalling, "opening_parts", crash)
    with pytest.raises(ZeroDivisionError):
        await watch(of(await sounding()))
