"""Positions: the chain tag, its spelling, and epochs."""

import struct
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.protocol import (
    MAX_SEQ,
    START_TAG,
    Position,
    format_tag,
    new_epoch,
    next_tag,
    parse_tag,
)

TAGS = st.integers(0, 2**32 - 1)
SEQS = st.integers(0, MAX_SEQ)


@given(TAGS, SEQS, st.binary(max_size=200))
def test_next_tag_is_one_crc_over_seq_and_payload(tag, seq, payload):
    """The tag is crc32 of 8 big-endian bytes of seq and of the payload."""
    expected = zlib.crc32(struct.pack(">Q", seq) + payload, tag)
    assert next_tag(tag, seq, payload) == expected


def test_next_tag_gives_the_documented_chain():
    """Three payloads give tags that any other implementation can compare with."""
    tags, tag = [], parse_tag(START_TAG)
    for seq, payload in enumerate([b"1", b'{"a":1.0}', b'"\xc3\xa9"'], start=1):
        tag = next_tag(tag, seq, payload)
        tags.append(format_tag(tag))
    assert tags == ["aecc25d5", "2e6b08aa", "4434aedd"]


@given(TAGS, SEQS.filter(bool), st.binary(max_size=50))
def test_next_tag_differs_when_seq_or_payload_differs(tag, seq, payload):
    """Another seq, or another last byte, never gives the same tag."""
    told = next_tag(tag, seq, payload)
    assert told != next_tag(tag, seq - 1, payload)
    assert told != next_tag(tag, seq, payload + b" ")


@given(TAGS)
def test_tags_survive_their_spelling(tag):
    """A tag written and read again is the same, always in 8 lower-case digits."""
    text = format_tag(tag)
    assert len(text) == 8
    assert text == text.lower()
    assert parse_tag(text) == tag


def test_start_tag_is_zero():
    """The place before the first entry has tag 0."""
    assert format_tag(0) == START_TAG


@given(st.binary(min_size=6, max_size=6))
def test_new_epoch_has_eight_harmless_characters(random):
    """Six random bytes give 8 characters that need no quoting anywhere."""
    epoch = new_epoch(random)
    assert len(epoch) == 8
    assert epoch.replace("-", "a").replace("_", "a").isalnum()
    assert epoch.isascii()


@given(st.binary(min_size=6, max_size=6), st.binary(min_size=6, max_size=6))
def test_new_epoch_keeps_every_bit_of_its_dice(one, other):
    """Different random bytes give different epochs."""
    assert (new_epoch(one) == new_epoch(other)) == (one == other)


@pytest.mark.parametrize("size", [0, 5, 7])
def test_new_epoch_refuses_another_number_of_bytes(size):
    """Fewer bytes would be guessable and more would not be 8 characters."""
    with pytest.raises(ValueError, match=f"6 random bytes, not {size}"):
        new_epoch(bytes(size))


def test_position_leaves_out_a_tag_that_is_not_known():
    """A position without tag is written without one."""
    assert msgspec.json.encode(Position("e", 4)) == b'{"epoch":"e","seq":4}'


@pytest.mark.parametrize(
    "text",
    [
        b'{"epoch":"","seq":1}',
        b'{"epoch":"%b","seq":1}' % (b"e" * 37),
        b'{"epoch":"e","seq":-1}',
        b'{"epoch":"e","seq":9007199254740992}',
        b'{"epoch":"e","seq":1.0}',
        b'{"epoch":"e","seq":1,"tag":"9F3A6C21"}',
        b'{"epoch":"e","seq":1,"tag":"9f3a6c2"}',
        b'{"epoch":"e","seq":1,"tag":"9f3a6c21\\n"}',
        b'{"epoch":"e"}',
        b'{"seq":1}',
    ],
)
def test_position_refuses_what_no_log_ever_gave(text):
    """Epoch, seq and tag have bounds; outside of them nothing is read."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=Position)
