"""What a user asks for: a toxic by its type, with attributes, and the rest of it.

It refuses to know links: how a toxic gets its dice is said by whoever makes it.

    { "name": "slow", "type": "latency", "stream": "downstream", "toxicity": 0.5,
      "attributes": { "latency": 200, "jitter": 50 } }

    { "type": "drop", "stream": "upstream",
      "when": { "opcodes": ["text"], "json": { "kind": "ack" }, "count": 1 } }

That is Toxiproxy's own shape, and ``when`` beside it.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from wavetank.chaos.attributes import (
    Attribute,
    ToxicType,
    number,
    read_attributes,
    unknown_names,
)
from wavetank.chaos.attributes import opcode as opcode_kind
from wavetank.chaos.chance import When
from wavetank.chaos.toxic import Direction, Toxic
from wavetank.chaos.toxics import TYPES
from wavetank.dialects.paths import parse_path
from wavetank.errors import UsageError
from wavetank.kinds import choice, integer, text

if TYPE_CHECKING:
    import random

__all__ = [
    "HEADER",
    "WHEN",
    "ToxicSpec",
    "change_spec",
    "key_of",
    "make_toxic",
    "read_spec",
]

_LONGEST_NAME: Final = 200

_KEYS: Final = ("name", "type", "stream", "toxicity", "attributes", "when")

HEADER: Final = (
    Attribute("name", text, "", "", "unique for its link"),
    Attribute("type", choice(*TYPES), "", "", "one of the table"),
    Attribute("stream", choice(*Direction), Direction.DOWNSTREAM, "", "which way"),
    Attribute("toxicity", number(0, 1), 1.0, "", "share of links that have it"),
)
"""What may be said about every toxic."""

WHEN: Final = (
    Attribute("opcodes", opcode_kind, (), "", "one of these", many=True),
    Attribute("at_least", integer(0), 0, "bytes", "of payload"),
    Attribute("at_most", integer(0), None, "bytes", "of payload"),
    Attribute("probability", number(0, 1), 1.0, "", "for each that matches"),
    Attribute("after", integer(0), 0, "", "how many go by first"),
    Attribute("count", integer(0), None, "", "how many at most"),
    Attribute("since", number(0), 0.0, "s", "after the toxic was added"),
    Attribute("until", number(0), None, "s", "after the toxic was added"),
)
"""What may be said about the frames of a toxic; and ``json``, path -> value."""


class ToxicSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A toxic as it was asked for.

    Attributes:
        name: Unique among the toxics of a proxy.
        type: One of `toxics.TYPES`.
        stream: The stream that it stands in.
        toxicity: The share of links that have it, 0 to 1.
        attributes: All of its type's, with their defaults.
        when: Which frames it is meant for; None for all, and for byte toxics.
    """

    name: str
    type: str
    stream: Direction = Direction.DOWNSTREAM
    toxicity: float = 1.0
    attributes: dict[str, Any] = msgspec.field(default_factory=dict)
    when: When | None = None

    @property
    def is_for_frames(self) -> bool:
        """Whether it is for frames, and not for bytes."""
        return TYPES[self.type].frames


def read_spec(given: Mapping[str, object]) -> ToxicSpec:
    """Read what a user asks for; what is not said is as in Toxiproxy.

    Args:
        given: As it came out of JSON, TOML or a call.

    Raises:
        UsageError: With every mistake at once.
    """
    label = str(given.get("name") or given.get("type") or "")
    where = f"toxic {label:.60}".rstrip()
    problems = unknown_names(given, _KEYS, where)
    known = {
        key: value
        for key, value in given.items()
        if key in {"name", "type", "stream", "toxicity"}
    }
    header = read_attributes(HEADER, known, where, problems)
    kind = TYPES.get(header["type"])
    if kind is None and given.get("type") is None:
        problems.append(f"{where}: its type is missing; it is one of {_offered()}")
    stream = Direction(header["stream"])
    name = header["name"] or f"{header['type']}_{stream}"
    if len(name) > _LONGEST_NAME or not name.isprintable():
        problems.append(f"{where}: a name has {_LONGEST_NAME} printable signs at most")
    spec = ToxicSpec(
        name=name,
        type=header["type"],
        stream=stream,
        toxicity=header["toxicity"],
        attributes=_attributes(kind, given.get("attributes"), where, problems),
        when=_when(kind, given.get("when"), where, problems),
    )
    if problems:
        raise UsageError(problems)
    return spec


