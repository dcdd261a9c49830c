"""The hub's table of options, and the kinds of values that only it has.

It refuses to know what is done with a value, and which values fit together.
"""

import math

from wavetank.hub.durability import read_rule
from wavetank.settings import (
    Kind,
    Option,
    boolean,
    choice,
    integer,
    path,
    seconds,
    size_in_bytes,
    text,
    unlimited_or,
)

__all__ = ["DEFAULT_HTTP_PORT", "GIB", "MIB", "OPTIONS"]

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


_LEVELS = choice("debug", "info", "warning", "error")


_OTHER_LEVELS = {
    "critical": "error",
    "fatal": "error",
    "notset": "debug",
    "trace": "debug",
    "warn": "warning",
}
"""What else other programs take for ``LOG_LEVEL``, which is not the hub's alone."""


def _level(typed: str) -> object:
    """Read a level of log lines, in capitals too."""
    word = typed.strip().lower()
    return _LEVELS(_OTHER_LEVELS.get(word, word))


def _limit(name: str, kind: Kind, default: object, help_text: str) -> Option:
    return Option(name=name, kind=unlimited_or(kind), default=default, help=help_text)


def _wait(name: str, default: float, help_text: str) -> Option:
    return Option(name=name, kind=_positive, default=default, help=help_text)


_COUNT = integer(1)
_SIZE = size_in_bytes

_PLACES = (
    Option(
        name="config",
        kind=path,
        default=None,
        help="TOML file whose table [hub] has these options, under the same names",
        metavar="FILE",
    ),
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
        help="folder of the durable log; left out: everything is in memory",
        metavar="DIR",
    ),
    Option(
        name="durability",
        kind=read_rule,
        default=(),
        help="what a publication has before anybody sees it: memory, log (written) "
        "or fsync, for all topics or as PATTERN=LEVEL; may be repeated, the first "
        "that fits a topic holds; left out: log with --data, else memory",
        many=True,
        metavar="LEVEL",
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
        many=True,
        secret=True,
    ),
    Option(
        name="operator-token",
        kind=_token,
        default=(),
        help="a token that also opens status and metrics; may be repeated",
        env=("WAVETANK_OPERATOR_TOKEN",),
        many=True,
        secret=True,
    ),
    Option(
        name="jwt-secret",
        kind=_token,
        default=(),
        help="secret of JSON Web Tokens (HS256), 32 bytes or more; may be repeated",
        env=("WAVETANK_JWT_SECRET",),
        many=True,
        secret=True,
    ),
    Option(
        name="jwt-keys",
        kind=path,
        default=None,
        help="file with public keys of JSON Web Tokens (RS256, ES256): JWKS or PEM",
        metavar="FILE",
    ),
    Option(
        name="jwt-audience",
        kind=text,
        default=None,
        help="audience (aud) that a JSON Web Token has to name",
    ),
    Option(
        name="jwt-issuer",
        kind=text,
        default=None,
        help="issuer (iss) that a JSON Web Token has to name",
    ),
    Option(
        name="query-token",
        kind=boolean,
        default=False,
        help="take a token from ?token= in the URL too, where proxies log it",
        is_flag=True,
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
    _limit("message-within", _positive, 60.0, "how long a message may take to come"),
    _limit("payload-bytes", _SIZE, 65536, "largest payload of a publication"),
    _limit("topics", _COUNT, 128, "most topics of one connection"),
    _limit("connections", _COUNT, 10_000, "most connections"),
    _limit("connections-per-ip", _COUNT, 10_000, "most connections of one address"),
    _limit("connections-per-user", _COUNT, 10_000, "most connections of one user"),
    _limit("commands-per-s", _rate, None, "commands a second of one connection"),
    _limit("publish-per-s", _rate, None, "publications a second of one connection"),
    _limit("subscribe-per-s", _rate, None, "subscriptions a second of one connection"),
    _limit("history-per-s", _rate, None, "history reads a second of one connection"),
    _limit("ring-entries", _COUNT, 10_000, "entries of a topic at hand in memory"),
    _limit("ring-bytes", _SIZE, 64 * MIB, "bytes of a topic at hand in memory"),
    _limit("ring-total", _SIZE, GIB, "bytes of all topics at hand in memory"),
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
        name="compression",
        kind=boolean,
        default=False,
        help="agree to permessage-deflate; each event is compressed once for all",
        is_flag=True,
    ),
    Option(
        name="loop",
        kind=choice("auto", "asyncio", "uvloop"),
        default="auto",
        help="event loop: auto, asyncio or uvloop",
    ),
    Option(
        name="log-level",
        kind=_level,
        default="info",
        help="least level of log lines: debug, info, warning, error",
        env=("LOG_LEVEL",),
    ),
)

OPTIONS: tuple[Option, ...] = (*_PLACES, *_RIGHTS, *_BOUNDS, *_WAITS, *_PROCESS)
"""Every option of the hub."""
