"""Patience: how long a connection may keep the hub waiting, and for what."""

from math import inf

from wavetank.hub.config import ConnectionLimits, HubConfig
from wavetank.hub.effects import Behind, Moment
from wavetank.hub.patience import Patience
from wavetank.protocol import CloseCode


def at(now: float, wall: float | None = None) -> Moment:
    """Return a moment; the wall clock began with the other one."""
    return Moment(now, 1e9 + now if wall is None else wall)


def make(**limits: float | None) -> Patience:
    """Return patience with these limits; heartbeats begin in the middle."""
    config = HubConfig(limits=ConnectionLimits(**limits), ping=20.0, pong=15.0)
    return Patience(config, spread=0.0)


def test_patience_waits_for_nothing_at_first() -> None:
    """Nothing was begun."""
    patience = make()
    assert patience.due_at == inf
    assert patience.judge(at(1e9), None) is None
    assert repr(patience) == "<Patience due at inf>"


def test_patience_ends_when_auth_does_not_come() -> None:
    """4111 at the deadline, not before."""
    patience = make(first_command=10.0)
    patience.await_auth(100.0)
    assert patience.due_at == 110.0
    assert patience.judge(at(109.9), None) is None
    assert patience.judge(at(110.0), None) == CloseCode.NO_COMMAND


def test_patience_for_auth_can_be_endless() -> None:
    """No deadline, where that was typed."""
    patience = make(first_command=None)
    patience.await_auth(100.0)
    assert patience.judge(at(1e9), None) is None


def test_patience_spreads_first_heartbeats() -> None:
    """Between half an interval and a whole one."""
    config = HubConfig(ping=20.0)
    due = []
    for spread in (0.0, 0.5, 1.0):
        patience = Patience(config, spread)
        patience.await_auth(0.0)
        patience.begin(0.0)
        due.append(patience.due_at)
    assert due == [10.0, 15.0, 20.0]


def test_patience_ends_without_a_pong() -> None:
    """4110, 15 s behind the ping."""
    patience = make()
    patience.begin(0.0)
    assert patience.heartbeat is not None
    patience.heartbeat.beat(10.0)
    assert patience.due_at == 25.0
    assert patience.judge(at(24.9), None) is None
    assert patience.judge(at(25.0), None) == CloseCode.NO_PONG


def test_patience_ends_with_a_peer_that_reads_nothing() -> None:
    """4108 once the transport has taken nothing for too long."""
    patience = make(slow_after=30.0)
    patience.begin(0.0)
    patience.paused(5.0)
    assert patience.is_paused
    assert patience.due_at == 6.0
    assert patience.judge(at(34.9), None) is None
    assert patience.judge(at(35.0), None) == CloseCode.SLOW_CONSUMER


def test_patience_waits_for_no_pong_behind_a_full_buffer() -> None:
    """The ping would wait behind events; the slow consumer's bounds hold instead."""
    patience = make(slow_after=None, slow_bytes=None)
    patience.begin(0.0)
    assert patience.heartbeat is not None
    patience.heartbeat.beat(10.0)
    patience.paused(11.0)
    assert patience.judge(at(1e6), Behind(1e6, 10**12)) is None


def test_patience_ends_with_a_peer_that_is_too_far_behind() -> None:
    """By age or by bytes, even if it reads a little all the time."""
    patience = make(slow_after=30.0, slow_bytes=1000)
    patience.begin(0.0)
    patience.paused(5.0)
    patience.resumed()
    assert patience.judge(at(6.0), Behind(30.0, 1000)) is None
    assert patience.judge(at(7.0), Behind(30.1, 0)) == CloseCode.SLOW_CONSUMER
    assert patience.judge(at(8.0), Behind(0.0, 1001)) == CloseCode.SLOW_CONSUMER


def test_patience_looks_again_until_the_peer_has_caught_up() -> None:
    """While something lags there is a next look; afterwards there is none."""
    patience = make(slow_after=2.0)
    patience.paused(5.0)
    assert patience.due_at == 5.5
    patience.resumed()
    assert patience.judge(at(5.5), Behind(0.1, 10)) is None
    assert patience.due_at == 6.0
    assert patience.judge(at(6.0), None) is None
    assert patience.due_at == inf


def test_patience_ends_with_a_token() -> None:
    """4201, when its time is over, unless a newer one came."""
    patience = make()
    patience.await_expiry(at(0.0), 1e9 + 40.0)
    assert patience.due_at == 40.0
    assert patience.judge(at(39.9), None) is None
    assert patience.judge(at(40.0), None) == CloseCode.TOKEN_EXPIRED
    patience.await_expiry(at(40.0), None)
    assert patience.due_at == inf
    assert patience.judge(at(1e6), None) is None


def test_patience_looks_at_the_wall_clock_again() -> None:
    """Set forth, it ends a token early; set back, the token lives on."""
    patience = make()
    patience.await_expiry(at(0.0), 1e9 + 3600.0)
    assert patience.due_at == 60.0
    assert patience.judge(at(60.0, 1e9 + 30.0), None) is None
    assert patience.due_at == 120.0
    assert patience.judge(at(120.0, 1e9 + 3600.0), None) == CloseCode.TOKEN_EXPIRED
