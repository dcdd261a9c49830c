"""A target played by hand, in the thread of its test: nothing runs beside it."""

import contextlib
import random
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from websockets.uri import parse_uri

from wavetank.dialects import named
from wavetank.load.engine.connection import resolve
from wavetank.load.engine.loop import Loop
from wavetank.load.engine.user import Setting
from wavetank.load.exchange import Address, Job, Share
from wavetank.load.plan import LoadPlan, Scenario, ScenarioKind, Stage
from wavetank.wire import (
    Frame,
    FrameReader,
    HeadReader,
    Opcode,
    Request,
    Upgrade,
    encode_close,
    encode_frame,
    judge_request,
    switching_protocols,
)

RUN = "abcd1234"
WELCOME = '{"type":"welcome","protocol":"wavetank.v1"}'
SUBSCRIBED = '{"type":"subscribed","id":2,"topic":"a.*","topics":{}}'
_WITHIN = 10.0


class WakefulLoop(Loop):
    """A loop that never waits long: what a test says wakes nobody."""

    def turn(self, until: float) -> None:
        """Handle what is ready, and wait for it a moment at most."""
        super().turn(min(until, self.now + 0.01))


class Shy:
    """The hub's messages, spoken by a target that need not answer."""

    def __getattr__(self, name: str) -> object:
        """Be as the hub in everything."""
        return getattr(named("hub"), name)


class Guest:
    """One connection that a load has opened."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        sock.settimeout(_WITHIN)
        self.request: Request | None = None
        self._reader = FrameReader(expect_mask=True, max_payload=2**24)
        self._unread: list[Frame] = []

    def answer(self, *, behind: bytes = b"", subprotocol: bool = False) -> "Guest":
        """Read the request, and answer it as a sound server does.

        Args:
            behind: Bytes that follow the answer in one piece.
            subprotocol: Whether it speaks wavetank.v1.
        """
        self.read_request()
        assert self.request is not None
        name = "wavetank.v1" if subprotocol else None
        self.send(switching(self.request, subprotocol=name) + behind)
        return self

    def read_request(self) -> Request:
        """Read the request alone."""
        heads: HeadReader[Request] = HeadReader()
        while (head := heads.feed(self.socket.recv(65536))) is None:
            pass
        assert isinstance(head, Request)
        self.request = head
        return head

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def say(self, payload: bytes | str, opcode: int = Opcode.TEXT) -> None:
        """Send one frame."""
        self.send(framed(payload, opcode))

    def leave(self, code: int, reason: str = "") -> None:
        """Send a close frame, and end it."""
        self.say(encode_close(code, reason), Opcode.CLOSE)
        self.socket.close()

    def read(self) -> Frame:
        """Return the next frame that the load has sent already."""
        while not self._unread:
            data = self.socket.recv(65536)
            assert data, "the load ended the connection"
            self._unread = list(self._reader.feed(data))
        return self._unread.pop(0)

    def is_ended(self) -> bool:
        """Tell whether the load has ended it, close frame or not."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            pass
        return True

    def abort(self) -> None:
        """End it with RST."""
        linger = b"\x01\0\0\0\0\0\0\0"
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.socket.close()


class Host:
    """Listens on a free port of loopback."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, 0), family=family, backlog=512)
        self._listener.settimeout(_WITHIN)
        self.port: int = self._listener.getsockname()[1]
        name = f"[{address}]" if ":" in address else address
        self.url = f"ws://{name}:{self.port}/echo"
        self.guests: list[Guest] = []

    def accept(self) -> Guest:
        """Return the next connection."""
        guest = Guest(self._listener.accept()[0])
        self.guests.append(guest)
        return guest

    def refuse(self) -> None:
        """Listen no more."""
        self._listener.close()

    def close(self) -> None:
        """Close everything."""
        self._listener.close()
        for guest in self.guests:
            guest.socket.close()


class Bench(NamedTuple):
    """A loop, a host, and what users of a worker share."""

    loop: Loop
    host: Host
    closing: contextlib.ExitStack

    def setting(
        self,
        *scenarios: Scenario,
        dialect: str = "echo",
        share: Share | None = None,
        **more: float,
    ) -> Setting:
        """Return what users share; the load began this moment."""
        if dialect == "hub":
            address = Address(
                url=self.host.url, dialect="hub", subprotocols=("wavetank.v1",)
            )
        else:
            address = Address(url=self.host.url, dialect=dialect)
        plan = LoadPlan(scenarios=scenarios or (scenario("request"),), **more)  # type: ignore[arg-type]
        job = Job(
            run=RUN,
            plan=plan,
            share=share or Share(index=0, count=1),
            address=address,
        )
        return Setting(
            loop=self.loop,
            job=job,
            destination=resolve(address, parse_uri(address.url)),
            dialect=named(dialect),
            rng=random.Random(1),
            start=self.loop.now,
            has_start=True,
        )

    def turn_until(self, is_so: Callable[[], object]) -> None:
        """Turn until something is so."""
        deadline = time.monotonic() + _WITHIN
        while not is_so():
            assert time.monotonic() < deadline, "it never happened"
            self.loop.turn(self.loop.now + 0.005)

    def accept(self, count: int = 1) -> list[Guest]:
        """Return the next connections, and answer their opening handshakes."""
        guests = []
        for _ in range(count):
            guest = self.host.accept()
            self.turn()
            guests.append(guest.answer())
            self.turn()
        return guests

    def turn(self, times: int = 5) -> None:
        """Handle what is there already."""
        for _ in range(times):
            self.loop.turn(0.0)


@contextlib.contextmanager
def benches(address: str = "127.0.0.1") -> Iterator[Bench]:
    """Open a loop and a host, and close both."""
    with contextlib.ExitStack() as stack:
        loop = stack.enter_context(contextlib.closing(WakefulLoop()))
        host = stack.enter_context(contextlib.closing(Host(address)))
        closing = stack.enter_context(contextlib.ExitStack())
        yield Bench(loop, host, closing)


def switching(request: Request, *, subprotocol: str | None = None) -> bytes:
    """Return the answer of a sound server."""
    offered = () if subprotocol is None else (subprotocol,)
    judged = judge_request(request, subprotocols=offered)
    assert isinstance(judged, Upgrade)
    return switching_protocols(judged)


def framed(payload: bytes | str, opcode: int = Opcode.TEXT) -> bytes:
    """Return an unmasked frame, as a server sends it."""
    data = payload.encode() if isinstance(payload, str) else payload
    return encode_frame(opcode, data)


def scenario(kind: str, **fields: object) -> Scenario:
    """Return a scenario of one user, and of ten arrivals in a second."""
    given: dict[str, object] = {"name": "s", "users": 1} | fields
    if kind not in {"listen", "slow"}:
        given.setdefault("stages", (Stage(seconds=1.0, level=10.0),))
    return Scenario(kind=ScenarioKind(kind), **given)  # type: ignore[arg-type]


def secured(guest: Guest, context: ssl.SSLContext) -> Guest:
    """Turn a guest's connection into TLS; the load has to go on meanwhile."""
    guest.socket = context.wrap_socket(
        guest.socket, server_side=True, do_handshake_on_connect=False
    )
    return guest


def refused(id_: int | str) -> str:
    """Return the hub's no to a command."""
    return (
        f'{{"type":"error","id":{id_},"code":"forbidden","message":"not you",'
        '"retryable":false,"fatal":false,"ts":1.0}'
    )


def published(id_: int) -> str:
    """Return the hub's yes to a publication."""
    return (
        f'{{"type":"published","id":{id_},"topic":"a","epoch":"e","seq":58,'
        '"duplicate":false}'
    )
