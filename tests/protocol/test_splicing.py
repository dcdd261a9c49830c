"""Splicing: what is put together from ready parts means what is encoded as a whole."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.protocol import (
    MAX_SEQ,
    Event,
    Published,
    decode_push,
    encode_event,
    encode_published,
    encode_push,
    encode_reply,
    encode_ts,
    event_head,
    published_head,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
COUNTS = st.integers(0, MAX_SEQ)
TAGS = st.integers(0, 2**32 - 1).map("{:08x}".format)
TIMES = st.integers(0, 4 * 10**15).map(lambda micro: micro / 1000 / 1000)
"""Seconds up to the year 2096, to the microsecond, as the wire would give them."""


@given(TIMES, TIMES)
def test_ts_never_decreases_where_time_does_not(one, other):
    """Events in order of their append have a ``ts`` in that order."""
    early, late = sorted((one, other))
    assert float(encode_ts(early)) <= float(encode_ts(late))


@given(TIMES)
def test_ts_of_an_event_is_the_time_of_its_append(at):
    """A prebuilt event says the same time as an encoded one."""
    told = decode_push(encode_event(event_head("a"), 1, encode_ts(at), b"1"))
    assert told == Event(topic="a", seq=1, at=at, data=msgspec.Raw(b"1"))


@given(TEXTS, COUNTS, COUNTS, TAGS, TIMES)
def test_a_prebuilt_event_equals_an_encoded_one(topic, seq, prev, tag, at):
    """The quick way and the plain way mean the same."""
    plain = Event(
        topic=topic, seq=seq, prev=prev, tag=tag, at=at, data=msgspec.Raw(b"{}")
    )
    quick = encode_event(
        event_head(topic), seq, encode_ts(at), b"{}", prev=prev, tag=tag
    )
    assert decode_push(quick) == plain == decode_push(encode_push(plain))


@pytest.mark.parametrize("id", [0, -7, 2**53 - 1, "p1", '\u00fc"\n', ""])
def test_published_is_written_as_any_reply(id: int | str) -> None:
    """The quick way and the general one write the same message."""
    head = published_head("a.b", "Kq3v9TzA")
    reply = Published(id=id, topic="a.b", epoch="Kq3v9TzA", seq=58, duplicate=False)
    quick, general = encode_published(id, head, 58), encode_reply(reply)
    assert json.loads(quick) == json.loads(general)
    assert decode_push(quick) == reply
