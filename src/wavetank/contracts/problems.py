"""Problems: what of a message does not fit its schema, where, and what stood there.

They refuse to know how it was checked: they put the answer into words.
"""

import difflib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from wavetank.contracts.places import written

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError

__all__ = ["Problem", "problem_of", "shortened"]

_SHOWN = 60
_OPTIONS = 5
_MOST_FORMS = 100
_GAVE_UP = frozenset({"BacktrackLimitExceeded", "RegexEngineFailure"})
_ALTERNATIVES = frozenset({"AnyOf", "OneOfNotValid"})


class Problem(NamedTuple):
    """One place of a message that is not as its schema says.

    Attributes:
        path: Where, such as ``data.legs.0.price``; "" for the message itself.
        expected: What should stand there.
        seen: What stands there, shortened.
        certain: False where checking was given up, so that nobody knows.
    """

    path: str
    expected: str
    seen: str
    certain: bool = True

    def __str__(self) -> str:
        """Say it in one sentence."""
        return (
            f"{self.path or 'the message'}: expected {self.expected}, saw {self.seen}"
        )


def problem_of(error: "ValidationError", schema: Any) -> Problem:
    """Put an error into words.

    Args:
        error: As the validator found it.
        schema: The whole schema that it was made of.
    """
    error = _nearest_form(error)
    kind = type(error.kind).__name__
    if kind in _GAVE_UP or _has_given_up(error):
        return Problem(
            path=written(error.instance_path),
            expected="a text whose pattern can be checked",
            seen="a pattern that takes too long on it",
            certain=False,
        )
    words = _WORDS.get(kind)
    expected = words(error) if words else error.message
    seen = shortened(error.instance)
    if kind == "Required":
        missing = error.kind.as_dict()["property"]
        seen = f"none{_there_is(missing, error, schema)}"
    elif kind in {"AdditionalProperties", "UnevaluatedProperties"}:
        seen = _unexpected(error, schema)
    return Problem(path=written(error.instance_path), expected=expected, seen=seen)


def shortened(value: object, most: int = _SHOWN) -> str:
    """Return a value as JSON; long texts are cut, objects and lists only told."""
    if isinstance(value, dict):
        return f"an object with {_some(value)}" if value else "an empty object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, str):
        cut = value if len(value) <= most else f"{value[:most]}…"
        return msgspec.json.encode(cut).decode()
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= most else f"{text[:most]}…"


def _some(keys: Iterable[str]) -> str:
    names = [key[:_SHOWN] for key in keys]
    more = ", …" if len(names) > _OPTIONS else ""
    return ", ".join(names[:_OPTIONS]) + more


# Alternatives


def _nearest_form(error: "ValidationError") -> "ValidationError":
    """Return the error within the form that a value comes nearest to.

    Nearest is the one form whose kind of value it is, and of several the one
    with the fewest errors. Where it is of no form's kind, the error stays.
    """
    while type(error.kind).__name__ in _ALTERNATIVES:
        place = len(error.instance_path)
        forms = [
            form
            for form in error.kind.as_dict()["context"][:_MOST_FORMS]
            if form and not any(_is_other_kind(inner, place) for inner in form)
        ]
        if not forms:
            return error
        error = min(forms, key=len)[0]
    return error


def _is_other_kind(error: "ValidationError", place: int) -> bool:
    """Return whether a form is for another kind of value, or for another ``type``.

    Args:
        error: Within the form.
        place: Length of the path to the value.
    """
    kind, away = type(error.kind).__name__, len(error.instance_path) - place
    if kind in {"Constant", "Enum"}:
        return away <= 1
    return kind == "Type" and away == 0


def _has_given_up(error: "ValidationError") -> bool:
    """Return whether one of a value's forms could not be checked."""
    forms = error.kind.as_dict().get("context", ())
    return any(
        type(inner.kind).__name__ in _GAVE_UP or _has_given_up(inner)
        for form in forms[:_MOST_FORMS]
        for inner in form
    )


# Keys


def _there_is(missing: str, error: "ValidationError", schema: Any) -> str:
    """Tell of a key that may be meant to be the one that is missing."""
    named = _named(error, schema)
    instance: Any = error.instance
    others = [key for key in instance if key not in named]
    close = _close(missing, others)
    return f", but {close}" if close else ""


