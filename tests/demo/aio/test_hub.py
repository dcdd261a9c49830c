"""The cycle's hub."""

import signal
from pathlib import Path

import pytest

from wavetank.demo.aio import hub as module
from wavetank.demo.aio.hub import OwnHub
from wavetank.errors import TargetError

pytestmark = pytest.mark.anyio


async def test_a_hub_that_was_killed_comes_back_where_it_was(tmp_path: Path) -> None:
    """It has the same port and the same log."""
    hub = OwnHub(tmp_path, is_durable=True)
    await hub.start()
    try:
        url = hub.url
        hub.child.send(signal.SIGKILL)
        assert await hub.child.wait() == -signal.SIGKILL
        await hub.start()
        assert (hub.url, hub.lives) == (url, 2)
        assert (tmp_path / "data").is_dir()
        assert repr(hub) == f"<OwnHub {url} life 2>"
    finally:
        await hub.child.end(60.0)


async def test_a_hub_that_cannot_start_is_told_with_its_last_words(
    tmp_path: Path,
) -> None:
    """There is a file where its folder should be."""
    (tmp_path / "data").write_text("no folder")
    hub = OwnHub(tmp_path, is_durable=True)
    with pytest.raises(TargetError, match="the hub did not start; "):
        await hub.start()


async def test_a_port_that_is_taken_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else may have it for a while; not for ever."""
    monkeypatch.setattr(module, "_PAUSE", 0.0)
    monkeypatch.setattr(module, "_ATTEMPTS", 2)
    first, second = (OwnHub(tmp_path / name, is_durable=False) for name in ("a", "b"))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    await first.start()
    try:
        second._port = first._port
        with pytest.raises(TargetError):
            await second.start()
    finally:
        await first.child.end(60.0)


async def test_a_hub_that_says_nothing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is ended, too."""
    monkeypatch.setattr(module, "_READY", 0.0)
    hub = OwnHub(tmp_path, is_durable=False)
    with pytest.raises(TargetError, match="did not start"):
        await hub.start()
    assert await hub.child.wait() < 0
