"""One second of a load in words, for whoever watches it.

It refuses to know terminals, colours, and what is good enough.
"""

from collections.abc import Collection, Iterable, Iterator

from wavetank.evidence import LOAD_COUNTS
from wavetank.load.exchange import Operation, Tally
from wavetank.load.ledger import BUSY
from wavetank.load.result import Moment
from wavetank.load.totals import Times
from wavetank.load.units import Unit

__all__ = ["moment_line", "moment_rows"]

_SENDING = frozenset({Operation.REQUEST, Operation.PUBLISH, Operation.PING})
_ARRIVING = frozenset(
    {Operation.REQUEST, Operation.DELIVER, Operation.LISTEN, Operation.PING}
)
_CONNECTING = frozenset({Operation.CONNECT})
_WRONG = ("failed", "lost", "corrupted", "duplicated", "reordered")
_BEHIND = ("dropped", "late")
_WIDTH = 24


def moment_line(moment: Moment, seconds: float) -> str:
    """Return one second as one line.

    Args:
        moment: The second, all workers together.
        seconds: Length of the whole load.

    Raises:
        ValueError: If a histogram in it is damaged.
    """
    return "; ".join(
        f"{name} {text}" if name else text for name, text in _parts(moment, seconds)
    )


def moment_rows(moment: Moment, seconds: float) -> list[tuple[str, str]]:
    """Return one second as names and values, below a bar of how far the load is.

    Args:
        moment: The second, all workers together.
        seconds: Length of the whole load.

    Raises:
        ValueError: If a histogram in it is damaged.
    """
    (_, when), *rest = _parts(moment, seconds)
    done = min((moment.number + 1) / seconds, 1.0) if seconds > 0 else 1.0
    full = round(done * _WIDTH)
    return [("load", f"{'#' * full}{'.' * (_WIDTH - full)}  {when}"), *rest]


def _parts(moment: Moment, seconds: float) -> Iterator[tuple[str, str]]:
    tallies = moment.tallies
    sending, arriving = _of(tallies, _SENDING), _of(tallies, _ARRIVING)
    connecting = _of(tallies, _CONNECTING)
    if connecting and not any(map(_has_any, (*sending, *arriving))):
        # A load that only connects is about its connections, whoever listens there.
        sending = arriving = connecting
    yield "", f"{moment.number + 1} s of {seconds:.0f} s"
    yield "sent", Unit.RATE.say(sum(tally.sent for tally in sending))
    yield "received", Unit.RATE.say(sum(tally.received for tally in arriving))
    yield from _latency(arriving)
    yield from _counts(tallies, _WRONG)
    yield from _counts(sending, _BEHIND)
    generators = moment.generators.values()
    if generators:
        yield "open", Unit.COUNT.say(sum(each.open for each in generators))
        lost = sum(each.lost_connections for each in generators)
        if lost:
            yield "ended by the target", Unit.COUNT.say(lost)
        yield "generator", _headroom(max(each.cpu + each.waited for each in generators))


def _of(tallies: Iterable[Tally], operations: Collection[Operation]) -> list[Tally]:
    return [tally for tally in tallies if tally.operation in operations]


def _has_any(tally: Tally) -> bool:
    return any(getattr(tally, name) for name in LOAD_COUNTS)


def _latency(tallies: Iterable[Tally]) -> Iterator[tuple[str, str]]:
    """Yield the response time; the service time where no schedule was kept."""
    response, service = Times(), Times()
    for tally in tallies:
        response.add(tally.response)
        service.add(tally.service)
    name = "response time" if response.histogram else "service time"
    times = response.histogram or service.histogram
    if times is None:
        return
    points = {"p50": times.percentile(50), "p99": times.percentile(99)}
    points["max"] = times.max
    words = (
        f"{point} {Unit.SECONDS.say(value)}"
        for point, value in points.items()
        if value is not None
    )
    yield name, ", ".join(words)


def _counts(tallies: list[Tally], names: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        number = sum(getattr(tally, name) for tally in tallies)
        if number:
            yield name, Unit.COUNT.say(number)


def _headroom(taken: float) -> str:
    """Say how much room the busiest worker has left of what others leave it.

    Args:
        taken: Share of a core that it used, or waited for in vain.
    """
    if taken >= BUSY:
        return f"at its limit ({Unit.SHARE.say(min(taken, 1.0))} of a core)"
    return f"{1 - taken:.0%} free".replace("%", " %")
