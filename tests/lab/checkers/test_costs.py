"""What messages and connections cost, held against bounds."""

import pytest

from wavetank.evidence import Sampled, Verdict
from wavetank.lab.checkers import (
    growth,
    judge_cost,
    judge_leak,
    judge_level,
    judge_slowest,
)


def sample(at: float = 0.0, **changes: int) -> Sampled:
    """Return a sample of a target."""
    fields = {"rss": 0, "descriptors": 10, "processes": 1, "threads": 1} | changes
    return Sampled(at=at, who="target", cpu=at / 2, **fields)


def test_growth_is_what_there_is_more() -> None:
    """Where nobody measured, nothing is known."""
    assert growth(sample(), sample(rss=5), "rss") == 5.0
    assert growth(sample(0.0), sample(4.0), "cpu") == 2.0
    assert growth(None, sample(), "rss") is None
    assert growth(sample(), None, "rss") is None


@pytest.mark.parametrize(
    ("used", "count", "verdict", "seen"),
    [
        (2048.0, 2, Verdict.PASS, "1 KiB each, over 2"),
        (4096.0, 2, Verdict.PASS, "2 KiB each, over 2"),
        (4098.0, 2, Verdict.FAIL, "2 KiB each, over 2"),
        (-4096.0, 2, Verdict.PASS, "0 KiB each, over 2"),
        (4096.0, 0, Verdict.UNKNOWN, "no data"),
        (None, 2, Verdict.SKIP, "the lab did not start the target"),
    ],
)
def test_a_cost_is_shared_among_all(
    used: float | None, count: int, verdict: Verdict, seen: str
) -> None:
    """At most so much each; without anybody to share it, nothing is known."""
    found = judge_cost("x", used, count, bound=2, unit="KiB each", scale=1024)
    assert found.verdict is verdict
    assert found.seen.startswith(seen)
    assert found.expected == "at most 2 KiB each"


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (sample(), sample(descriptors=13), Verdict.PASS),
        (sample(), sample(descriptors=14), Verdict.FAIL),
        (sample(), sample(descriptors=2), Verdict.PASS),
        (sample(), None, Verdict.UNKNOWN),
        (None, None, Verdict.SKIP),
    ],
)
def test_a_level_may_rise_by_its_slack(
    before: Sampled | None, after: Sampled | None, verdict: Verdict
) -> None:
    """And fall as it likes; who cannot look says so."""
    found = judge_level("x", before, after, "descriptors", slack=3)
    assert found.verdict is verdict
    assert found.seen


@pytest.mark.parametrize(
    ("rss", "verdict"),
    [
        # 100 samples in 50 s, 10 messages/s: each of 500 may leave 1,000 bytes.
        ([number * 1_000 for number in range(100)], Verdict.PASS),
        ([number * 20_000 for number in range(100)], Verdict.FAIL),
        # A warm-up of 5 MB that ends is no leak, though it is 10 kB a message.
        ([min(number, 20) * 250_000 for number in range(100)], Verdict.PASS),
        # Too few to tell whether it ends: then all of it counts.
        ([0, 400_000], Verdict.PASS),
        ([0, 600_000], Verdict.FAIL),
    ],
)
def test_a_leak_is_memory_that_grows_with_messages_and_does_not_stop(
    rss: list[int], verdict: Verdict
) -> None:
    """Long loads are judged by the slope, short ones by what is left behind."""
    samples = [sample(number / 2, rss=size) for number, size in enumerate(rss)]
    found = judge_leak(samples, 500, each=1000)
    assert found.verdict is verdict
    assert "KiB a message" in found.expected


def test_a_leak_cannot_be_seen_from_outside() -> None:
    """Who cannot look skips; who saw no time pass knows nothing of a slope."""
    assert judge_leak([], 500, each=1000).verdict is Verdict.SKIP
    assert judge_leak([sample()], 0, each=1000).verdict is Verdict.UNKNOWN


def test_the_slowest_part_is_named_and_judged() -> None:
    """The others stand behind it."""
    parts = {"the answer": 0.05, "the generator": 0.001}
    found = judge_slowest(parts, bound=0.1)
    assert found.verdict is Verdict.PASS
    assert found.seen == (
        "the slowest is the answer (the answer 50.00 ms, the generator 1.00 ms)"
    )
    assert judge_slowest(parts, bound=0.05).verdict is Verdict.FAIL
    assert judge_slowest({}, bound=0.05).verdict is Verdict.UNKNOWN


def test_a_slow_generator_says_nothing_of_the_target() -> None:
    """Where the slowest part is our own, and too slow, the rest is not known."""
    parts = {"the answer": 0.05, "the generator": 0.2}
    assert judge_slowest(parts, bound=0.1, own="the generator").verdict is (
        Verdict.UNKNOWN
    )
    assert judge_slowest(parts, bound=0.3, own="the generator").verdict is Verdict.PASS
