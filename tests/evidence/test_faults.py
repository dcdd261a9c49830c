"""Faults are folded to bands, lines and figures; what was not measured stays so."""

import math
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.evidence.faults import (
    MOST_FAULTS,
    MOST_POINTS,
    Change,
    FaultRecord,
    Faults,
    Recovery,
    Steadiness,
    recovery_of,
    slope_of,
    steadiness_of,
)
from wavetank.evidence.histogram import Histogram
from wavetank.evidence.loads import Loads
from wavetank.evidence.records import (
    FaultBegan,
    FaultHealed,
    FaultsPlanned,
    FigureSampled,
    LoadSampled,
    RecoveryMeasured,
    Sampled,
)
from wavetank.evidence.schedule import Schedule
from wavetank.evidence.shape import FaultSummary, FaultTimeline

SCHEDULE = Schedule(steps=(), seed=7, seconds=60.0)


def began(at: float, name: str = "kill") -> FaultBegan:
    """Return the begin of a fault."""
    return FaultBegan(
        at=at,
        suite="s",
        check="c",
        name=name,
        what="kill",
        where="the target's process",
        seed=7,
        attributes={"hard": True},
    )


def healed(at: float, name: str = "kill") -> FaultHealed:
    """Return the end of a fault."""
    return FaultHealed(at=at, suite="s", check="c", name=name)


def point(at: float, value: float, name: str = "latency") -> FigureSampled:
    """Return a point of a line."""
    unit = "s" if name == "latency" else "messages"
    return FigureSampled(at=at, suite="s", check="c", name=name, value=value, unit=unit)


def sample(at: float, rss: int, descriptors: int = 9) -> Sampled:
    """Return what the target used."""
    return Sampled(
        at=at,
        who="target",
        cpu=0.0,
        rss=rss,
        descriptors=descriptors,
        processes=1,
        threads=1,
    )


def folded(*records: FaultRecord | Sampled) -> Faults:
    """Return the faults of a check."""
    faults = Faults()
    for record in records:
        if isinstance(record, Sampled):
            faults.target_sampled(record)
        else:
            faults.take(record)
    return faults


def timeline(*records: FaultRecord | Sampled) -> FaultTimeline:
    """Return what records come to, without problems."""
    faults = folded(*records)
    assert faults.problems == []
    found = faults.timeline()
    assert found is not None
    return found


def test_fault_is_a_band_of_which_nothing_was_measured() -> None:
    """When, what, where; every figure that nobody took is None, and never 0."""
    assert timeline(began(1.0), healed(3.5)) == FaultTimeline(
        schedules=[],
        faults=[
            FaultSummary(
                name="kill",
                what="kill",
                where="the target's process",
                seed=7,
                attributes={"hard": True},
                began_at=1.0,
                healed_at=3.5,
                detect=None,
                reconnect=None,
                steady=None,
                unsteady_for=None,
                replayed=None,
                memory_slope=None,
                descriptor_slope=None,
            )
        ],
        series=[],
    )


def test_nothing_broken_is_no_timeline() -> None:
    """Figures over time alone are none, either; a plan that was not done is one."""
    assert Faults().timeline() is None
    assert folded(point(1.0, 2.0)).timeline() is None
    planned = timeline(FaultsPlanned(at=0.0, suite="s", check="c", schedule=SCHEDULE))
    assert planned.schedules == [SCHEDULE]
    assert planned.faults == []


def test_fault_that_nobody_heals_stays_open() -> None:
    """It is on to the end, and nothing can have recovered from it."""
    usual = [point(float(at), 0.01) for at in range(4)]
    (fault,) = timeline(*usual, began(5.0), point(6.0, 0.01)).faults
    assert fault.healed_at is None
    assert (fault.steady, fault.unsteady_for) == (None, None)


