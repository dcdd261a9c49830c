"""One listening socket: it accepts, and shakes hands over TLS, within bounds."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from wavetank.hub import Ports
from wavetank.hub.aio import listener as module
from wavetank.hub.aio.listener import bind
from wavetank.hub.limits import Crowd

pytestmark = pytest.mark.anyio

StartHub = Callable[..., Awaitable[Any]]
DEADLINE = 20.0
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Run everything on both event loops: their transports differ in small ways."""
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Give somebody who signs certificates."""
    return trustme.CA()


@pytest.fixture(scope="module")
def certificate(
    authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Give a file with a certificate and its key."""
    file = tmp_path_factory.mktemp("tls") / "localhost.pem"
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(str(file))
    return file


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """Give a client's context that trusts it."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def start_tls(start_hub: StartHub, certificate: Path, **changes: Any) -> Any:
    """Start a hub whose first URL is that of its TLS port."""
    hub = await start_hub(ports=Ports(plain=0, tls=0), cert=certificate, **changes)
    hub.server.urls.reverse()
    return hub


async def read(reader: asyncio.StreamReader) -> bytes:
    """Read until the other side ends."""
    async with asyncio.timeout(DEADLINE):
        return await reader.read()


async def health(hub: Any, context: ssl.SSLContext) -> bytes:
    """Ask over TLS whether it lives."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", hub.port, ssl=context, server_hostname="localhost"
    )
    writer.write(HEALTH)
    answer = await read(reader)
    writer.close()
    return answer


def events(hub: Any, name: str) -> list[dict[str, Any]]:
    """Return the log lines of one kind."""
    return [event for event in hub.lines.events if event["event"] == name]


# TLS.


async def test_listener_speaks_tls(
    start_hub: StartHub, certificate: Path, trusting: ssl.SSLContext
) -> None:
    """HTTP/1.1 by name, which some clients ask for."""
    trusting.set_alpn_protocols(["h2", "http/1.1"])
    hub = await start_tls(start_hub, certificate)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", hub.port, ssl=trusting, server_hostname="localhost"
    )
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
    writer.write(HEALTH)
    assert (await read(reader)).startswith(b"HTTP/1.1 200 OK")
    writer.close()


async def test_listener_refuses_tls_older_than_1_2(
    start_hub: StartHub, certificate: Path
) -> None:
    """With a line in the log that says so."""
    hub = await start_tls(start_hub, certificate)
    reader, writer = await hub.open_raw()
    # A hello that offers TLS 1.1 and one cipher.
    hello = b"\x03\x02" + bytes(32) + b"\x00\x00\x02\xc0\x13\x01\x00"
    record = b"\x01\x00\x00" + bytes([len(hello)]) + hello
    writer.write(b"\x16\x03\x01\x00" + bytes([len(record)]) + record)
    await read(reader)
    await hub.until(lambda: events(hub, "tls_failed"))
    (event,) = events(hub, "tls_failed")
    assert "1.2 is the least" in event["error"]


@pytest.mark.parametrize("data", [HEALTH, b"\x00" * 50, b""])
async def test_listener_lets_those_go_who_speak_no_tls(
    start_hub: StartHub, certificate: Path, data: bytes
) -> None:
    """No hang, no traceback, one line for those who look closely."""
    hub = await start_tls(start_hub, certificate)
    reader, writer = await hub.open_raw()
    writer.write(data)
    writer.write_eof()
    await read(reader)
    await hub.until(lambda: not hub.server._sockets)
    (event,) = events(hub, "tls_failed")
    assert (event["level"], event["peer"]) == ("debug", "127.0.0.1")
    assert event["error"]
    if data == HEALTH:
        assert event["error"] == "plain HTTP, where TLS was expected"
    assert not [e for e in hub.lines.events if e["level"] == "error"]


async def test_listener_waits_for_a_tls_handshake_no_longer_than_it_was_told(
    start_hub: StartHub, certificate: Path
) -> None:
    """Then the socket is closed, and no longer counted."""
    hub = await start_tls(start_hub, certificate, handshake=0.05)
    reader, _ = await hub.open_raw()
    await read(reader)
    await hub.until(lambda: not hub.server._sockets)
    assert len(events(hub, "tls_failed")) == 1


