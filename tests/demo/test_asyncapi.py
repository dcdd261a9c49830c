"""The AsyncAPI document of the demo."""

import json
from collections.abc import Callable

from wavetank.contracts.asyncapi import read_contract
from wavetank.contracts.traffic import Traffic
from wavetank.demo.asyncapi import document
from wavetank.demo.messages import TOPICS, Message, encode


def test_a_whole_run_keeps_to_the_document(play: Callable[..., list[Message]]) -> None:
    """It is read as any contract is, and every message is valid by it."""
    contract = read_contract(json.dumps(document("1")), closed=True)
    assert {channel.address for channel in contract.channels} == set(TOPICS)
    traffic = Traffic(contract.sent)
    messages = play()
    for message in messages:
        traffic.see(encode(message))
    seen = traffic.seen
    assert seen.unknown == ()
    assert sum(tally.valid for tally in seen.types) == len(messages)
    assert all(tally.seen and not tally.invalid for tally in seen.types)


def test_channels_have_the_prefix_of_their_topics() -> None:
    """Who runs the demo beside other things finds its topics in the document."""
    contract = read_contract(json.dumps(document("1", prefix="x.y.")))
    assert "x.y.market.btc-usd" in {one.address for one in contract.channels}
