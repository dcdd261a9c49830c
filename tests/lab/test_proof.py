"""A proof of delivery: against a sound server, and against one that loses messages."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from wavetank.dialects import Capability, Event, Heard, Hub, Reply
from wavetank.errors import LocalError
from wavetank.evidence import (
    Do,
    Fault,
    FigureMeasured,
    FigureSampled,
    HistogramTaken,
    Record,
    RecoveryMeasured,
    Schedule,
    Step,
    Verdict,
)
from wavetank.lab import proof as module
from wavetank.lab.checkers.history import Fate
from wavetank.lab.checkers.promises import Anomaly, Promise
from wavetank.lab.crowd import Crowd
from wavetank.lab.faults import Chaos
from wavetank.lab.keeping import Patience
from wavetank.lab.notebook import Notebook
from wavetank.lab.peers import Peers
from wavetank.lab.proof import Proof
from wavetank.lab.target import Target
from wavetank.wrecks import SoundServer

from .talks import DEADLINE

pytestmark = pytest.mark.anyio

SOON = Patience(base=0.001, cap=0.01)
FEW = Crowd(followers=1, rate=200.0, patience=SOON)
SILENCE = 0.3
"""Seconds; what has not come by then was lost on purpose."""

Make = Callable[..., Awaitable[Proof]]
Sounding = Callable[..., Awaitable[SoundServer]]


@pytest.fixture
def notebook(records: list[Record]) -> Notebook:
    """The notebook of the check."""
    return Notebook(
        suite="toy", check="storm", record=records.append, now=time.monotonic
    )


@pytest.fixture
async def make(
    sounding: Sounding, records: list[Record], notebook: Notebook
) -> AsyncIterator[Make]:
    """Make a proof against a server; peers and proxy end before it."""
    ends: list[Any] = []

    async def make(
        server: type[SoundServer] = SoundServer,
        crowd: Crowd = FEW,
        *,
        lacks: frozenset[Capability] = frozenset(),
        promise: Promise | None = None,
    ) -> Proof:
        port = (await sounding(server)).port
        dialect = Hub()
        dialect.capabilities = dialect.capabilities - lacks
        target = Target(
            url=f"ws://127.0.0.1:{port}/ws",
            dialect=dialect,
            subprotocols=("wavetank.v1",),
        )
        writes: dict[str, Any] = {"record": records.append, "now": time.monotonic}
        chaos = Chaos(target, suite="toy", check="storm", seed=1, **writes)
        peers = Peers(target, check="storm", **writes)
        await chaos.__aenter__()
        ends.extend([chaos, peers])
        return Proof(chaos, peers, notebook, crowd, promise=promise)

    yield make
    for each in reversed(ends):
        await each.close()


def sent(proof: Proof, count: int) -> Callable[[], bool]:
    """Tell whether so many more were acknowledged from now on."""
    goal = proof.statistics()["acknowledged"] + count
    return lambda: proof.statistics()["acknowledged"] >= goal


def of(records: list[Record], kind: type) -> list[Any]:
    """Return the records of a kind."""
    return [one for one in records if isinstance(one, kind)]


async def test_nothing_is_lost_on_a_sound_server_whatever_breaks(
    make: Make, notebook: Notebook, records: list[Record]
) -> None:
    """Cut and stalled; everybody comes back, and each message is accounted for."""
    crowd = Crowd(hit_publishers=1, topics=2, rate=200.0, patience=SOON)
    proof = await make(crowd=crowd)
    async with proof:
        await proof.run(0.01)
        assert len(proof.everybody) == 5
        proof.chaos.cut()
        await proof.until(sent(proof, 20), within=DEADLINE)
        async with proof.chaos.partition():
            await proof.until(sent(proof, 20), within=DEADLINE)
            assert proof.lag > 0
            proof.sample()
        await proof.until_back(within=DEADLINE)
        assert repr(proof).startswith("<Proof 3 subscribers, 2 publishers, <Progress 2")
        report = await proof.finish()
        assert repr(proof).endswith("away: ->")
    assert report.verdict is Verdict.PASS
    assert notebook.verdict is Verdict.PASS, notebook.worst()
    assert report.counts[Anomaly.LOST] == 0
    assert proof.lag == 0
    assert proof.chaos.log.watchers == []
    assert {one.fault for one in of(records, RecoveryMeasured)} == {"cut", "partition"}
    assert of(records, RecoveryMeasured)[0].detect is not None
    names = {one.name for one in of(records, FigureMeasured)}
    assert names >= {"acknowledged", "delivered", "time to catch up after partition"}
    assert {one.name for one in of(records, FigureSampled)} >= {"lag", "missing"}
    assert len(of(records, HistogramTaken)) == 2


@pytest.mark.parametrize(
    "lacks",
    [
        {Capability.RESUME},
        {Capability.RESUME, Capability.SEQUENCE},
        {Capability.ACKNOWLEDGE},
        {Capability.RESUME, Capability.SEQUENCE, Capability.ACKNOWLEDGE},
    ],
)
async def test_a_target_that_can_do_less_is_held_to_less(
    make: Make, lacks: set[Capability]
) -> None:
    """What is published while a subscriber is away is not owed to it then."""
    proof = await make(lacks=frozenset(lacks))
    async with proof:
        for _ in range(3):
            goal = proof.progress.arrived + 20
            await proof.until(lambda g=goal: proof.progress.arrived >= g)  # type: ignore[misc]
            proof.chaos.cut()
            await proof.until_back(within=DEADLINE)
        report = await proof.finish()
    assert report.verdict is Verdict.PASS, report.findings()


async def test_figures_are_sampled_while_messages_flow(
    make: Make, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without numbers there is no lag, and without messages no latency."""
    monkeypatch.setattr(module, "_SAMPLE_EVERY", 0.001)
    lacks = frozenset({Capability.SEQUENCE})
    async with await make(lacks=lacks) as proof:
        await proof.until(lambda: bool(of(records, FigureSampled)), within=DEADLINE)
        proof.sample()
        proof.sample()
    assert {one.name for one in of(records, FigureSampled)} == {"latency"}


