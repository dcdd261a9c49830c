"""The matrix of close frames: every row is what it says."""

from collections.abc import Iterator

import pytest

from wavetank.lab.conformance import closing
from wavetank.lab.conformance.case import (
    Case,
    Chopped,
    End,
    Frame,
    HalfClose,
    Level,
    Need,
    Outcome,
    Pong,
    Step,
)
from wavetank.lab.conformance.close_matrix import CASES
from wavetank.wire import (
    Closing,
    Event,
    MessageLimits,
    MessageReader,
    encode_frame,
)

BY_ID = {case.id: case for case in CASES}

MASK = b"\x01\x02\x03\x04"
CLOSE = b"\x88\x82\x01\x02\x03\x04\x02\xea"
"""A close frame with 1000, masked."""

WIRES = {
    "C.1": b"\x88\x82\x01\x02\x03\x04\x01\x03",
    "C.17": b"\x88\x81\x01\x02\x03\x04\x01",
    "C.18": b"\x88\x81\x01\x02\x03\x04\x02",
    "C.39": CLOSE + CLOSE,
    "C.40": CLOSE + b"\x88\x82\x01\x02\x03\x04\x02\xeb",
    "C.41": CLOSE + b"\x88\x81\x01\x02\x03\x04\x02",
    "C.42": b"\x88\x82\x01\x02\x03\x04\x02\xef" + CLOSE,
    "C.44": b"\x08" + CLOSE[1:] + b"\x80\x86\x01\x02\x03\x04sgbwnl",
    "C.45": b"\x08\x80\x01\x02\x03\x04",
    "C.48": CLOSE + b"\x89\x84\x01\x02\x03\x04mcwa",
    "C.50": CLOSE + b"\x81\x00",
    "C.51": CLOSE + b"\x7f\x7f\x00\x00\x00\x00\x00\x00\x00\x04late",
    "C.52": CLOSE + b"\x81\xe4\x01\x02\x03\x04mcwa",
    "C.57": b"\xc8" + CLOSE[1:],
    "C.58": b"\xa8" + CLOSE[1:],
    "C.59": b"\x98" + CLOSE[1:],
    "C.60": b"\x88\x06\x03\xe8done",
    "C.61": b"\x88\x00",
    "C.62": b"\x88\x82\x00\x00\x00\x00\x03\xe8",
    "C.64": CLOSE[:6],
    "C.65": b"\x88\x82\x01\x02\x03\x04\x02",
    "C.68": CLOSE,
    "C.70": b"\x88\x80\x01\x02\x03\x04",
}
"""What goes out, where each mask is 01 02 03 04 if the row has none of its own."""

NOT_ALLOWED = {1: 1, 5: 1015, 11: 999, 12: 1005, 13: 1015}
ALLOWED = {8: 3001, 9: 3003, 10: 3008, 14: 1001, 15: 3000, 16: 4999}
REGISTERED = {2: 1012, 3: 1013, 4: 1014}
UNASSIGNED = {6: 1099, 7: 1999}


def encode(frame: Frame) -> bytes:
    """Return the bytes of a frame."""
    mask = MASK if frame.mask is None else frame.mask
    return encode_frame(
        frame.opcode,
        frame.payload,
        fin=frame.fin,
        rsv1=bool(frame.rsv & 4),
        rsv2=bool(frame.rsv & 2),
        rsv3=bool(frame.rsv & 1),
        mask=mask if frame.is_masked else None,
        length_form=frame.form,
        declared_length=frame.declared,
    )


def writes_of(steps: tuple[Step, ...]) -> Iterator[bytes]:
    """Return what goes out, write by write; FIN is an empty one."""
    for step in steps:
        if isinstance(step, Frame):
            yield encode(step)
        elif isinstance(step, Chopped):
            whole = b"".join(map(encode, step.frames))
            for start in range(0, len(whole), step.size):
                yield whole[start : start + step.size]
        else:
            assert isinstance(step, HalfClose)
            yield b""


def frames_of(case: Case) -> list[Frame]:
    """Return all frames of a case, those that go out in pieces, too."""
    found: list[Frame] = []
    for step in case.steps:
        if isinstance(step, Frame):
            found.append(step)
        elif isinstance(step, Chopped):
            found.extend(step.frames)
    return found


def read(case: Case) -> tuple[MessageReader, list[Event]]:
    """Return a strict reader that was fed a case, and what it read."""
    limits = MessageLimits(message_bytes=None, fragments=None)
    reader = MessageReader(expect_mask=True, limits=limits)
    writes = writes_of(case.steps)
    return reader, [event for data in writes for event in reader.feed(data)]


