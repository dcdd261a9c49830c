"""The table of writes, FIN and RST: every row is what it says."""

import re

import pytest

from wavetank.lab.conformance.case import (
    Binary,
    Case,
    Chopped,
    End,
    HalfClose,
    Heard,
    Level,
    Need,
    Outcome,
    Pause,
    Pong,
    Raw,
    Reset,
    Step,
    Text,
    frames_of,
)
from wavetank.lab.conformance.transport import CASES
from wavetank.wire import (
    Control,
    Message,
    MessageLimits,
    MessageReader,
    Opcode,
    encode_frame,
)

KEY = b"\x11\x22\x33\x44"
NO_LIMITS = MessageLimits(message_bytes=None, fragments=None)
BY_ID = {case.id: case for case in CASES}
CUT = [
    case
    for case in CASES
    if any(isinstance(step, HalfClose | Reset) for step in case.steps)
]


def writes(step: Step) -> list[bytes]:
    """Return what a step writes, one item for each write."""
    if isinstance(step, Raw):
        return [step.data]
    data = b"".join(
        encode_frame(frame.opcode, frame.payload, fin=frame.fin, mask=KEY)
        for frame in frames_of([step])
    )
    size = step.size if isinstance(step, Chopped) else len(data) or 1
    return [data[at : at + size] for at in range(0, len(data), size)]


def reader_of(case: Case) -> tuple[tuple[Heard, ...], MessageReader]:
    """Return what an echo answers, and its reader behind the last write."""
    reader = MessageReader(expect_mask=True, limits=NO_LIMITS)
    answers: list[Heard] = []
    for piece in (piece for step in case.steps for piece in writes(step)):
        for event in reader.feed(piece):
            if isinstance(event, Message):
                kind = Text if event.opcode is Opcode.TEXT else Binary
                answers.append(kind(event.data))
            elif isinstance(event, Control) and event.opcode is Opcode.PING:
                answers.append(Pong(event.payload))
    return tuple(answers), reader


def test_the_table_has_its_rows() -> None:
    """Twenty-nine rows, each with an id of its own, a sentence, a clause."""
    assert [case.id for case in CASES] == [f"B.{number}" for number in range(1, 30)]
    assert len({case.title for case in CASES}) == len(CASES)
    for case in CASES:
        assert re.fullmatch(r"[A-Z].*[a-z]\.", case.title)
        assert re.fullmatch(r"RFC 6455 (5\.2|5\.5\.[123]|7\.1\.4)", case.clause)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_row_is_legal_and_comes_back(case: Case) -> None:
    """However the bytes are cut, they break no rule, and the best outcome follows."""
    answers, reader = reader_of(case)
    assert reader.violation is None
    assert answers == case.outcomes[0].heard


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_row_ends_as_its_steps_say(case: Case) -> None:
    """A close frame is answered; FIN and RST end it; all others leave it open."""
    has_close = any(frame.opcode == Opcode.CLOSE for frame in frames_of(case.steps))
    end = End.CLOSED if has_close else End.FAILED if case in CUT else End.OPEN
    assert {outcome.end for outcome in case.outcomes} == {end}
    assert {outcome.codes for outcome in case.outcomes} == {None}


def test_only_what_has_to_come_back_is_needed() -> None:
    """Pongs and closes are to be had from every target, FIN and RST without TLS."""
    for case in CASES:
        kinds = {type(what) for what in case.outcomes[0].heard}
        assert (Need.ECHO in case.needs) == (Text in kinds)
        assert (Need.BINARY in case.needs) == (Binary in kinds)
        assert (Need.PLAIN in case.needs) == (case in CUT)


def test_bytes_without_frames_are_no_texts() -> None:
    """What a way would put around a text cannot be put around bytes."""
    for case in CASES:
        if any(isinstance(step, Raw) for step in case.steps):
            assert Need.ECHO not in case.needs


@pytest.mark.parametrize(("number", "count"), [("B.6", 2), ("B.7", 10), ("B.8", 100)])
def test_bursts_are_one_write(number: str, count: int) -> None:
    """All frames go out together."""
    (step,) = BY_ID[number].steps
    assert len(frames_of([step])) == count
    assert len(writes(step)) == 1


