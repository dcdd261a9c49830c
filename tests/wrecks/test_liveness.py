"""Pings that are due and pongs that are overdue."""

import asyncio
from typing import Any

import pytest

from wavetank.wrecks.liveness import Liveness

pytestmark = pytest.mark.anyio

NEVER = 3600.0


class Seen:
    """Keeps who was pinged and who was given up."""

    def __init__(self) -> None:
        self.pinged: list[Any] = []
        self.lost: list[Any] = []
        self.event = asyncio.Event()

    def ping(self, connection: Any) -> None:
        """Keep it."""
        self.pinged.append(connection)
        if len(self.pinged) == 3:
            self.event.set()

    def give_up(self, connection: Any) -> None:
        """Keep it."""
        self.lost.append(connection)
        self.event.set()

    async def happened(self) -> None:
        """Wait for the third ping, or for somebody given up."""
        async with asyncio.timeout(10):
            await self.event.wait()


def made(seen: Seen, *, interval: float = NEVER, timeout: float = NEVER) -> Liveness:
    """Return a liveness that tells it all."""
    return Liveness(seen.ping, seen.give_up, interval=interval, timeout=timeout)


async def test_liveness_pings_again_and_again() -> None:
    """Each connection has its turns until it is forgotten."""
    seen = Seen()
    liveness = made(seen, interval=0.001)
    who: Any = object()
    liveness.watch(who)
    await seen.happened()
    assert set(seen.pinged) == {who}
    assert repr(liveness) == "<Liveness of=1 waiting=1>"
    liveness.forget(who)
    liveness.forget(who)
    assert repr(liveness) == "<Liveness of=0 waiting=0>"


async def test_liveness_gives_up_who_does_not_answer() -> None:
    """A second ping brings no more time."""
    seen = Seen()
    liveness = made(seen, timeout=0.001)
    who: Any = object()
    liveness.watch(who)
    liveness.remind(who)
    liveness.remind(who)
    await seen.happened()
    assert (seen.pinged, seen.lost) == ([who, who], [who])
    assert repr(liveness) == "<Liveness of=1 waiting=0>"
    liveness.forget(who)


async def test_liveness_hears_an_answer() -> None:
    """Who has answered owes nothing until the next ping."""
    seen = Seen()
    liveness = made(seen)
    who: Any = object()
    liveness.watch(who)
    liveness.hear(who)
    liveness.remind(who)
    assert repr(liveness) == "<Liveness of=1 waiting=1>"
    liveness.hear(who)
    assert repr(liveness) == "<Liveness of=1 waiting=0>"
    liveness.forget(who)
    assert seen.lost == []
