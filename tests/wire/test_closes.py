"""Close codes and the payload of close frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.errors import LocalError
from wavetank.wire.closes import (
    CLOSE_CODES,
    Closing,
    Sender,
    decode_close,
    describe_close,
    encode_close,
    may_be_sent,
)
from wavetank.wire.header import Violation

ON_THE_WIRE = [*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)]


def test_table_has_one_row_for_each_code_of_the_rfc_and_of_iana() -> None:
    """1000 to 1015 are complete, and each row stands under its own code."""
    assert set(range(1000, 1016)) <= set(CLOSE_CODES)
    assert all(code == row.code for code, row in CLOSE_CODES.items())
    assert all(row.name and row.meaning and row.clause for row in CLOSE_CODES.values())


@pytest.mark.parametrize(
    ("code", "by_server", "by_client"),
    [
        (1000, True, True),
        (1004, False, False),  # reserved
        (1005, False, False),  # shown where a close frame had no code
        (1006, False, False),  # shown where there was no close frame
        (1010, False, True),  # a client misses an extension
        (1011, True, True),
        (1012, True, False),  # a server restarts
        (1013, True, False),
        (1014, True, False),
        (1015, False, False),  # shown where TLS failed
        (3000, True, True),
        (3999, True, True),
        (4000, True, True),
        (4999, True, True),
        (0, False, False),
        (999, False, False),
        (1016, False, False),
        (2999, False, False),
        (5000, False, False),
        (65_535, False, False),
    ],
)
def test_side_may_send_only_the_codes_that_are_its_own(
    code: int, by_server: bool, by_client: bool
) -> None:
    """Each code says who may put it on the wire."""
    assert may_be_sent(code, by_server=True) is by_server
    assert may_be_sent(code, by_server=False) is by_client


@given(st.integers(min_value=0, max_value=65_535))
def test_every_code_has_a_description(code: int) -> None:
    """Whatever stands on the wire, there is a row for it."""
    row = describe_close(code)
    assert row.code == code
    assert (row.sender is not Sender.NOBODY) is (code in ON_THE_WIRE)


def test_payload_carries_code_and_reason() -> None:
    """Two bytes of code, then the reason in UTF-8."""
    assert encode_close(1000, "adiós") == b"\x03\xe8adi\xc3\xb3s"


def test_payload_is_empty_when_there_is_no_code() -> None:
    """A close frame may say nothing."""
    assert encode_close(None) == b""


def test_payload_cannot_have_a_reason_without_a_code() -> None:
    """There is no place for a reason without a code."""
    with pytest.raises(LocalError, match="needs a close code"):
        encode_close(None, "because")


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2000, 5000])
def test_payload_never_carries_a_code_that_is_not_for_the_wire(code: int) -> None:
    """1005, 1006 and 1015 are shown, never sent (RFC 6455 7.4.1)."""
    with pytest.raises(LocalError, match="never put on the wire"):
        encode_close(code)


@pytest.mark.parametrize("reason", ["x" * 124, "ä" * 62, "😀" * 40, "x" + "€" * 41])
def test_payload_cuts_a_long_reason_between_characters(reason: str) -> None:
    """A reason never makes a control frame over 125 bytes, nor bad UTF-8."""
    payload = encode_close(1000, reason)
    closing = decode_close(payload)
    assert 121 <= len(payload) <= 125
    assert isinstance(closing, Closing)
    assert reason.startswith(closing.reason)


@given(st.sampled_from(ON_THE_WIRE), st.text(max_size=30))
def test_close_is_read_as_it_was_written(code: int, reason: str) -> None:
    """Code and reason survive the wire."""
    assert decode_close(encode_close(code, reason)) == Closing(code, reason)


def test_close_without_a_payload_has_no_code() -> None:
    """An empty close frame is legal and has no code."""
    assert decode_close(b"") == Closing(None)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"\x03", 1002),  # half a code
        (b"\x00\x00", 1002),
        (b"\x03\xe7", 1002),  # 999
        (b"\x03\xec", 1002),  # 1004
        (b"\x03\xed", 1002),  # 1005
        (b"\x03\xee", 1002),  # 1006
        (b"\x03\xf7", 1002),  # 1015
        (b"\x0b\xb7", 1002),  # 2999
        (b"\x13\x88", 1002),  # 5000
        (b"\x03\xe8\xff", 1007),  # not UTF-8
        (b"\x03\xe8ab\xed\xa0\x80", 1007),  # a surrogate
        (b"\x03\xe8\xc3", 1007),  # cut inside a character
    ],
)
def test_close_names_the_rule_that_it_breaks(payload: bytes, code: int) -> None:
    """A bad close frame is a value with the close code that answers it."""
    violation = decode_close(payload)
    assert isinstance(violation, Violation)
    assert violation.code == code


@given(st.binary(max_size=125))
def test_close_is_read_whatever_stands_in_it(payload: bytes) -> None:
    """Hostile bytes are a value, never an exception."""
    assert isinstance(decode_close(payload), Closing | Violation)
