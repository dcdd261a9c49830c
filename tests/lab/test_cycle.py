"""A trading cycle at a target, as processes."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wavetank.errors import LocalError
from wavetank.hub import Hub
from wavetank.lab import cycle as module
from wavetank.lab.cycle import ROLES, Role, TradingCycle, environment

pytestmark = pytest.mark.anyio

DEADLINE = 60.0

Play = Callable[[str], None]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Have a script run in place of Python."""

    def write(script: str) -> None:
        path = tmp_path / "role"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))

    return write


def make_cycle(url: str = "ws://127.0.0.1:9/ws", **feed: Any) -> TradingCycle:
    """Return a cycle that is not started yet."""
    return TradingCycle(
        {"url": url, "run": "r", "topic-prefix": "x", "patience": "20s"},
        more={"feed": feed},
        environ=environment(""),
        now=lambda: 0.0,
    )


async def test_a_cycle_is_played_by_processes_that_tell_all_of_it() -> None:
    """The feed is told to end, and the others end after it."""
    async with Hub(port=0) as hub, make_cycle(hub.url, rate=500) as cycle:
        dashboard = cycle.dashboard
        await cycle.until(
            lambda: dashboard.count("received") > 50, "messages come", within=DEADLINE
        )
        cycle.feed.finish()
        for role in cycle.roles.values():
            assert await role.wait(DEADLINE) == 0, role.log
        account = dashboard.last("finished")
        assert account is not None
        assert account["outcome"] == "whole"
        assert dashboard.last("gave_up") is None
        assert len({role.pid for role in cycle.roles.values()}) == len(ROLES)
        assert repr(dashboard).startswith("<Role dashboard status 0, ")
    await cycle.close()


async def test_whoever_waits_learns_that_a_process_has_ended(play: Play) -> None:
    """With its last words, which are not all of them in JSON."""
    play('echo no json; echo \'{"type":"gave_up","reason":"no way"}\'; exit 3')
    async with make_cycle() as cycle:
        for role in cycle.roles.values():
            assert await role.wait(DEADLINE) == 3
        with pytest.raises(LocalError, match="status 3 before it goes: no way"):
            await cycle.until(lambda: False, "it goes", within=DEADLINE)
        assert list(cycle.bot.log) == ["no json"]


async def test_whoever_waits_in_vain_learns_that_too(play: Play) -> None:
    """The processes go on, and are ended with the cycle."""
    play("exec sleep 1000")
    async with make_cycle() as cycle:
        with pytest.raises(TimeoutError, match="in vain until it goes"):
            await cycle.until(lambda: False, "it goes", within=0.01)
        assert await cycle.feed.wait(0.01) is None
        assert "running" in repr(cycle)
    assert cycle.feed.status == -15


async def test_a_process_that_does_not_listen_is_ended_by_force(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left of it."""
    monkeypatch.setattr(module, "_GRACE", 0.01)
    play("trap '' TERM; echo '{\"type\":\"deaf\"}'; while :; do :; done")
    async with make_cycle() as cycle:
        await cycle.until(
            lambda: all(role.count("deaf") for role in cycle.roles.values()),
            "all are deaf",
            within=DEADLINE,
        )
    assert {role.status for role in cycle.roles.values()} == {-9}


async def test_a_cycle_that_cannot_be_started_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That it is not there is our mistake, not the target's."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    cycle = make_cycle()
    with pytest.raises(LocalError, match="cannot start the dashboard"):
        async with cycle:
            raise AssertionError("it has started")
    assert [role.pid for role in cycle.roles.values()] == [0, 0, 0]


async def test_a_role_that_was_never_started_has_no_end() -> None:
    """Nor is there anything to close."""
    role = Role("bot", {}, {})
    role.finish()
    assert await role.wait(0.0) is None
    await role.close()


def test_the_environment_carries_the_token_and_nothing_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the user has set for his own demo would change what is judged."""
    monkeypatch.setenv("WAVETANK_DEMO_RATE", "1")
    monkeypatch.setenv("PYTEST_ANYTHING", "1")
    monkeypatch.delenv("WAVETANK_TOKEN", raising=False)
    assert environment("secret")["WAVETANK_TOKEN"] == "secret"
    plain = environment("")
    assert not {"WAVETANK_TOKEN", "WAVETANK_DEMO_RATE", "PYTEST_ANYTHING"} & set(plain)
