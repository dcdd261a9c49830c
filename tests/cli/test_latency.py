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
    assert scenario.stages == (Stage(seconds=10, level=100),)
    assert order.is_latency
    assert order.plan.suites == ("latency",)


def test_the_help_says_what_differs(capsys: pytest.CaptureFixture[str]) -> None:
    """From ``wavetank load``, in the first lines."""
    with pytest.raises(SystemExit):
        main(["--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert "It is `wavetank load` with 10 users and 100 messages/s" in printed
    assert "latency" in COMMANDS
