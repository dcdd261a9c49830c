"""A plan as a small picture."""

from wavetank.load.needs import needs_of
from wavetank.load.picture import ASCII, BLOCKS, picture, plot, title_of
from wavetank.load.plan import (
    Arrivals,
    LoadPlan,
    Scenario,
    ScenarioKind,
    Shape,
    Stage,
)
from wavetank.load.thresholds import parse_threshold


def shown(*scenarios: Scenario, marks: str = ASCII, **rest: object) -> str:
    """Return the picture of scenarios."""
    plan = LoadPlan(scenarios=scenarios, **rest)
    return picture(plan, needs_of(plan, cores=2), marks=marks)


RAMP = Scenario(
    name="orders",
    kind=ScenarioKind.REQUEST,
    users=10,
    stages=(
        Stage(shape=Shape.RAMP, seconds=30, level=0, peak=1000),
        Stage(seconds=30, level=500),
    ),
)


def test_a_plot_shows_each_column_by_its_height() -> None:
    """In ASCII three marks fill a row."""
    assert plot([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], height=2, marks=ASCII) == [
        "    .:#",
        " .:####",
    ]
    assert plot([0.001, 8.0], height=1) == ["▁█"]
    assert plot([0.0, 0.0], height=2) == ["", ""]


def test_a_picture_has_the_shape_and_its_scale() -> None:
    """Eight rows from the peak down to nothing, and the time below."""
    lines = shown(RAMP).splitlines()
    assert lines[0] == "orders: request, 10 users"
    assert lines[1].strip() == "messages/s"
    assert lines[2].startswith("     1,000 |")
    assert lines[9].startswith("         0 |")
    assert lines[10].startswith("           +0 s---")
    assert lines[10].endswith("60 s")
    widths = [len(line.rstrip()) for line in lines[2:11]]
    assert max(widths) == 72
    # The ramp's peak is in the middle, and the flat half is as high as its level.
    assert lines[2].rstrip().index("#") == 12 + 29
    assert lines[6].rstrip().endswith("#" * 30)
    assert lines[11:13] == [
        "            ramp 0..1000/s in 30s",
        "            500/s for 30s",
    ]


def test_a_picture_in_ascii_is_ascii() -> None:
    """For terminals that have nothing else."""
    assert shown(RAMP).isascii()
    assert not shown(RAMP, marks=BLOCKS).isascii()


def test_a_picture_says_what_is_needed_and_has_to_hold() -> None:
    """Connections, descriptors, rate, seconds, thresholds."""
    text = shown(RAMP, thresholds=(parse_threshold("p99 < 100ms"),), drain=3.0)
    needs = text.partition("\nneeds\n")[2].partition("\n\n")[0]
    rows = dict(line.strip().split(maxsplit=1) for line in needs.splitlines())
    assert rows["connections"] == "10"
    assert rows["descriptors"] == "37 a worker, 74 together"
    assert rows["arrivals"] == "30,000"
    assert rows["sent"] == "1,000/s"
    assert rows["time"] == "60 s, and up to 3 s to drain"
    assert rows["network"].endswith("MiB/s back, at most")
    assert text.endswith("has to hold\n  p99 < 100ms")


def test_scenarios_side_by_side_have_a_picture_each() -> None:
    """Smaller, with their own units and times, and users over time below."""
    text = shown(
        RAMP,
        Scenario(
            name="newcomers",
            kind=ScenarioKind.CHURN,
            users=144,
            stages=(Stage(shape=Shape.SINE, seconds=20, level=1, peak=9),),
            population=(Stage(shape=Shape.FIBONACCI, seconds=10, level=1, peak=144),),
            after=5.0,
        ),
        Scenario(name="quiet", kind=ScenarioKind.LISTEN, users=1),
    )
    assert "connections/s" in text
    assert "+5 s---" in text
    assert "           9 |" not in text
    assert "\n         9 |" in text
    assert "users fibonacci 1..144 in 10s" in text
    # The last level holds: the users' row is full to the end.
    (row,) = [line for line in text.splitlines() if line.startswith("       144 |")]
    assert row.endswith("#" * 30)
    assert "quiet: listen, 1 user\n" in text
    assert text.count("|") == 4 + 4 + 2


def test_a_load_that_sends_nothing_says_nothing_of_the_network() -> None:
    """Nobody knows before how much a feed sends."""
    text = shown(Scenario(name="quiet", kind=ScenarioKind.LISTEN, users=1))
    assert "network" not in text
    assert "arrivals" not in text
    assert "time         10 s" in text


def test_many_stages_are_not_all_listed() -> None:
    """A picture stays small."""
    stages = tuple(Stage(seconds=1, level=level) for level in range(1, 11))
    text = shown(Scenario(name="a", kind=ScenarioKind.PING, users=1, stages=stages))
    assert "... and 4 stages more" in text
    assert "pings/s" in text


def test_a_title_says_who_does_what() -> None:
    """In a line, for the report."""
    plan = LoadPlan(
        scenarios=(
            Scenario(
                name="a",
                kind=ScenarioKind.PUBLISH,
                users=1000,
                topics=2,
                arrivals=Arrivals.POISSON,
            ),
            Scenario(name="b", kind=ScenarioKind.STORM, users=1),
        )
    )
    assert title_of(plan) == (
        "publish, 1,000 users, 1 publisher, 2 topics, poisson arrivals; storm, 1 user"
    )
