"""What a load needs before it starts: connections, descriptors, rate, time, memory.

It refuses to know how a machine is asked for what it has.
"""

import math
from collections.abc import Collection, Iterator

import msgspec

from wavetank.dialects import Capability
from wavetank.load.pacers import pacer_of
from wavetank.load.payloads import Texts
from wavetank.load.plan import Arrivals, LoadPlan, Scenario, ScenarioKind, Shape, Stage

__all__ = [
    "Limits",
    "Needs",
    "cautions",
    "missing",
    "most_users",
    "needs_of",
    "problems",
    "worker_count",
]

_SPARE_DESCRIPTORS = 32
"""Of a worker, or a target: its standard streams, epoll, libraries, files."""
_WORKER_BYTES = 48 * 1024 * 1024
"""Python, this package, and a histogram for each operation."""
_CONNECTION_BYTES = 12 * 1024
"""Our objects and half-read frames; the kernel's buffers grow beside them."""
_MESSAGE_BYTES = 120
"""Of a message that is under way: when it was due, and when it was sent."""
_UNANSWERED = 1.0
"""Seconds of messages that are taken to be under way at once."""
_RATE_OF_A_CORE = 250_000
"""Messages/s, each verified, that a worker sends and receives at best; measured."""
_MOST_USERS = 1_000_000
_FOR_DELIVERY = frozenset({Capability.PUBLISH, Capability.SUBSCRIBE})
_LINGER = 60.0
"""Seconds that Linux keeps a closed connection's port (TIME_WAIT)."""


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What a load needs.

    Attributes:
        workers: Processes.
        connections: That are open at once.
        descriptors: Of the worker that needs most.
        all_descriptors: Of all workers.
        arrivals: Messages, connections, storms: everything that the schedule has.
        peak_rate: Messages/s that are sent at most; 0 where nobody knows.
        peak_deliveries: Messages/s that are received at most.
        least_users: Of the scenario that has fewest at some time.
        peak_connects: Connections/s that are opened by the schedule, at most.
        bytes_sent: Bytes/s at most.
        bytes_received: Bytes/s at most.
        seconds: How long it takes, connecting and the drain apart.
        memory: Bytes of all workers, roughly.
    """

    workers: int
    connections: int
    descriptors: int
    all_descriptors: int
    arrivals: int
    peak_rate: float
    peak_deliveries: float
    peak_connects: float
    least_users: int
    bytes_sent: float
    bytes_received: float
    seconds: float
    memory: int


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What this machine gives; None where it is not known.

    Attributes:
        cores: Processors that this process may use.
        soft: Descriptors that a process may have.
        hard: Descriptors up to which it can raise that itself.
        ports: Connections from one address to one port of the target.
        memory: Bytes that are free.
        serves: Whether the target is started from here, with the same limits.
    """

    cores: int
    soft: int | None = None
    hard: int | None = None
    ports: int | None = None
    memory: int | None = None
    serves: bool = False


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """What one scenario needs."""

    connections: int
    arrivals: int
    sent: float
    received: float
    connects: float
    bytes_of_one: int


def worker_count(plan: LoadPlan, most: int) -> int:
    """Return how many workers a plan is shared among.

    A worker without a user would do nothing, whoever else publishes.

    Args:
        plan: What is to be done.
        most: Where the plan does not say, such as one per core.
    """
    users = max(scenario.users for scenario in plan.scenarios)
    return max(1, min(plan.workers or most, users))


def needs_of(plan: LoadPlan, *, cores: int) -> Needs:
    """Return what a plan needs.

    Rates of several scenarios are added as if all had their peaks together.

    Args:
        plan: The plan.
        cores: Processors: workers where the plan leaves that open.
    """
    parts = [_part(scenario) for scenario in plan.scenarios]
    connections = sum(part.connections for part in parts)
    workers = worker_count(plan, cores)
    sent = sum(part.sent for part in parts)
    # Each share of each scenario may be one larger than an equal part.
    largest = sum(math.ceil(part.connections / workers) for part in parts)
    under_way = max(sent, sum(part.received for part in parts)) * _UNANSWERED
    memory = workers * _WORKER_BYTES + connections * _CONNECTION_BYTES
    return Needs(
        workers=workers,
        connections=connections,
        descriptors=largest + _SPARE_DESCRIPTORS,
        all_descriptors=connections + workers * _SPARE_DESCRIPTORS,
        arrivals=sum(part.arrivals for part in parts),
        peak_rate=sent,
        peak_deliveries=sum(part.received for part in parts),
        peak_connects=sum(part.connects for part in parts),
        least_users=min(map(_least_users, plan.scenarios)),
        bytes_sent=sum(part.sent * part.bytes_of_one for part in parts),
        bytes_received=sum(part.received * part.bytes_of_one for part in parts),
        seconds=plan.seconds,
        memory=memory + round(under_way * _MESSAGE_BYTES),
    )


def _part(scenario: Scenario) -> _Part:
    kind = scenario.kind
    publishers = scenario.publishers if kind is ScenarioKind.PUBLISH else 0
    peak = max((max(one.level, one.peak) for one in scenario.stages), default=0.0)
    is_open = scenario.arrivals is not Arrivals.CLOSED
    connects = {ScenarioKind.CHURN: peak, ScenarioKind.STORM: peak * scenario.users}
    sent = peak if is_open and kind not in connects else 0.0
    fan_out = (
        # Users and publications are spread over the topics alike.
        scenario.users / scenario.topics if kind is ScenarioKind.PUBLISH else 1.0
    )
    return _Part(
        connections=scenario.users + publishers,
        arrivals=pacer_of(scenario.stages).total,
        sent=sent,
        received=sent * fan_out,
        connects=connects.get(kind, 0.0),
        bytes_of_one=_bytes_of_one(scenario),
    )


