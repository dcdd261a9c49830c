"""The faults of a run: a user's rules are judged, and the mix suits its time."""

import shlex
from collections import Counter

import pytest

from wavetank.chaos.rules import MOST_RULES
from wavetank.evidence import Do, Schedule
from wavetank.lab.fault_kinds import FAULTS
from wavetank.lab.fault_rules import (
    Place,
    again,
    judge_rules,
    mild_mix,
    schedule_of,
    without_effect,
)
from wavetank.lab.plan import Plan, Source
from wavetank.lab.selection import PLAYS_FAULTS

FLAG = Place("--faults")


def judged(
    text: str,
    place: Place = FLAG,
    *,
    seconds: float = 10.0,
    target: Source = Source.SERVE,
) -> tuple[str, list[str]]:
    """Return the rules, and what is wrong with them."""
    problems: list[str] = []
    rules = judge_rules(
        text,
        place,
        seed=1,
        seconds=seconds,
        target=target,
        problems=problems,
    )
    return rules, problems


def begun(schedule: Schedule) -> Counter[str]:
    """Return how often each kind begins."""
    steps = (step for step in schedule.steps if step.do is Do.BEGIN)
    return Counter(step.fault.kind for step in steps)


def test_rules_come_without_comments_and_on_one_line() -> None:
    """So they are in the plan, in the report and in the command that repeats them."""
    text = (
        "# bad weather\nkill every 3s for 1s ; # restarts\n\n cut stagger 1s for 0s\n"
    )
    assert judged(text) == ("kill every 3s for 1s; cut stagger 1s for 0s", [])


@pytest.mark.parametrize(
    ("typed", "what"),
    [
        ("kil every 3s", "there is no fault 'kil'; did you mean kill?"),
        ("latency(latncy=3) at 1s", "latency has no attribute 'latncy'"),
        ("latency(latency=abc) at 1s", "toxic latency, latency: 'abc' is not a number"),
        ("latency(stream=sideways) at 1s", "toxic latency, stream: "),
        ("cut(how=politely) at 1s", "with how=rst or how=fin, not with 'politely'"),
        ("no_descriptors(spare=-1) at 1s", "a whole number of them to spare"),
        ("no_descriptors(spare=99999999999) at 1s", "up to 65,536, not 99999999999"),
        ("rolling_restart(how=x) at 1s", "with how=term or how=hup, not with 'x'"),
        ("drop at 1s", "drop falsifies what the target has said"),
        ("kill every 30s", "make its distance shorter, or the schedule longer (--test"),
        ("cut somewhen", "'somewhen' is not understood"),
    ],
)
def test_a_mistake_is_told_with_its_rule(typed: str, what: str) -> None:
    """Which one, as it was typed, and what to do about it."""
    _, (problem,) = judged(f"cut at 1s; {typed}")
    assert problem.startswith(f"--faults rule 2: {typed[:4]!r}"[:-1])
    assert what in problem


def test_all_mistakes_are_told_at_once_with_the_lines_of_a_file() -> None:
    """Of a file its name and the line; one line may have several rules."""
    text = "# one\n\nkil at 1s; cut at 1s; cot at 1s\ncut(how=no) at 2s\n"
    _, problems = judged(text, Place("storm.txt", "line"))
    assert [problem.partition(":")[0] for problem in problems] == [
        "storm.txt line 3",
        "storm.txt line 3",
        "storm.txt line 4",
    ]


def test_what_needs_the_process_is_refused_where_the_lab_has_none() -> None:
    """At once, and not in the middle; what breaks links is fine."""
    text = "kill every 2s for 0s; cut at 1s; suspend or partition at 1s"
    assert judged(text) == (text, [])
    _, problems = judged(text, target=Source.URL)
    assert [problem[:24] for problem in problems] == [
        "--faults rule 1: 'kill e",
        "--faults rule 3: 'suspen",
    ]
    assert "give --serve in place of --target" in problems[0]


def test_workers_are_not_ended_where_there_are_none_for_sure() -> None:
    """The hub is one process; what a command starts shows only when it runs."""
    text = "rolling_restart(how=hup) at 1s"
    assert judged(text) == (text, [])
    _, (problem,) = judged(text, target=Source.EMBEDDED)
    assert "the embedded hub has none; give --serve" in problem


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (" # nothing\n", "there is no fault in it"),
        ("cut at 1s;" * (MOST_RULES + 1), f"the most is {MOST_RULES}"),
    ],
)
def test_none_or_too_many_rules_are_one_mistake(text: str, what: str) -> None:
    """It is not said of each."""
    rules, (problem,) = judged(text)
    assert rules == ""
    assert problem.startswith("--faults: ")
    assert what in problem


