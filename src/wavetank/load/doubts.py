"""Doubts about the generator itself: where its figures may be its own doing.

They refuse to know what the target did well or badly.

The rules, and where they come from:

- A worker that uses nine tenths of its core has no time left for what is due next,
  and so has one that may not run because others have its core.
  Locust warns at the same 90 % (``CPU_WARNING_THRESHOLD``); k6 asks for 20 % idle.
- A message that leaves late makes its response time longer by as much, for that time
  begins at the intended moment (wrk2). So lateness is compared with response times at
  the same percentile: below a tenth of them, or below a millisecond, which is what
  timers and schedulers cost, they are the target's. Above, a response time is at most
  what was measured, and what is fast enough in spite of it is fast enough; what is too
  slow may be the generator's fault.
- Arrivals that were never sent are no latencies either. k6 counts
  ``dropped_iterations``, and leaves it to the reader to look; here 1 % is a doubt.
- A rate that is reached later than planned was not reached.
"""

import enum
from collections.abc import Callable, Iterator, Sequence

import msgspec

from wavetank.evidence import Histogram
from wavetank.load.exchange import Operation, Tally
from wavetank.load.plan import Arrivals
from wavetank.load.result import LoadResult
from wavetank.load.totals import Times

__all__ = ["Affects", "Bias", "Doubt", "find_doubts", "is_own"]

LEAST_LATENESS = 0.001
"""Seconds of lateness that no latency is doubted for."""

MOST_OF_A_TIME = 0.1
"""Part of a response time that may be the generator's own."""

MOST_OF_A_LOAD = 0.5
"""Part of the seconds in which a worker may be busy."""

MOST_CLOCK_ERROR = 0.01
"""Seconds by which the clocks of several machines may be unknown."""

MOST_MISSING = 0.01
"""Part of the arrivals that may be missing, or too late."""


_SHARED = 0.1
"""Part of the time that a worker waits for a core from which on others had it."""


class Affects(enum.StrEnum):
    """Which figures a doubt is about."""

    LATENCY = "latency"
    RATE = "rate"
    DELIVERY = "delivery"


class Bias(enum.StrEnum):
    """Which way the truth may differ from what was measured."""

    BETTER = "better"
    """The target may be better than it looks: what fails may not fail."""
    WORSE = "worse"
    """The target may be worse than it looks: what passes may not pass."""
    EITHER = "either"


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """One reason not to trust the figures.

    Attributes:
        what: What was seen, as one sentence.
        advice: What to do, as one sentence.
        affects: Which figures.
        bias: Which way they may be wrong.
        percentile: Of times, only those from this percentile on.
        is_passing: Whether the machine may have been busy for a moment: the same load
            may well be beyond doubt a minute later.
    """

    what: str
    advice: str
    affects: tuple[Affects, ...]
    bias: Bias = Bias.EITHER
    percentile: float = 0.0
    is_passing: bool = False


_EVERYTHING = (Affects.LATENCY, Affects.RATE, Affects.DELIVERY)
_SPEED = (Affects.LATENCY, Affects.RATE)


def find_doubts(result: LoadResult) -> list[Doubt]:
    """Return every reason to doubt the figures of a load, the gravest first."""
    return [doubt for rule in _RULES for doubt in rule(result)]


def is_own(delay: float | None, response: float | None) -> bool:
    """Tell whether a delay of the generator explains too much of a response time.

    Args:
        delay: Seconds, at some percentile; None where there is none.
        response: Seconds, at the same percentile.
    """
    if delay is None or response is None:
        return False
    return delay > max(LEAST_LATENESS, response * MOST_OF_A_TIME)


def _target_gone(result: LoadResult) -> Iterator[Doubt]:
    if result.target_gone:
        yield Doubt(
            what=f"The target was gone before the end: {result.target_gone}.",
            advice="Find out why it ended, and repeat the load.",
            affects=_EVERYTHING,
        )


