"""The report shows what was broken, what came meanwhile, and how it recovered."""

import random
import re
import xml.etree.ElementTree as ET

import pytest
from markdown_it import MarkdownIt  # comes with rich

from wavetank.evidence import (
    CheckFinished,
    CheckStarted,
    Do,
    Fault,
    FaultBegan,
    FaultHealed,
    FaultsPlanned,
    FigureSampled,
    Finding,
    Record,
    RecoveryMeasured,
    RunFinished,
    Schedule,
    Step,
    Summary,
    Verdict,
    fold,
)
from wavetank.report.bands import Band
from wavetank.report.blocks import (
    MOST_ROWS,
    Block,
    Code,
    Heading,
    Paragraph,
    Table,
)
from wavetank.report.faults import MOST_PANELS, NOT_MEASURED, fault_blocks
from wavetank.report.html import report_html
from wavetank.report.json import summary_json
from wavetank.report.markdown import report_markdown
from wavetank.report.plots import Plot, Scale

WHERE = {"suite": "fault_tolerance", "check": "network_partition"}
KILL = Fault(name="kill", kind="kill")


def began(at: float, name: str = "kill", **attributes: float | str) -> FaultBegan:
    """Return the begin of a fault."""
    return FaultBegan(
        at=at,
        name=name,
        what=name,
        where="the target's process",
        seed=7,
        attributes=attributes,
        **WHERE,
    )


def healed(at: float, name: str = "kill") -> FaultHealed:
    """Return its end."""
    return FaultHealed(at=at, name=name, **WHERE)


def planned(*begins: float, text: str = "kill every 30s for 2s") -> FaultsPlanned:
    """Return a schedule that kills at some moments."""
    steps = [
        step
        for at in begins
        for step in (
            Step(at=at, do=Do.BEGIN, fault=KILL),
            Step(at=at + 2, do=Do.HEAL, fault=KILL),
        )
    ]
    schedule = Schedule(steps=tuple(steps), seed=7, seconds=60.0, text=text)
    return FaultsPlanned(at=0.0, schedule=schedule, **WHERE)


def sampled(name: str, unit: str, *values: float) -> list[Record]:
    """Return a line over time."""
    return [
        FigureSampled(at=float(at), name=name, value=value, unit=unit, **WHERE)
        for at, value in enumerate(values)
    ]


def summary_of(*records: Record) -> Summary:
    """Return the summary of a check that did this."""
    return fold(
        [
            CheckStarted(at=0.0, title="Nothing is lost.", **WHERE),
            *records,
            CheckFinished(
                at=99.0,
                took=99.0,
                findings=[Finding(verdict=Verdict.PASS, title="x")],
                **WHERE,
            ),
            RunFinished(at=100.0),
        ]
    )


def blocks(*records: Record) -> list[Block]:
    """Return the part of the report about faults."""
    return list(fault_blocks(summary_of(*records).suites))


def tables(*records: Record) -> tuple[Table, Table]:
    """Return the two tables: faults and recoveries."""
    first, second = (b for b in blocks(*records) if isinstance(b, Table))
    return first, second


def pictures(*records: Record) -> list[Plot]:
    """Return the plots."""
    return [block for block in blocks(*records) if isinstance(block, Plot)]


def sentences(*records: Record) -> list[str]:
    """Return the paragraphs behind the explanation."""
    return [b.text for b in blocks(*records) if isinstance(b, Paragraph)][1:]


def test_run_without_faults_says_nothing_of_them() -> None:
    """There is no empty part."""
    assert blocks() == []


def test_faults_are_told_one_by_one() -> None:
    """When, what, where, how long, and with which seed."""
    table, _ = tables(
        began(30.0, latency=200, jitter=20), healed(32.5), began(60.0, "stop")
    )
    assert dict(zip(table.head, table.rows[0], strict=True)) == {
        "Fault": Code("kill"),
        "What": "kill (latency=200, jitter=20)",
        "Where": "the target's process",
        "Began at": "30.00 s",
        "Healed at": "32.50 s",
        "Lasted": "2.50 s",
        "Seed": Code("7"),
    }
    assert table.rows[1][4:6] == ("never", "to the end")
    unseeded = FaultBegan(at=1.0, name="cut", what="cut", **WHERE)
    assert tables(unseeded)[0].rows[0][-1] == ""