def test_measured_figures_belong_to_the_newest_fault_of_their_name() -> None:
    """A later figure replaces its like, and leaves the others."""

    def measured(at: float, **figures: float | None) -> RecoveryMeasured:
        return RecoveryMeasured(
            at=at,
            suite="s",
            check="c",
            fault="kill",
            **figures,  # type: ignore[arg-type]
        )

    first, second = timeline(
        began(1.0),
        healed(2.0),
        measured(2.5, detect=0.1, reconnect=0.4, replayed=0),
        began(3.0),
        healed(4.0),
        measured(4.5, detect=0.2, steady=1.5, memory_slope=-8.0),
        measured(4.6, detect=0.3, descriptor_slope=0.0),
    ).faults
    assert (first.detect, first.reconnect, first.replayed) == (0.1, 0.4, 0)
    assert (second.detect, second.reconnect, second.replayed) == (0.3, None, None)
    assert (second.steady, second.memory_slope, second.descriptor_slope) == (
        1.5,
        -8.0,
        0.0,
    )


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        ((healed(1.0),), "'kill' was healed, and was not on"),
        ((began(1.0), began(2.0)), "'kill' began again while it was on"),
        (
            (RecoveryMeasured(at=1.0, suite="s", check="c", fault="stop"),),
            "a recovery from 'stop', which never began",
        ),
    ],
)
def test_records_that_do_not_fit_are_told(
    records: Sequence[FaultRecord], problem: str
) -> None:
    """Evidence with holes is never green."""
    assert folded(*records).problems == [problem]


def test_fold_of_faults_is_bounded() -> None:
    """A hostile journal cannot fill memory; what is left out is told."""
    many = Faults()
    for number in range(MOST_FAULTS + 2):
        many.take(began(float(number)))
        many.take(healed(number + 0.5))
    for number in range(40):
        many.take(point(1.0, 2.0, f"figure {number}"))
        many.take(FaultsPlanned(at=0.0, suite="s", check="c", schedule=SCHEDULE))
        many.take(healed(1.0, f"fault {number}"))
    found = many.timeline()
    assert found is not None
    assert len(found.faults) == MOST_FAULTS
    assert (len(found.series), len(found.schedules)) == (32, 10)
    assert len(many.problems) == 20
    for number in range(10 * MOST_POINTS + 7):
        many.take(point(float(number), number % 100, "figure 1"))
    found = many.timeline()
    assert found is not None
    line = next(one for one in found.series if one.name == "figure 1")
    assert MOST_POINTS / 2 <= len(line.points) <= MOST_POINTS
    # Of neighbours that were merged, the higher value stayed.
    assert max(value for _, value in line.points) == 99
    moments = [at for at, _ in line.points]
    assert moments == sorted(moments)


def test_slopes_are_of_the_time_between_a_heal_and_the_next_fault() -> None:
    """What the target used before, meanwhile or under the next fault is not in it."""
    before = [sample(at / 10, 900 * at) for at in range(10)]
    after = [sample(3.0 + at, 5000 + 100 * at, 20 - at) for at in range(12)]
    later = [sample(20.0 + at, 10**9 * at) for at in range(12)]
    first, second = timeline(
        *before, began(1.0), sample(2.0, 7), healed(2.5), *after, began(19.0), *later
    ).faults
    assert first.memory_slope == 100.0
    assert first.descriptor_slope == -1.0
    assert second.memory_slope is None


def test_what_the_target_uses_is_a_line_too() -> None:
    """Memory and descriptors over time, from the first word of a fault."""
    found = timeline(sample(0.5, 70), began(1.0), sample(1.5, 80, 4), sample(2.5, 90))
    assert [(line.name, line.unit, line.points) for line in found.series] == [
        ("target memory", "bytes", [(1.5, 80.0), (2.5, 90.0)]),
        ("target descriptors", "", [(1.5, 4.0), (2.5, 9.0)]),
    ]


def test_slopes_wait_until_no_fault_is_on() -> None:
    """A heal under another fault is not the calm after the storm."""
    during = [sample(3.0 + at / 10, 10**9 * at) for at in range(12)]
    after = [sample(6.0 + at, 7 * at) for at in range(12)]
    first, second = timeline(
        *(began(1.0), began(1.5, "stop"), healed(2.0), *during),
        *(healed(5.0, "stop"), *after),
    ).faults
    assert (first.memory_slope, second.memory_slope) == (None, 7.0)


def test_slopes_begin_anew_with_a_new_process() -> None:
    """The memory of the one that was killed says nothing of its successor."""
    faults = folded(began(1.0), healed(2.0), *(sample(2.0 + n, n) for n in range(20)))
    faults.target_started()
    for number in range(9):
        faults.target_sampled(sample(30.0 + number, 5 * number))
    found = faults.timeline()
    assert found is not None
    assert found.faults[0].memory_slope is None
    faults.target_sampled(sample(39.0, 45))
    found = faults.timeline()
    assert found is not None
    assert found.faults[0].memory_slope == 5.0
    # Before the first fault there is nothing to forget.
    Faults().target_started()


