"""Faults of links: nothing goes by, or what should not; and then it does again."""

import itertools

import pytest

from wavetank.errors import RemoteError, UsageError
from wavetank.evidence import FaultBegan, Record
from wavetank.lab.faults import Chaos
from wavetank.net import NotReached
from wavetank.wrecks import SoundServer

from .breaking import NEVER, told
from .talks import DEADLINE, until

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("how", ["rst", "fin"])
async def test_a_cut_ends_links_and_is_over_at_once(
    calm: Chaos, records: list[Record], how: str
) -> None:
    """All of them, or those that are named; whoever was cut may come again."""
    first, second = await calm.peers.open_many(2)
    number = calm.link_of(second)
    assert number is not None
    assert calm.cut(how, links=[number]) == 1
    with pytest.raises(RemoteError):
        await second.next_event(within=DEADLINE)
    await first.ping(within=DEADLINE)
    assert calm.cut(how) == 1
    with pytest.raises(RemoteError):
        await first.next_event(within=DEADLINE)
    await until(lambda: not calm.proxy.links)
    assert calm.link_of(first) is None
    assert calm.link_of(None) is None
    await (await calm.peers.open()).ping(within=DEADLINE)
    assert told(records) == [
        ("began", "cut"),
        ("healed", "cut"),
        ("began", "cut-2"),
        ("healed", "cut-2"),
    ]
    began = [one for one in records if isinstance(one, FaultBegan)]
    assert [one.where for one in began] == [f"links {number}", "all links"]


async def test_nothing_goes_by_in_a_partition(
    calm: Chaos, records: list[Record]
) -> None:
    """New connections hang; what was kept comes after the heal."""
    conversation = await calm.peers.open_to_itself()
    async with calm.partition() as name:
        async with calm.partition():
            assert calm.log.on == [name, "partition-2"]
        with pytest.raises(TimeoutError):
            await conversation.ping(within=NEVER)
        with pytest.raises(TimeoutError):
            await calm.peers.open(within=NEVER)
    await conversation.ping(within=DEADLINE)
    assert calm.proxy.toxics == ()
    assert told(records)[-1] == ("healed", "partition")


async def test_connections_are_refused_while_it_is_offline(calm: Chaos) -> None:
    """The port stays the same; two that overlap end with the second one."""
    conversation = await calm.peers.open()
    first = await calm.begin("offline")
    second = await calm.begin("offline")
    with pytest.raises(RemoteError):
        await conversation.next_event(within=DEADLINE)
    await calm.heal(first)
    with pytest.raises(NotReached):
        await calm.peers.open(within=DEADLINE)
    await calm.heal(second)
    await (await calm.peers.open(within=DEADLINE)).ping(within=DEADLINE)
    async with calm.offline():
        assert not calm.proxy.is_enabled


async def test_half_open_links_are_dead_and_nobody_is_told(
    calm: Chaos, own_server: SoundServer
) -> None:
    """The target's side ends; whoever comes again has a link that works."""
    conversation = await calm.peers.open()
    async with calm.half_open():
        with pytest.raises(TimeoutError):
            await conversation.ping(within=NEVER)
        await until(lambda: own_server.open_count() == 0)
        assert conversation.peer.is_open
        again = await calm.peers.open()
        await again.ping(within=DEADLINE)
        number = calm.link_of(again)
        assert number is not None
        async with calm.half_open(stream="upstream", links=[number]):
            again.peer.abort()


async def test_a_toxic_is_in_the_links_as_long_as_its_block_takes(
    calm: Chaos, records: list[Record]
) -> None:
    """What it is like is on record: attributes, toxicity, seed."""
    async with calm.toxic(
        "latency", stream="upstream", toxicity=0.5, latency=10, jitter=2
    ):
        (spec,) = calm.proxy.toxics
        assert spec.attributes["latency"] == 10
    assert calm.proxy.toxics == ()
    (began, _) = records
    assert isinstance(began, FaultBegan)
    assert began.where == "all links upstream"
    assert began.seed == 5
    assert began.attributes == {
        "latency": 10.0,
        "jitter": 2.0,
        "distribution": "uniform",
        "toxicity": 0.5,
    }
    when = {"opcodes": ["text"], "count": 1}
    async with calm.toxic("drop", when=when, links=[3]):
        (spec,) = calm.proxy.toxics
        assert spec.when is not None
        assert spec.when.count == 1
    assert told(records)[2:] == [("began", "drop"), ("healed", "drop")]
    async with calm.toxic("negotiation", subprotocol="other"):
        assert calm.log.spells[-1].what == "negotiation"


async def test_faults_that_find_nothing_to_break_are_noted(calm: Chaos) -> None:
    """Each of them in its way; whoever comes meanwhile is hit."""
    calm.log._now = itertools.count(1.0).__next__
    calm.cut()
    for what in ("partition", "offline", "latency", "half_open"):
        async with calm.fault(what):
            pass
    assert calm.log.in_vain == [
        "cut",
        "half_open",
        "latency",
        "offline",
        "partition",
    ]
    async with calm.fault("latency", {"latency": 1}):
        await calm.peers.open()
    calm.cut()
    assert calm.log.in_vain == ["half_open", "offline", "partition"]


async def test_a_toxic_that_hurts_nothing_is_noted_as_a_miss(calm: Chaos) -> None:
    """It had a link, and what went by there was not what it is for.

    It was taken for a hit once, and proofs rested on faults that had changed nothing.
    """
    calm.log._now = itertools.count(1.0).__next__
    conversation = await calm.peers.open()
    async with calm.toxic("drop", when={"opcodes": ["binary"]}):
        await conversation.ping(within=DEADLINE)
    assert calm.log.in_vain == ["drop"]
    async with calm.toxic("delay", when={"opcodes": ["pong"]}, delay=1):
        await conversation.ping(within=DEADLINE)
    assert calm.log.in_vain == ["drop"]


async def test_a_cut_of_a_schedule_is_over_when_it_is_healed(calm: Chaos) -> None:
    """In a way that there is; another one is a mistake, and cuts nobody."""
    conversation = await calm.peers.open()
    with pytest.raises(UsageError, match="how=fin, not with 'softly'"):
        await calm.begin("cut", {"how": "softly"})
    await conversation.ping(within=DEADLINE)
    name = await calm.begin("cut", {"how": "fin"})
    with pytest.raises(RemoteError):
        await conversation.next_event(within=DEADLINE)
    assert calm.log.on == [name]
    await calm.heal(name)
    assert calm.log.on == []
    assert repr(calm._link_faults).startswith("<LinkFaults <Proxy ")
