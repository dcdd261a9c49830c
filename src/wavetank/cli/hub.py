"""``wavetank hub``: start the hub.

It refuses to know what the hub does with its configuration.
"""

import os

from wavetank.cli.parser import Parser
from wavetank.hub.config import OPTIONS, make_config
from wavetank.settings import resolve

__all__ = ["main"]

_DESCRIPTION = "Start the hub: publish/subscribe over WebSocket, wavetank.v1."

_EPILOG = """\
Every option can come from the environment too, as WAVETANK_HUB_<NAME>
(WAVETANK_HUB_PING=10s); tokens are read from WAVETANK_TOKEN as well, several
separated by commas, so that they need not stand in the list of processes.
Limits take the word unlimited, sizes take KiB and MiB, times take ms, s, m and h.

Without a token everybody is let in, and only from this machine.

exit codes:
    0  stopped cleanly, by SIGTERM or SIGINT
    2  the command line is wrong
    4  it could not start: a port is taken
  130  a second signal came before all connections were closed, or time was up
"""


def main(argv: list[str]) -> int:
    """Run the hub until it is stopped.

    Args:
        argv: What stands behind ``wavetank hub``.

    Raises:
        UsageError: With everything that is wrong with it.
        TargetError: If a port cannot be had.
    """
    parser = Parser("hub", description=_DESCRIPTION, options=OPTIONS, epilog=_EPILOG)
    flags = parser.flags(parser.parse(argv))
    settings = resolve(OPTIONS, flags=flags, environ=os.environ, prefix="WAVETANK_HUB_")
    config = make_config(settings)

    from wavetank.hub.aio import serve

    return serve(config, _announce)


def _announce(urls: list[str]) -> None:
    print(f"wavetank hub ready: {' '.join(urls)}", flush=True)
