"""A receipt: waits for the outcome of one publication."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from wavetank.hub.aio.node import Node
from wavetank.hub.aio.receipt import Accepted, Receipt, Refused, publish
from wavetank.protocol import ErrorCode, Publish

pytestmark = pytest.mark.anyio

MakeNode = Callable[..., Node]


def command(data: bytes = b"1", **more: Any) -> Publish:
    """Return a publication without an id."""
    return Publish(topic="t", data=msgspec.Raw(data), **more)


async def test_receipt_waits_for_durability(make_node: MakeNode, log: Any) -> None:
    """What it says is kept, is kept; no id is needed for that."""
    log.is_slow = True
    work = asyncio.ensure_future(publish(make_node(), command(), "u"))
    await asyncio.sleep(0)
    assert log.late
    assert not work.done()
    log.keep()
    outcome = await work
    assert isinstance(outcome, Accepted)
    assert (outcome.topic.log.topic, outcome.seq, outcome.is_duplicate) == (
        "t",
        1,
        False,
    )


async def test_receipt_tells_of_a_duplicate(make_node: MakeNode) -> None:
    """With the seq of the first one; keys are of users."""
    node = make_node()
    first = await publish(node, command(key="k"), "u")
    again = await publish(node, command(key="k"), "u")
    other = await publish(node, command(key="k"), "v")
    assert [each.seq for each in (first, again, other)] == [1, 1, 2]  # type: ignore[union-attr]
    assert [each.is_duplicate for each in (first, again, other)] == [  # type: ignore[union-attr]
        False,
        True,
        False,
    ]


async def test_receipt_tells_why_nothing_was_published(
    make_node: MakeNode, log: Any
) -> None:
    """A log that cannot write takes everything back."""
    log.is_slow = True
    work = asyncio.ensure_future(publish(make_node(), command(), "u"))
    await asyncio.sleep(0)
    log.lose("the disk is full")
    outcome = await work
    assert outcome == Refused(ErrorCode.UNAVAILABLE, "the disk is full", {})


async def test_receipt_of_somebody_who_has_gone_is_thrown_away(
    make_node: MakeNode, log: Any
) -> None:
    """An outcome that nobody waits for is no fault."""
    log.is_slow = True
    work = asyncio.ensure_future(publish(make_node(), command(), "u"))
    await asyncio.sleep(0)
    assert log.late
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    log.keep()


async def test_receipt_holds_the_first_outcome(make_node: MakeNode) -> None:
    """There is only one."""
    receipt = Receipt()
    receipt.refused(None, ErrorCode.PRODUCER_GAP, "", expected=7)
    receipt.refused(None, ErrorCode.INTERNAL, "")
    assert await receipt.outcome == Refused(ErrorCode.PRODUCER_GAP, "", {"expected": 7})
