"""A peer that is kept at a target: opened, used, lost and opened again."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from wavetank.errors import LocalError
from wavetank.evidence import Change
from wavetank.lab.keeping import Keeper, Kept, Patience

from .talks import LOST, Talk, Talks, until

pytestmark = pytest.mark.anyio

SOON = Patience(base=0.0, cap=0.0)


def keep(talks: Talks, use: Callable[[Any], Awaitable[None]], **more: Any) -> Keeper:
    """Make a keeper that does not wait before it tries again."""
    given = {"patience": SOON, "rng": random.Random(1), "now": lambda: 2.0}
    return Keeper("peer", open=talks.open, use=use, **(given | more))


async def test_a_keeper_opens_the_next_conversation_when_one_ends() -> None:
    """Whoever looks is told when it is of use, and when it is no longer."""
    first, second = Talk(), Talk()
    changes: list[Change] = []
    used: list[Talk] = []

    async def use(talk: Any) -> None:
        used.append(talk)
        keeper.settle()
        if talk is first:
            raise LOST
        await asyncio.Event().wait()

    keeper = keep(Talks(first, second), use, notify=changes.append)
    assert repr(keeper) == "<Keeper peer 0 opened, away: not yet>"
    async with keeper:
        await until(lambda: keeper.conversation is second and keeper.is_connected)
        assert repr(keeper) == "<Keeper peer 2 opened, connected>"
        assert keeper.why == "the connection was lost"
    assert used == [first, second]
    assert first.peer.is_aborted
    assert second.peer.is_closed
    # An end that we want is no loss.
    assert [change.is_connected for change in changes] == [True, False, True]
    assert changes[0] == (2.0, "peer", True)


async def test_a_keeper_tries_again_where_nothing_can_be_opened() -> None:
    """A refusal and a time-out are no reason to stop; of use it was not."""
    talk = Talk()

    async def use(_: Any) -> None:
        await asyncio.Event().wait()

    changes: list[Change] = []
    talks = Talks(LOST, TimeoutError(), talk)
    async with keep(talks, use, notify=changes.append) as keeper:
        await until(lambda: keeper.conversation is talk)
        assert keeper.why == "TimeoutError"
    assert changes == []


async def test_a_keeper_gives_an_opening_up_that_takes_too_long() -> None:
    """A partition lets nobody in, and nothing says so."""
    talks = Talks()

    async def use(_: Any) -> None:
        raise AssertionError

    async with keep(talks, use, patience=Patience(opening=0.0, base=0.0, cap=0.0)):
        await until(lambda: talks.tried > 2)


async def test_a_keeper_waits_longer_each_time_up_to_a_cap() -> None:
    """Full jitter: anything from nothing to a bound that doubles."""
    bounds: list[float] = []

    class Dice(random.Random):
        def uniform(self, a: float, b: float) -> float:
            bounds.append(b)
            return a

    async def use(_: Any) -> None:
        keeper.settle()
        raise LOST

    talks = Talks(LOST, LOST, LOST, LOST, Talk(), LOST)
    keeper = keep(talks, use, rng=Dice(), patience=Patience(base=1.0, cap=5.0))
    async with keeper:
        await until(lambda: talks.tried == 7)
    assert bounds == [2.0, 4.0, 5.0, 5.0, 1.0, 2.0]


async def test_a_keeper_is_done_when_its_user_is() -> None:
    """The conversation stays until it is closed."""
    talk = Talk()

    async def use(_: Any) -> None:
        keeper.settle()

    changes: list[Change] = []
    talks = Talks(talk)
    keeper = keep(talks, use, notify=changes.append)
    async with keeper:
        await until(lambda: bool(changes) and not keeper.is_connected)
        assert keeper.conversation is talk
    assert talks.tried == 1
    assert [change.is_connected for change in changes] == [True]


async def test_a_mistake_of_ours_comes_out() -> None:
    """It is not taken for a lost connection: whoever looks gets it."""

    async def use(_: Any) -> None:
        raise LocalError("a mistake")

    keeper = keep(Talks(Talk()), use)
    keeper.check()
    await keeper.close()
    await keeper.__aenter__()
    with pytest.raises(LocalError, match="a mistake"):
        await until(lambda: bool(keeper.check()))
    with pytest.raises(LocalError, match="a mistake"):
        await keeper.close()


async def test_a_target_that_does_not_close_is_left() -> None:
    """A goodbye that is not answered is no failure."""
    talk = Talk()
    talk.peer.close_fails = TimeoutError()

    async def use(_: Any) -> None:
        keeper.settle()
        await asyncio.Event().wait()

    keeper = keep(Talks(talk), use)
    async with keeper:
        await until(lambda: keeper.is_connected)
    assert talk.peer.is_closed
    await keeper.close()


async def test_whatever_is_kept_shows_its_keeper_and_ends_it() -> None:
    """Followers and publishers differ only in what they do with a conversation."""
    talk = Talk()

    async def use(_: Any) -> None:
        keeper.settle()
        await asyncio.Event().wait()

    keeper = keep(Talks(talk), use)
    kept = Kept(keeper)
    assert (kept.name, kept.why, kept.state) == ("peer", "", "away: not yet")
    async with kept as entered:
        assert entered is kept
        await until(lambda: kept.is_connected)
        assert kept.conversation is talk
        assert kept.state == "connected"
        kept.check()
    assert talk.peer.is_closed
    assert (kept.conversation, kept.is_connected) == (None, False)
