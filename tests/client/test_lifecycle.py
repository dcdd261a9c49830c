"""Lifecycle: from one connection to the next, or to the end of all."""

import random

import pytest

from wavetank.client.backoff import Backoff
from wavetank.client.lifecycle import (
    SETTLED,
    Again,
    Cause,
    Ending,
    Final,
    Lifecycle,
    State,
    refresh_after,
)
from wavetank.errors import LocalError

REACHED = Ending(cause=Cause.UNREACHED)


class TopOfRange(random.Random):
    """Dice that always show the most."""

    def uniform(self, _a: float, b: float) -> float:
        """Return the upper end."""
        return b


def make(**options: object) -> Lifecycle:
    """Make one that always waits as long as it may."""
    return Lifecycle(Backoff(), TopOfRange(), **options)  # type: ignore[arg-type] # any option


def closed(code: int | None, text: str = "") -> Ending:
    """Make the end of an open connection."""
    return Ending(cause=Cause.CLOSED, code=code, text=text)


def fail(life: Lifecycle, ending: Ending, now: float = 0.0) -> Again | Final:
    """Try in vain."""
    life.opening()
    return life.ended(ending, now)


def live(life: Lifecycle, ending: Ending, opened: float, ended: float) -> Again | Final:
    """Connect, and lose it."""
    life.opening()
    life.opened(opened)
    return life.ended(ending, ended)


def test_lifecycle_waits_longer_each_time_without_end() -> None:
    """Endless by default; the bound doubles up to the cap."""
    life = make()
    delays = [fail(life, REACHED) for _ in range(10)]
    assert delays[:4] == [Again(0.1), Again(0.2), Again(0.4), Again(0.8)]
    assert delays[-1] == Again(20.0)
    assert all(isinstance(fail(life, REACHED), Again) for _ in range(1000))


def test_lifecycle_begins_anew_after_a_connection_that_lived() -> None:
    """One that is cut at once is no success: a flapping hub is not stormed."""
    life = make()
    for _ in range(3):
        fail(life, REACHED)
    assert live(life, closed(1006), 0.0, SETTLED - 0.1) == Again(0.8)
    assert live(life, closed(1006), 0.0, SETTLED) == Again(0.1)
    assert life.connections == 2


def test_lifecycle_gives_up_after_so_many_retries() -> None:
    """Two retries are three attempts; a connection makes the count new."""
    life = make(max_retries=2)
    for _ in range(2):
        assert isinstance(fail(life, REACHED), Again)
    assert isinstance(live(life, closed(1006), 0.0, 1.0), Again)
    for _ in range(2):
        assert isinstance(fail(life, REACHED), Again)
    final = fail(life, REACHED)
    assert isinstance(final, Final)
    assert final.text.startswith("gave up after 3 attempts: the hub could not be")
    assert life.state is State.ENDED


@pytest.mark.parametrize(
    ("ending", "is_final"),
    [
        (closed(4001), True),
        (closed(4003), True),
        (closed(4005), True),
        (closed(1008), True),
        (closed(1009), True),
        (closed(4100), False),
        (closed(4108), False),
        (closed(4200), False),
        (closed(4202), False),
        (closed(4201), True),  # the same token would end again
        (closed(1000), False),
        (closed(1001), False),
        (closed(1011), False),
        (closed(None), False),
        (closed(3333), False),
        (Ending(cause=Cause.NO_TOKEN), True),
        (Ending(cause=Cause.TOKEN), False),
        (Ending(cause=Cause.TLS), False),
        (Ending(cause=Cause.FOREIGN), False),
        (Ending(cause=Cause.FOREIGN, code=4005), True),
        (Ending(cause=Cause.SILENT), False),
        (Ending(cause=Cause.OVERDUE), False),
        (Ending(cause=Cause.REFUSED, code=301), True),
        (Ending(cause=Cause.REFUSED, code=400), True),
        (Ending(cause=Cause.REFUSED, code=401), True),
        (Ending(cause=Cause.REFUSED, code=403), True),
        (Ending(cause=Cause.REFUSED, code=404), True),
        (Ending(cause=Cause.REFUSED, code=408), False),
        (Ending(cause=Cause.REFUSED, code=429), False),
        (Ending(cause=Cause.REFUSED, code=500), False),
        (Ending(cause=Cause.REFUSED, code=503), False),
    ],
)
def test_lifecycle_follows_the_advice_of_codes(ending: Ending, is_final: bool) -> None:
    """What would happen again is final; what passes by itself is tried again."""
    step = fail(make(), ending)
    assert isinstance(step, Final) == is_final
    if isinstance(step, Final):
        assert step.code == ending.code


def test_lifecycle_goes_on_after_an_expired_token_if_it_gets_a_new_one() -> None:
    """4201 is no end for who can refresh; 1008 is none for who was only hasty."""
    assert isinstance(fail(make(can_refresh=True), closed(4201)), Again)
    assert isinstance(fail(make(is_forgiving=True), closed(1008)), Again)
    assert isinstance(
        fail(make(can_refresh=True, is_forgiving=True), closed(4001)), Final
    )


def test_lifecycle_comes_back_when_the_hub_wants_it() -> None:
    """A notice before the close says how long to wait, from then on."""
    life = make()
    life.opening()
    life.opened(0.0)
    life.announced(8.0, 10.0)
    assert life.ended(closed(4200), 12.0) == Again(6.0)
    assert fail(life, REACHED) == Again(0.2)


def test_lifecycle_does_not_believe_any_hint() -> None:
    """A hub that says to stay away for a year is tried again after a minute."""
    life = make()
    assert fail(life, Ending(cause=Cause.REFUSED, code=503, after=7.0)) == Again(7.0)
    assert fail(life, Ending(cause=Cause.REFUSED, code=503, after=9e9)) == Again(60.0)
    life.opening()
    life.opened(0.0)
    life.announced(9e9, 0.0)
    assert life.ended(closed(4200), 0.0) == Again(60.0)


def test_lifecycle_moves_without_an_end() -> None:
    """A connection that took over counts from its own beginning."""
    life = make()
    life.opening()
    life.opened(0.0)
    life.announced(50.0, 99.0)
    life.moved(100.0)
    assert life.connections == 2
    assert life.ended(closed(1006), 100.0) == Again(0.1)


def test_lifecycle_refuses_what_cannot_be() -> None:
    """Unknown transitions are mistakes of ours; ending twice is fine."""
    life = make()
    with pytest.raises(LocalError, match="cannot become open"):
        life.opened(0.0)
    life.end()
    life.end()
    assert repr(life) == "<Lifecycle ended, 0 attempts>"


def test_ending_is_a_sentence() -> None:
    """With its code and its text where it has them."""
    assert (
        str(closed(4001, "bad token")) == "the connection was closed (4001): bad token"
    )
    assert str(REACHED) == "the hub could not be reached"


@pytest.mark.parametrize(
    ("left", "wait"),
    [
        (3600.0, 3570.0),
        (120.0, 90.0),
        (100.0, 75.0),
        (4.0, 3.0),
        (1.0, 1.0),
        (-9.0, 1.0),
    ],
)
def test_token_is_refreshed_before_its_end(left: float, wait: float) -> None:
    """Half a minute before, or at three quarters; never in a tight loop."""
    assert refresh_after(1000.0 + left, 1000.0) == pytest.approx(wait)
