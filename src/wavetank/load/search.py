"""The search for the highest rate, or number of connections, that holds.

It refuses to know what has to hold, and how a trial is carried out.

It doubles the level until it breaks, then halves the interval, by its ratio, until that
is small. Where a target that broke has shown how much it keeps up with, the search goes
there at once, and feels its way from it. As long as the interval is wide, short trials
are enough.

One trial is no proof: a break is believed when two of three trials break, and what is
found has held in two of three long ones. On the way there one trial that holds is
enough, for a higher one that holds bears it out. In the end a level well below is tried
twice: where it breaks, there is no limit to find, but a target that breaks by chance.
"""

import enum
import math
from collections import Counter

import msgspec

__all__ = ["Found", "Limit", "Outcome", "Search", "Trial"]

VOTES = 2
"""Trials that have to agree, of three."""

MOST_RETRIES = 2
"""Trials of one level that may say nothing, beside those that say something."""

FAR = 3
"""So many tolerances from what was found, trials of one level should agree."""

WIDE = 1.25
"""Up to this ratio of its ends, an interval takes long trials."""


class Outcome(enum.StrEnum):
    """What one trial came to."""

    HELD = "held"
    BROKE = "broke"
    SATURATED = "saturated"
    """The generator was at its own end."""
    UNKNOWN = "unknown"
    """It could not be judged, for another reason."""


class Limit(enum.StrEnum):
    """Why the search went no higher."""

    TARGET = "target"
    """What had to hold broke."""
    GENERATOR = "generator"
    """The generator ended before the target did."""
    UNKNOWN = "unknown"
    """Trials of a higher level could not be judged."""
    BOUND = "bound"
    """It holds at the highest level that was allowed."""
    TRIALS = "trials"
    """There were too many trials before it was found exactly enough."""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What to try next.

    Attributes:
        level: Messages/s, or connections.
        number: Of the trial, from 1.
        is_short: Whether a short one is enough: what it says is tried again.
    """

    level: float
    number: int
    is_short: bool = False


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What the search came to.

    Attributes:
        level: The highest that held; 0 where even the least did not.
        beyond: The lowest that did not hold, or not for certain; infinity for none.
        limit: Why the search went no higher.
        trials: How many it took.
        disagreed: Levels, far from what was found, whose trials disagreed.
        confirmed: Whether the level held in two trials of three.
    """

    level: float
    beyond: float
    limit: Limit
    trials: int
    disagreed: tuple[float, ...] = ()
    confirmed: bool = True

    @property
    def is_certain(self) -> bool:
        """Whether this is the target's own limit, found as exactly as asked."""
        return self.limit is Limit.TARGET and self.confirmed and not self.disagreed

    @property
    def words(self) -> str:
        """What it comes to, as one sentence."""
        said = _WORDS[self.limit].format(level=self.level, beyond=self.beyond)
        if self.level == 0:
            said = _WORDS_OF_NOTHING[self.limit].format(beyond=self.beyond)
        elif self.limit is Limit.TRIALS and math.isinf(self.beyond):
            said = f"at least {self.level:,.6g}: too many trials were needed"
        if self.disagreed:
            levels = ", ".join(f"{level:,.6g}" for level in self.disagreed[:3])
            said += f"; but trials of one level disagreed ({levels}): repeat the search"
        return said


_WORDS = {
    Limit.TARGET: "{level:,.6g} holds, {beyond:,.6g} does not",
    Limit.GENERATOR: "at least {level:,.6g}: the generator ended before the target did",
    Limit.UNKNOWN: "at least {level:,.6g}: {beyond:,.6g} could not be judged",
    Limit.BOUND: "at least {level:,.6g}, the most that was allowed",
    Limit.TRIALS: "between {level:,.6g} and {beyond:,.6g}: too many trials were needed",
}

