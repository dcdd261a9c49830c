"""The report shows each load: counts, both latencies, the generator, plots."""

from collections.abc import Callable, Sequence

import pytest

from wavetank.evidence import (
    LOAD_COUNTS,
    Histogram,
    LoadSampled,
    Record,
    Summary,
    fold,
)
from wavetank.report.blocks import Block, Code, Heading, Paragraph, Table
from wavetank.report.loads import MOST_PLOTTED, load_blocks, load_lines
from wavetank.report.plots import Plot, Scale

LoadOf = Callable[..., list[Record]]
RunOf = Callable[..., list[Record]]


def blocks_of(summary: Summary) -> list[Block]:
    """Return the part of the report about loads."""
    return list(load_blocks(summary.suites))


def tables(blocks: Sequence[Block]) -> list[dict[str, object]]:
    """Return the first row of each table by the names of its columns."""
    return [
        dict(zip(block.head, block.rows[0], strict=True))
        for block in blocks
        if isinstance(block, Table)
    ]


@pytest.fixture
def loaded(load_of: LoadOf, run_of: RunOf) -> Summary:
    """A run whose one check has one load."""
    return fold(run_of(load_of(10, lost=1, dropped=2)))


def test_run_without_a_load_has_no_such_part(summary: Summary) -> None:
    """Neither a heading nor a line in the terminal."""
    assert blocks_of(summary) == []
    assert load_lines(summary.suites) == []


def test_load_shows_what_was_counted(loaded: Summary) -> None:
    """Each operation with every count that matters, and its rates."""
    blocks = blocks_of(loaded)
    assert blocks[0] == Heading("Loads")
    assert Heading("load.sustained", level=3) in blocks
    asked, wrong = tables(blocks)[:2]
    for row in (asked, wrong):
        assert row["Scenario"] == Code("echo")
        assert row["Operation"] == "request"
    assert [asked[name] for name in ("intended", "sent", "received")] == ["1,000"] * 3
    assert (asked["dropped"], asked["late"]) == ("20", "0")
    assert asked["received/s"] == "100/s"
    assert (wrong["lost"], wrong["failed"]) == ("10", "0")


def test_every_count_of_messages_is_shown_once(loaded: Summary) -> None:
    """Names stand in the records; bytes and messages of others are in load.csv."""
    asked, wrong = tables(blocks_of(loaded))[:2]
    shown = [name for name in (*asked, *wrong) if name in LOAD_COUNTS]
    elsewhere = {"foreign", "bytes_sent", "bytes_received"}
    assert sorted(shown) == sorted(set(LOAD_COUNTS) - elsewhere)


def test_load_says_which_latency_it_shows(loaded: Summary) -> None:
    """Response time and service time stand apart, and what they are is said."""
    blocks = blocks_of(loaded)
    table = next(b for b in blocks if isinstance(b, Table) and "Latency" in b.head)
    kinds = [row[table.head.index("Latency")] for row in table.rows]
    assert kinds == ["response time", "service time"]
    (first, second) = (dict(zip(table.head, row, strict=True)) for row in table.rows)
    assert (first["Count"], first["p50"], first["max"]) == ("30", "2.00 ms", "10.0 ms")
    assert (second["Count"], second["max"]) == ("10", "1.00 ms")
    said = [block.text for block in blocks if isinstance(block, Paragraph)]
    assert "the schedule intended" in said[0]


def test_load_shows_how_the_generator_fared(loaded: Summary) -> None:
    """It may have been the bottleneck itself."""
    row = tables(blocks_of(loaded))[3]
    assert (row["Workers"], row["Busiest CPU"]) == ("2", "50 %")
    assert row["Waited for a CPU"] == "20 %"
    assert (row["Longest turn"], row["Late by p99"]) == ("2.00 ms", "1.00 ms")
    assert (row["Connections"], row["ended by the target"]) == ("50", "0")


