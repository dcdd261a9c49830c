"""The pytest plugin: options, fixtures, and outcomes as records.

It refuses to judge: checks fill notebooks, and the journal keeps what they say.
Its options are there only when an argument names ``wavetank.lab.suites``; its
fixtures ``target``, ``peer``, ``chaos``, ``instances`` and ``free_port`` are for
anybody's own tests, too.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from wavetank.lab.faults import Chaos
    from wavetank.lab.instances import Instances
    from wavetank.lab.peers import Peers
    from wavetank.lab.run import Run
    from wavetank.lab.target import Target

__all__ = ["SUITES", "chaos", "free_port", "instances", "peer", "target"]

SUITES = "wavetank.lab.suites"
"""The package that has to be named for the options of a run to be there."""
_MARKER = "wavetank_check"
_PREFIX = "wavetank_"


# Options


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(parser: pytest.Parser, args: list[str]) -> None:
    """Register the options of a run where its suites are asked for."""
    if not any(SUITES in arg or "wavetank/lab/suites" in arg for arg in map(str, args)):
        return
    try:
        _add_options(parser)
        parser.parse_known_args([])  # finds options that are there twice
    except (ValueError, argparse.ArgumentError) as error:
        raise pytest.UsageError(
            f"{error}: another plugin has this option; leave that plugin out with "
            "-p no:NAME, or take `wavetank run`"
        ) from None


def _add_options(parser: pytest.Parser) -> None:
    from wavetank.lab.options import OPTIONS

    group = parser.getgroup("wavetank", "Wavetank: prove a WebSocket service")
    for option in OPTIONS:
        names = [f"--{name}" for name in (option.name, *option.also)]
        if option.is_flag:
            _add_flag(group, names, option.key, option.help)
        else:
            group.addoption(
                *names,
                dest=_PREFIX + option.key,
                action="append" if option.many else "store",
                metavar=option.metavar,
                help=option.help,
            )
    group.addoption(
        "--test-file",
        dest=_PREFIX + "test_file",
        action="append",
        metavar="FILE",
        help="run the suite or check that this file of the catalogue stands for",
    )


def _add_flag(group: Any, names: list[str], key: str, text: str) -> None:
    group.addoption(
        *names, dest=_PREFIX + key, action="store_true", default=None, help=text
    )
    opposite = [f"--no-{name[2:]}" for name in names if not name.startswith("--no-")]
    group.addoption(
        *(opposite or [f"--with-{names[0][5:]}"]),
        dest=_PREFIX + key,
        action="store_false",
        help=f"the opposite of {names[0]}",
    )


# The session

_OWN_RUN = pytest.StashKey["Run"]()
_SCRATCH = pytest.StashKey["tempfile.TemporaryDirectory[str]"]()


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker, and refuse processes side by side."""
    config.addinivalue_line(
        "markers", f"{_MARKER}(needs, polite, deadline): a check of the lab"
    )
    if _has_options(config) and getattr(config.option, "numprocesses", None):
        raise pytest.UsageError(
            "run the suites of Wavetank without -n: they share one target and one "
            "journal"
        )


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Make the run, unless the command line has brought one."""
    config = session.config
    if not _has_options(config):
        return
    from wavetank.lab.proving import RUN, Proving

    if RUN not in config.stash:
        run = config.stash[_OWN_RUN] = _own_run(config)
        config.pluginmanager.register(Proving(run))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Report the run that no command line brought."""
    config = session.config
    if _OWN_RUN not in config.stash:
        return
    run = config.stash[_OWN_RUN]
    if _SCRATCH in config.stash:
        config.stash[_SCRATCH].cleanup()
    elif session.exitstatus == pytest.ExitCode.USAGE_ERROR:
        shutil.rmtree(run.folder)  # nothing was run
    else:
        session.exitstatus = _report(run)


def _has_options(config: pytest.Config) -> bool:
    return hasattr(config.option, f"{_PREFIX}target")


