"""Wrecks that only an isolated target gives away, each beside the sound server."""

import errno
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from wavetank.wrecks import SoundServer
from wavetank.wrecks.durable import FileStore
from wavetank.wrecks.isolated import AcknowledgesUnwritten, ImpatientTcp, WritesNoMore

pytestmark = pytest.mark.anyio


class FullFile:
    """A file that takes nothing more for as long as it is full."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.is_full = False

    def write(self, data: bytes) -> int:
        """Write, where there is room."""
        if self.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return int(self.file.write(data))

    def __getattr__(self, name: str) -> Any:
        """Be a file for all else."""
        return getattr(self.file, name)


def fill(server: SoundServer) -> FullFile:
    """Put a file that can be full in the place of a server's own."""
    assert isinstance(server.store, FileStore)
    file = FullFile(server.store._file)
    server.store._file = file  # type: ignore[assignment]
    return file


async def said(speaker: Any, data: int) -> str:
    """Publish, and return the type of the answer."""
    return str((await speaker.done("publish", topic="t", data=data))["type"])


@pytest.mark.parametrize("kind", [SoundServer, ImpatientTcp])
async def test_wreck_has_no_patience_with_tcp(
    start: Any, greeted: Any, kind: type[SoundServer]
) -> None:
    """Others leave to TCP how long it tries."""
    server = await start(kind)
    await greeted(server)
    (connection,) = server.open
    kept = connection.transport.get_extra_info("socket")
    patience = kept.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert patience == (0 if kind is SoundServer else 100)


@pytest.mark.parametrize("kind", [SoundServer, AcknowledgesUnwritten])
async def test_wreck_acknowledges_what_the_file_does_not_take(
    start: Any, greeted: Any, tmp_path: Path, kind: type[SoundServer]
) -> None:
    """It is in no later life of the log; others refuse it."""
    server = await start(kind, data=tmp_path / "log")
    speaker = await greeted(server)
    file = fill(server)
    assert await said(speaker, 1) == "published"
    file.is_full = True
    is_sound = kind is SoundServer
    assert await said(speaker, 2) == ("error" if is_sound else "published")
    file.is_full = False
    assert await said(speaker, 3) == "published"
    server.store.close()
    later = FileStore(tmp_path / "log", epoch="later")
    assert [entry.data for entry in later.log("t").entries] == [b"1", b"3"]
    later.close()


@pytest.mark.parametrize("kind", [SoundServer, WritesNoMore])
async def test_wreck_gives_up_its_file_at_the_first_error(
    start: Any, greeted: Any, tmp_path: Path, kind: type[SoundServer]
) -> None:
    """Others write again once there is room."""
    server = await start(kind, data=tmp_path / "log")
    speaker = await greeted(server)
    file = fill(server)
    assert await said(speaker, 1) == "published"
    file.is_full = True
    assert await said(speaker, 2) == "error"
    file.is_full = False
    is_sound = kind is SoundServer
    assert await said(speaker, 3) == ("published" if is_sound else "error")


@pytest.mark.parametrize("kind", [AcknowledgesUnwritten, WritesNoMore])
async def test_without_a_file_they_are_sound(
    start: Any, greeted: Any, kind: type[SoundServer]
) -> None:
    """Memory takes what it takes."""
    server = await start(kind)
    assert await said(await greeted(server), 1) == "published"
