"""The outline decides what a report says, and in which order."""

from collections.abc import Callable

import msgspec
import pytest

from wavetank.evidence import (
    CheckFinished,
    CheckStarted,
    FaultBegan,
    Finding,
    Located,
    Record,
    RunStarted,
    Summary,
    TargetEnded,
    TargetReady,
    Verdict,
    fold,
)
from wavetank.report.blocks import (
    MOST_ROWS,
    Block,
    Case,
    Code,
    Excerpt,
    Facts,
    Heading,
    Items,
    Paragraph,
    Table,
    Title,
)
from wavetank.report.outline import (
    MOST_CASES,
    MOST_OUTPUT,
    counts_sentence,
    outline,
)

Part = Callable[[Summary, str], list[Block]]


@pytest.fixture
def part() -> Part:
    """Return the blocks under a heading, without it; [] where there is none."""

    def blocks_under(summary: Summary, heading: str) -> list[Block]:
        blocks = outline(summary, folder="results/x")
        if Heading(heading) not in blocks:
            return []
        start = blocks.index(Heading(heading)) + 1
        ends = [
            number
            for number, block in enumerate(blocks)
            if number >= start and isinstance(block, Heading) and block.level == 2
        ]
        return blocks[start : ends[0] if ends else None]

    return blocks_under


def headings(summary: Summary) -> list[str]:
    """Return the headings of level 2."""
    blocks = outline(summary, folder="results/x")
    return [b.text for b in blocks if isinstance(b, Heading) and b.level == 2]


def test_outline_begins_with_the_verdict_and_why(summary: Summary) -> None:
    """Whoever reads one line reads the right one."""
    title = outline(summary, folder="")[0]
    assert title == Title(
        run="core_20260921_133320",
        verdict=Verdict.FAIL,
        sentence="1 passed, 1 failed, 1 unknown, 2 skipped, 1 not run in 5.25 s",
        reasons=(
            "the target died by itself by signal 11 after 4.5 s",
            "1 check was planned and did not run",
            "the evidence has holes (1)",
        ),
    )


def test_outline_tells_everything_in_order_of_importance(summary: Summary) -> None:
    """What failed, then what was tested, then all of it, then what was not."""
    assert headings(summary) == [
        "The most important findings",
        "The target's last output",
        "What was tested",
        "Suites",
        "Figures",
        "Latencies",
        "Operations",
        "Resources",
        "Skipped",
        "Known failures",
        "Planned and not run",
        "Notes",
        "Holes in the evidence",
        "Make it again",
    ]


def test_outline_of_a_small_run_has_no_empty_parts(passed: Summary) -> None:
    """A heading without anything under it is noise."""
    assert headings(passed) == ["What was tested", "Suites", "Make it again"]


def test_counts_sentence_of_nothing_says_so(passed: Summary) -> None:
    """Zero checks are said, not left out."""
    assert counts_sentence(passed) == "1 passed in 3.00 s"
    empty = fold([])
    assert counts_sentence(empty) == "no check ran in 0 us"
    assert headings(empty) == ["What was tested", "Make it again"]


def test_finding_is_told_with_expected_seen_and_rule(
    summary: Summary, part: Part
) -> None:
    """FAIL first; what was not said is left out."""
    assert part(summary, "The most important findings") == [
        Case(
            Verdict.FAIL,
            "core.reconnection",
            "Nothing is lost.",
            (
                ("expected", "seq 1 to 9"),
                ("seen", "seq 4 is missing"),
                ("rule", "RFC 6455 5.4"),
            ),
        ),
        Case(Verdict.FAIL, "core.reconnection", "Nothing is repeated.", ()),
        Case(Verdict.UNKNOWN, "load.burst", "p99", (("seen", "too few values"),)),
    ]


def test_findings_beyond_the_most_important_are_counted(
    summary: Summary, part: Part
) -> None:
    """A thousand findings are not read by anybody."""
    located = Located(
        suite="s", check="c", finding=Finding(verdict=Verdict.FAIL, title="x")
    )
    many = msgspec.structs.replace(summary, findings=[located] * (MOST_CASES + 2))
    blocks = part(many, "The most important findings")
    assert len(blocks) == MOST_CASES + 1
    assert blocks[-1] == Paragraph("And 2 more findings: see the suites below.")


def test_last_output_is_shown_where_the_target_died(
    summary: Summary, part: Part
) -> None:
    """Its last words are the best evidence there is."""
    assert part(summary, "The target's last output") == [
        Excerpt(("Traceback", "Segmentation fault"))
    ]


@pytest.mark.parametrize(
    ("output", "blocks"),
    [
        ([], [Paragraph("It printed nothing, or its output was not seen.")]),
        (["last"], [Excerpt(("last",))]),
        (
            ["first", *["more"] * MOST_OUTPUT],
            [
                Paragraph(f"The last {MOST_OUTPUT} lines of {MOST_OUTPUT + 1}."),
                Excerpt(("more",) * MOST_OUTPUT),
            ],
        ),
    ],
)
def test_last_output_is_shown_where_the_target_was_never_ready(
    output: list[str], blocks: list[Block], part: Part
) -> None:
    """A target that cannot start says why on its way out; it is bounded."""
    end = TargetEnded(at=1.0, by_lab=True, ready=False, output=output)
    assert part(fold([end]), "The target's last output") == blocks


