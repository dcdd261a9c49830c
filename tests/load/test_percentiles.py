"""The table of all percentiles."""

from wavetank.evidence import Histogram
from wavetank.load.exchange import Operation, Tally
from wavetank.load.percentiles import percentile_table


def times(*seconds: float) -> str:
    """Return times as an encoded histogram."""
    histogram = Histogram()
    for each in seconds:
        histogram.record(each)
    return histogram.encode()


def test_percentiles_are_shown_of_both_times() -> None:
    """The response time beside the service time, and which scenario it is."""
    tally = Tally(
        scenario="chat",
        operation=Operation.REQUEST,
        response=times(*[0.002] * 99, 0.5),
        service=times(*[0.001] * 100),
    )
    table = percentile_table([tally]).splitlines()
    assert table[0].split() == ["chat", "request", "response", "service"]
    cells = {line.split()[0]: line.split()[1:] for line in table[1:-1]}
    assert cells["p50"] == ["2", "ms", "1", "ms"]
    assert cells["p99"] == ["2", "ms", "1", "ms"]
    assert cells["max"][:2] == ["500", "ms"]
    assert table[-1] == "100 times"


def test_percentiles_beyond_the_data_are_left_out() -> None:
    """The p99.9 of a hundred times would be the largest under another name."""
    names = {
        line.split()[0]
        for line in percentile_table(
            [
                Tally(
                    scenario="a", operation=Operation.PING, response=times(*[0.1] * 100)
                )
            ]
        ).splitlines()
    }
    assert {"p50", "p99", "max"} <= names
    assert not {"p99.9", "p99.99"} & names


def test_a_time_beyond_the_histogram_is_shown_as_at_least() -> None:
    """What is cut off is not called the largest."""
    tally = Tally(scenario="a", operation=Operation.PING, response=times(0.1, 3600.0))
    assert ">= 60 s" in percentile_table([tally])


def test_operations_without_times_have_no_table() -> None:
    """There is nothing to show, and nothing is made up."""
    tally = Tally(scenario="a", operation=Operation.LISTEN)
    empty = Tally(scenario="a", operation=Operation.PING, response=times())
    assert percentile_table([tally]) == ""
    assert "-" in percentile_table([empty])