def _unexpected(error: "ValidationError", schema: Any) -> str:
    keys = error.kind.as_dict()["unexpected"]
    close = _close(keys[0], _named(error, schema))
    return f"{_some(keys)}; did you mean {close}?" if close else _some(keys)


def _close(key: str, others: Iterable[str]) -> str:
    """Return the key that resembles one closely: a message is nobody's typing."""
    close = difflib.get_close_matches(key[:_SHOWN], list(others), n=1, cutoff=0.65)
    return close[0][:_SHOWN] if close else ""


def _named(error: "ValidationError", schema: Any) -> Iterable[str]:
    """Return the keys that the schema of an object names."""
    for step in error.schema_path[:-1]:
        # A key of digits comes as a number, too.
        schema = schema[str(step) if isinstance(schema, dict) else step]
    named: Iterable[str] = schema.get("properties", {})
    return named


# Words


def _one_of(words: Sequence[str]) -> str:
    shown = [*words[:_OPTIONS], "…"] if len(words) > _OPTIONS else words
    return " or ".join([", ".join(shown[:-1]), shown[-1]]) if shown[1:] else shown[0]


def _types(error: "ValidationError") -> str:
    names = sorted(error.kind.as_dict()["types"], key=lambda name: name == "null")
    return _one_of([_TYPES.get(name, name) for name in names])


def _forms(error: "ValidationError") -> str:
    """Name the kinds of values that the forms are for, where that is all."""
    words: list[str] = []
    for form in error.kind.as_dict()["context"]:
        inner = next(iter(form), None)
        kind = type(inner.kind).__name__ if inner else ""
        at_once = inner and len(inner.instance_path) == len(error.instance_path)
        if inner is None or not at_once or kind not in {"Type", "Constant", "Enum"}:
            return f"one of {len(error.kind.as_dict()['context'])} forms"
        words.append(_WORDS[kind](inner))
    return _one_of(list(dict.fromkeys(words)))


def _limit(sentence: str) -> Any:
    return lambda error: sentence.format(shortened(error.kind.as_dict()["limit"]))


_TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a text",
}

_WORDS: dict[str, Any] = {
    "AdditionalItems": _limit("at most {} items"),
    "AdditionalProperties": lambda _: "only keys that the schema names",
    "AnyOf": _forms,
    "Constant": lambda error: shortened(error.kind.as_dict()["expected_value"]),
    "Contains": lambda _: "a list with a certain kind of item",
    "Enum": lambda error: _one_of(
        [shortened(option) for option in error.kind.as_dict()["options"]]
    ),
    "ExclusiveMaximum": _limit("less than {}"),
    "ExclusiveMinimum": _limit("more than {}"),
    # The validator does not say which key: the path is that of the object.
    "FalseSchema": lambda error: (
        "no keys"
        if error.schema_path[-1:] == ["additionalProperties"]
        else "nothing here"
    ),
    "Format": lambda error: f"a text in the format {error.kind.as_dict()['format']}",
    "MaxItems": _limit("at most {} items"),
    "MaxLength": _limit("at most {} characters"),
    "MaxProperties": _limit("at most {} keys"),
    "Maximum": _limit("at most {}"),
    "MinItems": _limit("at least {} items"),
    "MinLength": _limit("at least {} characters"),
    "MinProperties": _limit("at least {} keys"),
    "Minimum": _limit("at least {}"),
    "MultipleOf": lambda error: (
        f"a multiple of {shortened(error.kind.as_dict()['multiple_of'])}"
    ),
    "Not": lambda _: "anything but this",
    "OneOfMultipleValid": lambda _: "one of several forms, not two at once",
    "OneOfNotValid": _forms,
    "Pattern": lambda error: f"a text like {error.kind.as_dict()['pattern'][:_SHOWN]}",
    "PropertyNames": lambda _: "keys as the schema wants them",
    "Required": lambda error: f"a field {error.kind.as_dict()['property']}",
    "Type": _types,
    "UnevaluatedProperties": lambda _: "only keys that the schema names",
    "UniqueItems": lambda _: "a list without the same item twice",
}
"""What each kind of error expects; the validator's own words stand for others."""
