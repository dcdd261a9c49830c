"""The table of reserved bits and opcodes: every row is what it says."""

import pytest

from wavetank.lab.conformance.case import (
    BROKEN,
    Chopped,
    End,
    Text,
    frames_of,
    ping,
    text,
)
from wavetank.lab.conformance.reserved import CASES
from wavetank.wire import Opcode

from .strictly import MASK, plain, wire

BY_ID = {case.id: case for case in CASES}


HELLO = b"Hello, world!"
NUMBERS = [
    *(f"3.{number}" for number in range(1, 8)),
    *(f"4.1.{number}" for number in range(1, 6)),
    *(f"4.2.{number}" for number in range(1, 6)),
]
ALONE = ("3.1", "3.5", "3.6", "3.7", "4.1.1", "4.1.2", "4.2.1", "4.2.2")
BEHIND = tuple(number for number in NUMBERS if number not in ALONE)


def test_the_table_has_the_numbers_of_autobahn() -> None:
    """Seven rows of reserved bits, five of each kind of reserved opcode."""
    assert [case.id for case in CASES] == NUMBERS
    assert len(CASES) == 17


@pytest.mark.parametrize(
    ("number", "bad"),
    [
        ("3.1", (1, 1, True, HELLO)),
        ("3.5", (2, 5, True, bytes.fromhex("00fffefdfcfb00ff"))),
        ("3.6", (2, 6, True, HELLO)),
        ("3.7", (8, 7, True, b"")),
        ("4.1.1", (3, 0, True, b"")),
        ("4.1.2", (4, 0, True, b"reserved opcode payload")),
        ("4.2.1", (11, 0, True, b"")),
        ("4.2.2", (12, 0, True, b"reserved opcode payload")),
    ],
)
def test_a_bad_frame_alone_fails_the_connection(
    number: str, bad: tuple[int, int, bool, bytes]
) -> None:
    """Opcode, reserved bits, FIN and payload are those of Autobahn."""
    case = BY_ID[number]
    assert plain(case) == [bad]
    assert [(each.heard, each.note) for each in case.outcomes] == [((), "")]


@pytest.mark.parametrize(
    ("number", "bad"),
    [
        ("3.2", (1, 2, True, HELLO)),
        ("3.3", (1, 3, True, HELLO)),
        ("3.4", (1, 4, True, HELLO)),
        ("4.1.3", (5, 0, True, b"")),
        ("4.1.4", (6, 0, True, HELLO)),
        ("4.1.5", (7, 0, True, HELLO)),
        ("4.2.3", (13, 0, True, b"")),
        ("4.2.4", (14, 0, True, HELLO)),
        ("4.2.5", (15, 0, True, HELLO)),
    ],
)
def test_a_bad_frame_may_stand_between_a_text_and_a_ping(
    number: str, bad: tuple[int, int, bool, bytes]
) -> None:
    """The text comes back, or that is noted; the ping is never answered."""
    case = BY_ID[number]
    assert plain(case) == [(1, 0, True, HELLO), bad, (9, 0, True, b"")]
    best, other = case.outcomes
    assert (best.heard, best.note) == ((Text(HELLO),), "")
    assert other.heard == ()
    assert other.note
    assert other.end is End.FAILED
    assert other.codes == BROKEN


def test_every_reserved_bit_and_opcode_has_its_row() -> None:
    """The bits are all seven numbers, the opcodes all ten that have no meaning."""
    sent = [each for case in CASES for each in frames_of(case.steps)]
    assert {each.rsv for each in sent} == set(range(8))
    assert {each.opcode for each in sent} - set(Opcode) == {
        *range(3, 8),
        *range(11, 16),
    }


@pytest.mark.parametrize("number", BEHIND)
def test_frames_behind_each_other_go_out_in_the_way_of_autobahn(number: str) -> None:
    """Byte by byte, each in a write of its own, or all in one."""
    ways = {"3.3": None, "3.4": 1, "4.1.5": 1, "4.2.5": 1}
    steps = BY_ID[number].steps
    sizes = [step.size for step in steps if isinstance(step, Chopped)]
    wanted = ways.get(number, 2**20)
    assert sizes == ([] if wanted is None else [wanted])
    assert len(steps) == (3 if wanted is None else 1)


def test_the_highest_number_is_the_first_reserved_bit() -> None:
    """RSV1 is 0x40 of the first byte, and RSV3 0x10."""
    assert wire(BY_ID["3.1"])[:1] == b"\x91"
    assert wire(BY_ID["3.4"])[19:20] == b"\xc1"
    assert wire(BY_ID["3.7"]) == bytes.fromhex("f880") + MASK
    assert wire(BY_ID["4.2.1"]) == bytes.fromhex("8b80") + MASK


def test_the_frames_around_a_bad_one_are_good() -> None:
    """Without it the same steps break nothing, so it alone is to blame."""
    for number in BEHIND:
        first, _, last = frames_of(BY_ID[number].steps)
        assert (first, last) == (text(HELLO), ping())