def test_table_is_numbered_from_1_to_73() -> None:
    """Numbers have no gaps, and none comes twice."""
    assert [case.id for case in CASES] == [f"C.{n}" for n in range(1, 74)]


def test_titles_differ_and_clauses_are_set() -> None:
    """A title is one sentence and belongs to one row, in Autobahn's group as well."""
    titles = [case.title for case in (*closing.CASES, *CASES)]
    assert len(set(titles)) == len(titles)
    for case in CASES:
        assert case.title.endswith(".")
        assert case.clause.startswith("RFC 6455 ")


@pytest.mark.parametrize("number", WIRES)
def test_row_sends_these_bytes(number: str) -> None:
    """The bytes are those of RFC 6455 5.2, worked out by hand."""
    assert b"".join(writes_of(BY_ID[number].steps)) == WIRES[number]


def test_no_row_repeats_another_or_one_of_autobahns() -> None:
    """What goes out in the same writes belongs to one row only."""
    known = {tuple(writes_of(case.steps)) for case in closing.CASES}
    writes = [tuple(writes_of(case.steps)) for case in CASES]
    assert len(known.union(writes)) == len(known) + len(writes)


def test_both_tables_have_every_code_at_a_border() -> None:
    """Each of them is the code of some close frame that stands alone."""
    sent = {
        int.from_bytes(frames[0].payload[:2], "big")
        for case in (*closing.CASES, *CASES)
        if len(frames := frames_of(case)) == 1 and len(frames[0].payload) == 2
    }
    borders = {
        *(0, 1, 999, *range(1000, 1016), 1016, 1099, 1100, 1999, 2000, 2999),
        *(3000, 3001, 3003, 3008, 3999, 4000, 4999, 5000, 65535),
    }
    assert borders <= sent


@pytest.mark.parametrize(("number", "code"), NOT_ALLOWED.items())
def test_code_that_must_not_be_sent_fails(number: int, code: int) -> None:
    """Only 1002 says why, with a reason behind the code and without one."""
    case = BY_ID[f"C.{number}"]
    (frame,) = frames_of(case)
    assert frame.payload[:2] == code.to_bytes(2, "big")
    assert case.outcomes == (Outcome(end=End.FAILED, codes=frozenset({1002})),)
    assert case.level is Level.MUST


@pytest.mark.parametrize(("number", "code"), ALLOWED.items())
def test_code_that_may_be_sent_is_answered(number: int, code: int) -> None:
    """With itself or with 1000; others get a note."""
    case = BY_ID[f"C.{number}"]
    (frame,) = frames_of(case)
    assert frame.payload[:2] == code.to_bytes(2, "big")
    assert case.outcomes == closing.closed(1000, code)
    assert case.level is Level.MUST


@pytest.mark.parametrize(("number", "code"), REGISTERED.items())
def test_code_registered_later_is_answered_or_failed_with_a_note(
    number: int, code: int
) -> None:
    """A server of 2011 could not know it, and one of today should."""
    case = BY_ID[f"C.{number}"]
    (frame,) = frames_of(case)
    assert frame.payload == code.to_bytes(2, "big")
    assert case.outcomes[:2] == closing.closed(1000, code)
    last = case.outcomes[-1]
    assert (last.end, last.codes) == (End.FAILED, {1002})
    assert last.note
    assert case.level is Level.SHOULD


@pytest.mark.parametrize(("number", "code"), UNASSIGNED.items())
def test_unassigned_code_may_fail_or_be_answered(number: int, code: int) -> None:
    """The RFC leaves it open; an echo would put the code on the wire once more."""
    case = BY_ID[f"C.{number}"]
    (frame,) = frames_of(case)
    assert frame.payload == code.to_bytes(2, "big")
    failed, answer, _, echo = case.outcomes
    assert (failed.end, failed.codes, failed.note) == (End.FAILED, {1002}, "")
    assert (answer.end, answer.codes, answer.note) == (End.CLOSED, {1000}, "")
    assert (echo.end, echo.codes) == (End.CLOSED, {code})
    assert echo.note
    assert case.level is Level.MAY


def test_reasons_stand_at_the_limit_in_bytes_not_in_characters() -> None:
    """125 bytes are the longest body, 126 are too many; 42 characters prove nothing."""
    (fits,), (over,) = frames_of(BY_ID["C.20"]), frames_of(BY_ID["C.21"])
    assert (len(fits.payload), len(over.payload)) == (125, 126)
    assert len(over.payload[2:].decode()) == 42
    assert len(frames_of(BY_ID["C.22"])[0].payload) == 125


