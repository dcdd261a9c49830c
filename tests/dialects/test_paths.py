"""Dotted paths into a JSON text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.dialects.paths import Opened, parse_path

SAMPLE = '{"a": {"b" : [10, {"c":  1.50}, "x"]}, "n": null, "0": "key"}'


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("", ()),
        ("a", ("a",)),
        ("a.0.b", ("a", "0", "b")),
        ("-1", ("-1",)),
    ],
)
def test_path_is_read_at_its_dots(written: str, path: tuple[str, ...]) -> None:
    """Each name between dots is one step; nothing is the whole text."""
    assert parse_path(written) == path


@pytest.mark.parametrize("written", [".", "a.", ".a", "a..b"])
def test_path_with_an_empty_name_is_refused(written: str) -> None:
    """A missing name between dots is a slip of the pen."""
    with pytest.raises(ValueError, match="empty name"):
        parse_path(written)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("", SAMPLE),
        ("a.b", '[10, {"c":  1.50}, "x"]'),
        ("a.b.0", "10"),
        ("a.b.1.c", "1.50"),
        ("a.b.-1", '"x"'),
        ("a.b.-3", "10"),
        ("n", "null"),
        ("0", '"key"'),
        ("a.b.3", None),
        ("a.b.-4", None),
        ("a.b.9999999", None),
        ("a.b.x", None),
        ("a.x", None),
        ("a.x.y.z", None),
        ("a.b.0.c", None),
        ("n.x", None),
    ],
)
def test_text_at_a_path_is_as_it_came(written: str, text: str | None) -> None:
    """Spacing and digits survive; where nothing stands, nothing is returned."""
    assert Opened(SAMPLE).text(parse_path(written)) == text


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("a.b.0", 10),
        ("a.b.1", {"c": 1.5}),
        ("n", None),
        ("x", None),
    ],
)
def test_value_at_a_path_is_decoded(written: str, value: object) -> None:
    """A value is what JSON says; null and nothing are both None."""
    assert Opened(SAMPLE).value(parse_path(written)) == value


def test_null_counts_as_nothing() -> None:
    """A field that is null is not there to be had; false, 0 and empty texts are."""
    opened = Opened('{"n":null,"f":false,"z":0,"e":"","nu":"null"}')
    assert not opened.has(("n",))
    assert not opened.has(("missing",))
    assert all(opened.has((name,)) for name in ("f", "z", "e", "nu"))


def test_number_that_no_float_holds_has_a_text_but_no_value() -> None:
    """A number out of range spoils neither the rest of the message nor its own text."""
    opened = Opened('{"big":1e400,"a":1}')
    assert opened.text(("big",)) == "1e400"
    assert opened.value(("big",)) is None
    assert opened.value(("a",)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        '{"a":1',
        "[1,]",
        '{"a":NaN}',
        "[" * 1_000_000,
        '{"a":' * 100_000,
        '"\ud800"',
        "\ufeff{}",
    ],
    ids=[
        "empty",
        "word",
        "cut",
        "comma",
        "nan",
        "arrays",
        "objects",
        "surrogate",
        "bom",
    ],
)
def test_text_that_is_not_json_is_a_value_error(text: str) -> None:
    """Whatever a stranger sends, the only error is that it is not JSON."""
    with pytest.raises(ValueError, match="not JSON"):
        Opened(text)


PLAIN = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | PLAIN,
    lambda inner: st.lists(inner) | st.dictionaries(PLAIN, inner),
)


@given(JSON, st.sampled_from([None, 1]), st.booleans())
def test_payload_comes_back_byte_for_byte(
    payload: object, indent: int | None, is_ascii: bool
) -> None:
    """Whatever surrounds it, the text at a path is the text that was put there."""
    text = json.dumps(payload, indent=indent, ensure_ascii=is_ascii)
    opened = Opened(f'{{"op": "event", "data" : [ 1, {text} ] }}')
    assert opened.text(("data", "1")) == text
    assert opened.value(("data", "1")) == payload
