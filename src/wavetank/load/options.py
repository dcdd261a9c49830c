"""The options of a load: one table for command line, environment and plan file.

It refuses to know what a plan is made of them.
"""

from urllib.parse import urlsplit

from wavetank.kinds import (
    Kind,
    boolean,
    choice,
    integer,
    path,
    seconds,
    size_in_bytes,
    text,
)
from wavetank.load.plan import Arrivals, ScenarioKind, Shape
from wavetank.load.stages import MOST_SECONDS, levels, read_stage
from wavetank.load.thresholds import Threshold, parse_threshold
from wavetank.settings import Option

__all__ = ["COMMAND_OPTIONS", "LOAD_OPTIONS", "PLAN_OPTIONS", "SCENARIO_OPTIONS"]

_MOST_USERS = 1_000_000
_MOST_SIZE = 16 * 1024 * 1024


def _time(least: float = 0.0, most: float = MOST_SECONDS) -> Kind:
    """Make a kind for durations within bounds, both included, in seconds."""

    def kind(typed: str) -> float:
        value = seconds(typed)
        if not least <= value <= most:
            raise ValueError(f"{typed} is not from {least:g} to {most:g} seconds")
        return value

    return kind


def _size(least: int, most: int) -> Kind:
    """Make a kind for sizes within bounds, both included, in bytes."""

    def kind(typed: str) -> int:
        value = size_in_bytes(typed)
        if not least <= value <= most:
            raise ValueError(f"{typed} is not from {least} to {most} bytes")
        return value

    return kind


def _bytes_a_second(typed: str) -> float:
    """Read ``64KiB/s``, or without its end."""
    return float(size_in_bytes(typed.removesuffix("/s")))


def _threshold(typed: str) -> Threshold:
    """Read what has to hold."""
    return parse_threshold(typed)


def _cluster(typed: str) -> str:
    """Read the address of a cluster's scheduler."""
    try:
        address = urlsplit(typed)
        is_whole = bool(address.hostname and address.port)
    except ValueError:
        is_whole = False
    if not is_whole or address.scheme not in {"tcp", "tls"} or address.path:
        raise ValueError(f"{typed} is no address such as tcp://10.0.0.1:8786")
    return typed


SCENARIO_OPTIONS: tuple[Option, ...] = (
    Option(
        name="scenario",
        also=("kind",),
        kind=choice(*ScenarioKind),
        default=None,
        metavar="KIND",
        help="what users do: request, publish, listen, churn, slow, storm or ping "
        "(what the target can do decides)",
    ),
    Option(
        name="users",
        kind=integer(1, _MOST_USERS),
        default=None,
        metavar="N",
        help="virtual users, each a connection",
    ),
    Option(
        name="rate",
        kind=levels,
        default=None,
        metavar="RATE",
        help="arrivals/s over all users: 1000, 2.5k, 6/min, or 100..5000",
    ),
    Option(
        name="shape",
        kind=choice(*Shape),
        default=None,
        metavar="SHAPE",
        help="how the rate goes from 100 to 5000: ramp, steps, burst, spike, sine, "
        "fibonacci",
    ),
    Option(
        name="times",
        kind=integer(1, 1000),
        default=None,
        metavar="N",
        help="how many steps, bursts, spikes or periods",
    ),
    Option(
        name="stage",
        also=("stages",),
        kind=read_stage,
        default=(),
        many=True,
        metavar="STAGE",
        help="'ramp 100..5000 in 30s', '5000/s for 1m', 'burst 100..2000 x3 in 30s'; "
        "one after the other (repeatable)",
    ),
    Option(
        name="population",
        kind=read_stage,
        default=(),
        many=True,
        metavar="STAGE",
        help="users over time, likewise: 'fibonacci 1..144 in 55s' (repeatable)",
    ),
    Option(
        name="arrivals",
        kind=choice(*Arrivals),
        default=None,
        metavar="HOW",
        help="even; poisson: as independent users do; closed: only when an answer "
        "has come, which hides the waits of a slow target (even)",
    ),
    Option(
        name="in-flight",
        kind=integer(1, 1_000_000),
        default=None,
        metavar="N",
        help="unanswered messages that a user may have; more are dropped and counted "
        "(4096; closed: 1)",
    ),
    Option(
        name="publishers",
        kind=integer(1, _MOST_USERS),
        default=None,
        metavar="N",
        help="connections that publish (1)",
    ),
    Option(
        name="topics",
        kind=integer(1, _MOST_USERS),
        default=None,
        metavar="N",
        help="topics over which users and publishers are spread (1)",
    ),
    Option(
        name="topic",
        kind=text,
        default=None,
        metavar="NAME",
        help="what the topics are called; to listen: the one topic (load)",
    ),
    Option(
        name="size",
        kind=_size(1, _MOST_SIZE),
        default=None,
        metavar="BYTES",
        help="size of a message that is made up (128)",
    ),
    Option(
        name="template",
        kind=text,
        default=None,
        metavar="TEXT",
        help="text of a message; {marker} goes where our mark is put, {n}, {user} and "
        "{pad} (which fills up to --size) where you want them",
    ),
    Option(
        name="payload-file",
        kind=path,
        default=None,
        metavar="FILE",
        help="recorded messages, one a line, each with {marker}; sent in turn",
    ),
    Option(
        name="acknowledged",
        kind=boolean,
        default=True,
        is_flag=True,
        help="ask for an answer to each publication, where there is one",
    ),
    Option(
        name="read-rate",
        kind=_bytes_a_second,
        default=None,
        metavar="BYTES/s",
        help="how fast slow users read (never)",
    ),
    Option(
        name="hold",
        kind=_time(),
        default=None,
        metavar="TIME",
        help="how long a connection of a churn stays open (0)",
    ),
    Option(
        name="publish-path",
        kind=text,
        default=None,
        metavar="PATH",
        help="path at which publishers connect, if not at that of the target",
    ),
)
"""What a scenario is made of: flags, and keys of a table [[load.scenario]]."""

