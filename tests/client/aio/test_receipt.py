"""Receipts: what became of one publication."""

import asyncio

import pytest

from wavetank.client.aio.receipt import Receipt, Result
from wavetank.client.failures import NotPublished
from wavetank.protocol import Position

pytestmark = pytest.mark.anyio


async def test_receipt_is_awaited_until_the_hub_has_it() -> None:
    """By as many as like, before or after; who stops waiting disturbs nobody."""
    receipt = Receipt("a")
    assert receipt.is_pending
    assert repr(receipt) == "<Receipt a pending>"

    async def wait() -> Position | None:
        return await receipt

    tasks = [asyncio.create_task(wait()) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.sleep(0)
    receipt.acknowledge(Position("e", 3), is_duplicate=True)
    assert await tasks[1] == await tasks[2] == await receipt == Position("e", 3)
    assert (receipt.result, receipt.is_duplicate) == (Result.ACKNOWLEDGED, True)


async def test_receipt_raises_why_it_was_not_published() -> None:
    """To whoever awaits it; `wait` only waits."""
    receipt = Receipt("a")
    error = NotPublished("no", code="retries", is_certain=False)
    receipt.fail(Result.FAILED, error)
    assert not receipt.is_pending
    await receipt.wait()
    with pytest.raises(NotPublished, match="no"):
        await receipt


async def test_receipt_that_nobody_awaits_complains_to_nobody() -> None:
    """A failure without a reader is no unhandled error: warnings fail this test."""
    receipt = Receipt("a")
    error = NotPublished("no", code="closed", is_certain=True)
    receipt.fail(Result.KEPT, error)
    del receipt
    await asyncio.sleep(0)
