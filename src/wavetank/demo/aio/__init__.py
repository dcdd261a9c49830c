"""The shell of the demo: what its processes do over connections.

It refuses to know what messages mean.
"""

from wavetank.demo.aio.start import run

__all__ = ["run"]
