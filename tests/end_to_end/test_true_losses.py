"""A server without replay: what its subscribers miss, and whose fault that was."""

import subprocess
import sys
import time
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from wavetank.chaos.fates import Fate as Crossed
from wavetank.dialects import Template
from wavetank.evidence import FigureMeasured, Record, Verdict
from wavetank.lab.checkers.history import Fate
from wavetank.lab.checkers.promises import Anomaly, Promise
from wavetank.lab.crowd import Crowd
from wavetank.lab.faults import Chaos
from wavetank.lab.keeping import Patience
from wavetank.lab.peers import Peers
from wavetank.lab.promising import promise_of
from wavetank.lab.proof import Proof
from wavetank.lab.target import Target

from .hub.process import DEADLINE, clean_environ

pytestmark = pytest.mark.anyio

SERVERS = Path(__file__).parent / "servers"
OWED = Promise(acknowledges=False, resumable=True, one_order=False)
"""What a user wants who reads 'nothing is lost': what came meanwhile, too."""
ENOUGH = 30
CALM = Patience(pong=30.0)


@pytest.fixture
def chat() -> Iterator[Target]:
    """A chat on websockets, in a process of its own, and how it speaks."""
    table = tomllib.loads((SERVERS / "chat.toml").read_text())["dialect"]["chat"]
    with subprocess.Popen(
        [sys.executable, str(SERVERS / "chat_websockets.py")],
        env=clean_environ(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        dialect = Template.parse(table, "chat.toml", name="chat")
        yield Target(url=f"ws://127.0.0.1:{port}/", dialect=dialect)
        process.terminate()


MakeProof = Callable[..., Proof]


@pytest.fixture
def records() -> list[Record]:
    """What went into the journal."""
    return []


@pytest.fixture
async def make(chat: Target, records: list[Record]) -> AsyncIterator[MakeProof]:
    """Make a proof: one follower through the proxy, one witness past it."""
    writes: dict[str, Any] = {"record": records.append, "now": time.monotonic}
    async with AsyncExitStack() as stack:
        chaos = await stack.enter_async_context(
            Chaos(chat, suite="own", check="losses", seed=1, **writes)
        )
        peers = Peers(chat, check="losses", **writes)
        stack.push_async_callback(peers.close)

        def make(promise: Promise | None = None) -> Proof:
            crowd = Crowd(followers=1, rate=200.0, patience=CALM)
            return Proof(chaos, peers, crowd=crowd, promise=promise)

        yield make


async def flow(proof: Proof) -> None:
    """Let some messages flow."""
    goal = proof.witnesses[0].delivered + ENOUGH
    await proof.until(lambda: proof.witnesses[0].delivered >= goal, within=DEADLINE)


async def miss(proof: Proof) -> None:
    """Cut the follower off, and let messages flow meanwhile."""
    await flow(proof)
    async with proof.chaos.offline():
        await flow(proof)
    await proof.until_back(within=DEADLINE)
    await flow(proof)


async def drop(proof: Proof) -> None:
    """Let the proxy drop five messages."""
    when = {"opcodes": ["text"], "count": 5}
    await flow(proof)
    async with proof.chaos.toxic("drop", when=when):
        await proof.until(lambda: dropped(proof) == 5, within=DEADLINE)


def dropped(proof: Proof) -> int:
    """Return how many frames the proxy has dropped, by its own log."""
    return sum(one.fate is Crossed.DROPPED for one in proof.chaos.wire)


def missed(proof: Proof) -> int:
    """Return how many the follower has not got, by counting what came."""
    return proof.witnesses[0].delivered - proof.followers[0].delivered


async def test_what_is_missed_over_a_reconnection_is_the_server_s_loss(
    make: MakeProof,
) -> None:
    """Each message is counted, and the wire log shows that it was never sent."""
    async with make(OWED) as proof:
        await miss(proof)
        report = await proof.finish()

    assert report.verdict is Verdict.FAIL
    assert report.counts[Anomaly.LOST] == missed(proof) >= ENOUGH
    assert report.fates == {Fate.TARGET: missed(proof)}


async def test_what_the_proxy_drops_is_not_the_server_s_loss(make: MakeProof) -> None:
    """It is counted, and no failure where nothing could bring it back."""
    async with make() as proof:
        await drop(proof)
        report = await proof.finish()

    assert report.counts[Anomaly.LOST] == missed(proof) == 5
    assert report.fates == {Fate.PROXY: 5}
    assert report.verdict is Verdict.PASS


async def test_losses_of_both_kinds_are_told_apart(make: MakeProof) -> None:
    """In one run, by the words of the report."""
    async with make(OWED) as proof:
        await miss(proof)
        await drop(proof)
        report = await proof.finish()

    lost = missed(proof)
    assert report.fates == {Fate.TARGET: lost - 5, Fate.PROXY: 5}
    [finding] = [one for one in report.findings() if one.verdict is Verdict.FAIL]
    assert f"{lost - 5:,}: the target never sent it" in finding.seen
    assert "5: the proxy dropped it" in finding.seen


async def test_what_is_missed_where_nothing_is_promised_is_told_as_a_figure(
    make: MakeProof, chat: Target, records: list[Record]
) -> None:
    """A server without replay owes nobody what came meanwhile; it is counted still."""
    assert not promise_of(chat.capabilities).resumable
    async with make() as proof:
        await miss(proof)
        await drop(proof)
        report = await proof.finish()

    assert report.verdict is Verdict.PASS
    assert report.counts[Anomaly.LOST] == 5
    figures = {
        one.name: one.value for one in records if isinstance(one, FigureMeasured)
    }
    assert figures["missed: the target never sent it"] == missed(proof) - 5
    assert figures["missed: the proxy dropped it"] == 5
