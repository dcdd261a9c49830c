"""A schedule comes of its seed, and of nothing else."""

import itertools
import math
import random
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavetank.chaos.rules import Pace, Rule, read_rules
from wavetank.chaos.schedule import (
    MOST_FAULTS,
    Do,
    Fault,
    Schedule,
    Spell,
    always,
    apart,
    draw,
    during,
    every,
    from_seed,
    healed,
    limit,
    mix,
    read_schedule,
    sequence,
    stagger,
    steps_of,
    together,
)
from wavetank.errors import UsageError

KILL, STOP, SLOW = (Fault(name=kind, kind=kind) for kind in ("kill", "stop", "latency"))


def rng() -> random.Random:
    """Return dice that always fall the same."""
    return random.Random("dice")


def first(count: int, spells: Iterator[Spell]) -> list[tuple[float, float, str]]:
    """Return the first spells with the names of their faults."""
    taken = itertools.islice(spells, count)
    return [(begin, heal, fault.name) for begin, heal, fault in taken]


def told(schedule: Schedule) -> list[tuple[float, str, str]]:
    """Return the steps of a schedule in short."""
    return [(step.at, step.do.value, step.fault.name) for step in schedule.steps]


def test_every_begins_at_even_distances() -> None:
    """The first distance is without a fault: there has to be a before."""
    spells = every(30.0, always(KILL), lasting=2.0, rng=rng())
    assert first(3, spells) == [
        (30.0, 32.0, "kill"),
        (60.0, 62.0, "kill"),
        (90.0, 92.0, "kill"),
    ]


def test_stagger_begins_by_chance_and_keeps_its_mean() -> None:
    """Distances from a heal to the next begin are exponential."""
    spells = list(limit(4000, stagger(10.0, always(KILL), lasting=1.0, rng=rng())))
    gaps = [late.begin - early.heal for early, late in itertools.pairwise(spells)]
    mean = sum(gaps) / len(gaps)
    assert math.isclose(mean, 10.0, rel_tol=0.05)
    # Of an exponential distribution the standard deviation is the mean.
    spread = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert math.isclose(spread, mean, rel_tol=0.1)


def test_lasting_may_be_left_to_chance() -> None:
    """Of two bounds, all between them comes."""
    spells = limit(500, every(10.0, always(KILL), lasting=(1.0, 5.0), rng=rng()))
    lasted = [spell.heal - spell.begin for spell in spells]
    assert 1.0 <= min(lasted) < 1.2
    assert 4.8 < max(lasted) <= 5.0


@pytest.mark.parametrize("spread", [every, stagger])
def test_distance_of_nothing_is_refused(spread: type) -> None:
    """It would never end."""
    with pytest.raises(ValueError, match="would never end"):
        next(spread(0.0, always(KILL), lasting=1.0, rng=rng()))


def test_mix_chooses_and_sequence_takes_turns() -> None:
    """By chance each as often; in turn, exactly so."""
    chosen = [fault.name for fault in itertools.islice(mix(KILL, STOP, rng=rng()), 999)]
    assert 400 < chosen.count("kill") < 600
    turns = [fault.name for fault in itertools.islice(sequence(KILL, STOP), 3)]
    assert turns == ["kill", "stop", "kill"]
    assert list(mix(rng=rng())) == []


def test_during_shifts_and_ends_what_is_on() -> None:
    """Times count from its begin; at its end all is healed."""
    spells = every(4.0, always(KILL), lasting=3.0, rng=rng())
    assert first(9, during(10.0, 20.0, spells)) == [
        (14.0, 17.0, "kill"),
        (18.0, 20.0, "kill"),
    ]
    spells = every(4.0, always(KILL), lasting=3.0, rng=rng())
    assert first(9, healed(5.0, spells)) == [(4.0, 5.0, "kill")]


def test_together_is_in_the_order_of_time() -> None:
    """Several rules run side by side."""
    one = every(2.0, always(KILL), lasting=1.0, rng=rng())
    two = every(3.0, always(STOP), lasting=1.0, rng=rng())
    begins = [(begin, name) for begin, _, name in first(4, together(one, two))]
    assert begins == [(2.0, "kill"), (3.0, "stop"), (4.0, "kill"), (6.0, "kill")]