def test_slope_of_a_long_calm_is_kept_in_few_samples() -> None:
    """An hour after the heal, what is kept is bounded; its slope is the same."""
    calm = [sample(2.0 + at, 3 * at) for at in range(3600)]
    (fault,) = timeline(began(1.0), healed(2.0), *calm).faults
    assert fault.memory_slope == 3.0


def test_slope_needs_enough_points_and_time() -> None:
    """Few points, or all of one moment, have none; one step does not move it."""
    assert slope_of([(float(n), 2.0 * n) for n in range(9)]) is None
    assert slope_of([(1.0, float(n)) for n in range(20)]) is None
    step = [(float(n), 1000.0 * (n == 10)) for n in range(20)]
    assert slope_of(step) == 0.0


def steadiness(*after: float, before: Sequence[float] = (0.01,) * 3) -> Steadiness:
    """Return the steadiness of a line around a fault from 5 s to 10 s."""
    points = [(float(at), value) for at, value in enumerate(before)]
    points += [(7.0, 9.0), *((11.0 + at, value) for at, value in enumerate(after))]
    return steadiness_of(points, first_began_at=5.0, healed_at=10.0, until=100.0)


def test_steady_is_three_points_in_a_row_as_before() -> None:
    """Counted from the heal to the first of them."""
    assert steadiness(0.01, 0.01, 0.01) == Steadiness(1.0, None)
    assert steadiness(3.0, 0.02, 0.02, 3.0, 0.02, 0.01, 0.02) == Steadiness(5.0, None)


def test_steady_may_be_a_little_slower_than_before() -> None:
    """Twice as slow, or 5 ms slower: less than that nobody notices."""
    assert steadiness(0.02, 0.02, 0.02).steady == 1.0
    assert steadiness(0.0201, 0.0201, 0.0201) == Steadiness(None, 3.0)
    assert steadiness(0.005, 0.005, 0.005, before=(0.001,) * 3).steady == 1.0


def test_steadiness_is_unknown_where_too_little_was_seen() -> None:
    """Nothing before, nothing after, or no time to be three in a row."""
    nobody_knows = Steadiness(None, None)
    assert steadiness(0.01, 0.01, 0.01, before=(0.01, 0.01)) == nobody_knows
    assert steadiness() == nobody_knows
    assert steadiness(3.0, 0.01, 0.01) == nobody_knows


def test_time_to_steady_is_told_for_each_fault() -> None:
    """Its own time ends where the next fault begins; never steady is told as such."""
    usual = [point(float(at), 0.01) for at in range(5)]
    slow = [point(10.0 + at, 3.0) for at in range(5)]
    fast = [point(30.0 + at, 0.01) for at in range(5)]
    first, second, third = timeline(
        *(*usual, began(5.0), point(6.0, 9.0), healed(8.0), *slow),
        *(began(20.0), began(21.0, "stop"), healed(22.0), healed(28.0, "stop"), *fast),
    ).faults
    assert (first.steady, first.unsteady_for) == (None, 6.0)
    assert (second.steady, second.unsteady_for) == (None, None)
    assert (third.steady, third.unsteady_for) == (2.0, None)


def load_second(at: float, since: float, time: float) -> LoadSampled:
    """Return one second of a load."""
    histogram = Histogram()
    histogram.record(time)
    return LoadSampled(
        at=at,
        suite="s",
        check="c",
        since=since,
        took=1.0,
        scenario="echo",
        operation="request",
        counts={"intended": 1, "received": 1},
        response=histogram.encode(),
    )


