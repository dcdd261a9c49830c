"""Prices of the past."""

from decimal import Decimal

import pytest

from wavetank.demo.history import read_history
from wavetank.demo.market import Quote
from wavetank.errors import UsageError


def problems(content: str) -> tuple[str, ...]:
    """Return what is wrong with a file."""
    with pytest.raises(UsageError) as caught:
        read_history("p.csv", content)
    return caught.value.problems


def test_a_csv_file_is_read_by_its_header() -> None:
    """Columns may stand in any order, with others between them, and blank lines."""
    content = (
        "\ufeffTimestamp, price,exchange,volume\n"
        "1700000000,67000.10,x,0.5\n"
        "\n"
        '1700000001500,"67001",x,0\n'
        "2023-11-14T22:13:22Z,67002,x,1e-3\n"
    )
    assert read_history("p.csv", content) == (
        Quote(Decimal("67000.1"), Decimal("0.5"), 1700000000.0),
        Quote(Decimal(67001), Decimal(0), 1700000001.5),
        Quote(Decimal(67002), Decimal("0.001"), 1700000002.0),
    )


def test_an_ndjson_file_is_read_line_by_line() -> None:
    """Objects have the same fields; others are passed over."""
    content = '\n{"price":1.5,"volume":2,"timestamp":1700000000,"x":[]}\n'
    assert read_history("p", content) == (
        Quote(Decimal("1.5"), Decimal(2), 1700000000.0),
    )


def test_every_mistake_is_told_with_its_line() -> None:
    """One run of the command shows them all."""
    rows = (
        "price,volume,timestamp",
        "abc,1,1",
        "0,1,1",
        "1,-1,1",
        "1e12,1,1",
        "1,1,-5",
        "1,1,soon",
        "1,1,2024-01-01",
        "1,1",
        "nan,1,1",
    )
    assert problems("\n".join(rows)) == (
        "p.csv line 2: price: 'abc' is not a number",
        "p.csv line 3: price: 0E-8 is not above 0",
        "p.csv line 4: volume: -1.00000000 is below 0",
        "p.csv line 5: price: '1e12' is too large",
        "p.csv line 6: timestamp: -5 is no time after 1970",
        "p.csv line 7: timestamp: 'soon' is neither a number nor a date and time",
        "p.csv line 8: timestamp: 2024-01-01: which time zone? put Z behind it",
        "p.csv line 9: without timestamp",
        "p.csv line 10: price: 'nan' is not a number",
    )


def test_what_is_no_object_is_told_with_its_line() -> None:
    """NDJSON with something else in it is wrong there and nowhere else."""
    found = problems('{"price":true,"volume":1,"timestamp":1}\n[1]\n{\n{}')
    assert found[0] == "p.csv line 1: price: True is not a number" or len(found) == 4
    assert "p.csv line 2: not an object" in found
    assert any(each.startswith("p.csv line 3: not JSON: ") for each in found)
    assert "p.csv line 4: without price and volume and timestamp" in found


def test_a_csv_file_without_a_column_is_told_at_once() -> None:
    """The nearest column that there is gets proposed."""
    assert problems("prices,volume,timestamp\n1,1,1\n") == (
        "p.csv line 1: no column price; did you mean prices?",
    )


def test_a_file_that_is_no_csv_is_told() -> None:
    """A field that no reader takes is a problem of its line, not a crash."""
    found = problems("price,volume,timestamp\n" + "1" * 200_000 + ",1,1\n")
    assert found[0].startswith("p.csv line 2: not CSV: ")


@pytest.mark.parametrize("content", ["", "price,volume,timestamp\n"])
def test_a_file_without_prices_is_no_feed(content: str) -> None:
    """Nothing to replay is a mistake, not an empty success."""
    assert problems(content) == ("p.csv there is no price in it",)


def test_not_more_mistakes_are_told_than_one_reads() -> None:
    """Of a wrong file one sees twenty lines and the number of the others."""
    found = problems("price,volume,timestamp\n" + "x,1,1\n" * 50)
    assert len(found) == 21
    assert found[-1] == "p.csv: and 30 more lines"