def test_apart_leaves_out_what_is_on_already() -> None:
    """No two of one kind overlap; others may, and one may follow at once."""
    spells = [
        Spell(1.0, 3.0, KILL),
        Spell(2.0, 4.0, STOP),
        Spell(2.5, 9.0, KILL),
        Spell(3.0, 5.0, KILL),
        Spell(6.0, 6.0, STOP),
        Spell(6.0, 7.0, STOP),
    ]
    kept = list(apart(spells))
    assert kept == [spells[0], spells[1], spells[3], spells[4]]
    again = [Spell(1.0, 3.0, KILL), Spell(2.0, 4.0, Fault(name="kill-2", kind="kill"))]
    assert list(apart(again, lambda fault: fault.name)) == again


def test_steps_of_one_moment_heal_before_they_begin() -> None:
    """But what is over at once begins before it is healed."""
    steps = steps_of(
        [Spell(1.0, 2.0, KILL), Spell(2.0, 2.0, STOP), Spell(2.0, 3.00049, KILL)]
    )
    assert [(step.at, step.do, step.fault.name) for step in steps] == [
        (1.0, Do.BEGIN, "kill"),
        (2.0, Do.HEAL, "kill"),
        (2.0, Do.BEGIN, "stop"),
        (2.0, Do.BEGIN, "kill"),
        (2.0, Do.HEAL, "stop"),
        (3.0, Do.HEAL, "kill"),
    ]


GOLDEN = [
    (1.004, "begin", "kill"),
    (1.839, "heal", "kill"),
    (5.55, "begin", "stop"),
    (5.888, "heal", "stop"),
    (7.403, "begin", "stop"),
    (8.69, "heal", "stop"),
    (10.675, "begin", "kill"),
    (12.136, "heal", "kill"),
]


def test_seed_gives_the_schedule_that_it_always_gave() -> None:
    """A seed from an old report still makes the same faults, on every Python."""
    schedule = from_seed(7, ["kill", "stop"], 30.0, dice=random.Random)
    assert told(schedule)[: len(GOLDEN)] == GOLDEN
    assert schedule.seed == 7
    assert told(from_seed(8, ["kill", "stop"], 30.0, dice=random.Random)) != told(
        schedule
    )


def test_mixed_schedule_is_told_as_it_could_be_asked_for() -> None:
    """Its text and seed, typed, make the same faults."""
    schedule = from_seed(7, ["kill", "stop"], 40.0, dice=random.Random)
    assert schedule.text == "kill or stop stagger 2s for 0.2s..2s"
    typed = read_schedule(schedule.text, seed=7, seconds=40.0, dice=random.Random)
    assert typed == schedule


def test_rule_keeps_its_faults_when_another_one_joins() -> None:
    """Each has dice of its own: a run with one fault less can be compared."""
    alone = draw(
        read_rules("stop stagger 5s for 1s..2s"),
        seed=3,
        seconds=60.0,
        dice=random.Random,
    )
    both = read_schedule(
        "kill every 7s for 1s; stop stagger 5s for 1s..2s",
        seed=3,
        seconds=60.0,
        dice=random.Random,
    )
    stops = [step for step in both.steps if step.fault.kind == "stop"]
    assert stops == list(alone.steps)
    assert both.text == "kill every 7s for 1s; stop stagger 5s for 1s..2s"


def test_schedule_ends_with_a_rest() -> None:
    """A quarter without faults, 10 s at most, or as long as is said."""
    text = "kill every 1s for 1s"
    for seconds, rest, end in ((8.0, None, 6.0), (100.0, None, 90.0), (8.0, 1.0, 7.0)):
        schedule = read_schedule(
            text, seed=1, seconds=seconds, rest=rest, dice=random.Random
        )
        assert schedule.healed_at == end
        assert schedule.seconds == seconds


def test_rules_of_one_kind_do_not_overlap_unless_they_say_so() -> None:
    """A fault that would begin while another of its kind is on is left out."""
    text = "latency at 1s for 5s; latency at 2s for 1s"

    def begins(text: str) -> list[str]:
        schedule = read_schedule(text, seed=1, seconds=20.0, dice=random.Random)
        return [name for _, do, name in told(schedule) if do == "begin"]

    assert begins(text) == ["latency"]
    assert begins(f"{text} overlapping") == ["latency", "latency-2"]


def test_rule_stops_after_so_many_times_and_within_its_time() -> None:
    """``x2`` and ``until`` bound it."""
    schedule = read_schedule(
        "kill every 5s for 1s x2; stop then latency every 4s for 3s from 1s until 10s",
        seed=1,
        seconds=60.0,
        dice=random.Random,
    )
    assert told(schedule) == [
        (5.0, "begin", "kill"),
        (5.0, "begin", "stop"),
        (6.0, "heal", "kill"),
        (8.0, "heal", "stop"),
        (9.0, "begin", "latency"),
        (10.0, "heal", "latency"),
        (10.0, "begin", "kill"),
        (11.0, "heal", "kill"),
    ]


