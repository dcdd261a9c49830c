"""The plan of a run: what was asked for, judged as a whole before anything starts.

It refuses to know files, processes and sockets: texts in, a value or all
mistakes at once out.
"""

import datetime
import enum
import re
import shlex
import urllib.parse
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from wavetank.contracts import Contract, read_contract
from wavetank.dialects import SHIPPED, Bare, Dialect, named
from wavetank.errors import UsageError, nearest
from wavetank.lab.excuses import Excuse, excuses
from wavetank.lab.selection import indispensable, name_of, select, unasked
from wavetank.load.places import is_loopback
from wavetank.settings import Settings

__all__ = ["Plan", "Source", "make_plan"]

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_WORDS = ("host", "port", "tls_port", "cert", "key", "ca", "data", "python")
_HUB = (
    "{python} -P -m wavetank hub --host 127.0.0.1 --port {port} "
    "--http-port {http_port} --echo"
)
_HUB_TLS = " --tls-port {tls_port} --cert {cert} --key {key}"
_PYTHON = re.compile(r"(\{python\}|.*python(\d(\.\d+)?)?(\.exe)?)$")
_HANDSHAKES_OWN = re.compile(
    r"host|upgrade|connection|origin|sec-websocket-.*", re.IGNORECASE
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_FIELD = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # RFC 9110 5.5
_SECRET_NAME = re.compile(
    r"token|secret|passw|key|auth|ticket|sig|session|jwt|cookie", re.IGNORECASE
)
_LEAST_SECRET = 6
"""Characters from which on a header's or cookie's value is taken for a secret."""
_AS_THEY_ARE = (
    *("serve", "origin", "token", "insecure", "no_ssl", "coverage"),
    *("start_port", "port", "tls_port", "max_clients", "test_duration"),
    *("ready_timeout", "fail_fast", "full", "exhaustive", "patience"),
)
"""Options whose values are fields of the plan, under the same name."""


class Source(enum.StrEnum):
    """Where the target comes from."""

    EMBEDDED = "embedded hub"
    SERVE = "serve"
    URL = "url"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything a run needs to know before it starts.

    Attributes:
        suites: Suites to run, in the order they will run.
        checks: ``suite.check`` names that alone are wanted; empty for all.
        source: Where the target comes from.
        url: Its URL, for a target that already runs.
        serve: The command, for one that the lab starts.
        dialect: How the target speaks; None is to be found out.
        contract: What the target has to send, from the target's own view; None where
            nobody has given it.
        faults: A user's own rules of faults; "" for those of the check.
        indispensable: Checks without which the run is not what was asked for.
        excuses: Known failures by check.
        notes: What the reader of the report has to know.
        options: Options that were not left at their default, for the report.
        asked: Suites and checks as they were named.
        keyword: Of checks, as pytest's ``-k`` has it.
        typed: Values of the options with which the run is made again; no secrets.
        secrets: Texts that must never be written down.
    """

    suites: tuple[str, ...]
    seed: int
    source: Source = Source.EMBEDDED
    checks: frozenset[str] = frozenset()
    url: str = ""
    serve: str = ""
    dialect: Dialect | None = None
    headers: tuple[tuple[str, str], ...] = ()
    subprotocols: tuple[str, ...] = ()
    origin: str = ""
    token: str = ""
    ca: str = ""
    insecure: bool = False
    no_ssl: bool = False
    dynamic_ports: bool = True
    start_port: int = 9000
    port: int | None = None
    tls_port: int | None = None
    max_clients: int = 100
    test_duration: float = 10.0
    ready_timeout: float = 15.0
    fail_fast: bool = False
    full: bool = False
    exhaustive: bool = False
    patience: float = 45.0
    coverage: bool = False
    polite_only: bool = False
    contract: Contract | None = None
    faults: str = ""
    indispensable: frozenset[str] = frozenset()
    excuses: Mapping[str, Excuse] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    asked: tuple[str, ...] = ()
    keyword: str = ""
    typed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()

    @property
    def wants_tls(self) -> bool:
        """Whether the target will listen with TLS, too."""
        if self.no_ssl:
            return False
        return self.source is Source.EMBEDDED or "{tls_port}" in self.serve

    @property
    def is_tls_only(self) -> bool:
        """Whether the command of ``--serve`` takes a port for TLS and no other."""
        return self.wants_tls and "{port}" not in self.serve and bool(self.serve)

    @property
    def given(self) -> str:
        """How the target was given, in words."""
        return {
            Source.EMBEDDED: "embedded hub",
            Source.SERVE: self.serve,
            Source.URL: self.url,
        }[self.source]

    def command(self, words: Mapping[str, str], *, http_port: int) -> list[str]:
        """Return the command that starts the target, its placeholders filled in.

        Args:
            words: Value of each placeholder.
            http_port: A third port; the embedded hub listens there for HTTP.
        """
        if self.source is Source.SERVE:
            template = self.serve
        else:
            template = _HUB + (_HUB_TLS if self.wants_tls else "")
        filled = {**words, "http_port": str(http_port)}
        # Split first: a path with a space stays one argument.
        command = [
            _PLACEHOLDER.sub(lambda found: filled.get(found[1], found[0]), part)
            for part in shlex.split(template)
        ]
        return _under_coverage(command) if self.coverage else command


def make_plan(
    settings: Settings,
    *,
    names: Sequence[str],
    catalogue: Mapping[str, Collection[str]],
    environ: Mapping[str, str],
    tables: Mapping[str, object],
    known_failures: tuple[str, str] | None,
    seed: int,
    today: datetime.date,
    test_files: Sequence[str] = (),
    contract: tuple[str, str] | None = None,
    faults: str = "",
    problems: Sequence[str] = (),
) -> Plan:
    """Judge everything that was asked for.

    Args:
        settings: The options of `lab.options`, resolved.
        names: Suites, or ``suite.check``; empty for all.
        catalogue: Suites in their order, with the names of their checks.
        environ: Environment, for the ``RUN_…`` variables.
        tables: The ``[dialect]`` table of the settings file.
        known_failures: Name and text of the file of known failures.
        seed: A seed drawn for this run, used where none was given.
        today: For end dates of known failures.
        test_files: Files of the catalogue that were asked for.
        contract: Name and text of the file with the contract.
        faults: Rules of faults, judged already.
        problems: Mistakes that were found before.

    Raises:
        UsageError: With every mistake at once.
    """
    problems = list(problems)
    notes: list[str] = []
    wanted = [*names, *(name_of(file) for file in test_files)]
    suites, checks = select(wanted, catalogue, problems)
    if not wanted:
        suites = unasked(catalogue, environ, problems, notes, is_full=settings["full"])
    source = _source(settings, problems)
    known = _checks_in(catalogue) if known_failures else ()
    let_through = excuses(
        known_failures, known, today=today, problems=problems, notes=notes
    )
    dialects = _described(tables, settings, problems)
    dialect = _dialect(settings["dialect"], source, dialects, problems)
    headers = _headers(settings, problems)
    owed = _contract(contract, settings, problems)
    needed = indispensable(settings, suites, checks, problems)
    if problems:
        raise UsageError(problems)
    return Plan(
        **{name: settings[name] for name in _AS_THEY_ARE},
        suites=suites,
        checks=checks,
        seed=seed if settings["seed"] is None else settings["seed"],
        source=source,
        url=_clean_url(settings["target"]),
        dialect=dialect,
        headers=headers,
        subprotocols=settings["subprotocol"],
        ca=str(settings["ca"] or ""),
        dynamic_ports=settings["dynamic_ports"]
        and settings.source("start_port") == "default",
        polite_only=_must_be_polite(source, settings),
        contract=owed,
        faults=faults,
        indispensable=needed,
        excuses=let_through,
        notes=tuple(notes),
        options=settings.changed(),
        secrets=_secrets(settings),
    )


def _checks_in(catalogue: Mapping[str, Collection[str]]) -> list[str]:
    """Return all checks, for which all suites have to be imported."""
    return [f"{suite}.{check}" for suite, have in catalogue.items() for check in have]


# The target


def _source(settings: Settings, problems: list[str]) -> Source:
    url, command = settings["target"], settings["serve"]
    # An empty value is most often a variable that is not set: to take the hub then
    # would be green about the wrong server.
    problems.extend(
        f"--{name}: the value is empty; give one, or leave the option out"
        for name in ("target", "serve")
        if settings.source(name).startswith("--") and not settings[name]
    )
    if url and command:
        problems.append("--target and --serve: give one of the two")
    if url:
        _judge_url(url, settings, problems)
        return Source.URL
    if settings["port"] and settings["port"] == settings["tls_port"]:
        problems.append("--port and --tls-port: give two different ports")
    if command:
        _judge_command(command, settings, problems)
        return Source.SERVE
    return Source.EMBEDDED


def _judge_url(url: str, settings: Settings, problems: list[str]) -> None:
    if "@" in re.split(r"[/?#]", url.partition("//")[2])[0]:
        # Not quoted: there may be a password in it.
        problems.append("--target: leave user and password out; see --header")
    elif not _is_websocket_url(url):
        problems.append(
            f"--target {url}: not a WebSocket URL; give ws://HOST:PORT/PATH or "
            "wss://HOST:PORT/PATH"
        )
    if url.startswith("wss:") and settings["no_ssl"]:
        problems.append("--no-ssl: the target's URL is wss://, so there is only TLS")
    problems.extend(
        f"--{name.replace('_', '-')}: only for a target that the lab starts; "
        "leave it out or use --serve"
        for name in ("port", "tls_port", "coverage")
        if settings.source(name).startswith("--") and settings[name]
    )


def _is_websocket_url(url: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(url)
        is_complete = bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not close, a port that is none
        return False
    is_shown_whole = url.isprintable() and " " not in url
    return parts.scheme in {"ws", "wss"} and is_complete and is_shown_whole


def _judge_command(command: str, settings: Settings, problems: list[str]) -> None:
    try:
        parts = shlex.split(command)
    except ValueError as error:
        problems.append(
            f"--serve {command}: {error}".replace("No closing", "no closing")
        )
        return
    if not parts:
        problems.append("--serve: the command is empty")
        return
    for found in _PLACEHOLDER.findall(command):
        close = nearest(found, _WORDS)
        if found not in _WORDS and close:
            problems.append(f"--serve: {{{found}}} is not a placeholder{close}")
    needs_tls = [w for w in ("tls_port", "cert", "key", "ca") if f"{{{w}}}" in command]
    if needs_tls and settings["no_ssl"]:
        problems.append(
            f"--no-ssl: but the command of --serve takes {{{needs_tls[0]}}}"
        )
    elif needs_tls and "tls_port" not in needs_tls:
        problems.append(f"--serve: {{{needs_tls[0]}}} without {{tls_port}}")
    if settings["coverage"] and not _can_be_measured(parts):
        problems.append(
            f"--coverage: `{parts[0]}` is not a Python interpreter with a file or a "
            "module; start the target as `python FILE` or `python -m MODULE`, or "
            "leave --coverage out"
        )


def _can_be_measured(command: list[str]) -> bool:
    program = command[_program(command) :]
    is_program = bool(program) and not program[0].startswith("-c")
    return bool(_PYTHON.match(command[0])) and is_program


def _under_coverage(command: list[str]) -> list[str]:
    """Put ``-m coverage run`` behind the interpreter and its own options."""
    place = _program(command)
    measured = ["-m", "coverage", "run", "--parallel-mode"]
    return [*command[:place], *measured, *command[place:]]


def _program(command: list[str]) -> int:
    """Return where the interpreter's own options end: the file, ``-m`` or ``-c``."""
    place = 1
    while place < len(command) and re.match(r"-[^mc]", command[place]):
        place += 2 if command[place] in {"-W", "-X"} else 1
    return place


def _must_be_polite(source: Source, settings: Settings) -> bool:
    """Return whether the target is not ours to be put through everything."""
    if source is not Source.URL or settings["i_own_this_target"]:
        return False
    return not is_loopback(settings["target"])


def _clean_url(url: str) -> str:
    """Drop the fragment: it has no meaning in a ws URL (RFC 6455 3)."""
    return urllib.parse.urldefrag(url).url


def _headers(settings: Settings, problems: list[str]) -> tuple[tuple[str, str], ...]:
    headers: list[tuple[str, str]] = []
    for line in settings["header"]:
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name.strip()):
            problems.append(f"--header {name.strip()}: write it as 'Name: value'")
        elif _HANDSHAKES_OWN.fullmatch(name.strip()):
            problems.append(
                f"--header {name.strip()}: belongs to the opening handshake; see "
                "--origin and --subprotocol"
            )
        elif not _FIELD.fullmatch(value.strip()):
            problems.append(f"--header {name.strip()}: the value cannot be sent")
        else:
            headers.append((name.strip(), value.strip()))
    cookies = [cookie.strip() for cookie in settings["cookie"]]
    problems.extend(
        f"--cookie {cookie.partition('=')[0]}: write it as NAME=VALUE"
        for cookie in cookies
        if "=" not in cookie or not _FIELD.fullmatch(cookie)
    )
    if cookies:
        headers.append(("Cookie", "; ".join(cookies)))
    if settings["token"]:
        headers.append(("Authorization", f"Bearer {settings['token']}"))
    problems.extend(_handshake_problems(settings, [name for name, _ in headers]))
    return tuple(headers)


