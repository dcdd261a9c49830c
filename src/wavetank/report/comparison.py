"""Whether the loads of one run are slower than those of another, and how sure that is.

It refuses to know folders, journals and exit codes.
"""

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wavetank.evidence import Histogram, Verdict
from wavetank.report.escaping import visible
from wavetank.report.pairing import Key, Pair, Side, common_reasons, pairs
from wavetank.report.quantities import NOTHING, duration, figure, share
from wavetank.report.resampling import RESAMPLES, Interval, Stretch, intervals

if TYPE_CHECKING:
    import random

__all__ = ["Comparison", "Outcome", "Ratio", "Row", "compare", "comparison_text"]

LEAST_ANSWERS = 1000
"""With fewer, a p99 stands on fewer than ten answers."""

_PERCENTILES = {"p50": 50.0, "p99": 99.0}
_LONGEST = 300


class Outcome(enum.Enum):
    """What came of comparing one operation."""

    SLOWER = "slower beyond the bound"
    APART = "not comparable"
    UNCLEAR = "it cannot be told"
    LITTLE = "slower within the bound"
    SAME = "no difference that these runs can show"
    FASTER = "faster"
    ASIDE = "left aside"


_VERDICTS = {
    Outcome.SLOWER: Verdict.FAIL,
    Outcome.APART: Verdict.UNKNOWN,
    Outcome.UNCLEAR: Verdict.UNKNOWN,
    Outcome.LITTLE: Verdict.PASS,
    Outcome.SAME: Verdict.PASS,
    Outcome.FASTER: Verdict.PASS,
    Outcome.ASIDE: Verdict.SKIP,
}


@dataclass(frozen=True, slots=True)
class Ratio:
    """One figure of both runs.

    Attributes:
        name: ``p50``, ``p99``, ``max`` or ``rate``.
        first: In the one run; seconds, or messages/s.
        second: In the other.
        interval: Where second / first lies, with 95 %; None where that cannot be
            known: of a maximum (`resampling`).
    """

    name: str
    first: float
    second: float
    interval: Interval | None = None

    @property
    def value(self) -> float:
        """How many times as much the second is."""
        return self.second / self.first if self.first else float("inf")

    @property
    def worse(self) -> Interval | None:
        """The interval as a slowdown: above 1 is worse, of a rate too."""
        if self.interval is None or self.name != "rate":
            return self.interval
        low, high = self.interval
        return 1 / high, 1 / low

    def __str__(self) -> str:
        """Return it in words, such as ``p99 1.32x (95 % 1.21 to 1.44)``."""
        words = f"{self.name} {_times(self.value)}x"
        if self.interval is None:
            return words
        low, high = self.interval
        return f"{words} (95 % {_times(low)} to {_times(high)})"


