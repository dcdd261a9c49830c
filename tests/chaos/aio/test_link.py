"""A link: how each end of a connection looks from the other side."""

import contextlib
import socket
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from wavetank.chaos import room as room_module
from wavetank.chaos.aio import Proxy
from wavetank.chaos.aio import link as link_module
from wavetank.chaos.aio.link import Link, Way
from wavetank.net.tls import ThrowAwayAuthority

from .wires import REQUEST, RESPONSE, Target, Wire, dial, frame, settled

pytestmark = pytest.mark.anyio


class Joined(NamedTuple):
    """A proxy, and both ends of its one link."""

    proxy: Proxy
    client: Wire
    server: Wire


@pytest.fixture
async def joined(anyio_backend: object) -> AsyncIterator[Joined]:
    """Join a client and a target through a proxy of bytes."""
    async with (
        Target() as target,
        Proxy(("127.0.0.1", target.port), mode="bytes") as proxy,
    ):
        client = await dial(proxy.port)
        yield Joined(proxy, client, await target.guest())
        client.transport.abort()
        await client.gone()


def has_fin(wire: Wire) -> bool:
    """Tell whether the other end has sent its last byte."""
    return wire.has_fin


@pytest.mark.parametrize("is_clients", [True, False])
async def test_fin_is_fin_and_the_other_way_goes_on(
    joined: Joined, *, is_clients: bool
) -> None:
    """Half a connection is closed; the other half still works, until it is closed."""
    proxy, client, server = joined
    first, second = (client, server) if is_clients else (server, client)
    first.send(b"last")
    first.transport.write_eof()
    await second.until(has_fin)
    assert second.data == b"last"
    second.send(b"answer")
    await first.reads(b"answer")
    second.transport.write_eof()
    await first.until(has_fin)
    await settled(lambda: not proxy.links)


async def test_a_link_knows_the_port_of_its_client(joined: Joined) -> None:
    """Whoever looks for one among many finds it by that; there may be none yet."""
    ours = joined.client.transport.get_extra_info("sockname")[1]
    assert joined.proxy.links[1].client_port == ours
    assert Link(2, Way("127.0.0.1", 9), lambda _: None).client_port == 0


@pytest.mark.parametrize("is_clients", [True, False])
async def test_rst_is_rst(joined: Joined, *, is_clients: bool) -> None:
    """A connection that is thrown away on one side is thrown away on the other."""
    proxy, client, server = joined
    first, second = (client, server) if is_clients else (server, client)
    first.reset()
    await second.gone()
    assert second.was_reset
    await settled(lambda: not proxy.links)


async def test_what_was_sent_before_a_reset_arrives_before_it(joined: Joined) -> None:
    """A toxic that breaks the connection at a byte lets the bytes before it by."""
    proxy, client, server = joined
    proxy.add({"type": "reset_peer", "attributes": {"bytes": 5}})
    server.send(b"123456789")
    await client.gone()
    assert client.data == b"12345"
    assert client.was_reset
    await server.gone()
    assert server.was_reset


async def test_a_stream_that_ends_both_ways_ends_in_order(joined: Joined) -> None:
    """A limit closes the connection as Toxiproxy does: with FIN to both."""
    proxy, client, server = joined
    proxy.add({"type": "limit_data", "stream": "upstream", "attributes": {"bytes": 2}})
    client.send(b"123")
    await server.until(has_fin)
    await client.until(has_fin)
    assert server.data == b"12"
    client.transport.close()
    server.transport.close()
    await settled(lambda: not proxy.links)
    assert client.lost is server.lost is None


