"""Which fault begins when, and when it is healed: made of a seed, and always the same.

It refuses to know how a fault is done, clocks, and dice of its own: whoever asks hands
in ``dice``, which makes a generator of a text (``random.Random`` itself will do).

Faults are chosen (`always`, `mix`, `sequence`), spread over time (`every`, `stagger`)
and fitted together (`during`, `limit`, `healed`, `together`, `apart`). Between the two
stands a spell: one fault from its begin to its heal.
"""

import heapq
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from wavetank.chaos.rules import Kinds, Pace, Rule, rule_text, rules_and_problems
from wavetank.errors import UsageError
from wavetank.evidence.schedule import Attribute, Do, Fault, Schedule, Step

if TYPE_CHECKING:
    import random

__all__ = [
    "MOST_FAULTS",
    "Attribute",
    "Dice",
    "Do",
    "Fault",
    "Schedule",
    "Spell",
    "Step",
    "always",
    "apart",
    "draw",
    "during",
    "every",
    "from_seed",
    "healed",
    "limit",
    "mix",
    "read_schedule",
    "sequence",
    "stagger",
    "steps_of",
    "together",
]

MOST_FAULTS = 2000
"""Of one schedule."""

_LONGEST_REST = 10.0

Dice: TypeAlias = Callable[[str], "random.Random"]
"""Makes a generator of numbers of a text; the same text, the same numbers."""

Lasting: TypeAlias = float | tuple[float, float]
"""Seconds that a fault is on; of two, anything from the first to the second."""


class Spell(NamedTuple):
    """One fault from its begin to its heal, in seconds since the start."""

    begin: float
    heal: float
    fault: Fault


def always(fault: Fault) -> Iterator[Fault]:
    """Yield one fault, over and over."""
    return itertools.repeat(fault)


def mix(*faults: Fault, rng: "random.Random") -> Iterator[Fault]:
    """Yield one of some faults each time, each as likely as the others."""
    # random() is the one method whose numbers Python promises to keep.
    while faults:
        yield faults[int(rng.random() * len(faults))]


def sequence(*faults: Fault) -> Iterator[Fault]:
    """Yield some faults one after the other, and again."""
    return itertools.cycle(faults)


def every(
    seconds: float, faults: Iterable[Fault], *, lasting: Lasting, rng: "random.Random"
) -> Iterator[Spell]:
    """Yield spells that begin at even distances, the first one after a distance.

    Args:
        seconds: From one begin to the next.
        faults: The next of them each time.
        lasting: How long each is on.
        rng: Decides where ``lasting`` leaves a choice.

    Raises:
        ValueError: If the distance is none.
    """
    _check(seconds)
    for number, fault in enumerate(faults, 1):
        begin = number * seconds
        yield _spell(begin, fault, lasting, rng)


def stagger(
    seconds: float, faults: Iterable[Fault], *, lasting: Lasting, rng: "random.Random"
) -> Iterator[Spell]:
    """Yield spells that begin by chance, at exponential distances.

    Args:
        seconds: From a heal to the next begin, on average.
        faults: The next of them each time.
        lasting: How long each is on.
        rng: Decides.

    Raises:
        ValueError: If the distance is none.
    """
    _check(seconds)
    healed_at = 0.0
    for fault in faults:
        begin = healed_at - seconds * math.log(1.0 - rng.random())
        spell = _spell(begin, fault, lasting, rng)
        healed_at = spell.heal
        yield spell


def _check(seconds: float) -> None:
    if not seconds > 0:
        raise ValueError(f"a distance of {seconds:g} s would never end")


def _spell(begin: float, fault: Fault, lasting: Lasting, rng: "random.Random") -> Spell:
    if isinstance(lasting, tuple):
        least, most = lasting
        lasting = least + (most - least) * rng.random() if most > least else least
    return Spell(begin, begin + lasting, fault)


