"""From what was typed, and a plan file, to the plan; all mistakes at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.errors import UsageError
from wavetank.load import reading as module
from wavetank.load.composing import LATENCY
from wavetank.load.exchange import Operation
from wavetank.load.figures import driven_operation, main_operation
from wavetank.load.options import LOAD_OPTIONS
from wavetank.load.plan import LoadPlan, ScenarioKind, Shape, Stage
from wavetank.load.reading import payload_files, read_plan
from wavetank.settings import resolve


def plan_of(content: str = "", /, *, flags: object = None, **rest: object) -> LoadPlan:
    """Return the plan of a plan file, or of flags alone."""
    typed = dict(flags or {})
    if content:
        typed["plan"] = "loads/a.toml"
    files = {"loads/a.toml": content, **rest.pop("files", {})}
    return read_plan(resolve(LOAD_OPTIONS, flags=typed), files=files, **rest)


def problems_of(content: str = "", /, **rest: object) -> list[str]:
    """Return what is wrong with it."""
    with pytest.raises(UsageError) as caught:
        plan_of(content, **rest)
    return list(caught.value.problems)


def test_nothing_at_all_is_a_plan() -> None:
    """One scenario, what the target can do, for as long as can be compared."""
    plan = plan_of(kind=ScenarioKind.PING, seed=7)
    (scenario,) = plan.scenarios
    assert (scenario.name, scenario.kind) == ("ping", ScenarioKind.PING)
    assert (plan.seconds, plan.seed, plan.workers) == (20.0, 7, 0)
    assert plan_of(defaults=LATENCY).scenarios[0].users == 10


def test_flags_make_one_scenario() -> None:
    """What is typed is what is done."""
    plan = plan_of(
        flags={
            "scenario": "publish",
            "users": "7",
            "rate": "1..9",
            "shape": "sine",
            "duration": "2s",
            "warm-up": "1s",
            "drain": "0",
            "workers": "2",
            "threshold": ["p99 < 100ms", "publish:lost == 0"],
            "opening": "3",
            "connect-within": "9s",
        }
    )
    (scenario,) = plan.scenarios
    assert scenario.stages == (Stage(shape=Shape.SINE, seconds=2, level=1, peak=9),)
    assert (plan.warm_up, plan.drain, plan.workers) == (1.0, 0.0, 2)
    assert (plan.opening, plan.connect_within) == (3, 9.0)
    assert [one.scenario for one in plan.thresholds] == ["", "publish"]


def test_a_plan_file_has_scenarios_side_by_side() -> None:
    """The example of the module is a plan, word by word."""
    lines = (module.__doc__ or "").splitlines()
    example = "\n".join(line for line in lines if line.startswith("    "))
    plan = plan_of(example.replace('duration = "1m"', 'drain = "1m"'))
    assert [one.name for one in plan.scenarios] == ["publish", "newcomers"]
    assert [one.seconds for one in plan.scenarios] == [90.0, 30.0]
    assert plan.scenarios[1].after == 10.0
    assert plan.scenarios[1].stages[0].shape is Shape.SINE
    assert len(plan.thresholds) == 2
    assert plan.drain == 60.0


def test_flags_go_before_the_plan_file() -> None:
    """Where they are about the whole plan."""
    content = '[load]\nworkers = 3\ndrain = "1s"\n[[load.scenario]]\nkind = "ping"'
    plan = plan_of(content, flags={"workers": "1", "duration": "3s"})
    assert (plan.workers, plan.drain, plan.seconds) == (1, 1.0, 3.0)


def test_a_plan_may_stand_in_the_settings_file() -> None:
    """What others read in it is passed over."""
    content = (
        "[run]\nmax-clients = 3\n[[load.scenario]]\nusers = 3\nacknowledged = true"
    )
    assert plan_of(content).scenarios[0].users == 3


def test_recorded_payloads_lie_beside_the_plan_file() -> None:
    """Each file is named once, and its lines become the payload."""
    content = '[[load.scenario]]\npayload-file = "x.txt"\n' * 2
    flags = {"plan": "loads/a.toml"}
    settings = resolve(LOAD_OPTIONS, flags=flags)
    assert payload_files(settings, files={"loads/a.toml": content}) == ["loads/x.txt"]
    plan = plan_of(content, files={"loads/x.txt": "{marker}!"})
    assert plan.scenarios[1].payload.lines == ("{marker}!",)


@pytest.mark.parametrize(
    ("flags", "names"), [({}, []), ({"payload-file": "b.txt"}, ["b.txt"])]
)
def test_without_a_plan_file_a_flag_names_the_payload(
    flags: dict[str, str], names: list[str]
) -> None:
    """As it was typed, seen from where it was typed."""
    assert payload_files(resolve(LOAD_OPTIONS, flags=flags)) == names


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        ("[load", ["loads/a.toml: not TOML: "]),
        ("[lod]", ["[lod]: unknown section; did you mean load?"]),
        ("load = 3", ["loads/a.toml: a scenario is a table [[load.scenario]]"]),
        ("[load]\nscenario = 3", ["a scenario is a table [[load.scenario]]"]),
        ("[load]", ["0 tables [[load.scenario]]; give 1 to 100"]),
        (
            "[[load.scenario]]\nkind='ping'\n" * 101,
            ["101 tables [[load.scenario]]; give 1 to 100"],
        ),
        (
            "[load]\nwarmup = 3\n[[load.scenario]]\nrat = 3\nusers = [1]\nrate = -1",
            [
                "loads/a.toml [load] warmup: unknown key; did you mean warm-up?",
                "scenario 1 rat: unknown key; did you mean rate?",
                "scenario 1 users: takes a plain value, not a table or a list",
                "scenario 1 rate: '-1' is not a level such as",
            ],
        ),
        (
            "[[load.scenario]]\nkind = 'ping'\nscenario = 'churn'",
            ["scenario 1 scenario: given twice"],
        ),
        (
            "[[load.scenario]]\nstages = ['5 for 1s', {level = 1, peak = '2..3', "
            "secnds = 3}]",
            [
                "scenario 1 stages: stage secnds: unknown key; did you mean seconds?; "
                "stage seconds: missing; stage peak: takes one level, not two"
            ],
        ),
        (
            "[[load.scenario]]\nstages = [{level = 1, shape = 'sine', seconds = 3}]",
            ["scenario 1 stages: sine needs two levels"],
        ),
        (
            "[load]\nduration = 3\nthreshold = 'chat:p99 < 1s'\n[[load.scenario]]\n"
            "name = 'chats'\nstages = '5 for 1s'",
            [
                "duration: the stages say how long; leave one of the two out",
                "threshold 'chat:p99 < 1s': there is no scenario chat; did you mean "
                "chats?",
            ],
        ),
    ],
)
def test_mistakes_of_a_plan_file_are_told_with_their_place(
    content: str, problems: list[str]
) -> None:
    """All of them at once, with the nearest valid name."""
    found = problems_of(content)
    assert len(found) == len(problems)
    for told, words in zip(found, problems, strict=True):
        assert words in told


def test_every_mistake_of_a_list_is_told() -> None:
    """The first one hid the others, and the scenarios that do not exist."""
    assert problems_of(
        """
        [load]
        thresholds = ["p99 < 100", "lst == 0", "x:p99 < 1s", "lost == 0"]
        [[load.scenario]]
        name = "feed"
        """
    ) == [
        "loads/a.toml [load] thresholds: 'p99 < 100': '100' needs a unit; write it as "
        "in 100ms, 1.5s or 500us",
        "loads/a.toml [load] thresholds: 'lst == 0': there is no figure lst; "
        "did you mean lost?",
        "threshold 'x:p99 < 1s': there is no scenario x",
    ]


@pytest.mark.parametrize("kind", ScenarioKind)
def test_a_threshold_is_about_what_its_scenario_does(kind: ScenarioKind) -> None:
    """What it never does would be UNKNOWN at the end: it is a mistake at the start."""
    for operation in Operation:
        threshold = f"{kind}.{operation}:received > 0"
        flags = {"scenario": str(kind), "threshold": [threshold]}
        known = module.OPERATIONS_OF[kind]
        assert {str(main_operation(kind)), str(driven_operation(kind))} <= {*known}
        if operation in known:
            assert plan_of(flags=flags).thresholds[0].operation == operation
        else:
            assert problems_of(flags=flags) == [
                f"threshold {threshold!r}: {kind} is a {kind} scenario and has no "
                f"{operation}, but {', '.join(known)}"
            ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a\\u001b[31m", "has a sign that no name has"),
        ("a:b", "has a sign that no name has"),
        ("a<b", "has a sign that no name has"),
        ("x" * 65, "a name has 64 letters at most"),
    ],
)
def test_names_can_stand_in_thresholds_and_on_terminals(name: str, words: str) -> None:
    """A name from a file of others could colour the terminal of a dry run."""
    (problem,) = problems_of(f'[[load.scenario]]\nname = "{name}"')
    assert words in problem
    sound = plan_of('[[load.scenario]]\nname = "über 1.5"')
    assert sound.scenarios[0].name == "über 1.5"


def test_flags_of_a_scenario_do_not_go_with_a_plan_file() -> None:
    """Nobody could tell which of its scenarios is meant."""
    content = "[[load.scenario]]\nkind = 'ping'"
    assert problems_of(content, flags={"rate": "5", "users": "3"}) == [
        "--users: the plan file says it; leave one of the two out",
        "--rate: the plan file says it; leave one of the two out",
    ]


def test_a_load_that_is_all_warm_up_is_refused() -> None:
    """It would have no figures."""
    assert problems_of(flags={"warm-up": "20s"}) == [
        "warm-up: 20 s is all of it; the load takes 20 s"
    ]


@given(content=st.text(max_size=200))
def test_whatever_stands_in_a_file_is_a_plan_or_a_list_of_mistakes(
    content: str,
) -> None:
    """Nothing else comes out."""
    for text in (content, f"[[load.scenario]]\nstages = [{content!r}]\n{content}"):
        told: tuple[str, ...] = ("none",)
        try:
            plan_of(text or " ")
        except UsageError as error:
            told = error.problems
        assert all(told)