def _lost_workers(result: LoadResult) -> Iterator[Doubt]:
    for worker, reason in result.lost_workers.items():
        yield Doubt(
            what=f"Worker {worker} was lost, and its part of the load: {reason}.",
            advice="Repeat the load; if it happens again, use fewer users or workers.",
            affects=_EVERYTHING,
        )


def _nothing_measured(result: LoadResult) -> Iterator[Doubt]:
    if not result.window:
        yield Doubt(
            what="No second behind the warm-up was measured.",
            advice="Let the load take longer, or the warm-up less long.",
            affects=_SPEED,
        )


def _busy_workers(result: LoadResult) -> Iterator[Doubt]:
    for worker, busy in result.busy.items():
        if busy >= MOST_OF_A_LOAD:
            waited = getattr(result.generators.get(worker), "waited", 0.0)
            shared = ", or waited for one that others had," if waited > _SHARED else ""
            yield Doubt(
                what=f"Worker {worker} used 90 % of its core or more{shared} in "
                f"{busy:.0%} of the seconds: the generator was saturated.",
                advice="Lower the rate, add workers, or use more or other machines; "
                "--headroom tells what this one can do.",
                affects=_SPEED,
                is_passing=True,
            )


def _overrun(result: LoadResult) -> Iterator[Doubt]:
    planned = result.plan.seconds
    beyond = result.seconds - planned
    if not result.interrupted and beyond > max(planned * MOST_MISSING, 0.1):
        yield Doubt(
            what=f"What was due in {planned:g} s was sent in {result.seconds:.1f} s: "
            "the generator did not reach the rate.",
            advice="Lower the rate, add workers, or use more or other machines.",
            affects=_SPEED,
            is_passing=True,
        )


def _unsent(result: LoadResult) -> Iterator[Doubt]:
    if result.interrupted:
        return
    # Of all: what is left when the time is over is counted behind it.
    for tally in result.tallies:
        if tally.operation is Operation.DELIVER:
            continue  # it is intended by who publishes
        unsent = tally.intended - tally.sent - tally.dropped
        if unsent > tally.intended * MOST_MISSING:
            yield Doubt(
                what=f"{_name(tally)}: {unsent:,} of {tally.intended:,} arrivals were "
                "never sent: the generator did not reach the rate.",
                advice="Lower the rate, add workers, or use more or other machines.",
                affects=_SPEED,
                is_passing=True,
            )


def _dropped(result: LoadResult) -> Iterator[Doubt]:
    for tally in result.measured:
        if tally.dropped > tally.intended * MOST_MISSING:
            yield Doubt(
                what=f"{_name(tally)}: {tally.dropped:,} of {tally.intended:,} "
                "arrivals were dropped, because no user was free.",
                advice="Give it more users or more in flight; if that does not help, "
                "this rate is more than the target can take.",
                affects=(Affects.RATE,),
                bias=Bias.BETTER,
            )


def _lateness(result: LoadResult) -> Iterator[Doubt]:
    times = Times()
    for generator in result.generators.values():
        times.add(generator.lateness)
    lateness, response = times.histogram, _responses(result.tallies)
    if lateness is None or response is None:
        return
    own, whole = lateness.percentile(99), response.percentile(99)
    if own is None or whole is None or not is_own(own, whole):
        return
    yield Doubt(
        what=f"One message in a hundred left {own * 1000:.1f} ms late or more, where "
        f"the p99 of the response times is {whole * 1000:.1f} ms: a good part of the "
        "longer times is the generator's own.",
        advice="Lower the rate, add workers, or give the generator a machine where "
        "nothing else runs.",
        affects=(Affects.LATENCY,),
        bias=Bias.BETTER,
        percentile=99.0,
        is_passing=True,
    )


