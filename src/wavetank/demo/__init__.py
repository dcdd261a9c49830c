"""The demo: a trading cycle of price feed, bot and dashboard, each a process.

It refuses to know the hub, which it starts and meets as any other program does.
"""

from wavetank.demo.aio import run

__all__ = ["run"]
