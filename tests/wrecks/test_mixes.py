"""Wrecks that bear each fault alone: beside the sound server, and by each half."""

import asyncio
from typing import Any

import pytest

from wavetank.wrecks import SoundServer, mixes
from wavetank.wrecks.mixes import SecondLifeReplaysLess, StandstillReplaysLess

pytestmark = pytest.mark.anyio

ELSEWHERE = {"epoch": "another0", "seq": 3}


def named(*numbers: int) -> list[tuple[int, str]]:
    """Return events as they were published."""
    return [(number, f"n-{number}") for number in numbers]


async def resumed(server: Any, greeted: Any, heard: Any, epoch: str) -> Any:
    """Return what somebody is replayed who has had three events."""
    peer = await greeted(server)
    since = {"epoch": epoch, "seq": 3}
    assert (await peer.done("subscribe", topic="t", since=since))["recovered"] is True
    return await heard(peer)


@pytest.mark.parametrize("kind", [SoundServer, SecondLifeReplaysLess])
@pytest.mark.parametrize("is_second", [False, True])
async def test_wreck_replays_less_once_somebody_came_from_another_life(
    start: Any,
    greeted: Any,
    published: Any,
    heard: Any,
    kind: type[SoundServer],
    is_second: bool,
) -> None:
    """Who comes from there is told so, by both; then the wreck is a wreck."""
    server = await start(kind)
    epoch = (await published(server, 6))["epoch"]
    if is_second:
        old = await greeted(server)
        reply = await old.done("subscribe", topic="t", since=ELSEWHERE)
        assert (reply["recovered"], reply["reason"]) == (False, "epoch_changed")
    is_wrong = is_second and kind is SecondLifeReplaysLess
    came = await resumed(server, greeted, heard, epoch)
    assert came == named(*([5, 6] if is_wrong else [4, 5, 6]))


@pytest.mark.parametrize("kind", [SoundServer, StandstillReplaysLess])
@pytest.mark.parametrize("stood_still", [False, True])
async def test_wreck_replays_less_after_it_stood_still(
    start: Any,
    greeted: Any,
    published: Any,
    heard: Any,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[SoundServer],
    stood_still: bool,
) -> None:
    """The resume itself may be the first that it hears; who is connected has all."""
    # However slow the machine that runs the test is.
    monkeypatch.setattr(mixes, "_STILL", 1000.0)
    monkeypatch.setattr(mixes, "_UNWELL_FOR", 1000.0)
    server = await start(kind)
    listener = await greeted(server)
    await listener.done("subscribe", topic="t")
    epoch = (await published(server, 6))["epoch"]
    if stood_still and isinstance(server, StandstillReplaysLess):
        server.beat_at -= 2000.0
    is_wrong = stood_still and kind is StandstillReplaysLess
    came = await resumed(server, greeted, heard, epoch)
    assert came == named(*([4, 5] if is_wrong else [4, 5, 6]))
    assert await heard(listener) == named(1, 2, 3, 4, 5, 6)


async def test_a_wreck_is_well_again_a_while_after_it_stood_still(start: Any) -> None:
    """A heart that beats as it should says nothing."""
    server = await start(StandstillReplaysLess)
    server.timer.cancel()
    now = asyncio.get_running_loop().time() + 100.0
    assert server.feel(now)
    assert server.feel(now + 0.1)
    server.beat_at = now + 1.0
    assert not server.feel(now + 1.1)


async def test_a_wreck_that_never_started_stops_all_the_same() -> None:
    """Its heart never beat."""
    await StandstillReplaysLess().stop()
