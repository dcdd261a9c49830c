"""The hub's shell: sockets, tasks and time around the pure half.

It refuses to decide anything that the pure half can decide.
"""

from wavetank.hub.aio.hub import Hub, PublishError
from wavetank.hub.aio.logs import MemoryLog
from wavetank.hub.aio.node import Node
from wavetank.hub.aio.process import serve
from wavetank.hub.aio.server import Server

__all__ = [  # noqa: RUF022 - grouped by module
    # hub
    "Hub",
    "PublishError",
    # logs
    "MemoryLog",
    # node
    "Node",
    # process
    "serve",
    # server
    "Server",
]
