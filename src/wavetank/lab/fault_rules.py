"""The faults that a run plays: a user's own rules, or a mild mix that grows with time.

It refuses to know how a fault is done, and what comes of it.
"""

import math
import random
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from wavetank.chaos.rules import (
    MOST_RULES,
    read_rules,
    rule_text,
    rules_and_problems,
)
from wavetank.chaos.schedule import read_schedule
from wavetank.chaos.spec import read_spec
from wavetank.chaos.toxics import TYPES
from wavetank.errors import UsageError
from wavetank.evidence import Fault, Schedule
from wavetank.lab.again import command_again
from wavetank.lab.fault_kinds import FAULTS, KINDS, OF_TOXICS, Breaks, wrong_values
from wavetank.lab.plan import Plan, Source
from wavetank.lab.selection import PLAYS_FAULTS

__all__ = [
    "Place",
    "again",
    "judge_rules",
    "mild_mix",
    "schedule_of",
    "without_effect",
]

_FALSIFY: Final = frozenset(
    {"drop", "duplicate", "reorder", "corrupt", "truncate", "packet_loss"}
)
"""Toxics that no TCP ever does to what a target has said. Nothing could bring it back,
and whoever accounts for deliveries would lay it to the target's charge."""

_SHORT: Final = 5.0
_UNIT: Final = 0.35
"""Seconds of a short mix, and the distance of its cuts."""


class Place(NamedTuple):
    """Where rules were typed: ``--faults``, or a file.

    Attributes:
        name: Of it.
        counts: What is counted there: rules, or lines.
    """

    name: str
    counts: str = "rule"


def judge_rules(
    text: str,
    place: Place,
    *,
    seed: int,
    seconds: float,
    target: Source,
    problems: list[str],
) -> str:
    """Return a user's rules on one line, without comments, judged before a run.

    Args:
        text: As typed; what is behind ``#`` is a comment.
        place: Where.
        seed: Of the run.
        seconds: How long the schedule will take.
        target: Where it comes from: that decides what of it may be broken.
        problems: Where mistakes go, one sentence each.
    """
    numbered = list(_numbered(text, place))
    rules = "; ".join(rule for _, rule in numbered)
    before = len(problems)
    if not 0 < len(numbered) <= MOST_RULES:
        _, mistakes = rules_and_problems(rules)
        problems += [f"{place.name}: {mistake}" for mistake in mistakes]
        return ""
    for number, rule in numbered:
        problems += [
            f"{place.name} {place.counts} {number}: {mistake}"
            for mistake in _mistakes(rule, seed, seconds, target=target)
        ]
    if len(problems) == before:
        problems += [
            f"{place.name}: {mistake}" for mistake in _too_long(rules, seed, seconds)
        ]
    return rules


def mild_mix(seconds: float, *, has_process: bool) -> str:
    """Return the rules of a mix that a sound target comes through.

    A longer one has more faults, at longer distances. Kinds come at distances that
    share no measure: in the end each meets every other.

    Args:
        seconds: How long the schedule takes.
        has_process: Whether the target's process may be broken, too.
    """
    unit = _UNIT * math.sqrt(max(seconds, _SHORT) / _SHORT)

    def times(*factors: float) -> str:
        return "..".join(f"{factor * unit:.3f}s" for factor in factors)

    rules = [
        "latency(latency=20, jitter=10) then bandwidth(rate=20) "
        f"every {times(1.7)} for {times(0.8, 1.4)}",
        f"cut(how=rst) or cut(how=fin) every {times(1)} for 0s",
        "half_open(stream=downstream) or half_open(stream=upstream) "
        f"stagger {times(2.5)} for {times(0.3, 0.8)}",
        f"partition stagger {times(2.5)} for {times(0.3, 0.9)}",
    ]
    if has_process:
        rules += [
            f"suspend every {times(3.3)} for {times(0.8, 1.2)}",
            f"kill every {times(5.3)} for {times(0, 0.3)}",
        ]
    return "; ".join(rules)


