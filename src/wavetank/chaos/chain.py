"""A chain: all toxics of one stream of one link, in their order.

It refuses to know clocks and sockets: it says when it has to be woken.

Toxics of frames stand before those of bytes, each kind in the order of adding. Time
is simulated: what was due while nobody woke the chain is dealt with as of the moment
at which it was due, so that a late timer makes no delay longer than asked for, and
the same seed gives the same faults on a machine that stood still.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias, cast

from wavetank.chaos.chance import Chance
from wavetank.chaos.spec import ToxicSpec, make_toxic
from wavetank.chaos.stage import Stage, Watch
from wavetank.chaos.toxic import NEVER, End, Item, TakesOver
from wavetank.errors import LocalError

if TYPE_CHECKING:
    import random

__all__ = ["Chain", "Dice"]

Dice: TypeAlias = "Callable[[str], random.Random]"
"""Makes new dice for a name on this stream, always the same: seeded with `key_of`."""


class Chain:
    """The toxics of one stream.

    An item never overtakes another, whatever is added, changed or removed, but where
    a toxic does that on purpose; and nothing is lost by the change.

    Args:
        watch: Is told what each toxic makes at once of each item that it gets.

    Attributes:
        wakes_at: When it has to be woken; infinity for never. Something happens
            then, and nothing before.
        is_empty: Whether everything goes straight through: it need not be asked.
        has_ended: Whether the end of the stream has come out. Nothing comes behind
            it, whatever goes in.
        watch: As above.
    """

    def __init__(self, watch: Watch | None = None) -> None:
        self.wakes_at = NEVER
        self.is_empty = True
        self.has_ended = False
        self.watch = watch
        self._stages: list[Stage] = []
        self._dice: dict[str, Dice] = {}
        self._now = -NEVER

    def __repr__(self) -> str:
        state = ", ended" if self.has_ended else ""
        return f"<Chain of {self._stages}{state}>"

    def __len__(self) -> int:
        return len(self._stages)

    def __contains__(self, name: str) -> bool:
        """Tell whether a toxic was added and not removed, had by this link or not."""
        return name in self._dice

    @property
    def held(self) -> int:
        """Bytes that are in it."""
        return sum(stage.held for stage in self._stages)

    @property
    def flying(self) -> int:
        """Bytes of `held` that wait for their time alone, as on a long line."""
        return sum(stage.flying for stage in self._stages)

    @property
    def waiting(self) -> int:
        """Items that have not left yet, but for those that toxics keep themselves."""
        return sum(map(len, self._stages))

    @property
    def wants_frames(self) -> bool:
        """Whether a toxic of frames is in it."""
        return bool(self._stages) and self._stages[0].spec.is_for_frames

    def stage(self, name: str) -> Stage | None:
        """Return the stage of a toxic; None where this link does not have it."""
        place = self._place(name)
        return None if place is None else self._stages[place]

    def statistics(self) -> dict[str, dict[str, int]]:
        """Return counts of each toxic by its name."""
        return {
            stage.spec.name: stage.statistics()
            for stage in self._stages
            if not stage.is_healing
        }

    # What goes by

    def receive(self, item: Item, now: float) -> list[Item]:
        """Take an item; return what leaves the chain now."""
        out: list[Item] = []
        self._run_until(now, out)
        self._pass_on(item, 0, out)
        self._run(out)
        return out

    def wake(self, now: float) -> list[Item]:
        """Return what leaves the chain by now."""
        out: list[Item] = []
        self._run_until(now, out)
        return out

    def drop(self, now: float) -> None:
        """Let all that is in it fall, and let nothing out any more.

        What its toxics have done is still known.
        """
        for stage in self._stages:
            stage.drop(now)
        self.has_ended = True
        self._look()

    # What it is made of

    def add(self, spec: ToxicSpec, now: float, dice: Dice) -> list[Item]:
        """Put a toxic behind those of its kind; return what leaves the chain now.

        Whether this link has it at all is thrown with dice of its own, once.

        Raises:
            LocalError: If there is one of its name.
        """
        if spec.name in self._dice:
            raise LocalError(f"there is a toxic {spec.name} already; change it instead")
        out = self.wake(now)
        self._dice[spec.name] = dice
        if _has(spec, dice):
            self._insert(self._make(spec))
        self._run(out)
        return out

    def remove(self, name: str, now: float) -> list[Item]:
        """Take a toxic out; return what leaves the chain now.

        What it kept goes on at once, before all that come later; where that would
        break a message in two, at its end.

        Raises:
            LocalError: If there is none of this name.
        """
        out = self.wake(now)
        self._known(name)
        del self._dice[name]
        self._take_out(name, out)
        self._run(out)
        return out

    def change(self, spec: ToxicSpec, now: float) -> list[Item]:
        """Change a toxic in its place; return what leaves the chain now.

        Where its type can go on from where it is, it does; else it is healed first.

        Raises:
            LocalError: If there is none of this name.
        """
        out = self.wake(now)
        dice = self._known(spec.name)
        place = self._place(spec.name)
        if not _has(spec, dice):
            self._take_out(spec.name, out)
        elif place is None:
            self._insert(self._make(spec))
        else:
            self._replace(place, spec, out)
        self._run(out)
        return out

    # How

    def _run_until(self, now: float, out: list[Item]) -> None:
        """Do everything that is due, each as of its own time and in its order."""
        while self.wakes_at <= now:
            self._now = max(self._now, self.wakes_at)
            for place, stage in enumerate(self._stages):
                if stage.due <= self._now:
                    self._move(place, out)
                    stage.wake(self._now)
                    self._move(place, out)
            self._look()
        self._now = max(self._now, now)

    def _run(self, out: list[Item]) -> None:
        """Do everything that is due now that something has changed."""
        self._look()
        self._run_until(self._now, out)

    def _pass_on(self, item: Item, place: int, out: list[Item]) -> None:
        """Hand an item to a stage, or out behind the last one."""
        if place < len(self._stages):
            self._stages[place].receive(item, self._now, self.watch)
        elif not self.has_ended:
            out.append(item)
            self.has_ended = isinstance(item, End)

    def _move(self, place: int, out: list[Item]) -> None:
        """Pass on what a stage has let go and what is due."""
        stage = self._stages[place]
        while (item := stage.take_due(self._now)) is not None:
            self._pass_on(item, place + 1, out)

    def _look(self) -> None:
        """Find out when something happens next."""
        self.wakes_at = NEVER
        if any(stage.is_healed for stage in self._stages):
            self._stages = [stage for stage in self._stages if not stage.is_healed]
        for stage in self._stages:
            self.wakes_at = min(stage.due, self.wakes_at)
        self.is_empty = not self._stages and not self.has_ended

    def _known(self, name: str) -> Dice:
        if name not in self._dice:
            raise LocalError(f"there is no toxic {name}")
        return self._dice[name]

    def _place(self, name: str) -> int | None:
        places = (
            place
            for place, stage in enumerate(self._stages)
            if stage.spec.name == name and not stage.is_healing
        )
        return next(places, None)

    def _make(self, spec: ToxicSpec) -> Stage:
        dice = self._dice[spec.name]
        return Stage(
            spec, make_toxic(spec, dice(spec.name)), _chance(spec, dice, self._now)
        )

    def _insert(self, stage: Stage) -> None:
        place = len(self._stages)
        if stage.spec.is_for_frames:
            place = sum(other.spec.is_for_frames for other in self._stages)
        self._stages.insert(place, stage)

    def _take_out(self, name: str, out: list[Item]) -> None:
        place = self._place(name)
        if place is not None:
            for item in self._stages[place].heal(self._now):
                self._pass_on(item, place + 1, out)

    def _replace(self, place: int, spec: ToxicSpec, out: list[Item]) -> None:
        stage = self._stages[place]
        dice = self._dice[spec.name]
        toxic = make_toxic(spec, dice(spec.name))
        if hasattr(toxic, "take_over"):
            cast("TakesOver", toxic).take_over(stage.toxic)
        else:
            for item in stage.clear(self._now):
                self._pass_on(item, place + 1, out)
        same = spec.when == stage.spec.when
        chance = stage.chance if same else _chance(spec, dice, self._now)
        stage.replace(spec, toxic, chance)


def _has(spec: ToxicSpec, dice: Dice) -> bool:
    """Tell whether this link has a toxic; the same answer for each toxicity below."""
    return spec.toxicity >= 1 or dice(f"{spec.name}/toxicity").random() < spec.toxicity


def _chance(spec: ToxicSpec, dice: Dice, now: float) -> Chance | None:
    """Return who chooses its frames; with dice of its own."""
    return Chance(spec.when, dice(f"{spec.name}/when"), now) if spec.when else None
