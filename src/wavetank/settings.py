"""One table of options: flags, environment, .env and TOML become values.

It refuses to know files, the process's environment and argument parsers: their
texts are handed in, and every value comes out with the place it came from.
"""

import csv
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from wavetank.errors import UsageError, nearest
from wavetank.kinds import (
    Kind,
    UnlimitedOr,
    boolean,
    choice,
    integer,
    path,
    seconds,
    size_in_bytes,
    text,
    unlimited_or,
)

__all__ = [
    "Kind",
    "Option",
    "Row",
    "Setting",
    "Settings",
    "boolean",
    "choice",
    "integer",
    "parse_dotenv",
    "path",
    "read_toml",
    "resolve",
    "seconds",
    "size_in_bytes",
    "text",
    "unlimited_or",
]

DEFAULT = "default"
"""Source of a value that nobody gave."""

_ASSIGNMENT = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*(.*)")
_SINGLE_QUOTED = re.compile(r"'([^']*)'[ \t]*(?:#.*)?")
_DOUBLE_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"[ \t]*(?:#.*)?')
_COMMENT = re.compile(r"(?:^|[ \t]+)#.*")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


# The table and what comes of it.


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One row of the table.

    Attributes:
        name: As in the flag without its dashes: ``max-clients``.
        kind: Turns the typed text into the value.
        default: The value where nobody gives one, used as it is.
        help: One line for ``--help`` and the docs.
        also: Other names that it answers to, everywhere.
        metavar: What stands for the value in ``--help``.
        env: Names in the environment and in .env beside ``WAVETANK_<NAME>``.
        many: May be given several times; the value is a tuple.
        is_flag: Takes no value on the command line.
        secret: Its value is never shown.
    """

    name: str
    kind: Kind
    default: object
    help: str
    also: tuple[str, ...] = ()
    metavar: str = ""
    env: tuple[str, ...] = ()
    many: bool = False
    is_flag: bool = False
    secret: bool = False

    @property
    def key(self) -> str:
        """The name as Python writes it: ``max_clients``."""
        return _key(self.name)

    @property
    def flag(self) -> str:
        """The name as the command line writes it: ``--max-clients``."""
        return f"--{self.name}"

    @property
    def keys(self) -> tuple[str, ...]:
        """All names that it answers to, as Python writes them."""
        return (self.key, *(_key(name) for name in self.also))

    def variables(self, prefix: str = "WAVETANK_") -> tuple[str, ...]:
        """Return its names in the environment, the first one to win first."""
        return (*(prefix + key.upper() for key in self.keys), *self.env)

    def shown(self, value: object) -> str:
        """Return a value in words; never that of a secret."""
        if value is None:
            return "unlimited" if isinstance(self.kind, UnlimitedOr) else "not set"
        if value == ():
            return "not set"
        if self.secret:
            return "***"
        if isinstance(value, tuple):
            return ", ".join(_in_words(item) for item in value)
        return _in_words(value)


def _key(name: str) -> str:
    return name.replace("-", "_")


def _in_words(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A value and where it came from.

    Attributes:
        value: What the option's kind made of it.
        source: ``default``, ``--max-clients``, ``environment WAVETANK_MAX_CLIENTS``,
            ``.env.test line 3`` or ``wavetank.toml [run] max-clients``.
    """

    value: object
    source: str = DEFAULT

    def __repr__(self) -> str:
        """Show the source alone: the value may be a secret."""
        return f"<Setting from {self.source}>"


class Row(NamedTuple):
    """One line of ``--show-config``, in words."""

    name: str
    value: str
    source: str


