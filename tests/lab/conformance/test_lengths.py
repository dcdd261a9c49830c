"""The table of lengths: every row is what it says."""

import re

import pytest

from wavetank.lab.conformance.case import (
    Binary,
    Case,
    End,
    Frame,
    HalfClose,
    Heard,
    Level,
    Need,
    Pause,
    Pong,
    Raw,
    Step,
    Text,
)
from wavetank.lab.conformance.lengths import CASES
from wavetank.wire import (
    Control,
    FrameReader,
    Message,
    MessageLimits,
    MessageReader,
    Opcode,
    encode_frame,
)

KEY = b"\x11\x22\x33\x44"
LIMITS = MessageLimits(message_bytes=1 << 20, fragments=None)
BY_ID = {case.id: case for case in CASES}
FAILED = [case for case in CASES if case.outcomes[0].end is End.FAILED]
OTHERS = [case for case in CASES if case.outcomes[0].end is not End.FAILED]
HUGE = [BY_ID[f"L.{number}"] for number in range(43, 48)]


def encoded(step: Step) -> bytes:
    """Return the bytes of a step; a wait and a FIN have none."""
    if isinstance(step, Raw):
        return step.data
    if not isinstance(step, Frame):
        return b""
    return encode_frame(
        step.opcode,
        step.payload,
        fin=step.fin,
        mask=KEY,
        length_form=step.form,
        declared_length=step.declared,
    )


def heard(case: Case) -> tuple[tuple[Heard, ...], tuple[int, str] | None]:
    """Return what an echo that forgives nothing answers, and how it fails."""
    reader = MessageReader(expect_mask=True, limits=LIMITS)
    answers: list[Heard] = []
    for step in case.steps:
        for event in reader.feed(encoded(step)):
            if isinstance(event, Message):
                kind = Text if event.opcode is Opcode.TEXT else Binary
                answers.append(kind(event.data))
            elif isinstance(event, Control) and event.opcode is Opcode.PING:
                answers.append(Pong(event.payload))
    broken = reader.violation
    return tuple(answers), (broken.code, broken.clause) if broken else None


def head(case: Case) -> bytes:
    """Return the last header up to its mask; only whole frames have one."""
    data = encoded(next(step for step in reversed(case.steps) if encoded(step)))
    return data[: {126: 4, 127: 10}.get(data[1] & 0x7F, 2)]


def test_the_table_has_its_rows() -> None:
    """Fifty-three rows, each with an id of its own, a sentence, a clause."""
    assert [case.id for case in CASES] == [f"L.{number}" for number in range(1, 54)]
    assert len({case.title for case in CASES}) == len(CASES)
    for case in CASES:
        assert re.fullmatch(r"[A-Z].*[a-z]\.", case.title)
        assert re.fullmatch(r"RFC 6455 (5\.2|5\.5|10\.4)", case.clause)


@pytest.mark.parametrize("case", FAILED, ids=lambda case: case.id)
def test_a_row_that_fails_breaks_its_rule(case: Case) -> None:
    """What has to fail is refused by a reader that is sound, for its very clause."""
    best = case.outcomes[0]
    assert best.codes is not None
    answers, broken = heard(case)
    assert answers == best.heard == ()
    assert broken is not None
    assert broken[0] in best.codes
    # A control frame that is too long and in too long a form breaks both rules.
    assert broken[1] == case.clause or case.clause == "RFC 6455 5.5"


@pytest.mark.parametrize("case", OTHERS, ids=lambda case: case.id)
def test_a_row_that_is_legal_comes_back(case: Case) -> None:
    """What has to come back is read whole, and breaks no rule."""
    assert heard(case) == (case.outcomes[0].heard, None)


def test_only_what_has_to_come_back_is_needed() -> None:
    """Failures and pongs are to be had from every target, but for a FIN."""
    for case in CASES:
        kinds = {type(what) for what in case.outcomes[0].heard}
        has_fin = any(isinstance(step, HalfClose) for step in case.steps)
        assert (Need.ECHO in case.needs) == (Text in kinds)
        assert (Need.BINARY in case.needs) == (Binary in kinds)
        assert (Need.PLAIN in case.needs) == has_fin


