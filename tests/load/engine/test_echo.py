"""The built-in echo: fast for who is polite, harmless for who is not."""

import contextlib
import errno
import os
import resource
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from wavetank.load.echoing import LARGEST
from wavetank.load.engine.echo import Echo, _Client, main
from wavetank.wire import (
    FrameReader,
    Opcode,
    encode_close,
    encode_frame,
    make_key,
    make_request,
)

DEADLINE = 20.0
"""Seconds after which a test gives up; nothing is measured against it."""

MASK = b"\x11\x22\x33\x44"
UPGRADE = make_request("127.0.0.1", "/", make_key(bytes(16)))


class Client:
    """One client of the echo, over a plain socket."""

    def __init__(self, port: int, *, receives: int = 0) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(DEADLINE)
        if receives:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
        self.socket.connect(("127.0.0.1", port))
        self._reader = FrameReader(expect_mask=False, max_payload=LARGEST)

    def open(self, more: bytes = b"") -> None:
        """Shake hands, and send some more with it."""
        self.socket.sendall(UPGRADE + more)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.socket.recv(1)
        assert head.startswith(b"HTTP/1.1 101 ")

    def send(self, opcode: int, payload: bytes = b"") -> None:
        """Send a frame."""
        self.socket.sendall(encode_frame(opcode, payload, mask=MASK))

    def receive(self, count: int) -> list[tuple[int, bytes]]:
        """Return the next frames."""
        frames: list[tuple[int, bytes]] = []
        while len(frames) < count:
            data = self.socket.recv(65_536)
            assert data, "the echo ended the connection"
            read = self._reader.feed(data)
            frames += [(frame.opcode, frame.payload) for frame in read]
        return frames

    def rest(self) -> bytes:
        """Return all that comes until the end."""
        found = b""
        with contextlib.suppress(ConnectionResetError):
            while data := self.socket.recv(65_536):
                found += data
        return found


@pytest.fixture
def echo() -> Iterator[Echo]:
    """An echo that runs in a thread."""
    echo = Echo()
    ours, its = socket.socketpair()
    thread = threading.Thread(target=echo.run, args=(its.fileno(),))
    thread.start()
    with its:
        with ours:
            yield echo
        thread.join(DEADLINE)
    assert not thread.is_alive()


@pytest.fixture
def client(echo: Echo) -> Iterator[Client]:
    """A client that has shaken hands."""
    client = Client(echo.port)
    with client.socket:
        client.open()
        yield client


def test_echo_sends_each_message_back(client: Client) -> None:
    """Text as text, binary as binary, of any size up to a mebibyte."""
    client.send(Opcode.TEXT, b"hello")
    client.send(Opcode.BINARY, bytes(70_000))
    client.send(Opcode.PING, b"there?")
    assert client.receive(3) == [
        (Opcode.TEXT, b"hello"),
        (Opcode.BINARY, bytes(70_000)),
        (Opcode.PONG, b"there?"),
    ]


def test_echo_answers_what_came_with_the_opening_handshake(echo: Echo) -> None:
    """A client need not wait for the answer to its handshake."""
    client = Client(echo.port)
    with client.socket:
        client.open(encode_frame(Opcode.TEXT, b"early", mask=MASK))
        assert client.receive(1) == [(Opcode.TEXT, b"early")]


def test_echo_reads_an_opening_handshake_that_comes_in_pieces(echo: Echo) -> None:
    """Bytes come as they like."""
    client = Client(echo.port)
    with client.socket:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.socket.sendall(UPGRADE[:20])
        other = Client(echo.port)
        with other.socket:
            # Once the other is served, the first piece has been read.
            other.open()
        client.socket.sendall(UPGRADE[20:])
        client.send(Opcode.CLOSE)
        assert client.rest().endswith(encode_frame(Opcode.CLOSE))


@pytest.mark.parametrize(
    "request_", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01 TLS\r\n\r\n"]
)
def test_echo_refuses_what_opens_no_websocket(echo: Echo, request_: bytes) -> None:
    """It says why, and ends the connection."""
    client = Client(echo.port)
    with client.socket:
        client.socket.sendall(request_)
        assert client.rest().startswith(b"HTTP/1.1 4")


