"""A schedule is data: it can be written, read again, and told in sentences."""

import msgspec

from wavetank.evidence.schedule import Do, Fault, Schedule, Step

KILL = Fault(name="kill", kind="kill")
SLOW = Fault(
    name="latency-2", kind="latency", attributes={"latency": 200, "jitter": 2.5}
)
SCHEDULE = Schedule(
    steps=(
        Step(at=1.0, do=Do.BEGIN, fault=KILL),
        Step(at=1.5, do=Do.BEGIN, fault=SLOW),
        Step(at=2.0, do=Do.HEAL, fault=KILL),
        Step(at=3.25, do=Do.HEAL, fault=SLOW),
    ),
    seed=7,
    seconds=10.0,
)


def test_schedule_tells_each_step_in_a_sentence() -> None:
    """When, what, how bad, and whether it begins or ends."""
    assert SCHEDULE.describe() == [
        "at 1 s kill begins",
        "at 1.5 s latency-2 (latency) with latency=200, jitter=2.5 begins",
        "at 2 s kill is healed",
        "at 3.25 s latency-2 (latency) with latency=200, jitter=2.5 is healed",
    ]


def test_schedule_knows_when_all_is_healed() -> None:
    """Its last heal; where nothing breaks, that is its start."""
    assert SCHEDULE.healed_at == 3.25
    assert Schedule(steps=(), seed=0, seconds=1.0).healed_at == 0.0


def test_schedule_that_was_written_is_read_as_the_same() -> None:
    """A failing run is repeated from its summary: JSON keeps every step."""
    data = msgspec.json.encode(SCHEDULE)
    assert msgspec.json.decode(data, type=Schedule) == SCHEDULE