def test_last_output_is_not_shown_where_the_lab_ended_the_target(
    records: list[Record], part: Part
) -> None:
    """A sound target's chatter is no news."""
    sound = [record for record in records if not isinstance(record, TargetEnded)]
    sound.append(TargetEnded(at=9.0, by_lab=True, output=["bye"]))
    assert part(fold(sound), "The target's last output") == []


def test_outline_says_what_was_tested(
    summary: Summary, records: list[Record], part: Part
) -> None:
    """Target, dialect, machine, seed, version and options; restarts are counted."""
    (facts,) = part(summary, "What was tested")
    assert facts == Facts(
        (
            ("Target", Code("python app.py --port {port}")),
            ("Address", Code("ws://127.0.0.1:41233/ws")),
            ("Address with TLS", Code("wss://127.0.0.1:41234/ws")),
            ("Dialect", "hub"),
            ("Capabilities", "echo, publish"),
            ("Ready", "after 412 ms"),
            ("Started", "2026-09-21 14:13:20 UTC"),
            ("Suites", "core, load, security"),
            ("Seed", Code("7")),
            ("Wavetank", "0.1.0"),
            ("Machine: system", "Linux 6.1"),
            ("Machine: processors", "2"),
            ("Option fail-fast", Code("true")),
        )
    )
    again = TargetReady(at=5.0, url="", dialect="", capabilities=[], took=1.0)
    (facts,) = part(fold([*records, again]), "What was tested")
    assert isinstance(facts, Facts)
    assert ("Ready", "after 412 ms; started 2 times") in facts.rows


def test_suites_have_a_table_of_all_and_one_each(summary: Summary, part: Part) -> None:
    """Each check says what it proves, and what was seen unless it passed."""
    blocks = part(summary, "Suites")
    assert isinstance(blocks[0], Table)
    assert blocks[0].rows[0] == (
        *(Code("core"), Verdict.FAIL),
        *("1", "0", "1", "0", "1.50 s"),
    )
    assert [block.text for block in blocks if isinstance(block, Heading)] == [
        "core",
        "load",
        "security",
    ]
    tables = [block for block in blocks[1:] if isinstance(block, Table)]
    assert [row[1:4] for table in tables for row in table.rows] == [
        (Verdict.PASS, "All hear it.", ""),
        (Verdict.FAIL, "It returns.", "seq 4 is missing (and 1 more finding)"),
        (Verdict.UNKNOWN, "It stands a burst.", "too few values"),
        (Verdict.SKIP, "Keys.", "the target lacks: tokens"),
        (Verdict.SKIP, "Limits.", "known failure: ticket 7 (until 2026-12-31)"),
    ]


def test_figures_and_latencies_stand_in_tables(summary: Summary, part: Part) -> None:
    """Values with units; percentiles, and the end of the range where it was met."""
    (figures,) = part(summary, "Figures")
    assert isinstance(figures, Table)
    assert figures.rows == ((Code("load.burst"), "rate", "1,250.5 1/s"),)
    latencies, remark = part(summary, "Latencies")
    assert isinstance(latencies, Table)
    assert latencies.rows == (
        (
            *(Code("load.burst"), "response time", "100"),
            *("1.00 ms", "1.00 ms", "1.00 ms", "250 ms", "60.0 s"),
            "60.0 s or more",
        ),
    )
    assert isinstance(remark, Paragraph)


def test_latencies_within_the_range_need_no_remark(
    summary: Summary, part: Part
) -> None:
    """The remark about the range is there only where it is needed."""
    burst = summary.suites["load"].checks["burst"]
    calm = msgspec.structs.replace(burst.latencies["response time"], capped=False)
    burst.latencies["response time"] = calm
    assert len(part(summary, "Latencies")) == 1


def test_operations_and_resources_stand_in_tables(summary: Summary, part: Part) -> None:
    """What was asked and done; memory, processor time, descriptors."""
    (operations,) = part(summary, "Operations")
    assert isinstance(operations, Table)
    assert operations.rows == ((Code("core.broadcast"), "publish", *"1100"),)
    (resources,) = part(summary, "Resources")
    assert isinstance(resources, Table)
    assert resources.rows == (
        (
            *("target", "28.6 MiB", "57.2 MiB", "57.2 MiB", "1.30 s", "30 %"),
            *("12", "12", "2", "5"),
        ),
    )


