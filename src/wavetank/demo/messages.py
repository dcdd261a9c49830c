"""The messages of a trading cycle, the topics they go to, and their JSON.

They refuse to know who sends them, and whether what they say adds up.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec

__all__ = [
    "SYMBOL",
    "TOPICS",
    "Decision",
    "Fill",
    "Indicators",
    "Message",
    "Order",
    "OrderState",
    "Position",
    "Price",
    "Role",
    "Side",
    "State",
    "Status",
    "decode",
    "encode",
    "schemas",
    "topic_of",
]

SYMBOL = "BTC-USD"

Role = Literal["feed", "bot"]
Side = Literal["buy", "sell"]
OrderState = Literal["placed", "filled", "cancelled"]
State = Literal["working", "away", "finished"]

_LARGEST = Decimal(10) ** 15
_FINEST = -20
"""Amounts beyond these are no prices of anything, and sums of them not exact."""

Number = Annotated[int, msgspec.Meta(ge=1)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[Decimal, msgspec.Meta(extra_json_schema={"exclusiveMinimum": 0})]
Amount = Annotated[Decimal, msgspec.Meta(extra_json_schema={"minimum": 0})]


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What all messages have.

    Attributes:
        run: Which run of the demo it belongs to.
        number: Its place among its publisher's messages to this topic, from 1 on.
        timestamp: When it came about, in milliseconds since 1970.
    """

    run: str
    number: Number
    timestamp: float

    def __post_init__(self) -> None:
        """Refuse amounts that nobody can add up.

        Raises:
            ValueError: If there is one.
        """
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, Decimal) and not _is_amount(value):
                raise ValueError(f"{name}: {value} is no amount")


def _is_amount(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= _FINEST and abs(value) < _LARGEST


class Price(Message, tag="price", frozen=True, kw_only=True):
    """A price of the market.

    Attributes:
        symbol: Of what, such as BTC-USD.
        price: Of one, in the second currency.
        volume: How much was traded at it.
    """

    symbol: str
    price: Positive
    volume: Amount


class Indicators(Message, tag="indicators", frozen=True, kw_only=True):
    """What the bot makes of the prices so far; None while there are too few.

    Attributes:
        tick: Number of the price.
        fast: Exponential moving average over few prices.
        slow: Exponential moving average over more of them.
        average: Simple moving average.
        rsi: Relative strength index, 0 to 100.
        macd: Moving average convergence divergence.
        signal: Its own moving average.
    """

    tick: Number
    fast: float | None
    slow: float | None
    average: float | None
    rsi: float | None
    macd: float | None
    signal: float | None


class Decision(Message, tag="decision", frozen=True, kw_only=True):
    """What the bot wants to do, and whether it does it.

    Attributes:
        tick: Number of the price.
        action: What it wants.
        reason: Why.
        order: The order that it places for that; None where it cannot.
    """

    tick: Number
    action: Side
    reason: str
    order: str | None


class Order(Message, tag="order", frozen=True, kw_only=True):
    """A step in the life of an order.

    Attributes:
        order: Which one.
        tick: Number of the price at this step.
        side: Whether it buys or sells.
        quantity: How much was asked for.
        filled: How much of it was filled until now.
        state: What has become of it.
    """

    order: str
    tick: Number
    side: Side
    quantity: Positive
    filled: Amount
    state: OrderState


class Fill(Message, tag="fill", frozen=True, kw_only=True):
    """A trade of the exchange: an order, or a part of it, was filled.

    Attributes:
        order: Which order.
        tick: Number of the price at which it was.
        side: Whether the bot has bought or sold.
        quantity: How much.
        price: Of one, which slips from the market's.
        fee: What the exchange takes for it.
    """

    order: str
    tick: Number
    side: Side
    quantity: Positive
    price: Positive
    fee: Amount


class Position(Message, tag="position", frozen=True, kw_only=True):
    """What the bot has, after so many fills and at a price.

    Attributes:
        tick: Number of the price.
        fills: How many fills are in it.
        quantity: How much it holds.
        cash: What it has beside.
        price: Of one, as the market says.
        equity: Cash, and what it holds at this price.
        profit: Equity without what it began with.
    """

    tick: Number
    fills: Count
    quantity: Decimal
    cash: Decimal
    price: Positive
    equity: Decimal
    profit: Decimal


class Status(Message, tag="status", frozen=True, kw_only=True):
    """How a publisher is doing; the last one says how much there was.

    Attributes:
        role: Who speaks.
        state: ``working``; ``away`` where the hub was not heard; ``finished``.
        ticks: Prices that it has published or seen.
        missed: Prices that did not come, and will not come.
        totals: Messages so far, this one too, by topic without a prefix.
    """

    role: Role
    state: State
    ticks: Count
    missed: Count
    totals: dict[str, Count]


TOPICS: Mapping[str, type[Message]] = {
    "market.btc-usd": Price,
    "market.status": Status,
    "bot.indicators": Indicators,
    "bot.decisions": Decision,
    "bot.orders": Order,
    "bot.fills": Fill,
    "bot.positions": Position,
    "bot.status": Status,
}
"""Each topic, without a prefix, with what is published to it."""

_OF_TYPE = {kind: topic for topic, kind in TOPICS.items() if kind is not Status}

_encoder = msgspec.json.Encoder(decimal_format="number")
_decoders = {topic: msgspec.json.Decoder(kind) for topic, kind in TOPICS.items()}


def topic_of(message: Message) -> str:
    """Return where a message goes, without a prefix."""
    if isinstance(message, Status):
        return "market.status" if message.role == "feed" else "bot.status"
    return _OF_TYPE[type(message)]


def encode(message: Message) -> bytes:
    """Return a message as JSON; amounts are numbers, digit for digit."""
    return _encoder.encode(message)


def decode(topic: str, data: bytes) -> Any:
    """Read a message of a topic.

    Args:
        topic: Without a prefix.
        data: JSON.

    Raises:
        ValueError: If it is no message of this topic; it says why.
    """
    decoder = _decoders.get(topic)
    if decoder is None:
        raise ValueError("nothing of the demo is published to this topic")
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ValueError(str(error)) from None


def schemas() -> dict[str, Any]:
    """Return the JSON Schema of each message, by the name of its struct."""
    kinds = tuple(dict.fromkeys(TOPICS.values()))
    _, components = msgspec.json.schema_components(
        kinds, ref_template="#/components/schemas/{name}"
    )
    for kind in kinds:
        described = components[kind.__name__]
        described["description"] = (kind.__doc__ or "").partition("\n")[0]
    return {name: _with_numbers(schema) for name, schema in components.items()}


def _with_numbers(schema: Any) -> Any:
    """Say that amounts are numbers: msgspec would write them as texts."""
    if isinstance(schema, list):
        return [_with_numbers(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    told = {key: _with_numbers(part) for key, part in schema.items()}
    if told.get("format") == "decimal":
        del told["format"]
        told["type"] = "number"
    return told
