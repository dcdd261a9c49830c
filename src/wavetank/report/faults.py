"""The part of the report about faults: when, what came meanwhile, how it recovered.

It refuses to know Markdown and HTML, and how a fault was done.
"""

from collections.abc import Iterator

from wavetank.evidence import (
    Attribute,
    Do,
    FaultSummary,
    FaultTimeline,
    Schedule,
    Series,
    SuiteSummary,
)
from wavetank.report.bands import Band
from wavetank.report.blocks import Block, Cell, Code, Heading, Paragraph, bounded
from wavetank.report.plots import Line, Panel, Plot, Scale
from wavetank.report.quantities import count, duration, size

__all__ = ["MOST_PANELS", "NOT_MEASURED", "fault_blocks"]

NOT_MEASURED = "not measured"

MOST_PANELS = 6
"""Lines of different figures over each other: more is no picture."""

_TOLD_BY_TICKS = frozenset({"s", "seconds", "B", "bytes"})
"""Units that are short; others stand in the label alone, where there is room."""

_FIRST = ("latency", "p99", "lag", "missing")
_P99 = "p99 "
_MEANING = (
    "What was broken on purpose, and how long the target took to come back. Time to "
    "detect is counted from a fault's begin until all that it hit had noticed; times "
    "to reconnect and to steady p99 are counted from its heal. Steady is p99 at three "
    "moments in a row of at most twice what it was before the first fault. Slopes are "
    "of the time between a heal and the next fault."
)


def fault_blocks(suites: dict[str, SuiteSummary]) -> Iterator[Block]:
    """Yield the part of the report about faults; nothing where there is none."""
    timelines = [
        (f"{suite_name}.{name}", check.faults)
        for suite_name, suite in suites.items()
        for name, check in suite.checks.items()
        if check.faults is not None
    ]
    if not timelines:
        return
    yield Heading("Faults")
    yield Paragraph(_MEANING)
    for where, timeline in timelines:
        yield Heading(where, level=3)
        yield from _planned(timeline)
        yield from _picture(timeline)
        yield from _faults(timeline.faults)
        yield from _recoveries(timeline.faults)


def _planned(timeline: FaultTimeline) -> Iterator[Block]:
    for schedule in timeline.schedules:
        yield Paragraph(_schedule_text(schedule))
    planned = sum(
        step.do is Do.BEGIN
        for schedule in timeline.schedules
        for step in schedule.steps
    )
    if timeline.schedules and planned != len(timeline.faults):
        began = len(timeline.faults)
        yield Paragraph(f"Planned were {count(planned, 'fault')}; {began:,} began.")


def _schedule_text(schedule: Schedule) -> str:
    asked = f": {schedule.text}" if schedule.text else ""
    return f"Schedule of {duration(schedule.seconds)} with seed {schedule.seed}{asked}."


def _picture(timeline: FaultTimeline) -> Iterator[Block]:
    panels = _panels(timeline.series)
    if len(panels) > MOST_PANELS:
        yield Paragraph(
            f"Only {MOST_PANELS} of {len(panels)} figures are plotted; "
            "test_summary.json has all."
        )
    if timeline.faults:
        nothing = Panel("nothing was measured meanwhile", "", ())
        yield Plot(
            "Faults, and what was measured meanwhile",
            Scale.RUN,
            tuple(panels[:MOST_PANELS]) or (nothing,),
            tuple(_band(fault) for fault in timeline.faults),
        )


def _band(fault: FaultSummary) -> Band:
    # Each fault has a name of its own; those of a kind share a lane, else a schedule
    # of fifty has more lanes than anybody can read.
    return Band(fault.what, fault.began_at, fault.healed_at)


def _panels(series: list[Series]) -> list[Panel]:
    """Return a panel for each figure, what users feel first; all p99 share one."""
    lines: dict[tuple[str, str], list[Line]] = {}
    for one in series:
        is_p99 = one.name.startswith(_P99)
        label = _P99.strip() if is_p99 else one.name
        name = one.name.removeprefix(_P99) if is_p99 else ""
        line = Line(name, tuple(one.points))
        lines.setdefault((label, one.unit), []).append(line)
    return [
        Panel(label, unit, tuple(lines[label, unit]))
        if unit in _TOLD_BY_TICKS or not unit
        else Panel(f"{label} ({unit})", "", tuple(lines[label, unit]))
        for label, unit in sorted(lines, key=_rank)
    ]


def _rank(key: tuple[str, str]) -> int:
    label, _ = key
    return _FIRST.index(label) if label in _FIRST else len(_FIRST)


def _faults(faults: list[FaultSummary]) -> Iterator[Block]:
    rows: list[tuple[Cell, ...]] = [
        (
            Code(fault.name),
            _what(fault.what, fault.attributes),
            fault.where,
            _moment(fault.began_at),
            "never" if fault.healed_at is None else _moment(fault.healed_at),
            "to the end"
            if fault.healed_at is None
            else duration(fault.healed_at - fault.began_at),
            Code(str(fault.seed)) if fault.seed else "",
        )
        for fault in faults
    ]
    if rows:
        numbers = ("Began at", "Healed at", "Lasted")
        yield from bounded(
            ("Fault", "What", "Where", *numbers, "Seed"),
            rows,
            numbers=frozenset(numbers),
        )


def _what(what: str, attributes: dict[str, Attribute]) -> str:
    told = ", ".join(f"{name}={said}" for name, said in attributes.items())
    return f"{what} ({told})" if told else what


def _moment(at: float) -> str:
    return f"{at:,.2f} s"


def _recoveries(faults: list[FaultSummary]) -> Iterator[Block]:
    rows: list[tuple[Cell, ...]] = [
        (
            Code(fault.name),
            _moment(fault.began_at),
            _time(fault.detect),
            _time(fault.reconnect),
            _steady(fault),
            NOT_MEASURED if fault.replayed is None else f"{fault.replayed:,}",
            NOT_MEASURED
            if fault.memory_slope is None
            else f"{'+' * (fault.memory_slope > 0)}{size(fault.memory_slope)}/s",
            NOT_MEASURED
            if fault.descriptor_slope is None
            else f"{fault.descriptor_slope:+.3g}/s",
        )
        for fault in faults
    ]
    if rows:
        numbers = (
            *("Began at", "Time to detect", "to reconnect", "to steady p99"),
            *("Messages replayed", "Memory after", "Descriptors after"),
        )
        yield from bounded(("Fault", *numbers), rows, numbers=frozenset(numbers))


def _time(seconds: float | None) -> str:
    return NOT_MEASURED if seconds is None else duration(seconds)


def _steady(fault: FaultSummary) -> str:
    if fault.unsteady_for is not None:
        return f"not within {duration(fault.unsteady_for)}"
    return _time(fault.steady)