def during(begin: float, end: float, spells: Iterable[Spell]) -> Iterator[Spell]:
    """Yield spells between two moments, their times counted from the first one.

    What is still on at the end is healed then.

    Args:
        begin: Seconds since the start.
        end: The same.
        spells: In the order of their begins.
    """
    for spell in spells:
        if begin + spell.begin >= end:
            return
        heal = min(begin + spell.heal, end)
        yield Spell(begin + spell.begin, heal, spell.fault)


def limit(count: int, spells: Iterable[Spell]) -> Iterator[Spell]:
    """Yield the first of some spells, so many at most."""
    return itertools.islice(spells, count)


def healed(at: float, spells: Iterable[Spell]) -> Iterator[Spell]:
    """Yield spells up to a moment; all that is still on is healed then."""
    return during(0.0, at, spells)


def together(*several: Iterable[Spell]) -> Iterator[Spell]:
    """Yield spells of several kinds side by side, in the order of their begins."""
    return heapq.merge(*several, key=lambda spell: spell.begin)


def apart(
    spells: Iterable[Spell], key: Callable[[Fault], str] = lambda fault: fault.kind
) -> Iterator[Spell]:
    """Yield spells of which no two of one kind are on at once.

    One that would begin while another is on is left out.

    Args:
        spells: In the order of their begins.
        key: What must not be on twice.
    """
    last: dict[str, Spell] = {}
    for spell in spells:
        before = last.get(key(spell.fault))
        if before and (spell.begin < before.heal or spell.begin <= before.begin):
            continue
        last[key(spell.fault)] = spell
        yield spell


def steps_of(spells: Iterable[Spell]) -> tuple[Step, ...]:
    """Return spells as steps, to the millisecond; of one moment, heals come first."""
    ordered: list[tuple[float, int, Step]] = []
    for spell in spells:
        begin, heal = round(spell.begin, 3), round(spell.heal, 3)
        # What is over at once still begins before it is healed.
        rank = 0 if heal > begin else 2
        ordered += [
            (begin, 1, Step(at=begin, do=Do.BEGIN, fault=spell.fault)),
            (heal, rank, Step(at=heal, do=Do.HEAL, fault=spell.fault)),
        ]
    ordered.sort(key=lambda entry: entry[:2])
    return tuple(step for _, _, step in ordered)


def draw(
    rules: Sequence[Rule],
    *,
    seed: int,
    seconds: float,
    dice: Dice,
    rest: float | None = None,
) -> Schedule:
    """Make a schedule of rules.

    Each rule has dice of its own, by the name of its first fault: another rule more
    does not change when this one's faults begin.

    Args:
        rules: Which faults, when, and for how long.
        seed: Of all dice.
        seconds: How long the schedule takes.
        dice: Makes the generators.
        rest: Seconds without faults at the end; a quarter of it all, and 10 s at
            most, where nothing is said.

    Raises:
        UsageError: With every mistake at once.
    """
    schedule, problems = _drawn(rules, seed=seed, seconds=(seconds, rest), dice=dice)
    if problems:
        raise UsageError(problems)
    return schedule


def read_schedule(
    text: str,
    *,
    seed: int,
    seconds: float,
    dice: Dice,
    kinds: Kinds | None = None,
    rest: float | None = None,
) -> Schedule:
    """Read ``kill every 30s for 2s; stall stagger 10s`` (`chaos.rules`).

    Args:
        text: The rules.
        seed: Of all dice.
        seconds: How long the schedule takes.
        dice: Makes the generators.
        kinds: What may be named, and with which attributes; None for anything.
        rest: Seconds without faults at the end (`draw`).

    Raises:
        UsageError: With every mistake at once.
    """
    rules, problems = rules_and_problems(text, kinds=kinds)
    schedule, more = _drawn(rules, seed=seed, seconds=(seconds, rest), dice=dice)
    if problems or more:
        raise UsageError([*problems, *more])
    return schedule


