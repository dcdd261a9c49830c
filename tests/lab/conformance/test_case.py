"""Frames that cases are made of, and whether their tables are what they say."""

from types import ModuleType

import msgspec
import pytest

from wavetank.lab.conformance import fragments, framing, reserved
from wavetank.lab.conformance.case import (
    BROKEN,
    Binary,
    Case,
    Chopped,
    End,
    Frame,
    HalfClose,
    Level,
    Need,
    Outcome,
    Pause,
    Raw,
    Reset,
    Text,
    binary,
    close,
    continuation,
    frames_of,
    ping,
    pong,
    split,
    text,
)
from wavetank.wire import Opcode

from .strictly import heard


@pytest.mark.parametrize(
    ("frame", "opcode", "payload"),
    [
        (text("Hellö"), Opcode.TEXT, b"Hell\xc3\xb6"),
        (text(b"\xff"), Opcode.TEXT, b"\xff"),
        (text(), Opcode.TEXT, b""),
        (continuation("lo"), Opcode.CONTINUATION, b"lo"),
        (continuation(b"\xff"), Opcode.CONTINUATION, b"\xff"),
        (continuation(), Opcode.CONTINUATION, b""),
        (binary(b"\x00"), Opcode.BINARY, b"\x00"),
        (ping(b"a"), Opcode.PING, b"a"),
        (pong(), Opcode.PONG, b""),
    ],
)
def test_a_frame_is_a_legal_one_unless_something_else_is_asked_for(
    frame: Frame, opcode: int, payload: bytes
) -> None:
    """Without more words a frame is whole, masked, and as short as can be."""
    assert frame == Frame(opcode=opcode, payload=payload)
    assert (frame.fin, frame.rsv, frame.is_masked) == (True, 0, True)
    assert (frame.mask, frame.form, frame.declared) == (None, None, None)


@pytest.mark.parametrize(
    ("frame", "opcode"),
    [
        (text("a", fin=False, rsv=4), Opcode.TEXT),
        (continuation("a", fin=False, rsv=4), Opcode.CONTINUATION),
        (binary(b"a", fin=False, rsv=4), Opcode.BINARY),
        (ping(b"a", fin=False, rsv=4), Opcode.PING),
        (pong(b"a", fin=False, rsv=4), Opcode.PONG),
    ],
)
def test_any_frame_may_be_a_fragment_and_have_reserved_bits(
    frame: Frame, opcode: int
) -> None:
    """FIN and the reserved bits go where they are wanted."""
    assert frame == Frame(opcode=opcode, payload=b"a", fin=False, rsv=4)


@pytest.mark.parametrize(
    ("frame", "payload"),
    [
        (close(), b""),
        (close(1000), b"\x03\xe8"),
        (close(1000, "bye"), b"\x03\xe8bye"),
        (close(1000, "ö"), b"\x03\xe8\xc3\xb6"),
        (close(1000, b"\xff"), b"\x03\xe8\xff"),
        # Codes that nobody may send.
        (close(0), b"\x00\x00"),
        (close(65535), b"\xff\xff"),
        # No code, no reason.
        (close(reason="bye"), b""),
        # A body of any kind.
        (close(body=b"\x03"), b"\x03"),
        (close(1000, "bye", body=b""), b""),
    ],
)
def test_a_close_frame_has_code_and_reason_or_the_body_that_it_is_given(
    frame: Frame, payload: bytes
) -> None:
    """Code and reason make the body, unless the body itself is given."""
    assert frame == Frame(opcode=Opcode.CLOSE, payload=payload)


@pytest.mark.parametrize(
    ("sizes", "parts"),
    [
        ((), (b"Hello",)),
        ((2,), (b"He", b"llo")),
        ((1, 3), (b"H", b"ell", b"o")),
        ((0, 5), (b"", b"Hello", b"")),
        ((9, 1), (b"Hello", b"", b"")),
    ],
)
def test_a_payload_is_cut_into_parts_that_are_the_payload_again(
    sizes: tuple[int, ...], parts: tuple[bytes, ...]
) -> None:
    """The parts have these sizes, and the rest is the last one."""
    assert split(b"Hello", sizes) == parts
    assert b"".join(parts) == b"Hello"


def test_frames_are_found_in_their_order_wherever_they_stand() -> None:
    """Frames alone and in pieces are frames, and raw bytes are none."""
    one, two, three = text("a", fin=False), ping(), continuation("b")
    steps = (
        Raw(b"\x81\x00"),
        one,
        Pause(0.1),
        Chopped((two, three), size=2),
        HalfClose(),
        Reset(),
    )
    assert frames_of(steps) == [one, two, three]
    assert frames_of(()) == []


def test_a_case_says_the_strictest_where_it_says_nothing() -> None:
    """An outcome goes on without a word, and a case is a MUST that needs nothing."""
    assert Outcome() == Outcome(
        heard=(), end=End.OPEN, codes=None, before=None, after=0, note=""
    )
    case = Case(id="1", title="", clause="", steps=(), outcomes=())
    assert (case.level, case.needs, case.extensions) == (
        Level.MUST,
        frozenset(),
        "",
    )


def test_a_step_stays_as_it_is() -> None:
    """Tables are shared by all that play them, so nothing of them can be changed."""
    frame = text("a")
    with pytest.raises(AttributeError):
        frame.payload = b"b"  # type: ignore[misc]
    assert msgspec.structs.replace(frame, payload=b"b") == text("b")
    assert (Pause().seconds, Chopped((frame,)).size) == (0.5, 1)


# The tables of frames without extensions (1 to 5 and 10)

CASES: tuple[Case, ...] = (*framing.CASES, *reserved.CASES, *fragments.CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_strict_echo_does_what_the_best_outcome_says(case: Case) -> None:
    """Its answers are those of the row; it fails where the row does, and why."""
    best = case.outcomes[0]
    answers, broken = heard(case)
    assert answers == best.heard
    if best.end is End.FAILED:
        assert broken == (1002, case.clause)
        assert best.codes == BROKEN
    else:
        assert broken is None
        assert best.codes is None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_row_needs_what_has_to_come_back(case: Case) -> None:
    """An echo for a text, a binary echo for a binary message, nothing for a pong."""
    kinds = {type(each) for each in case.outcomes[0].heard}
    wanted = {Text: Need.ECHO, Binary: Need.BINARY}
    assert case.needs == {need for kind, need in wanted.items() if kind in kinds}


@pytest.mark.parametrize("table", [framing, reserved, fragments])
def test_titles_are_sentences_and_all_different(table: ModuleType) -> None:
    """Each says what is sent and what has to happen."""
    titles = [case.title for case in table.CASES]
    assert len(set(titles)) == len(titles)
    assert all(title[0].isupper() and title.endswith(".") for title in titles)


def test_every_row_binds_by_a_clause_of_the_rfc() -> None:
    """None is a matter of taste: each is a MUST, with its clause."""
    assert {case.level for case in CASES} == {Level.MUST}
    assert all(case.clause.startswith("RFC 6455 ") for case in CASES)
    assert not any(case.extensions for case in CASES)
