"""From what a user wrote to proxies and toxics: words, TOML, Toxiproxy's JSON.

It refuses to know where files lie, and whether anybody is at an address.

    [[proxy]]
    name = "hub"
    upstream = "ws://127.0.0.1:8765"
    listen = "127.0.0.1:18765"

    [[proxy.toxic]]
    type = "latency"
    attributes = { latency = 100, jitter = 20 }

    [[proxy.toxic]]
    type = "drop"
    stream = "upstream"
    when = { opcodes = ["text"], json = { kind = "ack" }, count = 1 }
"""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from wavetank.chaos.attributes import Attribute, read_attributes
from wavetank.chaos.bounds import MOST_PROXIES, MOST_TOXICS
from wavetank.chaos.spec import ToxicSpec, read_spec
from wavetank.errors import UsageError
from wavetank.kinds import boolean, choice, integer, text
from wavetank.settings import read_toml

__all__ = [
    "MODES",
    "PROXY",
    "ProxySpec",
    "address_text",
    "change_proxy",
    "listen_address",
    "read_file",
    "read_proxies",
    "read_proxy",
    "read_words",
]

MODES: Final = ("frames", "bytes")
"""Whether a proxy looks for frames: toxics of frames need it, and it costs a little."""

_LONGEST_NAME: Final = 200
_SECTIONS: Final = ("proxy", "run", "dialect", "hub", "load")
"""Proxies may stand in the settings file, beside what is read elsewhere."""

_FREE: Final = ("127.0.0.1", 0)
_HEADER: Final = frozenset({"name", "type", "stream", "toxicity"})
_WHEN: Final = "when."
_JSON: Final = "when.json."


def listen_address(typed: str) -> tuple[str, int]:
    """Read ``host:port``, ``[::1]:port``, ``:port`` (all addresses) or ``port``."""
    host, colon, port = typed.strip().rpartition(":")
    if not colon:
        host = _FREE[0]
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{typed!r} is no host:port; an IPv6 address has brackets")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) < 65536):
        raise ValueError(
            f"{typed!r} is no host:port; give 127.0.0.1:8474, say, or port 0 for a "
            "free one"
        )
    return host, int(port)


