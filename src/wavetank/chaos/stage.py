"""A stage: one toxic of a stream, and what it let go that is not due yet.

It refuses to know what stands before and behind it.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeAlias, cast

from wavetank.chaos.chance import Chance
from wavetank.chaos.spec import ToxicSpec
from wavetank.chaos.toxic import (
    NEVER,
    End,
    Frame,
    Item,
    Keeps,
    Lingers,
    PassesBy,
    Timed,
    Toxic,
    size_of,
)

__all__ = ["Stage", "Watch"]

Watch: TypeAlias = Callable[[str, Item, list[Timed]], None]
"""Is told what a toxic was given, by the toxic's name, and what it made of that."""


class Stage:
    """One toxic, and its items in the order in which they leave.

    An item never leaves before one that was let go earlier, and nothing leaves behind
    an end.

    Args:
        spec: What was asked for.
        toxic: What was made of it.
        chance: Chooses its frames; None for all.

    Attributes:
        spec: What was asked for.
        toxic: What was made of it.
        chance: Chooses its frames; None for all.
        seen: Items that came.
        hurt: Items that did not simply go on, as they came and at once.
        is_healing: Whether it was taken out, and hurts nothing any more.
    """

    def __init__(self, spec: ToxicSpec, toxic: Toxic, chance: Chance | None) -> None:
        self.spec = spec
        self.chance = chance
        self.seen = 0
        self.hurt = 0
        self.is_healing = False
        self._queue: deque[Timed] = deque()
        self._queued = 0  # Bytes.
        self._flying = 0  # Those of them whose time is known.
        self._latest = -NEVER
        self._has_ended = False
        self._is_to_end = False  # An end has come, which is no doing of the toxic.
        self.toxic: Toxic = toxic
        self._look(toxic)

    def __repr__(self) -> str:
        return f"<{self.spec.name} {self.spec.type}, {self.held} bytes held>"

    @property
    def held(self) -> int:
        """Bytes that are here, with those that the toxic keeps."""
        return self._queued + (self._keeps.kept if self._keeps is not None else 0)

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def flying(self) -> int:
        """Bytes of `held` that go on at a time that is known, and wait for nothing."""
        return self._flying

    @property
    def due(self) -> float:
        """When something happens next."""
        wakes_at = self.toxic.wakes_at
        return min(self._queue[0][0], wakes_at) if self._queue else wakes_at

    def receive(self, item: Item, now: float, watch: Watch | None) -> None:
        """Give an item to the toxic, or past it."""
        if self._has_ended:
            return
        self.seen += 1
        self._is_to_end = self._is_to_end or type(item) is End
        kept = self._keeps.kept if self._keeps is not None else 0
        chance = self.chance
        if self.is_healing:
            let_go = cast("PassesBy", self.toxic).pass_by(item, now)
        elif chance is None or type(item) is not Frame or chance.takes(item, now):
            let_go = self.toxic.receive(item, now)
            if watch is not None:
                watch(self.spec.name, item, let_go)
        elif self._passes is not None:
            let_go = self._passes.pass_by(item, now)
        else:
            let_go = [(now, item)]
        if not self.is_healing:
            more = (self._keeps.kept if self._keeps is not None else 0) - kept
            self.hurt += not _is_spared(item, let_go, now, more)
        self._let_go(let_go)

    def take_due(self, now: float) -> Item | None:
        """Take the first item if it is due."""
        if not self._queue or self._queue[0][0] > now:
            return None
        item = self._queue.popleft()[1]
        size = size_of(item)
        self._queued -= size
        self._flying -= size
        return item

    def wake(self, now: float) -> None:
        """Wake the toxic if it is due."""
        if self.toxic.wakes_at > now:
            return
        let_go = self.toxic.wake(now)
        if not let_go and self.toxic.wakes_at <= now:
            raise AssertionError(f"{self.spec.name} wakes again and again")
        self._note_end(let_go)
        self._let_go(let_go)

    def clear(self, now: float) -> list[Item]:
        """Heal the toxic; return everything that is here, in order."""
        let_go = self.toxic.heal(now)
        self._note_end(let_go)
        self._let_go(let_go)
        items = [item for _, item in self._queue]
        self._queue.clear()
        self._queued = self._flying = 0
        self._latest = -NEVER
        return items

    def heal(self, now: float) -> list[Item]:
        """Take the toxic out; return everything that may go at once, in order."""
        self.is_healing = True
        return self.clear(now)

    def drop(self, now: float) -> None:
        """Let everything that is here fall: nothing of this stream goes on any more.

        What it has done is still known.
        """
        self._has_ended = True
        self.clear(now)

    @property
    def is_healed(self) -> bool:
        """Whether nothing is left of a toxic that was taken out."""
        lingers = hasattr(self.toxic, "is_empty")
        is_empty = not lingers or cast("Lingers", self.toxic).is_empty
        return self.is_healing and is_empty and not self._queue

    def replace(self, spec: ToxicSpec, toxic: Toxic, chance: Chance | None) -> None:
        """Put another toxic of the same type here."""
        self.spec = spec
        self.chance = chance
        self.toxic = toxic
        self._look(toxic)

    def statistics(self) -> dict[str, int]:
        """Return what was seen, chosen, hurt and could not be read."""
        chance = self.chance
        return {
            "seen": self.seen,
            "chosen": self.seen if chance is None else chance.chosen,
            "hurt": self.hurt,
            "unread": 0 if chance is None else chance.unread,
            "held": self.held,
        }

    def _look(self, toxic: Toxic) -> None:
        """Find out once what the toxic can do that not all can."""
        self._keeps = cast("Keeps", toxic) if hasattr(toxic, "kept") else None
        self._passes = cast("PassesBy", toxic) if hasattr(toxic, "pass_by") else None

    def _note_end(self, let_go: Iterable[Timed]) -> None:
        """Count an end that the toxic makes of its own accord, once."""
        if self._is_to_end or self._has_ended:
            return
        if any(type(item) is End for _, item in let_go):
            self._is_to_end = True
            self.hurt += 1

    def _let_go(self, items: Iterable[Timed]) -> None:
        for at, item in items:
            if self._has_ended:
                return
            self._latest = max(self._latest, at)
            self._queue.append((self._latest, item))
            size = size_of(item)
            self._queued += size
            self._flying += size if self._latest < NEVER else 0
            self._has_ended = isinstance(item, End)


def _is_spared(item: Item, let_go: list[Timed], now: float, more: int) -> bool:
    """Tell whether an item goes on by itself, at once, and as it came.

    Args:
        item: What came.
        let_go: What became of it.
        now: When that was.
        more: Bytes that the toxic keeps because of it; below 0 where it has let go
            others before this one.
    """
    if more > 0 or not let_go or (len(let_go) > 1 and more == 0):
        return False
    at, last = let_go[-1]
    return at <= now and last == item
