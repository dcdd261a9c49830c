"""``wavetank demo``: a trading cycle of price feed, bot and dashboard.

It refuses to know what they do.
"""

import logging

from wavetank.cli.connection import (
    link_options,
    output,
    parse_orders,
    run_client,
)
from wavetank.demo.options import OPTIONS, make_plan

__all__ = ["main"]

_DESCRIPTION = """\
Show a trading cycle: wavetank demo [feed|bot|dashboard]

The feed publishes prices of bitcoin, simulated or replayed; the bot trades on them
with a simulated exchange; the dashboard takes every message, and says at the end
whether all of them came and add up. Without a word a hub is started, and all three
beside it, until --seconds or Ctrl-C. Kill that hub: it is started again, and nothing
is missing afterwards."""

_EPILOG = """\
Every option can come from the environment too, as WAVETANK_DEMO_<NAME>; a token also
as WAVETANK_TOKEN, the URL also as SYSTEM__WEBSOCKET_DASHBOARD_URL.

exit codes:
    0  the account is whole; of feed and bot: everything was acknowledged
    1  something is missing, does not add up, or was not acknowledged
    2  the command line or the file of --replay is wrong
    3  nothing could be checked, or the output could not be written
    4  the hub could not be started; or another process has the spool
  130  interrupted by Ctrl-C; SIGTERM is a clean end"""


def main(argv: list[str]) -> int:
    """Run the cycle, or one of its processes.

    Args:
        argv: What stands behind ``wavetank demo``.

    Raises:
        UsageError: With everything that is wrong with it.
        TargetError: If the hub cannot be started.
    """
    url, words, settings = parse_orders(
        "demo",
        argv,
        OPTIONS,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        metavar="feed|bot|dashboard",
    )
    plan = make_plan(words, url, settings)

    from wavetank.demo import run

    # That the hub is not heard is one of the demo's own lines; each attempt is not.
    logger = logging.getLogger("wavetank.client")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        return run_client(run(plan, link_options(settings), output()))
    finally:
        logger.setLevel(level)
