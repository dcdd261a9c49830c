"""One process of the cycle."""

import signal
import sys

import pytest

from wavetank.demo.aio.process import Child
from wavetank.errors import TargetError

pytestmark = pytest.mark.anyio


async def test_a_childs_lines_and_its_end_are_seen() -> None:
    """It runs this package with this Python."""
    child = Child(("--version",))
    await child.start()
    lines = [line async for line in child.lines()]
    assert len(lines) == 1
    assert lines[0].startswith(b"wavetank ")
    assert await child.wait() == 0
    child.send(signal.SIGKILL)
    assert repr(child) == "<Child --version>"


async def test_a_child_is_ended_by_force_where_asking_does_not_help() -> None:
    """A hub that is stopped hears no SIGTERM."""
    child = Child(("hub", "--port", "0", "--http-port", "off"))
    await child.start(errors=2)
    assert b"ready" in await anext(child.lines())
    child.send(signal.SIGSTOP)
    await child.end(0.01)
    assert await child.wait() == -signal.SIGKILL


async def test_a_child_ends_in_order_where_it_can() -> None:
    """SIGTERM is enough for a hub."""
    child = Child(("hub", "--port", "0", "--http-port", "off"))
    await child.start()
    assert b"ready" in await anext(child.lines())
    await child.end(60.0)
    assert await child.wait() == 0


async def test_a_child_that_was_never_started_has_no_process() -> None:
    """Ending it is nothing, and asking for it is a mistake."""
    child = Child(())
    child.send(signal.SIGTERM)
    await child.end(1.0)
    with pytest.raises(TargetError, match="never started"):
        await child.wait()


async def test_a_python_that_cannot_be_started_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The reason is the system's."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(TargetError, match="cannot start Python"):
        await Child(("--version",)).start()
