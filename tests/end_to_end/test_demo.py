"""The trading cycle as a user runs it: processes, a hub, and its sudden death."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from .hub.process import HubProcess

DEADLINE = 120.0

MakeHub = Callable[..., HubProcess]
StartRole = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def role(start: StartRole) -> Iterator[StartRole]:
    """Start a role on a hub; it is ended with the test."""
    started = []

    def begin(hub: HubProcess, name: str, *flags: str) -> "subprocess.Popen[str]":
        process = start("demo", name, "--url", hub.url, "--json", *flags)
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def lines(printed: str) -> list[dict[str, Any]]:
    """Return what a process told; nothing else may stand between its lines."""
    return [json.loads(line) for line in printed.splitlines()]


def test_a_hub_that_is_killed_in_the_middle_loses_nothing(
    make_hub: MakeHub, role: StartRole
) -> None:
    """SIGKILL, a second without a hub, and the same port again: all of it is there.

    The bot says afterwards, by a status, that the hub was away.
    """
    hub = make_hub()
    hub.start_now()
    dashboard = role(hub, "dashboard")
    bot = role(hub, "bot")
    feed = role(hub, "feed", "--messages", "400", "--rate", "100")
    assert feed.stdout is not None
    seen = 0
    told = []
    while seen < 100:
        line = json.loads(feed.stdout.readline())
        told.append(line)
        seen += line["type"] == "published"
    hub.kill()
    hub.process.wait(DEADLINE)
    hub.start_now()
    rest, _ = feed.communicate(timeout=DEADLINE)
    told += lines(rest)
    bot_told = lines(bot.communicate(timeout=DEADLINE)[0])
    account = lines(dashboard.communicate(timeout=DEADLINE)[0])[-1]
    assert (feed.returncode, bot.returncode, dashboard.returncode) == (0, 0, 0)
    assert account["outcome"] == "whole"
    assert account["problems"] == []
    assert account["checked"]["fills"] > 10
    totals = {each["topic"]: each["expected"] for each in account["topics"]}
    assert totals["market.btc-usd"] == 400
    assert totals == told[-1]["totals"] | bot_told[-1]["totals"]
    assert "disconnected" in {line["type"] for line in bot_told}


def test_a_dashboard_that_is_killed_starts_again_with_a_whole_account(
    make_hub: MakeHub, role: StartRole
) -> None:
    """Nobody waits for it, and it finds everything afterwards."""
    hub = make_hub(is_durable=False)
    hub.start_now()
    first = role(hub, "dashboard")
    bot = role(hub, "bot")
    feed = role(hub, "feed", "--messages", "200", "--rate", "200")
    assert first.stdout is not None
    while json.loads(first.stdout.readline())["type"] != "received":
        pass
    first.kill()
    assert feed.communicate(timeout=DEADLINE)[0]
    assert bot.communicate(timeout=DEADLINE)[0]
    second = role(hub, "dashboard")
    account = lines(second.communicate(timeout=DEADLINE)[0])[-1]
    assert (second.returncode, account["outcome"]) == (0, "whole")


def test_a_hub_that_forgets_is_found_out(make_hub: MakeHub, role: StartRole) -> None:
    """Its log was in memory, and it was killed before the dashboard came."""
    hub = make_hub(is_durable=False)
    hub.start_now()
    feed = role(hub, "feed", "--messages", "50", "--rate", "1000")
    feed.communicate(timeout=DEADLINE)
    hub.kill()
    hub.process.wait(DEADLINE)
    hub.start_now()
    last = role(hub, "feed", "--messages", "1", "--run", "other")
    last.communicate(timeout=DEADLINE)
    dashboard = role(hub, "dashboard", "--seconds", "2s")
    account = lines(dashboard.communicate(timeout=DEADLINE)[0])[-1]
    assert (dashboard.returncode, account["outcome"]) == (1, "broken")
    assert account["foreign"] == 2


def test_ctrl_c_ends_the_whole_cycle_in_order(start: StartRole) -> None:
    """The account is told, the exit code is that of an interruption."""
    process = start("demo", "--json", "--rate", "50")
    assert process.stdout is not None
    printed = ""
    while '"received"' not in printed.rpartition("\n")[0]:
        printed += process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=DEADLINE)
    told = lines(printed + rest)
    assert process.returncode == 130
    assert {line["role"] for line in told if line["type"] == "finished"} == {
        "feed",
        "bot",
        "dashboard",
    }


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a hub with us")
def test_a_cycle_that_is_killed_leaves_no_process_behind(start: StartRole) -> None:
    """The pipe that its children write to breaks, and its hub is ended by the system.

    A bot whose reader had been killed went on for ever: only the task that told what
    was published heard of it.
    """
    process = start("demo", "--json", "--rate", "50")
    assert process.stdout is not None
    pids = set()
    while len(pids) < 4:
        line = json.loads(process.stdout.readline())
        pids |= {line["pid"]} if "pid" in line else set()
    left = [psutil.Process(pid) for pid in pids]
    process.kill()
    process.communicate(timeout=DEADLINE)
    _, alive = psutil.wait_procs(left, timeout=DEADLINE)
    # Where nobody buries them they stay as zombies, which is none of our business.
    assert not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("is_read", [True, False])
def test_a_bot_ends_on_one_sigterm_while_its_hub_goes_away(
    make_hub: MakeHub, role: StartRole, is_read: bool
) -> None:
    """Both are told at the same moment; it does not matter whether somebody reads."""
    hub = make_hub()
    hub.start_now()
    bot = role(hub, "bot", "--patience", "1s")
    role(hub, "feed", "--rate", "200")
    assert bot.stdout is not None
    while json.loads(bot.stdout.readline())["type"] != "received":
        pass
    if not is_read:
        bot.stdout.close()
    hub.process.send_signal(signal.SIGTERM)
    bot.send_signal(signal.SIGTERM)
    if is_read:
        bot.communicate(timeout=DEADLINE)
    assert bot.wait(DEADLINE) in {0, 1, -signal.SIGTERM}