def test_rules_may_be_too_many_faults_together() -> None:
    """Each of them alone would do."""
    each = "cut every 10ms for 0s until 7s"
    assert judged(each, seconds=15.0)[1] == []
    kinds = ("cut", "stall", "slicer", "merge")
    text = "; ".join(each.replace("cut", kind) for kind in kinds)
    _, (problem,) = judged(text, seconds=15.0)
    assert problem.startswith("--faults: there would be more than")


@pytest.mark.parametrize("seconds", [0.1, 5.0, 60.0, 600.0, 3600.0])
def test_the_mix_suits_the_time_that_there_is(seconds: float) -> None:
    """An hour has more than five seconds, and not so many that nobody recovers."""
    rules = mild_mix(seconds, has_process=True)
    schedule = schedule_of(rules, seed=7, seconds=max(seconds, 5.0))
    assert schedule == schedule_of(schedule.text, seed=7, seconds=schedule.seconds)
    kinds = begun(schedule)
    assert kinds.keys() >= {"cut", "latency", "bandwidth", "suspend", "kill"}
    assert kinds["kill"] < kinds["suspend"] < kinds["cut"] < 1000
    if seconds > 10:
        assert {"half_open", "partition"} <= kinds.keys()
    assert judged(rules, seconds=schedule.seconds) == (rules, [])


@pytest.mark.parametrize("seed", range(20))
def test_the_mix_cuts_after_a_kill_and_while_the_target_stands_still(seed: int) -> None:
    """Whatever the seed: it is for what breaks by two faults together."""
    schedule = schedule_of(mild_mix(5.0, has_process=True), seed=seed, seconds=5.0)
    at = {
        (kind, do): [
            one.at for one in schedule.steps if one.fault.kind == kind and one.do is do
        ]
        for kind in ("cut", "kill", "suspend")
        for do in Do
    }
    cuts = at["cut", Do.BEGIN]
    assert sum(cut > at["kill", Do.HEAL][0] for cut in cuts) >= 3
    frozen = zip(at["suspend", Do.BEGIN], at["suspend", Do.HEAL], strict=True)
    assert any(begin < cut < heal + 1 for begin, heal in frozen for cut in cuts)


def test_a_mix_without_the_process_leaves_it_alone() -> None:
    """As it has to be for a target that runs elsewhere."""
    rules = mild_mix(5.0, has_process=False)
    assert judged(rules, seconds=5.0, target=Source.URL)[1] == []
    assert (
        not {"kill", "suspend"} & begun(schedule_of(rules, seed=1, seconds=5.0)).keys()
    )


def test_another_seed_plays_other_faults() -> None:
    """And the same one the same."""
    rules = mild_mix(5.0, has_process=True)
    one, same, other = (schedule_of(rules, seed=n, seconds=5.0) for n in (1, 1, 2))
    assert one == same
    assert one.steps != other.steps


def test_a_rule_that_has_broken_nothing_is_told() -> None:
    """One never began, one hit nothing, one hit once."""
    rules = "cut every 1s for 0s; partition at 2s for 1s; partition or stall at 2s"
    schedule = schedule_of(rules, seed=1, seconds=20.0)
    played = {"cut": ["cut", "cut-2"], "partition": ["partition", "partition-2"]}
    missed = {"cut", "partition", "partition-2"}
    vain, never = without_effect(schedule, played, lambda name: name not in missed)
    assert vain.startswith("'partition at 2s for 1s': 2 of its faults began, and none")
    assert never.startswith("'partition or stall at 2s for 5s': none of its faults")


def test_the_command_that_repeats_a_schedule_plays_the_same() -> None:
    """Target and dialect are in it where they were given, nothing else."""
    text = (
        "latency(latency=5) then cut(how=rst) every 1.5s for 0s..1s; cut at 2s for 0s"
    )
    given_again = {"serve": ("python app.py {port}",), "faults": ("kill at 1s",)}
    plan = Plan(suites=("fault_tolerance",), seed=5, keyword="a", typed=given_again)
    schedule = schedule_of(text, seed=3, seconds=20.0)
    words = shlex.split(again(plan, schedule))
    assert words[:3] == ["wavetank", "run", PLAYS_FAULTS]
    given = dict(zip(words[3::2], words[4::2], strict=True))
    assert given.keys() == {"--seed", "--test-duration", "--faults", "--serve"}
    assert given["--test-duration"] == "20s"
    seed, rules = int(given["--seed"]), given["--faults"]
    assert schedule_of(rules, seed=seed, seconds=20.0) == schedule
    assert judged(rules, seconds=20.0) == (rules, [])


def test_every_kind_without_attributes_is_judged_by_somebody() -> None:
    """What the table of faults names never ends in a crash."""
    for kind in FAULTS:
        rules, problems = judged(f"{kind} at 1s for 1s")
        assert rules
        assert all(problem.startswith("--faults rule 1: ") for problem in problems)