class Settings(Mapping[str, Any]):
    """The resolved options: ``settings["max_clients"]`` is the value.

    Args:
        resolved: Each option of the table with its setting, in the table's order.
    """

    def __init__(self, resolved: Iterable[tuple[Option, Setting]]) -> None:
        self._resolved = {option.key: (option, setting) for option, setting in resolved}

    def __getitem__(self, key: str) -> Any:
        """Return a value by its key, ``max_clients`` or ``max-clients``."""
        return self._setting(key).value

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys, in the order of the table."""
        return iter(self._resolved)

    def __len__(self) -> int:
        """Return how many options the table has."""
        return len(self._resolved)

    def source(self, key: str) -> str:
        """Return where a value came from."""
        return self._setting(key).source

    def changed(self) -> dict[str, str]:
        """Return what was not left at its default: name to value in words."""
        return {row.name: row.value for row in self.table() if row.source != DEFAULT}

    def table(self) -> list[Row]:
        """Return a row for each option, in the order of the table."""
        return [
            Row(option.name, option.shown(setting.value), setting.source)
            for option, setting in self._resolved.values()
        ]

    def _setting(self, key: str) -> Setting:
        found = self._resolved.get(_key(key))
        if found is None:
            raise KeyError(f"{key}{nearest(key, self._resolved)}")
        return found[1]

    def __repr__(self) -> str:
        """Show what was changed, without secrets."""
        return f"<Settings {self.changed()}>"


# Resolving: each source gives what it has, the first one that has it wins.


@dataclass(frozen=True, slots=True)
class _Given:
    """What one source has for one option, before anybody judged it.

    ``place`` is what an error says; ``is_joined`` marks a text that may hold
    several values, because the environment knows no lists.
    """

    raw: object
    source: str
    place: str
    is_joined: bool = False


_Source = Mapping[str, _Given]


def resolve(
    options: Sequence[Option],
    *,
    flags: Mapping[str, object],
    environ: Mapping[str, str] = {},  # a Mapping is never written to
    dotenv: tuple[str, str] | None = None,
    toml: tuple[str, str, str] | None = None,
    prefix: str = "WAVETANK_",
    elsewhere: Collection[str] = (),
    problems: list[str] | None = None,
) -> Settings:
    """Resolve the table: flags, then environment, .env, TOML, default.

    A value that a stronger source overrides is not judged, so that a flag gets
    around a broken environment. An empty value in the environment or in .env
    counts as not given; several values are separated there by commas, and one
    that holds a comma itself stands in double quotes.

    Args:
        options: The table.
        flags: Name to the text typed, a tuple of texts, True or False; what was
            not typed is absent or None.
        environ: The environment.
        dotenv: Name and text of a .env file.
        toml: Name and text of a TOML file, and the (dotted) section to read.
        prefix: Of the names that are ours in the environment and in .env.
        elsewhere: Names of options that are ours but of another table; they are
            passed over instead of reported as unknown.
        problems: Where mistakes go, for a caller that looks for more of its own
            before it complains; a value that cannot be used is the default then.

    Raises:
        UsageError: With every mistake, each with its place, where no list for
            them was given.
    """
    given = problems
    problems = [] if given is None else given
    variable_sources = (_from_environ(environ), _from_dotenv(dotenv, problems))
    sources = (
        _from_flags(options, flags, problems),
        *(_pick(options, variables, prefix) for variables in variable_sources),
        _from_toml(options, toml, elsewhere, problems),
    )
    resolved = [(option, _settle(option, sources, problems)) for option in options]
    known = [name for option in options for name in option.variables(prefix)]
    for variables in variable_sources:
        problems += _strangers(variables, known, elsewhere, prefix)
    if problems and given is None:
        raise UsageError(problems)
    return Settings(resolved)


def _settle(option: Option, sources: Sequence[_Source], problems: list[str]) -> Setting:
    """Return what the strongest source says, or the default."""
    for source in sources:
        given = source.get(option.key)
        if given is None:
            continue
        try:
            return Setting(value=_judge(option, given), source=given.source)
        except ValueError as error:
            # The kind quotes what was typed, and a secret is quoted nowhere.
            words = "this value cannot be used" if option.secret else str(error)
            problems.append(f"{given.place}: {words}")
            break
    return Setting(value=option.default)


def _judge(option: Option, given: _Given) -> object:
    """Return the value of what was given; ValueError says why there is none."""
    raw = given.raw
    if option.many and given.is_joined:
        raw = _split(str(raw))
    items = tuple(raw) if isinstance(raw, list | tuple) else (raw,)
    if option.many:
        return tuple(option.kind(_typed(item)) for item in items)
    if len(items) != 1:
        raise ValueError(f"takes one value, not {len(items)}")
    return option.kind(_typed(items[0]))


def _typed(item: object) -> str:
    """Return a TOML value as it would be typed, so that one kind reads both."""
    if isinstance(item, dict | list | tuple):
        raise ValueError("takes a plain value, not a table or a list of lists")
    return _in_words(item)


def _split(joined: str) -> tuple[str, ...]:
    """Split at commas and line ends; double quotes keep a comma."""
    rows = csv.reader(joined.splitlines(), skipinitialspace=True, strict=True)
    try:
        return tuple(field.strip() for row in rows for field in row if field.strip())
    except csv.Error:
        raise ValueError(f"{joined!r} is not a list separated by commas") from None


def _from_flags(
    options: Sequence[Option], flags: Mapping[str, object], problems: list[str]
) -> _Source:
    known = {key: option for option in options for key in option.keys}
    found = {}
    for name, raw in flags.items():
        option = known.get(_key(name))
        if option is None:
            candidates = [candidate.flag for candidate in options]
            problems.append(
                f"--{name}: unknown option{nearest(f'--{name}', candidates)}"
            )
        elif raw is not None and raw not in ((), []):
            typed = name.replace("_", "-")
            flag = f"--no-{typed}" if raw is False else f"--{typed}"
            found[option.key] = _Given(raw, flag, flag)
    return found


def _from_environ(environ: Mapping[str, str]) -> _Source:
    """Return each variable by its name; those of other programs too."""
    return {
        name: _Given(raw, f"environment {name}", f"environment {name}", is_joined=True)
        for name, raw in environ.items()
    }


def _from_dotenv(dotenv: tuple[str, str] | None, problems: list[str]) -> _Source:
    """Return each variable by its name; those of other programs too."""
    if dotenv is None:
        return {}
    file, content = dotenv
    variables, mistakes = _read_dotenv(content)
    problems += [f"{file} {mistake}" for mistake in mistakes]
    return {
        name: _Given(
            raw, f"{file} line {line}", f"{file} line {line} {name}", is_joined=True
        )
        for name, (raw, line) in variables.items()
    }


def _pick(options: Sequence[Option], variables: _Source, prefix: str) -> _Source:
    """Return by key what the variables have for the options."""
    found = {}
    for option in options:
        names = (name for name in option.variables(prefix) if name in variables)
        given = next((variables[name] for name in names if variables[name].raw), None)
        if given is not None:
            found[option.key] = given
    return found


def _strangers(
    variables: _Source, known: Collection[str], elsewhere: Collection[str], prefix: str
) -> list[str]:
    """Return problems of variables with our prefix; who knows others is asked last."""
    unread = {name for name in variables if name.startswith(prefix)}.difference(known)
    others = [prefix + _key(name).upper() for name in (elsewhere if unread else ())]
    return [
        f"{given.place}: unknown name{nearest(name, [*known, *others])}"
        for name, given in variables.items()
        if name in unread.difference(others)
    ]


def _from_toml(
    options: Sequence[Option],
    toml: tuple[str, str, str] | None,
    elsewhere: Collection[str],
    problems: list[str],
) -> _Source:
    if toml is None:
        return {}
    file, content, section = toml
    table = _section(file, content, section, problems)
    known = {key: option for option in options for key in option.keys}
    names = [option.name for option in options]
    found: dict[str, _Given] = {}
    for name, raw in table.items():
        option = known.get(_key(name))
        place = f"{file} [{section}] {name}"
        if option is not None and option.key in found:
            problems.append(f"{place}: given twice; see {found[option.key].place}")
        elif option is not None:
            found[option.key] = _Given(raw, place, place)
        elif _key(name) not in map(_key, elsewhere):
            problems.append(f"{place}: unknown key{nearest(name, names)}")
    return found


def _section(
    file: str, content: str, section: str, problems: list[str]
) -> Mapping[str, object]:
    """Return one table of a TOML text, empty where there is none."""
    try:
        table: object = read_toml(file, content)
    except UsageError as error:
        problems += error.problems
        return {}
    for name in section.split("."):
        table = table.get(name, {}) if isinstance(table, dict) else None
    if isinstance(table, dict):
        return table
    problems.append(f"{file} [{section}]: is not a table")
    return {}


def read_toml(
    file: str, content: str, *, sections: Collection[str] = ()
) -> dict[str, Any]:
    """Read a TOML text.

    Args:
        file: Name of the file, for the problems.
        content: Its text.
        sections: Names that may stand at the top; empty allows any.

    Raises:
        UsageError: If it is not TOML, or has a section that nobody reads.
    """
    try:
        document = tomllib.loads(content)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{file}: not TOML: {error}") from None
    problems = [
        f"{file} [{name}]: unknown section{nearest(name, sections)}"
        for name in document
        if sections and name not in sections
    ]
    if problems:
        raise UsageError(problems)
    return document


def parse_dotenv(content: str) -> dict[str, tuple[str, int]]:
    """Read a .env text: name to value and line; the last line of a name wins.

    ``export`` is passed over, ``#`` starts a comment, single quotes keep all as
    it is, double quotes know \\n, \\t and escaped quotes. Nothing is expanded:
    a dollar sign is a dollar sign.

    Raises:
        UsageError: With every line that is none of this.
    """
    variables, mistakes = _read_dotenv(content)
    if mistakes:
        raise UsageError(mistakes)
    return variables


def _read_dotenv(content: str) -> tuple[dict[str, tuple[str, int]], list[str]]:
    variables = {}
    mistakes = []
    lines = content.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    for number, line in enumerate(lines, start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        try:
            name, value = _assignment(stripped)
            variables[name] = (value, number)
        except ValueError as error:
            mistakes.append(f"line {number}: {error}")
    return variables, mistakes


def _assignment(line: str) -> tuple[str, str]:
    """Return name and value of one line; the line may hold a secret, so no quote."""
    match = _ASSIGNMENT.fullmatch(line)
    if not match:
        raise ValueError("is not NAME=value")
    name, written = match.groups()
    if not written.startswith(("'", '"')):
        return name, _COMMENT.sub("", written)
    pattern = _SINGLE_QUOTED if written.startswith("'") else _DOUBLE_QUOTED
    quoted = pattern.fullmatch(written)
    if not quoted:
        raise ValueError(f"{name}: the quotes do not close at the end of the value")
    if written.startswith("'"):
        return name, quoted[1]
    return name, re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), quoted[1])
