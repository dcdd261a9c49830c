"""Places: the text of a position file."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.client.places import read_places, write_places
from wavetank.protocol import Position

PLACES = {
    "prices.btc": {"prices.btc": Position("e", 3, "0000000a")},
    "orders.**": {"orders.x": Position("f", 0), "orders.y.z": Position("f", 9)},
    "empty.*": {},
}


def test_places_come_back_as_they_were() -> None:
    """With tags and without; a pattern that matched nothing is one too."""
    text = write_places(PLACES)
    assert read_places(text) == PLACES
    assert b'"version": 1' in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "not a position file"),
        (b"\xff", "not a position file"),
        (b"[]", "not a position file"),
        (b'{"version":1}', "not a position file"),
        (b'{"version":2,"subscriptions":{}}', "version 2, not 1"),
        (b'{"version":1,"subscriptions":{"a..b":{}}}', "is no topic"),
        (b'{"version":1,"subscriptions":{"a":{}}}', "not one position of its own"),
        (
            b'{"version":1,"subscriptions":{"a.*":{"a.*":["x"]}}}',
            "not a position file",
        ),
        (
            b'{"version":1,"subscriptions":{"a.*":{"":{"epoch":"e","seq":1}}}}',
            "is no topic",
        ),
        (b"[" * 100_000, "not a position file"),
    ],
)
def test_places_refuse_what_is_none(text: bytes, words: str) -> None:
    """With a sentence."""
    with pytest.raises(ValueError, match=words):
        read_places(text)


@given(st.binary(max_size=60))
def test_places_of_any_bytes_are_read_or_refused(text: bytes) -> None:
    """Whatever a disk gives back, there is no other error."""
    with contextlib.suppress(ValueError):
        read_places(text)


@given(st.integers(0, 200), st.integers(0, 7))
def test_places_notice_a_flipped_bit_or_read_something_valid(at: int, bit: int) -> None:
    """A damaged file never becomes a position that no hub could have given."""
    text = bytearray(write_places(PLACES))
    text[at % len(text)] ^= 1 << bit
    try:
        places = read_places(bytes(text))
    except ValueError:
        return
    assert all(at.seq >= 0 for topics in places.values() for at in topics.values())
