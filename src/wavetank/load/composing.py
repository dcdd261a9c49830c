"""From what was given for a scenario to the scenario.

It refuses to know whether a flag or a file gave it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from wavetank.load.pacers import pacer_of
from wavetank.load.payloads import problems_of
from wavetank.load.plan import (
    Arrivals,
    Payload,
    Scenario,
    ScenarioKind,
    Stage,
)
from wavetank.load.stages import make_stage
from wavetank.load.thresholds import Threshold, parse_threshold

__all__ = ["LATENCY", "LOAD", "Composer", "Defaults", "Part", "named"]

Kind = ScenarioKind

_MOST_ARRIVALS = 1e11

_PACED = frozenset({Kind.REQUEST, Kind.PUBLISH, Kind.CHURN, Kind.STORM, Kind.PING})
_ANSWERED = frozenset({Kind.REQUEST, Kind.PUBLISH, Kind.PING})
_SUBSCRIBED = frozenset({Kind.PUBLISH, Kind.LISTEN, Kind.SLOW, Kind.STORM})
_SENDING = frozenset({Kind.REQUEST, Kind.PUBLISH})

_MEANT_FOR: dict[str, frozenset[ScenarioKind]] = {
    **dict.fromkeys(("rate", "shape", "times", "stage"), _PACED),
    "arrivals": _ANSWERED | {Kind.CHURN},
    "in_flight": _ANSWERED,
    **dict.fromkeys(("publishers", "acknowledged"), frozenset({Kind.PUBLISH})),
    "publish_path": frozenset({Kind.PUBLISH}),
    **dict.fromkeys(("topics", "topic"), _SUBSCRIBED),
    **dict.fromkeys(("size", "template", "payload_file"), _SENDING),
    "read_rate": frozenset({Kind.SLOW}),
    "hold": frozenset({Kind.CHURN}),
}
"""Options that say nothing about the other kinds of scenarios."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What holds where nobody says it.

    Attributes:
        users: Virtual users.
        rates: Arrivals/s, by the kind of a scenario.
        thresholds: What has to hold.
    """

    users: int
    rates: Mapping[ScenarioKind, float]
    thresholds: tuple[Threshold, ...] = ()


LOAD = Defaults(
    users=100,
    rates={
        Kind.REQUEST: 1000.0,
        Kind.PUBLISH: 100.0,
        Kind.CHURN: 100.0,
        Kind.STORM: 0.2,
        Kind.PING: 1000.0,
    },
)
LATENCY = Defaults(
    users=10,
    rates={**dict.fromkeys(LOAD.rates, 100.0), Kind.CHURN: 10.0, Kind.STORM: 0.2},
    thresholds=(
        msgspec.structs.replace(
            parse_threshold("p99 < 100ms"), text="p99 < 100ms (the default)"
        ),
    ),
)
"""A modest rate: what is asked for is how long it takes, not how much goes."""


@dataclass(frozen=True, slots=True)
class Part:
    """One scenario as it was given.

    Attributes:
        given: Key -> value; what was not given is not there.
        place: Key -> where it was given.
    """

    given: Mapping[str, Any]
    place: Callable[[str], str]


@dataclass(slots=True, kw_only=True)
class Composer:
    """Makes scenarios of what was given.

    Attributes:
        kind: Of a scenario that does not say it.
        defaults: What holds where nobody says it.
        duration: Seconds of a scenario without stages.
        is_timed: Whether somebody has said that, so that it goes before the time
            that a population takes.
        files: Name -> text of recorded payloads.
        problems: Where mistakes go.
    """

    kind: ScenarioKind
    defaults: Defaults
    duration: float
    is_timed: bool
    files: Mapping[str, str]
    problems: list[str]

    def scenario(self, part: Part) -> Scenario:
        """Make one scenario; its name is "" where none was given."""
        given = part.given
        kind = Kind(given["scenario"]) if "scenario" in given else self._kind(given)
        self.problems += _strangers(part, kind)
        arrivals = Arrivals(given.get("arrivals", Arrivals.EVEN))
        is_closed = arrivals is Arrivals.CLOSED
        stages = self._stages(part, kind, is_closed=is_closed)
        population = given.get("population", ())
        return Scenario(
            name=given.get("name", ""),
            kind=kind,
            users=self._users(part, population),
            stages=stages,
            population=population,
            arrivals=arrivals,
            in_flight=given.get("in_flight", 1 if is_closed else 4096),
            payload=self._payload(part, kind),
            path=self._path(part, "path"),
            publish_path=self._path(part, "publish_path"),
            **{
                key: given[key]
                for key in (
                    *("publishers", "topics", "topic", "acknowledged"),
                    *("read_rate", "hold", "after"),
                )
                if key in given
            },
        )

    def _kind(self, given: Mapping[str, Any]) -> ScenarioKind:
        """Return the kind that everything given is meant for, if there is one.

        Whoever says how many publish need not say that there is publishing.
        """
        kinds = set(Kind)
        for key in given:
            kinds &= _MEANT_FOR.get(key, kinds)
        if self.kind in kinds or not kinds:
            return self.kind
        return next(kind for kind in Kind if kind in kinds)

    def _stages(
        self, part: Part, kind: ScenarioKind, *, is_closed: bool
    ) -> tuple[Stage, ...]:
        given, place = part.given, part.place
        paced = [key for key in ("rate", "shape", "times") if key in given]
        if is_closed:
            if kind not in _ANSWERED:
                self.problems.append(f"{place('arrivals')}: a {kind} cannot be closed")
            self.problems += [
                f"{place(key)}: closed arrivals have no schedule; leave one of the "
                "two out"
                for key in (*paced, *(["stage"] if "stage" in given else []))
            ]
            return ()
        if kind not in _PACED:
            return ()
        if "stage" in given:
            self.problems += [
                f"{place(key)}: the stages say it; leave one of the two out"
                for key in paced
            ]
            stages: tuple[Stage, ...] = given["stage"]
        else:
            stages = self._stage(part, kind)
        if stages and not 0 < pacer_of(stages).total <= _MOST_ARRIVALS:
            self.problems.append(
                f"{place('stage' if 'stage' in given else 'rate')}: "
                f"{pacer_of(stages).total:g} arrivals; give 1 to {_MOST_ARRIVALS:g}"
            )
        return stages

    def _stage(self, part: Part, kind: ScenarioKind) -> tuple[Stage, ...]:
        """Return the one stage that rate, shape, times and duration make."""
        given = part.given
        ends = given.get("rate", (self.defaults.rates[kind], None))
        shape, times = given.get("shape", ""), given.get("times", 0)
        within = sum(stage.seconds for stage in given.get("population", ()))
        if self.is_timed or not within:
            within = self.duration
        try:
            return (make_stage(shape, ends, within=within, times=times),)
        except ValueError as error:
            key = next(key for key in ("shape", "times", "rate") if key in given)
            self.problems.append(f"{part.place(key)}: {error}")
            return ()

    def _users(self, part: Part, population: Sequence[Stage]) -> int:
        most = round(max((max(one.level, one.peak) for one in population), default=0))
        if population and not most:
            self.problems.append(f"{part.place('population')}: nobody is ever there")
        users: int = part.given.get("users", max(most, 1) if population else 0)
        if most > users:
            self.problems.append(
                f"{part.place('users')}: {users}, but the population goes up to {most}"
            )
        return users or self.defaults.users

    def _payload(self, part: Part, kind: ScenarioKind) -> Payload:
        given, place = part.given, part.place
        name = given.get("payload_file")
        if name and "template" in given:
            self.problems.append(
                f"{place('payload_file')}: and a template; give one of the two"
            )
        payload = Payload(
            size=given.get("size", 128),
            template=given.get("template", ""),
            lines=tuple(_lines(self.files.get(str(name), ""))) if name else (),
        )
        if kind not in _SENDING:
            return Payload()
        key = next(
            (key for key in ("payload_file", "template") if key in given), "size"
        )
        if name and str(name) in self.files and not payload.lines:
            self.problems.append(f"{place(key)}: there is no line in it")
        elif not (name and str(name) not in self.files):
            self.problems += [f"{place(key)}: {one}" for one in problems_of(payload)]
        return payload

    def _path(self, part: Part, key: str) -> str:
        path: str = part.given.get(key, "")
        if path and not path.startswith("/"):
            self.problems.append(f"{part.place(key)}: a path begins with /")
        return path


def _lines(content: str) -> Iterator[str]:
    return (line for line in content.removeprefix("\ufeff").split("\n") if line.strip())


def _strangers(part: Part, kind: ScenarioKind) -> Iterator[str]:
    """Yield a problem for each option that is for other kinds of scenarios."""
    for key in part.given:
        meant = _MEANT_FOR.get(key)
        if meant is not None and kind not in meant:
            yield (
                f"{part.place(key)}: says nothing about a {kind} scenario, but about "
                f"{', '.join(one for one in Kind if one in meant)}; leave it out"
            )


def named(
    scenarios: Sequence[Scenario], parts: Sequence[Part], problems: list[str]
) -> tuple[Scenario, ...]:
    """Give a name to those that have none, and look for twins."""
    counts = Counter(one.name for one in scenarios if one.name)
    problems += [
        f"{part.place('name')}: {one.name!r} is the name of another one, too"
        for one, part in zip(scenarios, parts, strict=True)
        if counts[one.name] > 1
    ]
    taken = set(counts)
    found = []
    for one in scenarios:
        name = one.name or _free(str(one.kind), taken)
        taken.add(name)
        found.append(msgspec.structs.replace(one, name=name))
    return tuple(found)


def _free(name: str, taken: set[str]) -> str:
    """Return a name that is not taken: ``ping``, ``ping-2``, ``ping-3`` ..."""
    number = 1
    while (free := name if number == 1 else f"{name}-{number}") in taken:
        number += 1
    return free
