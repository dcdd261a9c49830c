"""Ports that are held from the moment they are handed out.

It refuses to know what will listen on them.

A hold has two parts.

The *token* says "this process has port n" to every other Wavetank process. It is
a Unix socket in Linux's abstract namespace: the name lives exactly where ports
live, in the network namespace, leaves no file, and the kernel frees it when the
process dies, however it dies. Elsewhere a UDP socket on loopback does the same.

The *stopper* says it to everybody else: a TCP socket, bound to all addresses with
SO_REUSEADDR, never listening. A program without SO_REUSEADDR cannot bind, and no
outgoing connection gets the port. A server that sets SO_REUSEADDR, as asyncio,
uvloop, libuv and Go do, binds and listens over it (on Linux). For any other server
``hand_over`` takes the stopper away; the token stays until ``release_port``.
"""

import atexit
import contextlib
import errno
import os
import random
import socket
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from wavetank.errors import LocalError, UsageError

__all__ = [
    "find_available_port",
    "find_dynamic_port",
    "get_free_port_pair",
    "get_websocket_uri",
    "hand_over",
    "held_ports",
    "hold_port",
    "is_port_in_use",
    "release_port",
    "update_websocket_env_vars",
]

_LAST = 65535
_PAIR_ATTEMPTS = 1000
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
# On Linux the first row alone conflicts with a listener on any address; BSD lets a
# wildcard and a loopback socket with SO_REUSEADDR share a port, so ask for each.
_EVERYWHERE = (
    (socket.AF_INET6, "::"),
    (socket.AF_INET, "0.0.0.0"),
    (socket.AF_INET, "127.0.0.1"),
    (socket.AF_INET6, "::1"),
)
# A port is not part of a run's seed: two runs with the same seed, side by side,
# must not draw the same ports.
_DICE = random.SystemRandom()


