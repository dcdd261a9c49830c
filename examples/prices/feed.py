"""A price feed: publishes made-up prices, whether the hub is there or not."""

import asyncio
import contextlib
import random
import sys

from wavetank.client import Publisher


async def main(url: str) -> None:
    """Publish the prices of two coins ten times a second."""
    price = {"btc-usd": 67_000.0, "eth-usd": 3_500.0}
    async with Publisher(url) as publisher:
        while True:
            for coin, last in price.items():
                price[coin] = last * (1 + random.gauss(0, 0.0002))
                # It never waits: while the hub is away, prices queue up to a bound.
                data = {"price": round(price[coin], 2)}
                publisher.publish_nowait(f"prices.{coin}", data)
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(*(sys.argv[1:] or ["ws://127.0.0.1:8765/ws"])))
