"""Writes the tables of docs/reference/ from the code, or says what is stale.

    .venv/bin/python tools/reference.py [--check]

It refuses to touch what stands outside the marks of a table.
"""

import ast
import asyncio
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from wavetank.chaos.attributes import Attribute, ToxicType
from wavetank.chaos.control import ROUTES
from wavetank.chaos.options import PROXY_OPTIONS
from wavetank.chaos.reading import PROXY, address_text
from wavetank.chaos.spec import HEADER, WHEN
from wavetank.chaos.toxics import TYPES
from wavetank.client.options import PUB_OPTIONS, SUB_OPTIONS
from wavetank.hub import OPTIONS as HUB_OPTIONS
from wavetank.hub import HubConfig
from wavetank.hub.aio.lines import make_silent_logger
from wavetank.hub.aio.metrics import expose
from wavetank.hub.aio.process import make_node
from wavetank.kinds import UnlimitedOr, size_in_bytes
from wavetank.lab.catalogue import catalogue
from wavetank.lab.options import OPTIONS as RUN_OPTIONS
from wavetank.load.options import COMMAND_OPTIONS, PLAN_OPTIONS, SCENARIO_OPTIONS
from wavetank.load.thresholds import FIGURES
from wavetank.load.units import Unit
from wavetank.protocol import CLOSES, ERRORS
from wavetank.settings import Option

__all__ = ["LogLine", "find_log_lines", "main", "refreshed"]

ROOT = Path(__file__).parent.parent
PAGES = tuple(
    ROOT / "docs" / "reference" / name
    for name in ("hub.md", "run.md", "clients.md", "load.md", "proxy.md")
)
"""Pages with tables."""

HUB = ROOT / "src" / "wavetank" / "hub"


# Options.


def _options(
    options: Sequence[Option], prefix: str = "WAVETANK_", *, in_units: bool = True
) -> Iterator[str]:
    yield "| option | variables | default | what it does |"
    yield "|---|---|---|---|"
    for option in options:
        flags = [option.flag, *(f"--{name}" for name in option.also)]
        metavar = _measure(option) if in_units else option.metavar
        value = f" {metavar}" if metavar and not option.is_flag else ""
        names = ", ".join(f"`{flag}{value}`" for flag in flags)
        variables = ", ".join(f"`{name}`" for name in option.variables(prefix))
        default = _in_units(option) if in_units else _plain(option)
        yield f"| {names} | {variables} | {default} | {option.help} |"


def _plain(option: Option) -> object:
    default = option.default if option.default not in ((), "", None) else "-"
    return str(default).lower() if isinstance(default, bool) else default


def _is_size(option: Option) -> bool:
    kind = option.kind
    return (kind.kind if isinstance(kind, UnlimitedOr) else kind) is size_in_bytes


def _is_rate(option: Option) -> bool:
    return option.name.endswith("-per-s")


def _measure(option: Option) -> str:
    """Return what stands for the value: what it is measured in, or the name."""
    if option.metavar:
        return option.metavar
    if _is_size(option):
        return "SIZE"
    if isinstance(option.default, float):
        return "TIME"
    if _is_rate(option) or type(option.default) is int:
        return "N"
    return option.name.rpartition("-")[2].upper()


def _in_units(option: Option) -> str:
    """Return a default as a person would type it."""
    default = option.default
    if isinstance(default, float):
        hours = default / 3600
        return f"{hours:g}h" if hours >= 1 else f"{default:g}s"
    if _is_size(option) and isinstance(default, int):
        for unit, size in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
            if default >= size:
                return f"{default / size:g}{unit}"
    shown = option.shown(default)
    return "-" if shown in {"not set", "***"} else shown


# The lab.


def _checks() -> Iterator[str]:
    yield "| check | remote | needs | what it proves |"
    yield "|---|---|---|---|"
    for suite, checks in catalogue().items():
        for check in checks.values():
            needs = ", ".join(sorted(check.needs)) or "-"
            polite = "yes" if check.polite else "no"
            yield f"| `{suite}.{check.name}` | {polite} | {needs} | {check.title} |"


# Loads.