def _handshake_problems(settings: Settings, names: Sequence[str]) -> Iterator[str]:
    """Yield what of the rest of the opening handshake cannot be sent."""
    counts = Counter(name.lower() for name in names)
    for name, option in (("cookie", "--cookie"), ("authorization", "--token")):
        if counts[name] > 1:
            yield f"{option} and --header {name.title()}: give one of the two"
    if not re.fullmatch(r"[!-~]*", settings["token"]):
        yield "--token: a token is printable ASCII without spaces"
    if not _FIELD.fullmatch(settings["origin"]):
        yield "--origin: the value cannot be sent"
    for name in settings["subprotocol"]:
        if not _TOKEN.fullmatch(name):
            yield f"--subprotocol {name}: a name has no spaces and no separators"
    if settings["ca"] and settings["insecure"]:
        yield "--ca and --insecure: give one of the two"


def _secrets(settings: Settings) -> tuple[str, ...]:
    """Return the texts to hide, the longest first: one may hold another.

    A short value (``lang=en``) is no secret, and hiding it would garble the report.
    """
    found = {settings["token"], *_of_query(settings["target"])}
    for line in settings["header"]:
        name, _, value = (part.strip() for part in line.partition(":"))
        if not _SECRET_NAME.search(name):
            continue
        # What stands behind a scheme (Bearer, Basic) may be told alone.
        found |= {value, value.partition(" ")[2].strip()}
        found |= set(_of_cookies(value) if name.lower() == "cookie" else ())
    for cookie in settings["cookie"]:
        found |= set(_of_cookies(cookie))
    long_enough = {value for value in found if len(value) >= _LEAST_SECRET}
    return tuple(sorted(long_enough | ({settings["token"]} - {""}), key=len)[::-1])


