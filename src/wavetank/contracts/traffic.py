"""Traffic: a fold of messages into counts for each type, with a few examples.

It refuses to judge: what is a failure is the checker's to say.
"""

from collections.abc import Sequence

import msgspec

from wavetank.contracts.asyncapi import MessageType
from wavetank.contracts.problems import Problem
from wavetank.contracts.schema import text_of
from wavetank.contracts.telling import Teller, Told

__all__ = ["Example", "Seen", "Tally", "Traffic"]

_EXAMPLES = 3
_MOST_LABELS = 20
_REST = "others"


class Example(msgspec.Struct, frozen=True):
    """A message that did not fit, shortened, with what was wrong with it."""

    text: str
    problems: tuple[Problem, ...]


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages of one type were seen.

    Attributes:
        name: Of the type; for an unknown one, what it says of itself.
        seen: All of them.
        invalid: Those that do not fit.
        unjudged: Those of which nobody can tell.
        examples: The first that did not fit, or could not be judged.
        reason: Why they could not be judged.
    """

    name: str
    seen: int = 0
    invalid: int = 0
    unjudged: int = 0
    examples: tuple[Example, ...] = ()
    reason: str = ""

    @property
    def valid(self) -> int:
        """Those that fit."""
        return self.seen - self.invalid - self.unjudged


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """All that was seen so far.

    Attributes:
        types: One tally for each type of the contract, in its order.
        unknown: One for each name that the contract does not have; the last one is
            for all others, where there are too many.
    """

    types: tuple[Tally, ...]
    unknown: tuple[Tally, ...] = ()

    @property
    def total(self) -> int:
        """All messages."""
        return sum(one.seen for one in (*self.types, *self.unknown))

    @property
    def never(self) -> tuple[str, ...]:
        """Types of which no message came."""
        return tuple(one.name for one in self.types if not one.seen)


class _Count:
    """The growing form of a tally."""

    __slots__ = ("examples", "invalid", "name", "reason", "seen", "unjudged")

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen = self.invalid = self.unjudged = 0
        self.examples: list[Example] = []
        self.reason = ""

    def tally(self) -> Tally:
        return Tally(
            name=self.name,
            seen=self.seen,
            invalid=self.invalid,
            unjudged=self.unjudged,
            examples=tuple(self.examples),
            reason=self.reason,
        )


class Traffic:
    """Folds messages of one direction; its memory is bounded by the contract.

    Args:
        types: The messages that can come, such as ``contract.sent``.
    """

    def __init__(self, types: Sequence[MessageType]) -> None:
        self._teller = Teller(types)
        self._types = {one.name: _Count(one.name) for one in types}
        self._unknown: dict[str, _Count] = {}

    def see(self, message: str | bytes) -> Told:
        """Take a message into account; return what it was taken for."""
        told = self._teller.tell(message)
        if told.type is None:
            self._wrong(self._unknown_count(told.label), told, message)
            return told
        count = self._types[told.type.name]
        if told.problems:
            self._wrong(count, told, message)
            return told
        count.seen += 1
        if told.unread:
            count.unjudged += 1
            count.reason = told.unread
        return told

    @property
    def seen(self) -> Seen:
        """What was seen so far."""
        return Seen(
            types=tuple(one.tally() for one in self._types.values()),
            unknown=tuple(one.tally() for one in self._unknown.values()),
        )

    def _unknown_count(self, label: str) -> _Count:
        if label not in self._unknown and len(self._unknown) >= _MOST_LABELS:
            label = _REST
        return self._unknown.setdefault(label, _Count(label))

    @staticmethod
    def _wrong(count: _Count, told: Told, message: str | bytes) -> None:
        count.seen += 1
        if any(problem.certain for problem in told.problems):
            count.invalid += 1
        else:
            count.unjudged += 1
            count.reason = str(told.problems[0])
        if len(count.examples) < _EXAMPLES:
            example = Example(text=text_of(message), problems=told.problems)
            count.examples.append(example)

    def __repr__(self) -> str:
        """Show how many messages there were."""
        return f"<Traffic {self.seen.total} messages>"
