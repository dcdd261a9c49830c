"""The ledger keeps what workers say, and measures what is to be measured."""

import msgspec
import pytest

from wavetank.load.exchange import Drained, Generator, Opened, Operation, Second
from wavetank.load.ledger import MOST_PROBLEMS, Ledger
from wavetank.load.plan import LoadPlan

from .results import encoded, scenario, tally


def ledger(*, warm_up: float = 0.0) -> Ledger:
    """Return the ledger of a load of ten seconds."""
    return Ledger(LoadPlan(scenarios=(scenario(),), warm_up=warm_up))


def second(number: int, sent: int = 10, **generator: float) -> Second:
    """Return a second in which a worker sent so many messages."""
    return Second(
        number=number,
        tallies=[tally(sent=sent, response=encoded(0.001))],
        generator=Generator(
            lateness=encoded(0.0001),
            **generator,  # type: ignore[arg-type]  # floats stand for whole numbers
        ),
    )


def drained(**facts: object) -> Drained:
    """Return the end of a worker."""
    empty: dict[str, object] = {"tallies": [], "generator": Generator()}
    return Drained(**empty | facts)  # type: ignore[arg-type]  # checked at run time


def test_ledger_merges_a_second_of_all_workers() -> None:
    """A moment has the sum of the tallies, and each worker's own state."""
    moment = ledger().second(0, {0: second(0, cpu=0.1), 3: second(0, cpu=0.2)})
    assert moment.number == 0
    assert [each.sent for each in moment.tallies] == [20]
    assert moment.tallies[0].response == encoded(0.001, 0.001)
    assert {worker: each.cpu for worker, each in moment.generators.items()} == {
        0: 0.1,
        3: 0.2,
    }


def test_ledger_adds_opening_seconds_and_drain() -> None:
    """Whatever was counted at any time is in the totals."""
    book = ledger()
    connects = tally(operation=Operation.CONNECT, received=5)
    book.opened(0, Opened(users=5, failed=2, reasons={"503": 2}, tallies=[connects]))
    book.second(0, {0: second(0)})
    book.second(1, {0: second(1)})
    book.drained(0, drained(tallies=[tally(received=3, lost=1)]))
    result = book.result()
    requests, opening = sorted(result.tallies, key=lambda each: -each.sent)
    assert (requests.sent, requests.received, requests.lost) == (20, 3, 1)
    assert opening.received == 5
    assert (result.opened, result.failed, result.reasons) == (5, 2, {"503": 2})
    assert result.complete


def test_ledger_measures_neither_warm_up_nor_drain() -> None:
    """The window begins at the first second behind the warm-up, and ends with the plan.

    Warm-up counts for no verdict on the generator either.
    """
    book = ledger(warm_up=1.5)
    for number in range(12):
        busy = 0.95 if number < 2 else 0.5
        book.second(number, {0: second(number, sent=number, cpu=busy, lag=busy)})
    result = book.result()
    assert result.window == 8.0
    assert [each.sent for each in result.measured] == [sum(range(2, 10))]
    assert [each.response for each in result.measured] == [""]
    assert [each.sent for each in result.tallies] == [sum(range(12))]
    assert result.generators[0].cpu == pytest.approx(0.5)
    assert result.generators[0].lag == 0.5
    assert result.busy == {0: 0.0}


def test_ledger_ends_the_window_where_the_load_was_told_to_end() -> None:
    """A load that was cut is measured as far as it went, to parts of a second."""
    book = ledger()
    book.second(0, {0: second(0)})
    book.second(1, {0: second(1)})
    book.ended_early(2.25)
    book.second(2, {0: second(2)})
    book.second(3, {0: second(3)})
    result = book.result(interrupted=True)
    assert result.window == 2.25
    assert result.seconds == 2.25
    assert [each.sent for each in result.measured] == [30]
    assert result.interrupted


def test_ledger_measures_to_the_end_of_the_plan_when_nothing_more_is_due() -> None:
    """A worker that has nothing more to send has not ended the load."""
    book = ledger()
    for number in range(10):
        book.second(number, {0: second(number)})
    book.ended(7.5)
    assert book.result().window == 10.0
    assert book.result().seconds == 10.0


def test_ledger_tells_that_workers_were_behind() -> None:
    """Who sends after the plan's end makes the load longer, and the window not."""
    book = ledger()
    for number in range(13):
        book.second(number, {0: second(number)})
    book.ended(12.5)
    book.ended(11.0)
    assert book.result().seconds == 12.5
    assert book.result().window == 10.0


def test_ledger_tells_in_how_many_seconds_a_worker_was_busy() -> None:
    """Nine tenths of a core is busy; the mean alone would hide it."""
    book = ledger()
    for number in range(4):
        book.second(number, {0: second(number, cpu=0.9 if number < 3 else 0.1)})
    result = book.result()
    assert result.busy == {0: 0.75}
    assert result.generators[0].cpu == pytest.approx(0.7)


