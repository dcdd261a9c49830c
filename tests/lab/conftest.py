"""What the tests of the lab share: an environment that says nothing, a server."""

import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from wavetank.dialects import Hub
from wavetank.evidence import Record
from wavetank.lab.plan import Plan, Source

OURS = ("WAVETANK_", "RUN_", "WEBSOCKET_", "COVERAGE_", "PYTEST_")


@pytest.fixture
def nobodys_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Work in an empty folder and in the environment of a user who has set nothing."""
    for name in os.environ:
        # Pytest sets and removes one of its own around every test.
        if name.startswith(OURS) and name != "PYTEST_CURRENT_TEST":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def records() -> list[Record]:
    """Where a test has records sent, in the order in which they came."""
    return []


@pytest.fixture(scope="session")
def sound() -> Iterator[str]:
    """The URL of a server that nothing is wrong with, in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "wavetank", "wreck", "sound"], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().decode().split()[-1]
        process.terminate()


@pytest.fixture
def plan(sound: str) -> Callable[..., Plan]:
    """Make a plan for the sound server; what is given replaces its fields."""

    def make(**changes: Any) -> Plan:
        given = {
            "suites": ("toy",),
            "seed": 7,
            "source": Source.URL,
            "url": sound,
            "dialect": Hub(),
        }
        return Plan(**(given | changes))

    return make


Handler = Callable[[ServerConnection], Awaitable[None]]


@pytest.fixture
async def served() -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """Start a WebSocket server with this handler; return its URL."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(handler: Handler, **options: Any) -> str:
            options.setdefault("close_timeout", 1)
            server = await stack.enter_async_context(
                serve(handler, "127.0.0.1", 0, **options)
            )
            return f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"

        yield start
