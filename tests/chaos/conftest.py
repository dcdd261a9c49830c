"""Both loops that a proxy runs on."""

import pytest


@pytest.fixture(params=[True, False], ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Run each test on uvloop, and on asyncio's own loop."""
    return "asyncio", {"use_uvloop": request.param}
