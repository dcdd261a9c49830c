"""The chaos proxy on sockets.

It refuses to know what toxics do: that is decided by pure code beside it.
"""

from wavetank.chaos.aio.link import Link
from wavetank.chaos.aio.proxy import Proxy
from wavetank.chaos.aio.wirelog import WireLog

__all__ = ["Link", "Proxy", "WireLog"]
