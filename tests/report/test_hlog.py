"""Histogram logs can be read by HdrHistogram's own tools."""

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]  # no stubs
from hdrh.log import HistogramLogReader  # type: ignore[import-untyped]  # as above

from wavetank.evidence import Histogram, LoadSampled, Record
from wavetank.report import hlog
from wavetank.report.hlog import hlog_files

LoadOf = Callable[..., list[Record]]
RunOf = Callable[..., list[Record]]

LINE = re.compile(
    r"Tag=([^, \n]+),(\d+\.\d{3}),(\d+\.\d{3}),(\d+\.\d{3}),([A-Za-z0-9+/]+=*)"
)


def lines_of(text: str) -> list[tuple[str, ...]]:
    """Return tag, start, length, maximum and histogram of each interval."""
    found = [LINE.fullmatch(line) for line in text.splitlines() if line[:1] not in '#"']
    assert all(found)
    return [match.groups() for match in found if match]


def test_log_is_read_by_an_independent_reader(
    load_of: LoadOf, run_of: RunOf, tmp_path: Path
) -> None:
    """Each second of each operation: its time, its tag, every value of it."""
    records = run_of(load_of(3, times=(0.001, 0.250)))
    file = tmp_path / "load.hlog"
    file.write_text(hlog_files(records)["load.hlog"], encoding="utf-8")
    reader = HistogramLogReader(str(file), HdrHistogram(1, 60_000_000, 3))
    seconds = []
    while (taken := reader.get_next_interval_histogram()) is not None:
        seconds.append(taken)
    reader.close()
    assert reader.get_start_time_sec() == 1_790_000_000.0
    assert [taken.get_tag() for taken in seconds] == [
        *("echo.request", "echo.request.service") * 3
    ]
    starts = [taken.get_start_time_stamp() / 1000 for taken in seconds[::2]]
    assert starts == [1_790_000_010.0, 1_790_000_011.0, 1_790_000_012.0]
    first = seconds[0]
    assert first.get_total_count() == 2
    assert first.values_are_equivalent(first.get_max_value(), 250_000)
    assert first.values_are_equivalent(first.get_value_at_percentile(50), 1000)


def test_log_is_as_the_format_says(load_of: LoadOf, run_of: RunOf) -> None:
    """Version, start, base, divisor and legend; then seconds, maxima in ms."""
    text = hlog_files(run_of(load_of(2, times=(0.250,), service=())))["load.hlog"]
    head = text.splitlines()[:6]
    assert head == [
        "#[Histogram log format version 1.3]",
        "#[StartTime: 1790000000.000 (seconds since epoch), 2026-09-21 14:13:20 UTC]",
        "#[BaseTime: 1790000000.000 (seconds since epoch)]",
        "#[MaxValueDivisor: 1000.000]",
        "#[Values are microseconds, Interval_Max is milliseconds]",
        '"StartTimestamp","Interval_Length","Interval_Max",'
        '"Interval_Compressed_Histogram"',
    ]
    first, second = lines_of(text)
    tag, start, length, most, histogram = first
    assert (tag, start, length) == ("echo.request", "10.000", "1.000")
    assert second[1] == "11.000"
    assert most == "250.111"  # the top of its bucket, as HdrHistogram has it
    cookie = int.from_bytes(base64.b64decode(histogram)[:4], "big")
    assert cookie & ~0xF0 == 0x1C849304  # V2, compressed
    assert Histogram.decode(histogram).max == 0.250111


def test_run_without_a_load_has_no_log(records: list[Record]) -> None:
    """Nor is there an empty one."""
    assert hlog_files(records) == {}


def test_checks_of_one_suite_are_told_apart(load_of: LoadOf, run_of: RunOf) -> None:
    """Where several have loads, the check stands in the tag."""
    loads = load_of(1) + load_of(1, check="burst", started=20.0)
    loads += load_of(1, suite="other")
    files = hlog_files(run_of(loads))
    assert list(files) == ["load.hlog", "other.hlog"]
    tags = [line[0] for line in lines_of(files["load.hlog"])]
    assert tags[::2] == ["sustained.echo.request", "burst.echo.request"]
    assert next(line[0] for line in lines_of(files["other.hlog"])) == "echo.request"


def test_second_load_of_a_check_stands_behind_the_first(
    load_of: LoadOf, run_of: RunOf
) -> None:
    """Its seconds count from its own start; the log's from the run's."""
    loads = load_of(4, service=()) + load_of(2, service=(), started=50.0)
    text = hlog_files(run_of(loads))["load.hlog"]
    starts = [float(line[1]) for line in lines_of(text)]
    assert starts == [10.0, 11.0, 12.0, 13.0, 50.0, 51.0]


def test_log_is_bounded(
    load_of: LoadOf, run_of: RunOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left out is said, in a comment that readers skip."""
    monkeypatch.setattr(hlog, "MOST_LINES", 3)
    text = hlog_files(run_of(load_of(5)))["load.hlog"]
    assert len(lines_of(text)) == 3
    assert text.endswith("#[7 more intervals: see journal.ndjson]\n")


def test_hostile_names_and_histograms_break_no_line(
    hostile: str, poisoned: list[Record]
) -> None:
    """A tag has no comma, space or line break; what is damaged is counted."""
    good = Histogram()
    good.record(0.5)
    evil = LoadSampled(
        at=0.0,
        suite="../" + hostile,
        check=hostile,
        since=-5.0,
        took=-1.0,
        scenario=hostile,
        operation="a,b",
        response=good.encode(),
        service="not,a histogram",
    )
    (name, text), *_ = hlog_files([evil, *poisoned]).items()
    assert re.fullmatch(r"[A-Za-z0-9_-]+\.hlog", name)
    ((tag, start, length, _, _),) = lines_of(text)
    assert tag.isprintable()
    assert (float(start), float(length)) == (1.0, 0.0)
    assert "#[1 intervals are damaged in journal.ndjson]" in text
    assert text.encode()


def test_empty_histograms_have_a_maximum_of_nothing(
    load_of: LoadOf, run_of: RunOf
) -> None:
    """A second in which nothing was timed, though it was said that something was."""
    record = load_of(1)[0]
    assert isinstance(record, LoadSampled)
    empty = LoadSampled(
        at=1.0,
        suite="load",
        check="c",
        since=0.0,
        took=1.0,
        scenario="s",
        operation="request",
        response=Histogram().encode(),
    )
    ((_, _, _, most, _),) = lines_of(hlog_files(run_of([empty]))["load.hlog"])
    assert most == "0.000"
