"""Histograms keep their promised precision, add up exactly, and travel."""

import base64
import math
import struct
import zlib

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from wavetank.evidence.histogram import Histogram

DURATIONS = st.floats(min_value=1e-6, max_value=60.0)
PERCENTILES = (0.0, 1.0, 50.0, 90.0, 99.0, 99.9, 100.0)


def histogram(*durations: float, **settings: float) -> Histogram:
    """Return a histogram of these durations."""
    recorded = Histogram(**settings)  # type: ignore[arg-type]
    for seconds in durations:
        recorded.record(seconds)
    return recorded


@given(st.lists(DURATIONS, min_size=1), st.sampled_from(PERCENTILES))
def test_percentile_is_within_the_promised_digits_of_the_sorted_list(
    durations: list[float], percentile: float
) -> None:
    """Three digits: at most 0.1 % and half a microsecond from the true value."""
    rank = max(1, math.ceil(round(percentile * len(durations) / 100, 6)))
    true = sorted(durations)[rank - 1]
    seen = histogram(*durations).percentile(percentile)
    assert seen is not None
    assert abs(seen - true) <= true / 1000 + 0.6e-6


@given(st.lists(DURATIONS, min_size=1), st.integers(1, 5))
def test_extremes_and_mean_are_within_the_promised_digits(
    durations: list[float], digits: int
) -> None:
    """Smallest, largest and mean keep the digits that were asked for."""
    recorded = histogram(*durations, digits=digits)
    mean = sum(durations) / len(durations)
    for seen, true in (
        (recorded.min, min(durations)),
        (recorded.max, max(durations)),
        (recorded.mean, mean),
    ):
        assert seen is not None
        assert abs(seen - true) <= true / 10**digits + 1e-6


@given(st.lists(DURATIONS), st.lists(DURATIONS), st.lists(DURATIONS))
def test_merge_is_exact_in_any_order_and_grouping(
    one: list[float], two: list[float], three: list[float]
) -> None:
    """What workers counted adds up to what one of them would have counted."""
    left = histogram(*one)
    left.merge(histogram(*two))
    left.merge(histogram(*three))
    tail = histogram(*three)
    tail.merge(histogram(*two))
    right = histogram(*one)
    right.merge(tail)
    assert left == right == histogram(*one, *two, *three)


@given(st.lists(st.tuples(DURATIONS, st.integers(1, 2**40))))
def test_decode_gives_back_exactly_what_encode_took(
    counted: list[tuple[float, int]],
) -> None:
    """Counts, range and digits survive; the same counts give the same text."""
    recorded = Histogram()
    for seconds, count in counted:
        recorded.record(seconds, count)
    decoded = Histogram.decode(recorded.encode())
    assert decoded == recorded
    assert decoded.counts == recorded.counts
    assert decoded.encode() == recorded.encode()


@given(st.lists(DURATIONS, min_size=1))
def test_encoded_form_says_the_same_to_another_tool(durations: list[float]) -> None:
    """The HdrHistogram library reads our text, and we read its text."""
    recorded = histogram(*durations)
    theirs = HdrHistogram.decode(recorded.encode())
    assert theirs.get_total_count() == recorded.count
    p50 = recorded.percentile(50)
    assert p50 is not None
    assert min(theirs.get_value_at_percentile(50.0) / 1e6, 60.0) == pytest.approx(p50)
    assert Histogram.decode(theirs.encode().decode()) == recorded


def test_histogram_of_nothing_has_no_numbers() -> None:
    """No data is None, not zero."""
    empty = Histogram()
    assert empty.count == 0
    assert empty.percentile(99) is None
    assert (empty.min, empty.max, empty.mean) == (None, None, None)
    assert not empty.capped
    assert Histogram.decode(empty.encode()) == empty


@pytest.mark.parametrize(
    ("seconds", "kept"), [(0.0, 1e-6), (-3.0, 1e-6), (61.0, 60.0), (math.inf, 60.0)]
)
def test_histogram_clamps_and_counts_what_is_out_of_range(
    seconds: float, kept: float
) -> None:
    """Nothing is dropped silently: it is counted at the edge, and as clamped."""
    recorded = Histogram()
    recorded.record(seconds, 3)
    assert recorded.percentile(50) == kept
    assert (recorded.count, recorded.clamped) == (3, 3)


@given(
    st.dictionaries(st.integers(-(10**15), 10**15), st.integers(1, 2**40))
    | st.dictionaries(st.integers(-5, 70_000_000), st.integers(1, 9)),
    st.sampled_from([{}, {"lowest": 0.001}, {"highest": 1.0, "digits": 1}]),
)
def test_microseconds_are_recorded_at_once_as_one_by_one(
    counts: dict[int, int], given_range: dict[str, float]
) -> None:
    """The short way for many is the long way for each, the clamped ones too."""
    at_once = histogram(**given_range)
    at_once.record_microseconds(counts)
    each = histogram(**given_range)
    for micros, count in counts.items():
        each.record(micros / 1e6, count)
    assert at_once == each
    assert at_once.clamped == each.clamped
    assert at_once.count == sum(counts.values())


def test_histogram_refuses_what_is_no_number() -> None:
    """A duration that is not a number is a mistake of ours."""
    with pytest.raises(ValueError, match="must be a number"):
        Histogram().record(math.nan)


def test_histogram_says_when_a_duration_reached_the_end_of_the_range() -> None:
    """At the end of the range the true duration may be longer."""
    recorded = histogram(1.0)
    assert not recorded.capped
    recorded.record(3600.0)
    assert recorded.capped
    assert Histogram.decode(recorded.encode()).capped