@pytest.mark.parametrize("number", ["B.9", "B.10", "B.11", "B.12"])
def test_what_stands_in_one_write_is_one(number: str) -> None:
    """All frames go out together, whatever their kind."""
    (step,) = BY_ID[number].steps
    assert len(writes(step)) == 1


@pytest.mark.parametrize("number", ["B.1", "B.2", "B.3", "B.4"])
def test_a_write_for_every_byte_has_one_byte(number: str) -> None:
    """Headers and masks are cut too."""
    (step,) = BY_ID[number].steps
    assert {len(piece) for piece in writes(step)} == {1}


def test_the_newest_ping_is_answered_in_each_outcome() -> None:
    """RFC 6455 5.5.3 lets a pong stand for pings before its own."""
    assert [outcome.heard for outcome in BY_ID["B.9"].outcomes] == [
        (Pong(b"one"), Pong(b"two"), Pong(b"three")),
        (Pong(b"one"), Pong(b"three")),
        (Pong(b"two"), Pong(b"three")),
        (Pong(b"three"),),
    ]


@pytest.mark.parametrize(
    ("number", "header", "start"),
    [
        ("B.13", 6, "82 85 37 fa 21 3d"),
        ("B.14", 8, "82 fe 00 7e 37 fa 21 3d"),
        ("B.15", 14, "82 ff 00 00 00 00 00 01 00 00 37 fa 21 3d"),
    ],
)
def test_a_header_is_cut_at_each_place(number: str, header: int, start: str) -> None:
    """Behind its first byte, its second, and so on to its last."""
    steps = BY_ID[number].steps
    begins = [step.data for step in steps[::3] if isinstance(step, Raw)]
    assert begins == [bytes.fromhex(start)[:at] for at in range(1, header + 1)]
    assert all(isinstance(step, Pause) for step in steps[1::3])


def test_half_a_header_and_what_reads_as_a_ping() -> None:
    """The second write begins as an empty ping with a mask of zeros does."""
    begin, _, rest = BY_ID["B.18"].steps
    assert writes(begin) == [b"\x82"]
    assert writes(rest)[0].startswith(
        encode_frame(Opcode.PING, mask=bytes(4))[:2] + bytes(3)
    )


def test_half_a_header_goes_with_a_ping() -> None:
    """The ping is whole, and one byte of the next frame is behind it."""
    begin, _, rest = BY_ID["B.17"].steps
    (first,), (second,) = writes(begin), writes(rest)
    assert first == encode_frame(Opcode.PING, b"now", mask=first[2:6]) + b"\x82"
    assert second[:1] == b"\x85"


@pytest.mark.parametrize(
    ("numbers", "fragment", "buffered"),
    [
        (("B.20", "B.26"), False, 0),
        (("B.21", "B.27"), False, 3),
        (("B.22", "B.28"), False, 2),
        (("B.23", "B.29"), True, 0),
    ],
)
def test_fin_and_rst_come_in_the_same_places(
    numbers: tuple[str, str], fragment: bool, buffered: int
) -> None:
    """Between messages, in a header, in a payload, and between two fragments."""
    fin, rst = (BY_ID[number] for number in numbers)
    assert fin.steps[:-1] == rst.steps[:-1]
    assert (fin.steps[-1], rst.steps[-1]) == (HalfClose(), Reset())
    statistics = reader_of(fin)[1].statistics()
    assert statistics["buffered"] == buffered
    assert bool(statistics["fragments"]) is fragment


def test_fin_and_rst_leave_a_target_its_close_frame() -> None:
    """Any code will do, and none; the RFC asks for no failing here."""
    for number in (20, 21, 22, 23, 26, 27, 28, 29):
        case = BY_ID[f"B.{number}"]
        assert case.outcomes == (Outcome(end=End.FAILED),)
        assert case.level is Level.SHOULD


def test_a_text_before_the_end_is_answered_or_noted() -> None:
    """The echo first; whoever drops it ends well all the same, with a note."""
    for number in ("B.10", "B.24"):
        best, other = BY_ID[number].outcomes
        assert (best.heard, best.note) == ((Text(b"Hello"),), "")
        assert (other.heard, bool(other.note)) == ((), True)
