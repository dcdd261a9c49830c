"""Pacers: integrals of levels, their exact inverses, and schedules made of them."""

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.load.exchange import Share
from wavetank.load.pacers import (
    Chain,
    Line,
    Schedule,
    levels_of,
    pacer_of,
    users_at,
)
from wavetank.load.plan import Arrivals, Shape, Stage
from wavetank.load.segments import shares

WHOLE = Share(index=0, count=1)
levels = st.floats(0, 400).map(lambda level: round(level, 3))
stages = st.builds(
    Stage,
    shape=st.sampled_from(Shape),
    seconds=st.floats(0.01, 5).map(lambda seconds: round(seconds, 3)),
    level=levels,
    peak=levels,
    times=st.integers(0, 6),
)
plans = st.lists(stages, min_size=1, max_size=4).map(tuple)


def stage(shape: str, level: float, peak: float = 0.0, **rest: float) -> Stage:
    """Return a stage of ten seconds, where nothing else is said."""
    return Stage(
        **{"shape": Shape(shape), "level": level, "peak": peak, "seconds": 10.0} | rest
    )


def schedule(*stages: Stage, share: Share = WHOLE, **rest: object) -> Schedule:
    """Return a schedule of stages."""
    return Schedule(pacer_of(stages), share=share, **rest)


# Pacers


@pytest.mark.parametrize(
    ("given_stage", "looks"),
    [
        (stage("constant", 7), {-1: 7, 0: 7, 5: 7, 10: 7, 11: 7}),
        (stage("ramp", 0, 100), {0: 0, 5: 50, 10: 100, 11: 100}),
        (stage("ramp", 100, 0), {0: 100, 5: 50, 10: 0}),
        (stage("steps", 10, 50), {0: 10, 1.9: 10, 2: 20, 9.9: 50}),
        (stage("steps", 10, 30, times=2), {0: 10, 4.9: 10, 5: 30}),
        (stage("steps", 10, 30, times=1), {0: 10, 9.9: 10}),
        (stage("burst", 1, 9, times=1), {0: 1, 3.7: 1, 3.8: 9, 6.2: 9, 6.3: 1}),
        (stage("burst", 1, 9, times=2), {2: 9, 4: 1, 7: 9, 9: 1}),
        (stage("spike", 0, 100), {0: 0, 4: 0, 4.5: 50, 5: 100, 5.5: 50, 6: 0}),
        (stage("sine", 10, 30), {0: 10, 2.5: 20, 5: 30, 7.5: 20, 10: 10}),
        (stage("sine", 10, 30, times=2), {2.5: 30, 5: 10, 7.5: 30}),
        (stage("fibonacci", 1, 8), {0: 1, 2: 2, 4: 3, 6: 5, 8: 8, 10: 8}),
    ],
)
def test_shapes_have_the_levels_that_they_promise(
    given_stage: Stage, looks: dict[float, float]
) -> None:
    """Each shape is looked at where it matters."""
    pacer = pacer_of((given_stage,))
    assert {at: pacer.level(at) for at in looks} == pytest.approx(looks)


@pytest.mark.parametrize(
    ("given_stage", "total"),
    [
        (stage("constant", 7), 70),
        (stage("ramp", 0, 100), 500),
        (stage("ramp", 100, 50), 750),
        (stage("steps", 10, 50), 300),
        (stage("burst", 100, 500), 2000),
        (stage("spike", 100, 600), 1500),
        (stage("sine", 100, 300), 2000),
        (stage("fibonacci", 1, 8), 38),
        (stage("constant", 0), 0),
    ],
)
def test_shapes_have_the_arrivals_of_their_integrals(
    given_stage: Stage, total: int
) -> None:
    """The totals are those that one works out on paper, a sine's too."""
    pacer = pacer_of((given_stage,))
    assert pacer.total == total
    assert pacer.arrivals(math.inf) == total
    assert pacer.arrivals(-1) == 0


def test_a_sine_of_lines_is_a_sine() -> None:
    """No level is further from the cosine than 0.13 % of its amplitude."""
    pacer = pacer_of((stage("sine", 0, 2),))
    for number in range(1000):
        at = number / 100
        assert abs(pacer.level(at) - (1 - math.cos(math.pi * at / 5))) < 0.0013


