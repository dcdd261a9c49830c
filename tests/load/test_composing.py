"""From what was given for a scenario to the scenario."""

from collections.abc import Mapping

import pytest

from wavetank.load.composing import LATENCY, LOAD, Composer, Defaults, Part, named
from wavetank.load.plan import Arrivals, Payload, Scenario, ScenarioKind, Shape, Stage
from wavetank.load.stages import read_stage


def compose(
    given: Mapping[str, object],
    *,
    kind: ScenarioKind = ScenarioKind.REQUEST,
    defaults: Defaults = LOAD,
    is_timed: bool = False,
    files: Mapping[str, str] = {},
) -> tuple[Scenario, list[str]]:
    """Return the scenario of what was given, and what is wrong with it."""
    problems: list[str] = []
    composer = Composer(
        kind=kind,
        defaults=defaults,
        duration=10.0,
        is_timed=is_timed,
        files=files,
        problems=problems,
    )
    return composer.scenario(Part(given, lambda key: f"--{key}")), problems


def sound(given: Mapping[str, object], **rest: object) -> Scenario:
    """Return the scenario of what was given, without a mistake."""
    scenario, problems = compose(given, **rest)
    assert problems == []
    return scenario


@pytest.mark.parametrize(
    ("defaults", "users", "rates"),
    [
        (LOAD, 100, {"request": 1000, "publish": 100, "churn": 100, "storm": 0.2}),
        (LATENCY, 10, {"request": 100, "publish": 100, "churn": 10, "storm": 0.2}),
    ],
)
def test_what_nobody_says_has_a_default(
    defaults: Defaults, users: int, rates: Mapping[str, float]
) -> None:
    """Users, and a rate by the kind of the scenario."""
    for kind, rate in rates.items():
        scenario = sound({"scenario": kind}, defaults=defaults)
        assert scenario.users == users
        assert scenario.stages == (Stage(seconds=10, level=rate),)
        assert scenario.in_flight == 4096


def test_latencies_have_to_keep_to_a_default() -> None:
    """A stall of two seconds was a PASS where nobody had said what has to hold."""
    (threshold,) = LATENCY.thresholds
    assert threshold.text == "p99 < 100ms (the default)"
    assert (threshold.figure, threshold.sign, threshold.value) == ("p99", "<", 0.1)
    assert LOAD.thresholds == ()


@pytest.mark.parametrize("kind", ["listen", "slow"])
def test_who_only_listens_has_no_rate(kind: str) -> None:
    """It takes as long as the plan says."""
    assert sound({"scenario": kind}).stages == ()


@pytest.mark.parametrize(
    ("given", "preferred", "kind"),
    [
        ({}, "ping", "ping"),
        ({"users": 7, "rate": (5.0, None)}, "request", "request"),
        ({"publishers": 3}, "request", "publish"),
        ({"publishers": 3}, "publish", "publish"),
        ({"hold": 3.0}, "publish", "churn"),
        ({"read_rate": 3.0}, "publish", "slow"),
        ({"topics": 3}, "request", "publish"),
    ],
)
def test_who_says_how_many_publish_need_not_say_that_there_is_publishing(
    given: Mapping[str, object], preferred: str, kind: str
) -> None:
    """The kind follows from what was given, and else from the target."""
    assert sound(given, kind=ScenarioKind(preferred)).kind == kind


def test_what_says_nothing_about_a_kind_is_told() -> None:
    """With the kinds that it is meant for; nothing is passed over in silence."""
    _, problems = compose({"scenario": "listen", "rate": (5.0, None), "hold": 1.0})
    assert problems == [
        "--rate: says nothing about a listen scenario, but about request, publish, "
        "churn, storm, ping; leave it out",
        "--hold: says nothing about a listen scenario, but about churn; leave it out",
    ]
    _, problems = compose({"publishers": 3, "hold": 1.0})
    assert len(problems) == 2


@pytest.mark.parametrize(
    ("given", "stage"),
    [
        ({"rate": (5.0, None)}, Stage(seconds=10, level=5)),
        (
            {"rate": (5.0, 50.0)},
            Stage(seconds=10, level=5, peak=50, shape=Shape.RAMP),
        ),
        (
            {"rate": (5.0, 50.0), "shape": "burst", "times": 4},
            Stage(seconds=10, level=5, peak=50, shape=Shape.BURST, times=4),
        ),
        (
            {"rate": (5.0, None), "population": (read_stage("1..5 in 55s"),)},
            Stage(seconds=55, level=5),
        ),
    ],
)
def test_a_rate_becomes_one_stage(given: Mapping[str, object], stage: Stage) -> None:
    """As long as the population changes, or as the plan says."""
    assert sound(given).stages == (stage,)


def test_a_duration_that_was_said_goes_before_the_time_of_a_population() -> None:
    """Whoever typed it means it."""
    given = {"population": (read_stage("1..5 in 55s"),)}
    assert sound(given, is_timed=True).stages[0].seconds == 10.0


