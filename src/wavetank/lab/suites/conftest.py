"""Fixtures of the suites alone.

They refuse to be public: `wavetank.pytest_plugin` has those that are.
"""

import pytest

from wavetank.lab.notebook import Notebook
from wavetank.lab.plan import Plan
from wavetank.lab.proving import NOTEBOOK, RUN

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
