"""The users of one scenario: opened, kept, counted, closed."""

from typing import cast

import pytest

from wavetank.dialects import Dialect
from wavetank.load.engine.population import NEVER, Population
from wavetank.load.engine.user import User
from wavetank.load.exchange import Share
from wavetank.load.plan import Arrivals, Payload, Scenario, Shape, Stage
from wavetank.load.segments import dealt

from .hosts import Bench, Shy, scenario


class Idler(User):
    """A user that does nothing."""

    busy = False

    def receive(self, data: bytes) -> list[tuple[int, bytes]]:
        """Drop bytes."""
        del data
        return []

    @property
    def is_idle(self) -> bool:
        """Whether the test lets it go."""
        return not self.busy


def population(
    bench: Bench,
    given: Scenario | None = None,
    *,
    opening: int = 64,
    share: Share | None = None,
    dialect: str = "echo",
    **more: float,
) -> Population:
    """Return a population of users that do nothing."""
    given = given or scenario("request", users=3)
    setting = bench.setting(given, share=share, dialect=dialect, **more)
    made = Population(setting, given, opening=opening)
    bench.closing.callback(made.close)
    made.users = [
        Idler(
            setting,
            number,
            topic="t" if dialect == "hub" else "",
            on_ready=made.became_ready,
            on_lost=made.was_lost,
        )
        for number in range(given.users)
    ]
    return made


def opened(bench: Bench, made: Population, count: int) -> None:
    """Open so many connections."""
    made.open()
    bench.turn()
    bench.accept(count)
    bench.turn_until(lambda: made.open_count == count)


def look(made: Population, later: float = 1.0) -> None:
    """Look at it, as if it were later."""
    made._next_look = 0.0
    made.look(made.setting.loop.now + later)


def growing(*levels: float) -> Scenario:
    """Return a scenario whose population has one level a second."""
    stages = tuple(Stage(seconds=1.0, level=level) for level in levels)
    return scenario("request", users=5, population=stages)


# Opening


def test_population_opens_a_bounded_number_at_once(bench: Bench) -> None:
    """The next handshake begins when one is done."""
    made = population(bench, opening=2)
    made.open()
    bench.turn()
    guests = [bench.host.accept() for _ in range(2)]
    assert made.connects.tally.sent == 2
    assert not made.is_open
    guests[0].answer()
    bench.turn_until(lambda: made.connects.tally.sent == 3)
    guests[1].answer()
    bench.accept()
    bench.turn_until(lambda: made.is_open)
    tally = made.connects.tally
    assert (tally.intended, tally.sent, tally.received) == (3, 3, 3)
    assert sum(made.connects.response.values()) == 3
    assert repr(made) == "<Population s: 3 of 3 ready>"


def test_population_reads_between_the_connections_that_it_begins(
    bench: Bench,
) -> None:
    """Of a hundred at once, those that are begun first are not timed too late."""
    made = population(bench, scenario("request", users=100), opening=100)
    made.open()
    now = bench.loop.now
    assert made.connects.tally.sent == 64
    assert made.wakes_at(now) == now
    made.look(now)
    assert made.connects.tally.sent == 100
    assert made.wakes_at(now - 1) == made.next_due()


def test_population_counts_those_that_are_refused(bench: Bench) -> None:
    """All are tried, though each fails while the next is begun."""
    made = population(bench, opening=1)
    bench.host.refuse()
    made.open()
    bench.turn_until(lambda: look(made) or made.is_open)  # type: ignore[func-returns-value]
    assert made.failed == 3
    assert made.connects.tally.failed == 3
    assert sum(made.reasons.values()) == 3
    assert not made.is_deserted
    tallies, _ = made.take()
    assert tallies[0].failed == 3
    assert made.connects.tally.failed == 0


def test_population_gives_up_those_that_do_not_open(bench: Bench) -> None:
    """Those that wait for their turn count as well, and nothing is left open."""
    made = population(bench, opening=1)
    made.open()
    bench.turn()
    made.give_up_opening("not open in time")
    assert made.reasons == {"not open in time": 3}
    assert made.connects.tally.intended == 3
    assert made.is_open
    assert repr(bench.loop) == "<Loop 0 descriptors>"


