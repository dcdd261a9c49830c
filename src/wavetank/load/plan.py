"""The plan of a load as a value: who does what, how often, for how long.

It refuses to know where it was typed (`reading`), and who carries it out.
"""

import enum

import msgspec

from wavetank.load.thresholds import Threshold

__all__ = [
    "Arrivals",
    "LoadPlan",
    "Payload",
    "Scenario",
    "ScenarioKind",
    "Shape",
    "Stage",
]


class ScenarioKind(enum.StrEnum):
    """What the virtual users of a scenario do."""

    REQUEST = "request"
    """Each message is answered on the same connection: an echo, or call and answer."""
    PUBLISH = "publish"
    """Publishers publish; every user is subscribed and accounts for every message."""
    LISTEN = "listen"
    """Users subscribe, and count what comes: a feed that one cannot publish to."""
    CHURN = "churn"
    """Connections are opened at the arrival rate, and closed again."""
    SLOW = "slow"
    """Users subscribe and read slowly, or never."""
    STORM = "storm"
    """All users lose their connection at once, and come back, again and again."""
    PING = "ping"
    """Pings, answered with pongs."""


class Shape(enum.StrEnum):
    """How the level of a stage changes over its time."""

    CONSTANT = "constant"
    RAMP = "ramp"
    STEPS = "steps"
    BURST = "burst"
    SPIKE = "spike"
    SINE = "sine"
    FIBONACCI = "fibonacci"


class Arrivals(enum.StrEnum):
    """When arrivals come within the rate."""

    EVEN = "even"
    """At equal distances."""
    POISSON = "poisson"
    """At random, as independent users do; the seed repeats them."""
    CLOSED = "closed"
    """When an answer has come: no schedule at all, and so no honest latency."""


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One part of a plan."""


class Stage(_Value, frozen=True, kw_only=True):
    """A stretch of time with one shape.

    Attributes:
        shape: How the level changes.
        seconds: How long.
        level: Arrivals/s (or users): all the time (constant), at the start (ramp,
            steps, fibonacci), between the peaks (burst, spike, sine).
        peak: The level at the end (ramp, steps, fibonacci) or at the top (burst,
            spike, sine); unused where constant.
        times: How many steps, bursts or periods; 0 leaves it to the shape.
    """

    seconds: float
    level: float
    shape: Shape = Shape.CONSTANT
    peak: float = 0.0
    times: int = 0


class Payload(_Value, frozen=True, kw_only=True):
    """What a message carries; one of the three is given.

    Attributes:
        size: Bytes of a payload that is made up.
        template: A text with ``{marker}`` where our mark goes, and maybe ``{n}``,
            ``{user}`` and ``{pad}`` (which fills up to ``size``).
        lines: The lines of a recorded file, sent in turn, each with ``{marker}``.
    """

    size: int = 128
    template: str = ""
    lines: tuple[str, ...] = ()


class Scenario(_Value, frozen=True, kw_only=True):
    """One population and what it does.

    Attributes:
        name: Unique in the plan.
        kind: What its users do.
        users: Virtual users, each a connection: at most, where there is a
            population.
        stages: The arrival rate over time, one stage after the other: messages/s
            (request, publish, ping), connections/s (churn), storms/s (storm). Empty
            for listen and slow.
        population: Users over time, as stages; empty for all from the start.
        arrivals: Even, Poisson, or closed.
        in_flight: Unanswered messages that a user may have. A message that is due
            beyond that is dropped, and counted; in a closed model it waits.
        publishers: Connections that publish (publish alone).
        topics: Topics over which users and publishers are spread.
        topic: Name in front of their numbers, or the one topic (listen).
        payload: What is sent.
        acknowledged: Whether publications ask for an answer, where there is one.
        read_rate: Bytes/s that a slow user reads; 0 is never.
        hold: Seconds that a connection of a churn stays open.
        after: Seconds from the start of the load to its own.
        path: Path of its connections; "" for the target's.
        publish_path: The same for publishers.
    """

    name: str
    kind: ScenarioKind
    users: int
    stages: tuple[Stage, ...] = ()
    population: tuple[Stage, ...] = ()
    arrivals: Arrivals = Arrivals.EVEN
    in_flight: int = 4096
    publishers: int = 1
    topics: int = 1
    topic: str = "load"
    payload: Payload = Payload()
    acknowledged: bool = True
    read_rate: float = 0.0
    hold: float = 0.0
    after: float = 0.0
    path: str = ""
    publish_path: str = ""

    @property
    def seconds(self) -> float:
        """How long it takes, from its own start."""
        times = (
            sum(stage.seconds for stage in stages)
            for stages in (self.stages, self.population)
        )
        return max(times)


class LoadPlan(_Value, frozen=True, kw_only=True):
    """A whole load.

    Attributes:
        scenarios: Side by side.
        thresholds: What has to hold in the end.
        duration: Seconds of listen and slow scenarios that have no stages.
        workers: Processes; 0 is one per core.
        seed: Of every die.
        warm_up: Seconds at the start that count for no latency.
        drain: Longest wait for what is still under way at the end, in seconds.
        connect_within: Longest wait until all connections are open, in seconds.
        opening: Opening handshakes under way at once, over all workers.
    """

    scenarios: tuple[Scenario, ...]
    thresholds: tuple[Threshold, ...] = ()
    duration: float = 10.0
    workers: int = 0
    seed: int = 0
    warm_up: float = 0.0
    drain: float = 5.0
    connect_within: float = 30.0
    opening: int = 64

    @property
    def seconds(self) -> float:
        """Length of the load from the agreed start, the drain apart."""
        return max(
            scenario.after + (scenario.seconds or self.duration)
            for scenario in self.scenarios
        )