@pytest.mark.parametrize(
    ("number", "header"),
    [
        ("L.1", "81 fd"),
        ("L.2", "81 fe 00 7e"),
        ("L.3", "81 fe 00 7f"),
        ("L.4", "81 fe 00 80"),
        ("L.5", "81 fe ff ff"),
        ("L.6", "81 ff 00 00 00 00 00 01 00 00"),
        ("L.9", "89 80"),
        ("L.13", "81 fe 00 00"),
        ("L.14", "81 ff 00 00 00 00 00 00 00 00"),
        ("L.15", "81 fe 00 7d"),
        ("L.18", "81 ff 00 00 00 00 00 00 ff ff"),
        ("L.21", "80 fe 00 7d"),
        ("L.25", "89 ff 00 00 00 00 00 00 00 00"),
        ("L.29", "88 fe 00 02"),
        ("L.31", "89 fe 00 7e"),
        ("L.33", "89 ff 00 00 00 00 00 01 00 00"),
        ("L.37", "88 fe 00 7e"),
        ("L.40", "81 ff 80 00 00 00 00 00 00 00"),
        ("L.41", "82 ff ff ff ff ff ff ff ff ff"),
        ("L.43", "81 ff 7f ff ff ff ff ff ff ff"),
        ("L.45", "81 ff 00 00 01 00 00 00 00 00"),
        ("L.47", "80 ff 7f ff ff ff ff ff ff ff"),
    ],
)
def test_headers_are_those_of_the_rfc(number: str, header: str) -> None:
    """The bytes of RFC 6455 5.2, written out."""
    assert head(BY_ID[number]) == bytes.fromhex(header)


def test_the_length_alone_is_wrong() -> None:
    """In its shortest form, each row that is written longer than needed is legal."""
    for number in range(13, 31):
        reader = MessageReader(expect_mask=True, limits=LIMITS)
        lenient = FrameReader(expect_mask=True, max_payload=None, strict=False)
        for step in BY_ID[f"L.{number}"].steps:
            for frame in lenient.feed(encoded(step)):
                reader.feed(
                    encode_frame(frame.opcode, frame.payload, fin=frame.fin, mask=KEY)
                )
        assert reader.violation is None


def test_rows_cover_each_form_that_is_longer_than_needed() -> None:
    """Each opcode is there with 16 bits or 64 where fewer would have done."""
    covered = set()
    for number in range(13, 31):
        first, second, *_ = head(BY_ID[f"L.{number}"])
        covered.add((first & 0x0F, second & 0x7F))
    assert covered == {(opcode, form) for opcode in Opcode for form in (126, 127)}


@pytest.mark.parametrize("case", HUGE, ids=lambda case: case.id)
def test_whoever_waits_for_a_huge_payload_passes_with_a_note(case: Case) -> None:
    """The end has to come before the FIN; after it, it is an end with a note."""
    best, other = case.outcomes
    assert case.level is Level.SHOULD
    assert best.codes == frozenset({1002, 1009})
    assert best.before is not None
    assert case.steps[best.before] == HalfClose()
    assert isinstance(case.steps[best.before - 1], Pause)
    assert (other.end, other.before, bool(other.note)) == (End.FAILED, None, True)


def test_huge_payloads_do_not_come() -> None:
    """A few bytes are sent at most; that they are few is the point."""
    for case in HUGE:
        assert sum(len(encoded(step)) for step in case.steps) < 40


@pytest.mark.parametrize(
    ("number", "first"),
    [("L.48", 1), ("L.49", 3), ("L.50", 6), ("L.51", 4), ("L.52", 12), ("L.53", 6)],
)
def test_headers_are_cut_where_the_titles_say(number: str, first: int) -> None:
    """Two writes with a wait between them."""
    begin, wait, rest = BY_ID[number].steps
    assert len(encoded(begin)) == first
    assert isinstance(wait, Pause)
    assert encoded(rest)