def _own_run(config: pytest.Config) -> Run:
    from wavetank.cli.variables import variables_of_others
    from wavetank.errors import UsageError
    from wavetank.lab.options import OPTIONS
    from wavetank.lab.prepare import open_run, prepare

    given = {
        option.name: getattr(config.option, _PREFIX + option.key) for option in OPTIONS
    }
    files = getattr(config.option, _PREFIX + "test_file") or ()
    try:
        plan, settings = prepare(
            given,
            names=(),
            test_files=files,
            elsewhere=variables_of_others(),
            keyword=config.option.keyword,
        )
        return open_run(plan, output=_output(config, settings["output"]))
    except UsageError as error:
        raise pytest.UsageError(*error.problems) from None


def _output(config: pytest.Config, asked: str | Path) -> Path:
    """Return where results go: nowhere, where checks are only collected."""
    if not config.option.collectonly:
        return Path(asked)
    scratch = config.stash[_SCRATCH] = tempfile.TemporaryDirectory(prefix="wavetank-")
    return Path(scratch.name)


def _report(run: Run) -> int:
    """Write the results folder from the journal; return the run's exit code."""
    from wavetank.evidence import exit_code, fold, read_journal
    from wavetank.report import render

    with (run.folder / "journal.ndjson").open("rb") as lines:
        journal = read_journal(lines)
    files = render(
        journal.records,
        cut=journal.cut,
        folder=str(run.folder),
        problems=journal.problems,
    )
    for name, text in files.items():
        (run.folder / name).write_text(text, encoding="utf-8")
    summary = fold(journal.records, cut=journal.cut, problems=journal.problems)
    return int(exit_code(summary))


# Fixtures


@pytest.fixture(scope="session")
def target(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """The target: that of the run, or, in anybody's own tests, one of its own.

    Own tests take the ``[run]`` table of ``wavetank.toml`` and the environment
    (``WAVETANK_TARGET``, ``WAVETANK_SERVE`` …); without either it is the hub.
    """
    from wavetank.lab.proving import RUN

    run = pytestconfig.stash.get(RUN, None)
    if run is not None:
        assert run.target is not None
        yield run.target
        return
    from wavetank.cli.variables import variables_of_others
    from wavetank.lab.prepare import open_run, prepare

    plan, _ = prepare({}, names=(), elsewhere=variables_of_others())
    run = open_run(plan, output=tmp_path_factory.mktemp("wavetank"))
    pytestconfig.stash[RUN] = run
    try:
        run.start(["own tests"])
        assert run.target is not None
        yield run.target
    finally:
        run.finish()


@pytest.fixture
async def peer(request: pytest.FixtureRequest, target: Target) -> AsyncIterator[Peers]:
    """Opens peers to the target, and cuts what is still open afterwards."""
    from wavetank.lab.peers import Peers
    from wavetank.lab.proving import RUN, check_of, name_of

    run = request.config.stash[RUN]
    peers = Peers(
        target,
        check=check_of(request.node),
        record=run.record,
        now=run.now,
        tap=run.ledger.page(name_of(request.node)).tap,
    )
    try:
        yield peers
    finally:
        await peers.close()


@pytest.fixture
async def chaos(request: pytest.FixtureRequest, target: Target) -> AsyncIterator[Chaos]:
    """Breaks the way to the target, and the target; all is healed afterwards."""
    from wavetank.lab.faults import Chaos
    from wavetank.lab.proving import RUN, check_of, suite_of

    run = request.config.stash[RUN]
    async with Chaos(
        target,
        suite=suite_of(request.node),
        check=check_of(request.node),
        record=run.record,
        now=run.now,
        seed=run.plan.seed,
    ) as chaos:
        yield chaos


@pytest.fixture
def instances(
    request: pytest.FixtureRequest, target: Target, tmp_path: Path
) -> Callable[[int], Instances]:
    """Start so many targets more, by the run's own command: they serve together."""
    from wavetank.lab.instances import Instances
    from wavetank.lab.proving import RUN, check_of, suite_of

    run = request.config.stash[RUN]

    def start(count: int) -> Instances:
        return Instances(
            run.plan,
            count,
            scratch=Path(tempfile.mkdtemp(prefix="instances-", dir=tmp_path)),
            suite=suite_of(request.node),
            check=check_of(request.node),
            record=run.record,
            now=run.now,
        )

    return start


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port that nobody else gets while the test runs."""
    from wavetank.net import find_dynamic_port, hand_over, release_port

    port = find_dynamic_port()
    # Whatever the test starts may bind it, with SO_REUSEADDR or without.
    hand_over(port)
    yield port
    release_port(port)