async def test_listener_counts_those_who_shake_hands(
    start_hub: StartHub,
    certificate: Path,
    trusting: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sockets that never finish their handshake are bounded like all others."""
    monkeypatch.setattr("wavetank.hub.aio.server.SPARE_SOCKETS", 1)
    hub = await start_tls(start_hub, certificate, crowd=Crowd(total=1))
    waiting = [await hub.open_raw() for _ in range(2)]
    await hub.until(lambda: hub.server._sockets == 2)
    reader, _ = await hub.open_raw()
    assert await read(reader) == b""
    assert len(events(hub, "connection_dropped")) == 1
    for _, writer in waiting:
        writer.close()
    await hub.until(lambda: not hub.server._sockets)
    assert (await health(hub, trusting)).startswith(b"HTTP/1.1 200")


async def test_listener_counts_those_of_one_address(
    start_hub: StartHub, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One address cannot take all the room there is for handshakes."""
    monkeypatch.setattr("wavetank.hub.aio.server.SPARE_OF_IP", 1)
    hub = await start_tls(start_hub, certificate, crowd=Crowd(total=99, per_ip=1))
    for _ in range(2):
        await hub.open_raw()
    await hub.until(lambda: hub.server._sockets == 2)
    reader, _ = await hub.open_raw()
    assert await read(reader) == b""


async def test_listener_gives_up_handshakes_when_it_closes(
    start_hub: StartHub, certificate: Path
) -> None:
    """A stop does not wait for a stranger."""
    hub = await start_tls(start_hub, certificate)
    reader, _ = await hub.open_raw()
    await hub.until(lambda: hub.server._sockets)
    (shaking,) = [each for each in hub.server._listeners if each._shaking]
    assert repr(shaking) == "<Listener 1 shaking hands>"
    async with asyncio.timeout(DEADLINE):
        await hub.server.stop()
        await read(reader)
    assert not hub.server._sockets


async def test_listener_closes_with_plain_connections_that_have_just_come(
    start_hub: StartHub,
) -> None:
    """Accepted in the same turn of the loop: they are counted out once."""
    hub = await start_hub()
    with socket.create_connection(("127.0.0.1", hub.port)):
        (listener,) = hub.server._listeners
        listener._accept()
        await hub.server.stop()
    assert not hub.server._sockets
    assert not hub.server._by_ip


# Accepting.


class NoMore:
    """A listening socket on a machine that has no descriptors left, at first."""

    def __init__(self, real: socket.socket, faults: list[int]) -> None:
        self.real = real
        self.faults = faults
        self.calls = 0

    def accept(self) -> Any:
        """Fail as often as it was told, then accept."""
        self.calls += 1
        if self.faults:
            number = self.faults.pop(0)
            raise OSError(number, "no more")
        return self.real.accept()

    def __getattr__(self, name: str) -> Any:
        """Be the real one otherwise."""
        return getattr(self.real, name)


async def test_listener_rests_while_there_are_no_descriptors(
    start_hub: StartHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It neither spins nor dies, says so once, and goes on when there are some."""
    monkeypatch.setattr(module, "PAUSE", 0.01)
    hub = await start_hub()
    (listener,) = hub.server._listeners
    short = NoMore(listener._socket, [errno.EMFILE] * 3)
    monkeypatch.setattr(listener, "_socket", short)
    assert (await hub.get("/healthz", Connection="close"))[0] == 200
    await hub.until(lambda: events(hub, "accepting_again"))
    assert len(events(hub, "accepting_paused")) == 1
    short.faults.append(errno.ENFILE)
    assert (await hub.get("/healthz", Connection="close"))[0] == 200
    first, second = events(hub, "accepting_paused")
    assert (first["level"], second["level"]) == ("error", "error")
    assert "no more" in first["error"]
    assert short.calls < 20


async def test_listener_that_rests_can_be_closed(
    start_hub: StartHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left that would wake it up."""
    hub = await start_hub()
    (listener,) = hub.server._listeners
    short = NoMore(listener._socket, [errno.EMFILE])
    monkeypatch.setattr(listener, "_socket", short)
    await hub.open_raw()
    await hub.until(lambda: events(hub, "accepting_paused"))
    assert listener._pause is not None
    await listener.close()
    assert listener._pause.cancelled()


async def test_listener_passes_over_a_peer_that_went_before_it_was_accepted(
    start_hub: StartHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is no fault of the machine."""
    hub = await start_hub()
    (listener,) = hub.server._listeners
    short = NoMore(listener._socket, [errno.ECONNABORTED])
    monkeypatch.setattr(listener, "_socket", short)
    assert (await hub.get("/healthz", Connection="close"))[0] == 200
    assert not events(hub, "accepting_paused")


async def test_listener_accepts_a_bounded_number_in_one_turn(
    start_hub: StartHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A storm of connections does not hold up those who are there."""
    monkeypatch.setattr(module, "AT_ONCE", 2)
    hub = await start_hub()
    (listener,) = hub.server._listeners
    clients = [socket.create_connection(("127.0.0.1", hub.port)) for _ in range(5)]
    listener._accept()
    assert hub.server._sockets == 2
    await hub.until(lambda: hub.server._sockets == 5)
    for client in clients:
        client.close()


# Binding.


async def test_listener_takes_every_address_of_a_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On one port, and without those of a family that this machine has not."""
    _resolve(monkeypatch, ["127.0.0.1", "127.0.0.2", "203.0.113.9", "127.0.0.1"])
    sockets = await bind("many.example", 0)
    names = [each.getsockname() for each in sockets]
    for each in sockets:
        each.close()
    assert [host for host, _ in names] == ["127.0.0.1", "127.0.0.2"]
    assert len({port for _, port in names}) == 1


def _resolve(monkeypatch: pytest.MonkeyPatch, hosts: list[str]) -> None:
    """Let every name have these addresses."""

    async def getaddrinfo(host: str, port: int, **more: Any) -> Any:
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, (address, port)) for address in hosts]

    loop = Loop(getaddrinfo)
    monkeypatch.setattr(module.asyncio, "get_running_loop", lambda: loop)


class Loop:
    """A loop that only resolves names."""

    def __init__(self, getaddrinfo: Callable[..., Awaitable[Any]]) -> None:
        self.getaddrinfo = getaddrinfo


async def test_listener_listens_nowhere_if_one_address_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Half a hub would be found by half of its clients."""
    _resolve(monkeypatch, ["127.0.0.2", "127.0.0.1"])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            await bind("many.example", port)
        socket.create_server(("127.0.0.2", port)).close()


async def test_listener_says_that_no_address_is_there() -> None:
    """203.0.113.0/24 is for documentation: no machine has it."""
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is looked at
        await bind("203.0.113.9", 0)
    assert caught.value.errno == errno.EADDRNOTAVAIL
