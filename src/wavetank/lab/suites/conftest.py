"""Fixtures of the suites alone.

They refuse to be public: `wavetank.pytest_plugin` has those that are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING

import pytest

from wavetank.lab.notebook import Notebook
from wavetank.lab.peers import Peers
from wavetank.lab.plan import Plan
from wavetank.lab.proving import NOTEBOOK, RUN, name_of
from wavetank.lab.target import Target

if TYPE_CHECKING:
    from wavetank.lab.conformance.aio.beside import Beside
    from wavetank.lab.conformance.aio.stalling import Watched

    Stalled = Beside[tuple[list[Watched], float]]
    """What became of connections that stall, and the seconds that this took."""

try:
    import uvloop
except ImportError:  # Windows has none
    uvloop = None  # type: ignore[assignment]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Run the checks on asyncio, on uvloop where there is one."""
    return "asyncio", {"use_uvloop": uvloop is not None}


@pytest.fixture
def notebook(request: pytest.FixtureRequest) -> Notebook:
    """The notebook of the check that runs."""
    if NOTEBOOK not in request.node.stash:
        raise pytest.UsageError(
            "the suites of Wavetank need its plugin: -p wavetank.pytest_plugin"
        )
    kept: Notebook = request.node.stash[NOTEBOOK]
    return kept


@pytest.fixture
def plan(request: pytest.FixtureRequest) -> Plan:
    """The plan of the run."""
    return request.config.stash[RUN].plan


# What goes on beside the checks of conformance

_STALLED = pytest.StashKey["Stalled"]()
_SETTLES_WITHIN = 15.0


@pytest.fixture(scope="module")
def stalled(request: pytest.FixtureRequest, target: Target) -> Iterator[Stalled | None]:
    """Connections that stall beside the checks; None where no check looks at them.

    They begin with the first check of conformance: its last one has less to wait.
    """
    run = request.config.stash[RUN]
    names = {name_of(item) for item in request.session.items}
    check = "conformance.timeouts"
    if check not in names or run.plan.polite_only:
        yield None
        return
    # Here: one suite needs it, and these fixtures are every suite's.
    from wavetank.lab.conformance.aio.beside import Beside
    from wavetank.lab.conformance.aio.stalling import Staller

    peers = Peers(
        target,
        check="timeouts",
        record=run.record,
        now=run.now,
        tap=run.ledger.page(check).tap,
    )

    async def watch(settle: Callable[[], None]) -> tuple[list[Watched], float]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            staller = Staller(peers, patience=run.plan.patience, on_settled=settle)
            return await staller.run(), loop.time() - began
        finally:
            await peers.close()

    with Beside(watch, ready_within=_SETTLES_WITHIN) as beside:
        request.config.stash[_STALLED] = beside
        yield beside


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, object, object]:
    """Stop what goes on beside the checks before the target is ended.

    Fixtures are taken down too late for that, where a session is cut short.
    """
    if _STALLED in session.config.stash:
        session.config.stash[_STALLED].stop()
    return (yield)