_WRITTEN: Mapping[Unit, str] = {
    Unit.SECONDS: "`100ms`, `1.5s`, `500us`",
    Unit.COUNT: "`0`, `100`",
    Unit.SHARE: "`80%`",
    Unit.RATE: "`5000/s`",
    Unit.BYTES: "`512MiB`",
    Unit.BYTE_RATE: "`10MiB/s`",
    Unit.GROWTH: "`1MiB/min`",
    Unit.COUNT_GROWTH: "`1/min`",
}
"""How values of a unit are typed."""


def _load_options(options: Sequence[Option]) -> Iterator[str]:
    yield "| option | variables | what it does |"
    yield "|---|---|---|"
    for row in [*_options(options, "WAVETANK_LOAD_", in_units=False)][2:]:
        flag, variables, _, help_ = row.strip("| ").split(" | ")
        # Their defaults hang on the kind of a load, and stand in what they do.
        yield f"| {flag} | {variables} | {help_} |"


def _figures() -> Iterator[str]:
    yield "| figure | written as | where it comes from |"
    yield "|---|---|---|"
    for name, figure in FIGURES.items():
        yield f"| `{name}` | {_WRITTEN[figure.unit]} | {figure.source.value} |"


# The proxy.


def _proxy_options() -> Iterator[str]:
    yield "| option | variables | what it does |"
    yield "|---|---|---|"
    for row in [*_options(PROXY_OPTIONS, "WAVETANK_PROXY_", in_units=False)][2:]:
        flag, variables, _, help_ = row.strip("| ").split(" | ")
        yield f"| {flag} | {variables} | {help_} |"


def _help(row: Attribute) -> str:
    """Say what an attribute is, and which words it may be."""
    many = "; a list" if row.many else ""
    return f"{row.help}{_choices(row)}{many}"


def _choices(row: Attribute) -> str:
    """Return the words that a kind takes: they stand in what it refuses with."""
    try:
        row.kind("?")
    except ValueError as error:
        found = re.search(r" is not one of ([a-z0-9_, ]+)", str(error))
        if found and row.name != "type":
            return ": " + ", ".join(f"`{word}`" for word in found[1].split(", "))
    return ""


def _attributes(rows: Iterable[Attribute]) -> Iterator[str]:
    yield "| name | default | unit | what it is |"
    yield "|---|---|---|---|"
    for row in rows:
        yield f"| `{row.name}` | {_said(row)} | {row.unit or '-'} | {_help(row)} |"


def _said(row: Attribute) -> str:
    """Return a default as a person would write it."""
    default = row.default
    if row.name == "listen" and isinstance(default, tuple):
        return f"`{address_text(default)}`"
    if default in (None, "", ()):
        return "-"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def _when() -> Iterator[str]:
    yield from _attributes(WHEN)
    yield "| `json` | - | - | path in the message and its value; a table |"


def _toxics(*, frames: bool) -> Iterator[str]:
    yield "| type | what it does | attribute | default | unit | what it is |"
    yield "|---|---|---|---|---|---|"
    for kind in TYPES.values():
        if kind.frames is frames:
            yield from _toxic(kind)


def _toxic(kind: ToxicType) -> Iterator[str]:
    first = f"`{kind.name}` | {kind.help}"
    for row in kind.attributes:
        unit = row.unit or "-"
        yield f"| {first} | `{row.name}` | {_said(row)} | {unit} | {_help(row)} |"
        first = " | "
    if not kind.attributes:
        yield f"| {first} | - | | | |"


def _routes() -> Iterator[str]:
    yield "| request | what it does | body |"
    yield "|---|---|---|"
    for route in ROUTES:
        methods, star = " or ".join(route.methods), " \\*" if route.is_ours else ""
        yield (
            f"| `{methods} {route.path}`{star} | {route.action.value} | "
            f"{route.needs.value} |"
        )


# The hub.


def _errors() -> Iterator[str]:
    yield "| code | meaning | retryable | closes with | HTTP |"
    yield "|---|---|---|---|---|"
    for rule in ERRORS.values():
        retryable = "yes" if rule.retryable else "no"
        close = rule.close.value if rule.close else "-"
        row = f"`{rule.code}` | {rule.meaning} | {retryable} | {close} | {rule.status}"
        yield f"| {row} |"


def _closes() -> Iterator[str]:
    yield "| code | reason | meaning | a client should |"
    yield "|---|---|---|---|"
    for rule in CLOSES.values():
        advice = rule.advice.value
        yield f"| {rule.code.value} | {rule.reason} | {rule.meaning} | {advice} |"