@dataclass(frozen=True, slots=True)
class Row:
    """One operation: what came of it, in one sentence, and its figures."""

    key: Key
    outcome: Outcome
    sentence: str
    timed: str = ""
    ratios: tuple[Ratio, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """FAIL is slower beyond the bound; UNKNOWN is not comparable, or unclear."""
        return _VERDICTS[self.outcome]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs: why nothing can be compared, or a row for each operation."""

    names: tuple[str, str]
    bound: float
    reasons: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Slower wins over unclear; where nothing was compared it is UNKNOWN."""
        verdicts = {row.verdict for row in self.rows}
        for verdict in (Verdict.FAIL, Verdict.UNKNOWN, Verdict.PASS):
            if verdict in verdicts:
                return verdict
        return Verdict.UNKNOWN


def compare(
    first: Side,
    second: Side,
    *,
    rng: "random.Random",
    bound: float = 0.05,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare the loads of two runs.

    Args:
        first: The run to compare with.
        second: The run of which is asked whether it is slower.
        rng: The dice of the resampling.
        bound: How much slower does not matter: 0.05 is 5 %.
        resamples: How often the seconds are drawn again.
    """
    names = first.name, second.name
    reasons = common_reasons(first, second)
    if reasons:
        return Comparison(names, bound, reasons=tuple(reasons))
    judging = _Judging(names, bound, rng, resamples)
    return Comparison(
        names, bound, rows=tuple(judging.row(pair) for pair in pairs(first, second))
    )


@dataclass(frozen=True, slots=True)
class _Judging:
    """What all rows are judged by."""

    names: tuple[str, str]
    bound: float
    rng: "random.Random"
    resamples: int

    def row(self, pair: Pair) -> Row:
        """Return what comes of one operation."""
        apart = Outcome.ASIDE if pair.aside else Outcome.APART
        if pair.apart:
            return Row(pair.key, apart, f"{apart.value}: {pair.apart}")
        sides = [_whole(side) for side in (pair.first, pair.second)]
        fewest = min(side.times.count for side in sides)
        if fewest < LEAST_ANSWERS:
            why = (
                f"too few answers: {fewest:,}, and {LEAST_ANSWERS:,} are needed; "
                "repeat both runs with a longer --duration or a higher --rate"
            )
            return Row(pair.key, apart, f"{apart.value}: {why}")
        try:
            ratios = self._ratios(pair, *sides)
        except ValueError as error:
            return Row(pair.key, apart, f"{apart.value}: {error}")
        outcome, sentence = self._judged(ratios)
        return Row(pair.key, outcome, sentence, pair.timed, ratios)

    def _ratios(self, pair: Pair, first: Stretch, second: Stretch) -> tuple[Ratio, ...]:
        of_percentiles, of_rate = intervals(
            pair.first,
            pair.second,
            percentiles=tuple(_PERCENTILES.values()),
            rng=self.rng,
            resamples=self.resamples,
        )
        return (
            *(
                Ratio(
                    name,
                    first.times.percentile(percentile) or 0.0,
                    second.times.percentile(percentile) or 0.0,
                    interval,
                )
                for (name, percentile), interval in zip(
                    _PERCENTILES.items(), of_percentiles, strict=True
                )
            ),
            Ratio("max", first.times.max or 0.0, second.times.max or 0.0),
            Ratio(
                "rate",
                first.received / first.took,
                second.received / second.took,
                of_rate,
            ),
        )

    def _judged(self, ratios: Sequence[Ratio]) -> tuple[Outcome, str]:
        """Return what the intervals allow to say; the worst of them decides.

        Not slower is only who cannot be slower by more than the bound: a wide
        interval around 1 is no proof of anything.
        """
        judged = [(each, each.worse) for each in ratios if each.worse is not None]
        most = 1 + self.bound
        slower = [each for each, (low, _) in judged if low > most]
        unclear = [each for each, (_, high) in judged if high > most]
        little = [each for each, (low, _) in judged if low > 1]
        faster = [each for each, (_, high) in judged if high < 1]
        name = self.names[1]
        if slower:
            return Outcome.SLOWER, f"{name} is slower: {_named(slower)}"
        if unclear:
            return Outcome.UNCLEAR, (
                f"{_no_more_than(little, name)}, but more than {share(self.bound)} "
                f"cannot be ruled out: {_named(unclear)}; run longer"
            )
        if little:
            return Outcome.LITTLE, (
                f"{name} is slower, by less than {share(self.bound)}: {_named(little)}"
            )
        if faster:
            return Outcome.FASTER, f"{name} is faster: {_named(faster)}"
        return Outcome.SAME, Outcome.SAME.value


def _no_more_than(little: Sequence[Ratio], name: str) -> str:
    return f"{name} is slower" if little else Outcome.SAME.value


def _named(ratios: Sequence[Ratio]) -> str:
    return ", ".join(map(str, ratios))


def _whole(stretches: Sequence[Stretch]) -> Stretch:
    """Return all stretches as one."""
    like = stretches[0].times
    times = Histogram(lowest=like.lowest, highest=like.highest, digits=like.digits)
    for stretch in stretches:
        times.merge(stretch.times)
    return Stretch(
        times=times,
        received=sum(stretch.received for stretch in stretches),
        took=sum(stretch.took for stretch in stretches),
    )


def _times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 100 else f"{ratio:,.0f}"


def comparison_text(comparison: Comparison) -> str:
    """Return a comparison for the terminal: a block for each operation."""
    lines = [
        f"{comparison.verdict.value:<7}  {_sentence(comparison)}",
        *(f"         {_short(reason)}" for reason in comparison.reasons),
    ]
    for row in comparison.rows:
        lines += ["", f"{row.verdict.value:<7}  {_short(str(row.key))}"]
        lines.append(f"         {_short(row.sentence)}")
        lines += _figures(row, comparison.names)
    if comparison.rows:
        lines += [
            "",
            "Intervals are over the seconds of these two runs: how runs differ from "
            "each other only repeated runs can tell.",
        ]
    return "\n".join(lines)


def _sentence(comparison: Comparison) -> str:
    if comparison.reasons:
        return Outcome.APART.value
    first, second = comparison.names
    return {
        Verdict.FAIL: f"{second} is slower than {first}",
        Verdict.UNKNOWN: f"whether {second} is slower than {first} cannot be told",
    }.get(
        comparison.verdict,
        f"{second} is not slower than {first} by more than {share(comparison.bound)}",
    )


def _figures(row: Row, names: tuple[str, str]) -> Iterator[str]:
    if not row.ratios:
        return
    first, second = (_short(name)[:12] for name in names)
    yield f"         {row.timed:<14}{first:>12}{second:>12}{'ratio':>9}  95 %"
    for ratio in row.ratios:
        before, after = (
            figure(float(f"{value:.4g}"), "/s")
            if ratio.name == "rate"
            else duration(value)
            for value in (ratio.first, ratio.second)
        )
        within = (
            f"{_times(ratio.interval[0])} to {_times(ratio.interval[1])}"
            if ratio.interval
            else NOTHING
        )
        yield (
            f"         {ratio.name:<14}{before:>12}{after:>12}"
            f"{_times(ratio.value) + 'x':>9}  {within}"
        )


def _short(text: str) -> str:
    return visible(text, limit=_LONGEST)
