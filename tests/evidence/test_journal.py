"""A journal survives crashes, newer versions and hostile bytes."""

import math
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.evidence import journal as journal_module
from wavetank.evidence.finding import Finding
from wavetank.evidence.journal import encode_record, read_journal
from wavetank.evidence.operations import Kind, Operation
from wavetank.evidence.records import (
    CheckFinished,
    CheckStarted,
    FaultBegan,
    FaultHealed,
    FaultsPlanned,
    FigureMeasured,
    FigureSampled,
    HistogramTaken,
    Noted,
    Record,
    RecoveryMeasured,
    RunFinished,
    RunStarted,
    Sampled,
    TargetEnded,
    TargetReady,
)
from wavetank.evidence.schedule import Do, Fault, Schedule, Step
from wavetank.evidence.verdict import Verdict

KILL = Fault(name="kill", kind="kill", attributes={"hard": True, "after": 2.5})

RECORDS: list[Record] = [
    RunStarted(
        at=0.0,
        run="core_20260921_133320",
        wall=1_790_000_000.0,
        version="0.1.0",
        seed=7,
        suites=["core"],
        planned=["core.broadcast"],
        target="embedded hub",
        machine={"python": "3.11"},
        options={"fail-fast": "true"},
    ),
    TargetReady(
        at=0.5,
        url="ws://127.0.0.1:9/ws",
        dialect="hub",
        capabilities=["echo"],
        took=0.4,
    ),
    CheckStarted(at=1.0, suite="core", check="broadcast", title="all hear it"),
    Operation(
        at=1.1, check="broadcast", peer="peer-1", kind=Kind.INVOKE, name="open", id=1
    ),
    FigureMeasured(
        at=1.2, suite="core", check="broadcast", name="rate", value=9.5, unit="1/s"
    ),
    FigureSampled(
        at=1.2, suite="core", check="broadcast", name="lag", value=9.5, unit="messages"
    ),
    FaultsPlanned(
        at=1.2,
        suite="core",
        check="broadcast",
        schedule=Schedule(
            steps=(
                Step(at=1.0, do=Do.BEGIN, fault=KILL),
                Step(at=2.0, do=Do.HEAL, fault=KILL),
            ),
            seed=7,
            seconds=9.0,
            text="kill at 1s for 1s",
        ),
    ),
    FaultBegan(
        at=1.2,
        suite="core",
        check="broadcast",
        name="kill",
        what="kill",
        where="the target's process",
        seed=7,
        attributes={"hard": True, "after": 2.5, "count": 3, "word": "x"},
    ),
    FaultHealed(at=1.2, suite="core", check="broadcast", name="kill"),
    RecoveryMeasured(
        at=1.2, suite="core", check="broadcast", fault="kill", detect=0.1, replayed=9
    ),
    HistogramTaken(at=1.3, suite="core", check="broadcast", name="rtt", histogram=""),
    Sampled(
        at=1.4, who="target", cpu=0.1, rss=1, descriptors=2, processes=3, threads=4
    ),
    CheckFinished(
        at=2.0,
        suite="core",
        check="broadcast",
        took=1.0,
        findings=[Finding(verdict=Verdict.PASS, title="all heard it")],
    ),
    Noted(at=2.1, text='tab \t, quote ", line\nbreak, é, 𝄞, \x1b[31m, \x00'),
    TargetEnded(at=2.2, by_lab=True, status=-15, output=["bye"]),
    RunFinished(at=2.3),
]
END = encode_record(RunFinished(at=9.0))
NOTE = encode_record(Noted(at=1.0, text="a note"))


def test_journal_gives_back_every_kind_of_record() -> None:
    """What was written is what is read, in the same order."""
    journal = read_journal(b"".join(map(encode_record, RECORDS)))
    assert journal.records == RECORDS
    assert (journal.cut, journal.problems) == (False, [])


def test_record_is_one_line_whatever_its_text() -> None:
    """A line break in a target's text is not the end of a line."""
    for record in RECORDS:
        assert encode_record(record).count(b"\n") == 1


@given(st.integers(1, 50))
def test_journal_reads_the_same_from_pieces_cut_anywhere(size: int) -> None:
    """A file may be read in any portions."""
    data = b"".join(map(encode_record, RECORDS))
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    assert read_journal(pieces) == read_journal(data)


@given(st.data())
def test_journal_cut_anywhere_keeps_all_whole_records(data: st.DataObject) -> None:
    """A crash of the lab costs the line that it was writing, and says so."""
    lines = [encode_record(record) for record in RECORDS]
    whole = b"".join(lines)
    end = data.draw(st.integers(0, len(whole) - 2))
    journal = read_journal(whole[:end])
    complete = whole[:end].count(b"\n")
    assert journal.records[:complete] == RECORDS[:complete]
    assert len(journal.records) - complete in {0, 1}  # only the line break was cut
    assert journal.cut
    assert journal.problems == []


def test_journal_whose_last_line_break_was_cut_is_whole() -> None:
    """The last record is there, and it says that the run finished."""
    journal = read_journal((NOTE + END)[:-1])
    assert len(journal.records) == 2
    assert not journal.cut


def test_journal_with_half_a_line_after_its_end_is_cut() -> None:
    """Somebody was still writing."""
    assert read_journal(END + b'{"record":"no').cut


def test_empty_journal_is_cut() -> None:
    """Nothing at all is not a finished run."""
    journal = read_journal(b"")
    assert (journal.records, journal.cut, journal.problems) == ([], True, [])


