"""Faults over time can be typed in a line, and mistakes are told all at once."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavetank.chaos.rules import (
    MOST_RULES,
    Pace,
    Rule,
    read_rules,
    rule_text,
    rules_and_problems,
)
from wavetank.errors import UsageError
from wavetank.evidence.schedule import Fault

KINDS = {"kill": ("hard",), "stop": (), "latency": ("latency", "jitter")}


def fault(kind: str, name: str = "", **attributes: float | str | bool) -> Fault:
    """Return a fault that is named as its kind."""
    return Fault(name=name or kind, kind=kind, attributes=attributes)


def rule(
    pace: Pace,
    distance: float,
    lasting: tuple[float, float],
    *faults: Fault,
    **more: float | bool | None,
) -> Rule:
    """Return a rule; of the kind ``kill``, unless told otherwise."""
    return Rule(
        faults=faults or (fault("kill"),),
        pace=pace,
        distance=distance,
        lasting=lasting,
        **more,  # type: ignore[arg-type]
    )


ROWS: Mapping[str, Rule] = {
    "kill every 30s for 2s": rule(Pace.EVERY, 30.0, (2.0, 2.0)),
    "kill stagger 10s": rule(Pace.STAGGER, 10.0, (5.0, 5.0)),
    # Half of the distance, where 5 s are longer than that.
    "kill every 2 min": rule(Pace.EVERY, 120.0, (5.0, 5.0)),
    "kill every 500ms": rule(Pace.EVERY, 0.5, (0.25, 0.25)),
    "kill at 5s for 0s": rule(Pace.EVERY, 5.0, (0.0, 0.0), times=1),
    # What is done once may be on for longer than it took to come.
    "kill at 1s": rule(Pace.EVERY, 1.0, (5.0, 5.0), times=1),
    "kill every 3 for 1s x4": rule(Pace.EVERY, 3.0, (1.0, 1.0), times=4),
    "kill  stagger 1m for 1s .. 5s from 10s until 1h overlapping": rule(
        Pace.STAGGER, 60.0, (1.0, 5.0), since=10.0, until=3600.0, may_overlap=True
    ),
    "kill or stop every 3s for 1s": rule(
        Pace.EVERY, 3.0, (1.0, 1.0), fault("kill"), fault("stop")
    ),
    "kill then stop then kill every 3s for 1s": rule(
        Pace.EVERY,
        3.0,
        (1.0, 1.0),
        *(fault("kill"), fault("stop"), fault("kill", "kill-2")),
        in_turn=True,
    ),
    "latency( latency=200, jitter = 2.5) at 1s for 1s": rule(
        Pace.EVERY, 1.0, (1.0, 1.0), fault("latency", latency=200, jitter=2.5), times=1
    ),
    "kill(hard=True) at 1s for 1s": rule(
        Pace.EVERY, 1.0, (1.0, 1.0), fault("kill", hard=True), times=1
    ),
    "kill(hard=very much) at 1s for 1s": rule(
        Pace.EVERY, 1.0, (1.0, 1.0), fault("kill", hard="very much"), times=1
    ),
}


@pytest.mark.parametrize("typed", ROWS)
def test_rule_is_read_as_it_is_meant(typed: str) -> None:
    """Faults, when, for how long, and how often."""
    assert read_rules(typed, kinds=KINDS) == (ROWS[typed],)


@pytest.mark.parametrize("typed", ROWS)
def test_rule_that_is_written_reads_as_the_same(typed: str) -> None:
    """What stands in a report can be typed again."""
    told = "; ".join([rule_text(ROWS[typed])])
    (again,) = read_rules(told, kinds=KINDS)
    assert rule_text(again) == told
    assert (again.distance, again.lasting) == (
        ROWS[typed].distance,
        ROWS[typed].lasting,
    )


def test_rules_are_parted_by_semicolons_and_line_breaks() -> None:
    """A kind that comes again has a number, so that each fault has its own name."""
    rules = read_rules("kill every 3s;; kill at 5s\nstop at 1s;")
    assert [one.faults[0].name for one in rules] == ["kill", "kill-2", "stop"]


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("kil every 3s", "'kil every 3s': there is no fault 'kil'; did you mean kill?"),
        ("zz at 1s", "'zz at 1s': there is no fault 'zz'; there are kill, stop, laten"),
        ("kill evry 3s", "'evry 3s' is not understood; did you mean every?"),
        ("kill every 3s qq", "'qq' is not understood"),
        ("kill at nan", "understood; behind 'at' comes a time such as 1.5s or 2m"),
        ("kill", "it says no time; say one of 'every 30s', 'stagger 10s' and 'at 10s'"),
        ("kill every 3s at 1s", "it says 'every' and 'at'; say one of"),
        ("kill every 3s every 1s", "'every' is there twice"),
        ("every 3s", "a kind of fault is missing before 'every'"),
        ("kill or every 3s", "a kind of fault is missing before 'every'"),
        ("(x=1) at 3s", "no kind of fault at '(x=1) at 3s'"),
        ("kill or stop then kill at 3s", "'or' and 'then' do not go together"),
        ("kill(hard) at 3s", "'hard' is not an attribute such as latency=200"),
        ("kill(hard=1,hard=2) at 3s", "attribute 'hard' of kill is there twice"),
        ("kill(hart=1) at 3s", "kill has no attribute 'hart'; did you mean hard?"),
        ("kill(x=1) at 3s", "kill has no attribute 'x'; it takes hard"),
        ("stop(x=1) at 3s", "stop has no attribute 'x'; it takes none"),
        ("kill every 3s..5s", "'every' takes one time, not '5s' too"),
        ("kill every 1.2.3s", "'1.2.3s' is not a duration such as 10"),
        ("kill every 1ms", "its distance is not from 10 ms to 7 days"),
        ("kill every 200h", "its distance is not from 10 ms to 7 days"),
        ("kill at 1s for 200h", "a time in it is longer than 7 days"),
        ("kill every 9s for 5s..2s", "the shorter time comes first"),
        ("kill every 2s for 3s", "it would begin again before it is healed"),
        ("kill every 2s until 3s from 3s", "it ends before it begins"),
        ("kill every 2s x0", "it may come once to 1000 times"),
        ("kill at 2s x2", "'at' is once; leave x2 out"),
        ("", "there is no fault in it; say, for example, 'kill every 30s for 2s'"),
        (";".join(["kill at 1s"] * (MOST_RULES + 1)), "101 rules; the most is 100"),
        ("x" * 100 + " every 1s", f"'{'x' * 57}...': there is no fault"),
    ],
)
def test_mistake_is_told_with_what_to_do(typed: str, problem: str) -> None:
    """What, where, and the nearest name."""
    rules, problems = rules_and_problems(typed, kinds=KINDS)
    assert len(problems) == 1, problems
    assert problem in problems[0]
    assert len(rules) < 1 or "101" in problem


def test_all_mistakes_are_told_at_once() -> None:
    """Nobody mends one, and is told the next; rules that are right stay right."""
    typed = "kil every 3s for 5s; stop at 1s; latency(x=1) at 5s x2"
    with pytest.raises(UsageError) as told:
        read_rules(typed, kinds=KINDS)
    assert len(told.value.problems) == 4
    rules, problems = rules_and_problems(typed, kinds=KINDS)
    assert (len(rules), len(problems)) == (1, 4)


TIMES = st.integers(10, 10**7).map(lambda milliseconds: milliseconds / 1000)


@settings(deadline=None, database=None)
@given(
    st.builds(
        Rule,
        faults=st.tuples(st.sampled_from([fault("kill", hard=0.25), fault("stop")])),
        pace=st.just(Pace.STAGGER),
        distance=TIMES,
        lasting=st.tuples(TIMES, TIMES).map(lambda times: tuple(sorted(times))),
        since=TIMES | st.just(0.0),
        until=st.none() | TIMES.map(lambda time: time + 10**5),
        times=st.none() | st.integers(1, 1000),
        may_overlap=st.booleans(),
    )
)
def test_any_rule_that_is_written_reads_as_the_same(made: Rule) -> None:
    """To the millisecond, whatever its times are."""
    assert read_rules(rule_text(made), kinds=KINDS) == (made,)


@settings(deadline=None, database=None)
@given(st.text() | st.text(alphabet="kilstop every103for.x(=,);\n"))
def test_whatever_is_typed_ends_in_rules_or_in_sentences(typed: str) -> None:
    """No text makes the reader fall."""
    rules, problems = rules_and_problems(typed)
    assert rules or problems
    assert all(one.distance > 0 for one in rules)