class Loses(SoundServer):
    """Sends one message in ten to nobody but the witness, on purpose."""

    def deliver(self, topic: str, entry: Any) -> None:
        """Leave the follower out, who is the first to subscribe or the second."""
        if entry.seq % 10:
            super().deliver(topic, entry)


async def test_a_loss_is_found_and_laid_at_the_target_s_door(
    make: Make, notebook: Notebook
) -> None:
    """The wire log shows that it never came to the proxy."""
    async with await make(Loses) as proof:
        await proof.until(sent(proof, 30), within=DEADLINE)
        report = await proof.finish(silence=SILENCE)
    assert notebook.verdict is Verdict.FAIL
    assert report.counts[Anomaly.LOST] >= 4
    assert report.fates[Fate.TARGET] == report.fates[Fate.UNKNOWN] > 0


async def test_a_loss_of_the_proxy_is_told_apart(make: Make) -> None:
    """The fault was ours, and the target is not asked for it again."""
    async with await make() as proof:
        when = {"opcodes": ["text"], "count": 3, "json": {"type": "event"}}
        async with proof.chaos.toxic("drop", when=when):
            await proof.until(sent(proof, 30), within=DEADLINE)
        report = await proof.finish()
    assert report.counts[Anomaly.LOST] == 3
    assert report.fates == {Fate.PROXY: 3}


class Silent(SoundServer):
    """Says welcome no more once it is told to."""

    is_shut = False

    def greet(self, connection: Any) -> None:
        """Keep whoever comes waiting."""
        if not self.is_shut:
            super().greet(connection)


