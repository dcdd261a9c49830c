"""The loads of the suites, as plans."""

from collections.abc import Iterable

import pytest

from wavetank.dialects import SHIPPED, Bare, Capability, Echo, Hub, Limits
from wavetank.lab.load_plans import churn, flow, idle, in_time, seconds_of, way_of
from wavetank.lab.plan import Plan
from wavetank.load.plan import ScenarioKind, Shape, Stage

STAGE = Stage(seconds=2.0, level=100.0, peak=400.0, shape=Shape.RAMP)


def plan(max_clients: int = 100, **changes: object) -> Plan:
    """Return a run's plan."""
    return Plan(suites=(), seed=7, max_clients=max_clients, **changes)


@pytest.mark.parametrize(
    ("capabilities", "way"),
    [
        ([Capability.ECHO, Capability.PUBLISH], ScenarioKind.REQUEST),
        ([Capability.ANSWER], ScenarioKind.REQUEST),
        ([Capability.PUBLISH, Capability.SUBSCRIBE], ScenarioKind.PUBLISH),
        ([Capability.PUBLISH], ScenarioKind.PING),
        ([], ScenarioKind.PING),
    ],
)
def test_a_load_does_what_the_target_can(
    capabilities: Iterable[Capability], way: ScenarioKind
) -> None:
    """Answers are best, publications need two capabilities, pongs are owed by all."""
    assert way_of(list(capabilities)) is way


def test_what_the_network_takes_is_not_the_targets() -> None:
    """A hundred milliseconds are the target's, on whatever continent it is."""
    assert in_time(0.0) == "p99 < 100.0ms"
    assert in_time(0.1234) == "p99 < 223.4ms"


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({}, 0.5),
        ({"full": True}, 10.0),
        ({"test_duration": 3.0}, 0.5),
        ({"test_duration": 3.0, "options": {"test-duration": "3"}}, 3.0),
    ],
)
def test_a_load_is_short_unless_asked_for(
    changes: dict[str, object], seconds: float
) -> None:
    """Its length is the user's, where the user has said so."""
    assert seconds_of(plan(**changes), 0.5) == seconds


def test_a_flow_of_publications_arrives_at_the_rate_that_was_asked_for() -> None:
    """With two receivers each, half as many are published, on four topics."""
    load = flow(plan(), Hub(), STAGE, name="x", thresholds=["p99 < 1s"])
    (scenario,) = load.scenarios
    assert scenario.kind is ScenarioKind.PUBLISH
    assert (scenario.users, scenario.publishers, scenario.topics) == (8, 4, 4)
    assert (scenario.stages[0].level, scenario.stages[0].peak) == (50.0, 200.0)
    assert load.thresholds[0].figure == "p99"
    assert load.workers == 1
    assert load.seed == 7


@pytest.mark.parametrize("most", range(1, 8))
@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_flow_never_has_more_connections_than_the_run_may(
    most: int, name: str
) -> None:
    """Publishers count, too; one connection alone can ping."""
    dialect = SHIPPED[name]()
    (scenario,) = flow(plan(most), dialect, STAGE, name="x").scenarios
    publishers = scenario.publishers * (scenario.kind is ScenarioKind.PUBLISH)
    assert 1 <= scenario.users + publishers <= most


def test_a_flow_of_echoes_or_pings_has_the_stages_as_they_are() -> None:
    """Each of them is one arrival."""
    for dialect in (Echo(), Bare()):
        (scenario,) = flow(plan(), dialect, STAGE, name="x").scenarios
        assert scenario.stages == (STAGE,)
        assert scenario.users == 12


@pytest.mark.parametrize(
    ("limits", "size"),
    [
        (Limits(), 9000),
        (Limits(payload=4000), 4000),
        (Limits(message=10_000), 5000),
        (Limits(payload=20_000, message=10_000), 9000),
    ],
)
def test_a_payload_is_no_larger_than_the_target_takes(
    limits: Limits, size: int
) -> None:
    """What a dialect puts around it has room, too."""
    dialect = Echo()
    dialect.limits = limits
    (scenario,) = flow(plan(), dialect, STAGE, name="x", size=9000).scenarios
    assert scenario.payload.size == size


def test_connections_that_are_idle_go_beside_a_flow() -> None:
    """They share its time and its plan."""
    beside = (idle("idle", 90, 2.0),)
    load = flow(plan(), Echo(), STAGE, name="x", beside=beside)
    assert [one.users for one in load.scenarios] == [12, 90]
    assert load.seconds == 2.0


def test_a_churn_holds_no_more_connections_than_the_run_may() -> None:
    """Each of its users is one."""
    load = churn(plan(30), STAGE, name="x", thresholds=["failed == 0"])
    (scenario,) = load.scenarios
    assert scenario.kind is ScenarioKind.CHURN
    assert scenario.users == 30
    assert [one.text for one in load.thresholds] == ["failed == 0"]
