"""Calibration: the real workers against the built-in echo, for a moment."""

import os
import sys

import psutil
import pytest

from wavetank.errors import TargetError
from wavetank.load.engine import calibration
from wavetank.load.engine.calibration import SHARES, Ceiling, Lateness, calibrate
from wavetank.load.plan import Arrivals

pytestmark = pytest.mark.anyio


async def test_calibration_finds_what_workers_and_echo_do_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One closed load, then the lateness of open ones below its rate."""
    before = set(psutil.Process(os.getpid()).children())
    assert SHARES == (0.25, 0.5)
    monkeypatch.setattr(calibration, "SHARES", (0.25,))
    ceiling = await calibrate(seconds=1.0, size=100, users=4, cores=1)
    assert ceiling.rate > 0
    assert 0 < ceiling.generator_cpu <= 1.0
    assert ceiling.echo_cpu > 0
    assert ceiling.rate_per_core >= ceiling.rate
    assert (ceiling.cores, ceiling.size, ceiling.users) == (1, 100, 4)
    (late,) = ceiling.lateness
    assert (late.share, late.rate) == (0.25, 0.25 * ceiling.rate)
    assert late.sent > 0
    assert late.p50 is not None
    assert late.p99 is not None
    assert late.max is not None
    assert late.p50 <= late.p99 <= late.max
    assert set(psutil.Process(os.getpid()).children()) <= before


async def test_calibration_shares_one_port_among_several_echoes() -> None:
    """As many echo processes as workers, so that one of them is no bottleneck."""
    async with calibration._running_echo(2) as echo:
        ports = {
            connection.laddr.port
            for pid in echo.pids
            for connection in psutil.Process(pid).net_connections()
        }
        assert {f"ws://127.0.0.1:{port}/" for port in ports} == {echo.url}
        assert len(set(echo.pids)) == 2
    assert not any(psutil.pid_exists(pid) for pid in echo.pids)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise SystemExit(3)", "it ended with status 3"),
        ("print('8080 or so')", "it did not say its port"),
        ("pass", "it did not say its port"),
    ],
)
async def test_calibration_says_why_the_echo_did_not_start(
    code: str, reason: str
) -> None:
    """Nothing is measured against nobody."""
    before = set(psutil.Process(os.getpid()).children())
    command = [sys.executable, "-c", code]
    with pytest.raises(TargetError, match=f"echo did not start: {reason}"):
        async with calibration._running_echo(1, command):
            raise AssertionError
    assert set(psutil.Process(os.getpid()).children()) <= before


async def test_calibration_fails_with_its_workers() -> None:
    """A ceiling that was measured by half is none."""
    command = [sys.executable, "-c", "raise SystemExit('no way')"]
    with pytest.raises(TargetError, match=r"calibration failed: worker 0: .*no way"):
        await calibrate(seconds=1.0, command=command)


FRUITLESS = """
import sys
from wavetank.load.exchange import *
says = {
    Job: [Opened(users=%d, failed=%d)],
    Begin: [Ended(published={}, at=1.0)],
    Drain: [Drained(tallies=[], generator=Generator())],
}
for line in sys.stdin.buffer:
    message = decode_to_worker(line)
    for answer in says.get(type(message), []):
        sys.stdout.buffer.write(encode(answer))
        sys.stdout.flush()
    if type(message) is Quit:
        break
"""


@pytest.mark.parametrize(
    ("opened", "failed", "reason"),
    [
        (100, 0, "the built-in echo was silent"),
        (99, 1, "not all connections opened"),
        (0, 100, "none of its connections could be opened"),
    ],
)
async def test_calibration_fails_without_answers_to_count(
    opened: int, failed: int, reason: str
) -> None:
    """Nothing per second is no ceiling."""
    command = [sys.executable, "-c", FRUITLESS % (opened, failed)]
    with pytest.raises(TargetError, match=f"the calibration failed: {reason}"):
        await calibrate(seconds=1.0, command=command)


def test_calibration_plans_a_closed_load_without_a_rate_and_an_open_one_with() -> None:
    """The ceiling needs no schedule, lateness has no meaning without one."""
    closed = calibration._plan(seconds=2.0, size=9, users=3, workers=1)
    opened = calibration._plan(seconds=2.0, size=9, users=3, workers=1, rate=5.0)
    assert closed.scenarios[0].arrivals is Arrivals.CLOSED
    assert opened.scenarios[0].arrivals is Arrivals.EVEN
    assert opened.scenarios[0].stages[0].level == 5.0
    assert closed.seconds == opened.seconds == 2.0


def test_ceiling_per_core_is_nothing_where_no_time_was_used() -> None:
    """A quotient needs a divisor."""
    ceiling = Ceiling(
        rate=5.0, cores=1, generator_cpu=0.0, echo_cpu=0.0, size=128, users=1
    )
    assert ceiling.rate_per_core == 0.0


def test_ceiling_is_told_in_sentences() -> None:
    """What was not measured is not said."""
    ceiling = Ceiling(
        rate=200_000,
        cores=1,
        generator_cpu=0.5,
        echo_cpu=0.4,
        size=128,
        users=100,
        lateness=(
            Lateness(
                share=0.25, rate=50_000, sent=50_000, p50=0.001, p99=0.002, max=0.01
            ),
            Lateness(share=0.5, rate=100_000, sent=0, p50=None, p99=None, max=None),
        ),
    )
    first, second, *others = ceiling.sentences
    assert first.startswith("200,000 messages/s of 128 bytes over 100 connections")
    assert second.startswith("400,000 messages/s for each core")
    assert others == [
        "at 25% of that, 50,000 messages/s, 99 % are sent within 2.00 ms of when they "
        "are due"
    ]
