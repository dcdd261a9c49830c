"""The crowd: who takes part in a proof of delivery, and how much they say.

It refuses to know how they do it.
"""

from typing import NamedTuple

from wavetank.lab.keeping import Patience

__all__ = ["Crowd"]


class Crowd(NamedTuple):
    """Who takes part in a proof, and how much they say.

    Attributes:
        followers: Subscribers through the proxy.
        witnesses: Subscribers past the proxy: what they got was there to get.
        publishers: Publishers past the proxy: they go on while it is broken.
        hit_publishers: Publishers through the proxy.
        topics: How many topics.
        rate: Messages a second of each publisher.
        size: Least bytes of a payload.
        patience: How long all of them wait for what.
    """

    followers: int = 2
    witnesses: int = 1
    publishers: int = 1
    hit_publishers: int = 0
    topics: int = 1
    rate: float = 50.0
    size: int = 0
    patience: Patience = Patience()
