"""The built-in echo: a server that a load measures this machine's ceiling with.

It refuses to know who loads it. It is ours, and listens on loopback only; it judges
no more of a client than its own safety takes.
"""

import contextlib
import errno
import os
import resource
import select
import socket
import sys
from typing import Final

from wavetank.load.echoing import echo_frames
from wavetank.wire import (
    HeadReader,
    Refusal,
    Request,
    encode_refusal,
    judge_request,
    switching_protocols,
)

__all__ = ["Echo", "main"]

_PIECE: Final = 65_536
_MOST_UNSENT: Final = 1024 * 1024
"""Bytes of answers that wait for one client, before nothing more of it is read."""
_BACKLOG: Final = 4096
_AT_ONCE: Final = 64
"""Connections that are accepted in one turn."""
_NOTHING_LEFT: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_IN, _OUT = select.EPOLLIN, select.EPOLLOUT


class Echo:
    """An echo server: one thread, no tasks.

    Args:
        port: 0 takes a free one. Several processes may share one: the system
            spreads the connections over them.

    Attributes:
        port: Where it listens on loopback.
    """

    def __init__(self, port: int = 0) -> None:
        self._listener = socket.create_server(
            ("127.0.0.1", port), backlog=_BACKLOG, reuse_port=True
        )
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._epoll = select.epoll()
        self._clients: dict[int, _Client] = {}
        self._is_full = False

    def run(self, until: int) -> None:
        """Serve until a descriptor is at its end, then close everything.

        Args:
            until: What comes from it is dropped. One that cannot be waited for, as
                a file, counts as ended.
        """
        listener = self._listener.fileno()
        self._epoll.register(listener, _IN)
        try:
            with contextlib.suppress(PermissionError):
                self._epoll.register(until, _IN)
                self._serve_all(listener, until)
        finally:
            self._close()

    def _serve_all(self, listener: int, until: int) -> None:
        while True:
            for descriptor, events in self._epoll.poll():
                client = self._clients.get(descriptor)
                if client is not None:
                    self._serve(client, events)
                elif descriptor == listener:
                    self._accept()
                elif descriptor == until and not os.read(until, _PIECE):
                    return

    def _serve(self, client: "_Client", events: int) -> None:
        if events & _OUT:
            client.flush()
        if events & ~_OUT and client.wanted & _IN and not client.is_ended:
            client.receive()
        if client.is_ended:
            self._dismiss(client)
            return
        wanted = client.wanted
        if wanted != client.watched:
            client.watched = wanted
            self._epoll.modify(client.socket, wanted)

    def _dismiss(self, client: "_Client") -> None:
        del self._clients[client.socket.fileno()]
        client.socket.close()
        if self._is_full:
            self._is_full = False
            self._epoll.register(self._listener, _IN)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                self._pause(error)
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client = _Client(sock)
            self._clients[sock.fileno()] = client
            self._epoll.register(sock, client.watched)

    def _pause(self, error: OSError) -> None:
        """Accept nobody until somebody has left, where descriptors have run out."""
        if error.errno in _NOTHING_LEFT and self._clients:
            self._is_full = True
            self._epoll.unregister(self._listener)

    def _close(self) -> None:
        for client in self._clients.values():
            client.socket.close()
        self._listener.close()
        self._epoll.close()

    def __repr__(self) -> str:
        """Show where it listens, and how many it serves."""
        return f"<Echo port={self.port} clients={len(self._clients)}>"


class _Client:
    """One connection.

    Attributes:
        socket: Its socket; it does not block.
        watched: Events that the loop waits for.
        is_ended: Whether nothing more is to be done for it.
    """

    __slots__ = (
        "_heads",
        "_is_over",
        "_rest",
        "_unsent",
        "is_ended",
        "socket",
        "watched",
    )

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.watched: int = _IN
        self.is_ended = False
        self._heads: HeadReader[Request] | None = HeadReader()
        self._rest = b""
        self._unsent = bytearray()
        self._is_over = False

    @property
    def wanted(self) -> int:
        """Events that it waits for now."""
        if not self._unsent:
            return _IN
        # Who does not read its answers is not read either.
        is_read = len(self._unsent) < _MOST_UNSENT and not self._is_over
        return _IN | _OUT if is_read else _OUT

    def receive(self) -> None:
        """Answer what has come."""
        try:
            data = self.socket.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.is_ended = True
        elif self._heads is None:
            self._echo(self._rest + data if self._rest else data)
        else:
            self._open(self._heads, data)

    def _open(self, heads: HeadReader[Request], data: bytes) -> None:
        """Answer the opening handshake, and what came with it."""
        head = heads.feed(data)
        if head is None:
            return
        judged = head if isinstance(head, Refusal) else judge_request(head)
        if isinstance(judged, Refusal):
            self._is_over = True
            self._send(encode_refusal(judged))
            return
        self._heads = None
        self._send(switching_protocols(judged))
        if heads.rest:
            self._echo(heads.rest)

    def _echo(self, data: bytes) -> None:
        answer, used, is_over = echo_frames(data)
        self._rest = data[used:]
        self._is_over = is_over
        if answer:
            self._send(answer)

    def _send(self, data: bytes) -> None:
        """Send now what the system takes, and keep the rest."""
        if self._unsent:
            self._unsent += data
            return
        sent = self._hand_over(data)
        if sent < len(data):
            self._unsent += memoryview(data)[sent:]
        elif self._is_over:
            self.is_ended = True

    def flush(self) -> None:
        """Send what was left, as far as the system takes it."""
        del self._unsent[: self._hand_over(self._unsent)]
        if self._is_over and not self._unsent:
            self.is_ended = True

    def _hand_over(self, data: bytes | bytearray) -> int:
        """Return how many bytes the system took."""
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self.is_ended = True
            return 0

    def __repr__(self) -> str:
        """Show what it waits for."""
        return f"<_Client {len(self._rest)} bytes unread, {len(self._unsent)} unsent>"


def main(arguments: list[str]) -> None:
    """Serve until the standard input ends; print the port first.

    Args:
        arguments: The port, if it is to be a certain one.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    echo = Echo(int(arguments[0]) if arguments else 0)
    print(echo.port, flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        echo.run(sys.stdin.fileno())


if __name__ == "__main__":
    main(sys.argv[1:])
