"""What a load needs, and whether this machine has it."""

import msgspec
import pytest

from wavetank.dialects import Bare, Capability, Echo, Hub
from wavetank.load.needs import (
    Limits,
    Needs,
    cautions,
    missing,
    most_users,
    needs_of,
    problems,
    worker_count,
)
from wavetank.load.plan import (
    Arrivals,
    LoadPlan,
    Payload,
    Scenario,
    ScenarioKind,
    Shape,
    Stage,
)

PLENTY = Limits(cores=4, soft=10**6, hard=10**6, ports=28_232, memory=2**40)


def scenario(kind: str, **rest: object) -> Scenario:
    """Return a scenario with 1000 arrivals a second for ten seconds."""
    stages = () if kind in {"listen", "slow"} else (Stage(seconds=10, level=1000),)
    return Scenario(
        **{"name": kind, "kind": ScenarioKind(kind), "users": 100, "stages": stages}
        | rest
    )


def needs(*scenarios: Scenario, cores: int = 4, **rest: object) -> Needs:
    """Return what scenarios side by side need."""
    return needs_of(LoadPlan(scenarios=scenarios, **rest), cores=cores)


def test_a_request_needs_what_it_sends_and_gets_back() -> None:
    """A message of 128 bytes is a frame of 136, for its length takes two more."""
    needed = needs(scenario("request"))
    assert (needed.workers, needed.connections, needed.arrivals) == (4, 100, 10_000)
    assert needed.peak_rate == needed.peak_deliveries == 1000.0
    assert needed.bytes_sent == needed.bytes_received == 136_000.0
    assert (needed.descriptors, needed.all_descriptors) == (25 + 32, 100 + 4 * 32)
    assert needed.seconds == 10.0
    assert 190 * 2**20 < needed.memory < 210 * 2**20


def test_publications_reach_every_subscriber_of_their_topic() -> None:
    """100 users on 5 topics: each publication is delivered 20 times."""
    needed = needs(scenario("publish", publishers=10, topics=5))
    assert needed.connections == 110
    assert needed.peak_deliveries == 20_000.0


@pytest.mark.parametrize(
    ("one", "connects", "sent"),
    [
        (scenario("churn"), 1000.0, 0.0),
        (scenario("storm"), 100_000.0, 0.0),
        (scenario("ping"), 0.0, 1000.0),
        (scenario("listen"), 0.0, 0.0),
        (scenario("request", arrivals=Arrivals.CLOSED), 0.0, 0.0),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_each_kind_has_a_rate_of_its_own(
    one: Scenario, connects: float, sent: float
) -> None:
    """Connects, messages, or nothing that anybody knows before."""
    needed = needs(one)
    assert (needed.peak_connects, needed.peak_rate) == (connects, sent)


@pytest.mark.parametrize(
    ("payload", "size"),
    [
        (Payload(size=100), 106),
        (Payload(size=70_000), 70_014),
        (Payload(template="x" * 500, size=128), 508),
        (Payload(template="{marker}{pad}", size=128), 136),
        (Payload(lines=("a", "b" * 50)), 56),
    ],
)
def test_the_largest_message_counts(payload: Payload, size: int) -> None:
    """With its head and mask."""
    assert needs(scenario("request", payload=payload)).bytes_sent == 1000.0 * size


def test_scenarios_add_up() -> None:
    """As if all had their peaks together, and shares were uneven in each."""
    needed = needs(
        scenario("request", name="a", users=5),
        scenario("request", name="b", users=5),
        workers=2,
    )
    assert needed.connections == 10
    assert needed.descriptors == 3 + 3 + 32
    assert needed.peak_rate == 2000.0


@pytest.mark.parametrize(
    ("asked_for", "users", "count"),
    [(0, 100, 8), (0, 3, 3), (3, 100, 3), (16, 100, 16), (16, 2, 2), (0, 0, 1)],
)
def test_workers_are_as_many_as_asked_for_or_cores_but_never_more_than_users(
    asked_for: int, users: int, count: int
) -> None:
    """A worker without a user would only take a core."""
    small = Scenario(name="small", kind=ScenarioKind.PING, users=0)
    large = Scenario(name="large", kind=ScenarioKind.PING, users=users)
    plan = LoadPlan(scenarios=(small, large), workers=asked_for)
    assert worker_count(plan, 8) == count


def test_there_are_never_more_workers_than_users() -> None:
    """One user is one worker's, however many cores there are."""
    assert needs(scenario("request", users=1), cores=64).workers == 1


def test_who_publishes_needs_no_worker_of_its_own() -> None:
    """One user and one publisher were said to be two workers, and doubtful."""
    assert needs(scenario("publish", users=1)).workers == 1


def test_a_machine_that_has_plenty_has_no_problem() -> None:
    """Nor has one that does not say what it has."""
    needed = needs(scenario("request"))
    assert problems(needed, PLENTY) == cautions(needed, PLENTY) == []
    assert problems(needed, Limits(cores=4)) == cautions(needed, Limits(cores=4)) == []


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (
            {"soft": 56, "hard": 4096},
            "descriptor limit too low: a worker needs 57 file descriptors and may have "
            "56; set it with `ulimit -n 57`, or give fewer users",
        ),
        (
            {"soft": 40, "hard": 50},
            "set it with `ulimit -n 57` as root, for the hard limit is 50, or",
        ),
        (
            {"soft": 131, "hard": 4096, "serves": True},
            "descriptor limit too low: the target, started from here, needs 132 file",
        ),
        (
            {"ports": 99},
            "100 connections: one address of this machine has ports for 99",
        ),
    ],
)
def test_what_is_too_little_is_told_with_what_to_do(
    limits: dict[str, object], words: str
) -> None:
    """One sentence each, with the number to set."""
    (told,) = problems(
        needs(scenario("request")), msgspec.structs.replace(PLENTY, **limits)
    )
    assert words in told


