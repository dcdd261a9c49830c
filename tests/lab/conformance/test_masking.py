"""The table of masks: every row is what it says."""

import re

import pytest

from wavetank.lab.conformance.case import (
    Binary,
    Case,
    Chopped,
    End,
    Frame,
    Heard,
    Level,
    Need,
    Pong,
    Text,
    frames_of,
)
from wavetank.lab.conformance.masking import CASES
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
FAILED = [case for case in CASES if case.outcomes[0].end is End.FAILED]
OTHERS = [case for case in CASES if case.outcomes[0].end is not End.FAILED]


def encoded(frame: Frame) -> bytes:
    """Return the bytes of a frame, with a key where it names none."""
    return encode_frame(
        frame.opcode,
        frame.payload,
        fin=frame.fin,
        mask=(frame.mask or KEY) if frame.is_masked else None,
    )


def writes(case: Case) -> list[bytes]:
    """Return what the steps of a case write, one item for each write."""
    pieces: list[bytes] = []
    for step in case.steps:
        data = b"".join(encoded(frame) for frame in frames_of([step]))
        size = step.size if isinstance(step, Chopped) else len(data)
        pieces += [data[at : at + size] for at in range(0, len(data), size)]
    return pieces


def heard(case: Case) -> tuple[tuple[Heard, ...], int | None]:
    """Return what an echo that forgives nothing answers, and its close code."""
    reader = MessageReader(expect_mask=True, limits=NO_LIMITS)
    answers: list[Heard] = []
    for piece in writes(case):
        for event in reader.feed(piece):
            if isinstance(event, Message):
                kind = Text if event.opcode is Opcode.TEXT else Binary
                answers.append(kind(event.data))
            elif isinstance(event, Control) and event.opcode is Opcode.PING:
                answers.append(Pong(event.payload))
    return tuple(answers), reader.violation.code if reader.violation else None


def test_the_table_has_its_rows() -> None:
    """Twenty-six rows, each with an id of its own, a sentence, a clause."""
    assert [case.id for case in CASES] == [f"M.{number}" for number in range(1, 27)]
    assert len({case.title for case in CASES}) == len(CASES)
    for case in CASES:
        assert re.fullmatch(r"[A-Z].*[a-z]\.", case.title)
        assert re.fullmatch(r"RFC 6455 (5\.1|5\.3|8\.1)", case.clause)
        assert case.level is Level.MUST


@pytest.mark.parametrize("case", FAILED, ids=lambda case: case.id)
def test_a_row_that_fails_breaks_its_rule(case: Case) -> None:
    """What has to fail is refused by a reader that is sound, with a code that fits."""
    best = case.outcomes[0]
    assert best.codes is not None
    answers, code = heard(case)
    assert answers == best.heard
    assert code in best.codes


@pytest.mark.parametrize("case", OTHERS, ids=lambda case: case.id)
def test_a_row_that_is_legal_comes_back(case: Case) -> None:
    """What has to come back is read whole, and breaks no rule."""
    assert heard(case) == (case.outcomes[0].heard, None)
    assert case.outcomes[0].heard


def test_only_what_has_to_come_back_is_needed() -> None:
    """Failures and pongs are to be had from every target."""
    for case in FAILED:
        assert not case.needs
    for case in OTHERS:
        kinds = {type(what) for what in case.outcomes[0].heard}
        assert (Need.ECHO in case.needs) == (Text in kinds)
        assert (Need.BINARY in case.needs) == (Binary in kinds)


@pytest.mark.parametrize(
    ("number", "opcodes"),
    [
        ("M.1", [Opcode.TEXT]),
        ("M.2", [Opcode.BINARY]),
        ("M.3", [Opcode.TEXT, Opcode.CONTINUATION]),
        ("M.4", [Opcode.PING]),
        ("M.5", [Opcode.PONG]),
        ("M.6", [Opcode.CLOSE]),
        ("M.10", [Opcode.TEXT, Opcode.CONTINUATION, Opcode.CONTINUATION]),
        ("M.11", [Opcode.TEXT, Opcode.PING, Opcode.CONTINUATION]),
    ],
)
def test_each_kind_of_frame_comes_without_a_mask(
    number: str, opcodes: list[Opcode]
) -> None:
    """Each opcode has a row in which it alone has no mask."""
    frames = frames_of(BY_ID[number].steps)
    assert [frame.opcode for frame in frames] == opcodes
    assert sum(not frame.is_masked for frame in frames) == 1


def test_nothing_but_the_mask_is_wrong() -> None:
    """With masks, every row up to M.13 would be legal."""
    for number in range(1, 14):
        reader = MessageReader(expect_mask=True, limits=NO_LIMITS)
        for frame in frames_of(BY_ID[f"M.{number}"].steps):
            reader.feed(
                encode_frame(frame.opcode, frame.payload, fin=frame.fin, mask=KEY)
            )
        assert reader.violation is None


def test_bytes_are_those_of_the_rfc() -> None:
    """RFC 6455 5.7 shows an unmasked text and a masked one, both of them Hello."""
    assert writes(BY_ID["M.1"]) == [bytes.fromhex("81 05 48 65 6c 6c 6f")]
    assert writes(BY_ID["M.6"]) == [bytes.fromhex("88 02 03 e8")]
    assert writes(BY_ID["M.8"]) == [bytes.fromhex("89 00")]
    first = frames_of(BY_ID["M.16"].steps)[0]
    assert first.mask == bytes.fromhex("37 fa 21 3d")


def test_masks_are_what_the_titles_say() -> None:
    """Zeros, ones, the same one, different ones, and one that makes zeros."""
    keys = {
        number: [frame.mask for frame in frames_of(BY_ID[number].steps)]
        for number in ("M.14", "M.15", "M.16", "M.17", "M.23", "M.24", "M.25")
    }
    assert keys["M.14"] == [b"\x00\x00\x00\x00"]
    assert keys["M.15"] == [b"\xff\xff\xff\xff"]
    assert len(set(keys["M.16"])) == 1
    assert len(set(keys["M.17"])) == 3
    assert len(set(keys["M.23"])) == 3
    assert len(set(keys["M.24"])) == 3
    assert len(set(keys["M.25"])) == 4
    assert writes(BY_ID["M.18"])[0].endswith(bytes(32))


def test_a_code_point_is_cut_where_the_titles_say() -> None:
    """F0 9D 84 9E goes out byte by byte, in fragments and in writes."""
    payloads = [frame.payload for frame in frames_of(BY_ID["M.24"].steps)]
    assert payloads == [b"\xf0", b"\x9d", b"\x84", b"\x9e"]
    assert {len(piece) for piece in writes(BY_ID["M.22"])} == {1}
    assert {len(piece) for piece in writes(BY_ID["M.21"])[:-1]} == {3}


def test_what_is_masked_reads_as_text_where_it_must_not_count() -> None:
    """Whoever checks UTF-8 before unmasking sees HELL and is content."""
    assert writes(BY_ID["M.26"])[0].endswith(b"HELL")


def test_an_unmasked_close_frame_may_be_answered() -> None:
    """RFC 6455 5.1 asks for the end of the connection; its code 1002 is a MAY."""
    _, other = BY_ID["M.6"].outcomes
    assert other.end is End.CLOSED
    assert other.note