def test_latencies_of_loads_are_lines_in_seconds_of_the_run() -> None:
    """Each load counts from its own start; a line has all of them in order."""
    faults, loads = folded(began(12.5), healed(13.0)), Loads()
    seconds = [load_second(11.0 + at, float(at), 0.01) for at in range(6)]
    seconds += [load_second(51.0 + at, float(at), 0.02) for at in range(2)]
    # A second in which nothing came back.
    seconds.append(
        LoadSampled(
            at=53.0,
            suite="s",
            check="c",
            since=2.0,
            took=1.0,
            scenario="echo",
            operation="request",
        )
    )
    for second in seconds:
        faults.take(second)
        loads.sampled(second)
    found = faults.timeline(loads.summaries())
    assert found is not None
    (line,) = found.series
    assert (line.name, line.unit) == ("p99 echo.request", "s")
    assert [at for at, _ in line.points] == [
        *(11.0, 12.0, 13.0, 14.0, 15.0, 16.0),
        *(51.0, 52.0),
    ]
    # Two moments before the fault are too few to know what is usual.
    assert found.faults[0].steady is None


def test_all_lines_have_to_be_steady() -> None:
    """The slowest operation decides, and one that never is steady tells so."""
    faults, loads = folded(began(14.5), healed(15.5)), Loads()
    for at in range(12):
        for operation, last in (("echo", 16.0), ("other", 18.0), ("slow", 99.0)):
            is_slow = 14.5 < 11.0 + at < last
            second = load_second(11.0 + at, float(at), 1.0 if is_slow else 0.01)
            if operation != "slow" or at != 11:
                loads.sampled(
                    LoadSampled(
                        at=second.at,
                        suite="s",
                        check="c",
                        since=second.since,
                        took=1.0,
                        scenario=operation,
                        operation="request",
                        counts=second.counts,
                        response=second.response,
                    )
                )
            faults.take(second)
    summaries = loads.summaries()
    found = faults.timeline(summaries)
    assert found is not None
    assert (found.faults[0].steady, found.faults[0].unsteady_for) == (None, 5.5)
    without = summaries[0].operations[:2]
    load = msgspec.structs.replace(summaries[0], operations=without)
    found = faults.timeline([load])
    assert found is not None
    assert found.faults[0].steady == 2.5


def changes(*moments: tuple[float, str, bool]) -> list[Change]:
    """Return changes of connections."""
    return [Change(*moment) for moment in moments]


def test_recovery_waits_for_the_last_peer() -> None:
    """To notice, and to be back; peers that were not hit do not count."""
    seen = changes(
        (0.5, "early", False),
        (1.5, "a", False),
        (2.0, "b", False),
        (2.5, "c", True),
        (4.0, "a", True),
        (6.0, "b", True),
        (50.0, "a", False),
    )
    recovery = recovery_of(seen, began_at=1.0, healed_at=3.0, until=40.0)
    assert recovery == Recovery(hit=2, back=2, detect=1.0, reconnect=3.0)


def test_recovery_is_not_whole_while_one_is_away() -> None:
    """Whoever was back and went again is away; when all will be back nobody knows."""
    seen = changes((1.5, "a", False), (2.0, "a", True), (2.5, "a", False))
    recovery = recovery_of(seen, began_at=1.0, healed_at=3.0)
    assert recovery == Recovery(hit=1, back=0, detect=0.5, reconnect=None)


def test_recovery_before_the_heal_takes_no_time() -> None:
    """Another way was found; and a fault that nobody noticed has no times."""
    seen = changes((1.5, "a", False), (2.0, "a", True))
    assert recovery_of(seen, began_at=1.0, healed_at=9.0).reconnect == 0.0
    unnoticed = recovery_of([], began_at=1.0, healed_at=9.0)
    assert unnoticed == Recovery(hit=0, back=0, detect=None, reconnect=None)


@given(
    st.lists(
        st.one_of(
            st.builds(began, st.floats(0, 100), st.sampled_from("ab")),
            st.builds(healed, st.floats(0, 100), st.sampled_from("ab")),
            st.builds(point, st.floats(0, 100), st.floats(0, 10)),
            st.builds(sample, st.floats(0, 100), st.integers(0, 10**9)),
        )
    )
)
def test_any_records_fold_to_figures_that_are_there_or_not(
    records: list[FaultRecord | Sampled],
) -> None:
    """Whatever the journal says, nothing falls, and no figure is nonsense."""
    found = folded(*records).timeline()
    for fault in found.faults if found else []:
        for figure in (fault.steady, fault.unsteady_for, fault.memory_slope):
            assert figure is None or math.isfinite(figure)
        assert fault.steady is None or fault.unsteady_for is None
