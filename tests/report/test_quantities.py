"""Quantities read well and never break a report."""

import math

import pytest

from wavetank.report.quantities import count, duration, figure, moment, share, size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (math.nan, "-"),
        (math.inf, "-"),
        (0.0, "0 us"),
        (0.000_34, "340 us"),
        (0.000_999_9, "1.00 ms"),
        (0.012_34, "12.3 ms"),
        (0.25, "250 ms"),
        (0.9999, "1.00 s"),
        (9.996, "10.0 s"),
        (58.2, "58.2 s"),
        (99.96, "100 s"),
        (119.4, "119 s"),
        (125.0, "2 min 05 s"),
        (-0.012, "-12.0 ms"),
        (-125.0, "-2 min 05 s"),
    ],
)
def test_duration_has_three_digits_and_its_unit(
    seconds: float | None, text: str
) -> None:
    """From microseconds to minutes; nothing is a dash."""
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (1_048_575, "1.00 MiB"),
        (30_000_000, "28.6 MiB"),
        (5 * 1024**3, "5.00 GiB"),
        (2.5 * 1024**4, "2.5 TiB"),
        (math.inf, "-"),
    ],
)
def test_size_has_three_digits_and_a_binary_unit(number: float, text: str) -> None:
    """Bytes are counted in 1024."""
    assert size(number) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0123, "s", "12.3 ms"),
        (2048, "bytes", "2.00 KiB"),
        (1250.5, "1/s", "1,250.5 1/s"),
        (1250.5, "/s", "1,250.5/s"),
        (100.0, "connections", "100 connections"),
        (0.123456, "", "0.1235"),
        (1e300, "messages", "1e+300 messages"),
        (math.nan, "1/s", "-"),
    ],
)
def test_figure_knows_seconds_and_bytes_and_keeps_other_units(
    value: float, unit: str, text: str
) -> None:
    """Whatever was measured is said with its unit."""
    assert figure(value, unit) == text


@pytest.mark.parametrize(
    ("wall", "text"),
    [
        (1_790_000_000.0, "2026-09-21 14:13:20 UTC"),
        (0.0, "-"),
        (1e300, "-"),
        (math.nan, "-"),
    ],
)
def test_moment_is_utc_or_a_dash(wall: float, text: str) -> None:
    """A report reads the same in every time zone, and survives any number."""
    assert moment(wall) == text


def test_share_is_in_per_cent() -> None:
    """One whole processor is 100 %."""
    assert (share(0.534), share(math.inf)) == ("53 %", "-")


def test_count_minds_its_noun() -> None:
    """One check, two checks."""
    assert [count(number, "check") for number in (0, 1, 1200)] == [
        "0 checks",
        "1 check",
        "1,200 checks",
    ]