def test_what_is_just_enough_is_enough() -> None:
    """The bounds themselves are fine."""
    limits = msgspec.structs.replace(PLENTY, soft=132, ports=100, serves=True)
    assert problems(needs(scenario("request")), limits) == []


@pytest.mark.parametrize(
    ("one", "limits", "words"),
    [
        (scenario("request"), {"cores": 2}, "4 workers share 2 cores"),
        (
            scenario("publish", users=2000),
            {},
            "2,000,000 messages/s are more than 4 workers are likely to manage "
            "(1,000,000); --headroom measures it",
        ),
        (scenario("churn", stages=(Stage(seconds=60, level=500),)), {}, "28,232 ports"),
        (scenario("request"), {"memory": 2**20}, "MiB of memory are needed, and 1 MiB"),
        (
            scenario(
                "request",
                population=(
                    Stage(seconds=1, level=9),
                    Stage(shape=Shape.RAMP, seconds=10, level=9, peak=1),
                ),
            ),
            {},
            "fewer users (1) than workers (4)",
        ),
    ],
)
def test_what_makes_figures_doubtful_is_told_before(
    one: Scenario, limits: dict[str, object], words: str
) -> None:
    """One sentence each; the load may go on."""
    (told,) = cautions(needs(one), msgspec.structs.replace(PLENTY, **limits))
    assert words in told


@pytest.mark.parametrize(
    ("one", "dialect", "words"),
    [
        (scenario("request"), Echo(), ""),
        (scenario("publish"), Hub(), ""),
        (scenario("ping"), Bare(), ""),
        (scenario("listen"), Bare(), ""),
        (scenario("request"), Hub(), "speaks hub answers no request"),
        (scenario("request"), Bare(), "--dialect echo"),
        (scenario("publish"), Echo(), "takes no publications or no subscriptions"),
        (scenario("publish", publish_path="/pub"), Bare(), ""),
        (scenario("publish"), Bare(), "give --publish-path"),
        (scenario("request", payload=Payload(template="<{marker}>")), Echo(), ""),
        (
            scenario("publish", payload=Payload(template="<{marker}>")),
            Hub(),
            "its messages are not JSON, as hub needs them",
        ),
    ],
)
def test_what_a_target_cannot_do_is_told(
    one: Scenario, dialect: Bare | Echo | Hub, words: str
) -> None:
    """With what would help."""
    plan = LoadPlan(scenarios=(one,))
    told = list(missing(plan, dialect.capabilities, dialect.name))
    assert bool(told) == bool(words)
    assert all(words in one for one in told)


def test_answers_carry_json() -> None:
    """A call is part of a JSON message, so its payload has to be JSON, too."""
    plan = LoadPlan(
        scenarios=(scenario("request", payload=Payload(template="<{marker}>")),)
    )
    (told,) = missing(plan, {Capability.ANSWER}, "chat")
    assert "are not JSON" in told


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        (Limits(cores=1), 1_000_000),
        (Limits(cores=1, soft=1024), 992),
        (Limits(cores=1, soft=8), 1),
        (Limits(cores=1, soft=10**9, ports=28_232), 28_232),
    ],
)
def test_a_search_for_users_ends_where_the_machine_ends(
    limits: Limits, most: int
) -> None:
    """At the descriptors of a process, or the ports of an address."""
    assert most_users(limits) == most
