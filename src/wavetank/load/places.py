"""Places: where on a cluster load workers can run, and how many of them.

They refuse to know how a cluster is reached, and what runs there.
"""

import ipaddress
import itertools
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

import msgspec

__all__ = ["Place", "deal", "is_loopback", "misfits"]

_MOST_NAMED = 3


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One worker of the cluster's own kind.

    Attributes:
        address: Where the cluster reaches it: ``tcp://10.0.0.1:41234``.
        threads: How much its owner lets it do at once.
        python: Its Python's version: ``3.12.4.final.0``.
        wavetank: Its version of this package, or "" without one.
    """

    address: str
    threads: int
    python: str
    wavetank: str

    @property
    def host(self) -> str:
        """Name or number of its machine, as the cluster knows it."""
        return urlsplit(self.address).hostname or ""


def misfits(places: Iterable[Place], *, python: str, wavetank: str) -> list[str]:
    """Return why the workers of a load cannot run there, a sentence each.

    Args:
        places: All places of a cluster.
        python: Our own Python's version.
        wavetank: Our own version.
    """
    places = list(places)
    ours = _minor(python)
    strangers = [one for one in places if _minor(one.python) != ours]
    bare = [one for one in places if not one.wavetank]
    older = [one for one in places if one.wavetank and one.wavetank != wavetank]
    found = []
    if not places:
        found.append(
            "the cluster has no worker; start `dask worker ADDRESS` on each machine "
            "that is to make load"
        )
    if strangers:
        have = _all(_minor(one.python) for one in strangers)
        found.append(
            f"{_names(strangers)}: Python {have}, and this is {ours}; use the same "
            "on all machines"
        )
    if bare:
        found.append(
            f"{_names(bare)}: wavetank is not installed there; "
            "`pip install 'wavetank[distributed]'`"
        )
    if older:
        have = _all(one.wavetank for one in older)
        found.append(
            f"{_names(older)}: wavetank {have}, and this is {wavetank}; install the "
            "same on all machines"
        )
    return found


def deal(places: Sequence[Place], count: int) -> list[Place]:
    """Return where each worker of a load runs: on as many machines as there are.

    Args:
        places: All places; each takes as many as it has threads before any takes more.
        count: How many workers; at least one.
    """
    dealt: list[Place] = []
    while len(dealt) < count:
        for turn in range(max(place.threads for place in places)):
            dealt += _alternating([one for one in places if one.threads > turn])
    return dealt[:count]


def _alternating(places: Iterable[Place]) -> list[Place]:
    """Return places so that those of one machine are as far apart as can be."""
    hosts: dict[str, list[Place]] = {}
    for place in places:
        hosts.setdefault(place.host, []).append(place)
    rows = itertools.zip_longest(*hosts.values())
    return [place for row in rows for place in row if place is not None]


def is_loopback(url: str) -> bool:
    """Tell whether an address means the machine itself, whichever that is."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _minor(version: str) -> str:
    """Return ``3.12`` of ``3.12.4.final.0``."""
    return ".".join(version.split(".")[:2])


def _all(words: Iterable[str]) -> str:
    return ", ".join(sorted(set(words)))


def _names(places: Sequence[Place]) -> str:
    """Return the addresses of the first few."""
    names = ", ".join(place.address for place in places[:_MOST_NAMED])
    more = len(places) - _MOST_NAMED
    return f"{names} and {more} more" if more > 0 else names