@pytest.mark.parametrize("number", range(23, 33))
def test_broken_reason_is_not_utf8_and_fits_a_control_frame(number: int) -> None:
    """Nothing but its UTF-8 is wrong, and 1002 fits as well as 1007."""
    case = BY_ID[f"C.{number}"]
    (frame,) = frames_of(case)
    assert len(frame.payload) <= 125
    with pytest.raises(UnicodeDecodeError):
        frame.payload[2:].decode()
    assert case.outcomes == (Outcome(end=End.FAILED, codes=frozenset({1002, 1007})),)
    assert case.clause == "RFC 6455 8.1"


@pytest.mark.parametrize("number", range(33, 39))
def test_sound_reason_is_utf8(number: int) -> None:
    """It is unusual, and no reason to fail."""
    case = BY_ID[f"C.{number}"]
    (frame,) = frames_of(case)
    assert frame.payload[2:].decode()
    assert case.outcomes == closing.closed(1000)


@pytest.mark.parametrize("number", [39, 41, 42, 43, *range(46, 53), 56, 72, 73])
def test_neighbours_share_one_write(number: int) -> None:
    """What stands around the close frame arrives with it."""
    case = BY_ID[f"C.{number}"]
    assert len(list(writes_of(case.steps))) == 1
    assert len(frames_of(case)) > 1


@pytest.mark.parametrize("number", range(68, 72))
def test_pieces_have_one_byte(number: int) -> None:
    """Each byte is a write of its own."""
    writes = list(writes_of(BY_ID[f"C.{number}"].steps))
    assert {len(data) for data in writes} == {1}
    assert len(writes) >= 6


@pytest.mark.parametrize("number", [*range(46, 53), 53, 54, 55, 56])
def test_nothing_is_heard_around_a_close_frame(number: int) -> None:
    """Nothing behind it is answered, and nothing that it cut off."""
    assert BY_ID[f"C.{number}"].outcomes == closing.closed(1000)


def test_pong_before_the_close_frame_may_come_or_not() -> None:
    """It is best if it comes, and no note is due if it does not."""
    case = BY_ID["C.72"]
    plain = [outcome for outcome in case.outcomes if not outcome.note]
    assert [outcome.heard for outcome in plain] == [(Pong(b"last"),), ()]
    assert {outcome.end for outcome in plain} == {End.CLOSED}


def test_no_row_needs_an_echo() -> None:
    """A target that sends nothing back can be asked about each of them."""
    assert {need for case in CASES for need in case.needs} == {Need.PLAIN}


@pytest.mark.parametrize("number", [60, 61])
def test_unmasked_close_frame_may_be_answered_with_a_note(number: int) -> None:
    """RFC 6455 5.1: the connection has to be closed, and 1002 is a MAY."""
    failed, answer = BY_ID[f"C.{number}"].outcomes
    assert (failed.end, failed.codes, failed.note) == (End.FAILED, {1002}, "")
    assert (answer.end, answer.codes) == (End.CLOSED, {1000})
    assert answer.note


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_fin_is_played_with_where_tcp_is_plain(case: Case) -> None:
    """FIN is always the last step, and TLS would not let it through."""
    has_fin = [isinstance(step, HalfClose) for step in case.steps]
    assert (Need.PLAIN in case.needs) is any(has_fin)
    assert not any(has_fin[:-1])


@pytest.mark.parametrize("number", [63, 64, 65])
def test_fin_without_a_close_frame_ends_the_connection(number: int) -> None:
    """No rule broke: any code fits, and the reader waits for more."""
    case = BY_ID[f"C.{number}"]
    assert case.outcomes == (Outcome(end=End.FAILED),)
    assert case.level is Level.MAY
    reader, events = read(case)
    assert reader.violation is None
    assert events == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_strict_reader_agrees_with_best_outcome(case: Case) -> None:
    """It finds a violation where the connection has to fail, and only there.

    FIN without a close frame is none: TCP ends the connection, not a rule.
    """
    reader, events = read(case)
    best = case.outcomes[0]
    if best.end is End.CLOSED:
        assert reader.violation is None
        assert isinstance(events[-1], Closing)
        assert events[-1].code in {None, *(best.codes or ())}
        assert sum(isinstance(event, Closing) for event in events) == 1
    elif best.codes is not None:
        assert best.end is End.FAILED
        assert reader.violation is not None
        assert reader.violation.code in best.codes
        assert events == []
    else:
        assert Need.PLAIN in case.needs