def test_figures_that_were_not_measured_are_told_as_such() -> None:
    """They are never 0, and 0 is never left out."""
    _, table = tables(began(30.0), healed(32.0))
    assert table.rows == ((Code("kill"), "30.00 s", *([NOT_MEASURED] * 6)),)
    _, table = tables(
        began(30.0),
        healed(32.0),
        RecoveryMeasured(
            at=33.0,
            fault="kill",
            detect=0.02,
            reconnect=0.0,
            steady=1.5,
            replayed=0,
            memory_slope=2048.0,
            descriptor_slope=-0.25,
            **WHERE,
        ),
    )
    assert table.rows[0][2:] == (
        *("20.0 ms", "0 us", "1.50 s", "0", "+2.00 KiB/s", "-0.25/s"),
    )


def test_p99_that_never_was_steady_again_is_told_with_the_time_it_was_watched() -> None:
    """Nobody takes it for not measured."""
    lines = sampled("latency", "s", *[0.01] * 5, *[9.0] * 20)
    records = [*lines[:5], began(5.0), healed(6.0), *lines[6:]]
    _, table = tables(*records)
    assert table.rows[0][4] == "not within 18.0 s"


def test_schedule_is_told_with_its_seed() -> None:
    """And how much of it was done, where that is not all of it."""
    records = [planned(30.0, 60.0), began(30.0), healed(32.0)]
    assert sentences(*records) == [
        "Schedule of 60.0 s with seed 7: kill every 30s for 2s.",
        "Planned were 2 faults; 1 began.",
    ]
    done = [planned(30.0, text=""), began(30.0), healed(32.0)]
    assert sentences(*done) == ["Schedule of 60.0 s with seed 7."]
    # What was planned, and never began, is no picture.
    assert pictures(planned(30.0)) == []


def test_everything_is_over_one_timeline() -> None:
    """Latency first, then lag, then what is missing; bands behind all of them."""
    (plot,) = pictures(
        *sampled("missing", "messages", 0.0, 3.0),
        *sampled("errors", "", 0.0, 1.0),
        *sampled("memory", "bytes", 0.0, 1.0),
        *sampled("lag", "messages", 1.0, 2.0),
        *sampled("latency", "s", 0.1, 0.2),
        began(30.0),
        healed(32.0),
        began(60.0, "stop"),
    )
    assert plot.scale is Scale.RUN
    assert [(panel.label, panel.unit) for panel in plot.panels] == [
        ("latency", "s"),
        ("lag (messages)", ""),
        ("missing (messages)", ""),
        ("errors", ""),
        ("memory", "bytes"),
    ]
    assert plot.panels[2].lines[0].points == ((0.0, 0.0), (1.0, 3.0))
    assert plot.bands == (Band("kill", 30.0, 32.0), Band("stop", 60.0, None))


def test_faults_of_a_kind_share_a_lane() -> None:
    """A schedule that cuts fifty times numbers the cuts: that made fifty lanes."""
    cuts = [
        record
        for number in range(1, 51)
        for record in (
            FaultBegan(
                at=float(number), name=f"cut-{number}", what="cut", seed=0, **WHERE
            ),
            healed(number + 0.5, f"cut-{number}"),
        )
    ]
    (plot,) = pictures(*cuts)
    assert {band.name for band in plot.bands} == {"cut"}
    assert len(plot.bands) == 50
    page = report_html(summary_of(*cuts), folder="x")
    assert "cut: 50 times" in page