def from_seed(
    seed: int, kinds: Sequence[str | Fault], seconds: float, *, dice: Dice
) -> Schedule:
    """Make a mixed schedule: about ten faults by chance, then a rest.

    Args:
        seed: The same seed, kinds and seconds give the same schedule, everywhere.
        kinds: What may break; a fault where attributes matter.
        seconds: How long it takes.
        dice: Makes the generators.

    Raises:
        UsageError: If no kind is given, or there is no time.
    """
    faults = tuple(
        kind if isinstance(kind, Fault) else Fault(name=kind, kind=kind)
        for kind in kinds
    )
    if not faults:
        raise UsageError("a schedule needs a kind of fault at least")
    # To the millisecond: what the schedule's text says is all there is to know.
    distance = max(round(_healed_at(seconds, None) / 15, 3), 0.01)
    rule = Rule(
        faults=faults,
        pace=Pace.STAGGER,
        distance=distance,
        lasting=(round(distance / 10, 3), distance),
    )
    return draw([rule], seed=seed, seconds=seconds, dice=dice)


def _healed_at(seconds: float, rest: float | None) -> float:
    return seconds - (min(_LONGEST_REST, seconds / 4) if rest is None else rest)


def _drawn(
    rules: Sequence[Rule],
    *,
    seed: int,
    seconds: tuple[float, float | None],
    dice: Dice,
) -> tuple[Schedule, list[str]]:
    """Return the schedule, and what is wrong with it.

    Args:
        rules: Those that are right in themselves.
        seed: Of all dice.
        seconds: Of all of it, and of the rest at its end.
        dice: Makes the generators.
    """
    whole, end = seconds[0], _healed_at(*seconds)
    empty = Schedule(steps=(), seed=seed, seconds=whole)
    if not (math.isfinite(whole) and 0 < end <= whole):
        what = f"{whole:g} s with {whole - end:g} s of rest leave no time for faults"
        return empty, [f"{what}; make the schedule longer, or the rest shorter"]
    problems = [
        problem for rule in rules for problem in _never(rule, rule.until or end, end)
    ]
    own_name = {
        fault.name for rule in rules if rule.may_overlap for fault in rule.faults
    }
    # Each is bounded by itself: of what is left out, there may be no end.
    several = [
        list(limit(MOST_FAULTS + 1, _spells(rule, seed=seed, end=end, dice=dice)))
        for rule in rules
    ]
    kept = list(
        apart(
            together(*several),
            lambda fault: f"={fault.name}" if fault.name in own_name else fault.kind,
        )
    )
    if max(len(kept), *map(len, several), 0) > MOST_FAULTS:
        what = f"there would be more than {MOST_FAULTS:,} faults in {end:g} s"
        problems.append(f"{what}; make their distances longer")
    text = "; ".join(map(rule_text, rules))
    return (
        Schedule(steps=steps_of(kept), seed=seed, seconds=whole, text=text),
        problems,
    )


def _never(rule: Rule, until: float, end: float) -> Iterator[str]:
    """Yield a sentence where a rule's first fault would come too late."""
    first, over = rule.since + rule.distance, min(until, end)
    if first >= over:
        on_average = " on average" * (rule.pace is Pace.STAGGER)
        yield (
            f"{rule_text(rule)!r}: its first fault would begin at {first:g} s"
            f"{on_average}, and all is healed at {over:g} s; make its distance "
            "shorter, or the schedule longer"
        )


def _spells(rule: Rule, *, seed: int, end: float, dice: Dice) -> Iterator[Spell]:
    """Return the spells of one rule."""
    rng = dice(f"{seed}/{rule.faults[0].name}")
    faults = sequence(*rule.faults) if rule.in_turn else mix(*rule.faults, rng=rng)
    spread = every if rule.pace is Pace.EVERY else stagger
    until = end if rule.until is None else min(rule.until, end)
    spells = during(
        rule.since,
        until,
        spread(rule.distance, faults, lasting=rule.lasting, rng=rng),
    )
    return spells if rule.times is None else limit(rule.times, spells)