def _least_users(scenario: Scenario) -> int:
    ends = [end for one in scenario.population for end in (one.level, _end(one))]
    return round(min(ends, default=scenario.users))


def _end(stage: Stage) -> float:
    return stage.level if stage.shape is Shape.CONSTANT else stage.peak


def _bytes_of_one(scenario: Scenario) -> int:
    """Return the bytes of a frame (RFC 6455 5.2), the mask's four included."""
    payload = scenario.payload
    longest = max(map(len, payload.lines), default=0) or len(payload.template)
    size = max(longest, 0 if payload.lines else payload.size)
    return size + (6 if size < 126 else 8 if size < 65_536 else 14)


def problems(needs: Needs, limits: Limits) -> list[str]:
    """Return why a load cannot start on this machine, a sentence each."""
    found = []
    soft = limits.soft
    if soft is not None and needs.descriptors > soft:
        found.append(_too_few_descriptors("a worker", needs.descriptors, limits))
    of_target = needs.connections + _SPARE_DESCRIPTORS
    if soft is not None and limits.serves and of_target > soft >= needs.descriptors:
        found.append(
            _too_few_descriptors("the target, started from here,", of_target, limits)
        )
    if limits.ports is not None and needs.connections > limits.ports:
        found.append(
            f"{needs.connections:,} connections: one address of this machine has ports "
            f"for {limits.ports:,} of them; widen net.ipv4.ip_local_port_range, or "
            "give fewer users"
        )
    return found


def _too_few_descriptors(who: str, needed: int, limits: Limits) -> str:
    soft, hard = limits.soft, limits.hard
    advice = f"set it with `ulimit -n {needed}`"
    if hard is not None and needed > hard:
        advice += f" as root, for the hard limit is {hard:,}"
    return (
        f"descriptor limit too low: {who} needs {needed:,} file descriptors and may "
        f"have {soft:,}; {advice}, or give fewer users"
    )


def most_users(limits: Limits) -> int:
    """Return how many users one worker, and a target that we start, can have."""
    bounds = [_MOST_USERS]
    if limits.soft is not None:
        bounds.append(max(limits.soft - _SPARE_DESCRIPTORS, 1))
    if limits.ports is not None:
        bounds.append(limits.ports)
    return min(bounds)


def cautions(needs: Needs, limits: Limits) -> list[str]:
    """Return what may make the load's own figures doubtful, a sentence each."""
    found = []
    if needs.workers > limits.cores:
        found.append(
            f"{needs.workers} workers share {limits.cores} cores: they wait for each "
            "other, and that looks like a slow target"
        )
    if needs.workers > needs.least_users:
        found.append(
            f"at times there are fewer users ({needs.least_users}) than workers "
            f"({needs.workers}), and what is due in a worker without any is dropped; "
            "give --workers 1"
        )
    busiest = max(needs.peak_rate, needs.peak_deliveries)
    ceiling = _RATE_OF_A_CORE * min(needs.workers, limits.cores)
    if busiest > ceiling:
        found.append(
            f"{busiest:,.0f} messages/s are more than {needs.workers} workers are "
            f"likely to manage ({ceiling:,}); --headroom measures it"
        )
    lingering = needs.peak_connects * min(needs.seconds, _LINGER)
    if limits.ports is not None and needs.connections + lingering > limits.ports:
        found.append(
            f"{needs.peak_connects:,.0f} connects/s may run out of this machine's "
            f"{limits.ports:,} ports, for a closed connection holds its port for "
            "a minute"
        )
    if limits.memory is not None and needs.memory > limits.memory:
        found.append(
            f"about {needs.memory // 2**20:,} MiB of memory are needed, and "
            f"{limits.memory // 2**20:,} MiB are free"
        )
    return found


def missing(
    plan: LoadPlan, have: Collection[Capability], dialect: str
) -> Iterator[str]:
    """Yield what a plan asks of a target that cannot do it, a sentence each.

    Args:
        plan: The plan.
        have: What the target can do.
        dialect: Name of how it speaks.
    """
    answers = {Capability.ECHO, Capability.ANSWER} & set(have)
    for scenario in plan.scenarios:
        name, kind = scenario.name, scenario.kind
        if kind is ScenarioKind.REQUEST and not answers:
            yield (
                f"scenario {name}: a target that speaks {dialect} answers no request; "
                "give --dialect echo if it echoes, or another --scenario"
            )
        elif kind is ScenarioKind.PUBLISH and not (
            set(have) >= _FOR_DELIVERY or _is_broadcast(scenario, have)
        ):
            yield (
                f"scenario {name}: a target that speaks {dialect} takes no "
                "publications or no subscriptions; describe it in a table "
                "[dialect.NAME], or give another --scenario; for a server that hands "
                "what comes in at one path to all at another, give --publish-path"
            )
        elif _is_json(scenario, have) and not Texts(scenario.payload).is_json():
            yield (
                f"scenario {name}: its messages are not JSON, as {dialect} needs them"
            )


def _is_json(scenario: Scenario, have: Collection[Capability]) -> bool:
    """Tell whether messages have to be JSON; an echo alone takes any text."""
    if scenario.kind is ScenarioKind.REQUEST:
        return Capability.ECHO not in have
    is_publish = scenario.kind is ScenarioKind.PUBLISH
    return is_publish and not _is_broadcast(scenario, have)


def _is_broadcast(scenario: Scenario, have: Collection[Capability]) -> bool:
    """Tell whether publications are bare texts, which all on another path get."""
    return bool(scenario.publish_path) and Capability.SUBSCRIBE not in have
