"""The reference publish/subscribe server; it knows nothing of the lab.

Its pure half stands here, its shell in ``aio``; that is imported when ``Hub`` is
first asked for, so that whoever wants the options alone need not wait for it.
"""

from typing import TYPE_CHECKING, Any

from wavetank.hub.config import (
    ConnectionLimits,
    HubConfig,
    Ports,
    TokenKeys,
    make_config,
)
from wavetank.hub.durability import Durability, DurabilityRule
from wavetank.hub.options import OPTIONS

if TYPE_CHECKING:
    from wavetank.hub.aio.hub import Hub, PublishError

__all__ = [  # noqa: RUF022 - grouped by module
    # aio
    "Hub",
    "PublishError",
    # config
    "ConnectionLimits",
    "HubConfig",
    "Ports",
    "TokenKeys",
    "make_config",
    # durability
    "Durability",
    "DurabilityRule",
    # options
    "OPTIONS",
]


def __getattr__(name: str) -> Any:
    """Import what the shell offers."""
    if name in {"Hub", "PublishError"}:
        from wavetank.hub.aio import hub

        return getattr(hub, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
