"""One stall of a server, measured in an open and in a closed model, and as a picture.

It refuses to know how messages are sent. The built-in echo is stopped for 2 s of 10;
then the same again with the other model. The picture is the one in docs/explanation/.

    python benchmarks/coordinated_omission.py [--svg FILE] [--json FILE]
"""

import argparse
import asyncio
import contextlib
import json
import math
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from machine import describe_machine
from processes import ended_by_sigterm, spawned

from wavetank.evidence import Histogram
from wavetank.load.engine.coordinator import run_load
from wavetank.load.exchange import Address, Operation
from wavetank.load.plan import Arrivals, LoadPlan, Scenario, ScenarioKind, Stage
from wavetank.load.result import Moment

SERVER = (sys.executable, "-m", "wavetank.load.engine.echo")
SECONDS = 10
"""How long each load takes."""
STALL = 2.0
STALLS_BEHIND = 3
"""Number of the second behind which the server stands still."""
RATE = 1000.0
USERS = 10

PERCENTILES = (50.0, 80.0, 85.0, 90.0, 95.0, 97.5, 99.0, 99.5, 99.9, 99.99, 100.0)
TOLD = (50.0, 90.0, 99.0, 99.9, 100.0)


class Measured(NamedTuple):
    """What one model has to say.

    Attributes:
        stall: Seconds that the server really stood still.
        count: Messages that were answered.
        sent: Messages that were sent in each second.
        times: Percentile -> seconds of the response time.
    """

    stall: float
    count: int
    sent: list[int]
    times: dict[float, float]


def theory(percentile: float, stall: float, seconds: float) -> float:
    """Return what a percentile has to be where the server is quick but for one stall.

    Messages are due all the time. Who is due x seconds before the stall's end waits x:
    so (stall - x) / seconds of all wait longer than x, for any x.
    """
    return max(0.0, stall - seconds * (1 - percentile / 100))


# Measuring.


async def measure(arrivals: Arrivals) -> Measured:
    """Put a load on an echo of its own that stalls once."""
    scenario = Scenario(
        name="stall",
        kind=ScenarioKind.REQUEST,
        users=USERS,
        stages=(Stage(seconds=SECONDS, level=RATE),),
        arrivals=arrivals,
        in_flight=1 if arrivals is Arrivals.CLOSED else 4096,
    )
    plan = LoadPlan(scenarios=(scenario,), workers=1)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with spawned(SERVER, **pipes) as echo:
        assert echo.stdout is not None, "it is a pipe"
        url = f"ws://127.0.0.1:{int(echo.stdout.readline())}/"
        stall = _Stall(echo.pid)
        with contextlib.closing(stall):
            result = await run_load(
                plan,
                Address(url=url, dialect="echo"),
                run=secrets.token_hex(4),
                see=stall.see,
            )
    requests = next(
        (each for each in result.tallies if each.operation is Operation.REQUEST), None
    )
    if requests is None or not requests.response or result.lost_workers:
        said = [*result.problems, *result.lost_workers.values(), *result.reasons]
        raise SystemExit(f"nothing was measured: {said[:1]}")
    times = Histogram.decode(requests.response)
    return Measured(
        stall=stall.took,
        count=requests.received,
        sent=_whole(stall.sent, requests.sent),
        times={each: times.percentile(each) or 0.0 for each in PERCENTILES},
    )


def _whole(sent: list[int], total: int) -> list[int]:
    """Add what was sent in the last second, which ends with the load itself."""
    seen = sent[:SECONDS]
    rest = total - sum(seen)
    return seen if len(seen) == SECONDS else [*seen, rest]


class _Stall:
    """Stops a process once while seconds go by.

    Attributes:
        took: Seconds that it stood still.
        sent: Messages that were sent in each second.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._since = 0.0
        self.took = 0.0
        self.sent: list[int] = []

    def see(self, moment: Moment) -> None:
        """Look at a second that is over."""
        self.sent.append(sum(tally.sent for tally in moment.tallies))
        if moment.number == STALLS_BEHIND:
            os.kill(self._pid, signal.SIGSTOP)
            self._since = time.perf_counter()
            asyncio.get_running_loop().call_later(STALL, self.close)

    def close(self) -> None:
        """Let it go on."""
        if self._since:
            os.kill(self._pid, signal.SIGCONT)
            self.took = time.perf_counter() - self._since
            self._since = 0.0


# The picture.

WIDTH, HEIGHT = 860, 400
LEFT, TOP, WIDE, HIGH = 62, 84, 330, 250
"""Place and size of the first panel; the second one has the same size."""
SECOND = LEFT + WIDE + 96
LEAST, MOST = 0.0001, 3.0
"""Seconds at the foot and at the top of the second panel."""
OPEN, CLOSED, INK, PALE = "#0072b2", "#d55e00", "#222222", "#cccccc"

Point = tuple[float, float]


def draw(open_: Measured, closed: Measured) -> str:
    """Return the picture of both."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="13" role="img">',
        "<title>One stall of 2 s, in an open and in a closed model</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(LEFT, 28, "One server, stopped for 2 s of 10", size=17),
        *_legend(),
        *_panel(LEFT, "messages sent in each second, 100 % is the most"),
        *_seconds(open_, closed),
        *_panel(SECOND, "response time at each percentile"),
        *_percentiles(open_, closed),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _legend() -> Iterator[str]:
    rows = (
        (LEFT, OPEN, "", "open: sent when due"),
        (LEFT + 190, CLOSED, "", "closed: sent when the last answer is there"),
        (SECOND + 120, INK, "2 4", "open, in theory"),
    )
    for x, colour, dashes, words in rows:
        yield _line([(x, 50), (x + 24, 50)], colour, dashes)
        yield _text(x + 30, 54, words)


