"""What is broken on purpose, and what was: names, moments, and a record of each.

It refuses to know how anything is broken.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

from wavetank.errors import LocalError
from wavetank.evidence import Attribute, FaultBegan, FaultHealed, Record
from wavetank.lab.checkers import history

__all__ = ["FaultLog", "Spell"]


class Spell(NamedTuple):
    """A fault from its begin to its heal, in seconds since the run started.

    Attributes:
        name: Its own among the faults of a check.
        what: Its kind.
        began_at: When it began.
        healed_at: When it was healed; None while it is on.
    """

    name: str
    what: str
    began_at: float
    healed_at: float | None = None


class FaultLog:
    """Notes each fault in the journal, and tells those who watch.

    Args:
        suite: Name of the suite.
        check: Name of the check.
        record: Where records go.
        now: Seconds since the run started.
    """

    def __init__(
        self,
        *,
        suite: str,
        check: str,
        record: Callable[[Record], None],
        now: Callable[[], float],
    ) -> None:
        self.suite = suite
        self.check = check
        self.watchers: list[Callable[[history.Event], None]] = []
        self._record = record
        self._now = now
        self._spells: dict[str, Spell] = {}
        self._used: Counter[str] = Counter()
        self._missed: set[str] = set()

    @property
    def spells(self) -> list[Spell]:
        """All faults, in the order of their begins."""
        return list(self._spells.values())

    @property
    def on(self) -> list[str]:
        """Names of the faults that are on."""
        return [name for name, one in self._spells.items() if one.healed_at is None]

    def miss(self, name: str) -> None:
        """Note that a fault found nothing to break."""
        self._missed.add(name)

    def has_hit(self, name: str) -> bool:
        """Tell whether a fault found something to break, as far as anybody knows."""
        return name not in self._missed

    @property
    def in_vain(self) -> list[str]:
        """Kinds that found nothing to break, each time.

        Where another fault was on meanwhile, that one may have taken it away.
        """
        hit = {one.what for one in self.spells if not self._is_in_vain(one)}
        return sorted({one.what for one in self.spells} - hit)

    def _is_in_vain(self, spell: Spell) -> bool:
        return spell.name in self._missed and not any(
            _overlap(spell, other) for other in self.spells if other != spell
        )

    def name_for(self, what: str) -> str:
        """Return a name that no fault has had: the kind, numbered from the second."""
        while True:
            self._used[what] += 1
            number = self._used[what]
            name = what if number == 1 else f"{what}-{number}"
            if name not in self._spells:
                return name

    def begin(
        self,
        what: str,
        where: str,
        *,
        name: str = "",
        seed: int = 0,
        attributes: Mapping[str, Attribute] | None = None,
    ) -> str:
        """Note that a fault begins; return its name.

        Args:
            what: Its kind.
            where: What is broken, in words.
            name: One that `name_for` has given; "" for a new one.
            seed: Of its dice; 0 where it has none.
            attributes: How bad it is.
        """
        name = name or self.name_for(what)
        at = self._now()
        self._spells[name] = Spell(name, what, at)
        self._record(
            FaultBegan(
                at=at,
                suite=self.suite,
                check=self.check,
                name=name,
                what=what,
                where=where,
                seed=seed,
                attributes=dict(attributes or {}),
            )
        )
        self._tell(history.FaultBegins(at, name))
        return name

    def heal(self, name: str) -> None:
        """Note that a fault is over.

        Raises:
            LocalError: If it is not on.
        """
        spell = self._spells.get(name)
        if spell is None or spell.healed_at is not None:
            raise LocalError(f"there is no fault {name} that is on")
        at = self._now()
        self._spells[name] = spell._replace(healed_at=at)
        self._record(FaultHealed(at=at, suite=self.suite, check=self.check, name=name))
        self._tell(history.FaultHeals(at, name))

    def _tell(self, event: history.Event) -> None:
        for watch in self.watchers:
            watch(event)

    def __repr__(self) -> str:
        """Show what is on, and how much there was."""
        return f"<FaultLog {len(self._spells)} faults, on: {', '.join(self.on) or '-'}>"


def _overlap(one: Spell, other: Spell) -> bool:
    """Tell whether two faults were on at the same time."""
    ends = [
        math.inf if each.healed_at is None else each.healed_at for each in (one, other)
    ]
    return max(one.began_at, other.began_at) <= min(ends)
