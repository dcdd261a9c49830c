"""The table of UTF-8 sequences: every row is what it says."""

import pytest

from wavetank.lab.conformance import unicode
from wavetank.lab.conformance.case import Case, End, Frame, Need, Outcome, Text
from wavetank.lab.conformance.sequences import CASES
from wavetank.wire import Message, MessageLimits, MessageReader, Opcode, encode_frame

COUNTS = (5, 11, 4, 2, 4, 3, 5, 8, 5, 10, 1, 3, 5, 5, 5, 7, 8, 34, 7)
"""Rows of the sets, from 6.5 to 6.23."""

BY_ID = {case.id: case for case in CASES}

LITERALS = {
    "6.5.1": b"hello$world",
    "6.5.4": b"hello\xf0\xa4\xad\xa2world",
    "6.5.5": b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
    "6.6.1": b"\xce",
    "6.6.11": b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
    "6.7.1": b"\x00",
    "6.7.4": b"\xf0\x90\x80\x80",
    "6.8.2": b"\xfc\x84\x80\x80\x80\x80",
    "6.9.4": b"\xf4\x8f\xbf\xbf",
    "6.10.1": b"\xf7\xbf\xbf\xbf",
    "6.10.3": b"\xfd\xbf\xbf\xbf\xbf\xbf",
    "6.11.1": b"\xed\x9f\xbf",
    "6.11.5": b"\xf4\x90\x80\x80",
    "6.12.1": b"\x80",
    "6.12.7": b"\x80\xbf\x80\xbf\x80\xbf",
    "6.12.8": bytes(range(0x80, 0xBF)),
    "6.13.4": b"\xf8 \xf9 \xfa ",
    "6.13.5": b"\xfc ",
    "6.14.5": b"\xfc\x80\x80\x80\x80",
    "6.14.10": b"\xfd\xbf\xbf\xbf\xbf",
    "6.15.1": bytes.fromhex(
        "c0 e080 f08080 f8808080 fc80808080 df efbf f7bfbf fbbfbfbf fdbfbfbfbf"
    ),
    "6.16.3": b"\xfe\xfe\xff\xff",
    "6.17.1": b"\xc0\xaf",
    "6.18.1": b"\xc1\xbf",
    "6.18.5": b"\xfc\x83\xbf\xbf\xbf\xbf",
    "6.19.5": b"\xfc\x80\x80\x80\x80\x80",
    "6.20.6": b"\xed\xbe\x80",
    "6.21.2": b"\xed\xa0\x80\xed\xbf\xbf",
    "6.21.8": b"\xed\xaf\xbf\xed\xbf\xbf",
    "6.22.1": b"\xef\xbf\xbe",
    "6.22.3": b"\xf0\x9f\xbf\xbe",
    "6.22.9": b"\xf1\x8f\xbf\xbe",
    "6.22.34": b"\xf4\x8f\xbf\xbf",
    "6.23.1": b"\xef\xbf\xb9",
    "6.23.7": b"\xef\xbf\xbf",
}
"""Rows as Autobahn has them."""


def payload_of(case: Case) -> bytes:
    """Return the one text that a case sends."""
    (step,) = case.steps
    assert isinstance(step, Frame)
    assert step == Frame(opcode=Opcode.TEXT, payload=step.payload)
    return step.payload


def is_utf8(payload: bytes) -> bool:
    """Tell what Python's strict decoder says."""
    try:
        payload.decode("utf-8", "strict")
    except UnicodeDecodeError:
        return False
    return True


def test_table_has_autobahns_numbers() -> None:
    """132 rows in 19 sets, counted from 1 in each."""
    expected = [f"6.{a}.{b}" for a, n in enumerate(COUNTS, 5) for b in range(1, n + 1)]
    assert [case.id for case in CASES] == expected
    assert len(CASES) == 132


def test_both_tables_of_text_make_145_rows() -> None:
    """The numbers of the two tables do not meet."""
    assert len({case.id for case in (*unicode.CASES, *CASES)}) == 145


def test_titles_differ() -> None:
    """No two rows have the same title."""
    assert len({case.title for case in CASES}) == len(CASES)


@pytest.mark.parametrize("number", LITERALS)
def test_row_has_these_bytes(number: str) -> None:
    """A row sends what Autobahn sends under its number."""
    assert payload_of(BY_ID[number]) == LITERALS[number]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_row_expects_what_pythons_decoder_says(case: Case) -> None:
    """Text that Python decodes comes back, and what it refuses fails with 1007."""
    payload = payload_of(case)
    if is_utf8(payload):
        assert case.outcomes == (Outcome(heard=(Text(payload),), end=End.OPEN),)
        assert case.needs == {Need.ECHO}
        assert case.clause == "RFC 6455 5.6"
        assert case.title.endswith(") comes back.")
    else:
        assert case.outcomes == (Outcome(end=End.FAILED, codes=frozenset({1007})),)
        assert case.needs == frozenset()
        assert case.clause == "RFC 6455 8.1"
        assert case.title.endswith(") fails the connection.")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_strict_reader_agrees_with_row(case: Case) -> None:
    """A strict reader fails what has to fail, with 1007, and reads the others."""
    limits = MessageLimits(message_bytes=None, fragments=None)
    reader = MessageReader(expect_mask=True, limits=limits)
    payload = payload_of(case)
    events = reader.feed(encode_frame(Opcode.TEXT, payload, mask=b"\x01\x02\x03\x04"))
    (outcome,) = case.outcomes
    if outcome.end is End.FAILED:
        assert events == []
        assert reader.violation is not None
        assert outcome.codes == frozenset({reader.violation.code})
    else:
        assert reader.violation is None
        assert events == [Message(Opcode.TEXT, payload)]


def test_refused_rows_are_these_many() -> None:
    """Autobahn has 69 invalid texts among these: none is lost."""
    refused = [case for case in CASES if case.outcomes[0].end is End.FAILED]
    assert len(refused) == 69
