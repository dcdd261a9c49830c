"""Wrecks of recovery: each shows its fault where the sound server has none."""

from pathlib import Path
from typing import Any

import pytest

from wavetank.wrecks import SoundServer
from wavetank.wrecks.log import Store
from wavetank.wrecks.recovery import (
    AcknowledgesBeforeWriting,
    ForgetsButKeepsEpoch,
    GapUndeclared,
    OldValuesReplayed,
    RecoveredInWordOnly,
    ReplayCorrupted,
    ReplayedToAnybody,
    ReplayEndsTwice,
    ReplayLacksLast,
    ReplayOverlaps,
    corrupted,
)

pytestmark = pytest.mark.anyio


def named(*numbers: int) -> list[tuple[int, str]]:
    """Return events as they were published."""
    return [(number, f"n-{number}") for number in numbers]


@pytest.mark.parametrize(
    "row",
    [
        (SoundServer, 16, named(17, 18, 19, 20)),
        (SoundServer, 20, []),
        (ReplayLacksLast, 16, named(17, 18, 19)),
        (ReplayLacksLast, 20, []),
        (ReplayEndsTwice, 16, named(17, 18, 19, 20, 20)),
        (ReplayEndsTwice, 20, []),
        (ReplayOverlaps, 18, named(*range(14, 21))),
        (ReplayOverlaps, 2, named(*range(1, 21))),
        (ReplayOverlaps, 20, []),
        (RecoveredInWordOnly, 16, []),
        (OldValuesReplayed, 18, [(19, "n-18"), (20, "n-19")]),
        (
            OldValuesReplayed,
            0,
            [(1, "n-1"), *((n, f"n-{n - 1}") for n in range(2, 21))],
        ),
        (ReplayCorrupted, 18, [(19, "n-79"), (20, "n-70")]),
    ],
)
async def test_wreck_replays_wrongly_and_calls_it_recovered(
    start: Any, greeted: Any, published: Any, heard: Any, row: Any
) -> None:
    """The reply says that what follows is what was missed."""
    kind, since_seq, replayed = row
    server = await start(kind)
    last = await published(server, 20)
    peer = await greeted(server)
    since = {"epoch": last["epoch"], "seq": since_seq}
    reply = await peer.done("subscribe", topic="t", since=since)
    assert reply["recovered"] is True
    assert await heard(peer) == replayed
    await published(server, 1)
    assert await heard(peer) == [(21, "n-1")]


@pytest.mark.parametrize(
    ("data", "changed"),
    [(b'{"a":15}', b'{"a":75}'), (b"7", b"8"), (b'"+-"', b'"+-"')],
)
def test_corruption_is_one_letter_or_digit(data: bytes, changed: bytes) -> None:
    """It stays JSON; where there is neither, it stays as it is."""
    assert corrupted(data) == changed


@pytest.mark.parametrize("kind", [SoundServer, GapUndeclared])
@pytest.mark.parametrize(
    "row",
    [
        ({"seq": 3}, None, named(4, 5)),
        ({"seq": 1}, "truncated", named(3, 4, 5)),
        ({"seq": 9}, "ahead", []),
        ({"seq": 4, "epoch": "another0"}, "epoch_changed", named(5)),
    ],
)
async def test_wreck_declares_no_gap(
    start: Any, greeted: Any, published: Any, heard: Any, kind: Any, row: Any
) -> None:
    """The sound server says why it cannot go on; the wreck goes on with what it has."""
    since, reason, came = row
    server = await start(kind)
    server.store = Store("12345678", max_entries=3)
    await published(server, 5)
    peer = await greeted(server)
    position = {"epoch": "12345678"} | since
    reply = await peer.done("subscribe", topic="t", since=position)
    if kind is SoundServer and reason:
        assert (reply["recovered"], reply["reason"]) == (False, reason)
        assert await heard(peer) == []
    else:
        assert (reply["recovered"], reply["reason"]) == (True, None)
        assert await heard(peer) == came


@pytest.mark.parametrize(
    ("kind", "answer"),
    [(SoundServer, "topic_forbidden"), (ReplayedToAnybody, None)],
)
async def test_wreck_replays_without_the_right_to(
    start: Any, connect: Any, kind: type[SoundServer], answer: str | None
) -> None:
    """A live subscription is refused by both, a resume by the sound one alone."""
    server = await start(kind, token="secret")
    owner = await connect(server, "/ws", Authorization="Bearer secret")
    assert (await owner.message())["auth"] == "accepted"
    assert (await owner.done("publish", topic="private.a", data=1))["seq"] == 1
    stranger = await connect(server, "/ws")
    assert (await stranger.message())["auth"] == "none"
    reply = await stranger.done("subscribe", topic="private.a")
    assert reply["code"] == "topic_forbidden"
    reply = await stranger.done("subscribe", topic="private.a", since="earliest")
    assert reply.get("code") == answer
    if answer is None:
        assert (await stranger.message())["data"] == 1


async def test_wreck_forgets_all_and_keeps_its_epoch(
    start: Any, published: Any, tmp_path: Path
) -> None:
    """A later life counts from 1 again; the sound one does so in another epoch."""
    first, second = [await published(await start(), 2) for _ in range(2)]
    assert first["epoch"] != second["epoch"]
    for options in ({}, {"data": tmp_path / "log"}):
        lives = [await start(ForgetsButKeepsEpoch, **options) for _ in range(2)]
        first, second = [await published(server, 2) for server in lives]
        assert first["epoch"] == second["epoch"]
        assert first["seq"] == second["seq"] == 2


@pytest.mark.parametrize(
    ("kind", "kept"), [(SoundServer, 15), (AcknowledgesBeforeWriting, 5)]
)
async def test_wreck_loses_what_it_acknowledged_when_it_is_killed(
    start: Any, published: Any, tmp_path: Path, kind: type[SoundServer], kept: int
) -> None:
    """A file that is taken away in the middle has all, or lacks the newest ten."""
    server = await start(kind, data=tmp_path / "log")
    last = await published(server, 15)
    assert last["seq"] == 15
    killed = tmp_path / "copy"
    killed.write_bytes((tmp_path / "log").read_bytes())
    later = await start(data=killed)
    assert later.store.epoch == last["epoch"]
    assert later.store.log("t").top.seq == kept


async def test_wreck_that_acknowledges_early_loses_nothing_in_peace(
    start: Any, published: Any, tmp_path: Path
) -> None:
    """A stop writes the rest; without a file there is nothing to lose."""
    server = await start(AcknowledgesBeforeWriting, data=tmp_path / "log")
    await published(server, 15)
    await server.stop()
    later = await start(data=tmp_path / "log")
    assert later.store.log("t").top.seq == 15
    assert type((await start(AcknowledgesBeforeWriting)).store) is Store