PLAN_OPTIONS: tuple[Option, ...] = (
    Option(
        name="duration",
        kind=_time(0.1),
        default=20.0,
        metavar="TIME",
        help="how long it takes, where no stage says it (20s)",
    ),
    Option(
        name="threshold",
        also=("thresholds",),
        kind=_threshold,
        default=(),
        many=True,
        metavar="EXPRESSION",
        help="what has to hold: 'p99 < 100ms', 'lost == 0', 'rate >= 5000/s' "
        "(repeatable)",
    ),
    Option(
        name="warm-up",
        kind=_time(),
        default=0.0,
        metavar="TIME",
        help="time at the start that counts for no latency (0)",
    ),
    Option(
        name="drain",
        kind=_time(),
        default=5.0,
        metavar="TIME",
        help="longest wait for what is under way at the end (5s)",
    ),
    Option(
        name="connect-within",
        kind=_time(0.1, 3600),
        default=30.0,
        metavar="TIME",
        help="longest wait until all connections are open (30s)",
    ),
    Option(
        name="opening",
        kind=integer(1, 65_536),
        default=64,
        metavar="N",
        help="opening handshakes under way at once (64)",
    ),
    Option(
        name="workers",
        kind=integer(0, 1024),
        default=0,
        metavar="N",
        help="processes that make the load (one a core)",
    ),
)
"""What is said of the whole plan: flags, and keys of the table [load]."""

COMMAND_OPTIONS: tuple[Option, ...] = (
    Option(
        name="plan",
        kind=path,
        default=None,
        metavar="FILE",
        help="TOML file with a table [load] and tables [[load.scenario]], which take "
        "the names of these options",
    ),
    Option(
        name="dry-run",
        kind=boolean,
        default=False,
        is_flag=True,
        help="show the plan and what it needs, and start nothing",
    ),
    Option(
        name="find",
        kind=_threshold,
        default=None,
        metavar="EXPRESSION",
        help="search for the highest rate that holds: 'p99 < 100ms'",
    ),
    Option(
        name="find-by",
        kind=choice("rate", "users"),
        default="rate",
        metavar="WHAT",
        help="what --find makes higher: rate or users (rate)",
    ),
    Option(
        name="headroom",
        kind=boolean,
        default=False,
        is_flag=True,
        help="measure what this machine can send, against an echo of our own",
    ),
    Option(
        name="prometheus",
        kind=integer(0, 65_535),
        default=None,
        metavar="PORT",
        help="serve the figures while it runs, at http://127.0.0.1:PORT/metrics",
    ),
    Option(
        name="cluster",
        kind=_cluster,
        default=None,
        metavar="ADDRESS",
        help="make the load on the machines of a dask cluster, one worker for each of "
        "their threads: tcp://10.0.0.1:8786",
    ),
)
"""What is done with the plan: flags alone."""

LOAD_OPTIONS = (*COMMAND_OPTIONS, *SCENARIO_OPTIONS, *PLAN_OPTIONS)
