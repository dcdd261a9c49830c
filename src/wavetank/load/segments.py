"""Exact shares of whole things: users, publishers, arrivals.

They refuse to know who has which share, and how many machines there are.

Who knows its own share needs nobody to tell it what is its own (k6 has the same idea,
`lib/execution_segment.go`, with rational intervals). Here the members are dealt out
like cards: number n is of share n mod count. So the shares are disjoint and complete,
their sizes differ by one at most, and whoever joins a growing population takes nobody
away from another share.
"""

from wavetank.load.exchange import Share

__all__ = ["dealt", "members", "shares"]


def members(total: int, share: Share) -> range:
    """Return which of the numbers from 0 to ``total - 1`` are of a share."""
    return range(share.index, total, share.count)


def shares(count: int) -> list[Share]:
    """Return the shares that are the whole together."""
    return [Share(index=index, count=count) for index in range(count)]


def dealt(share: Share, *, among: int) -> Share:
    """Return a worker's part of what so many members of the whole plan do.

    What is dealt out to members, such as the arrivals to publishers, must not go to a
    share that has none of them. Where there are fewer members than workers, those
    without one have nothing to do, and the others do all of it: their index is below
    the count.

    Args:
        share: Of all workers.
        among: How many members there are.
    """
    return Share(index=share.index, count=max(min(share.count, among), 1))
