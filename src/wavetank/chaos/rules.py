"""Faults over time in words: ``kill every 30s for 2s; stall stagger 10s``.

They refuse to know when a fault really begins: that is for the dice to say.

    RULES   RULE[; RULE ...]                a line break will do, too
    RULE    FAULT[ or FAULT ...] WHEN [for TIME[..TIME]] [from TIME] [until TIME]
            [xTIMES] [overlapping]
    FAULT   KIND[(ATTRIBUTE=VALUE[, ...])]
    WHEN    every TIME | stagger TIME | at TIME

    kill every 30s for 2s          at 30 s, 60 s, 90 s ..., each for 2 s
    stall stagger 10s              by chance, 10 s after the last heal on average
    cut at 5s for 0s               once; it is over as soon as it is done
    kill or stop every 20s x3      three times, one or the other by chance
    kill then stop every 20s       one after the other, and again
    latency(latency=200, jitter=50) stagger 10s for 1s..5s from 1m until 2m

Without ``for`` a fault is on for 5 s, or half of its distance where that is shorter.
While a fault of one kind is on, no other of its kind begins, unless one of the two is
``overlapping``; one that would is left out.
"""

import enum
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from wavetank.errors import UsageError, nearest
from wavetank.evidence.schedule import Attribute, Fault
from wavetank.kinds import seconds

__all__ = [
    "LEAST_SECONDS",
    "MOST_RULES",
    "MOST_SECONDS",
    "MOST_TIMES",
    "Kinds",
    "Pace",
    "Rule",
    "read_rules",
    "rule_text",
    "rules_and_problems",
]

Kinds = Mapping[str, Collection[str]]
"""Which kinds of faults there are, and which attributes each of them takes."""

LEAST_SECONDS = 0.01
"""The shortest distance between two faults of a rule."""
MOST_SECONDS = 7 * 86_400.0
MOST_TIMES = 1000
MOST_RULES = 100

_LASTING = 5.0
_TIME = r"[0-9][0-9.]*(?:e[+-]?[0-9]+)? ?(?:ms|min|s|m|h)?(?![a-z0-9])"
_FAULT = re.compile(r"\s*([a-zA-Z_][\w-]*)\s*(?:\(([^()]*)\))?\s*")
_JOINT = re.compile(r"(or|then)\b")
_CLAUSE = re.compile(
    rf"(?:(?P<word>every|stagger|at|for|from|until)\s+(?P<time>{_TIME})"
    rf"(?:\s*\.\.\s*(?P<most>{_TIME}))?|x ?(?P<times>[0-9]{{1,9}})(?![\w.])"
    r"|(?P<overlapping>overlapping)\b)\s*"
)
_WORDS = ("every", "stagger", "at", "for", "from", "until", "overlapping", "or", "then")
_TIMED = ("every", "stagger", "at", "for", "from", "until")
_PACES = ("every", "stagger", "at")


class Pace(enum.StrEnum):
    """When a rule's faults begin."""

    EVERY = "every"
    """At even distances, the first one after the first distance."""
    STAGGER = "stagger"
    """By chance: exponential distances, so that each moment is as likely."""


