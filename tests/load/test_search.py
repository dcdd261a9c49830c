"""The search finds a limit, whatever it is, and says when there is none to find."""

import math
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.load.search import Found, Limit, Outcome, Search, Trial

Target = Callable[[float], Outcome]

CAPACITIES = st.floats(2, 6).map(lambda exponent: 10**exponent)


def found(target: Target, start: float = 100.0, **more: Any) -> Found:
    """Return what a search comes to at a target."""
    search = Search(start, **more)
    for number in range(1, 1000):
        step = search.next()
        if isinstance(step, Found):
            return step
        assert step.number == number
        search.took(target(step.level))
    raise AssertionError("the search does not end")


def capacity(limit: float, *, noise: float = 0.0, seed: int = 1) -> Target:
    """Return a target that holds up to a limit, which noise moves each time."""
    rng = random.Random(seed)

    def tried(level: float) -> Outcome:
        holds = level <= limit * rng.gauss(1, noise)
        return Outcome.HELD if holds else Outcome.BROKE

    return tried


@given(CAPACITIES, st.integers(0, 1000))
def test_search_ends_within_five_per_cent_of_any_capacity(
    limit: float, seed: int
) -> None:
    """With noise of half a per cent, in fewer trials than it may take."""
    result = found(capacity(limit, noise=0.005, seed=seed))
    assert result.limit is Limit.TARGET
    assert result.level == pytest.approx(limit, rel=0.05)
    assert result.level < result.beyond <= result.level * 1.035
    assert result.trials < 40
    assert result.is_certain


@given(CAPACITIES, st.floats(1, 6))
def test_search_does_not_mind_where_it_starts(limit: float, exponent: float) -> None:
    """Far above or far below the limit, it comes to the same."""
    result = found(capacity(limit), start=10**exponent, most_trials=60)
    assert result.limit is Limit.TARGET
    assert limit / 1.035 <= result.level <= limit


@given(st.integers(1, 200), st.integers(1, 200))
def test_search_finds_whole_numbers_exactly_when_they_are_small(
    limit: int, start: int
) -> None:
    """Connections are counted: up to 33 of them there is nothing between the ends."""
    seen = []

    def tried(level: float) -> Outcome:
        seen.append(level)
        return capacity(limit)(level)

    result = found(tried, start, whole=True)
    assert limit / 1.035 <= result.level <= limit
    if limit <= 33:
        assert (result.level, result.beyond) == (limit, limit + 1)
    assert all(level == int(level) for level in seen)


@pytest.mark.parametrize("seed", range(20))
def test_search_says_when_a_target_breaks_by_chance(seed: int) -> None:
    """A target that throws dice has no limit; what is found is called uncertain."""
    rng = random.Random(seed)
    results = [
        found(lambda _: Outcome.HELD if rng.random() < 0.5 else Outcome.BROKE)
        for _ in range(20)
    ]
    uncertain = [each for each in results if not each.is_certain]
    assert len(uncertain) >= 16
    assert any("disagreed" in each.words for each in uncertain)


def test_search_proves_what_it_found_well_below() -> None:
    """What held at the limit and breaks below it, when it is tried again, is told."""
    seen: list[float] = []

    def tried(level: float) -> Outcome:
        seen.append(level)
        is_below_again = level < 1000 < max(seen) and level > 600
        broke = level > 1000 or (is_below_again and level < 940)
        return Outcome.BROKE if broke else Outcome.HELD

    result = found(tried, 1000.0)
    assert result.disagreed
    assert not result.is_certain


def tried_by(limit: float, *, noise: float = 0.0, seed: int = 1) -> list[Trial]:
    """Return the trials of a target that says how much it keeps up with."""
    rng = random.Random(seed)
    search, seen = Search(100.0), []
    while isinstance(step := search.next(), Trial):
        seen.append(step)
        most = limit * rng.gauss(1, noise)
        outcome = Outcome.HELD if step.level <= most else Outcome.BROKE
        search.took(outcome, reached=min(step.level, most))
    assert step.level == pytest.approx(limit, rel=0.05)
    return seen


@given(CAPACITIES, st.integers(0, 1000))
def test_search_goes_where_a_broken_target_kept_up(limit: float, seed: int) -> None:
    """Halving is for those who do not say it: at most sixteen trials are long."""
    trials = tried_by(limit, noise=0.003, seed=seed)
    assert sum(not trial.is_short for trial in trials) <= 16


def test_search_feels_its_way_from_where_a_target_kept_up() -> None:
    """Just below it, then up in small steps; what was found, and well below, again."""
    levels = [trial.level for trial in tried_by(500.0)]
    assert levels[:7] == [100.0, 200.0, 400.0, 800.0, 800.0, 492.6, 507.4]
    assert len(levels) == 11


def test_search_takes_short_trials_while_the_interval_is_wide() -> None:
    """They find the neighbourhood; nothing is believed for their sake alone."""
    trials = tried_by(500.0)
    assert [trial.level for trial in trials if trial.is_short] == [
        *(100.0, 200.0, 400.0, 800.0, 800.0)
    ]

    def lucky(level: float, *, is_short: bool) -> Outcome:
        return Outcome.HELD if level <= (1100 if is_short else 1000) else Outcome.BROKE

    search = Search(1050.0)
    while isinstance(step := search.next(), Trial):
        search.took(lucky(step.level, is_short=step.is_short))
    assert step.level == pytest.approx(1000, rel=0.05)
    assert step.level <= 1000
    assert step.is_certain