def test_a_population_says_how_many_users_there_are_at_most() -> None:
    """And a number of users that is too small for it is a mistake."""
    population = (read_stage("fibonacci 1..144 in 55s"),)
    assert sound({"population": population}).users == 144
    assert sound({"population": population, "users": 200}).users == 200
    _, problems = compose({"population": population, "users": 100})
    assert problems == ["--users: 100, but the population goes up to 144"]
    _, problems = compose({"population": (read_stage("0 for 3s"),)})
    assert problems == ["--population: nobody is ever there"]


@pytest.mark.parametrize(
    ("given", "problems"),
    [
        (
            {"stage": (read_stage("5 for 1s"),), "rate": (5.0, None), "times": 3},
            [
                "--rate: the stages say it; leave one of the two out",
                "--times: the stages say it; leave one of the two out",
            ],
        ),
        (
            {"stage": (read_stage("0 for 1s"),)},
            ["--stage: 0 arrivals; give 1 to 1e+11"],
        ),
        ({"rate": (0.0, None)}, ["--rate: 0 arrivals; give 1 to 1e+11"]),
        (
            {"shape": "sine"},
            ["--shape: sine needs two levels, such as sine 100..5000"],
        ),
        ({"times": 3}, ["--times: a constant has no times; leave x3 out"]),
        (
            {"arrivals": "closed", "rate": (5.0, None)},
            ["--rate: closed arrivals have no schedule; leave one of the two out"],
        ),
        (
            {"scenario": "churn", "arrivals": "closed"},
            ["--arrivals: a churn cannot be closed"],
        ),
        (
            {"scenario": "publish", "publish_path": "in"},
            ["--publish_path: a path begins with /"],
        ),
        ({"path": "ws"}, ["--path: a path begins with /"]),
        (
            {"size": 7},
            [
                "--size: size 7: too small for the mark that finds each message again; "
                "the least is 58, or give a template"
            ],
        ),
        (
            {"template": "x"},
            [
                "--template: template: it has no {marker}, without which no message is "
                "found again"
            ],
        ),
        (
            {"template": "{marker}", "payload_file": "a"},
            ["--payload_file: and a template; give one of the two"],
        ),
        ({"payload_file": "empty"}, ["--payload_file: there is no line in it"]),
        ({"payload_file": "missing"}, []),
    ],
)
def test_mistakes_of_a_scenario_are_told(
    given: Mapping[str, object], problems: list[str]
) -> None:
    """Each with its place; a file that is missing is told by who reads it."""
    files = {"empty": "\n \n", "a": "{marker}\n"}
    assert compose(given, files=files)[1] == problems


def test_a_closed_model_waits_with_one_message_each() -> None:
    """Unless more are asked for."""
    scenario = sound({"arrivals": "closed"})
    assert scenario.arrivals is Arrivals.CLOSED
    assert (scenario.stages, scenario.in_flight) == ((), 1)
    assert sound({"arrivals": "closed", "in_flight": 8}).in_flight == 8


def test_recorded_lines_become_the_payload() -> None:
    """Empty lines and the mark of a file's encoding are no messages."""
    scenario = sound(
        {"payload_file": "a", "size": 99},
        files={"a": "\ufeffa{marker}\n\n b{marker}\n"},
    )
    assert scenario.payload == Payload(size=99, lines=("a{marker}", " b{marker}"))


def test_who_sends_no_payload_has_the_default() -> None:
    """A ping carries a mark of its own."""
    assert sound({"scenario": "ping"}).payload == Payload()


def test_what_is_given_arrives_in_the_scenario() -> None:
    """Every option has its field."""
    scenario = sound(
        {
            "scenario": "publish",
            "publishers": 3,
            "topics": 4,
            "topic": "prices",
            "acknowledged": False,
            "publish_path": "/in",
            "after": 2.0,
            "name": "feed",
            "path": "/out",
        }
    )
    assert scenario == Scenario(
        name="feed",
        kind=ScenarioKind.PUBLISH,
        users=100,
        stages=(Stage(seconds=10, level=100),),
        publishers=3,
        topics=4,
        topic="prices",
        acknowledged=False,
        path="/out",
        publish_path="/in",
        after=2.0,
    )
    assert sound({"scenario": "slow", "read_rate": 64.0}).read_rate == 64.0
    assert sound({"scenario": "churn", "hold": 1.5}).hold == 1.5


def test_scenarios_without_a_name_get_one() -> None:
    """That of their kind, with a number where it is taken."""
    kinds = [("", "ping"), ("ping-2", "ping"), ("", "ping"), ("", "churn")]
    scenarios = [
        Scenario(name=name, kind=ScenarioKind(k), users=1) for name, k in kinds
    ]
    problems: list[str] = []
    parts = [Part({}, lambda key: key)] * len(kinds)
    names = [one.name for one in named(scenarios, parts, problems)]
    assert names == ["ping", "ping-2", "ping-3", "churn"]
    assert problems == []


def test_scenarios_with_the_same_name_are_told() -> None:
    """Figures of two would be one."""
    scenarios = [Scenario(name="a", kind=ScenarioKind.PING, users=1)] * 2
    problems: list[str] = []
    named(scenarios, [Part({}, lambda key: f"n {key}")] * 2, problems)
    assert problems == ["n name: 'a' is the name of another one, too"] * 2