def test_what_was_not_looked_at_is_listed_with_reasons(
    summary: Summary, part: Part
) -> None:
    """Skipped, known, not run, notes, holes: nothing is left out in silence."""
    (skipped,) = part(summary, "Skipped")
    (known,) = part(summary, "Known failures")
    assert isinstance(skipped, Table)
    assert isinstance(known, Table)
    assert skipped.rows[0][-1] == "the target lacks: tokens"
    assert known.rows[0][0] == Code("security.rate_limiting")
    assert known.rows[0][-1] == "ticket 7 (until 2026-12-31)"
    assert part(summary, "Planned and not run") == [Items((Code("load.sustained"),))]
    assert part(summary, "Notes") == [Items(("TLS is off",))]
    assert part(summary, "Holes in the evidence") == [
        Items(("line 7: damaged: truncated",))
    ]


def test_check_that_ended_without_a_reason_shows_none(part: Part) -> None:
    """A verdict whose findings say nothing has nothing to show."""
    bare = fold([CheckFinished(at=1.0, suite="s", check="c", took=0.1)])
    check = msgspec.structs.replace(bare.suites["s"].checks["c"], findings=[])
    bare.suites["s"].checks["c"] = check
    tables = [block for block in part(bare, "Suites") if isinstance(block, Table)]
    assert tables[1].rows[0][3] == ""


def test_long_lists_are_cut_and_say_so(summary: Summary, part: Part) -> None:
    """A report stays readable; the summary has the rest."""
    notes = [str(number) for number in range(MOST_ROWS + 3)]
    long = msgspec.structs.replace(summary, notes=notes, not_run=notes)
    for heading in ("Notes", "Planned and not run"):
        items, more = part(long, heading)
        assert isinstance(items, Items)
        assert len(items.items) == MOST_ROWS
        assert more == Paragraph("And 3 more: see test_summary.json.")


@pytest.mark.parametrize(
    ("folder", "command"),
    [
        ("results/core_1", "wavetank report results/core_1"),
        ("my results/it's", "wavetank report 'my results/it'\"'\"'s'"),
    ],
)
def test_outline_ends_with_how_to_make_it_again(
    summary: Summary, folder: str, command: str
) -> None:
    """Commands to copy: the folder is quoted where a shell needs it."""
    end = outline(summary, folder=folder)[-1]
    assert end == Excerpt((command, "wavetank run core load security --seed 7"))


def test_outline_ends_with_the_whole_command_where_the_run_has_told_it(
    summary: Summary,
) -> None:
    """It named suites and seed alone, and whoever copied it played something else."""
    rules = "cut stagger 1s for 0s; kill at 2s"
    words = ["wavetank", "run", "core", "-k", "a or b", "--seed", "7"]
    again = msgspec.structs.replace(summary, again=[*words, "--faults", rules])
    *_, told, commands = outline(again, folder="x")
    whole = f"wavetank run core -k 'a or b' --seed 7 --faults '{rules}'"
    assert commands == Excerpt(("wavetank report x", whole))
    assert isinstance(told, Paragraph)
    assert str(told.text).endswith("with the same dice; secrets are not in it.")


def test_outline_of_a_clients_run_ends_with_its_own_command() -> None:
    """With the groups that were played, and those that were not."""
    run = RunStarted(
        at=0.0,
        run="x",
        wall=0.0,
        version="1",
        seed=7,
        suites=["clients"],
        planned=["clients.pings", "clients.unicode"],
        target="python 'my client.py' {url}",
    )
    began = CheckStarted(at=0.0, suite="clients", check="pings", title="Pings")
    command = "wavetank conform --client 'python '\"'\"'my client.py'\"'\"' {url}'"
    played = outline(fold([run, began]), folder="results/x")[-1]
    assert played == Excerpt(("wavetank report results/x", f"{command} pings unicode"))
    nothing = outline(fold([run]), folder="results/x")[-1]
    assert nothing == Excerpt(("wavetank report results/x", f"{command} pings unicode"))


def test_what_passed_with_a_note_is_told(part: Part) -> None:
    """A SHOULD that was missed fails nothing, and is not forgotten."""
    findings = [
        Finding(
            verdict=Verdict.PASS,
            title="3.2 RSV1 fails.",
            note="it should say why",
            clause="RFC 6455 5.2",
        ),
        Finding(verdict=Verdict.PASS, title="3.3 RSV2 fails."),
        Finding(verdict=Verdict.FAIL, title="3.4 RSV3 fails.", note="no"),
    ]
    record = CheckFinished(
        at=1.0, suite="conformance", check="reserved", took=1.0, findings=findings
    )
    (table,) = part(fold([record]), "Passed with a note")
    assert table == Table(
        head=("Check", "What", "Note", "Rule"),
        rows=(
            (
                Code("conformance.reserved"),
                "3.2 RSV1 fails.",
                "it should say why",
                "RFC 6455 5.2",
            ),
        ),
    )
    silent = CheckFinished(at=1.0, suite="core", check="broadcast", took=1.0)
    assert part(fold([silent]), "Passed with a note") == []


def test_outline_tells_faults_behind_the_suites() -> None:
    """What was broken explains the figures that follow."""
    where = {"suite": "core", "check": "one"}
    summary = fold([FaultBegan(at=1.0, name="kill", what="kill", **where)])
    assert headings(summary)[2:5] == ["Suites", "Faults", "Make it again"]
