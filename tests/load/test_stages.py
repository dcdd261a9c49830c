"""Stages in words: read, refused, and said again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.load import stages as module
from wavetank.load.plan import Shape, Stage
from wavetank.load.stages import levels, make_stage, read_stage, stage_text


@pytest.mark.parametrize(
    ("typed", "stage"),
    [
        ("5000/s for 1m", Stage(seconds=60, level=5000)),
        ("constant 5k in 200ms", Stage(seconds=0.2, level=5000)),
        ("  7 for 1.5 s ", Stage(seconds=1.5, level=7)),
        ("1_000 for 1h", Stage(seconds=3600, level=1000)),
        ("6/min for 5m", Stage(seconds=300, level=0.1)),
        (
            "ramp 100..5000 in 30s",
            Stage(shape=Shape.RAMP, seconds=30, level=100, peak=5000),
        ),
        (
            "5000/s .. 0/s in 30",
            Stage(shape=Shape.RAMP, seconds=30, level=5000, peak=0),
        ),
        (
            "60..6/min in 1m",
            Stage(shape=Shape.RAMP, seconds=60, level=1, peak=0.1),
        ),
        (
            "1/s..6/min in 1m",
            Stage(shape=Shape.RAMP, seconds=60, level=1, peak=0.1),
        ),
        (
            "Burst 0.5k..1.5M x3 in 30s",
            Stage(shape=Shape.BURST, seconds=30, level=500, peak=1.5e6, times=3),
        ),
        (
            "fibonacci 1..144 in 55s",
            Stage(shape=Shape.FIBONACCI, seconds=55, level=1, peak=144),
        ),
    ],
)
def test_a_stage_is_read_as_it_is_meant(typed: str, stage: Stage) -> None:
    """Shape, level, peak, times and time, each as people write them."""
    assert read_stage(typed) == stage


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("", "is not a stage such as"),
        ("100", "is not a stage such as"),
        ("ramp 100..200", "is not a stage such as"),
        ("-5 for 1s", "is not a stage such as"),
        ("5 users for 1s", "is not a stage such as"),
        ("1e9999 for 1s", "is not a stage such as"),
        ("9" * 400 + " for 1s", "is not a stage such as"),
        ("rmp 1..2 in 3s", "there is no shape 'rmp'; did you mean ramp?"),
        ("constant 1..2 in 3s", "a constant has one level; for two, say ramp"),
        ("sine 1 for 3s", "sine needs two levels, such as sine 100..5000"),
        ("1..2 x3 in 4s", "a ramp has no times; leave x3 out"),
        ("5 x3 for 4s", "a constant has no times; leave x3 out"),
        ("burst 1..2 x1001 in 4s", "x1001 is too often; the most is 1000"),
        ("101M for 1s", "101M is too much; the most is 1e+08"),
        ("5 for 8000h", "is not from 1 ms to 7 days"),
        ("5 for 0s", "is not from 1 ms to 7 days"),
        ("5 for ever", "'ever' is not a duration"),
    ],
)
def test_what_is_no_stage_is_refused_in_a_sentence(typed: str, problem: str) -> None:
    """The sentence says what is wrong, or what a stage looks like."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is looked at
        read_stage(typed)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("typed", "ends"),
    [
        ("1000", (1000, None)),
        ("2.5k/s", (2500, None)),
        ("100..5000", (100, 5000)),
        ("6..60/min", (0.1, 1)),
    ],
)
def test_levels_are_one_or_two(typed: str, ends: tuple[float, float | None]) -> None:
    """What stands behind the second is meant for both."""
    assert levels(typed) == ends


@pytest.mark.parametrize("typed", ["", "fast", "1..", "1..2..3", "nan", "inf"])
def test_what_is_no_level_is_refused(typed: str) -> None:
    """With what one looks like."""
    with pytest.raises(ValueError, match=r"is not a level such as 1000, 2\.5k"):
        levels(typed)


@given(
    shape=st.sampled_from(Shape),
    level=st.integers(0, 10_000_000).map(lambda level: level / 1000),
    peak=st.integers(0, 10_000_000).map(lambda peak: peak / 1000),
    within=st.integers(1, 10_000_000).map(lambda within: within / 1000),
    times=st.integers(0, 1000),
)
def test_a_stage_that_is_said_can_be_typed(
    shape: Shape, level: float, peak: float, within: float, times: int
) -> None:
    """Reports show what can be copied back into a plan."""
    ends = (level, None if shape is Shape.CONSTANT else peak)
    times = 0 if shape in {Shape.CONSTANT, Shape.RAMP} else times
    stage = make_stage(shape, ends, within=within, times=times)
    again = read_stage(stage_text(stage))
    assert again.shape is stage.shape
    assert again.times == stage.times
    assert (again.level, again.peak) == pytest.approx((stage.level, stage.peak))
    assert again.seconds == pytest.approx(stage.seconds, rel=1e-5)


def test_users_are_said_without_a_rate() -> None:
    """A level of a population is a number of people."""
    assert stage_text(read_stage("1..144 in 55s"), "") == "ramp 1..144 in 55s"
    assert stage_text(read_stage("5 for 1m")) == "5/s for 60s"


def test_the_examples_of_the_module_can_be_typed() -> None:
    """What its words promise, it reads."""
    lines = (module.__doc__ or "").splitlines()
    examples = [line.split("   ")[1].strip() for line in lines if " 1m  " in line]
    examples += [line[4:32].strip() for line in lines if "30s  " in line]
    assert len(examples) >= 5
    for example in examples:
        assert read_stage(example.split("  ")[0])
