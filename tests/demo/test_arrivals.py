"""Arrivals."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from wavetank.demo import arrivals as module
from wavetank.demo.arrivals import Arrivals


@given(st.lists(st.integers(1, 30), max_size=60), st.integers(0, 40))
def test_arrivals_agree_with_plain_counting(numbers: list[int], total: int) -> None:
    """Sets and loops come to the same for every order of numbers."""
    arrivals = Arrivals()
    seen: Counter[int] = Counter()
    late = 0
    for number in numbers:
        is_new = arrivals.receive(number)
        assert is_new == (number not in seen)
        late += is_new and any(other > number for other in seen)
        seen[number] += 1
    top = max(seen, default=0)
    lacking = [n for n in range(1, max(top, total) + 1) if n not in seen]
    holes = arrivals.missing(total)
    assert [n for a, b in holes for n in range(a, b + 1)] == lacking
    assert arrivals.received == len(seen)
    assert arrivals.repeated == seen.total() - len(seen)
    assert (arrivals.late, arrivals.top) == (late, top)


def test_what_is_missing_at_the_end_is_known_from_the_total_alone() -> None:
    """Without a total nobody knows of what did not come behind the top."""
    arrivals = Arrivals()
    arrivals.receive(2)
    assert arrivals.missing() == [(1, 1)]
    assert arrivals.missing(4) == [(1, 1), (3, 4)]
    assert repr(arrivals) == "<Arrivals 1 of 2>"


def test_holes_are_bounded(monkeypatch) -> None:
    """Who sends every other number does not fill the memory."""
    monkeypatch.setattr(module, "_MOST_RANGES", 3)
    arrivals = Arrivals()
    for number in range(2, 40, 2):
        arrivals.receive(number)
    assert len(arrivals.holes) == 3