def test_mistakes_of_rules_and_of_time_are_told_at_once() -> None:
    """A rule of which nothing would happen tests nothing; no seconds, no faults."""
    with pytest.raises(UsageError) as mistakes:
        read_schedule(
            "kil at 1s; kill every 30s for 2s; kill stagger 1h",
            seed=1,
            seconds=20.0,
            kinds={"kill": ()},
            dice=random.Random,
        )
    no_kind, too_late, on_average = mistakes.value.problems
    assert "did you mean kill?" in no_kind
    assert "would begin at 30 s, and all is healed at 15 s" in too_late
    assert "would begin at 3600 s on average" in on_average
    for seconds, rest in ((10.0, 10.0), (0.0, None), (math.inf, None), (5.0, -1.0)):
        with pytest.raises(UsageError, match="leave no time for faults"):
            draw([], seed=1, seconds=seconds, rest=rest, dice=random.Random)


def test_schedule_is_bounded() -> None:
    """Also where nearly all of it is left out."""
    text = "kill every 10ms for 1ms; latency at 1s for 1m"
    with pytest.raises(UsageError, match="more than 2,000 faults in"):
        read_schedule(text, seed=1, seconds=60.0, dice=random.Random)
    fits = read_schedule(text, seed=1, seconds=15.0, dice=random.Random)
    assert len(fits.steps) <= 2 * MOST_FAULTS


def test_mixed_schedule_needs_a_kind() -> None:
    """Of nothing comes nothing, and that is told."""
    with pytest.raises(UsageError, match="needs a kind"):
        from_seed(1, [], 10.0, dice=random.Random)


def test_mixed_schedule_takes_faults_with_attributes() -> None:
    """They stand in every step."""
    slow = Fault(name="slow", kind="latency", attributes={"latency": 200})
    schedule = from_seed(1, [slow], 30.0, dice=random.Random)
    assert {step.fault.name for step in schedule.steps} == {"slow"}


KINDS = st.lists(st.sampled_from(["kill", "stop", "cut", "latency"]), min_size=1)
RULES = st.lists(
    st.builds(
        Rule,
        faults=st.lists(st.sampled_from([KILL, STOP, SLOW]), min_size=1).map(tuple),
        pace=st.sampled_from(Pace),
        distance=st.floats(0.1, 5.0),
        lasting=st.tuples(st.floats(0.0, 2.0), st.floats(2.0, 4.0)),
        in_turn=st.booleans(),
        since=st.floats(0.0, 3.0),
        until=st.none() | st.floats(9.0, 100.0),
        times=st.none() | st.integers(1, 9),
        may_overlap=st.booleans(),
    ),
    max_size=4,
)


@settings(deadline=None, database=None)
@given(st.integers(), KINDS, st.floats(1.0, 1e5))
def test_seed_reproduces_a_schedule_exactly(
    seed: int, kinds: list[str], seconds: float
) -> None:
    """The same seed, kinds and seconds; and what was written is read as the same."""
    schedule = from_seed(seed, kinds, seconds, dice=random.Random)
    assert from_seed(seed, kinds, seconds, dice=random.Random) == schedule
    data = msgspec.json.encode(schedule)
    assert msgspec.json.decode(data, type=Schedule) == schedule
    assert len(schedule.describe()) == len(schedule.steps)


@settings(deadline=None, database=None)
@given(st.integers(), RULES)
def test_every_schedule_is_sound(seed: int, rules: list[Rule]) -> None:
    """In order, each begin has its heal, no name is on twice, and a rest follows."""
    schedule = draw(rules, seed=seed, seconds=40.0, dice=random.Random)
    on: set[str] = set()
    kinds: set[str] = set()
    before = 0.0
    overlapping = {
        fault.name for rule in rules if rule.may_overlap for fault in rule.faults
    }
    for step in schedule.steps:
        assert before <= step.at <= 30.0
        before = step.at
        if step.do is Do.BEGIN:
            assert step.fault.name not in on
            assert step.fault.kind not in kinds or step.fault.name in overlapping
            on.add(step.fault.name)
            kinds.add(step.fault.kind)
        else:
            on.remove(step.fault.name)
            kinds.discard(step.fault.kind)
    assert not on
