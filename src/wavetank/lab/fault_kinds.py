"""The kinds of faults that a check or a schedule may name, as one table.

It refuses to know how any of them is done.
"""

import enum
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final, NamedTuple, TypeAlias

from wavetank.chaos import TYPES
from wavetank.errors import nearest

__all__ = [
    "FAULTS",
    "KINDS",
    "OF_TOXICS",
    "Breaks",
    "Given",
    "Heals",
    "Kind",
    "Links",
    "problems_of",
    "where",
    "wrong_values",
]

Given: TypeAlias = Mapping[str, object]
"""How bad a fault is: attribute -> value."""
Links: TypeAlias = Collection[int] | None
"""Numbers of the links that a fault is for; None for all."""
Heals: TypeAlias = dict[str, Callable[[], Awaitable[object] | None]]
"""Name of each fault that is on -> what ends it; to be awaited where it takes time."""


class Breaks(enum.Enum):
    """What a fault breaks, and so what has to be there for it."""

    FRAMES = "what goes by in links: a toxic of the proxy"
    LINKS = "links as a whole"
    PROCESS = "the target's process, which the lab has to have started"


class Kind(NamedTuple):
    """A kind of fault.

    Attributes:
        breaks: What it breaks.
        attributes: What may be said of one.
    """

    breaks: Breaks
    attributes: Collection[str] = ()


OF_TOXICS: Final = ("stream", "toxicity")
"""Attributes that each toxic has, whatever its type."""

KINDS: Final[Mapping[str, Kind]] = {
    **{
        name: Kind(Breaks.FRAMES, (*OF_TOXICS, *(each.name for each in one.attributes)))
        for name, one in TYPES.items()
    },
    "cut": Kind(Breaks.LINKS, ("how",)),
    "partition": Kind(Breaks.LINKS),
    "offline": Kind(Breaks.LINKS),
    # In place of the toxic alone: it is for links that are there, not for later ones.
    "half_open": Kind(Breaks.LINKS, ("stream",)),
    "kill": Kind(Breaks.PROCESS),
    "terminate": Kind(Breaks.PROCESS),
    "suspend": Kind(Breaks.PROCESS),
    "no_descriptors": Kind(Breaks.PROCESS, ("spare",)),
    "rolling_restart": Kind(Breaks.PROCESS, ("how",)),
}
"""Kind of fault by its name, as `Chaos.begin` takes it."""

FAULTS: Final[Mapping[str, Collection[str]]] = {
    name: kind.attributes for name, kind in KINDS.items()
}
"""Kind of fault -> its attributes: what a schedule may name."""


_MOST_SPARE: Final = 65_536
_HOW: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "cut": ("links are cut", ("rst", "fin")),
    "rolling_restart": ("workers are ended", ("term", "hup")),
}
"""Kind of fault -> what it does, and the ways that there are."""


def problems_of(what: str, given: Given, links: Links) -> list[str]:
    """Return what is wrong with a fault, in sentences; what toxics mean, they say.

    Args:
        what: Its kind.
        given: Its attributes.
        links: The links that it is for.
    """
    kind = KINDS.get(what)
    if kind is None:
        return [f"there is no fault {what!r}{nearest(what, KINDS)}"]
    problems = [
        f"{what} has no attribute {key!r}{nearest(key, kind.attributes)}"
        for key in given
        if key not in kind.attributes and kind.breaks is not Breaks.FRAMES
    ]
    problems += wrong_values(what, given)
    if kind.breaks is Breaks.PROCESS and links is not None:
        problems.append(f"{what} is for the target's process, not for links")
    return problems


def wrong_values(what: str, given: Given) -> list[str]:
    """Return what is wrong with the values of attributes; of toxics, they say it.

    Args:
        what: The kind of fault.
        given: Its attributes.
    """
    spare = given.get("spare", 0)
    if what == "no_descriptors" and not _is_count(spare):
        return [
            "no_descriptors leaves a whole number of them to spare, up to "
            f"{_MOST_SPARE:,}, not {spare!r}"
        ]
    done, ways = _HOW.get(what, ("", ()))
    how = given.get("how", ways[0] if ways else "")
    if ways and how not in ways:
        allowed = " or ".join(f"how={way}" for way in ways)
        return [f"{done} with {allowed}, not with {how!r}{nearest(str(how), ways)}"]
    return []


def _is_count(value: object) -> bool:
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    return 0 <= value <= _MOST_SPARE


def where(links: Links) -> str:
    """Say which links a fault is for."""
    if links is None:
        return "all links"
    return f"links {', '.join(map(str, sorted(links)))}"
