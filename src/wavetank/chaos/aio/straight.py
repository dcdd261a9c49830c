"""The straight way: what a side calls with its bytes while nothing is asked of them.

It refuses to know when that is so.
"""

import asyncio
from collections.abc import Callable

from wavetank.chaos.framing import Splitter

__all__ = ["straight_way"]


def straight_way(
    transport: asyncio.Transport, splitter: Splitter | None
) -> Callable[[bytes], None]:
    """Return what takes bytes to a transport, past chain and stream.

    Args:
        transport: Where they go.
        splitter: Follows their borders where it looks for frames, and holds nothing.
    """
    write = transport.write
    if splitter is None or not splitter.is_framed:
        return write
    skip = splitter.skip

    def follow(data: bytes) -> None:
        skip(data)
        write(data)

    return follow
