"""Stages in words: ``ramp 100..5000 in 30s`` and the like.

They refuse to know what a level stands for: messages/s, connections/s or users.

    STAGE   [SHAPE] LEVEL[..PEAK] [xTIMES] in|for TIME
    SHAPE   constant ramp steps burst spike sine fibonacci
    LEVEL   a number such as 5000, 2.5k, 1M or 6/min; 1..6/min is 1/min to 6/min

Without a shape, one level is constant, and two are a ramp. ``x3`` says how many
steps, bursts, spikes or periods there are.

    5000/s for 1m               all the time the same
    ramp 100..5000 in 30s       straight from one to the other; 5000..100 goes down
    steps 100..1000 x10 in 50s  in even steps
    burst 100..2000 x3 in 30s   100, and three times 2000 for a quarter of 10 s
    spike 100..2000 in 30s      100, and up to 2000 and down again in a fifth of 30 s
    sine 100..2000 x2 in 1m     up and down, twice
    fibonacci 1..144 in 55s     1, 2, 3, 5, 8 ... 144, each for the same time
"""

import re

from wavetank.errors import nearest
from wavetank.kinds import seconds
from wavetank.load.plan import Shape, Stage

__all__ = ["levels", "make_stage", "read_stage", "stage_text"]

_NUMBER = r"[0-9][0-9_]{0,15}(?:\.[0-9]{1,9})?(?:[kM](?![a-z]))?(?:/(?:s|min|h))?"
_STAGE = re.compile(
    rf"(?:(?P<shape>[a-zA-Z]+) +)?(?P<level>{_NUMBER})(?: ?\.\. ?(?P<peak>{_NUMBER}))?"
    r"(?: +x ?(?P<times>[0-9]{1,6}))? +(?:in|for) +(?P<seconds>\S+(?: [a-z]+)?)"
)
_RANGE = re.compile(rf"({_NUMBER})(?: ?\.\. ?({_NUMBER}))?")
_PART = re.compile(r"([0-9_.]+)([kM]?)(?:/(s|min|h))?")
_TIMES = {"k": 1e3, "M": 1e6, "": 1.0}
_PER = {"s": 1.0, "min": 60.0, "h": 3600.0, None: 1.0}

MOST_TIMES = 1000
MOST_LEVEL = 1e8
MOST_SECONDS = 7 * 86_400.0
LEAST_SECONDS = 0.001


def levels(typed: str) -> tuple[float, float | None]:
    """Read ``100`` or ``100..5000``: the level, and the peak where there is one.

    Raises:
        ValueError: If it is neither.
    """
    found = _RANGE.fullmatch(typed.strip())
    if found is None:
        raise ValueError(f"{typed!r} is not a level such as 1000, 2.5k or 100..5000")
    return _ends(found[1], found[2])


def read_stage(typed: str) -> Stage:
    """Read one stage.

    Raises:
        ValueError: If it is none, with one sentence that says why.
    """
    found = _STAGE.fullmatch(typed.strip())
    if found is None:
        raise ValueError(
            f"{typed!r} is not a stage such as '5000/s for 1m' or "
            "'ramp 100..5000 in 30s'"
        )
    return make_stage(
        found["shape"] or "",
        _ends(found["level"], found["peak"]),
        within=seconds(found["seconds"]),
        times=int(found["times"] or 0),
    )


def make_stage(
    shape: str,
    ends: tuple[float, float | None],
    *,
    within: float,
    times: int = 0,
) -> Stage:
    """Make a stage of its parts.

    Args:
        shape: Its name; "" for a constant, or a ramp where there is a peak.
        ends: The level, and the peak where there is one.
        within: Seconds.
        times: How many steps, bursts or periods; 0 leaves it to the shape.

    Raises:
        ValueError: If they do not go together.
    """
    level, peak = ends
    name = (shape or ("constant" if peak is None else "ramp")).lower()
    if name not in list(Shape):
        raise ValueError(f"there is no shape {shape!r}{nearest(name, Shape)}")
    if name == Shape.CONSTANT and peak is not None:
        raise ValueError("a constant has one level; for two, say ramp")
    if name != Shape.CONSTANT and peak is None:
        raise ValueError(f"{name} needs two levels, such as {name} 100..5000")
    if name in {Shape.CONSTANT, Shape.RAMP} and times:
        raise ValueError(f"a {name} has no times; leave x{times} out")
    if times > MOST_TIMES:
        raise ValueError(f"x{times} is too often; the most is {MOST_TIMES}")
    if not LEAST_SECONDS <= within <= MOST_SECONDS:
        raise ValueError(f"{within:g} s is not from 1 ms to 7 days")
    return Stage(
        shape=Shape(name), seconds=within, level=level, peak=peak or 0.0, times=times
    )


def stage_text(stage: Stage, unit: str = "/s") -> str:
    """Return a stage as it could be typed.

    Args:
        stage: The stage.
        unit: Behind a level: "/s", or "" for users.
    """
    within = f"{stage.seconds:g}s"
    if stage.shape is Shape.CONSTANT:
        return f"{_plain(stage.level)}{unit} for {within}"
    times = f" x{stage.times}" if stage.times else ""
    ends = f"{_plain(stage.level)}..{_plain(stage.peak)}"
    return f"{stage.shape} {ends}{unit}{times} in {within}"


def _ends(level: str, peak: str | None) -> tuple[float, float | None]:
    if peak is None:
        return _level(level), None
    _, per, unit = peak.partition("/")
    # What stands behind the second is meant for both: 6..60/min.
    both = level if "/" in level else level + per + unit
    return _level(both), _level(peak)


def _level(typed: str) -> float:
    found = _PART.fullmatch(typed)
    assert found is not None, "the pattern around it has let it through"
    digits, times, per = found.groups()
    value = float(digits.replace("_", "")) * _TIMES[times] / _PER[per]
    if value > MOST_LEVEL:
        raise ValueError(f"{typed} is too much; the most is {MOST_LEVEL:g}")
    return value


def _plain(level: float) -> str:
    return f"{level:.9f}".rstrip("0").rstrip(".")
