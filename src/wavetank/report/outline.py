"""The report as a list of blocks: what it says, and in which order.

It refuses to know Markdown and HTML, which both write the same blocks.
"""

import shlex
from collections.abc import Callable, Iterator

from wavetank.evidence import (
    CheckSummary,
    Located,
    SuiteSummary,
    Summary,
    Verdict,
)
from wavetank.report.blocks import (
    MOST_ROWS,
    Block,
    Case,
    Cell,
    Code,
    Excerpt,
    Facts,
    Heading,
    Items,
    Paragraph,
    Table,
    Title,
    bounded,
    left_out,
)
from wavetank.report.faults import fault_blocks
from wavetank.report.loads import load_blocks
from wavetank.report.quantities import count, duration, figure, moment, share, size

__all__ = ["counts_sentence", "outline"]

MOST_CASES = 20
"""Findings that are shown in full; the suites' tables have all of them."""

MOST_OUTPUT = 100


def outline(summary: Summary, *, folder: str) -> list[Block]:
    """Return the blocks of the report.

    Args:
        summary: What the run came to.
        folder: Where the report and its journal lie, for the commands in it.
    """
    return [
        Title(
            run=summary.run,
            verdict=summary.verdict,
            sentence=counts_sentence(summary),
            reasons=tuple(summary.reasons),
        ),
        *_findings(summary.findings),
        *_last_output(summary),
        Heading("What was tested"),
        _tested(summary),
        *_suites(summary.suites),
        *load_blocks(summary.suites),
        *fault_blocks(summary.suites),
        *_figures(summary.suites),
        *_latencies(summary.suites),
        *_operations(summary.suites),
        *_resources(summary),
        *_noted(summary.suites),
        *_located("Skipped", summary.skipped, "Reason", lambda f: f.finding.seen),
        *_located("Known failures", summary.known, "Known because", _known_because),
        *_names("Planned and not run", summary.not_run),
        *_texts("Notes", summary.notes),
        *_texts("Holes in the evidence", summary.problems),
        *_again(summary, folder),
    ]


def counts_sentence(summary: Summary) -> str:
    """Return how many checks came to what, and how long it took."""
    words = {"PASS": "passed", "FAIL": "failed", "UNKNOWN": "unknown"}
    words["SKIP"] = "skipped"
    parts = [
        f"{summary.counts[verdict]:,} {word}"
        for verdict, word in words.items()
        if summary.counts.get(verdict)
    ]
    if summary.not_run:
        parts.append(f"{len(summary.not_run):,} not run")
    return f"{', '.join(parts) or 'no check ran'} in {duration(summary.duration)}"


def _findings(findings: list[Located]) -> Iterator[Block]:
    if not findings:
        return
    yield Heading("The most important findings")
    for located in findings[:MOST_CASES]:
        finding = located.finding
        yield Case(
            verdict=finding.verdict,
            where=located.name,
            title=finding.title,
            facts=tuple(
                (name, text)
                for name, text in (
                    ("expected", finding.expected),
                    ("seen", finding.seen),
                    ("rule", finding.clause),
                )
                if text
            ),
        )
    if len(findings) > MOST_CASES:
        more = count(len(findings) - MOST_CASES, "more finding")
        yield Paragraph(f"And {more}: see the suites below.")


def _last_output(summary: Summary) -> Iterator[Block]:
    end = summary.target_end
    if end is None or not (summary.target_died or summary.not_ready):
        return
    yield Heading("The target's last output")
    if not end.output:
        yield Paragraph("It printed nothing, or its output was not seen.")
        return
    if len(end.output) > MOST_OUTPUT:
        yield Paragraph(f"The last {MOST_OUTPUT} lines of {len(end.output):,}.")
    yield Excerpt(tuple(end.output[-MOST_OUTPUT:]))