class _AbstractToken:
    """The right to a port as a name in the abstract namespace (Linux)."""

    @staticmethod
    def _name(port: int) -> str:
        return f"\0wavetank-port-{port}"

    def take(self, port: int) -> socket.socket | None:
        """Return the token, or None where somebody has it."""
        token = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        return token if _bind(token, self._name(port)) else None

    def is_taken(self, port: int) -> bool:
        """Say whether any process has the token, without touching it."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            return probe.connect_ex(self._name(port)) == 0


class _LoopbackToken:
    """The right to a port as a UDP socket on loopback (where there is no better).

    It keeps a target from using UDP on 127.0.0.1 on the same number.
    """

    def take(self, port: int) -> socket.socket | None:
        """Return the token, or None where somebody has it."""
        token = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        return token if _bind(token, ("127.0.0.1", port)) else None

    def is_taken(self, port: int) -> bool:
        """Say whether any process has the token."""
        token = self.take(port)
        if token is not None:
            token.close()
        return token is None


class _Hold:
    """One port of ours."""

    __slots__ = ("stopper", "token")

    def __init__(self, token: socket.socket, stopper: socket.socket | None) -> None:
        self.token = token
        self.stopper = stopper

    def hand_over(self) -> None:
        """Let go of the TCP side alone."""
        if self.stopper is not None:
            self.stopper.close()
            self.stopper = None

    def close(self) -> None:
        """Let go of everything."""
        self.hand_over()
        self.token.close()


_tokens: _AbstractToken | _LoopbackToken = (
    _AbstractToken() if sys.platform == "linux" else _LoopbackToken()
)
_holds: dict[int, _Hold] = {}
_lock = threading.Lock()


def is_port_in_use(port: int) -> bool:
    """Say whether somebody else has the port.

    That is a listener on any address, a socket bound without SO_REUSEADDR, or
    another Wavetank process that holds it. Our own hold does not count, a server
    that listens on it does. The probe binds for an instant: do not wait for a
    server with it.

    Raises:
        UsageError: If ``port`` is no port number.
    """
    _check_port(port)
    with _lock:
        if port not in _holds and _tokens.is_taken(port):
            return True
        try:
            return not _is_bindable(port)
        except PermissionError:
            return _accepts_connections(port)


def find_available_port(start_port: int = 9000, max_attempts: int = 100) -> int:
    """Hold and return the first free port from ``start_port`` upwards.

    Args:
        start_port: First candidate.
        max_attempts: How many candidates to try.

    Raises:
        UsageError: If a number is wrong, or no candidate is free.
    """
    _check_port(start_port, "start_port")
    _check_count(max_attempts, "max_attempts")
    last = min(start_port + max_attempts - 1, _LAST)
    port = _first(range(start_port, last + 1))
    if port is None:
        raise UsageError(
            f"no free port from {start_port} to {last}; "
            "start elsewhere, or allow more attempts"
        )
    return port


def find_dynamic_port() -> int:
    """Hold and return a free port, drawn at random.

    It lies outside the range from which the kernel takes ports for outgoing
    connections, so that none can steal it while a target restarts.

    Raises:
        UsageError: If every port is taken.
    """
    candidates = list(_outside(*_ephemeral_range()))
    start = _DICE.randrange(len(candidates))
    port = _first(candidates[start:] + candidates[:start])
    if port is None:
        raise UsageError(
            f"none of {len(candidates)} ports is free; end what holds them"
        )
    return port


def get_free_port_pair(
    start_port: int = 9000, min_gap: int = 1, max_gap: int = 100
) -> tuple[int, int]:
    """Hold and return two free ports: the plain one and its TLS twin.

    Args:
        start_port: First candidate for the plain port.
        min_gap: Least distance of the twin, at least 1.
        max_gap: Greatest distance of the twin.

    Raises:
        UsageError: If a number is wrong, or no pair is free.
    """
    _check_port(start_port, "start_port")
    _check_count(min_gap, "min_gap")
    _check_count(max_gap, "max_gap")
    if max_gap < min_gap:
        raise UsageError(f"max_gap {max_gap} is less than min_gap {min_gap}")
    last = min(start_port + _PAIR_ATTEMPTS - 1, _LAST)
    for candidate in range(start_port, last + 1):
        if not _take(candidate):
            continue
        farthest = min(candidate + max_gap, _LAST)
        twin = _first(range(candidate + min_gap, farthest + 1))
        if twin is not None:
            return candidate, twin
        release_port(candidate)
    raise UsageError(
        f"no free pair of ports from {start_port} to {last} "
        f"with a gap of {min_gap} to {max_gap}; start elsewhere, or widen the gap"
    )


def hold_port(port: int) -> None:
    """Hold this very port; again, where ``hand_over`` had let go of its TCP side.

    Raises:
        UsageError: If ``port`` is no port number, or somebody else has it.
    """
    _check_port(port)
    with _lock:
        hold = _holds.get(port)
        if hold is not None and hold.stopper is None:
            hold.stopper = _stopper(port)
            taken = hold.stopper is not None
        else:
            taken = hold is not None or _take_locked(port)
    if not taken:
        raise UsageError(f"port {port} is in use; choose another one")


def hand_over(port: int) -> None:
    """Let a server bind a held port that does not set SO_REUSEADDR.

    Call it right before the server starts. Other Wavetank processes still keep
    away; a foreign program no longer has to.

    Raises:
        LocalError: If this process does not hold the port.
    """
    with _lock:
        hold = _holds.get(port)
        if hold is None:
            raise LocalError(f"port {port} is not held by this process")
        hold.hand_over()


def release_port(port: int) -> None:
    """Let go of a port; nothing happens where it is not held."""
    with _lock:
        hold = _holds.pop(port, None)
        if hold is not None:
            hold.close()


def held_ports() -> tuple[int, ...]:
    """Return the ports that this process holds, in ascending order."""
    with _lock:
        return tuple(sorted(_holds))


def update_websocket_env_vars(port: int, ssl_port: int | None = None) -> None:
    """Set ``WEBSOCKET_PORT`` and ``WEBSOCKET_SSL_PORT`` for this process's children.

    Without a TLS port its variable is removed, so that no stale one is read.

    Raises:
        UsageError: If a number is no port number.
    """
    _check_port(port)
    if ssl_port is None:
        os.environ.pop("WEBSOCKET_SSL_PORT", None)
    else:
        _check_port(ssl_port, "ssl_port")
        os.environ["WEBSOCKET_SSL_PORT"] = str(ssl_port)
    os.environ["WEBSOCKET_PORT"] = str(port)


def get_websocket_uri(port: int, host: str = "localhost", use_ssl: bool = False) -> str:
    """Return ``ws://host:port``, or ``wss://`` with ``use_ssl``.

    Raises:
        UsageError: If ``port`` is no port number.
    """
    _check_port(port)
    scheme = "wss" if use_ssl else "ws"
    bracketed = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"{scheme}://{bracketed}:{port}"


def _check_port(port: int, name: str = "port") -> None:
    if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= _LAST:
        raise UsageError(f"{name} {port!r} is no port number; use 1 to {_LAST}")


def _check_count(count: int, name: str) -> None:
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise UsageError(f"{name} {count!r} is no count; use 1 or more")


def _first(candidates: Iterable[int]) -> int | None:
    """Hold the first free candidate."""
    return next(filter(_take, candidates), None)


def _take(port: int) -> bool:
    """Hold a port unless anybody, we included, has it."""
    with _lock:
        return _take_locked(port)


def _take_locked(port: int) -> bool:
    if port in _holds:
        return False
    token = _tokens.take(port)
    if token is None:
        return False
    try:
        stopper = _stopper(port)
    except BaseException:
        token.close()
        raise
    if stopper is None:
        token.close()
        return False
    _holds[port] = _Hold(token, stopper)
    return True


def _stopper(port: int) -> socket.socket | None:
    """Return a TCP socket that keeps others off the port, or None if it is in use."""
    try:
        return _wildcard(port) if _is_bindable(port) else None
    except PermissionError:
        raise UsageError(
            f"port {port} needs privileges; choose one from 1024 upwards"
        ) from None


def _wildcard(port: int) -> socket.socket | None:
    """Bind all addresses; those of IPv4 alone where there is no IPv6."""
    try:
        return _bound(*_EVERYWHERE[0], port)
    except OSError:
        return _bound(*_EVERYWHERE[1], port)


def _is_bindable(port: int) -> bool:
    """Say whether a server with SO_REUSEADDR could listen on every address."""
    return all(_is_bindable_at(family, host, port) for family, host in _EVERYWHERE)


def _is_bindable_at(family: socket.AddressFamily, host: str, port: int) -> bool:
    try:
        probe = _bound(family, host, port)
    except PermissionError:
        raise
    except OSError:
        return True  # this machine has no such address, so nobody listens there
    if probe is None:
        return False
    probe.close()
    return True


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket | None:
    """Return a TCP socket bound with SO_REUSEADDR, or None if the port is in use."""
    options = [(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)]
    if family is socket.AF_INET6:
        options.append((socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0))
    tcp = socket.socket(family, socket.SOCK_STREAM)
    return tcp if _bind(tcp, (host, port), *options) else None


def _bind(
    unbound: socket.socket,
    address: str | tuple[str, int],
    *options: tuple[int, int, int],
) -> bool:
    """Bind; a socket that could not be bound is closed."""
    try:
        for option in options:
            unbound.setsockopt(*option)
        unbound.bind(address)
    except OSError as exc:
        unbound.close()
        if exc.errno == errno.EADDRINUSE:
            return False
        raise
    return True


def _accepts_connections(port: int) -> bool:
    """Say whether somebody answers on loopback (where we may not bind)."""
    for host in ("127.0.0.1", "::1"):
        with (
            contextlib.suppress(OSError),
            socket.create_connection((host, port), timeout=1.0),
        ):
            return True
    return False


def _ephemeral_range() -> tuple[int, int]:
    """Return the first and last port for outgoing connections."""
    try:
        first, last = _EPHEMERAL.read_text(encoding="ascii").split()
        return int(first), int(last)
    except (OSError, ValueError):
        return 49152, _LAST  # IANA's range, which other systems use (RFC 6335 6)


def _outside(first: int, last: int) -> Iterator[int]:
    """Yield ports away from the ephemeral range and from well-known services.

    Where the range covers all of them, yield them nevertheless: the stopper keeps
    outgoing connections off, except between ``hand_over`` and the server's bind.
    """
    everything = range(10_000, _LAST + 1)
    outside = [port for port in everything if not first <= port <= last]
    yield from outside or everything


def _forget() -> None:
    """Close every hold of this process."""
    global _lock  # noqa: PLW0603 - a lock copied by fork may be locked for ever
    _lock = threading.Lock()
    while _holds:
        _holds.popitem()[1].close()


# A forked child has copies of the sockets: without closing them it would keep the
# ports after its parent, and believe that they are its own.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
atexit.register(_forget)