def schedule_of(rules: str, *, seed: int, seconds: float) -> Schedule:
    """Return what rules come to: the same for the same seed and seconds.

    Raises:
        UsageError: With every mistake at once.
    """
    return read_schedule(
        rules, seed=seed, seconds=seconds, dice=random.Random, kinds=FAULTS
    )


def without_effect(
    schedule: Schedule,
    played: Mapping[str, Sequence[str]],
    has_hit: Callable[[str], bool],
) -> list[str]:
    """Return a sentence for each rule that has broken nothing.

    Args:
        schedule: What was planned.
        played: Fault of the schedule -> names under which it began.
        has_hit: Tells whether one that began found something to break.
    """
    sentences = []
    for rule in read_rules(schedule.text, kinds=FAULTS):
        names = [name for one in rule.faults for name in played.get(one.name, ())]
        if not names:
            why = "none of its faults began: others of their kind were on, or by chance"
        elif not any(map(has_hit, names)):
            why = (
                f"{len(names):,} of its faults began, and none found anything to break"
            )
        else:
            continue
        sentences.append(f"{rule_text(rule)!r}: {why}")
    return sentences


def again(plan: Plan, schedule: Schedule) -> str:
    """Return the command that plays a schedule again."""
    played = {
        "test-duration": (f"{schedule.seconds:.15g}s",),
        "faults": (schedule.text,),
    }
    alone = replace(
        plan,
        asked=(PLAYS_FAULTS,),
        keyword="",
        seed=schedule.seed,
        typed={**plan.typed, **played},
    )
    return shlex.join(command_again(alone))


def _numbered(text: str, place: Place) -> Iterator[tuple[int, str]]:
    """Yield each rule, with the number of it or of its line."""
    count = 0
    for number, line in enumerate(text.split("\n"), 1):
        for rule in filter(None, map(str.strip, line.partition("#")[0].split(";"))):
            count += 1
            yield (number if place.counts == "line" else count), rule


def _mistakes(
    typed: str, seed: int, seconds: float, *, target: Source
) -> Iterator[str]:
    """Yield what is wrong with one rule."""
    rules, problems = rules_and_problems(typed, kinds=FAULTS)
    yield from problems
    for rule in rules:
        for fault in rule.faults:
            for what in _of_fault(fault, target):
                yield f"{typed!r:.60}: {what}"
        yield from _too_long(typed, seed, seconds)


def _too_long(rules: str, seed: int, seconds: float) -> Iterator[str]:
    """Yield why there is no schedule of rules that are right in themselves."""
    try:
        schedule_of(rules, seed=seed, seconds=seconds)
    except UsageError as error:
        for problem in error.problems:
            yield f"{problem} (--test-duration)"


def _of_fault(fault: Fault, target: Source) -> Iterator[str]:
    """Yield why a fault cannot be done, or says nothing of the target."""
    kind, given = fault.kind, dict(fault.attributes)
    if KINDS[kind].breaks is Breaks.PROCESS and target is Source.URL:
        yield (
            f"{kind} breaks the target's process, which the lab has not started; give "
            "--serve in place of --target, or leave it out"
        )
    if kind == "rolling_restart" and target is Source.EMBEDDED:
        yield (
            "rolling_restart ends one worker after the other, and the embedded hub has "
            "none; give --serve, or take kill or terminate"
        )
    if kind in _FALSIFY:
        yield (
            f"{kind} falsifies what the target has said, as TCP never does, and its "
            "deliveries cannot be accounted for then; break links instead: cut, stall"
        )
    yield from wrong_values(kind, given)
    if kind in TYPES:
        toxic: dict[str, object] = {"type": kind}
        toxic |= {key: given.pop(key) for key in OF_TOXICS if key in given}
        try:
            read_spec({**toxic, "attributes": given})
        except UsageError as error:
            yield from error.problems
