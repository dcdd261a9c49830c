"""``wavetank load``: puts a load on a server, and says what came of it.

It refuses to know how a load is carried out, and what is good enough.
"""

import asyncio
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wavetank.cli.loading import Order, perform
from wavetank.cli.parser import Parser
from wavetank.cli.variables import variables_of_others
from wavetank.errors import ExitCode, UsageError, nearest
from wavetank.lab.options import OPTIONS
from wavetank.lab.plan import Plan
from wavetank.lab.prepare import prepare
from wavetank.load.composing import LOAD, Defaults
from wavetank.load.engine.calibration import calibrate
from wavetank.load.engine.cluster import survey
from wavetank.load.needs import cautions, needs_of, problems
from wavetank.load.options import LOAD_OPTIONS
from wavetank.load.picture import ASCII, BLOCKS, picture
from wavetank.load.plan import LoadPlan
from wavetank.load.reading import payload_files
from wavetank.load.thresholds import Threshold
from wavetank.settings import Settings, resolve

__all__ = ["Command", "execute", "main"]

_PREFIX = "WAVETANK_LOAD_"
_MOST_BYTES = 64 * 1024 * 1024
"""Of a file that is read; a device has no end."""
_NOT_OF_A_LOAD = frozenset(
    {
        *("fail-fast", "full", "exhaustive", "patience", "known-failures"),
        *("max-clients", "test-duration", "no-ssl", "tls-port", "faults"),
    }
)
"""Options of a run that say nothing here."""

_DESCRIPTION = """\
Puts a load on a WebSocket server. Messages are sent when they are due and not when
an answer has come, and response times begin at that moment: a target that stalls
cannot hide it. Without a URL and --serve the embedded hub is the target."""

_EPILOG = """\
stages, for --stage, --population and the plan file:
  5000/s for 1m               all the time the same
  ramp 100..5000 in 30s       straight from one to the other
  steps 100..1000 x10 in 50s  in even steps
  burst 100..2000 x3 in 30s   three bursts, each a quarter of 10 s
  spike 100..2000 in 30s      up and down again within a fifth of 30 s
  sine 100..2000 x2 in 1m     up and down, twice
  fibonacci 1..144 in 55s     1, 2, 3, 5, 8 ... 144

a plan file:
  [load]
  thresholds = ["p99 < 100ms", "lost == 0"]
  [[load.scenario]]
  kind = "publish"
  users = 100
  stages = ["ramp 100..5000 in 30s", "5000/s for 1m"]

  wavetank load ws://127.0.0.1:9000/ --rate 1000 --threshold 'p99 < 100ms'
  wavetank load --plan load.toml --dry-run
  wavetank load ws://127.0.0.1:9000/ --find 'p99 < 100ms'

Options can come from the environment too, as WAVETANK_LOAD_<NAME>.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One of the commands that put a load on a target.

    Attributes:
        name: Of the command, and of the suite that it is in reports.
        description: What it does, for ``--help``.
        epilog: What stands below the options.
        defaults: What holds where nobody says it.
        is_latency: Whether all percentiles are shown at the end.
    """

    name: str
    description: str
    epilog: str
    defaults: Defaults
    is_latency: bool = False


def main(argv: Sequence[str]) -> int:
    """Put a load on a target; return the exit code.

    Args:
        argv: What stands behind ``wavetank load``.

    Raises:
        UsageError: With every mistake at once, before anything is started.
    """
    return execute(
        Command(name="load", description=_DESCRIPTION, epilog=_EPILOG, defaults=LOAD),
        argv,
    )


def execute(command: Command, argv: Sequence[str]) -> int:
    """Do what a command line asks for; return the exit code.

    Raises:
        UsageError: With every mistake at once, before anything is started.
    """
    options = [one for one in OPTIONS if one.name not in _NOT_OF_A_LOAD]
    parser = Parser(
        command.name,
        description=command.description,
        options=(*LOAD_OPTIONS, *options),
        epilog=command.epilog,
    )
    parser.add_argument("words", metavar="URL", nargs="*", help="the target")
    typed = parser.parse(argv)
    order = _order(command, parser.flags(typed), typed.words)
    if order.settings["headroom"]:
        return _show_headroom(order)
    if order.settings["dry_run"]:
        print(_picture(order))
        return ExitCode.PASS
    return perform(_seated(order))


def _seated(order: Order) -> Order:
    """Return an order that knows what its cluster has room for, if it has one.

    Raises:
        UsageError: If the load cannot be made there.
    """
    cluster = order.settings["cluster"]
    if cluster is None:
        return order
    # A target that is started from here listens on this machine alone.
    target = "ws://127.0.0.1/" if order.serves else str(order.plan.url)
    places = asyncio.run(survey(cluster, target=target))
    return replace(order, seats=sum(place.threads for place in places))


