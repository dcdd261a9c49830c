"""Arrivals: lost, repeated, foreign, out of order."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.evidence import Verdict
from wavetank.lab.checkers import judge_arrivals

OWED = ["a", "b", "c", "d"]


def test_each_message_once_in_order_passes() -> None:
    """The finding says how many there were."""
    finding = judge_arrivals("peer-1", OWED, OWED)
    assert finding.verdict is Verdict.PASS
    assert finding.title == "peer-1 gets each message once, in order"
    assert finding.expected == finding.seen == "4 messages"


def test_nothing_owed_is_unknown() -> None:
    """Where nothing was sent, nothing was proved."""
    finding = judge_arrivals("peer-1", [], ["x"])
    assert finding.verdict is Verdict.UNKNOWN
    assert finding.seen == "nothing was sent"


@pytest.mark.parametrize(
    ("got", "seen"),
    [
        ([], "0 messages; 4 lost, such as a, b, c"),
        (["a", "b", "d"], "3 messages; 1 lost, such as c"),
        (["a", "b", "b", "c", "d"], "5 messages; 1 repeated, such as b"),
        (["a", "b", "C", "d"], "4 messages; 1 lost, such as c; "),
        (["a", "b", "x", "c", "d"], "5 messages; 1 never sent like this, such as x"),
        (
            ["a", "c", "b", "d"],
            "4 messages; 1 out of order",
        ),
        (["b", "a", "a"], "3 messages; 2 lost, such as c, d; 1 repeated, such as a; "),
        (["x", "x"], "2 messages; 4 lost, such as a, b, c; 1 repeated, such as x; 1 "),
    ],
)
def test_each_fault_is_named_with_examples(got: list[str], seen: str) -> None:
    """All faults of one receiver stand in one finding."""
    finding = judge_arrivals("peer-1", OWED, got)
    assert finding.verdict is Verdict.FAIL
    assert finding.expected == "4 messages"
    assert finding.seen.startswith(seen)


def test_a_repetition_late_is_a_repetition_and_no_disorder() -> None:
    """A replay that overlaps sends earlier ones again; their order is kept."""
    finding = judge_arrivals("peer-1", OWED, [*OWED, "b"])
    assert finding.seen == "5 messages; 1 repeated, such as b"


def test_order_counts_only_where_it_is_promised() -> None:
    """The title says which of the two was judged."""
    finding = judge_arrivals("peer-1", OWED, OWED[::-1], ordered=False)
    assert finding.verdict is Verdict.PASS
    assert finding.title == "peer-1 gets each message once"


def test_long_payloads_are_cut_in_examples() -> None:
    """The report stays readable."""
    finding = judge_arrivals("peer-1", ["x" * 500], [])
    assert finding.seen == f"0 messages; 1 lost, such as {'x' * 60}…"


@given(
    st.lists(st.integers(), unique=True, min_size=1),
    st.randoms(use_true_random=False),
    st.data(),
)
def test_only_the_very_same_list_passes(
    numbers: list[int], rng: random.Random, data: st.DataObject
) -> None:
    """Whatever happens to messages on their way is seen."""
    owed = list(map(str, numbers))
    got = data.draw(
        st.sampled_from(
            [
                owed,
                owed[1:],
                [*owed, owed[0]],
                [*owed, "never"],
                rng.sample(owed, len(owed)),
            ]
        )
    )
    finding = judge_arrivals("peer-1", owed, got)
    assert (finding.verdict is Verdict.PASS) == (got == owed)
