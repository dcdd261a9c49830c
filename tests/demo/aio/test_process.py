"""One process of the cycle."""

import signal
import sys

import pytest

from wavetank.demo.aio import process as module
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


async def test_a_child_that_is_tied_runs_like_any_other() -> None:
    """As long as we do; what follows our end is shown with processes of their own."""
    child = Child(("--version",), is_tied=True)
    await child.start()
    assert [line async for line in child.lines()]
    assert await child.wait() == 0


async def test_a_system_that_cannot_tie_children_starts_them_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Then such a child outlives us where we are killed."""
    monkeypatch.setattr(sys, "platform", "darwin")
    assert module._ends_with_us() is None


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a_child_whose_parent_has_gone_already_does_not_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The system tells only of what happens after it was asked."""
    left: list[int] = []
    monkeypatch.setattr(module.ctypes, "CDLL", lambda *_, **__: _Nothing())
    monkeypatch.setattr(module.os, "getpid", lambda: 77)
    monkeypatch.setattr(module.os, "_exit", left.append)
    for parent in (77, 1):
        monkeypatch.setattr(module.os, "getppid", lambda parent=parent: parent)
        tie = module._ends_with_us()
        assert tie is not None
        tie()
    assert left == [0]


class _Nothing:
    def prctl(self, *_: int) -> int:
        """Do nothing: the process that tests is not to end with its parent."""
        return 0


async def test_a_python_that_cannot_be_started_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The reason is the system's."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(TargetError, match="cannot start Python"):
        await Child(("--version",)).start()
