"""A described protocol: what a user's TOML table says, checked as a whole.

It refuses to know messages; it turns a table into rules, and finds every mistake.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import TypeVar

import msgspec

from wavetank.dialects.base import Capability, Endpoint, Limits, Malformed, StatusPage
from wavetank.dialects.paths import Path, parse_path
from wavetank.dialects.wording import Wording, parse_wording
from wavetank.errors import UsageError, nearest
from wavetank.kinds import seconds, size_in_bytes

__all__ = ["SECTIONS", "Description", "Rule", "Scalar", "describe"]

Scalar = str | int | float | bool
"""What a field can be compared with."""

Table = Mapping[str, object]
T = TypeVar("T")

_SENDS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    # text to send: the blanks it may have, and of those it must have one
    "authenticate": (frozenset({"id", "token"}), frozenset({"token"})),
    "subscribe": (frozenset({"id", "topic"}), frozenset()),
    "resume": (
        frozenset({"id", "topic", "epoch", "seq", "next_seq"}),
        frozenset({"seq", "next_seq"}),
    ),
    "unsubscribe": (frozenset({"id", "topic"}), frozenset()),
    "publish": (frozenset({"id", "topic", "payload"}), frozenset({"payload"})),
    "call": (frozenset({"id", "payload"}), frozenset({"payload"})),
}

_FIELDS: dict[str, tuple[str, ...]] = {
    # kind of message, in the order in which they are tried: the paths it may name
    "welcome": (),
    "heartbeat": ("text",),
    "error": ("id", "code", "text"),
    "answer": ("payload",),
    "reply": ("id", "epoch", "seq", "recovered", "code", "text"),
    "event": ("topic", "payload", "seq"),
}

_RECOGNISED_BY = ("where", "has", "lacks")
_EXTRAS: dict[str, tuple[str, ...]] = {
    "welcome": ("requires",),
    "answer": ("payload_is",),
    "event": ("payload_is",),
}
_PAYLOADS = ("json", "string")

SECTIONS = (
    *("path", "subprotocols", "preamble", "capabilities"),
    *("limits", "status", "send", *_FIELDS, "malformed"),
)
"""What a description may have at its top."""

_BASED_ON = {
    # capability: what has to be described before a user may claim it
    Capability.SUBSCRIBE: ("send.subscribe", "event"),
    Capability.PUBLISH: ("send.publish",),
    Capability.OWN: ("send.publish", "send.subscribe", "event"),
    Capability.ACKNOWLEDGE: ("send.publish", "reply"),
    Capability.SEQUENCE: ("event.seq",),
    Capability.ANSWER: ("send.call", "answer"),
    Capability.RESUME: ("send.resume", "event.seq"),
    Capability.WELCOME: ("welcome",),
    Capability.ERRORS: ("error",),
    Capability.STATUS: ("status",),
}

_NOT_BESIDE_ECHO = ("send.subscribe", "send.publish", "send.call", "event", "answer")
"""What an echo that is described cannot have: a message would mean two things."""

_FOLLOWS_FROM = _BASED_ON | {
    # That a publish is answered is sure only where the answer carries its id.
    Capability.ACKNOWLEDGE: ("send.publish {id}", "reply.id"),
}

_NOT_JSON = Malformed(title="a text that is not JSON", message='{"cut":')


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """How one kind of message is recognised, and where its parts are.

    Attributes:
        where: Paths, each with the values of which one has to stand there.
        has: Paths at which something other than null has to stand.
        lacks: Paths at which nothing may stand.
        fields: Name of a part to its path.
        requires: Paths without which a recognised message is a bad one.
        payload_is: ``json``: the value's own text; ``string``: what the string holds.
    """

    where: tuple[tuple[Path, tuple[Scalar, ...]], ...] = ()
    has: tuple[Path, ...] = ()
    lacks: tuple[Path, ...] = ()
    fields: dict[str, Path] = {}
    requires: tuple[Path, ...] = ()
    payload_is: str = "json"


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a table says; texts and rules by their names."""

    endpoint: Endpoint
    limits: Limits
    status: StatusPage | None
    sends: dict[str, Wording]
    rules: dict[str, Rule]
    capabilities: frozenset[Capability]
    malformed: tuple[Malformed, ...]


