"""The control interface: what is done, and what is answered."""

import socket
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from wavetank import __version__
from wavetank.chaos.aio import proxies as proxies_module
from wavetank.chaos.aio import proxy as proxy_module
from wavetank.chaos.aio.desk import Desk
from wavetank.chaos.aio.proxies import Proxies
from wavetank.chaos.control import API_VERSION, Action, Answer, Call

from .wires import REQUEST, RESPONSE, Target, dial, frame, settled

pytestmark = pytest.mark.anyio

ORDER = {"name": "a", "upstream": "127.0.0.1:9"}


class Caller:
    """Calls, and reads what is answered."""

    def __init__(self) -> None:
        self.proxies = Proxies()
        self.desk = Desk(self.proxies)

    async def ask(self, action: Action, status: int = 200, **fields: Any) -> Any:
        """Call, expect a status, and return what the answer says."""
        told = await self.desk.answer(Call(action=action, **fields))
        assert told.status == status, told.body
        return msgspec.json.decode(told.body) if told.body else None

    async def create(self, **more: object) -> Any:
        """Create a proxy."""
        return await self.ask(Action.CREATE_PROXY, 201, given={**ORDER, **more})


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    """A caller, and no proxies yet."""
    caller = Caller()
    async with caller.proxies:
        yield caller


async def test_a_proxy_is_created_shown_and_deleted(caller: Caller) -> None:
    """With the port that it got, in all three places where it is shown."""
    made = await caller.create()
    port = caller.proxies["a"].port
    assert made["listen"] == f"127.0.0.1:{port}"
    assert made["enabled"] is True
    assert await caller.ask(Action.SHOW_PROXY, proxy="a") == made
    assert await caller.ask(Action.LIST_PROXIES) == {"a": made}
    assert repr(caller.desk) == "<Desk of <Proxies a>>"
    assert await caller.ask(Action.DELETE_PROXY, 204, proxy="a") is None
    assert await caller.ask(Action.LIST_PROXIES) == {}


async def test_a_proxy_that_cannot_be_created_is_refused(caller: Caller) -> None:
    """With Toxiproxy's status: it stands already, is wrong, or its port is taken."""
    await caller.create()
    told = await caller.ask(Action.CREATE_PROXY, 409, given=ORDER)
    assert told == {"error": "proxy already exists", "status": 409}
    wrong = {**ORDER, "name": "b", "upstream": "nowhere"}
    told = await caller.ask(Action.CREATE_PROXY, 400, given=wrong)
    assert "a port is missing" in told["problems"][0]
    await caller.ask(Action.CREATE_PROXY, 400, given={"name": "b"})
    with socket.create_server(("127.0.0.1", 0)) as server:
        listen = f"127.0.0.1:{server.getsockname()[1]}"
        given = {**ORDER, "name": "b", "listen": listen}
        told = await caller.ask(Action.CREATE_PROXY, 500, given=given)
    assert "cannot listen on" in told["error"]


async def test_a_proxy_is_changed(caller: Caller) -> None:
    """Down is a proxy that is not enabled; toxics beside it are passed over."""
    await caller.create()
    given = {"enabled": False, "toxics": []}
    told = await caller.ask(Action.CHANGE_PROXY, proxy="a", given=given)
    assert told["enabled"] is False
    assert not caller.proxies["a"].is_enabled
    told = await caller.ask(Action.CHANGE_PROXY, 400, proxy="a", given={"mode": 1})
    assert told["error"].startswith("bad request body: proxy a, mode: '1' is not")


async def test_proxies_are_populated(caller: Caller) -> None:
    """As often as one likes."""
    orders = [ORDER, {"name": "b", "upstream": "127.0.0.1:9"}]
    first = await caller.ask(Action.POPULATE, 201, given=orders)
    assert [proxy["name"] for proxy in first["proxies"]] == ["a", "b"]
    assert await caller.ask(Action.POPULATE, 201, given=orders) == first


async def test_what_cannot_be_populated_is_told(caller: Caller) -> None:
    """Nothing is created of a list with a mistake; of another, what was possible."""
    orders = [ORDER, {"name": "b"}]
    told = await caller.ask(Action.POPULATE, 400, given=orders)
    assert told["error"] == "missing required field: upstream at proxy 2"
    assert told["proxies"] == []
    orders = [ORDER, {"name": "b", "upstream": "nowhere"}]
    await caller.ask(Action.POPULATE, 400, given=orders)
    assert len(caller.proxies) == 0
    with socket.create_server(("127.0.0.1", 0)) as server:
        listen = f"127.0.0.1:{server.getsockname()[1]}"
        orders = [ORDER, {**ORDER, "name": "b", "listen": listen}]
        told = await caller.ask(Action.POPULATE, 500, given=orders)
    assert [proxy["name"] for proxy in told["proxies"]] == ["a"]


