"""Outlet: publishes messages in order, and tells what becomes of each.

It refuses to know what they say.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from wavetank.client import Publisher, Receipt
from wavetank.demo.aio.teller import Teller
from wavetank.demo.messages import Message, encode, topic_of

__all__ = ["Outlet"]

_MOST_RECEIPTS = 100_000
"""Outcomes that are waited for at once, so that memory stays bounded."""


class Outlet:
    """Takes messages for a publisher; waits where its queue is full.

    Args:
        publisher: It is open.
        teller: Hears of each outcome.
        prefix: What stands before each topic.

    Attributes:
        accepted: Messages that the publisher has taken.
        acknowledged: Those that the hub has.
    """

    def __init__(self, publisher: Publisher, teller: Teller, prefix: str) -> None:
        self._publisher = publisher
        self._teller = teller
        self._prefix = prefix
        self._turn = asyncio.Lock()
        self._sent: asyncio.Queue[tuple[Message, Receipt] | None] = asyncio.Queue(
            _MOST_RECEIPTS
        )
        self._telling = asyncio.create_task(self._tell_all())
        self.accepted = 0
        self.acknowledged = 0

    async def send(self, make: Callable[[], Sequence[Message]]) -> None:
        """Publish messages.

        They are made when it is their turn, so that numbers go out in their order.

        Args:
            make: Makes them.
        """
        async with self._turn:
            for message in make():
                topic = self._prefix + topic_of(message)
                receipt = await self._publisher.offer(topic, encode(message))
                self.accepted += 1
                await self._sent.put((message, receipt))

    async def finish(
        self, make: Callable[[], Sequence[Message]], patience: float
    ) -> bool:
        """Publish the last messages, wait for acknowledgements, close the publisher.

        Nobody waits longer than that, also where the queue is full and the hub gone;
        and not at all where nobody would hear of it.

        Args:
            make: Makes the last messages.
            patience: Seconds, at most.

        Returns:
            Whether everything was acknowledged.
        """
        was_sent = False
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(patience if self._teller.is_heard else 0.0):
                    await self.send(make)
                    was_sent = True
                    await self._publisher.flush()
        finally:
            await self._publisher.close(timeout=0.0)
        await self._sent.put(None)
        await self._telling
        return was_sent and self.acknowledged == self.accepted

    async def _tell_all(self) -> None:
        """Tell of each outcome, in order; each of them comes."""
        while (sent := await self._sent.get()) is not None:
            message, receipt = sent
            await receipt.wait()
            self._tell(message, receipt)

    def _tell(self, message: Message, receipt: Receipt) -> None:
        fields = {
            "id": f"{message.run}/{topic_of(message)}/{message.number}",
            "topic": receipt.topic,
            "number": message.number,
            "made_at": message.timestamp,
        }
        if receipt.error is not None:
            self._teller.tell(
                "failed",
                **fields,
                result=receipt.result.value,
                reason=str(receipt.error),
            )
            return
        self.acknowledged += 1
        position = receipt.position
        self._teller.tell(
            "published",
            **fields,
            epoch=None if position is None else position.epoch,
            seq=None if position is None else position.seq,
            duplicate=receipt.is_duplicate,
        )

    def __repr__(self) -> str:
        """Show how many messages there were."""
        return f"<Outlet {self.acknowledged} of {self.accepted}>"
