"""Time-outs: each case is seen failing, and what stalls beside the checks ends."""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wavetank.dialects import Dialect, Echo, Hub
from wavetank.lab.catalogue import catalogue
from wavetank.lab.conformance.aio.stalling import Staller, Watched
from wavetank.lab.conformance.patience import NEWCOMERS, RESIDENT, STALLS
from wavetank.lab.peers import Peers
from wavetank.lab.target import Target
from wavetank.net import ThrowAwayAuthority
from wavetank.wire import Closing, Opcode, Violation, encode_close
from wavetank.wrecks import SoundServer
from wavetank.wrecks.connection import Connection
from wavetank.wrecks.patience import (
    Eager,
    EndOfTcpForgotten,
    HalfFrameBlocks,
    PongsUnheard,
)

pytestmark = pytest.mark.hasty

DEADLINE = 60.0
"""Seconds after which a test gives up; nothing is measured against it."""
WITHIN = 1.0
"""Seconds for others; who needs longer on a busy machine fails, as all do here."""
IDS = {stall.id for stall in (*STALLS, RESIDENT, NEWCOMERS)}


class Patient(SoundServer):
    """It keeps whatever it has, for ever."""

    def on_connected(self, connection: Connection) -> None:
        """Give it all the time, and stay open behind FIN."""
        super().on_connected(connection)
        connection.disarm()
        connection.eof_received = lambda: True  # type: ignore[method-assign]

    def on_closing(self, connection: Connection, closing: Closing) -> None:
        """Answer, and stay."""
        self.leave(connection)
        connection.send(Opcode.CLOSE, encode_close(closing.code))
        connection.is_closing = True

    def on_violation(self, connection: Connection, violation: Violation) -> None:
        """Say so, and wait for the answer."""
        self.leave(connection)
        connection.send(Opcode.CLOSE, encode_close(violation.code))
        connection.is_closing = True


@pytest.fixture(scope="module")
def authority() -> Iterator[ThrowAwayAuthority]:
    """An authority of this module alone."""
    with ThrowAwayAuthority() as authority:
        yield authority


async def watch(url: str, dialect: Dialect, **options: Any) -> dict[str, Watched]:
    """Let connections stall; return what became of them by their ids."""
    tls = {name: options.pop(name) for name in ("tls_url", "ca") if name in options}
    peers = Peers(
        Target(url=url, dialect=dialect, **tls),
        check="timeouts",
        record=lambda _: None,
        now=lambda: 0.0,
    )
    try:
        rows = await Staller(peers, **options).run()
    finally:
        await peers.close()
    return {row.stall.id: row for row in rows}


async def watch_server(
    make: Callable[[], SoundServer], authority: ThrowAwayAuthority, **options: Any
) -> dict[str, Watched]:
    """Serve with TLS, too, and watch."""
    credentials = authority.certificate()
    async with make() as server:
        await server.start(
            tls_port=0, cert=credentials.certificate, key=credentials.key
        )
        return await watch(
            f"ws://127.0.0.1:{server.port}/echo",
            Echo(),
            tls_url=f"wss://localhost:{server.tls_port}/echo",
            ca=str(authority.ca),
            **options,
        )


def verdicts(rows: dict[str, Watched]) -> dict[str, str]:
    """Return what each row came to; a note counts as one."""
    return {
        name: f"{row.judgement.verdict}{' with a note' * bool(row.judgement.note)}"
        for name, row in rows.items()
        if row.judgement is not None
    }


def caught(rows: dict[str, Watched]) -> set[str]:
    """Return the ids of the rows that do not simply pass."""
    told = {"FAIL", "PASS with a note"}
    return {name for name, word in verdicts(rows).items() if word in told}


# The rows


@pytest.mark.anyio
async def test_each_row_is_seen_failing(authority: ThrowAwayAuthority) -> None:
    """Or its note: a row that nothing can miss would prove nothing."""
    patient = await watch_server(
        lambda: Patient(handshake_timeout=DEADLINE), authority, patience=0.4
    )
    missed = caught(patient)
    assert missed == IDS - {"T.11", "T.17", "T.18"}
    assert verdicts(patient)["T.14"] == "FAIL"
    for wreck, rows in (
        (PongsUnheard, {"T.11", "T.17"}),
        (HalfFrameBlocks, {"T.17", "T.18"}),
        (EndOfTcpForgotten, {"T.14"}),
    ):
        seen = await watch_server(wreck, authority, patience=20.0, within=WITHIN)
        assert {name for name, word in verdicts(seen).items() if word == "FAIL"} == rows
        missed |= rows
    assert missed == IDS


@pytest.mark.anyio
async def test_a_sound_server_in_a_hurry_passes_every_row(
    authority: ThrowAwayAuthority,
) -> None:
    """Without a note, and long before the time is up."""
    rows = await watch_server(Eager, authority, patience=20.0)
    assert verdicts(rows) == dict.fromkeys(IDS, "PASS")


