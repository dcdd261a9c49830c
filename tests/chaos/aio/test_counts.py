"""What is counted of links."""

from collections import Counter, defaultdict

import pytest

from wavetank.chaos.aio import Proxy
from wavetank.chaos.aio.counts import DONE, bytes_of, count_toxics

from .wires import Target, dial

pytestmark = pytest.mark.anyio


async def test_bytes_and_toxics_of_a_link_are_counted() -> None:
    """By direction, and by the name of the toxic; they are added to what was there."""
    async with (
        Target() as target,
        Proxy(("127.0.0.1", target.port), mode="bytes") as proxy,
    ):
        proxy.add({"type": "timeout", "name": "hole", "stream": "upstream"})
        client = await dial(proxy.port)
        server = await target.guest()
        server.send(b"hello")
        await client.reads(b"hello")
        link = proxy.links[1]
        link.upstream.receive(b"abc")
        assert bytes_of(link) == {
            "received_upstream": 3,
            "sent_upstream": 0,
            "received_downstream": 5,
            "sent_downstream": 5,
        }
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for _ in range(2):
            count_toxics(link, counts)
        hurt = {"seen": 4, "chosen": 4, "hurt": 2, "unread": 0}
        assert counts == {"hole": hurt}  # the opening is seen too
        assert list(hurt) == list(DONE)
        client.transport.abort()
        await client.gone()
