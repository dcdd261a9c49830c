"""Shared fields: their bounds, as a stranger meets them."""

import re
from pathlib import Path

import msgspec
import pytest

from wavetank.protocol import Id, Reason
from wavetank.protocol.fields import Duration, Message, Moment, Name, Value, Why

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"


@pytest.mark.parametrize(
    "text",
    [
        b"0",
        b"-7",
        b"9007199254740991",
        b"-9007199254740991",
        b'""',
        b'"%b"' % (b"x" * 36),
    ],
)
def test_id_takes_integers_and_short_strings(text):
    """What JavaScript keeps exact, and a UUID, comes back as it was."""
    assert msgspec.json.encode(msgspec.json.decode(text, type=Id)) == text


@pytest.mark.parametrize(
    "text",
    [
        b"1.0",
        b"1e2",
        b"true",
        b"null",
        b"[1]",
        b"{}",
        b"9007199254740992",
        b"-9007199254740992",
        b"9" * 5000,
        b'"%b"' % (b"x" * 37),
    ],
)
def test_id_refuses_what_could_not_be_echoed_exactly(text):
    """Fractions, huge numbers, long strings and structures are no ids."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=Id)


def test_id_counts_characters_and_not_bytes():
    """36 characters of any script are short enough."""
    assert msgspec.json.decode('"' + "é" * 36 + '"', type=Id) == "é" * 36


@pytest.mark.parametrize("kind", [Moment, Duration])
@pytest.mark.parametrize("text", [b"-0.001", b"1e17", b"1e999", b'"1"', b"null"])
def test_times_refuse_what_no_clock_says(kind, text):
    """A time is a number from 0 up to 2^53 milliseconds."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=kind)


@pytest.mark.parametrize("text", [b'""', b'"%b"' % (b"k" * 129)])
def test_name_refuses_nothing_and_too_much(text):
    """A client's own names have 1 to 128 characters."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=Name)


def test_reasons_are_those_of_the_documentation():
    """The page explains each reason, in this order, and the schema names the same."""
    line = next(
        line for line in PAGE.read_text("utf-8").splitlines() if "- `reason`:" in line
    )
    named = re.findall(r"[:·] `(\w+)`", line)
    assert named == [reason.value for reason in Reason]
    assert msgspec.json.schema(Why)["examples"] == named


def test_why_takes_a_reason_of_a_later_hub():
    """A reason that nobody knows yet is read, not refused."""
    assert msgspec.json.decode(b'"moved"', type=Why) == "moved"


def test_messages_and_values_are_frozen_and_leave_defaults_out():
    """A message never changes once it is made, and says only what it has to."""
    for base in (Message, Value):
        assert base.__struct_config__.frozen
        assert base.__struct_config__.omit_defaults
    assert Message.__struct_config__.tag_field == "type"
