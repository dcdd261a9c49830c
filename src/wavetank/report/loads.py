"""The part of the report about loads: tables, and what the seconds were like.

It refuses to know Markdown and HTML, and how a load was carried out.
"""

from collections.abc import Iterable, Iterator

from wavetank.evidence import (
    GeneratorSummary,
    Latency,
    LoadPoint,
    LoadSummary,
    OperationSummary,
    SuiteSummary,
)
from wavetank.report.blocks import (
    Block,
    Cell,
    Code,
    Heading,
    Paragraph,
    Table,
    bounded,
)
from wavetank.report.plots import Line, Panel, Plot, Scale
from wavetank.report.quantities import NOTHING, count, duration, figure, share

__all__ = ["load_blocks", "load_lines", "loads_of"]

MOST_PLOTTED = 3
"""Loads of a check that are plotted, the last ones: a search has dozens."""

_ASKED = ("intended", "sent", "late", "dropped", "received")
_WRONG = ("failed", "lost", "duplicated", "reordered", "corrupted")
_TELLING = (*_ASKED, *_WRONG)
_RATES = ("intended/s", "sent/s", "received/s")
_POINTS = ("p50", "p90", "p99", "p99.9", "max")
_PER_SECOND = "/s"
_CONNECT = "connect"
_TIMES = (
    "Response time is counted from the moment that the schedule intended, service "
    "time from the moment that the message was really sent. What users wait is the "
    "response time; the service time hides whatever a late sender did not ask."
)


def loads_of(
    suites: dict[str, SuiteSummary],
) -> Iterator[tuple[str, list[LoadSummary]]]:
    """Yield each check that has loads, with its suite, and these."""
    for suite_name, suite in suites.items():
        for name, check in suite.checks.items():
            if check.loads:
                yield f"{suite_name}.{name}", check.loads


def load_blocks(suites: dict[str, SuiteSummary]) -> Iterator[Block]:
    """Yield the part of the report about loads; nothing where there is none."""
    checks = list(loads_of(suites))
    if not checks:
        return
    yield Heading("Loads")
    yield Paragraph(_TIMES)
    for where, loads in checks:
        yield Heading(where, level=3)
        yield from _counts(loads)
        yield from _latencies(loads)
        yield _generators(loads)
        yield from _plots(loads)


def load_lines(suites: dict[str, SuiteSummary], *, most: int = 3) -> list[str]:
    """Return a few lines about the last loads, for the terminal.

    Where one check has loads, a line for each operation of its last one; of several
    checks, a line for each.

    Args:
        suites: Of the summary.
        most: Lines at most; how many are left out is said in one more.
    """
    last = [(where, loads[-1]) for where, loads in loads_of(suites)]
    if len(last) == 1:
        ((where, load),) = last
        lines = [_line(where, operation) for operation in _telling(load)]
        what = "more operation"
    else:
        lines = [_line(where, _most_heard(load)) for where, load in last if _main(load)]
        what = "more load"
    more = len(lines) - most
    rest = [f"and {count(more, what)}, in the report"] if more > 0 else []
    return lines[:most] + rest


def _telling(load: LoadSummary) -> list[OperationSummary]:
    """Return what a load was about, without what only listened to nobody."""
    main = _main(load)
    busy = [one for one in main if any(one.counts.get(name) for name in _TELLING)]
    return busy or main


def _most_heard(load: LoadSummary) -> OperationSummary:
    """Return what the first scenario waited for: of publications, the deliveries."""
    main = _main(load)
    first = [one for one in main if one.scenario == main[0].scenario]
    return max(reversed(first), key=lambda one: one.counts.get("received", 0))


def _main(load: LoadSummary) -> list[OperationSummary]:
    """Return what a load was about.

    Of churns and storms those are connections, and nobody need hear anything; of all
    others, connections are opened before the first second or come beside messages.
    """
    others = [one for one in load.operations if one.operation != _CONNECT]
    present = {one.scenario for one in others}
    heard = {one.scenario for one in others if any(one.counts.values())}
    about_connections = {
        one.scenario
        for one in load.operations
        if one.operation == _CONNECT
        and one.scenario not in heard
        and (one.scenario not in present or _is_scheduled(one, load))
    }
    return [
        one
        for one in load.operations
        if (one.operation == _CONNECT) == (one.scenario in about_connections)
    ]


def _is_scheduled(operation: OperationSummary, load: LoadSummary) -> bool:
    """Tell whether it went on in the seconds of the load, and not before them alone."""
    # What came before the first second is told with what came behind the last.
    middles = [point.since + point.took / 2 for point in load.generator.points]
    return any(point.since < max(middles, default=0.0) for point in operation.points)


def _line(where: str, operation: OperationSummary) -> str:
    counts = operation.counts
    words = [
        f"{where} {operation.scenario}.{operation.operation}: "
        f"{_rate(operation.rate)} for {duration(operation.seconds)}",
        f"{counts.get('received', 0):,} received",
        *(
            f"{counts[name]:,} {name}"
            for name in ("lost", "duplicated", "reordered", "failed", "dropped")
            if counts.get(name)
        ),
    ]
    time = operation.response or operation.service
    if time is not None and time.count:
        kind = "response" if operation.response else "service"
        words.append(
            f"{kind} time p50 {duration(time.p50)}, p99 {duration(time.p99)}, "
            f"max {_longest(time)}"
        )
    return ", ".join(words)


def _rate(rate: float) -> str:
    return figure(float(f"{rate:.4g}"), _PER_SECOND)


def _longest(time: Latency) -> str:
    return duration(time.max) + (" or more" if time.capped else "")


