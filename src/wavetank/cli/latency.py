"""``wavetank latency``: how long the users of a server wait, to the last percentile.

It refuses to know how that is measured: it is ``wavetank load`` with a modest rate.
"""

from collections.abc import Sequence

from wavetank.cli.load import Command, execute
from wavetank.load.composing import LATENCY

__all__ = ["main"]

_DESCRIPTION = """\
Measures how long a WebSocket server lets its users wait. It is `wavetank load` with
10 users and 100 messages/s where nothing else is said: an answer where the target
answers, a delivery where it delivers, a pong where it does neither. Where no
--threshold is given, p99 < 100ms has to hold. At the end it shows every percentile,
of the response time (from the moment a message was due) and of the service time
(from the moment it was really sent)."""

_EPILOG = """\
  wavetank latency ws://127.0.0.1:9000/
  wavetank latency wss://localhost:9001/ws --scenario ping --duration 1m
  wavetank latency ws://127.0.0.1:9000/ --rate 2k --users 50 --threshold 'p99.9 < 20ms'

All options of `wavetank load` hold, with the same words for stages and plan files.
Options can come from the environment too, as WAVETANK_LOAD_<NAME>.
"""


def main(argv: Sequence[str]) -> int:
    """Measure latencies of a target; return the exit code.

    Args:
        argv: What stands behind ``wavetank latency``.

    Raises:
        UsageError: With every mistake at once, before anything is started.
    """
    command = Command(
        name="latency",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        defaults=LATENCY,
        is_latency=True,
    )
    return execute(command, argv)