def test_journal_without_run_finished_is_cut() -> None:
    """Whole lines alone do not make a whole run."""
    assert read_journal(NOTE).cut


def test_damaged_line_in_the_middle_is_named_and_skipped() -> None:
    """One bad line costs one record, and the reader learns which."""
    journal = read_journal(NOTE + b'{"record":"noted"}\n' + NOTE + END)
    assert len(journal.records) == 3
    assert journal.problems == ["line 2: damaged: Object missing required field `at`"]
    assert not journal.cut


@pytest.mark.parametrize(
    "line",
    [
        b"\x00" * 100,
        b"\xff\xfe",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"record":"noted","at":1,"text":"x","more":' + b"[" * 100_000,
        b'{"record":"noted","at":1e999,"text":"x"}',
        b'{"record":"noted","at":"1","text":"x"}',
        b'{"record":"noted","at":1,"text":"\xff"}',
        b'{"record":"noted","at":1,"text":"\\ud800"}',
        b'{"record":7}',
        b'{"record":"' + b"x" * 100_000 + b'"',
    ],
)
def test_hostile_line_is_a_problem_and_nothing_else(line: bytes) -> None:
    """No bytes make reading fail; what follows is still read."""
    journal = read_journal(line + b"\n" + END)
    assert [type(record) for record in journal.records] == [RunFinished]
    (problem,) = journal.problems
    assert problem.startswith("line 1: damaged")
    assert len(problem) < 400


@given(st.binary(max_size=200), st.booleans())
def test_reading_never_raises(data: bytes, ended: bool) -> None:
    """Whatever the bytes are, reading them ends in a value."""
    journal = read_journal(data + b"\n" * ended)
    assert journal.cut
    assert len(journal.problems) <= 102


def test_unknown_record_of_a_newer_version_is_reported_once() -> None:
    """A newer journal can be read as far as it is understood."""
    newer = b'{"record":"weather","at":1.0,"rain":true}\n'
    journal = read_journal(newer * 3 + END)
    assert len(journal.records) == 1
    assert journal.problems == [
        "line 1: record 'weather' is unknown here; written by a newer version?",
        "2 more lines hold records of the same names",
    ]


def test_unknown_field_of_a_newer_version_is_ignored() -> None:
    """A known record may have grown."""
    journal = read_journal(b'{"record":"run_finished","at":1.0,"mood":"fine"}\n')
    assert journal.records == [RunFinished(at=1.0)]
    assert journal.problems == []


def test_problems_are_bounded() -> None:
    """A hostile journal does not fill memory with complaints."""
    unknown = b"".join(b'{"record":"r%d","at":1}\n' % number for number in range(250))
    journal = read_journal(unknown + b"?\n" * 1000)
    assert len(journal.problems) == 101
    assert journal.problems[-1] == "1150 more problems"


def test_line_that_is_too_long_is_skipped_without_being_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file without line ends does not have to fit in memory."""
    monkeypatch.setattr(journal_module, "LONGEST_LINE", 100)
    long = b"x" * 101
    assert read_journal([long + b"\n" + END]).problems == [
        "line 1: longer than 100 bytes"
    ]
    pieces = [b"x" * 60, b"x" * 60, b"x" * 60, b"\n", END]
    assert len(read_journal(pieces).records) == 1
    endless = read_journal([END, b"x" * 60, b"x" * 60])
    assert endless.problems == ["line 2: longer than 100 bytes"]


def test_reading_takes_one_piece_after_the_other() -> None:
    """The whole file never has to be in memory beside its records."""
    read = 0

    def pieces() -> Iterator[bytes]:
        nonlocal read
        for _ in range(3):
            read += 1
            yield NOTE

    assert len(read_journal(pieces()).records) == read == 3


def test_blank_lines_mean_nothing() -> None:
    """An editor may have added them, and other line ends."""
    journal = read_journal(b"\n  \n" + NOTE.replace(b"\n", b"\r\n") + b"\n" + END)
    assert len(journal.records) == 2
    assert journal.problems == []


def test_text_that_utf8_cannot_carry_is_written_out() -> None:
    """A lone surrogate from a target is evidence too."""
    record = TargetEnded(at=1.0, by_lab=False, output=["\ud800!"], reason="é")
    (read,) = read_journal(encode_record(record)).records
    assert read == TargetEnded(at=1.0, by_lab=False, output=["\\ud800!"], reason="é")
    started = RunStarted(
        at=0.0,
        run="",
        wall=0.0,
        version="",
        seed=1,
        suites=[],
        planned=[],
        target="",
        options={"\udfff": "\udfff"},
    )
    (read,) = read_journal(encode_record(started)).records
    assert isinstance(read, RunStarted)
    assert read.options == {"\\udfff": "\\udfff"}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_number_that_is_not_finite_is_refused(value: float) -> None:
    """A figure without data must not look like one."""
    with pytest.raises(ValueError, match="not finite"):
        encode_record(
            FigureMeasured(
                at=1.0, suite="s", check="c", name="n", value=value, unit="s"
            )
        )


def test_text_that_looks_like_a_missing_number_is_no_such_thing() -> None:
    """Only numbers are refused, not texts about them."""
    record = TargetEnded(at=1.0, by_lab=True, output=['{"price":null}', ":null"])
    assert read_journal(encode_record(record)).records == [record]


def test_line_is_plain_json() -> None:
    """Any tool reads a journal."""
    assert msgspec.json.decode(NOTE) == {"record": "noted", "at": 1.0, "text": "a note"}