def _metrics() -> Iterator[str]:
    yield "| metric | type | labels | what it is |"
    yield "|---|---|---|---|"
    for family in text_string_to_metric_families(asyncio.run(_exposition())):
        if not family.name.startswith("wavetank_"):
            continue  # of the process; not every system has them
        suffix = "_total" if family.type == "counter" else ""
        name = family.name.removesuffix("_total") + suffix
        labels = "; ".join(
            f"`{label}`: {_few(label, values)}"
            for label, values in _labels(family).items()
        )
        yield f"| `{name}` | {family.type} | {labels or '-'} | {family.documentation} |"


def _labels(family: Metric) -> dict[str, list[str]]:
    """Return the labels of a metric, each with its values in their order."""
    pairs = [pair for sample in family.samples for pair in sample.labels.items()]
    found: dict[str, list[str]] = {name: [] for name, _ in pairs if name != "le"}
    for name, value in dict.fromkeys(pairs):
        found.get(name, []).append(value)
    return found


_OPEN_LABELS = {
    "code": "see [error codes](#error-codes)",
    "node": "`--node`",
    "protocol": "`wavetank.v1`",
    "python": "its version",
    "version": "the hub's",
}


def _few(label: str, values: Sequence[str]) -> str:
    """Return the values of a label, or where they stand."""
    if label == "code" and values == ["1000"]:
        return "close code"
    return _OPEN_LABELS.get(label) or ", ".join(values)


async def _exposition() -> str:
    node = make_node(HubConfig(), make_silent_logger())
    # It has no label before somebody has left.
    for initiator in ("hub", "client", "network"):
        node.tally.closed["1000", initiator] += 1
    text, _ = await expose(node)
    return text.decode()


# Log lines.


class LogLine(NamedTuple):
    """A log line as the code writes it."""

    event: str
    levels: tuple[str, ...]
    fields: tuple[str, ...]


_LEVELS = ("debug", "info", "warning", "error")

MEANINGS: Mapping[str, str] = {
    "accepting_again": "Connections are accepted again.",
    "accepting_paused": "The machine has nothing left to accept with (descriptors, "
    "memory); it is tried again every second.",
    "connection_closed": "A WebSocket has ended, and who ended it.",
    "connection_crashed": "A fault of the hub; that connection alone ends with 1011.",
    "connection_dropped": "A socket was closed unheard: there was no room even to "
    "refuse it.",
    "connection_failed": "The client broke RFC 6455, and was told so.",
    "connection_opened": "A WebSocket was let in.",
    "draining": "The hub is about to stop and tells its clients.",
    "error_ignored": "Something failed where nobody could be told.",
    "few_file_descriptors": "`--connections` needs more descriptors than the process "
    "may have: raise `LimitNOFILE` or `ulimit -n`.",
    "library_message": "What a library said (asyncio, warnings).",
    "listening": "It is ready.",
    "log_failed": "The log could not be written: publications are refused with "
    "`unavailable`, `/readyz` says `degraded`.",
    "log_not_closed": "The disk did not answer at the end; what was not durable yet is "
    "lost, and nobody was told that it is there.",
    "log_stuck": "The disk has not answered for 5 s: nothing more is taken until it "
    "does.",
    "log_works_again": "The log is written again.",
    "log_writer_ended": "A fault of the hub: it writes no more; restart it.",
    "reload_failed": "After SIGHUP: what was to be read again cannot be used; what was "
    "read before stays.",
    "reloaded": "After SIGHUP: certificate, keys and tokens were read again.",
    "request_refused": "An opening handshake or request was refused; `ref` is in the "
    "answer's header `Wavetank-Ref`.",
    "stopped": "It has ended; `clean` is whether all connections were closed in time.",
    "task_failed": "A fault of the hub in something that goes on beside connections.",
    "thread_died": "A fault of the hub: one of its threads has died.",
    "tls_failed": "A TLS handshake failed, and why.",
}
"""What each event of a log line is about."""


