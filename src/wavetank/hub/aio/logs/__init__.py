"""Where publications are kept: one file for each kind of log, and what they share."""

from wavetank.hub.aio.logs.base import Kept, KeptKey, KeptProducer, Listener, Log
from wavetank.hub.aio.logs.memory import MemoryLog
from wavetank.hub.aio.logs.routed import RoutedLog
from wavetank.hub.aio.logs.sqlite import SqliteLog, SqliteTuning

__all__ = [
    "Kept",
    "KeptKey",
    "KeptProducer",
    "Listener",
    "Log",
    "MemoryLog",
    "RoutedLog",
    "SqliteLog",
    "SqliteTuning",
]
