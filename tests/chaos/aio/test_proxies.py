"""All proxies of a process: created, changed, deleted, reset."""

import contextlib
import io
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from wavetank.chaos.aio import Proxy
from wavetank.chaos.aio import proxies as proxies_module
from wavetank.chaos.aio.proxies import CannotListen, Proxies, address_problems
from wavetank.chaos.aio.recorder import Recorder
from wavetank.chaos.bounds import TooMany
from wavetank.chaos.reading import ProxySpec
from wavetank.chaos.spec import read_spec
from wavetank.errors import LocalError, UsageError
from wavetank.net.tls import ThrowAwayAuthority

from .wires import Target, Wire, dial

pytestmark = pytest.mark.anyio

LATENCY = read_spec({"type": "latency", "attributes": {"latency": 5, "jitter": 0.5}})
DROP = read_spec({"name": "acks", "type": "drop", "toxicity": 0.5, "when": {}})


def spec(name: str = "a", upstream: str = "127.0.0.1:9", **more: object) -> ProxySpec:
    """Return what is asked for."""
    return ProxySpec(name=name, upstream=upstream, **more)  # type: ignore[arg-type]


def to(target: Target) -> str:
    """Return where a target is."""
    return f"127.0.0.1:{target.port}"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@contextlib.asynccontextmanager
async def dialled(proxy: Proxy) -> AsyncIterator[Wire]:
    """Yield a client's end."""
    client = await dial(proxy.port)
    try:
        yield client
    finally:
        client.transport.abort()
        await client.gone()


async def test_a_proxy_is_created_as_it_was_asked_for() -> None:
    """With its toxics; what stands is told, with the port that it got."""
    told: list[str] = []
    async with Proxies(seed=7, tell=told.append) as proxies:
        upstream = "ws://127.0.0.1:9/x?token=secret"
        proxy = await proxies.create(spec(upstream=upstream, toxics=(LATENCY, DROP)))
        assert list(proxies) == ["a"]
        assert len(proxies) == 1
        assert proxies["a"] is proxy
        stands = proxies.spec("a")
        assert stands.listen == ("127.0.0.1", proxy.port)
        assert (stands.seed, stands.enabled, stands.wire_log) == (7, True, False)
        assert stands.toxics == (LATENCY, DROP)
        assert repr(proxies) == "<Proxies a>"
        where = f"ws://127.0.0.1:{proxy.port}/x?token=***"
    assert told == [
        f"a: listens on {where}, leads to ws://127.0.0.1:9/x?token=***",
        "a: latency (downstream latency=5 jitter=0.5)",
        "a: drop called acks (downstream toxicity=0.5 for chosen frames)",
    ]


async def test_a_proxy_may_be_created_disabled() -> None:
    """It has its port, and nobody is let in until it is enabled."""
    async with Target() as target, Proxies() as proxies:
        proxy = await proxies.create(spec(upstream=to(target), enabled=False))
        with pytest.raises(ConnectionRefusedError):
            await dial(proxy.port)
        await proxies.change("a", {"enabled": True})
        async with dialled(proxy) as client:
            client.send(b"hello")
            await (await target.guest()).reads(b"hello")


async def test_two_proxies_never_share_a_name(taken: int) -> None:
    """Nor does one stand that could not listen."""
    async with Proxies() as proxies:
        await proxies.create(spec())
        with pytest.raises(LocalError, match="there is a proxy a already"):
            await proxies.create(spec())
        with pytest.raises(CannotListen, match="cannot listen on"):
            await proxies.create(spec("b", listen=("127.0.0.1", taken)))
        assert list(proxies) == ["a"]
        assert repr(Proxies()) == "<Proxies none>"


async def test_another_target_ends_the_links_that_there_are() -> None:
    """The port stays, toxics stay, and whoever comes again is led elsewhere."""
    async with Target() as old, Target() as new, Proxies() as proxies:
        proxy = await proxies.create(spec(upstream=to(old)))
        proxies.add("a", LATENCY)
        async with dialled(proxy) as client:
            await old.guest()
            await proxies.change("a", {"upstream": to(new)})
            await client.until(lambda wire: wire.has_fin or wire.is_lost)
        async with dialled(proxies["a"]) as client:
            client.send(b"hello")
            await (await new.guest()).reads(b"hello")
        assert proxies["a"] is proxy
        assert proxies.spec("a").upstream == to(new)
        assert proxies.spec("a").toxics == (LATENCY,)


