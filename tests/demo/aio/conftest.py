"""What tests of the demo's shell share: lines that can be read, and quick waiting."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from wavetank.client import Backoff, LinkOptions
from wavetank.clock import SystemClock
from wavetank.demo.aio.teller import Teller
from wavetank.demo.options import DemoPlan


class Told:
    """A teller whose lines can be read."""

    def __init__(self) -> None:
        self.out = io.BytesIO()

    def teller(self, role: str) -> Teller:
        """Return a teller that writes here."""
        return Teller(role, self.out, SystemClock(), is_json=True)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """All lines so far."""
        return [json.loads(line) for line in self.out.getvalue().splitlines()]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the lines of a kind."""
        return [line for line in self.lines if line["type"] == kind]


@pytest.fixture
def told() -> Told:
    """Lines that can be read."""
    return Told()


@pytest.fixture
def make_told() -> Callable[[], Told]:
    """Make lines for several processes."""
    return Told


@pytest.fixture
def link() -> LinkOptions:
    """Options of a client that does not wait long."""
    return LinkOptions(backoff=Backoff(base=0.01, cap=0.1))


@pytest.fixture
def make_plan() -> Callable[..., DemoPlan]:
    """Make a plan of a quick run."""

    def make(role: str, url: str, **more: Any) -> DemoPlan:
        fields = {"rate": 2000.0, "messages": 60, "patience": 20.0, "is_json": True}
        return DemoPlan(role=role, url=url, **(fields | more))  # type: ignore[arg-type] # a literal as a text

    return make
