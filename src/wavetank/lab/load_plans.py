"""The loads that the suites put on a target, as plans.

They refuse to know how a load is carried out, and what comes of it.
"""

from collections.abc import Collection

import msgspec

from wavetank.dialects import Capability, Dialect, Limits
from wavetank.lab.plan import Plan
from wavetank.load.plan import LoadPlan, Payload, Scenario, ScenarioKind, Stage
from wavetank.load.thresholds import parse_threshold

__all__ = [
    "DEADLINE",
    "QUICK",
    "churn",
    "flow",
    "idle",
    "in_time",
    "seconds_of",
    "way_of",
]

DEADLINE = 3700.0
"""Seconds of a check that puts a load on a target: an hour of it, and some."""
QUICK = 0.1
"""Seconds that 99 of 100 messages may take, what the network takes apart."""

_RECEIVERS = 2
"""Of each publication, where there are connections enough."""
_TOPIC = "wavetank.load"
_DRAIN = 3.0
_CONNECT_WITHIN = 10.0


def way_of(capabilities: Collection[Capability]) -> ScenarioKind:
    """Return what virtual users can do with a target that can do so much.

    An answer on the same connection says most; publications need two; and a pong is
    what every server owes, whatever it speaks (RFC 6455 5.5.3).
    """
    if {Capability.ECHO, Capability.ANSWER} & set(capabilities):
        return ScenarioKind.REQUEST
    if {Capability.PUBLISH, Capability.SUBSCRIBE} <= set(capabilities):
        return ScenarioKind.PUBLISH
    return ScenarioKind.PING


def seconds_of(plan: Plan, short: float) -> float:
    """Return how long a load flows: shortly, unless the user wants it longer.

    Args:
        plan: Of the run.
        short: Seconds that are enough to see something.
    """
    is_asked_for = plan.full or "test-duration" in plan.options
    return plan.test_duration if is_asked_for else short


def in_time(distance: float) -> str:
    """Return the threshold for latency; what the network takes is not the target's.

    Args:
        distance: Seconds to the target and back.
    """
    return f"p99 < {(QUICK + distance) * 1000:.1f}ms"


def flow(
    plan: Plan,
    dialect: Dialect,
    *stages: Stage,
    name: str,
    connections: int = 12,
    size: int = 128,
    thresholds: Collection[str] = (),
    beside: tuple[Scenario, ...] = (),
) -> LoadPlan:
    """Return a load of messages, of the kind that the target knows.

    Args:
        plan: Of the run; it bounds the connections.
        dialect: How the target speaks.
        stages: Messages/s that come back, or reach a receiver, over time.
        name: Of the scenario.
        connections: How many carry them.
        size: Bytes of a payload, where the target takes so many.
        thresholds: What has to hold.
        beside: Scenarios that go on at the same time.
    """
    way = way_of(dialect.capabilities)
    connections = min(connections, plan.max_clients)
    if way is ScenarioKind.PUBLISH and connections > 1:
        scenario = _publications(stages, name=name, connections=connections)
    else:
        kind = ScenarioKind.PING if way is ScenarioKind.PUBLISH else way
        scenario = Scenario(name=name, kind=kind, users=connections, stages=stages)
    scenario = msgspec.structs.replace(
        scenario, topic=_TOPIC, payload=Payload(size=_fitting(size, dialect.limits))
    )
    return _plan(plan, scenario, *beside, thresholds=thresholds)


def _publications(
    stages: tuple[Stage, ...], *, name: str, connections: int
) -> Scenario:
    """Return a scenario in which every topic has as many receivers as any other.

    So the rate of arrivals is that of publications, times the receivers of one.
    """
    receivers = min(_RECEIVERS, connections - 1)
    topics = connections // (receivers + 1)
    return Scenario(
        name=name,
        kind=ScenarioKind.PUBLISH,
        users=topics * receivers,
        publishers=topics,
        topics=topics,
        stages=tuple(
            msgspec.structs.replace(
                stage, level=stage.level / receivers, peak=stage.peak / receivers
            )
            for stage in stages
        ),
    )


def churn(
    plan: Plan,
    stage: Stage,
    *,
    name: str,
    thresholds: Collection[str] = (),
) -> LoadPlan:
    """Return a load of connections that are opened, and closed again at once.

    Args:
        plan: Of the run; it bounds the connections that are open.
        stage: Connections/s over time.
        name: Of the scenario.
        thresholds: What has to hold.
    """
    scenario = Scenario(
        name=name, kind=ScenarioKind.CHURN, users=plan.max_clients, stages=(stage,)
    )
    return _plan(plan, scenario, thresholds=thresholds)


def idle(name: str, users: int, seconds: float) -> Scenario:
    """Return connections that hardly do anything but be there.

    One ping a second goes round among them.

    Args:
        name: Of the scenario.
        users: How many.
        seconds: How long.
    """
    return Scenario(
        name=name,
        kind=ScenarioKind.PING,
        users=users,
        stages=(Stage(seconds=seconds, level=1.0),),
    )


def _plan(plan: Plan, *scenarios: Scenario, thresholds: Collection[str]) -> LoadPlan:
    return LoadPlan(
        scenarios=scenarios,
        thresholds=tuple(parse_threshold(text) for text in thresholds),
        # One is enough for loads this small, and a second one would take longer to
        # start than they take.
        workers=1,
        seed=plan.seed,
        drain=_DRAIN,
        connect_within=_CONNECT_WITHIN,
    )


def _fitting(size: int, limits: Limits) -> int:
    """Return the bytes of a payload that a target takes, whatever is around it."""
    most = limits.payload
    if most is None and limits.message is not None:
        most = limits.message // 2
    return size if most is None else min(size, most)
