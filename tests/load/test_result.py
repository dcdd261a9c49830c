"""A result is a value that travels, and adds up what its workers had."""

import msgspec

from wavetank.load.exchange import Generator
from wavetank.load.result import LoadResult, Moment

from .results import encoded, load, tally


def test_result_comes_back_from_json_as_it_went() -> None:
    """A result of another machine is as good as one of this."""
    result = load(
        [tally(sent=3, response=encoded(0.1))],
        generators={0: Generator(cpu=0.5), 1: Generator(open=3)},
        lost_workers={1: "killed"},
    )
    assert msgspec.json.decode(msgspec.json.encode(result), type=LoadResult) == result


def test_result_adds_up_the_connections_that_the_target_ended() -> None:
    """Every worker counts its own."""
    generators = {
        0: Generator(lost_connections=2),
        1: Generator(lost_connections=3),
    }
    assert load(generators=generators).lost_connections == 5


def test_moment_comes_back_from_json_as_it_went() -> None:
    """So does a single second."""
    moment = Moment(number=7, tallies=[tally(sent=1)], generators={3: Generator(cpu=1)})
    assert msgspec.json.decode(msgspec.json.encode(moment), type=Moment) == moment


def test_result_knows_how_far_clocks_may_be_apart() -> None:
    """Two machines may be wrong in opposite ways; all workers here are on one clock."""
    assert load(clock_errors={"a": 0.5, "b": 0.25, "c": 0.125}).clock_error == 0.75
    assert load(clock_errors={"a": 0.5}).clock_error == 0.0
    assert load().clock_error == 0.0