async def test_who_does_not_come_back_is_a_failure(
    make: Make, notebook: Notebook
) -> None:
    """And what it did not get is not known to be lost."""
    async with await make(Silent) as proof:
        await proof.until(sent(proof, 3), within=DEADLINE)
        Silent.is_shut = True
        try:
            proof.chaos.cut()
            await proof.until(lambda: bool(proof.away), within=DEADLINE)
            assert proof.away == ["follower-1"]
            report = await proof.finish(
                back_within=0.1, drain_within=0.2, silence=SILENCE
            )
        finally:
            Silent.is_shut = False
    failed = [one for one in notebook.findings if one.verdict is Verdict.FAIL]
    assert [one.title for one in failed] == ["everybody is back once all is healed"]
    assert "follower-1 is away: " in failed[0].seen
    assert report.verdict is Verdict.UNKNOWN


class Refuses(SoundServer):
    """Takes no last message before the third try."""

    def __init__(self) -> None:
        super().__init__()
        self.tries = itertools.count(1)

    def publish(self, connection: Any, command: Any) -> None:
        """Refuse the first two, whichever."""
        if b"last." in command.data and next(self.tries) < 3:
            fault = command.fault("unavailable", "not now")
            self.refuse(connection, fault)
            return
        super().publish(connection, command)


async def test_the_last_message_is_sent_until_it_is_taken(
    make: Make, notebook: Notebook
) -> None:
    """A target may be busy."""
    async with await make(Refuses) as proof:
        await proof.until(sent(proof, 3), within=DEADLINE)
        report = await proof.finish()
    assert report.verdict is Verdict.PASS
    assert notebook.verdict is Verdict.PASS


