"""A second of a load is told in one line, or in rows."""

import pytest

from wavetank.evidence import Histogram
from wavetank.load.exchange import Generator, Operation, Tally
from wavetank.load.result import Moment
from wavetank.load.wording import moment_line, moment_rows


def times(*durations: float) -> str:
    """Return durations as an encoded histogram."""
    histogram = Histogram()
    for duration in durations:
        histogram.record(duration)
    return histogram.encode()


def moment(*tallies: Tally, generators: dict[int, Generator] | None = None) -> Moment:
    """Return the twelfth second of a load."""
    return Moment(number=11, tallies=[*tallies], generators=generators or {})


def test_line_tells_rates_latency_errors_and_headroom() -> None:
    """Everything that one has to know, while it can still be ended."""
    request = Tally(
        scenario="echo",
        operation=Operation.REQUEST,
        intended=1000,
        sent=990,
        received=980,
        dropped=10,
        failed=2,
        response=times(0.001, 0.002, 0.5),
        service=times(0.001),
    )
    generators = {
        0: Generator(cpu=0.25, open=50),
        1: Generator(cpu=0.40, open=50, lost_connections=3),
    }
    assert moment_line(moment(request, generators=generators), 60.0) == (
        "12 s of 60 s; sent 990/s; received 980/s; "
        "response time p50 2 ms, p99 500 ms, max 500 ms; failed 2; dropped 10; "
        "open 100; ended by the target 3; generator 60 % free"
    )


def test_line_tells_deliveries_of_what_was_published() -> None:
    """Not the acknowledgements; the latency is that of the receivers."""
    publish = Tally(
        scenario="prices",
        operation=Operation.PUBLISH,
        sent=10,
        received=10,
        response=times(0.001),
    )
    deliver = Tally(
        scenario="prices",
        operation=Operation.DELIVER,
        received=500,
        lost=1,
        response=times(0.004),
    )
    connect = Tally(scenario="prices", operation=Operation.CONNECT, sent=7, received=7)
    line = moment_line(moment(publish, deliver, connect), 60.0)
    assert "sent 10/s; received 500/s; response time p50 4 ms" in line
    assert line.endswith("; lost 1")


def test_line_of_a_load_that_only_connects_is_about_connections() -> None:
    """A churn has no messages."""
    connect = Tally(
        scenario="churn",
        operation=Operation.CONNECT,
        sent=40,
        received=39,
        failed=1,
        late=2,
        service=times(0.003),
    )
    assert moment_line(moment(connect), 60.0) == (
        "12 s of 60 s; sent 40/s; received 39/s; "
        "service time p50 3 ms, p99 3 ms, max 3 ms; failed 1; late 2"
    )


def test_line_of_a_churn_is_about_connections_where_they_subscribe_to_silence() -> None:
    """It said ``received 0/s``, for nobody had anything to hear."""
    connect = Tally(scenario="churn", operation=Operation.CONNECT, sent=40, received=39)
    listen = Tally(scenario="churn", operation=Operation.LISTEN)
    assert "sent 40/s; received 39/s" in moment_line(moment(listen, connect), 60.0)
    heard = Tally(scenario="churn", operation=Operation.LISTEN, received=7)
    assert "received 7/s" in moment_line(moment(heard, connect), 60.0)


def test_line_of_a_second_without_anything_says_so() -> None:
    """Zero, and no latency: not the last one again."""
    assert moment_line(moment(), 60.0) == "12 s of 60 s; sent 0/s; received 0/s"


def test_line_warns_of_a_generator_at_its_limit() -> None:
    """What is measured may be its own delay then."""
    line = moment_line(moment(generators={0: Generator(cpu=0.97, open=5)}), 60.0)
    assert line.endswith("; generator at its limit (97 % of a core)")


@pytest.mark.parametrize(
    ("seconds", "bar"),
    [
        (24.0, "#" * 12 + "." * 12),
        (12.0, "#" * 24),
        (5.0, "#" * 24),
        (0.0, "#" * 24),
    ],
)
def test_rows_begin_with_how_far_the_load_is(seconds: float, bar: str) -> None:
    """A bar that is full at the end, and not more than full behind it."""
    rows = moment_rows(moment(), seconds)
    assert rows[0] == ("load", f"{bar}  12 s of {seconds:.0f} s")
    assert rows[1:] == [("sent", "0/s"), ("received", "0/s")]
