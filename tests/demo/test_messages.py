"""The messages of a trading cycle."""

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wavetank.contracts.schema import compile_schema
from wavetank.demo.messages import (
    TOPICS,
    Fill,
    Message,
    Price,
    Status,
    decode,
    encode,
    schemas,
    topic_of,
)

PRICE = Price(
    run="r",
    number=1,
    timestamp=1000.0,
    symbol="BTC-USD",
    price=Decimal("67000.10"),
    volume=Decimal("0.5"),
)


def status(role: str) -> Status:
    """Return a status of somebody."""
    return Status(
        run="r",
        number=1,
        timestamp=1.0,
        role=role,  # type: ignore[arg-type] # tests hand in what JSON would
        state="working",
        ticks=0,
        missed=0,
        totals={},
    )


def test_amounts_are_numbers_digit_for_digit() -> None:
    """A price is no text, and keeps its cents."""
    assert b'"price":67000.10' in encode(PRICE)
    assert decode("market.btc-usd", encode(PRICE)) == PRICE


def test_each_message_goes_to_the_topic_of_its_type() -> None:
    """A status goes where its publisher's other messages go."""
    assert topic_of(PRICE) == "market.btc-usd"
    assert topic_of(status("feed")) == "market.status"
    assert topic_of(status("bot")) == "bot.status"


def test_every_message_of_a_run_comes_back_as_it_was(play) -> None:
    """What is encoded for a topic is decoded from it; each topic has some."""
    seen = set()
    for message in play():
        topic = topic_of(message)
        seen.add(topic)
        assert decode(topic, encode(message)) == message
    assert seen == set(TOPICS)


def test_every_message_of_a_run_keeps_to_its_schema(play) -> None:
    """The schemas say what is really sent, and refuse what is not."""
    components = {"components": {"schemas": schemas()}}
    compiled = {
        name: compile_schema(
            {"$ref": f"#/components/schemas/{name}", **components}, name=name
        )
        for name in schemas()
    }
    for message in play():
        schema = compiled[type(message).__name__]
        _, problems = schema.read(encode(message))
        assert problems == ()
        _, problems = schema.read(encode(message).replace(b'"run":"r"', b'"run":1'))
        assert problems


@pytest.mark.parametrize(
    ("topic", "data", "words"),
    [
        ("market.eth-usd", b"{}", "nothing of the demo"),
        ("market.btc-usd", b"{", "truncated"),
        ("market.btc-usd", b"\xff", "malformed"),
        ("market.btc-usd", b'{"type":"fill"}', "Invalid value 'fill'"),
        ("market.btc-usd", b"[" * 100_000, "maximum recursion"),
        (
            "market.btc-usd",
            encode(PRICE).replace(b"67000.10", b'"NaN"'),
            "price: NaN is no amount",
        ),
        (
            "market.btc-usd",
            encode(PRICE).replace(b"67000.10", b"1e300"),
            "is no amount",
        ),
        (
            "market.btc-usd",
            encode(PRICE).replace(b"67000.10", b"1e-300"),
            "is no amount",
        ),
        (
            "market.btc-usd",
            encode(PRICE).replace(b'"number":1', b'"number":0'),
            "Expected `int` >= 1",
        ),
    ],
)
def test_what_is_no_message_of_its_topic_is_said(
    topic: str, data: bytes, words: str
) -> None:
    """Hostile bytes end in one kind of error, with the reason."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - its words are looked at
        decode(topic, data)
    if b"[[" not in data:
        assert words in str(caught.value)


def spoilt(data: bytes) -> st.SearchStrategy[bytes]:
    """Put a few bytes in the place of some of these, or of none."""
    places = st.integers(0, len(data))
    return st.builds(
        lambda at, gone, new: data[:at] + new + data[at + gone :],
        places,
        st.integers(0, 3),
        st.binary(max_size=3) | st.text("0123456789.,eE-", max_size=3).map(str.encode),
    )


@given(
    st.sampled_from(sorted(TOPICS)),
    st.binary(max_size=200) | spoilt(encode(PRICE)) | spoilt(encode(status("bot"))),
)
@example("market.btc-usd", encode(PRICE))
def test_no_bytes_do_more_than_be_refused(topic: str, data: bytes) -> None:
    """Whatever comes is a message that can be said again, or a ValueError."""
    try:
        message = decode(topic, data)
    except ValueError:
        return
    assert isinstance(message, Message)
    assert decode(topic, encode(message)) == message


def test_a_message_has_no_amount_that_cannot_be_added_up() -> None:
    """One that is made here is refused as well."""
    with pytest.raises(ValueError, match="fee"):
        Fill(
            run="r",
            number=1,
            timestamp=1.0,
            order="o",
            tick=1,
            side="buy",
            quantity=Decimal(1),
            price=Decimal(1),
            fee=Decimal("inf"),
        )