def test_load_is_plotted_over_time_and_by_percentile(loaded: Summary) -> None:
    """Rates, p99 and connections over the same seconds; the curve of each latency."""
    over_time, curve = [b for b in blocks_of(loaded) if isinstance(b, Plot)]
    assert over_time.scale is Scale.TIME
    assert [panel.label for panel in over_time.panels] == [
        *("received/s", "p99 response time", "connections")
    ]
    (line,) = over_time.panels[0].lines
    assert line.name == "echo.request"
    assert line.points[:2] == ((0.5, 100.0), (1.5, 100.0))
    assert curve.scale is Scale.PERCENTILE
    assert [line.name for line in curve.panels[0].lines] == [
        *("echo.request response time", "echo.request service time")
    ]


def test_load_without_latencies_is_shown_all_the_same(
    load_of: LoadOf, run_of: RunOf
) -> None:
    """No table of latencies, no curve; and a second of no length has no rate."""
    loads = load_of(2, times=(), service=(), started=1.0)
    blocks = blocks_of(fold(run_of(loads)))
    assert len(tables(blocks)) == 3
    (plot,) = [block for block in blocks if isinstance(block, Plot)]
    assert [panel.label for panel in plot.panels] == ["received/s", "connections"]


def test_loads_of_a_search_are_numbered_and_the_last_are_plotted(
    load_of: LoadOf, run_of: RunOf
) -> None:
    """Dozens of plots would hide the one that matters."""
    loads = [
        record
        for number in range(MOST_PLOTTED + 1)
        for record in load_of(3, rate=100 * (number + 1))
    ]
    blocks = blocks_of(fold(run_of(loads)))
    counts = next(block for block in blocks if isinstance(block, Table))
    assert counts.head[0] == "Load"
    assert [row[0] for row in counts.rows] == ["1", "2", "3", "4"]
    generators = [b for b in blocks if isinstance(b, Table) and "Workers" in b.head]
    assert [row[0] for row in generators[0].rows] == ["1", "2", "3", "4"]
    captions = [block.caption for block in blocks if isinstance(block, Plot)]
    assert captions[0] == "Rates, p99 and connections over time of load 2"
    assert len(captions) == 2 * MOST_PLOTTED
    assert Paragraph(f"Only the last {MOST_PLOTTED} loads are plotted.") in blocks


def test_load_that_never_got_going_has_no_plot(load_of: LoadOf, run_of: RunOf) -> None:
    """The generator alone was heard of."""
    only_generator = load_of(1)[1:]
    blocks = blocks_of(fold(run_of(only_generator)))
    plots = [block for block in blocks if isinstance(block, Plot)]
    assert [panel.label for panel in plots[0].panels] == ["connections"]
    assert load_lines(fold(run_of(only_generator)).suites) == []


def test_terminal_gets_a_line_for_each_operation(loaded: Summary) -> None:
    """Rate, length, what came, what went wrong, and which latency."""
    (line,) = load_lines(loaded.suites)
    assert line == (
        "load.sustained echo.request: 100/s for 10.0 s, 1,000 received, 10 lost, "
        "20 dropped, response time p50 2.00 ms, p99 10.0 ms, max 10.0 ms"
    )


def test_terminal_gets_three_lines_at_most(load_of: LoadOf, run_of: RunOf) -> None:
    """Connections that were opened beside are not among them; more are counted."""
    loads = [
        *load_of(2, operation="connect"),
        *(r for n in range(5) for r in load_of(2, operation=f"op{n}", times=())),
    ]
    lines = load_lines(fold(run_of(loads)).suites)
    assert [line.split(":")[0] for line in lines[:3]] == [
        f"load.sustained echo.op{n}" for n in range(3)
    ]
    assert "service time p50 1.00 ms" in lines[0]
    assert lines[3] == "and 2 more operations, in the report"


