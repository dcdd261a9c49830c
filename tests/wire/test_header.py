"""Headers of frames: how they are written, and which rules they break."""

import pytest

from wavetank.errors import LocalError
from wavetank.wire.header import (
    Opcode,
    Violation,
    encode_head,
    judge_first_bytes,
    judge_length,
    judge_order,
    judge_second_bytes,
)


def reasons(violations: tuple[Violation, ...]) -> list[str]:
    """Return the reasons alone."""
    return [violation.reason for violation in violations]


@pytest.mark.parametrize(
    ("length", "form", "expected"),
    [
        (0, None, "8100"),  # nothing
        (125, None, "817d"),  # last of the 7 bits
        (126, None, "817e007e"),  # first of the 16 bits
        (65_535, None, "817effff"),  # last of the 16 bits
        (65_536, None, "817f0000000000010000"),  # first of the 64 bits
        (5, 16, "817e0005"),  # longer than it has to be
        (5, 64, "817f0000000000000005"),  # much longer than it has to be
        (2**63, None, "817f8000000000000000"),  # top bit set
        (2**64 - 1, 64, "817fffffffffffffffff"),  # every bit set
    ],
)
def test_head_writes_a_length_in_the_form_that_was_asked_for(
    length: int, form: int | None, expected: str
) -> None:
    """A length takes its shortest form, or the one that it is given."""
    assert encode_head(0x81, length, form, masked=False).hex() == expected


def test_head_sets_the_mask_bit_when_a_key_follows() -> None:
    """The top bit of the second byte says that a masking key follows."""
    assert encode_head(0x82, 3, None, masked=True) == b"\x82\x83"


@pytest.mark.parametrize(
    ("length", "form"),
    [(126, 7), (65_536, 16), (2**64, 64), (-1, None), (5, 8)],
)
def test_head_refuses_a_length_that_its_form_cannot_hold(
    length: int, form: int | None
) -> None:
    """What has no bits in the header is our mistake, not the target's."""
    with pytest.raises(LocalError):
        encode_head(0x81, length, form, masked=False)


@pytest.mark.parametrize("opcode", list(Opcode))
def test_first_byte_breaks_no_rule_when_it_is_final_and_plain(opcode: Opcode) -> None:
    """The six opcodes with FIN and without reserved bits are legal."""
    assert judge_first_bytes(rsv1=False)[0x80 | opcode] == ()


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_first_byte_breaks_a_rule_when_its_opcode_is_reserved(opcode: int) -> None:
    """Opcodes 3 to 7 and 11 to 15 are reserved (RFC 6455 5.2)."""
    (violation,) = judge_first_bytes(rsv1=False)[0x80 | opcode]
    assert violation == Violation(1002, f"opcode {opcode} is reserved", "RFC 6455 5.2")


@pytest.mark.parametrize("opcode", [8, 9, 10])
def test_first_byte_breaks_a_rule_when_a_control_frame_is_not_final(
    opcode: int,
) -> None:
    """A control frame is never in fragments (RFC 6455 5.4)."""
    assert reasons(judge_first_bytes(rsv1=True)[opcode]) == [
        "control frame in fragments"
    ]


@pytest.mark.parametrize(
    ("bits", "named"),
    [
        (0x40, "RSV1"),
        (0x20, "RSV2"),
        (0x10, "RSV3"),
        (0x50, "RSV1, RSV3"),
        (0x70, "RSV1, RSV2, RSV3"),
    ],
)
def test_first_byte_names_the_reserved_bits_that_are_set(bits: int, named: str) -> None:
    """A reserved bit without an extension is a violation that says which."""
    table = judge_first_bytes(rsv1=False)
    assert reasons(table[0x81 | bits]) == [f"{named} set without a meaning"]


@pytest.mark.parametrize(("opcode", "legal"), [(0, 0), (1, 1), (2, 1), (8, 0), (9, 0)])
def test_first_byte_may_have_rsv1_only_where_a_message_begins(
    opcode: int, legal: int
) -> None:
    """With permessage-deflate, RSV1 belongs to text and binary frames (RFC 7692 6)."""
    assert (judge_first_bytes(rsv1=True)[0xC0 | opcode] == ()) is bool(legal)


@pytest.mark.parametrize(
    ("expect_mask", "second", "expected"),
    [
        (True, 0x05, ["frame is not masked"]),
        (True, 0x85, []),
        (False, 0x85, ["frame is masked"]),
        (False, 0x05, []),
        (None, 0x05, []),
        (None, 0x85, []),
    ],
)
def test_second_byte_is_judged_by_the_direction(
    expect_mask: bool | None, second: int, expected: list[str]
) -> None:
    """A client masks and a server does not (RFC 6455 5.1)."""
    assert reasons(judge_second_bytes(expect_mask=expect_mask)[second]) == expected


@pytest.mark.parametrize(
    ("opcode", "in_message", "after_close", "expected"),
    [
        (1, False, False, []),
        (0, True, False, []),
        (0, False, False, ["nothing to continue"]),
        (2, True, False, ["message before has not ended"]),
        (1, False, True, ["data frame after close"]),
        (0, True, True, ["data frame after close"]),
    ],
)
def test_order_is_judged_by_what_came_before(
    opcode: int, in_message: bool, after_close: bool, expected: list[str]
) -> None:
    """Messages come one after the other, and none after a close frame."""
    found = judge_order(opcode, in_message=in_message, after_close=after_close)
    assert reasons(found) == expected


@pytest.mark.parametrize(
    ("second", "length", "expected"),
    [
        (5, 5, []),
        (126, 126, []),
        (126, 125, ["length not in shortest form"]),
        (127, 65_535, ["length not in shortest form"]),
        (127, 2**63, ["top bit of the length is set"]),
        (127, 100_001, ["frame of 100001 bytes; at most 100000 are taken"]),
    ],
)
def test_length_is_judged_by_its_form_and_by_the_limit(
    second: int, length: int, expected: list[str]
) -> None:
    """A length is written as short as it can be, and is within the limit."""
    assert reasons(judge_length(0x81, second, length, most=100_000)) == expected


def test_length_over_the_limit_is_answered_with_1009() -> None:
    """Too large is another close code than malformed."""
    (violation,) = judge_length(0x82, 20, 20, most=10)
    assert violation.code == 1009


def test_length_of_a_control_frame_is_not_held_against_the_limit() -> None:
    """A limit on messages never refuses a ping that is legal."""
    assert judge_length(0x89, 20, 20, most=10) == ()


@pytest.mark.parametrize(
    ("second", "length", "expected"),
    [
        (125, 125, []),
        (126, 126, ["control frame over 125 bytes"]),
        (126, 125, ["length not in shortest form"]),
        (127, 2**62, ["control frame over 125 bytes"]),
        (127, 2**63, ["top bit of the length is set", "control frame over 125 bytes"]),
    ],
)
def test_length_of_a_control_frame_is_at_most_125(
    second: int, length: int, expected: list[str]
) -> None:
    """A control frame has at most 125 bytes (RFC 6455 5.5)."""
    assert reasons(judge_length(0x89, second, length, most=10**6)) == expected
