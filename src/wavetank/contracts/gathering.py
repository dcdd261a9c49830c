"""Gathers a schema with all that it refers to, and weighs what checking it may cost.

It refuses to know messages; what it hands on refers to nothing outside of itself.
"""

import difflib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from wavetank.contracts.places import Place, Reader

__all__ = ["DRAFTS", "Gathered", "constants", "gather"]

DRAFTS: Final = {
    "draft-04": 4,
    "draft-06": 6,
    "draft-07": 7,
    "2019-09": 2019,
    "2020-12": 2020,
}
"""Versions of JSON Schema as their names have them, and the drafts."""

_BESIDE: Final = ("allOf", "anyOf", "oneOf")
_BESIDE_ONE: Final = ("not", "if", "then", "else")
_BESIDE_NAMED: Final = ("dependentSchemas", "dependencies")
_BELOW_NAMED: Final = ("properties", "patternProperties")
_BELOW_LISTED: Final = ("prefixItems",)
_BELOW: Final = (
    *("additionalProperties", "unevaluatedProperties", "propertyNames"),
    *("items", "additionalItems", "unevaluatedItems", "contains"),
)
_PLAIN: Final = (
    *("type", "enum", "const", "multipleOf", "maximum", "exclusiveMaximum"),
    *("minimum", "exclusiveMinimum", "maxLength", "minLength", "pattern", "maxItems"),
    *("minItems", "uniqueItems", "maxContains", "minContains", "maxProperties"),
    *("minProperties", "required", "dependentRequired", "format"),
    *("contentEncoding", "contentMediaType"),
)
_KNOWN: Final = frozenset(
    {
        *(*_BESIDE, *_BESIDE_ONE, *_BESIDE_NAMED, *_BELOW_NAMED, *_BELOW_LISTED),
        *(*_BELOW, *_PLAIN, "$ref"),
    }
)
_WORDS: Final = frozenset(
    {
        *("$schema", "$id", "id", "$anchor", "$comment", "$vocabulary", "$defs"),
        *("definitions", "title", "description", "default", "example", "examples"),
        *("deprecated", "readOnly", "writeOnly", "discriminator", "externalDocs"),
        *("contentSchema", "nullable"),
    }
)
"""Keywords that decide nothing here: they are left out, as unknown ones are."""
_MOVING: Final = ("$dynamicRef", "$recursiveRef")
_OPENED: Final = ("patternProperties", "additionalProperties", "unevaluatedProperties")