_WORDS_OF_NOTHING = {
    Limit.TARGET: "nothing holds, not even {beyond:,.6g}",
    Limit.GENERATOR: "nothing is known: the generator was saturated at {beyond:,.6g}",
    Limit.UNKNOWN: "nothing is known: {beyond:,.6g} could not be judged",
    Limit.BOUND: "nothing is known",
    Limit.TRIALS: "nothing is known: too many trials were needed",
}


class Search:
    """Says what to try next, and takes what came of it.

    Args:
        start: First level.
        least: Lowest level worth a trial.
        most: Highest level that may be tried.
        tolerance: How far what is found may be from what breaks, as a part of it.
        most_trials: Trials at most.
        whole: Whether levels are whole numbers (connections).
    """

    def __init__(
        self,
        start: float,
        *,
        least: float = 1.0,
        most: float = math.inf,
        tolerance: float = 0.03,
        most_trials: int = 40,
        whole: bool = False,
    ) -> None:
        if not (0 < least <= most and start > 0 and tolerance > 0 and most_trials > 0):
            raise ValueError("a search needs levels above 0, and least below most")
        self._least, self._most = least, most
        self._tolerance = tolerance
        self._most_trials = most_trials
        self._whole = whole
        self._votes: Counter[Outcome] = Counter()
        self._trials = 0
        # Ascending; each with the number of long trials that it held in.
        self._held: list[tuple[float, int]] = []
        self._beyond = math.inf
        self._limit = Limit.TARGET
        self._disagreed: list[float] = []
        self._steps_down = 0
        self._steps_up = 0
        self._reached = 0.0
        self._is_proof = False
        self._is_short = True
        self._found: Found | None = None
        self._level = self._tidy(min(max(start, least), most))

    def next(self) -> Trial | Found:
        """Return what to try, or what was found."""
        return self._found or Trial(
            level=self._level, number=self._trials + 1, is_short=self._is_short
        )

    def took(self, outcome: Outcome, *, reached: float = 0.0) -> None:
        """Take what the trial came to.

        Args:
            outcome: Of the trial.
            reached: Where it broke, the level that the target kept up with; 0 where
                that is not known.

        Raises:
            ValueError: If the search is over.
        """
        if self._found is not None:
            raise ValueError("the search is over")
        self._trials += 1
        self._votes[outcome] += 1
        if outcome is Outcome.BROKE:
            self._reached = reached
        if self._is_proof:
            self._take_proof()
        elif (settled := self._settled()) is not None:
            if settled is Outcome.SATURATED and self._level == self._low:
                # It held there once; whether the generator can do it again is no
                # question about the target.
                self._finish(Limit.GENERATOR)
            else:
                self._note(settled)
                self._go_on()
        if self._found is None and self._trials >= self._most_trials:
            self._finish(Limit.TRIALS)

    @property
    def _low(self) -> float:
        """The highest level that held, 0 for none."""
        return self._held[-1][0] if self._held else 0.0

    @property
    def _is_confirmed(self) -> bool:
        """Whether what held has held in two long trials."""
        return bool(self._held) and self._held[-1][1] >= VOTES

    def _settled(self) -> Outcome | None:
        """Return what the trials of this level come to, None for not yet known."""
        votes = self._votes
        # What holds on the way up, and not at the second attempt, holds for now.
        is_new = self._level > self._low and not votes[Outcome.BROKE]
        if votes[Outcome.HELD] >= (1 if is_new else VOTES):
            return Outcome.HELD
        for outcome in (Outcome.BROKE, Outcome.SATURATED):
            if votes[outcome] >= VOTES:
                return outcome
        unclear = votes[Outcome.SATURATED] + votes[Outcome.UNKNOWN]
        return Outcome.UNKNOWN if unclear > MOST_RETRIES else None

    def _note(self, settled: Outcome) -> None:
        """Take a level for what its trials came to."""
        votes, level = self._votes, self._level
        if votes[Outcome.HELD] and votes[Outcome.BROKE]:
            self._disagreed.append(level)
        is_doubt_of_low = level == self._low
        if is_doubt_of_low:
            self._held.pop()
        if settled is Outcome.HELD:
            self._held.append((level, 0 if self._is_short else votes[Outcome.HELD]))
            self._steps_down = 0
            self._steps_up += bool(self._steps_up)
            return
        self._beyond, self._limit = level, _LIMITS[settled]
        self._steps_up = 0
        if is_doubt_of_low or self._steps_down:
            self._steps_down += 1

    def _go_on(self) -> None:
        """Choose the next level, or end."""
        low, beyond = self._low, self._beyond
        self._votes = Counter()
        self._is_short = beyond > low * WIDE
        if math.isinf(beyond) and low < self._most:
            self._level = self._tidy(min(low * 2, self._most))
        elif beyond <= self._least:
            self._finish(self._limit)
        elif not low:
            self._level = self._tidy(max(beyond / 2, self._least))
        elif math.isfinite(beyond) and not self._is_small(low, beyond):
            self._level = self._between(low, beyond)
        elif self._limit is Limit.GENERATOR and self._held[-1][1]:
            self._finish(self._limit)
        elif not self._is_confirmed:
            # Once more: a long trial that it held in counts.
            self._level, self._is_short = low, False
            self._votes[Outcome.HELD] = self._held[-1][1]
        elif math.isinf(beyond):
            self._finish(Limit.BOUND)
        else:
            self._prove()

    def _prove(self) -> None:
        """Try a level that is sure to hold, if there is a limit at all."""
        level = self._tidy(self._low / (1 + FAR * self._tolerance))
        if self._limit is Limit.TARGET and self._least <= level < self._low:
            self._level, self._is_proof, self._is_short = level, True, False
        else:
            self._finish(self._limit)

    def _take_proof(self) -> None:
        """End once the proof held, or did not; what was found stays in any case."""
        if self._votes[Outcome.HELD] >= VOTES or self._votes.total() > VOTES:
            self._finish(self._limit)
        elif self._votes[Outcome.BROKE]:
            self._disagreed.append(self._level)
            self._finish(self._limit)

    def _is_small(self, low: float, beyond: float) -> bool:
        # Where the generator ends, exactly, is not what was asked. A thousandth more:
        # levels are rounded.
        is_ours = self._limit is Limit.GENERATOR
        enough = WIDE if is_ours else (1 + self._tolerance) * 1.001
        return beyond <= low * enough or (self._whole and beyond - low <= 1)

    def _between(self, low: float, beyond: float) -> float:
        level = math.sqrt(low * beyond)
        reached, self._reached = self._reached / (1 + self._tolerance / 2), 0.0
        if low < reached < beyond / (1 + self._tolerance):
            level, self._steps_up, self._is_short = reached, 1, False
        elif self._steps_up > 1:
            away = (1 + self._tolerance) ** 2 ** (self._steps_up - 2)
            level, self._is_short = min(level, low * away), False
        elif self._steps_down:
            # What held once broke when it was tried again: the limit is close below.
            away = (1 + self._tolerance) ** 2**self._steps_down
            level = max(level, beyond / away)
        tidy = self._tidy(level)
        return tidy if low < tidy < beyond else level

    def _tidy(self, level: float) -> float:
        """Return a level that one can say: a whole number, or one of four digits."""
        return float(round(level) if self._whole else f"{level:.4g}")

    def _finish(self, limit: Limit) -> None:
        low, beyond = self._low, self._beyond
        far = 1 + FAR * self._tolerance
        self._found = Found(
            level=low,
            beyond=beyond,
            limit=limit,
            trials=self._trials,
            disagreed=tuple(
                level
                for level in self._disagreed
                if level * far < low * 1.01 or level > beyond * far
            ),
            confirmed=self._is_confirmed,
        )

    def __repr__(self) -> str:
        """Show the interval that is left."""
        return f"<Search {self._low:g} to {self._beyond:g}, {self._trials} trials>"


_LIMITS = {
    Outcome.BROKE: Limit.TARGET,
    Outcome.SATURATED: Limit.GENERATOR,
    Outcome.UNKNOWN: Limit.UNKNOWN,
}
