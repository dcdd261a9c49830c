"""A page bears only so many rows; what is left out is said."""

from wavetank.report.blocks import MOST_ROWS, Paragraph, Table, bounded, left_out


def test_short_tables_stay_as_they_are() -> None:
    """Every row, and no sentence about more."""
    (table,) = bounded(("A",), [("1",), ("2",)], numbers=frozenset({"A"}))
    assert table == Table(("A",), (("1",), ("2",)), frozenset({"A"}))


def test_long_tables_say_what_is_left_out() -> None:
    """As many rows as a page can bear, and how many more there are."""
    table, rest = bounded(("A",), [(str(n),) for n in range(MOST_ROWS + 3)])
    assert isinstance(table, Table)
    assert len(table.rows) == MOST_ROWS
    assert rest == Paragraph("And 3 more: see test_summary.json.")


def test_nothing_is_left_out_of_as_much_as_a_page_can_bear() -> None:
    """The bound itself is not beyond it."""
    assert list(left_out(MOST_ROWS)) == []
