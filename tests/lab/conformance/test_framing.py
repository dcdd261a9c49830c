"""The table of framing: every row is what it says."""

import pytest

from wavetank.lab.conformance.case import (
    BROKEN,
    Binary,
    Chopped,
    End,
    Outcome,
    Pong,
    Text,
    ping,
    text,
)
from wavetank.lab.conformance.framing import CASES, failed, in_one_write
from wavetank.wire import Opcode

from .strictly import MASK, plain, wire

BY_ID = {case.id: case for case in CASES}


NUMBERS = [
    *(f"1.1.{number}" for number in range(1, 9)),
    *(f"1.2.{number}" for number in range(1, 9)),
    *(f"2.{number}" for number in range(1, 12)),
]


def test_the_table_has_the_numbers_of_autobahn() -> None:
    """Eight texts, eight binary messages, eleven rows of pings and pongs."""
    assert [case.id for case in CASES] == NUMBERS
    assert len(CASES) == 27


@pytest.mark.parametrize(
    ("number", "size", "head"),
    [
        ("1", 0, "80"),
        ("2", 125, "fd"),
        ("3", 126, "fe 007e"),
        ("4", 127, "fe 007f"),
        ("5", 128, "fe 0080"),
        ("6", 65535, "fe ffff"),
        ("7", 65536, "ff 0000000000010000"),
        ("8", 65536, "ff 0000000000010000"),
    ],
)
def test_a_message_has_its_length_in_the_shortest_form(
    number: str, size: int, head: str
) -> None:
    """In 7 bits up to 125 bytes, in 16 up to 65535, and in 64 above."""
    rows = (("1.1", "81", Text(b"*" * size)), ("1.2", "82", Binary(b"\xfe" * size)))
    for group, first, message in rows:
        case, sent = BY_ID[f"{group}.{number}"], bytes.fromhex(first + head) + MASK
        assert wire(case)[: len(sent)] == sent
        assert len(wire(case)) == len(sent) + size
        assert case.outcomes == (Outcome(heard=(message,)),)


def test_the_last_of_each_kind_goes_out_in_pieces_of_997() -> None:
    """All others are one frame, in one write."""
    pieces = {
        case.id: step.size
        for case in CASES[:16]
        for step in case.steps
        if isinstance(step, Chopped)
    }
    assert pieces == {"1.1.8": 997, "1.2.8": 997}


@pytest.mark.parametrize(
    ("number", "sent"),
    [
        ("2.1", "8980 01020304"),
        ("2.2", "898d 01020304 4967 6f68 6e2e 2373 6e70 6f60 20"),
        ("2.3", "8988 01020304 01fd fdf9 fdf9 03fb"),
        ("2.7", "8a80 01020304 8882 01020304 02ea"),
    ],
)
def test_a_control_frame_is_these_bytes(number: str, sent: str) -> None:
    """Opcode 9 is a ping, 10 a pong, 8 a close frame; each is masked."""
    assert wire(BY_ID[number]) == bytes.fromhex(sent)


def test_a_ping_may_have_125_bytes_and_no_more() -> None:
    """One byte more needs 16 bits of length, which a control frame has not."""
    assert wire(BY_ID["2.4"]).startswith(b"\x89\xfd")
    assert wire(BY_ID["2.5"]).startswith(b"\x89\xfe\x00\x7e")
    assert BY_ID["2.5"].outcomes == (Outcome(end=End.FAILED, codes=BROKEN),)
    assert BY_ID["2.6"].steps == (Chopped((ping(b"\xfe" * 125),), size=1),)
    assert BY_ID["2.6"].outcomes == BY_ID["2.4"].outcomes


def test_pongs_that_nobody_asked_for_are_not_answered() -> None:
    """Two are followed by a close frame, and one by a ping that is answered."""
    for number, payload in (("2.7", b""), ("2.8", b"unsolicited pong payload")):
        case = BY_ID[number]
        closing = (Opcode.CLOSE, 0, True, b"\x03\xe8")
        assert plain(case) == [(Opcode.PONG, 0, True, payload), closing]
        assert case.outcomes == (Outcome(end=End.CLOSED),)
    assert plain(BY_ID["2.9"]) == [
        (Opcode.PONG, 0, True, b"unsolicited pong payload"),
        (Opcode.PING, 0, True, b"ping payload"),
    ]


@pytest.mark.parametrize("number", ["2.10", "2.11"])
def test_of_ten_pings_any_but_the_last_may_go_without_a_pong(number: str) -> None:
    """All ten is the best; order and the last one are what binds (5.5.3)."""
    case = BY_ID[number]
    payloads = [b"payload-%d" % place for place in range(10)]
    assert plain(case) == [(Opcode.PING, 0, True, each) for each in payloads]
    told = [outcome.heard for outcome in case.outcomes]
    assert told[0] == tuple(map(Pong, payloads))
    assert told[-1] == (Pong(b"payload-9"),)
    assert len(set(told)) == len(told) == 2**9
    assert all(list(each) == sorted(each, key=lambda pong: pong.data) for each in told)
    assert all(each[-1] == Pong(b"payload-9") for each in told)


def test_ten_pings_go_out_in_one_write_or_byte_by_byte() -> None:
    """The bytes are the same."""
    (together,), (apart,) = BY_ID["2.10"].steps, BY_ID["2.11"].steps
    assert isinstance(together, Chopped)
    assert isinstance(apart, Chopped)
    assert (together.size, apart.size) == (2**20, 1)
    assert wire(BY_ID["2.10"]) == wire(BY_ID["2.11"])


def test_one_write_is_a_piece_longer_than_its_frames() -> None:
    """Even the longest message of the tables, in many frames, is one piece."""
    assert in_one_write(text(), ping()) == Chopped((text(), ping()), size=2**20)
    assert max(len(wire(case)) for case in CASES) < 2**20


def test_a_bad_frame_behind_a_good_one_may_go_unanswered_with_a_note() -> None:
    """Without a good one before it there is one outcome, and nothing to note."""
    assert failed() == (Outcome(end=End.FAILED, codes=BROKEN),)
    best, other = failed(Text(b"good"))
    assert (best.heard, best.note) == ((Text(b"good"),), "")
    assert other.heard == ()
    assert other.note == "it should answer the message before the bad frame"
    assert {best.end, other.end} == {End.FAILED}
    assert {best.codes, other.codes} == {BROKEN}