async def test_messages_that_still_come_at_the_end_leave_it_open(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows what would have come."""
    async with await make() as proof:
        await proof.until(sent(proof, 3), within=DEADLINE)
        # As long as it takes: nobody ever has got the last one.
        monkeypatch.setattr(proof.progress, "awaited", lambda _: [("f", "t")])
        report = await proof.finish(drain_within=0.2, silence=60.0)
    assert report.verdict is Verdict.UNKNOWN
    assert report.doubts == ("messages were still coming when the time was over",)


async def test_a_schedule_is_played_while_messages_flow(make: Make) -> None:
    """To its end, with the rest that it asks for."""
    fault = Fault(name="cut", kind="cut", attributes={"how": "fin"})
    schedule = Schedule(
        steps=(
            Step(at=0.0, do=Do.BEGIN, fault=fault),
            Step(at=0.0, do=Do.HEAL, fault=fault),
        ),
        seed=1,
        seconds=0.01,
    )
    async with await make() as proof:
        await proof.play(schedule)
        assert [spell.name for spell in proof.chaos.log.spells] == ["cut"]
        report = await proof.finish()
    assert report.verdict is Verdict.PASS


async def test_a_proof_does_not_begin_before_everybody_is_there(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it waits for is said, and everybody is sent home."""
    monkeypatch.setattr(module, "BACK_WITHIN", 0.1)
    monkeypatch.setattr(Silent, "is_shut", True)
    proof = await make(Silent)
    with pytest.raises(TimeoutError, match="until everybody subscribes"):
        await proof.__aenter__()
    assert proof.chaos.log.watchers == []


async def test_a_mistake_of_ours_ends_a_proof(make: Make) -> None:
    """A follower that crashed would look like a target that loses."""
    proof = await make()

    def crash(payload: str) -> None:
        raise LocalError("a mistake")

    await proof.__aenter__()
    proof.witnesses[0]._listen = crash
    with pytest.raises(LocalError, match="a mistake"):
        await proof.until(lambda: False, within=DEADLINE)
    with pytest.raises(LocalError, match="a mistake"):
        await proof.__aexit__(None, None, None)


async def test_what_is_promised_can_be_said(make: Make) -> None:
    """Else it follows from what the target can do."""
    assert (await make(promise=Promise(fifo=False))).promise == Promise(fifo=False)
    assert (await make()).promise == Promise(exactly_once=True)


def unknown(notebook: Notebook) -> list[str]:
    """Return what was seen of what is not known."""
    return [one.seen for one in notebook.findings if one.verdict is Verdict.UNKNOWN]


class Mute(SoundServer):
    """Takes the last message of a topic, and says nothing to all others."""

    def publish(self, connection: Any, command: Any) -> None:
        """Leave whoever publishes waiting."""
        if b"last." in command.data:
            super().publish(connection, command)


async def test_the_last_message_alone_is_no_proof(
    make: Make, notebook: Notebook
) -> None:
    """It was acknowledged and it came; what was to be proved never was published."""
    hasty = SOON._replace(answer=0.05)
    async with await make(Mute, FEW._replace(patience=hasty)) as proof:
        await proof.until(lambda: proof.statistics()["unknown"] > 0, within=DEADLINE)
        report = await proof.finish()
    assert report.verdict is Verdict.PASS
    assert notebook.verdict is Verdict.UNKNOWN
    assert unknown(notebook) == [
        "nothing of p1 was acknowledged; nothing came to follower-1; "
        "nothing came to witness-1"
    ]


async def test_a_proof_without_publishers_proves_nothing(
    make: Make, notebook: Notebook
) -> None:
    """Though the last message of each topic went its way."""
    async with await make(crowd=FEW._replace(publishers=0)) as proof:
        await proof.finish()
    assert notebook.verdict is Verdict.UNKNOWN
    assert unknown(notebook)[0].startswith("nothing came to follower-1; ")


async def test_a_fault_that_everybody_went_around_proves_nothing(
    make: Make, notebook: Notebook
) -> None:
    """All messages were delivered, and nothing was broken before them."""
    async with await make(crowd=FEW._replace(followers=0)) as proof:
        proof.chaos.cut()
        async with proof.chaos.partition():
            await proof.until(sent(proof, 3), within=DEADLINE)
        report = await proof.finish()
    assert report.verdict is Verdict.PASS
    assert unknown(notebook) == [
        "cut found nothing to break; partition found nothing to break"
    ]


async def test_a_fault_that_was_never_healed_leaves_it_open(make: Make) -> None:
    """Also one that has begun before the proof."""
    proof = await make()
    proof.chaos.log.begin("storm", "somewhere")
    async with proof:
        await proof.until(sent(proof, 3), within=DEADLINE)
        proof.chaos.log.begin("flood", "somewhere else")
        report = await proof.finish()
    assert report.verdict is Verdict.UNKNOWN
    assert report.doubts == ("still broken: storm, flood",)


class Dawdles(SoundServer):
    """Is sound and slow: what one publisher sends comes a while later to all."""

    def deliver(self, topic: str, entry: Any) -> None:
        """Keep it back, and in its order, unless it is the last."""
        deliver = super().deliver
        if b"last." in entry.data:
            deliver(topic, entry)
        else:
            loop = asyncio.get_running_loop()
            loop.call_later(0.4, deliver, topic, entry)


async def test_messages_without_numbers_may_come_behind_the_last_one(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What two connections send has no order, so who is slow has not lost it."""
    lacks = frozenset({Capability.SEQUENCE, Capability.RESUME})
    proof = await make(Dawdles, lacks=lacks)
    dialect = proof.chaos.target.dialect
    decode = dialect.decode

    def without_numbers(text: str) -> Heard:
        heard = decode(text)
        if isinstance(heard, Event | Reply):
            return msgspec.structs.replace(heard, seq=None)
        return heard

    monkeypatch.setattr(dialect, "decode", without_numbers)
    async with proof:
        await proof.until(sent(proof, 5), within=DEADLINE)
        report = await proof.finish()
    assert report.verdict is Verdict.PASS, report.findings()
