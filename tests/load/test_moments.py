"""Seconds of several workers, matched: each once, none left out."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.evidence import Histogram
from wavetank.load.exchange import Generator, Operation, Second, Tally
from wavetank.load.moments import Moments


def second(number: int, sent: int = 1, **generator: float) -> Second:
    """Return a second in which so much was sent."""
    tally = Tally(scenario="s", operation=Operation.REQUEST, sent=sent)
    return Second(
        number=number,
        tallies=[tally],
        generator=Generator(**generator),  # type: ignore[arg-type]
    )


def taken(moments: Moments, now: float = 0.0) -> list[tuple[int, dict[int, int]]]:
    """Return what is whole: number, worker -> how much it sent."""
    return [
        (number, {worker: _sent(each) for worker, each in seconds.items()})
        for number, seconds in moments.take(now)
    ]


def _sent(second: Second) -> int:
    return sum(tally.sent for tally in second.tallies)


def test_a_second_is_whole_when_each_worker_has_spoken_of_it() -> None:
    """Nothing is taken while somebody is awaited."""
    moments = Moments([0, 1], patience=3.0)
    moments.add(0, second(0), 1.0)
    assert taken(moments) == []
    moments.add(1, second(0, 2), 1.1)
    assert taken(moments) == [(0, {0: 1, 1: 2})]
    assert taken(moments) == []


def test_a_second_is_whole_when_the_other_speaks_of_a_later_one() -> None:
    """Who is silent about a second and speaks of the next has nothing to add."""
    moments = Moments([0, 1], patience=3.0)
    moments.add(0, second(0), 1.0)
    moments.add(1, second(1), 2.0)
    assert taken(moments) == [(0, {0: 1})]
    assert repr(moments) == "<Moments of [0, 1]: [1] wait>"


def test_a_second_is_whole_without_those_who_left() -> None:
    """A worker that ended or is lost keeps nobody waiting; what it said counts."""
    moments = Moments([0, 1], patience=3.0)
    moments.add(0, second(0), 1.0)
    moments.add(1, second(0), 1.0)
    moments.add(1, second(1), 2.0)
    moments.leave(0)
    assert taken(moments) == [(0, {0: 1, 1: 1}), (1, {1: 1})]
    moments.add(0, second(1), 2.5)
    assert taken(moments) == []
    moments.leave(1)
    assert taken(moments) == [(2, {0: 1})]


def test_a_second_is_not_waited_for_longer_than_the_patience() -> None:
    """The clock of the patience runs from the first word about that second."""
    moments = Moments([0, 1], patience=3.0)
    assert moments.due_at == math.inf
    moments.add(0, second(0), 1.0)
    assert moments.due_at == 4.0
    assert taken(moments, 3.9) == []
    assert taken(moments, 4.0) == [(0, {0: 1})]
    assert moments.due_at == math.inf


def test_a_second_that_comes_too_late_is_added_to_the_next_one() -> None:
    """What was counted is never left out; the generator's worst is kept."""
    moments = Moments([0, 1], patience=3.0)
    moments.add(0, second(0), 1.0)
    assert taken(moments, 4.0) == [(0, {0: 1})]
    histogram = Histogram()
    histogram.record(0.002)
    text = histogram.encode()
    late = Generator(cpu=0.9, lag=0.5, lateness=text, open=3)
    moments.add(1, Second(number=0, tallies=second(0, 5).tallies, generator=late), 4.1)
    punctual = Generator(cpu=0.2, lag=0.1, lateness=text, open=2)
    moments.add(
        1, Second(number=1, tallies=second(1, 7).tallies, generator=punctual), 4.2
    )
    moments.add(0, second(1), 4.3)
    ((number, seconds),) = moments.take(4.3)
    assert number == 1
    assert _sent(seconds[1]) == 12
    joined = seconds[1].generator
    assert (joined.cpu, joined.lag, joined.open) == (0.9, 0.5, 2)
    assert Histogram.decode(joined.lateness).count == 2


@pytest.mark.parametrize("number", [0, 1, -1])
def test_a_worker_cannot_go_back_in_time(number: int) -> None:
    """A second that was spoken of, or passed over, is over."""
    moments = Moments([0], patience=3.0)
    moments.add(0, second(1), 1.0)
    with pytest.raises(ValueError, match=f"it sent second {number} behind second 1"):
        moments.add(0, second(number), 1.0)


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(1, 3), st.floats(0.0, 2.0)),
        max_size=40,
    )
)
def test_moments_hand_on_each_second_once_in_order_whoever_is_late(
    steps: list[tuple[int, int, float]],
) -> None:
    """However the words come in, all that was sent is in what is taken, once."""
    moments = Moments(range(3), patience=1.0)
    numbers = [-1, -1, -1]
    now, told = 0.0, 0
    came: list[tuple[int, dict[int, int]]] = []
    for worker, skipped, pause in steps:
        now += pause
        numbers[worker] += skipped
        told += worker + 1
        moments.add(worker, second(numbers[worker], worker + 1), now)
        came += taken(moments, now)
    for worker in range(3):
        moments.leave(worker)
    came += taken(moments, now)
    assert sum(sum(sent.values()) for _, sent in came) == told
    order = [number for number, _ in came]
    assert order == sorted(set(order))


@pytest.mark.parametrize(("late", "took"), [(2, 1.0), (3, 0.25)])
def test_a_second_that_others_are_added_to_is_as_long_as_it_is(
    late: int, took: float
) -> None:
    """One that was cut is cut, and a late one makes no other one shorter."""
    moments = Moments([0, 1], patience=3.0)
    for number in range(3):
        moments.add(0, second(number), 0.0)
    assert [number for number, _ in moments.take(9.0)] == [0, 1, 2]
    moments.add(1, second(0, waited=0.5), 9.0)
    moments.add(1, msgspec.structs.replace(second(late), took=took), 9.0)
    ((number, seconds),) = moments.take(99.0)
    assert number == 3
    assert seconds[1].took == took
    assert seconds[1].generator.waited == 0.5
