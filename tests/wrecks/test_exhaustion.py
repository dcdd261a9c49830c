"""Wrecks without descriptors: each beside the sound server, which only waits."""

import asyncio
import errno
import socket
from typing import Any

import pytest

from wavetank.wrecks import SoundServer, exhaustion
from wavetank.wrecks.exhaustion import ExhaustedDeaf, ExhaustedDrops, ExhaustedSpins

from .conftest import DEADLINE, reached

pytestmark = pytest.mark.anyio


class Shortage:
    """Descriptors as a test hands them out: none while it is on.

    Attributes:
        number: What an accept fails with; 0 for one that goes well.
        tries: How often somebody tried while there was none.
    """

    def __init__(self) -> None:
        self.number = 0
        self.tries = 0

    async def until_tried(self, times: int) -> None:
        """Wait until somebody has tried so many times."""
        await reached(lambda: self.tries >= times)


@pytest.fixture
def shortage(monkeypatch: pytest.MonkeyPatch) -> Shortage:
    """Have every accept fail while it says so."""
    shortage = Shortage()
    accept = socket.socket.accept

    def fail(listening: socket.socket) -> tuple[socket.socket, Any]:
        if not shortage.number:
            return accept(listening)
        shortage.tries += 1
        raise OSError(shortage.number, "no")

    monkeypatch.setattr(socket.socket, "accept", fail)
    monkeypatch.setattr(exhaustion, "_REST", 0.01)
    return shortage


def knock(server: SoundServer) -> None:
    """Connect, as far as the system does that alone, and go."""
    socket.create_connection(("127.0.0.1", server.port or 0)).close()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
@pytest.mark.parametrize("kind", [ExhaustedSpins, ExhaustedDrops])
async def test_wreck_accepts_again_when_it_has_descriptors(
    start: Any, greeted: Any, shortage: Shortage, kind: type[SoundServer], number: int
) -> None:
    """Who waited is served then; whom it had is served all the while, or cut."""
    server = await start(kind)
    first = await greeted(server)
    shortage.number = number
    knock(server)
    await shortage.until_tried(2)
    if kind is ExhaustedDrops:
        async with asyncio.timeout(DEADLINE):
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await first.reader.readexactly(1)
    else:
        await first.done("ping")
    shortage.number = 0
    second = await greeted(server)
    await second.done("ping")


async def test_wreck_never_listens_again_after_a_shortage(
    start: Any, greeted: Any, shortage: Shortage
) -> None:
    """Whom it has it serves on."""
    server = await start(ExhaustedDeaf)
    first = await greeted(server)
    shortage.number = errno.EMFILE
    knock(server)
    await shortage.until_tried(1)
    shortage.number = 0
    with pytest.raises(ConnectionRefusedError):
        knock(server)
    await first.done("ping")


async def test_wreck_that_ends_while_it_rests_is_silent(
    start: Any, greeted: Any, shortage: Shortage
) -> None:
    """Nothing is tried once the socket is closed."""
    server = await start(ExhaustedDrops)
    await greeted(server)
    shortage.number = errno.EMFILE
    knock(server)
    await shortage.until_tried(1)
    (listening,) = server._listening
    await server.stop()
    tries = shortage.tries
    server.look_again(listening)
    assert shortage.tries == tries


async def test_wreck_goes_on_where_somebody_has_left_before_it_was_accepted(
    start: Any, greeted: Any, shortage: Shortage
) -> None:
    """That is no shortage; what is neither is a mistake, and is said."""
    server = await start(ExhaustedSpins)
    (listening,) = server._listening
    for harmless in (errno.ECONNABORTED, errno.EAGAIN):
        shortage.number = harmless
        server.accept(listening)
    shortage.number = errno.EPERM
    with pytest.raises(OSError, match="no"):
        server.accept(listening)
    shortage.number = 0
    await (await greeted(server)).done("ping")


async def test_wreck_serves_tls_as_the_sound_server_does(
    start: Any, certificate: Any
) -> None:
    """Its accept loop is for plain connections."""
    server = await start(ExhaustedSpins, tls_port=0, **certificate)
    assert server.tls_port
    assert len(server._listening) == 1
