"""Units are read as people type them, and said as people read them."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wavetank.load.units import Unit


@pytest.mark.parametrize(
    ("unit", "typed", "value"),
    [
        (Unit.SECONDS, "100ms", 0.1),
        (Unit.SECONDS, " 1.5 s ", 1.5),
        (Unit.SECONDS, "250us", 250e-6),
        (Unit.SECONDS, "250µs", 250e-6),
        (Unit.SECONDS, "2min", 120.0),
        (Unit.SECONDS, "0", 0.0),
        (Unit.COUNT, "12", 12.0),
        (Unit.SHARE, "0.1%", 0.001),
        (Unit.SHARE, "80 %", 0.8),
        (Unit.RATE, "5000/s", 5000.0),
        (Unit.RATE, "5000", 5000.0),
        (Unit.RATE, "60/min", 1.0),
        (Unit.BYTES, "1MiB", 1048576.0),
        (Unit.BYTES, "64kB", 64000.0),
        (Unit.BYTE_RATE, "10MB/s", 1e7),
        (Unit.GROWTH, "60 KiB / min", 1024.0),
        (Unit.COUNT_GROWTH, "3600/h", 1.0),
    ],
)
def test_unit_reads_what_is_typed(unit: Unit, typed: str, value: float) -> None:
    """A value comes out in base units, whatever its unit was."""
    assert unit.read(typed) == pytest.approx(value)


@pytest.mark.parametrize(
    ("unit", "typed", "problem"),
    [
        (Unit.SECONDS, "100", "'100' needs a unit; write it as in 100ms"),
        (Unit.SECONDS, "5 parsecs", "does not know 'parsecs'; write it as in 100ms"),
        (Unit.SECONDS, "soon", "'soon' is not a value such as 100ms"),
        (Unit.SECONDS, "-1s", "is not a value"),
        (Unit.SECONDS, "nan", "is not a value"),
        (Unit.SHARE, "80", "'80' needs a unit; write it as in 1%"),
        (Unit.GROWTH, "1MiB", "does not know 'MiB'; write it as in 1MiB/min"),
        (Unit.COUNT, "", "'' is not a value such as 0 or 100"),
    ],
)
def test_unit_refuses_what_is_something_else(
    unit: Unit, typed: str, problem: str
) -> None:
    """What cannot be meant is refused with an example of what can."""
    with pytest.raises(ValueError, match=r"is not a value|unit|does not") as caught:
        unit.read(typed)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("unit", "value", "words"),
    [
        (Unit.SECONDS, 0.0123, "12.3 ms"),
        (Unit.SECONDS, 2.5, "2.5 s"),
        (Unit.SECONDS, 1234.0, "1234 s"),
        (Unit.SECONDS, 42e-6, "42 us"),
        (Unit.COUNT, 1234567.0, "1,234,567"),
        (Unit.SHARE, 0.0123, "1.23 %"),
        (Unit.RATE, 4980.0, "4,980/s"),
        (Unit.RATE, 0.5, "0.5/s"),
        (Unit.BYTES, 1536.0, "1.5 KiB"),
        (Unit.BYTES, 12.0, "12 B"),
        (Unit.BYTES, 3.0 * 1024**3, "3 GiB"),
        (Unit.BYTE_RATE, 2097152.0, "2 MiB/s"),
        (Unit.GROWTH, 1024.0, "60 KiB/min"),
        (Unit.COUNT_GROWTH, -0.5, "-30/min"),
        (Unit.COUNT, math.inf, "no end"),
        (Unit.SECONDS, -math.inf, "no end"),
    ],
)
def test_unit_says_values_in_words(unit: Unit, value: float, words: str) -> None:
    """A value is said with three digits or so, and its unit."""
    assert unit.say(value) == words


NEARLY = st.builds(
    "{}{}".format,
    st.from_regex(r"[0-9]{1,400}(\.[0-9]{1,3})?", fullmatch=True),
    st.sampled_from(["", "s", " ms", "min", "%", "/s", "KiB", " GiB/min", "B", "qq"]),
)


@given(st.sampled_from(Unit), st.text(max_size=20) | NEARLY)
@example(Unit.SECONDS, "1.5 s")
def test_unit_reads_a_finite_number_or_refuses(unit: Unit, typed: str) -> None:
    """Whatever is typed, there is a number of it or one plain ValueError."""
    try:
        value = unit.read(typed)
    except ValueError:
        return
    assert math.isfinite(value)
    assert value >= 0
    assert unit.say(value)