@pytest.mark.parametrize(
    "action",
    [action for action in Action if "toxic" in action and "prox" not in action],
)
async def test_what_is_not_there_is_not_found(caller: Caller, action: Action) -> None:
    """A proxy, or a toxic of a proxy that is there."""
    told = await caller.ask(action, 404, proxy="x", toxic="t", given={})
    assert told == {"error": "proxy not found", "status": 404}
    if action is not Action.ADD_TOXIC:
        await caller.create()
        told = await caller.ask(action, 404, proxy="a", toxic="t", given={})
        assert told == {"error": "toxic not found", "status": 404}


async def test_toxics_come_change_and_go(caller: Caller) -> None:
    """Each answer shows the toxic as it was understood."""
    await caller.create()
    given = {"type": "latency", "attributes": {"latency": 100}}
    added = await caller.ask(Action.ADD_TOXIC, proxy="a", given=given)
    assert added["name"] == "latency_downstream"
    assert added["attributes"]["jitter"] == 0
    here = {"proxy": "a", "toxic": "latency_downstream"}
    assert await caller.ask(Action.SHOW_TOXIC, **here) == added
    change = {"attributes": {"jitter": 5}, "toxicity": 0.5}
    changed = await caller.ask(Action.CHANGE_TOXIC, **here, given=change)
    assert changed["attributes"]["latency"] == 100
    assert changed["toxicity"] == 0.5
    assert await caller.ask(Action.LIST_TOXICS, proxy="a") == [changed]
    await caller.ask(Action.REMOVE_TOXIC, 204, **here)
    assert await caller.ask(Action.LIST_TOXICS, proxy="a") == []


async def test_a_toxic_that_cannot_be_is_refused(caller: Caller) -> None:
    """A name that is taken, a type that nobody knows, frames where there are none."""
    await caller.create(mode="bytes")
    given = {"type": "latency"}
    await caller.ask(Action.ADD_TOXIC, proxy="a", given=given)
    told = await caller.ask(Action.ADD_TOXIC, 409, proxy="a", given=given)
    assert told == {"error": "toxic already exists", "status": 409}
    told = await caller.ask(Action.ADD_TOXIC, 400, proxy="a", given={"type": "x"})
    assert told["error"] == "invalid toxic type"
    told = await caller.ask(Action.ADD_TOXIC, 400, proxy="a", given={"type": "drop"})
    assert "drop is for frames" in told["error"]
    here = {"proxy": "a", "toxic": "latency_downstream"}
    wrong = {"attributes": {"latncy": 1}}
    told = await caller.ask(Action.CHANGE_TOXIC, 400, **here, given=wrong)
    assert "did you mean latency?" in told["problems"][0]


async def test_reset_heals_everything(caller: Caller) -> None:
    """Proxies are enabled, toxics are gone."""
    await caller.create(enabled=False)
    await caller.ask(Action.ADD_TOXIC, proxy="a", given={"type": "noop"})
    await caller.ask(Action.RESET, 204)
    shown = await caller.ask(Action.SHOW_PROXY, proxy="a")
    assert (shown["enabled"], shown["toxics"]) == (True, [])


async def test_a_port_that_was_lost_meanwhile_is_told(caller: Caller) -> None:
    """Somebody else listens where a disabled proxy was."""
    await caller.create(enabled=False)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(caller.proxies["a"].address)
        other.listen()
        told = await caller.ask(Action.RESET, 500)
    assert "cannot listen on" in told["error"]


async def test_the_version_is_toxiproxys_and_ours(caller: Caller) -> None:
    """Clients look at the first one."""
    told = await caller.ask(Action.VERSION)
    assert told == {"version": API_VERSION, "wavetank": __version__}


async def test_counts_are_told_to_prometheus(caller: Caller) -> None:
    """As text."""
    told = await caller.desk.answer(Call(action=Action.METRICS))
    assert told.kind.startswith("text/plain")
    assert b"toxiproxy_proxy_received_bytes_total" in told.body


