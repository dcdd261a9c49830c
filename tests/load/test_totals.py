"""Totals are exact, whoever counted which part."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavetank.evidence import LOAD_COUNTS, Histogram
from wavetank.load.exchange import Generator, Operation, Tally
from wavetank.load.totals import (
    MOST_REASONS,
    OTHER_REASONS,
    Times,
    Totals,
    merge_generators,
    merge_reasons,
)

from .results import encoded, tally

DURATIONS = st.lists(st.floats(1e-6, 60.0), max_size=5)
SLOWLY = settings(max_examples=15)
"""Encoding histograms takes milliseconds."""

REASONS = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 9))


@st.composite
def tallies(draw: st.DrawFn) -> Tally:
    """Draw a tally of one of a few scenarios and operations."""
    response, service = draw(DURATIONS), draw(DURATIONS)
    return Tally(
        scenario=draw(st.sampled_from(["chat", "feed"])),
        operation=draw(st.sampled_from(Operation)),
        response=encoded(*response) if response else "",
        service=encoded(*service) if service else "",
        reasons=draw(REASONS),
        **{name: draw(st.integers(0, 9)) for name in LOAD_COUNTS},
    )


def sums(tallies: Iterable[Tally]) -> list[Tally]:
    """Return the totals of tallies."""
    totals = Totals()
    for each in tallies:
        totals.add(each)
    return totals.tallies()


def by_name(tallies: list[Tally]) -> dict[tuple[str, str], Tally]:
    """Return tallies by scenario and operation."""
    return {(each.scenario, each.operation): each for each in tallies}


def test_totals_know_every_count_of_a_tally() -> None:
    """A field that is added to a tally is added up too."""
    others = {"scenario", "operation", "response", "service", "reasons"}
    assert set(LOAD_COUNTS) == set(Tally.__struct_fields__) - others


@SLOWLY
@given(st.lists(tallies(), max_size=6), st.integers(0, 6))
def test_totals_of_parts_are_the_totals_of_the_whole(
    parts: list[Tally], cut: int
) -> None:
    """Merging what two workers merged is merging all at once, in any order."""
    whole = by_name(sums(parts))
    halves = sums(parts[:cut]) + sums(parts[cut:])
    assert by_name(sums(halves)) == whole
    assert by_name(sums(parts[::-1])) == whole


@SLOWLY
@given(st.lists(tallies(), max_size=6))
def test_totals_are_the_sums_of_what_was_counted(parts: list[Tally]) -> None:
    """Counts are sums, and histograms have every duration."""
    for merged in sums(parts):
        name = (merged.scenario, merged.operation)
        own = [each for each in parts if (each.scenario, each.operation) == name]
        for count in LOAD_COUNTS:
            assert getattr(merged, count) == sum(getattr(each, count) for each in own)
        recorded = [Histogram.decode(each.response) for each in own if each.response]
        whole = Histogram.decode(merged.response).count if merged.response else 0
        assert whole == sum(each.count for each in recorded)
        assert sum(merged.reasons.values()) == sum(
            sum(each.reasons.values()) for each in own
        )


def test_totals_go_on_where_others_ended() -> None:
    """Totals of totals are totals, and the others stay as they are."""
    whole, part = Totals(), Totals()
    part.add(tally(sent=1, response=encoded(0.1), reasons={"gone": 1}))
    before = part.tallies()
    whole.merge(part)
    whole.merge(part)
    whole.add(tally(sent=1, response=encoded(0.2)))
    (merged,) = whole.tallies()
    assert merged.sent == 3
    assert merged.response == encoded(0.1, 0.1, 0.2)
    assert merged.reasons == {"gone": 2}
    assert part.tallies() == before


def test_totals_of_counts_leave_times_out() -> None:
    """What only rates are made of needs no histograms."""
    totals = Totals()
    totals.add_counts(tally(sent=1, response=encoded(0.1), reasons={"gone": 1}))
    assert totals.tallies() == [tally(sent=1, reasons={"gone": 1})]


def test_totals_show_what_they_count() -> None:
    """A look at them names scenarios and operations."""
    totals = Totals()
    assert repr(totals) == "<Totals of nothing>"
    totals.add(tally("chat", Operation.DELIVER))
    assert repr(totals) == "<Totals chat.deliver>"


def test_totals_take_nothing_of_a_damaged_tally() -> None:
    """A tally whose histogram cannot be read is refused as a whole."""
    totals = Totals()
    totals.add(tally(sent=1))
    with pytest.raises(ValueError, match="not a histogram"):
        totals.add(tally(sent=5, response=encoded(0.1), service="damaged"))
    assert totals.tallies() == [tally(sent=1)]


def test_times_refuse_another_range() -> None:
    """A histogram that cannot be merged exactly is not merged at all."""
    other = Histogram(highest=3600.0)
    other.record(1.0)
    times = Times(encoded(1.0))
    with pytest.raises(ValueError, match="cannot merge exactly"):
        times.add(other.encode())
    assert times.encode() == encoded(1.0)


def test_times_give_one_text_back_as_it_came() -> None:
    """A text that is alone is not encoded anew; two are their sum."""
    times = Times()
    assert times.encode() == ""
    assert times.histogram is None
    text = encoded(0.5)
    times.add(text)
    assert times.encode() is text
    times.add(text)
    assert times.encode() == encoded(0.5, 0.5)
    assert times.histogram is not None
    assert times.histogram.count == 2


def test_times_of_others_do_not_change_with_the_sum() -> None:
    """Who merged others may add to the sum, and only the sum grows."""
    times, others = Times(), Times(encoded(0.5))
    times.merge(Times())
    times.merge(others)
    times.add(encoded(0.5))
    assert others.encode() == encoded(0.5)


@given(st.lists(st.dictionaries(st.text(max_size=3), st.integers(1, 99)), max_size=9))
def test_reasons_are_bounded_and_none_goes_uncounted(
    parts: list[dict[str, int]],
) -> None:
    """At most twenty, the most frequent first, and the sum is the sum."""
    merged = merge_reasons(*parts)
    assert len(merged) <= MOST_REASONS
    assert sum(merged.values()) == sum(sum(each.values()) for each in parts)
    named = [count for reason, count in merged.items() if reason != OTHER_REASONS]
    assert named == sorted(named, reverse=True)


def test_reasons_beyond_the_bound_are_told_as_others() -> None:
    """The rarest ones give their names up first."""
    many = {f"reason {number:02}": number + 1 for number in range(30)}
    merged = merge_reasons(many, {OTHER_REASONS: 5})
    assert next(iter(merged)) == "reason 29"
    assert list(merged)[-1] == OTHER_REASONS
    assert merged[OTHER_REASONS] == sum(range(1, 12)) + 5
    assert len(merged) == MOST_REASONS


def test_generators_of_several_workers_are_one_view() -> None:
    """The busiest, the slowest turn, all connections, all lateness."""
    merged = merge_generators(
        [
            Generator(
                cpu=0.5, lag=0.1, lateness=encoded(0.1), open=3, lost_connections=1
            ),
            Generator(cpu=0.7, lag=0.01, lateness=encoded(0.2), open=4),
            Generator(open=1, lost_connections=2),
        ]
    )
    assert merged == Generator(
        cpu=0.7, lag=0.1, lateness=encoded(0.1, 0.2), open=8, lost_connections=3
    )
    assert merge_generators([]) == Generator()
