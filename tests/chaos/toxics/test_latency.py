"""Latency: how much later, and how the jitter is spread."""

import random
import statistics

import pytest

from wavetank.chaos.toxic import Bytes, End, How, Open
from wavetank.chaos.toxics.latency import Latency


def latency(
    latency: float = 100, jitter: float = 0, distribution: str = "uniform"
) -> Latency:
    """Return a toxic with dice of a known seed."""
    return Latency(
        latency=latency,
        jitter=jitter,
        distribution=distribution,
        rng=random.Random("latency"),
    )


def delays(toxic: Latency, count: int = 20_000) -> list[float]:
    """Return the delays of many items, in milliseconds."""
    return [toxic.receive(Bytes(b"x"), 0.0)[0][0] * 1000 for _ in range(count)]


def test_latency_delays_bytes_and_the_end() -> None:
    """Milliseconds are added to the moment of coming; a FIN travels like all else."""
    toxic = latency(250)
    assert toxic.receive(Bytes(b"x"), 1.0) == [(1.25, Bytes(b"x"))]
    assert toxic.receive(End(How.FIN), 2.0) == [(2.25, End(How.FIN))]


def test_latency_lets_the_opening_by() -> None:
    """As in Toxiproxy, only what is said is late; slow_open delays the opening."""
    assert latency().receive(Open(), 1.0) == [(1.0, Open())]


def test_uniform_jitter_is_as_much_more_or_less_at_most() -> None:
    """Each delay within latency ± jitter is equally likely."""
    seen = delays(latency(100, 40))
    assert 60 <= min(seen) < 61
    assert 139 < max(seen) <= 140
    assert statistics.fmean(seen) == pytest.approx(100, abs=1)


def test_normal_jitter_is_the_standard_deviation() -> None:
    """Delays spread around the latency as a bell does."""
    seen = delays(latency(100, 10, "normal"))
    assert statistics.fmean(seen) == pytest.approx(100, abs=1)
    assert statistics.stdev(seen) == pytest.approx(10, abs=1)


def test_pareto_jitter_is_never_less_and_now_and_then_far_more() -> None:
    """The latency is the least; a few delays are many jitters long."""
    seen = delays(latency(100, 10, "pareto"))
    assert min(seen) >= 100
    assert statistics.fmean(seen) == pytest.approx(105, abs=1)
    assert max(seen) > 150


def test_latency_is_never_negative() -> None:
    """More jitter than latency does not send anything into the past."""
    assert min(delays(latency(10, 100))) == min(delays(latency(1, 9, "normal"))) == 0


def test_latency_has_the_same_delays_for_the_same_seed() -> None:
    """Dice are handed in, so a run repeats."""
    assert delays(latency(9, 9), 50) == delays(latency(9, 9), 50)


def test_latency_leaves_what_is_on_its_way_alone_when_it_is_changed() -> None:
    """Nothing is kept in the toxic: the chain has it."""
    newer = latency(5)
    newer.take_over(latency(100))
    assert newer.receive(Bytes(b"x"), 0.0) == [(0.005, Bytes(b"x"))]