def test_terminal_gets_a_line_for_each_of_several_checks(
    load_of: LoadOf, run_of: RunOf
) -> None:
    """It shows what their users waited for; it once was a page of operations.

    Of publications these are the deliveries, also where each has one receiver.
    """
    publications = [
        *load_of(2, check="burst", operation="publish"),
        *load_of(2, check="burst", operation="deliver"),
        *load_of(2, check="burst", scenario="beside", rate=5000),
    ]
    publications.sort(key=lambda record: record.at)
    loads = [
        *publications,
        *load_of(2, check="ramp"),
        *load_of(2, check="silent")[1:2],
        *(record for n in range(3) for record in load_of(2, check=f"steady{n}")),
    ]
    lines = load_lines(fold(run_of(loads)).suites)
    assert [line.partition(":")[0] for line in lines] == [
        "load.burst echo.deliver",
        "load.ramp echo.request",
        "load.steady0 echo.request",
        "and 2 more loads, in the report",
    ]


def test_terminal_gets_no_line_of_an_operation_that_heard_nobodys_messages(
    load_of: LoadOf, run_of: RunOf
) -> None:
    """The greeting of a hub is no part of what its pings are about."""
    quiet = load_of(2, operation="listen", rate=0, times=(), service=(), foreign=3)
    records = [*load_of(2, operation="ping"), *quiet]
    records.sort(key=lambda record: record.at)
    (line,) = load_lines(fold(run_of(records)).suites)
    assert "echo.ping: 100/s" in line


def test_terminal_gets_the_connections_of_a_churn_that_hears_nothing(
    load_of: LoadOf, run_of: RunOf
) -> None:
    """It said ``listen: 0/s`` alone."""
    silence = load_of(2, operation="listen", rate=0, times=(), service=())
    records = [*load_of(2, operation="connect"), *silence]
    records.sort(key=lambda record: record.at)
    (line,) = load_lines(fold(run_of(records)).suites)
    assert "echo.connect: 100/s" in line


def test_connections_that_were_opened_before_are_no_part_of_a_plot(
    load_of: LoadOf, run_of: RunOf
) -> None:
    """They are told with the drain, and stood behind the end as a dot of their own."""
    opening = LoadSampled(
        at=13.5,
        suite="load",
        check="sustained",
        since=3.0,
        took=0.5,
        scenario="echo",
        operation="connect",
        counts={"intended": 5, "received": 5},
        response=encoded_once(0.003),
    )
    blocks = load_blocks(fold(run_of([*load_of(3), opening])).suites)
    plots = [block for block in blocks if isinstance(block, Plot)]
    over_time = next(plot for plot in plots if plot.scale is Scale.TIME)
    names = {line.name for panel in over_time.panels[:2] for line in panel.lines}
    assert names == {"echo.request"}


def encoded_once(seconds: float) -> str:
    """Return a histogram of one time."""
    histogram = Histogram()
    histogram.record(seconds)
    return histogram.encode()


def test_terminal_gets_the_silence_of_a_load_that_listens(
    load_of: LoadOf, run_of: RunOf
) -> None:
    """Its connections came before the first second: nothing was heard, is the news."""
    silence = load_of(2, operation="listen", rate=0, times=(), service=())
    opening = LoadSampled(
        at=12.5,
        suite="load",
        check="sustained",
        since=2.0,
        took=0.5,
        scenario="echo",
        operation="connect",
        counts={"intended": 5, "received": 5},
    )
    (line,) = load_lines(fold(run_of([*silence, opening])).suites)
    assert "echo.listen: 0/s" in line


def test_terminal_gets_the_connections_of_a_load_that_only_connects(
    load_of: LoadOf, run_of: RunOf
) -> None:
    """A churn is about them; what reached the end of the range is told so."""
    loads = load_of(2, operation="connect", times=(75.0,), service=())
    (line,) = load_lines(fold(run_of(loads)).suites)
    assert line.endswith("max 60.0 s or more")
