"""Where publications are kept: one file for each kind of log, and what they share."""

from wavetank.hub.aio.logs.base import Listener, Log
from wavetank.hub.aio.logs.memory import MemoryLog

__all__ = ["Listener", "Log", "MemoryLog"]