def _stalls(result: LoadResult) -> Iterator[Doubt]:
    """Doubt workers that did not listen for more than 1 % of the time at once."""
    response = _responses(result.tallies)
    p99 = response.percentile(99) if response else None
    for worker, generator in result.generators.items():
        lag = generator.lag
        if lag > result.window * MOST_MISSING and is_own(lag, p99):
            yield Doubt(
                what=f"Worker {worker} stood still for {lag * 1000:.0f} ms: whatever "
                "came meanwhile seems that much later.",
                advice="Give the generator a machine where nothing else runs.",
                affects=(Affects.LATENCY,),
                bias=Bias.BETTER,
                percentile=99.0,
                is_passing=True,
            )


def _closed(result: LoadResult) -> Iterator[Doubt]:
    for scenario in result.plan.scenarios:
        if scenario.arrivals is Arrivals.CLOSED:
            yield Doubt(
                what=f"{scenario.name} has no schedule (arrivals: closed): nothing is "
                "sent while the target stalls, and so its stalls hardly show.",
                advice="Give it a rate to learn what users see.",
                affects=(Affects.LATENCY,),
                bias=Bias.WORSE,
            )


def _starved(result: LoadResult) -> Iterator[Doubt]:
    """Doubt a closed model that had to share its core: no lateness shows it."""
    is_closed = any(each.arrivals is Arrivals.CLOSED for each in result.plan.scenarios)
    for worker, generator in result.generators.items():
        if is_closed and generator.waited > _SHARED:
            yield Doubt(
                what=f"Worker {worker} waited for a core in {generator.waited:.0%} of "
                "the time, for others had it: its users asked later than they could.",
                advice="Give the generator a machine where nothing else runs.",
                affects=_SPEED,
                bias=Bias.BETTER,
                is_passing=True,
            )


def _unopened(result: LoadResult) -> Iterator[Doubt]:
    if result.failed:
        asked = result.opened + result.failed
        why = ", ".join(list(result.reasons)[:3])
        yield Doubt(
            what=f"{result.failed:,} of {asked:,} connections did not open"
            f"{f' ({why})' if why else ''}: the load was smaller than planned.",
            advice="See whether the target limits connections, or descriptors run out "
            "here; or ask for fewer users.",
            affects=(Affects.LATENCY,),
            bias=Bias.WORSE,
        )


def _clocks(result: LoadResult) -> Iterator[Doubt]:
    """Doubt times from one machine to another; round trips need one clock alone."""
    error = result.clock_error
    has_gone = any(one.operation is Operation.DELIVER for one in result.tallies)
    if has_gone and error > MOST_CLOCK_ERROR:
        yield Doubt(
            what="What is known of the machines' clocks may be wrong by "
            f"{error * 1000:.0f} ms, and times from publication to delivery with it.",
            advice="Use machines of one network, or a scheduler that has less to do; "
            "or one machine.",
            affects=(Affects.LATENCY,),
        )


def _drain(result: LoadResult) -> Iterator[Doubt]:
    if not result.complete and not result.lost_workers:
        yield Doubt(
            what="The drain ended before everything was accounted for: what is missing "
            "may still have been under way.",
            advice="Allow a longer drain.",
            affects=(Affects.DELIVERY,),
        )


_RULES: Sequence[Callable[[LoadResult], Iterator[Doubt]]] = (
    _target_gone,
    _lost_workers,
    _nothing_measured,
    _busy_workers,
    _overrun,
    _unsent,
    _dropped,
    _lateness,
    _stalls,
    _closed,
    _starved,
    _unopened,
    _clocks,
    _drain,
)
"""Each a reason to doubt, the gravest first."""


def _name(tally: Tally) -> str:
    return f"{tally.scenario}.{tally.operation}"


def _responses(tallies: Sequence[Tally]) -> Histogram | None:
    """Return the response times of all operations, but for the opening."""
    times = Times()
    for tally in tallies:
        if tally.operation is not Operation.CONNECT:
            times.add(tally.response)
    return times.histogram