def test_search_halves_where_a_hint_leads_nowhere() -> None:
    """A target that broke though it kept up, such as by its latency alone."""
    search, seen = Search(100.0), []
    while isinstance(step := search.next(), Trial):
        seen.append(step.level)
        outcome = Outcome.HELD if step.level <= 500 else Outcome.BROKE
        search.took(outcome, reached=step.level)
    assert 565.7 in seen
    assert step.level == pytest.approx(500, rel=0.05)


def test_search_needs_two_of_three_to_believe_a_break() -> None:
    """One trial that broke by accident neither ends nor bends the search."""
    accidents = iter([Outcome.HELD, Outcome.BROKE])

    def tried(level: float) -> Outcome:
        return next(accidents, capacity(1000)(level))

    result = found(tried)
    assert result.level == pytest.approx(1000, rel=0.05)


def test_search_tries_again_what_held_only_once() -> None:
    """A level that held by accident is taken back, and the limit found below it."""
    accidents = {1600.0: [Outcome.HELD]}

    def tried(level: float) -> Outcome:
        happy = accidents.get(level)
        return happy.pop() if happy else capacity(1500)(level)

    result = found(tried)
    assert result.level == pytest.approx(1500, rel=0.05)
    assert result.confirmed
    assert result.limit is Limit.TARGET


def test_search_asks_again_where_a_trial_says_nothing() -> None:
    """A trial that could not be judged counts for nothing but its time."""
    rng = random.Random(3)

    def tried(level: float) -> Outcome:
        return Outcome.UNKNOWN if rng.random() < 0.1 else capacity(5000)(level)

    result = found(tried, most_trials=80)
    assert result.level == pytest.approx(5000, rel=0.05)


def test_search_ends_below_what_can_not_be_judged() -> None:
    """After a few trials that say nothing, the level is left alone."""

    def tried(level: float) -> Outcome:
        return Outcome.HELD if level < 3000 else Outcome.UNKNOWN

    result = found(tried)
    assert result.limit is Limit.UNKNOWN
    assert result.level == pytest.approx(3000, rel=0.05)
    assert not result.is_certain
    assert "could not be judged" in result.words


def test_search_says_when_the_generator_ended_first() -> None:
    """Then the target can do at least what held; how much exactly is our own limit."""

    def tried(level: float) -> Outcome:
        return Outcome.HELD if level < 3000 else Outcome.SATURATED

    result = found(tried)
    assert result.limit is Limit.GENERATOR
    assert 3000 / 1.25 <= result.level <= 3000
    assert result.trials <= 12
    assert result.words.startswith("at least ")
    assert "the generator ended before the target did" in result.words


def test_search_does_not_go_down_with_a_generator_that_wears_out() -> None:
    """On a busy machine it is saturated where it was not a moment ago.

    The search tried ever lower levels for minutes, in dozens of trials.
    """
    trials: list[float] = []

    def tried(level: float) -> Outcome:
        trials.append(level)
        is_worn_out = level > 3000 or (level in trials[:-1] and level > 200)
        return Outcome.SATURATED if is_worn_out else Outcome.HELD

    result = found(tried)
    assert result.limit is Limit.GENERATOR
    assert result.level == pytest.approx(3000, rel=0.25)
    assert len(trials) <= 14
    assert not result.is_certain


def test_search_ends_at_the_most_that_is_allowed() -> None:
    """What holds there holds at least there; it is tried in two long trials."""
    levels = []

    def tried(level: float) -> Outcome:
        levels.append(level)
        return Outcome.HELD

    result = found(tried, 100.0, most=500.0)
    assert levels == [100.0, 200.0, 400.0, 500.0, 500.0, 500.0]
    assert (result.level, result.limit) == (500.0, Limit.BOUND)
    assert result.words == "at least 500, the most that was allowed"


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome.BROKE, "nothing holds, not even 10"),
        (Outcome.SATURATED, "nothing is known: the generator was saturated at 10"),
        (Outcome.UNKNOWN, "nothing is known: 10 could not be judged"),
    ],
)
def test_search_says_when_nothing_held(outcome: Outcome, words: str) -> None:
    """The least level was tried, and that is all."""
    result = found(lambda _: outcome, 100.0, least=10.0)
    assert result.level == 0
    assert result.words == words
    assert not result.is_certain


def test_search_ends_after_so_many_trials() -> None:
    """A bound on trials ends it, with the interval that is left."""
    result = found(capacity(100_000), most_trials=14)
    assert result.trials == 14
    assert result.limit is Limit.TRIALS
    assert result.level <= 100_000 <= result.beyond
    assert "too many trials" in result.words
    early = found(capacity(math.inf), most_trials=3)
    assert early.words == "at least 400: too many trials were needed"
    assert "nothing" in found(lambda _: Outcome.BROKE, most_trials=1).words


def test_search_is_over_when_it_is_over() -> None:
    """What was found stays, and takes no more trials."""
    search = Search(1.0, most=1.0)
    assert search.next() == Trial(level=1.0, number=1, is_short=True)
    search.took(Outcome.HELD)
    assert search.next() == Trial(level=1.0, number=2)
    search.took(Outcome.HELD)
    search.took(Outcome.HELD)
    result = search.next()
    assert isinstance(result, Found)
    with pytest.raises(ValueError, match="over"):
        search.took(Outcome.HELD)
    assert search.next() is result
    assert repr(search) == "<Search 1 to inf, 3 trials>"


@pytest.mark.parametrize(
    "wrong",
    [{"least": 0.0}, {"least": 5.0, "most": 1.0}, {"tolerance": 0.0}],
)
def test_search_refuses_levels_that_make_no_sense(wrong: dict[str, float]) -> None:
    """It never starts where it could not end."""
    with pytest.raises(ValueError, match="a search needs"):
        Search(1.0, **wrong)  # type: ignore[arg-type]  # floats all of them
