"""From what was typed, and a plan file in TOML, to the plan of a load.

It refuses to know where files lie: their texts are handed in.

    [load]
    duration = "1m"                       # the names of the flags, and their values
    thresholds = ["p99 < 100ms", "lost == 0"]

    [[load.scenario]]
    kind = "publish"
    users = 100
    stages = ["ramp 100..5000 in 30s", "5000/s for 1m"]

    [[load.scenario]]
    name = "newcomers"
    kind = "churn"
    stages = [{ shape = "sine", level = 10, peak = 100, seconds = 30 }]
    after = "10s"
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from wavetank.errors import UsageError, nearest
from wavetank.kinds import integer, seconds, text
from wavetank.load.composing import LOAD, Composer, Defaults, Part, named
from wavetank.load.options import PLAN_OPTIONS, SCENARIO_OPTIONS
from wavetank.load.plan import LoadPlan, ScenarioKind, Stage
from wavetank.load.stages import levels, make_stage, read_stage
from wavetank.settings import DEFAULT, Option, Settings, read_toml

__all__ = ["payload_files", "read_plan"]

_MOST_SCENARIOS = 100

OPERATIONS_OF: Mapping[ScenarioKind, tuple[str, ...]] = {
    ScenarioKind.REQUEST: ("request", "connect"),
    ScenarioKind.PUBLISH: ("publish", "deliver", "connect"),
    ScenarioKind.LISTEN: ("listen", "connect"),
    ScenarioKind.CHURN: ("connect", "listen"),
    ScenarioKind.SLOW: ("listen", "connect"),
    ScenarioKind.STORM: ("connect", "listen"),
    ScenarioKind.PING: ("ping", "connect", "listen"),
}
"""The operations that the users of a scenario do, or hear."""
_SECTIONS = ("load", "run", "dialect")
"""A plan may stand in the settings file, beside what is read elsewhere."""

_LONGEST_NAME = 64
_NOT_IN_NAMES = frozenset(":<>=!")
"""They have a meaning in thresholds."""


def _name(typed: str) -> str:
    """Read the name of a scenario: it stands in thresholds, and on terminals."""
    if not typed.isprintable() or _NOT_IN_NAMES & set(typed):
        raise ValueError(
            f"{typed!r} has a sign that no name has, such as : < > = ! or a tab"
        )
    if len(typed) > _LONGEST_NAME:
        raise ValueError(f"{typed[:20]}...: a name has {_LONGEST_NAME} letters at most")
    return text(typed)


_OF_FILES = (
    Option(name="name", kind=_name, default="", help="unique in the plan"),
    Option(name="after", kind=seconds, default=0.0, help="its start"),
    Option(name="path", kind=text, default="", help="path of its connections"),
)
_STAGE_KEYS = (
    Option(name="shape", kind=text, default="", help="its name"),
    Option(name="level", kind=levels, default=None, help="at the start"),
    Option(name="peak", kind=levels, default=None, help="at the end, or the top"),
    Option(name="seconds", kind=seconds, default=None, help="how long"),
    Option(name="times", kind=integer(1, 1000), default=0, help="how many"),
)


def read_plan(
    settings: Settings,
    *,
    kind: ScenarioKind = ScenarioKind.REQUEST,
    defaults: Defaults = LOAD,
    seed: int = 0,
    files: Mapping[str, str] = {},  # a Mapping is never written to
) -> LoadPlan:
    """Make the plan of a load.

    Args:
        settings: `options.LOAD_OPTIONS`, resolved.
        kind: Of a scenario that does not say it.
        defaults: What holds where nobody says it.
        seed: Of every die.
        files: Name -> text of the plan file, and of those that `payload_files` names.

    Raises:
        UsageError: With every mistake at once.
    """
    problems: list[str] = []
    name = settings["plan"]
    tables = _tables(str(name), files, problems) if name else None
    whole = {**(tables.whole if tables else {}), **_typed(settings, PLAN_OPTIONS)}
    composer = Composer(
        kind=kind,
        defaults=defaults,
        duration=whole.get("duration", settings["duration"]),
        is_timed="duration" in whole,
        files=files,
        problems=problems,
    )
    if tables is None:
        parts = [Part(_typed(settings, SCENARIO_OPTIONS), settings.source)]
    else:
        parts = tables.parts
        problems += [
            f"{settings.source(key)}: the plan file says it; leave one of the two out"
            for key in _typed(settings, SCENARIO_OPTIONS)
        ]
    scenarios = named([composer.scenario(part) for part in parts], parts, problems)
    if "duration" in whole and parts and all("stage" in part.given for part in parts):
        problems.append("duration: the stages say how long; leave one of the two out")
    plan = LoadPlan(
        scenarios=scenarios,
        thresholds=whole.get("threshold", defaults.thresholds),
        duration=composer.duration,
        seed=seed,
        **{
            key: whole.get(key, settings[key])
            for key in ("workers", "warm_up", "drain", "connect_within", "opening")
        },
    )
    problems += _problems_of_whole(plan)
    if problems:
        raise UsageError(problems)
    return plan


def payload_files(settings: Settings, *, files: Mapping[str, str] = {}) -> list[str]:
    """Return the names of the files whose texts `read_plan` needs, the plan apart.

    Args:
        settings: `options.LOAD_OPTIONS`, resolved.
        files: Name -> text of the plan file.
    """
    if not settings["plan"]:
        return [str(settings["payload_file"])] if settings["payload_file"] else []
    tables = _tables(str(settings["plan"]), files, [])
    names = [part.given.get("payload_file") for part in tables.parts]
    return list(dict.fromkeys(str(name) for name in names if name))


# What was given


@dataclass(frozen=True, slots=True)
class _Tables:
    """A plan file, its values read."""

    whole: Mapping[str, Any] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)


def _typed(settings: Settings, options: Sequence[Option]) -> dict[str, Any]:
    """Return what of the settings was not left at its default."""
    return {
        option.key: settings[option.key]
        for option in options
        if settings.source(option.key) != DEFAULT
    }


def _tables(name: str, files: Mapping[str, str], problems: list[str]) -> _Tables:
    """Read the values of a plan file, each by the kind of its option."""
    try:
        document = read_toml(name, files.get(name, ""), sections=_SECTIONS)
    except UsageError as error:
        problems += error.problems
        return _Tables()
    load = document.get("load", {})
    rows = load.get("scenario", []) if isinstance(load, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        problems.append(f"{name}: a scenario is a table [[load.scenario]]")
        return _Tables()
    if not rows or len(rows) > _MOST_SCENARIOS:
        problems.append(
            f"{name}: {len(rows)} tables [[load.scenario]]; give 1 to {_MOST_SCENARIOS}"
        )
    rest = {key: value for key, value in load.items() if key != "scenario"}
    whole = _read(rest, PLAN_OPTIONS, f"{name} [load]", problems)
    return _Tables(
        whole,
        [
            _part(row, f"{name} scenario {number}", problems)
            for number, row in enumerate(rows[:_MOST_SCENARIOS], start=1)
        ],
    )


def _part(row: Mapping[str, object], place: str, problems: list[str]) -> Part:
    given = _read(row, (*SCENARIO_OPTIONS, *_OF_FILES), place, problems)
    if "payload_file" in given:
        folder = PurePath(place.rpartition(" scenario ")[0]).parent
        given["payload_file"] = folder / given["payload_file"]
    return Part(given, lambda key: f"{place} {key.replace('_', '-')}")


def _read(
    table: Mapping[str, object],
    options: Sequence[Option],
    place: str,
    problems: list[str],
) -> dict[str, Any]:
    """Return key -> value of a table of a file."""
    known = {key: option for option in options for key in option.keys}
    found: dict[str, Any] = {}
    for name, raw in table.items():
        option = known.get(name.replace("-", "_"))
        if option is None:
            close = nearest(name, [one.name for one in options])
            problems.append(f"{place} {name}: unknown key{close}")
        elif option.key in found:
            problems.append(f"{place} {name}: given twice")
        elif option.many:
            items = raw if isinstance(raw, list) else [raw]
            values, wrong = _many(option, items)
            found[option.key] = tuple(values)
            problems += [f"{place} {name}: {one}" for one in wrong]
        else:
            try:
                found[option.key] = _one(option, raw)
            except ValueError as error:
                problems.append(f"{place} {name}: {error}")
    return found


def _many(option: Option, items: Sequence[object]) -> tuple[list[object], list[str]]:
    """Return the values of a list, and what is wrong with each of the others."""
    values: list[object] = []
    wrong: list[str] = []
    for item in items:
        try:
            values.append(_one(option, item))
        except ValueError as error:
            wrong.append(str(error))
    return values, wrong


def _one(option: Option, raw: object) -> object:
    if isinstance(raw, dict) and option.kind is read_stage:
        return _stage(raw)
    if isinstance(raw, dict | list):
        raise ValueError("takes a plain value, not a table or a list")
    return option.kind(str(raw).lower() if isinstance(raw, bool) else str(raw))


def _stage(table: Mapping[str, object]) -> Stage:
    """Return the stage of a table with the fields of a `Stage`."""
    problems: list[str] = []
    given = _read(table, _STAGE_KEYS, "stage", problems)
    problems += [
        f"stage {key}: missing" for key in ("level", "seconds") if key not in table
    ]
    problems += [
        f"stage {key}: takes one level, not two"
        for key in ("level", "peak")
        if key in given and given[key][1] is not None
    ]
    if problems:
        raise ValueError("; ".join(problems))
    return make_stage(
        given.get("shape", ""),
        (given["level"][0], given["peak"][0] if "peak" in given else None),
        within=given["seconds"],
        times=given.get("times", 0),
    )


def _problems_of_whole(plan: LoadPlan) -> Iterator[str]:
    """Yield what does not go together, over all scenarios."""
    names = [one.name for one in plan.scenarios]
    for threshold in plan.thresholds:
        name = threshold.scenario
        if name and name not in names:
            yield (
                f"threshold {threshold.text!r}: there is no scenario {name}"
                f"{nearest(name, names)}"
            )
        kinds = [one.kind for one in plan.scenarios if one.name == name]
        yield from (
            f"threshold {threshold.text!r}: {name} is a {kind} scenario and has no "
            f"{threshold.operation}, but {', '.join(OPERATIONS_OF[kind])}"
            for kind in kinds
            if threshold.operation and threshold.operation not in OPERATIONS_OF[kind]
        )
    if plan.scenarios and plan.warm_up >= plan.seconds:
        yield (
            f"warm-up: {plan.warm_up:g} s is all of it; the load takes "
            f"{plan.seconds:g} s"
        )