@pytest.mark.parametrize(
    ("level", "peak", "times", "steps"),
    [
        (1, 144, 0, [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144]),
        (144, 1, 0, [144, 89, 55, 34, 21, 13, 8, 5, 3, 2, 1]),
        (10, 60, 0, [10, 13, 21, 34, 55, 60]),
        (0, 3, 0, [0, 1, 2, 3]),
        (6, 7, 0, [6, 7]),
        (5, 5, 0, [5]),
        (100, 800, 5, [100, 200, 300, 500, 800]),
        (100, 800, 2, [100, 800]),
        (100, 800, 1, [100]),
        (800, 100, 3, [800, 450, 100]),
    ],
)
def test_fibonacci_goes_from_the_level_to_the_peak(
    level: float, peak: float, times: int, steps: list[float]
) -> None:
    """The Fibonacci numbers in between, or as many steps as were asked for."""
    assert levels_of(stage("fibonacci", level, peak, times=times)) == steps


@given(plan=plans, part=st.floats(0, 1))
def test_pacers_tell_the_time_of_an_arrival_exactly(
    plan: tuple[Stage, ...], part: float
) -> None:
    """So many have arrived at the time of an arrival: one is the other's inverse."""
    pacer = pacer_of(plan)
    arrival = pacer.arrivals(math.inf) * part
    at = pacer.time_of(arrival)
    assert 0 <= at <= pacer.seconds * (1 + 1e-12)
    assert pacer.arrivals(at) == pytest.approx(arrival, rel=1e-9, abs=2e-6)


@given(plan=plans, moments=st.lists(st.floats(-1, 100), min_size=2))
def test_pacers_never_take_an_arrival_back(
    plan: tuple[Stage, ...], moments: list[float]
) -> None:
    """What arrived up to a moment has arrived up to each later one."""
    counts = [pacer_of(plan).arrivals(moment) for moment in sorted(moments)]
    assert all(later >= earlier - 1e-6 for earlier, later in itertools.pairwise(counts))


def test_nothing_is_due_where_the_level_is_nothing() -> None:
    """The first arrival comes behind the silence, and so does each behind a pause."""
    silent, busy = stage("constant", 0, seconds=2), stage("constant", 2, seconds=1)
    pacer = pacer_of((silent, busy, silent, busy))
    assert pacer.times_of([0, 1, 2, 3]) == [2.0, 2.5, 5.0, 5.5]
    assert pacer.time_of(4) == pacer.seconds == 6.0
    assert pacer_of((silent,)).time_of(0) == 2.0


def test_a_line_alone_is_a_pacer() -> None:
    """It can do what a chain of it can."""
    assert Line(2.0, 0.0, 10.0).time_of(10.0) == 2.0
    assert Line(2.0, 10.0, 0.0).time_of(10.0) == pytest.approx(2.0)
    assert Line(2.0, 5.0, 5.0).time_of(5.0) == 1.0
    assert Line(2.0, 0.0, 0.0).time_of(0.0) == 2.0


def test_a_chain_of_nothing_has_no_arrivals() -> None:
    """Scenarios without stages have a pacer all the same."""
    nothing = pacer_of(())
    assert (nothing.seconds, nothing.total, nothing.level(3.0)) == (0.0, 0, 0.0)
    assert nothing.arrivals(9.0) == 0.0
    assert Schedule(nothing, share=WHOLE).next_time() is None
    assert repr(Chain([Line(2.0, 3.0, 3.0)])) == "<Chain of 1: 6 in 2 s>"


def test_arrivals_that_are_nearly_whole_are_whole() -> None:
    """Ten times 7/s for 0.1 s are 7 arrivals: the eighth was a rounding error."""
    pacer = pacer_of((stage("constant", 7, seconds=0.1),) * 10)
    assert pacer.total == 7


@pytest.mark.parametrize(
    ("at", "users"), [(-1, 1), (0, 1), (4.9, 1), (5, 2), (54, 144), (99, 144)]
)
def test_users_follow_their_population(at: float, users: int) -> None:
    """The last level holds for ever: nobody is sent home for lack of a stage."""
    population = (Stage(shape=Shape.FIBONACCI, seconds=55, level=1, peak=144),)
    assert users_at(population, at) == users


# Schedules


