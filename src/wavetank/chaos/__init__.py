"""Faults on the way: a proxy that knows frames, toxics in its streams, schedules.

It refuses to know the hub and the lab. Its pure half stands here, its shell in
``aio``; that is imported when `Proxy` is first asked for.
"""

from typing import TYPE_CHECKING, Any

from wavetank.chaos.chance import When
from wavetank.chaos.spec import ToxicSpec, change_spec, read_spec
from wavetank.chaos.toxic import Direction, How
from wavetank.chaos.toxics import TYPES

if TYPE_CHECKING:
    from wavetank.chaos.aio.proxy import Proxy

__all__ = [  # noqa: RUF022 - grouped by module
    # aio
    "Proxy",
    # chance
    "When",
    # spec
    "ToxicSpec",
    "change_spec",
    "read_spec",
    # toxic
    "Direction",
    "How",
    # toxics
    "TYPES",
]


def __getattr__(name: str) -> Any:
    """Import what the shell offers."""
    if name == "Proxy":
        from wavetank.chaos.aio.proxy import Proxy

        return Proxy
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