_MOST_NESTED = 64
"""Schemas in schemas, in one place of the document."""
_LONGEST_WAY = 100
"""Schemas on one way through references: a reader in C has one stack."""
_MOST_WORK = 100_000
"""Schemas that one value may have to be held against."""
_MOST_STEPS = 1_000_000.0
_DEEPEST = 128
"""Levels of a message, the bound of whoever decodes it: 64 is what common readers
take by default, and the hub's own payloads stay below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """A schema that stands for itself.

    Attributes:
        schema: References lead to its own ``definitions`` alone.
        depth: Levels down to which a value may nest for checking it to stay quick;
            None where the schema itself ends, so that no value leads deeper.
    """

    schema: dict[str, Any]
    depth: int | None


def gather(
    reader: Reader, place: Place = (), *, draft: int = 7, closed: bool = False
) -> Gathered | None:
    """Gather the schema at a place of a document.

    Args:
        reader: Of the document; gets the problems.
        place: Where the schema stands.
        draft: Of JSON Schema, a value of ``DRAFTS``.
        closed: Whether a key that is not named is wrong where a schema names keys
            and says nothing of others. (JSON Schema lets it by.)

    Returns:
        None where there were problems.
    """
    before = len(reader.problems)
    gatherer = _Gatherer(reader, draft=draft, closed=closed)
    root = gatherer.name_of(place, closing=closed)
    gatherer.work()
    if len(reader.problems) > before:
        return None
    growth = _weigh(reader, place, gatherer.schemas)
    if len(reader.problems) > before:
        return None
    depth = _DEEPEST if growth else None
    if growth > 1:
        depth = min(_DEEPEST, round(math.log(_MOST_STEPS, growth)))
    schema = {
        "$ref": f"#/definitions/{root}",
        "definitions": gatherer.schemas,
    }
    return Gathered(schema=schema, depth=depth)


def constants(gathered: Gathered) -> dict[str, str | int | bool]:
    """Return the fields of an object that can have one value only."""
    found: dict[str, str | int | bool] = {}
    for schema in _certain(gathered.schema, gathered.schema["definitions"]):
        for key, field in schema.get("properties", {}).items():
            values = field.get("enum", []) if isinstance(field, dict) else []
            if isinstance(field, dict) and "const" in field:
                values = [field["const"]]
            if len(values) == 1 and isinstance(values[0], str | int | bool):
                found[key] = values[0]
    return found


def _certain(
    schema: Any, definitions: dict[str, Any], depth: int = 0
) -> Iterator[dict[str, Any]]:
    """Yield the schemas that an object has to fit, whatever else it is."""
    if not isinstance(schema, dict) or depth > _MOST_NESTED:
        return
    yield schema
    if "$ref" in schema:
        yield from _certain(_target(schema, definitions), definitions, depth + 1)
    for part in schema.get("allOf", ()):
        yield from _certain(part, definitions, depth + 1)


def _target(schema: dict[str, Any], definitions: dict[str, Any]) -> Any:
    return definitions[schema["$ref"].removeprefix("#/definitions/")]


class _Gatherer:
    """Copies schemas, each place once, and numbers those that are referred to."""

    def __init__(self, reader: Reader, *, draft: int, closed: bool) -> None:
        self._reader = reader
        self._draft = draft
        self._closed = closed
        self._names: dict[tuple[Place, bool], str] = {}
        self._waiting: list[tuple[Place, bool]] = []
        self.schemas: dict[str, Any] = {}

    def name_of(self, place: Place, *, closing: bool) -> str:
        """Return the name of the schema at a place, which is gathered later.

        Args:
            place: Where it stands.
            closing: Whether keys that it does not name are wrong: of one schema
                there may be both forms.
        """
        form = (place, closing)
        if form not in self._names:
            self._names[form] = str(len(self._names))
            self._waiting.append(form)
        return self._names[form]

    def work(self) -> None:
        """Gather all that was named, and what that names in turn."""
        while self._waiting:
            form = self._waiting.pop()
            place, closing = form
            self.schemas[self._names[form]] = self._copy(
                self._reader.at(place), place, 0, closing=closing
            )

    def _copy(self, schema: Any, place: Place, depth: int, *, closing: bool) -> Any:
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict):
            self._reader.problem(place, "has to be a JSON Schema: an object, or true")
            return True
        if depth > _MOST_NESTED:
            self._reader.problem(
                place[:4], f"schemas nest more than {_MOST_NESTED} deep; name parts"
            )
            return True
        self._judge_words(schema, place)
        if "$ref" in schema and self._draft <= 7:
            # There a reference stands alone: what is beside it does not count.
            schema = {"$ref": schema["$ref"]}
        copy = {key: schema[key] for key in _PLAIN if key in schema}
        if "$ref" in schema:
            target = self._reader.target(schema["$ref"], place)
            closes = closing and "properties" not in schema
            name = self.name_of(place if target is None else target, closing=closes)
            copy["$ref"] = f"#/definitions/{name}"
        copy |= self._parts(schema, place, depth, closing=closing)
        if closing and self._may_close(schema):
            copy["additionalProperties"] = False
        return copy

    def _judge_words(self, schema: dict[str, Any], place: Place) -> None:
        for word in _MOVING:
            if word in schema:
                self._reader.problem(place, f"{word} is not read; write a $ref")
        for word in schema.keys() - _KNOWN - _WORDS:
            meant = difflib.get_close_matches(word, _KNOWN, n=1, cutoff=0.85)
            # Left out in silence, it would make a schema that lets everything by.
            if meant and not word.startswith("x-"):
                self._reader.problem(
                    place, f"{word!r} is no keyword; did you mean {meant[0]}?"
                )

    def _parts(
        self, schema: dict[str, Any], place: Place, depth: int, *, closing: bool
    ) -> dict[str, Any]:
        """Copy the schemas within a schema."""
        copy: dict[str, Any] = {}
        for key, part in schema.items():
            where = (*place, key)
            # In `allOf` each part sees the keys of the others; a condition or its
            # contrary says nothing about which keys there may be.
            below = key in _BELOW or key in _BELOW_NAMED or key in _BELOW_LISTED
            alone = key in {"anyOf", "oneOf"} and "properties" not in schema
            closes = self._closed if below else closing and alone
            listed = key in _BESIDE or key in _BELOW_LISTED
            if key in _BELOW_NAMED or key in _BESIDE_NAMED:
                copy[key] = self._named(part, where, depth, closing=closes)
            elif listed or (key == "items" and isinstance(part, list)):
                copy[key] = self._listed(part, where, depth, closing=closes)
            elif key in _BELOW or key in _BESIDE_ONE:
                copy[key] = self._copy(part, where, depth + 1, closing=closes)
        return copy

    def _named(self, parts: Any, place: Place, depth: int, *, closing: bool) -> Any:
        if not isinstance(parts, dict):
            self._reader.problem(place, "has to be an object of schemas")
            return {}
        return {
            # `dependencies` has lists of keys, too.
            name: part
            if isinstance(part, list) and place[-1] == "dependencies"
            else self._copy(part, (*place, name), depth + 1, closing=closing)
            for name, part in parts.items()
        }

    def _listed(self, parts: Any, place: Place, depth: int, *, closing: bool) -> Any:
        if not isinstance(parts, list) or not parts:
            self._reader.problem(place, "has to be a list of schemas")
            return [True]
        return [
            self._copy(part, (*place, str(number)), depth + 1, closing=closing)
            for number, part in enumerate(parts)
        ]

    @staticmethod
    def _may_close(schema: dict[str, Any]) -> bool:
        """Return whether a schema names all keys that it knows by itself."""
        elsewhere = (*_OPENED, *_BESIDE, *_BESIDE_ONE, *_BESIDE_NAMED, "$ref")
        return "properties" in schema and not any(key in schema for key in elsewhere)


# What checking costs


def _weigh(reader: Reader, place: Place, schemas: dict[str, Any]) -> float:
    """Judge what checking a value costs at most.

    References can double the work at each step, and can lead in a circle.

    Returns:
        How many times more work each further level of a message may be: 1 or less
        where the work grows with the message alone.
    """
    beside = _Scale(schemas, only_beside=True)
    try:
        for name in schemas:
            beside.weigh(name, ())
        work, growth = _Scale(schemas, only_beside=False).weigh("0", ())
    except _Endless as endless:
        reader.problem(place, str(endless))
        return 1
    except RecursionError:
        reader.problem(place, "references lead too deep; name fewer parts")
        return 1
    if work > _MOST_WORK:
        reader.problem(
            place,
            f"one value may have to be held against more than {_MOST_WORK:,} schemas; "
            "refer to fewer alternatives",
        )
    return growth


class _Endless(Exception):
    """References that lead in a circle, or too far."""


class _Scale:
    """Weighs each schema once: the work at its worst value, and its ways back.

    Args:
        schemas: By name.
        only_beside: Whether to look at schemas for the same value alone. There a
            way back is a circle; below, it is what makes a schema recursive.
    """

    def __init__(self, schemas: dict[str, Any], *, only_beside: bool) -> None:
        self._schemas = schemas
        self._only_beside = only_beside
        self._known: dict[str, tuple[float, float]] = {}

    def weigh(self, name: str, way: tuple[str, ...]) -> tuple[float, float]:
        """Return the work and the ways back of a schema, as upper bounds."""
        if name in self._known:
            return self._known[name]
        if name in way:
            if self._only_beside:
                raise _Endless("refers to itself without end; say there what it is")
            return 0, 1
        if len(way) > _LONGEST_WAY:
            raise _Endless(f"more than {_LONGEST_WAY} references one after the other")
        self._known[name] = self._weigh(self._schemas[name], (*way, name))
        return self._known[name]

    def _weigh(self, schema: Any, way: tuple[str, ...]) -> tuple[float, float]:
        if isinstance(schema, bool):
            return 1, 0
        work, back = 1.0, 0.0
        for part in _beside(schema):
            inner = self._part(part, way)
            work, back = work + inner[0], back + inner[1]
        if not self._only_beside:
            for parts in _below(schema):
                # Different keys are different values: the worst of them counts.
                inners = [self._part(part, way) for part in parts]
                work += max((inner[0] for inner in inners), default=0)
                back += max((inner[1] for inner in inners), default=0)
        return work, back

    def _part(self, part: Any, way: tuple[str, ...]) -> tuple[float, float]:
        if isinstance(part, str):
            return self.weigh(part, way)
        return self._weigh(part, way)


def _beside(schema: dict[str, Any]) -> Iterator[Any]:
    """Yield the schemas for the same value: names of others, or themselves."""
    if "$ref" in schema:
        yield schema["$ref"].removeprefix("#/definitions/")
    for key in _BESIDE:
        yield from schema.get(key, ())
    for key in _BESIDE_NAMED:
        parts = schema.get(key, {}).values()
        yield from (part for part in parts if not isinstance(part, list))
    yield from (schema[key] for key in _BESIDE_ONE if key in schema)


def _below(schema: dict[str, Any]) -> Iterator[list[Any]]:
    """Yield groups of schemas for inner values; of a group, one is for each value."""
    yield list(schema.get("properties", {}).values())
    for part in schema.get("patternProperties", {}).values():
        yield [part]
    for key in (*_BELOW_LISTED, *_BELOW):
        part = schema.get(key)
        if part is not None:
            yield part if isinstance(part, list) else [part]
