"""A plan as a small picture in text, before anything starts.

It refuses to know terminals: who prints it says whether they have more than ASCII.
"""

from collections.abc import Callable, Iterator

from wavetank.load.needs import Needs
from wavetank.load.pacers import pacer_of
from wavetank.load.plan import Arrivals, LoadPlan, Scenario, ScenarioKind
from wavetank.load.stages import stage_text

__all__ = ["ASCII", "BLOCKS", "picture", "plot", "title_of"]

BLOCKS = " ▁▂▃▄▅▆▇█"
ASCII = " .:#"
"""Marks of a column, from nothing to full."""

_WIDTH = 60
_HEIGHT = 8
_MARGIN = 10
_SAMPLES = 8
"""Looks at the level in each column, so that a short spike is not missed."""
_NEARLY_ALL = 1 - 1e-9
"""Of a column: at its very end the next stage begins."""
_MOST_STAGES = 6

_UNITS = {
    ScenarioKind.CHURN: "connections/s",
    ScenarioKind.STORM: "storms/s",
    ScenarioKind.PING: "pings/s",
}


def picture(plan: LoadPlan, needs: Needs, *, marks: str = BLOCKS) -> str:
    """Return the plan's shape, its scenarios, needs and thresholds, as lines.

    Args:
        plan: The plan.
        needs: What it needs.
        marks: `BLOCKS`, or `ASCII` where nothing else can be shown.
    """
    height = _HEIGHT if len(plan.scenarios) == 1 else _HEIGHT // 2
    blocks = [
        "\n".join(_scenario(plan, scenario, height, marks))
        for scenario in plan.scenarios
    ]
    blocks.append("\n".join(_needs(needs, plan)))
    if plan.thresholds:
        rows = [f"  {threshold.text}" for threshold in plan.thresholds]
        blocks.append("\n".join(["has to hold", *rows]))
    return "\n\n".join(blocks)


def title_of(plan: LoadPlan) -> str:
    """Return in a line who does what."""
    return "; ".join(map(_words, plan.scenarios))


def _scenario(
    plan: LoadPlan, scenario: Scenario, height: int, marks: str
) -> Iterator[str]:
    """Yield a scenario: what it does, its plots, its stages."""
    yield f"{scenario.name}: {_words(scenario)}"
    seconds = scenario.seconds or plan.duration
    if scenario.stages:
        pacer = pacer_of(scenario.stages)
        yield f"{'':{_MARGIN}}  {_UNITS.get(scenario.kind, 'messages/s')}"
        yield from _drawn(
            lambda at: pacer.level(at) if at < pacer.seconds else 0.0,
            seconds,
            height,
            marks,
        )
    if scenario.population:
        yield f"{'':{_MARGIN}}  users"
        yield from _drawn(pacer_of(scenario.population).level, seconds, 2, marks)
    if scenario.stages or scenario.population:
        yield _axis(scenario.after, scenario.after + seconds)
    for stages, unit, who in (
        (scenario.stages, "/s", ""),
        (scenario.population, "", "users "),
    ):
        for stage in stages[:_MOST_STAGES]:
            yield f"{'':{_MARGIN}}  {who}{stage_text(stage, unit)}"
        if len(stages) > _MOST_STAGES:
            yield f"{'':{_MARGIN}}  ... and {len(stages) - _MOST_STAGES} stages more"


def _words(scenario: Scenario) -> str:
    """Return who does what, in a line."""
    words = [str(scenario.kind), _counted(scenario.users, "user")]
    if scenario.kind is ScenarioKind.PUBLISH:
        words += [
            _counted(scenario.publishers, "publisher"),
            _counted(scenario.topics, "topic"),
        ]
    if scenario.arrivals is not Arrivals.EVEN:
        words.append(f"{scenario.arrivals} arrivals")
    return ", ".join(words)


def _drawn(
    level: Callable[[float], float], seconds: float, height: int, marks: str
) -> Iterator[str]:
    """Yield a plot with its scale on the left."""
    columns = _columns(level, seconds, _WIDTH)
    rows = plot(columns, height=height, marks=marks)
    labels = [_number(max(columns)), *[""] * (height - 2), "0"]
    for label, row in zip(labels, rows, strict=True):
        yield f"{label:>{_MARGIN}} |{row}".rstrip()


def _axis(start: float, end: float) -> str:
    last = f"{end:g} s"
    return f"{'':{_MARGIN}} +{f'{start:g} s':-<{_WIDTH - len(last)}}{last}"


def plot(columns: list[float], *, height: int, marks: str = BLOCKS) -> list[str]:
    """Return columns as rows of text, the top row first.

    Args:
        columns: Their values; the largest is as high as the plot.
        height: Rows.
        marks: Of one row of a column, from nothing to full.
    """
    steps = len(marks) - 1
    peak = max(columns) or 1.0
    # What is there is seen, however little it is.
    filled = [
        max(round(value / peak * height * steps), 1 if value else 0)
        for value in columns
    ]
    return [
        "".join(marks[min(max(one - row * steps, 0), steps)] for one in filled).rstrip()
        for row in reversed(range(height))
    ]


def _columns(
    level: Callable[[float], float], seconds: float, width: int
) -> list[float]:
    """Return the highest level in each column, its edges included."""
    step = seconds / width
    parts = [number / _SAMPLES for number in range(_SAMPLES)] + [_NEARLY_ALL]
    return [
        max(level((column + part) * step) for part in parts) for column in range(width)
    ]


def _needs(needs: Needs, plan: LoadPlan) -> Iterator[str]:
    """Yield what it needs, a row each."""
    yield "needs"
    rows = [
        ("connections", f"{needs.connections:,}"),
        ("workers", f"{needs.workers:,}"),
        (
            "descriptors",
            f"{needs.descriptors:,} a worker, {needs.all_descriptors:,} together",
        ),
        ("arrivals", f"{needs.arrivals:,}" if needs.arrivals else ""),
        ("sent", _rate(needs.peak_rate)),
        ("received", _rate(needs.peak_deliveries)),
        ("connects", _rate(needs.peak_connects)),
        ("network", _network(needs)),
        ("time", f"{needs.seconds:g} s, and up to {plan.drain:g} s to drain"),
        ("memory", f"about {needs.memory / 2**20:,.0f} MiB"),
    ]
    for name, value in rows:
        if value:
            yield f"  {name:<12} {value}"


def _rate(rate: float) -> str:
    return f"{_number(rate)}/s" if rate else ""


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _network(needs: Needs) -> str:
    if not needs.bytes_sent:
        return ""
    sent, received = needs.bytes_sent / 2**20, needs.bytes_received / 2**20
    return f"{sent:,.3g} MiB/s there, {received:,.3g} MiB/s back, at most"
