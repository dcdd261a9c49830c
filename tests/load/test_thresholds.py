"""Thresholds are read with helpful refusals, and judged without ever guessing."""

import math
from dataclasses import dataclass

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wavetank.evidence import Verdict
from wavetank.load.exchange import Operation
from wavetank.load.thresholds import (
    FIGURES,
    OPERATIONS,
    Measured,
    Source,
    Threshold,
    figure_named,
    judge_threshold,
    parse_threshold,
    percentile_of,
)
from wavetank.load.units import Unit


@dataclass(frozen=True, slots=True)
class Known:
    """Knows one figure."""

    measured: Measured

    def measure(self, threshold: Threshold) -> Measured:
        """Return it, whatever is asked."""
        return self.measured


def verdict(text: str, low: float | None, high: float | None = None) -> Verdict:
    """Return what a threshold comes to for a figure between two values."""
    measured = Measured(low=low, high=low if high is None else high)
    return judge_threshold(parse_threshold(text), Known(measured)).verdict


@pytest.mark.parametrize(
    ("text", "figure", "sign", "value"),
    [
        ("p99 < 100ms", "p99", "<", 0.1),
        ("p99.9<=1s", "p99.9", "<=", 1.0),
        ("p99.9999 < 1s", "p99.9999", "<", 1.0),
        ("p5 < 1s", "p5", "<", 1.0),
        ("max < 2s", "max", "<", 2.0),
        ("mean < 5ms", "mean", "<", 0.005),
        ("lost == 0", "lost", "==", 0.0),
        ("received != 0", "received", "!=", 0.0),
        ("duplicated == 0", "duplicated", "==", 0.0),
        ("rate >= 5000/s", "rate", ">=", 5000.0),
        ("sent_rate > 10", "sent_rate", ">", 10.0),
        ("rss < 512MiB", "rss", "<", 512 * 1024**2),
        ("rss_slope < 60KiB/min", "rss_slope", "<", 1024.0),
        ("descriptors_slope < 1/min", "descriptors_slope", "<", 1 / 60),
        ("cpu < 80%", "cpu", "<", 0.8),
        ("  connections>=100  ", "connections", ">=", 100.0),
    ],
)
def test_threshold_is_read(text: str, figure: str, sign: str, value: float) -> None:
    """Figure, sign and value in base units, with or without blanks."""
    threshold = parse_threshold(text)
    assert (threshold.figure, threshold.sign) == (figure, sign)
    assert threshold.value == pytest.approx(value)
    assert threshold.text == text.strip()
    assert not threshold.share
    assert not threshold.service


@pytest.mark.parametrize("text", ["dropped <= 1%", "failed < 0.1%", "lost<5 %"])
def test_threshold_takes_a_count_as_a_share_when_it_ends_in_per_cent(text: str) -> None:
    """A count with a per cent sign is a part of what was attempted."""
    threshold = parse_threshold(text)
    assert threshold.share
    assert 0 < threshold.value < 1


@pytest.mark.parametrize(
    ("text", "scenario", "operation"),
    [
        ("chat:p99 < 1s", "chat", ""),
        ("chat.deliver: p99 < 1s", "chat", "deliver"),
        ("my.chat:lost == 0", "my.chat", ""),
        ("a chat.v2.publish : p50 < 1s", "a chat.v2", "publish"),
        (".connect:max < 1s", "", "connect"),
        (":max < 1s", "", ""),
    ],
)
def test_threshold_may_name_scenario_and_operation(
    text: str, scenario: str, operation: str
) -> None:
    """Before the colon stands a scenario, and behind its last dot an operation."""
    threshold = parse_threshold(text)
    assert (threshold.scenario, threshold.operation) == (scenario, operation)


def test_threshold_tells_service_time_from_response_time() -> None:
    """Response time is meant unless service time is asked for."""
    assert parse_threshold("chat:service.p99 < 1s").service
    assert parse_threshold("service.p99 < 1s").figure == "p99"
    assert not parse_threshold("response.p99 < 1s").service


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "'' is not a threshold such as p99 < 100ms"),
        ("p99", "'p99' is not a threshold such as p99 < 100ms"),
        ("p99 = 1s", "'p99 = 1s' is not a threshold such as p99 < 100ms"),
        ("p99 < 100", "'p99 < 100': '100' needs a unit"),
        ("lst == 0", "there is no figure lst; did you mean lost?"),
        ("p999 < 1s", "there is no figure p999; did you mean p99.9?"),
        ("p100 < 1s", "there is no figure p100"),
        ("p0 < 1s", "there is no figure p0"),
        ("p0.0 < 1s", "there is no figure p0.0"),
        ("p99.99999 < 1s", "there is no figure p99.99999"),
        ("service.lost == 0", "lost is no time, so leave out service."),
        ("chat:cpu < 80%", "it is about the whole load, so leave out chat:"),
        ("cpu < 80", "'80' needs a unit; write it as in 1%"),
        ("rate > 10%", "does not know '%'"),
        ("p99 <> 1s", "is not a threshold"),
        ("x" * 10_000, "x...' is not a threshold"),
    ],
)
def test_threshold_is_refused_in_one_plain_sentence(text: str, problem: str) -> None:
    """What cannot be read says what is wrong, and what would be right."""
    with pytest.raises(ValueError, match=r"threshold|figure|leave|write") as caught:
        parse_threshold(text)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