def _panel(left: float, words: str) -> Iterator[str]:
    yield _text(left, TOP - 8, words)
    yield (
        f'<rect x="{left}" y="{TOP}" width="{WIDE}" height="{HIGH}" fill="none" '
        f'stroke="{PALE}"/>'
    )


def _seconds(open_: Measured, closed: Measured) -> Iterator[str]:
    """Yield the first panel's lines: what was sent in each second."""
    highest = 1.2

    def place(second: float, share: float) -> Point:
        x = LEFT + WIDE * second / SECONDS
        return x, TOP + HIGH * (1 - min(share, highest) / highest)

    for share in (0.0, 0.5, 1.0):
        x, y = place(0, share)
        yield _text(x - 6, y + 4, f"{share:.0%}", anchor="end")
    for second in range(0, SECONDS + 1, 2):
        x, y = place(second, 0)
        yield _text(x, y + 18, f"{second} s", anchor="middle")
    for measured, colour in ((closed, CLOSED), (open_, OPEN)):
        most = max(measured.sent) or 1
        points = []
        for second, sent in enumerate(measured.sent):
            points += [place(second, sent / most), place(second + 1, sent / most)]
        yield _line(points, colour)


def _percentiles(open_: Measured, closed: Measured) -> Iterator[str]:
    """Yield the second panel's lines: times, both axes in powers of ten."""
    steps = {
        each: WIDE * (i + 0.5) / len(PERCENTILES) for i, each in enumerate(PERCENTILES)
    }

    def place(percentile: float, seconds: float) -> Point:
        inside = min(max(seconds, LEAST), MOST)
        share = math.log(inside / LEAST) / math.log(MOST / LEAST)
        return SECOND + steps[percentile], TOP + HIGH * (1 - share)

    marks = ((0.001, "1 ms"), (0.01, "10 ms"), (0.1, "100 ms"), (1.0, "1 s"))
    for seconds, words in marks:
        _, y = place(50.0, seconds)
        yield _line([(SECOND, y), (SECOND + WIDE, y)], PALE, width=0.6)
        yield _text(SECOND - 6, y + 4, words, anchor="end")
    for percentile in (50.0, 90.0, 99.0, 99.9, 100.0):
        x, _ = place(percentile, LEAST)
        words = "max" if percentile == 100 else f"p{percentile:g}"
        yield _text(x, TOP + HIGH + 18, words, anchor="middle")
    for measured, colour in ((closed, CLOSED), (open_, OPEN)):
        points = [place(each, measured.times[each]) for each in PERCENTILES]
        yield _line(points, colour)
    expected = {each: theory(each, open_.stall, SECONDS) for each in PERCENTILES}
    points = [place(each, time_) for each, time_ in expected.items() if time_ > LEAST]
    yield _line(points, INK, "2 4")
    told = f"{open_.count:,} messages open, {closed.count:,} closed"
    yield _text(SECOND, TOP + HIGH + 44, told)


def _line(
    points: Sequence[Point], colour: str, dashes: str = "", *, width: float = 2.4
) -> str:
    where = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<polyline points="{where}" fill="none" stroke="{colour}" '
        f'stroke-width="{width}"{dashed}/>'
    )


def _text(
    x: float, y: float, words: str, *, anchor: str = "start", size: int = 13
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
        f'fill="{INK}">{words}</text>'
    )


# In words.


def show(open_: Measured, closed: Measured) -> str:
    """Return the figures as a small table."""
    expected = {each: theory(each, open_.stall, SECONDS) for each in TOLD}
    rows: Mapping[str, Callable[[float], float]] = {
        "open": open_.times.__getitem__,
        "theory, open": expected.__getitem__,
        "closed": closed.times.__getitem__,
    }
    names = ("max" if each == 100 else f"p{each:g}" for each in TOLD)
    lines = ["response time, ms" + "".join(f"{name:>10}" for name in names)]
    for name, of in rows.items():
        times = "".join(f"{of(each) * 1000:>10,.1f}" for each in TOLD)
        lines.append(f"{name:<17}{times}")
    stalls = f"{open_.stall:.3f} s and {closed.stall:.3f} s"
    lines.append(
        f"{open_.count:,} messages open, {closed.count:,} closed; stalls of {stalls}"
    )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure both, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw it there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write it there, too")
    options = parser.parse_args(argv)
    with ended_by_sigterm():
        open_ = asyncio.run(measure(Arrivals.EVEN))
        closed = asyncio.run(measure(Arrivals.CLOSED))
    print(show(open_, closed))
    if options.svg:
        options.svg.write_text(draw(open_, closed), encoding="utf-8")
    if options.json:
        both = {"open": open_._asdict(), "closed": closed._asdict()}
        result = {"machine": describe_machine(), "seconds": SECONDS, **both}
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