def test_echo_closes_when_the_client_does(client: Client) -> None:
    """The close frame is the last thing that it says."""
    client.send(Opcode.CLOSE, encode_close(1000))
    assert client.rest() == encode_frame(Opcode.CLOSE, encode_close(1000))


def test_echo_ends_a_connection_that_breaks_the_rules(client: Client) -> None:
    """What is not masked is not unmasked."""
    client.socket.sendall(encode_frame(Opcode.TEXT, b"unmasked"))
    assert client.rest() == encode_frame(Opcode.CLOSE, encode_close(1002))


def test_echo_forgets_a_client_that_is_cut_off(echo: Echo) -> None:
    """A reset ends one connection, not the echo."""
    gone, other = Client(echo.port), Client(echo.port)
    with other.socket:
        with gone.socket:
            gone.open()
            linger = (1).to_bytes(4, sys.byteorder) + bytes(4)
            gone.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        other.open()
        other.send(Opcode.TEXT, b"still there")
        assert other.receive(1) == [(Opcode.TEXT, b"still there")]
    assert repr(echo).startswith(f"<Echo port={echo.port} clients=")


def test_echo_reads_no_more_of_a_client_that_does_not_read(echo: Echo) -> None:
    """Its answers wait in bounded memory; none is lost once it reads."""
    client = Client(echo.port, receives=4096)
    payload = bytes(range(256)) * 256
    frame = encode_frame(Opcode.BINARY, payload, mask=MASK)
    with client.socket:
        client.open()
        client.socket.setblocking(False)
        count, left = 0, b""
        # 64 MiB is more than both sides' buffers take.
        while count < 1024 and not left:
            left = frame
            with contextlib.suppress(BlockingIOError):
                left = frame[client.socket.send(frame) :]
            count += 1
        assert left, "the echo took everything"
        client.socket.settimeout(DEADLINE)
        writer = threading.Thread(target=client.socket.sendall, args=(left,))
        writer.start()
        assert client.receive(count) == [(Opcode.BINARY, payload)] * count
        writer.join(DEADLINE)


