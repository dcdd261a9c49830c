"""The hub's configuration: one table of options, and the values made of it.

It refuses to know files, flags and the environment; `settings` reads those.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path

from wavetank.errors import UsageError
from wavetank.hub.access import is_loopback
from wavetank.hub.limits import Crowd
from wavetank.hub.log import Bounds
from wavetank.settings import (
    Kind,
    Option,
    Settings,
    boolean,
    choice,
    integer,
    path,
    seconds,
    size_in_bytes,
    text,
    unlimited_or,
)

__all__ = ["OPTIONS", "ConnectionLimits", "HubConfig", "Ports", "make_config"]

DEFAULT_PORT = 8765
DEFAULT_HTTP_PORT = 8000

MIB = 1024 * 1024
GIB = 1024 * MIB


def _port_or_off(typed: str) -> int | None:
    """Read a port number, 0 for any free one, or ``off``."""
    if typed.strip() == "off":
        return None
    try:
        return int(str(integer(0, 65535)(typed)))
    except ValueError as error:
        raise ValueError(f"{error} (or the word off)") from None


def _positive(typed: str) -> float:
    """Read a duration of at least a millisecond."""
    value = seconds(typed)
    if value < 0.001:
        raise ValueError(f"{typed!r} is too short; the least is 1ms")
    return value


def _rate(typed: str) -> float:
    """Read how many a second."""
    try:
        value = float(typed)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ValueError(f"{typed!r} is not a number above 0")
    return value


def _token(typed: str) -> str:
    """Read a token: what an Authorization header can carry (RFC 6750 2.1)."""
    if not typed or not typed.isascii() or not typed.isprintable() or " " in typed:
        raise ValueError("a token is printable ASCII without spaces")
    return typed


def _limit(name: str, kind: Kind, default: object, help_text: str) -> Option:
    return Option(name=name, kind=unlimited_or(kind), default=default, help=help_text)


def _wait(name: str, default: float, help_text: str) -> Option:
    return Option(name=name, kind=_positive, default=default, help=help_text)


_COUNT = integer(1)
_SIZE = size_in_bytes

_PLACES = (
    Option(name="host", kind=text, default="127.0.0.1", help="address to listen on"),
    Option(
        name="port",
        kind=integer(0, 65535),
        default=DEFAULT_PORT,
        help="plain port; 0 takes a free one",
        metavar="PORT",
    ),
    Option(
        name="tls-port",
        kind=integer(0, 65535),
        default=None,
        help="TLS port, with --cert; left out: the port behind --port (8766)",
        metavar="PORT",
    ),
    Option(
        name="http-port",
        kind=_port_or_off,
        default=None,
        help="one more plain port, or off; left out: 8000, and off with a --port",
        metavar="PORT",
    ),
    Option(name="cert", kind=path, default=None, help="TLS certificate chain (PEM)"),
    Option(name="key", kind=path, default=None, help="its key, if not in --cert"),
    Option(
        name="data",
        kind=path,
        default=None,
        help="folder of a durable log (not there yet: refused)",
    ),
    Option(
        name="node", kind=text, default="hub-1", help="name of this node in messages"
    ),
    Option(
        name="echo",
        kind=boolean,
        default=False,
        help="answer /echo: each message comes back",
        is_flag=True,
    ),
)

_RIGHTS = (
    Option(
        name="token",
        kind=_token,
        default=(),
        help="a token that lets a client in; may be repeated",
        env=("WAVETANK_TOKEN",),
        many=True,
        secret=True,
    ),
    Option(
        name="operator-token",
        kind=_token,
        default=(),
        help="a token that also opens the status page; may be repeated",
        env=("WAVETANK_OPERATOR_TOKEN",),
        many=True,
        secret=True,
    ),
    Option(
        name="allow-anonymous",
        kind=boolean,
        default=False,
        help="let everybody in without a token, beyond this machine too",
        is_flag=True,
    ),
    Option(
        name="allow-origin",
        kind=text,
        default=(),
        help="a web page's origin that may connect; may be repeated",
        many=True,
        metavar="ORIGIN",
    ),
)

_BOUNDS = (
    _limit("message-bytes", _SIZE, MIB, "largest WebSocket message"),
    _limit("payload-bytes", _SIZE, 65536, "largest payload of a publication"),
    _limit("topics", _COUNT, 128, "most topics of one connection"),
    _limit("connections", _COUNT, 10_000, "most connections"),
    _limit("connections-per-ip", _COUNT, 10_000, "most connections of one address"),
    _limit("connections-per-user", _COUNT, 10_000, "most connections of one user"),
    _limit("commands-per-s", _rate, None, "commands a second of one connection"),
    _limit("publish-per-s", _rate, None, "publications a second of one connection"),
    _limit("ring-entries", _COUNT, 10_000, "entries of a topic at hand in memory"),
    _limit("ring-bytes", _SIZE, 64 * MIB, "bytes of a topic at hand in memory"),
    _limit("retention-entries", _COUNT, 100_000, "entries kept of a topic"),
    _limit("retention-bytes", _SIZE, GIB, "bytes kept of a topic"),
    _limit("retention-age", _positive, 86_400.0, "how long entries are kept"),
    _limit("retention-total", _SIZE, 4 * GIB, "bytes kept of all topics together"),
    _limit("node-topics", _COUNT, 100_000, "most topics that were ever published to"),
    _limit("slow-after", _positive, 30.0, "how far behind a consumer may be, in time"),
    _limit("slow-bytes", _SIZE, 256 * MIB, "how far behind it may be, in bytes"),
    _limit("first-command", _positive, 10.0, "time until auth, where it is required"),
)

_WAITS = (
    _wait("handshake", 10.0, "longest opening handshake"),
    _wait("ping", 20.0, "time between heartbeats, and between pings"),
    _wait("pong", 20.0, "how long a pong may take"),
    _wait("closing", 5.0, "longest closing handshake"),
    _wait("drain", 30.0, "longest clean stop"),
)

_PROCESS = (
    Option(
        name="loop",
        kind=choice("auto", "asyncio", "uvloop"),
        default="auto",
        help="event loop: auto, asyncio or uvloop",
    ),
    Option(
        name="log-level",
        kind=choice("debug", "info", "warning", "error"),
        default="info",
        help="least level of log lines: debug, info, warning, error",
    ),
)

OPTIONS: tuple[Option, ...] = (*_PLACES, *_RIGHTS, *_BOUNDS, *_WAITS, *_PROCESS)
"""Every option of the hub."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where to listen; 0 is any free port, None is not at all."""

    plain: int = 0
    tls: int | None = None
    http: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What one connection may do; None is "no limit".

    Attributes:
        message_bytes: Largest message.
        payload_bytes: Largest payload.
        topics: Most topics.
        commands_per_s: Commands a second.
        publish_per_s: Publications a second.
        first_command: Seconds until ``auth``, where that is required.
        slow_after: Seconds that it may be behind.
        slow_bytes: Bytes that it may be behind.
    """

    message_bytes: int | None = MIB
    payload_bytes: int | None = 65536
    topics: int | None = 128
    commands_per_s: float | None = None
    publish_per_s: float | None = None
    first_command: float | None = 10.0
    slow_after: float | None = 30.0
    slow_bytes: int | None = 256 * MIB


_CROWD = Crowd(total=10_000, per_ip=10_000, per_user=10_000)
_RING = Bounds(entries=10_000, size=64 * MIB)
_RETENTION = Bounds(entries=100_000, size=GIB, age=86_400.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class HubConfig:
    """Everything that a node is told; the defaults are those of the options.

    Attributes:
        host: Address to listen on.
        ports: Ports to listen on.
        cert: File with the TLS certificate chain.
        key: File with its key.
        node: Name of the node.
        echo: Whether ``/echo`` answers.
        tokens: Tokens of clients; none at all lets everybody in.
        operator_tokens: Tokens of operators.
        allow_anonymous: Whether nobody needs a token, beyond loopback too.
        allow_origins: Origins of web pages that may connect.
        limits: Of one connection.
        crowd: How many connections.
        ring: What stays at hand of a topic.
        retention: What is kept of a topic.
        retention_total: Bytes that are kept of all topics; None is "no limit".
        node_topics: Topics that were ever published to; None is "no limit".
        handshake: Longest opening handshake, in seconds.
        ping: Seconds between heartbeats and between pings.
        pong: Seconds that a pong may take.
        closing: Longest closing handshake, in seconds.
        drain: Longest clean stop, in seconds.
        loop: Event loop.
        log_level: Least level of log lines.
    """

    host: str = "127.0.0.1"
    ports: Ports = Ports()
    cert: Path | None = None
    key: Path | None = None
    node: str = "hub-1"
    echo: bool = False
    tokens: tuple[str, ...] = field(default=(), repr=False)
    operator_tokens: tuple[str, ...] = field(default=(), repr=False)
    allow_anonymous: bool = False
    allow_origins: tuple[str, ...] = ()
    limits: ConnectionLimits = ConnectionLimits()
    crowd: Crowd = _CROWD
    ring: Bounds = _RING
    retention: Bounds = _RETENTION
    retention_total: int | None = 4 * GIB
    node_topics: int | None = 100_000
    handshake: float = 10.0
    ping: float = 20.0
    pong: float = 20.0
    closing: float = 5.0
    drain: float = 30.0
    loop: str = "auto"
    log_level: str = "info"

    @property
    def needs_auth(self) -> bool:
        """Whether a client must present a token."""
        return bool(self.tokens) and not self.allow_anonymous

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)


def make_config(settings: Settings) -> HubConfig:
    """Make the configuration of what the options say.

    Raises:
        UsageError: With everything that does not fit together.
    """
    problems = _problems(settings)
    if problems:
        raise UsageError(problems)
    limits = ConnectionLimits(
        **{name: settings[name] for name in ConnectionLimits.__dataclass_fields__}
    )
    crowd = Crowd(
        total=settings["connections"],
        per_ip=settings["connections-per-ip"],
        per_user=settings["connections-per-user"],
    )
    retention = Bounds(
        entries=settings["retention-entries"],
        size=settings["retention-bytes"],
        age=settings["retention-age"],
    )
    return HubConfig(
        ports=_ports(settings),
        tokens=settings["token"],
        operator_tokens=settings["operator-token"],
        allow_origins=settings["allow-origin"],
        limits=limits,
        crowd=crowd,
        ring=Bounds(entries=settings["ring-entries"], size=settings["ring-bytes"]),
        retention=retention,
        **{name: settings[name] for name in _AS_THEY_ARE},
    )


_AS_THEY_ARE = (
    "host",
    "cert",
    "key",
    "node",
    "echo",
    "allow_anonymous",
    "retention_total",
    "node_topics",
    "handshake",
    "ping",
    "pong",
    "closing",
    "drain",
    "loop",
    "log_level",
)


def _ports(settings: Settings) -> Ports:
    """Fill in the ports that were left out: they follow ``--port``."""
    plain = settings["port"]
    tls = settings["tls-port"]
    if settings["cert"] is None:
        tls = None
    elif tls is None:
        tls = plain + 1 if plain else 0
    http = settings["http-port"]
    if settings.source("http-port") == settings.source("port") == "default":
        http = DEFAULT_HTTP_PORT
    return Ports(plain=plain, tls=tls, http=http)


def _problems(settings: Settings) -> list[str]:
    found = []
    if settings["data"] is not None:
        found.append(
            "--data: the durable log is not there yet; "
            "leave it out and the log is kept in memory"
        )
    if settings["cert"] is None:
        found += [
            f"--{name}: is of no use without --cert"
            for name in ("key", "tls-port")
            if settings[name] is not None
        ]
    elif settings["tls-port"] is None and settings["port"] == 65535:
        found.append("--tls-port: there is no port behind 65535; name one")
    if _is_open_to_all(settings):
        found.append(
            f"--host {settings['host']}: can be reached from other machines, and no "
            "token is set: give --token, or type --allow-anonymous"
        )
    return found


def _is_open_to_all(settings: Settings) -> bool:
    """Tell whether strangers could come in without anybody having typed that."""
    return not (
        is_loopback(settings["host"])
        or settings["token"]
        or settings["allow-anonymous"]
    )
