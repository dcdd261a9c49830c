"""The hub's configuration: what the options mean, and whether they fit together.

It refuses to know files, flags and the environment; `settings` reads those.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from wavetank.errors import UsageError
from wavetank.hub.access import is_loopback
from wavetank.hub.durability import Durability, DurabilityRule
from wavetank.hub.limits import Crowd
from wavetank.hub.log import Bounds
from wavetank.hub.options import DEFAULT_HTTP_PORT, GIB, MIB
from wavetank.protocol import covers, matches
from wavetank.settings import Settings

__all__ = [
    "ConnectionLimits",
    "HubConfig",
    "Ports",
    "TokenKeys",
    "find_problems",
    "make_config",
]

_LEAST_SECRET = 32
"""Bytes of a secret for HS256: as many as the hash has (RFC 7518 3.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKeys:
    """How JSON Web Tokens (RFC 7519) are checked.

    Attributes:
        secrets: Shared secrets for HS256.
        file: JWKS or PEM file with public keys for RS256 and ES256.
        audience: What ``aud`` has to name; None: nothing.
        issuer: What ``iss`` has to be; None: anything.
    """

    secrets: tuple[str, ...] = field(default=(), repr=False)
    file: Path | None = None
    audience: str | None = None
    issuer: str | None = None

    @property
    def is_set(self) -> bool:
        """Whether there is anything to check a token with."""
        return bool(self.secrets) or self.file is not None


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
        message_within: Seconds from the first frame of a message to its end.
        payload_bytes: Largest payload.
        topics: Most topics.
        commands_per_s: Commands a second.
        publish_per_s: Publications a second.
        subscribe_per_s: Subscriptions a second.
        history_per_s: History reads a second.
        first_command: Seconds until ``auth``, where that is required.
        slow_after: Seconds that it may be behind.
        slow_bytes: Bytes that it may be behind.
    """

    message_bytes: int | None = MIB
    message_within: float | None = 60.0
    payload_bytes: int | None = 65536
    topics: int | None = 128
    commands_per_s: float | None = None
    publish_per_s: float | None = None
    subscribe_per_s: float | None = None
    history_per_s: float | None = None
    first_command: float | None = 10.0
    slow_after: float | None = 30.0
    slow_bytes: int | None = 256 * MIB

    @property
    def rates(self) -> dict[str, float | None]:
        """How many a second there may be, by what is limited."""
        return {
            "commands": self.commands_per_s,
            "publish": self.publish_per_s,
            "subscribe": self.subscribe_per_s,
            "history": self.history_per_s,
        }


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
        data: Folder of the durable log; None: there is none.
        durability: Of topics; the first rule that fits holds. Where none fits it is
            ``log`` with a folder and ``memory`` without.
        node: Name of the node.
        echo: Whether ``/echo`` answers.
        compression: Whether permessage-deflate is agreed to.
        tokens: Tokens of clients. Without one, and without keys in ``jwt``, everybody
            is let in.
        operator_tokens: Tokens of operators.
        jwt: How JSON Web Tokens are checked.
        query_token: Whether a token may stand in the URL.
        allow_anonymous: Whether nobody needs a token, beyond loopback too.
        allow_origins: Origins of web pages that may connect.
        limits: Of one connection.
        crowd: How many connections.
        ring: What stays at hand of a topic.
        ring_total: Bytes that stay at hand of all topics; None is "no limit".
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
    data: Path | None = None
    durability: tuple[DurabilityRule, ...] = ()
    node: str = "hub-1"
    echo: bool = False
    compression: bool = False
    tokens: tuple[str, ...] = field(default=(), repr=False)
    operator_tokens: tuple[str, ...] = field(default=(), repr=False)
    jwt: TokenKeys = TokenKeys()
    query_token: bool = False
    allow_anonymous: bool = False
    allow_origins: tuple[str, ...] = ()
    limits: ConnectionLimits = ConnectionLimits()
    crowd: Crowd = _CROWD
    ring: Bounds = _RING
    ring_total: int | None = GIB
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
        return bool(self.tokens or self.jwt.is_set) and not self.allow_anonymous

    @property
    def knows_tokens(self) -> bool:
        """Whether any token could be right."""
        return bool(self.tokens or self.operator_tokens or self.jwt.is_set)

    @property
    def usual_durability(self) -> Durability:
        """What topics have that no rule fits."""
        return Durability.MEMORY if self.data is None else Durability.LOG

    def durability_of(self, topic: str) -> Durability:
        """Return what a topic's publications have before they are seen."""
        if self.data is None:
            return Durability.MEMORY
        for rule in self.durability:
            if matches(rule.pattern, topic):
                return rule.level
        return self.usual_durability

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)