def address_text(address: tuple[str, int]) -> str:
    """Write an address as `listen_address` reads it."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _name(typed: str) -> str:
    if len(typed) > _LONGEST_NAME or not typed.isprintable():
        raise ValueError(f"a name has {_LONGEST_NAME} printable signs at most")
    return typed


PROXY: Final = (
    Attribute("name", _name, "", "", "unique among proxies; has to be said"),
    Attribute(
        "upstream", text, "", "", "the target: `host:port` or a URL; has to be said"
    ),
    Attribute(
        "listen", listen_address, _FREE, "", "where clients come; port 0: a free one"
    ),
    Attribute("enabled", boolean, True, "", "whether clients are let in"),
    Attribute("mode", choice(*MODES), "frames", "", "what it looks at"),
    Attribute("seed", integer(0), None, "", "of all dice; unsaid: that of `--seed`"),
    Attribute(
        "wire_log", boolean, None, "", "whether each frame is noted; unsaid: as asked"
    ),
)
"""What may be said about a proxy."""


class ProxySpec(msgspec.Struct, frozen=True, kw_only=True):
    """A proxy as it was asked for.

    Attributes:
        name: Unique among the proxies of a process.
        upstream: The target as it was written: a URL, or ``host:port``.
        listen: Host and port; port 0 takes a free one.
        enabled: Whether clients are let in.
        mode: One of `MODES`.
        seed: Of its dice; None for that of the process.
        wire_log: Whether each frame is noted; None for what the process does.
        toxics: In their order.
    """

    name: str
    upstream: str
    listen: tuple[str, int] = _FREE
    enabled: bool = True
    mode: str = "frames"
    seed: int | None = None
    wire_log: bool | None = None
    toxics: tuple[ToxicSpec, ...] = ()


def read_proxy(
    given: Mapping[str, object], where: str, problems: list[str]
) -> ProxySpec:
    """Read what a user asks for.

    Args:
        given: As it came out of TOML or JSON.
        where: What is read, for the problems.
        problems: Gets one sentence for each mistake; what is wrong is the default.
    """
    name = given.get("name")
    label = f"{where}proxy {name:.60}" if isinstance(name, str) else f"{where}proxy"
    rest = {key: value for key, value in given.items() if key not in _TOXICS}
    values = read_attributes(PROXY, rest, label, problems)
    problems += [
        f"{label}: its {key} is missing"
        for key in ("name", "upstream")
        if given.get(key) in (None, "")
    ]
    toxics = [each for key in _TOXICS for each in _tables(given, key, label, problems)]
    spec = ProxySpec(**values, toxics=_toxics(toxics, label, problems))
    if spec.mode != "frames":
        problems += [
            f"{label}, toxic {toxic.name}: {toxic.type} is for frames, and this proxy "
            'looks at bytes; write mode = "frames"'
            for toxic in spec.toxics
            if toxic.is_for_frames
        ]
        if spec.wire_log:
            problems.append(
                f'{label}: a wire log notes frames; write mode = "frames", or leave '
                "wire_log out"
            )
    return spec


_TOXICS: Final = ("toxic", "toxics")


def _tables(
    given: Mapping[str, object], key: str, where: str, problems: list[str]
) -> list[Mapping[str, Any]]:
    rows = given.get(key)
    if rows is None:
        return []
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        problems.append(f"{where}: a toxic is a table [[proxy.toxic]]")
        return []
    return rows


def _toxics(
    tables: Sequence[Mapping[str, object]], where: str, problems: list[str]
) -> tuple[ToxicSpec, ...]:
    specs = []
    for table in tables:
        try:
            specs.append(read_spec(table))
        except UsageError as error:
            problems += [f"{where}, {problem}" for problem in error.problems]
    problems += [
        f"{where}: {count} toxics are called {name}; give each a name of its own"
        for name, count in Counter(spec.name for spec in specs).items()
        if count > 1
    ]
    if len(specs) > MOST_TOXICS:
        problems.append(f"{where}: {len(specs)} toxics; the most is {MOST_TOXICS}")
    return tuple(specs)


def read_proxies(
    rows: Sequence[object], where: str, problems: list[str]
) -> tuple[ProxySpec, ...]:
    """Read several proxies.

    Args:
        rows: As they came out of TOML or JSON.
        where: What is read, for the problems, with a blank behind it; "" for none.
        problems: Gets one sentence for each mistake.
    """
    if len(rows) > MOST_PROXIES:
        problems.append(f"{where}{len(rows)} proxies; the most is {MOST_PROXIES}")
    specs = []
    for row in rows[:MOST_PROXIES]:
        if isinstance(row, Mapping):
            specs.append(read_proxy(row, where, problems))
        else:
            problems.append(f"{where}a proxy is a table, not {row!r:.60}")
    names = Counter(spec.name for spec in specs if spec.name)
    problems += [
        f"{where}{count} proxies are called {name}; give each a name of its own"
        for name, count in names.items()
        if count > 1
    ]
    return tuple(specs)


def read_file(file: str, content: str, problems: list[str]) -> tuple[ProxySpec, ...]:
    """Read a file of proxies: TOML, or Toxiproxy's own JSON where it ends in .json.

    Args:
        file: Its name.
        content: Its text.
        problems: Gets one sentence for each mistake.
    """
    try:
        rows = _rows(file, content)
    except UsageError as error:
        problems += error.problems
        return ()
    if not isinstance(rows, list) or not rows:
        problems.append(f"{file}: there is no proxy in it; write a table [[proxy]]")
        return ()
    return read_proxies(rows, f"{file} ", problems)


def _rows(file: str, content: str) -> object:
    if not file.endswith(".json"):
        return read_toml(file, content, sections=_SECTIONS).get("proxy")
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageError(f"{file}: not JSON: {error}") from None


def change_proxy(spec: ProxySpec, given: Mapping[str, object]) -> ProxySpec:
    """Change a proxy as Toxiproxy does: what is not said stays as it is.

    Args:
        spec: As it is; its toxics stay.
        given: Any of its attributes; its name may be said again, but not changed.

    Raises:
        UsageError: With every mistake at once.
    """
    where = f"proxy {spec.name}"
    said = {key: value for key, value in given.items() if value is not None}
    problems = []
    if said.get("name", spec.name) != spec.name:
        problems.append(f"{where}: its name cannot be changed; create another one")
    if said.get("upstream") == "":
        problems.append(f"{where}: its upstream is missing")
    values = read_attributes(PROXY, said, where, problems)
    if problems:
        raise UsageError(problems)
    values["name"] = spec.name
    return msgspec.structs.replace(
        spec, **{key: value for key, value in values.items() if key in said}
    )


def read_words(typed: str) -> ToxicSpec:
    """Read a toxic from words: its type, and then ``name=value``.

    Words are ``name``, ``stream``, ``toxicity``, its attributes, and its ``when``:
    ``drop stream=upstream when.opcodes=text,binary when.json.kind=ack when.count=1``.

    Raises:
        UsageError: With every mistake at once.
    """
    try:
        words = shlex.split(typed)
    except ValueError as error:
        raise UsageError(f"toxic {typed!r:.60}: {error}") from None
    given: dict[str, Any] = {"attributes": {}}
    if words and "=" not in words[0]:
        given["type"] = words.pop(0)
    problems = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            problems.append(f"toxic {typed!r:.60}: {word!r:.60} is not name=value")
        else:
            _take_word(given, name, value)
    try:
        spec = read_spec(given)
    except UsageError as error:
        problems += error.problems
    if problems:
        raise UsageError(problems)
    return spec


def _take_word(given: dict[str, Any], name: str, value: str) -> None:
    """Put one word where `read_spec` looks for it."""
    if name in _HEADER:
        given[name] = value
    elif name.startswith(_JSON):
        when = given.setdefault("when", {})
        when.setdefault("json", {})[name.removeprefix(_JSON)] = _json_value(value)
    elif name.startswith(_WHEN):
        key = name.removeprefix(_WHEN)
        said = value.split(",") if key == "opcodes" else value
        given.setdefault("when", {})[key] = said
    else:
        given["attributes"][name] = value


def _json_value(typed: str) -> object:
    """Return a number or truth value as JSON has it; anything else is a word."""
    try:
        value = msgspec.json.decode(typed)
    except msgspec.DecodeError:
        return typed
    return value if isinstance(value, str | int | float) else typed