def _tested(summary: Summary) -> Facts:
    target = summary.target
    ready = f"after {duration(target.took)}"
    if target.starts > 1:
        ready += f"; started {target.starts} times"
    rows: list[tuple[str, Cell]] = [
        ("Target", Code(target.given)),
        ("Address", Code(target.url)),
        ("Address with TLS", Code(target.tls_url)),
        ("Dialect", target.dialect),
        ("Capabilities", ", ".join(target.capabilities)),
        ("Ready", ready if target.starts else ""),
        ("Started", moment(summary.wall)),
        ("Suites", ", ".join(summary.asked)),
        ("Seed", Code(str(summary.seed))),
        ("Wavetank", summary.version),
        *((f"Machine: {name}", text) for name, text in summary.machine.items()),
        *((f"Option {name}", Code(text)) for name, text in summary.options.items()),
    ]
    return Facts(tuple(row for row in rows if row[1] not in {"", Code("")}))


def _suites(suites: dict[str, SuiteSummary]) -> Iterator[Block]:
    if not suites:
        return
    yield Heading("Suites")
    verdicts = ("PASS", "UNKNOWN", "FAIL", "SKIP")
    yield Table(
        head=("Suite", "Verdict", *verdicts, "Took"),
        rows=tuple(
            (
                Code(name),
                suite.verdict,
                *(str(suite.counts.get(verdict, 0)) for verdict in verdicts),
                duration(suite.took),
            )
            for name, suite in suites.items()
        ),
        numbers=frozenset((*verdicts, "Took")),
    )
    for name, suite in suites.items():
        yield Heading(name, level=3)
        yield from bounded(
            ("Check", "Verdict", "What it proves", "What was seen", "Took"),
            [
                (
                    Code(check_name),
                    check.verdict,
                    check.title,
                    _seen(check),
                    duration(check.took),
                )
                for check_name, check in suite.checks.items()
            ],
            numbers=frozenset({"Took"}),
        )


def _seen(check: CheckSummary) -> str:
    """Return what was seen by the finding that decided; nothing on PASS."""
    if check.verdict is Verdict.PASS:
        return ""
    deciding = [f for f in check.findings if f.verdict is check.verdict and not f.known]
    known = [finding for finding in check.findings if finding.known]
    if not deciding:
        return f"known failure: {known[0].known}" if known else ""
    seen = deciding[0].seen or deciding[0].title
    more = len(deciding) - 1
    return f"{seen} (and {count(more, 'more finding')})" if more else seen


def _checks(
    suites: dict[str, SuiteSummary],
) -> Iterator[tuple[str, CheckSummary]]:
    for suite_name, suite in suites.items():
        for name, check in suite.checks.items():
            yield f"{suite_name}.{name}", check


def _figures(suites: dict[str, SuiteSummary]) -> Iterator[Block]:
    rows: list[tuple[Cell, ...]] = [
        (Code(where), name, figure(measured.value, measured.unit))
        for where, check in _checks(suites)
        for name, measured in check.figures.items()
    ]
    if rows:
        yield Heading("Figures")
        yield from bounded(
            ("Check", "Figure", "Value"), rows, numbers=frozenset({"Value"})
        )


def _latencies(suites: dict[str, SuiteSummary]) -> Iterator[Block]:
    rows: list[tuple[Cell, ...]] = []
    capped = False
    for where, check in _checks(suites):
        for name, latency in check.latencies.items():
            capped = capped or latency.capped
            points = (latency.min, latency.p50, latency.p90, latency.p99, latency.p999)
            rows.append(
                (
                    Code(where),
                    name,
                    f"{latency.count:,}",
                    *(duration(point) for point in points),
                    duration(latency.max) + (" or more" if latency.capped else ""),
                )
            )
    if not rows:
        return
    numbers = ("Count", "min", "p50", "p90", "p99", "p99.9", "max")
    yield Heading("Latencies")
    yield from bounded(("Check", "Latency", *numbers), rows, numbers=frozenset(numbers))
    if capped:
        yield Paragraph("Where it says so, a duration reached the end of the range.")


