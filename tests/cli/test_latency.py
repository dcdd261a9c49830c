"""``wavetank latency``: ``wavetank load`` with a modest rate and all percentiles."""

import pytest

from wavetank.cli import load as module
from wavetank.cli.latency import main
from wavetank.cli.loading import Order
from wavetank.cli.main import COMMANDS
from wavetank.errors import ExitCode
from wavetank.load.plan import Stage


def test_latencies_are_measured_at_a_modest_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten users, a hundred messages a second, every percentile."""
    orders: list[Order] = []

    def note(order: Order) -> int:
        orders.append(order)
        return ExitCode.UNKNOWN

    monkeypatch.setattr(module, "perform", note)
    assert main(["ws://127.0.0.1:9/", "--dialect", "echo"]) == ExitCode.UNKNOWN
    (order,) = orders
    (scenario,) = order.load_plan().scenarios
    assert scenario.users == 10
    assert scenario.stages == (Stage(seconds=20, level=100),)
    assert order.is_latency
    (threshold,) = order.load_plan().thresholds
    assert threshold.text == "p99 < 100ms (the default)"
    assert order.plan.suites == ("latency",)


def test_the_help_says_what_differs(capsys: pytest.CaptureFixture[str]) -> None:
    """From ``wavetank load``, in the first lines."""
    with pytest.raises(SystemExit):
        main(["--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert "It is `wavetank load` with 10 users and 100 messages/s" in printed
    assert "Where no --threshold is given, p99 < 100ms has to hold" in printed
    assert "latency" in COMMANDS


def test_a_threshold_of_the_users_own_takes_the_place_of_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever it is about."""
    orders: list[Order] = []
    monkeypatch.setattr(module, "perform", orders.append)
    main(["ws://127.0.0.1:9/", "--dialect", "echo", "--threshold", "max < 9s"])
    (order,) = orders
    assert [one.text for one in order.load_plan().thresholds] == ["max < 9s"]
