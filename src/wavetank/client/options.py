"""The tables of options of ``wavetank sub`` and ``wavetank pub``.

They refuse to know what is done with a value.
"""

from wavetank.client.wishes import read_deliver, read_since
from wavetank.settings import (
    Option,
    boolean,
    integer,
    path,
    seconds,
    size_in_bytes,
    text,
    unlimited_or,
)

__all__ = ["PUB_OPTIONS", "SUB_OPTIONS"]


def _at_least(typed: str) -> float:
    """Read a duration of at least a millisecond."""
    value = seconds(typed)
    if value < 0.001:
        raise ValueError(f"{typed!r} is too short; the least is 1ms")
    return value


def _flag(name: str, help_text: str, *, default: bool = False) -> Option:
    return Option(
        name=name, kind=boolean, default=default, help=help_text, is_flag=True
    )


_CONNECTION = (
    Option(
        name="url",
        kind=text,
        # Where a hub listens that was told nothing.
        default="ws://127.0.0.1:8765/ws",
        help="where the hub is, if the command line does not begin with it",
        env=("SYSTEM__WEBSOCKET_DASHBOARD_URL",),
    ),
    Option(
        name="token",
        kind=text,
        default=None,
        help="token to sign in with",
        env=("WAVETANK_TOKEN",),
        secret=True,
    ),
    Option(
        name="max-retries",
        kind=unlimited_or(integer(0)),
        default=None,
        help="attempts in vain before it gives up",
        env=("SYSTEM__WEBSOCKET_MAX_RETRIES",),
        metavar="N",
    ),
    Option(
        name="retry-delay",
        kind=_at_least,
        default=20.0,
        help="longest wait between two attempts",
        env=("SYSTEM__WEBSOCKET_RETRY_DELAY",),
        metavar="TIME",
    ),
    Option(
        name="ready-timeout",
        kind=_at_least,
        default=None,
        help="exit with 4 if there is no connection after this time",
        metavar="TIME",
    ),
    Option(
        name="timeout",
        kind=_at_least,
        default=None,
        help="end after this time",
        metavar="TIME",
    ),
    Option(
        name="ca",
        kind=path,
        default=None,
        help="certificate authorities to trust (PEM) instead of the system's",
        metavar="FILE",
    ),
    _flag("insecure", "do not verify the hub's certificate"),
    _flag(
        "allow-plain-fallback",
        "go on without TLS where it fails; on this machine only",
    ),
    _flag("json", "print one JSON object a line"),
)


def _queue(default: int, help_text: str) -> Option:
    return Option(
        name="queue",
        kind=integer(1, 10_000_000),
        default=default,
        help=help_text,
        env=("SYSTEM__WEBSOCKET_QUEUE_SIZE",),
        metavar="N",
    )


SUB_OPTIONS: tuple[Option, ...] = (
    *_CONNECTION,
    Option(
        name="since",
        kind=read_since,
        default=None,
        help="earliest, a time (2026-01-31T12:00:00Z, or seconds since 1970) or a "
        "position EPOCH:SEQ[:TAG]; left out: live only",
    ),
    Option(
        name="deliver",
        kind=read_deliver,
        default="all",
        help="all, latest, or a number: at most so many a second, the newest wins",
        metavar="HOW",
    ),
    Option(
        name="positions",
        kind=path,
        default=None,
        help="file that remembers where it was, so that the next start goes on there",
        metavar="FILE",
    ),
    Option(
        name="count",
        kind=integer(1),
        default=None,
        help="end after so many events",
        metavar="N",
    ),
    _queue(1000, "items of one topic that may wait to be printed"),
)
"""Every option of ``wavetank sub``."""

PUB_OPTIONS: tuple[Option, ...] = (
    *_CONNECTION,
    Option(
        name="key",
        kind=text,
        default=None,
        help="idempotency key; with lines, their number is put behind it",
    ),
    Option(
        name="name",
        kind=text,
        default=None,
        help="name of this publisher; a second one of the same name ends the first",
    ),
    _flag("text", "what is published is text, not JSON: it becomes a JSON string"),
    Option(
        name="spool",
        kind=path,
        default=None,
        help="folder that keeps what is not acknowledged yet, over restarts",
        metavar="DIR",
    ),
    Option(
        name="spool-bytes",
        kind=unlimited_or(size_in_bytes),
        default=1024**3,
        help="most bytes in the spool",
        metavar="SIZE",
    ),
    _flag("fsync", "the spool's disk has to have each publication before it counts"),
    _queue(1000, "publications in memory that are not acknowledged yet"),
    Option(
        name="enable",
        kind=boolean,
        default=True,
        help="publish at all; with --no-enable everything is read and dropped",
        env=("SYSTEM__ENABLE_WEBSOCKET_PUBLISHING",),
        is_flag=True,
    ),
)
"""Every option of ``wavetank pub``."""