def _show_headroom(order: Order) -> int:
    """Measure what this machine can send, and say it."""
    # The echo takes as many cores as the workers.
    cores = order.settings["workers"] or max(order.limits().cores // 2, 1)
    for sentence in asyncio.run(calibrate(cores=cores)).sentences:
        print(sentence)
    return ExitCode.PASS


def _order(
    command: Command, flags: Mapping[str, object], words: Sequence[str]
) -> Order:
    """Read everything that was typed.

    Raises:
        UsageError: With every mistake at once.
    """
    found: list[str] = []
    own = {one.name for one in LOAD_OPTIONS}
    of_run = {name: flag for name, flag in flags.items() if name not in own}
    of_run |= _target(words, of_run, found)
    settings = resolve(
        LOAD_OPTIONS,
        flags={name: flag for name, flag in flags.items() if name in own},
        environ=os.environ,
        prefix=_PREFIX,
        problems=found,
    )
    files = _files(settings, found)
    plan, output = _plan_of_run(command.name, of_run, found)
    plan = plan or Plan(suites=(command.name,), seed=0)
    # The report says which load it was, as it was typed.
    asked = {**settings.changed(), **_as_typed(flags, settings)}
    order = Order(
        plan=replace(plan, options={**plan.options, **asked}),
        settings=settings,
        output=output,
        files=files,
        defaults=command.defaults,
        is_latency=command.is_latency,
    )
    found += _refusals(order)
    if found:
        raise UsageError(found)
    return order


def _as_typed(flags: Mapping[str, object], settings: Settings) -> dict[str, str]:
    """Return the options of the load that the command line gives, as it gives them."""
    return {
        one.name: ", ".join(given) if isinstance(given, list) else str(given).lower()
        for one in LOAD_OPTIONS
        if (given := flags[one.name]) is not None and one.name in settings.changed()
    }


def _target(
    words: Sequence[str], flags: Mapping[str, object], found: list[str]
) -> dict[str, object]:
    """Return the target that was named by its URL alone."""
    if len(words) > 1:
        found += [f"{word}: one argument too many" for word in words[1:]]
    if words and flags["target"] is not None:
        found.append("the URL and --target: give one of the two")
    return {"target": words[0]} if words else {}


def _files(settings: Settings, found: list[str]) -> dict[str, str]:
    """Return name -> text of the plan file and of recorded payloads."""
    files: dict[str, str] = {}
    if settings["plan"]:
        _read(str(settings["plan"]), "--plan", files, found)
    for name in payload_files(settings, files=files):
        _read(name, "payload-file", files, found)
    return files


def _read(name: str, place: str, files: dict[str, str], found: list[str]) -> None:
    try:
        with Path(name).open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            found.append(f"{place} {name}: longer than {_MOST_BYTES // 2**20} MiB")
        else:
            files[name] = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        found.append(f"{place} {name}: not a text file in UTF-8")
    except OSError as error:
        found.append(f"{place} {name}: {error.strerror}")


def _plan_of_run(
    name: str, flags: Mapping[str, object], found: list[str]
) -> tuple[Plan | None, Path]:
    """Return what is asked of the run around the load; None with its mistakes."""
    try:
        plan, settings = prepare(flags, names=[name], elsewhere=variables_of_others())
    except UsageError as error:
        found += error.problems
        return None, Path()
    # What is put on the target is not what the suite of that name would be.
    whole = replace(plan, suites=(name,), checks=frozenset())
    return whole, Path(settings["output"])


def _refusals(order: Order) -> list[str]:
    """Return why a load cannot, or must not, be put on the target."""
    settings = order.settings
    found: list[str] = []
    if settings["plan"] and str(settings["plan"]) not in order.files:
        return []  # that it cannot be read is told already
    try:
        load = order.load_plan()
    except UsageError as error:
        return list(error.problems)
    if settings["find"] is not None:
        found += _problems_of_search(settings["find"], load, order)
    if settings["headroom"] and settings["cluster"] is not None:
        found.append("--headroom measures this machine; leave out --cluster")
    is_for_show = settings["dry_run"] or settings["headroom"]
    if order.plan.polite_only and not is_for_show:
        found.append(
            f"{order.plan.url}: is not on this machine, and a load is never polite; "
            "give --i-own-this-target if it is yours"
        )
    if not is_for_show:
        limits = order.limits()
        found += problems(needs_of(load, cores=limits.cores), limits)
    return found


def _problems_of_search(
    threshold: Threshold, load: LoadPlan, order: Order
) -> Iterator[str]:
    first, names = load.scenarios[0], [one.name for one in load.scenarios]
    if not (order.by_users or first.stages):
        yield (
            f"--find: scenario {first.name} has no rate that could be made higher; "
            "give --find-by users"
        )
    if order.settings["threshold"] or load.thresholds != order.defaults.thresholds:
        yield "--find: says itself what has to hold; leave the thresholds out"
    if order.settings["prometheus"] is not None:
        yield "--find: its trials have no live figures; leave --prometheus out"
    if threshold.scenario and threshold.scenario not in names:
        close = nearest(threshold.scenario, names)
        yield f"--find: there is no scenario {threshold.scenario}{close}"


def _picture(order: Order) -> str:
    """Return the plan as a picture, with what speaks against it."""
    limits, load = order.limits(), order.load_plan()
    needs = needs_of(load, cores=limits.cores)
    encoding = sys.stdout.encoding or "ascii"
    try:
        BLOCKS.encode(encoding)
        marks = BLOCKS
    except UnicodeEncodeError:
        marks = ASCII
    blocks = [picture(load, needs, marks=marks)]
    against = [
        f"  {one}" for one in (*problems(needs, limits), *cautions(needs, limits))
    ]
    if against:
        blocks.append("\n".join(["beware", *against]))
    return "\n\n".join(blocks)