@pytest.mark.hasty
def test_population_gives_up_a_target_that_never_answers(bench: Bench) -> None:
    """Whoever connects in the middle of a load waits no longer than anyone."""
    made = population(bench, connect_within=5.0)
    made.open()
    bench.turn()
    look(made, 4.9)
    assert made.failed == 0
    look(made, 5.1)
    assert made.reasons == {"not open within 5 s": 3}


def test_population_lets_a_user_go_on_whose_answer_does_not_come(bench: Bench) -> None:
    """A second after it has asked, not after it began to connect."""
    made = population(bench, scenario("listen"), dialect="hub")
    made.setting.dialect = cast("Dialect", Shy())
    made.open()
    bench.turn()
    guest = bench.host.accept().answer(subprotocol=True)
    guest.say('{"type":"welcome","protocol":"wavetank.v1"}')
    user = made.users[0]
    bench.turn_until(lambda: user.asked > user.began)
    bench.turn()
    look(made, 0.9)
    assert made.open_count == 0
    look(made, 1.1)
    assert made.open_count == 1


def test_population_notes_who_is_lost(bench: Bench) -> None:
    """Also when the load is ending already: it was the target that ended it."""
    made = population(bench)
    opened(bench, made, 3)
    bench.host.guests[0].socket.close()
    bench.turn_until(lambda: made.lost_connections == 1)
    made.end()
    bench.host.guests[1].socket.close()
    bench.turn_until(lambda: made.lost_connections == 2)
    assert made.problems == {"the target ended the connection": 2}
    assert made.open_count == 1


def test_population_is_over_once_everybody_is_lost(bench: Bench) -> None:
    """Nobody comes back: to go on would be for nothing."""
    made = population(bench)
    opened(bench, made, 3)
    now = bench.loop.now
    assert not made.is_over(now)
    for guest in bench.host.guests:
        guest.socket.close()
    bench.turn_until(lambda: made.lost_connections == 3)
    assert made.is_deserted
    assert made.is_over(now)


# Growing and shrinking


@pytest.mark.hasty
def test_population_grows_and_shrinks_by_its_stages(bench: Bench) -> None:
    """The youngest leave, with a goodbye; who is asked again comes back."""
    made = population(bench, growing(1, 3, 1, 2))
    opened(bench, made, 1)
    look(made, 1.5)
    bench.turn()
    bench.accept(2)
    bench.turn_until(lambda: made.open_count == 3)
    look(made, 2.5)
    assert [user.is_ready for user in made.users[:3]] == [True, False, False]
    assert made.open_count == 1
    look(made, 3.5)
    bench.turn()
    bench.host.accept().answer()
    bench.turn_until(lambda: made.open_count == 2)
    assert made.lost_connections == 0
    assert made.users[1].is_ready


def test_population_does_not_change_before_the_start_is_agreed(bench: Bench) -> None:
    """How long the others take to open must not make this one grow."""
    made = population(bench, growing(1, 3))
    made.setting.has_start = False
    opened(bench, made, 1)
    look(made, 1.5)
    assert made.is_open
    made.setting.has_start = True
    made.setting.start = bench.loop.now + 100
    look(made, 1.5)
    assert made.is_open


def test_user_that_is_owed_an_answer_leaves_when_it_has_it(bench: Bench) -> None:
    """Until then nothing new is given to it."""
    made = population(bench, growing(2, 1))
    opened(bench, made, 2)
    user = made.users[1]
    assert isinstance(user, Idler)
    user.busy = True
    look(made, 1.5)
    assert user not in made.ready
    assert user.is_ready
    user.busy = False
    look(made, 1.6)
    assert not user.is_ready


