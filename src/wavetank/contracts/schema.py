"""Schemas: JSON Schema, compiled once, held against values and raw messages.

They refuse to fetch: whatever a schema refers to stands in its own document.
"""

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from wavetank.contracts.gathering import DRAFTS, Gathered, constants, gather
from wavetank.contracts.places import Place, Reader
from wavetank.contracts.problems import Problem, problem_of, shortened
from wavetank.errors import UsageError, nearest

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError, Validator

__all__ = ["Schema", "compile_schema", "schema_at", "text_of"]

_MOST_PROBLEMS = 10
_NEWEST: Final = 2020

_BACKTRACKS = 100_000
"""Steps of one pattern on one text, where it needs a look ahead or back: some
milliseconds. All others are matched in time that grows with the text alone."""
_PATTERN_BYTES = 1 << 20


class Schema:
    """A compiled schema.

    Attributes:
        constants: Fields of the message that can have one value only.
    """

    def __init__(
        self, validator: "Validator", gathered: Gathered, *, name: str
    ) -> None:
        self._validator = validator
        self._gathered = gathered
        self._name = name
        self._depth = gathered.depth
        self.constants: Mapping[str, str | int | bool] = constants(gathered)

    def is_valid(self, value: object) -> bool:
        """Return whether a value fits; False also where that cannot be judged."""
        try:
            return not self._is_too_deep(value) and self._validator.is_valid(value)
        except ValueError:
            return False

    def problems(
        self, value: object, *, most: int = _MOST_PROBLEMS
    ) -> tuple[Problem, ...]:
        """Return what of a value does not fit, at most so much; empty if all fits."""
        if self._is_too_deep(value):
            return (
                Problem(
                    path="",
                    expected=f"at most {self._depth} levels",
                    seen="more, which was not checked",
                    certain=False,
                ),
            )
        try:
            errors = list(itertools.islice(self._validator.iter_errors(value), most))
        except ValueError:
            return (Problem(path="", expected="a JSON value", seen=_kind(value)),)
        return tuple(problem_of(error, self._gathered.schema) for error in errors)

    def read(self, message: str | bytes) -> tuple[object, tuple[Problem, ...]]:
        """Decode a message; return its value and what of it does not fit.

        What is not JSON is one problem, and None.
        """
        try:
            value = msgspec.json.decode(message)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return None, (Problem(path="", expected="JSON", seen=text_of(message)),)
        return value, () if self.is_valid(value) else self.problems(value)

    def _is_too_deep(self, value: object) -> bool:
        """Return whether a value nests deeper than this schema is checked."""
        if self._depth is None:
            return False
        level = [value] if isinstance(value, dict | list) else []
        for _ in range(self._depth):
            if not level:
                return False
            level = [
                inner
                for node in level
                for inner in (node.values() if isinstance(node, dict) else node)
                if isinstance(inner, dict | list)
            ]
        return bool(level)

    def __repr__(self) -> str:
        """Show its name."""
        return f"<Schema {self._name}>"


def compile_schema(
    schema: object, *, name: str = "schema", closed: bool = False
) -> Schema:
    """Compile a JSON Schema of any draft; without ``$schema`` it is 2020-12.

    Args:
        schema: As decoded from JSON.
        name: What the user calls it.
        closed: Whether keys that a schema does not name are wrong, where it names
            keys and says nothing of others.

    Raises:
        UsageError: With all that is wrong with it. References that leave it, lead
            in a circle or multiply without bound are wrong, and so are patterns
            that no engine can hold.
    """
    reader = Reader(schema, name=name)
    compiled = schema_at(reader, (), draft=_NEWEST, closed=closed)
    if compiled is None:
        raise UsageError(reader.problems)
    return compiled


def schema_at(
    reader: Reader, place: Place, *, draft: int = 7, closed: bool = False
) -> Schema | None:
    """Compile the schema at a place of a document.

    Args:
        reader: Of the document; gets the problems.
        place: Where the schema stands.
        draft: Of JSON Schema, where ``$schema`` does not say.
        closed: As for ``compile_schema``.

    Returns:
        None where there were problems.
    """
    named = _draft(reader, place, draft)
    draft = named or draft
    gathered = gather(reader, place, draft=draft, closed=closed)
    if gathered is None or named is None:
        return None
    # It takes a while to import, and whoever has no contract never needs it.
    import jsonschema_rs as engine

    validators = {
        4: engine.Draft4Validator,
        6: engine.Draft6Validator,
        7: engine.Draft7Validator,
        2019: engine.Draft201909Validator,
        2020: engine.Draft202012Validator,
    }
    patterns = engine.FancyRegexOptions(
        backtrack_limit=_BACKTRACKS,
        size_limit=_PATTERN_BYTES,
        dfa_size_limit=_PATTERN_BYTES,
    )
    try:
        validator = validators[draft](
            gathered.schema,
            offline=True,
            validate_formats=True,
            pattern_options=patterns,
        )
    except engine.ValidationError as error:
        reader.problem(place, _refused(error))
        return None
    except ValueError:
        reader.problem(place, "a value in it nests too deep, or is none of JSON")
        return None
    return Schema(validator, gathered, name=reader.name)


def text_of(message: str | bytes, most: int = 200) -> str:
    """Return the beginning of a message as text, whatever its bytes are."""
    text = message[:most]
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    return f"{text}…" if len(message) > most else text or "nothing"


def _draft(reader: Reader, place: Place, default: int) -> int | None:
    """Return the draft that ``$schema`` names; None where there is no such draft."""
    schema = reader.at(place)
    named = schema.get("$schema") if isinstance(schema, dict) else None
    if named is None:
        return default
    for name, draft in DRAFTS.items():
        if f"/{name}/schema" in str(named):
            return draft
    reader.problem(
        place,
        f"$schema {shortened(named)} is no draft of JSON Schema"
        f"{nearest(str(named), _NAMES)}",
    )
    return None


_NAMES = (
    *(f"http://json-schema.org/draft-0{number}/schema#" for number in (4, 6, 7)),
    "https://json-schema.org/draft/2019-09/schema",
    "https://json-schema.org/draft/2020-12/schema",
)


def _refused(error: "ValidationError") -> str:
    """Say what is wrong with a schema, and where in it."""
    keyword = next(
        (step for step in reversed(error.instance_path) if isinstance(step, str)), ""
    )
    sentence = error.message.partition("\n")[0]
    if len(sentence) > 200:
        sentence = f"{sentence[:200]}…"
    if type(error.kind).__name__ == "Format" and "regex" in sentence:
        sentence += " that is read here: it is broken, or too large"
    return f"{keyword}: {sentence}" if keyword else sentence


def _kind(value: object) -> str:
    return f"a Python {type(value).__name__}"
