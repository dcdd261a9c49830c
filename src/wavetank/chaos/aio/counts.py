"""What is counted of links: bytes, and what each toxic has done.

It refuses to know which links there are, and who asks.
"""

from collections import Counter, defaultdict
from typing import Final

from wavetank.chaos.aio.link import Link

__all__ = ["DONE", "bytes_of", "count_toxics"]

DONE: Final = {
    "seen": "Items that came to it.",
    "chosen": "Items that it was for.",
    "hurt": "Items that did not simply go on, as they came and at once.",
    "unread": "Text messages that its when.json could not look into.",
}
"""What is counted of each toxic, and in words."""


def bytes_of(link: Link) -> Counter[str]:
    """Return the bytes that came and went on a link, by direction."""
    counts: Counter[str] = Counter()
    for stream in (link.upstream, link.downstream):
        counts[f"received_{stream.direction}"] = stream.received
        counts[f"sent_{stream.direction}"] = stream.sent
    return counts


def count_toxics(link: Link, counts: defaultdict[str, Counter[str]]) -> None:
    """Add what toxics have done on a link, by their names."""
    for stream in (link.upstream, link.downstream):
        for name, done in stream.chain.statistics().items():
            for what in DONE:
                counts[name][what] += done[what]
