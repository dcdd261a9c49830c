"""Payloads: each is JSON, each is told apart, and equal values are equal texts."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.lab.payloads import VARIED, canonical, numbered, of_size, price_update

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def test_varied_payloads_are_json_and_all_different() -> None:
    """Whoever gets one back knows which it was, even by value alone."""
    assert len({canonical(one) for one in VARIED}) == len(VARIED)
    assert all(json.loads(one) is not ... for one in VARIED)


def test_price_updates_are_json_with_price_volume_and_timestamp() -> None:
    """No two of them have the same price and volume."""
    updates = [json.loads(price_update(n, at=1.5), parse_float=str) for n in range(300)]
    assert updates[0] == {
        "type": "btc_price_update",
        "price": "67000.00",
        "volume": "1.25",
        "timestamp": "1.500",
    }
    assert len({(one["price"], one["volume"]) for one in updates}) == 300


def test_numbered_payloads_carry_number_sender_and_padding() -> None:
    """They are at least as long as asked for, and never shorter than they are."""
    payloads = list(numbered(3, sender="peer-1", size=64))
    assert [json.loads(one)["n"] for one in payloads] == [0, 1, 2]
    assert {json.loads(one)["from"] for one in payloads} == {"peer-1"}
    assert [len(one) for one in payloads] == [64, 64, 64]
    (short,) = numbered(1)
    assert json.loads(short) == {"n": 0, "from": "", "pad": ""}


@pytest.mark.parametrize("size", [2, 3, 125, 65536])
def test_a_payload_of_a_size_has_exactly_that_size(size: int) -> None:
    """It is a JSON string of one letter."""
    payload = of_size(size, letter="b")
    assert len(payload.encode()) == size
    assert set(json.loads(payload)) <= {"b"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.10", "1.1"),
        ("1e3", "1000"),
        ("1000", "1E+3"),
        ("100e-2", "1"),
        ("0.001", "1e-3"),
        ("-0.0", "0"),
        ("0e99", "0.00"),
        ("-12.50", "-125e-1"),
        ('{"b":1,"a":[ 2 ]}', '{"a":[2.0],"b":1}'),
        ('"\\u00e9"', '"é"'),
    ],
)
def test_equal_values_have_one_canonical_text(one: str, other: str) -> None:
    """Spelling of numbers, order of keys, white space and escapes do not count."""
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", '"1"'),
        ("1", "true"),
        ("1", "-1"),
        ("1", "10"),
        ("9007199254740993", "9007199254740992"),
        # A context of 28 digits, Python's default, once took these for the same.
        ("0.1234567890123456789012345678901", "0.1234567890123456789012345678902"),
        ("[1,2]", "[2,1]"),
        ("null", '"null"'),
        ('{"a":1}', '{"a":1,"b":null}'),
    ],
)
def test_different_values_have_different_canonical_texts(one: str, other: str) -> None:
    """Every digit counts, and a number is no text."""
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize(
    "text",
    ["", "{", "nothing", "[" * 100_000, "1e" + "9" * 5000, b"\xff".decode("latin-1")],
)
def test_what_is_not_json_is_its_own_canonical_text(text: str) -> None:
    """A target may send anything back; it is compared as it is."""
    assert canonical(text) == text


def test_a_number_beyond_every_float_is_still_a_number() -> None:
    """One that overflowed once crashed the check."""
    assert canonical("1e999999999") == canonical("10.0E+999999998")
    assert canonical("-1e-999999999") == canonical("-0.1e-999999998")


@given(JSON)
def test_any_json_is_canonical_however_it_is_written(value: object) -> None:
    """Indented and with keys in another order it is the same."""
    one = json.dumps(value)
    other = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
    assert canonical(one) == canonical(other)


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_any_number_is_canonical_by_its_value(number: Decimal) -> None:
    """Zeros at its end change nothing, another digit does."""
    text = f"{number:f}"
    pointed = text if "." in text else f"{text}."
    assert canonical(text) == canonical(f"{pointed}0")
    assert canonical(text) != canonical(f"{pointed}1")
