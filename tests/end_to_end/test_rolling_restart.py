"""Two hubs that serve together are restarted in turn, and nobody misses anything."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from wavetank.dialects import Hub
from wavetank.evidence import Record, Verdict
from wavetank.lab.crowd import Crowd
from wavetank.lab.instances import Instance, Instances, rolling_restart
from wavetank.lab.keeping import Patience
from wavetank.lab.plan import Plan, Source
from wavetank.lab.proof import Proof

pytestmark = pytest.mark.anyio

CALM = Patience(pong=30.0, answer=30.0, base=0.02, cap=0.2)
CROWD = Crowd(followers=1, hit_publishers=1, rate=100.0, patience=CALM)


@pytest.fixture
async def hubs(tmp_path: Path, python: str) -> AsyncIterator[list[Instance]]:
    """Two hubs, each with a log on disk."""
    records: list[Record] = []
    given: dict[str, Any] = {"suites": ("own",), "dialect": Hub(), "seed": 7}
    serve = f"{python} -m wavetank hub --port {{port}} --data {tmp_path}/{{port}}"
    async with Instances(
        Plan(source=Source.SERVE, url="", serve=serve, **given),
        2,
        scratch=tmp_path,
        suite="own",
        check="rolling",
        record=records.append,
        now=time.monotonic,
    ) as hubs:
        yield hubs


async def test_two_hubs_are_restarted_in_turn_and_nothing_is_lost(
    hubs: list[Instance],
) -> None:
    """One of them always serves; each subscriber goes on from its position."""
    proofs = [Proof(hub.chaos, hub.peers, crowd=CROWD) for hub in hubs]
    async with AsyncExitStack() as stack:
        for proof in proofs:
            await stack.enter_async_context(proof)
        for proof in proofs:
            await proof.until(lambda proof=proof: proof.statistics()["delivered"] > 20)
        await rolling_restart(hub.chaos for hub in hubs)
        for proof in proofs:
            await proof.until_back()
            await proof.finish()
    for proof in proofs:
        assert proof.notebook.verdict is Verdict.PASS, proof.notebook.worst()
        assert all(one.statistics()["opened"] > 1 for one in proof.followers)
    (first,), (second,) = (hub.chaos.log.spells for hub in hubs)
    assert first.healed_at is not None
    assert first.healed_at <= second.began_at
