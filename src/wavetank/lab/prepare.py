"""Turns what a user typed into a run that is ready to start.

It refuses to know whether a command line or pytest was typed at.
"""

import contextlib
import datetime
import os
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from wavetank.clock import SystemClock
from wavetank.errors import UsageError
from wavetank.evidence import Record
from wavetank.lab.again import values_of
from wavetank.lab.catalogue import catalogue
from wavetank.lab.folder import make_folder
from wavetank.lab.options import OPTIONS
from wavetank.lab.plan import Plan, Source, make_plan
from wavetank.lab.run import Run
from wavetank.lab.selection import name_of
from wavetank.net import client_context
from wavetank.settings import Settings, parse_dotenv, read_toml, resolve

__all__ = ["open_run", "prepare"]

_SECTIONS = ("run", "dialect", "load")
"""What a settings file may have at its top; anything else is a slip."""


def prepare(
    flags: Mapping[str, object],
    *,
    names: Sequence[str],
    test_files: Sequence[str] = (),
    elsewhere: Collection[str] = (),
    keyword: str = "",
) -> tuple[Plan, Settings]:
    """Read settings file, .env file and environment, and make the plan.

    Args:
        flags: What was typed, by option name.
        names: Suites or checks that were named; empty for all.
        test_files: Files of the catalogue that were named.
        elsewhere: Names of options that belong to other commands.
        keyword: Of checks, as pytest's ``-k`` has it.

    Raises:
        UsageError: With every mistake at once.
    """
    problems: list[str] = []
    toml = _text_of(flags, "config", "wavetank.toml", problems)
    dotenv = _text_of(flags, "env-file", ".env.test", problems)
    settings = resolve(
        OPTIONS,
        flags=flags,
        environ=os.environ,
        dotenv=dotenv,
        toml=(*toml, "run") if toml else None,
        elsewhere=elsewhere,
        problems=problems,
    )
    problems += _unread(settings)
    if settings["ca"]:
        try:
            client_context(ca=Path(settings["ca"]))
        except UsageError as error:
            problems += [f"--ca: {problem}" for problem in error.problems]
    known = str(settings["known_failures"] or "")
    excuses = _read(known, "--known-failures", problems) if known else None
    contract = str(settings["contract"] or "")
    document = _read(contract, "--contract", problems) if contract else None
    drawn = secrets.randbelow(2**32)
    seed = drawn if settings["seed"] is None else settings["seed"]
    faults = _faults(settings, seed, problems)
    plan = make_plan(
        settings,
        names=names,
        test_files=test_files,
        catalogue=catalogue(),
        environ=_environment(dotenv),
        tables=_dialect_tables(toml, problems),
        known_failures=None if excuses is None else (known, excuses),
        contract=None if document is None else (contract, document),
        faults=faults,
        seed=seed,
        today=datetime.datetime.now(tz=datetime.UTC).astimezone().date(),
        problems=problems,
    )
    asked = (*names, *map(name_of, test_files)) or plan.suites
    typed = values_of(settings, plan)
    return replace(plan, asked=asked, keyword=keyword, typed=typed), settings


def open_run(
    plan: Plan,
    *,
    output: Path,
    watch: Callable[[Record], None] | None = None,
) -> Run:
    """Make the results folder and open the journal of a run.

    Args:
        plan: What was asked for.
        output: Folder of all results.
        watch: Called with each record; for live progress.

    Raises:
        UsageError: If the folder cannot be made.
    """
    clock = SystemClock()
    folder = make_folder(output, plan.suites, wall=clock.wall())
    return Run(plan, folder=folder, watch=watch, clock=clock)


def _faults(settings: Settings, seed: int, problems: list[str]) -> str:
    """Return the rules of ``--faults``, read from their file and judged."""
    source, text = settings.source("faults"), settings["faults"]
    if not (text or source.startswith("--")):
        return ""
    # Hardly any run has some, and the proxy's toxics come along with it.
    from wavetank.lab.fault_rules import Place, judge_rules

    place = Place(source)
    if text.startswith("@"):
        place = Place(text[1:], "line")
        if not place.name:
            problems.append(f"{source}: a file's name stands behind the @")
            return ""
        read = _read(place.name, source, problems)
        if read is None:
            return ""
        text = read
    return judge_rules(
        text,
        place,
        seed=seed,
        seconds=settings["test_duration"],
        target=_source(settings),
        problems=problems,
    )


def _source(settings: Settings) -> Source:
    if settings["target"]:
        return Source.URL
    return Source.SERVE if settings["serve"] else Source.EMBEDDED


def _unread(settings: Settings) -> Iterator[str]:
    """Yield a problem for names of files that stand where nobody looks for them."""
    for name in ("config", "env-file"):
        source = settings.source(name)
        if source != "default" and not source.startswith(("--", "environment ")):
            yield f"{source}: only a flag or the environment can name this file"


def _environment(dotenv: tuple[str, str] | None) -> dict[str, str]:
    """Return the environment, with what only the .env file has."""
    environ = dict(os.environ)
    # Its mistakes are reported already, by whoever resolved the settings.
    with contextlib.suppress(UsageError):
        for name, (value, _) in parse_dotenv(dotenv[1] if dotenv else "").items():
            environ.setdefault(name, value)
    return environ


def _dialect_tables(
    toml: tuple[str, str] | None, problems: list[str]
) -> Mapping[str, object]:
    if toml is None:
        return {}
    try:
        tables = read_toml(*toml, sections=_SECTIONS).get("dialect", {})
    except UsageError as error:
        # What is not TOML is reported already, in the same words.
        problems += [one for one in error.problems if one not in problems]
        return {}
    if isinstance(tables, dict):
        return tables
    problems.append(f"{toml[0]}: a dialect is a table [dialect.NAME]")
    return {}


def _text_of(
    flags: Mapping[str, object], option: str, default: str, problems: list[str]
) -> tuple[str, str] | None:
    """Return name and text of a file; one that was not asked for may be missing."""
    variable = f"WAVETANK_{option.replace('-', '_').upper()}"
    name = flags.get(option) or os.environ.get(variable)
    if not name and not Path(default).exists():
        return None
    content = _read(str(name or default), f"--{option}", problems)
    return None if content is None else (str(name or default), content)


def _read(name: str, flag: str, problems: list[str]) -> str | None:
    try:
        return Path(name).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        problems.append(f"{flag} {name}: not a text file in UTF-8")
    except OSError as error:
        problems.append(f"{flag} {name}: {error.strerror}")
    except ValueError:  # a NUL, which TOML can write
        problems.append(f"{flag} {name!r}: no file has such a name")
    return None
