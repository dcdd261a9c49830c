"""A schedule of faults as data: which fault begins when, and when it is healed.

It refuses to know how a schedule comes about, and how a fault is done.
"""

import enum

import msgspec

__all__ = ["Attribute", "Do", "Fault", "Schedule", "Step"]

Attribute = bool | int | float | str
"""What may be said of a fault: a number, a word, yes or no."""

_DONE = {"begin": "begins", "heal": "is healed"}


class Do(enum.StrEnum):
    """What a step does."""

    BEGIN = "begin"
    HEAL = "heal"


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What breaks.

    Attributes:
        name: Its own name in its schedule, such as ``latency`` or ``latency-2``.
        kind: What it is: ``kill``, ``latency``, ``drop`` ...
        attributes: How bad it is, in the words and units of its kind.
    """

    name: str
    kind: str
    attributes: dict[str, Attribute] = {}

    @property
    def text(self) -> str:
        """Its name, kind and attributes in words."""
        told = ", ".join(f"{name}={said}" for name, said in self.attributes.items())
        kind = "" if self.name == self.kind else f" ({self.kind})"
        return f"{self.name}{kind}{f' with {told}' if told else ''}"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One moment of a schedule; ``at`` is seconds since the schedule's start."""

    at: float
    do: Do
    fault: Fault

    @property
    def text(self) -> str:
        """The step as a sentence."""
        return f"at {self.at:g} s {self.fault.text} {_DONE[self.do]}"


class Schedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All steps of a schedule, in the order of time; each begin has its heal.

    Attributes:
        steps: Bounded by whoever made it.
        seed: Of the dice that it was thrown with.
        seconds: How long it takes, the rest without faults at its end included.
        text: How it was asked for, or "".
    """

    steps: tuple[Step, ...]
    seed: int
    seconds: float
    text: str = ""

    @property
    def healed_at(self) -> float:
        """When the last fault is healed, in seconds; 0 where there is none."""
        return max((step.at for step in self.steps), default=0.0)

    def describe(self) -> list[str]:
        """Return one sentence for each step."""
        return [step.text for step in self.steps]