async def test_links_are_listed_and_cut(caller: Caller) -> None:
    """All of them, or those that are named."""
    async with Target() as target:
        await caller.create(upstream=f"127.0.0.1:{target.port}")
        client = await dial(caller.proxies["a"].port)
        client.send(b"hello")
        await (await target.guest()).reads(b"hello")
        (link,) = await caller.ask(Action.LIST_LINKS, proxy="a")
        assert (link["number"], link["connected"]) == (1, True)
        assert link["upstream"] == {
            "received": 5,
            "sent": 5,
            "held": 0,
            "toxics": {},
        }
        given: dict[str, object] = {"links": [7]}
        told = await caller.ask(Action.CUT, proxy="a", given=given)
        assert told == {"cut": 0}
        told = await caller.ask(Action.CUT, proxy="a", given={})
        assert told == {"cut": 1}
        await client.gone()
        assert client.was_reset
        await settled(lambda: not caller.proxies["a"].links)
        assert await caller.ask(Action.LIST_LINKS, proxy="a") == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"how": "gone"}, "with rst or fin, not with 'gone'"),
        ({"how": ["rst"]}, "with rst or fin, not with"),
        ({"links": 1}, "a list of numbers"),
        ({"links": [True]}, "a list of numbers"),
        ({"link": [1]}, "'link' is not known"),
    ],
)
async def test_a_cut_that_cannot_be_is_refused(
    caller: Caller, given: dict[str, object], words: str
) -> None:
    """And nothing is cut."""
    await caller.create()
    told = await caller.ask(Action.CUT, 400, proxy="a", given=given)
    assert words in told["problems"][0]


async def test_a_wire_log_is_told_line_by_line(caller: Caller) -> None:
    """Each frame with its fate, and how many are not in it any more."""
    async with Target() as target:
        upstream = f"127.0.0.1:{target.port}"
        await caller.create(upstream=upstream, wire_log=True)
        client = await dial(caller.proxies["a"].port)
        client.send(REQUEST)
        server = await target.guest()
        await server.reads(REQUEST)
        frames = frame(b"x") * 600
        server.send(RESPONSE + frames)
        await client.reads(RESPONSE + frames)
        told = await caller.desk.answer(Call(action=Action.WIRE_LOG, proxy="a"))
        client.transport.abort()
    lines = [msgspec.json.decode(line) for line in told.body.splitlines()]
    assert len(lines) == 600
    assert {line["fate"] for line in lines} == {"passed"}
    assert told.kind == "application/x-ndjson"
    assert told.headers == (("Wavetank-Dropped", "0"),)


async def test_a_proxy_without_a_wire_log_says_so(caller: Caller) -> None:
    """And how to have one."""
    await caller.create()
    told = await caller.ask(Action.WIRE_LOG, 404, proxy="a")
    assert "wire_log: true" in told["error"]
    assert isinstance(await caller.desk.answer(Call(action=Action.VERSION)), Answer)


async def test_more_than_there_may_be_is_refused(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a mistake in the request, in Toxiproxy's shape; nothing else changes."""
    monkeypatch.setattr(proxies_module, "MOST_PROXIES", 1)
    monkeypatch.setattr(proxy_module, "MOST_TOXICS", 1)
    await caller.create()
    other = {**ORDER, "name": "b"}
    told = await caller.ask(Action.CREATE_PROXY, 400, given=other)
    assert told["error"] == "bad request body: there may be 1 proxies; delete some"
    told = await caller.ask(Action.POPULATE, 400, given=[ORDER, other])
    assert told["problems"] == ["there may be 1 proxies; delete some"]
    assert told["proxies"] == []
    await caller.ask(Action.ADD_TOXIC, proxy="a", given={"type": "noop", "name": "x"})
    one = {"type": "noop", "name": "y"}
    told = await caller.ask(Action.ADD_TOXIC, 400, proxy="a", given=one)
    assert "toxic y: a proxy has 1 toxics at most; remove some" in told["error"]
    assert len(await caller.ask(Action.LIST_TOXICS, proxy="a")) == 1


async def test_the_counts_of_a_proxy_say_what_its_toxics_have_done(
    caller: Caller,
) -> None:
    """A toxic that was for nothing that came has hurt nothing."""
    async with Target() as target:
        await caller.create(upstream=f"127.0.0.1:{target.port}")
        for kind in ("drop", "duplicate"):
            given = {"type": kind, "name": kind, "when": {"opcodes": ["text"]}}
            await caller.ask(Action.ADD_TOXIC, proxy="a", given=given)
        client = await dial(caller.proxies["a"].port)
        server = await target.guest()
        client.send(REQUEST)
        await server.reads(REQUEST)
        server.send(RESPONSE + frame(b"text") + frame(b"more", 0x82))
        await client.reads(RESPONSE + frame(b"more", 0x82))
        told = await caller.ask(Action.COUNTS, proxy="a")
        client.transport.abort()
        await client.gone()
    assert (told["opened"], told["open"], told["turned_away"]) == (1, 1, 0)
    assert told["received_upstream"] == len(REQUEST)
    drop = {"seen": 3, "chosen": 1, "hurt": 1, "unread": 0}
    assert told["toxics"]["drop"] == drop
    assert told["toxics"]["duplicate"] == {**drop, "seen": 2, "chosen": 0, "hurt": 0}
