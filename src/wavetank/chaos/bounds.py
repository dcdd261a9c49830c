"""How many of each thing there may be, whoever asks for more.

It refuses to know what they are.
"""

from typing import Final

from wavetank.errors import UsageError

__all__ = ["MOST_LINKS", "MOST_PROXIES", "MOST_TOXICS", "TooMany"]

MOST_PROXIES: Final = 1000
"""Proxies of a process, of a file, of one call: each has a port of its own."""
MOST_TOXICS: Final = 256
"""Toxics of a proxy: each of them is made anew in each link."""
MOST_LINKS: Final = 32_768
"""Links of a proxy at once: each has two sockets."""


class TooMany(UsageError):
    """There are as many of something as there may be: one more is a mistake."""
