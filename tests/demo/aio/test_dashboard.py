"""The dashboard's process."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from wavetank.client import LinkOptions
from wavetank.demo.aio.dashboard import Dashboard
from wavetank.demo.messages import Message, encode, topic_of
from wavetank.demo.options import DemoPlan
from wavetank.hub import Hub

pytestmark = pytest.mark.anyio

MakePlan = Callable[..., DemoPlan]
Play = Callable[..., list[Message]]
DEADLINE = 60.0


async def publish(hub: Hub, messages: list[Message], prefix: str = "") -> None:
    """Publish messages."""
    for message in messages:
        await hub.publish(prefix + topic_of(message), encode(message))


async def until(holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(DEADLINE):
        while not holds():  # noqa: ASYNC110 - lines are no event
            await asyncio.sleep(0)


async def test_a_dashboard_that_comes_late_finds_all_of_it(
    told: Any, link: LinkOptions, make_plan: MakePlan, play: Play
) -> None:
    """It was offline from the start, and its account is whole."""
    messages = play(run="demo")
    async with Hub(port=0) as hub:
        await publish(hub, messages, "x.")
        plan = make_plan("dashboard", hub.url, prefix="x.")
        dashboard = Dashboard(plan, link, told.teller("dashboard"))
        assert await dashboard.run() == 0
    (finished,) = told.of("finished")
    assert finished["outcome"] == "whole"
    assert finished["received"] == len(messages) == len(told.of("received"))
    assert told.of("position")
    assert repr(dashboard).startswith("<Dashboard <Ledger")


async def test_a_dashboard_whose_hub_goes_away_finds_all_of_it(
    told: Any, link: LinkOptions, make_plan: MakePlan, play: Play, tmp_path: Any
) -> None:
    """It waits, however long that takes, and goes on where it was."""
    messages = play(run="demo")
    feed_end = next(n for n, m in enumerate(messages) if topic_of(m) == "market.status")
    early = [*messages[:100], messages[feed_end]]
    late = [m for m in messages[100:] if m is not messages[feed_end]]
    async with Hub(port=0, data=str(tmp_path)) as hub:
        url = hub.url
        plan = make_plan("dashboard", url, patience=DEADLINE)
        dashboard = Dashboard(plan, link, told.teller("dashboard"))
        running = asyncio.create_task(dashboard.run())
        await publish(hub, early)
        await until(lambda: len(told.of("received")) == len(early))
    await until(lambda: told.of("disconnected"))
    port = url.rpartition(":")[2].partition("/")[0]
    async with Hub(port=port, data=str(tmp_path)) as hub:
        await publish(hub, late)
        assert await running == 0
    assert len(told.of("connected")) >= 2
    assert told.of("finished")[0]["outcome"] == "whole"


async def test_a_dashboard_says_what_is_missing_after_its_patience(
    told: Any, link: LinkOptions, make_plan: MakePlan, play: Play
) -> None:
    """The last fill never came."""
    messages = play(run="demo")
    fills = [m for m in messages if topic_of(m) == "bot.fills"]
    async with Hub(port=0) as hub:
        await publish(hub, [m for m in messages if m is not fills[-1]])
        plan = make_plan("dashboard", hub.url, patience=0.5)
        assert await Dashboard(plan, link, told.teller("dashboard")).run() == 1
    (finished,) = told.of("finished")
    assert finished["problems"] == [f"bot.fills: 1 missing: {fills[-1].number}"]


async def test_a_dashboard_tells_a_gap_and_what_is_missing(
    told: Any, link: LinkOptions, make_plan: MakePlan, play: Play
) -> None:
    """A hub forgot its log at a restart: it says so, and the numbers say how much."""
    messages = play(run="demo")
    async with Hub(port=0) as hub:
        url = hub.url
        plan = make_plan("dashboard", url)
        dashboard = Dashboard(plan, link, told.teller("dashboard"))
        running = asyncio.create_task(dashboard.run())
        await publish(hub, messages[:50])
        await until(lambda: len(told.of("received")) == 50)
    port = url.rpartition(":")[2].partition("/")[0]
    async with Hub(port=port) as hub:
        await publish(hub, messages[60:])
        assert await running == 1
    (finished,) = told.of("finished")
    assert told.of("gap")
    assert finished["gaps"]
    assert any("missing" in problem for problem in finished["problems"])


async def test_a_dashboard_that_saw_nothing_has_no_whole_account(
    told: Any, link: LinkOptions, make_plan: MakePlan
) -> None:
    """Time is up before anybody has finished."""
    async with Hub(port=0) as hub:
        plan = make_plan("dashboard", hub.url, seconds=0.05)
        assert await Dashboard(plan, link, told.teller("dashboard")).run() == 1


@pytest.mark.parametrize("token", ["wrong"])
async def test_a_dashboard_that_the_hub_does_not_let_in_gives_up(
    told: Any, link: LinkOptions, make_plan: MakePlan, token: str
) -> None:
    """A wrong token is said, and there is no account."""
    async with Hub(port=0, token=("right",)) as hub:
        plan = make_plan("dashboard", hub.url)
        options = LinkOptions(**link, token=token)
        assert await Dashboard(plan, options, told.teller("dashboard")).run() == 1
    assert told.of("gave_up")