def _of_cookies(value: str) -> list[str]:
    return [pair.partition("=")[2].strip() for pair in value.split(";")]


def _of_query(url: str) -> Iterator[str]:
    """Yield the secrets in a URL's query: browsers know no other place for them."""
    for pair in urllib.parse.urlsplit(url).query.split("&"):
        name, _, value = pair.partition("=")
        if _SECRET_NAME.search(name):
            yield from (value, urllib.parse.unquote_plus(value))


def _contract(
    file: tuple[str, str] | None, settings: Settings, problems: list[str]
) -> Contract | None:
    """Read the contract, and turn it round where it is the client's."""
    if file is None:
        if settings.source("contract_of").startswith("--") and not settings["contract"]:
            problems.append("--contract-of: only beside --contract")
        return None
    name, text = file
    try:
        contract = read_contract(text, name=name)
    except UsageError as error:
        problems.extend(f"--contract {problem}" for problem in error.problems)
        return None
    return contract if settings["contract_of"] == "server" else contract.mirrored()


# Dialects


def _described(
    tables: Mapping[str, object], settings: Settings, problems: list[str]
) -> dict[str, Dialect]:
    file = str(settings["config"])
    try:
        return {name: named(name, tables, file=file) for name in tables}
    except UsageError as error:
        problems.extend(error.problems)
        # Their names are known all the same: one mistake is one problem.
        return dict.fromkeys(tables, Bare())


def _dialect(
    name: str,
    source: Source,
    dialects: Mapping[str, Dialect],
    problems: list[str],
) -> Dialect | None:
    """Return the dialect that is certain from the start; None has to be found out."""
    if source is Source.EMBEDDED:
        if name not in {"auto", "hub"}:
            problems.append(
                f"--dialect {name}: the embedded hub speaks hub; give --serve or "
                "--target"
            )
        return SHIPPED["hub"]()
    if name == "auto":
        return next(iter(dialects.values())) if len(dialects) == 1 else None
    if name in dialects:
        return dialects[name]
    if name in SHIPPED:
        return SHIPPED[name]()
    known = [*SHIPPED, *dialects, "auto"]
    problems.append(f"--dialect {name}: there is no such dialect{nearest(name, known)}")
    return None
