"""The table of Autobahn's group 7: every row is what it says."""

from collections.abc import Iterator

import pytest

from wavetank.lab.conformance.case import (
    Case,
    Chopped,
    End,
    Frame,
    Level,
    Need,
    Outcome,
    Pong,
    Step,
    Text,
)
from wavetank.lab.conformance.closing import CASES
from wavetank.wire import (
    Closing,
    MessageLimits,
    MessageReader,
    Opcode,
    encode_frame,
)

BY_ID = {case.id: case for case in CASES}

COUNTS = {"7.1": 6, "7.3": 6, "7.5": 1, "7.7": 13, "7.9": 9, "7.13": 2}

BODIES = {
    "7.1.2": [(8, b"\x03\xe8"), (8, b"")],
    "7.1.3": [(8, b"\x03\xe8"), (9, b"")],
    "7.1.4": [(8, b"\x03\xe8"), (1, b"Hello World!")],
    "7.1.5": [(1, b"fragment1"), (8, b"\x03\xe8"), (0, b"fragment2")],
    "7.3.1": [(8, b"")],
    "7.3.2": [(8, b"a")],
    "7.3.3": [(8, b"\x03\xe8")],
    "7.3.4": [(8, b"\x03\xe8Hello World!")],
    "7.3.5": [(8, b"\x03\xe8" + b"*" * 123)],
    "7.3.6": [(8, b"\x03\xe8" + b"*" * 124)],
    "7.5.1": [
        (
            8,
            b"\x03\xe8\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
        )
    ],
    "7.7.1": [(8, b"\x03\xe8")],
    "7.7.5": [(8, b"\x03\xef")],
    "7.7.13": [(8, b"\x13\x87")],
    "7.9.1": [(8, b"\x00\x00")],
    "7.9.9": [(8, b"\x0b\xb7")],
    "7.13.1": [(8, b"\x13\x88")],
    "7.13.2": [(8, b"\xff\xff")],
}
"""Opcodes and payloads as Autobahn sends them."""

CODES = {
    "7.7": [
        *(1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011),
        *(3000, 3999, 4000, 4999),
    ],
    "7.9": [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999],
    "7.13": [5000, 65535],
}


def frames_of(case: Case) -> list[Frame]:
    """Return the frames of a case that is made of frames alone."""
    frames = [step for step in case.steps if isinstance(step, Frame)]
    assert len(frames) == len(case.steps)
    return frames


def wire_of(steps: tuple[Step, ...]) -> Iterator[bytes]:
    """Return the bytes of steps, as they go out."""
    for step in steps:
        if isinstance(step, Frame):
            mask = step.mask or b"\x01\x02\x03\x04"
            yield encode_frame(
                step.opcode,
                step.payload,
                fin=step.fin,
                rsv1=bool(step.rsv & 4),
                rsv2=bool(step.rsv & 2),
                rsv3=bool(step.rsv & 1),
                mask=mask if step.is_masked else None,
                length_form=step.form,
                declared_length=step.declared,
            )
        elif isinstance(step, Chopped):
            whole = b"".join(wire_of(step.frames))
            for start in range(0, len(whole), step.size):
                yield whole[start : start + step.size]


def group_of(case: Case) -> str:
    """Return the first two parts of a number."""
    return case.id.rpartition(".")[0]


def test_table_has_autobahns_numbers() -> None:
    """37 rows in six groups, counted from 1 in each."""
    expected = [
        f"{group}.{n + 1}" for group, count in COUNTS.items() for n in range(count)
    ]
    assert [case.id for case in CASES] == expected
    assert len(CASES) == 37


def test_titles_differ_and_clauses_are_set() -> None:
    """A title is one sentence and belongs to one row; a clause names its section."""
    assert len({case.title for case in CASES}) == len(CASES)
    for case in CASES:
        assert case.title.endswith(".")
        assert case.clause.startswith("RFC 6455 ")


@pytest.mark.parametrize("number", BODIES)
def test_row_sends_what_autobahn_sends(number: str) -> None:
    """Opcodes and payloads are the same, in the same order."""
    frames = frames_of(BY_ID[number])
    assert [(frame.opcode, frame.payload) for frame in frames] == BODIES[number]
    assert [frame.fin for frame in frames] == [
        frame.payload != b"fragment1" for frame in frames
    ]


@pytest.mark.parametrize("group", CODES)
def test_groups_of_codes_have_autobahns_codes(group: str) -> None:
    """Each code is the body of one close frame, in Autobahn's order."""
    cases = [case for case in CASES if group_of(case) == group]
    sent = [frame.payload for case in cases for frame in frames_of(case)]
    assert sent == [code.to_bytes(2, "big") for code in CODES[group]]


def test_text_comes_back_before_our_close_frame() -> None:
    """The close frame of 7.1.1 is the runner's: Autobahn sends it after the echo."""
    case = BY_ID["7.1.1"]
    assert frames_of(case) == [Frame(opcode=Opcode.TEXT, payload=b"Hello World!")]
    assert case.outcomes == (
        Outcome(heard=(Text(b"Hello World!"),), codes=frozenset({1000})),
    )
    assert case.needs == {Need.ECHO}


