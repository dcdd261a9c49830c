"""Groups of cases for clients."""

from collections import Counter

import pytest

from wavetank.lab.conformance.case import (
    Binary,
    Case,
    Heard,
    Need,
    Pong,
    Text,
    frames_of,
)
from wavetank.lab.conformance.clients import GROUPS, PROBE, Sum, echoes_of

ROWS = [row for group in GROUPS.values() for row in group.rows]


def test_each_case_is_there_once() -> None:
    """Its id tells it from all others."""
    assert [
        number for number, times in Counter(r.id for r in ROWS).items() if times > 1
    ] == []
    assert len(ROWS) == 546


def test_each_case_says_what_it_rests_on() -> None:
    """A sentence, and a clause."""
    for row in ROWS:
        assert row.title.endswith("."), row.id
        assert row.title[0].isupper() or row.title[0].isdigit(), row.id
        assert row.clause.startswith("RFC "), row.id


def test_what_a_server_sends_has_no_mask() -> None:
    """But for what is to fail because of it."""
    masked = {
        row.id
        for row in [*ROWS, PROBE]
        if isinstance(row, Case)
        if any(frame.is_masked for frame in frames_of(row.steps))
    }
    assert masked == {*(f"M.{n}" for n in range(1, 14)), "C.50", "C.51", "C.60", "C.61"}


def test_sums_stand_where_their_traffic_is() -> None:
    """Requests where many connections are, and masks where many frames are."""
    sums = {name: group.sum for name, group in GROUPS.items() if group.sum}
    assert sums == {"masking": Sum.MASKS, "handshake": Sum.REQUESTS}
    assert len(GROUPS["handshake"].rows) > 60
    (burst,) = [row for row in GROUPS["masking"].rows if row.id == "K.117"]
    assert isinstance(burst, Case)
    assert len(burst.outcomes[0].heard) == 100
    assert burst.needs == {Need.ECHO}


def test_answers_that_do_not_open_come_last() -> None:
    """Some clients give up at the first of them."""
    assert list(GROUPS)[-2:] == ["negotiation", "handshake"]


def test_the_probe_asks_for_one_thing_of_each_kind() -> None:
    """Ping, text and binary, without a mask."""
    assert [frame.opcode for frame in frames_of(PROBE.steps)] == [9, 1, 2]


WORD = b"wavetank"


@pytest.mark.parametrize(
    ("heard", "echoes"),
    [
        ([Pong(WORD), Text(WORD), Binary(WORD)], {Need.ECHO, Need.BINARY}),
        ([Text(WORD), Text(WORD)], {Need.ECHO}),
        ([Binary(WORD), Pong(b"any")], {Need.BINARY}),
        ([], set()),
        ([Text(b"hello"), Text(WORD), Binary(WORD)], set()),
        ([Text(b"tick"), Text(b"tick")], set()),
    ],
)
def test_an_echo_is_what_was_said_and_nothing_else(
    heard: list[Heard], echoes: set[Need]
) -> None:
    """A client that greets, or answers otherwise, failed every case of an echo once."""
    assert echoes_of(heard) == echoes
