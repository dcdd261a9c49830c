"""load.csv opens in a spreadsheet, and is nothing but data there."""

import csv
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.evidence import LoadSampled, Record
from wavetank.report import table
from wavetank.report.table import COLUMNS, load_csv

LoadOf = Callable[..., list[Record]]
RunOf = Callable[..., list[Record]]


def rows_of(text: str) -> list[dict[str, str]]:
    """Return the rows by the names of their columns."""
    return list(csv.DictReader(text.splitlines()))


def named(scenario: str) -> LoadSampled:
    """Return a second of a scenario of that name."""
    return LoadSampled(
        at=1.0,
        suite="load",
        check="sustained",
        since=-1.0,
        took=1.0,
        scenario=scenario,
        operation="request",
        response="damaged",
    )


def test_each_second_of_each_operation_is_a_row(load_of: LoadOf, run_of: RunOf) -> None:
    """Its counts and both latencies, in seconds."""
    rows = rows_of(load_csv(run_of(load_of(3) + load_of(2, rate=5, lost=1))))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["load"], row["since_s"]) for row in rows] == [
        *(("1", "0"), ("1", "1"), ("1", "2"), ("2", "0"), ("2", "1"))
    ]
    last = rows[-1]
    assert (last["suite"], last["check"]) == ("load", "sustained")
    assert (last["scenario"], last["operation"]) == ("echo", "request")
    assert (last["sent"], last["lost"], last["dropped"]) == ("5", "1", "0")
    assert last["response_count"] == "3"
    assert last["response_p50_s"] == "0.002000"
    assert last["response_max_s"] == "0.010007"
    assert last["service_p99_s"] == "0.001000"


def test_run_without_a_load_has_no_table(records: list[Record]) -> None:
    """Nor is there an empty one."""
    assert load_csv(records) == ""


def test_times_that_are_not_there_are_empty() -> None:
    """Empty is not zero; a damaged histogram is no time at all."""
    (row,) = rows_of(load_csv([named("echo")]))
    assert {row[name] for name in row if name.startswith(("response", "service"))} == {
        ""
    }
    assert row["since_s"] == "-1"


@pytest.mark.parametrize(
    "name",
    ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1", "\uff1d1", '=cmd|"/c"!A0'],
)
def test_no_cell_is_a_formula(name: str) -> None:
    """A quote in front makes a spreadsheet take it for a text."""
    (row,) = rows_of(load_csv([named(name)]))
    assert row["scenario"].startswith(("'", "\\x0d"))


@given(st.text(), st.text())
def test_any_name_stays_in_its_cell(scenario: str, suite: str) -> None:
    """Commas, quotes and line breaks end no cell and no row."""
    text = load_csv([named(scenario), named("b")])
    assert [len(row) for row in csv.reader(text.splitlines())] == [len(COLUMNS)] * 3
    assert not rows_of(text)[0]["scenario"].lstrip().startswith(("=", "+", "-", "@"))


def test_table_has_no_more_rows_than_a_spreadsheet_opens(
    load_of: LoadOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal has the rest."""
    monkeypatch.setattr(table, "MOST_ROWS", 2)
    assert len(rows_of(load_csv(load_of(5)))) == 2
