"""The port on which a proxy is found; it stays its own while nobody is let in.

It refuses to know what becomes of a connection: whoever it belongs to is handed the
socket.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable

from wavetank.errors import UsageError

__all__ = ["Listener"]

BACKLOG = 4096
"""Connections that the kernel keeps for us while the loop is busy."""

AT_ONCE = 64
"""Connections that are accepted in one turn of the loop."""

PAUSE = 0.2
"""Seconds without accepting after the machine has had nothing left to accept with."""


class Listener:
    """Accepts connections on one address.

    asyncio's own server is not used: it cannot be told to let nobody in and to keep
    its port, and closing it in the turn in which it accepts fails an assertion.

    Args:
        receive: Called with each accepted socket, which does not block.

    Attributes:
        address: Host and port; port 0 until it was opened.
        pauses: How often there was nothing left to accept with (descriptors, say).
    """

    def __init__(self, receive: Callable[[socket.socket], None]) -> None:
        self.address: tuple[str, int] = ("", 0)
        self.pauses = 0
        self._receive = receive
        self._family = socket.AF_INET
        self._keeper: socket.socket | None = None
        self._socket: socket.socket | None = None
        self._pause: asyncio.TimerHandle | None = None

    @property
    def is_listening(self) -> bool:
        """Whether connections are accepted."""
        return self._socket is not None

    async def open(self, host: str, port: int) -> None:
        """Take the port, and listen on it.

        Args:
            host: Name or address; of several addresses the first is taken.
            port: 0 takes a free one.

        Raises:
            UsageError: If it cannot be had.
        """
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(
                host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            self._family = socket.AddressFamily(found[0][0])
            # A socket that is bound and does not listen keeps the port from others,
            # and has connections refused; one with SO_REUSEADDR listens over it.
            self._keeper = self._bound(str(found[0][4][0]), port)
            self.address = self._keeper.getsockname()[:2]
            self.listen()
        except (OSError, ValueError) as error:  # a name that can be none is the latter
            self.close()
            why = getattr(error, "strerror", None) or error
            raise UsageError(
                f"cannot listen on {host}:{port}: {why}; "
                "give another address, or port 0 for a free one"
            ) from error

    def listen(self) -> None:
        """Let connections in; nothing if they are let in already.

        Raises:
            OSError: If somebody else listens there now.
        """
        if self._keeper is None or self._socket is not None:
            return
        listening = self._bound(*self.address)
        try:
            listening.listen(BACKLOG)
        except OSError:
            listening.close()
            raise
        self._socket = listening
        asyncio.get_running_loop().add_reader(listening, self._accept)

    def refuse(self) -> None:
        """Let nobody in, and keep the port: who comes is refused by the kernel."""
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def close(self) -> None:
        """Give the port back."""
        self.refuse()
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None

    def __repr__(self) -> str:
        """Show where it is, and whether it lets anybody in."""
        state = (
            "listening" if self._socket else "refusing" if self._keeper else "closed"
        )
        return f"<Listener {self.address[0]}:{self.address[1]} {state}>"

    def _bound(self, host: str, port: int) -> socket.socket:
        bound = socket.socket(self._family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self._family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.setblocking(False)
            bound.bind((host, port))
        except OSError:
            bound.close()
            raise
        return bound

    def _accept(self) -> None:
        """Accept those who wait, as many as go in one turn."""
        for _ in range(AT_ONCE):
            if self._socket is None:
                return  # whoever was handed the last one lets nobody in any more
            try:
                accepted, _ = self._socket.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            except OSError:
                self._rest(self._socket)
                return
            accepted.setblocking(False)
            # asyncio does so only where the socket says that it is TCP: not here.
            with contextlib.suppress(OSError):
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._receive(accepted)

    def _rest(self, listening: socket.socket) -> None:
        """Accept nothing for a while: the socket would be ready again and again."""
        self.pauses += 1
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)
        self._pause = loop.call_later(PAUSE, self._go_on, listening)

    def _go_on(self, listening: socket.socket) -> None:
        self._pause = None
        asyncio.get_running_loop().add_reader(listening, self._accept)