@pytest.mark.anyio
@pytest.mark.parametrize(("path", "dialect"), [("echo", Echo()), ("ws", Hub())])
async def test_the_hub_lets_go_of_whatever_stalls(
    hub: Callable[..., Any], path: str, dialect: Dialect
) -> None:
    """All but half a message of somebody who answers its pings."""
    short = [
        word for name in ("handshake", "ping", "pong") for word in (f"--{name}", "1s")
    ]
    process = hub("--echo", "--closing", "1s", *short)
    url = process.url.replace("/ws", f"/{path}")
    rows = await watch(url, dialect, patience=6.0)
    expected = dict.fromkeys(IDS - {"T.6"}, "PASS") | {"T.10": "PASS with a note"}
    assert verdicts(rows) == expected


# Beside the checks


def connections(folder: Path) -> int:
    """Return how many connections were opened to stall, and beside those."""
    lines = (folder / "journal.ndjson").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    return sum(record.get("check") == "timeouts" for record in records)


def test_time_outs_are_the_last_check_of_their_suite() -> None:
    """Then it has the least to wait for."""
    assert list(catalogue()["conformance"])[-1] == "timeouts"


def test_without_their_check_nothing_stalls(run: Callable[..., Any], echo: str) -> None:
    """A group alone neither starts nor awaits what others look at."""
    ended = run("conformance.unicode", "--serve", echo)
    assert ended.verdicts() == {"conformance.unicode": "PASS"}
    assert connections(ended.folder) == 0


def test_their_check_alone_has_all_to_show(
    run: Callable[..., Any], wreck: Callable[[str], str]
) -> None:
    """Rows, figures, and the time that it took apart from the other checks."""
    ended = run(
        *("conformance.timeouts", "conformance.pings"),
        *("--dialect", "hub", "--serve", wreck("pongs-unheard")),
    )
    assert ended.verdicts() == {
        "conformance.pings": "PASS",
        "conformance.timeouts": "FAIL",
    }
    check = ended.summary["suites"]["conformance"]["checks"]["timeouts"]
    titles = {finding["title"].split()[0] for finding in check["findings"]}
    assert titles == IDS
    figures = check["figures"]
    assert figures["cases"]["value"] == len(IDS)
    assert 0 < figures["T.12 an idle connection that answers no ping"]["value"] < 40
    assert 0 < figures["beside the other checks"]["value"] < 45
    assert connections(ended.folder) > len(STALLS)


def test_what_stalls_does_not_outlast_a_run_that_fails_fast(
    run: Callable[..., Any], wreck: Callable[[str], str]
) -> None:
    """The first failure ends the run, and what goes on beside it."""
    ended = run(
        *("conformance", "--fail-fast", "--dialect", "hub"),
        *("--serve", wreck("any-method-upgraded")),
    )
    assert ended.code == 1
    assert ended.verdicts() == {"conformance.handshake": "FAIL"}
    assert "conformance.timeouts" in ended.summary["not_run"]
    assert connections(ended.folder) > len(STALLS)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_what_stalls(
    start: Callable[..., Any],
    wreck: Callable[[str], str],
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    """While the check waits for it; the report says so, and nothing hangs."""
    process = start(
        *("run", "conformance.timeouts", "conformance.pings"),
        *("--dialect", "hub", "--serve", wreck("sound")),
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "conformance.pings" in line:
            break
    process.send_signal(number)
    rest, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 130, rest
    assert "conformance.timeouts" in rest
    (folder,) = (tmp_path / "results").glob("*")
    summary = json.loads((folder / "test_summary.json").read_text())
    assert summary["interrupted"] is True
    checks = summary["suites"]["conformance"]["checks"]
    assert checks["timeouts"]["verdict"] == "UNKNOWN"
    assert checks["pings"]["verdict"] == "PASS"


def test_a_target_that_dies_ends_what_stalls(
    run: Callable[..., Any], python: str, tmp_path: Path
) -> None:
    """The run ends at once, and says that the target is gone."""
    (tmp_path / "server.py").write_text(MORTAL)
    ended = run(
        "conformance", "--dialect", "echo", "--serve", f"{python} server.py {{port}}"
    )
    assert ended.code == 1
    assert "conformance.timeouts" in ended.summary["not_run"]
    assert ended.summary["target_end"]["by_lab"] is False


MORTAL = """
import asyncio, os, sys
from websockets.asyncio.server import serve

async def echo(connection):
    async for message in connection:
        if isinstance(message, bytes):
            os._exit(3)
        await connection.send(message)

async def main():
    async with serve(echo, "127.0.0.1", int(sys.argv[1])):
        await asyncio.Event().wait()

asyncio.run(main())
"""