def _operations(suites: dict[str, SuiteSummary]) -> Iterator[Block]:
    kinds = ("invoke", "ok", "fail", "info")
    rows: list[tuple[Cell, ...]] = [
        (Code(where), name, *(f"{counts.get(kind, 0):,}" for kind in kinds))
        for where, check in _checks(suites)
        for name, counts in check.operations.items()
    ]
    if not rows:
        return
    numbers = ("asked", "done", "refused", "unknown or unasked")
    yield Heading("Operations")
    yield from bounded(
        ("Check", "Operation", *numbers), rows, numbers=frozenset(numbers)
    )


def _resources(summary: Summary) -> Iterator[Block]:
    if not summary.resources:
        return
    numbers = (
        "Memory first",
        "last",
        "peak",
        "CPU",
        "CPU peak",
        "Descriptors last",
        "most",
        "Processes",
        "Threads",
    )
    yield Heading("Resources")
    yield Table(
        head=("Who", *numbers),
        rows=tuple(
            (
                who,
                size(used.rss_first),
                size(used.rss_last),
                size(used.rss_peak),
                duration(used.cpu),
                share(used.cpu_peak),
                f"{used.descriptors_last:,}",
                f"{used.descriptors_peak:,}",
                f"{used.processes_peak:,}",
                f"{used.threads_peak:,}",
            )
            for who, used in summary.resources.items()
        ),
        numbers=frozenset(numbers),
    )


def _noted(suites: dict[str, SuiteSummary]) -> Iterator[Block]:
    """Tell what passed, and should be better all the same."""
    rows: list[tuple[Cell, ...]] = [
        (Code(where), finding.title, finding.note, finding.clause)
        for where, check in _checks(suites)
        for finding in check.findings
        if finding.note and finding.verdict is Verdict.PASS
    ]
    if rows:
        yield Heading("Passed with a note")
        yield from bounded(("Check", "What", "Note", "Rule"), rows)


def _known_because(located: Located) -> str:
    return located.finding.known


def _located(
    heading: str,
    places: list[Located],
    column: str,
    text: Callable[[Located], str],
) -> Iterator[Block]:
    if not places:
        return
    yield Heading(heading)
    yield from bounded(
        ("Check", "Verdict", "What", column),
        [
            (
                Code(place.name),
                place.finding.verdict,
                place.finding.title,
                text(place),
            )
            for place in places
        ],
    )


def _names(heading: str, names: list[str]) -> Iterator[Block]:
    if names:
        yield Heading(heading)
        yield Items(tuple(Code(name) for name in names[:MOST_ROWS]))
        yield from left_out(len(names))


def _texts(heading: str, texts: list[str]) -> Iterator[Block]:
    if texts:
        yield Heading(heading)
        yield Items(tuple(texts[:MOST_ROWS]))
        yield from left_out(len(texts))


def _again(summary: Summary, folder: str) -> Iterator[Block]:
    yield Heading("Make it again")
    more = "secrets are not in it" if summary.again else "add the options above"
    yield Paragraph(
        "This report is a pure function of journal.ndjson; the first command makes "
        "it again, here or elsewhere. The second makes the run again, with the same "
        f"dice; {more}."
    )
    yield Excerpt((f"wavetank report {shlex.quote(folder)}", _command(summary)))


def _command(summary: Summary) -> str:
    """Return the command that makes the run again."""
    if summary.asked == ["clients"]:
        suite = summary.suites.get("clients")
        groups = list(suite.checks) if suite else []
        groups += [name.partition(".")[2] for name in summary.not_run]
        client = shlex.quote(summary.target.given)
        return " ".join(["wavetank conform --client", client, *groups])
    if summary.again:
        return shlex.join(summary.again)
    suites = "".join(f" {suite}" for suite in summary.asked)
    return f"wavetank run{suites} --seed {summary.seed}"
