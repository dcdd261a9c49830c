"""``wavetank hub``: start the hub.

It refuses to know what the hub does with its configuration.
"""

import contextlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread

from wavetank.cli.parser import Parser
from wavetank.errors import ExitCode, UsageError, nearest
from wavetank.hub.config import HubConfig, find_problems, make_config
from wavetank.hub.options import OPTIONS
from wavetank.settings import Row, Settings, read_toml, resolve

__all__ = ["main"]

_DESCRIPTION = "Start the hub: publish/subscribe over WebSocket, wavetank.v1."

_EPILOG = """\
An option is taken from the first of these that has it:
  the command line        --ping 10s
  the environment         WAVETANK_HUB_PING=10s
  the file of --config    ping = "10s" under [hub]
Give tokens as WAVETANK_HUB_TOKEN, WAVETANK_OPERATOR_TOKEN and WAVETANK_JWT_SECRET, and
they do not stand in the list of processes; WAVETANK_TOKEN is what clients sign in with.
What may be repeated is separated by commas there, and is a list in the file. LOG_LEVEL
sets --log-level. Limits take the word unlimited, sizes take KiB and MiB, times take ms,
s, m and h.

Without a token everybody is let in, and only from this machine.

exit codes:
    0  stopped cleanly, by SIGTERM or SIGINT
    2  the command line, the environment or the file is wrong
    3  it met a fault of its own
    4  it could not start: a port is taken, or the data folder is in use
  130  a second signal came before all connections were closed, or time was up
"""

_PREFIX = "WAVETANK_HUB_"
_TABLE = "hub"

_TABLES = (_TABLE, "run", "dialect")
"""What the file may have; the lab reads the others from the same one."""


def main(argv: list[str]) -> int:
    """Run the hub until it is stopped.

    Args:
        argv: What stands behind ``wavetank hub``.

    Raises:
        UsageError: With everything that is wrong with it.
        TargetError: If a port or the data folder cannot be had.
    """
    parser = Parser("hub", description=_DESCRIPTION, options=OPTIONS, epilog=_EPILOG)
    parser.add_argument(
        "--show-config",
        action="store_true",
        help="show each option's value and where it comes from, and start nothing",
    )
    typed = parser.parse(argv)
    flags = parser.flags(typed)
    settings, config = _configure(flags, os.environ)
    if typed.show_config:
        _show(settings, config)
        return ExitCode.PASS

    from wavetank.hub.aio import serve

    def read_again() -> HubConfig:
        return _configure(flags, os.environ)[1]

    return serve(
        config, _announce, read_again=read_again if settings["config"] else None
    )


def _announce(urls: list[str]) -> None:
    line = f"wavetank hub ready: {' '.join(urls)}\n"
    try:
        descriptor = sys.stdout.fileno()
    except io.UnsupportedOperation:
        print(line, end="", flush=True)
        return
    # A pipe that nobody empties keeps who writes to it, and the hub has to answer.
    Thread(
        target=_write, args=(descriptor, line), name="announcement", daemon=True
    ).start()


def _write(descriptor: int, line: str) -> None:
    """Write past stdout's buffer: what is stuck in there would hold up the end."""
    # It is a service: it goes on where nobody listens to its announcement.
    with (
        contextlib.suppress(OSError),
        open(descriptor, "wb", buffering=0, closefd=False) as stdout,
    ):
        stdout.write(line.encode())


# From what was typed to a configuration.


def _configure(
    flags: Mapping[str, object], environ: Mapping[str, str]
) -> tuple[Settings, HubConfig]:
    """Resolve the options; every mistake of every place is told at once."""
    problems: list[str] = []
    file = str(flags.get("config") or environ.get(f"{_PREFIX}CONFIG", ""))
    content = _read(file, problems) if file else ""
    table = _table(file, content, problems)
    is_read = not problems
    settings = resolve(
        OPTIONS,
        flags=flags,
        environ=environ,
        toml=(file, content, _TABLE) if table else None,
        prefix=_PREFIX,
        problems=problems,
    )
    if "config" in table:
        words = "only a flag or the environment can name this file"
        problems.append(f"{file} [{_TABLE}] config: {words}")
    if is_read:
        unusable = _unusable(settings, flags, environ, table)
        problems += find_problems(settings, unusable=unusable)
    if problems:
        raise UsageError(problems)
    return settings, make_config(settings)


def _read(file: str, problems: list[str]) -> str:
    try:
        return Path(file).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        problems.append(f"--config {file}: not a text file in UTF-8")
    except OSError as error:
        problems.append(f"--config {file}: {error.strerror}")
    return ""


def _table(file: str, content: str, problems: list[str]) -> Mapping[str, object]:
    """Return the file's own table for the hub, and note what else is wrong with it."""
    try:
        document = read_toml(file, content)
    except UsageError as error:
        problems += error.problems
        return {}
    for name, value in document.items():
        if name in _TABLES:
            continue
        if isinstance(value, dict):
            problems.append(f"{file} [{name}]: unknown section{nearest(name, _TABLES)}")
        else:
            problems.append(f"{file} {name}: stands outside of the table [{_TABLE}]")
    table = document.get(_TABLE, {})
    if isinstance(table, dict):
        return table
    problems.append(f"{file} {_TABLE}: is not a table; write [{_TABLE}]")
    return {}


def _unusable(
    settings: Settings,
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    table: Mapping[str, object],
) -> list[str]:
    """Return the options that were given, and are at their default all the same."""
    in_file = {name.replace("-", "_") for name in table}
    return [
        option.key
        for option in OPTIONS
        if settings.source(option.key) == "default"
        and (
            flags.get(option.name) is not None
            or any(environ.get(name) for name in option.variables(_PREFIX))
            or option.key in in_file
        )
    ]


# Showing it.


def _show(settings: Settings, config: HubConfig) -> None:
    rows = [_effective(row, config) for row in settings.table()]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, value, source in rows:
        print(f"{name:<{widths[0]}}  {value:<{widths[1]}}  {source}")
    for file in _open_files(settings, rows):
        print(file, file=sys.stderr)


def _effective(row: Row, config: HubConfig) -> Row:
    """Return a row with what an option that was left out comes to."""
    match row.name:
        case "http-port":
            return row._replace(value=_port(config.ports.http))
        case "tls-port":
            return row._replace(value=_port(config.ports.tls))
        case "durability" if not config.durability:
            return row._replace(value=config.usual_durability)
    return row


def _port(number: int | None) -> str:
    return "off" if number is None else str(number)


def _open_files(settings: Settings, rows: Sequence[Row]) -> list[str]:
    """Return a warning where others can read the secrets in the file."""
    file: Path | None = settings["config"]
    secrets = [option.name for option in OPTIONS if option.secret]
    held = [row.name for row in rows if row.name in secrets]
    found = [name for name in held if f"[{_TABLE}]" in settings.source(name)]
    if file is None or not found:
        return []
    mode = file.stat().st_mode & 0o777
    if not mode & 0o077:
        return []
    return [
        f"wavetank hub: {file} has {', '.join(found)} in it and is open to others "
        f"(mode {mode:o}); `chmod 600 {file}` closes it"
    ]