def test_percentile_counts_ranks_without_binary_fractions() -> None:
    """99.9 per cent of a thousand is the 999th, not the last."""
    recorded = histogram(*[0.001] * 999, 1.0)
    assert recorded.percentile(99.9) == 0.001
    assert recorded.percentile(100) == pytest.approx(1.0, rel=1e-3)


def test_percentile_refuses_what_is_not_within_a_hundred() -> None:
    """99.9 per cent is not 0.999, but it is not 999 either."""
    for percentile in (-1, 100.5, math.nan):
        with pytest.raises(ValueError, match="within 0 to 100"):
            histogram(1.0).percentile(percentile)


def test_merge_refuses_another_range() -> None:
    """Counts of other buckets cannot be added exactly."""
    with pytest.raises(ValueError, match="cannot merge exactly"):
        Histogram().merge(Histogram(digits=2))


def test_merge_adds_what_was_clamped() -> None:
    """Clamped durations of workers are counted together."""
    one, other = histogram(0.0), histogram(61.0, 62.0)
    one.merge(other)
    assert one.clamped == 3


def test_histogram_with_a_coarse_lowest_keeps_nothing_finer() -> None:
    """A lowest value of a millisecond gives buckets of at least half of one."""
    coarse = histogram(0.001, 0.00102, 1.0, lowest=0.001)
    assert list(coarse.counts.values()) == [2, 1]
    assert Histogram.decode(coarse.encode()) == coarse


@pytest.mark.parametrize(
    "settings",
    [
        {"digits": 0},
        {"digits": 6},
        {"lowest": 1e-9},
        {"lowest": 1.0, "highest": 1.5},
        {"highest": 100_000.0},
    ],
)
def test_histogram_refuses_a_range_without_sense(settings: dict[str, float]) -> None:
    """A mistake is said when the histogram is made."""
    with pytest.raises(ValueError, match=r"digits|range"):
        Histogram(**settings)  # type: ignore[arg-type]


def test_histogram_equals_only_histograms_and_is_no_key() -> None:
    """Equality is that of range, digits and counts."""
    assert histogram(1.0) == histogram(1.0)
    assert histogram(1.0) != histogram(2.0)
    assert histogram() != "a histogram"
    with pytest.raises(TypeError):
        hash(histogram())


def test_histogram_prints_what_it_holds() -> None:
    """Tests and bug reports read the same line."""
    shown = repr(histogram(1.0, 0.0))
    assert shown == "<Histogram 1e-06 to 60 s, 3 digits, count=2, clamped=1>"


INNER = struct.Struct(">IIIIQQd")
OUTER = struct.Struct(">II")


def text_of(payload: bytes, *, cookie: int = 0x1C849314, more: bytes = b"") -> str:
    """Return a text with a sound envelope around a payload."""
    compressed = zlib.compress(payload) + more
    return base64.b64encode(OUTER.pack(cookie, len(compressed)) + compressed).decode()


def payload_of(counts: bytes = b"\x02", **fields: float) -> bytes:
    """Return a payload whose head is sound but for the fields that are given."""
    head = {
        "cookie": 0x1C849313,
        "length": len(counts),
        "offset": 0,
        "digits": 3,
        "lowest": 1,
        "highest": 60_000_000,
        "ratio": 1.0,
    }
    return INNER.pack(*{**head, **fields}.values()) + counts


def test_decode_reads_a_payload_built_by_hand() -> None:
    """The envelope of the tests below is sound: only what they change is not."""
    assert Histogram.decode(text_of(payload_of())).count == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no base64 !",
        "AAAA",  # shorter than a head
        "A" * 9_000_000,
        Histogram().encode()[:-8],  # cut
        text_of(payload_of(), cookie=0x1C849303),  # not the compressed form
        text_of(payload_of(), more=b"more"),
        text_of(payload_of()[:20]),
        text_of(payload_of(cookie=0)),
        text_of(payload_of(length=7)),
        text_of(payload_of(b"\x80")),  # a count that goes on behind the end
        text_of(payload_of(offset=1)),
        text_of(payload_of(ratio=2.0)),
        text_of(payload_of(digits=9)),
        text_of(payload_of(lowest=0)),
        text_of(payload_of(lowest=60_000_000)),
        text_of(payload_of(highest=2**63)),
        text_of(payload_of(b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f")),  # run of zeros
        text_of(payload_of(b"\x02" * 20_000)),  # more counts than the range has
        text_of(bytes(9_000_000)),  # inflates beyond the bound
        base64.b64encode(OUTER.pack(0x1C849314, 4) + b"zlib").decode(),
    ],
)
def test_decode_refuses_damaged_text(text: str) -> None:
    """Whatever is damaged ends in one kind of error."""
    with pytest.raises(ValueError, match=r"."):
        Histogram.decode(text)


@given(st.data())
def test_decode_ends_in_a_histogram_or_an_error_on_any_payload(
    data: st.DataObject,
) -> None:
    """Hostile counts inside a sound envelope never crash, hang or fill memory."""
    counts = data.draw(st.binary(max_size=60))
    lowest = data.draw(st.sampled_from([1, 8, 1000]))
    highest = data.draw(st.sampled_from([2_000, 60_000_000]))
    digits = data.draw(st.integers(1, 3))
    payload = payload_of(counts, lowest=lowest, highest=highest, digits=digits)
    try:
        decoded = Histogram.decode(text_of(payload))
    except ValueError:
        return
    assert all(count > 0 for count in decoded.counts.values())
