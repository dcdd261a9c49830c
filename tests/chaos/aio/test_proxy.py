"""The proxy: what it does to links, and what it leaves behind."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator

import pytest

from wavetank.chaos.aio import Proxy, WireLog
from wavetank.chaos.aio import proxy as proxy_module
from wavetank.chaos.bounds import TooMany
from wavetank.chaos.spec import read_spec
from wavetank.chaos.toxic import How
from wavetank.errors import LocalError, UsageError

from .wires import REQUEST, RESPONSE, Target, Wire, dial, frame, settled

pytestmark = pytest.mark.anyio

STALL = {"type": "stall", "name": "stop", "stream": "upstream"}


@contextlib.asynccontextmanager
async def joined(proxy: Proxy, target: Target) -> AsyncIterator[tuple[Wire, Wire]]:
    """Yield a client's end and the target's end of a new link."""
    client = await dial(proxy.port)
    try:
        yield client, await target.guest(len(target.wires) + 1)
    finally:
        client.transport.abort()
        await client.gone()


def to(target: Target) -> tuple[str, int]:
    """Return where a target is."""
    return "127.0.0.1", target.port


def open_files() -> int:
    """Return how many descriptors this process has."""
    return len(os.listdir("/proc/self/fd"))


async def upgrade(client: Wire, server: Wire) -> None:
    """Shake hands by hand."""
    client.send(REQUEST)
    await server.reads(REQUEST)
    server.send(RESPONSE)
    await client.reads(RESPONSE)


@pytest.mark.parametrize("mode", ["bytes", "frames"])
async def test_a_proxy_hands_bytes_on_in_both_directions(mode: str) -> None:
    """Whatever goes in on one side comes out on the other, byte for byte."""
    async with (
        Target() as target,
        Proxy(to(target), mode=mode) as proxy,
        joined(proxy, target) as (client, server),
    ):
        for payload in (b"no HTTP at all\r\n\r\n", bytes(range(256)) * 4000, b"!"):
            client.send(payload)
            await server.reads(payload)
            server.send(payload[::-1])
            await client.reads(payload[::-1])
        assert proxy.links[1].is_connected
        assert proxy.statistics()["received_upstream"] == 1_024_019
        assert proxy.statistics()["sent_downstream"] == 1_024_019


async def test_a_proxy_hands_a_websocket_on() -> None:
    """A handshake and frames go by, and are followed without being touched."""
    async with (
        Target() as target,
        Proxy(f"ws://127.0.0.1:{target.port}/x?y=1") as proxy,
        joined(proxy, target) as (client, server),
    ):
        await upgrade(client, server)
        server.send(frame(b"one") + frame(b"two"))
        await client.reads(frame(b"one") + frame(b"two"))
        assert proxy.url == f"ws://127.0.0.1:{proxy.port}/x?y=1"
        assert proxy.links[1].downstream.is_plain
        assert proxy.links[1].upstream.is_plain


async def test_a_toxic_stands_in_links_of_all_times() -> None:
    """It is in those that there are, and in those that come later."""
    async with Target() as target, Proxy(to(target)) as proxy:
        async with joined(proxy, target) as (client, server):
            spec = proxy.add({"type": "limit_data", "attributes": {"bytes": 3}})
            assert spec.name == "limit_data_downstream"
            assert proxy.toxics == (spec,)
            server.send(b"12345")
            await client.until(lambda wire: wire.has_fin)
            assert client.data == b"123"
        async with joined(proxy, target) as (client, server):
            server.send(b"123456")
            await client.until(lambda wire: wire.has_fin)
            assert client.data == b"123"


async def test_a_toxic_may_be_for_chosen_links_alone() -> None:
    """Other links never know of it, whether they were there before or came later."""
    async with (
        Target() as target,
        Proxy(to(target)) as proxy,
        joined(proxy, target) as (first, first_server),
    ):
        proxy.add(STALL, links={2})
        first.send(b"one")
        await first_server.reads(b"one")
        second = await dial(proxy.port)
        second.send(b"two")
        await settled(lambda: 2 in proxy.links and proxy.links[2].upstream.held == 3)
        proxy.remove("stop")
        server = await target.guest(2)
        await server.reads(b"two")
        second.transport.abort()
        await second.gone()


async def test_a_toxic_is_changed_and_taken_out_while_bytes_flow() -> None:
    """Nothing is lost or overtaken by the change itself."""
    async with (
        Target() as target,
        Proxy(to(target), mode="bytes") as proxy,
        joined(proxy, target) as (client, server),
    ):
        slow = {"type": "latency", "name": "slow", "stream": "upstream"}
        proxy.add({**slow, "attributes": {"latency": 3_600_000}})
        client.send(b"1")
        await settled(lambda: proxy.links[1].upstream.held == 1)
        changed = proxy.change("slow", {"attributes": {"latency": 0}})
        assert changed.attributes["latency"] == 0
        client.send(b"2")
        await settled(lambda: proxy.links[1].upstream.held == 2)
        proxy.remove("slow")
        client.send(b"3")
        await server.reads(b"123")
        assert proxy.toxics == ()
        assert proxy.links[1].upstream.is_plain


async def test_a_toxic_of_frames_is_added_in_the_middle_of_a_connection() -> None:
    """Frames are known from the next border on, wherever the last bytes ended."""
    async with (
        Target() as target,
        Proxy(to(target)) as proxy,
        joined(proxy, target) as (client, server),
    ):
        await upgrade(client, server)
        server.send(frame(b"one") + frame(b"two")[:3])
        await client.reads(frame(b"one") + frame(b"two")[:3])
        when = {"count": 1}
        proxy.add({"type": "drop", "name": "lose", "when": when})
        server.send(frame(b"two")[3:] + frame(b"three") + frame(b"four")[:2])
        await client.reads(frame(b"two")[3:])
        proxy.remove("lose")
        await client.reads(frame(b"four")[:2])
        server.send(frame(b"four")[2:])
        await client.reads(frame(b"four")[2:])
        assert proxy.links[1].downstream.is_plain


async def test_two_toxics_have_two_names() -> None:
    """A second one of the same name is refused, and says what to do."""
    async with Target() as target, Proxy(to(target)) as proxy:
        proxy.add(STALL)
        with pytest.raises(LocalError, match="there is a toxic stop already"):
            proxy.add(read_spec(STALL))
        with pytest.raises(LocalError, match="no toxic stopp; did you mean stop"):
            proxy.remove("stopp")
        with pytest.raises(LocalError, match="there is no toxic go"):
            proxy.change("go", {})
        with pytest.raises(UsageError, match="nothing is known of 'atributes'"):
            proxy.add({"type": "latency", "atributes": {}})


async def test_a_proxy_that_looks_at_bytes_refuses_toxics_of_frames() -> None:
    """It says what to do instead of doing nothing."""
    async with Target() as target, Proxy(to(target), mode="bytes") as proxy:
        with pytest.raises(LocalError, match="give it mode='frames'"):
            proxy.add({"type": "drop"})
        assert proxy.toxics == ()
    with pytest.raises(LocalError, match="give mode='frames'"):
        Proxy(to(target), mode="bytes", log=WireLog())
    with pytest.raises(UsageError, match="did you mean frames"):
        Proxy(to(target), mode="frame")


@pytest.mark.parametrize("count", [1, 40])
async def test_the_same_seed_gives_the_same_faults(count: int) -> None:
    """Which frames a link loses depends on seed and link alone, not on time."""

    async def lost(seed: int) -> list[bytes]:
        kept = []
        async with Target() as target, Proxy(to(target), seed=seed) as proxy:
            proxy.add({"type": "drop", "when": {"probability": 0.5}})
            for _ in range(2):
                async with joined(proxy, target) as (client, server):
                    await upgrade(client, server)
                    for number in range(0, 40, count):
                        numbers = range(number, number + count)
                        server.send(b"".join(frame(b"%02d" % one) for one in numbers))
                    server.transport.close()
                    await client.until(lambda wire: wire.has_fin)
                    kept.append(client.data)
        return kept

    first, again, other = await lost(1), await lost(1), await lost(2)
    assert first == again != other
    assert first[0] != first[1]


@pytest.mark.parametrize("how", [How.RST, "rst"])
async def test_a_cut_resets_both_sides(how: How | str) -> None:
    """Client and target see RST, and the link is over."""
    async with (
        Target() as target,
        Proxy(to(target)) as proxy,
        joined(proxy, target) as (client, server),
    ):
        assert proxy.cut(how) == 1
        await client.gone()
        await server.gone()
        assert client.was_reset
        assert server.was_reset
        await settled(lambda: not proxy.links)


async def test_a_cut_in_order_ends_both_sides_with_fin() -> None:
    """Client and target see the end of a file, and nothing of a reset."""
    async with (
        Target() as target,
        Proxy(to(target)) as proxy,
        joined(proxy, target) as (client, server),
    ):
        assert proxy.cut("fin") == 1
        for wire in (client, server):
            await wire.until(lambda wire: wire.has_fin)
            wire.transport.close()
            await wire.gone()
            assert wire.lost is None
        await settled(lambda: not proxy.links)


async def test_chosen_links_are_cut_and_others_are_not() -> None:
    """Numbers of links that are gone are no mistake: they may end at any moment."""
    async with (
        Target() as target,
        Proxy(to(target)) as proxy,
        joined(proxy, target) as (first, first_server),
        joined(proxy, target) as (second, _),
    ):
        assert proxy.cut(links={2, 17}) == 1
        await second.gone()
        first.send(b"still there")
        await first_server.reads(b"still there")
        with pytest.raises(UsageError, match="rst or fin"):
            proxy.cut("gone")


async def test_a_partition_holds_both_directions_and_gives_all_of_it_back() -> None:
    """Nobody is told of it; new clients are let in, and nothing answers them."""
    async with (
        Target() as target,
        Proxy(to(target)) as proxy,
        joined(proxy, target) as (client, server),
    ):
        async with proxy.partition():
            proxy.stall()
            assert len(proxy.toxics) == 2
            client.send(b"up")
            server.send(b"down")
            late = await dial(proxy.port)
            late.send(b"late")
            await settled(lambda: len(proxy.links) == 2)
            links = proxy.links
            await settled(lambda: links[2].upstream.held == 4)
            await settled(
                lambda: links[1].upstream.held == 2 and links[1].downstream.held == 4
            )
            assert len(target.wires) == 1
            assert client.data == server.data == b""
        proxy.heal()
        assert not proxy.toxics
        await server.reads(b"up")
        await client.reads(b"down")
        await (await target.guest(2)).reads(b"late")
        late.transport.abort()
        await late.gone()


async def test_who_leaves_in_a_partition_is_missed_after_it() -> None:
    """A reset of the client reaches the target when the partition is over."""
    async with (
        Target() as target,
        Proxy(to(target)) as proxy,
        joined(proxy, target) as (client, server),
    ):
        proxy.stall()
        client.reset()
        await settled(lambda: proxy.links[1].upstream.is_finished)
        assert not server.is_lost
        proxy.heal()
        await server.gone()
        assert server.was_reset


async def test_a_disabled_proxy_refuses_clients_and_keeps_its_port() -> None:
    """Its links are closed; nobody else gets the port; it can be enabled again."""
    async with Target() as target, Proxy(to(target)) as proxy:
        port = proxy.port
        async with joined(proxy, target) as (client, server):
            proxy.disable()
            assert not proxy.is_enabled
            await client.until(lambda wire: wire.has_fin)
            await server.until(lambda wire: wire.has_fin)
        with pytest.raises(ConnectionRefusedError):
            await dial(port)
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        proxy.enable()
        proxy.enable()
        assert proxy.port == port
        async with joined(proxy, target) as (client, server):
            client.send(b"again")
            await server.reads(b"again")


async def test_a_port_that_was_taken_meanwhile_is_told() -> None:
    """Somebody who insists on the port of a disabled proxy gets it, and is named."""
    async with Target() as target, Proxy(to(target)) as proxy:
        proxy.disable()
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", proxy.port))
            other.listen()
            with pytest.raises(LocalError, match="cannot listen on"):
                proxy.enable()
        proxy.reset()
        assert proxy.is_enabled


async def test_a_reset_takes_out_all_toxics_and_heals() -> None:
    """What toxics and a partition kept goes on."""
    async with (
        Target() as target,
        Proxy(to(target)) as proxy,
        joined(proxy, target) as (client, server),
    ):
        proxy.add(STALL)
        proxy.stall()
        client.send(b"kept")
        await settled(lambda: proxy.links[1].upstream.held == 4)
        proxy.reset()
        await server.reads(b"kept")
        assert proxy.toxics == ()


async def test_a_target_that_is_not_there_is_counted_and_the_client_closed() -> None:
    """The client sees what Toxiproxy shows: the end of its connection."""
    async with Target() as target:
        port = target.port
    async with Proxy(f"127.0.0.1:{port}") as proxy:
        client = await dial(proxy.port)
        await client.until(lambda wire: wire.has_fin or wire.is_lost)
        client.transport.abort()
        await client.gone()
        await settled(lambda: not proxy.links)
        assert proxy.statistics()["unreachable"] == 1
        assert proxy.statistics()["opened"] == 1


async def test_new_links_lead_where_the_proxy_was_redirected() -> None:
    """Links that stand stay where they are."""
    async with (
        Target() as old,
        Target() as new,
        Proxy(to(old)) as proxy,
        joined(proxy, old) as (first, first_server),
    ):
        proxy.redirect(f"tcp://127.0.0.1:{new.port}")
        assert proxy.upstream.port == new.port
        async with joined(proxy, new) as (second, second_server):
            first.send(b"old")
            second.send(b"new")
            await first_server.reads(b"old")
            await second_server.reads(b"new")


async def test_nothing_is_left_of_a_proxy() -> None:
    """Every socket and timer ends with it, whatever its links were doing."""
    async with Target() as target:
        before = open_files()
        proxy = Proxy(to(target))
        await proxy.start()
        with pytest.raises(LocalError, match="started already"):
            await proxy.start()
        clients = [await dial(proxy.port) for _ in range(5)]
        await target.guest(5)
        proxy.add({"type": "latency", "attributes": {"latency": 3_600_000}})
        for wire in target.wires:
            wire.send(b"x" * 1000)
        clients.append(await dial(proxy.port))
        proxy.stall()
        clients.append(await dial(proxy.port))
        await proxy.close()
        await proxy.close()
        assert not proxy.links
        for wire in [*clients, *target.wires]:
            await wire.gone()
        await settled(lambda: open_files() == before)


async def test_a_proxy_ends_when_its_task_is_cancelled() -> None:
    """Ctrl-C cancels the task in which it stands, and nothing stays behind."""
    async with Target() as target:
        before = open_files()
        begun = asyncio.Event()
        clients: list[Wire] = []

        async def serve() -> None:
            async with Proxy(to(target)) as proxy:
                clients.append(await dial(proxy.port))
                await target.guest()
                begun.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(serve())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for wire in [*clients, *target.wires]:
            await wire.gone()
        await settled(lambda: open_files() == before)


async def test_a_proxy_shows_what_it_is_doing() -> None:
    """Its repr names where it is, where it leads, its toxics; never a token."""
    async with Proxy("ws://[::1]:9/p?token=abc", listen=("localhost", 0)) as proxy:
        proxy.add(STALL)
        shown = repr(proxy)
        assert f":{proxy.port} -> [::1]:9/p?token=***" in shown
        assert "frames enabled, 0 links, stop" in shown
        proxy.disable()
        assert "disabled" in repr(proxy)


async def test_an_address_that_cannot_be_had_is_a_mistake_of_the_user() -> None:
    """It says which, and what to do."""
    async with Target() as target:
        proxy = Proxy(to(target), listen=("127.0.0.1", target.port))
        with pytest.raises(UsageError, match=f"127.0.0.1:{target.port}.*port 0"):
            await proxy.start()


async def test_ipv6_clients_are_let_in() -> None:
    """A URL has the address in brackets."""
    async with Target() as target:
        try:
            async with Proxy(to(target), listen=("::1", 0)) as proxy:
                assert proxy.url == f"ws://[::1]:{proxy.port}"
        except UsageError:
            pytest.skip("this machine has no IPv6")


async def test_a_url_with_tls_needs_no_context() -> None:
    """What the system trusts is trusted."""
    proxy = Proxy("wss://example.invalid/feed")
    assert proxy.upstream.tls
    assert proxy.upstream.port == 443


async def test_a_toxic_that_is_taken_out_tells_what_it_has_done() -> None:
    """On links that are over too; and a connection that it ends as it goes."""
    async with Target() as target, Proxy(to(target), mode="bytes") as proxy:
        proxy.add({"type": "timeout", "name": "hole"})
        proxy.add({"type": "latency", "name": "slow", "attributes": {"latency": 1}})
        async with joined(proxy, target) as (client, server):
            server.send(b"lost")
            await settled(lambda: proxy.links[1].downstream.received == 4)
            assert proxy.toxic_statistics()["hole"]["hurt"] == 1
            assert client.data == b""
            server.transport.abort()
        await settled(lambda: not proxy.links)
        async with joined(proxy, target) as (client, _):
            done = proxy.remove("hole")
            assert done["hurt"] == 2  # with the end that it makes as it goes
            assert set(done) == {"seen", "chosen", "hurt", "unread"}
            await client.until(lambda wire: wire.has_fin)
        assert proxy.remove("slow")["hurt"] >= 1


async def test_a_toxic_that_has_done_nothing_has_counts_all_the_same() -> None:
    """Who asks whether it has hurt anything is told 0, before and behind all links."""
    nothing = {"seen": 0, "chosen": 0, "hurt": 0, "unread": 0}
    async with Target() as target, Proxy(to(target)) as proxy:
        proxy.add({"type": "noop", "name": "idle"})
        assert proxy.toxic_statistics() == {"idle": nothing}
        async with joined(proxy, target) as (_, server):
            server.transport.abort()
        await settled(lambda: not proxy.links)
        done = proxy.toxic_statistics()["idle"]
        assert dict(done) == nothing | {"seen": done["seen"], "chosen": done["seen"]}


async def test_there_is_no_end_of_toxics(monkeypatch: pytest.MonkeyPatch) -> None:
    """A partition always finds room."""
    monkeypatch.setattr(proxy_module, "MOST_TOXICS", 1)
    async with Target() as target, Proxy(to(target)) as proxy:
        proxy.add(STALL)
        with pytest.raises(TooMany, match="toxic noop_downstream: a proxy has 1 "):
            proxy.add({"type": "noop"})
        proxy.stall()
        assert len(proxy.toxics) == 3


async def test_who_is_too_many_is_let_go_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody hangs, and the others go on; there is room again for the next."""
    monkeypatch.setattr(proxy_module, "MOST_LINKS", 1)
    async with Target() as target, Proxy(to(target), mode="bytes") as proxy:
        async with joined(proxy, target) as (client, server):
            other = await dial(proxy.port)
            await other.until(lambda wire: wire.has_fin or wire.is_lost)
            other.transport.abort()
            client.send(b"on")
            await server.reads(b"on")
            counts = proxy.statistics()
            assert (counts["opened"], counts["turned_away"]) == (1, 1)
            server.transport.abort()
        await settled(lambda: not proxy.links)
        async with joined(proxy, target) as (client, server):
            client.send(b"again")
            await server.reads(b"again")


async def test_many_links_are_opened_and_cut_at_once() -> None:
    """Each is over for both of its ends, and nothing of it is left."""
    async with Target() as target, Proxy(to(target)) as proxy:
        before = open_files()
        for _ in range(2):
            clients = await asyncio.gather(*(dial(proxy.port) for _ in range(200)))
            cut = proxy.cut()
            for client in clients:
                client.send(b"x")
            await settled(lambda: not proxy.links)
            for client in clients:
                client.transport.abort()
                await client.gone()
            assert 0 <= cut <= 200

        def is_all_over() -> bool:
            # Who was let go before it was ours has FIN, and nothing else.
            for wire in target.wires:
                if wire.has_fin and not wire.is_lost:
                    wire.transport.abort()
            return open_files() <= before

        await settled(is_all_over)
