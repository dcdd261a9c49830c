"""Two runs side by side: which of their loads can be compared, and why not.

It refuses to know how much slower is too slow.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from wavetank.evidence import (
    Histogram,
    LoadNumbers,
    LoadSampled,
    Record,
    Summary,
    Verdict,
    fold,
)
from wavetank.report.quantities import count, duration
from wavetank.report.resampling import Stretch

__all__ = ["LEAST_SECONDS", "Key", "Pair", "Side", "common_reasons", "pairs"]

LEAST_SECONDS = 20
"""With fewer, the seconds cannot tell how far chance goes."""

_MOST_STRETCHES = 600
"""Longer loads have neighbouring seconds put together."""

_LENGTHS = 0.1
_PLANS = 0.01
_SIGMAS = 5

_NEUTRAL = frozenset(
    {
        *("output", "env-file", "config", "seed", "fail-fast", "known-failures"),
        *("target", "serve", "dialect", "header", "cookie", "token", "origin"),
        *("subprotocol", "ca", "insecure", "no-ssl", "dynamic-ports", "start-port"),
        *("port", "tls-port", "patience", "ready-timeout", "i-own-this-target"),
        *("coverage", "prometheus", "plan", "threshold", "duration", "drain"),
        *("connect-within", "opening"),
    }
)
"""Options that do not change what a load asks for; the targets may well differ."""

_CONNECT = "connect"


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """An operation of a load: suite and check, number of the load, and its name."""

    suite: str
    check: str
    load: int
    scenario: str
    operation: str

    def __str__(self) -> str:
        """Return it as a reader looks for it in the report."""
        number = f" (load {self.load + 1})" if self.load else ""
        check = f"{self.suite}.{self.check}{number}"
        return f"{check} {self.scenario}.{self.operation}"


@dataclass(frozen=True, slots=True)
class Pair:
    """An operation that both runs have, or that one of them lacks.

    Attributes:
        key: Which.
        apart: Why it cannot be compared, or "".
        aside: Whether it makes no difference to the whole if it cannot be compared.
        timed: ``response time`` or ``service time``.
        first: Its stretches in the one run, at least twenty seconds.
        second: The same seconds of the other.
    """

    key: Key
    apart: str = ""
    aside: bool = False
    timed: str = ""
    first: Sequence[Stretch] = ()
    second: Sequence[Stretch] = ()


@dataclass(slots=True)
class Side:
    """One of the two runs.

    Attributes:
        name: How it is called in sentences.
        summary: What it came to.
        loads: The records of each operation, in the order of time.
    """

    name: str
    summary: Summary
    loads: dict[Key, list[LoadSampled]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        name: str,
        records: Iterable[Record],
        *,
        cut: bool = False,
        problems: Iterable[str] = (),
    ) -> "Side":
        """Make a side of the records of its journal."""
        kept = list(records)
        side = cls(name, fold(kept, cut=cut, problems=problems))
        numbers = LoadNumbers()
        for record in kept:
            if isinstance(record, LoadSampled):
                key = Key(
                    suite=record.suite,
                    check=record.check,
                    load=numbers.of(record),
                    scenario=record.scenario,
                    operation=record.operation,
                )
                side.loads.setdefault(key, []).append(record)
        return side

    def doubt(self, key: Key) -> str:
        """Return why its own check cannot be trusted, or ""."""
        check = self.summary.suites[key.suite].checks[key.check]
        if check.verdict is not Verdict.UNKNOWN:
            return ""
        seen = next(
            (
                finding.seen or finding.title
                for finding in check.findings
                if finding.verdict is Verdict.UNKNOWN
            ),
            "no reason is told",
        )
        return f"{self.name} was UNKNOWN: {seen}"

    def seconds(self, key: Key) -> int:
        """Return for how many seconds the operation's scenario went on."""
        beside = [
            record
            for other, records in self.loads.items()
            if _is_of_scenario(other, key)
            and (other.operation == _CONNECT) == (key.operation == _CONNECT)
            for record in records
        ]
        for is_part in (_is_planned, _is_driven, _is_heard):
            ends = [_second(record) + 1 for record in beside if is_part(record)]
            if ends:
                return max(ends)
        return 0

    def intended(self, key: Key) -> int:
        """Return how much the operation's schedule had."""
        return sum(record.counts.get("intended", 0) for record in self.loads[key])


def _is_planned(record: LoadSampled) -> bool:
    return record.planned > 0


def _is_driven(record: LoadSampled) -> bool:
    return bool(record.counts.get("intended") or record.counts.get("sent"))


def _is_heard(record: LoadSampled) -> bool:
    return bool(record.counts.get("received"))


def common_reasons(first: Side, second: Side) -> list[str]:
    """Return why nothing of two runs can be compared; [] where something can."""
    reasons = [reason for side in (first, second) for reason in _own_reasons(side)]
    if not first.loads or not second.loads:
        return reasons
    one, other = first.summary, second.summary
    for what, before, after, but in (
        ("machine", one.machine, other.machine, frozenset[str]()),
        ("plan", one.options, other.options, _NEUTRAL),
    ):
        names = sorted(
            name
            for name in {*before, *after} - but
            if before.get(name) != after.get(name)
        )
        if names:
            differences = ", ".join(
                f"{name} {before.get(name, 'not given')} and "
                f"{after.get(name, 'not given')}"
                for name in names
            )
            reasons.append(f"another {what}: {differences}")
    return reasons


