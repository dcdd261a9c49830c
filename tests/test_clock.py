"""The clocks."""

import pytest

from wavetank.clock import Clock, SystemClock, VirtualClock


def test_virtual_clock_starts_where_it_is_told() -> None:
    """Both readings start at chosen values."""
    clock = VirtualClock(now=5.0, wall=100.0)
    assert (clock.now(), clock.wall()) == (5.0, 100.0)


def test_virtual_clock_stands_still_until_it_is_advanced() -> None:
    """Reading it does not move it; advancing moves both readings."""
    clock = VirtualClock(now=1.0, wall=10.0)
    assert clock.now() == clock.now() == 1.0
    clock.advance(2.5)
    assert (clock.now(), clock.wall()) == (3.5, 12.5)


def test_virtual_clock_refuses_to_go_back() -> None:
    """The clock that never jumps cannot be advanced by less than nothing."""
    clock = VirtualClock()
    with pytest.raises(ValueError, match=r"cannot go back by 1\.5 s"):
        clock.advance(-1.5)
    assert clock.now() == 0.0


def test_virtual_clock_jumps_only_on_the_wall() -> None:
    """Somebody who sets the clock moves the wall clock, forward or back, alone."""
    clock = VirtualClock(now=1.0, wall=10.0)
    clock.jump(-4.0)
    assert (clock.now(), clock.wall()) == (1.0, 6.0)


def test_virtual_clock_shows_both_readings() -> None:
    """Its repr is its state."""
    assert repr(VirtualClock(now=1.0, wall=2.0)) == "<VirtualClock now=1.0 wall=2.0>"


def test_system_clock_never_goes_back() -> None:
    """Two readings of the clock that never jumps are in order."""
    clock: Clock = SystemClock()
    assert clock.now() <= clock.now()


def test_system_clock_tells_seconds_since_1970() -> None:
    """The wall clock is past the day on which this was written."""
    assert SystemClock().wall() > 1_700_000_000
