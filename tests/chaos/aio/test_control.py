"""The control interface on a port: HTTP, and what hostile clients try."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

import msgspec
import pytest

from wavetank.chaos.aio import control
from wavetank.chaos.aio.control import Control
from wavetank.chaos.aio.proxies import Proxies
from wavetank.errors import UsageError
from wavetank.wire.http import HeadReader, Response

from .wires import PATIENCE, settled

pytestmark = pytest.mark.anyio

GET = b"GET /proxies HTTP/1.1\r\nHost: x\r\n\r\n"
ORDER = b'{"name":"a","upstream":"127.0.0.1:9"}'


class Told(NamedTuple):
    """An answer as it came."""

    head: Response
    body: bytes

    @property
    def status(self) -> int:
        """Of HTTP."""
        return self.head.status


class Client:
    """One connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.ahead = b""

    def send(self, data: bytes) -> None:
        """Write bytes."""
        self.writer.write(data)

    async def read(self, *, is_head: bool = False) -> Told:
        """Read an answer."""
        heads: HeadReader[Response] = HeadReader(of=Response)
        async with asyncio.timeout(PATIENCE):
            head = heads.feed(self.ahead)
            while head is None:
                data = await self.reader.read(65536)
                assert data, "an answer ends in the middle"
                head = heads.feed(data)
            assert isinstance(head, Response)
            body = heads.rest
            length = 0 if is_head else int(head.headers.get("Content-Length") or 0)
            while len(body) < length:
                data = await self.reader.read(65536)
                assert data, "an answer ends in the middle"
                body += data
        self.ahead = body[length:]
        return Told(head, body[:length])

    async def gone(self) -> None:
        """Wait for the end."""
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionError):
                assert await self.reader.read() == b""


class Served(NamedTuple):
    """A control interface that is served."""

    control: Control
    proxies: Proxies

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """Connect."""
        reader, writer = await asyncio.open_connection(*self.control.address)
        try:
            yield Client(reader, writer)
        finally:
            writer.close()


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """A control interface on a free port."""
    proxies = Proxies()
    async with proxies, Control(proxies, ("127.0.0.1", 0)) as interface:
        yield Served(interface, proxies)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No patience with anybody."""
    monkeypatch.setattr(control, "IDLE", 0.05)
    monkeypatch.setattr(control, "READ_WITHIN", 0.05)
    return


def post(path: str, body: bytes, *fields: str) -> bytes:
    """Return a request with a body."""
    head = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join([*head, "", ""]).encode() + body


async def test_requests_of_one_connection_are_answered_in_order(served: Served) -> None:
    """It is kept, and what is asked before the answers are there waits its turn."""
    async with served.client() as client:
        asked = post("/proxies", ORDER) + post("/reset", b"") + GET
        for byte in asked[:60]:
            client.send(bytes([byte]))
        client.send(asked[60:])
        made = await client.read()
        assert made.status == 201
        assert made.head.headers.get("Content-Type") == "application/json"
        reset = await client.read()
        assert (reset.status, reset.body) == (204, b"")
        shown = await client.read()
        assert msgspec.json.decode(shown.body)["a"] == msgspec.json.decode(made.body)
        assert "1 connected" in repr(served.control)
        assert served.control.url == f"http://127.0.0.1:{served.control.address[1]}"


async def test_a_body_may_come_in_chunks(served: Served) -> None:
    """Some clients send nothing else; bytes behind it are the next request."""
    head = b"POST /proxies HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(ORDER), ORDER)
    async with served.client() as client:
        client.send(head + chunks + GET)
        assert (await client.read()).status == 201
        assert (await client.read()).status == 200


async def test_a_client_that_waits_is_told_to_go_on(served: Served) -> None:
    """It sends its body then."""
    async with served.client() as client:
        whole = post("/proxies", ORDER, "Expect: 100-continue")
        client.send(whole[: -len(ORDER)])
        async with asyncio.timeout(PATIENCE):
            assert await client.reader.readuntil(b"\r\n\r\n") == (
                b"HTTP/1.1 100 Continue\r\n\r\n"
            )
        client.send(ORDER)
        assert (await client.read()).status == 201


async def test_a_connection_ends_where_the_client_says_so(served: Served) -> None:
    """After the answer."""
    async with served.client() as client:
        client.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        told = await client.read()
        assert told.head.headers.get("Connection") == "close"
        await client.gone()


async def test_a_head_request_gets_no_body(served: Served) -> None:
    """Only what it would be."""
    async with served.client() as client:
        client.send(GET.replace(b"GET", b"HEAD") + GET)
        told = await client.read(is_head=True)
        assert told.status == 405
        assert int(told.head.headers.get("Content-Length") or 0) > 0
        assert (await client.read()).status == 200


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01 TLS", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 20000, 431),
        (b"POST /proxies HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"POST /proxies HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /reset HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
    ],
)
async def test_what_is_no_request_is_refused(
    served: Served, data: bytes, status: int
) -> None:
    """With a reason; the connection ends, and others are served on."""
    async with served.client() as client:
        client.send(data)
        told = await client.read()
        assert told.status == status
        assert msgspec.json.decode(told.body)["status"] == status
        await client.gone()
    async with served.client() as client:
        client.send(GET)
        assert (await client.read()).status == 200


@pytest.mark.parametrize("data", [b"", b"GET / HT", post("/reset", b"12345")[:-2]])
async def test_a_client_that_goes_away_is_let_go(served: Served, data: bytes) -> None:
    """In the middle of nothing, of a head, or of a body."""
    async with served.client() as client:
        client.send(data)
        client.writer.write_eof()
        await client.gone()


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("data", [b"", b"GET / HT", post("/reset", b"12345")[:-2]])
async def test_a_client_that_takes_its_time_is_let_go(
    served: Served, data: bytes
) -> None:
    """Nobody holds a place by doing nothing."""
    async with served.client() as client:
        client.send(data)
        await client.gone()


async def test_requests_of_one_connection_are_bounded(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then a client gets another one."""
    monkeypatch.setattr(control, "MOST_REQUESTS", 2)
    async with served.client() as client:
        client.send(GET * 3)
        assert (await client.read()).status == 200
        assert (await client.read()).status == 200
        await client.gone()


async def test_connections_are_bounded(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more is closed unheard, and there is room again when another one ends."""
    monkeypatch.setattr(control, "MOST_CONNECTIONS", 1)
    async with served.client() as first:
        first.send(GET)
        assert (await first.read()).status == 200
        async with served.client() as second:
            await second.gone()
        first.writer.write_eof()
        await first.gone()
    await settled(lambda: "0 connected" in repr(served.control))
    async with served.client() as third:
        third.send(GET)
        assert (await third.read()).status == 200


async def test_its_end_ends_connections() -> None:
    """Those that wait, too, and asyncio finds nothing to complain of."""
    proxies = Proxies()
    complaints: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, told: complaints.append(told))
    async with Control(proxies, ("127.0.0.1", 0)) as interface:
        served = Served(interface, proxies)
        reader, writer = await asyncio.open_connection(*interface.address)
        client = Client(reader, writer)
        client.send(GET)
        await client.read()
        assert served.control is interface
    await client.gone()
    writer.close()
    assert complaints == []


async def test_a_port_that_is_taken_is_told() -> None:
    """By its option, with what to do; an end without a beginning does nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        interface = Control(Proxies(), ("127.0.0.1", port))
        with pytest.raises(UsageError, match=f"--control 127.0.0.1:{port}: cannot lis"):
            async with interface:
                pass
        await interface.__aexit__(None, None, None)