def _numbered(
    loads: list[LoadSummary],
) -> Iterator[tuple[tuple[str, ...], OperationSummary]]:
    """Yield each operation, and the number of its load where there are several."""
    for number, load in enumerate(loads, 1):
        for operation in load.operations:
            yield ((str(number),) if len(loads) > 1 else ()), operation


def _head(loads: list[LoadSummary]) -> tuple[str, ...]:
    return (*(("Load",) if len(loads) > 1 else ()), "Scenario", "Operation")


def _counts(loads: list[LoadSummary]) -> Iterator[Block]:
    """Yield what was asked and what came, and what was wrong: a page is not wider."""
    asked: list[tuple[Cell, ...]] = []
    wrong: list[tuple[Cell, ...]] = []
    for number, operation in _numbered(loads):
        name: tuple[Cell, ...] = (
            *number,
            Code(operation.scenario),
            operation.operation,
        )
        rates = operation.intended_rate, operation.sent_rate, operation.rate
        asked.append((*name, *_numbers(operation, _ASKED), *map(_rate, rates)))
        wrong.append((*name, *_numbers(operation, _WRONG)))
    for rows, numbers in ((asked, (*_ASKED, *_RATES)), (wrong, _WRONG)):
        yield from bounded((*_head(loads), *numbers), rows, numbers=frozenset(numbers))


def _numbers(operation: OperationSummary, names: Iterable[str]) -> Iterator[str]:
    return (f"{operation.counts.get(name, 0):,}" for name in names)


def _latencies(loads: list[LoadSummary]) -> Iterator[Block]:
    rows: list[tuple[Cell, ...]] = []
    for number, operation in _numbered(loads):
        times = {"response time": operation.response, "service time": operation.service}
        for name, time in times.items():
            if time is None:
                continue
            points = (time.p50, time.p90, time.p99, time.p999)
            rows.append(
                (
                    *number,
                    Code(operation.scenario),
                    operation.operation,
                    name,
                    f"{time.count:,}",
                    *(duration(point) for point in points),
                    _longest(time),
                )
            )
    if rows:
        numbers = ("Count", *_POINTS)
        head = (*_head(loads), "Latency", *numbers)
        yield from bounded(head, rows, numbers=frozenset(numbers))


def _generators(loads: list[LoadSummary]) -> Table:
    """Show how the generator itself fared: it may have been the bottleneck."""
    numbers = (
        *(
            "Workers",
            "Busiest CPU",
            "Waited for a CPU",
            "Longest turn",
            "Late by p99",
            "Late by max",
        ),
        *("Connections", "ended by the target"),
    )
    several = len(loads) > 1
    return Table(
        head=(*(("Load",) if several else ()), *numbers),
        rows=tuple(
            (*((str(number),) if several else ()), *_generator(load.generator))
            for number, load in enumerate(loads, 1)
        ),
        numbers=frozenset(numbers),
    )


def _generator(generator: GeneratorSummary) -> tuple[str, ...]:
    late = generator.lateness
    return (
        f"{generator.workers:,}",
        share(generator.cpu_peak),
        share(generator.waited_peak),
        duration(generator.lag),
        duration(late.p99) if late else NOTHING,
        duration(late.max) if late else NOTHING,
        f"{generator.most_open:,}",
        f"{generator.lost_connections:,}",
    )


def _plots(loads: list[LoadSummary]) -> Iterator[Block]:
    if len(loads) > MOST_PLOTTED:
        yield Paragraph(f"Only the last {MOST_PLOTTED} loads are plotted.")
    numbered = list(enumerate(loads, 1))
    for number, load in numbered[-MOST_PLOTTED:]:
        of = f" of load {number}" if len(loads) > 1 else ""
        panels = [*_rates(load), *_times(load), *_open(load)]
        if panels:
            caption = f"Rates, p99 and connections over time{of}"
            yield Plot(caption, Scale.TIME, tuple(panels))
        curves = _curves(load)
        if curves:
            panel = Panel("latency", "s", tuple(curves))
            yield Plot(f"Latency by percentile{of}", Scale.PERCENTILE, (panel,))


def _name(operation: OperationSummary) -> str:
    return f"{operation.scenario}.{operation.operation}"


def _middle(point: LoadPoint) -> float:
    return point.since + point.took / 2


def _plotted(load: LoadSummary) -> Iterator[OperationSummary]:
    """Yield what went on over time: no connections that were all opened before."""
    for operation in load.operations:
        if operation.operation != _CONNECT or _is_scheduled(operation, load):
            yield operation


def _rates(load: LoadSummary) -> Iterator[Panel]:
    lines = [
        Line(
            _name(operation),
            tuple(
                (_middle(point), point.received / point.took)
                for point in operation.points
                if point.took > 0
            ),
        )
        for operation in _plotted(load)
    ]
    if any(line.points for line in lines):
        yield Panel("received/s", _PER_SECOND, tuple(lines))


def _times(load: LoadSummary) -> Iterator[Panel]:
    """Yield p99 over time, one panel for response and one for service times."""
    for timed in ("response", "service"):
        lines = tuple(
            Line(
                _name(operation),
                tuple(
                    (_middle(point), point.p99)
                    for point in operation.points
                    if point.p99 is not None
                ),
            )
            for operation in _plotted(load)
            if operation.timed == timed
        )
        if lines:
            yield Panel(f"p99 {timed} time", "s", lines)


def _open(load: LoadSummary) -> Iterator[Panel]:
    points = tuple(
        (point.since + point.took, float(point.open)) for point in load.generator.points
    )
    if points:
        yield Panel("connections", "", (Line("open", points),))


def _curves(load: LoadSummary) -> list[Line]:
    return [
        Line(f"{_name(operation)} {kind} time", tuple(curve))
        for operation in load.operations
        for kind, curve in (
            ("response", operation.response_curve),
            ("service", operation.service_curve),
        )
        if curve
    ]