def test_user_that_has_not_quite_left_is_taken_back(bench: Bench) -> None:
    """Its connection is still there, and is used again."""
    made = population(bench, growing(2, 1, 2))
    opened(bench, made, 2)
    user = made.users[1]
    assert isinstance(user, Idler)
    user.busy = True
    look(made, 1.5)
    look(made, 2.5)
    assert user in made.ready
    assert made.connects.tally.sent == 2


def test_user_that_is_wanted_no_longer_is_not_opened(bench: Bench) -> None:
    """One whose handshake is under way leaves when it is done; one that waits, never
    begins; one that is asked again meanwhile does.
    """
    made = population(bench, growing(1, 4, 1, 3), opening=1)
    opened(bench, made, 1)
    look(made, 1.5)
    bench.turn()
    look(made, 2.5)
    look(made, 3.5)
    bench.accept(2)
    bench.turn_until(lambda: made.is_open)
    look(made, 3.6)
    assert made.open_count == 3
    assert made.connects.tally.sent == 3
    assert made.users[3].connection is None


def test_user_that_becomes_ready_too_late_takes_no_part(bench: Bench) -> None:
    """It is let go with the next look."""
    made = population(bench, growing(1, 2, 1))
    opened(bench, made, 1)
    look(made, 1.5)
    bench.turn()
    look(made, 2.5)
    bench.host.accept().answer()
    bench.turn_until(lambda: made.users[1].is_ready)
    assert made.open_count == 1
    look(made, 2.6)
    assert not made.users[1].is_ready


# The schedule


def test_population_hands_out_what_is_due_once(bench: Bench) -> None:
    """Moments are those of the schedule, behind the scenario's own start."""
    made = population(bench, scenario("request", after=2.0))
    start = made.setting.start
    assert made.arrivals(start + 1.9) == []
    assert made.arrivals(start + 2.15) == [2_000_000, 2_100_000]
    assert made.arrivals(start + 2.15) == []
    assert made.next_due() == start + 2.2
    assert not made.is_over(start + 3.0)
    made.arrivals(start + 9)
    assert made.next_due() == NEVER
    assert not made.is_over(start + 2.9)
    assert made.is_over(start + 3.0)
    made.due(start)


def test_population_may_catch_up_for_a_second(bench: Bench) -> None:
    """What is not sent then is counted, never skipped silently.

    It is not dropped: nobody was asked whether he was free.
    """
    made = population(bench)
    start = made.setting.start
    assert not made.is_over(start + 1.9)
    assert made.is_over(start + 2.0)
    bench.loop.now = start + 2.0
    made.end()
    assert (made.paced.tally.intended, made.paced.tally.dropped) == (10, 0)


def test_population_that_is_told_to_end_drops_only_what_was_due(bench: Bench) -> None:
    """What was due later is nobody's fault."""
    made = population(bench)
    bench.loop.now = made.setting.start + 0.35
    made.end()
    assert made.paced.tally.dropped == 4


def test_population_sends_fewer_large_messages_at_once(bench: Bench) -> None:
    """It reads in between, and memory stays bounded."""
    large = scenario(
        "request",
        payload=Payload(size=1024 * 1024),
        stages=(Stage(seconds=1.0, level=1000.0),),
    )
    made = population(bench, large)
    assert len(made.arrivals(made.setting.start + 1.0)) == 4


def test_population_without_stages_lasts_as_long_as_the_plan(bench: Bench) -> None:
    """Nothing is ever due in it."""
    made = population(bench, scenario("listen"), duration=7.0)
    start = made.setting.start
    assert made.next_due() == NEVER
    assert made.arrivals(start + 1) == []
    assert not made.is_over(start + 6.9)
    assert made.is_over(start + 7.0)


def test_arrivals_are_dealt_out_over_those_who_have_users(bench: Bench) -> None:
    """Two publishers and four workers: two have all of it, two have nothing."""
    parts = [dealt(Share(index=index, count=4), among=2) for index in range(4)]
    assert [part.count for part in parts] == [2] * 4
    counts = []
    for arrivals in (Arrivals.EVEN, Arrivals.POISSON):
        given = scenario("request", users=2, arrivals=arrivals)
        moments = []
        for index in range(4):
            made = population(bench, given, share=Share(index=index, count=4))
            moments.append(made.arrivals(made.setting.start + 1))
        assert moments[2] == moments[3] == []
        alone = population(bench, given)
        whole = alone.arrivals(alone.setting.start + 1)
        assert sorted(moments[0] + moments[1]) == whole
        counts.append(len(whole))
    assert counts[0] == 10