def make_config(settings: Settings) -> HubConfig:
    """Make the configuration of what the options say.

    Raises:
        UsageError: With everything that does not fit together.
    """
    problems = find_problems(settings)
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
        jwt=TokenKeys(
            secrets=settings["jwt-secret"],
            file=settings["jwt-keys"],
            audience=settings["jwt-audience"],
            issuer=settings["jwt-issuer"],
        ),
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
    "data",
    "durability",
    "node",
    "echo",
    "compression",
    "query_token",
    "allow_anonymous",
    "ring_total",
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


def find_problems(settings: Settings, *, unusable: Collection[str] = ()) -> list[str]:
    """Return what does not fit together, a sentence each.

    Args:
        settings: What the options say.
        unusable: Keys of options that were given something that cannot be used: what
            depends on them is not judged, because their defaults were not meant.
    """
    doubtful = set(unusable)
    return [words for keys, words in _misfits(settings) if doubtful.isdisjoint(keys)]


_Misfit = tuple[tuple[str, ...], str]
"""The options that do not fit together, and a sentence."""

_ALL_TOKENS = ("token", "operator_token", "jwt_secret", "jwt_keys")


def _misfits(settings: Settings) -> Iterator[_Misfit]:
    yield from _misfits_of_durability(settings)
    yield from _misfits_of_tokens(settings)
    yield from _misfits_of_sizes(settings)
    yield from _misfits_of_ports(settings)


def _misfits_of_durability(settings: Settings) -> Iterator[_Misfit]:
    rules: tuple[DurabilityRule, ...] = settings["durability"]
    is_written = any(rule.level is not Durability.MEMORY for rule in rules)
    if settings["data"] is None and is_written:
        words = "--durability: log and fsync need a folder: give --data DIR"
        yield ("data", "durability"), words
    for place, rule in enumerate(rules):
        for first in rules[:place]:
            if covers(first.pattern, rule.pattern):
                words = f"never holds: {first} before it has all its topics already"
                yield ("durability",), f"--durability {rule}: {words}"
                break


def _misfits_of_tokens(settings: Settings) -> Iterator[_Misfit]:
    if any(len(secret) < _LEAST_SECRET for secret in settings["jwt_secret"]):
        words = f"a secret of HS256 has at least {_LEAST_SECRET} bytes (RFC 7518 3.2)"
        yield ("jwt_secret",), f"--jwt-secret: {words}"
    if not settings["jwt_secret"] and settings["jwt_keys"] is None:
        for key in ("jwt_audience", "jwt_issuer"):
            if settings[key] is not None:
                words = "is of no use without --jwt-secret or --jwt-keys"
                yield (key, "jwt_secret", "jwt_keys"), f"{_flag(key)}: {words}"
    if settings["query_token"] and not any(settings[key] for key in _ALL_TOKENS):
        words = "--query-token: is of no use without --token or keys of JWT"
        yield ("query_token", *_ALL_TOKENS), words
    if _is_open_to_all(settings):
        yield (
            ("host", "token", "jwt_secret", "jwt_keys", "allow_anonymous"),
            f"--host {settings['host']}: can be reached from other machines, and no "
            "token is set: give --token, or type --allow-anonymous",
        )


def _misfits_of_sizes(settings: Settings) -> Iterator[_Misfit]:
    message, payload = settings["message_bytes"], settings["payload_bytes"]
    if message is not None and (payload is None or message < payload):
        yield (
            ("message_bytes", "payload_bytes"),
            f"--message-bytes {message}: no payload of --payload-bytes "
            f"{'unlimited' if payload is None else payload} would fit into a message",
        )
    most = message if payload is None else payload
    kept = settings["retention_bytes"]
    if kept is not None and most is not None and kept < most:
        words = f"a payload of {most} bytes would be gone as soon as it is there"
        keys = ("retention_bytes", "message_bytes", "payload_bytes")
        yield keys, f"--retention-bytes {kept}: {words}"


def _misfits_of_ports(settings: Settings) -> Iterator[_Misfit]:
    port, http = settings["port"], settings["http_port"]
    if port and port == http:
        words = "is --port already, which answers HTTP too"
        yield ("port", "http_port"), f"--http-port {http}: {words}"
    if settings["cert"] is None:
        for key in ("key", "tls_port"):
            if settings[key] is not None:
                yield (key, "cert"), f"{_flag(key)}: is of no use without --cert"
    elif settings["tls_port"] is None and port == 65535:
        words = "--tls-port: there is no port behind 65535; name one"
        yield ("port", "tls_port"), words
    else:
        ports = _ports(settings)
        if ports.tls and ports.tls in (ports.plain, ports.http):
            words = f"--tls-port {ports.tls}: is --port or --http-port already"
            yield ("port", "tls_port", "http_port"), words


def _flag(key: str) -> str:
    return f"--{key.replace('_', '-')}"


def _is_open_to_all(settings: Settings) -> bool:
    """Tell whether strangers could come in without anybody having typed that."""
    return not (
        is_loopback(settings["host"])
        or settings["token"]
        or settings["jwt-secret"]
        or settings["jwt-keys"] is not None
        or settings["allow-anonymous"]
    )
