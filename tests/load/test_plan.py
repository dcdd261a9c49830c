"""Plans as values: what follows from their parts."""

import msgspec
import pytest

from wavetank.load.plan import (
    LoadPlan,
    Scenario,
    ScenarioKind,
    Shape,
    Stage,
)


def scenario(**parts: object) -> Scenario:
    """Return a scenario of which nothing else is said."""
    given = {"name": "one", "kind": ScenarioKind.REQUEST, "users": 1, **parts}
    return msgspec.convert(given, Scenario)


def test_a_scenario_lasts_as_long_as_its_stages_or_its_population() -> None:
    """Whichever is longer."""
    stages = (Stage(seconds=2, level=1), Stage(seconds=3, level=1, shape=Shape.RAMP))
    assert scenario().seconds == 0
    assert scenario(stages=stages).seconds == 5
    assert scenario(stages=stages, population=(Stage(seconds=9, level=1),)).seconds == 9


def test_a_plan_lasts_until_its_last_scenario_ends() -> None:
    """One without stages lasts as long as the plan says, from its own start on."""
    short = scenario(stages=(Stage(seconds=2, level=1),))
    late = scenario(name="late", after=4.0)
    assert LoadPlan(scenarios=(short,)).seconds == 2
    assert LoadPlan(scenarios=(short, late), duration=3.0).seconds == 7


def test_a_plan_survives_the_way_to_another_process() -> None:
    """As JSON and back."""
    plan = LoadPlan(scenarios=(scenario(stages=(Stage(seconds=2, level=1),)),))
    assert msgspec.json.decode(msgspec.json.encode(plan), type=LoadPlan) == plan


def test_a_word_that_no_plan_has_is_refused() -> None:
    """A slip is no part of a plan."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"scenarios": [], "warmup": 1}, LoadPlan)
