"""The options of a run: one table for command line, environment and plugin.

It refuses to know who asks: `cli` and `pytest_plugin` both register its rows.
"""

from wavetank.settings import (
    Kind,
    Option,
    boolean,
    choice,
    integer,
    path,
    seconds,
    text,
)

__all__ = ["OPTIONS", "RUN_VARIABLES"]

RUN_VARIABLES: dict[str, tuple[str, ...]] = {
    "RUN_CONNECTIVITY": ("connectivity",),
    "RUN_MESSAGE_FLOW": ("message_flow",),
    "RUN_FAULT_TOLERANCE": ("fault_tolerance",),
    "RUN_LOAD_TESTS": ("load",),
    "RUN_INTEGRATION": ("integration",),
    "RUN_PERFORMANCE": ("performance",),
}
"""Environment variables (true or false) and the suites that they switch."""


def _between(least: float, most: float) -> Kind:
    """Make a kind for durations within bounds, both included, in seconds."""

    def kind(typed: str) -> float:
        value = seconds(typed)
        if not least <= value <= most:
            raise ValueError(f"{typed} is not from {least:g} to {most:g} seconds")
        return value

    return kind


OPTIONS: tuple[Option, ...] = (
    Option(
        name="target",
        also=("external-server",),
        kind=text,
        default="",
        metavar="URL",
        help="a server that already runs, as ws:// or wss:// URL",
    ),
    Option(
        name="serve",
        kind=text,
        default="",
        metavar="CMD",
        help="start this command as the target; {port}, {tls_port}, {cert}, {key}, "
        "{ca} and {data} are filled in",
    ),
    Option(
        name="dialect",
        kind=text,
        default="auto",
        metavar="NAME",
        help="how the target speaks: auto, echo, hub, bare, or one that the "
        "settings file describes",
    ),
    Option(
        name="config",
        kind=path,
        default="wavetank.toml",
        metavar="FILE",
        help="settings file; its [run] table takes the names of these options",
    ),
    Option(
        name="env-file",
        kind=path,
        default=".env.test",
        metavar="FILE",
        help="file of environment variables",
    ),
    Option(
        name="output",
        kind=path,
        default="results",
        metavar="DIR",
        help="folder in which the results folder is made",
    ),
    Option(
        name="fail-fast",
        kind=boolean,
        default=False,
        is_flag=True,
        help="stop at the first check that fails",
    ),
    Option(
        name="seed",
        kind=integer(minimum=0),
        default=None,
        metavar="N",
        help="seed of every die; drawn and reported where it is not given",
    ),
    Option(
        name="full",
        kind=boolean,
        default=False,
        is_flag=True,
        help="take the time: larger populations, longer loads, every conformance case",
    ),
    Option(
        name="exhaustive",
        kind=boolean,
        default=False,
        is_flag=True,
        help="1,000 messages in each conformance case that sends many, not a few dozen",
    ),
    Option(
        name="patience",
        kind=_between(0.1, 600),
        default=45.0,
        metavar="SECONDS",
        help="how long connections that stall are watched (45)",
    ),
    Option(
        name="ready-timeout",
        kind=_between(0.1, 3600),
        default=15.0,
        metavar="SECONDS",
        help="how long the target may take to become ready",
    ),
    Option(
        name="header",
        kind=text,
        default=(),
        many=True,
        secret=True,
        metavar="'NAME: VALUE'",
        help="send this header with every opening handshake (repeatable)",
    ),
    Option(
        name="cookie",
        kind=text,
        default=(),
        many=True,
        secret=True,
        metavar="NAME=VALUE",
        help="send this cookie with every opening handshake (repeatable)",
    ),
    Option(
        name="subprotocol",
        kind=text,
        default=(),
        many=True,
        metavar="NAME",
        help="offer this subprotocol in place of the dialect's (repeatable)",
    ),
    Option(
        name="origin",
        kind=text,
        default="",
        metavar="URL",
        help="send this Origin header",
    ),
    Option(
        name="token",
        kind=text,
        default="",
        secret=True,
        metavar="TOKEN",
        help="present this token (better: the variable WAVETANK_TOKEN)",
    ),
    Option(
        name="ca",
        kind=path,
        default="",
        metavar="FILE",
        help="trust the authorities in this PEM file",
    ),
    Option(
        name="insecure",
        kind=boolean,
        default=False,
        is_flag=True,
        help="accept any certificate; ssl_connection then skips",
    ),
    Option(
        name="no-ssl",
        kind=boolean,
        default=False,
        is_flag=True,
        help="leave TLS out",
    ),
    Option(
        name="dynamic-ports",
        kind=boolean,
        default=True,
        is_flag=True,
        help="draw the target's ports at random (the default)",
    ),
    Option(
        name="start-port",
        kind=integer(minimum=1, maximum=65535),
        default=9000,
        metavar="PORT",
        help="without dynamic ports: look for free ports from here on (9000)",
    ),
    Option(
        name="port",
        kind=integer(minimum=1, maximum=65535),
        default=None,
        env=("WEBSOCKET_PORT",),
        metavar="PORT",
        help="start the target on exactly this port",
    ),
    Option(
        name="tls-port",
        kind=integer(minimum=1, maximum=65535),
        default=None,
        env=("WEBSOCKET_SSL_PORT",),
        metavar="PORT",
        help="start the target's TLS listener on exactly this port",
    ),
    Option(
        name="max-clients",
        kind=integer(minimum=1, maximum=10_000),
        default=100,
        metavar="N",
        help="most connections at the same time (100)",
    ),
    Option(
        name="test-duration",
        kind=_between(0.1, 3600),
        default=10.0,
        metavar="SECONDS",
        help="how long a load flows with --full, or where it is given (10); and how "
        "long --faults are played",
    ),
    Option(
        name="faults",
        kind=text,
        default="",
        metavar="RULES",
        help="what fault_tolerance.mixed_schedule breaks, and when: "
        "'kill every 30s for 2s; cut stagger 5s', or @FILE",
    ),
    Option(
        name="contract",
        kind=path,
        default="",
        metavar="FILE",
        help="AsyncAPI 3 document, as JSON, that the target's messages have to fit",
    ),
    Option(
        name="contract-of",
        kind=choice("server", "client"),
        default="server",
        metavar="SIDE",
        help="whose messages the contract calls sent: the server's or the client's "
        "(server)",
    ),
    Option(
        name="known-failures",
        kind=path,
        default="",
        metavar="FILE",
        help="TOML list of failures that are known: check, reason, until",
    ),
    Option(
        name="i-own-this-target",
        kind=boolean,
        default=False,
        is_flag=True,
        help="put impolite checks on a target that is not on this machine, too",
    ),
    Option(
        name="coverage",
        kind=boolean,
        default=False,
        is_flag=True,
        help="run a Python target under coverage.py and report what was reached",
    ),
)