def test_large_message_is_autobahns() -> None:
    """Ten letters over and over, 262144 bytes, then a text, a close frame, a ping."""
    case = BY_ID["7.1.6"]
    large, small, closing, last = frames_of(case)
    assert len(large.payload) == 262144
    assert large.payload[:14] == b"BAsd7&jh23BAsd"
    assert large.payload[-14:] == b"BAsd7&jh23BAsd"
    assert small.payload == b"Hello World!"
    assert closing.payload == b"\x03\xe8"
    assert (last.opcode, last.payload) == (Opcode.PING, b"")


def test_large_message_may_come_back_or_not() -> None:
    """The case informs: each part of the echo fits, and a limit, too."""
    case = BY_ID["7.1.6"]
    large, small = Text(frames_of(case)[0].payload), Text(b"Hello World!")
    assert case.level is Level.MAY
    assert case.needs == {Need.ECHO}
    heard = {one.heard for one in case.outcomes if one.end is End.CLOSED}
    assert heard == {(large, small), (large,), (), (small,)}
    assert case.outcomes[0].heard == (large, small)
    (failed,) = [one for one in case.outcomes if one.end is End.FAILED]
    assert failed.codes == {1009}
    assert failed.heard == ()


def test_usable_codes_are_answered_with_themselves_or_with_1000() -> None:
    """Any other code gets a note, and one that blames the close frame fits nowhere."""
    for code, number in zip(CODES["7.7"], range(1, 14), strict=True):
        case = BY_ID[f"7.7.{number}"]
        best, other = case.outcomes
        assert (best.end, best.codes, best.note) == (End.CLOSED, {1000, code}, "")
        assert other.end is End.CLOSED
        assert other.codes is not None
        assert {1000, 1001, 1012, 3000, 4999} <= other.codes
        assert not other.codes & {0, 999, 1002, 1004, 1005, 1006, 1007, 1011, 1015}
        assert not other.codes & {1003, 1008, 1009, 1010, 1016, 2999, 5000}
        assert other.note
        assert case.level is Level.MUST


@pytest.mark.parametrize(
    "number", ["7.1.2", "7.1.3", "7.1.4", "7.1.5", "7.3.1", "7.3.3", "7.3.4", "7.3.5"]
)
def test_close_frame_is_answered_with_1000_and_nothing_else(number: str) -> None:
    """Nothing comes with the answer: no text, no pong."""
    case = BY_ID[number]
    assert case.outcomes[0] == Outcome(end=End.CLOSED, codes=frozenset({1000}))
    assert {outcome.heard for outcome in case.outcomes} == {()}
    assert {outcome.end for outcome in case.outcomes} == {End.CLOSED}
    assert case.needs == frozenset()


@pytest.mark.parametrize(
    ("number", "codes"),
    [
        ("7.3.2", {1002}),
        ("7.3.6", {1002}),
        ("7.5.1", {1002, 1007}),
        *((f"7.9.{n}", {1002}) for n in range(1, 10)),
    ],
)
def test_broken_close_frame_fails_and_nothing_else_fits(
    number: str, codes: set[int]
) -> None:
    """Autobahn takes these codes, none, or the end of TCP."""
    assert BY_ID[number].outcomes == (Outcome(end=End.FAILED, codes=frozenset(codes)),)


def test_unassigned_codes_bind_less() -> None:
    """RFC 6455 7.4.2 reserves 1016 to 2999, and tells no receiver to fail them."""
    levels = [BY_ID[f"7.9.{n}"].level for n in range(1, 10)]
    assert levels == [Level.MUST] * 5 + [Level.SHOULD] * 4


@pytest.mark.parametrize(("number", "code"), [("7.13.1", 5000), ("7.13.2", 65535)])
def test_codes_beyond_every_range_may_fail_or_be_answered(
    number: str, code: int
) -> None:
    """Autobahn takes 1000, 1002 and the code itself, and only informs."""
    case = BY_ID[number]
    first, second, _ = case.outcomes
    assert case.level is Level.MAY
    assert (first.end, first.codes) == (End.FAILED, {1002})
    assert (second.end, second.codes) == (End.CLOSED, {1000, code})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_strict_reader_agrees_with_best_outcome(case: Case) -> None:
    """It finds a violation where the connection has to fail, and only there."""
    limits = MessageLimits(message_bytes=None, fragments=None)
    reader = MessageReader(expect_mask=True, limits=limits)
    events = [event for data in wire_of(case.steps) for event in reader.feed(data)]
    best = case.outcomes[0]
    if best.end is End.FAILED:
        assert reader.violation is not None
        assert best.codes is not None
        assert reader.violation.code in best.codes
        assert events == []
    else:
        assert reader.violation is None
        assert any(isinstance(event, Closing) for event in events) is (
            best.end is End.CLOSED
        )


def test_no_row_expects_a_pong() -> None:
    """The pings of this group come behind the close frame."""
    heard = [
        one for case in CASES for outcome in case.outcomes for one in outcome.heard
    ]
    assert not any(isinstance(one, Pong) for one in heard)