async def test_who_does_not_end_its_side_is_not_waited_for(
    joined: Joined, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link that was closed is over even if nobody answers with FIN."""
    monkeypatch.setattr(link_module, "LINGERING", 0.01)
    proxy, client, server = joined
    proxy.cut("fin")
    await client.until(has_fin)
    await server.until(has_fin)
    await settled(lambda: not proxy.links)


async def test_what_was_written_is_sent_before_a_link_is_given_up(
    joined: Joined, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow reader gets all of it, as long as it reads at all."""
    proxy, client, server = joined
    client.transport.pause_reading()
    proxy.add({"type": "limit_data", "name": "end", "attributes": {"bytes": 8_000_000}})
    sent = bytes(8_000_000)
    server.send(sent)
    link = proxy.links[1]
    # Far more than both kernels hold: the proxy has stopped reading.
    await settled(lambda: link.downstream.source.is_paused)
    monkeypatch.setattr(link_module, "LINGERING", 0.2)
    client.transport.resume_reading()
    await client.until(has_fin)
    assert len(client.data) == len(sent)


@pytest.mark.parametrize("is_clients", [True, False])
async def test_a_half_open_end_is_never_told(
    joined: Joined, *, is_clients: bool
) -> None:
    """One side is gone, and the other one hears nothing, whatever it sends."""
    proxy, client, server = joined
    gone, left = (client, server) if is_clients else (server, client)
    stream = "upstream" if is_clients else "downstream"
    proxy.add({"type": "half_open", "stream": stream, "attributes": {"bytes": 2}})
    gone.send(b"123")
    await gone.gone()
    assert gone.was_reset
    await left.reads(b"12")
    link = proxy.links[1]
    back = link.downstream if is_clients else link.upstream
    left.send(b"is anybody there?")
    await settled(lambda: back.received == 17)
    assert not left.has_fin
    assert not left.is_lost
    left.transport.close()
    await settled(lambda: not proxy.links)


async def test_an_orderly_end_may_be_kept_from_the_other_side(joined: Joined) -> None:
    """Who ended in order gets its end; the other side is never told."""
    proxy, client, server = joined
    proxy.add(
        {"type": "half_open", "stream": "upstream", "attributes": {"timeout": 1e9}}
    )
    client.send(b"bye")
    client.transport.write_eof()
    await client.until(has_fin)
    await server.reads(b"bye")
    assert not server.has_fin
    assert not server.is_lost
    assert proxy.cut() == 1
    await server.gone()


async def test_a_half_open_link_without_a_target_is_reset() -> None:
    """Where there is nobody to be kept in the dark, there is nothing to keep."""
    async with Target() as target, Proxy(("127.0.0.1", target.port)) as proxy:
        proxy.add({"type": "stall", "name": "later", "stream": "upstream"})
        client = await dial(proxy.port)
        client.transport.write_eof()
        await settled(lambda: 1 in proxy.links and proxy.links[1].upstream.is_finished)
        proxy.add(
            {"type": "half_open", "stream": "upstream", "attributes": {"timeout": 1}}
        )
        await client.gone()
        await settled(lambda: not proxy.links)
        assert not target.wires


async def test_who_writes_to_a_side_that_is_gone_is_reset(joined: Joined) -> None:
    """As the kernel of the one that is gone would answer, had it no proxy."""
    proxy, client, server = joined
    client.transport.close()
    await server.until(has_fin)
    # The first answer is what its kernel resets, the next one is what tells.
    await settled(lambda: server.is_lost or server.send(b"too late"))
    assert isinstance(server.lost, ConnectionResetError | BrokenPipeError)
    await settled(lambda: not proxy.links)


async def test_a_target_whose_name_can_be_none_is_not_reached() -> None:
    """Looking it up fails otherwise than the network does, and the link ends, too."""
    over: list[Link] = []
    link = Link(1, Way("a\0b", 80), over.append)
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with ours:
        link.accept(theirs)
        await settled(lambda: bool(over))
    assert "a\0b:80: " in link.unreachable


@pytest.mark.parametrize("is_clients", [True, False])
async def test_who_is_gone_behind_its_fin_is_missed_at_the_first_write(
    joined: Joined, *, is_clients: bool
) -> None:
    """Its kernel answers with RST, and the other end hears of it at once."""
    proxy, client, server = joined
    first, second = (client, server) if is_clients else (server, client)
    first.transport.close()
    await second.until(has_fin)
    second.send(b"one word")
    await settled(lambda: not proxy.links)
    second.send(b"another")
    await second.gone()
    assert second.lost is not None


@pytest.mark.parametrize(
    "refusal",
    [
        b"HTTP/1.1 401 No\r\nContent-Length: 4\r\n\r\nHTTP",
        b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nHTTP\r\n0\r\n\r\n",
    ],
)
async def test_who_was_refused_may_ask_again_on_its_connection(refusal: bytes) -> None:
    """Frames are found behind the second handshake; a body does not hide it."""
    async with (
        Target() as target,
        Proxy(("127.0.0.1", target.port)) as proxy,
    ):
        proxy.add({"type": "drop", "when": {"after": 1, "count": 1}})
        client = await dial(proxy.port)
        server = await target.guest()
        client.send(REQUEST)
        await server.reads(REQUEST)
        server.send(refusal)
        await client.reads(refusal)
        client.send(REQUEST)
        await server.reads(REQUEST)
        server.send(RESPONSE + frame(b"1") + frame(b"2") + frame(b"3"))
        await client.reads(RESPONSE + frame(b"1") + frame(b"3"))
        client.transport.abort()
        await client.gone()


async def test_who_does_not_wait_for_a_refusal_is_not_understood() -> None:
    """Its bytes go by all the same."""
    refusal = b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"
    async with (
        Target() as target,
        Proxy(("127.0.0.1", target.port)) as proxy,
    ):
        client = await dial(proxy.port)
        server = await target.guest()
        client.send(REQUEST + REQUEST)
        await server.reads(REQUEST + REQUEST)
        server.send(refusal)
        await client.reads(refusal)
        assert proxy.links[1].upstream.is_plain
        client.transport.abort()
        await client.gone()


async def test_an_answer_that_is_not_whole_yet_overtakes_none_before_it() -> None:
    """Its beginning, which a splitter had kept, was sent before the refusal once."""
    refusal = b"HTTP/1.1 401 No\r\nContent-Length: 5\r\n\r\nhello"
    async with (
        Target() as target,
        Proxy(("127.0.0.1", target.port)) as proxy,
    ):
        proxy.add({"type": "drop"})
        client = await dial(proxy.port)
        server = await target.guest()
        client.send(REQUEST + REQUEST)
        await server.reads(REQUEST + REQUEST)
        server.send(refusal + RESPONSE[:30])
        await client.reads(refusal + RESPONSE[:30])
        server.send(RESPONSE[30:])
        await client.reads(RESPONSE[30:])
        client.transport.abort()
        await client.gone()


async def test_a_reset_in_the_middle_of_a_frame_is_a_reset() -> None:
    """The half that had come goes on before it, though a toxic waited for the rest."""
    async with (
        Target() as target,
        Proxy(("127.0.0.1", target.port)) as proxy,
    ):
        proxy.add({"type": "drop", "when": {"opcodes": ["ping"]}})
        client = await dial(proxy.port)
        server = await target.guest()
        client.send(REQUEST)
        await server.reads(REQUEST)
        half = frame(b"whole")[:4]
        server.send(RESPONSE + half)
        await client.reads(RESPONSE)
        down = proxy.links[1].downstream
        sent = len(RESPONSE + half)
        await settled(lambda: down.received == sent)
        server.reset()
        await client.gone()
        assert client.was_reset
        assert client.data in (b"", half)  # RST may overtake it in the client's kernel
        await settled(lambda: not proxy.links)


async def test_a_client_that_never_reads_stops_its_target_behind_toxics(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is due is let go, and not more than that; nothing of it is left behind."""
    monkeypatch.setattr(room_module, "MOST_FLYING", 1024 * 1024)
    piece = bytes(1024 * 1024)
    async with (
        Target() as target,
        Proxy(("127.0.0.1", target.port), mode="bytes") as proxy,
    ):
        proxy.add({"type": "latency", "attributes": {"latency": 1}})
        client = await dial(proxy.port)
        client.transport.pause_reading()
        server = await target.guest()
        (link,) = proxy.links.values()
        down = link.downstream
        for _ in range(64):
            server.send(piece)
        await settled(lambda: down.source.is_paused and down.sink.is_full)
        assert down.received < 48 * len(piece)  # The kernel takes some of it.
        assert link.room.taken >= down.sink.unsent > 0
        client.transport.abort()
        await client.gone()
        server.transport.abort()
        await settled(lambda: not proxy.links)
        assert link.room.taken == 0


async def test_a_reset_behind_an_end_that_is_held_follows_it(joined: Joined) -> None:
    """A client that closed, and whose kernel then resets, is a reset to the target."""
    proxy, client, server = joined
    proxy.add({"type": "stall", "name": "stop", "stream": "upstream"})
    client.send(b"bye")
    client.transport.close()
    await settled(lambda: proxy.links[1].upstream.is_finished)
    link = proxy.links[1]
    await settled(lambda: link.upstream.is_cut or server.send(b"hello"))
    assert not server.is_lost
    proxy.remove("stop")
    await server.gone()
    assert server.was_reset


async def test_a_client_that_is_gone_before_its_target_came_is_over() -> None:
    """A slow opening does not keep what nobody waits for."""
    async with Target() as target, Proxy(("127.0.0.1", target.port)) as proxy:
        proxy.add({"type": "stall", "name": "stop", "stream": "upstream"})
        client = await dial(proxy.port)
        await settled(lambda: 1 in proxy.links)
        client.reset()
        await settled(lambda: proxy.links[1].upstream.is_finished)
        assert not proxy.links[1].is_over
        link = proxy.links[1]
        proxy.remove("stop")
        await settled(lambda: not proxy.links)
        assert link.is_over
        assert not link.is_connected


async def test_links_end_wherever_they_are() -> None:
    """A client that is cut in the turn in which it came leaves nothing behind."""
    async with Target() as target:
        overs: list[Link] = []
        way = Way("127.0.0.1", target.port)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            link = Link(1, way, overs.append)
            link.accept(ours)
            link.reset()
            await settled(lambda: link.is_over)
            link.connect()
            link.close()
            assert ours.fileno() < 0
        assert overs == [link]


async def test_a_cut_while_it_connects_ends_both_sides() -> None:
    """Whatever step the opening has come to when it is cut, nobody stays."""
    async with Target() as target, Proxy(("127.0.0.1", target.port)) as proxy:
        for turns in range(12):
            client = await dial(proxy.port)
            for _ in range(turns):
                await settled(lambda: True)
            with contextlib.suppress(TimeoutError):
                await settled(lambda: bool(proxy.links))
            proxy.cut()
            await client.gone()
            await settled(lambda: not proxy.links)
        for wire in target.wires:
            await wire.until(lambda wire: wire.has_fin or wire.is_lost)


async def test_a_link_shows_both_sides_and_both_streams(joined: Joined) -> None:
    """Its repr says how far each has come."""
    proxy, client, server = joined
    client.send(b"1")
    await server.reads(b"1")
    shown = repr(proxy.links[1])
    assert shown.startswith("<Link 1 client=<Side open> target=<Side open>")
    assert "<Stream upstream open, 1 bytes in, 1 out, 0 held, plain>" in shown


@pytest.fixture(scope="module")
def authority() -> AsyncIterator[ThrowAwayAuthority]:
    """Issue certificates for this file."""
    with ThrowAwayAuthority() as made:
        yield made


async def test_tls_is_spoken_on_both_sides(authority: ThrowAwayAuthority) -> None:
    """The proxy sees what goes by: it has a certificate, and trusts the target's."""
    server_tls = authority.server_context()
    client_tls = authority.client_context()
    async with (
        Target(server_tls) as target,
        Proxy(
            ("127.0.0.1", target.port),
            upstream_tls=client_tls,
            listen_tls=server_tls,
        ) as proxy,
    ):
        assert proxy.url.startswith("wss://")
        client = await dial(proxy.port, client_tls)
        server = await target.guest()
        client.send(b"up")
        server.send(b"down" * 100_000)
        await server.reads(b"up")
        await client.reads(b"down" * 100_000)
        client.transport.close()
        await server.gone()
        await client.gone()
        assert server.lost is None
        await settled(lambda: not proxy.links)


async def test_a_cut_reaches_through_tls(authority: ThrowAwayAuthority) -> None:
    """RST is RST, whatever is spoken above it."""
    tls = authority.server_context()
    async with (
        Target() as target,
        Proxy(("127.0.0.1", target.port), listen_tls=tls) as proxy,
    ):
        client = await dial(proxy.port, authority.client_context())
        server = await target.guest()
        proxy.cut()
        await client.gone()
        await server.gone()
        assert server.was_reset
        assert client.lost is not None


async def test_a_target_whose_certificate_is_not_trusted_is_not_reached(
    authority: ThrowAwayAuthority,
) -> None:
    """The client is closed, and the reason is kept."""
    with ThrowAwayAuthority() as other:
        tls = other.client_context()
    reasons = []
    async with (
        Target(authority.server_context()) as target,
        Proxy(("127.0.0.1", target.port), upstream_tls=tls) as proxy,
    ):
        client = await dial(proxy.port)
        await settled(lambda: 1 in proxy.links)
        link = proxy.links[1]
        await client.until(lambda wire: wire.has_fin or wire.is_lost)
        reasons.append(link.unreachable)
        client.transport.abort()
        await client.gone()
        await settled(lambda: not proxy.links)
        assert proxy.statistics()["unreachable"] == 1
    assert "is not trusted" in reasons[0]


async def test_a_client_that_does_not_speak_tls_is_refused(
    authority: ThrowAwayAuthority,
) -> None:
    """It is counted, and the target never hears of it."""
    async with (
        Target() as target,
        Proxy(
            ("127.0.0.1", target.port), listen_tls=authority.server_context()
        ) as proxy,
    ):
        client = await dial(proxy.port)
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        await client.until(lambda wire: wire.has_fin or wire.is_lost)
        client.transport.abort()
        await client.gone()
        await settled(lambda: not proxy.links)
        assert proxy.statistics()["refused"] == 1
        assert not target.wires


async def test_a_target_that_never_answers_is_given_up(
    authority: ThrowAwayAuthority,
) -> None:
    """A target that is silent in TLS's handshake is not reached within the time."""
    async with (
        Target() as target,
        Proxy(
            ("127.0.0.1", target.port),
            upstream_tls=authority.client_context(),
            connect_timeout=0.05,
        ) as proxy,
    ):
        client = await dial(proxy.port)
        await settled(lambda: 1 in proxy.links)
        link = proxy.links[1]
        await client.until(lambda wire: wire.has_fin or wire.is_lost)
        client.transport.abort()
        await client.gone()
        await settled(lambda: not proxy.links)
        assert link.unreachable.endswith("did not answer")


async def test_a_proxy_may_be_told_how_to_connect() -> None:
    """Whoever knows another way to the target is asked for a socket each time."""
    asked: list[tuple[str, int]] = []

    async with Target() as target:

        async def lead(host: str, port: int) -> socket.socket:
            asked.append((host, port))
            dialled = socket.create_connection(("127.0.0.1", target.port))
            dialled.setblocking(False)
            return dialled

        async with Proxy(("127.0.0.1", 9), mode="bytes", dial=lead) as proxy:
            client = await dial(proxy.port)
            server = await target.guest()
            client.send(b"there")
            await server.reads(b"there")
            server.send(b"back")
            await client.reads(b"back")
            client.transport.abort()
            await client.gone()
    assert asked == [("127.0.0.1", 9)]


async def test_a_way_that_leads_nowhere_ends_the_link() -> None:
    """What goes wrong on it is told as it is of any connection."""

    async def lead(host: str, port: int) -> socket.socket:
        raise ConnectionRefusedError("nobody there")

    async with Proxy(("127.0.0.1", 9), mode="bytes", dial=lead) as proxy:
        client = await dial(proxy.port)
        client.send(b"?")
        await client.until(has_fin)
        client.transport.abort()
        await settled(lambda: not proxy.links)
        assert proxy.statistics()["unreachable"] == 1


async def test_a_socket_that_cannot_be_used_is_closed() -> None:
    """Nobody else would close it."""
    dialled = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    dialled.setblocking(False)

    async def lead(host: str, port: int) -> socket.socket:
        return dialled

    async with Proxy(("127.0.0.1", 9), mode="bytes", dial=lead) as proxy:
        client = await dial(proxy.port)
        await client.until(has_fin)
        client.transport.abort()
        await settled(lambda: not proxy.links)
        assert proxy.statistics()["unreachable"] == 1
    assert dialled.fileno() == -1
