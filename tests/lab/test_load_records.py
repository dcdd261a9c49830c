"""The seconds of a load as records: their sum is the whole load."""

from collections import Counter
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.evidence import GeneratorSampled, Histogram, LoadSampled, Record
from wavetank.lab.load_records import LoadRecords
from wavetank.lab.notebook import Notebook
from wavetank.load.exchange import Generator, Operation, Tally
from wavetank.load.plan import LoadPlan, Scenario, ScenarioKind, Stage
from wavetank.load.result import LoadResult, Moment
from wavetank.load.totals import Totals

PLAN = LoadPlan(
    scenarios=(
        Scenario(
            name="x",
            kind=ScenarioKind.REQUEST,
            users=1,
            stages=(Stage(seconds=1.5, level=1.0),),
        ),
    )
)


def sums(tallies: Iterable[Tally]) -> list[Tally]:
    """Return the totals of tallies."""
    totals = Totals()
    for each in tallies:
        totals.add(each)
    return totals.tallies()


def tally(
    times: list[float], operation: Operation = Operation.REQUEST, **counts: int
) -> Tally:
    """Return a tally with these response times, in seconds."""
    histogram = Histogram()
    for time in times:
        histogram.record(time)
    return Tally(
        scenario="x",
        operation=operation,
        received=len(times),
        response=histogram.encode() if times else "",
        **counts,
    )


def moment(number: int, *tallies: Tally) -> Moment:
    """Return a second of one worker."""
    fared = Generator(cpu=0.25, waited=0.125, lag=0.5, open=3, lost_connections=1)
    return Moment(number=number, tallies=list(tallies), generators={0: fared})


@pytest.fixture
def records() -> list[Record]:
    """Where the records go."""
    return []


@pytest.fixture
def writing(records: list[Record]) -> LoadRecords:
    """The writer of a load of 1.5 s."""
    notebook = Notebook(
        suite="load", check="toy", record=records.append, now=lambda: 9.0
    )
    return LoadRecords(notebook, PLAN)


def test_a_second_is_written_for_each_operation_and_for_the_generator(
    writing: LoadRecords, records: list[Record]
) -> None:
    """Counts that are nothing are left out; each says of which check it is."""
    writing.add(moment(0, tally([0.001], sent=2)))
    load, generator = records
    assert isinstance(load, LoadSampled)
    assert (load.at, load.suite, load.check) == (9.0, "load", "toy")
    assert (load.since, load.took, load.operation) == (0.0, 1.0, "request")
    assert load.counts == {"sent": 2, "received": 1}
    assert isinstance(generator, GeneratorSampled)
    assert (generator.cpu, generator.lag, generator.open) == ([0.25], 0.5, 3)
    assert (generator.waited, generator.lost_connections) == (0.125, 1)


def test_a_second_in_which_nobody_connected_is_not_told(
    writing: LoadRecords, records: list[Record]
) -> None:
    """One in which nothing came is: that is what a stall looks like."""
    writing.add(moment(0, tally([], Operation.CONNECT), tally([])))
    told = [record for record in records if isinstance(record, LoadSampled)]
    assert [(record.operation, record.counts) for record in told] == [("request", {})]


def test_the_last_second_is_as_long_as_the_load(
    writing: LoadRecords, records: list[Record]
) -> None:
    """A load of 1.5 s ends in the middle of its second one."""
    for number, took in enumerate((1.0, 0.5, 1.0)):
        second = moment(number, tally([0.001]))
        writing.add(msgspec.structs.replace(second, took=took))
    took = [record.took for record in records if isinstance(record, LoadSampled)]
    assert took == [1.0, 0.5, 1.0]


