"""A bench for the engine's parts, whose other side is played by hand."""

from collections.abc import Iterator

import pytest

from .hosts import Bench, benches


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Open a loop, and a host on loopback."""
    with benches() as opened:
        yield opened