NEARLY = st.builds(
    "{}{} {} {}{}".format,
    st.sampled_from(["", "chat:", "chat.deliver:", "service."]),
    st.sampled_from([*FIGURES, "p99", "p99.9", "p100", "p", "lag"]),
    st.sampled_from(["<", "<=", "==", ">=", ">", "!=", "=", "<>"]),
    st.from_regex(r"[0-9]{1,400}(\.[0-9]{1,3})?", fullmatch=True) | st.just("-1"),
    st.sampled_from(["", "ms", "s", "%", "/s", "KiB", " MiB/min", "qq"]),
)


@given(st.text(alphabet="p9.<>=!: 1msabc%/", max_size=30) | NEARLY)
@example("p99 < 100ms")
def test_threshold_is_read_or_refused_whatever_is_typed(text: str) -> None:
    """Nothing that is typed leads to anything but a threshold or a ValueError."""
    try:
        threshold = parse_threshold(text)
    except ValueError:
        return
    assert math.isfinite(threshold.value)
    assert figure_named(threshold.figure)


def test_threshold_knows_every_operation_that_is_counted() -> None:
    """The names of operations are those of the exchange with the workers."""
    assert sorted(OPERATIONS) == sorted(Operation)


def test_threshold_figures_have_the_unit_of_their_source() -> None:
    """Times are seconds, and what is counted is a count."""
    for figure in FIGURES.values():
        assert (figure.unit is Unit.SECONDS) == (figure.source is Source.TIMES)
        assert bool(figure.field) == (figure.source is not Source.TIMES)


@pytest.mark.parametrize(
    ("name", "percentile"),
    [("p99", 99.0), ("p99.9", 99.9), ("max", 100.0), ("mean", None), ("lost", None)],
)
def test_threshold_knows_the_percentile_of_a_name(
    name: str, percentile: float | None
) -> None:
    """The largest is the hundredth percentile; a mean has none."""
    assert percentile_of(name) == percentile


@pytest.mark.parametrize(
    ("text", "below", "equal", "above"),
    [
        ("lost < 5", Verdict.PASS, Verdict.FAIL, Verdict.FAIL),
        ("lost <= 5", Verdict.PASS, Verdict.PASS, Verdict.FAIL),
        ("lost == 5", Verdict.FAIL, Verdict.PASS, Verdict.FAIL),
        ("lost >= 5", Verdict.FAIL, Verdict.PASS, Verdict.PASS),
        ("lost > 5", Verdict.FAIL, Verdict.FAIL, Verdict.PASS),
        ("lost != 5", Verdict.PASS, Verdict.FAIL, Verdict.PASS),
    ],
)
def test_judge_holds_a_known_figure_against_each_sign(
    text: str, below: Verdict, equal: Verdict, above: Verdict
) -> None:
    """Below, at and above the value, each sign says what it says in mathematics."""
    assert [verdict(text, seen) for seen in (4, 5, 6)] == [below, equal, above]


def test_judge_says_unknown_without_data() -> None:
    """No data passes nothing and fails nothing."""
    for sign in ("<", "<=", "==", ">=", ">", "!="):
        assert verdict(f"lost {sign} 0", None) is Verdict.UNKNOWN


@given(
    st.sampled_from(["<", "<=", "==", ">=", ">", "!="]),
    st.integers(0, 6),
    st.integers(0, 6),
)
def test_judge_is_sure_only_where_every_possible_value_agrees(
    sign: str, one: int, other: int
) -> None:
    """An uncertain figure passes or fails only if all that it can be does."""
    low, high = sorted((one, other))
    text = f"lost {sign} 3"
    # Halves stand for what lies between whole numbers.
    halves = [step / 2 for step in range(2 * low, 2 * high + 1)]
    each = {verdict(text, value) for value in halves}
    expected = each.pop() if len(each) == 1 else Verdict.UNKNOWN
    assert verdict(text, low, high) is expected


def test_judge_says_what_was_expected_and_seen() -> None:
    """The finding has the threshold as typed, the value in words, and the reason."""
    measured = Measured(
        low=1.0, high=math.inf, shown="p99 1 s", why="a worker was lost"
    )
    finding = judge_threshold(parse_threshold("p99 < 2s"), Known(measured))
    assert finding.verdict is Verdict.UNKNOWN
    assert finding.title == "The load keeps to p99 < 2s."
    assert finding.expected == "p99 < 2s"
    assert finding.seen == "p99 1 s: a worker was lost"
