"""``wavetank wreck``: run a server that is broken on purpose, or list them all.

It refuses to know what is broken and how.
"""

import argparse
from pathlib import Path

from wavetank.errors import UsageError

__all__ = ["main"]


def main(argv: list[str]) -> int:
    """Run a wreck until SIGTERM or Ctrl-C, or print the table.

    Returns:
        0; 1 where the wreck died by itself, which is the fault of one of them.

    Raises:
        UsageError: If the name is unknown, a port is taken, or a certificate or
            the file of the logs cannot be used.
    """
    options = _parser().parse_args(argv)
    from wavetank.wrecks import SoundServer, find, run

    if options.list:
        print(_table())
        return 0
    _check(options)
    server = find(options.name)(
        handshake_timeout=options.handshake_timeout,
        data=options.data,
        ping_interval=options.ping_interval,
        pong_timeout=options.pong_timeout,
        token=options.token,
    )

    def announce(server: SoundServer) -> None:
        urls = [f"ws://127.0.0.1:{server.port}/ws"]
        if server.tls_port is not None:
            urls.append(f"wss://localhost:{server.tls_port}/ws")
        print(f"{options.name} listens on {' and '.join(urls)}", flush=True)

    return run(
        server,
        announce,
        port=options.port,
        tls_port=options.tls_port,
        cert=options.cert,
        key=options.key,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wavetank wreck",
        description="Run a server that is broken on purpose, with one fault. "
        "The check named beside it in --list has to fail on it; "
        "the wreck called 'sound' has no fault, and everything has to pass.",
        allow_abbrev=False,
    )
    parser.add_argument("name", nargs="?", help="which wreck, or 'sound'")
    parser.add_argument("--list", action="store_true", help="print all of them")
    parser.add_argument(
        "--port", type=_port, default=0, help="plain port (default: a free one)"
    )
    parser.add_argument("--tls-port", type=_port, help="TLS port (default: no TLS)")
    parser.add_argument("--cert", type=Path, help="certificate chain, a PEM file")
    parser.add_argument("--key", type=Path, help="private key, a PEM file")
    parser.add_argument(
        "--handshake-timeout",
        type=_seconds,
        default=10.0,
        metavar="SECONDS",
        help="longest opening handshake (default: 10)",
    )
    parser.add_argument(
        "--ping-interval",
        type=_seconds,
        default=20.0,
        metavar="SECONDS",
        help="from one ping to the next (default: 20)",
    )
    parser.add_argument(
        "--pong-timeout",
        type=_seconds,
        default=20.0,
        metavar="SECONDS",
        help="what a pong may take; then the peer is gone (default: 20)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help="keep the topics' logs in a file, over a restart (default: in memory)",
    )
    parser.add_argument(
        "--token",
        help="who brings it may use the topics below 'private.' (default: nobody)",
    )
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65_535:
        raise ValueError
    return port


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 86_400:
        raise ValueError
    return seconds


_port.__name__ = "port"
_seconds.__name__ = "number of seconds"


def _check(options: argparse.Namespace) -> None:
    """Refuse what does not go together, all at once."""
    problems = []
    if options.name is None:
        problems.append("which wreck? see wavetank wreck --list")
    given = [options.tls_port is not None, bool(options.cert), bool(options.key)]
    if any(given) and not all(given):
        problems.append("--tls-port, --cert and --key go together")
    if problems:
        raise UsageError(problems)


def _table() -> str:
    """Return one line for each wreck: name, check, fault."""
    from wavetank.wrecks import SOUND, WRECKS

    rows = [("wreck", "has to fail", "what is broken"), (SOUND, "-", "Nothing.")]
    rows += [(name, wreck.check, wreck.fault) for name, wreck in WRECKS.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return "\n".join(
        f"{name:<{widths[0]}}  {check:<{widths[1]}}  {fault}"
        for name, check, fault in rows
    )
