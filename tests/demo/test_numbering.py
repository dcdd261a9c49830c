"""Numbering."""

from decimal import Decimal

from wavetank.demo.messages import Price, Status
from wavetank.demo.numbering import Numbering

FIELDS = {"symbol": "BTC-USD", "price": Decimal(1), "volume": Decimal(1)}
STATUS = {"role": "feed", "state": "working", "ticks": 2, "missed": 0, "totals": {}}


def test_each_topic_is_numbered_from_one() -> None:
    """Numbers of one topic do not depend on another."""
    numbering = Numbering("r", ("market.btc-usd", "market.status"))
    made = [numbering.make(Price, 1.5, **FIELDS) for _ in range(2)]
    made.append(numbering.make(Status, 1.5, **STATUS))
    assert [message.number for message in made] == [1, 2, 1]
    assert {(message.run, message.timestamp) for message in made} == {("r", 1500.0)}


def test_a_status_counts_itself() -> None:
    """Its totals are those at its end, so that the last one tells all."""
    numbering = Numbering("r", ("market.btc-usd", "market.status"))
    numbering.make(Price, 1.5, **FIELDS)
    status = numbering.make(Status, 1.5, **STATUS)
    assert isinstance(status, Status)
    assert status.totals == {"market.btc-usd": 1, "market.status": 1}
    assert numbering.totals == status.totals
    assert repr(numbering) == f"<Numbering {status.totals}>"
