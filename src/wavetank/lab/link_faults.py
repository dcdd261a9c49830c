"""Faults of the links between a check and its target: what its proxy breaks.

It refuses to know the target's process, and when a fault is healed.
"""

from collections.abc import Callable, Mapping
from typing import Final

from wavetank.chaos import Direction, Proxy, ToxicSpec, read_spec
from wavetank.errors import UsageError
from wavetank.evidence import Attribute
from wavetank.lab.fault_kinds import OF_TOXICS, Given, Heals, Links, where, wrong_values
from wavetank.lab.fault_log import FaultLog
from wavetank.lab.reach import Reach

__all__ = ["LinkFaults"]

_PROXY: Final = "the proxy before the target"


class LinkFaults:
    """What a proxy breaks: links as a whole, and what goes by in them.

    Args:
        proxy: The proxy, in frames mode.
        log: Where each fault is noted.
        heals: What ends each fault, for whoever heals it.
        seed: Of all dice.
    """

    def __init__(self, proxy: Proxy, log: FaultLog, heals: Heals, *, seed: int) -> None:
        self._proxy = proxy
        self._log = log
        self._heals = heals
        self._seed = seed
        self._reach = Reach(proxy)
        self._offline: set[str] = set()
        self._kinds: Mapping[str, Callable[[Given, Links], str]] = {
            "cut": self._begin_cut,
            "partition": self._begin_partition,
            "offline": self._begin_offline,
            "half_open": self._begin_half_open,
        }

    def begin(self, what: str, given: Given, links: Links) -> str:
        """Begin a fault; return its name.

        Args:
            what: Its kind.
            given: How bad it is.
            links: The links that it is for.

        Raises:
            UsageError: If an attribute is wrong.
        """
        if what in self._kinds:
            return self._kinds[what](given, links)
        attributes = dict(given)
        toxic: dict[str, object] = {"type": what, "attributes": attributes}
        toxic |= {key: attributes.pop(key) for key in OF_TOXICS if key in attributes}
        return self.add(toxic, links)

    def cut(self, given: Given, links: Links) -> tuple[str, int]:
        """Cut links; return the fault's name, and how many links there were.

        Raises:
            UsageError: If it is in no way that there is.
        """
        if problems := wrong_values("cut", given):
            raise UsageError(problems)
        how = str(given.get("how", "rst"))
        # Noted before it is done: who is cut may notice at once.
        name = self._log.begin("cut", where(links), attributes={"how": how})
        if not (count := self._proxy.cut(how, links=links)):
            self._log.miss(name)
        return name, count

    def add(self, given: Given, links: Links) -> str:
        """Add a toxic; return the fault's name.

        Args:
            given: Its type, attributes and the rest, as a toxic is asked for.
            links: The links that it is for.

        Raises:
            UsageError: With every mistake in it.
        """
        what = str(given["type"])
        # Read before it is noted: a mistake is no fault.
        spec = read_spec({**given, "name": self._log.name_for(what)})
        told: dict[str, Attribute] = {
            key: value if isinstance(value, bool | int | float) else str(value)
            for key, value in spec.attributes.items()
            if value is not None
        }
        place = f"{where(links)} {spec.stream}"
        if spec.toxicity < 1:
            told["toxicity"] = spec.toxicity
        self._log.begin(what, place, name=spec.name, seed=self._seed, attributes=told)
        self._reach.begin(spec.name, links)
        self._proxy.add(spec, links=links)
        name = spec.name
        return self._is_on(name, lambda: self._reach.take_out(name, name))

    def _is_on(self, name: str, undo: Callable[[], None]) -> str:
        """Have a fault healed later, and noted as a miss where nothing was hit."""

        def heal() -> None:
            undo()
            if not self._reach.end(name):
                self._log.miss(name)

        self._heals[name] = heal
        return name

    def _begin_cut(self, given: Given, links: Links) -> str:
        name, _ = self.cut(given, links)
        self._heals[name] = lambda: None
        return name

    def _begin_partition(self, given: Given, links: Links) -> str:
        name = self._log.begin("partition", where(links))
        specs = [
            ToxicSpec(name=f"{name}/{stream}", type="stall", stream=stream)
            for stream in Direction
        ]

        def let_by() -> None:
            self._reach.take_out(name, *(spec.name for spec in specs))

        self._reach.begin(name, links)
        for spec in specs:
            self._proxy.add(spec, links=links)
        return self._is_on(name, let_by)

    def _begin_offline(self, given: Given, links: Links) -> str:
        name = self._log.begin("offline", _PROXY)
        self._offline.add(name)

        def let_in() -> None:
            self._offline.discard(name)
            if not self._offline:
                self._proxy.enable()

        self._reach.begin(name, None)
        self._proxy.disable()
        return self._is_on(name, let_in)

    def _begin_half_open(self, given: Given, links: Links) -> str:
        numbers = list(self._proxy.links) if links is None else links
        return self.add({"type": "half_open", **given}, numbers)

    def __repr__(self) -> str:
        """Show the proxy, and which faults have found no link yet."""
        return f"<LinkFaults {self._proxy!r}, {self._reach!r}>"