def test_p99_of_several_operations_share_a_panel() -> None:
    """They are compared with each other."""
    (plot,) = pictures(
        *sampled("p99 echo.request", "s", 0.1, 0.2),
        *sampled("p99 other.request", "s", 0.1, 0.2),
        began(30.0),
    )
    (panel,) = plot.panels
    assert [line.name for line in panel.lines] == ["echo.request", "other.request"]


def test_figures_beyond_the_most_are_left_out_and_that_is_said() -> None:
    """A picture has an end."""
    lines = [
        record
        for number in range(MOST_PANELS + 2)
        for record in sampled(f"figure {number}", "", 1.0)
    ]
    (plot,) = pictures(*lines, began(30.0))
    assert len(plot.panels) == MOST_PANELS
    (sentence,) = sentences(*lines, began(30.0))
    assert sentence.startswith("Only 6 of 8 figures are plotted")


def test_faults_without_any_figure_are_drawn_all_the_same() -> None:
    """When it was is worth a picture; that nothing was measured is said."""
    (plot,) = pictures(began(30.0), healed(32.0))
    assert [panel.label for panel in plot.panels] == ["nothing was measured meanwhile"]


def test_tables_are_bounded() -> None:
    """The rest is in the summary."""
    many = [r for n in range(MOST_ROWS + 1) for r in (began(n), healed(n + 0.5))]
    table, _ = tables(*many)
    assert len(table.rows) == MOST_ROWS
    assert "And 1 more: see test_summary.json." in sentences(*many)


@pytest.fixture
def stormy() -> Summary:
    """Return a run in which much was broken, with a seed."""
    rng = random.Random(1)
    values = [rng.random() for _ in range(60)]
    return summary_of(
        planned(10.0, 40.0),
        *sampled("latency", "s", *values),
        *sampled("missing", "messages", *values),
        *(began(10.0), healed(12.0), began(40.0, "close_without_handshake")),
    )


def test_both_reports_have_the_picture_and_are_the_same_each_time(
    stormy: Summary,
) -> None:
    """Inside the page, and as a picture that stands alone in Markdown."""
    page = report_html(stormy, folder="x")
    text = report_markdown(stormy, folder="x")
    assert (page, text) == (
        report_html(stormy, folder="x"),
        report_markdown(stormy, folder="x"),
    )
    for report in (page, text):
        (svg,) = re.findall("<svg.*?</svg>", report, re.DOTALL)
        kinds = [element.get("class") for element in ET.fromstring(svg).iter()]
        assert (kinds.count("band"), kinds.count("lane")) == (2, 2)
    assert '<rect width="960"' in text
    assert '<rect width="960"' not in page
    assert "fault kill" in text


def test_summary_for_programs_has_schedule_faults_and_lines(stormy: Summary) -> None:
    """A failing run is repeated from it."""
    text = summary_json(stormy)
    for part in (
        '"text": "kill every 30s for 2s"',
        '"do": "begin"',
        '"began_at": 40.0',
        '"healed_at": null',
        '"name": "missing"',
    ):
        assert part in text


def test_hostile_names_stay_text(hostile: str) -> None:
    """A fault's words reach neither the page nor Markdown as code."""
    summary = summary_of(
        planned(1.0, text=hostile),
        FaultBegan(
            at=1.0,
            name=hostile,
            what=hostile,
            where=hostile,
            attributes={hostile: hostile},
            **WHERE,
        ),
        *sampled(hostile, hostile, 1.0, 2.0),
    )
    page = report_html(summary, folder="x")
    text = report_markdown(summary, folder="x")
    for report in (page, text):
        assert "\x1b" not in report
        (svg,) = re.findall("<svg.*?</svg>", report, re.DOTALL)
        assert "\n\n" not in svg
        tags = {one.tag.rpartition("}")[2] for one in ET.fromstring(svg).iter()}
        assert tags == {"svg", "rect", "path", "text", "tspan", "polyline"}
    for shown in (page, MarkdownIt("commonmark").enable("table").render(text)):
        assert "<script" not in shown
        assert "<img" not in shown
        assert 'href="javascript' not in shown
    assert Heading("Faults") in list(fault_blocks(summary.suites))
