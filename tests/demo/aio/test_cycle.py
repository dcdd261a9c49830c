"""The whole cycle."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wavetank.demo.aio import cycle as module
from wavetank.demo.aio.cycle import Cycle, words_of
from wavetank.demo.options import OPTIONS, DemoPlan, make_plan
from wavetank.settings import resolve

MakePlan = Callable[..., DemoPlan]
DEADLINE = 100.0


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AWAY", 0.05)


def is_running(pid: int) -> bool:
    """Tell whether there is such a process."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


async def until(holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(DEADLINE):
        while not holds():  # noqa: ASYNC110 - lines are no event
            await asyncio.sleep(0)


@pytest.mark.parametrize("role", ["feed", "bot", "dashboard"])
def test_a_role_gets_the_options_that_it_takes(role: str) -> None:
    """Its plan is that of the cycle, as far as it is its business."""
    plan = DemoPlan(
        role="cycle",
        prefix="a.b.",
        run="x",
        seed=5,
        rate=3.0,
        messages=7,
        seconds=9.0,
        replay=Path("f.csv"),
        patience=2.0,
        queue=11,
        is_json=True,
    )
    _, word, *flags = words_of(role, plan, "ws://h/ws")
    typed: dict[str, object] = {
        flag.partition("=")[0][2:]: flag.partition("=")[2] or True for flag in flags
    }
    url = str(typed["url"])
    made = make_plan([word], url, resolve(OPTIONS, flags=typed))
    assert (made.role, made.url, made.prefix, made.run) == (role, url, "a.b.", "x")
    assert (made.patience, made.queue, made.is_json) == (2.0, 11, True)
    if role == "feed":
        assert (made.rate, made.messages, made.seconds) == (3.0, 7, 9.0)
        assert made.replay == Path("f.csv")
    if role != "dashboard":
        assert made.seed == 5


@pytest.mark.anyio
async def test_a_cycle_whose_hub_is_killed_has_a_whole_account(
    told: Any, make_plan: MakePlan
) -> None:
    """The hub is started again, and every process has ended afterwards."""
    plan = make_plan("cycle", "", rate=100.0, messages=400)
    cycle = Cycle(plan, told.teller("cycle"), told.out)
    running = asyncio.create_task(cycle.run())
    await until(lambda: len(told.of("received")) > 150)
    os.kill(told.of("hub_started")[0]["pid"], signal.SIGKILL)
    assert await running == 0
    assert [line["code"] for line in told.of("hub_ended")] == [-signal.SIGKILL]
    first, second = told.of("hub_started")
    assert first["url"] == second["url"]
    finished = {line["role"]: line for line in told.of("finished")}
    assert finished["dashboard"]["outcome"] == "whole"
    assert finished["feed"]["totals"]["market.btc-usd"] == 400
    pids = [line["pid"] for line in told.of("started")]
    assert len(pids) == 3
    assert not any(map(is_running, [*pids, second["pid"]]))
    assert repr(cycle) == "<Cycle ['dashboard', 'bot', 'feed']>"


@pytest.mark.anyio
async def test_a_cycle_that_is_stopped_ends_in_order(
    told: Any, make_plan: MakePlan
) -> None:
    """The feed is told, the others finish, and the account is whole until there."""
    plan = make_plan("cycle", "", rate=50.0, messages=None)
    running = asyncio.create_task(Cycle(plan, told.teller("cycle"), told.out).run())
    await until(lambda: len(told.of("received")) > 60)
    running.cancel()
    assert await running == 0
    assert told.of("stopping")
    # The feed's own last line may come behind the dashboard's.
    finished = {line["role"]: line for line in told.of("finished")}
    assert finished["dashboard"]["outcome"] == "whole"


@pytest.mark.anyio
@pytest.mark.parametrize("role", ["bot", "feed"])
async def test_a_cycle_whose_publisher_is_killed_has_no_whole_account(
    told: Any, make_plan: MakePlan, role: str
) -> None:
    """Its messages lack, and it never said how many there were."""
    plan = make_plan("cycle", "", rate=100.0, messages=300, patience=1.0)
    running = asyncio.create_task(Cycle(plan, told.teller("cycle"), told.out).run())
    pids: dict[str, int] = {}

    def is_under_way() -> bool:
        pids.update((line["role"], line["pid"]) for line in told.of("started"))
        return role in pids and len(told.of("received")) > 60

    # On a busy machine the bot may begin when the dashboard has much of the feed.
    await until(is_under_way)
    os.kill(pids[role], signal.SIGKILL)
    assert await running == 1
    ended = {line["process"]: line["code"] for line in told.of("ended")}
    assert ended[role] == -signal.SIGKILL
    finished = {line["role"]: line for line in told.of("finished")}
    problems = finished["dashboard"]["problems"]
    assert any(problem.startswith(f"the {role} has not said") for problem in problems)


@pytest.mark.long
@pytest.mark.anyio
async def test_a_cycle_kills_its_hub_where_that_is_asked(
    told: Any, make_plan: MakePlan
) -> None:
    """Once, after the time that was given; in memory its log is gone then."""
    plan = make_plan("cycle", "", rate=100.0, messages=400, kill_hub=1.0, memory=True)
    await Cycle(plan, told.teller("cycle"), told.out).run()
    assert len(told.of("hub_ended")) == 1
    assert len(told.of("hub_started")) == 2