class Rule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which faults, when, and for how long.

    Attributes:
        faults: One of them each time.
        pace: When they begin.
        distance: Seconds from one begin to the next; staggered, the mean from a
            heal to the next begin.
        lasting: The shortest and the longest time that one is on, in seconds.
        in_turn: Whether they take turns; otherwise chance decides.
        since: When the rule begins, in seconds since the schedule's start.
        until: When all of its faults are healed; None for the schedule's end.
        times: How often at most; None for as often as there is time.
        may_overlap: Whether it may break what another rule of the same kind breaks.
    """

    faults: tuple[Fault, ...]
    pace: Pace
    distance: float
    lasting: tuple[float, float]
    in_turn: bool = False
    since: float = 0.0
    until: float | None = None
    times: int | None = None
    may_overlap: bool = False


def read_rules(text: str, *, kinds: Kinds | None = None) -> tuple[Rule, ...]:
    """Read rules; a fault's name is its kind, numbered where it comes again.

    Args:
        text: All of them.
        kinds: What may be named; None for anything.

    Raises:
        UsageError: With every mistake at once.
    """
    rules, problems = rules_and_problems(text, kinds=kinds)
    if problems:
        raise UsageError(problems)
    return rules


def rules_and_problems(
    text: str, *, kinds: Kinds | None = None
) -> tuple[tuple[Rule, ...], list[str]]:
    """Return the rules that are right, and a sentence for each mistake in others."""
    reading = _Reading(kinds)
    parts = [part.strip() for part in re.split(r"[;\n]", text)]
    asked = [part for part in parts if part]
    rules: list[Rule] = []
    if not asked:
        reading.problems.append(
            "there is no fault in it; say, for example, 'kill every 30s for 2s'"
        )
    elif len(asked) > MOST_RULES:
        reading.problems.append(f"{len(asked)} rules; the most is {MOST_RULES}")
    for part in asked[:MOST_RULES]:
        before = len(reading.problems)
        rule = reading.rule(part)
        if rule is not None and len(reading.problems) == before:
            rules.append(rule)
    return tuple(rules), reading.problems


def rule_text(rule: Rule) -> str:
    """Return a rule as it could be typed."""
    joint = " then " if rule.in_turn else " or "
    faults = joint.join(map(_fault_text, rule.faults))
    is_once = rule.pace is Pace.EVERY and rule.times == 1
    pace = "at" if is_once else rule.pace
    words = [f"{faults} {pace} {_time_text(rule.distance)}"]
    least, most = map(_time_text, rule.lasting)
    words.append(f"for {least}" if least == most else f"for {least}..{most}")
    if rule.since:
        words.append(f"from {_time_text(rule.since)}")
    if rule.until is not None:
        words.append(f"until {_time_text(rule.until)}")
    if rule.times is not None and not is_once:
        words.append(f"x{rule.times}")
    return " ".join([*words, *(["overlapping"] if rule.may_overlap else [])])


def _fault_text(fault: Fault) -> str:
    told = ", ".join(
        f"{name}={_said_text(said)}" for name, said in fault.attributes.items()
    )
    return f"{fault.kind}({told})" if told else fault.kind


def _said_text(said: Attribute) -> str:
    return str(said).lower() if isinstance(said, bool) else str(said)


def _time_text(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".") + "s"


class _Reading:
    """The names that are taken, and the mistakes so far."""

    def __init__(self, kinds: Kinds | None) -> None:
        self.kinds = kinds
        self.names = Counter[str]()
        self.problems: list[str] = []

    def rule(self, typed: str) -> Rule | None:
        """Read one rule; None where nothing can be made of it."""
        place, joints, faults = 0, set[str](), []
        while found := _FAULT.match(typed, place):
            if found[1] in _WORDS:
                self._tell(typed, f"a kind of fault is missing before {found[1]!r}")
                return None
            faults.append(self._fault(found[1], found[2] or "", typed))
            place = found.end()
            joint = _JOINT.match(typed, place)
            if joint is None:
                break
            joints.add(joint[1])
            place = joint.end()
        else:
            self._tell(typed, f"no kind of fault at {_excerpt(typed[place:])}")
            return None
        if len(joints) > 1:
            self._tell(typed, "'or' and 'then' do not go together; make two rules")
        clauses = self._clauses(typed, place)
        if clauses is None:
            return None
        return self._made(typed, tuple(faults), clauses, in_turn="then" in joints)

    def _tell(self, typed: str, what: str) -> None:
        self.problems.append(f"{_excerpt(typed)}: {what}")

    def _fault(self, kind: str, attributes: str, typed: str) -> Fault:
        if self.kinds is not None and kind not in self.kinds:
            hint = nearest(kind, self.kinds)
            hint = hint or f"; there are {', '.join(self.kinds)}"
            self._tell(typed, f"there is no fault {kind!r}{hint}")
        said: dict[str, Attribute] = {}
        for part in filter(None, map(str.strip, attributes.split(","))):
            name, equals, value = map(str.strip, part.partition("="))
            if not (name and equals and value):
                self._tell(typed, f"{part!r} is not an attribute such as latency=200")
            elif name in said:
                self._tell(typed, f"attribute {name!r} of {kind} is there twice")
            else:
                self._known(kind, name, typed)
                said[name] = _said(value)
        self.names[kind] += 1
        number = self.names[kind]
        name = kind if number == 1 else f"{kind}-{number}"
        return Fault(name=name, kind=kind, attributes=said)

    def _known(self, kind: str, name: str, typed: str) -> None:
        known = (self.kinds or {}).get(kind)
        if known is not None and name not in known:
            hint = nearest(name, known)
            if not hint:
                hint = f"; it takes {', '.join(known)}" if known else "; it takes none"
            self._tell(typed, f"{kind} has no attribute {name!r}{hint}")

    def _clauses(self, typed: str, place: int) -> dict[str, tuple[float, float]] | None:
        """Read what follows the faults: word -> value, or least and most."""
        clauses: dict[str, tuple[float, float]] = {}
        while place < len(typed):
            found = _CLAUSE.match(typed, place)
            if found is None:
                rest = typed[place:]
                word = rest.split()[0]
                hint = nearest(word, _WORDS)
                if word in _TIMED:
                    hint = f"; behind {word!r} comes a time such as 1.5s or 2m"
                self._tell(typed, f"{_excerpt(rest)} is not understood{hint}")
                return None
            self._clause(typed, found, clauses)
            place = found.end()
        return clauses

    def _clause(
        self,
        typed: str,
        found: re.Match[str],
        clauses: dict[str, tuple[float, float]],
    ) -> None:
        word = found["word"] or ("x" if found["times"] else "overlapping")
        if word in clauses:
            self._tell(typed, f"{word!r} is there twice")
        values = (found["time"], found["most"] or found["time"])
        if found["times"]:
            clauses[word] = (float(found["times"]),) * 2
        elif not found["word"]:
            clauses[word] = (1.0, 1.0)
        else:
            try:
                clauses[word] = seconds(values[0]), seconds(values[1])
            except ValueError as error:
                clauses[word] = (1.0, 1.0)
                self._tell(typed, str(error))
        if found["most"] and word != "for":
            self._tell(typed, f"{word!r} takes one time, not {found['most']!r} too")

    def _made(
        self,
        typed: str,
        faults: tuple[Fault, ...],
        clauses: dict[str, tuple[float, float]],
        *,
        in_turn: bool,
    ) -> Rule | None:
        paces = [word for word in _PACES if word in clauses]
        if len(paces) != 1:
            what = " and ".join(map(repr, paces)) or "no time"
            hint = "say one of 'every 30s', 'stagger 10s' and 'at 10s'"
            self._tell(typed, f"it says {what}; {hint}")
            return None
        (pace,) = paces
        distance = clauses[pace][0]
        short = _LASTING if pace == "at" else min(_LASTING, distance / 2)
        times = int(clauses["x"][0]) if "x" in clauses else None
        rule = Rule(
            faults=faults,
            pace=Pace.STAGGER if pace == "stagger" else Pace.EVERY,
            distance=distance,
            lasting=clauses.get("for", (short, short)),
            in_turn=in_turn,
            since=clauses.get("from", (0.0,))[0],
            until=clauses["until"][0] if "until" in clauses else None,
            times=1 if pace == "at" else times,
            may_overlap="overlapping" in clauses,
        )
        if pace == "at" and times is not None:
            self._tell(typed, f"'at' is once; leave x{times} out, or say 'every'")
        for holds, what in _MISTAKES:
            if holds(rule):
                self._tell(typed, what)
        return rule


_MISTAKES: Sequence[tuple[Callable[[Rule], bool], str]] = (
    (
        lambda rule: not LEAST_SECONDS <= rule.distance <= MOST_SECONDS,
        "its distance is not from 10 ms to 7 days",
    ),
    (
        lambda rule: rule.lasting[0] > rule.lasting[1],
        "the shorter time comes first, such as 'for 1s..5s'",
    ),
    (
        lambda rule: max(*rule.lasting, rule.since, rule.until or 0.0) > MOST_SECONDS,
        "a time in it is longer than 7 days",
    ),
    (
        lambda rule: (
            rule.pace is Pace.EVERY
            and rule.times != 1
            and rule.lasting[1] > rule.distance
        ),
        "it would begin again before it is healed; make 'for' shorter than 'every'",
    ),
    (
        lambda rule: rule.until is not None and rule.until <= rule.since,
        "it ends before it begins; make 'until' later than 'from'",
    ),
    (
        lambda rule: rule.times is not None and not 1 <= rule.times <= MOST_TIMES,
        f"it may come once to {MOST_TIMES} times",
    ),
)


def _said(typed: str) -> Attribute:
    """Return a number, a word, yes or no."""
    if typed.lower() in {"true", "false"}:
        return typed.lower() == "true"
    if re.fullmatch(r"[+-]?[0-9]{1,18}", typed):
        return int(typed)
    if re.fullmatch(r"[+-]?[0-9]{1,15}(\.[0-9]{1,17})?(e[+-]?[0-9]{1,2})?", typed):
        return float(typed)
    return typed


def _excerpt(typed: str) -> str:
    return repr(typed if len(typed) <= 60 else f"{typed[:57]}...")
