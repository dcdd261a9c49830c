"""Servers broken on purpose, one fault each, and the sound one they are made from.

The room refuses to know the hub and the lab: it shares nothing with them but
``wire``.
"""

from wavetank.wrecks.run import run
from wavetank.wrecks.sound import SoundServer
from wavetank.wrecks.table import (
    ACCESS_WRECKS,
    SOUND,
    WRECKS,
    Wreck,
    find,
)

__all__ = [  # noqa: RUF022  # grouped by module, as every room's public names
    # run
    "run",
    # sound
    "SoundServer",
    # table
    "ACCESS_WRECKS",
    "SOUND",
    "WRECKS",
    "Wreck",
    "find",
]