# The end


def test_population_is_drained_once_nobody_is_connecting(bench: Bench) -> None:
    """Who is in the middle may finish; who never does, failed."""
    made = population(bench, opening=2)
    made.open()
    bench.turn()
    made.end()
    assert not made.is_drained({}, refused={})
    bench.host.accept().answer()
    bench.turn_until(lambda: made.open_count)
    assert not made.is_drained({}, refused={})
    progress = made.progress
    made.settle({}, refused={})
    assert made.progress == progress + 1
    assert made.is_drained({}, refused={})
    assert made.reasons == {"not open at the end": 1}
    assert made.connects.tally.sent == 2


def test_population_is_not_certain_of_what_the_target_never_took(bench: Bench) -> None:
    """What the system still holds cannot be lost by the target."""
    made = population(bench)
    opened(bench, made, 3)
    assert made.is_certain
    made.users[1].unsent += b"x"
    assert not made.is_certain


def test_population_publishes_nothing_by_itself(bench: Bench) -> None:
    """Each kind of scenario says what it does."""
    made = population(bench)
    assert made.published() == {}
    assert made.refused() == {}
    assert list(made.meters()) == []


def test_population_closes_everything(bench: Bench) -> None:
    """Nothing of it is left in the loop."""
    made = population(bench, scenario("request", users=3, population=()))
    opened(bench, made, 3)
    made.close()
    assert repr(bench.loop) == "<Loop 0 descriptors>"
    assert all(guest.is_ended() for guest in bench.host.guests)


@pytest.mark.hasty
def test_fibonacci_goes_up_and_down_without_losing_anybody(bench: Bench) -> None:
    """A population of 1 to 5 and back closes the youngest, step by step."""
    stages = (
        Stage(seconds=4.0, level=1, peak=5, shape=Shape.FIBONACCI),
        Stage(seconds=4.0, level=5, peak=1, shape=Shape.FIBONACCI),
    )
    made = population(bench, scenario("request", users=5, population=stages))
    opened(bench, made, 1)
    there = []
    for second in range(8):
        look(made, second + 0.5)
        bench.turn()
        while made.connects.tally.sent > len(bench.host.guests):
            bench.accept()
        bench.turn_until(lambda: made.is_open)
        there.append(made.open_count)
    assert there == [1, 2, 3, 5, 5, 3, 2, 1]
    assert made.lost_connections == 0


def test_population_hands_what_is_due_to_who_is_free_and_drops_the_rest(
    bench: Bench,
) -> None:
    """Each arrival goes to the next in turn; once nobody is free, it is too late."""
    stages = (Stage(seconds=1.0, level=10.0),)
    made = population(bench, scenario("request", users=2, stages=stages))
    handed: list[tuple[int, int, int]] = []

    def is_free(user: User) -> bool:
        return len([one for one in handed if one[0] == user.number]) < 2

    def hand_out(seconds: float) -> None:
        now = made.setting.loop.now
        made.setting.start = now - seconds
        made.hand_out(
            now,
            made.ready,
            is_free=is_free,
            send=lambda user, due, now: handed.append((user.number, due, now)),
        )

    opened(bench, made, 2)
    hand_out(0.0)
    assert handed == []
    hand_out(0.65)
    assert sorted(number for number, _, _ in handed) == [0, 0, 1, 1]
    moments = [due for _, due, _ in handed]
    assert moments == sorted(set(moments))
    assert all(due <= now for _, due, now in handed)
    tally = made.paced.tally
    # The schedule has one at its very start, and two connects are counted as well.
    assert (tally.sent - 2, tally.dropped) == (4, 3)
