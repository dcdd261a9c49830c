"""The journal's file: every record on disk at once, and no secret in it."""

import threading
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from wavetank.evidence import (
    CheckFinished,
    Do,
    Fault,
    FaultBegan,
    FaultsPlanned,
    Finding,
    GeneratorSampled,
    HistogramTaken,
    Kind,
    LoadSampled,
    Noted,
    Operation,
    Record,
    RecoveryMeasured,
    RunStarted,
    Schedule,
    Step,
    TargetEnded,
    TargetReady,
    Verdict,
    read_journal,
)
from wavetank.lab import journal
from wavetank.lab.journal import REDACTED, JournalFile, Redaction

OURS = {
    RunStarted: {"run", "version", "suites", "planned", "machine"},
    TargetReady: {"dialect", "capabilities"},
    Operation: {"check", "peer", "name"},
    LoadSampled: {"operation", "counts", "response", "service"},
    GeneratorSampled: {"lateness"},
    FaultBegan: {"what"},
    RecoveryMeasured: {"fault"},
}
"""Texts that we choose ourselves, beside the names that every record has."""
NAMES = {"suite", "check", "title", "name", "unit", "histogram", "who"}


def noted(text: str) -> Noted:
    """Make a note."""
    return Noted(at=1.0, text=text)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal will be."""
    return tmp_path / "journal.ndjson"


def test_each_record_is_on_disk_before_the_next(path: Path) -> None:
    """Whoever reads while the run goes on sees all that was written."""
    written = JournalFile(path)
    for number in range(3):
        written.append(noted(str(number)))
        read = read_journal(path.read_bytes()).records
        assert read == [noted(str(each)) for each in range(number + 1)]
    assert str(path) in repr(written)
    written.close()


def test_a_journal_is_never_written_over(path: Path) -> None:
    """One that is there belongs to another run."""
    path.write_text("kept")
    with pytest.raises(FileExistsError):
        JournalFile(path)
    assert path.read_text() == "kept"


def test_a_closed_journal_drops_what_comes_late(path: Path) -> None:
    """A thread that measures may be a moment behind; closing twice is no harm."""
    seen: list[Record] = []
    written = JournalFile(path, watch=seen.append)
    written.append(noted("in time"))
    written.close()
    written.close()
    written.append(noted("late"))
    assert read_journal(path.read_bytes()).records == seen == [noted("in time")]


def test_a_journal_can_be_written_from_any_thread(path: Path) -> None:
    """No line is torn, none is lost."""
    written = JournalFile(path)
    together = threading.Barrier(4)

    def write(who: int) -> None:
        together.wait()
        for number in range(200):
            written.append(noted(f"{who}-{number} {'x' * 500}"))

    threads = [threading.Thread(target=write, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written.close()
    read = read_journal(path.read_bytes())
    assert len({record.text for record in read.records}) == 800  # type: ignore[union-attr]
    assert not read.problems


SECRET = 's3cr/t "quoted"'
SPOKEN = [
    RunStarted(
        at=0.0,
        run="r",
        wall=1.0,
        version="1",
        seed=1,
        suites=["core"],
        planned=["core.broadcast"],
        target=f"app --key {SECRET}",
        options={"serve": f"app --key {SECRET}"},
    ),
    TargetReady(
        at=0.0,
        url=f"ws://a/?k={SECRET}",
        tls_url=f"wss://a/?k={SECRET}",
        dialect="hub",
        capabilities=[],
        took=0.1,
    ),
    TargetEnded(at=0.0, by_lab=False, output=[f"got {SECRET}"], reason=f"bad {SECRET}"),
    CheckFinished(
        at=0.0,
        suite="core",
        check="broadcast",
        took=1.0,
        findings=[
            Finding(
                verdict=Verdict.FAIL,
                title=f"a {SECRET}",
                expected=f"b {SECRET}",
                seen=f"c {SECRET}",
                clause=f"d {SECRET}",
                known=f"e {SECRET}",
            )
        ],
    ),
    Operation(
        at=0.0,
        check="broadcast",
        peer="peer-1",
        kind=Kind.INFO,
        name="event",
        topic=f"t {SECRET}",
        detail=f"f {SECRET}",
    ),
    noted(f"g {SECRET}"),
    FaultBegan(
        at=0.0,
        suite="s",
        check="c",
        name="latency",
        what="latency",
        where=f"link {SECRET}",
        attributes={"reason": f"h {SECRET}", "latency": 1.0},
    ),
    FaultsPlanned(
        at=0.0,
        suite="s",
        check="c",
        schedule=Schedule(
            steps=(
                Step(
                    at=1.0,
                    do=Do.BEGIN,
                    fault=Fault(
                        name="close",
                        kind="close_code",
                        attributes={"reason": f"i {SECRET}"},
                    ),
                ),
            ),
            seed=1,
            seconds=2.0,
            text=f"close_code(reason={SECRET}) at 1s",
        ),
    ),
]


@pytest.mark.parametrize("record", SPOKEN)
def test_a_secret_is_replaced_wherever_it_is_said(path: Path, record: Record) -> None:
    """On disk and for whoever watches; the rest of the text stays."""
    seen: list[Record] = []
    written = JournalFile(path, secrets=[SECRET, ""], watch=seen.append)
    written.append(record)
    written.close()
    told = path.read_text() + repr(seen)
    assert "s3cr" not in told
    assert REDACTED in told
    assert read_journal(path.read_bytes()).records == seen


@pytest.mark.parametrize(
    "spelling",
    [
        's3cr/t "quoted"',
        's3cr/t \\"quoted\\"',  # in JSON that a target sent back
        "s3cr%2Ft%20%22quoted%22",  # in the path that a target logged
    ],
)
def test_a_secret_is_found_in_its_common_spellings(spelling: str) -> None:
    """Quotes are escaped in JSON and in Python, most of it in a URL."""
    assert Redaction([SECRET]).text(f"<{spelling}>") == f"<{REDACTED}>"
    assert Redaction(["it's\n"]).text(repr("it's\n")) == f'"{REDACTED}"'


def test_a_secret_that_holds_another_is_replaced_whole() -> None:
    """No part of the longer one is left behind."""
    assert Redaction(["key", "key-of-all"]).text("key-of-all key") == (
        f"{REDACTED} {REDACTED}"
    )


@pytest.mark.parametrize("secret", ["1", "e", "core", "operation", "[", "null", '"'])
def test_a_secret_that_reads_like_a_part_of_a_record_breaks_nothing(
    path: Path, secret: str
) -> None:
    """A header with the value 1 once made the journal unreadable."""
    histogram = HistogramTaken(
        at=1.1, suite="core", check="c", name="n", histogram="HIST1e"
    )
    written = JournalFile(path, secrets=[secret])
    for record in (*SPOKEN, histogram):
        written.append(record)
    written.close()
    read = read_journal(path.read_bytes())
    assert not read.problems
    assert [type(record) for record in read.records] == [
        *map(type, SPOKEN),
        HistogramTaken,
    ]
    assert read.records[0].suites == ["core"]  # type: ignore[union-attr]
    assert read.records[-1] == histogram


def test_every_text_of_a_record_is_either_free_or_ours() -> None:
    """A field that is new has to be put on one of the two lists."""
    for kind in (*get_args(Record), Finding):
        texts = {
            field.name for field in msgspec.structs.fields(kind) if _has_text(field)
        }
        free = set(journal._FREE.get(kind, ()))
        named = OURS.get(kind, set()) | (NAMES if kind is not Finding else set())
        assert texts - named <= free, kind
        assert free <= texts, kind


def _has_text(field: Any) -> bool:
    shown = str(field.type)
    return field.type is str or any(
        part in shown for part in ("str]", "Finding", "Schedule")
    )


def test_what_an_operation_says_is_cut_after_secrets_are_gone(path: Path) -> None:
    """A long token that a target repeats would be cut in two, and half of it told."""
    token = "eyJ" + "x" * 400
    operation = SPOKEN[4]
    assert isinstance(operation, Operation)
    written = JournalFile(path, secrets=[token])
    for detail in (f"{'a' * 100} {token}", "b" * 120, "c" * 121):
        written.append(msgspec.structs.replace(operation, detail=detail))
    written.close()
    first, second, third = read_journal(path.read_bytes()).records
    assert first.detail == f"{'a' * 100} {REDACTED}"  # type: ignore[union-attr]
    assert second.detail == "b" * 120  # type: ignore[union-attr]
    assert third.detail == f"{'c' * 120}… (121 characters)"  # type: ignore[union-attr]
