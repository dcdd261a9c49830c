"""The table of options of ``wavetank demo``, and the plan made of their values.

They refuse to know what is done with a plan.
"""

from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal, cast

import msgspec

from wavetank.client.options import PUB_OPTIONS
from wavetank.errors import UsageError, nearest
from wavetank.protocol import topic_problem
from wavetank.settings import (
    Option,
    Settings,
    boolean,
    integer,
    path,
    seconds,
)

__all__ = ["OPTIONS", "ROLES", "DemoPlan", "DemoRole", "make_plan"]

DemoRole = Literal["feed", "bot", "dashboard", "cycle"]

ROLES = ("feed", "bot", "dashboard")

_OF_CLIENT = (
    *("url", "token", "max-retries", "retry-delay", "ca", "insecure"),
    *("allow-plain-fallback", "json", "spool", "queue"),
)
_OWN_DEFAULTS: dict[str, object] = {"retry-delay": 1.0}
"""Where a demo is more impatient than a service."""


def _duration(typed: str) -> float:
    value = seconds(typed)
    if value < 0.001:
        raise ValueError(f"{typed!r} is too short; the least is 1ms")
    return value


def _rate(typed: str) -> float:
    try:
        value = float(typed)
    except ValueError:
        value = 0.0
    if not 0.001 <= value <= 100_000:
        raise ValueError(f"{typed!r} is not a number from 0.001 to 100000")
    return value


def _capital(typed: str) -> Decimal:
    try:
        value = Decimal(typed)
    except InvalidOperation:
        value = Decimal(0)
    if not (value.is_finite() and 1 <= value <= 10**9):
        raise ValueError(f"{typed!r} is not an amount from 1 to 1000000000")
    return round(value, 2)


def _prefix(typed: str) -> str:
    words = typed.strip().removesuffix(".")
    problem = topic_problem(f"{words}.bot.indicators") if words else ""
    if problem:
        raise ValueError(f"{typed!r}: {problem}")
    return words


def _run_name(typed: str) -> str:
    if not 1 <= len(typed) <= 60 or not typed.isprintable():
        raise ValueError(f"{typed!r} is not a name of 1 to 60 characters")
    return typed


def _from_client() -> tuple[Option, ...]:
    known = {option.name: option for option in PUB_OPTIONS}
    return tuple(
        replace(known[name], default=_OWN_DEFAULTS.get(name, known[name].default))
        for name in _OF_CLIENT
    )


OPTIONS: tuple[Option, ...] = (
    *_from_client(),
    Option(
        name="topic-prefix",
        kind=_prefix,
        default="",
        help="what stands before each topic: market.btc-usd becomes PREFIX.market...",
        metavar="PREFIX",
    ),
    Option(
        name="run",
        kind=_run_name,
        default="demo",
        help="name of this run; feed, bot and dashboard have the same one, and pass "
        "over what others left in the hub",
        metavar="NAME",
    ),
    Option(name="seed", kind=integer(0), default=1, help="of prices and fills"),
    Option(name="rate", kind=_rate, default=10.0, help="prices a second", metavar="N"),
    Option(
        name="messages",
        kind=integer(1),
        default=None,
        help="prices until the feed is done",
        metavar="N",
    ),
    Option(
        name="seconds",
        kind=_duration,
        default=None,
        help="time until it ends; of the whole cycle: until the feed is done",
        metavar="TIME",
    ),
    Option(
        name="replay",
        kind=path,
        default=None,
        help="file with prices of the past, CSV or NDJSON, instead of made-up ones",
        metavar="FILE",
    ),
    Option(
        name="capital",
        kind=_capital,
        default=Decimal(100_000),
        help="cash that the bot begins with",
        metavar="AMOUNT",
    ),
    Option(
        name="patience",
        kind=_duration,
        default=30.0,
        help="how long to wait for what should still come: acknowledgements at the "
        "end, and messages that are missing",
        metavar="TIME",
    ),
    Option(
        name="kill-hub",
        kind=_duration,
        default=None,
        help="kill the cycle's hub after this time; it is started again",
        metavar="TIME",
    ),
    Option(
        name="memory",
        kind=boolean,
        default=False,
        help="the cycle's hub keeps its log in memory, so that a kill loses it",
        is_flag=True,
    ),
)
"""Every option of ``wavetank demo``."""

_OF_CYCLE = ("kill-hub", "memory")
_OF_FEED = ("messages", "rate", "replay")
_ELSEWHERE = {
    "feed": ("capital", *_OF_CYCLE),
    "bot": (*_OF_FEED, *_OF_CYCLE),
    "dashboard": (*_OF_FEED, "capital", "spool", "seed", *_OF_CYCLE),
    "cycle": ("url", "spool", "token", "ca", "insecure", "allow-plain-fallback"),
}
"""Options that a role has no use for."""


class DemoPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What one process of the demo is to do.

    Attributes:
        role: ``feed``, ``bot``, ``dashboard``, or ``cycle``: all of them and a hub.
        url: Of the hub.
        prefix: What stands before each topic, with its dot; may be empty.
        run: Name of this run.
        seed: Of prices and fills.
        rate: Prices a second.
        messages: Prices until the feed is done, or None.
        seconds: Time until it ends, or None.
        replay: File with prices, or None.
        capital: Cash that the bot begins with.
        patience: Seconds to wait for what should still come.
        queue: Publications or events that may wait in memory.
        spool: Folder that keeps publications over restarts, or None.
        kill_hub: Seconds until the cycle's hub is killed, or None.
        memory: Whether the cycle's hub keeps its log in memory.
        is_json: Whether lines are for programs.
    """

    role: DemoRole
    url: str = ""
    prefix: str = ""
    run: str = "demo"
    seed: int = 1
    rate: float = 10.0
    messages: int | None = None
    seconds: float | None = None
    replay: Path | None = None
    capital: Decimal = Decimal(100_000)
    patience: float = 30.0
    queue: int = 1000
    spool: Path | None = None
    kill_hub: float | None = None
    memory: bool = False
    is_json: bool = False


def make_plan(words: list[str], url: str, settings: Settings) -> DemoPlan:
    """Return what to do.

    Args:
        words: What was typed beside options: a role, or nothing for all of them.
        url: Of the hub.
        settings: The values of ``OPTIONS``.

    Raises:
        UsageError: With everything that does not go together.
    """
    role = words[0] if words else "cycle"
    problems = []
    if words and role not in ROLES:
        offered = ", ".join(ROLES)
        problems.append(f"{role}: it is {offered}, or none{nearest(role, ROLES)}")
    problems += [f"{word}: one word too many" for word in words[1:]]
    problems += [
        f"--{name}: {_whose(role)} has no use for it"
        for name in _ELSEWHERE.get(role, ())
        if settings.source(name).startswith("--")
    ]
    if problems:
        raise UsageError(problems)
    prefix = settings["topic_prefix"]
    same: dict[str, Any] = {
        name: settings[name]
        for name in DemoPlan.__struct_fields__
        if name in settings and name != "url"
    }
    return DemoPlan(
        role=cast("DemoRole", role),
        url=url,
        prefix=f"{prefix}." if prefix else "",
        is_json=settings["json"],
        **same,
    )


def _whose(role: str) -> str:
    return "the whole cycle, with a hub of its own," if role == "cycle" else f"a {role}"