def test_ledger_knows_the_most_connections_that_were_open_at_once() -> None:
    """The peak counts, the end is in the generators."""
    book = ledger()
    book.opened(0, Opened(users=5))
    book.opened(1, Opened(users=4))
    book.second(0, {0: second(0, open=5), 1: second(0, open=6)})
    book.second(1, {0: second(1, open=0, lost_connections=5)})
    book.drained(1, drained(generator=Generator(open=2, lag=0.3)))
    result = book.result()
    assert result.most_open == 11
    assert result.lost_connections == 5
    assert [result.generators[worker].open for worker in (0, 1)] == [0, 2]
    assert result.generators[1].lag == 0.3


def test_ledger_keeps_apart_what_an_unfinished_drain_takes_for_lost() -> None:
    """Only a receiver that was waited for can have lost something for certain."""
    book = ledger()
    book.drained(0, drained(tallies=[tally(lost=2)]))
    book.drained(1, drained(tallies=[tally(lost=3)], complete=False))
    result = book.result()
    assert [each.lost for each in result.tallies] == [5]
    assert [each.lost for each in result.uncertain] == [3]
    assert not result.complete


def test_ledger_is_incomplete_without_every_drain() -> None:
    """Nobody heard, one not drained, one lost: none of them is a whole load."""
    assert not ledger().result().complete
    book = ledger()
    book.opened(0, Opened(users=1))
    assert not book.result().complete
    book.drained(0, drained())
    assert book.result().complete
    book.lost(1, "killed")
    book.lost(1, "and killed again")
    assert not book.result().complete
    assert book.result().lost_workers == {1: "killed"}


def test_ledger_keeps_the_first_problems() -> None:
    """Each says whose it is, and there is an end to them."""
    book = ledger()
    book.drained(2, drained(problems=["out of descriptors"]))
    for number in range(2 * MOST_PROBLEMS):
        book.problem(3, f"problem {number}")
    problems = book.result(target_gone="killed").problems
    assert problems[:2] == ["worker 2: out of descriptors", "worker 3: problem 0"]
    assert len(problems) == MOST_PROBLEMS
    assert book.result(target_gone="killed").target_gone == "killed"


def test_ledger_takes_nothing_of_a_message_that_is_damaged() -> None:
    """A second that is refused can be taken again without the one who damaged it."""
    book = ledger()
    bad = Second(
        number=0, tallies=[tally(sent=7)], generator=Generator(lateness="damaged")
    )
    with pytest.raises(ValueError, match="not a histogram"):
        book.second(0, {0: second(0), 1: bad})
    with pytest.raises(ValueError, match="not a histogram"):
        book.opened(0, Opened(users=3, tallies=[tally(response="damaged")]))
    with pytest.raises(ValueError, match="not a histogram"):
        book.drained(0, drained(tallies=[tally(lost=1), tally(service="damaged")]))
    assert book.result().tallies == []
    assert book.result().generators == {}
    book.second(0, {0: second(0)})
    assert [each.sent for each in book.result().tallies] == [10]


def test_ledger_shows_how_far_the_load_came() -> None:
    """A look at it says workers, seconds and connections."""
    book = ledger()
    book.second(0, {0: second(0, open=4)})
    assert repr(book) == "<Ledger of 1 workers: 1 s measured, 4 connections open>"


def test_ledger_measures_a_last_second_that_was_cut_as_long_as_it_was() -> None:
    """The second comes before the word that it was the last.

    It was measured whole: the rate of a load that Ctrl-C or the target had ended
    seemed lower than it was.
    """
    book = ledger()
    book.second(0, {0: second(0)})
    cut = msgspec.structs.replace(second(1), took=0.25)
    assert book.second(1, {0: cut}).took == 0.25
    book.ended_early(1.25)
    assert book.result(interrupted=True).window == 1.25


def test_ledger_keeps_the_warm_up_apart() -> None:
    """What came in it was not late."""
    book = ledger(warm_up=2.0)
    for number in range(12):
        book.second(number, {0: second(number, sent=number)})
    assert [each.sent for each in book.result().warming] == [1]


def test_worker_that_waits_for_a_core_is_as_busy_as_one_that_has_it() -> None:
    """Half of a core, and the other half of the time others had it: saturated."""
    book = ledger()
    book.second(0, {0: second(0, cpu=0.45, waited=0.5)})
    book.second(1, {0: second(1, cpu=0.45, waited=0.1)})
    result = book.result()
    assert result.busy == {0: 0.5}
    assert result.generators[0].waited == pytest.approx(0.3)