@pytest.mark.parametrize(
    "given",
    [
        {"listen": "127.0.0.1:0"},
        {"seed": 9},
        {"mode": "bytes"},
        {"wire_log": True},
        {"upstream": "wss://127.0.0.1:9"},
    ],
)
async def test_what_a_proxy_cannot_change_makes_another_one(
    given: dict[str, object],
) -> None:
    """With the same name and the same toxics, and the same port unless another."""
    async with Proxies() as proxies:
        old = await proxies.create(spec(toxics=(LATENCY,)))
        port = old.port
        await proxies.change("a", given)
        new = proxies["a"]
        assert new is not old
        assert not old.is_enabled
        assert (new.port == port) == ("listen" not in given)
        assert new.toxics == (LATENCY,)
        assert new.seed == given.get("seed", 0)
        assert new.mode == given.get("mode", "frames")
        assert (new.log is not None) == ("wire_log" in given)


async def test_a_change_that_cannot_be_changes_nothing(taken: int) -> None:
    """Not even half of it."""
    async with Proxies() as proxies:
        proxy = await proxies.create(spec(toxics=(DROP,)))
        before = proxies.spec("a")
        with pytest.raises(UsageError, match="its toxics acks are for frames"):
            await proxies.change("a", {"mode": "bytes"})
        with pytest.raises(UsageError, match="a port is missing"):
            await proxies.change("a", {"upstream": "nowhere", "enabled": False})
        with pytest.raises(UsageError, match="did you mean seed"):
            await proxies.change("a", {"sed": 1, "enabled": False})
        with pytest.raises(CannotListen):
            await proxies.change("a", {"listen": f"127.0.0.1:{taken}"})
        assert proxies.spec("a") == before
        assert proxies["a"] is proxy
        assert proxy.is_enabled


async def test_a_proxy_that_loses_its_port_to_a_change_is_gone() -> None:
    """It has let go of the port, and could not have it under its new address."""
    told: list[str] = []
    async with Proxies(tell=told.append) as proxies:
        proxy = await proxies.create(spec())
        with pytest.raises(CannotListen):
            await proxies.change("a", {"listen": f"192.0.2.1:{proxy.port}"})
        assert list(proxies) == []
    assert told[-1] == "a: gone, it could not listen again"


async def test_what_nobody_knows_is_told() -> None:
    """Each asks for a proxy by its name."""
    async with Proxies() as proxies:
        with pytest.raises(LocalError, match="there is no proxy a"):
            await proxies.delete("a")
        with pytest.raises(LocalError, match="there is no proxy a"):
            await proxies.change("a", {})
        with pytest.raises(LocalError, match="there is no proxy a"):
            proxies.add("a", LATENCY)
        assert "a" not in proxies


async def test_a_deleted_proxy_ends_its_links_and_gives_its_port_back() -> None:
    """Another one can have it."""
    async with Target() as target, Proxies() as proxies:
        proxy = await proxies.create(spec(upstream=to(target)))
        client = await dial(proxy.port)
        await target.guest()
        await proxies.delete("a")
        await client.gone()
        await proxies.create(spec("b", listen=proxy.address))
        assert list(proxies) == ["b"]


async def test_populate_leaves_what_stands_where_it_is_wanted() -> None:
    """Its toxics too, though the port that it was to take was any; others go."""
    async with Proxies() as proxies:
        wanted = [spec("a"), spec("b")]
        assert await proxies.populate(wanted) == ["a", "b"]
        first, second = proxies["a"], proxies["b"]
        proxies.add("a", LATENCY)
        other = spec("b", upstream="127.0.0.1:10", listen=second.address)
        asked = [spec("a", listen=first.address), other]
        assert await proxies.populate(asked) == ["a", "b"]
        assert proxies["a"] is first
        assert first.toxics == (LATENCY,)
        assert proxies["b"] is not second
        assert proxies["b"].port == second.port
        await proxies.populate(wanted[:1])
        assert proxies["a"] is first