def describe(table: Table, where: str) -> Description:
    """Read a table such as ``[dialect.ticker]`` of ``wavetank.toml``.

    Args:
        table: The table, as tomllib read it.
        where: Its place, such as ``wavetank.toml [dialect.ticker]``.

    Raises:
        UsageError: With every mistake.
    """
    reader = _Reader(table, SECTIONS, where, [])
    sends = _read_sends(reader.section("send", tuple(_SENDS)))
    rules = {
        kind: _read_rule(reader.section(kind, _keys(kind)), kind)
        for kind in _FIELDS
        if kind in reader.table
    }
    status = _read_status(reader)
    described = _described(sends, rules, status)
    description = Description(
        endpoint=_read_endpoint(reader),
        limits=_read_limits(reader),
        status=status,
        sends=sends,
        rules=rules,
        capabilities=_read_capabilities(reader, described),
        malformed=_read_malformed(reader),
    )
    if not described and not description.capabilities:
        reader.problem("", "describes no message; it needs at least [event]")
    if reader.problems:
        raise UsageError(reader.problems)
    return description


class _Reader:
    """One table: takes values of the right type, and notes what is wrong.

    Args:
        table: The table.
        names: The keys that it may have.
        place: Its place, for the problems.
        problems: Where they are noted; shared by all tables of a description.
    """

    def __init__(
        self, table: Table, names: Collection[str], place: str, problems: list[str]
    ) -> None:
        self.table = {name.replace("-", "_"): value for name, value in table.items()}
        self.place = place
        self.problems = problems
        for name in self.table:
            if name not in names:
                self.problem(name, f"unknown key{nearest(name, names)}")

    def problem(self, name: str, words: str) -> None:
        """Note a problem with one key."""
        self.problems.append(f"{self.place} {name}".rstrip() + f": {words}")

    def section(self, name: str, names: Collection[str]) -> "_Reader":
        """Return a table inside this one, empty where there is none."""
        value = self.table.get(name, {})
        if not isinstance(value, dict):
            self.problem(name, "has to be a table")
            value = {}
        return _Reader(value, names, f"{self.place} {name}", self.problems)

    def text(self, name: str, default: str = "") -> str:
        """Return a string."""
        value = self.table.get(name, default)
        if isinstance(value, str):
            return value
        self.problem(name, "has to be a string")
        return default

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of strings."""
        value = self.table.get(name, [])
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        self.problem(name, "has to be a list of strings")
        return ()

    def path(self, name: str, written: object) -> Path:
        """Return a dotted path; a bare index may be a number."""
        if isinstance(written, int) and not isinstance(written, bool):
            written = str(written)
        if not isinstance(written, str):
            self.problem(name, "has to be a dotted path such as data.0.seq")
            return ()
        return self.judged(name, written, parse_path) or ()

    def paths(self, name: str) -> tuple[Path, ...]:
        """Return a list of dotted paths."""
        value = self.table.get(name, [])
        items = value if isinstance(value, list) else [value]
        return tuple(self.path(name, item) for item in items)

    def judged(self, name: str, written: str, judge: Callable[[str], T]) -> T | None:
        """Return what a parser makes of a text, None where it refuses."""
        try:
            return judge(written)
        except ValueError as error:
            self.problem(name, str(error))
            return None


def _keys(kind: str) -> tuple[str, ...]:
    """Return the keys that a section for a kind of message may have."""
    return (*_RECOGNISED_BY, *_FIELDS[kind], *_EXTRAS.get(kind, ()))


def _read_endpoint(reader: _Reader) -> Endpoint:
    path = reader.text("path", "/")
    if not path.startswith("/"):
        reader.problem("path", f"{path!r} has to begin with /")
    preamble = reader.texts("preamble")
    if any("{token}" in text for text in preamble):
        reader.problem("preamble", "is sent as it is; {token} goes with authenticate")
    return Endpoint(
        path=path, subprotocols=reader.texts("subprotocols"), preamble=preamble
    )


def _read_limits(reader: _Reader) -> Limits:
    limits = reader.section("limits", ("payload", "message", "handshake", "liveness"))

    def limit(name: str, kind: Callable[[str], T]) -> T | None:
        if name not in limits.table:
            return None
        return limits.judged(name, str(limits.table[name]), kind)

    return Limits(
        payload=limit("payload", size_in_bytes),
        message=limit("message", size_in_bytes),
        handshake=limit("handshake", seconds),
        liveness=limit("liveness", seconds),
    )


def _read_status(reader: _Reader) -> StatusPage | None:
    if "status" not in reader.table:
        return None
    status = reader.section("status", ("path", "connections"))
    path = status.text("path")
    if not path.startswith("/"):
        status.problem("path", f"{path!r} has to begin with /")
    connections = status.path("connections", status.table.get("connections"))
    return StatusPage(path=path, connections=connections)


def _read_sends(reader: _Reader) -> dict[str, Wording]:
    sends = {}
    for name, (blanks, needed) in _SENDS.items():
        if name not in reader.table:
            continue
        text = reader.text(name)
        wording = reader.judged(name, text, partial(parse_wording, names=blanks))
        if wording is None:
            continue
        if needed and not needed & wording.blanks:
            places = " or ".join(f"{{{blank}}}" for blank in sorted(needed))
            reader.problem(name, f"has no place for {places}")
        sends[name] = wording
    return sends


def _read_rule(reader: _Reader, kind: str) -> Rule:
    written = {
        name: reader.table[name] for name in _FIELDS[kind] if name in reader.table
    }
    rule = Rule(
        where=tuple(_read_where(reader)),
        has=reader.paths("has"),
        lacks=reader.paths("lacks"),
        fields={name: reader.path(name, path) for name, path in written.items()},
        requires=reader.paths("requires"),
        payload_is=reader.text("payload_is", "json"),
    )
    if rule.payload_is not in _PAYLOADS:
        words = f"{rule.payload_is!r} is neither {' nor '.join(_PAYLOADS)}"
        reader.problem("payload_is", words)
    if kind != "event" and not rule.where and not rule.has:
        reader.problem("", "says nothing to recognise it by; give where or has")
    return rule


def _read_where(reader: _Reader) -> Iterator[tuple[Path, tuple[Scalar, ...]]]:
    """Yield each path with the values of which one has to stand there."""
    table = reader.table.get("where", {})
    if not isinstance(table, dict):
        reader.problem("where", 'has to be a table such as { op = "event" }')
        return
    for written, value in _flat(table):
        path = reader.path("where", written)
        values: list[object] = value if isinstance(value, list) else [value]
        plain = tuple(item for item in values if isinstance(item, Scalar))
        if plain and len(plain) == len(values):
            yield path, plain
        else:
            reader.problem("where", f"{written} has to be a plain value or several")


def _flat(table: Table, before: str = "") -> Iterator[tuple[str, object]]:
    """Yield dotted paths: TOML reads the dots of a bare key as tables."""
    for name, value in table.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, value


def _described(
    sends: Mapping[str, Wording], rules: Mapping[str, Rule], status: StatusPage | None
) -> set[str]:
    """Return the names of what was described, as the capability tables say them."""
    described = {f"send.{name}" for name in sends} | set(rules)
    described |= {f"{kind}.{name}" for kind in rules for name in rules[kind].fields}
    described |= {
        f"send.{name} {{{blank}}}" for name in sends for blank in sends[name].blanks
    }
    return described | ({"status"} if status else set())


def _read_capabilities(reader: _Reader, described: set[str]) -> frozenset[Capability]:
    """Return what was listed, or else what follows from the description."""
    if "capabilities" not in reader.table:
        return frozenset(
            capability
            for capability, needed in _FOLLOWS_FROM.items()
            if described >= set(needed)
        )
    names = {each.value: each for each in (Capability.ECHO, *_BASED_ON)}
    listed = set()
    for name in reader.texts("capabilities"):
        capability = names.get(name)
        if capability is None:
            hint = nearest(name, names)
            reader.problem("capabilities", f"{name!r} cannot be described{hint}")
            continue
        listed.add(capability)
        for missing in sorted(set(_BASED_ON.get(capability, ())) - described):
            reader.problem("capabilities", f"{name} needs {missing}, not described")
    if Capability.ECHO in listed:
        listed.add(Capability.VERBATIM)
        for other in sorted(described.intersection(_NOT_BESIDE_ECHO)):
            reader.problem("capabilities", f"echo goes without {other}")
    return frozenset(listed)


def _read_malformed(reader: _Reader) -> tuple[Malformed, ...]:
    """Return the messages to be refused; a text that is not JSON is always one."""
    value = reader.table.get("malformed", [])
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        reader.problem("malformed", "has to be a list of tables")
        return ()
    messages = []
    for number, row in enumerate(value):
        place = f"{reader.place} malformed.{number}"
        keys = ("title", "message", "codes")
        entry = _Reader(row, keys, place, reader.problems)
        for name in keys[:2]:
            if not entry.text(name):
                entry.problem(name, "is missing")
        messages.append(
            Malformed(
                title=entry.text("title"),
                message=entry.text("message"),
                codes=entry.texts("codes"),
            )
        )
    return (_NOT_JSON, *messages)
