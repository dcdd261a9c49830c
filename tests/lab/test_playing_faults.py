"""A schedule of faults that is played."""

import pytest

from wavetank.dialects import Hub
from wavetank.errors import UsageError
from wavetank.evidence import (
    Do,
    Fault,
    FaultBegan,
    FaultHealed,
    FaultsPlanned,
    Record,
    Schedule,
    Step,
)
from wavetank.lab import playing_faults as module
from wavetank.lab.faults import Chaos
from wavetank.lab.playing_faults import play
from wavetank.lab.target import Target

pytestmark = pytest.mark.anyio


@pytest.fixture
def chaos(records: list[Record]) -> Chaos:
    """Chaos before a target that nobody needs."""
    target = Target(url="ws://127.0.0.1:9/", dialect=Hub())
    return Chaos(
        target, suite="toy", check="storm", record=records.append, now=lambda: 7.0
    )


def steps(*told: tuple[float, Do, str, str]) -> Schedule:
    """Return a schedule: when, what is done, name and kind."""
    return Schedule(
        steps=tuple(
            Step(at=at, do=do, fault=Fault(name=name, kind=kind))
            for at, do, name, kind in told
        ),
        seed=1,
        seconds=0.002,
    )


async def test_a_schedule_is_recorded_and_then_done_step_by_step(
    chaos: Chaos, records: list[Record]
) -> None:
    """Names of the schedule are its own: another fault may have had them."""
    schedule = steps(
        (0.0, Do.BEGIN, "stall", "partition"),
        (0.001, Do.BEGIN, "latency", "latency"),
        (0.001, Do.HEAL, "stall", "partition"),
        (0.002, Do.HEAL, "latency", "latency"),
        # One that never began.
        (0.002, Do.HEAL, "cut", "cut"),
    )
    async with chaos:
        async with chaos.partition():
            pass
        records.clear()
        played = await play(chaos, schedule, record=records.append, now=lambda: 7.0)
        assert played == {"stall": ["partition-2"], "latency": ["latency"]}
        assert records[0] == FaultsPlanned(
            at=7.0, suite="toy", check="storm", schedule=schedule
        )
        assert [
            (type(one), one.name)
            for one in records
            if isinstance(one, FaultBegan | FaultHealed)
        ] == [
            (FaultBegan, "partition-2"),
            (FaultBegan, "latency"),
            (FaultHealed, "partition-2"),
            (FaultHealed, "latency"),
        ]


async def test_a_step_that_takes_long_puts_off_those_behind_it(
    chaos: Chaos, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else all that was due while a target restarts would come at once, and be over."""
    at, waited = 0.0, list[float]()

    async def begin(what: str, attributes: object) -> str:
        nonlocal at
        at += 5.0
        return what

    async def heal(name: str) -> None:
        nonlocal at
        at += 0.5

    async def wait_until(moment: float, now: object) -> None:
        nonlocal at
        waited.append(round(moment - at, 6))
        at = max(at, moment)

    monkeypatch.setattr(chaos, "begin", begin)
    monkeypatch.setattr(chaos, "heal", heal)
    monkeypatch.setattr(module, "_wait_until", wait_until)
    schedule = steps(
        (0.001, Do.BEGIN, "kill", "kill"),
        (0.0015, Do.HEAL, "kill", "kill"),
        (0.0015, Do.BEGIN, "cut", "cut"),
    )
    await play(chaos, schedule, record=lambda _: None, now=lambda: at)
    assert waited == [0.001, 0.0005, 0.0, 0.0005]


async def test_what_a_schedule_has_begun_is_healed_however_it_ends(
    chaos: Chaos,
) -> None:
    """A fault that there is none of ends it."""
    schedule = steps((0.0, Do.BEGIN, "stall", "partition"), (0.0, Do.BEGIN, "x", "x"))
    async with chaos:
        with pytest.raises(UsageError):
            await play(chaos, schedule, record=lambda _: None, now=lambda: 7.0)
        assert chaos.log.on == []