async def test_populate_does_nothing_where_a_target_is_none() -> None:
    """Every mistake is told, and those that were right are not created either."""
    asked = [spec("a"), spec("b", upstream="x"), spec("c", upstream="y")]
    async with Proxies() as proxies:
        with pytest.raises(UsageError) as caught:
            await proxies.populate(asked)
        assert len(caught.value.problems) == 2
        assert len(proxies) == 0


async def test_reset_takes_toxics_out_and_lets_clients_in() -> None:
    """Everywhere."""
    told: list[str] = []
    async with Proxies(tell=told.append) as proxies:
        await proxies.populate([spec("a", toxics=(LATENCY,)), spec("b")])
        await proxies.change("b", {"enabled": False})
        proxies.reset()
        assert proxies["b"].is_enabled
        assert proxies["a"].toxics == ()
    assert told[-3:] == ["b: disabled", "a: reset", "b: reset"]


async def test_toxics_come_and_go_by_name() -> None:
    """What is done is told, what cannot be raises."""
    told: list[str] = []
    async with Proxies(tell=told.append) as proxies:
        await proxies.create(spec())
        proxies.add("a", LATENCY)
        changed = proxies.change_toxic("a", LATENCY.name, {"attributes": {"jitter": 0}})
        assert changed.attributes["jitter"] == 0
        proxies.remove("a", LATENCY.name)
        with pytest.raises(LocalError, match="there is no toxic"):
            proxies.remove("a", LATENCY.name)
    assert told[1:] == [
        "a: latency (downstream latency=5 jitter=0.5) added",
        "a: latency (downstream latency=5) changed",
        "a: latency_downstream removed",
    ]


async def test_links_are_cut_by_number() -> None:
    """Others stay; how many were cut is told."""
    told: list[str] = []
    async with Target() as target, Proxies(tell=told.append) as proxies:
        proxy = await proxies.create(spec(upstream=to(target)))
        async with dialled(proxy) as first, dialled(proxy) as second:
            await target.guest(2)
            assert proxies.cut("a", "rst", [1]) == 1
            await first.gone()
            assert proxies.cut("a", "fin") == 1
            await second.until(lambda wire: wire.has_fin)
    assert told[-2:] == ["a: 1 links cut with rst", "a: 1 links cut with fin"]


async def test_tls_is_spoken_with_targets_whose_url_says_so() -> None:
    """And with clients, where there is a certificate; wire logs are kept as asked."""
    with ThrowAwayAuthority() as authority:
        ours, theirs = authority.client_context(), authority.server_context()
        async with (
            Target(tls=theirs) as target,
            Proxies(
                upstream_tls=ours,
                listen_tls=theirs,
                recorder=Recorder(io.BytesIO()),
            ) as proxies,
        ):
            url = f"wss://localhost:{target.port}/"
            proxy = await proxies.create(spec(upstream=url))
            client = await dial(proxy.port, ours)
            client.send(b"hello")
            await (await target.guest()).reads(b"hello")
            client.transport.abort()
            assert proxy.log is not None
            plain = await proxies.create(spec("b", wire_log=False))
            assert plain.log is None
            assert (await proxies.create(spec("c", mode="bytes"))).log is None


def test_addresses_are_judged_before_anything_listens() -> None:
    """Targets that are none, and two who want one port; free ports are for all."""
    specs = [
        spec("a", listen=("127.0.0.1", 7)),
        spec("b", listen=("127.0.0.1", 7)),
        spec("c", upstream="ftp://x:1"),
        spec("d", upstream=""),
    ]
    problems = address_problems(specs)
    assert len(problems) == 2
    assert problems[0] == "proxy b: proxy a listens on 127.0.0.1:7 already"
    assert "proxy c: upstream ftp://x:1: its scheme" in problems[1]


async def test_there_is_no_end_of_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that stand already take no more room; a list is refused as a whole."""
    monkeypatch.setattr(proxies_module, "MOST_PROXIES", 2)
    async with Proxies() as proxies:
        await proxies.populate([spec("a"), spec("b")])
        await proxies.populate([spec("b"), spec("a")])
        with pytest.raises(TooMany, match="there may be 2 proxies; delete some"):
            await proxies.create(spec("c"))
        await proxies.delete("a")
        with pytest.raises(TooMany):
            await proxies.populate([spec("c"), spec("d")])
        assert list(proxies) == ["b"]
