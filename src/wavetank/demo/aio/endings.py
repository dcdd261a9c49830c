"""Endings: work that ends by itself, because time is up, or because it is told to.

They refuse to know what work it is.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["ended_early"]


async def ended_early(work: Coroutine[Any, Any, None], seconds: float | None) -> bool:
    """Do work until it ends, time is up, or whoever waits here is cancelled once.

    What follows is the work's orderly end; a second cancellation ends that.

    Args:
        work: What to do; it is cancelled where it goes on.
        seconds: How long at most; None is for ever.

    Returns:
        Whether it was ended before it was over.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        done = set()
        current = asyncio.current_task()
        if current is not None:
            current.uncancel()
    if not done:
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.result()
    return not done
