"""Telling: which message of a contract a payload is, and whether it fits.

It refuses to remember: the same message is always told the same.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from wavetank.contracts.asyncapi import Content, MessageType
from wavetank.contracts.problems import Problem, shortened
from wavetank.contracts.schema import text_of
from wavetank.errors import nearest

__all__ = ["Teller", "Told"]

_FIRST = "type"
"""The field that is looked at, where several would do."""
_MOST_PROPOSALS = 256
_NOT_JSON = (msgspec.DecodeError, ValueError, RecursionError)


class Told(NamedTuple):
    """What became of one message.

    Attributes:
        type: Which message it is; None where the contract has no such one.
        problems: What of it does not fit; for an unknown one, why it is unknown.
        label: What an unknown one says that it is, shortened.
        unread: Why it could not be checked; "" where it was.
    """

    type: MessageType | None
    problems: tuple[Problem, ...] = ()
    label: str = ""
    unread: str = ""


class Teller:
    """Tells messages apart: by a field with one value each, else by what fits.

    Args:
        types: The messages that can come.

    Attributes:
        field: The field by which messages are told apart; "" where none has one.
    """

    def __init__(self, types: Sequence[MessageType]) -> None:
        self.field = _field(types)
        self._proposals: dict[str, str] = {}
        self._fine = {one.name: Told(one, unread=one.unread) for one in types}
        self._by_value: dict[object, list[MessageType]] = {}
        self._others: list[MessageType] = []
        self._unwritten = [one for one in types if one.content is not Content.JSON]
        for one in types:
            if one.content is not Content.JSON:
                continue
            constants = one.schema.constants if one.schema else {}
            if self.field in constants:
                self._by_value.setdefault(_key(constants[self.field]), []).append(one)
            else:
                self._others.append(one)

    def tell(self, message: str | bytes) -> Told:
        """Return which message it is, and what of it does not fit."""
        try:
            value = msgspec.json.decode(message)
        except _NOT_JSON:
            return self._unwritten_one(message)
        if type(value) is dict:
            named = value.get(self.field)
            if type(named) is str:
                types = self._by_value.get(named)
                # The common case, on a short way.
                if types is not None and len(types) == 1:
                    return self._as(types[0], value)
        return self._one_of(value, message)

    def _as(self, type: MessageType, value: object) -> Told:
        """Hold a value against the one type that it can be."""
        if type.schema is None or type.schema.is_valid(value):
            return self._fine[type.name]
        return _held(type, value)

    def _one_of(self, value: object, message: str | bytes) -> Told:
        """Find the type that fits a value; of several, the document's first."""
        named = value.get(self.field) if isinstance(value, dict) else None
        own = self._by_value.get(_key(named), []) if _is_scalar(named) else []
        likely = [*own, *self._others]
        for one in likely:
            if one.schema is None or one.schema.is_valid(value):
                return self._fine[one.name]
        says_what = bool(self.field) and isinstance(value, dict)
        if self._unwritten and not own and not says_what:
            return self._unwritten_one(message)
        # Who says what it is, is that; and where there is one kind, it is meant.
        only = self._others if len(self._others) == 1 and not self._by_value else []
        # What could not be checked may well fit.
        doubtful = [held for held in _each(likely, value) if not _is_certain(held)]
        return min(
            doubtful or _each(own or only, value),
            key=lambda held: len(held.problems),
            default=None,
        ) or self._unknown(named, value)

    def _unwritten_one(self, message: str | bytes) -> Told:
        """Take a message for one that is not written in JSON."""
        for one in self._unwritten:
            if one.content is Content.OPAQUE or one.schema is None:
                return self._fine[one.name]
            if isinstance(message, str) and one.schema.is_valid(message):
                return self._fine[one.name]
        problem = Problem(path="", expected="JSON", seen=text_of(message, 60))
        if len(self._unwritten) == 1 and isinstance(message, str):
            (one,) = self._unwritten
            return _held(one, message)
        return Told(None, (problem,), label="no JSON")

    def _unknown(self, named: object, value: object) -> Told:
        """Say why a value is none of the contract's messages."""
        if not self.field or not self._by_value:
            problem = Problem(
                path="",
                expected="one of the contract's messages",
                seen=shortened(value),
            )
            return Told(None, (problem,), label="no known form")
        if not isinstance(value, dict) or self.field not in value:
            problem = Problem(
                path="", expected=f"a field {self.field}", seen=shortened(value)
            )
            return Told(None, (problem,), label=f"no {self.field}")
        seen = shortened(named)
        close = self._proposal(named) if isinstance(named, str) else ""
        problem = Problem(
            path=self.field, expected="a name of the contract", seen=f"{seen}{close}"
        )
        return Told(None, (problem,), label=f"{self.field} {seen}")

    def _proposal(self, named: str) -> str:
        """Propose the nearest name; the same one comes again and again."""
        named = named[:100]
        if named not in self._proposals:
            if len(self._proposals) >= _MOST_PROPOSALS:
                return ""
            known = [value for value in self._by_value if isinstance(value, str)]
            self._proposals[named] = nearest(named, known)
        return self._proposals[named]


def _held(type: MessageType, value: object) -> Told:
    """Say what of a value does not fit a type."""
    return Told(type, type.schema.problems(value) if type.schema else ())


def _each(types: Sequence[MessageType], value: object) -> list[Told]:
    return [_held(one, value) for one in types]


def _is_certain(told: Told) -> bool:
    return all(problem.certain for problem in told.problems)


def _field(types: Sequence[MessageType]) -> str:
    """Return the field that tells most types apart; "" where none does."""
    values: dict[str, set[object]] = {}
    counts: Counter[str] = Counter()
    for one in types:
        constants = one.schema.constants if one.schema else {}
        for name, value in constants.items():
            values.setdefault(name, set()).add(_key(value))
            counts[name] += 1
    return max(
        values,
        key=lambda name: (len(values[name]), counts[name], name == _FIRST),
        default="",
    )


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int | float | bool)


def _key(value: object) -> object:
    """Return a key that keeps true and 1 apart, which Python does not."""
    return (bool, value) if isinstance(value, bool) else value
