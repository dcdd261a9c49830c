"""Watch prices: nothing is missed, whatever happens to the connection."""

import asyncio
import contextlib
import sys

from wavetank.client import Event, Gap, Stale, Subscriber


async def main(url: str) -> None:
    """Print each price, and say where some will never come."""
    async with Subscriber(url) as subscriber:
        async for item in subscriber.subscribe("prices.*"):
            match item:
                case Event():
                    print(item.topic, item.seq, item.json()["price"], flush=True)
                case Gap():
                    print(item.topic, "lost", item.first, "to", item.last, flush=True)
                case Stale():
                    print("stale" if item.is_stale else "fresh again", flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(*(sys.argv[1:] or ["ws://127.0.0.1:8765/ws"])))
