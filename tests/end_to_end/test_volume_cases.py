"""Every volume is seen failing on a broken server, and passing on sound ones."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wavetank.dialects import Echo
from wavetank.lab.conformance.aio.streaming import Streamer
from wavetank.lab.conformance.compressed import MATERIALS, PARAMETERS
from wavetank.lab.conformance.volumes import VOLUMES
from wavetank.lab.peers import Peers
from wavetank.lab.target import Target
from wavetank.wire import MessageLimits, MessageReader, Opcode, inflater_for
from wavetank.wrecks.connection import Connection, Reader
from wavetank.wrecks.frames import Deflating

ROWS = (*VOLUMES, *MATERIALS, *PARAMETERS)
LARGEST = 16 * 2**20
CHECKS = [
    f"conformance.{each}" for each in ("performance", "compression", "parameters")
]


class Generous(Deflating):
    """A sound server that takes every volume whole."""

    def make_reader(self) -> Reader:
        """Take 16 MiB, in any number of frames."""
        agreed = self._agreed
        return MessageReader(
            expect_mask=True,
            limits=MessageLimits(message_bytes=LARGEST, fragments=None),
            inflater=agreed and inflater_for(agreed, by_server=True, limit=LARGEST),
        )


class Garbling(Generous):
    """The last byte of each message comes back as another one."""

    def push(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Change it; an empty message gets one."""
        last = b"!" if payload[-1:] != b"!" else b"?"
        if opcode == Opcode.TEXT:
            payload = payload.decode()[:-1].encode()
        else:
            payload = payload[:-1]
        super().push(connection, opcode, payload + last)


async def verdicts(make: type[Deflating]) -> dict[str, list[str]]:
    """Play all volumes with a few messages each; return the ids by verdict."""
    async with make() as server:
        await server.start()
        peers = Peers(
            Target(url=f"ws://127.0.0.1:{server.port}/echo", dialect=Echo()),
            check="volumes",
            record=lambda _: None,
            now=lambda: 0.0,
        )
        results = await Streamer(peers, messages=2).run(ROWS)
        await peers.close()
    found: dict[str, list[str]] = {}
    for each in results:
        verdict = str(each.finding.verdict) + (" noted" if each.finding.note else "")
        found.setdefault(verdict, []).append(each.volume.id)
    return found


@pytest.mark.anyio
@pytest.mark.parametrize(("make", "verdict"), [(Generous, "PASS"), (Garbling, "FAIL")])
async def test_each_volume_passes_where_all_is_well_and_fails_where_it_is_not(
    make: type[Deflating], verdict: str
) -> None:
    """A volume that nothing can miss would prove nothing."""
    assert await verdicts(make) == {verdict: [each.id for each in ROWS]}


def records(folder: Path, kind: str) -> list[dict[str, Any]]:
    """Return the records of a kind that a run has left."""
    lines = (folder / "journal.ndjson").read_text().splitlines()
    return [each for each in map(json.loads, lines) if each["record"] == kind]


def figures(folder: Path) -> dict[tuple[str, str], float]:
    """Return what a run has measured, by check and name."""
    return {
        (each["check"], each["name"]): each["value"]
        for each in records(folder, "figure_measured")
    }


@pytest.mark.long
def test_the_hub_passes_every_volume_on_its_echo(run: Callable, hub: Callable) -> None:
    """Or states its limit, which is a note; what it echoes need not be compressed."""
    served = hub("--echo", "--compression")
    url = f"ws://127.0.0.1:{served.port}/echo"

    ended = run(*CHECKS, "--target", url, "--i-own-this-target")

    assert ended.verdicts() == dict.fromkeys(CHECKS, "PASS"), ended.printed
    measured = figures(ended.folder)
    assert measured["performance", "cases"] == 54
    assert measured["performance", "largest message that came back"] == 2**20
    assert measured["compression", "cases"] == 90
    assert measured["compression", "messages in each case"] == 32
    assert ("compression", "came back compressed") in measured
    assert measured["parameters", "cases"] == 126 + 6
    names = {each["name"] for each in records(ended.folder, "histogram_taken")}
    assert names == {"round trip of 16 bytes", "round trip of 4096 bytes"}


@pytest.mark.long
def test_the_hub_passes_on_ws_what_can_be_published(
    run: Callable, hub: Callable
) -> None:
    """The rest is skipped, each with its reason: binary, or too large."""
    served = hub("--compression")

    ended = run(
        *CHECKS, "--target", f"ws://127.0.0.1:{served.port}/ws", "--i-own-this-target"
    )

    assert ended.verdicts() == dict.fromkeys(CHECKS, "PASS"), ended.printed
    measured = figures(ended.folder)
    assert measured["performance", "cases"] == 6
    assert measured["compression", "cases"] == 2 * 11
    assert measured["parameters", "cases"] == 7 * 11 + 4
    reasons = {
        finding["seen"]
        for check in records(ended.folder, "check_finished")
        for finding in check["findings"]
        if finding["verdict"] == "SKIP"
    }
    assert reasons == {
        "the target has no binary echo",
        "the target takes payloads of 65536 bytes",
    }


@pytest.mark.long
def test_exhaustive_is_a_thousand_messages_in_each_case(
    run: Callable, wreck: Callable[[str], str]
) -> None:
    """As many as Autobahn sends."""
    ended = run(
        "conformance.compression",
        *("--exhaustive", "--dialect", "hub", "--serve", wreck("sound")),
    )

    assert ended.verdicts() == {"conformance.compression": "PASS"}
    measured = figures(ended.folder)
    assert measured["compression", "messages in each case"] == 1000
    assert measured["compression", "came back compressed"] == 100