def _own_reasons(side: Side) -> Iterator[str]:
    summary = side.summary
    if not side.loads:
        yield f"{side.name} has no load in its journal"
    # Other checks of a run may be UNKNOWN for what is no matter of its loads.
    if summary.cut or summary.interrupted or summary.problems or summary.target_died:
        yield from (f"{side.name}: {reason}" for reason in summary.reasons)


def pairs(first: Side, second: Side) -> Iterator[Pair]:
    """Yield each operation of either run, in the order of the first."""
    for key in dict.fromkeys([*first.loads, *second.loads]):
        lacking = [side.name for side in (first, second) if key not in side.loads]
        if lacking:
            yield Pair(key, apart=f"{lacking[0]} has no such operation")
        else:
            yield _pair(key, first, second)


def _pair(key: Key, first: Side, second: Side) -> Pair:
    seconds = min(side.seconds(key) for side in (first, second))
    aside = _is_aside(key, first, second)
    apart = next(_obstacles(key, first, second), "")
    if apart or seconds < LEAST_SECONDS:
        went = count(seconds, "second")
        too_short = (
            f"too short: {went}, and {LEAST_SECONDS} are needed; repeat both runs "
            f"with --duration {LEAST_SECONDS}s, or longer stages"
        )
        if apart and key.operation == _CONNECT:
            aside = False  # other connections are another plan
        return Pair(key, apart=apart or too_short, aside=aside)
    timed = _timed(first.loads[key], second.loads[key])
    try:
        stretches = [
            _stretches(side.loads[key], timed, seconds) for side in (first, second)
        ]
    except ValueError as error:
        return Pair(key, apart=str(error), aside=aside)
    return Pair(
        key,
        aside=aside,
        timed=f"{timed} time",
        first=stretches[0],
        second=stretches[1],
    )


def _obstacles(key: Key, first: Side, second: Side) -> Iterator[str]:
    """Yield every reason for which an operation cannot be compared."""
    yield from filter(None, (side.doubt(key) for side in (first, second)))
    lengths = [side.seconds(key) for side in (first, second)]
    if abs(lengths[0] - lengths[1]) > max(2, _LENGTHS * max(lengths)):
        took = " and ".join(map(duration, lengths))
        yield f"another plan: they took {took}"
    timed = _timed(first.loads[key], second.loads[key])
    if not timed:
        yield "nothing was timed, or not in the same way"
    if timed == "response":
        # Where answers set the pace, there is no schedule that could differ.
        yield from _other_plan(first.intended(key), second.intended(key))


def _is_aside(key: Key, first: Side, second: Side) -> bool:
    """Tell whether an operation is not what the loads were about.

    Connections are opened for the sake of messages, before the first second; and who
    is in a churn subscribes, and may hear nothing.
    """
    others = [
        other for other in first.loads if other != key and _is_of_scenario(other, key)
    ]
    if not any(_did_any(first.loads[other]) for other in others):
        return False
    is_silent = not any(_did_any(side.loads[key]) for side in (first, second))
    return is_silent or key.operation == _CONNECT


def _did_any(records: Sequence[LoadSampled]) -> bool:
    return any(any(record.counts.values()) for record in records)


def _is_of_scenario(one: Key, other: Key) -> bool:
    return (one.suite, one.check, one.load, one.scenario) == (
        *(other.suite, other.check, other.load),
        other.scenario,
    )


def _timed(*sides: Sequence[LoadSampled]) -> str:
    """Return the latency that both have: of an open model, from the intended time."""
    for name in ("response", "service"):
        if all(any(getattr(record, name) for record in side) for side in sides):
            return name
    return ""


def _other_plan(first: int, second: int) -> Iterator[str]:
    """Yield why two schedules cannot be the same one, if so.

    Random arrivals differ a little, too: by the root of their number.
    """
    allowed = max(_PLANS * max(first, second), _SIGMAS * math.sqrt(first + second))
    if abs(first - second) > allowed:
        yield f"another plan: {first:,} and {second:,} messages were intended"


def _second(record: LoadSampled) -> int:
    return max(round(record.since), 0)


def _stretches(records: list[LoadSampled], timed: str, seconds: int) -> list[Stretch]:
    """Return a load's seconds as stretches.

    What came behind the last second, in the drain, was asked for before: it is the
    last second's, since it is what took longest.
    """
    width = math.ceil(seconds / _MOST_STRETCHES)
    number = math.ceil(seconds / width)
    times: list[Histogram | None] = [None] * number
    received = [0] * number
    for record in records:
        place = min(_second(record), seconds - 1) // width
        received[place] += record.counts.get("received", 0)
        text = getattr(record, timed)
        if text:
            taken = Histogram.decode(text)
            kept = times[place]
            if kept is None:
                times[place] = taken
            else:
                kept.merge(taken)
    like = next(kept for kept in times if kept is not None)
    return [
        Stretch(
            times=kept
            or Histogram(lowest=like.lowest, highest=like.highest, digits=like.digits),
            received=came,
            took=float(min(width, seconds - place * width)),
        )
        for place, (kept, came) in enumerate(zip(times, received, strict=True))
    ]