def test_each_second_says_how_much_of_it_was_planned(records: list[Record]) -> None:
    """Rates are of that time: of all of it, whether anything was sent or not.

    A load is behind its plan where something is still sent then.
    """
    late = Scenario(
        name="late",
        kind=ScenarioKind.REQUEST,
        users=1,
        after=0.5,
        stages=(Stage(seconds=1.75, level=1.0),),
    )
    churn = msgspec.structs.replace(late, name="churn", kind=ScenarioKind.CHURN)
    listen = Scenario(name="listen", kind=ScenarioKind.LISTEN, users=1)
    plan = LoadPlan(scenarios=(late, churn, listen), duration=3.0)
    notebook = Notebook(
        suite="load", check="toy", record=records.append, now=lambda: 0.0
    )
    writing = LoadRecords(notebook, plan)
    for number in range(4):
        writing.add(
            moment(
                number,
                *(
                    Tally(scenario=name, operation=operation, sent=number == 3)
                    for name, operation in (
                        ("late", Operation.REQUEST),
                        ("late", Operation.CONNECT),
                        ("churn", Operation.CONNECT),
                    )
                ),
                Tally(scenario="listen", operation=Operation.LISTEN),
            )
        )
    planned: dict[tuple[str, str], list[float]] = {}
    for record in records:
        if isinstance(record, LoadSampled):
            key = record.scenario, record.operation
            planned.setdefault(key, []).append(record.planned)
    assert planned == {
        ("late", "request"): [0.5, 1.0, 0.25, 1.0],
        ("late", "connect"): [0.0],
        ("churn", "connect"): [0.5, 1.0, 0.25, 1.0],
        ("listen", "listen"): [1.0, 1.0, 1.0, 0.0],
    }


def test_what_no_second_had_is_written_at_the_end(
    writing: LoadRecords, records: list[Record]
) -> None:
    """Opening and drain have their own length; where nothing is left, nothing is
    said."""
    first = tally([0.001, 0.002], sent=3)
    steady = tally([0.5], Operation.PING, sent=1)
    writing.add(moment(0, first, steady))
    records.clear()
    drained, opening = tally([0.002, 0.03], lost=1), tally([0.1], Operation.CONNECT)
    total = sums([first, drained, steady, opening])
    result = LoadResult(plan=PLAN, seconds=1.5, tallies=total)
    writing.finish(result, opening=0.75, drain=0.25)
    rest = {record.operation: record for record in records}
    assert rest.keys() == {"request", "connect"}
    assert rest["request"].counts == {"received": 2, "lost": 1}
    assert (rest["request"].since, rest["request"].took) == (1.5, 0.25)
    assert rest["request"].response == drained.response
    assert rest["connect"].took == 0.75
    assert rest["connect"].response == opening.response


def test_counts_without_times_are_written_too(
    writing: LoadRecords, records: list[Record]
) -> None:
    """What is lost has no time."""
    first = tally([0.001])
    writing.add(moment(0, first))
    records.clear()
    result = LoadResult(
        plan=PLAN, seconds=1.5, tallies=sums([first, tally([], lost=4)])
    )
    writing.finish(result, opening=0.0, drain=1.0)
    (record,) = records
    assert isinstance(record, LoadSampled)
    assert (record.counts, record.response) == ({"lost": 4}, "")


@given(
    st.lists(st.lists(st.floats(0, 70), max_size=20), max_size=4),
    st.lists(st.floats(0, 70), max_size=20),
)
def test_the_sum_of_all_records_is_the_whole_load(
    seconds: list[list[float]], drained: list[float]
) -> None:
    """However its times are spread over seconds and drain, none is lost or doubled."""
    records: list[Record] = []
    notebook = Notebook(
        suite="load", check="toy", record=records.append, now=lambda: 0.0
    )
    writing = LoadRecords(notebook, PLAN)
    tallies = [tally(times, sent=len(times)) for times in seconds]
    for number, one in enumerate(tallies):
        writing.add(moment(number, one))
    whole = sums([*tallies, tally(drained)])
    writing.finish(
        LoadResult(plan=PLAN, seconds=1.5, tallies=whole), opening=0.0, drain=0.0
    )
    counts: Counter[str] = Counter()
    histogram = Histogram()
    for record in records:
        if isinstance(record, LoadSampled):
            counts.update(record.counts)
            if record.response:
                histogram.merge(Histogram.decode(record.response))
    assert counts["received"] == whole[0].received
    assert (histogram.encode() if histogram.count else "") == whole[0].response