def find_log_lines(source: str) -> Iterator[LogLine]:
    """Find the calls that write a log line.

    Args:
        source: Of a module: a method called like a level, or a name ``log`` that
            is one of two, with the event as its first argument.
    """
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call) or not call.args:
            continue
        levels = _levels(call.func)
        event = call.args[1] if levels == ("any",) and call.args[1:] else call.args[0]
        is_event = isinstance(event, ast.Constant) and isinstance(event.value, str)
        if levels and is_event and isinstance(event, ast.Constant):
            fields = tuple(word.arg for word in call.keywords if word.arg)
            yield LogLine(str(event.value), levels, fields)


def _levels(called: ast.expr) -> tuple[str, ...]:
    if isinstance(called, ast.Name) and called.id == "log":
        return ("debug", "info")
    if not isinstance(called, ast.Attribute):
        return ()
    holder = called.value
    name = holder.attr if isinstance(holder, ast.Attribute) else ""
    name = holder.id if isinstance(holder, ast.Name) else name
    if name.strip("_") != "logger":
        return ()
    if called.attr == "log":
        return ("any",)
    return (called.attr,) if called.attr in _LEVELS else ()


def _log_lines() -> Iterator[str]:
    yield "| event | level | fields | what has happened |"
    yield "|---|---|---|---|"
    for line in _merged(_all_log_lines()):
        level = " or ".join(line.levels)
        fields = ", ".join(f"`{name}`" for name in line.fields) or "-"
        yield f"| `{line.event}` | {level} | {fields} | {MEANINGS[line.event]} |"


def _all_log_lines() -> Iterator[LogLine]:
    for module in sorted(HUB.rglob("*.py")):
        yield from find_log_lines(module.read_text(encoding="utf-8"))


def _merged(lines: Iterable[LogLine]) -> list[LogLine]:
    """Return one line for each event.

    Raises:
        LookupError: If one of them has no meaning here, or a meaning no line.
    """
    found: dict[str, LogLine] = {}
    for line in lines:
        known = found.get(line.event, LogLine(line.event, (), ()))
        levels = tuple(dict.fromkeys((*known.levels, *line.levels)))
        shown = ("exception" if name == "exc_info" else name for name in line.fields)
        fields = tuple(dict.fromkeys((*known.fields, *shown)))
        found[line.event] = LogLine(line.event, levels, fields)
    if found.keys() != MEANINGS.keys():
        odd = ", ".join(sorted(found.keys() ^ MEANINGS.keys()))
        raise LookupError(f"events with a meaning and no line, or the other way: {odd}")
    return [found[event] for event in sorted(found)]


# Pages.

TABLES: Mapping[str, Callable[[], Iterable[str]]] = {
    "options": lambda: _options(RUN_OPTIONS, in_units=False),
    "checks": _checks,
    "hub options": lambda: _options(HUB_OPTIONS, "WAVETANK_HUB_"),
    "load options": lambda: _load_options(COMMAND_OPTIONS),
    "load plan": lambda: _load_options(PLAN_OPTIONS),
    "load scenario": lambda: _load_options(SCENARIO_OPTIONS),
    "figures": _figures,
    "proxy options": _proxy_options,
    "proxy attributes": lambda: _attributes(PROXY),
    "toxic": lambda: _attributes(HEADER),
    "byte toxics": lambda: _toxics(frames=False),
    "frame toxics": lambda: _toxics(frames=True),
    "when": _when,
    "routes": _routes,
    "sub options": lambda: _options(SUB_OPTIONS, "WAVETANK_SUB_"),
    "pub options": lambda: _options(PUB_OPTIONS, "WAVETANK_PUB_"),
    "error codes": _errors,
    "close codes": _closes,
    "metrics": _metrics,
    "log lines": _log_lines,
}


def refreshed(page: str) -> str:
    """Return the page with each marked table made anew."""
    for name, rows in TABLES.items():
        marked = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        found = marked.search(page)
        if found:
            table = "\n".join(rows()) + "\n"
            page = page.replace(found[0], found[1] + table + found[2])
    return page


def main(arguments: list[str]) -> int:
    """Write the pages; with ``--check`` say which are stale instead."""
    stale = 0
    for file in PAGES:
        page = file.read_text(encoding="utf-8")
        fresh = refreshed(page)
        if "--check" not in arguments:
            file.write_text(fresh, encoding="utf-8")
        elif page != fresh:
            print(f"{file.name} is stale: run tools/reference.py", file=sys.stderr)
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
