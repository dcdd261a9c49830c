"""The table of text as UTF-8: every row is what it says."""

import pytest

from wavetank.lab.conformance.case import (
    Case,
    End,
    Frame,
    Need,
    Pause,
    Pong,
    Raw,
    Step,
    Text,
)
from wavetank.lab.conformance.unicode import CASES, NOT_UTF8
from wavetank.wire import Message, MessageLimits, MessageReader, Opcode, encode_frame

MASK = b"\x01\x02\x03\x04"

KOSME = bytes.fromhex("cebae1bdb9cf83cebcceb5")
HELLO = bytes.fromhex("48656c6c6f2dc2b540c39fc3b6c3a4c3bcc3a0c3a12d5554462d382121")
BEYOND = KOSME + bytes.fromhex("f4908080") + b"edited"

BY_ID = {case.id: case for case in CASES}
FAST = ("6.4.1", "6.4.2", "6.4.3", "6.4.4")


def encode(steps: tuple[Step, ...]) -> bytes:
    """Return what the steps put on the wire."""
    parts = []
    for step in steps:
        if isinstance(step, Raw):
            parts.append(step.data)
        elif isinstance(step, Frame):
            parts.append(
                encode_frame(step.opcode, step.payload, fin=step.fin, mask=MASK)
            )
        else:
            assert isinstance(step, Pause)
    return b"".join(parts)


def strict() -> MessageReader:
    """Return a reader that forgives nothing."""
    limits = MessageLimits(message_bytes=None, fragments=None)
    return MessageReader(expect_mask=True, limits=limits)


def fragments(case: Case) -> list[tuple[int, bytes, bool]]:
    """Return opcode, payload and FIN of each frame among the steps."""
    return [
        (step.opcode, step.payload, step.fin)
        for step in case.steps
        if isinstance(step, Frame)
    ]


def test_table_has_autobahns_numbers() -> None:
    """Three empty ones, four split, two invalid, four to fail fast."""
    counts = {1: 3, 2: 4, 3: 2, 4: 4}
    expected = [f"6.{a}.{b}" for a, n in counts.items() for b in range(1, n + 1)]
    assert [case.id for case in CASES] == expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_row_is_complete(case: Case) -> None:
    """A row has a sentence, a clause, and needs an echo exactly where one is heard."""
    assert case.title.startswith("A")
    assert case.title.endswith(("comes back.", "ends.", "fails the connection."))
    assert case.clause in {"RFC 6455 5.4", "RFC 6455 5.6", "RFC 6455 8.1"}
    heard = any(outcome.heard for outcome in case.outcomes)
    assert case.needs == (frozenset({Need.ECHO}) if heard else frozenset())


def test_titles_differ() -> None:
    """No two rows have the same title."""
    assert len({case.title for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_strict_reader_agrees_with_row(case: Case) -> None:
    """A strict reader fails what has to fail, with 1007, and reads the others."""
    reader = strict()
    events = reader.feed(encode(case.steps))
    outcome = case.outcomes[0]
    if outcome.end is End.FAILED:
        assert events == []
        assert reader.violation is not None
        assert outcome.codes == frozenset({reader.violation.code}) == NOT_UTF8
    else:
        assert reader.violation is None
        assert reader.statistics()["in_message"] == 0
        (text,) = outcome.heard
        assert not isinstance(text, Pong)
        assert events == [Message(Opcode.TEXT, text.data)]


def test_empty_texts_have_these_frames() -> None:
    """6.1: one empty frame, three of them, and a full one between two."""
    middle = b"middle frame payload"
    assert fragments(BY_ID["6.1.1"]) == [(1, b"", True)]
    assert fragments(BY_ID["6.1.2"]) == [
        (1, b"", False),
        (0, b"", False),
        (0, b"", True),
    ]
    assert fragments(BY_ID["6.1.3"]) == [
        (1, b"", False),
        (0, middle, False),
        (0, b"", True),
    ]


def test_texts_are_cut_where_they_say() -> None:
    """6.2: whole, between two characters, and around every byte."""
    assert fragments(BY_ID["6.2.1"]) == [(1, HELLO, True)]
    assert fragments(BY_ID["6.2.2"]) == [(1, HELLO[:15], False), (0, HELLO[15:], True)]
    for number, payload in {"6.2.3": HELLO, "6.2.4": KOSME}.items():
        assert BY_ID[number].outcomes[0].heard == (Text(payload),)
        assert fragments(BY_ID[number]) == [
            (1, payload[:1], False),
            *((0, bytes((byte,)), False) for byte in payload[1:]),
            (0, b"", True),
        ]


def test_invalid_texts_hold_a_surrogate() -> None:
    """6.3: the same bytes, whole and around every byte."""
    payload = KOSME + bytes.fromhex("eda080656469746564")
    assert fragments(BY_ID["6.3.1"]) == [(1, payload, True)]
    frames = fragments(BY_ID["6.3.2"])
    assert len(frames) == len(payload) + 1
    assert b"".join(data for _, data, _ in frames) == payload


def test_fragments_to_fail_fast_are_cut_around_the_break() -> None:
    """6.4.1 and 6.4.2: all of U+110000, and the one byte that breaks UTF-8."""
    assert fragments(BY_ID["6.4.1"]) == [
        (1, KOSME, False),
        (0, b"\xf4\x90\x80\x80", False),
        (0, b"edited", True),
    ]
    assert fragments(BY_ID["6.4.2"]) == [
        (1, KOSME + b"\xf4", False),
        (0, b"\x90", False),
        (0, b"\x80\x80edited", True),
    ]


@pytest.mark.parametrize(
    ("number", "sizes"), [("6.4.3", [11, 4, 6]), ("6.4.4", [12, 1, 8])]
)
def test_one_frame_to_fail_fast_goes_out_in_parts(
    number: str, sizes: list[int]
) -> None:
    """6.4.3 and 6.4.4: one frame of 21 bytes in three parts, and an empty end."""
    parts = [step.data for step in BY_ID[number].steps if isinstance(step, Raw)]
    head = parts[0][:2]
    assert head == bytes((Opcode.TEXT, 0x80 | 21))
    assert [len(parts[0]) - 6, len(parts[1]), len(parts[2])] == sizes
    mask = parts[0][2:6]
    assert b"".join(parts) == encode_frame(Opcode.TEXT, BEYOND, fin=False, mask=mask)
    assert fragments(BY_ID[number]) == [(0, b"", True)]


@pytest.mark.parametrize("number", FAST)
def test_break_comes_with_the_second_part(number: str) -> None:
    """Nothing is wrong before it, and it alone is enough; to fail later is noted."""
    case = BY_ID[number]
    fast, late = case.outcomes
    assert fast.before == 4
    assert not fast.note
    assert late.before is None
    assert late.note
    assert [isinstance(step, Pause) for step in case.steps[:5]] == [
        *(False, True, False, True, False)
    ]
    reader = strict()
    reader.feed(encode(case.steps[:2]))
    assert reader.violation is None
    reader.feed(encode(case.steps[2 : fast.before]))
    assert reader.violation is not None