def test_a_schedule_hands_out_what_is_due_before_a_moment() -> None:
    """Each once, in order, and what is due at the moment itself is not before it."""
    ours = schedule(stage("constant", 4, seconds=1))
    assert ours.next_time() == 0.0
    assert ours.take(0.0, 100) == []
    assert ours.take(0.5, 100) == [0.0, 0.25]
    assert ours.next_time() == 0.5
    assert ours.take(9.0, 1) == [0.5]
    assert ours.take(9.0, 100) == [0.75]
    assert ours.next_time() is None
    assert ours.take(9.0, 100) == []


@given(
    plan=plans,
    count=st.integers(1, 5),
    cuts=st.lists(st.floats(0, 80), max_size=5),
    most=st.integers(1, 5000),
    arrivals=st.sampled_from([Arrivals.EVEN, Arrivals.POISSON]),
)
def test_the_shares_of_a_schedule_are_the_whole(
    plan: tuple[Stage, ...],
    count: int,
    cuts: list[float],
    most: int,
    arrivals: Arrivals,
) -> None:
    """However many workers there are, and however they ask: the same times, once."""
    whole = schedule(*plan, arrivals=arrivals, rng=random.Random(7))
    expected = whole.take(math.inf, 1_000_000)
    found: list[float] = []
    for share in shares(count):
        part = schedule(*plan, share=share, arrivals=arrivals, rng=random.Random(7))
        taken: list[float] = []
        for until in [*sorted(cuts), *[math.inf] * (len(expected) // most + 1)]:
            times = part.take(until, most)
            assert all(time < until for time in times)
            taken += times
        assert taken == sorted(taken)
        assert part.next_time() is None
        found += taken
    assert sorted(found) == expected
    if arrivals is Arrivals.EVEN:
        assert len(expected) == pacer_of(plan).total


@given(plan=plans)
def test_a_schedule_peeks_at_what_it_hands_out(plan: tuple[Stage, ...]) -> None:
    """The next time is the first of what is taken."""
    ours = schedule(*plan)
    for _ in range(5):
        ahead = ours.next_time()
        taken = ours.take(math.inf, 1)
        assert ([] if ahead is None else [ahead]) == taken


def test_a_schedule_never_hands_out_what_rounding_brought_near() -> None:
    """A third of a second is due at a third, not a last bit before it."""
    ours = schedule(stage("constant", 3))
    for number in range(30):
        at = ours.next_time()
        assert at is not None
        assert ours.take(at, 10) == []
        assert ours.take(math.nextafter(at, math.inf), 10) == [at], number


def test_poisson_arrivals_are_as_many_as_the_level_says() -> None:
    """Within five standard deviations, and their gaps scatter as their mean does."""
    ours = schedule(
        stage("constant", 2000), arrivals=Arrivals.POISSON, rng=random.Random(1)
    )
    times = ours.take(math.inf, 1_000_000)
    assert abs(len(times) - 20_000) < 5 * math.sqrt(20_000)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert math.sqrt(variance) == pytest.approx(mean, rel=0.05)


def test_poisson_arrivals_follow_the_shape() -> None:
    """Three quarters of a ramp from nothing arrive in its second half."""
    ours = schedule(
        stage("ramp", 0, 4000), arrivals=Arrivals.POISSON, rng=random.Random(2)
    )
    times = ours.take(math.inf, 1_000_000)
    late = sum(time >= 5.0 for time in times)
    assert late / len(times) == pytest.approx(0.75, abs=0.02)


def test_poisson_arrivals_do_not_mind_who_else_throws_the_dice() -> None:
    """The engine draws masks from the same dice, at other times in each worker."""
    dice = random.Random(3)
    ours = schedule(stage("constant", 1000), arrivals=Arrivals.POISSON, rng=dice)
    first = ours.take(3.0, 1_000_000)
    dice.random()
    again = schedule(
        stage("constant", 1000), arrivals=Arrivals.POISSON, rng=random.Random(3)
    )
    assert first + ours.take(9.0, 1_000_000) == again.take(9.0, 1_000_000)


def test_a_schedule_without_dice_refuses_to_be_random() -> None:
    """There is no hidden source of chance."""
    with pytest.raises(ValueError, match="need dice"):
        schedule(stage("constant", 1), arrivals=Arrivals.POISSON)


def test_a_closed_model_has_no_schedule() -> None:
    """Nothing is due; whoever has an answer sends the next."""
    ours = schedule(stage("constant", 1000), arrivals=Arrivals.CLOSED)
    assert ours.next_time() is None
    assert ours.take(math.inf, 10) == []
