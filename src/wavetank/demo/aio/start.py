"""The start of one process of the demo, by its role.

It refuses to know how a role is played.
"""

import asyncio
from typing import BinaryIO

from wavetank.client import LinkOptions
from wavetank.clock import SystemClock
from wavetank.demo.aio.bot import BotProcess
from wavetank.demo.aio.cycle import Cycle
from wavetank.demo.aio.dashboard import Dashboard
from wavetank.demo.aio.feed import FeedProcess, open_quotes
from wavetank.demo.aio.readers import watched
from wavetank.demo.aio.teller import Teller
from wavetank.demo.options import DemoPlan

__all__ = ["run"]


async def run(plan: DemoPlan, link: LinkOptions, out: BinaryIO) -> int:
    """Play a role until it is over; being cancelled once is a clean end too.

    So is the end of whoever reads its lines: it leaves them no process behind.

    Args:
        plan: What to do.
        link: What the client takes.
        out: Where lines go.

    Returns:
        The exit code.

    Raises:
        UsageError: If the file to replay, the URL or the spool cannot be used.
        TargetError: If the cycle's hub cannot be started.
        BrokenPipeError: If nobody reads its lines any more.
    """
    task = asyncio.current_task()
    assert task is not None, "a task is running"
    teller = Teller(
        plan.role, out, SystemClock(), is_json=plan.is_json, leave=task.cancel
    )
    with watched(out, teller.give_up):
        code = await _play(plan, link, teller, out)
    if not teller.is_heard:
        raise BrokenPipeError
    return code


async def _play(
    plan: DemoPlan, link: LinkOptions, teller: Teller, out: BinaryIO
) -> int:
    match plan.role:
        case "feed":
            return await FeedProcess(plan, link, teller, open_quotes(plan)).run()
        case "bot":
            return await BotProcess(plan, link, teller).run()
        case "dashboard":
            return await Dashboard(plan, link, teller).run()
        case _:
            if plan.replay is not None:
                # Its mistakes are told before anything is started.
                open_quotes(plan)
            return await Cycle(plan, teller, out).run()