def change_spec(spec: ToxicSpec, given: Mapping[str, object]) -> ToxicSpec:
    """Change a toxic as Toxiproxy does: what is not said stays as it is.

    Args:
        spec: As it is.
        given: ``attributes``, ``toxicity``, ``when``; its name, type and stream may
            be said again, but not changed.

    Raises:
        UsageError: With every mistake at once.
    """
    problems = [
        f"toxic {spec.name}: its {key} cannot be changed; remove it and add another"
        for key in ("name", "type", "stream")
        if given.get(key) is not None and given[key] != getattr(spec, key)
    ]
    attributes = given.get("attributes")
    whole: dict[str, object] = {
        **given,
        **{key: getattr(spec, key) for key in ("name", "type", "stream")},
        "attributes": (
            {**spec.attributes, **attributes}
            if isinstance(attributes, Mapping)
            else attributes or spec.attributes
        ),
    }
    if whole.get("toxicity") is None:
        whole["toxicity"] = spec.toxicity
    try:
        changed = read_spec(whole)
    except UsageError as error:
        raise UsageError([*problems, *error.problems]) from None
    if problems:
        raise UsageError(problems)
    return (
        changed if "when" in given else msgspec.structs.replace(changed, when=spec.when)
    )


def make_toxic(spec: ToxicSpec, rng: "random.Random") -> Toxic:
    """Make the toxic for one stream of one link.

    Args:
        spec: What was asked for.
        rng: Its dice; not used by those that have none.
    """
    kind = TYPES[spec.type]
    if kind.has_dice:
        return kind.make(**spec.attributes, rng=rng)
    return kind.make(**spec.attributes)


def key_of(seed: int, link: int, stream: Direction, name: str) -> str:
    """Return what the dice of a toxic on a link are seeded with.

    The same for every run of a seed, whatever else happens on other links.
    """
    return f"{seed}/{link}/{stream}/{name}"


def _attributes(
    kind: ToxicType | None, given: object, where: str, problems: list[str]
) -> dict[str, Any]:
    if given is not None and not isinstance(given, Mapping):
        problems.append(f"{where}: its attributes are a table of names and values")
    if kind is None or not isinstance(given, Mapping | None):
        return {}
    return read_attributes(kind.attributes, given or {}, where, problems)


def _when(
    kind: ToxicType | None, given: object, where: str, problems: list[str]
) -> When | None:
    if given is None:
        return None
    if kind is not None and not kind.frames:
        problems.append(f"{where}: when is for toxics of frames, not for {kind.name}")
        return None
    if not isinstance(given, Mapping):
        problems.append(f"{where}: when is a table of names and values")
        return None
    rest = {key: value for key, value in given.items() if key != "json"}
    when = When(
        **read_attributes(WHEN, rest, f"{where}, when", problems),
        json=_json(given.get("json"), where, problems),
    )
    if when.at_most is not None and when.at_most < when.at_least:
        problems.append(f"{where}, when: no size is between at_least and at_most")
    if when.until is not None and when.until <= when.since:
        problems.append(f"{where}, when: no time is between since and until")
    return when


def _json(given: object, where: str, problems: list[str]) -> dict[str, object]:
    """Read ``{path: value}``."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        problems.append(f"{where}, when, json: it is a table of paths and values")
        return {}
    for path, value in given.items():
        try:
            parse_path(str(path))
        except ValueError as error:
            problems.append(f"{where}, when, json: {error}")
        if not isinstance(value, str | int | float):
            problems.append(
                f"{where}, when, json, {path}: {value!r:.60} is no word, number or "
                "truth value"
            )
    return dict(given)


def _offered() -> str:
    return ", ".join(TYPES)