def test_echo_waits_for_a_place_when_descriptors_have_run_out(
    echo: Echo, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who came in vain is served as soon as somebody leaves."""
    refused = threading.Event()
    accept = echo._listener.accept

    class Full:
        """The listener where there is no descriptor left."""

        def accept(self) -> tuple[socket.socket, object]:
            if refused.is_set():
                return accept()
            refused.set()
            raise OSError(errno.EMFILE, "too many open files")

        def fileno(self) -> int:
            return listener.fileno()

        def close(self) -> None:
            listener.close()

    listener = echo._listener
    monkeypatch.setattr(echo, "_listener", Full())
    waiting = Client(echo.port)
    with waiting.socket:
        assert refused.wait(DEADLINE)
        client.socket.close()
        waiting.open()


def test_echo_accepts_again_at_once_after_a_connection_that_was_cut_before(
    echo: Echo, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other mistakes of accepting concern one connection, and no pause."""
    failed = threading.Event()
    listener = echo._listener

    class Shaky:
        """The listener when the first in the queue has gone."""

        def accept(self) -> tuple[socket.socket, object]:
            if failed.is_set():
                return listener.accept()
            failed.set()
            raise ConnectionAbortedError(errno.ECONNABORTED, "aborted")

        def close(self) -> None:
            listener.close()

    monkeypatch.setattr(echo, "_listener", Shaky())
    other = Client(echo.port)
    with other.socket:
        other.open()
    assert failed.is_set()


def test_echo_ends_its_connections_with_itself() -> None:
    """Nobody is left on a socket that nobody serves."""
    echo = Echo()
    ours, its = socket.socketpair()
    thread = threading.Thread(target=echo.run, args=(its.fileno(),))
    thread.start()
    client = Client(echo.port)
    with its, client.socket:
        client.open()
        with ours:
            ours.sendall(b"what is said there is dropped")
            client.send(Opcode.PING)
            client.receive(1)
        thread.join(DEADLINE)
        assert client.rest() == b""


class MoodySocket:
    """A socket that does what a test says, one thing after the other."""

    def __init__(self, *moods: bytes | int | OSError) -> None:
        self._moods = list(moods)

    def _next(self) -> bytes | int:
        mood = self._moods.pop(0)
        if isinstance(mood, OSError):
            raise mood
        return mood

    def recv(self, size: int) -> bytes | int:
        """Return bytes, or fail."""
        return self._next()

    def send(self, data: bytes) -> bytes | int:
        """Take some bytes, or fail."""
        return min(int(self._next()), len(data))


PING = encode_frame(Opcode.PING, b"?", mask=MASK)
BYE = encode_frame(Opcode.CLOSE, mask=MASK)
EVERYTHING = 1_000_000


@pytest.mark.parametrize(
    ("moods", "is_ended"),
    [
        # Nothing there after all, though the system said so.
        ([BlockingIOError()], False),
        ([ConnectionResetError()], True),
        ([b""], True),
        # The answer is taken whole, in parts, later, never.
        ([UPGRADE, EVERYTHING], False),
        ([UPGRADE, 10, EVERYTHING], False),
        ([UPGRADE, BlockingIOError(), EVERYTHING], False),
        ([UPGRADE, BlockingIOError(), BlockingIOError(), 3, EVERYTHING], False),
        ([UPGRADE, BrokenPipeError()], True),
        ([UPGRADE, 10, BrokenPipeError()], True),
        # A second answer waits behind the first.
        ([UPGRADE + PING, 10, EVERYTHING], False),
        # The last answer ends it, as soon as it is taken.
        ([UPGRADE + BYE, EVERYTHING, EVERYTHING], True),
        ([UPGRADE + BYE, 10, 20, EVERYTHING], True),
        ([b"GET /\r\n\r\n", 10, EVERYTHING], True),
    ],
)
def test_echo_keeps_what_the_system_does_not_take_at_once(
    moods: list[bytes | int | OSError], *, is_ended: bool
) -> None:
    """Nothing is lost, and nothing waits that has nobody to wait for."""
    sock = MoodySocket(*moods)
    client = _Client(sock)  # type: ignore[arg-type]  # as far as it is used
    client.receive()
    while sock._moods:
        assert client.wanted & select.EPOLLOUT, client
        client.flush()
    assert client.is_ended == is_ended
    if not is_ended:
        assert client.wanted == select.EPOLLIN
        assert repr(client) == "<_Client 0 bytes unread, 0 unsent>"


def test_echo_ends_at_once_when_there_is_nothing_to_wait_for() -> None:
    """A file is at its end as soon as it is read; nobody would ever stop it."""
    with open(os.devnull, "rb") as nothing:
        Echo().run(nothing.fileno())


@pytest.mark.parametrize("count", [1, 2])
def test_echo_prints_its_port_and_ends_with_its_input(count: int) -> None:
    """As processes, several may share one port."""
    command = [sys.executable, "-m", "wavetank.load.engine.echo"]
    port = 0
    with contextlib.ExitStack() as stack:
        running = []
        for _ in range(count):
            arguments = [str(port)] if port else []
            process = subprocess.Popen(
                [*command, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            assert process.stdout is not None
            printed = int(process.stdout.readline())
            assert printed == (port or printed)
            port = printed
            running.append(process)
        client = Client(port)
        with client.socket:
            client.open()
        for process in running:
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(DEADLINE) == 0


class Input:
    """A standard input that is a pipe."""

    def __init__(self, descriptor: int) -> None:
        self.fileno = lambda: descriptor


def test_echo_takes_all_descriptors_that_it_may_have(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own limit is not what a load should find."""
    limits: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _, limit: limits.append(limit))
    ours, its = socket.socketpair()
    ours.close()
    with its:
        monkeypatch.setattr(sys, "stdin", Input(its.fileno()))
        main([])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert limits == [(hard, hard)]
    assert int(capsys.readouterr().out) > 0
