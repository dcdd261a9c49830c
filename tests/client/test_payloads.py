"""Payloads: what somebody wants to publish, as JSON."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.client.payloads import make_payload
from wavetank.errors import LocalError


@pytest.mark.parametrize(
    ("data", "payload"),
    [
        ({"price": 1.5}, b'{"price":1.5}'),
        (None, b"null"),
        ("text", b'"text"'),
        (b' {"a" : 1.10}\n', b'{"a" : 1.10}'),
        (bytearray(b"[1e3]"), b"[1e3]"),
    ],
)
def test_payload_is_json(data: Any, payload: bytes) -> None:
    """Bytes go out as they are, but for the space around; values are encoded."""
    assert make_payload("a.b", data, None) == payload
    assert make_payload("a.b", data, "key") == payload


@pytest.mark.parametrize(
    ("topic", "data", "key", "words"),
    [
        ("a..b", 1, None, "topic 'a..b': an empty segment"),
        ("a.*", 1, None, "a pattern where one topic is needed"),
        ("a", b"hello", None, "not one JSON text"),
        ("a", b"", None, "not one JSON text"),
        ("a", b"1 2", None, "not one JSON text"),
        ("a", b"\xff", None, "not one JSON text"),
        ("a", b'1,"key":"x"', None, "more than one JSON text"),
        ("a", b'1,"topic":"b"', None, "more than one JSON text"),
        ("a", b'2},{"data":1', None, "not one JSON text"),
        ("a", b"[" * 61 + b"]" * 61, None, "nested too deeply"),
        ("a", object(), None, "JSON has nothing for it"),
        ("a", 1, "", "key"),
        ("a", 1, "k" * 129, "key"),
        ("a", 1, "\ud800", "key"),
    ],
)
def test_payload_is_refused_where_no_hub_could_read_it(
    topic: str, data: Any, key: str | None, words: str
) -> None:
    """At once, and not by the hub later; nothing can be smuggled into a message."""
    with pytest.raises(LocalError, match=words):
        make_payload(topic, data, key)


@given(st.binary(max_size=20))
def test_payload_of_any_bytes_is_itself_or_refused(data: bytes) -> None:
    """It never becomes something else."""
    with contextlib.suppress(LocalError):
        assert make_payload("a", data, None) == data.strip(b" \t\r\n")
