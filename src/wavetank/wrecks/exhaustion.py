"""Wrecks that bear it badly when they have no descriptor left to accept with.

They refuse to know what is said on a connection, and who has taken the descriptors.
"""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable
from typing import Any

from wavetank.wrecks.sound import SoundServer

__all__ = ["ExhaustedDeaf", "ExhaustedDrops", "ExhaustedSpins"]

_BACKLOG = 100
_SHORT = {errno.EMFILE, errno.ENFILE}
_REST = 0.2


class _AcceptsItself(SoundServer):
    """The sound server with an accept loop of its own, and a rest where it fails."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._listening: list[socket.socket] = []
        self._tasks: set[asyncio.Task[Any]] = set()

    async def listen(
        self,
        port: int,
        context: ssl.SSLContext | None = None,
        protocol: Callable[[], asyncio.Protocol] | None = None,
    ) -> int:
        """Take the listener's socket from the loop, to accept by hand."""
        got = await super().listen(port, context, protocol)
        if context is not None:
            return got
        loop = asyncio.get_running_loop()
        server = self._servers.pop()
        listening = server.sockets[0].dup()
        server.close()
        await server.wait_closed()
        listening.setblocking(False)
        listening.listen(_BACKLOG)
        self._listening.append(listening)
        loop.add_reader(listening, self.accept, listening)
        return got

    def accept(self, listening: socket.socket) -> None:
        """Accept one connection."""
        loop = asyncio.get_running_loop()
        try:
            accepted, _ = listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno not in _SHORT:
                raise
            self.on_exhausted(listening)
            return
        accepted.setblocking(False)
        opening = loop.connect_accepted_socket(self.make_connection, accepted)
        task = loop.create_task(opening)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def on_exhausted(self, listening: socket.socket) -> None:
        """Look again a while later."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)
        loop.call_later(_REST, self.look_again, listening)

    def look_again(self, listening: socket.socket) -> None:
        """Accept again, unless the end has come."""
        if listening in self._listening:
            loop = asyncio.get_running_loop()
            loop.add_reader(listening, self.accept, listening)

    def end_listening(self) -> None:
        """Listen no longer; idempotent."""
        loop = asyncio.get_running_loop()
        while self._listening:
            listening = self._listening.pop()
            loop.remove_reader(listening)
            listening.close()

    async def stop(self) -> None:
        """Listen no longer, then end as usual."""
        self.end_listening()
        with contextlib.suppress(OSError):
            await asyncio.gather(*self._tasks)
        await super().stop()


class ExhaustedDeaf(_AcceptsItself):
    """A server that has no descriptor left for a connection never listens again."""

    def on_exhausted(self, listening: socket.socket) -> None:
        """Give up."""
        self.end_listening()


class ExhaustedSpins(_AcceptsItself):
    """A server that has no descriptor left tries to accept all the time."""

    def on_exhausted(self, listening: socket.socket) -> None:
        """Do nothing: somebody still waits, so it is called again at once."""


class ExhaustedDrops(_AcceptsItself):
    """A server that has no descriptor left cuts those whom it has."""

    def on_exhausted(self, listening: socket.socket) -> None:
        """Make room, and rest."""
        super().on_exhausted(listening)
        for connection in list(self.open):
            connection.transport.abort()
