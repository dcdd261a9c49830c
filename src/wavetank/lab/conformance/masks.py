"""Rules of a client's masks, judged over all frames of a run.

They refuse to know frames: they see a masking key, or that there was none.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Final

import msgspec

from wavetank.evidence import Finding, Verdict
from wavetank.lab.conformance.case import Level

__all__ = ["RULES", "Masks", "Rule", "judge_masks"]

_MOST: Final = 100_000
_NEVER: Final = 1e-12
"""What a good client does by chance in so few runs is no chance."""
_KEYS: Final = 2**32
_ALIKE: Final = 3
"""Steps that may be alike: four of 100,000 are so in one run of 10 ** 10."""
_ENOUGH: Final = 64
"""Keys from which on bits that never differ are no chance (496 * 2 ** -63)."""

Line = Sequence[bytes | None]
"""The masks of one connection, in their order; None where a frame had none."""


class Masks(msgspec.Struct):
    """The masks of a run, connection by connection, bounded.

    Attributes:
        lines: Of each connection.
        left_out: How many there was no room for.
        kept: How many there are.
    """

    lines: list[Line] = []
    left_out: int = 0
    kept: int = 0

    def add(self, line: Line) -> None:
        """Keep the masks of a connection."""
        if self.kept + len(line) > _MOST:
            self.left_out += len(line)
        elif line:
            self.lines.append(tuple(line))
            self.kept += len(line)

    def all_keys(self) -> list[bytes]:
        """Return all masking keys."""
        return [key for line in self.lines for key in line if key is not None]

    def pairs(self) -> list[tuple[bytes, bytes]]:
        """Return each masking key with the one behind it on its connection."""
        lines = [[key for key in line if key is not None] for line in self.lines]
        return [pair for line in lines for pair in pairwise(line)]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule for masks.

    Attributes:
        id: Such as ``K.112``.
        title: As one sentence.
        clause: Where it stands.
        least: Keys without which nothing can be said.
        problem: What breaks it; "" where nothing does.
    """

    id: str
    title: str
    clause: str = "RFC 6455 5.3"
    least: int = 2
    problem: Callable[[Masks], str]


def judge_masks(masks: Masks) -> list[Finding]:
    """Judge all masks of a run, rule by rule."""
    return [_judge(rule, masks) for rule in RULES]


def _judge(rule: Rule, masks: Masks) -> Finding:
    count = masks.kept if rule.least == 1 else len(masks.all_keys())
    is_told = count >= rule.least
    problem = rule.problem(masks) if is_told else ""
    verdict = Verdict.FAIL if problem else Verdict.PASS
    seen = f"{count} frames" if is_told else f"only {count} frames with a mask"
    return Finding(
        verdict=verdict if is_told else Verdict.SKIP,
        title=f"{rule.id} {rule.title}",
        seen=problem or seen,
        clause=f"{rule.clause} ({Level.MUST})",
    )


def _missing(masks: Masks) -> str:
    bare = masks.kept - len(masks.all_keys())
    return f"{bare} of {masks.kept} frames had none" if bare else ""


def _zeros(masks: Masks) -> str:
    keys = masks.all_keys()
    zeros = keys.count(bytes(4))
    is_chance = _is_chance(zeros, len(keys) / _KEYS)
    return "" if is_chance else f"{zeros} of {len(keys)} are zeros"


def _repeated(masks: Masks) -> str:
    pairs = masks.pairs()
    again = sum(key == behind for key, behind in pairs)
    is_chance = _is_chance(again, len(pairs) / _KEYS)
    return "" if is_chance else f"{again} frames have the mask of the frame before them"


def _again(masks: Masks) -> str:
    keys = masks.all_keys()
    key, times = Counter(keys).most_common(1)[0]
    twice = len(keys) - len(set(keys))
    # RFC 6455 5.3 asks for unpredictable ones, not for each one once.
    if _is_chance(twice, len(keys) ** 2 / 2 / _KEYS):
        return ""
    return f"{twice} of {len(keys)} were there before, {key.hex(' ')} {times} times"


def _counted(masks: Masks) -> str:
    for order in ("big", "little"):
        steps = Counter(
            int.from_bytes(behind, order) - int.from_bytes(key, order)
            for key, behind in masks.pairs()
        )
        # The same mask again is a rule of its own.
        del steps[0]
        step, times = max(steps.items(), key=itemgetter(1), default=(0, 0))
        if times > _ALIKE:
            return f"{times} follow from the mask before, by adding {step}"
    return ""


def _stuck(masks: Masks) -> str:
    numbers = [int.from_bytes(key) for key in masks.all_keys()]
    # Read as text: a sum of powers takes time that grows with the square of keys.
    columns = [
        int("".join("01"[number >> bit & 1] for number in numbers), 2)
        for bit in range(32)
    ]
    whole = (1 << len(numbers)) - 1
    still = sum(column in (0, whole) for column in columns)
    if still:
        return f"of 32 bits {still} never change"
    alike = 32 - len({min(column, whole ^ column) for column in columns})
    return f"of 32 bits {alike} follow from the others" if alike else ""


def _is_chance(times: int, expected: float) -> bool:
    """Tell whether something rare may happen so often, where dice are thrown well.

    Args:
        times: How often it did.
        expected: How often it does on average; among n keys n * n / 2 ** 33 come again.
    """
    # Of what is rare and independent, k or more come with less than e ** k / k!.
    chance = 1.0
    for count in range(1, times + 1):
        chance *= expected / count
        if chance < _NEVER:
            return False
    return True


RULES: tuple[Rule, ...] = (
    Rule(
        id="K.111",
        title="Each frame has a mask.",
        clause="RFC 6455 5.1",
        least=1,
        problem=_missing,
    ),
    Rule(id="K.112", title="Masks are not zeros.", problem=_zeros),
    Rule(
        id="K.113", title="No frame has the mask of the one before.", problem=_repeated
    ),
    Rule(id="K.114", title="Masks do not come again.", problem=_again),
    Rule(id="K.115", title="No mask counts on from the one before.", problem=_counted),
    Rule(
        id="K.116",
        title="Each bit of a mask changes, and none follows another.",
        least=_ENOUGH,
        problem=_stuck,
    ),
)
