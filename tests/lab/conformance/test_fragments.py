"""The table of fragments: every row is what it says."""

import msgspec
import pytest

from wavetank.lab.conformance.case import (
    BROKEN,
    Chopped,
    End,
    Outcome,
    Pause,
    Pong,
    Text,
    continuation,
    frames_of,
    text,
)
from wavetank.lab.conformance.fragments import CASES, in_fragments

from .strictly import plain, wire

BY_ID = {case.id: case for case in CASES}


NUMBERS = [*(f"5.{number}" for number in range(1, 21)), "10.1.1"]
BEGUN, MIDDLE, LAST, WHOLE = (1, 0, False), (0, 0, False), (0, 0, True), (1, 0, True)
PING = (9, 0, True)

SENT = {
    1: [(9, 0, False, b"fragment1"), (*LAST, b"fragment2")],
    2: [(10, 0, False, b"fragment1"), (*LAST, b"fragment2")],
    3: [(*BEGUN, b"fragment1"), (*LAST, b"fragment2")],
    6: [
        (*BEGUN, b"fragment1"),
        (*PING, b"ping payload"),
        (*LAST, b"fragment2"),
    ],
    9: [(*LAST, b"non-continuation payload"), (*WHOLE, b"Hello, world!")],
    12: [(*MIDDLE, b"non-continuation payload"), (*WHOLE, b"Hello, world!")],
    15: [
        (*BEGUN, b"fragment1"),
        (*LAST, b"fragment2"),
        (*MIDDLE, b"fragment3"),
        (*WHOLE, b"fragment4"),
    ],
    16: [
        (*MIDDLE, b"fragment1"),
        (*BEGUN, b"fragment2"),
        (*LAST, b"fragment3"),
    ]
    * 2,
    17: [(*LAST, b"fragment1"), (*BEGUN, b"fragment2"), (*LAST, b"fragment3")] * 2,
    18: [(*BEGUN, b"fragment1"), (*WHOLE, b"fragment2")],
    19: [
        (*BEGUN, b"fragment1"),
        (*MIDDLE, b"fragment2"),
        (*PING, b"pongme 1!"),
        (*MIDDLE, b"fragment3"),
        (*MIDDLE, b"fragment4"),
        (*PING, b"pongme 2!"),
        (*LAST, b"fragment5"),
    ],
}
"""Opcode, reserved bits, FIN and payload of each frame, by the first such number."""

FAILING = frozenset({1, 2, *range(9, 19)})
BOTH = Text(b"fragment1fragment2")


def test_the_table_has_the_numbers_of_autobahn() -> None:
    """Twenty rows of fragments, and one of a long text."""
    assert [case.id for case in CASES] == NUMBERS
    assert len(CASES) == 21


@pytest.mark.parametrize("number", range(1, 21))
def test_frames_are_those_of_autobahn(number: int) -> None:
    """Rows that differ in their writes alone have the same frames."""
    first = max(each for each in SENT if each <= number)
    assert plain(BY_ID[f"5.{number}"]) == SENT[first]


@pytest.mark.parametrize("number", range(1, 21))
def test_rows_end_as_those_of_autobahn(number: int) -> None:
    """Control frames in fragments, orphans and a second beginning fail."""
    outcomes = BY_ID[f"5.{number}"].outcomes
    end = End.FAILED if number in FAILING else End.OPEN
    assert {outcome.end for outcome in outcomes} == {end}
    assert len(outcomes) == (2 if number == 15 else 1)


def test_a_good_text_before_an_orphan_may_go_unanswered_with_a_note() -> None:
    """All other rows that fail have nothing good in them."""
    best, other = BY_ID["5.15"].outcomes
    assert best == Outcome(heard=(BOTH,), end=End.FAILED, codes=BROKEN)
    assert (other.heard, other.end, other.codes) == ((), End.FAILED, BROKEN)
    assert other.note
    failing = [BY_ID[f"5.{number}"] for number in FAILING - {15}]
    assert all(case.outcomes[0].heard == () for case in failing)


@pytest.mark.parametrize("number", ["5.6", "5.7", "5.8"])
def test_a_pong_comes_before_the_text_around_its_ping(number: str) -> None:
    """A ping in the middle of a message does not wait for its end."""
    assert BY_ID[number].outcomes[0].heard == (Pong(b"ping payload"), BOTH)


@pytest.mark.parametrize("number", ["5.19", "5.20"])
def test_a_pause_parts_the_pings(number: str) -> None:
    """It lasts a second, behind the first ping; both pongs precede the text."""
    case = BY_ID[number]
    place = case.steps.index(Pause(0.3))
    assert sum(isinstance(step, Pause) for step in case.steps) == 1
    before = msgspec.structs.replace(case, steps=case.steps[:place])
    assert [frame.opcode for frame in frames_of(before.steps)] == [1, 0, 9]
    assert case.outcomes[0].heard == (
        Pong(b"pongme 1!"),
        Pong(b"pongme 2!"),
        Text(b"fragment1fragment2fragment3fragment4fragment5"),
    )


@pytest.mark.parametrize("number", range(1, 21))
def test_rows_go_out_in_the_way_of_autobahn(number: int) -> None:
    """All in one write, frame by frame, or byte by byte."""
    steps = [each for each in BY_ID[f"5.{number}"].steps if each != Pause(0.3)]
    sizes = {each.size if isinstance(each, Chopped) else None for each in steps}
    by_frame, by_byte = {4, 7, 10, 13, 20}, {5, 8, 11, 14}
    wanted = None if number in by_frame else 1 if number in by_byte else 2**20
    assert sizes == {wanted}


def test_the_long_text_has_fragments_of_1300_bytes() -> None:
    """Fifty whole ones and a rest of 536; one begins the text, one ends it."""
    sent = plain(BY_ID["10.1.1"])
    assert [len(payload) for *_, payload in sent] == [1300] * 50 + [536]
    assert [tuple(row[:3]) for row in sent] == [BEGUN, *[MIDDLE] * 49, LAST]
    assert BY_ID["10.1.1"].outcomes == (Outcome(heard=(Text(b"*" * 65536),)),)


def test_fragments_begin_a_text_go_on_and_end_it() -> None:
    """Two payloads are a beginning and an end, without anything between."""
    assert in_fragments("a", b"b", "c") == (
        text("a", fin=False),
        continuation("b", fin=False),
        continuation("c"),
    )
    assert in_fragments("a", "b") == (text("a", fin=False), continuation("b"))


def test_a_control_frame_in_fragments_has_no_fin() -> None:
    """The first byte of a ping without FIN is 0x09, of a pong 0x0A."""
    assert wire(BY_ID["5.1"])[:2] == b"\x09\x89"
    assert wire(BY_ID["5.2"])[:2] == b"\x0a\x89"
